/* page_test.c -- What the public sees follows from what it was told, and the figures from when users were not served. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"
#include "record/page.h"

#define NOW  INT64_C(1761436800000) /* 2025-10-26T00:00Z: days are whole */
#define TOLD(head) "{\"en\": {\"headline\": \"" head "\", \"body\": \"Words.\"}, \"fr\": {\"headline\": \"FR " head "\", \"body\": \"Mots.\"}, \"by\": \"machine\"}"

static const struct config *a_config(struct arena *a)
{
    struct config *c = arena_new(a, struct config);
    struct service *s = vec_add(a, &c->services);
    *s = (struct service){.name = "akig", .title = {"AKIG", "AKIG"}, .affected = {"Web\n\nAPI", "Site\nAPI"}, .public_url = "https://akig.com"};
    vec_add(a, &s->sites)->host.address = "pgmain7";
    *vec_add(a, &c->services) = (struct service){.name = "other", .title = {"Other", "Autre"}};
    return c;
}

static const struct status_page *a_page(struct arena *a)
{
    struct status_page *conf = arena_new(a, struct status_page);
    *conf = (struct status_page){.refresh_ms = MS_MINUTE};
    *vec_add(a, &conf->services) = "akig";
    *vec_add(a, &conf->components) = (struct page_part){.name = "web", .title = {"Web", "Site"}};
    struct page_part *api = vec_add(a, &conf->components);
    *api = (struct page_part){.name = "api", .title = {"API", "API"}};
    *vec_add(a, &api->checks) = "public";
    return conf;
}

static void row(struct fixture *f, int64_t ago, struct record r)
{
    struct err err = {0};
    int64_t seq;
    r.at_ms = r.wall_ms = NOW - ago;
    r.service = r.service ? r.service : "akig";
    if (!journal_append(f->journal, &r, 1, &seq, &err))
        fail_msg("%s", err.message);
}

#define EVENT(ago, k, ...) row(f, ago, (struct record){.kind = k, __VA_ARGS__})
#define ORDER(ago, k, n, ...) row(f, ago, (struct record){.is_order = true, .kind = k, .incident = n, __VA_ARGS__})

static void begin(struct fixture *f, int64_t ago)
{
    fixture_journal(f);
    EVENT(ago, EVENT_STARTED, .service = "");
}

static void opens(struct fixture *f, int64_t ago, int64_t incident, enum severity severity)
{
    ORDER(ago, ORDER_OPEN, incident, .subject = "database-down", .number = severity, .text = "on pgmain7");
    ORDER(ago, ORDER_STATE, incident, .number = INCIDENT_MITIGATING);
}

static void told(struct fixture *f, int64_t ago, int64_t incident, int64_t serial, const char *phase)
{
    ORDER(ago, ORDER_PUBLIC, incident, .subject = phase, .number = serial, .ref = NOW - ago + 20 * MS_MINUTE, .text = "secret words", .detail = TOLD("Head"));
}

static struct page reads(struct fixture *f, int64_t now, bool watched)
{
    struct page page;
    struct err err = {0};
    if (!page_read(f->arena, f->journal, a_config(f->arena), a_page(f->arena), now, watched, &page, &err))
        fail_msg("%s", err.message);
    return page;
}

static void an_empty_journal_knows_nothing(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    struct page page = reads(f, NOW, false);
    assert_int_equal(page.components.n, 2);
    assert_int_equal(page.incidents.n, 0);
    assert_int_equal(page.impact, IMPACT_NONE);
    assert_int_equal(page_uptime_ppm(&page.components.p[0]), -1);
    assert_int_equal(page.watched_wall_ms, 0);
    assert_string_equal(page.title.en, "AKIG");
}

static void calm_days_are_whole(void **state)
{
    struct fixture *f = *state;
    begin(f, 200 * MS_DAY);
    struct page page = reads(f, NOW, true);
    assert_int_equal(page_uptime_ppm(&page.components.p[0]), 1000000);
    for (size_t i = 0; i + 1 < PAGE_DAYS; i++)
        assert_int_equal(page.components.p[0].days[i].known_ms, MS_DAY);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1].from_wall_ms, NOW); /* today has not begun to pass */
    assert_int_equal(page.stale_wall_ms, NOW + 3 * MS_MINUTE);
}

static void a_p1_goes_through_its_phases(void **state)
{
    struct fixture *f = *state;
    begin(f, 10 * MS_DAY);
    opens(f, 40 * MS_MINUTE, 1, SEVERITY_P1);
    assert_int_equal(reads(f, NOW - 35 * MS_MINUTE, true).impact, IMPACT_NONE); /* nobody was told yet */
    assert_int_equal(reads(f, NOW - 35 * MS_MINUTE, true).components.p[0].state, COMPONENT_OPERATIONAL);
    told(f, 39 * MS_MINUTE, 1, 1, "investigating");
    struct page page = reads(f, NOW - 30 * MS_MINUTE, true);
    assert_int_equal(page.impact, IMPACT_CRITICAL);
    assert_int_equal(page.components.p[0].state, COMPONENT_MAJOR);
    assert_int_equal(page.incidents.n, 1);
    assert_true(page.incidents.p[0].affects[0]);
    assert_int_equal(page.incidents.p[0].next_update_wall_ms, NOW - 39 * MS_MINUTE + 20 * MS_MINUTE);
    ORDER(20 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_MONITORING);
    told(f, 20 * MS_MINUTE, 1, 2, "monitoring");
    page = reads(f, NOW - 10 * MS_MINUTE, true);
    assert_int_equal(page.impact, IMPACT_MINOR);
    assert_int_equal(page.components.p[0].state, COMPONENT_OPERATIONAL);
    assert_int_equal(page.incidents.p[0].monitoring_wall_ms, NOW - 20 * MS_MINUTE);
    ORDER(5 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_RESOLVED);
    told(f, 5 * MS_MINUTE, 1, 3, "resolved");
    page = reads(f, NOW - 1, true);
    assert_int_equal(page.impact, IMPACT_NONE);
    assert_int_equal(page.incidents.p[0].updates.n, 3);
    assert_int_equal(page.incidents.p[0].next_update_wall_ms, 0);
    assert_true(page_incident_over(&page.incidents.p[0]));
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1].major_ms, 20 * MS_MINUTE);
    /* 20 minutes of ten days, rounded against us: 1 - 20/14399.99 = 0.998611... */
    assert_int_equal(page_uptime_ppm(&page.components.p[0]), 998611);
    assert_int_equal(page_uptime_ppm(&page.components.p[1]), 1000000); /* its check was up all the time */
}

static void a_relapse_is_a_second_outage(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    opens(f, 60 * MS_MINUTE, 1, SEVERITY_P2);
    told(f, 60 * MS_MINUTE, 1, 1, "investigating");
    ORDER(50 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_MONITORING);
    told(f, 50 * MS_MINUTE, 1, 2, "monitoring");
    ORDER(40 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_MITIGATING);
    told(f, 40 * MS_MINUTE, 1, 3, "investigating");
    struct page page = reads(f, NOW - 35 * MS_MINUTE, true);
    assert_int_equal(page.components.p[0].state, COMPONENT_PARTIAL);
    assert_int_equal(page.incidents.p[0].monitoring_wall_ms, 0);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1].partial_ms, 15 * MS_MINUTE);
    ORDER(38 * MS_MINUTE, ORDER_SEVERITY, 1, .number = SEVERITY_P1, .ref = SEVERITY_P2);
    assert_int_equal(reads(f, NOW - 35 * MS_MINUTE, true).components.p[0].state, COMPONENT_MAJOR);
}

static void what_nobody_was_told_of_counts_once_it_is_over(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    opens(f, 60 * MS_MINUTE, 1, SEVERITY_P1);
    opens(f, 60 * MS_MINUTE, 2, SEVERITY_P2);
    assert_int_equal(page_uptime_ppm(&reads(f, NOW - 30 * MS_MINUTE, true).components.p[0]), 1000000);
    ORDER(50 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_RESOLVED);
    ORDER(50 * MS_MINUTE, ORDER_STATE, 2, .number = INCIDENT_RESOLVED);
    struct page page = reads(f, NOW - 30 * MS_MINUTE, true);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1].major_ms, 10 * MS_MINUTE);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1].partial_ms, 0);
    assert_int_equal(page.components.p[0].state, COMPONENT_OPERATIONAL);
    assert_int_equal(page.incidents.n, 0);
    assert_int_equal(page.impact, IMPACT_NONE);
}

static void a_component_with_checks_follows_them(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    opens(f, 60 * MS_MINUTE, 1, SEVERITY_P1);
    told(f, 60 * MS_MINUTE, 1, 1, "investigating");
    EVENT(50 * MS_MINUTE, EVENT_VERDICT, .subject = "public", .number = VERDICT_DOWN);
    EVENT(50 * MS_MINUTE, EVENT_VERDICT, .subject = "public", .number = VERDICT_DOWN, .service = "other");
    struct page page = reads(f, NOW - 45 * MS_MINUTE, true);
    assert_int_equal(page.components.p[1].state, COMPONENT_MAJOR);
    EVENT(40 * MS_MINUTE, EVENT_VERDICT, .subject = "public", .number = VERDICT_UNKNOWN);
    EVENT(30 * MS_MINUTE, EVENT_VERDICT, .subject = "public", .number = VERDICT_UP);
    page = reads(f, NOW - 20 * MS_MINUTE, true);
    assert_int_equal(page.components.p[0].state, COMPONENT_MAJOR);
    assert_int_equal(page.components.p[1].state, COMPONENT_OPERATIONAL);
    assert_int_equal(page.components.p[1].days[PAGE_DAYS - 1].major_ms, 20 * MS_MINUTE);
    assert_true(page.incidents.p[0].affects[1]);
}

static void time_nobody_watched_counts_for_nothing(void **state)
{
    struct fixture *f = *state;
    begin(f, 5 * MS_DAY);
    EVENT(4 * MS_DAY, EVENT_STOPPED, .service = "");
    EVENT(3 * MS_DAY + MS_HOUR, EVENT_NOTE, .who = "ana"); /* a person writes; nobody watches */
    EVENT(3 * MS_DAY, EVENT_STARTED, .service = "");
    EVENT(2 * MS_DAY, EVENT_VERDICT, .subject = "public", .number = VERDICT_UP);
    EVENT(MS_DAY, EVENT_STARTED, .service = ""); /* the one before it died without a word */
    struct page page = reads(f, NOW, true);
    assert_int_equal(page_known_ms(&page.components.p[0]), 3 * MS_DAY);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1 - 4].known_ms, 0);
    assert_int_equal(page.components.p[0].days[PAGE_DAYS - 1 - 2].known_ms, 0);
    page = reads(f, NOW, false);
    assert_int_equal(page_known_ms(&page.components.p[0]), 2 * MS_DAY);
    assert_int_equal(page.watched_wall_ms, NOW - MS_DAY);
    assert_int_equal(page.stale_wall_ms, NOW - MS_DAY + 3 * MS_MINUTE);
}

static void other_services_are_not_told_of(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    row(f, MS_HOUR, (struct record){.is_order = true, .kind = ORDER_OPEN, .incident = 9, .service = "other", .subject = "x", .text = "x"});
    row(f, MS_HOUR, (struct record){.is_order = true, .kind = ORDER_PUBLIC, .incident = 9, .service = "other", .subject = "investigating", .number = 1});
    struct page page = reads(f, NOW, true);
    assert_int_equal(page.incidents.n, 0);
    assert_int_equal(page.components.p[0].state, COMPONENT_OPERATIONAL);
}

/* ---- words ---- */

static void texts_hold_no_secret_and_no_control(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    opens(f, MS_HOUR, 1, SEVERITY_P1);
    ORDER(50 * MS_MINUTE, ORDER_PUBLIC, 1, .subject = "investigating", .number = 1, .text = "pgmain7 died",
          .detail = "{\"en\": {\"headline\": \"host pgmain7 (10.1.2.3)\\u202e\\u0007 is\\nback\", \"body\": \"one\\n\\nSELECT * FROM users;\\ttwo\"}}");
    ORDER(40 * MS_MINUTE, ORDER_PUBLIC, 1, .subject = "identified", .number = 2, .text = "pgmain7 died", .detail = "not JSON");
    ORDER(30 * MS_MINUTE, ORDER_PUBLIC, 1, .subject = "no such phase", .number = 3, .detail = TOLD("Head"));
    struct page page = reads(f, NOW, true);
    assert_int_equal(page.incidents.p[0].updates.n, 2);
    const struct page_update *u = page.incidents.p[0].updates.p;
    assert_string_equal(u[0].headline.en, "host […] ([…])  is back");
    assert_string_equal(u[0].headline.fr, u[0].headline.en); /* better than nothing */
    assert_string_equal(u[0].body.en, "one\n\n[…]; two");
    assert_string_equal(u[1].headline.en, "The cause is known and we are restoring the service");
    assert_string_equal(u[1].headline.fr, "La cause est connue et nous rétablissons le service");
    assert_string_equal(u[1].body.en, "");
}

/* ---- maintenance ---- */

static void maintenance_is_told_moved_and_cancelled(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    EVENT(MS_DAY, EVENT_MAINTENANCE, .subject = "pg", .number = NOW - MS_HOUR, .ref = NOW + MS_HOUR, .text = "Update",
          .detail = "{\"en\": {\"title\": \"Update\"}, \"components\": [\"api\"]}");
    assert_int_equal(reads(f, NOW - 2 * MS_HOUR, true).maintenances.p[0].phase, MAINTENANCE_SCHEDULED);
    struct page page = reads(f, NOW, true);
    assert_int_equal(page.maintenances.p[0].phase, MAINTENANCE_IN_PROGRESS);
    assert_int_equal(page.impact, IMPACT_MAINTENANCE);
    assert_int_equal(page.components.p[0].state, COMPONENT_OPERATIONAL);
    assert_int_equal(page.components.p[1].state, COMPONENT_MAINTENANCE);
    assert_int_equal(reads(f, NOW + 2 * MS_HOUR, true).maintenances.p[0].phase, MAINTENANCE_COMPLETED);
    EVENT(MS_MINUTE, EVENT_MAINTENANCE, .subject = "pg", .number = NOW + MS_HOUR, .ref = NOW + 2 * MS_HOUR, .text = "Update");
    page = reads(f, NOW, true);
    assert_int_equal(page.maintenances.n, 1);
    assert_int_equal(page.maintenances.p[0].phase, MAINTENANCE_SCHEDULED);
    assert_true(page.maintenances.p[0].affects[0]);
    EVENT(10, EVENT_MAINTENANCE, .subject = "pg", .text = "Update");
    assert_int_equal(reads(f, NOW, true).maintenances.p[0].phase, MAINTENANCE_CANCELLED);
    EVENT(5, EVENT_MAINTENANCE, .subject = "pg", .number = NOW + MS_DAY, .ref = NOW + 2 * MS_DAY, .text = "Again");
    EVENT(4, EVENT_MAINTENANCE, .subject = "late", .number = NOW + MS_HOUR, .ref = NOW + 3 * MS_HOUR, .text = "Sooner");
    EVENT(3, EVENT_MAINTENANCE, .subject = "wrong", .number = NOW + MS_HOUR, .ref = NOW, .text = "ends before it begins");
    EVENT(2, EVENT_MAINTENANCE, .subject = "unknown", .text = "cancels what is not there");
    page = reads(f, NOW, true);
    assert_int_equal(page.maintenances.n, 3);
    assert_string_equal(page.maintenances.p[1].name, "late");
    assert_string_equal(page.maintenances.p[2].name, "pg");
}

static void an_announced_outage_is_none(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * MS_DAY);
    EVENT(MS_DAY, EVENT_MAINTENANCE, .subject = "pg", .number = NOW - 2 * MS_HOUR, .ref = NOW - MS_HOUR, .text = "Update");
    opens(f, 90 * MS_MINUTE, 1, SEVERITY_P1);
    ORDER(80 * MS_MINUTE, ORDER_STATE, 1, .number = INCIDENT_RESOLVED);
    assert_int_equal(page_uptime_ppm(&reads(f, NOW, true).components.p[0]), 1000000);
}

static void components_come_from_the_lines_of_the_service(void **state)
{
    struct fixture *f = *state;
    struct page page;
    page_parts(f->arena, a_config(f->arena), page_plain(f->arena), &page);
    assert_int_equal(page.components.n, 3);
    assert_string_equal(page.components.p[0].id, "akig-web");
    assert_string_equal(page.components.p[0].title.fr, "Site");
    assert_string_equal(page.components.p[1].id, "akig-api");
    assert_string_equal(page.components.p[2].id, "other"); /* it names no lines, so it is one itself */
    fixture_journal(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_journal_knows_nothing),
        TEST(calm_days_are_whole),
        TEST(a_p1_goes_through_its_phases),
        TEST(a_relapse_is_a_second_outage),
        TEST(what_nobody_was_told_of_counts_once_it_is_over),
        TEST(a_component_with_checks_follows_them),
        TEST(time_nobody_watched_counts_for_nothing),
        TEST(other_services_are_not_told_of),
        TEST(texts_hold_no_secret_and_no_control),
        TEST(maintenance_is_told_moved_and_cancelled),
        TEST(an_announced_outage_is_none),
        TEST(components_come_from_the_lines_of_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
