/* restore/swap.c -- The new database takes the old one's place: what the old one had beyond its data goes over, connections are ended,
   and both renames happen in one transaction, so that a kill at any point leaves either the old or the new one under the name. */
#include "restore/restore_internal.h"
#include "sys/clock.h"

enum { SWAP_TRIES = 2 };

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

static bool end_sessions(struct restoring *r, const char *database, struct err *err)
{
    const char *params[] = {database};
    return pg_exec(r->admin, r->arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                   params, 1, RESTORE_QUICK_MS, NULL, err);
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

/* One message is one transaction. RENAME waits some seconds for sessions that are still ending, and fails if some stay. */
static bool rename_both(struct restoring *r, struct err *err)
{
    const char *name = pg_identifier(r->admin, r->arena, r->name), *temp = pg_identifier(r->admin, r->arena, r->temp);
    const char *before = pg_identifier(r->admin, r->arena, r->before);
    const char *sql = arena_printf(r->arena,
                                   "ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s RENAME TO %s; ALTER DATABASE %s ALLOW_CONNECTIONS true",
                                   name, before, temp, name, before);
    for (int i = 1; i <= SWAP_TRIES; i++) {
        if (!end_sessions(r, r->name, err) || !end_sessions(r, r->temp, err))
            return false;
        if (pg_script(r->admin, sql, RESTORE_QUICK_MS, err))
            return true;
        if (!same(pg_sqlstate(r->admin), "55006")) /* object in use */
            return false;
    }
    return false;
}

static bool replace_old(struct restoring *r, struct err *err)
{
    if (!choose_before(r, err))
        return false;
    if (databases_allow(r, false, err) && rename_both(r, err)) {
        r->closed = false;
        r->result->old_name = r->before;
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
