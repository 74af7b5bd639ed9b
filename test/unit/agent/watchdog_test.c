/* watchdog_test.c -- A watchdog that counts by a clock of the test: fed and stopped by the rules, refused when it guards nothing, and biting in
   time whenever its feeder dies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/watchdog.h>
#include <unistd.h>

#include "agent/watchdog.h"
#include "sys/file.h"

enum { FD = 1000, LOOK_MS = 20, TTL_MS = 3000, RENEW_MS = 500, SECONDS = 2, USUAL = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE | WDIOF_KEEPALIVEPING };

/* As the kernel keeps it. */
static struct {
    int64_t now_ms, fed_ms;
    unsigned options;
    int timeout, least, opens, feeds;
    int support_error, set_error, write_error;
    bool open, counts, may_stop;
} dev;

static int fake_open(const char *device)
{
    assert_string_equal(device, "/dev/null");
    if (dev.open) {
        errno = EBUSY;
        return -1;
    }
    dev.open = dev.counts = true;
    dev.may_stop = false;
    dev.fed_ms = dev.now_ms;
    dev.opens++;
    return FD;
}

static int fake_control(int fd, unsigned long request, void *arg)
{
    assert_int_equal(fd, FD);
    errno = request == WDIOC_GETSUPPORT ? dev.support_error : request == WDIOC_SETTIMEOUT ? dev.set_error : 0;
    if (errno)
        return -1;
    if (request == WDIOC_GETSUPPORT) {
        ((struct watchdog_info *)arg)->options = dev.options;
        return 0;
    }
    if (request == WDIOC_SETTIMEOUT) {
        dev.timeout = MAX_OF(*(int *)arg, dev.least);
        dev.fed_ms = dev.now_ms;
    }
    *(int *)arg = dev.timeout;
    return 0;
}

static ssize_t fake_write(int fd, const void *data, size_t size)
{
    assert_int_equal(fd, FD);
    assert_true(dev.open);
    if (dev.write_error) {
        errno = dev.write_error;
        return -1;
    }
    dev.may_stop = memchr(data, 'V', size) != NULL;
    dev.fed_ms = dev.now_ms;
    dev.feeds += !dev.may_stop;
    return (ssize_t)size;
}

static int fake_close(int fd)
{
    assert_int_equal(fd, FD);
    dev.open = false;
    dev.counts = dev.counts && !dev.may_stop;
    return 0;
}

static const char *sys = "/nowhere";

static struct watchdog fresh(void)
{
    static struct watchdog_kernel kernel;
    struct watchdog w;
    kernel = (struct watchdog_kernel){.open = fake_open, .control = fake_control, .write = fake_write, .close = fake_close, .sys = sys};
    watchdog_init(&w, &kernel, "/dev/null", SECONDS);
    return w;
}

static struct watchdog begin(void)
{
    memset(&dev, 0, sizeof(dev));
    dev.now_ms = 100000;
    dev.timeout = 60;
    dev.options = USUAL;
    return fresh();
}

static bool turn(struct watchdog *w, int64_t by)
{
    struct err err = {0};
    bool counts = watchdog_turn(w, dev.now_ms, by, LOOK_MS, &err);
    assert_int_equal(err.code, ERR_NONE);
    assert_int_equal(counts, dev.counts);
    return counts;
}

static int64_t bites_at(void)
{
    return dev.counts ? dev.fed_ms + dev.timeout * MS_SECOND : TIME_NEVER;
}

static void it_counts_only_while_something_writes(void **state)
{
    (void)state;
    struct watchdog w = begin();
    for (int i = 0; i < 10; i++, dev.now_ms += LOOK_MS)
        assert_false(turn(&w, 0));
    assert_int_equal(dev.opens, 0);
    assert_true(turn(&w, dev.now_ms + TTL_MS));
    assert_int_equal(dev.timeout, SECONDS);
    assert_false(turn(&w, 0));
    assert_false(dev.open);
    assert_true(turn(&w, dev.now_ms + TTL_MS)); /* and again */
    assert_int_equal(dev.opens, 2);
}

static void one_that_is_not_renewed_is_fed_no_longer_than_bites_in_time(void **state)
{
    (void)state;
    struct watchdog w = begin();
    int64_t by = dev.now_ms + TTL_MS;
    for (; dev.now_ms <= by; dev.now_ms += LOOK_MS) {
        if (dev.now_ms < by - LOOK_MS)
            assert_true(dev.now_ms < bites_at()); /* never while there is time left */
        turn(&w, by);
        assert_true(bites_at() <= by);
    }
    assert_true(bites_at() > by - 2 * LOOK_MS);
    assert_true(dev.feeds < 20);
}

/* Whenever the feeder dies: after every look of a long life, in which answers come late and etcd is away for a while. The looks are late too. */
static void it_bites_by_the_end_of_the_newest_lease(void **state)
{
    (void)state;
    struct watchdog w = begin();
    int64_t by = 0, checked = 0;
    for (int look = 0; look < 2000; look++) {
        dev.now_ms += LOOK_MS + look * 7 % 60;
        int64_t answered = dev.now_ms - dev.now_ms % RENEW_MS;
        if (look % 100 < 60)
            by = answered - 300 + TTL_MS;
        if (dev.now_ms >= MIN_OF(by, bites_at())) /* by now the lease has run out, and the agent has stopped it all */
            by = 0;
        if (!turn(&w, by))
            continue;
        assert_true(by && bites_at() <= by);
        checked++;
    }
    assert_true(checked > 1000);
}

static void who_relieves_finds_it_counting(void **state)
{
    (void)state;
    struct watchdog old = begin(), next = fresh();
    int64_t by = dev.now_ms + TTL_MS;
    struct err err = {0};
    assert_true(turn(&old, by));
    next.adopt_until_ms = dev.now_ms + MS_SECOND;
    assert_false(watchdog_turn(&next, dev.now_ms, 0, LOOK_MS, &err)); /* the old one has it open */
    assert_int_equal(err.os, EBUSY);
    assert_true(next.adopt_until_ms);
    watchdog_leave(&old);
    assert_true(dev.counts);
    dev.now_ms += LOOK_MS;
    assert_true(turn(&next, by));
    assert_false(next.adopt_until_ms);
    watchdog_leave(&next);
    struct watchdog last = fresh();
    last.adopt_until_ms = dev.now_ms + MS_SECOND;
    assert_false(turn(&last, 0)); /* nothing writes any more, so it is stopped */
    assert_false(dev.open);
}

static void refused(const char *why)
{
    struct watchdog w = fresh();
    struct err err = {0};
    dev.counts = dev.open = false;
    assert_false(watchdog_turn(&w, dev.now_ms, dev.now_ms + TTL_MS, LOOK_MS, &err));
    if (!strstr(err.message, why))
        fail_msg("not \"%s\": %s", why, err.message);
    assert_false(dev.open);
    assert_false(dev.counts); /* opened and closed, it resets nothing */
    assert_false(watchdog_turn(&w, dev.now_ms, dev.now_ms + TTL_MS, LOOK_MS, &err)); /* not at every look */
}

static void one_that_guards_nothing_is_refused(void **state)
{
    (void)state;
    begin();
    dev.support_error = ENOTTY;
    refused("is no watchdog");
    begin();
    dev.options = USUAL | WDIOF_ALARMONLY;
    refused("raises an alarm");
    begin();
    dev.options = WDIOF_SETTIMEOUT;
    refused("stops when whoever feeds it is killed");
}

static void one_that_cannot_count_so_little_is_refused(void **state)
{
    (void)state;
    begin();
    dev.least = 30;
    refused("cannot count less than 30 s, and the lease leaves it 2 s");
    begin();
    dev.set_error = EINVAL;
    refused("cannot count 2 s");
    begin();
    dev.set_error = EOPNOTSUPP; /* its time is fixed */
    refused("cannot count less than 60 s");
    begin();
    dev.set_error = EOPNOTSUPP;
    dev.timeout = 1;
    struct watchdog w = fresh();
    assert_true(turn(&w, dev.now_ms + TTL_MS));
}

static void what_the_kernel_tells_is_believed_before_it_is_opened(void **state)
{
    (void)state;
    char folder[] = "/tmp/bascule-watchdog.XXXXXX";
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    assert_non_null(mkdtemp(folder));
    const char *of = file_join(a, folder, "null");
    assert_true(file_mkdirs(of, 0700, &err));
    sys = folder;
    begin();
    assert_true(file_write(file_join(a, of, "nowayout"), "1\n", 2, 0600, &err));
    refused("cannot be stopped");
    assert_true(file_write(file_join(a, of, "nowayout"), "0\n", 2, 0600, &err));
    assert_true(file_write(file_join(a, of, "min_timeout"), "16\n", 3, 0600, &err));
    refused("cannot count less than 16 s");
    assert_int_equal(dev.opens, 0);
    assert_true(file_write(file_join(a, of, "min_timeout"), "1\n", 2, 0600, &err));
    struct watchdog w = fresh();
    assert_true(turn(&w, dev.now_ms + TTL_MS));
    sys = "/nowhere";
    assert_int_equal(unlink(file_join(a, of, "nowayout")), 0);
    assert_int_equal(unlink(file_join(a, of, "min_timeout")), 0);
    assert_int_equal(rmdir(of), 0);
    assert_int_equal(rmdir(folder), 0);
    watchdog_init(&w, &watchdog_kernel, "/dev/bascule-no-such-watchdog", SECONDS);
    assert_false(watchdog_look(&w, &err));
    assert_non_null(strstr(err.hint, "modprobe softdog"));
}

static void a_meal_that_fails_is_told(void **state)
{
    (void)state;
    struct watchdog w = begin();
    struct err err = {0};
    assert_true(turn(&w, dev.now_ms + TTL_MS));
    dev.write_error = EIO;
    dev.now_ms += RENEW_MS;
    assert_false(watchdog_turn(&w, dev.now_ms, dev.now_ms + TTL_MS, LOOK_MS, &err));
    assert_non_null(strstr(err.message, "could not feed"));
    dev.write_error = 0;
    dev.now_ms += RENEW_MS;
    assert_true(turn(&w, dev.now_ms + TTL_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_counts_only_while_something_writes),
        cmocka_unit_test(one_that_is_not_renewed_is_fed_no_longer_than_bites_in_time),
        cmocka_unit_test(it_bites_by_the_end_of_the_newest_lease),
        cmocka_unit_test(who_relieves_finds_it_counting),
        cmocka_unit_test(one_that_guards_nothing_is_refused),
        cmocka_unit_test(one_that_cannot_count_so_little_is_refused),
        cmocka_unit_test(what_the_kernel_tells_is_believed_before_it_is_opened),
        cmocka_unit_test(a_meal_that_fails_is_told),
    };
    return cmocka_run_group_tests_name("agent/watchdog", tests, NULL, NULL);
}
