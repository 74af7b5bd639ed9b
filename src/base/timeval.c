/* base/timeval.c -- Reading and printing durations and moments. */
#include "base/timeval.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/err.h"
#include "base/str.h"

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"d", MS_DAY}, {"h", MS_HOUR}, {"m", MS_MINUTE}, {"s", MS_SECOND}, {"ms", 1}};

static bool unit_of(struct str name, int64_t *ret)
{
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (str_is(name, units[i].name)) {
            *ret = units[i].ms;
            return true;
        }
    return false;
}

static bool bad_duration(const char *text, struct err *err)
{
    err_set(err, ERR_CONFIG, "\"%s\" is not a duration", text);
    return err_hint(err, "write a number and a unit: ms, s, m, h or d, as in 500ms, 90s or 1h30m");
}

bool duration_parse(const char *text, int64_t *ret_ms, struct err *err)
{
    int64_t total = 0;
    const char *p = text;
    if (!*p)
        return bad_duration(text, err);
    while (*p) {
        struct str digits = {.p = p}, name;
        while (isdigit((unsigned char)*p))
            p++, digits.n++;
        name.p = p;
        while (isalpha((unsigned char)*p))
            p++;
        name.n = (size_t)(p - name.p);
        int64_t count, unit;
        if (!str_int(digits, &count) || !unit_of(name, &unit) || __builtin_mul_overflow(count, unit, &count) ||
            __builtin_add_overflow(total, count, &total))
            return bad_duration(text, err);
    }
    *ret_ms = total;
    return true;
}

char *duration_print(struct arena *arena, int64_t ms)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        int64_t count = ms / units[i].ms;
        if (count) {
            text = arena_printf(arena, "%s%" PRId64 "%s", text, count, units[i].name);
            ms -= count * units[i].ms;
        }
    }
    return *text ? text : arena_strdup(arena, "0s");
}

/* INT64_MIN has no positive twin; a millisecond less is as good. */
static int64_t positive(int64_t ms)
{
    return ms == INT64_MIN ? INT64_MAX : ms < 0 ? -ms : ms;
}

char *duration_say(struct arena *arena, int64_t ms)
{
    if (ms < 0)
        return arena_printf(arena, "-%s", duration_say(arena, positive(ms)));
    if (ms < MS_SECOND)
        return arena_printf(arena, "%" PRId64 " ms", ms);
    if (ms < MS_MINUTE)
        return arena_printf(arena, "%" PRId64 ".%" PRId64 " s", ms / MS_SECOND, ms % MS_SECOND / 100);
    if (ms < MS_HOUR)
        return arena_printf(arena, "%" PRId64 " min %02" PRId64 " s", ms / MS_MINUTE, ms % MS_MINUTE / MS_SECOND);
    if (ms < MS_DAY)
        return arena_printf(arena, "%" PRId64 " h %02" PRId64 " min", ms / MS_HOUR, ms % MS_HOUR / MS_MINUTE);
    return arena_printf(arena, "%" PRId64 " d %" PRId64 " h", ms / MS_DAY, ms % MS_DAY / MS_HOUR);
}

char *duration_clock(struct arena *arena, int64_t ms)
{
    const char *sign = ms < 0 ? "-" : "";
    int64_t s = positive(ms) / MS_SECOND;
    if (s >= 3600)
        return arena_printf(arena, "%s%" PRId64 ":%02" PRId64 ":%02" PRId64, sign, s / 3600, s / 60 % 60, s % 60);
    return arena_printf(arena, "%s%02" PRId64 ":%02" PRId64, sign, s / 60, s % 60);
}

/* Floor division, so that moments before 1970 break down rightly too. */
static struct tm broken_down(int64_t wall_ms, int *ret_millis)
{
    int64_t seconds = wall_ms / 1000, millis = wall_ms % 1000;
    if (millis < 0)
        seconds--, millis += 1000;
    *ret_millis = (int)millis;
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    return tm;
}

char *moment_iso(struct arena *arena, int64_t wall_ms)
{
    int millis;
    struct tm tm = broken_down(wall_ms, &millis);
    return arena_printf(arena, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                        tm.tm_sec, millis);
}

char *moment_minute(struct arena *arena, int64_t wall_ms)
{
    int millis;
    struct tm tm = broken_down(wall_ms, &millis);
    return arena_printf(arena, "%04d-%02d-%02d %02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

char *moment_file(struct arena *arena, int64_t wall_ms)
{
    int millis;
    struct tm tm = broken_down(wall_ms, &millis);
    return arena_printf(arena, "%04d%02d%02d_%02d%02d%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Fields must survive a round trip, so that 31 February is refused rather than taken for 3 March. */
static bool moment_of(struct tm tm, int millis, int64_t *ret)
{
    struct tm again = tm;
    time_t t = timegm(&again);
    if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
        again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
        return false;
    *ret = (int64_t)t * 1000 + millis;
    return true;
}

/* Does the text begin as the pattern says, where '0' stands for any digit? strptime would take blanks, signs and missing digits too. */
static bool looks_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? !isdigit((unsigned char)*text) : *text != *pattern)
            return false;
    return true;
}

/* Up to the zone, to which *ret_zone points then; the moment as if it were UTC. */
static bool parse_local(const char *text, int64_t *ret_wall_ms, const char **ret_zone)
{
    if (!looks_like(text, "0000-00-00T00:00:00"))
        return false;
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!p)
        return false;
    int millis = 0;
    if (*p == '.') {
        if (!isdigit((unsigned char)p[1]))
            return false;
        int scale = 100;
        for (p++; isdigit((unsigned char)*p); p++, scale /= 10)
            millis += (*p - '0') * scale;
    }
    *ret_zone = p;
    return moment_of(tm, millis, ret_wall_ms);
}

bool moment_parse_iso(const char *text, int64_t *ret_wall_ms)
{
    int64_t wall_ms;
    const char *zone;
    if (!parse_local(text, &wall_ms, &zone) || !same(zone, "Z"))
        return false;
    *ret_wall_ms = wall_ms;
    return true;
}

bool moment_parse_rfc3339(const char *text, int64_t *ret_wall_ms)
{
    enum { HOURS_MAX = 23, MINUTES_MAX = 59 };
    int64_t wall_ms, hours = 0, minutes = 0;
    const char *zone;
    if (!parse_local(text, &wall_ms, &zone))
        return false;
    bool east = *zone == '+';
    if (east || *zone == '-') {
        if (!looks_like(zone + 1, "00:00") || zone[6] || !str_int((struct str){zone + 1, 2}, &hours) || !str_int((struct str){zone + 4, 2}, &minutes) ||
            hours > HOURS_MAX || minutes > MINUTES_MAX)
            return false;
    } else if (!same(zone, "Z") && !same(zone, "z")) {
        return false;
    }
    int64_t offset = hours * MS_HOUR + minutes * MS_MINUTE;
    *ret_wall_ms = east ? wall_ms - offset : wall_ms + offset;
    return true;
}

bool moment_parse_file(const char *text, int64_t *ret_wall_ms)
{
    if (!looks_like(text, "00000000_000000"))
        return false;
    struct tm tm = {0};
    const char *digits = (char[16]){text[0], text[1], text[2], text[3], text[4], text[5], text[6], text[7], '_', text[9],
                                    text[10], text[11], text[12], text[13], text[14], 0};
    const char *end = strptime(digits, "%Y%m%d_%H%M%S", &tm);
    if (!end || *end) /* "53" where the hour stands is 5 to strptime, and the last digit is left over */
        return false;
    return moment_of(tm, 0, ret_wall_ms);
}
