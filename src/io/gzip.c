/* io/gzip.c -- Writing gzip as a stream, with zlib. What backups are made of is packed by io/deflate, much faster and a member at a time. */
#include "io/gzip.h"

#include <zlib.h>

enum { CHUNK = 128 * 1024, GZIP_WINDOW = 15 + 16 };

struct gzip_writer {
    z_stream z;
    gzip_sink_fn *sink;
    void *arg;
    unsigned char out[CHUNK];
};

static void *must_have(void *memory)
{
    if (!memory) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct gzip_writer *gzip_writer_open(int level, gzip_sink_fn *sink, void *arg)
{
    struct gzip_writer *w = must_have(calloc(1, sizeof(*w)));
    w->sink = sink;
    w->arg = arg;
    /* With a right level and window only a lack of memory can make it fail. */
    if (deflateInit2(&w->z, level, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        must_have(NULL);
    return w;
}

void gzip_writer_close(struct gzip_writer **writer)
{
    if (!writer || !*writer)
        return;
    deflateEnd(&(*writer)->z);
    free(*writer);
    *writer = NULL;
}

static bool deflate_all(struct gzip_writer *w, int flush, struct err *err)
{
    int status;
    do {
        w->z.next_out = w->out;
        w->z.avail_out = CHUNK;
        status = deflate(&w->z, flush);
        if (status == Z_STREAM_ERROR)
            return err_set(err, ERR_INTERNAL, "the gzip stream was written to after its end");
        size_t made = CHUNK - w->z.avail_out;
        if (made && !w->sink(w->arg, w->out, made, err))
            return false;
    } while (flush == Z_FINISH ? status != Z_STREAM_END : w->z.avail_out == 0);
    return true;
}

bool gzip_writer_add(struct gzip_writer *writer, const void *data, size_t size, struct err *err)
{
    const unsigned char *p = data;
    while (size) {
        uInt piece = (uInt)MIN_OF(size, (size_t)1 << 30);
        writer->z.next_in = (Bytef *)p;
        writer->z.avail_in = piece;
        if (!deflate_all(writer, Z_NO_FLUSH, err))
            return false;
        p += piece;
        size -= piece;
    }
    return true;
}

bool gzip_writer_end(struct gzip_writer *writer, struct err *err)
{
    writer->z.next_in = NULL;
    writer->z.avail_in = 0;
    return deflate_all(writer, Z_FINISH, err);
}
