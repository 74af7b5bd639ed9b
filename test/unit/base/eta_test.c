#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_in_the_first_second),
        cmocka_unit_test(the_pace_is_that_since_it_was_first_seen),
        cmocka_unit_test(other_work_begins_anew),
        cmocka_unit_test(without_a_total_there_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
