/* agent/watchdog.c -- It is only ever fed so early that unfed from then on it bites by the time given: a feeder that dies or is frozen needs no
   last word. Opening one starts it, closing it does not stop it unless a 'V' was written before: so a device that stops at any close,
   as when its process is killed, is refused, and so is one that cannot be stopped. */
#include "agent/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/file.h"

#include "base/banned.h"

enum { FEED_EVERY_MS = 100, AGAIN_MS = 500, PATH_SIZE = 256 };

static int open_device(const char *device)
{
    return open(device, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static int control_device(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg);
}

const struct watchdog_kernel watchdog_kernel = {.open = open_device, .control = control_device, .write = write, .close = close, .sys = "/sys/class/watchdog"};

void watchdog_init(struct watchdog *w, const struct watchdog_kernel *kernel, const char *device, int seconds)
{
    *w = (struct watchdog){.kernel = kernel, .device = device, .seconds = seconds, .fd = -1};
}

/* ---- can it? ---- */

/* A number that the kernel tells of it; -1: it does not, as of old drivers. /dev/watchdog is another name of the first one. */
static int64_t told(const struct watchdog *w, const char *what)
{
    const char *name = file_name_of(w->device);
    char path[PATH_SIZE], text[32];
    int64_t n = -1;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", w->kernel->sys, same(name, "watchdog") ? "watchdog0" : name, what) >= sizeof(path))
        return -1;
    int fd SCOPED(file_close) = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (size <= 0)
        return -1;
    return str_int(str_trim((struct str){text, (size_t)size}), &n) ? n : -1;
}

static bool too_slow(const struct watchdog *w, int64_t least, struct err *err)
{
    err_set(err, ERR_CONFIG, "watchdog \"%s\" cannot count less than %lld s, and the lease leaves it %d s", w->device, (long long)least, w->seconds);
    return err_hint(err, "raise ttl: of failover by %lld s, or use another watchdog: softdog counts any number of seconds", (long long)least - w->seconds);
}

bool watchdog_look(const struct watchdog *w, struct err *err)
{
    if (access(w->device, W_OK) != 0) {
        int os = errno;
        err_os(err, os, "watchdog \"%s\" cannot be used", w->device);
        return err_hint(err, os == ENOENT ? "load the driver of the machine's watchdog, or softdog: modprobe softdog, and a line softdog in /etc/modules"
                                          : "let the user of the agent write to it, by a rule of udev, or run the agent as root");
    }
    if (told(w, "nowayout") == 1) {
        err_set(err, ERR_CONFIG, "watchdog \"%s\" cannot be stopped, so it would reset a machine that does not write (nowayout)", w->device);
        return err_hint(err, "load its driver with nowayout=0");
    }
    int64_t least = told(w, "min_timeout");
    return least <= w->seconds || too_slow(w, least, err);
}

static bool accept(const struct watchdog *w, int fd, struct err *err)
{
    struct watchdog_info info = {0};
    int seconds = w->seconds;
    if (w->kernel->control(fd, WDIOC_GETSUPPORT, &info) != 0)
        return err_os(err, errno, "\"%s\" is no watchdog", w->device);
    if (info.options & WDIOF_ALARMONLY)
        return err_set(err, ERR_CONFIG, "watchdog \"%s\" raises an alarm and resets nothing", w->device);
    if (!(info.options & WDIOF_MAGICCLOSE))
        return err_set(err, ERR_CONFIG, "watchdog \"%s\" stops when whoever feeds it is killed, so it guards nothing", w->device);
    if (w->kernel->control(fd, WDIOC_SETTIMEOUT, &seconds) != 0 && (errno == EINVAL || w->kernel->control(fd, WDIOC_GETTIMEOUT, &seconds) != 0)) {
        err_os(err, errno, "watchdog \"%s\" cannot count %d s", w->device, w->seconds);
        return err_hint(err, "choose ttl: of failover so that `bascule config check` names seconds that it can count");
    }
    if (seconds < 1)
        return err_set(err, ERR_CONFIG, "watchdog \"%s\" does not count when told to count %d s", w->device, w->seconds);
    return seconds <= w->seconds || too_slow(w, seconds, err);
}

/* ---- its life ---- */

static bool feed(const struct watchdog *w)
{
    return w->kernel->write(w->fd, "", 1) == 1;
}

void watchdog_stop(struct watchdog *w)
{
    if (w->fd < 0)
        return;
    (void)w->kernel->write(w->fd, "V", 1); /* when that fails it goes on counting, as is safe */
    watchdog_leave(w);
}

void watchdog_leave(struct watchdog *w)
{
    if (w->fd >= 0)
        w->kernel->close(w->fd);
    w->fd = -1;
}

static bool begin(struct watchdog *w, int64_t now_ms, struct err *err)
{
    int64_t adopt_until = w->adopt_until_ms;
    w->adopt_until_ms = 0;
    w->again_ms = now_ms + AGAIN_MS;
    if (!watchdog_look(w, err))
        return false;
    w->fd = w->kernel->open(w->device);
    if (w->fd < 0 && errno == EBUSY && now_ms < adopt_until) { /* the other one is just about to leave it, and its time is running */
        w->adopt_until_ms = adopt_until;
        w->again_ms = now_ms;
    }
    if (w->fd < 0) {
        int os = errno;
        err_os(err, os, "could not open watchdog \"%s\"", w->device);
        return os != EBUSY ? false : err_hint(err, "another program feeds it: RuntimeWatchdogSec= of systemd, or a watchdog daemon");
    }
    w->fed_ms = now_ms;
    if (!accept(w, w->fd, err)) {
        watchdog_stop(w);
        return false;
    }
    if (feed(w)) { /* a longer time may have been set when it was opened */
        w->again_ms = now_ms;
        return true;
    }
    err_os(err, errno, "could not feed watchdog \"%s\"", w->device);
    watchdog_stop(w);
    return false;
}

bool watchdog_turn(struct watchdog *w, int64_t now_ms, int64_t reset_by_ms, int64_t look_every_ms, struct err *err)
{
    int64_t last = reset_by_ms - w->seconds * MS_SECOND; /* fed later it would bite too late */
    bool may = reset_by_ms && now_ms <= last;
    if (!w->device)
        return false;
    if (w->fd < 0 && now_ms >= w->again_ms && (may || w->adopt_until_ms) && !begin(w, now_ms, err))
        return false;
    if (!reset_by_ms)
        watchdog_stop(w);
    if (w->fd < 0 || !may || (now_ms - w->fed_ms < FEED_EVERY_MS && last - now_ms >= 2 * look_every_ms))
        return w->fd >= 0;
    w->fed_ms = now_ms;
    if (feed(w))
        return true;
    err_os(err, errno, "could not feed watchdog \"%s\"", w->device);
    watchdog_leave(w); /* nobody knows whether it still counts */
    return false;
}
