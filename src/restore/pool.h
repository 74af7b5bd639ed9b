/* restore/pool.h -- The sessions that load and build at the same time, and the order in which work goes to them: what others wait for
   longest comes first, and never two pieces of work whose locks on a table would make one session wait inside the server. */
#pragma once
#include <pthread.h>

#include "io/pg.h"
#include "restore/settings.h"

/* The table locks of the server that our statements take, and (in pool.c) which of them do not go together. */
enum lock_mode { LOCK_NONE, LOCK_ROW_SHARE, LOCK_ROW_EXCLUSIVE, LOCK_SHARE_UPDATE, LOCK_SHARE, LOCK_SHARE_ROW, LOCK_ALL, LOCK_MODE_MAX };

struct worker {
    struct pool *pool;
    struct pg *pg;                   /* opened when the first piece of work comes */
    struct arena *arena;             /* emptied after each piece of work */
    const struct settings *settings; /* that the session has */
    struct buf text, out;            /* rows as read, and in the server's form: kept from one piece of work to the next */
    int helpers;                     /* max_parallel_maintenance_workers of the session; -1: not set yet */
    pthread_t thread;
    bool started;
};

enum task_state { TASK_WAITING, TASK_READY, TASK_RUNNING, TASK_DONE, TASK_PUT_OFF };

struct task {
    bool (*run)(struct worker *w, struct task *t, struct err *err); /* in a thread of the pool */
    void *arg;
    const char *mark;                /* SQL of the same transaction, that says it is done; NULL: none. For `run` to see to */
    const char *what;                /* for people: "index contracts_user_id_idx" */
    int64_t line;                    /* of the dump */
    const struct settings *settings; /* the session is set so first */
    double cost;                     /* seconds, roughly: only their ratio matters */
    struct { uint32_t table; enum lock_mode mode; } locks[2];
    bool at_once;                    /* need not wait for pool_seal */
    bool may_be_put_off;             /* a failure hands it back (pool_put_off) instead of ending everything */
    bool maintenance;                /* the server may use helpers of its own for it */

    /* the pool's */
    enum task_state state;
    double path;                     /* cost of the longest chain that begins here */
    size_t before;                   /* unfinished tasks that it waits for */
    VEC(struct task *) after;
    struct err why;                  /* of what was put off */
};

/* Up to `jobs` sessions in database `dbname`, made ready with `session` (SQL). */
struct pool *pool_open(const struct pgtarget *target, const char *dbname, const char *session, int jobs);
/* No task begins any more. What runs goes on: whoever cannot wait ends its session on the server. */
void pool_stop(struct pool *pool);
void pool_close(struct pool **pool); /* stops, and waits for what runs */
/* The task stays the caller's and must live until it is done. */
void pool_add(struct pool *pool, struct task *task);
/* `task`, which was not added yet, begins after `first`, which was. */
void pool_after(struct pool *pool, struct arena *arena, struct task *task, struct task *first);
/* No more tasks for now: paths are computed, everything that is ready may begin. */
void pool_seal(struct pool *pool);
/* Sleeps until all are done (true), something failed (false), or `max_ms` went by (*ret_more true). */
MUST_USE bool pool_wait(struct pool *pool, int64_t max_ms, bool *ret_more, struct err *err);
void pool_why(struct pool *pool, struct err *err); /* what failed first in the pool, if anything did, takes the place of what is in err */
bool pool_going(struct pool *pool); /* neither failed nor stopped */
int pool_jobs(const struct pool *pool);
void pool_progress(struct pool *pool, double *ret_done, double *ret_total, char *what, size_t what_size); /* costs; the longest that runs */

/* ---- for what feeds running tasks: the pool's mutex, and a signal for whoever waits ---- */

void pool_lock(struct pool *pool);
void pool_unlock(struct pool *pool);
void pool_changed(struct pool *pool);                                 /* wakes everybody; locked */
bool pool_sleep(struct pool *pool, int64_t max_ms);                   /* until a change; locked. False when it is over, by a failure or by pool_stop */
