/* sys/loop.c -- epoll, one timerfd and a pipe for signals. The timerfd runs on CLOCK_BOOTTIME: CLOCK_MONOTONIC, on which epoll and the
   event libraries count, stands still while a machine is suspended, so a lease would outlive its bound. It serves the nearest timer; the
   others wait in a heap. */
#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "sys/clock.h"

enum { ROUND_MAX = 256 }; /* descriptors served in one round; the others come first in the next */

struct loop {
    int epoll_fd, clock_fd;
    struct loop_fd *fds;
    size_t watched;                      /* of them, with anything wanted: these keep the loop going */
    struct epoll_event ready[ROUND_MAX]; /* of this round; what is freed meanwhile is struck out */
    int ready_count;
    struct loop_timer **heap;
    size_t set, cap;
    int64_t armed_ms; /* what clock_fd is set to; 0: disarmed */
    uint64_t serial;  /* of settings: timers of the same moment fire in the order in which they were set */
    bool firing;
    int64_t firing_now;
    bool closing, stopped;
    struct loop_timer *timers; /* all, set or not */
    struct loop_hook *hooks;
    struct loop_signal *signals;
    int signal_pipe[2]; /* numbers, a byte each; -1 until a signal is watched */
    struct loop_fd *signal_fd;
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
    struct loop *loop;
    struct loop_fd *next, **link;
    loop_fd_fn *fire;
    void *arg;
    int fd, wanted;
    bool entered; /* in epoll */
};

struct loop_signal {
    struct loop *loop;
    struct loop_signal *next, **link;
    loop_signal_fn *fire;
    void *arg;
    int number;
    struct sigaction before;
};

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
static void must(bool done, const char *what)
{
    if (!done) {
        fprintf(stderr, "bascule: event loop: could not %s: %s\n", what, strerror(errno));
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
    }
    must(timerfd_settime(loop->clock_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0, "set its timer");
}

/* What is due is asked of the clock, not of the timerfd, which may have been moved since; setting it again is what quietens it. */
static void fire_due(struct loop *loop)
{
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

static uint32_t epoll_bits(int wanted)
{
    return (wanted & LOOP_READ ? EPOLLIN : 0) | (wanted & LOOP_WRITE ? EPOLLOUT : 0);
}

static void enter(struct loop_fd *w)
{
    struct epoll_event event = {.events = epoll_bits(w->wanted), .data.ptr = w};
    must(epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) == 0, "watch a descriptor");
    w->entered = true;
    w->loop->watched++;
}

/* One of which nothing is wanted leaves epoll, which would report its errors all the same. */
static void leave(struct loop_fd *w)
{
    struct loop *loop = w->loop;
    if (!w->entered)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* fails when a library has closed it, and then it has left by that */
    w->entered = false;
    loop->watched--;
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].data.ptr == w)
            loop->ready[i].data.ptr = NULL;
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, int wanted, loop_fd_fn *fire, void *arg)
{
    struct loop_fd *w = must_alloc(sizeof(*w));
    *w = (struct loop_fd){.loop = loop, .fire = fire, .arg = arg, .fd = fd, .wanted = wanted, .next = loop->fds, .link = &loop->fds};
    if (w->next)
        w->next->link = &w->next;
    loop->fds = w;
    if (wanted)
        enter(w);
    return w;
}

void loop_fd_want(struct loop_fd *w, int wanted)
{
    if (w->wanted == wanted)
        return;
    w->wanted = wanted;
    struct epoll_event event = {.events = epoll_bits(wanted), .data.ptr = w};
    if (!wanted)
        leave(w);
    else if (!w->entered)
        enter(w);
    else if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &event) != 0) /* a library closed it, and opened another of that number */
        must(errno == ENOENT && epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) == 0, "watch a descriptor");
}

void loop_fd_free(struct loop_fd **watcher)
{
    if (!watcher || !*watcher)
        return;
    struct loop_fd *w = *watcher;
    leave(w);
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    free(w);
    *watcher = NULL;
}

/* A library that closes a descriptor before it says so leaves what the kernel watched in epoll, for as long as another process has the same
   file: then there is news of a watcher that is gone. */
static bool is_watched(const struct loop *loop, const struct loop_fd *w)
{
    for (const struct loop_fd *each = loop->fds; each; each = each->next)
        if (each == w)
            return true;
    return false;
}

static void serve(struct loop_fd *w, uint32_t events)
{
    int ready = (events & EPOLLIN ? LOOP_READ : 0) | (events & EPOLLOUT ? LOOP_WRITE : 0);
    if (events & (EPOLLERR | EPOLLHUP))
        ready = w->wanted; /* the owner learns what it is by reading or writing */
    if (ready & w->wanted)
        w->fire(w->arg, ready & w->wanted); /* may free it */
}

/* ---- signals ---- */

static volatile sig_atomic_t pipe_of[NSIG]; /* where a signal's handler writes: the pipe's end + 1 */

static void on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;
    ssize_t put = write((int)pipe_of[number] - 1, &byte, 1);
    (void)put; /* a full pipe holds enough of them */
    errno = saved;
}

static void on_signal_pipe(void *arg, int ready UNUSED)
{
    struct loop *loop = arg;
    char numbers[64];
    ssize_t got = read(loop->signal_pipe[0], numbers, sizeof(numbers));
    for (ssize_t i = 0; i < got; i++) {
        struct loop_signal *s = loop->signals;
        while (s && s->number != numbers[i])
            s = s->next;
        if (s)
            s->fire(s->arg, s->number);
    }
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal_number, loop_signal_fn *fire, void *arg)
{
    if (!loop->signal_fd) {
        must(pipe2(loop->signal_pipe, O_CLOEXEC | O_NONBLOCK) == 0, "make a pipe for signals");
        loop->signal_fd = loop_fd_new(loop, loop->signal_pipe[0], LOOP_READ, on_signal_pipe, loop);
        loop->watched--; /* being ready for a signal is no work that is left to do */
    }
    struct loop_signal *s = must_alloc(sizeof(*s));
    *s = (struct loop_signal){.loop = loop, .fire = fire, .arg = arg, .number = signal_number, .next = loop->signals, .link = &loop->signals};
    if (s->next)
        s->next->link = &s->next;
    loop->signals = s;
    pipe_of[signal_number] = loop->signal_pipe[1] + 1;
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&act.sa_mask);
    must(sigaction(signal_number, &act, &s->before) == 0, "watch a signal");
    return s;
}

void loop_signal_free(struct loop_signal **signal)
{
    if (!signal || !*signal)
        return;
    struct loop_signal *s = *signal;
    sigaction(s->number, &s->before, NULL);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    free(s);
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
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    must(loop->epoll_fd >= 0, "start");
    loop->clock_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    must(loop->clock_fd >= 0, "make its timer");
    struct epoll_event event = {.events = EPOLLIN}; /* no pointer: the timer */
    must(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->clock_fd, &event) == 0, "watch its timer");
    return loop;
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
    while (l->signals) {
        struct loop_signal *signal = l->signals;
        loop_signal_free(&signal);
    }
    while (l->fds) {
        struct loop_fd *fd = l->fds;
        loop_fd_free(&fd);
    }
    if (l->signal_fd) {
        close(l->signal_pipe[0]);
        close(l->signal_pipe[1]);
    }
    close(l->clock_fd);
    close(l->epoll_fd);
    free(l->heap);
    free(l);
    *loop = NULL;
}

static bool is_alive(const struct loop *loop)
{
    return loop->set || loop->watched;
}

static void one_round(struct loop *loop, bool wait)
{
    int got = epoll_wait(loop->epoll_fd, loop->ready, ROUND_MAX, wait ? -1 : 0);
    must(got >= 0 || errno == EINTR, "wait");
    loop->ready_count = MAX_OF(got, 0);
    bool due = false;
    for (int i = 0; i < loop->ready_count; i++)
        due |= !loop->ready[i].data.ptr;
    if (due)
        fire_due(loop); /* first, as it may strike out what is ready */
    for (int i = 0; i < loop->ready_count; i++)
        if (loop->ready[i].data.ptr && is_watched(loop, loop->ready[i].data.ptr))
            serve(loop->ready[i].data.ptr, loop->ready[i].events);
    loop->ready_count = 0;
}

bool loop_once(struct loop *loop, bool wait)
{
    if (is_alive(loop) && !loop->stopped)
        one_round(loop, wait);
    loop->stopped = false;
    return is_alive(loop);
}

void loop_run(struct loop *loop)
{
    while (is_alive(loop) && !loop->stopped)
        one_round(loop, true);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
