/* restore/binary_text.c -- Types whose binary form is text, or the bytes that hexadecimal digits stand for. The rows' reader has seen to
   it that the text is valid in the server's encoding. */
#include "restore/binary_types.h"

static char *put_text(const char *s, size_t n, char *to)
{
    memcpy(to, s, n);
    return to + n;
}

char *binary_text(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    return put_text(s, n, to);
}

char *binary_name(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    return n < 64 ? put_text(s, n, to) : NULL; /* cut there as text, refused as binary */
}

/* varchar(n) and char(n): the server refuses what has more characters, unless the rest is blank. */
char *binary_varchar(const struct binary_column *c, const char *s, size_t n, char *to)
{
    size_t limit = c->typmod < 4 ? SIZE_MAX : (size_t)c->typmod - 4;
    if (n > limit) {
        size_t characters = 0;
        for (size_t i = 0; i < n; i++)
            characters += (s[i] & 0xc0) != 0x80;
        if (characters > limit)
            return NULL;
    }
    return put_text(s, n, to);
}

char *binary_jsonb(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    *to = 1; /* version */
    return put_text(s, n, to + 1);
}

char *binary_enum_value(const struct binary_column *c, const char *s, size_t n, char *to)
{
    for (size_t i = 0; i < c->label_count; i++)
        if (text_is(s, n, c->labels[i].p, c->labels[i].n))
            return put_text(s, n, to);
    return NULL;
}

/* ---- hexadecimal ---- */

/* The value of a digit; above 15 when it is none. */
static inline unsigned nibble(char c)
{
    unsigned digit = (unsigned char)c - '0', letter = ((unsigned char)c | 0x20) - 'a';
    return digit <= 9 ? digit : letter <= 5 ? letter + 10 : 16;
}

static bool put_bytes(const char *s, size_t bytes, char *to)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned high = nibble(s[2 * i]), low = nibble(s[2 * i + 1]);
        wrong |= high | low;
        to[i] = (char)(high << 4 | low);
    }
    return wrong < 16;
}

char *binary_bytea(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    if (n < 2 || n % 2 != 0 || s[0] != '\\' || s[1] != 'x' || !put_bytes(s + 2, n / 2 - 1, to))
        return NULL;
    return to + n / 2 - 1;
}

char *binary_uuid(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    if (n != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-')
        return NULL;
    bool good = put_bytes(s, 4, to) && put_bytes(s + 9, 2, to + 4) && put_bytes(s + 14, 2, to + 6) && put_bytes(s + 19, 2, to + 8) &&
                put_bytes(s + 24, 6, to + 10);
    return good ? to + 16 : NULL;
}
