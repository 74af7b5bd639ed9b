/* faultshim.c -- Loaded into the program before libc by test_engine_faults.py: counts the calls by which a process changes something or
   speaks to a server, and at one of them ends it as kill -9 does, or makes the disk full from there on. The moment is a number, so a
   failure can be had again.

     FAULT_TRACE=FILE        each call's name, a line each
     FAULT_KILL=N            before the Nth call
     FAULT_FULL=N            from the Nth call on that asks for room in a file under FAULT_UNDER, there is none */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls, rooms;
static long kill_at, full_at;
static const char *under;
static int trace = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAULT_KILL");
    kill_at = text ? atol(text) : 0;
    text = getenv("FAULT_FULL");
    full_at = text ? atol(text) : 0;
    under = getenv("FAULT_UNDER");
    text = getenv("FAULT_TRACE");
    if (text)
        trace = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void count(const char *name)
{
    long n = atomic_fetch_add(&calls, 1) + 1;
    char line[64];
    int size = snprintf(line, sizeof(line), "%s\n", name);
    if (trace >= 0)
        (void)!syscall(SYS_write, trace, line, (size_t)size);
    if (n == kill_at)
        kill(getpid(), SIGKILL);
}

/* Has the disk no room for what is asked of it? */
static bool is_full(const char *path)
{
    if (!under || !path || strncmp(path, under, strlen(under)) != 0)
        return false;
    long n = atomic_fetch_add(&rooms, 1) + 1;
    if (trace >= 0 && !kill_at)
        (void)!syscall(SYS_write, trace, "room\n", 5ul);
    if (!full_at || n < full_at)
        return false;
    errno = ENOSPC;
    return true;
}

static bool fd_is_full(int fd)
{
    char link[32], path[PATH_MAX];
    if (!under)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = 0;
    return is_full(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n)
{
    static ssize_t (*next)(int, const void *, size_t);
    next = next ? next : NEXT(write);
    count("write");
    return fd_is_full(fd) ? -1 : next(fd, data, n);
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
    static ssize_t (*next)(int, const void *, size_t, int);
    next = next ? next : NEXT(send);
    count("send");
    return next(fd, data, n, flags);
}

ssize_t recv(int fd, void *data, size_t n, int flags)
{
    static ssize_t (*next)(int, void *, size_t, int);
    next = next ? next : NEXT(recv);
    count("recv");
    return next(fd, data, n, flags);
}

int rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    next = next ? next : NEXT(rename);
    count("rename");
    return next(from, to);
}

int unlink(const char *path)
{
    static int (*next)(const char *);
    next = next ? next : NEXT(unlink);
    count("unlink");
    return next(path);
}

int fsync(int fd)
{
    static int (*next)(int);
    next = next ? next : NEXT(fsync);
    count("fsync");
    return fd_is_full(fd) ? -1 : next(fd);
}

static int open_through(const char *name, const char *path, int flags, mode_t mode)
{
    if (flags & O_CREAT) {
        count("create");
        if (is_full(path))
            return -1;
    }
    static int (*next)(const char *, int, ...);
    next = next ? next : (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, name);
    return next(path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(args, int) : 0;
}

#define OPEN(name)                                                                                                                                   \
    int name(const char *path, int flags, ...)                                                                                                       \
    {                                                                                                                                                \
        va_list args;                                                                                                                                \
        va_start(args, flags);                                                                                                                       \
        mode_t mode = mode_of(flags, args);                                                                                                          \
        va_end(args);                                                                                                                                \
        return open_through("open64", path, flags, mode);                                                                                            \
    }

OPEN(open)
#ifndef open64 /* else it is open already */
OPEN(open64)
#endif

static int temporary(const char *name, char *path, int flags)
{
    int (*next)(char *, int) = (int (*)(char *, int))dlsym(RTLD_NEXT, name);
    count("create");
    return is_full(path) ? -1 : next(path, flags);
}

int mkostemp(char *path, int flags)
{
    return temporary("mkostemp", path, flags);
}

int mkostemp64(char *path, int flags)
{
    return temporary("mkostemp64", path, flags);
}
