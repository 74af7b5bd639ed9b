/* Clocks of a place that are moved twice a year, here on made-up but usual dates. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/zone.h"

static int64_t at(const char *text)
{
    int64_t ms = 0;
    if (!moment_parse_iso(text, &ms))
        fail_msg("\"%s\" is no moment", text);
    return ms;
}

/* As in Paris in 2026: summer from 29 March to 25 October, 01:00 UTC. */
static struct zone paris(struct arena *arena)
{
    struct zone zone = {.name = "Europe/Paris"};
    *vec_add(arena, &zone.spans) = (struct zone_span){INT64_MIN, MS_HOUR};
    *vec_add(arena, &zone.spans) = (struct zone_span){at("2026-03-29T01:00:00Z"), 2 * MS_HOUR};
    *vec_add(arena, &zone.spans) = (struct zone_span){at("2026-10-25T01:00:00Z"), MS_HOUR};
    return zone;
}

static void an_offset_counts_from_its_moment_on(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone = paris(arena), utc = {0};
    assert_int_equal(zone_offset_ms(&zone, at("2026-03-29T00:59:59.999Z")), MS_HOUR);
    assert_int_equal(zone_offset_ms(&zone, at("2026-03-29T01:00:00Z")), 2 * MS_HOUR);
    assert_int_equal(zone_offset_ms(&zone, at("2026-10-25T00:59:59.999Z")), 2 * MS_HOUR);
    assert_int_equal(zone_offset_ms(&zone, at("2026-10-25T01:00:00Z")), MS_HOUR);
    assert_int_equal(zone_offset_ms(&zone, at("1900-01-01T00:00:00Z")), MS_HOUR);
    assert_int_equal(zone_offset_ms(&utc, at("2026-07-01T00:00:00Z")), 0);
}

static void a_time_that_comes_twice_is_the_first(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone = paris(arena);
    int64_t moment;
    assert_true(zone_parse_moment(&zone, "2026-10-25 02:30", &moment));
    assert_int_equal(moment, at("2026-10-25T00:30:00Z"));
    assert_true(zone_parse_moment(&zone, "2026-10-25 03:00", &moment));
    assert_int_equal(moment, at("2026-10-25T02:00:00Z"));
}

static void a_time_that_is_skipped_is_as_if_clocks_stood(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone = paris(arena);
    int64_t moment;
    assert_true(zone_parse_moment(&zone, "2026-03-29T02:30", &moment));
    assert_int_equal(moment, at("2026-03-29T01:30:00Z"));
    assert_true(zone_parse_moment(&zone, "2026-03-29T01:59", &moment));
    assert_int_equal(moment, at("2026-03-29T00:59:00Z"));
    assert_true(zone_parse_moment(&zone, "2026-03-29T03:00", &moment));
    assert_int_equal(moment, at("2026-03-29T01:00:00Z"));
}

static void every_hour_comes_back(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone = paris(arena);
    for (int64_t t = at("2026-03-20T00:00:00Z"); t < at("2026-11-10T00:00:00Z"); t += 20 * MS_MINUTE) {
        int64_t again = zone_moment_ms(&zone, t + zone_offset_ms(&zone, t));
        bool twice = t >= at("2026-10-25T01:00:00Z") && t < at("2026-10-25T02:00:00Z");
        assert_int_equal(again, twice ? t - MS_HOUR : t);
    }
}

static void moments_are_read_and_printed(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone zone = paris(arena), utc = {0};
    static const struct {
        const char *text, *moment;
    } good[] = {
        {"2026-11-23", "2026-11-22T23:00:00Z"},           {"2026-07-01", "2026-06-30T22:00:00Z"},
        {"2026-11-23 09:00", "2026-11-23T08:00:00Z"},     {"2026-11-23T09:00:05", "2026-11-23T08:00:05Z"},
        {"2026-11-23T09:00Z", "2026-11-23T09:00:00Z"},    {"2026-11-23 09:00:00+05:30", "2026-11-23T03:30:00Z"},
        {"2026-11-23 09:00-03:00", "2026-11-23T12:00:00Z"},
    };
    static const char *const bad[] = {"", "2026", "2026-13-01", "2026-11-23 9:00", "2026-11-23 24:00", "2026-11-23 09:60", "2026-11-23 09:00:60",
                                      "2026-11-23 09:00 ", "2026-11-23 09:00+1:00", "2026-11-23 09:00+16:00", "2026-11-23x", "2026-11-23T"};
    int64_t moment;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!zone_parse_moment(&zone, good[i].text, &moment))
            fail_msg("\"%s\" was not read", good[i].text);
        assert_int_equal(moment, at(good[i].moment));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (zone_parse_moment(&zone, bad[i], &moment))
            fail_msg("\"%s\" was read", bad[i]);
    assert_string_equal(zone_print(arena, &zone, at("2026-07-01T07:00:00Z")), "2026-07-01 09:00 +02:00");
    assert_string_equal(zone_print(arena, &utc, at("2026-07-01T07:00:00Z")), "2026-07-01 07:00 UTC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offset_counts_from_its_moment_on),
        cmocka_unit_test(a_time_that_comes_twice_is_the_first),
        cmocka_unit_test(a_time_that_is_skipped_is_as_if_clocks_stood),
        cmocka_unit_test(every_hour_comes_back),
        cmocka_unit_test(moments_are_read_and_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
