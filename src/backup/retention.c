/* backup/retention.c -- Reasons to keep are looked for; what has none goes. */
#include "backup/retention.h"

const char *keep_name(enum keep keep)
{
    static const char *const names[] = {
#define X(code, name) [code] = (name),
        KEEPS(X)
#undef X
    };
    return keep < KEEP_MAX ? names[keep] : "";
}

static int64_t days_of(int64_t wall_ms)
{
    return wall_ms >= 0 ? wall_ms / MS_DAY : -((-wall_ms + MS_DAY - 1) / MS_DAY);
}

static int64_t day_of(int64_t wall_ms)
{
    return days_of(wall_ms);
}

/* 1970-01-01 was a Thursday: three days before it a week began. */
static int64_t week_of(int64_t wall_ms)
{
    int64_t days = days_of(wall_ms) + 3;
    return days >= 0 ? days / 7 : -((-days + 6) / 7);
}

static struct tm utc(int64_t wall_ms)
{
    struct tm tm = {0};
    time_t seconds = (time_t)(days_of(wall_ms) * (MS_DAY / MS_SECOND));
    (void)gmtime_r(&seconds, &tm);
    return tm;
}

static int64_t month_of(int64_t wall_ms)
{
    struct tm tm = utc(wall_ms);
    return (int64_t)tm.tm_year * 12 + tm.tm_mon;
}

static int64_t year_of(int64_t wall_ms)
{
    return utc(wall_ms).tm_year;
}

/* The newest good one of each period, for so many periods. */
static void keep_periods(const struct retention_item *items, size_t count, int wanted, int64_t (*period)(int64_t wall_ms), enum keep why,
                         enum keep *ret)
{
    int64_t last = 0;
    int kept = 0;
    for (size_t i = 0; i < count && kept < wanted; i++) {
        if (!items[i].good || (kept && period(items[i].at_wall_ms) == last))
            continue;
        last = period(items[i].at_wall_ms);
        kept++;
        if (ret[i] == KEEP_NOT)
            ret[i] = why;
    }
}

void retention_decide(const struct retention *rule, const struct retention_item *items, size_t count, int64_t now_wall_ms, enum keep *ret)
{
    size_t first = 0;
    while (first < count && !items[first].good)
        first++;
    for (size_t i = 0; i < count; i++)
        ret[i] = first == count ? KEEP_NO_GOOD : KEEP_NOT;
    if (first == count)
        return;
    int64_t from = MIN_OF(now_wall_ms, items[first].at_wall_ms) - rule->keep_ms;
    int newest = 0;
    for (size_t i = 0; i < count; i++) {
        bool counts = items[i].good && newest < MAX_OF(rule->newest, 1);
        newest += counts;
        ret[i] = items[i].at_wall_ms > from ? KEEP_YOUNG : counts ? KEEP_NEWEST : KEEP_NOT;
    }
    keep_periods(items, count, rule->daily, day_of, KEEP_DAILY, ret);
    keep_periods(items, count, rule->weekly, week_of, KEEP_WEEKLY, ret);
    keep_periods(items, count, rule->monthly, month_of, KEEP_MONTHLY, ret);
    keep_periods(items, count, rule->yearly, year_of, KEEP_YEARLY, ret);
}
