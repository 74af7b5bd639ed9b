/* restore/warm.c -- The seal is two values that the server keeps by itself: how many rows were ever inserted, changed or removed, and
   which files the tables lie in. Any write moves the one, any TRUNCATE, rewrite or new table the other; neither costs a look at a row,
   so an untouched copy of any size is known within milliseconds. A server that lost its statistics cannot vouch for its copy. */
#include "restore/warm.h"

#include <poll.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "restore/restore_internal.h"
#include "sys/clock.h"

enum { TAKE_LOCK_MS = 10 * 1000, COMMENT_MAX = 64 * 1024, OLD_STATISTICS_MS = 2000 };

#define MARK "bascule-restore "

struct seal {
    int64_t changes;
    const char *files;
};

/* ---- the mark ---- */

struct marked {
    const char *before; /* what stands in front of the mark: people's words */
    const struct json *mark; /* NULL: none */
};

static struct marked read_mark(struct arena *arena, const char *comment)
{
    struct marked m = {.before = comment ? comment : ""};
    const char *mark = comment ? strstr(comment, MARK "{") : NULL;
    if (mark && json_parse(arena, str_of(mark + strlen(MARK)), &m.mark, NULL))
        m.before = arena_strndup(arena, comment, (size_t)(mark - comment));
    return m;
}

static int64_t number_of(const struct json *mark, const char *key)
{
    int64_t value;
    return json_integer(json_get(mark, key), &value) ? value : 0;
}

static void take_mark(const struct json *mark, struct warm_copy *c)
{
    if (!mark || !same(json_string(json_get(mark, "state")), "verified"))
        return;
    c->tag = json_string(json_get(mark, "tag"));
    c->file = json_string(json_get(mark, "file"));
    c->sha256 = json_string(json_get(mark, "sha256"));
    if (!c->tag || !c->file || !c->sha256)
        return;
    c->ours = true;
    c->waits = str_starts(str_of(c->tag), WARM_TAG);
    c->marked_wall_ms = number_of(mark, "at_ms");
    c->taken_wall_ms = number_of(mark, "taken_ms");
    c->sealed = json_string(json_get(mark, "files")) != NULL;
    c->bytes = number_of(mark, "bytes");
    c->snapshot_wall_ms = number_of(mark, "snapshot_ms");
    c->heartbeat_wall_ms = number_of(mark, "heartbeat_ms");
    c->took_ms = number_of(mark, "took_ms");
    c->rows = number_of(mark, "rows");
    c->foreign_keys = number_of(mark, "foreign_keys");
}

static char *mark_text(struct arena *arena, const struct marked *m, const struct warm_copy *c, const struct seal *seal)
{
    SCOPED(buf_done) struct buf text = {.max = COMMENT_MAX};
    buf_printf(&text, "%s%s", m->before, MARK);
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "state", "verified");
    json_put_text(&j, "tag", c->tag);
    json_put_text(&j, "file", c->file);
    json_put_text(&j, "sha256", c->sha256);
    json_put_int(&j, "at_ms", c->marked_wall_ms);
    json_put_int(&j, "bytes", c->bytes);
    json_put_int(&j, "snapshot_ms", c->snapshot_wall_ms);
    json_put_int(&j, "heartbeat_ms", c->heartbeat_wall_ms);
    json_put_int(&j, "took_ms", c->took_ms);
    json_put_int(&j, "rows", c->rows);
    json_put_int(&j, "foreign_keys", c->foreign_keys);
    if (c->taken_wall_ms)
        json_put_int(&j, "taken_ms", c->taken_wall_ms);
    json_put_int(&j, "changes", seal->changes);
    json_put_text(&j, "files", seal->files);
    json_object_end(&j);
    return arena_strdup(arena, buf_text(&text));
}

/* ---- the seal ---- */

static const char ask_seal[] =
    "SELECT current_setting('track_counts'),"
    " (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_catalog.pg_stat_all_tables"
    "  WHERE relid >= 16384 AND schemaname <> 'pg_toast' OR relname IN ('pg_largeobject', 'pg_largeobject_metadata') AND schemaname = 'pg_catalog'),"
    " (SELECT coalesce(md5(string_agg(oid || ' ' || relfilenode || ' ' || relnatts, ',' ORDER BY oid)), '') FROM pg_catalog.pg_class"
    "  WHERE oid >= 16384 AND relpersistence <> 't' AND relkind IN ('r', 'm', 'p'))";

static bool read_seal(struct pg *pg, struct arena *arena, struct seal *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(pg, arena, ask_seal, NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return err_prefix(err, "looking whether the copy was written to");
    if (!same(pg_text(rows, 0, 0), "on"))
        return err_set(err, ERR_REFUSED, "the server does not count changes (track_counts is off), so nobody can say whether the copy was written to");
    ret->changes = pg_int(rows, 0, 1);
    ret->files = arena_strdup(arena, pg_text(rows, 0, 2));
    return true;
}

static const char *touched_by(struct arena *arena, const struct json *mark, const struct seal *now)
{
    int64_t then;
    const char *files = json_string(json_get(mark, "files"));
    if (!files || !json_integer(json_get(mark, "changes"), &then))
        return "its restore was not sealed";
    if (now->changes > then)
        return arena_printf(arena, "%lld rows were written to it since", (long long)(now->changes - then));
    if (now->changes < then)
        return "the server lost its statistics since, so nobody can say whether it was written to";
    return same(files, now->files) ? NULL : "its tables were changed since";
}

/* ---- what all verbs share: a session for administration, one in the database ---- */

struct warm {
    struct restoring r;
    struct restore_spec spec;
    struct restore_result unused;
    struct pg *pg; /* in the database itself */
    struct marked marked;
};

static void warm_done(struct warm *w)
{
    pg_close(&w->pg);
    pg_close(&w->r.admin);
}

static bool warm_open(struct warm *w, struct arena *arena, const struct pgtarget *target, const char *admin, struct err *err)
{
    w->spec = (struct restore_spec){.target = target, .admin_dbname = admin, .tag = "warm", .keep_old = true};
    w->r = (struct restoring){.arena = arena, .spec = &w->spec, .result = &w->unused};
    return databases_open(&w->r, err);
}

static bool read_copy(struct warm *w, struct warm_copy *ret, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {w->r.name};
    *ret = (struct warm_copy){.name = w->r.name};
    if (!pg_exec(w->r.admin, w->r.arena, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", params, 1,
                 RESTORE_QUICK_MS, &rows, err))
        return false;
    w->marked = read_mark(w->r.arena, pg_count(rows) ? arena_strdup(w->r.arena, pg_text(rows, 0, 0)) : NULL);
    take_mark(w->marked.mark, ret);
    return true;
}

static bool look(struct warm *w, struct warm_copy *ret, struct err *err)
{
    struct seal now;
    struct err why = {0};
    if (!read_copy(w, ret, err))
        return false;
    if (!ret->waits)
        return true;
    if (!pg_open(w->spec.target, NULL, RESTORE_CONNECT_MS, &w->pg, err))
        return false;
    ret->touched = read_seal(w->pg, w->r.arena, &now, &why) ? touched_by(w->r.arena, w->marked.mark, &now) : arena_strdup(w->r.arena, why.message);
    return true;
}

bool warm_look(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, struct warm_copy *ret, struct err *err)
{
    SCOPED(warm_done) struct warm w = {0};
    return warm_open(&w, arena, target, admin_dbname, err) && look(&w, ret, err);
}

static bool write_mark(struct warm *w, const struct warm_copy *c, const struct seal *seal, const char *and_also, struct err *err)
{
    struct arena *a = w->r.arena;
    const char *name = pg_identifier(w->r.admin, a, w->r.name);
    const char *text = pg_literal(w->r.admin, a, mark_text(a, &w->marked, c, seal));
    return pg_script(w->r.admin, arena_printf(a, "%sCOMMENT ON DATABASE %s IS %s", and_also, name, text), RESTORE_QUICK_MS, err);
}

bool warm_seal(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, const struct warm_copy *copy, struct err *err)
{
    SCOPED(warm_done) struct warm w = {0};
    struct warm_copy now;
    struct seal seal;
    if (!warm_open(&w, arena, target, admin_dbname, err) || !read_copy(&w, &now, err))
        return false;
    if (!now.waits)
        return err_set(err, ERR_REFUSED, "\"%s\" is not a copy that waits", w.r.name);
    if (pg_server_version(w.r.admin) < 150000)
        poll(NULL, 0, OLD_STATISTICS_MS); /* its collector learns of what ended sessions did a moment later */
    if (!pg_open(target, NULL, RESTORE_CONNECT_MS, &w.pg, err) || !read_seal(w.pg, arena, &seal, err))
        return false;
    now.bytes = copy->bytes;
    now.snapshot_wall_ms = copy->snapshot_wall_ms;
    now.heartbeat_wall_ms = copy->heartbeat_wall_ms;
    now.took_ms = copy->took_ms;
    now.rows = copy->rows;
    now.foreign_keys = copy->foreign_keys;
    return write_mark(&w, &now, &seal, "", err);
}

/* ---- taking it ---- */

/* Its rows were counted when it was restored, and nobody wrote since; so what is asked here is whether the server still gives them. */
static bool look_at_tables(struct warm *w, const struct warm_take *take, struct err *err)
{
    for (size_t i = 0; i < take->critical_count; i++) {
        const char *params[] = {take->critical_tables[i]};
        struct pg_rows *rows;
        if (!pg_exec(w->pg, w->r.arena, "SELECT to_regclass($1)::text, (SELECT reltuples > 0 FROM pg_class WHERE oid = to_regclass($1))::int", params, 1,
                     RESTORE_QUICK_MS, &rows, err))
            return false;
        if (!pg_text(rows, 0, 0))
            return err_set(err, ERR_REFUSED, "the critical table \"%s\" is not in the warm copy", take->critical_tables[i]);
        bool had_rows = pg_int(rows, 0, 1) != 0;
        const char *sql = arena_printf(w->r.arena, "SELECT * FROM %s LIMIT 1", pg_text(rows, 0, 0));
        if (!pg_exec(w->pg, w->r.arena, sql, NULL, 0, RESTORE_QUICK_MS, &rows, err))
            return err_prefix(err, "reading the critical table \"%s\" of the warm copy", take->critical_tables[i]);
        if (had_rows && !pg_count(rows))
            return err_set(err, ERR_REFUSED, "the critical table \"%s\" of the warm copy is empty", take->critical_tables[i]);
    }
    return true;
}

static bool end_sessions(struct warm *w, struct err *err)
{
    const char *params[] = {w->r.name};
    pg_close(&w->pg);
    return pg_exec(w->r.admin, w->r.arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                   params, 1, RESTORE_QUICK_MS, NULL, err);
}

/* Nothing is believed because a command ended well: a new session says whether it may write. */
static bool takes_writes(struct warm *w, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_open(w->spec.target, NULL, RESTORE_CONNECT_MS, &w->pg, err) ||
        !pg_exec(w->pg, w->r.arena, "SHOW transaction_read_only", NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return false;
    if (same(pg_text(rows, 0, 0), "off"))
        return true;
    err_set(err, ERR_REFUSED, "\"%s\" is still read-only for role \"%s\"", w->r.name, w->spec.target->user ? w->spec.target->user : "");
    return err_hint(err, "look for default_transaction_read_only in postgresql.conf and in ALTER ROLE settings");
}

static bool is_wanted(const struct warm_take *take, const struct warm_copy *c, struct err *err)
{
    if (!c->waits || !same(c->sha256, take->sha256))
        return err_set(err, ERR_REFUSED, "\"%s\" is not a copy of that backup", c->name);
    return !c->touched || err_set(err, ERR_REFUSED, "the warm copy of \"%s\" cannot be used: %s", c->file, c->touched);
}

bool warm_take(struct arena *arena, const struct warm_take *take, struct warm_copy *ret, struct err *err)
{
    SCOPED(warm_done) struct warm w = {0};
    struct seal seal;
    if (!warm_open(&w, arena, take->target, take->admin_dbname, err) || !databases_lock(&w.r, TAKE_LOCK_MS, err))
        return false;
    if (!look(&w, ret, err) || !is_wanted(take, ret, err) || !look_at_tables(&w, take, err) || !read_seal(w.pg, arena, &seal, err))
        return false;
    ret->tag = take->tag;
    ret->taken_wall_ms = clock_wall_ms();
    const char *lift = arena_printf(arena, "ALTER DATABASE %s RESET default_transaction_read_only; ", pg_identifier(w.r.admin, arena, w.r.name));
    return write_mark(&w, ret, &seal, lift, err) && end_sessions(&w, err) && takes_writes(&w, err);
}

/* ---- the ones before it ---- */

bool warm_prune(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, int keep, struct strs *ret_dropped, struct err *err)
{
    SCOPED(warm_done) struct warm w = {0};
    struct pg_rows *rows;
    if (!warm_open(&w, arena, target, admin_dbname, err) || !databases_lock(&w.r, TAKE_LOCK_MS, err))
        return false;
    const char *params[] = {w.r.name};
    if (!pg_exec(w.r.admin, arena,
                 "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE starts_with(datname, $1 || '_before_')"
                 " ORDER BY datname DESC", params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    int kept = 0;
    for (size_t i = 0; i < pg_count(rows); i++) {
        struct warm_copy old = {0};
        take_mark(read_mark(arena, arena_strdup(arena, pg_text(rows, i, 1))).mark, &old);
        if (!old.waits || kept++ < keep)
            continue;
        const char *name = arena_strdup(arena, pg_text(rows, i, 0));
        if (!databases_drop(&w.r, name, err))
            return false;
        *vec_add(arena, ret_dropped) = name;
    }
    return true;
}
