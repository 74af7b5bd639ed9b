/* daemon/candidate.h -- May this controller lead? Each candidate holds a key that goes with its lease, and the oldest key leads. Pure:
   no clock, no I/O; times are CLOCK_BOOTTIME of this machine, so a freeze or a suspend ends a lead, and never prolongs it. */
#pragma once
#include "base/base.h"

/* Begun with zeroes: a candidate without a lease. */
struct candidate {
    int64_t lease;         /* ours in etcd; 0: none */
    int64_t until_ms;      /* it surely lasts until then */
    bool first, behind;    /* ours was seen to be the oldest key of every service; another's is older */
};

enum standing {
    STANDING_UNKNOWN,      /* our lease may be over, or nothing was seen yet: who leads cannot be said */
    STANDING_BEHIND,       /* another leads */
    STANDING_LEADS,
    STANDING_MAX,
};

/* etcd granted or renewed the lease when asked at `sent_ms`; 0 s: it is over, and our keys with it. */
void candidate_lease(struct candidate *c, int64_t lease, int64_t sent_ms, int64_t ttl_s);
/* The lease of the oldest key of each service; 0: it has none. While ours lasts, what was once the oldest stays the oldest. */
void candidate_saw(struct candidate *c, const int64_t *oldest, size_t count);
enum standing candidate_standing(const struct candidate *c, int64_t now_ms);
