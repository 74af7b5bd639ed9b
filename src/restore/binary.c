/* restore/binary.c -- Rows: fields are cut, escapes taken off, and each is handed to the encoder of its column. */
#include "restore/binary.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "restore/binary_types.h"

const char binary_header[BINARY_HEADER_SIZE] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
const char binary_trailer[BINARY_TRAILER_SIZE] = "\377\377";

/* The server reads a line of text into one allocation, and refuses what does not fit. */
enum { ROWS_MAX = 1 << 29 };

/* ---- fields ---- */

/* Past the bytes that mean nothing special in COPY's text nor in any encoding: the blank to DEL, but for the backslash. */
static const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i blank = _mm_set1_epi8(' '), backslash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* compared as signed bytes: from 0x80 on they are below the blank, too */
        unsigned odd = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(v, blank), _mm_cmpeq_epi8(v, backslash)));
        if (odd)
            return p + __builtin_ctz(odd);
    }
#endif
    while (p < end && (signed char)*p >= ' ' && *p != '\\')
        p++;
    return p;
}

/* Past one character of more than one byte, by the rules that the server has: the shortest form, no surrogates, to U+10FFFF. NULL
   when it is none. */
static const char *skip_utf8(const char *p, const char *end)
{
    const unsigned char *c = (const unsigned char *)p;
    size_t left = (size_t)(end - p), size = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    if (c[0] < 0xc2 || c[0] > 0xf4 || left < size)
        return NULL;
    unsigned char low = c[0] == 0xe0 ? 0xa0 : c[0] == 0xf0 ? 0x90 : 0x80, high = c[0] == 0xed ? 0x9f : c[0] == 0xf4 ? 0x8f : 0xbf;
    if (c[1] < low || c[1] > high)
        return NULL;
    for (size_t i = 2; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return NULL;
    return p + size;
}

/* The end of the field that begins at p: its tab or newline. NULL when it holds what only the server should judge, or has no end. */
static const char *field_end(const struct binary *b, const char *p, const char *end, bool *ret_escaped)
{
    *ret_escaped = false;
    while ((p = skip_plain(p, end)) < end) {
        if (*p == '\t' || *p == '\n')
            return p;
        if (*p == '\\') {
            *ret_escaped = true;
            p += 2; /* what follows is looked at when the escape is taken off; it may be past the end, and then there is no end */
            if (p > end || p[-1] == '\n' || p[-1] == '\t')
                return NULL;
        } else if ((signed char)*p < 0) {
            if (!b->utf8 || !(p = skip_utf8(p, end)))
                return NULL;
        } else if (*p == 0 || *p == '\r') {
            return NULL; /* the server has views on how lines end */
        } else {
            p++;
        }
    }
    return NULL;
}

/* The escapes that pg_dump writes; others have meanings of their own. NULL when there is one. */
static char *unescape(const char *p, size_t n, char *to)
{
    static const char from[] = "\\ntrbfv", into[] = "\\\n\t\r\b\f\v";
    for (const char *end = p + n; p < end;) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p)), *stop = backslash ? backslash : end;
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        p = stop;
        if (backslash) {
            const char *known = memchr(from, p[1], sizeof(from) - 1);
            if (!known)
                return NULL;
            *to++ = into[known - from];
            p += 2;
        }
    }
    return to;
}

/* ---- rows ---- */

struct writing {
    const struct binary *b;
    const char *end; /* of the rows */
    struct buf *out;
    char *to, *full; /* where the next byte goes, and where the room ends */
    struct buf scratch;
};

static bool more_room(struct writing *w, size_t size)
{
    w->out->n = (size_t)(w->to - w->out->p);
    size_t more = MAX_OF(size, MIN_OF(w->out->n, w->out->max - w->out->n)); /* double, while the limit lets us */
    if (!(w->to = buf_reserve(w->out, more)))
        return false;
    w->full = w->to + more;
    return true;
}

static inline bool has_room(struct writing *w, size_t size)
{
    return size <= (size_t)(w->full - w->to) || more_room(w, size);
}

static bool put_value(struct writing *w, const struct binary_column *c, const char *s, size_t n, bool escaped)
{
    if (!has_room(w, 4 + binary_room(c, n)))
        return false;
    if (escaped) {
        buf_clear(&w->scratch);
        char *plain = buf_reserve(&w->scratch, n);
        char *end = plain ? unescape(s, n, plain) : NULL;
        if (!end)
            return false;
        s = plain;
        n = (size_t)(end - plain);
    }
    char *end = c->encode(c, s, n, w->to + 4);
    if (!end)
        return false;
    put32(w->to, (uint32_t)(end - w->to - 4));
    w->to = end;
    return true;
}

/* One row; NULL when unsure, else where the next one begins. */
static const char *put_row(struct writing *w, const char *p)
{
    const struct binary *b = w->b;
    if (!has_room(w, 2 + 4 * b->count))
        return NULL;
    w->to = put16(w->to, (uint16_t)b->count);
    for (size_t i = 0; i < b->count; i++) {
        bool escaped;
        const char *end = field_end(b, p, w->end, &escaped);
        if (!end || *end != (i + 1 < b->count ? '\t' : '\n'))
            return NULL;
        if (escaped && TEXT_IS(p, (size_t)(end - p), "\\N")) {
            if (!has_room(w, 4))
                return NULL;
            w->to = put32(w->to, UINT32_MAX);
        } else if (!put_value(w, &b->columns[i], p, (size_t)(end - p), escaped)) {
            return NULL;
        }
        p = end + 1;
    }
    return p;
}

enum binary_result binary_rows(const struct binary *b, struct str rows, struct buf *out, int64_t *ret_rows)
{
    size_t before = out->n;
    bool over = out->over;
    if (rows.n > ROWS_MAX || out->n > out->max)
        return BINARY_UNSURE;
    struct writing w = {.b = b, .end = rows.p + rows.n, .out = out, .scratch = {.max = ROWS_MAX}};
    w.to = w.full = buf_reserve(out, MIN_OF(rows.n, out->max - out->n));
    int64_t count = 0;
    const char *p = w.to ? rows.p : NULL;
    for (; p && p < w.end; count++)
        p = put_row(&w, p);
    out->n = p ? (size_t)(w.to - out->p) : before;
    if (out->p)
        out->p[out->n] = 0;
    out->over = over;
    buf_done(&w.scratch);
    if (!p)
        return BINARY_UNSURE;
    *ret_rows = count;
    return BINARY_OK;
}
