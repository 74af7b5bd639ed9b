/* Calendars as programs write them: what is on when, on clocks that are moved, and files that ask for too much. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/ical.h"
#include "io/zoneinfo.h"

#define HEAD "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
#define EVENT(uid, lines) "BEGIN:VEVENT\r\nUID:" uid "\r\nDTSTAMP:20260101T000000Z\r\n" lines "END:VEVENT\r\n"
#define TAIL "END:VCALENDAR\r\n"

struct fixture {
    struct arena *arena;
    struct zone paris;
};

static int open_fixture(void **state)
{
    struct arena *arena = arena_open();
    struct fixture *f = arena_new(arena, struct fixture);
    struct err err = {0};
    f->arena = arena;
    assert_true(zoneinfo_read(arena, "Europe/Paris", &f->paris, &err));
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct arena *arena = ((struct fixture *)*state)->arena;
    arena_close(&arena);
    return 0;
}

static int64_t at(const char *text)
{
    int64_t ms = 0;
    if (!moment_parse_iso(text, &ms))
        fail_msg("\"%s\" is no moment", text);
    return ms;
}

/* "anna 2026-01-05T08:00:00.000Z 2026-01-06T08:00:00.000Z\n", a line for each. */
static const char *events_of(struct fixture *f, const char *text, const char *from, const char *to)
{
    struct ical_events events;
    struct err err = {0};
    const char *all = "";
    if (!ical_read(f->arena, str_of(text), &f->paris, at(from), at(to), &events, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < events.n; i++)
        all = arena_printf(f->arena, "%s%s %s %s\n", all, events.p[i].summary, moment_iso(f->arena, events.p[i].from_ms),
                           moment_iso(f->arena, events.p[i].to_ms));
    return all;
}

#define JANUARY "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"

static void an_event_is_where_its_clock_says(void **state)
{
    static const char text[] =
        HEAD EVENT("a", "DTSTART:20260105T080000Z\r\nDTEND:20260106T080000Z\r\nSUMMARY:utc\r\n")
            EVENT("b", "DTSTART:20260107T090000\r\nDURATION:PT8H\r\nSUMMARY:floating\r\n")
                EVENT("c", "DTSTART;TZID=America/New_York:20260108T090000\r\nDTEND;TZID=America/New_York:20260108T170000\r\nSUMMARY:away\r\n")
                    EVENT("d", "DTSTART;VALUE=DATE:20260110\r\nDTEND;VALUE=DATE:20260112\r\nSUMMARY:days\r\n")
                        EVENT("e", "DTSTART;VALUE=DATE:20260115\r\nSUMMARY:day\r\n")
                            EVENT("f", "DTSTART:20260120T080000Z\r\nDTEND:20260121T080000Z\r\nSTATUS:CANCELLED\r\nSUMMARY:not\r\n")
                                EVENT("g", "DTSTART:20260122T080000Z\r\nSUMMARY:moment\r\n") TAIL;
    assert_string_equal(events_of(*state, text, JANUARY), "utc 2026-01-05T08:00:00.000Z 2026-01-06T08:00:00.000Z\n"
                                                          "floating 2026-01-07T08:00:00.000Z 2026-01-07T16:00:00.000Z\n"
                                                          "away 2026-01-08T14:00:00.000Z 2026-01-08T22:00:00.000Z\n"
                                                          "days 2026-01-09T23:00:00.000Z 2026-01-11T23:00:00.000Z\n"
                                                          "day 2026-01-14T23:00:00.000Z 2026-01-15T23:00:00.000Z\n");
    assert_string_equal(events_of(*state, text, "2026-01-06T08:00:00Z", "2026-01-07T08:00:00Z"), ""); /* touched at their ends only */
}

static void a_weekly_shift_begins_at_nine_all_year(void **state)
{
    static const char text[] = HEAD EVENT("w", "DTSTART;TZID=Europe/Paris:20260105T090000\r\nDTEND;TZID=Europe/Paris:20260112T090000\r\n"
                                               "RRULE:FREQ=WEEKLY;INTERVAL=2\r\nSUMMARY:anna\r\n") TAIL;
    assert_string_equal(events_of(*state, text, "2026-03-23T09:00:00Z", "2026-04-20T00:00:00Z"),
                        "anna 2026-03-30T07:00:00.000Z 2026-04-06T07:00:00.000Z\nanna 2026-04-13T07:00:00.000Z 2026-04-20T07:00:00.000Z\n");
    assert_string_equal(events_of(*state, text, "2026-10-19T08:00:00Z", "2026-11-01T00:00:00Z"),
                        "anna 2026-10-26T08:00:00.000Z 2026-11-02T08:00:00.000Z\n");
}

static void instances_are_taken_out_added_and_changed(void **state)
{
    static const char text[] =
        HEAD EVENT("r", "DTSTART:20260105T080000Z\r\nDTEND:20260105T200000Z\r\nRRULE:FREQ=DAILY;COUNT=5\r\nEXDATE:20260106T080000Z\r\n"
                        "RDATE:20260120T080000Z\r\nSUMMARY:plan\r\n")
            EVENT("r", "RECURRENCE-ID:20260107T080000Z\r\nDTSTART:20260107T100000Z\r\nDTEND:20260107T110000Z\r\nSUMMARY:changed\r\n") TAIL;
    assert_string_equal(events_of(*state, text, JANUARY), "plan 2026-01-05T08:00:00.000Z 2026-01-05T20:00:00.000Z\n"
                                                          "changed 2026-01-07T10:00:00.000Z 2026-01-07T11:00:00.000Z\n"
                                                          "plan 2026-01-08T08:00:00.000Z 2026-01-08T20:00:00.000Z\n"
                                                          "plan 2026-01-09T08:00:00.000Z 2026-01-09T20:00:00.000Z\n"
                                                          "plan 2026-01-20T08:00:00.000Z 2026-01-20T20:00:00.000Z\n");
}

static void attendees_are_addresses(void **state)
{
    struct fixture *f = *state;
    struct ical_events events;
    struct err err = {0};
    static const char text[] = HEAD EVENT("a", "DTSTART:20260105T080000Z\r\nDTEND:20260106T080000Z\r\nATTENDEE;CN=Anna:mailto:anna@x.org\r\n"
                                               "ATTENDEE:MAILTO:bruno@x.org\r\nATTENDEE:urn:uuid:1\r\nSUMMARY:week\r\n") TAIL;
    assert_true(ical_read(f->arena, str_of(text), &f->paris, at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"), &events, &err));
    assert_int_equal(events.n, 1);
    assert_int_equal(events.p[0].attendees.n, 2);
    assert_string_equal(events.p[0].attendees.p[0], "anna@x.org");
    assert_string_equal(events.p[0].attendees.p[1], "bruno@x.org");
    assert_string_equal(events.p[0].uid, "a");
}

static void what_is_no_calendar_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum err_code code;
    } cases[] = {
        {"", ERR_DATA},
        {"hello", ERR_DATA},
        {EVENT("a", "DTSTART:20260105T080000Z\r\n"), ERR_DATA},
        {HEAD EVENT("a", "SUMMARY:no beginning\r\n") TAIL, ERR_DATA},
        {HEAD EVENT("a", "DTSTART:tomorrow\r\nDTEND:20260106T080000Z\r\n") TAIL, ERR_DATA},
        {HEAD EVENT("a", "DTSTART:19700101T000000Z\r\nDTEND:19700101T000001Z\r\nRRULE:FREQ=SECONDLY\r\n") TAIL, ERR_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct ical_events events;
        struct err err = {0};
        if (ical_read(f->arena, str_of(cases[i].text), &f->paris, at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), &events, &err))
            fail_msg("case %zu was read", i);
        assert_int_equal(err.code, cases[i].code);
    }
    char *large = arena_alloc(f->arena, ICAL_FILE_MAX + 1);
    memset(large, ' ', ICAL_FILE_MAX + 1);
    struct ical_events events;
    struct err err = {0};
    assert_false(ical_read(f->arena, (struct str){large, ICAL_FILE_MAX + 1}, &f->paris, 0, 1, &events, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void what_is_written_is_read(void **state)
{
    struct fixture *f = *state;
    SCOPED(buf_done) struct buf out = {.max = 1 << 20};
    struct ical_events events = {0}, again;
    struct err err = {0};
    *vec_add(f->arena, &events) = (struct ical_event){.uid = "1@x", .summary = "anna; with, marks\\", .from_ms = at("2026-01-05T08:00:00Z"),
                                                      .to_ms = at("2026-01-12T08:00:00Z")};
    *vec_add(f->arena, &events) = (struct ical_event){.uid = "2@x", .summary = "chloé", .from_ms = at("2026-01-12T08:00:00Z"),
                                                      .to_ms = at("2026-01-19T08:00:00Z")};
    ical_write(&out, "on call", &events, at("2026-01-01T00:00:00Z"));
    assert_true(ical_read(f->arena, buf_str(&out), &f->paris, at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"), &again, &err));
    assert_int_equal(again.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(again.p[i].uid, events.p[i].uid);
        assert_string_equal(again.p[i].summary, events.p[i].summary);
        assert_int_equal(again.p[i].from_ms, events.p[i].from_ms);
        assert_int_equal(again.p[i].to_ms, events.p[i].to_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_where_its_clock_says),
        cmocka_unit_test(a_weekly_shift_begins_at_nine_all_year),
        cmocka_unit_test(instances_are_taken_out_added_and_changed),
        cmocka_unit_test(attendees_are_addresses),
        cmocka_unit_test(what_is_no_calendar_is_refused),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
