/* restore/databases.c -- Which databases stand for what. A restore is loaded into NAME_restoring_TAG, which carries a comment with a
   mark; the swap is one transaction, so an interruption leaves either the old or the new one under NAME. Should NAME be missing all
   the same (a swap made by hand, or by something older), the mark tells how to go on. */
#include "base/jsonout.h"
#include "io/json.h"
#include "restore/restore_internal.h"
#include "sys/clock.h"
#include "sys/file.h"

#define MARK "bascule-restore "

enum {
    END_MS = 30 * 1000,
    DROP_MS = 5 * 60 * 1000, /* the server waits for every session to let go of the files, also for one that hangs */
};

struct database {
    const char *name;
    bool open;            /* takes connections */
    const char *comment;  /* NULL: none */
    const char *state;    /* of our mark: "loading", "verified"; NULL: not marked */
    const char *tag, *sha256;
    int64_t at_ms;
};

/* ---- names ---- */

static bool name_fits(const char *name, struct err *err)
{
    if (strlen(name) <= 63)
        return true;
    return err_set(err, ERR_CONFIG, "the database name \"%s\" would be longer than PostgreSQL's 63 bytes", name);
}

static bool tag_is_plain(const char *tag)
{
    if (!tag || !*tag)
        return false;
    for (const char *p = tag; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '.' || *p == '-' || *p == '_'))
            return false;
    return true;
}

const char *databases_admin(const struct restore_spec *spec)
{
    return spec->admin_dbname ? spec->admin_dbname : "postgres";
}

/* Marks and new names are on the disk when we say so, also of a server that does not wait for that by itself. */
static const char durable[] = "SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'";

bool databases_open(struct restoring *r, struct err *err)
{
    const struct restore_spec *spec = r->spec;
    if (!tag_is_plain(spec->tag))
        return err_set(err, ERR_USAGE, "a restore needs a tag of letters, digits, '.', '-' and '_'");
    if (!spec->keep_old)
        return err_set(err, ERR_REFUSED, "the database that is replaced is always kept, under another name");
    r->name = spec->target->dbname;
    const char *admin = databases_admin(spec);
    if (same(r->name, admin))
        return err_set(err, ERR_CONFIG, "the database to restore and the one for administration are both \"%s\"", admin);
    r->temp = arena_printf(r->arena, "%s_restoring_%s", r->name, spec->tag);
    if (!name_fits(r->temp, err) || !name_fits(arena_printf(r->arena, "%s_before_YYYYMMDD_HHMMSS", r->name), err))
        return false;
    return pg_open(spec->target, admin, RESTORE_CONNECT_MS, &r->admin, err) && pg_script(r->admin, durable, RESTORE_QUICK_MS, err);
}

/* A predecessor that was killed may still hold it until the server sees that its connection is gone. */
bool databases_lock(struct restoring *r, int64_t wait_ms, struct err *err)
{
    const char *params[] = {r->name};
    struct pg_rows *rows;
    static const char key[] = "hashtextextended('bascule restore ' || $1, 0)";
    const char *try = arena_printf(r->arena, "SELECT pg_try_advisory_lock(%s)::int", key);
    if (!pg_exec(r->admin, r->arena, try, params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    if (pg_int(rows, 0, 0))
        return true;
    if (wait_ms > 0) {
        const char *wait = arena_printf(r->arena, "SELECT pg_advisory_lock(%s)", key);
        if (pg_exec(r->admin, r->arena, wait, params, 1, wait_ms, NULL, err))
            return true;
        if (err && err->code != ERR_TIMEOUT)
            return false;
    }
    return err_set(err, ERR_REFUSED, "another restore of \"%s\" is under way on this server", r->name);
}

/* ---- marks ---- */

static void read_mark(struct arena *arena, struct database *d)
{
    const struct json *root;
    const char *mark = d->comment ? strstr(d->comment, MARK "{") : NULL;
    if (!mark || !json_parse(arena, str_of(mark + strlen(MARK)), &root, NULL))
        return;
    d->state = json_string(json_get(root, "state"));
    d->tag = json_string(json_get(root, "tag"));
    d->sha256 = json_string(json_get(root, "sha256"));
    if (!json_integer(json_get(root, "at_ms"), &d->at_ms))
        d->at_ms = 0;
}

struct databases {
    struct database *p;
    size_t n;
};

/* NAME itself and everything whose name begins with NAME_restoring_ or NAME_before_. */
static bool list_databases(struct restoring *r, struct databases *ret, struct err *err)
{
    const char *params[] = {r->name};
    struct pg_rows *rows;
    if (!pg_exec(r->admin, r->arena,
                 "SELECT datname, datallowconn::int, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
                 " OR starts_with(datname, $1 || '_restoring_') OR starts_with(datname, $1 || '_before_') ORDER BY datname",
                 params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    ret->n = pg_count(rows);
    ret->p = arena_array(r->arena, struct database, ret->n);
    for (size_t i = 0; i < ret->n; i++) {
        struct database *d = &ret->p[i];
        d->name = arena_strdup(r->arena, pg_text(rows, i, 0));
        d->open = pg_int(rows, i, 1) != 0;
        d->comment = arena_strdup(r->arena, pg_text(rows, i, 2));
        read_mark(r->arena, d);
    }
    return true;
}

static struct database *find(struct databases *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (same(all->p[i].name, name))
            return &all->p[i];
    return NULL;
}

static bool has_prefix(const struct restoring *r, const struct database *d, const char *kind)
{
    size_t n = strlen(r->name);
    return strncmp(d->name, r->name, n) == 0 && strncmp(d->name + n, kind, strlen(kind)) == 0;
}

bool databases_exists(struct restoring *r, const char *name, bool *ret, struct err *err)
{
    const char *params[] = {name};
    struct pg_rows *rows;
    if (!pg_exec(r->admin, r->arena, "SELECT 1 FROM pg_database WHERE datname = $1", params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    *ret = pg_count(rows) > 0;
    return true;
}

/* The words that people wrote on the old database stay in front of the mark. */
static bool old_comment(struct restoring *r, char **ret, struct err *err)
{
    struct databases all;
    if (!list_databases(r, &all, err))
        return false;
    struct database *old = find(&all, r->name);
    char *comment = arena_strdup(r->arena, old && old->comment ? old->comment : "");
    char *mark = strstr(comment, MARK "{");
    if (mark)
        *mark = 0;
    struct str kept = str_trim(str_of(comment));
    *ret = kept.n ? arena_printf(r->arena, STR_FMT "\n", STR_ARG(kept)) : arena_strdup(r->arena, "");
    return true;
}

static bool mark_statement(struct restoring *r, const char *state, const char **ret, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = 64 * 1024};
    char *kept;
    if (!old_comment(r, &kept, err))
        return false;
    buf_printf(&text, "%s%s", kept, MARK);
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "state", state);
    json_put_text(&j, "tag", r->spec->tag);
    json_put_text(&j, "file", file_name_of(r->spec->file));
    json_put_text(&j, "sha256", r->sha256);
    json_put_int(&j, "at_ms", clock_wall_ms());
    json_object_end(&j);
    *ret = arena_printf(r->arena, "COMMENT ON DATABASE %s IS %s", pg_identifier(r->admin, r->arena, r->temp),
                        pg_literal(r->admin, r->arena, buf_text(&text)));
    return true;
}

bool databases_mark(struct restoring *r, const char *state, struct err *err)
{
    const char *sql;
    return mark_statement(r, state, &sql, err) && pg_exec(r->admin, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, NULL, err);
}

bool databases_is_marked(struct restoring *r, bool *ret, struct err *err)
{
    struct databases all;
    if (!list_databases(r, &all, err))
        return false;
    struct database *d = find(&all, r->name);
    *ret = d && same(d->state, "verified") && same(d->tag, r->spec->tag) && same(d->sha256, r->sha256);
    return true;
}

/* ---- what an interrupted run left ---- */

/* One message to the server, hence one transaction. */
static bool take_name(struct restoring *r, const char *from, struct err *err)
{
    const char *name = pg_identifier(r->admin, r->arena, r->name);
    return pg_script(r->admin,
                     arena_printf(r->arena, "ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s ALLOW_CONNECTIONS true",
                                  pg_identifier(r->admin, r->arena, from), name, name),
                     RESTORE_QUICK_MS, err);
}

/* NAME is missing. A verified newcomer takes it: everything but its name was done. Else the old one takes it back, known by being
   closed to connections, as only an interrupted swap leaves it; an older one that was kept on purpose is open and is let be. */
static bool repair_missing(struct restoring *r, const struct databases *all, struct err *err)
{
    const struct database *newcomer = NULL, *old = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const struct database *d = &all->p[i];
        if (has_prefix(r, d, "_restoring_") && same(d->state, "verified") && (!newcomer || d->at_ms > newcomer->at_ms))
            newcomer = d;
        if (has_prefix(r, d, "_before_") && !d->open)
            old = d; /* in the order of names, which is that of time: the newest stays */
    }
    struct err why = {0};
    if (newcomer && take_name(r, newcomer->name, &why)) {
        restoring_note(r, "an interrupted restore had left no database \"%s\": \"%s\", which was complete, took the name", r->name,
                       newcomer->name);
        if (old) {
            const char *open = arena_printf(r->arena, "ALTER DATABASE %s ALLOW_CONNECTIONS true", pg_identifier(r->admin, r->arena, old->name));
            return pg_script(r->admin, open, RESTORE_QUICK_MS, err);
        }
        return true;
    }
    if (old) {
        if (!take_name(r, old->name, err))
            return err_prefix(err, "giving \"%s\" its name \"%s\" back", old->name, r->name);
        restoring_note(r, "an interrupted restore had left no database \"%s\": \"%s\" got the name back", r->name, old->name);
        return true;
    }
    if (newcomer && err)
        *err = why;
    return !newcomer;
}

bool databases_repair(struct restoring *r, struct err *err)
{
    struct databases all;
    if (!list_databases(r, &all, err))
        return false;
    struct database *current = find(&all, r->name);
    if (!current)
        return repair_missing(r, &all, err);
    if (current->open)
        return true;
    for (size_t i = 0; i < all.n; i++)
        if (has_prefix(r, &all.p[i], "_restoring_") && same(all.p[i].state, "verified")) { /* what was before closed it for the swap */
            const char *open = arena_printf(r->arena, "ALTER DATABASE %s ALLOW_CONNECTIONS true", pg_identifier(r->admin, r->arena, r->name));
            restoring_note(r, "an interrupted restore had left \"%s\" closed to connections: it was opened again", r->name);
            return pg_exec(r->admin, r->arena, open, NULL, 0, RESTORE_QUICK_MS, NULL, err);
        }
    return true;
}

/* ---- going on with it ---- */

/* The tool was killed, not its sessions: what they were at may still be done, unless they end now. */
static bool end_everybody(struct restoring *r, const char *name, struct err *err)
{
    static const char sql[] = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
                              " AND backend_type IS DISTINCT FROM 'autovacuum worker' OFFSET 0) s";
    int64_t deadline = clock_boot_ms() + END_MS;
    const char *params[] = {name};
    for (;;) {
        struct pg_rows *rows;
        if (!pg_exec(r->admin, r->arena, sql, params, 1, RESTORE_QUICK_MS, &rows, err))
            return err_prefix(err, "ending the sessions in \"%s\"", name);
        if (pg_int(rows, 0, 0) == 0)
            return true;
        if (clock_boot_ms() > deadline)
            return err_set(err, ERR_TIMEOUT, "sessions in \"%s\" do not end", name);
        if (!pg_exec(r->admin, r->arena, "SELECT pg_sleep(0.05)", NULL, 0, RESTORE_QUICK_MS, NULL, err))
            return false;
    }
}

static bool take_over(struct restoring *r, const char *from, struct err *err)
{
    if (!end_everybody(r, from, err))
        return false;
    if (same(from, r->temp))
        return true;
    const char *sql = arena_printf(r->arena, "ALTER DATABASE %s RENAME TO %s", pg_identifier(r->admin, r->arena, from),
                                   pg_identifier(r->admin, r->arena, r->temp));
    return databases_drop(r, r->temp, err) && pg_exec(r->admin, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, NULL, err);
}

bool databases_adopt(struct restoring *r, bool *ret, struct err *err)
{
    struct databases all;
    const struct database *newest = NULL, *other = NULL;
    *ret = false;
    if (!list_databases(r, &all, err))
        return false;
    for (size_t i = 0; i < all.n; i++) {
        const struct database *d = &all.p[i];
        if (!has_prefix(r, d, "_restoring_") || !same(d->state, "loading"))
            continue;
        if (!same(d->sha256, r->sha256))
            other = d;
        else if (!newest || d->at_ms > newest->at_ms)
            newest = d;
    }
    *ret = newest != NULL;
    if (newest)
        return take_over(r, newest->name, err) || err_prefix(err, "taking over \"%s\"", newest->name);
    if (other)
        restoring_note(r, "\"%s\" was being loaded from another file: the restore began anew", other->name);
    else
        restoring_note(r, "no interrupted restore of this file was found: the restore began from the start");
    return true;
}

/* Made and not marked any more: nobody may connect, there is no word about it, and it is as large as template0. Whoever connects to a
   database, as its owner would, makes it larger by the files of the cache of its catalogue. */
static bool is_unmarked_newcomer(struct restoring *r, const struct database *d, bool *ret, struct err *err)
{
    static const char sql[] = "SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) <= pg_database_size('template0') END::int"
                              " FROM pg_database WHERE datname = $1";
    const char *params[] = {d->name};
    struct pg_rows *rows;
    *ret = false;
    if (d->open || d->comment)
        return true;
    if (!pg_exec(r->admin, r->arena, sql, params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    *ret = pg_int(rows, 0, 0) != 0;
    return true;
}

/* Under the lock no other run can own them. What carries no mark of ours is left alone unless this run needs the name, or nobody ever was
   in it. */
bool databases_sweep(struct restoring *r, const char *keep, struct err *err)
{
    struct databases all;
    if (!list_databases(r, &all, err))
        return false;
    for (size_t i = 0; i < all.n; i++) {
        const struct database *d = &all.p[i];
        if (!has_prefix(r, d, "_restoring_") || (keep && same(d->name, keep)))
            continue;
        bool goes = same(d->name, r->temp) || d->state;
        if (!goes && !is_unmarked_newcomer(r, d, &goes, err))
            return false;
        if (!goes)
            continue;
        if (!databases_drop(r, d->name, err))
            return false;
        restoring_note(r, "\"%s\", left by a run that did not end, was dropped", d->name);
    }
    return true;
}

/* DROP DATABASE begins with a checkpoint, and a server without room for one ends at once, other databases and all. What a restore that
   found no room has loaded goes first, therefore. Whether that succeeds is not asked: it is the database's end that counts. */
static void make_room(struct restoring *r, const char *name)
{
    static const char sql[] = "SELECT string_agg(format('DROP %s IF EXISTS %s CASCADE', CASE relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,"
                              " oid::regclass), ';') FROM (SELECT oid, relkind FROM pg_class c WHERE relkind IN ('r', 'm') AND pg_relation_size(c.oid) > 1000000"
                              " AND relnamespace <> 'pg_catalog'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
                              " AND d.objid = c.oid AND d.deptype = 'e') ORDER BY pg_relation_size(c.oid) DESC LIMIT 100) AS large";
    SCOPED(pg_close) struct pg *pg = NULL;
    struct pg_rows *rows;
    struct err none = {0};
    bool made UNUSED = pg_open(r->spec->target, name, RESTORE_CONNECT_MS, &pg, &none) &&
                       pg_script(pg, "SET search_path = pg_catalog; SET synchronous_commit = off", RESTORE_QUICK_MS, &none) &&
                       pg_exec(pg, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, &rows, &none) && pg_text(rows, 0, 0) &&
                       pg_script(pg, pg_text(rows, 0, 0), DROP_MS, &none);
}

bool databases_drop(struct restoring *r, const char *name, struct err *err)
{
    const char *params[] = {name};
    if (!pg_exec(r->admin, r->arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", params, 1, RESTORE_QUICK_MS,
                 NULL, err))
        return false;
    if (same(name, r->temp))
        make_room(r, name);
    const char *force = pg_server_version(r->admin) >= 130000 ? " WITH (FORCE)" : "";
    const char *sql = arena_printf(r->arena, "DROP DATABASE IF EXISTS %s%s", pg_identifier(r->admin, r->arena, name), force);
    return pg_exec(r->admin, r->arena, sql, NULL, 0, DROP_MS, NULL, err) || err_prefix(err, "dropping \"%s\"", name);
}

/* ---- a new one ---- */

/* One message to the server, hence one transaction: what is open has its mark. */
static bool mark_and_open(struct restoring *r, struct err *err)
{
    const char *mark;
    return mark_statement(r, "loading", &mark, err) &&
           pg_script(r->admin, arena_printf(r->arena, "%s; ALTER DATABASE %s ALLOW_CONNECTIONS true", mark, pg_identifier(r->admin, r->arena, r->temp)),
                     RESTORE_QUICK_MS, err);
}

/* Encoding and locale of the database that it will replace, else of the one for administration. It is made closed to connections: were we
   killed before it is marked, the next run still knows it for one of ours. */
bool databases_create(struct restoring *r, struct err *err)
{
    int version = pg_server_version(r->admin);
    const char *locale = version >= 170000 ? "datlocale" : version >= 150000 ? "daticulocale" : "NULL::text";
    const char *provider = version >= 150000 ? "datlocprovider::text" : "'c'";
    const char *params[] = {r->name};
    struct pg_rows *rows;
    const char *ask = arena_printf(r->arena,
                                   "SELECT pg_encoding_to_char(encoding), datcollate, datctype, %s, %s FROM pg_database"
                                   " WHERE datname IN ($1, current_database()) ORDER BY datname = $1 DESC",
                                   provider, locale);
    if (!pg_exec(r->admin, r->arena, ask, params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    const char *quoted[5] = {0};
    for (size_t i = 0; i < COUNT_OF(quoted); i++)
        if (pg_text(rows, 0, i))
            quoted[i] = pg_literal(r->admin, r->arena, pg_text(rows, 0, i));
    const char *more = "";
    if (same(pg_text(rows, 0, 3), "i") && quoted[4])
        more = arena_printf(r->arena, " LOCALE_PROVIDER icu ICU_LOCALE %s", quoted[4]);
    else if (same(pg_text(rows, 0, 3), "b") && quoted[4])
        more = arena_printf(r->arena, " LOCALE_PROVIDER builtin BUILTIN_LOCALE %s", quoted[4]);
    const char *sql = arena_printf(r->arena, "CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s%s ALLOW_CONNECTIONS false",
                                   pg_identifier(r->admin, r->arena, r->temp), quoted[0], quoted[1], quoted[2], more);
    return pg_exec(r->admin, r->arena, sql, NULL, 0, RESTORE_LONG_MS, NULL, err) && mark_and_open(r, err);
}
