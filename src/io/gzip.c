/* io/gzip.c -- zlib's streams with members, padding and truncation told apart. The gz* calls of zlib are not used: they
   report a file cut at a block border as a plain end of file. */
#include "io/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
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

/* Where the reader stands in the file. */
enum phase {
    AT_START,   /* nothing read: gzip or plain text? */
    IN_MEMBER,
    BETWEEN,    /* a member ended: another one, padding or the end follows */
    IN_PADDING,
    IN_PLAIN,
};

struct gzip_reader {
    z_stream z;
    bool z_ready;
    enum phase phase;
    int fd;
    int64_t read, size;
    bool at_end; /* of the file; what is buffered may still be unused */
    bool named_gz;
    gzip_sink_fn *tap;
    void *tap_arg;
    unsigned char in[CHUNK];
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && same(text + n - m, end);
}

bool gzip_reader_open(const char *path, struct gzip_reader **ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int os = errno;
        err_os(err, os, "could not open \"%s\"", path);
        if (os == ENOENT && err)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_DATA, "\"%s\" is not a regular file", path);
    }
    struct gzip_reader *r = must_have(calloc(1, sizeof(*r)));
    r->fd = fd;
    r->size = st.st_size;
    r->named_gz = ends_with(path, ".gz");
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret = r;
    return true;
}

void gzip_reader_close(struct gzip_reader **reader)
{
    if (!reader || !*reader)
        return;
    if ((*reader)->z_ready)
        inflateEnd(&(*reader)->z);
    close((*reader)->fd);
    free(*reader);
    *reader = NULL;
}

void gzip_reader_tap(struct gzip_reader *reader, gzip_sink_fn *tap, void *arg)
{
    reader->tap = tap;
    reader->tap_arg = arg;
}

int64_t gzip_reader_at(const struct gzip_reader *reader)
{
    return reader->read - (int64_t)reader->z.avail_in;
}

int64_t gzip_reader_size(const struct gzip_reader *reader)
{
    return reader->size;
}

/* Reads on behind what is still unused, so that a two-byte signature is never split. */
static bool fill(struct gzip_reader *r, struct err *err)
{
    if (r->z.avail_in)
        memmove(r->in, r->z.next_in, r->z.avail_in);
    r->z.next_in = r->in;
    while (!r->at_end && r->z.avail_in < 2) {
        ssize_t n = read(r->fd, r->in + r->z.avail_in, CHUNK - r->z.avail_in);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int os = errno;
            err_os(err, os, "could not read at byte %lld", (long long)r->read);
            if (err)
                err->code = ERR_IO;
            return false;
        }
        if (n == 0) {
            r->at_end = true;
        } else {
            if (r->tap && !r->tap(r->tap_arg, r->in + r->z.avail_in, (size_t)n, err))
                return false;
            r->z.avail_in += (uInt)n;
            r->read += n;
        }
    }
    return true;
}

static bool starts_member(const struct gzip_reader *r)
{
    return r->z.avail_in >= 2 && r->z.next_in[0] == 0x1f && r->z.next_in[1] == 0x8b;
}

static bool begin_member(struct gzip_reader *r)
{
    if (r->z_ready)
        inflateReset(&r->z);
    else if (inflateInit2(&r->z, GZIP_WINDOW) != Z_OK)
        must_have(NULL);
    r->z_ready = true;
    r->phase = IN_MEMBER;
    return true;
}

static bool begin_file(struct gzip_reader *r, struct err *err)
{
    if (starts_member(r))
        return begin_member(r);
    if (r->size == 0 || (r->at_end && r->z.avail_in == 0))
        return err_set(err, ERR_DATA, "the file is empty");
    if (r->named_gz)
        return err_set(err, ERR_DATA, "the file does not begin like a gzip file");
    r->phase = IN_PLAIN;
    return true;
}

static bool skip_zeros(struct gzip_reader *r, struct err *err)
{
    for (; r->z.avail_in; r->z.avail_in--, r->z.next_in++)
        if (*r->z.next_in != 0)
            return err_set(err, ERR_DATA, "bytes that do not belong stand at byte %lld, after the end of the gzip data",
                           (long long)gzip_reader_at(r));
    return true;
}

static bool inflate_some(struct gzip_reader *r, void *to, size_t size, size_t *ret_n, struct err *err)
{
    if (r->at_end && r->z.avail_in == 0)
        return err_set(err, ERR_DATA, "the gzip data is cut off at byte %lld", (long long)r->read);
    r->z.next_out = to;
    r->z.avail_out = (uInt)size;
    int status = inflate(&r->z, Z_NO_FLUSH);
    *ret_n = size - r->z.avail_out;
    if (status == Z_STREAM_END)
        r->phase = BETWEEN;
    else if (status == Z_MEM_ERROR)
        must_have(NULL);
    else if (status != Z_OK && status != Z_BUF_ERROR)
        return err_set(err, ERR_DATA, "the gzip data is damaged at byte %lld: %s", (long long)gzip_reader_at(r),
                       r->z.msg ? r->z.msg : "wrong data");
    return true;
}

static size_t copy_plain(struct gzip_reader *r, void *to, size_t size)
{
    size_t n = MIN_OF(size, (size_t)r->z.avail_in);
    memcpy(to, r->z.next_in, n);
    r->z.next_in += n;
    r->z.avail_in -= (uInt)n;
    return n;
}

/* One step of the reader, which may bring nothing yet. */
static bool advance(struct gzip_reader *r, void *to, size_t size, size_t *ret_n, struct err *err)
{
    switch (r->phase) {
    case AT_START:
        return begin_file(r, err);
    case IN_MEMBER:
        return inflate_some(r, to, size, ret_n, err);
    case BETWEEN:
        if (starts_member(r))
            return begin_member(r);
        r->phase = IN_PADDING;
        return true;
    case IN_PADDING:
        return skip_zeros(r, err);
    case IN_PLAIN:
        *ret_n = copy_plain(r, to, size);
        return true;
    }
    return true;
}

bool gzip_reader_read(struct gzip_reader *reader, void *to, size_t size, size_t *ret_n, struct err *err)
{
    struct gzip_reader *r = reader;
    size_t n = 0;
    size = MIN_OF(size, (size_t)1 << 30);
    while (n == 0 && size) {
        if (!fill(r, err))
            return false;
        bool used_up = r->at_end && r->z.avail_in == 0;
        if (used_up && r->phase != AT_START && r->phase != IN_MEMBER)
            break;
        if (!advance(r, to, size, &n, err))
            return false;
    }
    *ret_n = n;
    return true;
}
