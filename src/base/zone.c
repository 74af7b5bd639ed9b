/* base/zone.c -- Between moments and what clocks in a place show. */
#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/timeval.h"

int64_t zone_offset_ms(const struct zone *zone, int64_t wall_ms)
{
    size_t low = 0, high = zone->spans.n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->spans.p[middle].from_ms <= wall_ms)
            low = middle;
        else
            high = middle;
    }
    return zone->spans.n ? zone->spans.p[low].offset_ms : 0;
}

int64_t zone_moment_ms(const struct zone *zone, int64_t local_ms)
{
    /* Clocks are not moved twice within two days, so one of these two offsets counts. */
    int64_t before = zone_offset_ms(zone, local_ms - MS_DAY), after = zone_offset_ms(zone, local_ms + MS_DAY);
    int64_t high = MAX_OF(before, after), low = MIN_OF(before, after);
    if (zone_offset_ms(zone, local_ms - high) == high)
        return local_ms - high;
    if (zone_offset_ms(zone, local_ms - low) == low)
        return local_ms - low;
    return local_ms - before;
}

char *zone_print(struct arena *arena, const struct zone *zone, int64_t wall_ms)
{
    int64_t offset = zone_offset_ms(zone, wall_ms), minutes = llabs(offset) / MS_MINUTE;
    if (!zone->name)
        return moment_minute(arena, wall_ms);
    char *local = moment_minute(arena, wall_ms + offset); /* "2026-11-23 09:00 UTC" */
    return arena_printf(arena, "%.16s %c%02d:%02d", local, offset < 0 ? '-' : '+', (int)(minutes / 60), (int)(minutes % 60));
}

/* Exactly `count` digits. */
static bool digits(const char **p, int count, int *ret)
{
    *ret = 0;
    for (; count; count--, ++*p) {
        if (**p < '0' || **p > '9')
            return false;
        *ret = *ret * 10 + (**p - '0');
    }
    return true;
}

/* ":34", and ":02" when seconds are there */
static bool time_of_day(const char **p, int *hour, int *minute, int *second)
{
    *second = 0;
    if (!digits(p, 2, hour) || *(*p)++ != ':' || !digits(p, 2, minute) || *hour > 23 || *minute > 59)
        return false;
    if (**p != ':')
        return true;
    ++*p;
    return digits(p, 2, second) && *second < 60;
}

/* "Z", "+01:00", or nothing. */
static bool offset_of(const char **p, bool *ret_given, int64_t *ret_ms)
{
    int hours, minutes;
    char sign = **p;
    *ret_given = sign != 0;
    *ret_ms = 0;
    if (!sign)
        return true;
    ++*p;
    if (sign == 'Z')
        return true;
    if ((sign != '+' && sign != '-') || !digits(p, 2, &hours) || *(*p)++ != ':' || !digits(p, 2, &minutes) || hours > 15 || minutes > 59)
        return false;
    *ret_ms = (hours * MS_HOUR + minutes * MS_MINUTE) * (sign == '-' ? -1 : 1);
    return true;
}

bool zone_parse_moment(const struct zone *zone, const char *text, int64_t *ret_wall_ms)
{
    char day[32];
    int64_t midnight, offset = 0, local;
    int hour = 0, minute = 0, second = 0;
    bool given = false;
    if (strlen(text) < 10)
        return false;
    snprintf(day, sizeof(day), "%.10sT00:00:00Z", text);
    if (!moment_parse_iso(day, &midnight))
        return false;
    const char *p = text + 10;
    if (*p == 'T' || *p == ' ') {
        p++;
        if (!time_of_day(&p, &hour, &minute, &second) || !offset_of(&p, &given, &offset))
            return false;
    }
    if (*p)
        return false;
    local = midnight + hour * MS_HOUR + minute * MS_MINUTE + second * MS_SECOND;
    *ret_wall_ms = given ? local - offset : zone_moment_ms(zone, local);
    return true;
}
