/* io/gzip_read.c -- Reading what may be gzip, zstd or plain text, with members, padding and truncation told apart. ISA-L unpacks, four times
   as fast as zlib; it checks each member's CRC and length. */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>

#include "io/gzip.h"
#include "io/zstd.h"
#include "sys/file.h"

enum {
    CHUNK = 256 * 1024,
    HEADER_ROOM = 70 * 1000, /* a member's header with the largest extra part is given to ISA-L in one piece */
};

/* Where the reader stands in the file. */
enum phase {
    AT_START,   /* nothing read: gzip, zstd or plain text? */
    IN_MEMBER,
    BETWEEN,    /* a member ended: another one, padding or the end follows */
    IN_PADDING,
    IN_ZSTD,
    BETWEEN_ZSTD, /* likewise of frames, which know no padding */
    IN_PLAIN,
};

struct gzip_reader {
    struct inflate_state inflate;
    struct zstd *zstd;
    enum phase phase;
    struct gzip_source source;
    int fd;                /* of the file that was opened here, or -1 */
    int64_t read;
    const unsigned char *next;
    size_t left;
    bool at_end;           /* of the file; what is buffered may still be unused */
    bool must_be_packed;
    gzip_sink_fn *tap;
    void *tap_arg;
    unsigned char in[CHUNK];
};

/* ---- where the bytes come from ---- */

static bool read_file(void *arg, void *to, size_t size, size_t *ret_n, struct err *err)
{
    struct gzip_reader *r = arg;
    ssize_t n;
    do
        n = read(r->fd, to, size);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        err_os(err, errno, "could not read at byte %lld", (long long)r->read);
        if (err)
            err->code = ERR_IO;
        return false;
    }
    *ret_n = (size_t)n;
    return true;
}

static struct gzip_reader *new_reader(void)
{
    struct gzip_reader *r = calloc(1, sizeof(*r));
    if (!r) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    r->fd = -1;
    r->next = r->in;
    return r;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && same(text + n - m, end);
}

bool gzip_reader_open(const char *path, struct gzip_reader **ret, struct err *err)
{
    int fd;
    int64_t size;
    if (!file_open(path, &fd, &size, err))
        return false;
    struct gzip_reader *r = new_reader();
    r->fd = fd;
    r->source = (struct gzip_source){.read = read_file, .arg = r, .size = size};
    r->must_be_packed = ends_with(path, ".gz");
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret = r;
    return true;
}

struct gzip_reader *gzip_reader_over(const struct gzip_source *source)
{
    struct gzip_reader *r = new_reader();
    r->source = *source;
    r->must_be_packed = source->gzip_only;
    return r;
}

void gzip_reader_close(struct gzip_reader **reader)
{
    struct gzip_reader *r = reader ? *reader : NULL;
    if (!r)
        return;
    zstd_close(&r->zstd);
    if (r->fd >= 0)
        close(r->fd);
    if (r->source.close)
        r->source.close(r->source.arg);
    free(r);
    *reader = NULL;
}

void gzip_reader_tap(struct gzip_reader *reader, gzip_sink_fn *tap, void *arg)
{
    reader->tap = tap;
    reader->tap_arg = arg;
}

int64_t gzip_reader_at(const struct gzip_reader *reader)
{
    return reader->read - (int64_t)reader->left;
}

int64_t gzip_reader_size(const struct gzip_reader *reader)
{
    return reader->source.size;
}

/* Reads on behind what is still unused, until `wanted` bytes are there or the file ends. */
static bool fill(struct gzip_reader *r, size_t wanted, struct err *err)
{
    if (r->left >= wanted || r->at_end)
        return true;
    memmove(r->in, r->next, r->left);
    r->next = r->in;
    while (!r->at_end && r->left < wanted) {
        unsigned char *to = r->in + r->left;
        size_t n = 0;
        if (!r->source.read(r->source.arg, to, CHUNK - r->left, &n, err))
            return false;
        if (n == 0)
            r->at_end = true;
        else if (r->tap && !r->tap(r->tap_arg, to, n, err))
            return false;
        r->left += n;
        r->read += (int64_t)n;
    }
    return true;
}

/* ---- what they are ---- */

static bool starts_member(const struct gzip_reader *r)
{
    return r->left >= 2 && r->next[0] == 0x1f && r->next[1] == 0x8b;
}

static bool starts_frame(const struct gzip_reader *r)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    return r->left >= sizeof(magic) && memcmp(r->next, magic, sizeof(magic)) == 0;
}

static bool begin_member(struct gzip_reader *r)
{
    if (r->phase == AT_START)
        isal_inflate_init(&r->inflate);
    else
        isal_inflate_reset(&r->inflate);
    r->inflate.crc_flag = ISAL_GZIP;
    r->phase = IN_MEMBER;
    return true;
}

static bool begin_file(struct gzip_reader *r, struct err *err)
{
    if (starts_member(r))
        return begin_member(r);
    if (r->at_end && r->left == 0)
        return err_set(err, ERR_DATA, "the file is empty");
    if (r->must_be_packed)
        return err_set(err, ERR_DATA, "the file does not begin like a gzip file");
    if (starts_frame(r)) {
        r->zstd = zstd_open();
        r->phase = IN_ZSTD;
        return true;
    }
    r->phase = IN_PLAIN;
    return true;
}

static bool skip_zeros(struct gzip_reader *r, struct err *err)
{
    for (; r->left; r->left--, r->next++)
        if (*r->next != 0)
            return err_set(err, ERR_DATA, "bytes that do not belong stand at byte %lld, after the end of the gzip data",
                           (long long)gzip_reader_at(r));
    return true;
}

static bool cut_off(const struct gzip_reader *r, const char *what, struct err *err)
{
    return err_set(err, ERR_DATA, "the %s data is cut off at byte %lld", what, (long long)r->read);
}

static const char *why(int status)
{
    switch (status) {
    case ISAL_INVALID_BLOCK:
        return "invalid block";
    case ISAL_INVALID_SYMBOL:
        return "invalid code";
    case ISAL_INVALID_LOOKBACK:
        return "invalid distance";
    case ISAL_INCORRECT_CHECKSUM:
        return "its checksum is another one";
    default:
        return "wrong header";
    }
}

static bool inflate_some(struct gzip_reader *r, void *to, size_t size, size_t *ret_n, struct err *err)
{
    struct inflate_state *z = &r->inflate;
    z->next_in = (uint8_t *)(uintptr_t)r->next;
    z->avail_in = (uint32_t)r->left;
    z->next_out = to;
    z->avail_out = (uint32_t)size;
    int status = isal_inflate(z);
    bool moved = z->avail_in != r->left || z->avail_out != size;
    r->next = z->next_in;
    r->left = z->avail_in;
    *ret_n = size - z->avail_out;
    if (z->block_state == ISAL_BLOCK_FINISH && (status == ISAL_DECOMP_OK || status == ISAL_END_INPUT)) {
        r->phase = BETWEEN;
        return true;
    }
    if (status != ISAL_DECOMP_OK && status != ISAL_END_INPUT && status != ISAL_OUT_OVERFLOW)
        return err_set(err, ERR_DATA, "the gzip data is damaged at byte %lld: %s", (long long)gzip_reader_at(r), why(status));
    return moved || !r->at_end || cut_off(r, "gzip", err);
}

static bool unzstd_some(struct gzip_reader *r, void *to, size_t size, size_t *ret_n, struct err *err)
{
    bool ended;
    size_t used;
    if (!zstd_some(r->zstd, r->next, r->left, &used, to, size, ret_n, &ended, err))
        return err_prefix(err, "at byte %lld", (long long)gzip_reader_at(r));
    r->next += used;
    r->left -= used;
    if (ended)
        r->phase = BETWEEN_ZSTD;
    return ended || used || *ret_n || !r->at_end || cut_off(r, "zstd", err);
}

static size_t copy_plain(struct gzip_reader *r, void *to, size_t size)
{
    size_t n = MIN_OF(size, r->left);
    memcpy(to, r->next, n);
    r->next += n;
    r->left -= n;
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
    case BETWEEN_ZSTD:
        r->phase = IN_ZSTD;
        return true;
    case IN_ZSTD:
        return unzstd_some(r, to, size, ret_n, err);
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
        if (!fill(r, r->phase == AT_START || r->phase == BETWEEN ? HEADER_ROOM : 1, err))
            return false;
        bool used_up = r->at_end && r->left == 0;
        if (used_up && r->phase != AT_START && r->phase != IN_MEMBER && r->phase != IN_ZSTD)
            break;
        if (!advance(r, to, size, &n, err))
            return false;
    }
    *ret_n = n;
    return true;
}
