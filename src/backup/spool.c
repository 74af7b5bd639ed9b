/* backup/spool.c -- A queue for each lane, and one thread that writes what is at the head. */
#include "backup/spool.h"

#include <pthread.h>
#include <time.h>

#include "io/xxh.h"

enum {
    HEAD_MAX = 8 * 1024 * 1024,  /* packed bytes that may wait in the lane whose turn it is */
    TAIL_MAX = 512 * 1024 * 1024,
    RATE_BURST_MS = 250,
};

struct waiting {
    struct waiting *next;
    struct index_member m;
    unsigned char bytes[];
};

struct lane {
    struct waiting *first, **last;
    size_t bytes;
    bool ended;
    VEC(struct index_item) items;
    struct index_item early;      /* rows of a piece that was read before the one in which their item begins */
    size_t base_item, base_member; /* known when its turn came */
};

struct spool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t writer;
    bool running;
    struct arena *arena;   /* of items; under the mutex */
    struct arena *written; /* the writer's own, of what was written: it holds no mutex while it writes */
    spool_sink_fn *sink;
    void *sink_arg;
    size_t memory, waiting;
    struct lane *lanes;
    size_t lane_count, head;
    bool failed, stopping, done;
    struct err err;
    int64_t max_rate, rate_ns; /* when the text let through so far is due */
    int64_t text_bytes;
    size_t items;          /* of the lanes before the head */
    /* the writer's own */
    int64_t at, sql_at;
    VEC(struct index_member) members;
    VEC(uint64_t) packed_hashes;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wait_until(struct spool *s, int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    pthread_cond_timedwait(&s->changed, &s->mutex, &t);
}

static void fail_locked(struct spool *s, const struct err *err)
{
    if (!s->failed)
        s->err = *err;
    s->failed = true;
    pthread_cond_broadcast(&s->changed);
}

void spool_fail(struct spool *spool, const struct err *err)
{
    pthread_mutex_lock(&spool->mutex);
    fail_locked(spool, err);
    pthread_mutex_unlock(&spool->mutex);
}

bool spool_failed(struct spool *spool)
{
    pthread_mutex_lock(&spool->mutex);
    bool failed = spool->failed;
    pthread_mutex_unlock(&spool->mutex);
    return failed;
}

/* Unlocks. */
static bool end_call(struct spool *s, struct err *err)
{
    bool ok = !s->failed;
    if (!ok && err)
        *err = s->err;
    pthread_mutex_unlock(&s->mutex);
    return ok;
}

/* ---- the writer ---- */

static bool write_all(struct spool *s, const void *data, size_t size, struct err *err)
{
    s->at += (int64_t)size;
    return s->sink(s->sink_arg, data, size, err);
}

static bool write_member(struct spool *s, struct waiting *w, struct err *err)
{
    w->m.at = s->at;
    w->m.sql_at = s->sql_at;
    index_header(&w->m, w->bytes);
    s->sql_at += w->m.unpacked;
    *vec_add(s->written, &s->members) = w->m;
    *vec_add(s->written, &s->packed_hashes) = xxh_of(w->bytes, w->m.packed);
    return write_all(s, w->bytes, w->m.packed, err);
}

/* Steps over lanes that are done; then the next member, or NULL when the writer has to wait, or all is done. */
static struct waiting *next_member(struct spool *s)
{
    while (s->head < s->lane_count) {
        struct lane *lane = &s->lanes[s->head];
        struct waiting *w = lane->first;
        if (w) {
            lane->first = w->next;
            if (!lane->first)
                lane->last = &lane->first;
            lane->bytes -= w->m.packed;
            s->waiting -= w->m.packed;
            return w;
        }
        if (!lane->ended)
            return NULL;
        s->items += lane->items.n;
        s->head++;
        if (s->head < s->lane_count) {
            s->lanes[s->head].base_item = s->items;
            s->lanes[s->head].base_member = s->members.n;
        }
        pthread_cond_broadcast(&s->changed);
    }
    s->done = true;
    return NULL;
}

static void *write_on(void *arg)
{
    struct spool *s = arg;
    pthread_mutex_lock(&s->mutex);
    while (!s->failed && !s->stopping && !s->done) {
        struct waiting *w = next_member(s);
        if (!w) {
            if (!s->done)
                pthread_cond_wait(&s->changed, &s->mutex);
            continue;
        }
        struct err err = {0};
        w->m.item += (uint32_t)s->lanes[s->head].base_item;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
        bool ok = write_member(s, w, &err);
        free(w);
        pthread_mutex_lock(&s->mutex);
        if (!ok)
            fail_locked(s, &err);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* ---- opening and closing ---- */

struct spool *spool_open(spool_sink_fn *sink, void *sink_arg, size_t lanes, size_t memory, int64_t max_rate)
{
    struct arena *arena = arena_open();
    struct spool *s = arena_new(arena, struct spool);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    s->arena = arena;
    s->written = arena_open();
    s->sink = sink;
    s->sink_arg = sink_arg;
    s->memory = memory;
    s->max_rate = max_rate;
    s->lanes = arena_array(arena, struct lane, lanes);
    s->lane_count = lanes;
    for (size_t i = 0; i < lanes; i++)
        s->lanes[i].last = &s->lanes[i].first;
    int status = pthread_create(&s->writer, NULL, write_on, s);
    s->running = status == 0;
    if (status != 0) {
        err_os(&s->err, status, "could not start a thread");
        s->failed = true;
    }
    return s;
}

static void join_writer(struct spool *s)
{
    if (s->running)
        pthread_join(s->writer, NULL);
    s->running = false;
}

void spool_close(struct spool **spool)
{
    struct spool *s = *spool;
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    join_writer(s);
    for (size_t i = 0; i < s->lane_count; i++)
        for (struct waiting *w = s->lanes[i].first, *next; w; w = next) {
            next = w->next;
            free(w);
        }
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    struct arena *written = s->written, *arena = s->arena; /* the spool itself lies in the last one */
    arena_close(&written);
    arena_close(&arena);
    *spool = NULL;
}

/* ---- the makers' side ---- */

/* The head's lane has room of its own: whatever the others hold, it goes on, and the others' turn comes. */
static bool has_room(const struct spool *s, size_t lane)
{
    return lane == s->head ? s->lanes[lane].bytes < HEAD_MAX : s->waiting < s->memory;
}

bool spool_put(struct spool *spool, size_t lane, const struct index_member *m, const void *packed, struct err *err)
{
    struct spool *s = spool;
    struct waiting *w = malloc(sizeof(*w) + m->packed);
    if (!w) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    *w = (struct waiting){.m = *m};
    memcpy(w->bytes, packed, m->packed);
    pthread_mutex_lock(&s->mutex);
    while (!s->failed && !has_room(s, lane))
        pthread_cond_wait(&s->changed, &s->mutex);
    if (s->failed) {
        free(w);
        return end_call(s, err);
    }
    struct lane *l = &s->lanes[lane];
    *l->last = w;
    l->last = &w->next;
    l->bytes += m->packed;
    s->waiting += m->packed;
    s->text_bytes += m->unpacked;
    pthread_cond_broadcast(&s->changed);
    return end_call(s, err);
}

static void add_rows(struct index_item *item, int64_t rows, uint64_t hash, size_t rows_members)
{
    item->rows += rows;
    item->hash += hash;
    item->rows_members += rows_members;
}

size_t spool_item(struct spool *spool, size_t lane, const struct index_item *item)
{
    pthread_mutex_lock(&spool->mutex);
    struct lane *l = &spool->lanes[lane];
    struct index_item *mine = vec_add(spool->arena, &l->items);
    *mine = *item;
    mine->name = arena_strdup(spool->arena, item->name);
    add_rows(mine, l->early.rows, l->early.hash, l->early.rows_members);
    l->early = (struct index_item){0};
    size_t number = l->items.n - 1;
    pthread_mutex_unlock(&spool->mutex);
    return number;
}

void spool_rows(struct spool *spool, size_t lane, int64_t rows, uint64_t hash, size_t rows_members)
{
    pthread_mutex_lock(&spool->mutex);
    struct lane *l = &spool->lanes[lane];
    add_rows(l->items.n ? &l->items.p[l->items.n - 1] : &l->early, rows, hash, rows_members);
    pthread_mutex_unlock(&spool->mutex);
}

void spool_lane_end(struct spool *spool, size_t lane)
{
    pthread_mutex_lock(&spool->mutex);
    spool->lanes[lane].ended = true;
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->mutex);
}

bool spool_pace(struct spool *spool, size_t bytes, struct err *err)
{
    struct spool *s = spool;
    pthread_mutex_lock(&s->mutex);
    if (s->max_rate > 0) {
        int64_t now = now_ns(), burst = (int64_t)RATE_BURST_MS * 1000000;
        s->rate_ns = MAX_OF(s->rate_ns, now - burst) + (int64_t)((double)bytes * 1e9 / (double)s->max_rate);
        int64_t due = s->rate_ns;
        while (!s->failed && now_ns() < due)
            wait_until(s, due);
    }
    return end_call(s, err);
}

bool spool_wait(struct spool *spool, int64_t ms)
{
    int64_t until = now_ns() + ms * 1000000;
    pthread_mutex_lock(&spool->mutex);
    while (!spool->done && !spool->failed && now_ns() < until)
        wait_until(spool, until);
    bool over = spool->done || spool->failed;
    pthread_mutex_unlock(&spool->mutex);
    return over;
}

int64_t spool_text_bytes(struct spool *spool)
{
    pthread_mutex_lock(&spool->mutex);
    int64_t bytes = spool->text_bytes;
    pthread_mutex_unlock(&spool->mutex);
    return bytes;
}

/* ---- the end ---- */

static void number_items(struct spool *s, struct arena *arena, struct index *index)
{
    index->items = arena_array(arena, struct index_item, s->items);
    for (size_t i = 0; i < s->lane_count; i++)
        for (size_t k = 0; k < s->lanes[i].items.n; k++) {
            struct index_item *item = &index->items[index->item_count++];
            *item = s->lanes[i].items.p[k];
            item->name = arena_strdup(arena, item->name);
            item->member += s->lanes[i].base_member;
        }
}

bool spool_end(struct spool *spool, struct arena *arena, struct spool_sum *ret, struct err *err)
{
    struct spool *s = spool;
    pthread_mutex_lock(&s->mutex);
    while (!s->done && !s->failed)
        pthread_cond_wait(&s->changed, &s->mutex);
    if (!end_call(s, err))
        return false;
    join_writer(s);
    struct err own = {0};
    SCOPED(buf_done) struct buf tail = {.max = TAIL_MAX};
    *ret = (struct spool_sum){.sql_bytes = s->sql_at};
    ret->index.members = arena_dup(arena, s->members.p, s->members.n * sizeof(*s->members.p));
    ret->index.member_count = s->members.n;
    ret->packed_hashes = arena_dup(arena, s->packed_hashes.p, s->packed_hashes.n * sizeof(uint64_t));
    number_items(s, arena, &ret->index);
    if (!index_tail(&ret->index, &tail, &own) || !write_all(s, tail.p, tail.n, &own)) {
        if (err)
            *err = own;
        return false;
    }
    ret->bytes = s->at;
    return true;
}
