/* The scheduler, over checks of type "command" whose programs sleep, hang and end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "observe_support.h"
#include "sys/clock.h"

static int set_up(void **state)
{
    *state = bench_open();
    return 0;
}

static int tear_down(void **state)
{
    bench_close((struct bench **)state);
    return 0;
}

/* The options of "command" are its argv alone. */
static struct check_conf *command(struct bench *b, const char *id, const char *site, const char *shell)
{
    void *options;
    struct check_conf *conf = bench_check(b, "command", id, site, &options);
    bench_strs(b, options, "sh", "-c", shell, NULL);
    return conf;
}

static void every_check_keeps_its_own_pace(void **state)
{
    struct bench *b = *state;
    command(b, "fast", NULL, "echo f")->interval_ms = 100;
    command(b, "slow", NULL, "echo s")->interval_ms = 400;
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 1250);
    assert_in_range(bench_count(b, "fast"), 8, 13);
    assert_in_range(bench_count(b, "slow"), 2, 4);
}

static void runs_do_not_drift(void **state)
{
    struct bench *b = *state;
    command(b, "a", NULL, "sleep 0.07")->interval_ms = 100; /* from end to start it would be 6 runs a second */
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 1650);
    assert_in_range(bench_count(b, "a"), 12, 17); /* 9 at most if the next were planned from the end */
}

static void a_check_that_hangs_is_down_and_delays_nobody(void **state)
{
    struct bench *b = *state;
    struct check_conf *hung = command(b, "hung", NULL, "exec sleep 100");
    hung->interval_ms = 100;
    hung->timeout_ms = 340;
    command(b, "well", NULL, "echo fine")->interval_ms = 100;
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 1500);
    assert_in_range(bench_count(b, "well"), 9, 16);
    assert_in_range(bench_count(b, "hung"), 2, 4); /* left out while the one before is at work: every 400 ms */
    for (size_t i = 0; i < b->count; i++)
        if (same(b->results[i].check, "hung")) {
            assert_result(&b->results[i], VERDICT_DOWN, "no answer within 0.3");
            assert_in_range(b->results[i].took_ms, 340, 800);
        }
}

static void first_runs_are_spread(void **state)
{
    struct bench *b = *state;
    char *names[10];
    for (int i = 0; i < 10; i++) {
        names[i] = arena_printf(b->arena, "c%d", i);
        command(b, names[i], NULL, "echo x")->interval_ms = 1000;
    }
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 450);
    assert_in_range(b->count, 2, 6);
    bench_run_for(b, 650);
    assert_true(b->count >= 10);
}

static void after_a_freeze_missed_runs_are_left_out(void **state)
{
    struct bench *b = *state;
    command(b, "a", NULL, "echo x")->interval_ms = 50;
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 30);
    usleep(600 * 1000); /* the loop does not turn: as if stopped */
    b->count = 0;
    bench_run_for(b, 120);
    assert_in_range(b->count, 1, 4);
}

static void once_runs_what_was_asked_for(void **state)
{
    struct bench *b = *state;
    command(b, "p", "production", "echo p");
    command(b, "d", "dr", "echo d");
    command(b, "none", NULL, "echo n");
    struct service *other = vec_add(b->arena, &b->config.services);
    other->name = "other";
    b->service = &b->config.services.p[0]; /* the vector may have moved */
    bench_once(b);
    assert_int_equal(b->count, 3);
    assert_int_equal(observe_count(b->observe), 3);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void once_can_be_narrowed_to_a_site_and_to_nothing(void **state)
{
    struct bench *b = *state;
    bool over = false;
    command(b, "p", "production", "echo p");
    command(b, "d", "dr", "echo d");
    bench_watch(b);
    observe_once(b->observe, "akig", "dr", set_true, &over);
    while (!over)
        loop_once(b->loop, true);
    assert_int_equal(b->count, 1);
    assert_string_equal(b->results[0].check, "d");
    assert_string_equal(b->results[0].service, "akig");
    over = false;
    observe_once(b->observe, "no such service", NULL, set_true, &over);
    assert_false(over);
    while (!over)
        loop_once(b->loop, true);
    assert_int_equal(b->count, 1);
}

static int64_t core(void *arg)
{
    return *(int64_t *)arg;
}

static void results_carry_core_time_and_wall_time(void **state)
{
    struct bench *b = *state;
    int64_t now = 4711;
    command(b, "a", NULL, "echo x");
    bench_watch(b);
    observe_set_clock(b->observe, core, &now);
    const struct result *r = bench_once(b);
    assert_int_equal(r->at_ms, 4711);
    assert_in_range(clock_wall_ms() - r->wall_ms, 0, 5000);
}

static void closing_ends_what_runs_without_a_report(void **state)
{
    struct bench *b = *state;
    command(b, "a", NULL, "exec sleep 100")->interval_ms = 10;
    bench_watch(b);
    observe_begin(b->observe);
    bench_run_for(b, 50);
    observe_close(&b->observe);
    assert_null(b->observe);
    assert_int_equal(b->count, 0);
    observe_close(&b->observe);
}

static void a_type_that_does_not_exist_is_not_run(void **state)
{
    struct bench *b = *state;
    command(b, "a", NULL, "echo x")->type = "nonsense";
    assert_null(check_driver("nonsense"));
    bench_watch(b);
    assert_int_equal(observe_count(b->observe), 0);
    observe_begin(b->observe);
    bench_run_for(b, 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_check_keeps_its_own_pace),
        TEST(runs_do_not_drift),
        TEST(a_check_that_hangs_is_down_and_delays_nobody),
        TEST(first_runs_are_spread),
        TEST(after_a_freeze_missed_runs_are_left_out),
        TEST(once_runs_what_was_asked_for),
        TEST(once_can_be_narrowed_to_a_site_and_to_nothing),
        TEST(results_carry_core_time_and_wall_time),
        TEST(closing_ends_what_runs_without_a_report),
        TEST(a_type_that_does_not_exist_is_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
