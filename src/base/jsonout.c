/* base/jsonout.c -- The JSON writer. */
#include "base/jsonout.h"

#include <inttypes.h>
#include <math.h>

#include "base/banned.h"

struct jsonout jsonout(struct buf *to)
{
    return (struct jsonout){.to = to};
}

static void separate(struct jsonout *j)
{
    uint64_t bit = UINT64_C(1) << j->depth;
    if (!j->after_key && (j->started & bit))
        buf_putc(j->to, ',');
    j->started |= bit;
    j->after_key = false;
}

static void down(struct jsonout *j, char open)
{
    separate(j);
    buf_putc(j->to, open);
    if (++j->depth > 63)
        abort(); /* only a defect nests this deep: nesting never follows input */
    j->started &= ~(UINT64_C(1) << j->depth);
}

static void up(struct jsonout *j, char close)
{
    j->depth--;
    buf_putc(j->to, close);
}

void json_object(struct jsonout *j)
{
    down(j, '{');
}

void json_object_end(struct jsonout *j)
{
    up(j, '}');
}

void json_array(struct jsonout *j)
{
    down(j, '[');
}

void json_array_end(struct jsonout *j)
{
    up(j, ']');
}

/* The length of the longest clean prefix: whole UTF-8 characters that need no escape. */
static size_t plain_prefix(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '"' && s.p[n] != '\\') {
        size_t step = 1;
        while (n + step < s.n && ((unsigned char)s.p[n + step] & 0xC0) == 0x80)
            step++;
        if (s.p[n] == '\n' || s.p[n] == '\t' || !str_is_clean((struct str){s.p + n, step}))
            break;
        n += step;
    }
    return n;
}

static void write_escape(struct buf *to, unsigned char c)
{
    if (c == '"' || c == '\\')
        buf_printf(to, "\\%c", c);
    else if (c == '\n')
        buf_puts(to, "\\n");
    else if (c == '\t')
        buf_puts(to, "\\t");
    else if (c < 0x20 || c == 0x7F)
        buf_printf(to, "\\u%04x", c);
    else
        buf_puts(to, "\xEF\xBF\xBD");
}

static void write_string(struct buf *to, const char *text)
{
    struct str rest = str_of(text);
    buf_putc(to, '"');
    while (rest.n) {
        size_t plain = plain_prefix(rest);
        buf_add(to, rest.p, plain);
        rest.p += plain;
        rest.n -= plain;
        if (rest.n) {
            write_escape(to, (unsigned char)*rest.p);
            rest.p++;
            rest.n--;
        }
    }
    buf_putc(to, '"');
}

void json_key(struct jsonout *j, const char *key)
{
    separate(j);
    write_string(j->to, key);
    buf_putc(j->to, ':');
    j->after_key = true;
}

void json_text(struct jsonout *j, const char *text)
{
    if (!text) {
        json_null(j);
        return;
    }
    separate(j);
    write_string(j->to, text);
}

void json_int(struct jsonout *j, int64_t value)
{
    separate(j);
    buf_printf(j->to, "%" PRId64, value);
}

void json_real(struct jsonout *j, double value)
{
    if (!isfinite(value)) {
        json_null(j);
        return;
    }
    separate(j);
    buf_printf(j->to, "%.15g", value);
}

void json_bool(struct jsonout *j, bool value)
{
    separate(j);
    buf_puts(j->to, value ? "true" : "false");
}

void json_null(struct jsonout *j)
{
    separate(j);
    buf_puts(j->to, "null");
}

void json_put_text(struct jsonout *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text);
}

void json_put_int(struct jsonout *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_int(j, value);
}

void json_put_bool(struct jsonout *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}
