/* daemon/candidate.h -- May this controller lead a service? One key stands for the lead and goes with the lease of whoever put it there when
   there was none. Pure: no clock, no I/O; times are CLOCK_BOOTTIME of this machine, so a freeze or a suspend ends a lead, and never prolongs it. */
#pragma once
#include "base/base.h"

/* Begun with zeroes: a candidate without a lease. */
struct candidate {
    int64_t lease;         /* ours in etcd; 0: none */
    int64_t until_ms;      /* it surely lasts until then */
    bool first, behind;    /* the key was seen to go with ours; with another's */
};

enum standing {
    STANDING_UNKNOWN,      /* our lease may be over, or nothing was seen yet: who leads cannot be said */
    STANDING_BEHIND,       /* another leads */
    STANDING_LEADS,
    STANDING_MAX,
};

/* etcd granted or renewed the lease when asked at `sent_ms`; 0 s: it is over, and our key with it. */
void candidate_lease(struct candidate *c, int64_t lease, int64_t sent_ms, int64_t ttl_s);
/* The lease that the key goes with; 0: there is no key. While ours lasts, a key that went with it once still does. */
void candidate_saw(struct candidate *c, int64_t holder);
enum standing candidate_standing(const struct candidate *c, int64_t now_ms);
