#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/eta.h"

static void nothing_is_said_in_the_first_second(void **state)
{
    (void)state;
    struct eta eta = {0};
    assert_int_equal(eta_left(&eta, 5000, 0, 100), -1);
    assert_int_equal(eta_left(&eta, 5999, 50, 100), -1);
    assert_int_equal(eta_left(&eta, 6000, 50, 100), 1000);
}

static void the_pace_is_that_since_it_was_first_seen(void **state)
{
    (void)state;
    struct eta eta = {0};
    assert_int_equal(eta_left(&eta, 0, 80, 100), -1); /* what was done before took nobody knows how long */
    assert_int_equal(eta_left(&eta, 2000, 90, 100), 2000);
    assert_int_equal(eta_left(&eta, 3000, 100, 100), 0);
}

static void other_work_begins_anew(void **state)
{
    (void)state;
    struct eta eta = {0};
    assert_int_equal(eta_left(&eta, 0, 0, 100), -1);
    assert_int_equal(eta_left(&eta, 4000, 50, 100), 4000);
    assert_int_equal(eta_left(&eta, 5000, 10, 100), -1);
    assert_int_equal(eta_left(&eta, 7000, 10, 100), -1); /* nothing gained: no pace */
    assert_int_equal(eta_left(&eta, 8000, 40, 200), -1);
    assert_int_equal(eta_left(&eta, 9000, 60, 200), 7000);
}

static void without_a_total_there_is_no_end(void **state)
{
    (void)state;
    struct eta eta = {0};
    assert_int_equal(eta_left(&eta, 0, 0, 0), -1);
    assert_int_equal(eta_left(&eta, 9000, 50, 0), -1);
}

static void the_end_is_set_against_the_objective(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(eta_say(a, 130000, 60000, 900000), "ETA 02:10, RTO 15m: in time");
    assert_string_equal(eta_say(a, 130000, 770000, 900000), "ETA 02:10, RTO 15m: in time"); /* to the second */
    assert_string_equal(eta_say(a, 130000, 950000, 900000), "ETA 02:10, RTO 15m: 3 min 00 s late");
    assert_string_equal(eta_say(a, 130000, 950000, 0), "ETA 02:10");
    assert_string_equal(eta_say(a, -1, 60000, 900000), "");
    assert_string_equal(eta_say(a, -1, 960000, 900000), "RTO 15m: 1 min 00 s late");
    assert_string_equal(eta_say(a, -1, 0, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_in_the_first_second),
        cmocka_unit_test(the_pace_is_that_since_it_was_first_seen),
        cmocka_unit_test(other_work_begins_anew),
        cmocka_unit_test(without_a_total_there_is_no_end),
        cmocka_unit_test(the_end_is_set_against_the_objective),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
