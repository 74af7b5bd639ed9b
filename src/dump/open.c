/* dump/open.c -- Between the file and the unpacking, the decryption where there is one. */
#include "dump/open.h"

#include <errno.h>
#include <unistd.h>

#include "sys/file.h"

enum { PIECE = 256 * 1024, READY_MAX = 1024 * 1024 };

struct encrypted {
    char *name; /* for messages */
    int fd;
    gzip_sink_fn *tap;
    void *tap_arg;
    struct crypt_reader *crypt;
    struct buf ready; /* decrypted, not yet taken */
    size_t taken;
    bool ended;
    char piece[PIECE];
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && same(text + n - m, end);
}

bool dump_is_encrypted(const char *path)
{
    return ends_with(path, ".enc");
}

static bool into_ready(void *arg, const void *data, size_t size, struct err *err)
{
    return buf_add(arg, data, size) || err_set(err, ERR_INTERNAL, "decryption gave more than was put in");
}

/* One piece of the file further. */
static bool decrypt_more(struct encrypted *e, struct err *err)
{
    ssize_t n;
    do
        n = read(e->fd, e->piece, PIECE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_os(err, errno, "could not read \"%s\"", e->name);
    buf_clear(&e->ready);
    e->taken = 0;
    e->ended = n == 0;
    if (n && e->tap && !e->tap(e->tap_arg, e->piece, (size_t)n, err))
        return false;
    return (n ? crypt_reader_add(e->crypt, e->piece, (size_t)n, err) : crypt_reader_end(e->crypt, err)) || err_prefix(err, "\"%s\"", e->name);
}

static bool read_decrypted(void *arg, void *to, size_t size, size_t *ret_n, struct err *err)
{
    struct encrypted *e = arg;
    while (e->taken == e->ready.n && !e->ended)
        if (!decrypt_more(e, err))
            return false;
    size_t n = MIN_OF(size, e->ready.n - e->taken);
    if (n)
        memcpy(to, e->ready.p + e->taken, n);
    e->taken += n;
    *ret_n = n;
    return true;
}

static void close_encrypted(void *arg)
{
    struct encrypted *e = arg;
    crypt_reader_close(&e->crypt);
    buf_done(&e->ready);
    close(e->fd);
    free(e->name);
    free(e);
}

static bool open_encrypted(const char *path, const struct seal_key *keys, size_t key_count, gzip_sink_fn *tap, void *tap_arg,
                           struct gzip_reader **ret, struct err *err)
{
    int fd;
    int64_t size;
    if (!file_open(path, &fd, &size, err))
        return false;
    struct encrypted *e = calloc(1, sizeof(*e));
    if (!e || !(e->name = strdup(file_name_of(path))))
        abort();
    e->fd = fd;
    e->tap = tap;
    e->tap_arg = tap_arg;
    e->ready.max = READY_MAX;
    e->crypt = crypt_reader_open(keys, key_count, into_ready, &e->ready);
    *ret = gzip_reader_over(&(struct gzip_source){.read = read_decrypted, .close = close_encrypted, .arg = e, .size = size,
                                                  .gzip_only = ends_with(path, ".gz.enc")});
    return true;
}

bool dump_open(const char *path, const struct seal_key *keys, size_t key_count, gzip_sink_fn *tap, void *tap_arg, struct gzip_reader **ret,
               struct err *err)
{
    if (dump_is_encrypted(path))
        return open_encrypted(path, keys, key_count, tap, tap_arg, ret, err);
    if (!gzip_reader_open(path, ret, err))
        return false;
    if (tap)
        gzip_reader_tap(*ret, tap, tap_arg);
    return true;
}
