/* io/ssh.c -- The words of an OpenSSH command line. Nothing is run here. */
#include "io/ssh.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/file.h"

bool host_is_local(const struct host *host)
{
    return !host || !host->address || same(host->address, "local");
}

char *ssh_quote(struct arena *arena, const char *word)
{
    size_t quotes = 0;
    for (const char *p = word; *p; p++)
        quotes += *p == '\'';
    char *quoted = arena_alloc(arena, strlen(word) + quotes * 3 + 3), *to = quoted;
    *to++ = '\'';
    for (const char *p = word; *p; p++) {
        if (*p == '\'')
            to = mempcpy(to, "'\\''", 4);
        else
            *to++ = *p;
    }
    *to++ = '\'';
    *to = 0;
    return quoted;
}

/* Paths in options: quoted, since ssh splits at blanks, and % doubled, since ssh expands it. */
static char *option_path(struct arena *arena, const char *name, const char *path, const char *tail)
{
    char *escaped = arena_alloc(arena, strlen(path) * 2 + 1), *to = escaped;
    for (const char *p = path; *p; p++) {
        if (*p == '%')
            *to++ = '%';
        *to++ = *p;
    }
    return arena_printf(arena, "%s=\"%s%s\"", name, escaped, tail);
}

static void add(struct arena *arena, struct strs *argv, const char *word)
{
    *vec_add(arena, argv) = word;
}

static void add_option(struct arena *arena, struct strs *argv, const char *option)
{
    add(arena, argv, "-o");
    add(arena, argv, option);
}

static void add_sharing(struct arena *arena, struct strs *argv, const char *control_dir)
{
    /* ssh makes the socket under a temporary name that is 17 longer, and %C is 40: a path that does not fit would break every call,
       one connection for each command merely takes longer. */
    enum { TAIL = 1 + 40 + 17 };
    if (!control_dir || strlen(control_dir) + TAIL >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return;
    add_option(arena, argv, "ControlMaster=auto");
    add_option(arena, argv, "ControlPersist=60");
    add_option(arena, argv, option_path(arena, "ControlPath", control_dir, "/%C"));
}

static void add_host(struct arena *arena, struct strs *argv, const struct host *host)
{
    if (host->identity) {
        add(arena, argv, "-i");
        add(arena, argv, host->identity);
        add_option(arena, argv, "IdentitiesOnly=yes"); /* else an agent full of keys uses up the server's patience */
    }
    if (host->known_hosts) {
        add_option(arena, argv, option_path(arena, "UserKnownHostsFile", host->known_hosts, ""));
        add_option(arena, argv, "GlobalKnownHostsFile=/dev/null");
    }
    if (host->port > 0) {
        add(arena, argv, "-p");
        add(arena, argv, arena_printf(arena, "%d", host->port));
    }
    if (host->user) {
        add(arena, argv, "-l");
        add(arena, argv, host->user);
    }
    add(arena, argv, "--"); /* an address that starts with "-" must never be read as an option */
    add(arena, argv, host->address);
}

static const char *remote_line(struct arena *arena, const struct strs *words)
{
    size_t size = 1;
    char **quoted = arena_array(arena, char *, words->n);
    for (size_t i = 0; i < words->n; i++) {
        quoted[i] = ssh_quote(arena, words->p[i]);
        size += strlen(quoted[i]) + 1;
    }
    char *line = arena_alloc(arena, size), *to = line;
    for (size_t i = 0; i < words->n; i++) {
        if (i)
            *to++ = ' ';
        to = stpcpy(to, quoted[i]);
    }
    return line;
}

const char *const *ssh_argv(struct arena *arena, const struct host *host, const char *control_dir, const struct strs *words)
{
    struct strs argv = {0};
    if (host_is_local(host)) {
        for (size_t i = 0; i < words->n; i++)
            add(arena, &argv, words->p[i]);
    } else {
        static const char *const options[] = {
            "BatchMode=yes", /* never asks, and so an unknown host key is a failure */
            "StrictHostKeyChecking=yes", "ConnectTimeout=5", "ConnectionAttempts=1", "ServerAliveInterval=3", "ServerAliveCountMax=2",
            "LogLevel=ERROR", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no", "ClearAllForwardings=yes",
        };
        add(arena, &argv, "ssh");
        add(arena, &argv, "-T");
        for (size_t i = 0; i < COUNT_OF(options); i++)
            add_option(arena, &argv, options[i]);
        add_sharing(arena, &argv, control_dir);
        add_host(arena, &argv, host);
        add(arena, &argv, remote_line(arena, words));
    }
    add(arena, &argv, NULL);
    return argv.p;
}

bool ssh_prepare(const char *control_dir, struct err *err)
{
    struct stat st;
    if (!file_mkdirs(control_dir, 0700, err))
        return err_prefix(err, "preparing shared SSH connections");
    if (lstat(control_dir, &st) != 0)
        return err_os(err, errno, "could not look at folder \"%s\"", control_dir);
    /* Whoever can write here can put a socket of their own in place of a connection. */
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, ERR_PERMISSION, "folder \"%s\" for shared SSH connections belongs to somebody else", control_dir);
    if ((st.st_mode & 077) && chmod(control_dir, 0700) != 0)
        return err_os(err, errno, "could not protect folder \"%s\"", control_dir);
    return true;
}

bool ssh_transport_failed(const struct host *host, int exit_code)
{
    return !host_is_local(host) && exit_code == 255;
}
