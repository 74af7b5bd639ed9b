/* io/deflate_small.c -- libdeflate's compressor, which takes whole buffers only. */
#include "io/deflate_small.h"

#include <libdeflate.h>

enum { LEVEL = 6 };

struct smaller {
    struct libdeflate_compressor *compressor;
};

struct smaller *smaller_open(void)
{
    struct smaller *s = calloc(1, sizeof(*s));
    if (s)
        s->compressor = libdeflate_alloc_compressor(LEVEL);
    if (!s || !s->compressor) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return s;
}

void smaller_close(struct smaller **smaller)
{
    if (!smaller || !*smaller)
        return;
    libdeflate_free_compressor((*smaller)->compressor);
    free(*smaller);
    *smaller = NULL;
}

size_t smaller_bound(struct smaller *smaller, size_t size)
{
    return libdeflate_deflate_compress_bound(smaller->compressor, size);
}

size_t smaller_pack(struct smaller *smaller, const void *data, size_t size, void *to, size_t room)
{
    return libdeflate_deflate_compress(smaller->compressor, data, size, to, room);
}
