/* When recurring jobs are due, on a clock of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "daemon/schedule.h"

enum { HOUR = 3600 * 1000, NOW = 1000 * 1000 * 1000 };

static struct schedule_job hourly(int64_t began_ms)
{
    return (struct schedule_job){.every_ms = HOUR, .began = true, .began_ms = began_ms, .ended_ms = began_ms + 60000};
}

static void what_never_ran_is_due_and_what_has_no_interval_never(void **state)
{
    (void)state;
    struct schedule_job job = {.every_ms = HOUR};
    assert_int_equal(schedule_due(&job, NOW), NOW);
    job.every_ms = 0;
    assert_true(schedule_due(&job, NOW) == TIME_NEVER);
}

static void the_next_run_counts_from_the_beginning_of_the_last(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW);
    assert_int_equal(schedule_due(&job, NOW + 1), NOW + HOUR);
    assert_int_equal(schedule_due(&job, NOW + HOUR), NOW + HOUR);
}

static void a_run_that_goes_on_is_never_overtaken(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW);
    job.running = true;
    job.asked = true;
    assert_true(schedule_due(&job, NOW + 5 * (int64_t)HOUR) == TIME_NEVER);
}

static void what_was_missed_is_caught_up_once(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW);
    int64_t later = NOW + 30 * (int64_t)HOUR;
    assert_int_equal(schedule_due(&job, later), later);
    job.began_ms = later; /* it ran */
    assert_int_equal(schedule_due(&job, later + 1), later + HOUR);
}

static void what_failed_is_tried_again_soon_but_not_in_a_row(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW);
    job.failed = true;
    assert_int_equal(schedule_due(&job, NOW + 60001), NOW + 60000 + 5 * 60000);
    job.every_ms = 1000;
    assert_int_equal(schedule_due(&job, NOW + 60001), NOW + 61000);
}

static void what_is_asked_for_is_due(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW);
    job.asked = true;
    assert_int_equal(schedule_due(&job, NOW + 70000), NOW + 70000);
    job.failed = true; /* a look that found no backup must not keep from the first that comes */
    assert_int_equal(schedule_due(&job, NOW + 70000), NOW + 70000);
}

static void a_run_may_be_early_and_is_never_late(void **state)
{
    (void)state;
    struct schedule_job job = hourly(0);
    int64_t least = HOUR, most = 0;
    job.early_ms = 10 * 60000;
    for (int64_t i = 1; i <= 1000; i++) {
        job.began_ms = i * HOUR;
        int64_t wait = schedule_due(&job, job.began_ms + 1) - job.began_ms;
        assert_true(wait > HOUR - job.early_ms && wait <= HOUR);
        assert_int_equal(wait, schedule_due(&job, job.began_ms + 2) - job.began_ms); /* asked again, the same */
        least = MIN_OF(least, wait);
        most = MAX_OF(most, wait);
    }
    assert_true(most - least > 9 * 60000); /* it does spread */
}

/* Core time never goes back, and yet nothing here trusts a moment from the future. */
static void a_run_of_the_future_is_at_most_an_interval_away(void **state)
{
    (void)state;
    struct schedule_job job = hourly(NOW + 100 * (int64_t)HOUR);
    assert_int_equal(schedule_due(&job, NOW), NOW + HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_never_ran_is_due_and_what_has_no_interval_never),
        cmocka_unit_test(the_next_run_counts_from_the_beginning_of_the_last),
        cmocka_unit_test(a_run_that_goes_on_is_never_overtaken),
        cmocka_unit_test(what_was_missed_is_caught_up_once),
        cmocka_unit_test(what_failed_is_tried_again_soon_but_not_in_a_row),
        cmocka_unit_test(what_is_asked_for_is_due),
        cmocka_unit_test(a_run_may_be_early_and_is_never_late),
        cmocka_unit_test(a_run_of_the_future_is_at_most_an_interval_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
