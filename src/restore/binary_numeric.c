/* restore/binary_numeric.c -- numeric: digits to the base of ten thousand, as the server keeps them, with the scale that was written. */
#include "restore/binary_types.h"

enum {
    SIGN_MINUS = 0x4000,
    SIGN_NAN = 0xC000,
    SIGN_INFINITY = 0xD000,
    SIGN_MINUS_INFINITY = 0xF000,
    TEXT_MAX = 8192, /* the server takes more digits than that, but then its own limits are near */
    HEAD = 8,        /* number of digits, weight, sign, scale */
};

static char *put_head(char *to, size_t digits, int weight, uint16_t sign, size_t scale)
{
    put16(to, (uint16_t)digits);
    put16(to + 2, (uint16_t)weight);
    put16(to + 4, sign);
    put16(to + 6, (uint16_t)scale);
    return to + HEAD + 2 * digits;
}

static char *put_special(const struct binary_column *c, const char *s, size_t n, char *to)
{
    if (TEXT_IS(s, n, "NaN"))
        return put_head(to, 0, 0, SIGN_NAN, 0);
    if (c->nan_only || c->typmod >= 0) /* infinity fits no precision */
        return NULL;
    if (TEXT_IS(s, n, "Infinity"))
        return put_head(to, 0, 0, SIGN_INFINITY, 0);
    if (TEXT_IS(s, n, "-Infinity"))
        return put_head(to, 0, 0, SIGN_MINUS_INFINITY, 0);
    return NULL;
}

/* 12.50: one or more digits, without needless zeros in front; then perhaps a point and one or more digits. */
static bool parse_shape(const char *s, size_t n, size_t *ret_whole, size_t *ret_fraction)
{
    size_t whole = 0;
    while (whole < n && is_digit(s[whole]))
        whole++;
    if (whole == 0 || (whole > 1 && *s == '0'))
        return false;
    size_t fraction = 0;
    if (whole < n) {
        if (s[whole] != '.')
            return false;
        for (const char *p = s + whole + 1; p < s + n; p++, fraction++)
            if (!is_digit(*p))
                return false;
        if (fraction == 0)
            return false;
    }
    *ret_whole = *s == '0' ? 0 : whole; /* a single zero before the point is no digit of the number */
    *ret_fraction = fraction;
    return true;
}

/* numeric(p,s): as many digits before the point as fit, and no more behind it than are kept, for what would be rounded might overflow. */
static bool fits(int32_t typmod, const char *digits, size_t whole, size_t fraction)
{
    if (typmod < 4)
        return true;
    unsigned both = (unsigned)typmod - 4;
    int precision = (int)(both >> 16 & 0xffff), scale = (int)(both & 0x7ff);
    if (fraction > (size_t)scale)
        return false;
    int before = (int)whole;
    if (whole == 0) /* 0.00123 begins two places behind the point */
        for (size_t i = 0; i < fraction && digits[i] == '0'; i++)
            before--;
    return before <= precision - scale || (size_t)-before == fraction; /* the latter: zero, which fits always */
}

static inline unsigned group(const char *digits, size_t count)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * 10 + (unsigned)(digits[i] - '0');
    return value;
}

static inline unsigned four(const char *d)
{
    return (unsigned)(d[0] * 1000 + d[1] * 100 + d[2] * 10 + d[3] - '0' * 1111);
}

static char *put_groups(const char *digits, size_t count, size_t first, char *to)
{
    if (first)
        to = put16(to, (uint16_t)group(digits, first));
    size_t i = first;
    for (; i + 4 <= count; i += 4)
        to = put16(to, (uint16_t)four(digits + i));
    static const unsigned scale_up[] = {1, 1000, 100, 10};
    if (i < count) /* the last digits behind the point, filled up with zeros */
        to = put16(to, (uint16_t)(group(digits + i, count - i) * scale_up[count - i]));
    return to;
}

static bool is_zero_group(const char *group)
{
    return group[0] == 0 && group[1] == 0;
}

char *binary_numeric(const struct binary_column *c, const char *s, size_t n, char *to)
{
    if (n == 0 || n > TEXT_MAX)
        return NULL;
    bool negative = *s == '-';
    const char *digits = s + negative;
    size_t whole, fraction;
    if (!parse_shape(digits, n - negative, &whole, &fraction))
        return put_special(c, s, n, to);
    const char *behind = digits + (n - negative - fraction);
    if (!fits(c->typmod, behind, whole, fraction))
        return NULL;
    char *begin = to + HEAD, *end = begin;
    if (whole)
        end = put_groups(digits, whole, whole % 4, end);
    end = put_groups(behind, fraction, 0, end);
    int weight = (int)(whole + 3) / 4 - 1;
    char *from = begin;
    for (; from < end && is_zero_group(from); from += 2)
        weight--;
    while (end > from && is_zero_group(end - 2))
        end -= 2;
    if (from == end)
        return negative ? NULL : put_head(to, 0, 0, 0, fraction);
    if (from > begin)
        memmove(begin, from, (size_t)(end - from));
    return put_head(to, (size_t)(end - from) / 2, weight, negative ? SIGN_MINUS : 0, fraction);
}
