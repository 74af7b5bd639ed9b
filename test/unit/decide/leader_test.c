/* Several controllers, one of which leads: what the others know, and what they keep to themselves. */
#include "unit/decide/rig.h"

enum { NOT_KNOWN, ANOTHER, OURS };

static void leads(struct rig *rig, int64_t who, const char *site)
{
    struct event event = {.kind = EVENT_LEADER, .number = who, .service = "akig"};
    COPY_TO(event.subject, site);
    rig_feed(rig, &event);
}

static void who_waits_opens_nothing_and_knows_all_when_it_leads(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    leads(&rig, ANOTHER, "");
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_run_until(&rig, MS_HOUR);
    assert_int_equal(decide_incidents(rig.decide), 0);
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    assert_int_equal(decide_verdict(rig.decide, 0, "production.database"), VERDICT_DOWN);
    leads(&rig, OURS, "");
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    rig_assert_run(&rig, "diagnose production"); /* in the same moment */
    rig_close(&rig);
}

static void what_is_over_before_the_lead_changes_opens_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    leads(&rig, ANOTHER, "");
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    leads(&rig, OURS, "");
    assert_int_equal(decide_incidents(rig.decide), 0);
    rig_close(&rig);
}

static void who_steps_back_ends_what_it_had_under_way_and_tells_nobody(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_run_until(&rig, 10 * MS_SECOND);
    leads(&rig, ANOTHER, "");
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY) + rig_count(&rig, ORDER_PUBLIC), 0);
    assert_string_equal(rig_order(&rig, ORDER_STATE)->text, "it ends here: another controller leads");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_run_until(&rig, 30 * MS_DAY);
    assert_int_equal(decide_incidents(rig.decide), 1);
    leads(&rig, OURS, ""); /* and what still is so is begun anew */
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    assert_int_equal(rig_count(&rig, ORDER_PUBLIC), 0);
    rig_close(&rig);
}

static void where_nobody_knows_who_leads_people_are_told(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    leads(&rig, ANOTHER, "");
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    leads(&rig, NOT_KNOWN, "");
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    rig_close(&rig);
}

static void a_note_of_a_person_stays_where_it_was_written(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "payments look odd"});
    leads(&rig, ANOTHER, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_OPEN);
    rig_close(&rig);
}

static void an_alert_that_still_fires_is_taken_anew(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->alerts = (struct alerts_conf){.hold_ms = 2 * MS_MINUTE, .storm_after = 5, .storm_window_ms = 10 * MS_MINUTE};
    rig_begin(&rig);
    struct event alert = {.kind = EVENT_ALERT, .number = SEVERITY_P1, .service = "akig", .subject = "a", .who = "g", .text = "disk full"};
    rig_feed(&rig, &alert);
    leads(&rig, ANOTHER, "");
    assert_int_equal(decide_alerts(rig.decide), 0);
    leads(&rig, OURS, "");
    rig_feed(&rig, &alert);
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    rig_close(&rig);
}

static void where_the_leader_put_the_users_is_followed(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    leads(&rig, ANOTHER, "dr");
    assert_string_equal(decide_active(rig.decide, 0)->name, "dr");
    leads(&rig, ANOTHER, "production");
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    leads(&rig, ANOTHER, "no such site");
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    rig_close(&rig);
}

static void a_start_forgets_who_led(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    leads(&rig, ANOTHER, "");
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_opens_nothing_and_knows_all_when_it_leads),
        cmocka_unit_test(what_is_over_before_the_lead_changes_opens_nothing),
        cmocka_unit_test(who_steps_back_ends_what_it_had_under_way_and_tells_nobody),
        cmocka_unit_test(where_nobody_knows_who_leads_people_are_told),
        cmocka_unit_test(a_note_of_a_person_stays_where_it_was_written),
        cmocka_unit_test(an_alert_that_still_fires_is_taken_anew),
        cmocka_unit_test(where_the_leader_put_the_users_is_followed),
        cmocka_unit_test(a_start_forgets_who_led),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
