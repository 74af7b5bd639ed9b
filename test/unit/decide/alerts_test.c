/* Alerts of other programs: what opens, what shares an incident, what a storm may cost people, and when it is over. */
#include "unit/decide/rig.h"

static struct rig rig_for_alerts(void)
{
    struct rig rig = rig_open();
    rig.config->alerts = (struct alerts_conf){.hold_ms = 2 * MS_MINUTE, .storm_after = 5, .storm_window_ms = 10 * MS_MINUTE};
    rig_begin(&rig);
    return rig;
}

static void alert_at(struct rig *rig, const char *key, int64_t severity, const char *group, int64_t started_ms)
{
    struct event event = {.kind = EVENT_ALERT, .number = severity, .ref = started_ms, .service = "akig"};
    COPY_TO(event.subject, key);
    COPY_TO(event.who, group);
    SAY(event.text, "summary of %s", key);
    rig_feed(rig, &event);
}

static void alert(struct rig *rig, const char *key, int64_t severity, const char *group)
{
    alert_at(rig, key, severity, group, 0);
}

static size_t unresolved(const struct rig *rig)
{
    size_t n = 0;
    for (size_t i = 0; i < decide_incidents(rig->decide); i++)
        n += decide_incident_at(rig->decide, i)->state < INCIDENT_RESOLVED;
    return n;
}

static void an_alert_opens_an_incident_and_its_end_resolves_it(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    alert(&rig, "a", SEVERITY_P1, "alertmanager/DiskFull");
    const struct order *open = rig_order(&rig, ORDER_OPEN);
    assert_int_equal(open->number, SEVERITY_P1);
    assert_string_equal(open->text, "summary of a");
    assert_string_equal(open->who, "alertmanager/DiskFull");
    rig_run_until(&rig, 10 * MS_SECOND);
    assert_int_not_equal(rig_incident(&rig)->stages_fired & 1, 0); /* the severity's people are told by its clock */
    alert(&rig, "a", -1, "alertmanager/DiskFull");
    assert_int_equal(rig.orders.n, 0);
    assert_int_equal(decide_alerts(rig.decide), 0);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + MS_MINUTE + 50 * MS_SECOND); /* the on-call stage comes before the end */
    rig_run_until(&rig, 2 * MS_MINUTE - 1);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_OPEN);
    rig_tick(&rig, 1);
    assert_string_equal(rig_order(&rig, ORDER_STATE)->text, "its alerts have ended and did not come back");
    assert_true(rig_count(&rig, ORDER_NOTIFY) > 0);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void the_public_hears_of_it_from_people_alone(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    rig.config->services.p[0].severities.p[0].public_from = PUBLIC_FROM_CONFIRMED;
    alert(&rig, "db7.internal is down", SEVERITY_P1, "g");
    for (int i = 0; i < 60; i++) {
        rig_tick(&rig, 30 * MS_SECOND);
        assert_int_equal(rig_count(&rig, ORDER_PUBLIC), 0);
    }
    rig_close(&rig);
}

static void what_was_said_before_gives_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    alert_at(&rig, "a", SEVERITY_P2, "g", 1000);
    alert_at(&rig, "a", SEVERITY_P2, "g", 1000);
    assert_int_equal(rig.orders.n, 0);
    alert_at(&rig, "a", SEVERITY_P2, "g", 900);
    assert_int_equal(rig.orders.n, 0);
    assert_int_equal(rig_incident(&rig)->alerts_seen, 1);
    alert_at(&rig, "a", SEVERITY_P2, "g", 2000); /* it ended unseen and began again: the same incident */
    assert_int_equal(rig.orders.n, 0);
    assert_int_equal(rig_incident(&rig)->alerts_seen, 2);
    assert_int_equal(rig_incident(&rig)->alerts_firing, 1);
    alert_at(&rig, "a", -1, "g", 1000); /* the end of the first time, told late */
    assert_int_equal(rig_incident(&rig)->alerts_firing, 1);
    alert_at(&rig, "a", -1, "g", 2000);
    assert_int_equal(rig_incident(&rig)->alerts_firing, 0);
    alert(&rig, "never heard of", -1, "g");
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void alike_ones_share_an_incident_until_the_last_has_ended(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    alert(&rig, "a", SEVERITY_P2, "g");
    alert(&rig, "b", SEVERITY_P2, "g");
    alert(&rig, "c", SEVERITY_P3, "g"); /* lighter: told by the graver one */
    alert(&rig, "d", SEVERITY_P2, "another");
    assert_int_equal(unresolved(&rig), 2);
    const struct incident *first = decide_incident(rig.decide, 1);
    assert_int_equal(first->alerts_firing, 3);
    assert_string_equal(first->cause, "3 alerts, 3 of them firing; the last one: summary of c");
    alert(&rig, "a", -1, "g");
    alert(&rig, "b", -1, "g");
    rig_run_until(&rig, 5 * MS_MINUTE);
    assert_int_equal(decide_incident(rig.decide, 1)->state, INCIDENT_OPEN);
    alert(&rig, "c", -1, "g");
    rig_run_until(&rig, 5 * MS_MINUTE);
    assert_int_equal(decide_incident(rig.decide, 1)->state, INCIDENT_RESOLVED);
    assert_int_equal(decide_incident(rig.decide, 2)->state, INCIDENT_OPEN);
    rig_close(&rig);
}

static void one_that_flaps_is_one_incident(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    size_t notices = 0;
    for (int64_t t = 0; t < 10 * MS_MINUTE; t += 10 * MS_SECOND) {
        alert_at(&rig, "a", SEVERITY_P2, "g", 1000 + t);
        notices += rig_count(&rig, ORDER_NOTIFY);
        rig_tick(&rig, 5 * MS_SECOND);
        notices += rig_count(&rig, ORDER_NOTIFY);
        alert_at(&rig, "a", -1, "g", 1000 + t);
        rig_tick(&rig, 5 * MS_SECOND);
        notices += rig_count(&rig, ORDER_NOTIFY);
    }
    assert_int_equal(decide_incidents(rig.decide), 1);
    assert_int_equal(rig_incident(&rig)->alerts_seen, 60);
    assert_true(notices > 0 && notices <= 2); /* the P2 of the fixture tells one person, by two ways at most */
    rig_close(&rig);
}

static void a_graver_one_never_waits_behind_a_lighter(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    alert(&rig, "a", SEVERITY_P3, "g");
    alert(&rig, "b", SEVERITY_P1, "g");
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->number, SEVERITY_P1);
    alert(&rig, "a", SEVERITY_P1, "g"); /* it became graver itself */
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0);
    assert_int_equal(decide_incident(rig.decide, 1)->alerts_firing, 0);
    assert_int_equal(decide_incident(rig.decide, 2)->alerts_firing, 2);
    alert(&rig, "a", SEVERITY_P3, "g"); /* and lighter again: it stays where it is */
    assert_int_equal(decide_incident(rig.decide, 2)->alerts_firing, 2);
    alert(&rig, "a", -1, "g");
    assert_int_equal(decide_incident(rig.decide, 2)->alerts_firing, 1);
    rig_close(&rig);
}

static void what_a_person_resolved_stays_quiet_until_it_begins_anew(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    alert_at(&rig, "a", SEVERITY_P2, "g", 1000);
    rig_person(&rig, EVENT_RESOLVE, "");
    alert_at(&rig, "a", SEVERITY_P2, "g", 1000);
    assert_int_equal(rig.orders.n, 0);
    alert_at(&rig, "a", SEVERITY_P2, "g", 2000);
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    alert_at(&rig, "a", -1, "g", 2000);
    assert_int_equal(decide_incident(rig.decide, 1)->alerts_firing, 0);
    assert_int_equal(decide_incident(rig.decide, 2)->alerts_firing, 0);
    rig_close(&rig);
}

/* 10,000 alerts in a minute, of 10,000 groups, with one P1 among them. */
static size_t storm(struct rig *rig, size_t *ret_notices, size_t *ret_p1_orders)
{
    size_t opened = 0;
    *ret_notices = 0;
    for (int i = 0; i < 10000; i++) {
        char key[MODEL_ID_SIZE], group[MODEL_ID_SIZE];
        bool gravest = i == 7000;
        SAY(key, "key %d", i);
        SAY(group, "group %d", i);
        alert(rig, key, gravest ? SEVERITY_P1 : SEVERITY_P3, group);
        opened += rig_count(rig, ORDER_OPEN);
        *ret_notices += rig_count(rig, ORDER_NOTIFY);
        if (gravest)
            *ret_p1_orders = rig_count(rig, ORDER_OPEN);
        if (i % 100 == 99)
            rig_tick(rig, 600);
        *ret_notices += rig_count(rig, ORDER_NOTIFY) * (i % 100 == 99);
    }
    return opened;
}

static void a_storm_opens_few_incidents_and_the_gravest_alert_at_once(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    size_t notices, p1 = 0;
    assert_int_equal(storm(&rig, &notices, &p1), 5 + 1 + 1); /* five, the storm, and the P1 */
    assert_int_equal(p1, 1);
    assert_int_equal(decide_alerts(rig.decide), 10000);
    assert_true(notices <= 40);
    const struct incident *gathered = decide_incident(rig.decide, 6);
    assert_int_equal(gathered->alerts_firing, 10000 - 5 - 1);
    assert_int_equal(strncmp(gathered->title, "alert storm: after 5 incidents", 30), 0);
    for (int i = 0; i < 10000; i++) {
        char key[MODEL_ID_SIZE];
        SAY(key, "key %d", i);
        alert(&rig, key, -1, "");
    }
    rig_run_until(&rig, 3 * MS_MINUTE);
    assert_int_equal(unresolved(&rig), 0);
    rig_close(&rig);
}

static void storm_after_storm_takes_no_more_memory(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    size_t used = 0, notices, p1;
    for (int round = 0; round < 4; round++) {
        storm(&rig, &notices, &p1);
        for (int i = 0; i < 10000; i++) {
            char key[MODEL_ID_SIZE];
            SAY(key, "key %d", i);
            alert(&rig, key, -1, "");
        }
        rig_run_until(&rig, 30 * MS_MINUTE);
        if (round == 1)
            used = arena_used(rig.arena);
    }
    assert_true(arena_used(rig.arena) - used < 128 * 1024); /* a few incidents that are remembered, and no more */
    rig_close(&rig);
}

static void more_than_can_be_followed_is_told_all_the_same(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    char key[MODEL_ID_SIZE];
    for (int i = 0; i < ALERTS_MAX; i++) {
        SAY(key, "key %d", i);
        alert(&rig, key, SEVERITY_P3, "g");
    }
    alert(&rig, "one more", SEVERITY_P1, "g");
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    assert_int_equal(decide_alerts(rig.decide), ALERTS_MAX);
    rig_close(&rig);
}

static void the_same_events_give_the_same_orders(void **state)
{
    (void)state;
    struct rig rig = rig_for_alerts();
    struct decide *other = decide_open(rig.arena, rig.config);
    struct orders orders = {.arena = rig.arena};
    uint64_t random = 42;
    for (int i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned r = (unsigned)(random >> 33);
        struct event event = {.kind = r % 11 ? EVENT_ALERT : EVENT_TICK, .number = (int64_t)(r / 11 % 4) - 1, .service = "akig"};
        SAY(event.subject, "key %u", r / 64 % 40);
        SAY(event.who, "group %u", r / 4096 % 12);
        rig.now_ms += r % 5000;
        rig_feed(&rig, &event);
        event.at_ms = rig.now_ms;
        event.wall_ms = rig.now_ms + 1700000000000;
        orders.n = 0;
        decide_event(other, &event, &orders);
        assert_int_equal(orders.n, rig.orders.n);
        if (orders.n)
            assert_memory_equal(orders.p, rig.orders.p, orders.n * sizeof(*orders.p));
        int64_t firing = 0;
        for (size_t k = 0; k < decide_incidents(rig.decide); k++) {
            assert_true(decide_incident_at(rig.decide, k)->alerts_firing >= 0);
            firing += decide_incident_at(rig.decide, k)->alerts_firing;
        }
        assert_int_equal(firing, decide_alerts(rig.decide));
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_opens_an_incident_and_its_end_resolves_it),
        cmocka_unit_test(the_public_hears_of_it_from_people_alone),
        cmocka_unit_test(what_was_said_before_gives_nothing),
        cmocka_unit_test(alike_ones_share_an_incident_until_the_last_has_ended),
        cmocka_unit_test(one_that_flaps_is_one_incident),
        cmocka_unit_test(a_graver_one_never_waits_behind_a_lighter),
        cmocka_unit_test(what_a_person_resolved_stays_quiet_until_it_begins_anew),
        cmocka_unit_test(a_storm_opens_few_incidents_and_the_gravest_alert_at_once),
        cmocka_unit_test(storm_after_storm_takes_no_more_memory),
        cmocka_unit_test(more_than_can_be_followed_is_told_all_the_same),
        cmocka_unit_test(the_same_events_give_the_same_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
