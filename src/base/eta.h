/* base/eta.h -- How long work will still take, by its pace since it began. */
#pragma once
#include <stdint.h>

struct arena;

/* All zero: nothing was seen yet. */
struct eta {
    int64_t began_ms, from; /* when the work was first seen, and what was done of it then */
    int64_t done, total;    /* as last seen */
};

/* Milliseconds left at `now_ms`, of work of which `done` of `total` is done; -1 while that cannot be said: no total, or seen for less
   than a second. Another total, or less done than before, is another work. */
int64_t eta_left(struct eta *eta, int64_t now_ms, int64_t done, int64_t total);
/* "ETA 02:10, RTO 15m: in time", "ETA 02:10, RTO 15m: 3 min 00 s late". `spent_ms` has gone by of the objective; `rto_ms` 0: there is none.
   What is over it is said while nothing is known of the end (`left_ms` -1), too; "" when there is nothing to say. */
char *eta_say(struct arena *arena, int64_t left_ms, int64_t spent_ms, int64_t rto_ms);
