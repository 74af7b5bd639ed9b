/* base/eta.c -- The plain rule of three: what a person would do with a watch. */
#include "base/eta.h"

enum { LEAST_MS = 1000 };

int64_t eta_left(struct eta *eta, int64_t now_ms, int64_t done, int64_t total)
{
    if (total != eta->total || done < eta->done)
        *eta = (struct eta){.began_ms = now_ms, .from = done, .total = total};
    eta->done = done;
    int64_t spent = now_ms - eta->began_ms, gained = done - eta->from;
    if (total <= 0 || spent < LEAST_MS || gained <= 0)
        return -1;
    return done >= total ? 0 : (int64_t)((double)spent * (double)(total - done) / (double)gained);
}
