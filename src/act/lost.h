/* act/lost.h -- What a promotion lost: all that the old primary wrote after the new one had parted from it, counted in its own log once it has
   ended. It is there until the old data is rewound or replaced. */
#pragma once
#include "act/action.h"
#include "io/parted.h"
#include "io/pg.h"

/* Where the primary behind `pg`, on timeline `now`, left the given one; *timeline 0: the newest that it left, and which that is. ERR_NOT_FOUND:
   it never did. */
MUST_USE bool lost_fork(const struct action_ctx *ctx, struct pg *pg, int64_t now, int64_t *timeline, uint64_t *ret, struct err *err);
/* By its agent, where that lives by a lease, else on its host; within `time_ms`. ERR_DATA: it can be counted no more, nor later. */
MUST_USE bool lost_count(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t time_ms, struct parted *ret, struct err *err);
/* One sentence. */
char *lost_say(const struct action_ctx *ctx, const struct site *site, const struct parted *lost);
/* The facts: loss.bytes, loss.transactions, loss.probes, loss.measured. */
void lost_tell(const struct action_ctx *ctx, const struct site *site, const struct parted *lost);
