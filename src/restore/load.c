/* restore/load.c -- The file into the temporary database. One thread reads it and runs, in their places, the statements that make the
   schema; rows go to the sessions of the pool as they pass, and so does, at the end, what may run side by side. Nothing in the file may
   reach beyond that database, and nothing that fails is passed over, except statements about roles that this server has not. */
#include <unistd.h>

#include "dump/open.h"
#include "dump/words.h"
#include "restore/load.h"
#include "restore/statement.h"

enum {
    PIECE = 256 * 1024,
    COPY_MS = 10 * 60 * 1000,
    LATE_MAX = 32 * 1024 * 1024,      /* of statements that are kept until the rows are in */
    UNDER_WAY_MAX = 48 * 1024 * 1024, /* of rows */
    DATA_SHARE = 65,                  /* percent of the time that goes by until the rows are in, for the progress */
};

/* ---- progress ---- */

void load_tell_reading(struct loading *l)
{
    restoring_progress(l->r, l->at / 100 * DATA_SHARE, l->size, "%s", l->what);
}

static void tell_building(void *arg)
{
    struct loading *l = arg;
    double done, total;
    char what[128];
    pool_progress(l->pool, &done, &total, what, sizeof(what));
    int64_t rest = l->size - l->at / 100 * DATA_SHARE;
    restoring_progress(l->r, l->size - rest + (int64_t)((double)rest * (total > 0 ? MIN_OF(done / total, 1) : 0)), l->size, "%s",
                       *what ? what : l->what);
}

/* ---- statements ---- */

static bool set_main(struct loading *l, const struct settings *to, struct err *err)
{
    SCOPED(buf_done) struct buf sql = {.max = 1 << 20};
    settings_change(l->has, to, &sql);
    l->has = to;
    return !sql.n || pg_script(l->pg, buf_text(&sql), RESTORE_QUICK_MS, err);
}

static bool begins_and_has(struct str sql, const char *keywords, const char *wanted)
{
    struct str word;
    if (!words_begin(sql, keywords))
        return false;
    while (words_next(&sql, &word))
        if (word_is(word, wanted))
            return true;
    return false;
}

/* An event trigger that fires in every session would see our table go: it goes before. */
static bool run_alone(void *arg, const char *sql, const struct settings *settings, int64_t line, const struct mark *mark, struct err *err)
{
    struct loading *l = arg;
    bool done;
    if (begins_and_has(str_of(sql), "ALTER EVENT TRIGGER", "ENABLE") && !marks_end(l->r, err))
        return false;
    if (set_main(l, settings, err) && statement_run(l->r, l->pg, str_of(sql), l->unmarked ? NULL : mark, &done, err))
        return true;
    return err_prefix(err, "line %lld", (long long)line);
}

/* ---- marks ---- */

static bool set_mark(struct loading *l, const struct mark *mark, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    const char *sql = l->unmarked ? "" : marks_add(l->r->marks, own, mark);
    return !*sql || pg_script(l->pg, sql, RESTORE_QUICK_MS, err);
}

/* The rows of an INSERT are nobody's unit of work, and what is not known to us may do anything: such a dump is not gone on with. */
static bool stop_marking(struct loading *l, struct err *err)
{
    if (!set_mark(l, &(struct mark){.kind = MARK_NEVER, .note = arena_printf(l->r->arena, "line %lld of the dump may change rows by itself",
                                                                             (long long)lexer_line(l->lexer))}, err))
        return false;
    l->unmarked = true;
    return true;
}

/* Everything before the data is one unit of work: statements by the thousand that take no time. On disk it is, so that a server that
   crashes soon after does not lose it. */
static bool end_schema(struct loading *l, struct err *err)
{
    size_t known;
    if (l->schema_done)
        return true;
    if (!statement_nothing_missing(l->r, err))
        return false;
    l->schema_done = true;
    if (marks_all(l->r->marks, MARK_SCHEMA, &known))
        return true;
    return pg_script(l->pg, "SET synchronous_commit = on", RESTORE_QUICK_MS, err) &&
           set_mark(l, &(struct mark){.kind = MARK_SCHEMA, .item = l->item}, err) &&
           pg_script(l->pg, "SET synchronous_commit = off", RESTORE_QUICK_MS, err);
}

/* Is what the statement does, in the main session, there already? */
static bool is_there(const struct loading *l)
{
    size_t n;
    const struct mark *schema = marks_all(l->r->marks, MARK_SCHEMA, &n);
    return l->passing || (schema && l->item < schema->item) || marks_find(l->r->marks, MARK_STATEMENT, l->item, 0);
}

static bool run_setting(struct loading *l, const char *name, struct str sql, struct err *err)
{
    bool done;
    if (!set_main(l, l->now, err) || !statement_run(l->r, l->pg, sql, NULL, &done, err))
        return false;
    if (done)
        l->now = l->has = settings_with(l->r->arena, l->now, name, sql);
    return true;
}

/* Of one table alone, indexes and keys make sense; foreign keys point at rows that are not there, and the rest is not about rows. */
static bool belongs_to_only(const struct loading *l, struct str sql)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct post p = post_read(own, sql);
    return (p.kind == POST_INDEX || p.kind == POST_KEY || p.kind == POST_EXCLUDE) && restoring_wants(l->r, p.table);
}

static bool keep_for_later(struct loading *l, struct str sql, struct err *err)
{
    if (!end_schema(l, err))
        return false;
    l->late = true;
    if (l->r->spec->only && !belongs_to_only(l, sql))
        return true;
    graph_add(l->graph, sql, lexer_line(l->lexer), l->item, l->now);
    return graph_bytes(l->graph) < LATE_MAX || graph_run(l->graph, err);
}

static bool is_late(const struct loading *l, struct str sql)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    return l->late || (l->data_seen && !l->passing && !pg_in_transaction(l->pg) && post_read(own, sql).kind != POST_OTHER);
}

static bool wait_for_rows(struct loading *l, struct err *err)
{
    bool waited = !l->busy || graph_wait(l->graph, err);
    l->busy = false;
    return waited;
}

/* The dump's own transaction, around large objects as a rule, is done when its COMMIT is: the mark goes in before that. */
static bool run_frame(struct loading *l, struct str sql, bool begin, struct err *err)
{
    bool done;
    if (begin) {
        l->begun = l->item;
        l->passing = marks_find(l->r->marks, MARK_TRANSACTION, l->item, 0) != NULL;
    }
    if (l->passing) {
        l->passing = begin;
        return true;
    }
    if (!begin && pg_in_transaction(l->pg) && !set_mark(l, &(struct mark){.kind = MARK_TRANSACTION, .item = l->begun}, err))
        return false;
    return set_main(l, l->now, err) && statement_run(l->r, l->pg, sql, NULL, &done, err);
}

/* What is set twice is the same as set once, so positions of sequences need no marks. */
static bool run_in_place(struct loading *l, struct str sql, struct err *err)
{
    bool done, begin = words_begin(sql, "BEGIN");
    if (begin || words_begin(sql, "COMMIT"))
        return run_frame(l, sql, begin, err);
    if (is_there(l))
        return true;
    bool marked = l->schema_done && !l->unmarked && !pg_in_transaction(l->pg) && !words_begin(sql, "SELECT pg_catalog setval");
    struct mark mark = {.kind = MARK_STATEMENT, .item = l->item};
    return set_main(l, l->now, err) && statement_run(l->r, l->pg, sql, marked ? &mark : NULL, &done, err);
}

static bool on_statement(struct loading *l, struct str sql, struct err *err)
{
    const char *name;
    enum statement_kind kind = statement_kind(sql);
    if (!statement_allowed(sql, err))
        return false;
    if (kind == STATEMENT_UNCERTAIN) {
        l->r->uncertain = l->data_seen = true;
        if (l->r->spec->only)
            return true; /* rows by INSERT, most likely, of any table */
        if (!l->unmarked && !stop_marking(l, err))
            return false;
    }
    if (settings_is(l->r->arena, sql, &name))
        return run_setting(l, name, sql, err);
    if (is_late(l, sql))
        return keep_for_later(l, sql, err);
    if (kind != STATEMENT_QUIET) {
        if (!wait_for_rows(l, err))
            return false;
        l->order_known = false;
    }
    return run_in_place(l, sql, err);
}

/* ---- rows ---- */

/* Rows are looked at as they come when there are triggers, foreign keys among them, or checks that call somebody's functions: these may
   read what an earlier table holds. Such tables are filled in the order of the file, as psql would. */
static const char ask_order[] =
    "SELECT EXISTS (SELECT FROM pg_trigger)::int, EXISTS (SELECT FROM pg_constraint c JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass"
    " AND d.objid = c.oid AND d.refclassid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = d.refobjid JOIN pg_language g ON g.oid = p.prolang"
    " WHERE c.contype = 'c' AND g.lanname NOT IN ('internal', 'c') AND p.oid >= 16384)::int";

static bool learn_order(struct loading *l, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pg_rows *found;
    const struct mark *known = marks_find(l->r->marks, MARK_ORDER, l->item, 0);
    struct mark mark = {.kind = MARK_ORDER, .item = l->item};
    if (known) {
        mark = *known;
    } else {
        if (!pg_exec(l->pg, own, ask_order, NULL, 0, RESTORE_QUICK_MS, &found, err))
            return false;
        bool triggers = pg_int(found, 0, 0) != 0; /* may do anything to rows */
        mark.rows = (triggers ? MARK_UNCERTAIN : 0) | (triggers || pg_int(found, 0, 1) ? MARK_ORDERED : 0);
        if (!set_mark(l, &mark, err))
            return false;
    }
    l->ordered = mark.rows & MARK_ORDERED;
    l->r->uncertain |= (mark.rows & MARK_UNCERTAIN) != 0;
    l->order_known = true;
    return true;
}

static bool on_copy(struct loading *l, struct str sql, struct err *err)
{
    struct restoring *r = l->r;
    struct str table;
    if (!lexer_copy_table(sql, &table))
        return err_set(err, ERR_DATA, "a COPY without a table");
    if ((l->late && !graph_run(l->graph, err)) || !end_schema(l, err))
        return false;
    l->what = str_dup(r->arena, table);
    l->copied = l->copied_bytes = 0;
    l->there = l->passing;
    l->rows = NULL;
    l->data_seen = true;
    l->skipping = !restoring_wants(r, l->what);
    if (l->skipping)
        return true;
    vec_add(r->arena, &r->tables)->name = l->what;
    l->late = false;
    r->result->blocks++;
    if (l->passing)
        return true;
    if (pg_in_transaction(l->pg))
        return wait_for_rows(l, err) && pg_copy_in_begin(l->pg, sql.p, RESTORE_QUICK_MS, err);
    if (!l->order_known && !(wait_for_rows(l, err) && learn_order(l, err)))
        return false;
    if (l->ordered && !wait_for_rows(l, err))
        return false;
    const struct mark *done = marks_find(r->marks, MARK_ROWS, l->item, 0);
    l->there = done && done->size == 0;
    l->rows = rows_begin(l->store, r->arena, l->what, sql, lexer_line(l->lexer), l->item, l->now);
    graph_rows(l->graph, l->rows);
    l->busy = true;
    return true;
}

static bool on_rows(struct loading *l, struct str text, int64_t rows, struct err *err)
{
    l->copied += rows;
    l->copied_bytes += (int64_t)text.n;
    if (l->skipping || l->there)
        return true;
    if (l->rows)
        return rows_add(l->rows, text.p, text.n) || err_set(err, ERR_CANCELLED, "stopped");
    return pg_copy_in_put(l->pg, text.p, text.n, COPY_MS, err) || err_prefix(err, "table %s", l->what);
}

/* Of a block whose rows an interrupted run has loaded whole. */
static bool take_over(struct loading *l, struct err *err)
{
    const struct mark *done = l->rows ? marks_find(l->r->marks, MARK_ROWS, l->item, 0) : NULL;
    l->r->result->resumed_blocks++;
    l->r->result->resumed_rows += l->copied;
    if (l->rows)
        rows_passed(l->rows, l->copied, l->copied_bytes);
    return !done || done->rows == l->copied ||
           err_set(err, ERR_DATA, "an interrupted run loaded %lld of the %lld rows of table %s", (long long)done->rows, (long long)l->copied, l->what);
}

static bool on_copy_end(struct loading *l, struct err *err)
{
    int64_t taken = l->copied;
    if (l->skipping)
        return true;
    if (l->there && !take_over(l, err))
        return false;
    if (l->rows)
        rows_end(l->rows, l->copied);
    else if (!l->there && !pg_copy_in_end(l->pg, NULL, RESTORE_LONG_MS, &taken, err))
        return err_prefix(err, "table %s", l->what);
    if (taken != l->copied)
        return err_set(err, ERR_DATA, "the server took %lld of the %lld rows of table %s", (long long)taken, (long long)l->copied, l->what);
    l->rows = NULL;
    l->r->tables.p[l->r->tables.n - 1].rows = l->copied;
    l->r->result->rows += l->copied;
    return true;
}

static bool load_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    struct loading *l = arg;
    l->item += item == LEXER_STATEMENT || item == LEXER_COPY;
    switch (item) {
    case LEXER_STATEMENT:
        return on_statement(l, text, err);
    case LEXER_COPY:
        return on_copy(l, text, err);
    case LEXER_DATA:
        return on_rows(l, text, rows, err);
    case LEXER_COPY_END:
        return on_copy_end(l, err);
    case LEXER_COMPLETE:
        l->complete = true;
        return true;
    }
    return true;
}

/* ---- a file that has no index: one stream ---- */

static bool hash_tap(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    hash_add(arg, data, size);
    return true;
}

static bool read_all(struct loading *l, struct gzip_reader *reader, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    char *piece = arena_alloc(own, PIECE);
    for (size_t n;;) {
        if (!gzip_reader_read(reader, piece, PIECE, &n, err))
            return false;
        if (n == 0)
            return lexer_end(l->lexer, err);
        if (!lexer_feed(l->lexer, piece, n, err))
            return false;
        l->at = gzip_reader_at(reader);
        load_tell_reading(l);
    }
}

static bool load_stream(struct loading *l, struct err *err)
{
    SCOPED(hash_close) struct hash *hash = hash_open();
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    char sha256[HASH_HEX_SIZE];
    if (!dump_open(l->r->spec->file, l->r->spec->keys, l->r->spec->key_count, hash_tap, hash, &reader, err))
        return false;
    l->size = gzip_reader_size(reader);
    if (!read_all(l, reader, err))
        return false;
    hash_end(hash, sha256);
    return same(sha256, l->r->sha256) || err_set(err, ERR_DATA, "\"%s\" changed while it was being restored", l->r->spec->file);
}

/* ---- the whole ---- */

/* Settings that a role or the server may have set otherwise. Commits need not be durable one by one: that of the swap is, and makes
   everything before it so. Memory for sorting: an index of some million rows is made without a file. Were rows let in unchecked by a
   session_replication_role of the server's, a foreign key that the server calls valid would prove nothing. */
static const char session[] = "SET synchronous_commit = off; SET statement_timeout = 0; SET lock_timeout = 0;"
                              " SET idle_in_transaction_session_timeout = 0; SET standard_conforming_strings = on;"
                              " SET default_transaction_read_only = off; SET client_min_messages = warning; SET row_security = off;"
                              " SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 0; SET jit = off;"
                              " SELECT set_config('session_replication_role', 'origin', false)"
                              " WHERE current_setting('session_replication_role') <> 'origin'";

static bool finish(struct loading *l, struct err *err)
{
    const char *only = l->r->spec->only;
    if (!statement_nothing_missing(l->r, err) || !l->complete || !graph_run(l->graph, err))
        return false;
    if (only && l->r->tables.n == 0)
        return err_set(err, ERR_NOT_FOUND, "the file has no COPY of a table %s", only);
    if (only)
        restoring_note(l->r, "only the rows of table %s were loaded, with its indexes and keys; every other table is empty, and foreign keys,"
                       " triggers, policies and privileges that a dump makes after the rows are left out", only);
    statement_note_roles(l->r);
    l->r->result->resumed_statements = graph_taken_over(l->graph);
    return pg_script(l->pg, "RESET ALL", RESTORE_QUICK_MS, err) && graph_analyze(l->graph, err);
}

/* What runs in the sessions of the pool would keep their threads, and so us, for as long as it takes. */
static void end_sessions(struct loading *l)
{
    const char *params[] = {l->r->temp};
    struct err unused = {0};
    pool_stop(l->pool);
    if (!pg_exec(l->r->admin, l->r->arena, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", params, 1,
                 RESTORE_QUICK_MS, NULL, &unused))
        return; /* the server is gone, and with it the sessions */
}

/* One more than processors: while one session waits for the disk or for us, another goes on. */
static int jobs_of(const struct restore_spec *spec)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return spec->jobs > 0 ? spec->jobs : (int)MIN_OF(MAX_OF(processors, 1) + 1, 8);
}

static bool load_file(struct loading *l, struct err *err)
{
    struct index *index;
    if (!index_read(l->r->arena, l->r->spec->file, &index, err))
        return false;
    return index ? load_members(l, index, err) : load_stream(l, err);
}

static void close_loading(struct loading *l)
{
    lexer_close(&l->lexer);
    pool_close(&l->pool);
    if (l->members >= 0)
        close(l->members);
    rows_store_close(&l->store);
    pg_close(&l->pg);
}

static void note_taken_over(struct restoring *r)
{
    const struct restore_result *result = r->result;
    if (result->resumed)
        restoring_note(r, "an interrupted run had loaded %lld of the %lld rows, in %lld of %lld blocks of the file, and run %lld statements after the"
                       " data: these were taken over", (long long)result->resumed_rows, (long long)result->rows, (long long)result->resumed_blocks,
                       (long long)result->blocks, (long long)result->resumed_statements);
}

bool restore_load(struct restoring *r, struct err *err)
{
    SCOPED(close_loading) struct loading l = {.r = r, .what = "schema", .members = -1};
    if (!pg_open(r->spec->target, r->temp, RESTORE_CONNECT_MS, &l.pg, err) || !pg_script(l.pg, session, RESTORE_QUICK_MS, err))
        return false;
    if (!r->marks && !marks_begin(r, l.pg, err))
        return false;
    statement_recall(r);
    l.pool = pool_open(r->spec->target, r->temp, session, jobs_of(r->spec));
    l.store = rows_store_open(l.pool, r->marks, UNDER_WAY_MAX);
    l.graph = graph_open(r->arena, l.pool, l.pg, r->marks, &(struct graph_ops){run_alone, tell_building, &l});
    l.lexer = lexer_open(load_item, &l);
    if (load_file(&l, err) && finish(&l, err) && (l.members < 0 || load_unchanged(&l, err)) && marks_end(r, err)) {
        note_taken_over(r);
        return true;
    }
    pool_why(l.pool, err);
    end_sessions(&l);
    return err_prefix(err, "loading \"%s\"", r->spec->file);
}
