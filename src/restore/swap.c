/* restore/swap.c -- The new database takes the old one's place: what the old one had beyond its data goes over, connections are ended,
   and both renames happen in one transaction, so that a kill at any point leaves either the old or the new one under the name, open. */
#include "restore/restore_internal.h"
#include "sys/clock.h"

enum { SWAP_TRIES = 2, LOCK_S = 5, USHER_MS = 10 * 1000, USHER_EVERY_MS = 10, PREPARED_MS = 5 * 1000 };

/* ---- what a plain dump does not hold ---- */

/* A failure here is said, not fatal: the data is right, and the command to repair it is in the note. */
static void try(struct restoring *r, const char *sql)
{
    struct err err = {0};
    if (!pg_exec(r->admin, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, NULL, &err))
        restoring_note(r, "could not take over from the old database: %s (%s)", sql, err.message);
}

static bool run_each(struct restoring *r, const char *ask, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {r->name, r->temp};
    if (!pg_exec(r->admin, r->arena, ask, params, 2, RESTORE_QUICK_MS, &rows, err))
        return false;
    for (size_t i = 0; i < pg_count(rows); i++)
        try(r, pg_text(rows, i, 0));
    return true;
}

static const char ask_owner[] =
    "SELECT format('ALTER DATABASE %I OWNER TO %I', $2::text, pg_get_userbyid(o.datdba)) FROM pg_database o, pg_database n"
    " WHERE o.datname = $1 AND n.datname = $2 AND o.datdba <> n.datdba"
    " UNION ALL SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', $2::text, datconnlimit) FROM pg_database"
    " WHERE datname = $1 AND datconnlimit <> -1";

static const char ask_privileges[] =
    "SELECT s FROM (SELECT 0 AS k, format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) AS s FROM pg_database"
    "  WHERE datname = $1 AND datacl IS NOT NULL"
    " UNION ALL SELECT 1, format('GRANT %s ON DATABASE %I TO %s%s', x.privilege_type, $2::text,"
    "   CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,"
    "   CASE WHEN x.is_grantable AND x.grantee <> 0 THEN ' WITH GRANT OPTION' ELSE '' END)"
    "  FROM pg_database d, aclexplode(d.datacl) x WHERE d.datname = $1 AND x.grantee <> d.datdba) q ORDER BY k";

/* Lists of names are stored the way they are written; every other value is one string. */
static const char ask_settings[] =
    "SELECT format('ALTER %s SET %s TO %s',"
    "  CASE WHEN s.setrole = 0 THEN format('DATABASE %I', $2::text)"
    "    ELSE format('ROLE %I IN DATABASE %I', pg_get_userbyid(s.setrole), $2::text) END,"
    "  (SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array(split_part(c, '=', 1), '.')) part),"
    "  CASE WHEN lower(split_part(c, '=', 1)) IN ('search_path', 'temp_tablespaces', 'local_preload_libraries', 'session_preload_libraries')"
    "    AND substr(c, strpos(c, '=') + 1) <> '' THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END)"
    " FROM pg_db_role_setting s, pg_database d, unnest(s.setconfig) c WHERE d.datname = $1 AND s.setdatabase = d.oid"
    /* Ours, of a copy that waited: what replaces it says for itself whether it takes writes. */
    " AND NOT (s.setrole = 0 AND lower(split_part(c, '=', 1)) = 'default_transaction_read_only')";

bool restore_inherit(struct restoring *r, struct err *err)
{
    bool old;
    if (!databases_exists(r, r->name, &old, err))
        return false;
    return !old || (run_each(r, ask_owner, err) && run_each(r, ask_privileges, err) && run_each(r, ask_settings, err)) ||
           err_prefix(err, "taking over what belongs to the old database");
}

/* ---- the swap ---- */

/* The restored database has nobody of ours in it; a monitor, perhaps, that looks at every database. */
static bool end_sessions(struct restoring *r, const char *database, struct err *err)
{
    const char *params[] = {database};
    return pg_exec(r->admin, r->arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
                   " AND backend_type IS DISTINCT FROM 'autovacuum worker'", params, 1, RESTORE_QUICK_MS, NULL, err);
}

/* NAME_before_YYYYMMDD_HHMMSS, the next free second. */
static bool choose_before(struct restoring *r, struct err *err)
{
    bool taken = true;
    for (int64_t at_ms = clock_wall_ms(); taken; at_ms += MS_SECOND) {
        r->before = arena_printf(r->arena, "%s_before_%s", r->name, moment_file(r->arena, at_ms));
        if (!databases_exists(r, r->before, &taken, err))
            return false;
    }
    return true;
}

/* Who keeps others out of the old database while it is renamed. A session that starts locks its database for a moment, RENAME locks it
   against them and then waits 5 s for those inside to leave: whoever comes meanwhile waits for the lock, whoever is inside is ended from
   a second session. By its number, since the name is the new one's as soon as the renames are done. */
struct usher {
    struct restoring *r;
    struct pg *pg;
    const char *old;  /* its number */
    const char *renamer; /* the session that renames */
    char blocks[512]; /* who was seen to keep it waiting last */
    struct err err;   /* why it could not end them */
};

static void usher_close(struct usher *u)
{
    pg_close(&u->pg);
}

#define WHO "format('session %s of %s (%s)', pid, coalesce(usename, backend_type), coalesce(nullif(application_name, ''), 'no name'))"

static void show_out(void *arg)
{
    struct usher *u = arg;
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pg_rows *rows;
    const char *params[] = {u->old}, *renamer[] = {u->renamer};
    if (!pg_exec(u->pg, own, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid = $1::oid"
                 " AND backend_type IS DISTINCT FROM 'autovacuum worker'", params, 1, USHER_MS, NULL, &u->err)) {
        if (u->err.code == ERR_UNAVAILABLE)
            pg_meanwhile(u->r->admin, 0, NULL, NULL);
    } else if (pg_exec(u->pg, own, "SELECT string_agg(" WHO ", ', ') FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1::int))", renamer, 1,
                       USHER_MS, &rows, &u->err) && pg_text(rows, 0, 0)) {
        COPY_TO(u->blocks, pg_text(rows, 0, 0));
    }
}

static bool ask_line(struct usher *u, const char *ask, const char **ret, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {u->old};
    if (!pg_exec(u->pg, u->r->arena, ask, params, 1, USHER_MS, &rows, err))
        return false;
    *ret = pg_text(rows, 0, 0) ? arena_strdup(u->r->arena, pg_text(rows, 0, 0)) : NULL;
    return true;
}

/* A prepared transaction stays in its database whoever ends what: it is waited for before anybody is disturbed. */
static bool wait_for_prepared(struct usher *u, struct err *err)
{
    static const char ask[] = "SELECT string_agg(quote_literal(p.gid), ', ') FROM pg_prepared_xacts p JOIN pg_database d ON d.datname = p.database"
                              " WHERE d.oid = $1::oid";
    int64_t deadline = clock_boot_ms() + PREPARED_MS;
    for (const char *gids;;) {
        if (!ask_line(u, ask, &gids, err))
            return false;
        if (!gids)
            return true;
        if (clock_boot_ms() > deadline) {
            err_set(err, ERR_REFUSED, "prepared transactions stand in it: %s", gids);
            return err_hint(err, "in that database: COMMIT PREPARED or ROLLBACK PREPARED, then run the restore again");
        }
        if (!pg_exec(u->pg, u->r->arena, "SELECT pg_sleep(0.1)", NULL, 0, USHER_MS, NULL, err))
            return false;
    }
}

static bool usher_open(struct restoring *r, struct usher *ret, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {r->name};
    ret->r = r;
    if (!pg_exec(r->admin, r->arena, "SELECT oid, pg_backend_pid() FROM pg_database WHERE datname = $1", params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    if (pg_count(rows) != 1)
        return err_set(err, ERR_REFUSED, "it went away");
    ret->old = arena_strdup(r->arena, pg_text(rows, 0, 0));
    ret->renamer = arena_strdup(r->arena, pg_text(rows, 0, 1));
    return pg_open(r->spec->target, databases_admin(r->spec), RESTORE_CONNECT_MS, &ret->pg, err);
}

/* What the server says of it names nobody. */
static bool say_who_stays(struct usher *u, bool locked, struct err *err)
{
    static const char ask[] = "SELECT string_agg(w, ', ') FROM (SELECT " WHO " AS w FROM pg_stat_activity WHERE datid = $1::oid ORDER BY pid LIMIT 5) s";
    const char *who = u->blocks;
    struct err unused = {0};
    if (!locked && !ask_line(u, ask, &who, &unused))
        who = NULL;
    if (u->err.code)
        err_prefix(err, "ending sessions: %s", u->err.message);
    else if (who && *who)
        err_prefix(err, "in its way: %s", who);
    return err_hint(err, "end what is in its way, or stop what reconnects, and run the restore again");
}

/* The link may break behind the COMMIT: then what counts is what stands there. */
static bool is_done(struct usher *u)
{
    const char *name;
    struct err unused = {0};
    return ask_line(u, "SELECT datname FROM pg_database WHERE oid = $1::oid", &name, &unused) && same(name, u->r->before);
}

/* One message is one transaction: killed at any moment, the old one or the new one stands under the name, and neither is closed. Who
   connects meanwhile waits, some tenths of a second as a rule, and LOCK_S behind somebody's lock at worst. */
static bool rename_both(struct usher *u, struct err *err)
{
    struct restoring *r = u->r;
    const char *name = pg_identifier(r->admin, r->arena, r->name), *temp = pg_identifier(r->admin, r->arena, r->temp);
    const char *before = pg_identifier(r->admin, r->arena, r->before);
    const char *sql = arena_printf(r->arena,
                                   "SET LOCAL lock_timeout = '%ds'; ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s RENAME TO %s;"
                                   " ALTER DATABASE %s ALLOW_CONNECTIONS true", LOCK_S, name, before, temp, name, before);
    for (int i = 1;; i++) {
        if (!end_sessions(r, r->temp, err))
            return false;
        u->blocks[0] = 0;
        u->err = (struct err){0};
        show_out(u);
        pg_meanwhile(r->admin, USHER_EVERY_MS, show_out, u);
        bool renamed = pg_script(r->admin, sql, RESTORE_QUICK_MS, err);
        pg_meanwhile(r->admin, 0, NULL, NULL);
        if (renamed || is_done(u))
            return true;
        bool in_use = same(pg_sqlstate(r->admin), "55006"), locked = same(pg_sqlstate(r->admin), "55P03");
        if (i == SWAP_TRIES || !in_use)
            return in_use || locked ? say_who_stays(u, locked, err) : false;
    }
}

/* What hangs on the old database by its number goes with it, unasked. */
static void note_what_stays(struct restoring *r)
{
    static const char ask[] =
        "SELECT format('the logical replication slot \"%s\" stays with \"%s\": who reads from it has to begin anew', slot_name, database)"
        " FROM pg_replication_slots WHERE database = $1"
        " UNION ALL SELECT format('the subscription \"%s\" stays with \"%s\", and goes on writing to it', subname, datname)"
        " FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE datname = $1 AND subenabled";
    const char *params[] = {r->before};
    struct pg_rows *rows;
    struct err why = {0};
    if (!pg_exec(r->admin, r->arena, ask, params, 1, RESTORE_QUICK_MS, &rows, &why)) {
        restoring_note(r, "could not look for replication of \"%s\": %s", r->before, why.message);
        return;
    }
    for (size_t i = 0; i < pg_count(rows); i++)
        restoring_note(r, "%s", pg_text(rows, i, 0));
}

static bool replace_old(struct restoring *r, struct err *err)
{
    SCOPED(usher_close) struct usher u = {0};
    if (!choose_before(r, err))
        return false;
    if (usher_open(r, &u, err) && wait_for_prepared(&u, err) && rename_both(&u, err)) {
        r->result->old_name = r->before;
        note_what_stays(r);
        return true;
    }
    return err_prefix(err, "putting the restored database in the place of \"%s\", which is unchanged", r->name);
}

/* Before the swap, so that there is no moment at which somebody could write to it under its final name. */
static bool close_to_writes(struct restoring *r, struct err *err)
{
    const char *sql = arena_printf(r->arena, "ALTER DATABASE %s SET default_transaction_read_only = on", pg_identifier(r->admin, r->arena, r->temp));
    return pg_exec(r->admin, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, NULL, err);
}

bool restore_swap(struct restoring *r, struct err *err)
{
    bool old;
    if (r->spec->read_only && !close_to_writes(r, err))
        return false;
    if (!databases_mark(r, "verified", err) || !databases_exists(r, r->name, &old, err))
        return false;
    if (old)
        return replace_old(r, err);
    const char *sql = arena_printf(r->arena, "ALTER DATABASE %s RENAME TO %s", pg_identifier(r->admin, r->arena, r->temp),
                                   pg_identifier(r->admin, r->arena, r->name));
    return end_sessions(r, r->temp, err) && pg_script(r->admin, sql, RESTORE_QUICK_MS, err);
}
