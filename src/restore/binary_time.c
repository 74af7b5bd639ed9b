/* restore/binary_time.c -- Dates and times in ISO form, as pg_dump has them written whatever the server's DateStyle. Years of four
   digits; what is before Christ or after 9999 is rare enough to be the server's. */
#include "restore/binary_types.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

/* ---- pieces ---- */

/* Two digits, or something above 99. */
static inline unsigned two(const char *s)
{
    unsigned tens = (unsigned char)s[0] - '0', ones = (unsigned char)s[1] - '0';
    return tens <= 9 && ones <= 9 ? tens * 10 + ones : 100;
}

/* Days since 2000-01-01, the server's epoch, of a date in the Gregorian calendar; years begin in March, so that leap days come last. */
static int32_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    return (int32_t)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1) - 730425;
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* 2024-02-29 */
static bool parse_date(const char *s, int32_t *ret)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned century = two(s), rest = two(s + 2), month = two(s + 5), day = two(s + 8);
    unsigned year = century * 100 + rest;
    if (century > 99 || rest > 99 || s[4] != '-' || s[7] != '-' || year == 0 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    if (month == 2 && day == 29 && !is_leap(year))
        return false;
    *ret = days_of(year, month, day);
    return true;
}

/* .5 to .123456; *s moves behind it. Without a point: nothing. */
static bool parse_fraction(const char **s, const char *end, int64_t *ret)
{
    static const int scale_up[] = {0, 100000, 10000, 1000, 100, 10, 1};
    *ret = 0;
    if (*s == end || **s != '.')
        return true;
    const char *first = ++*s;
    int64_t value = 0;
    for (; *s < end && is_digit(**s); ++*s) {
        if (*s - first == 6)
            return false; /* more than the server keeps: it would round */
        value = value * 10 + (**s - '0');
    }
    *ret = value * scale_up[*s - first];
    return *s > first;
}

/* 23:59:59.999999; *s moves behind it. */
static bool parse_clock(const char **s, const char *end, int64_t *ret)
{
    const char *p = *s;
    if (end - p < 8 || p[2] != ':' || p[5] != ':')
        return false;
    unsigned hour = two(p), minute = two(p + 3), second = two(p + 6);
    int64_t fraction;
    *s = p + 8;
    if (hour > 23 || minute > 59 || second > 59 || !parse_fraction(s, end, &fraction))
        return false;
    *ret = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    return true;
}

/* +02, -03:30, +00:19:32 up to the end: seconds east of Greenwich. */
static bool parse_zone(const char *s, const char *end, int32_t *ret)
{
    ptrdiff_t n = end - s;
    if ((n != 3 && n != 6 && n != 9) || (*s != '+' && *s != '-') || (n > 3 && s[3] != ':') || (n > 6 && s[6] != ':'))
        return false;
    unsigned hours = two(s + 1), minutes = n > 3 ? two(s + 4) : 0, seconds = n > 6 ? two(s + 7) : 0;
    if (hours > 15 || minutes > 59 || seconds > 59)
        return false;
    int32_t east = (int32_t)(hours * 3600 + minutes * 60 + seconds);
    *ret = *s == '-' ? -east : east;
    return true;
}

/* ---- the types ---- */

char *binary_date(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    int32_t days;
    if (n == 10 && parse_date(s, &days))
        return put32(to, (uint32_t)days);
    if (TEXT_IS(s, n, "infinity"))
        return put32(to, (uint32_t)INT32_MAX);
    return TEXT_IS(s, n, "-infinity") ? put32(to, (uint32_t)INT32_MIN) : NULL;
}

char *binary_time(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    const char *end = s + n;
    int64_t clock;
    if (TEXT_IS(s, n, "24:00:00"))
        return put64(to, (uint64_t)DAY_US);
    return parse_clock(&s, end, &clock) && s == end ? put64(to, (uint64_t)clock) : NULL;
}

char *binary_timetz(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    const char *end = s + n;
    int64_t clock;
    int32_t east;
    if (!parse_clock(&s, end, &clock) || !parse_zone(s, end, &east))
        return NULL;
    return put32(put64(to, (uint64_t)clock), (uint32_t)-east); /* counted to the west there */
}

static char *infinite(const char *s, size_t n, char *to)
{
    if (TEXT_IS(s, n, "infinity"))
        return put64(to, (uint64_t)INT64_MAX);
    return TEXT_IS(s, n, "-infinity") ? put64(to, (uint64_t)INT64_MIN) : NULL;
}

static bool parse_moment(const char **s, const char *end, int64_t *ret)
{
    int32_t days;
    int64_t clock;
    if (end - *s < 19 || (*s)[10] != ' ' || !parse_date(*s, &days))
        return false;
    *s += 11;
    if (!parse_clock(s, end, &clock))
        return false;
    *ret = days * DAY_US + clock;
    return true;
}

char *binary_timestamp(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    const char *p = s, *end = s + n;
    int64_t moment;
    if (parse_moment(&p, end, &moment))
        return p == end ? put64(to, (uint64_t)moment) : NULL;
    return infinite(s, n, to);
}

char *binary_timestamptz(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    const char *p = s, *end = s + n;
    int64_t moment;
    int32_t east;
    if (parse_moment(&p, end, &moment))
        return parse_zone(p, end, &east) ? put64(to, (uint64_t)(moment - east * SECOND_US)) : NULL;
    return infinite(s, n, to);
}

/* ---- interval ---- */

/* A number of at most nine digits with its sign; *s moves behind it. */
static bool parse_part(const char **s, const char *end, bool *ret_negative, int64_t *ret)
{
    *ret_negative = *s < end && **s == '-';
    *s += *s < end && (**s == '-' || **s == '+');
    const char *first = *s;
    int64_t value = 0;
    for (; *s < end && is_digit(**s) && *s - first < 9; ++*s)
        value = value * 10 + (**s - '0');
    *ret = *ret_negative ? -value : value;
    return *s > first;
}

/* " years", " mon": one of the three units, singular or plural, moving *s behind it; -1 when it is none. */
static int parse_unit(const char **s, const char *end)
{
    static const char *const units[] = {" year", " mon", " day"};
    for (int i = 0; i < (int)COUNT_OF(units); i++) {
        size_t n = strlen(units[i]);
        if ((size_t)(end - *s) < n || memcmp(*s, units[i], n) != 0)
            continue;
        *s += n;
        *s += *s < end && **s == 's';
        return *s == end || **s == ' ' ? i : -1;
    }
    return -1;
}

/* What follows the hours of 100:59:59.5. */
static bool parse_minutes(const char **s, const char *end, int64_t *ret)
{
    const char *p = *s;
    if (end - p < 6 || p[0] != ':' || p[3] != ':')
        return false;
    unsigned minute = two(p + 1), second = two(p + 4);
    int64_t fraction;
    *s = p + 6;
    if (minute > 59 || second > 59 || !parse_fraction(s, end, &fraction))
        return false;
    *ret = minute * MINUTE_US + second * SECOND_US + fraction;
    return true;
}

/* 1 year -2 mons +3 days -04:05:06.7, each part at most once and in this order. */
static bool parse_interval(const char *s, const char *end, int64_t parts[3], int64_t *clock)
{
    int last = -1;
    for (bool negative;;) {
        int64_t value, rest;
        if (!parse_part(&s, end, &negative, &value))
            return false;
        if (s < end && *s == ':') {
            if (!parse_minutes(&s, end, &rest) || s != end)
                return false;
            *clock = value * HOUR_US + (negative ? -rest : rest);
            return true;
        }
        int unit = parse_unit(&s, end);
        if (unit <= last)
            return false;
        parts[unit] = value;
        last = unit;
        if (s == end)
            return true;
        s++; /* the blank */
    }
}

char *binary_interval(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    int64_t parts[3] = {0}, clock = 0;
    if (!parse_interval(s, s + n, parts, &clock))
        return NULL;
    int64_t months = parts[0] * 12 + parts[1];
    if (months < -1000000000 || months > 1000000000)
        return NULL;
    return put32(put32(put64(to, (uint64_t)clock), (uint32_t)parts[2]), (uint32_t)months);
}
