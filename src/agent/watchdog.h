/* agent/watchdog.h -- The kernel's watchdog, which resets the machine when nobody feeds it: fed as long as a lease that still holds lets
   PostgreSQL write, and stopped when nothing writes. Needs no memory and no disk, for it lives in the sentinel. */
#pragma once
#include "base/base.h"

/* What the kernel is asked, each as the call of that name; tests put another in its place. */
struct watchdog_kernel {
    int (*open)(const char *device);
    int (*control)(int fd, unsigned long request, void *arg);
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*close)(int fd);
    const char *sys; /* where it tells of its watchdogs */
};
extern const struct watchdog_kernel watchdog_kernel;

/* A value; nobody but these functions writes to it. `device` must stay. */
struct watchdog {
    const struct watchdog_kernel *kernel;
    const char *device;  /* NULL: there is none */
    int seconds;         /* unfed for so long it resets the machine */
    int fd;              /* -1: not open */
    int64_t adopt_until_ms; /* an earlier process may have left it counting: it is opened, and stopped when nothing writes; 0: none */
    int64_t fed_ms, again_ms;
};

void watchdog_init(struct watchdog *w, const struct watchdog_kernel *kernel, const char *device, int seconds);
/* Without opening it, which would start it: can it do what is wanted? */
MUST_USE bool watchdog_look(const struct watchdog *w, struct err *err);
/* One look of many, at least every `look_every_ms`: feeds it, opens or stops it. The machine must be reset by `reset_by_ms` unless a later
   call says later; 0: nothing is to be reset. True: it counts. `err` is filled when it should and could not; that is tried again. */
bool watchdog_turn(struct watchdog *w, int64_t now_ms, int64_t reset_by_ms, int64_t look_every_ms, struct err *err);
void watchdog_stop(struct watchdog *w);  /* it counts no more */
void watchdog_leave(struct watchdog *w); /* it goes on counting, for another process to feed: else the machine is reset */
