/* sys/file.c -- Durable files. */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* An error of the kernel with the code that callers look at. */
static bool fail(struct err *err, int os, const char *what, const char *path)
{
    err_os(err, os, "could not %s \"%s\"", what, path);
    if (err)
        err->code = os == ENOENT                    ? ERR_NOT_FOUND
                    : os == EACCES || os == EPERM   ? ERR_PERMISSION
                    : os == EIO || os == ENOSPC     ? ERR_IO
                                                    : ERR_OS;
    return false;
}

bool file_open(const char *path, int *ret_fd, int64_t *ret_size, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, errno, "open", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_set(err, ERR_DATA, "\"%s\" is not a regular file", path);
    }
    if (ret_size)
        *ret_size = st.st_size;
    *ret_fd = fd;
    return true;
}

bool file_read(struct arena *arena, const char *path, size_t max, struct str *ret, struct err *err)
{
    int fd SCOPED(file_close) = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, errno, "open", path);
    /* The size that fstat gives is 0 for /proc and stale for files that grow, so it is only counted while reading. */
    struct buf text SCOPED(buf_done) = {.max = max};
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(err, errno, "read", path);
        if (got == 0)
            break;
        if (!buf_add(&text, chunk, (size_t)got))
            return err_set(err, ERR_LIMIT, "\"%s\" is larger than the limit of %zu bytes", path, max);
    }
    *ret = (struct str){.p = arena_strndup(arena, buf_text(&text), text.n), .n = text.n};
    return true;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

static char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_strdup(arena, ".");
    return slash == path ? arena_strdup(arena, "/") : arena_strndup(arena, path, (size_t)(slash - path));
}

/* Without this a rename may be undone by a power cut. */
static bool sync_folder(const char *folder, struct err *err)
{
    int fd SCOPED(file_close) = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, errno, "open folder", folder);
    if (fsync(fd) != 0)
        return fail(err, errno, "sync folder", folder);
    return true;
}

/* The temporary file is whole on the disk, with its final mode, before its name changes. */
static bool fill(int fd, const void *data, size_t size, unsigned mode)
{
    return write_all(fd, data, size) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
}

/* Who clears away what killed processes left cannot tell a temporary file that is in use: when it is gone, another one is made. */
bool file_write(const char *path, const void *data, size_t size, unsigned mode, struct err *err)
{
    enum { TRIES = 3 };
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *folder = folder_of(a, path);
    for (int try = 1;; try++) {
        char *temporary = arena_printf(a, "%s/.%s.XXXXXX", folder, file_name_of(path));
        int fd SCOPED(file_close) = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
            return fail(err, errno, "create a temporary file beside", path);
        if (fill(fd, data, size, mode) && rename(temporary, path) == 0)
            return sync_folder(folder, err);
        int os = errno;
        unlink(temporary);
        if (os != ENOENT || try == TRIES)
            return fail(err, os, "write", path);
    }
}

bool file_rename_durably(const char *from, const char *to, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    if (rename(from, to) != 0)
        return err_os(err, errno, "could not rename \"%s\" to \"%s\"", from, to);
    const char *left = folder_of(a, from), *entered = folder_of(a, to);
    return sync_folder(entered, err) && (same(left, entered) || sync_folder(left, err));
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static bool make_folder(const char *path, unsigned mode, struct err *err)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return true;
    int os = errno; /* on a read-only file system even an existing folder gives EROFS, so look */
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) || err_set(err, ERR_OS, "could not make folder \"%s\": a file of that name is in the way", path);
    return fail(err, os, "make folder", path);
}

bool file_mkdirs(const char *path, unsigned mode, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    char *part = arena_strdup(a, path);
    for (char *p = part + 1; *part && *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        if (!make_folder(part, mode, err))
            return false;
        *p = '/';
    }
    return make_folder(part, mode, err);
}

bool file_lock(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, errno, "open lock file", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int os = errno;
        close(fd);
        if (os == EWOULDBLOCK)
            return err_set(err, ERR_REFUSED, "\"%s\" is locked by another process", path);
        return fail(err, os, "lock", path);
    }
    *ret_fd = fd;
    return true;
}

const char *file_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *file_join(struct arena *arena, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    while (n && folder[n - 1] == '/')
        n--;
    return arena_printf(arena, "%.*s/%s", (int)n, folder, name);
}

char *file_self(struct arena *arena)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n < 0)
        return arena_strdup(arena, "bascule"); /* without /proc, PATH is asked */
    path[n] = 0;
    /* After an upgrade the running file is gone; its successor stands at the same path. */
    static const char gone[] = " (deleted)";
    size_t tail = sizeof(gone) - 1;
    if ((size_t)n > tail && same(path + n - tail, gone))
        path[(size_t)n - tail] = 0;
    return arena_strdup(arena, path);
}
