/* Durations and moments, read and printed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0s", 0}, {"500ms", 500}, {"90s", 90000}, {"5m", 300000}, {"1h30m", 5400000}, {"2d", 172800000}, {"1m1m", 120000},
                {"1d2h3m4s5ms", 93784005}, {"9223372036854775807ms", INT64_MAX}};
    static const char *const bad[] = {"", "5", "s", "5 s", "-5s", "5S", "1.5h", "5m3", "9223372036854775808ms", "9223372036854775807s",
                                      "9223372036854775807ms1ms", "5mss", "h5"};
    struct err err = {0};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t ms = -1;
        assert_true(duration_parse(good[i].text, &ms, &err));
        assert_true(ms == good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ms = -1;
        assert_false(duration_parse(bad[i], &ms, &err));
        assert_int_equal(ms, -1);
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.hint, "unit"));
        assert_false(duration_parse(bad[i], &ms, NULL));
    }
}

static void durations_are_printed_and_read_back(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0s"}, {1, "1ms"}, {90000, "1m30s"}, {5400000, "1h30m"}, {86400000, "1d"}, {93784005, "1d2h3m4s5ms"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms;
        assert_string_equal(duration_print(a, cases[i].ms), cases[i].text);
        assert_true(duration_parse(cases[i].text, &ms, NULL));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void durations_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *say, *clock;
    } cases[] = {
        {0, "0 ms", "00:00"}, {850, "850 ms", "00:00"}, {4299, "4.2 s", "00:04"}, {59999, "59.9 s", "00:59"}, {65000, "1 min 05 s", "01:05"},
        {3599999, "59 min 59 s", "59:59"}, {3723000, "1 h 02 min", "1:02:03"}, {7380000, "2 h 03 min", "2:03:00"},
        {273600000, "3 d 4 h", "76:00:00"}, {-850, "-850 ms", "-00:00"}, {-65000, "-1 min 05 s", "-01:05"},
        {INT64_MAX, "106751991167 d 7 h", "2562047788015:12:55"}, {INT64_MIN, "-106751991167 d 7 h", "-2562047788015:12:55"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(duration_say(a, cases[i].ms), cases[i].say);
        assert_string_equal(duration_clock(a, cases[i].ms), cases[i].clock);
    }
}

static void moments_are_printed(void **state)
{
    (void)state;
    assert_string_equal(moment_iso(a, INT64_C(1761406442120)), "2025-10-25T15:34:02.120Z");
    assert_string_equal(moment_minute(a, INT64_C(1761406442120)), "2025-10-25 15:34 UTC");
    assert_string_equal(moment_file(a, INT64_C(1761406442120)), "20251025_153402");
    assert_string_equal(moment_iso(a, 0), "1970-01-01T00:00:00.000Z");
    assert_string_equal(moment_iso(a, -1), "1969-12-31T23:59:59.999Z");
    assert_string_equal(moment_iso(a, -1000), "1969-12-31T23:59:59.000Z");
}

static void moments_are_read_back(void **state)
{
    (void)state;
    int64_t ms;
    assert_true(moment_parse_iso("2025-10-25T15:34:02.120Z", &ms));
    assert_true(ms == INT64_C(1761406442120));
    assert_true(moment_parse_iso("2025-10-25T15:34:02Z", &ms));
    assert_true(ms == INT64_C(1761406442000));
    assert_true(moment_parse_iso("2025-10-25T15:34:02.5Z", &ms));
    assert_true(ms == INT64_C(1761406442500));
    assert_true(moment_parse_iso("2025-10-25T15:34:02.123456789Z", &ms)); /* beyond milliseconds nothing is kept */
    assert_true(ms == INT64_C(1761406442123));
    assert_true(moment_parse_iso("2024-02-29T00:00:00Z", &ms));
    assert_true(moment_parse_iso("1969-12-31T23:59:59.999Z", &ms));
    assert_int_equal(ms, -1);
    assert_true(moment_parse_file("02251025_153402", &ms)); /* four digits, whatever the year */
    assert_string_equal(moment_file(a, ms), "02251025_153402");
    assert_string_equal(moment_iso(a, ms), "0225-10-25T15:34:02.000Z");
    assert_true(moment_parse_file("20251025_153402.sql.gz", &ms));
    assert_true(ms == INT64_C(1761406442000));
}

static void moments_of_others_are_read(void **state)
{
    (void)state;
    int64_t ms = 5;
    assert_true(moment_parse_rfc3339("2025-10-25T15:34:02.120Z", &ms));
    assert_true(ms == INT64_C(1761406442120));
    assert_true(moment_parse_rfc3339("2025-10-25T17:34:02.120123456+02:00", &ms));
    assert_true(ms == INT64_C(1761406442120));
    assert_true(moment_parse_rfc3339("2025-10-25T10:04:02-05:30", &ms));
    assert_true(ms == INT64_C(1761406442000));
    assert_true(moment_parse_rfc3339("0001-01-01T00:00:00Z", &ms)); /* how Go writes none */
    assert_true(ms < 0);
    ms = 5;
    static const char *const wrong[] = {"", "2025-10-25T15:34:02", "2025-10-25T15:34:02+0200", "2025-10-25T15:34:02+02:00x", "2025-10-25T15:34:02+24:00",
                                        "2025-10-25T15:34:02+02:60", "2025-10-25T15:34:02+2:00", "2025-10-25T15:34:02.+02:00", "2025-10-25T15:34:02 Z"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (moment_parse_rfc3339(wrong[i], &ms) || ms != 5)
            fail_msg("\"%s\" was read", wrong[i]);
}

static void wrong_moments_are_refused(void **state)
{
    (void)state;
    static const char *const iso[] = {"", "x", "2025-10-25", "2025-10-25T15:34:02", "2025-10-25T15:34:02+01:00", "2025-02-29T00:00:00Z",
                                      "2025-02-31T00:00:00Z", "2025-10-25T15:34:60Z", "2025-10-25T15:34:02.Z ", "2025-10-25T24:00:00Z",
                                      "2025-13-01T00:00:00Z", " 2025-10-25T15:34:02Z", "2025-10-25T15:34:02.Z", "2025-10- 5T15:34:02Z", "25-10-25T15:34:02Z",
                                      "+025-10-25T15:34:02Z", "2025-1-25T15:34:02Z", "2025-10-25T1:34:02Z"};
    static const char *const file[] = {"", "2025", "20251025-153402", "20251025_15340", "2025102x_153402", "20250231_000000", "20251025_246000",
                                       "20251325_000000", "20251025_153460", "20251025_533402", "20251025_159902"};
    for (size_t i = 0; i < COUNT_OF(iso); i++) {
        int64_t ms = 5;
        if (moment_parse_iso(iso[i], &ms))
            fail_msg("\"%s\" was read as %s", iso[i], moment_iso(a, ms));
        assert_int_equal(ms, 5);
    }
    for (size_t i = 0; i < COUNT_OF(file); i++) {
        int64_t ms = 5;
        if (moment_parse_file(file[i], &ms))
            fail_msg("\"%s\" was read as %s", file[i], moment_iso(a, ms));
        assert_int_equal(ms, 5);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(durations_are_read), TEST(durations_are_printed_and_read_back), TEST(durations_for_people), TEST(moments_are_printed),
        TEST(moments_are_read_back), TEST(moments_of_others_are_read), TEST(wrong_moments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
