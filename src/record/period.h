/* record/period.h -- What the journal proves about a service in a time: incidents, objectives held, availability, messages. */
#pragma once
#include "record/story.h"

struct period {
    int64_t from_wall_ms, to_wall_ms;
    struct { struct story *p; size_t n, cap; } incidents; /* that opened within it, oldest first */
    size_t open, unreviewed;       /* not resolved; resolved without an approved report, of severity P1 and P2 */
    size_t rto_known, rto_held, rpo_known, rpo_held;
    int64_t outage_ms;             /* of the part of each outage that lies within it */
    int64_t mean_ack_ms;           /* -1: nobody took one */
    size_t notices, failed;
    /* Of the users' own path: the checks of the service that belong to no site. */
    int64_t known_ms, down_ms;     /* somebody looked; and one of them was down */
};

MUST_USE bool period_read(struct arena *arena, struct journal *journal, const struct config *config, const struct service *service,
                          int64_t from_wall_ms, int64_t to_wall_ms, struct period *ret, struct err *err);
int64_t period_availability_ppm(const struct period *period); /* -1: nobody looked */
