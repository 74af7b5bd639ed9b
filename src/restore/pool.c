/* restore/pool.c -- One mutex and one condition for everything: a piece of work takes milliseconds to minutes, so nobody queues here. */
#include "restore/pool.h"

#include <errno.h>

#include "sys/clock.h"

#define URGENT 1e15 /* longer than any path */

enum { CONNECT_MS = 30 * 1000, SETTING_MS = 60 * 1000, TEXT_MAX = 1 << 30 /* a row may have that much */, OUT_MAX = 32 * 1024 * 1024 };

struct pool {
    const struct pgtarget *target;
    const char *dbname, *session;
    int jobs;
    struct worker *workers;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct arena *arena; /* under the mutex */
    bool sealed, closing, failed;
    struct err why;
    VEC(struct task *) ready;    /* a heap: the longest path at [0] */
    VEC(struct task *) aside;    /* looked at by pick() and not possible now */
    VEC(struct task *) running;
    VEC(struct task *) waiting;  /* added and not sealed, for the paths */
    size_t unfinished;
    double done, total;
    double urgency; /* of the next task that begins at once: such come first, in the order in which they were added */
};

/* ---- locks ---- */

/* PostgreSQL's own table of conflicts, for the modes that occur here. */
static bool modes_conflict(enum lock_mode a, enum lock_mode b)
{
    static const unsigned char conflicts[LOCK_MODE_MAX] = {
        [LOCK_ROW_SHARE] = 1 << LOCK_ALL,
        [LOCK_ROW_EXCLUSIVE] = 1 << LOCK_SHARE | 1 << LOCK_SHARE_ROW | 1 << LOCK_ALL,
        [LOCK_SHARE_UPDATE] = 1 << LOCK_SHARE_UPDATE | 1 << LOCK_SHARE | 1 << LOCK_SHARE_ROW | 1 << LOCK_ALL,
        [LOCK_SHARE] = 1 << LOCK_ROW_EXCLUSIVE | 1 << LOCK_SHARE_UPDATE | 1 << LOCK_SHARE_ROW | 1 << LOCK_ALL,
        [LOCK_SHARE_ROW] = 1 << LOCK_ROW_EXCLUSIVE | 1 << LOCK_SHARE_UPDATE | 1 << LOCK_SHARE | 1 << LOCK_SHARE_ROW | 1 << LOCK_ALL,
        [LOCK_ALL] = 1 << LOCK_ROW_SHARE | 1 << LOCK_ROW_EXCLUSIVE | 1 << LOCK_SHARE_UPDATE | 1 << LOCK_SHARE | 1 << LOCK_SHARE_ROW | 1 << LOCK_ALL,
    };
    return conflicts[a] & 1u << b;
}

static bool tasks_conflict(const struct task *a, const struct task *b)
{
    for (size_t i = 0; i < COUNT_OF(a->locks); i++)
        for (size_t k = 0; k < COUNT_OF(b->locks); k++)
            if (a->locks[i].table == b->locks[k].table && modes_conflict(a->locks[i].mode, b->locks[k].mode))
                return true;
    return false;
}

static bool is_possible(const struct pool *pool, const struct task *t)
{
    if (!t->at_once && !pool->sealed)
        return false;
    for (size_t i = 0; i < pool->running.n; i++)
        if (tasks_conflict(t, pool->running.p[i]))
            return false;
    return true;
}

/* ---- the heap of what is ready ---- */

static void heap_push(struct pool *pool, struct task *t)
{
    *vec_add(pool->arena, &pool->ready) = t;
    size_t i = pool->ready.n - 1;
    for (; i && pool->ready.p[(i - 1) / 2]->path < t->path; i = (i - 1) / 2)
        pool->ready.p[i] = pool->ready.p[(i - 1) / 2];
    pool->ready.p[i] = t;
}

static struct task *heap_pop(struct pool *pool)
{
    struct task **p = pool->ready.p, *top = p[0], *last = p[--pool->ready.n];
    size_t n = pool->ready.n, i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && p[child + 1]->path > p[child]->path;
        if (p[child]->path <= last->path)
            break;
        p[i] = p[child];
    }
    if (n)
        p[i] = last;
    return top;
}

/* The most urgent one that no running one stands in the way of. */
static struct task *pick(struct pool *pool)
{
    struct task *found = NULL;
    pool->aside.n = 0;
    while (!found && pool->ready.n) {
        struct task *t = heap_pop(pool);
        if (is_possible(pool, t))
            found = t;
        else
            *vec_add(pool->arena, &pool->aside) = t;
    }
    for (size_t i = 0; i < pool->aside.n; i++)
        heap_push(pool, pool->aside.p[i]);
    return found;
}

/* ---- the end of a task ---- */

static void release(struct pool *pool, struct task *t)
{
    for (size_t i = 0; i < t->after.n; i++) {
        struct task *next = t->after.p[i];
        if (--next->before == 0 && next->state == TASK_WAITING) {
            next->state = TASK_READY;
            heap_push(pool, next);
        }
    }
}

/* What waits for it is put off with it. */
static void put_off(struct pool *pool, struct task *t, const struct err *why)
{
    if (t->state == TASK_PUT_OFF)
        return;
    t->state = TASK_PUT_OFF;
    t->why = *why;
    pool->unfinished--;
    pool->done += t->cost;
    for (size_t i = 0; i < t->after.n; i++)
        put_off(pool, t->after.p[i], why);
}

static void fail(struct pool *pool, const struct task *t, const struct err *why)
{
    if (pool->failed)
        return;
    pool->failed = true;
    pool->why = *why;
    if (t && t->line)
        err_prefix(&pool->why, "line %lld", (long long)t->line);
}

static void finish(struct pool *pool, struct task *t, bool ok, const struct err *why)
{
    for (size_t i = 0; i < pool->running.n; i++)
        if (pool->running.p[i] == t)
            pool->running.p[i] = pool->running.p[--pool->running.n];
    if (ok) {
        t->state = TASK_DONE;
        pool->unfinished--;
        pool->done += t->cost;
        release(pool, t);
    } else if (t->may_be_put_off && why->code != ERR_UNAVAILABLE && why->code != ERR_TIMEOUT) {
        put_off(pool, t, why);
    } else {
        fail(pool, t, why);
    }
    pthread_cond_broadcast(&pool->changed);
}

/* ---- a worker ---- */

static bool set_session(struct worker *w, const struct task *t, int helpers, struct err *err)
{
    struct pool *pool = w->pool;
    if (!w->pg) {
        if (!pg_open(pool->target, pool->dbname, CONNECT_MS, &w->pg, err) || !pg_script(w->pg, pool->session, SETTING_MS, err))
            return false;
        w->settings = NULL;
        w->helpers = -1;
    }
    SCOPED(buf_done) struct buf sql = {.max = 1 << 20};
    settings_change(w->settings, t->settings, &sql);
    if (t->maintenance && helpers != w->helpers)
        buf_printf(&sql, "SET max_parallel_maintenance_workers = %d;", w->helpers = helpers);
    if (sql.n && !pg_script(w->pg, buf_text(&sql), SETTING_MS, err))
        return false;
    w->settings = t->settings;
    return true;
}

/* With nothing else to do for the other sessions, the server may use their processors for this one. */
static int helpers_for(const struct pool *pool)
{
    size_t busy = pool->running.n + pool->ready.n;
    return busy >= (size_t)pool->jobs ? 0 : pool->jobs - (int)busy;
}

static void carry_out(struct worker *w, struct task *t)
{
    struct pool *pool = w->pool;
    struct err err = {0};
    t->state = TASK_RUNNING;
    *vec_add(pool->arena, &pool->running) = t;
    int helpers = helpers_for(pool);
    pthread_mutex_unlock(&pool->mutex);
    w->arena = arena_open();
    bool ok = set_session(w, t, helpers, &err) && (pool_going(pool) || err_set(&err, ERR_CANCELLED, "stopped")) && t->run(w, t, &err);
    arena_close(&w->arena);
    pthread_mutex_lock(&pool->mutex);
    finish(pool, t, ok, &err);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *pool = w->pool;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->closing && !pool->failed) {
        struct task *t = pick(pool);
        if (t)
            carry_out(w, t);
        else
            pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pg_close(&w->pg);
    buf_done(&w->text);
    buf_done(&w->out);
    return NULL;
}

/* ---- opening and closing ---- */

static void start_workers(struct pool *pool)
{
    for (int i = 0; i < pool->jobs; i++) {
        struct worker *w = &pool->workers[i];
        *w = (struct worker){.pool = pool, .text = {.max = TEXT_MAX}, .out = {.max = OUT_MAX}, .helpers = -1};
        int os = pthread_create(&w->thread, NULL, work, w);
        w->started = os == 0;
        if (os && i == 0) {
            struct err why = {0};
            err_os(&why, os, "could not start a thread");
            fail(pool, NULL, &why);
        }
    }
}

struct pool *pool_open(const struct pgtarget *target, const char *dbname, const char *session, int jobs)
{
    struct arena *arena = arena_open();
    struct pool *pool = arena_new(arena, struct pool);
    pthread_condattr_t boot;
    *pool = (struct pool){.target = target, .dbname = dbname, .session = session, .jobs = MAX_OF(jobs, 1), .arena = arena, .urgency = URGENT};
    pool->workers = arena_array(arena, struct worker, pool->jobs);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&boot);
    pthread_condattr_setclock(&boot, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->changed, &boot);
    pthread_condattr_destroy(&boot);
    pthread_mutex_lock(&pool->mutex);
    start_workers(pool);
    pthread_mutex_unlock(&pool->mutex);
    return pool;
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_close(struct pool **pool)
{
    struct pool *p = pool ? *pool : NULL;
    if (!p)
        return;
    pool_stop(p);
    for (int i = 0; i < p->jobs; i++)
        if (p->workers[i].started)
            pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    *pool = NULL;
    struct arena *arena = p->arena; /* in which the pool itself lies, and its pointer with it */
    arena_close(&arena);
}

/* ---- giving work ---- */

void pool_add(struct pool *pool, struct task *task)
{
    pthread_mutex_lock(&pool->mutex);
    task->path = task->at_once ? (pool->urgency -= 1) : task->cost;
    pool->unfinished++;
    pool->total += task->cost;
    if (!task->at_once)
        *vec_add(pool->arena, &pool->waiting) = task;
    if (task->before == 0) {
        task->state = TASK_READY;
        heap_push(pool, task);
        if (task->at_once)
            pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
}

void pool_after(struct pool *pool, struct arena *arena, struct task *task, struct task *first)
{
    pthread_mutex_lock(&pool->mutex);
    if (first->state != TASK_DONE) {
        *vec_add(arena, &first->after) = task;
        task->before++;
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* A task stands behind those that it waits for, so one walk from the end sees every path whole. */
static void compute_paths(struct pool *pool)
{
    for (size_t i = pool->waiting.n; i-- > 0;) {
        struct task *t = pool->waiting.p[i];
        double longest = 0;
        for (size_t k = 0; k < t->after.n; k++)
            longest = MAX_OF(longest, t->after.p[k]->path);
        t->path = t->cost + longest;
    }
    pool->waiting.n = 0;
}

void pool_seal(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    compute_paths(pool);
    size_t n = pool->ready.n;
    pool->aside.n = 0;
    for (size_t i = 0; i < n; i++)
        *vec_add(pool->arena, &pool->aside) = pool->ready.p[i];
    pool->ready.n = 0;
    for (size_t i = 0; i < n; i++)
        heap_push(pool, pool->aside.p[i]);
    pool->sealed = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

bool pool_wait(struct pool *pool, int64_t max_ms, bool *ret_more, struct err *err)
{
    int64_t deadline = clock_boot_ms() + max_ms;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->failed && pool->unfinished && clock_boot_ms() < deadline)
        pool_sleep(pool, deadline - clock_boot_ms());
    bool failed = pool->failed;
    *ret_more = !failed && pool->unfinished;
    if (failed && err)
        *err = pool->why;
    if (!pool->unfinished)
        pool->sealed = false;
    pthread_mutex_unlock(&pool->mutex);
    return !failed;
}

bool pool_going(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool going = !pool->failed && !pool->closing;
    pthread_mutex_unlock(&pool->mutex);
    return going;
}

void pool_why(struct pool *pool, struct err *err)
{
    pthread_mutex_lock(&pool->mutex);
    if (pool->failed && err)
        *err = pool->why;
    pthread_mutex_unlock(&pool->mutex);
}

int pool_jobs(const struct pool *pool)
{
    return pool->jobs;
}

void pool_progress(struct pool *pool, double *ret_done, double *ret_total, char *what, size_t what_size)
{
    pthread_mutex_lock(&pool->mutex);
    const struct task *longest = NULL;
    for (size_t i = 0; i < pool->running.n; i++)
        if (!longest || pool->running.p[i]->path > longest->path)
            longest = pool->running.p[i];
    *ret_done = pool->done;
    *ret_total = pool->total;
    str_copy(what, what_size, longest ? longest->what : "");
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- for what feeds running tasks ---- */

void pool_lock(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
}

void pool_unlock(struct pool *pool)
{
    pthread_mutex_unlock(&pool->mutex);
}

void pool_changed(struct pool *pool)
{
    pthread_cond_broadcast(&pool->changed);
}

bool pool_sleep(struct pool *pool, int64_t max_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (MAX_OF(max_ms, 1) % 1000) * 1000000;
    until.tv_sec += MAX_OF(max_ms, 1) / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    if (!pool->failed && !pool->closing)
        pthread_cond_timedwait(&pool->changed, &pool->mutex, &until);
    return !pool->failed && !pool->closing;
}
