/* restore/binary_number.c -- bool, the integers, oid and the floating point types. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "restore/binary_types.h"

char *binary_bool(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    if (n != 1 || (*s != 't' && *s != 'f'))
        return NULL;
    *to = *s == 't';
    return to + 1;
}

/* ---- integers ---- */

/* Digits as the server writes them: no sign but '-', no zeros in front, no "-0". Eighteen digits cannot overflow, nineteen may. */
static bool parse_digits(const char *s, size_t n, uint64_t *ret)
{
    if (n == 0 || n > 19 || (*s == '0' && n > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned char)s[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit; /* 19 digits stay below 2^64 */
    }
    *ret = value;
    return true;
}

static bool parse_int(const char *s, size_t n, uint64_t max, int64_t *ret)
{
    bool negative = n && *s == '-';
    uint64_t value;
    if (!parse_digits(s + negative, n - negative, &value) || value > max + negative || (negative && value == 0))
        return false;
    *ret = (int64_t)(negative ? 0 - value : value);
    return true;
}

char *binary_int2(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    int64_t value;
    return parse_int(s, n, INT16_MAX, &value) ? put16(to, (uint16_t)value) : NULL;
}

char *binary_int4(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    int64_t value;
    return parse_int(s, n, INT32_MAX, &value) ? put32(to, (uint32_t)value) : NULL;
}

char *binary_int8(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    int64_t value;
    return parse_int(s, n, INT64_MAX, &value) ? put64(to, (uint64_t)value) : NULL;
}

char *binary_oid(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    uint64_t value;
    return parse_digits(s, n, &value) && value <= UINT32_MAX ? put32(to, (uint32_t)value) : NULL;
}

/* ---- floating point ---- */

struct decimal {
    bool negative;
    uint64_t digits; /* of the number without its point; meaningless when there are more than 19 */
    size_t digit_count;
    int exponent; /* of ten, on `digits` */
};

/* -12.5e-07: what any strtod reads, and nothing that only some do (blanks, hexadecimal, words). */
static bool parse_decimal(const char *s, size_t n, struct decimal *d)
{
    const char *p = s, *end = s + n;
    *d = (struct decimal){0};
    d->negative = p < end && *p == '-';
    p += d->negative;
    const char *first = p;
    for (; p < end && is_digit(*p); p++)
        d->digits = d->digits * 10 + (unsigned)(*p - '0');
    d->digit_count = (size_t)(p - first);
    if (d->digit_count == 0)
        return false;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; p < end && is_digit(*p); p++)
            d->digits = d->digits * 10 + (unsigned)(*p - '0');
        d->exponent = -(int)(p - fraction);
        d->digit_count += (size_t)(p - fraction);
        if (p == fraction)
            return false;
    }
    if (p < end && *p == 'e') {
        bool minus = ++p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        const char *power = p;
        int value = 0;
        for (; p < end && is_digit(*p) && p - power < 4; p++)
            value = value * 10 + (*p - '0');
        if (p == power)
            return false;
        d->exponent += minus ? -value : value;
    }
    return p == end;
}

/* Both numbers exact in the type, so that the one operation rounds once: the nearest value, as the C library gives it. Where it holds
   (FLT_EVAL_METHOD 0) most numbers that people store take this way. */
static bool quick_double(const struct decimal *d, double *ret)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (FLT_EVAL_METHOD != 0 || d->digit_count > 19 || d->digits > 1ull << 53 || d->exponent < -22 || d->exponent > 22)
        return false;
    double value = (double)d->digits;
    value = d->exponent < 0 ? value / tens[-d->exponent] : value * tens[d->exponent];
    *ret = d->negative ? -value : value;
    return true;
}

enum { FLOAT_TEXT_MAX = 400 };

/* False when the number is not all of the text: then the program's locale has another decimal point. */
static bool slow_double(const char *s, size_t n, double *ret)
{
    char text[FLOAT_TEXT_MAX + 1], *end;
    memcpy(text, s, n);
    text[n] = 0;
    *ret = strtod(text, &end);
    return end == text + n;
}

static bool slow_float(const char *s, size_t n, float *ret)
{
    char text[FLOAT_TEXT_MAX + 1], *end;
    memcpy(text, s, n);
    text[n] = 0;
    *ret = strtof(text, &end);
    return end == text + n;
}

static bool special_double(const char *s, size_t n, double *ret)
{
    if (TEXT_IS(s, n, "NaN"))
        *ret = NAN;
    else if (TEXT_IS(s, n, "Infinity"))
        *ret = INFINITY;
    else if (TEXT_IS(s, n, "-Infinity"))
        *ret = -INFINITY;
    else
        return false;
    return true;
}

char *binary_float8(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    struct decimal d;
    double value;
    if (!special_double(s, n, &value)) {
        if (n > FLOAT_TEXT_MAX || !parse_decimal(s, n, &d) || (!quick_double(&d, &value) && !slow_double(s, n, &value)))
            return NULL;
        /* too large or too small: the server refuses it, or it is where its C library decides */
        if (!isfinite(value) || (d.digits != 0 && fabs(value) < DBL_MIN))
            return NULL;
    }
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return put64(to, bits);
}

char *binary_float4(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    struct decimal d;
    double special;
    float value;
    if (special_double(s, n, &special)) {
        value = (float)special;
    } else {
        /* through double it would be rounded twice */
        if (n > FLOAT_TEXT_MAX || !parse_decimal(s, n, &d) || !slow_float(s, n, &value))
            return NULL;
        if (!isfinite(value) || (d.digits != 0 && fabsf(value) < FLT_MIN))
            return NULL;
    }
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return put32(to, bits);
}
