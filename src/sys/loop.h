/* sys/loop.h -- The one event loop. Single-threaded; callbacks never block. Deadlines are in CLOCK_BOOTTIME ms. */
#pragma once
#include "base/base.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;

struct loop *loop_open(void);
void loop_close(struct loop **loop); /* closes what is still registered */
void loop_run(struct loop *loop);    /* until loop_stop or nothing is left to wait for */
bool loop_once(struct loop *loop, bool wait); /* one round; false when nothing is left */
void loop_stop(struct loop *loop);

/* A timer fires once at or after `at_boot_ms` (clock_boot_ms). Setting again moves it. */
typedef void loop_timer_fn(void *arg);
struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fire, void *arg);
void loop_timer_set(struct loop_timer *timer, int64_t at_boot_ms);
void loop_timer_cancel(struct loop_timer *timer);
void loop_timer_free(struct loop_timer **timer);

/* Readiness of a foreign descriptor, which stays the caller's. One watcher per descriptor. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
typedef void loop_fd_fn(void *arg, int ready); /* ready: LOOP_* bits */
struct loop_fd *loop_fd_new(struct loop *loop, int fd, int wanted, loop_fd_fn *fire, void *arg);
void loop_fd_want(struct loop_fd *watch, int wanted);
void loop_fd_free(struct loop_fd **watch); /* before the descriptor is closed */

/* A watched signal alone does not keep loop_run going. */
typedef void loop_signal_fn(void *arg, int signal_number);
struct loop_signal *loop_signal_new(struct loop *loop, int signal_number, loop_signal_fn *fire, void *arg);
void loop_signal_free(struct loop_signal **signal);

/* Called once by loop_close, before anything is closed, for what would outlive the loop: children, pools. Embed it in your object. */
struct loop_hook {
    void (*closing)(struct loop_hook *hook);
    struct loop_hook *next, **link;
};
void loop_hook_add(struct loop *loop, struct loop_hook *hook);
void loop_hook_remove(struct loop_hook *hook);
