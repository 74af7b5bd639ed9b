/* dump/rowhash.c -- Sums of XXH3. */
#include "dump/rowhash.h"

#include "io/xxh.h"

uint64_t row_hash(const void *row, size_t n)
{
    return xxh_of(row, n);
}

uint64_t rows_hash(struct str text, int64_t *rows)
{
    uint64_t sum = 0;
    for (const char *p = text.p, *end = p + text.n; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        sum += xxh_of(p, (size_t)(stop - p));
        ++*rows;
        p = stop + 1;
    }
    return sum;
}
