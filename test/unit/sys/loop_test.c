/* Timers in order, descriptors that err, owners that free things from inside callbacks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/loop.h"

struct trace {
    struct loop *loop;
    char seen[256];
    struct note {
        struct trace *trace;
        char name;
        struct loop_timer *timer;
        int64_t due_ms;
    } notes[64];
};

static void note(void *arg)
{
    struct note *n = arg;
    size_t at = strlen(n->trace->seen);
    n->trace->seen[at] = n->name;
    assert_true(clock_boot_ms() >= n->due_ms);
}

static struct note *timer(struct trace *t, char name, int64_t at_ms, loop_timer_fn *fn)
{
    struct note *n = t->notes;
    while (n->trace)
        n++;
    *n = (struct note){.trace = t, .name = name, .due_ms = at_ms};
    n->timer = loop_timer_new(t->loop, fn, n);
    loop_timer_set(n->timer, at_ms);
    return n;
}

static void timers_fire_in_order_and_not_early(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    int64_t now = clock_boot_ms();
    timer(&t, 'd', now + 40, note);
    timer(&t, 'b', now + 20, note);
    timer(&t, 'c', now + 20, note); /* the same moment: in the order of setting */
    timer(&t, 'a', now - 100, note);
    timer(&t, 'e', now + 41, note);
    loop_run(t.loop);
    assert_string_equal(t.seen, "abcde");
    assert_in_range(clock_boot_ms() - now, 41, 2000);
    loop_close(&t.loop);
    assert_null(t.loop);
}

static void many_timers_set_moved_and_cancelled_stay_in_order(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    struct trace t = {.loop = loop_open()};
    struct note *all[COUNT];
    int64_t now = clock_boot_ms();
    for (int i = 0; i < COUNT; i++)
        all[i] = timer(&t, (char)('0' + i), now + 500, note);
    for (int i = 0; i < COUNT; i++) { /* scattered over 30 moments, each `due` kept for the check */
        all[i]->due_ms = now + 10 + i * 7 % 30;
        loop_timer_set(all[i]->timer, all[i]->due_ms);
    }
    for (int i = 0; i < COUNT; i += 3)
        loop_timer_cancel(all[i]->timer);
    loop_timer_cancel(all[0]->timer); /* once more does nothing */
    loop_timer_free(&all[1]->timer);
    loop_run(t.loop);
    assert_int_equal(strlen(t.seen), COUNT - COUNT / 3 - 1);
    for (size_t i = 1; i < strlen(t.seen); i++) {
        struct note *a = all[t.seen[i - 1] - '0'], *b = all[t.seen[i] - '0'];
        assert_true(a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a < b));
    }
    loop_close(&t.loop);
}

static void never_does_not_keep_the_loop(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    timer(&t, 'x', TIME_NEVER, note);
    loop_run(t.loop);
    assert_false(loop_once(t.loop, false));
    assert_string_equal(t.seen, "");
    struct note *n = timer(&t, 'y', clock_boot_ms() + 60000, note);
    assert_true(loop_once(t.loop, false));
    loop_timer_set(n->timer, TIME_NEVER);
    loop_run(t.loop);
    loop_close(&t.loop);
}

static void free_self_and_neighbour(void *arg)
{
    struct note *n = arg;
    note(n);
    loop_timer_free(&n->timer);
    loop_timer_free(&n[1].timer); /* due too, and must not fire */
}

static void a_timer_may_free_itself_and_others(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    int64_t now = clock_boot_ms();
    timer(&t, 'a', now, free_self_and_neighbour);
    timer(&t, 'b', now, note);
    timer(&t, 'c', now, note);
    loop_run(t.loop);
    assert_string_equal(t.seen, "ac");
    loop_timer_free(&t.notes[0].timer); /* NULL is fine */
    loop_timer_free(NULL);
    loop_close(&t.loop);
}

static void again_at_once(void *arg)
{
    struct note *n = arg;
    note(n);
    if (strlen(n->trace->seen) < 20)
        loop_timer_set(n->timer, 0);
}

static void a_timer_that_wants_to_fire_always_lets_others_in(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    int64_t now = clock_boot_ms();
    timer(&t, 'a', now, again_at_once);
    timer(&t, 'b', now + 3, note);
    loop_run(t.loop);
    assert_non_null(strchr(t.seen, 'b'));
    assert_true(strchr(t.seen, 'b') < t.seen + 19);
    loop_close(&t.loop);
}

static void stop_loop(void *arg)
{
    struct note *n = arg;
    note(n);
    loop_stop(n->trace->loop);
}

static void stopping_leaves_the_rest_for_later(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    int64_t now = clock_boot_ms();
    timer(&t, 'a', now, stop_loop);
    timer(&t, 'b', now + 50, note);
    loop_run(t.loop);
    assert_string_equal(t.seen, "a");
    loop_run(t.loop);
    assert_string_equal(t.seen, "ab");
    timer(&t, 'c', now + 60000, note);
    loop_stop(t.loop); /* outside of a run: the next returns at once, closing works all the same */
    loop_close(&t.loop);
    loop_close(&t.loop);
    loop_close(NULL);
}

struct pipe_test {
    struct loop *loop;
    struct loop_fd *watch;
    int fd, calls, last;
    char got[16];
};

static void on_pipe(void *arg, int ready)
{
    struct pipe_test *p = arg;
    p->calls++;
    p->last = ready;
    ssize_t n = read(p->fd, p->got, sizeof(p->got) - 1);
    if (n <= 0)
        loop_fd_free(&p->watch); /* from inside its own callback */
    else
        p->got[n] = 0;
}

static void a_descriptor_is_read_to_its_end(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct pipe_test p = {.loop = loop_open(), .fd = ends[0]};
    p.watch = loop_fd_new(p.loop, p.fd, 0, on_pipe, &p);
    assert_int_equal(write(ends[1], "hi", 2), 2);
    loop_run(p.loop); /* nothing is wanted, so nothing keeps it */
    assert_int_equal(p.calls, 0);
    loop_fd_want(p.watch, LOOP_READ);
    loop_fd_want(p.watch, LOOP_READ);
    loop_once(p.loop, true);
    assert_int_equal(p.last, LOOP_READ);
    assert_string_equal(p.got, "hi");
    close(ends[1]);
    loop_run(p.loop);
    assert_null(p.watch);
    loop_fd_free(&p.watch);
    loop_fd_free(NULL);
    close(ends[0]);
    loop_close(&p.loop);
}

static void on_writable(void *arg, int ready)
{
    struct pipe_test *p = arg;
    p->calls++;
    p->last |= ready;
    loop_fd_want(p->watch, p->calls < 3 ? LOOP_READ | LOOP_WRITE : 0);
}

static void writability_is_told(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct pipe_test p = {.loop = loop_open(), .fd = ends[0]};
    p.watch = loop_fd_new(p.loop, p.fd, LOOP_WRITE, on_writable, &p);
    loop_run(p.loop);
    assert_int_equal(p.calls, 3);
    assert_int_equal(p.last, LOOP_WRITE);
    loop_close(&p.loop); /* frees the watcher that is still registered */
    close(ends[0]);
    close(ends[1]);
}

static void on_refused(void *arg, int ready)
{
    struct pipe_test *p = arg;
    p->calls++;
    p->last = ready;
    char byte;
    if (p->calls == 1) {
        assert_int_equal(recv(p->fd, &byte, 1, MSG_DONTWAIT), -1); /* the pending error */
        assert_int_equal(errno, ECONNREFUSED);
        assert_int_equal(send(p->fd, "x", 1, 0), 1); /* and the next answer must be heard of too */
    } else {
        loop_fd_free(&p->watch);
    }
}

static void a_descriptor_with_an_error_is_still_watched(void **state)
{
    (void)state;
    struct pipe_test p = {.loop = loop_open(), .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f17f3a1)};
    assert_int_equal(connect(p.fd, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
    assert_int_equal(send(p.fd, "x", 1, 0), 1);
    p.watch = loop_fd_new(p.loop, p.fd, LOOP_READ, on_refused, &p);
    loop_run(p.loop);
    assert_int_equal(p.calls, 2);
    assert_int_equal(p.last, LOOP_READ);
    close(p.fd);
    loop_close(&p.loop);
}

static void on_signal(void *arg, int number)
{
    struct trace *t = arg;
    t->seen[0] = (char)number;
    loop_stop(t->loop);
}

static void a_signal_is_told_and_keeps_no_loop(void **state)
{
    (void)state;
    struct trace t = {.loop = loop_open()};
    struct loop_signal *s = loop_signal_new(t.loop, SIGUSR1, on_signal, &t);
    struct loop_signal *other = loop_signal_new(t.loop, SIGUSR2, on_signal, &t);
    loop_run(t.loop);
    assert_int_equal(raise(SIGUSR1), 0);
    timer(&t, 'x', clock_boot_ms() + 10000, note);
    loop_run(t.loop);
    assert_int_equal(t.seen[0], SIGUSR1);
    loop_signal_free(&s);
    loop_signal_free(&s);
    loop_signal_free(NULL);
    assert_non_null(other); /* left to loop_close */
    loop_close(&t.loop);
}

struct pair {
    struct loop_fd *one, *other;
    int fires;
};

static void frees_both(void *arg, int ready UNUSED)
{
    struct pair *p = arg;
    p->fires++;
    loop_fd_free(&p->one);
    loop_fd_free(&p->other);
}

static void one_that_is_freed_in_its_round_is_not_served(void **state)
{
    (void)state;
    struct loop *loop = loop_open();
    int a[2], b[2];
    assert_return_code(pipe(a), errno);
    assert_return_code(pipe(b), errno);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    struct pair pair = {0};
    pair.one = loop_fd_new(loop, a[0], LOOP_READ, frees_both, &pair);
    pair.other = loop_fd_new(loop, b[0], LOOP_READ, frees_both, &pair);
    loop_run(loop); /* ends, since nothing is watched any more */
    assert_int_equal(pair.fires, 1);
    loop_close(&loop);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void count_one(void *arg, int ready UNUSED)
{
    struct pair *p = arg;
    p->fires++;
    loop_fd_free(&p->one);
}

/* As libpq does when it tries the next address. */
static void a_number_that_was_closed_and_came_back_is_watched_again(void **state)
{
    (void)state;
    struct loop *loop = loop_open();
    int first[2], second[2];
    assert_return_code(pipe(first), errno);
    struct pair pair = {0};
    pair.one = loop_fd_new(loop, first[0], LOOP_READ, count_one, &pair);
    assert_return_code(pipe(second), errno);
    assert_int_equal(dup2(second[0], first[0]), first[0]);
    loop_fd_want(pair.one, LOOP_READ | LOOP_WRITE);
    assert_int_equal(write(second[1], "x", 1), 1);
    loop_run(loop);
    assert_int_equal(pair.fires, 1);
    loop_close(&loop);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
}

struct hook_test {
    struct loop_hook hook;
    int calls;
};

static void count_calls(void *arg, int ready UNUSED)
{
    ++*(int *)arg;
}

/* The kernel goes on telling of it: the file lives in its copy, as in a child that was started meanwhile, and can be struck out no more. */
static void one_that_was_closed_before_it_was_freed_is_not_served(void **state)
{
    (void)state;
    struct loop *loop = loop_open();
    int ends[2], calls = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct loop_fd *watch = loop_fd_new(loop, ends[0], LOOP_READ, count_calls, &calls);
    int copy = dup(ends[0]);
    close(ends[0]);
    loop_fd_free(&watch);
    assert_int_equal(write(ends[1], "x", 1), 1);
    int other[2];
    assert_int_equal(pipe2(other, O_CLOEXEC), 0);
    struct loop_fd *alive = loop_fd_new(loop, other[0], LOOP_READ, count_calls, &calls);
    assert_true(loop_once(loop, false));
    assert_int_equal(calls, 0);
    loop_fd_free(&alive);
    close(copy);
    close(ends[1]);
    close(other[0]);
    close(other[1]);
    loop_close(&loop);
}

static void on_closing(struct loop_hook *hook)
{
    CONTAINER_OF(hook, struct hook_test, hook)->calls++;
}

static void hooks_hear_of_the_close(void **state)
{
    (void)state;
    struct loop *loop = loop_open();
    struct hook_test a = {.hook.closing = on_closing}, b = a, c = a;
    loop_hook_add(loop, &a.hook);
    loop_hook_add(loop, &b.hook);
    loop_hook_add(loop, &c.hook);
    loop_hook_remove(&b.hook);
    loop_close(&loop);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0);
    assert_int_equal(c.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_not_early),
        cmocka_unit_test(many_timers_set_moved_and_cancelled_stay_in_order),
        cmocka_unit_test(never_does_not_keep_the_loop),
        cmocka_unit_test(a_timer_may_free_itself_and_others),
        cmocka_unit_test(a_timer_that_wants_to_fire_always_lets_others_in),
        cmocka_unit_test(stopping_leaves_the_rest_for_later),
        cmocka_unit_test(a_descriptor_is_read_to_its_end),
        cmocka_unit_test(writability_is_told),
        cmocka_unit_test(a_descriptor_with_an_error_is_still_watched),
        cmocka_unit_test(a_signal_is_told_and_keeps_no_loop),
        cmocka_unit_test(one_that_is_freed_in_its_round_is_not_served),
        cmocka_unit_test(a_number_that_was_closed_and_came_back_is_watched_again),
        cmocka_unit_test(one_that_was_closed_before_it_was_freed_is_not_served),
        cmocka_unit_test(hooks_hear_of_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
