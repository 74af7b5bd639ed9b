/* io/zstd.c -- libzstd's streaming decompressor. A frame that wants a window of more than 128 MiB is refused by its default. */
#include "io/zstd.h"

#include <zstd.h>

struct zstd {
    ZSTD_DStream *stream;
};

struct zstd *zstd_open(void)
{
    struct zstd *z = calloc(1, sizeof(*z));
    if (z)
        z->stream = ZSTD_createDStream();
    if (!z || !z->stream) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return z;
}

void zstd_close(struct zstd **zstd)
{
    if (!zstd || !*zstd)
        return;
    ZSTD_freeDStream((*zstd)->stream);
    free(*zstd);
    *zstd = NULL;
}

bool zstd_some(struct zstd *zstd, const void *from, size_t size, size_t *ret_used, void *to, size_t room, size_t *ret_made, bool *ret_ended,
               struct err *err)
{
    ZSTD_inBuffer in = {.src = from, .size = size};
    ZSTD_outBuffer out = {.dst = to, .size = room};
    size_t status = ZSTD_decompressStream(zstd->stream, &out, &in);
    if (ZSTD_isError(status))
        return err_set(err, ERR_DATA, "the zstd data is damaged: %s", ZSTD_getErrorName(status));
    *ret_used = in.pos;
    *ret_made = out.pos;
    *ret_ended = status == 0;
    return true;
}
