/* fuzz_binary.c -- Any bytes as rows of COPY text, in a table whose columns the first bytes choose. What is turned is a row of tuples that
   holds together, is the same when turned row by row, and no encoder writes past the room it asked for. */
#include <assert.h>

#include "restore/binary.h"
#include "restore/binary_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    uint32_t type;
    int32_t typmod;
} types[] = {
    {16, -1},   {21, -1},   {23, -1},   {20, -1},   {26, -1},  {700, -1},  {701, -1}, {1700, -1},  {1700, 4 + (7 << 16) + 2},  {1700, 4 + (2 << 16) + 4},
    {1082, -1}, {1083, -1}, {1266, -1}, {1114, -1}, {1184, -1}, {1186, -1}, {25, -1},  {19, -1},    {1043, 14},                 {1042, 14},
    {114, -1},  {3802, -1}, {17, -1},   {2950, -1}, {869, -1}, {650, -1},  {829, -1},
};
static const struct binary_label moods[] = {{"sad", 3}, {"ok", 2}, {"", 0}, {"very happy", 10}};

enum { KINDS = COUNT_OF(types) + 1 };

static struct binary_column scalar(unsigned which)
{
    struct binary_column c;
    if (which % KINDS == COUNT_OF(types)) {
        binary_enum(&c, 16400, moods, COUNT_OF(moods));
    } else {
        bool known = binary_column_for(types[which % KINDS].type, types[which % KINDS].typmod, &c);
        assert(known);
    }
    return c;
}

/* With nothing to spare: what is written past it, the sanitizer sees. */
static void encode_alone(const struct binary_column *c, const char *s, size_t n)
{
    char *room = malloc(binary_room(c, n)), *text = malloc(n ? n : 1);
    assert(room && text);
    memcpy(text, s, n);
    char *end = c->encode(c, text, n, room);
    assert(!end || (end >= room && end <= room + binary_room(c, n)));
    free(room);
    free(text);
}

static uint32_t get(const char *p, size_t bytes)
{
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)p[i];
    return value;
}

static void check_tuples(const struct binary *b, const struct buf *out, int64_t rows)
{
    const char *p = out->p, *end = out->p + out->n;
    for (; rows > 0; rows--) {
        assert(end - p >= 2 && get(p, 2) == b->count);
        p += 2;
        for (size_t i = 0; i < b->count; i++) {
            assert(end - p >= 4);
            uint32_t n = get(p, 4);
            p += 4;
            if (n != UINT32_MAX) {
                assert(n <= (size_t)(end - p));
                p += n;
            }
        }
    }
    assert(p == end);
}

static void check_row_by_row(const struct binary *b, struct str rows, const struct buf *whole, int64_t count)
{
    struct buf out = {.max = 1 << 24};
    const char *p = rows.p, *end = rows.p + rows.n;
    while (p < end) {
        const char *next = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
        int64_t one;
        enum binary_result result = binary_rows(b, (struct str){p, (size_t)(next - p)}, &out, &one);
        assert(result == BINARY_OK && one == 1);
        count--;
        p = next;
    }
    assert(count == 0 && out.n == whole->n && memcmp(out.p, whole->p, out.n) == 0);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct binary_column columns[4], elements[4];
    struct binary b = {.columns = columns, .count = 1 + data[0] % 3, .utf8 = data[0] & 0x40};
    for (size_t i = 0; i < b.count; i++) {
        columns[i] = elements[i] = scalar((unsigned)data[1] + (unsigned)i * data[0]);
        if (data[2] >> i & 1)
            binary_array(&columns[i], 1, &elements[i]);
    }
    struct str rows = {(const char *)data + 3, size - 3};
    for (size_t i = 0; i < b.count; i++)
        encode_alone(&columns[i], rows.p, rows.n);
    struct buf out = {.max = data[2] & 0x80 ? 64 : 1 << 24};
    int64_t count = 0;
    if (binary_rows(&b, rows, &out, &count) == BINARY_OK) {
        check_tuples(&b, &out, count);
        if (count)
            check_row_by_row(&b, rows, &out, count);
    } else {
        assert(out.n == 0);
    }
    assert(!out.over);
    buf_done(&out);
    return 0;
}
