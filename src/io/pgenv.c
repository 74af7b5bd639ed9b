/* io/pgenv.c -- The environment that pg_dump and its relatives are run with. A password goes into a file of its own, since the
   environment of a process can be read by others. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "io/pg.h"
#include "sys/secret.h"

/* "*:*:*:*:PASSWORD", where libpq wants ':' and '\' escaped. */
static bool write_passfile(int fd, const char *password, struct err *err)
{
    SCOPED(buf_done) struct buf line = {.max = 3 * SECRET_MAX};
    buf_puts(&line, "*:*:*:*:");
    for (const char *p = password; *p; p++) {
        if (*p == ':' || *p == '\\')
            buf_putc(&line, '\\');
        buf_putc(&line, *p);
    }
    buf_putc(&line, '\n');
    ssize_t wrote = write(fd, line.p, line.n);
    int os = errno;
    bool whole = wrote == (ssize_t)line.n;
    explicit_bzero(line.p, line.n);
    return whole || (wrote < 0 ? err_os(err, os, "could not write the password file")
                               : err_set(err, ERR_IO, "could not write the whole password file"));
}

/* Of processes that were killed. */
static void remove_leftovers(const char *folder)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        int pid = 0;
        if (sscanf(entry->d_name, "pgpass.%d.", &pid) == 1 && pid > 0 && kill(pid, 0) != 0 && errno == ESRCH)
            (void)unlink(arena_printf(own, "%s/%s", folder, entry->d_name));
    }
    if (dir)
        closedir(dir);
}

static bool make_passfile(struct arena *arena, const char *folder, const char *password, char **ret, struct err *err)
{
    char *path = arena_printf(arena, "%s/pgpass.%d.XXXXXX", folder, (int)getpid());
    remove_leftovers(folder);
    int fd = mkostemp(path, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return err_os(err, errno, "could not make a password file in \"%s\"", folder);
    bool done = write_passfile(fd, password, err);
    close(fd);
    if (done)
        *ret = path;
    else
        unlink(path);
    return done;
}

bool pg_client_env(struct arena *arena, const struct pgtarget *target, const char *folder, const char *const **ret_env,
                   char **ret_passfile, struct err *err)
{
    enum { MOST = 10 };
    char *password = NULL, *passfile = NULL;
    if (!secret_read(arena, &target->password, &password, err))
        return err_prefix(err, "reading the database password");
    if (password) {
        bool made = make_passfile(arena, folder, password, &passfile, err);
        secret_wipe(password);
        if (!made)
            return false;
    }
    const char **env = arena_array(arena, const char *, MOST);
    char port[16];
    snprintf(port, sizeof(port), "%d", target->port ? target->port : 5432);
    const char *const all[][2] = {
        {"PGHOST", target->host},       {"PGPORT", port},           {"PGUSER", target->user},
        {"PGDATABASE", target->dbname}, {"PGSSLMODE", target->sslmode}, {"PGPASSFILE", passfile},
        {"PGAPPNAME", "bascule"},       {"PGGSSENCMODE", "disable"},
    };
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i][1] && all[i][1][0])
            env[n++] = arena_printf(arena, "%s=%s", all[i][0], all[i][1]);
    *ret_env = env;
    *ret_passfile = passfile;
    return true;
}
