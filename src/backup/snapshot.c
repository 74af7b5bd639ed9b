/* backup/snapshot.c -- Sessions set up as pg_dump sets up its own, so that the text is the same. */
#include "backup/snapshot.h"

enum {
    CONNECT_MS = 10 * 1000,
    QUERY_MS = 30 * 1000,
    CATALOGUE_MS = 10 * 60 * 1000,      /* of 100,000 tables, on a slow disk */
    LOCK_MS = 5 * 60 * 1000,            /* how long an ALTER TABLE of the application may keep us waiting, when nothing else is said */
    LARGE_MIN = 4 * 1024 * 1024,        /* smaller ones cost more in statements than they gain */
    LARGE_MOST = 1000,                  /* each is an argument of pg_dump */
    PIECE_BYTES = 24 * 1024 * 1024,
    PIECES_MOST = 20000,                /* of one table */
    TID_RANGE_SCANS = 140000,           /* first version that reads a range of ctid without reading the table */
    GENERATED_COLUMNS = 120000,
};

static const char settings[] =
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 300000; SET row_security = off;"
    "SET DateStyle = ISO; SET IntervalStyle = postgres; SET extra_float_digits = 3; SET bytea_output = hex; SET synchronize_seqscans = off;"
    "SET quote_all_identifiers = off; SET xmloption = content; SET max_parallel_workers_per_gather = 0; SET jit = off;"
    "SELECT pg_catalog.set_config('search_path', '', false)";

static bool set_up(struct pg *pg, const char *encoding, struct arena *arena, struct err *err)
{
    const char *last = arena_printf(arena, "SET client_encoding = %s%s", pg_literal(pg, arena, encoding),
                                    pg_server_version(pg) >= 170000 ? "; SET transaction_timeout = 0" : "");
    return pg_script(pg, settings, QUERY_MS, err) && pg_script(pg, last, QUERY_MS, err);
}

/* The moment and the place in the log are taken before the snapshot, hence never too young. On a standby the data is as old as the last
   transaction replayed. */
static bool ask_source(struct arena *arena, struct pg *pg, struct snapshot *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(pg, arena,
                 "SELECT current_setting('server_version'), floor(extract(epoch FROM CASE WHEN pg_is_in_recovery()"
                 " THEN least(coalesce(pg_last_xact_replay_timestamp(), clock_timestamp()), clock_timestamp())"
                 " ELSE clock_timestamp() END) * 1000)::bigint, current_setting('server_encoding'),"
                 " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END",
                 NULL, 0, QUERY_MS, &rows, err))
        return false;
    ret->server_version = pg_server_version(pg);
    ret->version_text = arena_strdup(arena, pg_text(rows, 0, 0));
    ret->wall_ms = pg_int(rows, 0, 1);
    ret->encoding = arena_strdup(arena, pg_text(rows, 0, 2));
    ret->lsn = arena_strdup(arena, pg_text(rows, 0, 3));
    /* Some providers forbid it; then the backup does not say which cluster it is from. */
    if (pg_exec(pg, arena, "SELECT system_identifier::text FROM pg_control_system()", NULL, 0, QUERY_MS, &rows, NULL))
        ret->system_identifier = arena_strdup(arena, pg_text(rows, 0, 0));
    return true;
}

static bool export_snapshot(struct arena *arena, struct pg *pg, struct snapshot *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_script(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", QUERY_MS, err) ||
        !pg_exec(pg, arena, "SELECT pg_catalog.pg_export_snapshot()", NULL, 0, QUERY_MS, &rows, err))
        return false;
    ret->id = arena_strdup(arena, pg_text(rows, 0, 0));
    return true;
}

bool snapshot_open(struct arena *arena, const struct pgtarget *target, struct snapshot *ret, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    *ret = (struct snapshot){.lock_wait_ms = LOCK_MS};
    if (!pg_open(target, NULL, CONNECT_MS, &pg, err) || !ask_source(arena, pg, ret, err) || !set_up(pg, ret->encoding, arena, err) ||
        !export_snapshot(arena, pg, ret, err))
        return false;
    ret->pg = TAKE(pg);
    return true;
}

void snapshot_close(struct snapshot *snapshot)
{
    pg_close(&snapshot->pg);
}

static const char *lock_statement(struct arena *arena, const struct large_table *tables, size_t count, const char *how)
{
    SCOPED(buf_done) struct buf sql = {.max = 16 * 1024 * 1024};
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s ONLY %s", i ? "," : "LOCK TABLE", tables[i].name);
    buf_printf(&sql, " IN ACCESS SHARE MODE%s", how);
    return arena_strdup(arena, buf_text(&sql));
}

bool snapshot_join(struct arena *arena, const struct snapshot *snapshot, const struct pgtarget *target, const struct large_table *tables,
                   size_t count, struct pg **ret, struct err *err)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct err own = {0};
    *ret = NULL;
    if (!pg_open(target, NULL, CONNECT_MS, &pg, err) || !set_up(pg, snapshot->encoding, arena, err) ||
        !pg_script(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", QUERY_MS, err) ||
        !pg_script(pg, arena_printf(arena, "SET TRANSACTION SNAPSHOT %s", pg_literal(pg, arena, snapshot->id)), QUERY_MS, err))
        return false;
    if (count && !pg_script(pg, lock_statement(arena, tables, count, " NOWAIT"), QUERY_MS, &own)) {
        if (same(pg_sqlstate(pg), "55P03")) /* lock_not_available */
            return true;
        if (err)
            *err = own;
        return false;
    }
    *ret = TAKE(pg);
    return true;
}

/* ---- large tables ---- */

/* Ordinary tables that pg_dump would dump whole: not of an extension (of those it takes the rows a condition chooses), not unlogged (on
   a standby they cannot be read), not of the system. */
static const char large_query[] =
    "SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),"
    " pg_catalog.pg_relation_size(c.oid), pg_catalog.pg_relation_size(c.oid) + coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0),"
    " (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a"
    "  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),"
    " EXISTS (SELECT FROM pg_catalog.pg_am am WHERE am.oid = c.relam AND am.amname = 'heap'), pg_catalog.current_setting('block_size'),"
    " c.relpersistence = 'p' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    "  AND d.objid = c.oid AND d.deptype = 'e')"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    " ORDER BY 6 DESC, 1, 2";

/* pg_dump's patterns fold and interpret what is not in double quotes. */
static void put_pattern(struct buf *to, const char *name)
{
    buf_putc(to, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"')
            buf_putc(to, '"');
        buf_putc(to, *p);
    }
    buf_putc(to, '"');
}

/* In a comment, as pg_dump does: a newline would end it. */
static const char *one_line(struct arena *arena, const char *text)
{
    char *line = arena_strdup(arena, text);
    for (char *p = line; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    return line;
}

static void cut_in_pieces(struct large_table *t, bool ranges, int64_t block, int64_t piece_bytes)
{
    t->pages = (t->pages + block - 1) / block;
    t->pieces = 1;
    if (!ranges || t->pages == 0)
        return;
    int64_t of_a_page = MAX_OF(t->bytes / t->pages, (int64_t)1); /* with what lies in its TOAST table */
    t->piece_pages = MAX_OF(piece_bytes / of_a_page, (int64_t)1);
    t->piece_pages = MAX_OF(t->piece_pages, t->pages / PIECES_MOST + 1);
    t->pieces = (size_t)((t->pages + t->piece_pages - 1) / t->piece_pages);
}

static struct large_table describe(struct arena *arena, const struct pg_rows *rows, size_t i, int server_version, int64_t piece_bytes)
{
    SCOPED(buf_done) struct buf pattern = {.max = 4096};
    const char *schema = pg_text(rows, i, 0), *name = pg_text(rows, i, 1), *owner = pg_text(rows, i, 2);
    put_pattern(&pattern, schema);
    buf_putc(&pattern, '.');
    put_pattern(&pattern, name);
    struct large_table t = {.name = arena_strdup(arena, pg_text(rows, i, 3)), .pattern = arena_strdup(arena, buf_text(&pattern)),
                            .columns = arena_strdup(arena, pg_text(rows, i, 6)), .pages = pg_int(rows, i, 4), .bytes = pg_int(rows, i, 5)};
    t.heading = arena_printf(arena, "--\n-- Data for Name: %s; Type: TABLE DATA; Schema: %s; Owner: %s\n--\n\nCOPY %s (%s) FROM stdin;\n",
                             one_line(arena, name), one_line(arena, schema), one_line(arena, owner), t.name, t.columns);
    cut_in_pieces(&t, server_version >= TID_RANGE_SCANS && same(pg_text(rows, i, 7), "t"), MAX_OF(pg_int(rows, i, 8), (int64_t)1),
                  piece_bytes);
    return t;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct large_table *)left)->name, ((const struct large_table *)right)->name);
}

bool snapshot_large_tables(struct arena *arena, const struct snapshot *snapshot, int64_t large_min, int64_t piece_bytes,
                           struct large_table **ret, size_t *ret_count, struct err *err)
{
    large_min = large_min ? large_min : LARGE_MIN;
    piece_bytes = piece_bytes ? piece_bytes : PIECE_BYTES;
    struct pg_rows *rows;
    VEC(struct large_table) tables = {0};
    if (snapshot->server_version < GENERATED_COLUMNS) {
        *ret_count = 0;
        return true;
    }
    /* To ask for the size of a table takes a lock on it already. */
    const char *wait = arena_printf(arena, "SET lock_timeout = %lld", (long long)snapshot->lock_wait_ms);
    if (!pg_script(snapshot->pg, wait, QUERY_MS, err) ||
        !pg_exec(snapshot->pg, arena, large_query, NULL, 0, CATALOGUE_MS + snapshot->lock_wait_ms, &rows, err))
        return err_prefix(err, "looking for large tables");
    for (size_t i = 0; i < pg_count(rows) && tables.n < LARGE_MOST && pg_int(rows, i, 5) >= large_min; i++)
        if (same(pg_text(rows, i, 9), "t") && pg_text(rows, i, 6))
            *vec_add(arena, &tables) = describe(arena, rows, i, snapshot->server_version, piece_bytes);
    if (tables.n) {
        qsort(tables.p, tables.n, sizeof(*tables.p), by_name); /* as pg_dump does, near enough */
        if (!pg_script(snapshot->pg, lock_statement(arena, tables.p, tables.n, ""), snapshot->lock_wait_ms + QUERY_MS, err))
            return err_prefix(err, "locking the large tables against being dropped");
    }
    *ret = tables.p;
    *ret_count = tables.n;
    return true;
}

const char *large_table_copy(struct arena *arena, const struct large_table *table, size_t piece)
{
    const struct large_table *t = table;
    if (t->pieces == 1)
        return arena_printf(arena, "COPY %s (%s) TO STDOUT", t->name, t->columns);
    int64_t from = (int64_t)piece * t->piece_pages;
    /* Without an upper end the last one takes in what was added since its size was asked for: the snapshot says what counts. */
    const char *until = piece + 1 < t->pieces ? arena_printf(arena, " AND ctid < '(%lld,0)'", (long long)from + t->piece_pages) : "";
    return arena_printf(arena, "COPY (SELECT %s FROM ONLY %s WHERE ctid >= '(%lld,0)'%s) TO STDOUT", t->columns, t->name, (long long)from, until);
}
