/* backup/retention.h -- Which backups are kept: by age, by number, and one of each day, week, month and year. Pure: no clock, no files. */
#pragma once
#include "base/base.h"

struct retention {
    int64_t keep_ms;                    /* younger ones are kept */
    int newest;                         /* so many good ones whatever their age; at least 1 is always kept */
    int daily, weekly, monthly, yearly; /* the newest good one of each of so many days, ... that have one */
};

struct retention_item {
    int64_t at_wall_ms;
    bool good; /* verified, and nothing known against it */
};

#define KEEPS(X)                                                                                                       \
    X(KEEP_NOT, "")                                                                                                    \
    X(KEEP_YOUNG, "young")                                                                                             \
    X(KEEP_NEWEST, "newest")                                                                                           \
    X(KEEP_DAILY, "daily")                                                                                             \
    X(KEEP_WEEKLY, "weekly")                                                                                           \
    X(KEEP_MONTHLY, "monthly")                                                                                         \
    X(KEEP_YEARLY, "yearly")                                                                                           \
    X(KEEP_NO_GOOD, "none is verified")

enum keep {
#define X(code, name) code,
    KEEPS(X)
#undef X
    KEEP_MAX
};
const char *keep_name(enum keep keep);

/* `items` stand newest first; ret[i] says why items[i] is kept, or KEEP_NOT. Age counts back from the newest good one where that is older
   than now: when backups stop, or a clock jumps, the last ones do not melt away. Without a good one everything is kept. Only good ones
   count for numbers and periods, so that damaged or unread ones never push a good one out. */
void retention_decide(const struct retention *rule, const struct retention_item *items, size_t count, int64_t now_wall_ms, enum keep *ret);
