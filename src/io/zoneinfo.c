/* io/zoneinfo.c -- RFC 8536: a header, a block for old readers, the same header and a block with 64-bit times, and a rule in the form of
   the TZ variable for everything after the last transition. */
#include "io/zoneinfo.h"

#include <ctype.h>
#include <string.h>

#include "sys/file.h"

enum { FILE_MAX = 256 * 1024, HEADER_SIZE = 44, TRANSITIONS_MAX = 10000, LAST_YEAR = 2100, OFFSET_MAX_S = 26 * 3600 };

struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

static bool bad(struct err *err, const char *what)
{
    return err_set(err, ERR_DATA, "not a time zone file: %s", what);
}

static uint32_t big32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t big64(const char *p)
{
    return (int64_t)((uint64_t)big32(p) << 32 | big32(p + 4));
}

/* ---- the rule for the years to come: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct when {
    char form; /* 'M' month.week.day, 'J' day of the year without 29 February, '0' day of the year from 0 */
    int month, week, day;
    int64_t second; /* of the day, local; may be negative or more than a day */
};
struct rule {
    int64_t standard_s, summer_s;
    bool has_summer;
    struct when begins, ends;
};

static bool number(const char **p, int64_t low, int64_t high, int64_t *ret)
{
    int64_t value = 0;
    int count = 0;
    for (; isdigit((unsigned char)**p) && count < 6; ++*p, count++)
        value = value * 10 + (**p - '0');
    *ret = value;
    return count > 0 && value >= low && value <= high;
}

static bool zone_letters(const char **p)
{
    const char *start = *p;
    if (**p == '<') {
        *p += strcspn(*p, ">");
        return *(*p)++ == '>';
    }
    while (isalpha((unsigned char)**p))
        ++*p;
    return *p - start >= 3;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool clock_time(const char **p, int64_t *ret)
{
    int64_t sign = **p == '-' ? -1 : 1, hours, minutes = 0, seconds = 0;
    if (**p == '-' || **p == '+')
        ++*p;
    if (!number(p, 0, 167, &hours))
        return false;
    if (**p == ':' && (++*p, !number(p, 0, 59, &minutes)))
        return false;
    if (**p == ':' && (++*p, !number(p, 0, 59, &seconds)))
        return false;
    *ret = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

static bool part(const char **p, char before, int64_t low, int64_t high, int *ret)
{
    int64_t value = 0;
    if (before && *(*p)++ != before)
        return false;
    bool ok = number(p, low, high, &value);
    *ret = (int)value;
    return ok;
}

static bool read_when(const char **p, struct when *ret)
{
    *ret = (struct when){.form = '0', .second = 2 * 3600};
    if (*(*p)++ != ',')
        return false;
    if (**p == 'M' || **p == 'J')
        ret->form = *(*p)++;
    bool ok = ret->form == 'M' ? part(p, 0, 1, 12, &ret->month) && part(p, '.', 1, 5, &ret->week) && part(p, '.', 0, 6, &ret->day)
                               : part(p, 0, ret->form == 'J', 365, &ret->day);
    if (ok && **p == '/')
        ok = (++*p, clock_time(p, &ret->second));
    return ok;
}

static bool read_rule(const char *text, struct rule *ret)
{
    const char *p = text;
    *ret = (struct rule){0};
    if (!zone_letters(&p) || !clock_time(&p, &ret->standard_s))
        return false;
    ret->standard_s = -ret->standard_s; /* POSIX counts westwards */
    ret->has_summer = *p != 0;
    if (!ret->has_summer)
        return true;
    if (!zone_letters(&p))
        return false;
    ret->summer_s = ret->standard_s + 3600;
    if (*p != ',') {
        if (!clock_time(&p, &ret->summer_s))
            return false;
        ret->summer_s = -ret->summer_s;
    }
    return read_when(&p, &ret->begins) && read_when(&p, &ret->ends) && !*p;
}

/* ---- days ---- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100) || year % 400 == 0;
}

static int64_t days_to_year(int year) /* since 1970 */
{
    int64_t y = year - 1;
    return 365 * (int64_t)(year - 1970) + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static int year_of(int64_t seconds)
{
    int year = 1970 + (int)(seconds / (366 * 86400));
    while (days_to_year(year + 1) * 86400 <= seconds)
        year++;
    return year;
}

static int64_t day_of_month_rule(int year, const struct when *when)
{
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t first = days_to_year(year);
    for (int m = 1; m < when->month; m++)
        first += lengths[m - 1] + (m == 2 && is_leap(year));
    int length = lengths[when->month - 1] + (when->month == 2 && is_leap(year));
    int weekday = (int)((first + 4) % 7); /* 1970 began with a Thursday */
    int day = (when->day - weekday + 7) % 7 + (when->week - 1) * 7;
    while (day >= length) /* week 5 is the last one */
        day -= 7;
    return first + day;
}

static int64_t moment_s(int year, const struct when *when, int64_t offset_s)
{
    int64_t day = when->form == 'M' ? day_of_month_rule(year, when) : days_to_year(year) + when->day;
    if (when->form == 'J')
        day += -1 + (is_leap(year) && when->day >= 60);
    return day * 86400 + when->second - offset_s;
}

/* ---- the table ---- */

static void add_span(struct arena *arena, struct zone *zone, int64_t from_s, int64_t offset_s)
{
    size_t n = zone->spans.n;
    if (n && zone->spans.p[n - 1].offset_ms == offset_s * MS_SECOND)
        return; /* only its name changed */
    if (n && zone->spans.p[n - 1].from_ms >= from_s * MS_SECOND)
        return; /* a rule whose two moments meet */
    *vec_add(arena, &zone->spans) = (struct zone_span){.from_ms = from_s * MS_SECOND, .offset_ms = offset_s * MS_SECOND};
}

static void add_years(struct arena *arena, struct zone *zone, const struct rule *rule, int64_t after_s)
{
    if (!rule->has_summer) {
        add_span(arena, zone, after_s, rule->standard_s);
        return;
    }
    for (int year = year_of(MAX_OF(after_s, 0)); year <= LAST_YEAR; year++) {
        int64_t begins = moment_s(year, &rule->begins, rule->standard_s), ends = moment_s(year, &rule->ends, rule->summer_s);
        bool south = ends < begins;
        int64_t first = south ? ends : begins, second = south ? begins : ends;
        if (first > after_s)
            add_span(arena, zone, first, south ? rule->standard_s : rule->summer_s);
        if (second > after_s)
            add_span(arena, zone, second, south ? rule->summer_s : rule->standard_s);
    }
}

static bool read_counts(struct str data, struct counts *ret, struct err *err)
{
    if (data.n < HEADER_SIZE || memcmp(data.p, "TZif", 4) != 0)
        return bad(err, "it does not begin as one");
    *ret = (struct counts){.isut = big32(data.p + 20), .isstd = big32(data.p + 24), .leap = big32(data.p + 28),
                           .time = big32(data.p + 32), .type = big32(data.p + 36), .chars = big32(data.p + 40)};
    if (ret->time > TRANSITIONS_MAX || ret->type == 0 || ret->type > 256 || ret->chars > FILE_MAX || ret->leap > FILE_MAX ||
        ret->isut > 256 || ret->isstd > 256)
        return bad(err, "its counts are impossible");
    return true;
}

static size_t block_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) + c->isstd + c->isut;
}

static bool read_block(struct arena *arena, struct str block, const struct counts *c, struct zone *ret, struct err *err)
{
    const char *times = block.p, *indices = times + c->time * 8, *types = indices + c->time;
    int64_t last = INT64_MIN;
    *ret = (struct zone){0};
    for (size_t i = 0; i <= c->time; i++) { /* the first type counts before the first transition */
        size_t type = i ? (unsigned char)indices[i - 1] : 0;
        int64_t from = i ? big64(times + (i - 1) * 8) : INT64_MIN / MS_SECOND;
        if (type >= c->type)
            return bad(err, "a transition leads nowhere");
        int64_t offset = (int32_t)big32(types + type * 6);
        if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S || (i && from <= last))
            return bad(err, "its transitions are not in order");
        if (i && (from < INT64_MIN / MS_SECOND || from > INT64_C(1) << 40))
            return bad(err, "a transition is too far away");
        last = from;
        add_span(arena, ret, from, offset);
    }
    return true;
}

bool zoneinfo_parse(struct arena *arena, struct str data, struct zone *ret, struct err *err)
{
    struct counts counts;
    if (!read_counts(data, &counts, err))
        return false;
    size_t old = HEADER_SIZE + block_size(&counts, 4);
    if (data.p[4] < '2' || old > data.n)
        return bad(err, "it is of the old form, or cut");
    struct str second = {data.p + old, data.n - old};
    if (!read_counts(second, &counts, err))
        return false;
    size_t size = block_size(&counts, 8);
    if (size > second.n - HEADER_SIZE)
        return bad(err, "it is cut");
    struct zone zone;
    if (!read_block(arena, (struct str){second.p + HEADER_SIZE, size}, &counts, &zone, err))
        return false;
    struct str footer = {second.p + HEADER_SIZE + size, second.n - HEADER_SIZE - size}, text;
    struct rule rule;
    if (footer.n < 2 || footer.p[0] != '\n')
        return bad(err, "its end is missing");
    footer.p++, footer.n--;
    if (!str_next(&footer, '\n', &text) || !footer.p)
        return bad(err, "its end is missing");
    if (text.n && (memchr(text.p, 0, text.n) || !read_rule(str_dup(arena, text), &rule)))
        return bad(err, "its rule for the years to come is not understood");
    if (text.n)
        add_years(arena, &zone, &rule, counts.time ? zone.spans.p[zone.spans.n - 1].from_ms / MS_SECOND : 0);
    *ret = zone;
    return true;
}

/* ---- by name ---- */

static bool is_zone_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
            return false;
    return isalpha((unsigned char)*name) && strlen(name) < 64;
}

bool zoneinfo_read(struct arena *arena, const char *name, struct zone *ret, struct err *err)
{
    struct str data;
    if (same(name, "UTC")) {
        *ret = (struct zone){0};
        return true;
    }
    if (!is_zone_name(name) || !file_read(arena, file_join(arena, ZONEINFO_FOLDER, name), FILE_MAX, &data, err)) {
        err_set(err, ERR_NOT_FOUND, "there is no time zone \"%.64s\" in " ZONEINFO_FOLDER, name);
        return err_hint(err, "write it like Europe/Paris; the package tzdata brings them");
    }
    if (!zoneinfo_parse(arena, data, ret, err))
        return err_prefix(err, "time zone \"%s\"", name);
    ret->name = arena_strdup(arena, name);
    return true;
}
