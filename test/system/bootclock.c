/* bootclock.c -- Loaded into the agent before libc by test_acceptance.py: moves the clock that counts suspend by the milliseconds that stand in the
   mapped file $BOOT_CLOCK (8 bytes, signed), from one reading to the next. Timers that were set by it before go off when they would have. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 1024, MS = 1000, NS = 1000000 };

static _Atomic int64_t *shift; /* NULL: it stands as it is */
static atomic_bool by_boot[FDS]; /* timers that run on this clock */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BOOT_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    shift = p != MAP_FAILED ? p : NULL;
    if (fd >= 0)
        close(fd);
}

static void move(struct timespec *t, int64_t by_ms)
{
    int64_t ns = t->tv_nsec + by_ms % MS * NS;
    t->tv_sec += by_ms / MS + (ns >= (int64_t)MS * NS) - (ns < 0);
    t->tv_nsec = (ns + (int64_t)MS * NS) % ((int64_t)MS * NS);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    int status = (int)syscall(SYS_clock_gettime, id, ret);
    if (status == 0 && id == CLOCK_BOOTTIME && shift)
        move(ret, atomic_load(shift));
    return status;
}

int timerfd_create(clockid_t id, int flags)
{
    int fd = (int)syscall(SYS_timerfd_create, id, flags);
    if (fd >= 0 && fd < FDS)
        atomic_store(&by_boot[fd], id == CLOCK_BOOTTIME);
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *before)
{
    struct itimerspec moved = *value;
    bool set = value->it_value.tv_sec || value->it_value.tv_nsec;
    if (set && flags & TFD_TIMER_ABSTIME && fd >= 0 && fd < FDS && atomic_load(&by_boot[fd]) && shift)
        move(&moved.it_value, -atomic_load(shift));
    if (set && (moved.it_value.tv_sec < 0 || (moved.it_value.tv_sec == 0 && moved.it_value.tv_nsec == 0)))
        moved.it_value = (struct timespec){.tv_nsec = 1}; /* long ago; all zero would disarm it */
    return (int)syscall(SYS_timerfd_settime, fd, flags, &moved, before);
}
