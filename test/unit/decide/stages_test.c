/* Who is told when: stage clocks, groups, keys, acknowledgement, updates, restarts. */
#include "unit/decide/rig.h"

static void open_p1(struct rig *rig)
{
    rig_feed(rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
    assert_int_equal(rig_count(rig, ORDER_OPEN), 1);
}

static void each_stage_comes_at_its_second(void **state)
{
    (void)state;
    const struct {
        const char *stage;
        int64_t after_ms;
        size_t notices;
    } stages[] = {
        {"alert", 5 * MS_SECOND, 2},        /* slack and mail of ops */
        {"on-call", 2 * MS_MINUTE, 3},      /* two addresses of the dba, one of devops */
        {"runbook", 3 * MS_MINUTE, 3},
        {"status-page", 5 * MS_MINUTE, 2},
        {"management", 10 * MS_MINUTE, 3},  /* the group holds ops, who is named beside it as well: once */
    };
    struct rig rig = rig_open();
    rig.config->services.p[0].severities.p[0].update_every_ms = 0;
    open_p1(&rig);
    int64_t opened = rig.now_ms;
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        assert_int_equal(decide_next_ms(rig.decide), opened + stages[i].after_ms);
        rig_tick(&rig, opened + stages[i].after_ms - rig.now_ms - 1);
        assert_int_equal(rig.orders.n, 0);
        rig_tick(&rig, 1);
        assert_int_equal(rig_count(&rig, ORDER_STAGE), 1);
        assert_string_equal(rig_order(&rig, ORDER_STAGE)->subject, stages[i].stage);
        assert_int_equal(rig_order(&rig, ORDER_STAGE)->number, 0);
        assert_int_equal(rig_count(&rig, ORDER_NOTIFY), stages[i].notices);
        rig_tick(&rig, 0);
        assert_int_equal(rig.orders.n, 0);
    }
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_close(&rig);
}

static void a_notice_says_who_how_and_what(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    const struct order *slack = rig_find(&rig, ORDER_NOTIFY, "1/alert/ops/slack"), *mail = rig_find(&rig, ORDER_NOTIFY, "1/alert/ops/mail");
    assert_non_null(slack);
    assert_non_null(mail);
    assert_string_equal(slack->who, "ops");
    assert_string_equal(slack->stage, "alert");
    assert_string_equal(slack->channel, "slack");
    assert_string_equal(slack->address, "");
    assert_string_equal(slack->service, "akig");
    assert_int_equal(slack->incident, 1);
    assert_string_equal(slack->text, "[P1][INC-1] odd");
    assert_string_equal(mail->address, "ops@akig.com");
    rig_close(&rig);
}

static void two_addresses_over_one_channel_have_two_keys(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig_tick(&rig, 2 * MS_MINUTE);
    const char *keys[2] = {NULL, NULL};
    size_t n = 0;
    for (size_t i = 0; i < rig.orders.n; i++)
        if (rig.orders.p[i].kind == ORDER_NOTIFY && same(rig.orders.p[i].who, "dba"))
            keys[n++] = rig.orders.p[i].subject;
    assert_int_equal(n, 2);
    assert_true(str_starts(str_of(keys[0]), "1/on-call/dba/mail."));
    assert_string_not_equal(keys[0], keys[1]);
    rig_close(&rig);
}

static void long_names_still_give_keys_of_their_own(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    char name[90];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    rig.config->contacts.p[0].name = name;
    rig.config->services.p[0].severities.p[0].stages.p[0].notify.p[0] = name;
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 2); /* slack and mail differ beyond what fits */
    rig_close(&rig);
}

static void unknown_names_are_nobody(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].severities.p[0].stages.p[0].notify.p[0] = "nobody";
    rig.config->groups.p[0].members.p[0] = "nobody";
    open_p1(&rig);
    rig_tick(&rig, 2 * MS_MINUTE);
    assert_int_equal(rig_count(&rig, ORDER_STAGE), 2);
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 1); /* devops */
    rig_close(&rig);
}

static void missed_stages_come_once_and_late(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig.now_ms += 7 * MS_MINUTE;
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    assert_int_equal(rig_count(&rig, ORDER_STAGE), 4);
    assert_int_equal(rig_find(&rig, ORDER_STAGE, "alert")->number, 7 * MS_MINUTE - 5 * MS_SECOND);
    assert_int_equal(rig_find(&rig, ORDER_STAGE, "status-page")->number, 2 * MS_MINUTE);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/devops/mail"));
    assert_int_equal(rig_incident(&rig)->updates, 1);
    rig_tick(&rig, 0);
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void acknowledging_spares_the_paging_only(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig_tick(&rig, 5 * MS_SECOND);
    rig_person(&rig, EVENT_ACK, "");
    rig_run_until(&rig, 2 * MS_MINUTE);
    assert_true(rig_incident(&rig)->stages_fired & 2);
    rig_run_until(&rig, 55 * MS_SECOND);
    assert_non_null(rig_find(&rig, ORDER_STAGE, "runbook")); /* it informs, so it still comes */
    rig_close(&rig);
}

static void an_acknowledged_page_is_never_sent(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig.now_ms += 2 * MS_MINUTE; /* due, but the controller slept; meanwhile somebody took it */
    rig_person(&rig, EVENT_ACK, "");
    assert_null(rig_find(&rig, ORDER_STAGE, "on-call"));
    assert_non_null(rig_find(&rig, ORDER_STAGE, "alert"));
    rig_close(&rig);
}

static void updates_come_on_a_grid_and_to_those_who_were_told(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    open_p1(&rig);
    rig_run_until(&rig, 5 * MS_MINUTE);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/ops/slack"));
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/devops/mail"));
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/director/mail"));
    assert_string_equal(rig_find(&rig, ORDER_NOTIFY, "1/update-1/devops/mail")->stage, "update");
    assert_string_equal(rig_find(&rig, ORDER_NOTIFY, "1/update-1/devops/mail")->text, "");
    rig.now_ms += 11 * MS_MINUTE; /* a restart: 10 and 15 min were missed, one comes now, the next at 20 */
    rig_feed(&rig, &(struct event){.kind = EVENT_TICK});
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-2/director/mail"));
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/update-3/director/mail"));
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + 4 * MS_MINUTE);
    rig_close(&rig);
}

static void a_severity_that_is_not_configured_tells_nobody(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].severities.n = 0;
    open_p1(&rig);
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_count(&rig, ORDER_NOTIFY), 0);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void the_severity_is_the_person_s_or_the_playbook_s(void **state)
{
    (void)state;
    const struct {
        const char *playbook;
        int64_t number;
        enum severity severity;
    } cases[] = {{"", -1, SEVERITY_P2}, {"", SEVERITY_P3, SEVERITY_P3}, {"failover", -1, SEVERITY_P1}, {"failover", SEVERITY_P3, SEVERITY_P3}, {"", 99, SEVERITY_P2}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig rig = rig_open();
        struct event event = {.kind = EVENT_OPEN, .number = cases[i].number};
        COPY_TO(event.subject, cases[i].playbook);
        rig_feed(&rig, &event);
        assert_int_equal(rig_order(&rig, ORDER_OPEN)->number, cases[i].severity);
        assert_int_equal(rig_incident(&rig)->severity, cases[i].severity);
        rig_close(&rig);
    }
}

static void a_service_that_is_back_wakes_nobody_more(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    for (size_t i = 0; i < rig.config->services.p[0].playbooks.n; i++)
        rig.config->services.p[0].playbooks.p[i].hold_ms = MS_HOUR;
    rig_failed_over(&rig);
    uint32_t fired = rig_incident(&rig)->stages_fired;
    rig_run_until(&rig, 30 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_int_equal(rig_incident(&rig)->stages_fired, fired | 1); /* the first of them in any case */
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_non_null(rig_find(&rig, ORDER_STAGE, "management")); /* down again, and overdue */
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_that_is_back_wakes_nobody_more),
        cmocka_unit_test(each_stage_comes_at_its_second),
        cmocka_unit_test(a_notice_says_who_how_and_what),
        cmocka_unit_test(two_addresses_over_one_channel_have_two_keys),
        cmocka_unit_test(long_names_still_give_keys_of_their_own),
        cmocka_unit_test(unknown_names_are_nobody),
        cmocka_unit_test(missed_stages_come_once_and_late),
        cmocka_unit_test(acknowledging_spares_the_paging_only),
        cmocka_unit_test(an_acknowledged_page_is_never_sent),
        cmocka_unit_test(updates_come_on_a_grid_and_to_those_who_were_told),
        cmocka_unit_test(a_severity_that_is_not_configured_tells_nobody),
        cmocka_unit_test(the_severity_is_the_person_s_or_the_playbook_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
