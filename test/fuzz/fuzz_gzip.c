/* fuzz_gzip.c -- Any file: read to its end or refused with a reason. And what we write reads back, while the same file cut short or
   with one byte changed never passes for a whole one. The first two bytes choose the place. */
#include <sys/mman.h>
#include <unistd.h>

#include "io/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 1 << 20 }; /* a small file may unpack to gigabytes; what is beyond is not read */

static void check(bool ok)
{
    if (!ok)
        abort();
}

static bool into(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

/* Bytes as a file, from a few places of it at a time. */
static bool unpack(const void *data, size_t size, struct buf *to, struct err *err)
{
    char path[64];
    int fd = memfd_create("packed", MFD_CLOEXEC);
    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    SCOPED(gzip_reader_close) struct gzip_reader *reader = NULL;
    SCOPED(buf_done) struct buf raw = {.max = 1 << 20};
    bool ok = gzip_reader_open(path, &reader, err);
    if (ok)
        gzip_reader_tap(reader, into, &raw);
    for (size_t n = 1; ok && n && to->n < LARGEST;) {
        char piece[4000];
        ok = gzip_reader_read(reader, piece, sizeof(piece), &n, err);
        check(!ok || n <= sizeof(piece));
        if (ok)
            buf_add(to, piece, n);
        if (ok && !n) /* all of the file went by */
            check(raw.n == size && (!size || memcmp(raw.p, data, size) == 0) && gzip_reader_at(reader) == (int64_t)size);
    }
    close(fd);
    check(ok || (err->code != ERR_NONE && *err->message));
    return ok;
}

static void there_and_back(const uint8_t *data, size_t size, size_t place)
{
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, again = {.max = 1 << 21}, other = {.max = 1 << 21}, third = {.max = 1 << 21};
    struct err err = {0};
    SCOPED(gzip_writer_close) struct gzip_writer *writer = gzip_writer_open(6, into, &packed);
    check(gzip_writer_add(writer, data, size, &err) && gzip_writer_end(writer, &err));
    check(unpack(packed.p, packed.n, &again, &err));
    check(again.n == size && (!size || memcmp(again.p, data, size) == 0));
    place %= packed.n;
    check(place < 2 || !unpack(packed.p, place, &other, &err)); /* a file of fewer than two bytes does not begin like gzip */
    packed.p[place] = (char)(packed.p[place] ^ 0x10);
    if (place >= 10 && unpack(packed.p, packed.n, &third, &err)) /* behind the header, everything is under the checksum */
        check(third.n == size && (!size || memcmp(third.p, data, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(buf_done) struct buf text = {.max = LARGEST + 8192};
    struct err err = {0};
    bool ok = unpack(data, size, &text, &err);
    if (ok && size < 2)
        check(text.n == size);
    if (size >= 2)
        there_and_back(data + 2, size - 2, (size_t)data[0] << 8 | data[1]);
    return 0;
}
