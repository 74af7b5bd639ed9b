/* restore/graph.c -- Names become OIDs in one query when all of them are known and the tables exist. What hangs together only in ways
   that nobody can see from the text (a function in an index that reads another table) shows as a failure: such a statement is put off,
   and tried once more alone, in its place among those that run one by one. */
#include "restore/graph.h"

#include "base/jsonout.h"
#include "restore/marks.h"

enum { NAMES_MAX = 64 * 1024 * 1024, SLICE_MS = 250, SMALL_BYTES = 4 * 1024 * 1024, ANALYZE_BATCH = 50 };

/* Seconds a row, from measurements; only their ratio matters. */
static const double row_s = 1e-6, key_s = 0.5e-6, foreign_s = 0.5e-6, byte_s = 1e-8;

struct table {
    uint32_t oid;
    char kind;                    /* relkind */
    const char *name;             /* as some statement wrote it */
    int64_t rows, bytes;          /* loaded */
    VEC(struct task *) data, uniques, builds, all; /* builds: of indexes */
    bool analyzed;
};

struct late {
    struct post post;
    const char *sql;
    int64_t line, item;
    const struct settings *settings;
    struct table *table, *refers;
    struct task *build, *attach; /* attach before build for foreign keys, after it for keys; either may be NULL */
    bool built, attached, done;  /* by an interrupted run: a half, or the whole statement */
};

struct graph {
    struct arena *arena;
    struct pool *pool;
    struct pg *pg;
    const struct marks *marks;
    struct graph_ops ops;
    VEC(struct rows *) rows;
    VEC(struct late) late;
    VEC(struct table *) tables;   /* sorted by OID once resolved */
    VEC(struct table *) done;     /* analyzed */
    size_t bytes;
    int64_t taken_over;
    int64_t round;                /* of graph_run */
};

struct graph *graph_open(struct arena *arena, struct pool *pool, struct pg *pg, const struct marks *marks, const struct graph_ops *ops)
{
    struct graph *g = arena_new(arena, struct graph);
    *g = (struct graph){.arena = arena, .pool = pool, .pg = pg, .marks = marks, .ops = *ops};
    return g;
}

void graph_rows(struct graph *graph, struct rows *rows)
{
    *vec_add(graph->arena, &graph->rows) = rows;
}

void graph_add(struct graph *graph, struct str sql, int64_t line, int64_t item, const struct settings *settings)
{
    struct late *l = vec_add(graph->arena, &graph->late);
    *l = (struct late){.post = post_read(graph->arena, sql), .sql = str_dup(graph->arena, sql), .line = line, .item = item, .settings = settings};
    l->built = marks_find(graph->marks, MARK_BUILD, item, 0) != NULL;
    l->attached = marks_find(graph->marks, MARK_ATTACH, item, 0) != NULL;
    l->done = marks_find(graph->marks, MARK_STATEMENT, item, 0) != NULL;
    graph->bytes += sql.n;
}

int64_t graph_taken_over(const struct graph *graph)
{
    return graph->taken_over;
}

size_t graph_bytes(const struct graph *graph)
{
    return graph->bytes;
}

/* ---- names to tables ---- */

/* Every name that occurs, in an order that resolve() walks again. */
static void list_names(struct graph *g, struct jsonout *j)
{
    json_array(j);
    for (size_t i = 0; i < g->rows.n; i++)
        json_text(j, rows_table(g->rows.p[i]));
    for (size_t i = 0; i < g->late.n; i++) {
        json_text(j, g->late.p[i].post.table);
        json_text(j, g->late.p[i].post.refers);
    }
    json_array_end(j);
}

static int by_oid(const void *a, const void *b)
{
    uint32_t x = (*(struct table *const *)a)->oid, y = (*(struct table *const *)b)->oid;
    return x < y ? -1 : x > y;
}

static struct table *find(struct graph *g, uint32_t oid)
{
    struct table key = {.oid = oid}, *p = &key, **found;
    found = g->tables.n ? bsearch(&p, g->tables.p, g->tables.n, sizeof(*g->tables.p), by_oid) : NULL;
    return found ? *found : NULL;
}

/* Those of which several names told are there once. */
static void make_tables(struct graph *g, const struct pg_rows *found)
{
    g->tables.n = 0;
    for (size_t i = 0; i < pg_count(found); i++) {
        uint32_t oid = (uint32_t)pg_int(found, i, 0);
        if (!oid)
            continue;
        struct table *t = arena_new(g->arena, struct table);
        *t = (struct table){.oid = oid, .kind = *pg_text(found, i, 1), .name = arena_strdup(g->arena, pg_text(found, i, 2))};
        *vec_add(g->arena, &g->tables) = t;
    }
    if (g->tables.n)
        qsort(g->tables.p, g->tables.n, sizeof(*g->tables.p), by_oid);
    size_t kept = 0;
    for (size_t i = 0; i < g->tables.n; i++)
        if (!kept || g->tables.p[kept - 1]->oid != g->tables.p[i]->oid)
            g->tables.p[kept++] = g->tables.p[i];
    g->tables.n = kept;
}

static bool resolve(struct graph *g, struct err *err)
{
    static const char ask[] = "SELECT coalesce(k.oid, 0)::bigint, coalesce(k.relkind, '-'), n.name"
                              " FROM json_array_elements_text($1::json) WITH ORDINALITY n(name, i)"
                              " LEFT JOIN pg_class k ON k.oid = to_regclass(n.name) ORDER BY n.i";
    SCOPED(buf_done) struct buf names = {.max = NAMES_MAX};
    SCOPED(arena_close) struct arena *own = arena_open();
    struct jsonout j = jsonout(&names);
    list_names(g, &j);
    struct pg_rows *found;
    const char *params[] = {buf_text(&names)};
    if (names.over)
        return err_set(err, ERR_LIMIT, "the names of the tables take more than %d MiB", NAMES_MAX >> 20);
    if (!pg_exec(g->pg, own, ask, params, 1, RESTORE_LONG_MS, &found, err))
        return err_prefix(err, "looking up the tables");
    make_tables(g, found);
    size_t at = 0;
    for (size_t i = 0; i < g->rows.n; i++) {
        struct table *t = find(g, (uint32_t)pg_int(found, at++, 0));
        if (!t)
            continue;
        struct task *const *tasks;
        size_t n = rows_tasks(g->rows.p[i], &tasks);
        for (size_t k = 0; k < n; k++)
            *vec_add(g->arena, &t->data) = tasks[k];
        t->rows += rows_count(g->rows.p[i]);
        t->bytes += rows_bytes(g->rows.p[i]);
    }
    for (size_t i = 0; i < g->late.n; i++) {
        g->late.p[i].table = find(g, (uint32_t)pg_int(found, at++, 0));
        g->late.p[i].refers = find(g, (uint32_t)pg_int(found, at++, 0));
    }
    return true;
}

/* ---- tasks ---- */

/* One message to the server, hence one transaction. */
static bool run_sql(struct worker *w, struct task *t, struct err *err)
{
    const char *sql = t->arg;
    if (t->mark && *t->mark)
        sql = arena_printf(w->arena, "%s\n;%s", sql, t->mark);
    return pg_script(w->pg, sql, RESTORE_LONG_MS, err);
}

/* The server looks for orphans with a join, and takes a hash join by its estimates. When both sides have the key in an index and nearly
   all rows are known to be visible to all, as after COPY FREEZE, walking the two indexes side by side costs a tenth of that. */
static const char ask_walk[] =
    "SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = f.oid AND i.indisvalid AND i.indpred IS NULL"
    "  AND starts_with(i.indkey::text || ' ', array_to_string(c.conkey, ' ') || ' '))"
    " AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.conindid AND starts_with(i.indkey::text || ' ', array_to_string(c.confkey, ' ') || ' '))"
    " AND f.relallvisible >= f.relpages * 0.95 AND p.relallvisible >= p.relpages * 0.95"
    " FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid JOIN pg_class p ON p.oid = c.confrelid"
    " WHERE c.contype = 'f' AND c.conrelid = to_regclass($1) AND quote_ident(c.conname) = $2";

static bool run_validate(struct worker *w, struct task *t, struct err *err)
{
    const struct post *p = t->arg;
    const char *params[] = {p->table, p->name};
    struct pg_rows *found;
    if (!pg_exec(w->pg, w->arena, ask_walk, params, 2, RESTORE_QUICK_MS, &found, err))
        return false;
    bool walk = same(pg_text(found, 0, 0), "t");
    if (walk && !pg_script(w->pg, "SET enable_hashjoin = off", RESTORE_QUICK_MS, err))
        return false;
    struct task statement = {.arg = (void *)(uintptr_t)p->build, .mark = t->mark};
    bool ok = run_sql(w, &statement, err);
    return !walk || pg_script(w->pg, "SET enable_hashjoin = on", RESTORE_QUICK_MS, ok ? err : NULL) ? ok : false;
}

static struct task *new_task(struct graph *g, const struct late *l, enum mark_kind half, const char *sql, const char *what, double cost)
{
    struct task *t = arena_new(g->arena, struct task);
    *t = (struct task){.run = run_sql, .arg = (void *)(uintptr_t)sql, .what = what, .cost = cost, .may_be_put_off = true};
    if (l) {
        t->mark = marks_add(g->marks, g->arena, &(struct mark){.kind = half, .item = l->item});
        t->line = l->line;
        t->settings = l->settings;
    }
    return t;
}

static void lock_table(struct task *t, size_t which, const struct table *table, enum lock_mode mode)
{
    t->locks[which].table = table->oid;
    t->locks[which].mode = mode;
}

static void after_all(struct graph *g, struct task *t, struct task *const *first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pool_after(g->pool, g->arena, t, first[i]);
}

static void belongs(struct graph *g, struct table *table, struct task *t)
{
    *vec_add(g->arena, &table->all) = t;
    pool_add(g->pool, t);
}

/* Long strings cost more to sort than numbers; the width of a row is all that is known of it. */
static double build_cost(const struct late *l)
{
    const struct table *t = l->table;
    return (double)t->rows * (l->post.kind == POST_INDEX ? row_s : key_s) * l->post.columns + (double)t->bytes * byte_s;
}

static void add_index(struct graph *g, struct late *l)
{
    struct table *t = l->table;
    if (l->built)
        return;
    l->build = new_task(g, l, MARK_BUILD, l->post.build, arena_printf(g->arena, "index %s", l->post.name), build_cost(l));
    l->build->maintenance = true;
    lock_table(l->build, 0, t, LOCK_SHARE);
    after_all(g, l->build, t->data.p, t->data.n);
    belongs(g, t, l->build);
    *vec_add(g->arena, &t->builds) = l->build;
    if (l->post.unique)
        *vec_add(g->arena, &t->uniques) = l->build;
}

/* A small table's key is made in one go: two visits would cost more than they save. */
static void add_key(struct graph *g, struct late *l)
{
    struct table *t = l->table;
    const char *what = arena_printf(g->arena, "key %s", l->post.name);
    bool split = l->post.build && (l->built || t->bytes > SMALL_BYTES);
    if (l->attached)
        return;
    if (split && !l->built) {
        l->build = new_task(g, l, MARK_BUILD, l->post.build, what, build_cost(l));
        l->build->maintenance = true;
        lock_table(l->build, 0, t, LOCK_SHARE);
        after_all(g, l->build, t->data.p, t->data.n);
        belongs(g, t, l->build);
        *vec_add(g->arena, &t->builds) = l->build;
    }
    l->attach = new_task(g, l, MARK_ATTACH, split ? l->post.attach : l->sql, what, split ? 0.01 : build_cost(l));
    lock_table(l->attach, 0, t, LOCK_ALL);
    if (l->build)
        pool_after(g->pool, g->arena, l->attach, l->build);
    else
        after_all(g, l->attach, t->data.p, t->data.n);
    belongs(g, t, l->attach);
    *vec_add(g->arena, &t->uniques) = l->attach;
}

static void add_foreign(struct graph *g, struct late *l)
{
    struct table *t = l->table, *r = l->refers;
    const char *what = arena_printf(g->arena, "foreign key %s", l->post.name);
    if (!l->attached) {
        l->attach = new_task(g, l, MARK_ATTACH, l->post.attach, what, 0.01);
        lock_table(l->attach, 0, t, LOCK_SHARE_ROW);
        lock_table(l->attach, 1, r, LOCK_SHARE_ROW);
        after_all(g, l->attach, t->data.p, t->data.n);
        after_all(g, l->attach, r->data.p, r->data.n);
        after_all(g, l->attach, r->uniques.p, r->uniques.n);
        belongs(g, t, l->attach);
    }
    if (!l->post.build || l->built)
        return;
    l->build = new_task(g, l, MARK_BUILD, l->post.build, what, (double)t->rows * foreign_s * l->post.columns + (double)r->rows * key_s / 4);
    l->build->run = run_validate;
    l->build->arg = &l->post;
    lock_table(l->build, 0, t, LOCK_SHARE_UPDATE);
    lock_table(l->build, 1, r, LOCK_ROW_SHARE);
    if (l->attach)
        pool_after(g->pool, g->arena, l->build, l->attach);
    after_all(g, l->build, t->builds.p, t->builds.n);
    belongs(g, t, l->build);
}

/* Only ordinary tables: what is done to a partitioned one locks its partitions as well. Materialized views have indexes, too. */
static void add_late(struct graph *g, struct late *l)
{
    enum post_kind kind = l->post.kind;
    bool ordinary = l->table && (l->table->kind == 'r' || (l->table->kind == 'm' && kind == POST_INDEX));
    if (kind == POST_FOREIGN)
        ordinary = ordinary && l->refers && l->refers->kind == 'r';
    if (!ordinary)
        l->post.kind = POST_OTHER;
    else if (l->done)
        return;
    else if (kind == POST_INDEX)
        add_index(g, l);
    else if (kind == POST_KEY || kind == POST_EXCLUDE)
        add_key(g, l);
    else if (kind == POST_FOREIGN)
        add_foreign(g, l);
}

/* Statistics once all of a table's indexes stand: those on expressions have statistics of their own. */
static void add_analyze(struct graph *g, struct table *t)
{
    if (t->kind != 'r' || t->bytes <= SMALL_BYTES)
        return;
    t->analyzed = true;
    *vec_add(g->arena, &g->done) = t;
    if (marks_find(g->marks, MARK_STATISTICS, t->oid, g->round))
        return;
    struct task *a = new_task(g, NULL, MARK_STATISTICS, arena_printf(g->arena, "ANALYZE %s", t->name), arena_printf(g->arena, "statistics of %s", t->name), 0.3);
    a->mark = marks_add(g->marks, g->arena, &(struct mark){.kind = MARK_STATISTICS, .item = t->oid, .part = g->round});
    lock_table(a, 0, t, LOCK_SHARE_UPDATE);
    after_all(g, a, t->data.p, t->data.n);
    after_all(g, a, t->all.p, t->all.n);
    pool_add(g->pool, a);
}

bool graph_wait(struct graph *g, struct err *err)
{
    bool more = true;
    pool_seal(g->pool);
    while (more) {
        if (!pool_wait(g->pool, SLICE_MS, &more, err))
            return false;
        g->ops.progress(g->ops.arg);
    }
    return true;
}

/* ---- one by one ---- */

static bool is_half_done(const struct task *t, bool before)
{
    return before || (t && t->state == TASK_DONE);
}

/* What of a statement has not been done yet, NULL: nothing; and which half of it that is. */
static const char *left_of(const struct late *l, enum mark_kind *ret_half)
{
    bool built = is_half_done(l->build, l->built), attached = is_half_done(l->attach, l->attached);
    *ret_half = MARK_STATEMENT;
    if (l->done)
        return NULL;
    switch (l->post.kind) {
    case POST_INDEX:
        return built ? NULL : l->sql;
    case POST_KEY:
    case POST_EXCLUDE:
        if (attached || !built)
            return attached ? NULL : l->sql;
        *ret_half = MARK_ATTACH;
        return l->post.attach;
    case POST_FOREIGN:
        if (!attached || built || !l->post.build)
            return attached ? NULL : l->sql;
        *ret_half = MARK_BUILD;
        return l->post.build;
    case POST_OTHER:
        break;
    }
    return l->sql;
}

static bool was_taken_over(const struct late *l)
{
    switch (l->post.kind) {
    case POST_INDEX:
        return l->done || l->built;
    case POST_FOREIGN:
        return l->done || (l->attached && (l->built || !l->post.build));
    case POST_KEY:
    case POST_EXCLUDE:
        return l->done || l->attached;
    case POST_OTHER:
        break;
    }
    return l->done;
}

static bool run_alone(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->late.n; i++) {
        const struct late *l = &g->late.p[i];
        enum mark_kind half;
        const char *sql = left_of(l, &half);
        g->taken_over += was_taken_over(l);
        if (sql && !g->ops.alone(g->ops.arg, sql, l->settings, l->line, &(struct mark){.kind = half, .item = l->item}, err))
            return false;
        g->ops.progress(g->ops.arg);
    }
    return true;
}

bool graph_run(struct graph *g, struct err *err)
{
    if (!resolve(g, err))
        return false;
    g->round++;
    for (size_t i = 0; i < g->late.n; i++)
        add_late(g, &g->late.p[i]);
    for (size_t i = 0; i < g->tables.n; i++)
        add_analyze(g, g->tables.p[i]);
    if (!graph_wait(g, err) || !run_alone(g, err))
        return false;
    g->rows.n = g->late.n = 0;
    g->bytes = 0;
    return true;
}

/* ---- statistics of the rest ---- */

static bool is_done(const struct graph *g, uint32_t oid)
{
    for (size_t i = 0; i < g->done.n; i++)
        if (g->done.p[i]->oid == oid)
            return true;
    return false;
}

/* Those with extended statistics once more, since these are made after the indexes. */
static const char ask_rest[] =
    "SELECT k.oid::bigint, format('%I.%I', n.nspname, k.relname), EXISTS (SELECT FROM pg_statistic_ext e WHERE e.stxrelid = k.oid)::int"
    " FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace WHERE k.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema'"
    " AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> '" MARKS_SCHEMA "' ORDER BY k.relkind = 'p', 1";

bool graph_analyze(struct graph *g, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pg_rows *rest;
    if (!pg_exec(g->pg, own, ask_rest, NULL, 0, RESTORE_LONG_MS, &rest, err))
        return err_prefix(err, "listing the tables");
    const char *sql = NULL;
    size_t in_batch = 0;
    for (size_t i = 0; i <= pg_count(rest); i++) {
        bool last = i == pg_count(rest);
        if (sql && (last || in_batch == ANALYZE_BATCH)) {
            struct task *t = new_task(g, NULL, MARK_STATISTICS, sql, "statistics", 0.1);
            t->may_be_put_off = false;
            pool_add(g->pool, t);
            sql = NULL;
            in_batch = 0;
        }
        if (last || (is_done(g, (uint32_t)pg_int(rest, i, 0)) && !pg_int(rest, i, 2)))
            continue;
        sql = arena_printf(g->arena, sql ? "%s, %s" : "ANALYZE %s%s", sql ? sql : "", pg_text(rest, i, 1));
        in_batch++;
    }
    return graph_wait(g, err) || err_prefix(err, "gathering statistics");
}
