/* backup/engine.c -- Lanes in the order of the file: pre-data, the pieces of each large table, the other data, post-data. One thread runs
   pg_dump for the schema at both ends, one for the other data, and `jobs` sessions copy pieces; all see the same snapshot. */
#include "backup/engine.h"

#include <pthread.h>

#include "backup/cutter.h"
#include "backup/dumper.h"
#include "backup/part.h"
#include "sys/clock.h"

enum {
    SILENCE_MS = 15 * 60 * 1000,         /* longer than pg_dump waits for a lock; a COPY never pauses so long */
    TICK_MS = 250,
    SPOOL_MEMORY = 64 * 1024 * 1024,
    JOBS_MOST = 64,
    FIXED_ARGUMENTS = 8,
};

struct piece {
    const struct large_table *table;
    size_t number;         /* of the table */
    size_t first_lane;     /* of the table's first piece */
    bool after_rows;       /* the table before ends here */
};

struct engine {
    const struct engine_spec *spec;
    struct arena *arena;   /* of the thread that runs it */
    struct spool *spool;
    struct large_table *tables;
    size_t table_count;
    struct piece *pieces;
    size_t piece_count;
    struct part_memory memory; /* of the schema's thread, and read when it has ended */
    pthread_mutex_t mutex;
    size_t next_piece;
    int64_t done_bytes, all_bytes;
};

struct worker {
    struct engine *engine;
    struct pg *pg;         /* the worker's own; NULL: the snapshot's */
    bool has_session;
    pthread_t thread;
    bool running;
};

static enum deflate_level packing(enum backup_level level)
{
    return level == BACKUP_SMALL ? DEFLATE_SMALL : level == BACKUP_FAST ? DEFLATE_FAST : DEFLATE_MEDIUM;
}

static size_t other_data_lane(const struct engine *e)
{
    return 1 + e->piece_count;
}

/* ---- pg_dump's parts ---- */

static bool must_stop(void *arg)
{
    struct engine *e = arg;
    return spool_failed(e->spool);
}

static bool run_part(struct engine *e, enum part_section section, struct cutter *cutter, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct engine_spec *spec = e->spec;
    const char **argv = arena_array(arena, const char *, FIXED_ARGUMENTS + e->table_count);
    size_t n = 0;
    argv[n++] = spec->pg_dump;
    argv[n++] = "--format=plain";
    argv[n++] = "--no-password";
    argv[n++] = arena_printf(arena, "--lock-wait-timeout=%lld", (long long)spec->snapshot->lock_wait_ms);
    argv[n++] = arena_printf(arena, "--encoding=%s", spec->snapshot->encoding);
    argv[n++] = arena_printf(arena, "--snapshot=%s", spec->snapshot->id);
    argv[n++] = arena_printf(arena, "--section=%s", part_section_name(section));
    for (size_t i = 0; section == PART_DATA && i < e->table_count; i++)
        argv[n++] = arena_printf(arena, "--exclude-table-data=%s", e->tables[i].pattern);
    struct dumper_spec dumper = {.argv = argv, .env = spec->env, .silence_ms = SILENCE_MS, .stop = must_stop, .stop_arg = e};
    SCOPED(part_close) struct part *part = part_open(section, cutter, &e->memory);
    return dumper_run(&dumper, part_feed, part, err) && part_end(part, err) && cutter_end(cutter, err);
}

/* What a part finds out it writes into e->memory: pre-data and post-data by this thread, nothing by that of the data. */
static void *dump_schema(void *arg)
{
    struct worker *w = arg;
    struct engine *e = w->engine;
    struct err err = {0};
    SCOPED(cutter_close) struct cutter *cutter = cutter_open(e->spool, packing(e->spec->level));
    cutter_begin(cutter, 0);
    bool ok = run_part(e, PART_PRE_DATA, cutter, &err);
    if (ok) {
        cutter_begin(cutter, other_data_lane(e) + 1);
        ok = run_part(e, PART_POST_DATA, cutter, &err);
    }
    if (!ok)
        spool_fail(e->spool, &err);
    return NULL;
}

static void *dump_other_data(void *arg)
{
    struct worker *w = arg;
    struct engine *e = w->engine;
    struct err err = {0};
    SCOPED(cutter_close) struct cutter *cutter = cutter_open(e->spool, packing(e->spec->level));
    cutter_begin(cutter, other_data_lane(e));
    if ((e->table_count && !cutter_sql(cutter, "\\.\n\n\n", 5, false, &err)) || !run_part(e, PART_DATA, cutter, &err))
        spool_fail(e->spool, &err);
    return NULL;
}

/* ---- pieces of large tables ---- */

static bool take_piece(struct engine *e, size_t *ret)
{
    pthread_mutex_lock(&e->mutex);
    *ret = e->next_piece;
    bool found = e->next_piece < e->piece_count;
    e->next_piece += found;
    pthread_mutex_unlock(&e->mutex);
    return found;
}

struct copying {
    struct cutter *cutter;
    size_t item_lane;
    int64_t rows;
};

static bool take_row(void *arg, const char *row, size_t n, struct err *err)
{
    struct copying *c = arg;
    c->rows++;
    return cutter_row(c->cutter, row, n, c->item_lane, err);
}

/* A server that says nothing is waited for, but not when the dump has failed elsewhere, and not for ever. */
static bool copy_rows(struct engine *e, struct pg *pg, struct copying *copying, struct err *err)
{
    int64_t heard_ms = clock_boot_ms();
    for (bool ended = false; !ended;) {
        int64_t before = copying->rows;
        if (!pg_copy_out_some(pg, TICK_MS, take_row, copying, &ended, err))
            return false;
        if (spool_failed(e->spool))
            return err_set(err, ERR_CANCELLED, "the dump failed elsewhere");
        int64_t now = clock_boot_ms();
        if (copying->rows != before)
            heard_ms = now;
        else if (now - heard_ms > SILENCE_MS)
            return err_set(err, ERR_TIMEOUT, "the server sent nothing for %d s", SILENCE_MS / 1000);
    }
    return true;
}

static bool copy_piece(struct engine *e, struct pg *pg, struct cutter *cutter, size_t number, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct piece *piece = &e->pieces[number];
    const struct large_table *t = piece->table;
    struct copying copying = {.cutter = cutter, .item_lane = piece->first_lane};
    cutter_begin(cutter, 1 + number);
    if (piece->after_rows && !cutter_sql(cutter, "\\.\n\n\n", 5, false, err))
        return false;
    if (piece->number == 0) {
        const char *copy = strstr(t->heading, "--\n\n"); /* the empty line behind the comment */
        cutter_item(cutter, ITEM_TABLE, str_of(t->name), copy ? (size_t)(copy + 4 - t->heading) : 0);
        if (!cutter_sql(cutter, t->heading, strlen(t->heading), false, err))
            return false;
    }
    if (!pg_copy_out_begin(pg, large_table_copy(arena, t, piece->number), SILENCE_MS, err) || !copy_rows(e, pg, &copying, err) ||
        (piece->number == 0 && !cutter_rows_member(cutter, piece->first_lane, err)))
        return err_prefix(err, "reading %s", t->name);
    if (!cutter_end(cutter, err))
        return false;
    pthread_mutex_lock(&e->mutex);
    e->done_bytes += t->bytes / (int64_t)t->pieces;
    pthread_mutex_unlock(&e->mutex);
    return true;
}

static void *copy_pieces(void *arg)
{
    struct worker *w = arg;
    struct engine *e = w->engine;
    struct err err = {0};
    SCOPED(arena_close) struct arena *arena = arena_open();
    SCOPED(cutter_close) struct cutter *cutter = cutter_open(e->spool, packing(e->spec->level));
    struct pg *pg = e->spec->snapshot->pg;
    if (!w->has_session) {
        if (!snapshot_join(arena, e->spec->snapshot, e->spec->target, e->tables, e->table_count, &w->pg, &err)) {
            spool_fail(e->spool, &err);
            return NULL;
        }
        pg = w->pg; /* NULL: the others go on without it */
    }
    for (size_t number; pg && take_piece(e, &number);)
        if (!copy_piece(e, pg, cutter, number, &err)) {
            spool_fail(e->spool, &err);
            break;
        }
    pg_close(&w->pg);
    return NULL;
}

/* ---- the whole ---- */

static void lay_out(struct engine *e)
{
    for (size_t i = 0; i < e->table_count; i++)
        e->piece_count += e->tables[i].pieces;
    e->pieces = arena_array(e->arena, struct piece, e->piece_count);
    size_t n = 0;
    for (size_t i = 0; i < e->table_count; i++) {
        size_t first = n;
        e->all_bytes += e->tables[i].bytes;
        for (size_t k = 0; k < e->tables[i].pieces; k++)
            e->pieces[n++] = (struct piece){.table = &e->tables[i], .number = k, .first_lane = 1 + first, .after_rows = i && k == 0};
    }
}

static bool start(struct worker *w, void *(*run)(void *), struct engine *e, bool has_session)
{
    struct err err = {0};
    *w = (struct worker){.engine = e, .has_session = has_session};
    int status = pthread_create(&w->thread, NULL, run, w);
    w->running = status == 0;
    if (status != 0) {
        err_os(&err, status, "could not start a thread");
        spool_fail(e->spool, &err);
    }
    return w->running;
}

static void tell_progress(struct engine *e)
{
    const struct backup_progress *p = e->spec->progress;
    if (!p || !p->fn)
        return;
    pthread_mutex_lock(&e->mutex);
    int64_t done = e->done_bytes;
    pthread_mutex_unlock(&e->mutex);
    p->fn(p->arg, e->all_bytes ? done : spool_text_bytes(e->spool), e->all_bytes, "dump");
}

static void run_all(struct engine *e)
{
    struct worker workers[JOBS_MOST + 2];
    size_t n = 0, jobs = MIN_OF(MIN_OF((size_t)e->spec->jobs, (size_t)JOBS_MOST), e->piece_count);
    bool ok = start(&workers[n++], dump_schema, e, false) && start(&workers[n++], dump_other_data, e, false);
    for (size_t i = 0; ok && i < jobs; i++)
        ok = start(&workers[n++], copy_pieces, e, i == 0);
    while (!spool_wait(e->spool, TICK_MS))
        tell_progress(e);
    for (size_t i = 0; i < n; i++)
        if (workers[i].running)
            pthread_join(workers[i].thread, NULL);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* pg_dump and we read the catalogue each in our own way: what one of us saw and the other did not would be missing, or there twice. */
static bool check_tables(const struct engine *e, const struct index *index, struct err *err)
{
    const char **names = arena_array(e->arena, const char *, index->item_count);
    size_t n = 0;
    for (size_t i = 0; i < index->item_count; i++)
        if (index->items[i].name)
            names[n++] = index->items[i].name;
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 1; i < n; i++)
        if (same(names[i - 1], names[i]))
            return err_set(err, ERR_INTERNAL, "table %s was dumped twice", names[i]);
    const char **created = arena_array(e->arena, const char *, e->memory.created.n + 1);
    size_t count = 0;
    for (const char *p = buf_text(&e->memory.created), *end = p + e->memory.created.n; p < end; p += strlen(p) + 1)
        created[count++] = p;
    qsort(created, count, sizeof(*created), by_name);
    for (size_t i = 0; i < e->table_count; i++)
        if (!bsearch(&e->tables[i].name, created, count, sizeof(*created), by_name))
            return err_set(err, ERR_INTERNAL, "pg_dump did not say how to create table %s", e->tables[i].name);
    return true;
}

/* Whoever comes to a snapshot that is gone only hears that its name is invalid. */
static bool blame_lost_session(const struct engine *e, struct err *err)
{
    struct err lost = {0};
    if (pg_exec(e->spec->snapshot->pg, e->arena, "SELECT 1", NULL, 0, SILENCE_MS, NULL, &lost) || lost.code != ERR_UNAVAILABLE)
        return false;
    return err_prefix(err, "the server ended the session that held the snapshot; was it restarted?");
}

bool engine_run(struct arena *arena, const struct engine_spec *spec, struct spool_sum *ret, struct err *err)
{
    struct engine e = {.spec = spec, .arena = arena, .mutex = PTHREAD_MUTEX_INITIALIZER};
    if (!snapshot_large_tables(arena, spec->snapshot, spec->large_min, spec->piece_bytes, &e.tables, &e.table_count, err))
        return false;
    lay_out(&e);
    SCOPED(spool_close) struct spool *spool = spool_open(spec->sink, spec->sink_arg, e.piece_count + 3, SPOOL_MEMORY, spec->max_rate);
    e.spool = spool;
    part_memory_init(&e.memory);
    run_all(&e);
    bool ok = (spool_end(spool, arena, ret, err) || blame_lost_session(&e, err)) && check_tables(&e, &ret->index, err);
    part_memory_done(&e.memory);
    pthread_mutex_destroy(&e.mutex);
    return ok;
}
