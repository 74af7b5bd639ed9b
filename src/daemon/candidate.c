/* daemon/candidate.c -- The lead lasts until the moment the newest answered renewal was sent, plus the lease, less a margin: etcd began
   to count later than that, and counts by a clock that may be a little faster than ours. */
#include "daemon/candidate.h"

void candidate_lease(struct candidate *c, int64_t lease, int64_t sent_ms, int64_t ttl_s)
{
    if (ttl_s <= 0 || lease == 0) {
        *c = (struct candidate){0};
        return;
    }
    if (lease != c->lease)
        *c = (struct candidate){.lease = lease};
    int64_t ttl_ms = MIN_OF(ttl_s, INT32_MAX) * MS_SECOND;
    c->until_ms = MAX_OF(c->until_ms, sent_ms + ttl_ms - ttl_ms / 10);
}

void candidate_saw(struct candidate *c, int64_t holder)
{
    c->first = holder != 0 && holder == c->lease;
    c->behind = holder != 0 && holder != c->lease;
}

enum standing candidate_standing(const struct candidate *c, int64_t now_ms)
{
    if (c->behind)
        return STANDING_BEHIND; /* whether ours still lasts or not */
    return c->lease && c->first && now_ms < c->until_ms ? STANDING_LEADS : STANDING_UNKNOWN;
}
