/* restore/restore.c -- The order of a restore, and what is cleared away when a part of it fails. */
#include <errno.h>
#include <stdarg.h>

#include "restore/marks.h"
#include "sys/clock.h"

enum { LOCK_WAIT_MS = 15 * 1000, UNLOCK_MS = 5 * 1000 };

void restoring_note(struct restoring *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    *vec_add(r->arena, &r->notes) = arena_vprintf(r->arena, fmt, args);
    va_end(args);
}

void restoring_progress(const struct restoring *r, int64_t done, int64_t total, const char *fmt, ...)
{
    if (!r->spec->progress)
        return;
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    r->spec->progress(r->spec->progress_arg, done, total, what);
}

bool restoring_wants(const struct restoring *r, const char *table)
{
    const char *only = r->spec->only, *dot = strrchr(table, '.');
    return !only || same(only, table) || (dot && !strchr(only, '.') && same(only, dot + 1));
}

/* A database with the rows of one table must not become the one that a service works with. */
static bool may_take_name(struct restoring *r, struct err *err)
{
    const char *only = r->spec->only;
    bool old = false;
    if ((only || r->spec->new_name) && !databases_exists(r, r->name, &old, err))
        return false;
    if (!old)
        return true;
    if (only)
        err_set(err, ERR_REFUSED, "there is a database \"%s\", and one with the rows of table %s alone may not take its place", r->name, only);
    else
        err_set(err, ERR_REFUSED, "there is a database \"%s\" already", r->name);
    return err_hint(err, "restore under a name that no database has: --into NAME");
}

/* The lock is given back and not left to the end of the session: the server gets to that when it likes, and whoever asks next must not
   find a restore under way that is over. */
static void close_admin(struct restoring *r)
{
    bool unlocked = r->admin && pg_exec(r->admin, r->arena, "SELECT pg_advisory_unlock_all()", NULL, 0, UNLOCK_MS, NULL, NULL);
    (void)unlocked; /* else it went with the connection */
    pg_close(&r->admin);
}

static bool load_and_check(struct restoring *r, struct err *err)
{
    struct restore_result *result = r->result;
    int64_t began = clock_boot_ms();
    if ((!result->resumed && !databases_create(r, err)) || !restore_load(r, err))
        return false;
    result->load_ms = clock_boot_ms() - began;
    began = clock_boot_ms();
    if (!restore_inherit(r, err) || !restore_check(r, err))
        return false;
    result->verify_ms = clock_boot_ms() - began;
    return true;
}

static void undo(struct restoring *r, struct err *err)
{
    struct err why = {0};
    if (databases_drop(r, r->temp, &why))
        return;
    bool again = why.code != ERR_TIMEOUT;
    pg_close(&r->admin); /* it may be what failed */
    if (!again || !pg_open(r->spec->target, databases_admin(r->spec), RESTORE_CONNECT_MS, &r->admin, &why) ||
        !databases_drop(r, r->temp, &why))
        err_hint(err, "\"%s\" could not be cleared away (%s); the next restore does it", r->temp, why.message);
}

/* What an interrupted run left is gone on with where nothing speaks against it, or goes. */
static bool see_to_leftovers(struct restoring *r, struct err *err)
{
    const char *why = NULL;
    bool adopted = false;
    struct err unreadable = {0};
    if (r->spec->resume && !databases_adopt(r, &adopted, err))
        return false;
    if (adopted && !marks_read(r, &r->marks, &why, &unreadable))
        why = arena_strdup(r->arena, unreadable.message);
    if (why) {
        restoring_note(r, "what an interrupted run had loaded of this file could not be used (%s): the restore began anew", why);
        r->marks = NULL;
    }
    r->result->resumed = adopted && !why;
    return databases_sweep(r, r->result->resumed ? r->temp : NULL, err);
}

/* The server went away, and the one who started this wants to go on when it is back. */
static bool stays_for_later(struct restoring *r)
{
    return r->spec->resume && !pg_exec(r->admin, r->arena, "SELECT 1", NULL, 0, RESTORE_QUICK_MS, NULL, NULL);
}

bool restore_run(struct arena *arena, const struct restore_spec *spec, struct restore_result *ret, struct err *err)
{
    struct restore_result result = {.database = spec->target->dbname};
    SCOPED(close_admin) struct restoring r = {.arena = arena, .spec = spec, .result = &result};
    int64_t began = clock_boot_ms();
    if (!databases_open(&r, err) || !databases_lock(&r, LOCK_WAIT_MS, err))
        return false;
    /* The checksum marks the database from the start; the file is read again while it is loaded, and must still be the same. */
    if (stat(spec->file, &r.file) != 0)
        return err_os(err, errno, "could not look at \"%s\"", spec->file);
    if (!hash_file(spec->file, r.sha256, err) || !databases_repair(&r, err) || !may_take_name(&r, err) || !see_to_leftovers(&r, err))
        return false;
    if (!load_and_check(&r, err) || !restore_swap(&r, err)) {
        if (stays_for_later(&r))
            err_hint(err, "what was loaded is kept in \"%s\": run it again with --resume", r.temp);
        else
            undo(&r, err);
        return err_prefix(err, "restoring \"%s\"", spec->target->dbname);
    }
    result.took_ms = clock_boot_ms() - began;
    result.sha256 = arena_strdup(arena, r.sha256);
    result.notes = r.notes.p;
    result.note_count = r.notes.n;
    *ret = result;
    return true;
}

bool restore_done_already(struct arena *arena, const struct restore_spec *spec, bool *ret, struct err *err)
{
    struct restore_result unused = {0};
    SCOPED(close_admin) struct restoring r = {.arena = arena, .spec = spec, .result = &unused};
    return databases_open(&r, err) && databases_lock(&r, 0, err) && hash_file(spec->file, r.sha256, err) && databases_repair(&r, err) &&
           databases_is_marked(&r, ret, err);
}
