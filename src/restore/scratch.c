/* restore/scratch.c -- initdb, a server that trusts its memory, a restore as any other, everything to disk, the server anew as it is
   by default. The unsafe settings stand on the command line alone: whatever starts this server later starts it safe. A mark in the
   folder says, until the end, that what lies there is not whole. */
#include "restore/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/base.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/proc.h"

enum { START_MS = 120 * 1000, STOP_MS = 3600 * 1000, ARGV_MAX = 32, PORT = 5432 };

#define MARK "NOT-RESTORED-YET"

struct scratch {
    struct arena *arena;
    const struct scratch_spec *spec;
    const char *bin, *data, *mark, *log;
    const struct passwd *owner; /* a server refuses to run as root; NULL: we are somebody else anyway */
    const char *user;
    int port;
};

/* ---- programs ---- */

static bool run(struct scratch *s, const char *const *words, int64_t timeout_ms, struct err *err)
{
    const char *argv[ARGV_MAX];
    size_t n = 0;
    if (s->owner) {
        argv[n++] = "setpriv";
        argv[n++] = arena_printf(s->arena, "--reuid=%u", s->owner->pw_uid);
        argv[n++] = arena_printf(s->arena, "--regid=%u", s->owner->pw_gid);
        argv[n++] = "--clear-groups";
        argv[n++] = "--";
    }
    argv[n++] = file_join(s->arena, s->bin, words[0]);
    for (size_t i = 1; words[i] && n < ARGV_MAX - 1; i++)
        argv[n++] = words[i];
    argv[n] = NULL;
    struct proc_result result;
    struct proc_spec spec = {.argv = argv, .timeout_ms = timeout_ms};
    if (!proc_run(s->arena, &spec, &result, err))
        return false;
    if (proc_ok(&result))
        return true;
    struct str said = str_trim(result.err.n ? result.err : result.out);
    err_set(err, ERR_FAILED, "%s: %s: " STR_FMT, words[0], result.why, (int)MIN_OF(said.n, (size_t)300), said.p);
    return err_hint(err, "the server's log is \"%s\"", s->log);
}

/* Everything that makes writing slow, off. Nothing of it may stay: a crash now costs the whole folder, and that is what the mark says. */
static const char fast[] = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0"
                           " -c archive_mode=off -c autovacuum=off -c max_wal_size=64GB -c checkpoint_timeout=1d -c shared_buffers=512MB"
                           " -c max_parallel_maintenance_workers=0 -c bgwriter_lru_maxpages=0 -c backend_flush_after=2MB";

static bool start(struct scratch *s, const char *settings, struct err *err)
{
    const char *options = arena_printf(s->arena, "-p %d -k '%s' -c listen_addresses='' %s", s->port, s->spec->folder, settings);
    return run(s, (const char *const[]){"pg_ctl", "-D", s->data, "-l", s->log, "-w", "-t", "120", "-o", options, "start", NULL}, START_MS, err) ||
           err_prefix(err, "starting the server of \"%s\"", s->spec->folder);
}

static bool stop(struct scratch *s, const char *how, struct err *err)
{
    return run(s, (const char *const[]){"pg_ctl", "-D", s->data, "-w", "-t", "3600", "-m", how, "stop", NULL}, STOP_MS, err) ||
           err_prefix(err, "stopping the server of \"%s\"", s->spec->folder);
}

/* ---- the folder ---- */

static void clear(struct scratch *s)
{
    char *pid = file_join(s->arena, s->data, "postmaster.pid");
    if (file_exists(pid) && !stop(s, "immediate", NULL))
        return; /* the mark stays, and says why nothing else went */
    base_remove_folder(s->data, NULL);
    unlink(s->log);
    unlink(s->mark);
}

static bool is_empty(const char *folder)
{
    DIR *dir = opendir(folder);
    bool empty = true;
    for (struct dirent *e; dir && (e = readdir(dir));)
        empty = empty && (same(e->d_name, ".") || same(e->d_name, ".."));
    if (dir)
        closedir(dir);
    return empty;
}

static bool prepare(struct scratch *s, struct err *err)
{
    const char *folder = s->spec->folder;
    if (!folder || folder[0] != '/' || strchr(folder, '\''))
        return err_set(err, ERR_USAGE, "the folder of a scratch server is an absolute path, without quotes");
    if (!file_mkdirs(folder, 0700, err))
        return false;
    if (file_exists(s->mark))
        clear(s);
    if (!is_empty(folder)) {
        err_set(err, ERR_REFUSED, "\"%s\" is not empty, and what is in it was not left by an interrupted restore", folder);
        return err_hint(err, "name a new folder: --scratch %s-2", folder);
    }
    if (s->owner && chown(folder, s->owner->pw_uid, s->owner->pw_gid) != 0)
        return err_os(err, errno, "could not give \"%s\" to %s", folder, s->owner->pw_name);
    return chmod(folder, 0700) == 0 || err_os(err, errno, "could not close \"%s\" to others", folder);
}

static const char *find_programs(struct arena *arena)
{
    static const char root[] = "/usr/lib/postgresql";
    DIR *dir = opendir(root);
    int64_t newest = 0, version;
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (str_int(str_of(e->d_name), &version) && version > newest &&
            file_exists(arena_printf(arena, "%s/%s/bin/initdb", root, e->d_name)))
            newest = version;
    if (dir)
        closedir(dir);
    return newest ? arena_printf(arena, "%s/%lld/bin", root, (long long)newest) : NULL;
}

static bool describe(struct scratch *s, const struct restore_spec *spec, struct err *err)
{
    s->bin = s->spec->bin_folder ? s->spec->bin_folder : find_programs(s->arena);
    if (!s->bin)
        return err_set(err, ERR_NOT_FOUND, "the server's programs (initdb, pg_ctl) are not in /usr/lib/postgresql");
    s->data = file_join(s->arena, s->spec->folder, "data");
    s->mark = file_join(s->arena, s->spec->folder, MARK);
    s->log = file_join(s->arena, s->spec->folder, "server.log");
    s->user = spec->target->user ? spec->target->user : "postgres";
    s->port = spec->target->port ? spec->target->port : PORT;
    if (geteuid() == 0 && !(s->owner = getpwnam("postgres")))
        return err_set(err, ERR_CONFIG, "the server refuses to run as root, and there is no user \"postgres\"");
    return true;
}

/* ---- the whole ---- */

static bool make_server(struct scratch *s, struct err *err)
{
    const char *locale = arena_printf(s->arena, "--locale=%s", s->spec->locale ? s->spec->locale : "C.UTF-8");
    return file_write(s->mark, "", 0, 0600, err) &&
           run(s, (const char *const[]){"initdb", "-D", s->data, "-U", s->user, "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8",
                                        locale, "--no-sync", NULL}, START_MS, err) &&
           start(s, fast, err);
}

/* A fast stop writes all there is; then the kernel is made to. Only after that does the mark go. */
static bool make_safe(struct scratch *s, struct err *err)
{
    if (!stop(s, "fast", err) || !run(s, (const char *const[]){"initdb", "--sync-only", "-D", s->data, NULL}, STOP_MS, err) || !start(s, "", err))
        return false;
    if (unlink(s->mark) != 0)
        return err_os(err, errno, "could not take the mark off \"%s\"", s->spec->folder);
    return true;
}

bool restore_scratch(struct arena *arena, const struct restore_spec *spec, const struct scratch_spec *scratch, struct scratch_result *ret,
                     struct err *err)
{
    struct scratch s = {.arena = arena, .spec = scratch};
    int64_t began = clock_boot_ms();
    if (!describe(&s, spec, err) || !prepare(&s, err))
        return false;
    struct pgtarget target = *spec->target;
    target.host = scratch->folder;
    target.port = s.port;
    target.user = s.user;
    struct restore_spec own = *spec;
    own.target = &target;
    own.admin_dbname = "postgres";
    struct scratch_result result = {.data = s.data, .socket = scratch->folder, .port = s.port, .user = s.user, .bin = s.bin};
    if (!make_server(&s, err) || !restore_run(arena, &own, &result.restored, err) || !make_safe(&s, err)) {
        clear(&s);
        return err_prefix(err, "restoring into a server of its own in \"%s\"", scratch->folder);
    }
    result.restored.took_ms = clock_boot_ms() - began;
    *ret = result;
    return true;
}
