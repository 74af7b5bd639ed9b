/* daemon/schedule.c -- The next run counts from the beginning of the last one, so that runs do not drift by what they take. */
#include "daemon/schedule.h"

enum { RETRY_MS = 5 * 60 * 1000 };

/* The finalizer of splitmix64: the same run is always early by the same, also after a restart. */
static uint64_t scramble(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int64_t schedule_due(const struct schedule_job *job, int64_t now_ms)
{
    if (job->every_ms <= 0 || job->running)
        return TIME_NEVER;
    if (!job->began || job->asked)
        return now_ms;
    int64_t early = job->early_ms > 0 ? (int64_t)(scramble(job->seed ^ (uint64_t)job->began_ms) % (uint64_t)job->early_ms) : 0;
    /* A job that fails at once is not run in a row, however often it recurs. */
    int64_t due = job->failed ? job->ended_ms + MIN_OF(job->every_ms, RETRY_MS) : job->began_ms + job->every_ms - early;
    return MIN_OF(MAX_OF(due, now_ms), now_ms + job->every_ms);
}
