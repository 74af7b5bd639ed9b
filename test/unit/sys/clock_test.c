/* The core time must run on over restarts and reboots, and never back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sys/clock.h"

static void boot_time_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = clock_boot_ms();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_boot_ms();
        assert_true(now >= before);
        before = now;
    }
    assert_true(before > 0);
}

static void the_wall_is_in_this_century(void **state)
{
    (void)state;
    assert_true(clock_wall_ms() > INT64_C(1577836800000)); /* 2020 */
    assert_true(clock_wall_ms() < INT64_C(4102444800000)); /* 2100 */
}

static void the_boot_has_an_identity_that_stays(void **state)
{
    (void)state;
    char a[64], b[64], little[5];
    clock_boot_id(a, sizeof(a));
    clock_boot_id(b, sizeof(b));
    clock_boot_id(little, sizeof(little));
    assert_int_equal(strlen(a), 36);
    assert_string_equal(a, b);
    assert_int_equal(strlen(little), 4);
    assert_null(strchr(a, '\n'));
}

static int64_t core_at(struct core_clock clock, int64_t boot_ms)
{
    return boot_ms + clock.offset_ms;
}

static void within_one_boot_the_offset_stays(void **state)
{
    (void)state;
    struct core_clock c = core_clock_resume(true, 700, 1500, 99000, 1000, 100);
    assert_int_equal(c.offset_ms, 700); /* and a wall clock set back changed nothing */
}

static void a_journal_ahead_of_the_clock_is_not_undercut(void **state)
{
    (void)state;
    struct core_clock c = core_clock_resume(true, 0, 5000, 0, 1000, 0);
    assert_int_equal(core_at(c, 1000), 5000);
}

static void after_a_reboot_the_wall_stands_in(void **state)
{
    (void)state;
    struct core_clock c = core_clock_resume(false, 123456, 50000, 1000000, 20, 1060000);
    assert_int_equal(core_at(c, 20), 110000);
}

static void after_a_reboot_a_wall_set_back_counts_as_no_time(void **state)
{
    (void)state;
    struct core_clock c = core_clock_resume(false, 0, 50000, 1000000, 20, 400000);
    assert_int_equal(core_at(c, 20), 50000);
}

static void core_time_advances_with_the_boot_clock(void **state)
{
    (void)state;
    struct core_clock c = {.offset_ms = 1000000};
    int64_t boot = clock_boot_ms(), core = core_now_ms(&c);
    assert_in_range(core - boot - 1000000, 0, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boot_time_does_not_go_back),
        cmocka_unit_test(the_wall_is_in_this_century),
        cmocka_unit_test(the_boot_has_an_identity_that_stays),
        cmocka_unit_test(within_one_boot_the_offset_stays),
        cmocka_unit_test(a_journal_ahead_of_the_clock_is_not_undercut),
        cmocka_unit_test(after_a_reboot_the_wall_stands_in),
        cmocka_unit_test(after_a_reboot_a_wall_set_back_counts_as_no_time),
        cmocka_unit_test(core_time_advances_with_the_boot_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
