/* backup/outfile.c -- write(2), with the kernel asked early to begin with what it has: the fsync at the end then has little left to do. */
#include "backup/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { WRITE_BEHIND = 16 * 1024 * 1024 };

struct outfile {
    int fd;
    int64_t at, flushed;
    struct hash *hash;
    struct crypt_writer *crypt; /* NULL: as it comes */
};

static bool could_not_write(const struct outfile *f, int os, struct err *err)
{
    err_os(err, os, "could not write the backup after %lld bytes", (long long)f->at);
    if (err)
        err->code = ERR_IO;
    return false;
}

static bool to_disk(void *arg, const void *data, size_t size, struct err *err)
{
    struct outfile *f = arg;
    for (const char *p = data; size;) {
        ssize_t n = write(f->fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return could_not_write(f, errno, err);
        hash_add(f->hash, p, (size_t)n);
        p += n;
        size -= (size_t)n;
        f->at += n;
    }
    if (f->at - f->flushed >= WRITE_BEHIND) {
        (void)sync_file_range(f->fd, f->flushed, f->at - f->flushed, SYNC_FILE_RANGE_WRITE); /* a wish only */
        f->flushed = f->at;
    }
    return true;
}

bool outfile_open(const char *path, const struct seal_key *key, struct outfile **ret, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_os(err, errno, "could not create \"%s\"", path);
    struct outfile *f = calloc(1, sizeof(*f));
    if (!f) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    f->fd = fd;
    f->hash = hash_open();
    f->crypt = key ? crypt_writer_open(key, to_disk, f) : NULL;
    *ret = f;
    return true;
}

void outfile_close(struct outfile **file)
{
    struct outfile *f = file ? *file : NULL;
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    hash_close(&f->hash);
    crypt_writer_close(&f->crypt);
    free(f);
    *file = NULL;
}

bool outfile_add(void *file, const void *data, size_t size, struct err *err)
{
    struct outfile *f = file;
    return f->crypt ? crypt_writer_add(f->crypt, data, size, err) : to_disk(f, data, size, err);
}

bool outfile_end(struct outfile *file, char sha256[HASH_HEX_SIZE], int64_t *ret_bytes, struct err *err)
{
    struct outfile *f = file;
    if (f->crypt && !crypt_writer_end(f->crypt, err))
        return false;
    if (fsync(f->fd) != 0)
        return could_not_write(f, errno, err);
    (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0)
        return could_not_write(f, errno, err);
    hash_end(f->hash, sha256);
    *ret_bytes = f->at;
    return true;
}
