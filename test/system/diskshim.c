/* diskshim.c -- Loaded into PostgreSQL before libc by test_acceptance.py: its disk, as a file says that is looked at in every call.
     $DISK_FAULT/stalled    what is synced waits for as long as the file is there
     $DISK_FAULT/full       there is no room in pg_wal for as long as the file is there */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static bool says(const char *what)
{
    char path[PATH_MAX];
    const char *folder = getenv("DISK_FAULT");
    return folder && snprintf(path, sizeof(path), "%s/%s", folder, what) < (int)sizeof(path) && access(path, F_OK) == 0;
}

static void wait_for_disk(void)
{
    int before = errno;
    while (says("stalled"))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    errno = before;
}

int fdatasync(int fd)
{
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    wait_for_disk();
    return (int)syscall(SYS_fsync, fd);
}

static bool full(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = says("full") ? readlink(link, path, sizeof(path) - 1) : -1;
    path[n > 0 ? n : 0] = 0;
    if (n <= 0 || !strstr(path, "/pg_wal/"))
        return false;
    errno = ENOSPC;
    return true;
}

#define WRITER(name, call, type, count)                                            \
    ssize_t name(int fd, type data, count n, off_t at)                             \
    {                                                                              \
        ssize_t (*real)(int, type, count, off_t) = dlsym(RTLD_NEXT, call);         \
        return full(fd) ? -1 : real(fd, data, n, at);                              \
    }
WRITER(pwrite, "pwrite", const void *, size_t)
WRITER(pwrite64, "pwrite64", const void *, size_t)
WRITER(pwritev, "pwritev", const struct iovec *, int)
WRITER(pwritev64, "pwritev64", const struct iovec *, int)
