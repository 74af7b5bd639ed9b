/* base/eta.c -- The plain rule of three: what a person would do with a watch. */
#include "base/eta.h"

#include "base/base.h"

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

char *eta_say(struct arena *arena, int64_t left_ms, int64_t spent_ms, int64_t rto_ms)
{
    const char *eta = left_ms < 0 ? "" : arena_printf(arena, "ETA %s", duration_clock(arena, left_ms));
    int64_t late = spent_ms + MAX_OF(left_ms, 0) - rto_ms;
    if (rto_ms <= 0 || (left_ms < 0 && late <= 0))
        return arena_strdup(arena, eta);
    return arena_printf(arena, "%s%sRTO %s: %s%s", eta, *eta ? ", " : "", duration_print(arena, rto_ms),
                        late > 0 ? duration_say(arena, late) : "in time", late > 0 ? " late" : "");
}
