/* What the public is told, and when: the first message, changes, the floor, people's words, silence. */
#include "unit/decide/rig.h"

static struct severity_conf *p1(struct rig *rig)
{
    return &rig->config->services.p[0].severities.p[0];
}

static struct rig open_rig(enum public_from from, int64_t every_ms)
{
    struct rig rig = rig_open();
    p1(&rig)->public_from = from;
    p1(&rig)->public_every_ms = every_ms;
    return rig;
}

static void say_event(struct rig *rig, const char *subject, const char *text, int64_t phase)
{
    struct event event = {.kind = EVENT_SAY, .incident = 1, .number = phase, .service = "akig", .who = "anna"};
    COPY_TO(event.subject, subject);
    COPY_TO(event.text, text);
    rig_feed(rig, &event);
}

/* The last event told the public exactly this. */
static void assert_public(const struct rig *rig, int64_t serial, const char *phase, const char *reason)
{
    assert_int_equal(rig_count(rig, ORDER_PUBLIC), 1);
    const struct order *order = rig_order(rig, ORDER_PUBLIC);
    assert_string_equal(order->subject, phase);
    assert_string_equal(order->text, reason);
    assert_int_equal(order->number, serial);
    assert_int_equal(order->incident, 1);
    assert_string_equal(order->service, "akig");
    assert_int_equal(rig_incident(rig)->public_serial, serial);
}

static void assert_silent(const struct rig *rig)
{
    assert_int_equal(rig_count(rig, ORDER_PUBLIC), 0);
}

static void open_p1(struct rig *rig)
{
    rig_feed(rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
}

static void the_stage_of_the_status_page_is_the_first(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    open_p1(&rig);
    int64_t opened = rig.now_ms;
    for (int64_t next; (next = decide_next_ms(rig.decide)) < opened + 5 * MS_MINUTE;) {
        rig_tick(&rig, next - rig.now_ms);
        assert_silent(&rig);
    }
    rig_tick(&rig, opened + 5 * MS_MINUTE - rig.now_ms);
    assert_public(&rig, 1, "investigating", "stage");
    assert_true(rig_order(&rig, ORDER_PUBLIC)->ref == rig.now_ms + 1700000000000 + 20 * MS_MINUTE);
    rig_close(&rig);
}

static void what_two_vantage_points_confirm_is_told_with_the_alert(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig_down(&rig); /* the database itself, and the users' way */
    assert_silent(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_STAGE, "alert"));
    assert_public(&rig, 1, "investigating", "confirmed");
    rig_close(&rig);
}

static void what_one_vantage_point_sees_waits_for_the_stage(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_STAGE, "alert"));
    assert_silent(&rig);
    rig_verdict(&rig, "public", VERDICT_DOWN); /* the second one comes later: told at once */
    assert_public(&rig, 1, "investigating", "confirmed");
    rig_close(&rig);
}

static void what_is_over_before_the_first_message_was_never_public(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    for (int i = 0; i < 20 && rig_incident(&rig)->state != INCIDENT_RESOLVED; i++) {
        rig_tick(&rig, MS_MINUTE);
        assert_silent(&rig);
    }
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void each_phase_is_told_once(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig_down(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_public(&rig, 1, "investigating", "confirmed");
    rig_outcome(&rig, OUTCOME_SUCCESS, "the postmaster is gone");
    rig_assert_run(&rig, "service restart production.database");
    assert_public(&rig, 2, "identified", "change"); /* what is restarted is known */
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_silent(&rig);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_assert_run(&rig, "verify public");
    assert_silent(&rig);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_public(&rig, 3, "monitoring", "change");
    rig_tick(&rig, 30 * MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    assert_public(&rig, 4, "resolved", "change");
    assert_true(rig_order(&rig, ORDER_PUBLIC)->ref == 0); /* nothing more is promised */
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_close(&rig);
}

static void a_look_is_no_cause(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig_down(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_public(&rig, 1, "investigating", "confirmed"); /* diagnose runs, and has found nothing yet */
    rig_close(&rig);
}

static void the_floor_is_kept_to_the_millisecond(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    open_p1(&rig);
    rig_run_until(&rig, 11 * MS_MINUTE); /* all stages are over */
    int64_t told = rig_incident(&rig)->public_at_ms;
    for (int serial = 2; serial < 6; serial++) {
        assert_true(decide_next_ms(rig.decide) == told + 20 * MS_MINUTE);
        rig_tick(&rig, told + 20 * MS_MINUTE - 1 - rig.now_ms);
        assert_silent(&rig);
        rig_tick(&rig, 1);
        assert_public(&rig, serial, "investigating", "floor");
        assert_int_equal(rig_incident(&rig)->public_late_ms, 0);
        told = rig.now_ms;
    }
    rig_close(&rig);
}

static void without_a_floor_only_changes_are_told(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 0);
    p1(&rig)->update_every_ms = 0;
    open_p1(&rig);
    rig_run_until(&rig, 11 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->public_serial, 1);
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    assert_true(rig_incident(&rig)->public_due_ms == TIME_NEVER);
    rig_close(&rig);
}

static void what_comes_late_is_known_to_be_late(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    open_p1(&rig);
    rig_run_until(&rig, 11 * MS_MINUTE);
    rig_tick(&rig, 60 * MS_MINUTE); /* nobody was there */
    assert_public(&rig, 2, "investigating", "floor");
    assert_true(rig_incident(&rig)->public_late_ms == 46 * MS_MINUTE);
    rig_tick(&rig, 20 * MS_MINUTE);
    assert_public(&rig, 3, "investigating", "floor");
    assert_true(rig_incident(&rig)->public_late_ms == 0);
    rig_close(&rig);
}

/* A service that comes and goes every 5 s: the page must not. */
static void flapping_does_not_reach_the_page(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig_down(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_public(&rig, 3, "monitoring", "change");
    int told = 0;
    int64_t begin = rig.now_ms, last = begin, nearest = TIME_NEVER;
    for (int i = 0; i < 120 && rig_incident(&rig)->state != INCIDENT_RESOLVED; i++) {
        rig.now_ms += 5 * MS_SECOND;
        rig_verdict(&rig, "public", i % 2 ? VERDICT_UP : VERDICT_DOWN);
        if (rig_count(&rig, ORDER_PUBLIC)) {
            told++;
            nearest = MIN_OF(nearest, rig.now_ms - last);
            last = rig.now_ms;
        }
    }
    assert_true(told <= (rig.now_ms - begin) / MS_MINUTE + 1);
    assert_true(told == 0 || nearest >= MS_MINUTE);
    rig_close(&rig);
}

static void a_relapse_is_told_when_it_lasts(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    rig_down(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_public(&rig, 3, "monitoring", "change");
    int64_t told = rig.now_ms;
    rig.now_ms += 10 * MS_SECOND;
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_silent(&rig);
    while (rig.now_ms < told + MS_MINUTE) {
        assert_true(decide_next_ms(rig.decide) <= told + MS_MINUTE);
        assert_silent(&rig);
        rig_tick(&rig, MIN_OF(decide_next_ms(rig.decide), told + MS_MINUTE) - rig.now_ms);
    }
    assert_public(&rig, 4, "identified", "change");
    assert_true(rig_incident(&rig)->public_relapse);
    rig_close(&rig);
}

static void a_quiet_playbook_tells_the_public_nothing(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    fixture_playbook(rig.config, "database-down")->is_public = false;
    rig_down(&rig);
    for (int i = 0; i < 60; i++) {
        rig_tick(&rig, MS_MINUTE);
        assert_silent(&rig);
    }
    assert_int_equal(rig_incident(&rig)->public_serial, 0);
    rig_close(&rig);
}

static void a_person_may_speak_where_the_machine_is_quiet_and_is_reminded(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_PERSON, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    open_p1(&rig);
    rig_run_until(&rig, 11 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->public_serial, 0);
    say_event(&rig, "public", "we look into it", -1);
    assert_public(&rig, 1, "investigating", "person");
    assert_string_equal(rig_order(&rig, ORDER_PUBLIC)->who, "anna");
    rig_tick(&rig, 20 * MS_MINUTE - 1);
    assert_int_equal(rig.orders.n, 0);
    assert_true(decide_next_ms(rig.decide) == rig.now_ms + 1);
    rig_tick(&rig, 1);
    assert_silent(&rig);
    assert_string_equal(rig_order(&rig, ORDER_NOTIFY)->stage, "reminder");
    rig_tick(&rig, MS_HOUR);
    assert_int_equal(rig.orders.n, 0); /* once */
    say_event(&rig, "public", "still at it", -1);
    assert_public(&rig, 2, "investigating", "person");
    assert_true(rig_incident(&rig)->public_late_ms == MS_HOUR);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_silent(&rig);
    bool reminded = false;
    for (size_t i = 0; i < rig.orders.n; i++)
        reminded = reminded || same(rig.orders.p[i].stage, "reminder");
    assert_true(reminded); /* the public does not know yet that it is over */
    say_event(&rig, "public", "all is well", -1);
    assert_public(&rig, 3, "resolved", "person");
    rig_tick(&rig, MS_DAY);
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void a_person_holds_the_machine_back(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    open_p1(&rig);
    say_event(&rig, "hold", "", -1);
    for (int i = 0; i < 20; i++) {
        rig_tick(&rig, MS_MINUTE);
        assert_silent(&rig);
    }
    say_event(&rig, "resume", "", -1);
    assert_public(&rig, 1, "investigating", "stage");
    rig_close(&rig);
}

static void a_persons_words_begin_the_floor_anew(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    open_p1(&rig);
    rig_run_until(&rig, 15 * MS_MINUTE);
    say_event(&rig, "public", "a cable", PUBLIC_IDENTIFIED);
    assert_public(&rig, 2, "identified", "person");
    rig_tick(&rig, 20 * MS_MINUTE - 1);
    assert_silent(&rig);
    rig_tick(&rig, 1);
    assert_public(&rig, 3, "identified", "floor"); /* what a person knows is not taken back by the machine */
    rig_close(&rig);
}

static void a_phase_that_a_person_named_does_not_hide_a_relapse(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    p1(&rig)->update_every_ms = 0;
    rig_down(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    say_event(&rig, "public", "it looks good", PUBLIC_MONITORING);
    assert_public(&rig, 2, "monitoring", "person");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig.now_ms += 2 * MS_MINUTE - MS_SECOND;
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_public(&rig, 3, "identified", "change");
    rig_close(&rig);
}

static void words_for_another_incident_reach_nobody(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    open_p1(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_SAY, .incident = 9, .subject = "public", .text = "words"});
    assert_int_equal(rig.orders.n, 0);
    rig_feed(&rig, &(struct event){.kind = EVENT_SAY, .incident = 0, .subject = "public", .text = "words"});
    assert_int_equal(rig.orders.n, 0);
    rig_feed(&rig, &(struct event){.kind = EVENT_SAY, .incident = 1, .subject = "nonsense", .text = "words"});
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void words_inside_go_to_those_who_were_told(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_STAGE, 20 * MS_MINUTE);
    open_p1(&rig);
    rig_tick(&rig, 2 * MS_MINUTE);
    say_event(&rig, "inside", "the cable is out", -1);
    assert_silent(&rig);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 5); /* ops by two ways, the dba by two, devops */
    const struct order *order = rig_find(&rig, ORDER_NOTIFY, "1/say/ops/slack");
    assert_non_null(order);
    assert_string_equal(order->stage, "say");
    assert_non_null(strstr(order->text, "anna: the cable is out"));
    say_event(&rig, "inside", "again", -1);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/say-2/ops/slack"));
    rig_close(&rig);
}

static void a_severity_nobody_configured_is_silent(void **state)
{
    (void)state;
    struct rig rig = open_rig(PUBLIC_FROM_CONFIRMED, 20 * MS_MINUTE);
    rig.config->services.p[0].severities.n = 0;
    open_p1(&rig);
    rig_tick(&rig, MS_HOUR);
    assert_silent(&rig);
    say_event(&rig, "public", "we know", -1);
    assert_public(&rig, 1, "investigating", "person");
    assert_true(rig_incident(&rig)->public_due_ms == TIME_NEVER);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stage_of_the_status_page_is_the_first),
        cmocka_unit_test(what_two_vantage_points_confirm_is_told_with_the_alert),
        cmocka_unit_test(what_one_vantage_point_sees_waits_for_the_stage),
        cmocka_unit_test(what_is_over_before_the_first_message_was_never_public),
        cmocka_unit_test(each_phase_is_told_once),
        cmocka_unit_test(a_look_is_no_cause),
        cmocka_unit_test(the_floor_is_kept_to_the_millisecond),
        cmocka_unit_test(without_a_floor_only_changes_are_told),
        cmocka_unit_test(what_comes_late_is_known_to_be_late),
        cmocka_unit_test(flapping_does_not_reach_the_page),
        cmocka_unit_test(a_relapse_is_told_when_it_lasts),
        cmocka_unit_test(a_quiet_playbook_tells_the_public_nothing),
        cmocka_unit_test(a_person_may_speak_where_the_machine_is_quiet_and_is_reminded),
        cmocka_unit_test(a_person_holds_the_machine_back),
        cmocka_unit_test(a_persons_words_begin_the_floor_anew),
        cmocka_unit_test(a_phase_that_a_person_named_does_not_hide_a_relapse),
        cmocka_unit_test(words_for_another_incident_reach_nobody),
        cmocka_unit_test(words_inside_go_to_those_who_were_told),
        cmocka_unit_test(a_severity_nobody_configured_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
