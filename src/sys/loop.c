/* sys/loop.c -- libuv, with timers of our own: libuv's clock is CLOCK_MONOTONIC, which stands still while a machine is suspended, so a
   lease would outlive its bound. One timerfd on CLOCK_BOOTTIME serves the nearest timer; the others wait in a heap. */
#include "sys/loop.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "sys/clock.h"

struct loop {
    uv_loop_t uv;
    uv_poll_t clock; /* watches clock_fd; keeps the loop alive only while a timer is set */
    int clock_fd;
    struct loop_timer **heap;
    size_t set, cap;
    int64_t armed_ms;  /* what clock_fd is set to; 0: disarmed */
    uint64_t serial;   /* of settings: timers of the same moment fire in the order in which they were set */
    bool firing;
    int64_t firing_now;
    bool closing;
    struct loop_timer *timers; /* all, set or not */
    struct loop_hook *hooks;
};

enum { NOT_SET = -1 };

struct loop_timer {
    struct loop *loop;
    struct loop_timer *next, **link;
    loop_timer_fn *fire;
    void *arg;
    int64_t at_ms;
    uint64_t serial;
    ptrdiff_t place; /* in the heap, or NOT_SET */
};

struct loop_fd {
    uv_poll_t uv; /* first, so that a handle is its watcher */
    loop_fd_fn *fire;
    void *arg;
    int wanted;
};

struct loop_signal {
    uv_signal_t uv; /* first */
    loop_signal_fn *fire;
    void *arg;
};

/* In `data` of every handle made here: libraries that join the loop through loop_uv free theirs themselves. */
static const char ours;

static void *must_alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* For calls that fail only by a defect of ours, or when the kernel has no descriptor left for the loop itself. */
static void must(int status, const char *what)
{
    if (status < 0) {
        fprintf(stderr, "bascule: event loop: could not %s: %s\n", what, uv_strerror(status));
        abort();
    }
}

/* ---- the heap of timers ---- */

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->serial < b->serial;
}

static void place(struct loop *loop, size_t at, struct loop_timer *timer)
{
    loop->heap[at] = timer;
    timer->place = (ptrdiff_t)at;
}

static void rise(struct loop *loop, size_t at, struct loop_timer *timer)
{
    for (; at && earlier(timer, loop->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(loop, at, loop->heap[(at - 1) / 2]);
    place(loop, at, timer);
}

static void sink(struct loop *loop, size_t at, struct loop_timer *timer)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < loop->set && earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (child >= loop->set || !earlier(loop->heap[child], timer))
            break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

static void heap_add(struct loop *loop, struct loop_timer *timer)
{
    if (loop->set == loop->cap) {
        loop->cap = loop->cap ? loop->cap * 2 : 64;
        struct loop_timer **larger = must_alloc(loop->cap * sizeof(struct loop_timer *));
        if (loop->set)
            memcpy(larger, loop->heap, loop->set * sizeof(struct loop_timer *));
        free(loop->heap);
        loop->heap = larger;
    }
    rise(loop, loop->set++, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
    size_t at = (size_t)timer->place;
    struct loop_timer *last = loop->heap[--loop->set];
    timer->place = NOT_SET;
    if (last == timer)
        return;
    if (at && earlier(last, loop->heap[(at - 1) / 2]))
        rise(loop, at, last);
    else
        sink(loop, at, last);
}

/* ---- timers ---- */

static void arm(struct loop *loop)
{
    if (loop->firing || loop->closing)
        return; /* done once at the end of the round */
    struct itimerspec when = {0}; /* all zero disarms */
    int64_t at = loop->set ? MAX_OF(loop->heap[0]->at_ms, 1) : 0;
    if (at == loop->armed_ms)
        return; /* most timers are deadlines that never become the nearest: no call for them */
    loop->armed_ms = at;
    if (at) {
        when.it_value.tv_sec = (time_t)(at / 1000);
        when.it_value.tv_nsec = (long)(at % 1000 * 1000000);
        uv_ref((uv_handle_t *)&loop->clock);
    } else {
        uv_unref((uv_handle_t *)&loop->clock);
    }
    if (timerfd_settime(loop->clock_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        must(-errno, "set its timer");
}

static void fire_due(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    struct loop *loop = handle->data;
    uint64_t expirations;
    ssize_t got = read(loop->clock_fd, &expirations, sizeof(expirations));
    (void)got; /* EAGAIN after a timer was moved meanwhile: what is due is asked of the clock, not of this number */
    loop->firing_now = clock_boot_ms();
    loop->firing = true;
    while (loop->set && loop->heap[0]->at_ms <= loop->firing_now) {
        struct loop_timer *timer = loop->heap[0];
        heap_remove(loop, timer);
        timer->fire(timer->arg); /* may free or set any timer, this one included */
    }
    loop->firing = false;
    loop->armed_ms = TIME_NEVER; /* it has gone off, and is to be set again whatever comes next */
    arm(loop);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_timer_fn *fire, void *arg)
{
    struct loop_timer *timer = must_alloc(sizeof(*timer));
    *timer = (struct loop_timer){.loop = loop, .fire = fire, .arg = arg, .place = NOT_SET, .next = loop->timers, .link = &loop->timers};
    if (timer->next)
        timer->next->link = &timer->next;
    loop->timers = timer;
    return timer;
}

void loop_timer_cancel(struct loop_timer *timer)
{
    if (timer->place == NOT_SET)
        return;
    heap_remove(timer->loop, timer);
    arm(timer->loop);
}

void loop_timer_set(struct loop_timer *timer, int64_t at_boot_ms)
{
    struct loop *loop = timer->loop;
    if (timer->place != NOT_SET)
        heap_remove(loop, timer);
    /* One that sets itself for "now" from its own callback must not lock everybody else out. */
    if (loop->firing && at_boot_ms <= loop->firing_now)
        at_boot_ms = loop->firing_now + 1;
    timer->at_ms = at_boot_ms;
    timer->serial = loop->serial++;
    if (at_boot_ms != TIME_NEVER)
        heap_add(loop, timer);
    arm(loop);
}

void loop_timer_free(struct loop_timer **timer)
{
    if (!timer || !*timer)
        return;
    struct loop_timer *t = *timer;
    loop_timer_cancel(t);
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    free(t);
    *timer = NULL;
}

/* ---- descriptors ---- */

static void on_ready(uv_poll_t *handle, int status, int events);

static void watch(struct loop_fd *fd)
{
    int events = (fd->wanted & LOOP_READ ? UV_READABLE : 0) | (fd->wanted & LOOP_WRITE ? UV_WRITABLE : 0);
    must(events ? uv_poll_start(&fd->uv, events, on_ready) : uv_poll_stop(&fd->uv), "watch a descriptor");
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    struct loop_fd *fd = (struct loop_fd *)handle;
    int ready = (events & UV_READABLE ? LOOP_READ : 0) | (events & UV_WRITABLE ? LOOP_WRITE : 0);
    if (status < 0) {
        /* An error is pending on it (a refused UDP packet, say). libuv has stopped watching; the owner learns what it is by
           reading or writing, and the descriptor may well be used further. */
        ready = fd->wanted;
        watch(fd);
    }
    fd->fire(fd->arg, ready);
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, int wanted, loop_fd_fn *fire, void *arg)
{
    struct loop_fd *watcher = must_alloc(sizeof(*watcher));
    watcher->fire = fire;
    watcher->arg = arg;
    watcher->wanted = wanted;
    must(uv_poll_init(&loop->uv, &watcher->uv, fd), "add a descriptor");
    watcher->uv.data = (void *)&ours;
    watch(watcher);
    return watcher;
}

void loop_fd_want(struct loop_fd *watcher, int wanted)
{
    if (watcher->wanted == wanted)
        return;
    watcher->wanted = wanted;
    watch(watcher);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void loop_fd_free(struct loop_fd **watcher)
{
    if (!watcher || !*watcher)
        return;
    uv_close((uv_handle_t *)&(*watcher)->uv, free_handle); /* leaves epoll at once, the memory in the next round */
    *watcher = NULL;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct loop_signal *s = (struct loop_signal *)handle;
    s->fire(s->arg, number);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal_number, loop_signal_fn *fire, void *arg)
{
    struct loop_signal *s = must_alloc(sizeof(*s));
    s->fire = fire;
    s->arg = arg;
    must(uv_signal_init(&loop->uv, &s->uv), "add a signal");
    s->uv.data = (void *)&ours;
    must(uv_signal_start(&s->uv, on_signal, signal_number), "watch a signal");
    /* Being ready for a signal is no work that is left to do. */
    uv_unref((uv_handle_t *)&s->uv);
    return s;
}

void loop_signal_free(struct loop_signal **signal)
{
    if (!signal || !*signal)
        return;
    uv_close((uv_handle_t *)&(*signal)->uv, free_handle);
    *signal = NULL;
}

/* ---- the loop ---- */

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
    hook->next = loop->hooks;
    hook->link = &loop->hooks;
    if (hook->next)
        hook->next->link = &hook->next;
    loop->hooks = hook;
}

void loop_hook_remove(struct loop_hook *hook)
{
    *hook->link = hook->next;
    if (hook->next)
        hook->next->link = hook->link;
}

struct loop *loop_open(void)
{
    struct loop *loop = must_alloc(sizeof(*loop));
    must(uv_loop_init(&loop->uv), "start");
    loop->clock_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    must(loop->clock_fd < 0 ? -errno : 0, "make its timer");
    must(uv_poll_init(&loop->uv, &loop->clock, loop->clock_fd), "add its timer");
    loop->clock.data = loop;
    must(uv_poll_start(&loop->clock, UV_READABLE, fire_due), "watch its timer");
    uv_unref((uv_handle_t *)&loop->clock);
    return loop;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, handle->data == &ours ? free_handle : NULL);
}

void loop_close(struct loop **loop)
{
    if (!loop || !*loop)
        return;
    struct loop *l = *loop;
    while (l->hooks) {
        struct loop_hook *hook = l->hooks;
        loop_hook_remove(hook);
        hook->closing(hook);
    }
    l->closing = true;
    while (l->timers) {
        struct loop_timer *timer = l->timers;
        loop_timer_free(&timer);
    }
    uv_walk(&l->uv, close_handle, NULL);
    while (uv_run(&l->uv, UV_RUN_DEFAULT) != 0) { /* returns early after a loop_stop that nobody has consumed yet */
    }
    must(uv_loop_close(&l->uv), "close");
    close(l->clock_fd);
    free(l->heap);
    free(l);
    *loop = NULL;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool loop_once(struct loop *loop, bool wait)
{
    return uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}
