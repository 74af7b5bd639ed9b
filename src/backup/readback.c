/* backup/readback.c -- A new backup is believed when it was read from the disk and unpacked again, by several threads. */
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/engine.h"
#include "io/xxh.h"
#include "sys/file.h"

enum { JOBS_MOST = 64, PROGRESS_EVERY = 7, PIECE = 256 * 1024 };

struct reading_back {
    const struct spool_sum *sum;
    const struct backup_progress *progress;
    int fd;
    pthread_mutex_t mutex;
    size_t next;
    bool failed;
    struct err err;
};

static bool take(struct reading_back *r, size_t *ret)
{
    pthread_mutex_lock(&r->mutex);
    *ret = r->next;
    bool found = !r->failed && r->next < r->sum->index.member_count;
    r->next += found;
    pthread_mutex_unlock(&r->mutex);
    return found;
}

static bool read_member(const struct reading_back *r, const struct index_member *m, struct buf *packed, struct err *err)
{
    buf_clear(packed);
    char *to = buf_room(packed, m->packed);
    for (size_t n = 0; n < m->packed;) {
        ssize_t got = pread(r->fd, to + n, m->packed - n, m->at + (int64_t)n);
        if (got == 0 || (got < 0 && errno != EINTR))
            return got ? err_os(err, errno, "could not read at byte %lld", (long long)m->at)
                       : err_set(err, ERR_IO, "the file is shorter than what was written");
        n += got > 0 ? (size_t)got : 0;
    }
    buf_took(packed, m->packed);
    return true;
}

static bool check_member(const struct spool_sum *sum, size_t i, const void *packed, struct buf *text, struct err *err)
{
    const struct index_member *m = &sum->index.members[i];
    if (xxh_of(packed, m->packed) != sum->packed_hashes[i])
        return err_set(err, ERR_IO, "byte %lld and the %u after it are not what was written", (long long)m->at, m->packed - 1);
    /* Its CRC and length were taken of the text before it was packed. */
    return index_member_unpack(packed, m, text, err);
}

/* Only the calling thread tells how far it is. */
static void check_members(struct reading_back *r, bool telling)
{
    SCOPED(buf_done) struct buf packed = {.max = UINT32_MAX}, text = {.max = INDEX_MEMBER_MAX};
    for (size_t i; take(r, &i);) {
        struct err err = {0};
        if (telling && i % PROGRESS_EVERY == 0 && r->progress && r->progress->fn)
            r->progress->fn(r->progress->arg, r->sum->index.members[i].at, r->sum->bytes, "verify");
        if (read_member(r, &r->sum->index.members[i], &packed, &err) && check_member(r->sum, i, packed.p, &text, &err))
            continue;
        pthread_mutex_lock(&r->mutex);
        if (!r->failed)
            r->err = err;
        r->failed = true;
        pthread_mutex_unlock(&r->mutex);
    }
}

static void *check_silently(void *arg)
{
    check_members(arg, false);
    return NULL;
}

static bool check_index(const char *path, const struct spool_sum *sum, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct index *index;
    struct stat st;
    if (!index_read(arena, path, &index, err))
        return false;
    bool equal = index && index->member_count == sum->index.member_count && index->item_count == sum->index.item_count &&
                 stat(path, &st) == 0 && st.st_size == sum->bytes;
    for (size_t i = 0; equal && i < index->member_count; i++)
        equal = memcmp(&index->members[i], &sum->index.members[i], sizeof(index->members[i])) == 0;
    return equal || err_set(err, ERR_IO, "its index is not the one that was written");
}

bool engine_read_back(const char *path, const struct spool_sum *sum, int jobs, const struct backup_progress *progress, struct err *err)
{
    struct reading_back r = {.sum = sum, .progress = progress, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[JOBS_MOST];
    int n = 0;
    if (!check_index(path, sum, err))
        return false;
    SCOPED(file_close) int fd = -1;
    if (!file_open(path, &fd, NULL, err))
        return false;
    r.fd = fd;
    while (n < MIN_OF(jobs, JOBS_MOST) - 1 && pthread_create(&threads[n], NULL, check_silently, &r) == 0) /* fewer do too */
        n++;
    check_members(&r, true);
    while (n)
        pthread_join(threads[--n], NULL);
    pthread_mutex_destroy(&r.mutex);
    if (r.failed && err)
        *err = r.err;
    return !r.failed;
}

/* ---- an encrypted file ---- */

struct recheck {
    const struct spool_sum *sum;
    struct buf packed, text;
    size_t next;    /* member */
    int64_t plain;  /* bytes so far, with those behind the members */
};

/* A crypt_sink_fn: the members one after the other, as they come out. */
static bool recheck(void *arg, const void *data, size_t size, struct err *err)
{
    struct recheck *r = arg;
    r->plain += (int64_t)size;
    for (const char *p = data; size && r->next < r->sum->index.member_count;) {
        const struct index_member *m = &r->sum->index.members[r->next];
        size_t n = MIN_OF(size, m->packed - r->packed.n);
        buf_add(&r->packed, p, n);
        p += n;
        size -= n;
        if (r->packed.n < m->packed)
            break;
        if (!check_member(r->sum, r->next++, r->packed.p, &r->text, err))
            return false;
        buf_clear(&r->packed);
    }
    return true;
}

static bool decrypt_all(int fd, struct crypt_reader *crypt, struct hash *hash, const struct backup_progress *progress, int64_t size, struct err *err)
{
    SCOPED(buf_done) struct buf piece = {.max = PIECE};
    char *to = buf_room(&piece, PIECE - 1);
    for (int64_t at = 0;;) {
        ssize_t n = read(fd, to, PIECE - 1);
        if (n < 0 && errno != EINTR)
            return err_os(err, errno, "could not read at byte %lld", (long long)at);
        if (n == 0)
            return crypt_reader_end(crypt, err);
        if (n > 0) {
            hash_add(hash, to, (size_t)n);
            if (!crypt_reader_add(crypt, to, (size_t)n, err))
                return false;
            at += n;
            if (progress && progress->fn)
                progress->fn(progress->arg, at, size, "verify");
        }
    }
}

bool engine_read_back_encrypted(const char *path, const struct spool_sum *sum, const struct seal_key *key,
                                const struct backup_progress *progress, char sha256[HASH_HEX_SIZE], struct err *err)
{
    struct recheck r = {.sum = sum, .packed = {.max = UINT32_MAX}, .text = {.max = INDEX_MEMBER_MAX}};
    SCOPED(file_close) int fd = -1;
    if (!file_open(path, &fd, NULL, err))
        return false;
    SCOPED(crypt_reader_close) struct crypt_reader *crypt = crypt_reader_open(key, 1, recheck, &r);
    SCOPED(hash_close) struct hash *hash = hash_open();
    bool ok = decrypt_all(fd, crypt, hash, progress, sum->bytes, err);
    buf_done(&r.packed);
    buf_done(&r.text);
    if (ok && (r.next != sum->index.member_count || r.plain != sum->bytes))
        ok = err_set(err, ERR_IO, "the file is shorter than what was written");
    hash_end(hash, sha256);
    return ok;
}
