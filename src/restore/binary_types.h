/* restore/binary_types.h -- What the binary* files share: a column, its encoder, and how big-endian numbers are put. */
#pragma once
#include <string.h>

#include "base/base.h"

struct binary_column;

/* Writes the value that the text `s` (escapes taken off, in the server's encoding) stands for, and returns where it ends; NULL when
   unsure. `to` has binary_room(c, n) bytes. */
typedef char *binary_encode_fn(const struct binary_column *c, const char *s, size_t n, char *to);

struct binary_label {
    const char *p;
    size_t n;
};

struct binary_column {
    binary_encode_fn *encode;
    uint32_t type;
    int32_t typmod;
    bool as_text; /* no longer in binary than in text, but for one byte */
    bool nan_only; /* numeric: the server knows no infinity */
    bool nulls;    /* in an array, NULL without quotes is null */
    const struct binary_column *element; /* of an array */
    const struct binary_label *labels;   /* of an enum */
    size_t label_count;
};

struct binary {
    struct binary_column *columns;
    size_t count;
    bool utf8; /* both sides: any valid UTF-8 may pass. Else only ASCII, which no conversion changes */
};

/* The encoder of a type that every server has. False: none, or not with this typmod. */
MUST_USE bool binary_column_for(uint32_t type, int32_t typmod, struct binary_column *ret);
void binary_enum(struct binary_column *ret, uint32_t type, const struct binary_label *labels, size_t count);
void binary_array(struct binary_column *ret, uint32_t type, const struct binary_column *element);

/* What an encoder may write. Twelve is the worst of one byte: a number of one digit in an array. */
static inline size_t binary_room(const struct binary_column *c, size_t n)
{
    return c->as_text ? n + 1 : (c->element ? 13 : 12) * n + 64;
}

static inline char *put16(char *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof(value));
    return to + sizeof(value);
}

static inline char *put32(char *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof(value));
    return to + sizeof(value);
}

static inline char *put64(char *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof(value));
    return to + sizeof(value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "put16 and its kin swap bytes");

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline bool text_is(const char *s, size_t n, const char *word, size_t size)
{
    return n == size && memcmp(s, word, n) == 0;
}
#define TEXT_IS(s, n, literal) text_is((s), (n), (literal), sizeof(literal) - 1)

/* ---- the encoders, by file ---- */

binary_encode_fn binary_bool, binary_int2, binary_int4, binary_int8, binary_oid, binary_float4, binary_float8; /* binary_number.c */
binary_encode_fn binary_numeric;                                                                            /* binary_numeric.c */
binary_encode_fn binary_date, binary_time, binary_timetz, binary_timestamp, binary_timestamptz, binary_interval; /* binary_time.c */
binary_encode_fn binary_text, binary_name, binary_varchar, binary_jsonb, binary_enum_value, binary_bytea, binary_uuid; /* binary_text.c */
binary_encode_fn binary_inet, binary_cidr, binary_macaddr;                                                  /* binary_net.c */
binary_encode_fn binary_elements;                                                                           /* binary_array.c */
