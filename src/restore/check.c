/* restore/check.c -- What must be true of the restored data before it may take the name. Everything is asked of the database itself,
   in a session of its own; nothing is believed because a statement succeeded. */
#include "restore/restore_internal.h"

struct checking {
    struct restoring *r;
    struct pg *pg;
};

/* ---- tables and rows ---- */

/* Name as SQL wants it, ready to be counted; NULL when there is no such table. */
static bool resolve(struct checking *c, const char *name, const char **ret_sql, bool *ret_extension, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {name};
    if (!pg_exec(c->pg, c->r->arena,
                 "SELECT format('%s%I.%I', CASE WHEN k.relkind = 'p' THEN '' ELSE 'ONLY ' END, n.nspname, k.relname),"
                 " EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = k.oid AND d.deptype = 'e')::int"
                 " FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace"
                 " WHERE k.oid = to_regclass($1) AND k.relkind IN ('r', 'p')",
                 params, 1, RESTORE_QUICK_MS, &rows, err))
        return false;
    *ret_sql = pg_count(rows) ? arena_strdup(c->r->arena, pg_text(rows, 0, 0)) : NULL;
    *ret_extension = pg_count(rows) && pg_int(rows, 0, 1);
    return true;
}

static bool count(struct checking *c, const char *sql, int64_t *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pg_rows *rows;
    if (!pg_exec(c->pg, own, sql, NULL, 0, RESTORE_LONG_MS, &rows, err))
        return false;
    *ret = pg_int(rows, 0, 0);
    return true;
}

static bool check_critical(struct checking *c, struct err *err)
{
    for (size_t i = 0; i < c->r->spec->critical_count; i++) {
        const char *name = c->r->spec->critical_tables[i], *sql;
        bool extension;
        if (!resolve(c, name, &sql, &extension, err))
            return false;
        if (!sql)
            return err_set(err, ERR_DATA, "the critical table \"%s\" is not in the restored data", name);
    }
    return true;
}

/* A table may be loaded in several pieces. */
static int64_t loaded_rows(const struct restoring *r, const char *name, bool *ret_found)
{
    int64_t rows = 0;
    *ret_found = false;
    for (size_t i = 0; i < r->tables.n; i++)
        if (same(r->tables.p[i].name, name)) {
            rows += r->tables.p[i].rows;
            *ret_found = true;
        }
    return rows;
}

static bool check_manifest(struct checking *c, struct err *err)
{
    const struct restore_spec *spec = c->r->spec;
    for (size_t i = 0; i < spec->count_count && spec->counts; i++) {
        bool found;
        if (!restoring_wants(c->r, spec->counts[i].table))
            continue;
        int64_t rows = loaded_rows(c->r, spec->counts[i].table, &found);
        if (!found || rows != spec->counts[i].rows)
            return err_set(err, ERR_DATA, "the file holds %lld rows of table %s, its manifest says %lld", (long long)rows, spec->counts[i].table,
                           (long long)spec->counts[i].rows);
    }
    return true;
}

/* The server said for each COPY how many rows it took, and that was compared. Nothing that ran since can have changed them, or it would
   have been noted as uncertain; the critical tables are looked at all the same, and every one when an earlier run loaded some. */
static bool must_look(const struct restoring *r, const char *table)
{
    if (r->uncertain || r->result->resumed)
        return true;
    const char *dot = strrchr(table, '.');
    for (size_t i = 0; i < r->spec->critical_count; i++) {
        const char *critical = r->spec->critical_tables[i];
        if (same(critical, table) || (dot && same(critical, dot + 1)))
            return true;
    }
    return false;
}

static bool check_rows(struct checking *c, struct err *err)
{
    struct restoring *r = c->r;
    for (size_t i = 0; i < r->tables.n; i++) {
        if (!must_look(r, r->tables.p[i].name))
            continue;
        const char *sql;
        bool extension, found;
        int64_t there, wanted = loaded_rows(r, r->tables.p[i].name, &found);
        restoring_progress(r, (int64_t)i, (int64_t)r->tables.n, "counting %s", r->tables.p[i].name);
        if (!resolve(c, r->tables.p[i].name, &sql, &extension, err))
            return false;
        if (!sql)
            return err_set(err, ERR_DATA, "table %s was loaded and is not there", r->tables.p[i].name);
        if (!count(c, arena_printf(r->arena, "SELECT count(*) FROM %s", sql), &there, err))
            return err_prefix(err, "counting the rows of %s", r->tables.p[i].name);
        /* CREATE EXTENSION fills its own tables; a dump adds the rows that are the user's. */
        if (extension ? there < wanted : there != wanted)
            return err_set(err, ERR_DATA, "table %s holds %lld rows after the restore, the file holds %lld", r->tables.p[i].name,
                           (long long)there, (long long)wanted);
    }
    return true;
}

/* A dump made of INSERTs has no COPY to count by. */
static bool count_all(struct checking *c, struct err *err)
{
    struct pg_rows *rows;
    if (c->r->tables.n)
        return true;
    if (!pg_exec(c->pg, c->r->arena,
                 "SELECT format('SELECT count(*) FROM ONLY %I.%I', n.nspname, k.relname) FROM pg_class k"
                 " JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.relkind = 'r' AND n.nspname <> 'information_schema'"
                 " AND n.nspname NOT LIKE 'pg\\_%'",
                 NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return false;
    for (size_t i = 0; i < pg_count(rows); i++) {
        int64_t n;
        if (!count(c, pg_text(rows, i, 0), &n, err))
            return false;
        c->r->result->rows += n;
    }
    return true;
}

/* ---- foreign keys ---- */

/* One row a key: its name, whether the server holds it for valid, and the query that counts its orphans. It is the query that the
   server itself uses to validate: the operators of the constraint, casts to their types, the collation of the referenced column. With
   MATCH SIMPLE a row with any null is no orphan; with MATCH FULL only one with all nulls. Keys of partitions are covered by that of
   the partitioned table (conparentid = 0). */
static const char foreign_keys[] =
    "SELECT format('%I of %I.%I', c.conname, fn.nspname, f.relname), c.convalidated::int,"
    " format('SELECT count(*) FROM %s%I.%I AS f WHERE ', CASE WHEN f.relkind = 'p' THEN '' ELSE 'ONLY ' END, fn.nspname, f.relname)"
    " || CASE c.confmatchtype WHEN 'f' THEN format('((%s) AND NOT (%s)) OR ', k.some_set, k.all_set) ELSE '' END"
    " || format('((%s) AND NOT EXISTS (SELECT 1 FROM %s%I.%I AS p WHERE %s))', k.all_set,"
    "      CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY ' END, pn.nspname, p.relname, k.equal)"
    " FROM pg_constraint c"
    " JOIN pg_class f ON f.oid = c.conrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace"
    " JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace"
    " CROSS JOIN LATERAL (SELECT"
    "   string_agg(format('f.%I IS NOT NULL', fa.attname), ' AND ') AS all_set,"
    "   string_agg(format('f.%I IS NOT NULL', fa.attname), ' OR ') AS some_set,"
    "   string_agg(format('p.%I%s OPERATOR(%I.%s) f.%I%s%s', pa.attname,"
    "     CASE WHEN lt.typtype = 'p' THEN '' ELSE '::' || format_type(o.oprleft, NULL) END, opn.nspname, o.oprname, fa.attname,"
    "     CASE WHEN rt.typtype = 'p' THEN '' ELSE '::' || format_type(o.oprright, NULL) END,"
    "     CASE WHEN pa.attcollation <> fa.attcollation AND pa.attcollation <> 0"
    "       THEN format(' COLLATE %I.%I', cn.nspname, co.collname) ELSE '' END), ' AND ') AS equal"
    "   FROM unnest(c.conkey, c.confkey, c.conpfeqop) AS u(fnum, pnum, op)"
    "   JOIN pg_attribute fa ON fa.attrelid = c.conrelid AND fa.attnum = u.fnum"
    "   JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = u.pnum"
    "   JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace opn ON opn.oid = o.oprnamespace"
    "   JOIN pg_type lt ON lt.oid = o.oprleft JOIN pg_type rt ON rt.oid = o.oprright"
    "   LEFT JOIN pg_collation co ON co.oid = pa.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace) k"
    " WHERE c.contype = 'f' AND c.conparentid = 0";

/* A key that this restore has had validated, in sessions that let no row by unchecked, is proved already. */
static bool check_foreign_key(struct checking *c, const char *name, bool valid, const char *query, struct err *err)
{
    int64_t orphans;
    if (valid && !c->r->uncertain) {
        c->r->result->foreign_keys++;
        return true;
    }
    if (!count(c, query, &orphans, err))
        return err_prefix(err, "checking the foreign key %s", name);
    if (valid && orphans)
        return err_set(err, ERR_DATA, "the foreign key %s has %lld rows without their parent", name, (long long)orphans);
    if (valid)
        c->r->result->foreign_keys++;
    else /* it was so where the dump was taken: refusing it would refuse the only data there is */
        restoring_note(c->r, "the foreign key %s is NOT VALID in the backup too; rows without their parent: %lld", name, (long long)orphans);
    return true;
}

static bool check_foreign_keys(struct checking *c, struct err *err)
{
    struct restoring *r = c->r;
    struct pg_rows *rows;
    const char *only = pg_server_version(c->pg) >= 180000 ? " AND NOT c.conperiod" : ""; /* a period is contained, not equal */
    const char *sql = arena_printf(r->arena, "%s%s ORDER BY 1", foreign_keys, only);
    if (!pg_exec(c->pg, r->arena, sql, NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return err_prefix(err, "listing the foreign keys");
    for (size_t i = 0; i < pg_count(rows); i++) {
        restoring_progress(r, (int64_t)i, (int64_t)pg_count(rows), "foreign key %s", pg_text(rows, i, 0));
        if (!check_foreign_key(c, pg_text(rows, i, 0), pg_int(rows, i, 1) != 0, pg_text(rows, i, 2), err))
            return false;
    }
    return true;
}

/* What the owner of the service says must be true of it. */
static bool check_assertions(struct checking *c, struct err *err)
{
    for (size_t i = 0; i < c->r->spec->assertion_count; i++) {
        const char *sql = c->r->spec->assertions[i];
        SCOPED(arena_close) struct arena *own = arena_open();
        struct pg_rows *rows;
        restoring_progress(c->r, (int64_t)i, (int64_t)c->r->spec->assertion_count, "assertion %zu", i + 1);
        if (!pg_exec(c->pg, own, sql, NULL, 0, RESTORE_LONG_MS, &rows, err))
            return err_prefix(err, "assertion \"%s\"", sql);
        if (pg_count(rows) != 1 || !(same(pg_text(rows, 0, 0), "t") || same(pg_text(rows, 0, 0), "true")))
            return err_set(err, ERR_DATA, "the assertion \"%s\" gives \"%s\", not true", sql, pg_text(rows, 0, 0) ? pg_text(rows, 0, 0) : "nothing");
    }
    return true;
}

/* ---- sequences and the recovery point ---- */

/* A sequence behind its column makes the next INSERT fail. As it was so at the source, it is said and not refused. */
static bool check_sequences(struct checking *c, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(c->pg, c->r->arena,
                 "SELECT format('%I.%I', sn.nspname, s.relname), coalesce(pg_sequence_last_value(s.oid), q.seqstart - q.seqincrement),"
                 " format('SELECT coalesce(max(%I), 0)::bigint FROM %I.%I', a.attname, tn.nspname, t.relname), format('%I.%I', t.relname, a.attname)"
                 " FROM pg_class s JOIN pg_namespace sn ON sn.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid"
                 " JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass"
                 "   AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')"
                 " JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace"
                 " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
                 " WHERE s.relkind = 'S' AND q.seqincrement > 0 AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)",
                 NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return err_prefix(err, "listing the sequences");
    for (size_t i = 0; i < pg_count(rows); i++) {
        int64_t most;
        if (!count(c, pg_text(rows, i, 2), &most, err))
            return err_prefix(err, "checking the sequence %s", pg_text(rows, i, 0));
        if (most > pg_int(rows, i, 1))
            restoring_note(c->r, "the sequence %s stands at %lld, below the largest %s, %lld, as in the backup", pg_text(rows, i, 0),
                           (long long)pg_int(rows, i, 1), pg_text(rows, i, 3), (long long)most);
    }
    return true;
}

static bool read_heartbeat(struct checking *c, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(c->pg, c->r->arena, "SELECT to_regclass('public.bascule_heartbeat') IS NOT NULL AND EXISTS (SELECT 1 FROM pg_attribute"
                 " WHERE attrelid = to_regclass('public.bascule_heartbeat') AND attname = 'beat_ms')", NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return false;
    if (!same(pg_text(rows, 0, 0), "t"))
        return true;
    if (!pg_exec(c->pg, c->r->arena, "SELECT max(beat_ms) FROM public.bascule_heartbeat", NULL, 0, RESTORE_QUICK_MS, &rows, err))
        return false;
    c->r->result->heartbeat_wall_ms = pg_int(rows, 0, 0);
    return true;
}

bool restore_check(struct restoring *r, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    if (!pg_open(r->spec->target, r->temp, RESTORE_CONNECT_MS, &pg, err) ||
        !pg_script(pg, "SET statement_timeout = 0; SET row_security = off", RESTORE_QUICK_MS, err))
        return false;
    struct checking c = {.r = r, .pg = pg};
    bool ok = check_critical(&c, err) && check_manifest(&c, err) && check_rows(&c, err) && count_all(&c, err) && check_foreign_keys(&c, err) &&
              check_assertions(&c, err) && check_sequences(&c, err) && read_heartbeat(&c, err);
    return ok || err_prefix(err, "verifying the restored data");
}
