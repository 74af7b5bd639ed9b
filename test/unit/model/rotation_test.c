/* Turns, shifts of a calendar, gaps, and those who stand in. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/rotation.h"

static int64_t at(const char *text)
{
    int64_t ms = 0;
    if (!moment_parse_iso(text, &ms))
        fail_msg("\"%s\" is no moment", text);
    return ms;
}

static const char *people[] = {"anna", "bruno", "chloe"};

/* Weeks from Monday 2026-01-05 at 09:00 in Paris. */
static struct rotation weeks(struct arena *arena)
{
    struct rotation r = {.name = "dba", .members = {.p = people, .n = 3}, .every_ms = 7 * MS_DAY, .base_ms = at("2026-01-05T09:00:00Z"),
                         .zone = {.name = "Europe/Paris"}};
    *vec_add(arena, &r.zone.spans) = (struct zone_span){INT64_MIN, MS_HOUR};
    *vec_add(arena, &r.zone.spans) = (struct zone_span){at("2026-03-29T01:00:00Z"), 2 * MS_HOUR};
    *vec_add(arena, &r.zone.spans) = (struct zone_span){at("2026-10-25T01:00:00Z"), MS_HOUR};
    return r;
}

static void assert_duty(const struct rotation *r, const struct stand_in *ins, size_t count, const char *moment, const char *who, const char *from,
                        const char *to)
{
    struct duty duty = rotation_duty(r, ins, count, at(moment));
    assert_int_equal(duty.n, 1);
    if (!same(duty.who[0], who))
        fail_msg("at %s it is %s, not %s", moment, duty.who[0], who);
    assert_int_equal(duty.from_ms, at(from));
    assert_int_equal(duty.to_ms, at(to));
}

static void members_take_turns(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct rotation r = weeks(arena);
    assert_duty(&r, NULL, 0, "2026-01-05T08:00:00Z", "anna", "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z");
    assert_duty(&r, NULL, 0, "2026-01-12T07:59:59.999Z", "anna", "2026-01-05T08:00:00Z", "2026-01-12T08:00:00Z");
    assert_duty(&r, NULL, 0, "2026-01-12T08:00:00Z", "bruno", "2026-01-12T08:00:00Z", "2026-01-19T08:00:00Z");
    assert_duty(&r, NULL, 0, "2026-01-26T08:00:00Z", "anna", "2026-01-26T08:00:00Z", "2026-02-02T08:00:00Z");
    assert_duty(&r, NULL, 0, "2026-01-05T07:59:59Z", "chloe", "2025-12-29T08:00:00Z", "2026-01-05T08:00:00Z"); /* before the first turn */
}

static void a_handoff_is_at_nine_all_year(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct rotation r = weeks(arena);
    assert_duty(&r, NULL, 0, "2026-03-29T12:00:00Z", "chloe", "2026-03-23T08:00:00Z", "2026-03-30T07:00:00Z"); /* an hour shorter */
    assert_duty(&r, NULL, 0, "2026-10-25T12:00:00Z", "chloe", "2026-10-19T07:00:00Z", "2026-10-26T08:00:00Z"); /* an hour longer */
    assert_duty(&r, NULL, 0, "2026-07-01T00:00:00Z", "bruno", "2026-06-29T07:00:00Z", "2026-07-06T07:00:00Z");
}

/* Whoever is asked, at every moment, exactly one turn holds, and turns meet. */
static void turns_meet(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct rotation r = weeks(arena);
    r.every_ms = 8 * MS_HOUR;
    for (int64_t t = at("2026-01-01T00:00:00Z"), end = at("2027-01-01T00:00:00Z"); t < end;) {
        struct duty duty = rotation_duty(&r, NULL, 0, t), last = rotation_duty(&r, NULL, 0, duty.to_ms - 1), next = rotation_duty(&r, NULL, 0, duty.to_ms);
        assert_true(duty.from_ms <= t && t < duty.to_ms);
        assert_int_equal(last.from_ms, duty.from_ms);
        assert_int_equal(next.from_ms, duty.to_ms);
        assert_string_not_equal(next.who[0], duty.who[0]);
        t = duty.to_ms;
    }
}

static void the_last_who_stands_in_counts(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct rotation r = weeks(arena);
    const struct stand_in ins[] = {
        {"dba", "bruno", at("2026-01-06T00:00:00Z"), at("2026-01-08T00:00:00Z")},
        {"other", "nobody", at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")},
        {"dba", "chloe", at("2026-01-07T00:00:00Z"), at("2026-01-07T12:00:00Z")},
        {"dba", "", at("2026-01-07T06:00:00Z"), at("2026-01-07T09:00:00Z")}, /* back to the plan */
    };
    assert_duty(&r, ins, 4, "2026-01-05T12:00:00Z", "anna", "2026-01-05T08:00:00Z", "2026-01-06T00:00:00Z");
    assert_duty(&r, ins, 4, "2026-01-06T12:00:00Z", "bruno", "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z");
    assert_duty(&r, ins, 4, "2026-01-07T01:00:00Z", "chloe", "2026-01-07T00:00:00Z", "2026-01-07T06:00:00Z");
    assert_duty(&r, ins, 4, "2026-01-07T07:00:00Z", "anna", "2026-01-07T06:00:00Z", "2026-01-07T09:00:00Z");
    assert_duty(&r, ins, 4, "2026-01-07T10:00:00Z", "chloe", "2026-01-07T09:00:00Z", "2026-01-07T12:00:00Z");
    assert_duty(&r, ins, 4, "2026-01-07T13:00:00Z", "bruno", "2026-01-07T12:00:00Z", "2026-01-08T00:00:00Z");
    assert_true(rotation_duty(&r, ins, 4, at("2026-01-06T12:00:00Z")).stands_in);
    assert_false(rotation_duty(&r, ins, 4, at("2026-01-07T07:00:00Z")).stands_in);
}

static void shifts_of_a_calendar_may_overlap_and_leave_gaps(void **state)
{
    (void)state;
    struct shift shifts[] = {
        {at("2026-01-05T08:00:00Z"), at("2026-01-06T08:00:00Z"), 0},
        {at("2026-01-05T20:00:00Z"), at("2026-01-06T20:00:00Z"), 1},
        {at("2026-01-05T21:00:00Z"), at("2026-01-05T22:00:00Z"), 1}, /* the same person twice */
        {at("2026-01-07T08:00:00Z"), at("2026-01-08T08:00:00Z"), 7}, /* nobody we know */
    };
    struct rotation r = {.name = "dba", .calendar = "x.ics", .named = {.p = people, .n = 2}, .shifts = {.p = shifts, .n = COUNT_OF(shifts)}};
    struct duty duty = rotation_duty(&r, NULL, 0, at("2026-01-05T21:30:00Z"));
    assert_int_equal(duty.n, 2);
    assert_string_equal(duty.who[0], "anna");
    assert_string_equal(duty.who[1], "bruno");
    assert_false(duty.gap);
    duty = rotation_duty(&r, NULL, 0, at("2026-01-06T21:00:00Z"));
    assert_true(duty.gap); /* then all are called */
    assert_int_equal(duty.n, 2);
    assert_int_equal(duty.from_ms, at("2026-01-06T20:00:00Z"));
    assert_int_equal(duty.to_ms, at("2026-01-07T08:00:00Z"));
    assert_true(rotation_duty(&r, NULL, 0, at("2026-01-07T12:00:00Z")).gap);
    assert_ptr_equal(rotation_people(&r), &r.named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_take_turns),
        cmocka_unit_test(a_handoff_is_at_nine_all_year),
        cmocka_unit_test(turns_meet),
        cmocka_unit_test(the_last_who_stands_in_counts),
        cmocka_unit_test(shifts_of_a_calendar_may_overlap_and_leave_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
