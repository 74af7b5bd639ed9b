/* restore/rows.c -- Pieces of about a megabyte that end where a row ends, so that each can be turned into the server's binary form by
   itself. A row longer than that goes in parts, as text.

   A table that is empty and will be filled by one session alone is truncated in the transaction that fills it: the server then writes
   rows that need no later visit (FREEZE), and, with wal_level = minimal, no log for them. */
#include "restore/rows.h"

#include "restore/binary.h"
#include "restore/restore_internal.h"

enum { CHUNK_SIZE = 1024 * 1024, COPY_MS = 10 * 60 * 1000, SLEEP_MS = 1000, BINARY_TEXT_MAX = 8 * CHUNK_SIZE, UNSURE_MAX = 8,
       BYTES_A_SECOND = 50 * 1000 * 1000 };

struct chunk {
    struct chunk *next, *made; /* in whichever list it is; and of all there are */
    size_t n;
    bool begins, ends; /* at the border of a row */
    char data[CHUNK_SIZE];
};

struct rows_store {
    struct pool *pool;
    const struct marks *marks;
    struct chunk *spare;       /* under the pool's mutex, as is the rest but `made` */
    struct chunk *made;        /* the reader's */
    size_t under_way, most;
};

/* What one session loads of it: all of it, unless its members are shared out. */
struct part {
    struct task task;
    struct rows *rows;
    const struct index_member *members; /* NULL: pieces that the reader gives */
    size_t member_count, first; /* of all the block's members, the first is [first] */
};

struct rows {
    struct rows_store *store;
    struct arena *arena;
    struct task model;         /* what all parts' tasks begin as */
    const char *table, *copy;
    int64_t item;              /* of the file */
    VEC(struct task *) tasks;
    int fd;                    /* of the members */
    bool given;                /* the reader has no pieces to give: members, or rows that are there already */
    bool alone;                /* one session loads all of it */
    size_t share;              /* members of a part */
    size_t parts_left;         /* under the mutex */
    int64_t taken;             /* under the mutex: by the server, in the parts that ended */
    struct chunk *open;        /* being filled; the reader's alone */
    bool in_row;               /* the last piece did not end a row */
    struct chunk *first, *last; /* under the mutex: waiting for the session */
    bool ended;                /* under the mutex */
    int64_t count, bytes;
};

/* ---- memory ---- */

struct rows_store *rows_store_open(struct pool *pool, const struct marks *marks, size_t max_bytes)
{
    struct rows_store *store = calloc(1, sizeof(*store));
    if (!store)
        abort();
    *store = (struct rows_store){.pool = pool, .marks = marks, .most = MAX_OF(max_bytes / CHUNK_SIZE, 4)};
    return store;
}

void rows_store_close(struct rows_store **store)
{
    if (!store || !*store)
        return;
    for (struct chunk *c = (*store)->made, *next; c; c = next) {
        next = c->made;
        free(c);
    }
    free(*store);
    *store = NULL;
}

/* A free piece, once fewer than the most are under way; NULL when the pool failed. */
static struct chunk *take_chunk(struct rows_store *store)
{
    pool_lock(store->pool);
    bool going = true;
    while (going && store->under_way >= store->most)
        going = pool_sleep(store->pool, SLEEP_MS);
    struct chunk *c = store->spare;
    if (going && c)
        store->spare = c->next;
    store->under_way += going;
    pool_unlock(store->pool);
    if (!going)
        return NULL;
    if (!c) {
        if (!(c = malloc(sizeof(*c))))
            abort();
        c->made = store->made;
        store->made = c;
    }
    c->next = NULL;
    c->n = 0;
    return c;
}

static void give_back(struct rows_store *store, struct chunk *c)
{
    if (!c)
        return;
    pool_lock(store->pool);
    c->next = store->spare;
    store->spare = c;
    store->under_way--;
    pool_changed(store->pool);
    pool_unlock(store->pool);
}

/* ---- the reader's side ---- */

static bool load_rows(struct worker *w, struct task *t, struct err *err);

struct rows *rows_begin(struct rows_store *store, struct arena *arena, const char *table, struct str copy, int64_t line, int64_t item,
                        const struct settings *settings)
{
    struct rows *rows = arena_new(arena, struct rows);
    *rows = (struct rows){.store = store, .arena = arena, .table = table, .copy = str_dup(arena, copy), .item = item};
    rows->model = (struct task){.run = load_rows, .what = table, .line = line, .settings = settings};
    return rows;
}

static void add_part(struct rows *rows, const struct index_member *members, size_t first, size_t n, double cost)
{
    struct part *part = arena_new(rows->arena, struct part);
    *part = (struct part){.task = rows->model, .rows = rows, .members = members ? members + first : NULL, .member_count = n, .first = first};
    part->task.arg = part;
    part->task.cost = cost;
    part->task.at_once = !members;
    *vec_add(rows->arena, &rows->tasks) = &part->task;
    pool_add(rows->store->pool, &part->task);
}

static void pass_on(struct rows *rows)
{
    struct chunk *c = rows->open;
    if (c) {
        pool_lock(rows->store->pool);
        if (rows->last)
            rows->last->next = c;
        else
            rows->first = c;
        rows->last = c;
        pool_changed(rows->store->pool);
        pool_unlock(rows->store->pool);
        rows->open = NULL;
    }
    if (rows->tasks.n == 0) {
        rows->parts_left = 1;
        rows->alone = true;
        add_part(rows, NULL, 0, 0, 0);
    }
}

/* The full piece goes; the row that it ends in the middle of moves to a new one. */
static bool next_chunk(struct rows *rows)
{
    struct chunk *full = rows->open, *c = take_chunk(rows->store);
    if (!c)
        return false;
    const char *newline = full ? memrchr(full->data, '\n', full->n) : NULL;
    if (newline) {
        size_t whole = (size_t)(newline - full->data) + 1;
        c->n = full->n - whole;
        memcpy(c->data, full->data + whole, c->n);
        full->n = whole;
    }
    if (full)
        full->ends = newline != NULL;
    c->begins = !full || full->ends;
    if (full)
        pass_on(rows);
    rows->open = c;
    return true;
}

bool rows_add(struct rows *rows, const void *data, size_t size)
{
    const char *p = data;
    rows->bytes += (int64_t)size;
    while (size) {
        if ((!rows->open || rows->open->n == CHUNK_SIZE) && !next_chunk(rows))
            return false;
        size_t n = MIN_OF(size, CHUNK_SIZE - rows->open->n);
        memcpy(rows->open->data + rows->open->n, p, n);
        rows->open->n += n;
        p += n;
        size -= n;
    }
    return true;
}

void rows_end(struct rows *rows, int64_t count)
{
    if (rows->open)
        rows->open->ends = true;
    pool_lock(rows->store->pool);
    rows->count = count;
    pool_unlock(rows->store->pool);
    if (rows->given)
        return;
    pass_on(rows); /* a block without rows is tried too: its table and columns must be there */
    pool_lock(rows->store->pool);
    rows->ended = true;
    pool_changed(rows->store->pool);
    pool_unlock(rows->store->pool);
}

void rows_members(struct rows *rows, int fd, const struct index_member *m, size_t n, int64_t bytes, int parts, bool *ret_left,
                  int64_t *ret_taken_over)
{
    size_t marked, share = (n + (size_t)parts - 1) / (size_t)parts;
    const struct mark *done = marks_of(rows->store->marks, MARK_ROWS, rows->item, &marked);
    if (marked && done->size > 0)
        share = (size_t)done->size;
    rows->fd = fd;
    rows->bytes = bytes;
    rows->given = true;
    rows->alone = share >= n;
    rows->share = share;
    rows->parts_left = (n + share - 1) / share - marked;
    for (size_t i = 0; i < marked; i++)
        rows->taken += done[i].rows;
    *ret_left = rows->parts_left > 0;
    *ret_taken_over = rows->taken;
    for (size_t at = 0; at < n; at += share)
        if (!marks_find(rows->store->marks, MARK_ROWS, rows->item, (int64_t)at))
            add_part(rows, m, at, MIN_OF(share, n - at), (double)bytes / BYTES_A_SECOND * (double)share / (double)n);
}

void rows_passed(struct rows *rows, int64_t count, int64_t bytes)
{
    rows->given = true;
    rows->count = count;
    rows->bytes = bytes;
}

size_t rows_tasks(struct rows *rows, struct task *const **ret)
{
    *ret = rows->tasks.p;
    return rows->tasks.n;
}

const char *rows_table(const struct rows *rows)
{
    return rows->table;
}

int64_t rows_count(const struct rows *rows)
{
    return rows->count;
}

int64_t rows_bytes(const struct rows *rows)
{
    return rows->bytes;
}

/* ---- the session's side ---- */

enum form { FORM_NONE, FORM_TEXT, FORM_BINARY };

struct copying {
    struct worker *w;
    struct rows *rows;
    bool freeze;
    enum form form;   /* of the COPY that runs */
    struct binary *binary; /* NULL: this table goes as text */
    int unsure;       /* pieces in a row that had to go as text */
    int64_t taken;    /* by the server, in the COPYs that ended */
};

/* COPY t (a, b) FROM stdin, in the form wanted. What is not plainly that is sent as it stands. */
static char *copy_statement(const struct copying *c, enum form form)
{
    const char *options = form == FORM_BINARY ? (c->freeze ? "FORMAT binary, FREEZE" : "FORMAT binary") : "FREEZE";
    char *with = form == FORM_BINARY || c->freeze ? binary_statement(c->w->arena, str_of(c->rows->copy), options) : NULL;
    return with ? with : arena_strdup(c->w->arena, c->rows->copy);
}

static bool end_copy(struct copying *c, struct err *err)
{
    int64_t taken;
    enum form form = c->form;
    if (form == FORM_NONE)
        return true;
    c->form = FORM_NONE;
    if (form == FORM_BINARY && !pg_copy_in_put(c->w->pg, binary_trailer, BINARY_TRAILER_SIZE, COPY_MS, err))
        return false;
    if (!pg_copy_in_end(c->w->pg, NULL, RESTORE_LONG_MS, &taken, err))
        return false;
    c->taken += taken;
    return true;
}

static bool begin_copy(struct copying *c, enum form form, struct err *err)
{
    if (c->form == form)
        return true;
    if (!end_copy(c, err) || !pg_copy_in_begin(c->w->pg, copy_statement(c, form), RESTORE_QUICK_MS, err))
        return false;
    c->form = form;
    return form != FORM_BINARY || pg_copy_in_put(c->w->pg, binary_header, BINARY_HEADER_SIZE, COPY_MS, err);
}

/* A table of which piece after piece has something doubtful is not tried for ever. */
static bool as_binary(struct copying *c, struct str text)
{
    int64_t rows;
    buf_clear(&c->w->out);
    if (!c->binary || text.n > BINARY_TEXT_MAX)
        return false;
    if (binary_rows(c->binary, text, &c->w->out, &rows) == BINARY_OK) {
        c->unsure = 0;
        return true;
    }
    if (++c->unsure == UNSURE_MAX)
        c->binary = NULL;
    return false;
}

/* `whole`: it begins and ends where a row does. */
static bool send_rows(struct copying *c, struct str text, bool whole, struct err *err)
{
    if (whole && as_binary(c, text))
        return begin_copy(c, FORM_BINARY, err) && pg_copy_in_put(c->w->pg, c->w->out.p, c->w->out.n, COPY_MS, err);
    return begin_copy(c, FORM_TEXT, err) && pg_copy_in_put(c->w->pg, text.p, text.n, COPY_MS, err);
}

/* Waits for the next piece; *ret NULL after the last. */
static bool next_piece(struct rows *rows, struct chunk **ret, struct err *err)
{
    struct pool *pool = rows->store->pool;
    bool going = true;
    pool_lock(pool);
    while (!rows->first && !rows->ended && (going = pool_sleep(pool, SLEEP_MS)))
        ;
    *ret = rows->first;
    if (rows->first && !(rows->first = rows->first->next))
        rows->last = NULL;
    pool_unlock(pool);
    return going || err_set(err, ERR_CANCELLED, "stopped while rows were on their way");
}

/* Ordinary, ours to empty, and without anything that looks at its rows as they come. */
static const char ask_plain[] =
    "SELECT (k.relkind = 'r' AND NOT k.relhastriggers AND has_table_privilege(k.oid, 'TRUNCATE') AND NOT EXISTS (SELECT FROM pg_depend d"
    " WHERE d.classid = 'pg_class'::regclass AND d.objid = k.oid AND d.deptype = 'e'))::int FROM pg_class k WHERE k.oid = to_regclass($1)";

/* Under the lock nobody else fills it, so what is found empty is emptied for nothing but the sake of FREEZE. */
static bool begin_alone(struct copying *c, struct err *err)
{
    struct pg *pg = c->w->pg;
    struct pg_rows *found;
    const char *table = c->rows->table, *params[] = {table};
    if (!pg_exec(pg, c->w->arena, ask_plain, params, 1, RESTORE_QUICK_MS, &found, err))
        return false;
    if (!pg_int(found, 0, 0))
        return true;
    if (!pg_script(pg, arena_printf(c->w->arena, "LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE", table), RESTORE_LONG_MS, err) ||
        !pg_exec(pg, c->w->arena, arena_printf(c->w->arena, "SELECT EXISTS (SELECT FROM ONLY %s)::int", table), NULL, 0, RESTORE_LONG_MS, &found, err))
        return false;
    c->freeze = !pg_int(found, 0, 0);
    return !c->freeze || pg_script(pg, arena_printf(c->w->arena, "TRUNCATE TABLE ONLY %s", table), RESTORE_LONG_MS, err);
}

/* What is worth its price only for many rows. */
static bool begin_large(struct copying *c, struct err *err)
{
    return binary_new(c->w->arena, c->w->pg, c->rows->table, str_of(c->rows->copy), &c->binary, err) && (!c->rows->alone || begin_alone(c, err));
}

static bool send_chunks(struct copying *c, struct err *err)
{
    struct chunk *chunk;
    bool first = true, ok = true;
    while (ok && (ok = next_piece(c->rows, &chunk, err)) && chunk) {
        if (first && chunk->n > CHUNK_SIZE / 2)
            ok = begin_large(c, err);
        first = false;
        ok = ok && send_rows(c, (struct str){chunk->data, chunk->n}, chunk->begins && chunk->ends, err);
        give_back(c->rows->store, chunk);
    }
    return ok && (!first || begin_copy(c, FORM_TEXT, err));
}

static bool send_members(struct copying *c, const struct index_member *m, size_t n, struct err *err)
{
    struct buf *text = &c->w->text;
    if (!begin_large(c, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!pool_going(c->w->pool) || !index_member_read(c->rows->fd, &m[i], text, err) || !send_rows(c, buf_str(text), true, err))
            return false;
    return true;
}

/* Whoever is last knows what all have taken. */
static bool account(struct copying *c, struct err *err)
{
    struct rows *rows = c->rows;
    pool_lock(rows->store->pool);
    rows->taken += c->taken;
    bool last = --rows->parts_left == 0;
    int64_t taken = rows->taken, count = rows->count;
    pool_unlock(rows->store->pool);
    return !last || taken == count ||
           err_set(err, ERR_DATA, "the server took %lld of the %lld rows", (long long)taken, (long long)count);
}

/* The rows and the row that says so are one transaction. */
static bool commit(struct copying *c, const struct part *part, struct err *err)
{
    struct mark mark = {.kind = MARK_ROWS, .item = c->rows->item, .part = (int64_t)part->first, .size = (int64_t)c->rows->share,
                        .rows = c->taken};
    const char *row = marks_add(c->rows->store->marks, c->w->arena, &mark);
    return pg_script(c->w->pg, arena_printf(c->w->arena, "%s COMMIT", row), RESTORE_LONG_MS, err);
}

static bool load_rows(struct worker *w, struct task *t, struct err *err)
{
    const struct part *part = t->arg;
    struct copying c = {.w = w, .rows = part->rows};
    bool ok = pg_script(w->pg, "BEGIN", RESTORE_QUICK_MS, err) &&
              (part->members ? send_members(&c, part->members, part->member_count, err) : send_chunks(&c, err)) && end_copy(&c, err) &&
              account(&c, err) && commit(&c, part, err);
    return ok || err_prefix(err, "table %s", c.rows->table);
}
