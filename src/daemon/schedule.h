/* daemon/schedule.h -- When a job that recurs is due. Pure: times are core milliseconds, which never go back and outlive restarts. */
#pragma once
#include "base/base.h"

struct schedule_job {
    int64_t every_ms;  /* 0: never */
    int64_t early_ms;  /* each run begins up to this much before its time, by chance */
    uint64_t seed;     /* of that chance, so that jobs of several services differ */
    bool began;        /* it ran once */
    int64_t began_ms;  /* the newest run */
    int64_t ended_ms;  /* when it ended, unless it runs */
    bool running, failed;
    bool asked;        /* something happened since that run began that makes another worth while now, also after a failure */
};

/* TIME_NEVER while it runs. What never ran, what was missed and what was asked for is due now, once, however much was missed. What
   failed is tried again sooner than its turn would be. Never further away than one interval. */
int64_t schedule_due(const struct schedule_job *job, int64_t now_ms);
