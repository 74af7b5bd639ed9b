/* The fold: opening, sites, several services, replay, and what must leave no trace. */
#include "unit/decide/rig.h"

static void it_opens_on_the_edge_only(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "production.database", VERDICT_DOWN); /* still */
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    rig_close(&rig);
}

static void unknown_opens_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_verdict(&rig, "production.database", VERDICT_UNKNOWN);
    assert_int_equal(rig.orders.n, 0);
    rig_verdict(&rig, "production.database", VERDICT_WARNING);
    assert_int_equal(rig.orders.n, 0);
    assert_int_equal(decide_verdict(rig.decide, 0, "production.database"), VERDICT_WARNING);
    rig_close(&rig);
}

static void after_a_start_only_what_is_seen_anew_counts(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0);
    assert_int_equal(decide_verdict(rig.decide, 0, "production.database"), VERDICT_UNKNOWN);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 1);
    rig_close(&rig);
}

/* A controller that slept through a disaster must not take the last thing it saw for the state of the service. */
static void what_was_well_before_a_start_resolves_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_failed_over(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    rig_run_until(&rig, MS_HOUR);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_run_until(&rig, MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void a_second_playbook_waits_for_the_first(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "backup-old");
    playbook->title = (struct text2){"Backup too old", "Sauvegarde trop ancienne"};
    playbook->severity = SEVERITY_P3;
    playbook->opens_when = "production.backup is down";
    fixture_add_step(rig.arena, playbook, "look", "diagnose active");
    rig_down(&rig);
    rig_verdict(&rig, "production.backup", VERDICT_DOWN);
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    assert_string_equal(rig_order(&rig, ORDER_OPEN)->text, "Backup too old");
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->number, SEVERITY_P3);
    rig_close(&rig);
}

static void what_no_longer_holds_does_not_open_later(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_add_playbook(rig.arena, rig.config, "backup-old")->opens_when = "production.backup is down";
    rig_down(&rig);
    rig_verdict(&rig, "production.backup", VERDICT_DOWN);
    rig_verdict(&rig, "production.backup", VERDICT_UP);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0);
    rig_close(&rig);
}

static void what_comes_back_while_it_is_watched_opens_when_it_is_resolved(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_verdict(&rig, "production.database", VERDICT_DOWN); /* the public path still answers from its cache */
    assert_int_equal(rig.orders.n, 0);
    rig_tick(&rig, 30 * MS_SECOND);
    assert_int_equal(rig_order(&rig, ORDER_STATE)->number, INCIDENT_RESOLVED);
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    rig_close(&rig);
}

static void after_a_failover_the_other_site_is_the_active_one(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_failed_over(&rig);
    rig_tick(&rig, 30 * MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "production.database", VERDICT_DOWN); /* nobody's users are there */
    assert_int_equal(rig.orders.n, 0);
    rig_verdict(&rig, "dr.database", VERDICT_DOWN);
    assert_int_equal(rig_incident(&rig)->id, 2);
    assert_int_equal(rig_incident(&rig)->from, 1);
    assert_int_equal(rig_incident(&rig)->to, 0);
    rig_assert_run(&rig, "diagnose dr");
    rig_close(&rig);
}

static void of_several_standbys_the_fittest_is_meant(void **state)
{
    (void)state;
    for (int64_t said = 0; said <= 3; said++) {
        struct rig rig = rig_open();
        struct service *service = &rig.config->services.p[0];
        *vec_add(rig.arena, &service->sites) = (struct site){.name = "third", .role = SITE_DR};
        *vec_add(rig.arena, &service->checks) = (struct check_conf){.id = "dr.agent", .type = "agent", .site = "dr"};
        *vec_add(rig.arena, &service->checks) = (struct check_conf){.id = "third.agent", .type = "agent", .site = "third"};
        if (said == 3) { /* both are as well: the first of them */
            rig_verdict(&rig, "dr.agent", VERDICT_UP);
            rig_verdict(&rig, "third.agent", VERDICT_UP);
        } else if (said == 2) {
            rig_verdict(&rig, "third.agent", VERDICT_UP);
            rig_verdict(&rig, "dr.agent", VERDICT_DOWN);
        }
        if (said == 1) /* a person says where to */
            rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .service = "akig", .subject = "failover", .number = -1, .ref = 3, .who = "anna"});
        else
            rig_verdict(&rig, "production.database", VERDICT_DOWN);
        assert_int_equal(rig_incident(&rig)->to, said == 1 || said == 2 ? 2 : 1);
        rig_close(&rig);
    }
}

/* Its agent heard of the end first: what the database's own check said last is as old as its last change. */
static void proof_of_life_is_its_agent_s_too(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    *vec_add(rig.arena, &rig.config->services.p[0].checks) = (struct check_conf){.id = "production.agent", .type = "agent", .site = "production"};
    fixture_playbook(rig.config, "database-down")->opens_when = "production.agent is down";
    rig_verdict(&rig, "production.database", VERDICT_UP); /* 5000 */
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "production.agent", .number = VERDICT_DOWN, .ref = 9000, .text = "silent"});
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->ref, 9000);
    rig_close(&rig);
}

static void proof_of_life_is_the_database_s(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_playbook(rig.config, "database-down")->opens_when = "public is down";
    rig_verdict(&rig, "production.database", VERDICT_UP); /* 5000 */
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "public", .number = VERDICT_DOWN, .ref = 9999, .text = "502"});
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->ref, 5000);
    assert_string_equal(rig_incident(&rig)->cause, "502");
    rig_close(&rig);

    rig = rig_open();
    fixture_playbook(rig.config, "database-down")->opens_when = "public is down";
    rig.config->services.p[0].checks.p[0].id = "primary"; /* no check has the name of the database */
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "public", .number = VERDICT_DOWN, .ref = 9999});
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->ref, 9999);
    rig_close(&rig);
}

static void a_person_s_words_are_the_cause(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_playbook(rig.config, "failover")->title = (struct text2){0};
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .subject = "failover", .who = "anna", .text = "the provider announced a fire"});
    assert_string_equal(rig_incident(&rig)->cause, "the provider announced a fire");
    assert_string_equal(rig_incident(&rig)->title, "failover");
    assert_false(rig_incident(&rig)->automatic);
    rig_close(&rig);

    rig = rig_open();
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .subject = "mars"});
    assert_string_equal(rig_incident(&rig)->title, "Incident");
    assert_int_equal(rig_incident(&rig)->playbook, -1);
    rig_close(&rig);
}

static void what_means_nothing_leaves_no_trace(void **state)
{
    (void)state;
    static const enum event_kind kinds[] = {EVENT_FACT, EVENT_STOPPED, EVENT_RUNNING, EVENT_MAX};
    struct rig rig = rig_open();
    rig_down(&rig);
    rig.now_ms += MS_HOUR; /* everything is due */
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        rig_feed(&rig, &(struct event){.kind = kinds[i], .incident = 1, .subject = "1.diagnose.1"});
        assert_int_equal(rig.orders.n, 0);
    }
    rig_tick(&rig, 0);
    assert_int_not_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void where_another_controller_left_the_users_is_believed(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .service = "akig", .number = 2}); /* says nothing of the users */
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .service = "akig", .number = 2, .subject = "mars"});
    rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .service = "mars", .number = 2, .subject = "dr"});
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .service = "akig", .number = 2, .subject = "dr"});
    assert_string_equal(decide_active(rig.decide, 0)->name, "dr");
    rig_verdict(&rig, "production.database", VERDICT_DOWN); /* it is where nobody is any more */
    rig_tick(&rig, 60000);
    assert_int_equal(decide_incidents(rig.decide), 0);
    rig_close(&rig);
}

static void events_about_nothing_are_ignored(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "mars", .subject = "public", .number = VERDICT_UP});
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "mars", .number = VERDICT_UP});
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "public", .number = 99});
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "akig", .subject = "public", .number = -1});
    assert_int_equal(decide_verdict(rig.decide, 0, "public"), VERDICT_DOWN);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .service = "mars"});
    static const enum event_kind kinds[] = {EVENT_ACK, EVENT_RESOLVE, EVENT_REVIEW, EVENT_APPROVE, EVENT_DENY, EVENT_CERTIFY, EVENT_RETRY};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        rig_feed(&rig, &(struct event){.kind = kinds[i], .incident = 99, .subject = "production"});
        assert_int_equal(rig.orders.n, 0);
    }
    assert_int_equal(decide_incidents(rig.decide), 1);
    rig_close(&rig);
}

static void time_that_goes_back_does_not(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_tick(&rig, 10 * MS_SECOND);
    rig.now_ms -= 8 * MS_SECOND;
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->frames[0].entered_at_ms, rig.now_ms + 8 * MS_SECOND);
    rig_close(&rig);
}

/* Two services: each has its own incident, and people may mean one by naming the service. */
static void services_do_not_mix(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct service *second = vec_add(rig.arena, &rig.config->services);
    *second = rig.config->services.p[0];
    second->name = "other";
    rig_down(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_VERDICT, .service = "other", .subject = "production.database", .number = VERDICT_DOWN});
    assert_string_equal(rig_order(&rig, ORDER_OPEN)->service, "other");
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->incident, 2);
    rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE, .service = "akig"});
    assert_int_equal(decide_incident(rig.decide, 1)->state, INCIDENT_RESOLVED);
    assert_int_equal(decide_incident(rig.decide, 2)->state, INCIDENT_MITIGATING);
    rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE}); /* the newest that is unresolved */
    assert_int_equal(decide_incident(rig.decide, 2)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void reading_out_of_range_is_safe(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct service *bare = vec_add(rig.arena, &rig.config->services);
    *bare = (struct service){.name = "bare"};
    struct service *odd = vec_add(rig.arena, &rig.config->services);
    *odd = (struct service){.name = "odd"};
    *vec_add(rig.arena, &odd->sites) = (struct site){.name = "only", .role = SITE_DR};
    rig_begin(&rig);
    assert_null(decide_active(rig.decide, -1));
    assert_null(decide_active(rig.decide, 3));
    assert_null(decide_active(rig.decide, 1));
    assert_string_equal(decide_active(rig.decide, 2)->name, "only");
    assert_int_equal(decide_verdict(rig.decide, -1, "public"), VERDICT_UNKNOWN);
    assert_int_equal(decide_verdict(rig.decide, 3, "public"), VERDICT_UNKNOWN);
    assert_int_equal(decide_verdict(rig.decide, 0, "mars"), VERDICT_UNKNOWN);
    assert_int_equal(decide_incidents(rig.decide), 0);
    assert_null(decide_incident_at(rig.decide, 0));
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    /* a service without sites still has incidents */
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .service = "bare", .text = "x"});
    assert_int_equal(rig_incident(&rig)->from, -1);
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_close(&rig);
}

static void a_service_without_sites_runs_what_needs_none(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].sites.n = 0;
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "page-down");
    playbook->opens_when = playbook->resolved_when = "public is down";
    fixture_add_step(rig.arena, playbook, "page", "run something");
    rig_verdict(&rig, "public", VERDICT_DOWN);
    rig_assert_run(&rig, "run something");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "public", VERDICT_UP); /* ill by its own odd measure: a relapse */
    rig_run_until(&rig, 3 * PATIENCE_MS);
    assert_true(rig_inc(&rig)->blocked);
    rig_close(&rig);
}

/* The same events in another process, with other memory: the same orders, byte for byte. */
static void a_replay_gives_the_same_bytes(void **state)
{
    (void)state;
    struct event events[64];
    struct rig rig = rig_open();
    rig_begin(&rig);
    struct decide *live = rig.decide, *again = decide_open(rig.arena, fixture_config(rig.arena));
    struct orders first = {.arena = rig.arena}, second = {.arena = rig.arena};
    size_t n = 0;
    events[n++] = (struct event){.kind = EVENT_VERDICT, .at_ms = 1000, .service = "akig", .subject = "production.database", .number = VERDICT_DOWN, .text = "gone"};
    events[n++] = (struct event){.kind = EVENT_OUTCOME, .at_ms = 2000, .subject = "1.diagnose.1"};
    events[n++] = (struct event){.kind = EVENT_TICK, .at_ms = 6000};
    events[n++] = (struct event){.kind = EVENT_OUTCOME, .at_ms = 7000, .subject = "1.restart.2", .number = OUTCOME_FAILURE};
    events[n++] = (struct event){.kind = EVENT_ACK, .at_ms = 8000, .who = "anna"};
    events[n++] = (struct event){.kind = EVENT_OUTCOME, .at_ms = 9000, .subject = "1.check-dr.4"};
    events[n++] = (struct event){.kind = EVENT_TICK, .at_ms = 600000};
    events[n++] = (struct event){.kind = EVENT_RESOLVE, .at_ms = 700000, .who = "anna"};
    for (size_t i = 0; i < n; i++)
        decide_event(live, &events[i], &first);
    for (size_t i = 0; i < n; i++)
        decide_event(again, &events[i], &second);
    assert_true(first.n > 20);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n * sizeof(*first.p));
    rig_close(&rig);
}

/* Ticks that gave no orders are not recorded: without them the rest comes out the same. */
static void ticks_without_orders_may_be_left_out(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct decide *often = decide_open(rig.arena, rig.config), *seldom = decide_open(rig.arena, rig.config);
    struct orders out = {.arena = rig.arena}, kept = {.arena = rig.arena};
    struct event down = {.kind = EVENT_VERDICT, .at_ms = 1000, .service = "akig", .subject = "production.database", .number = VERDICT_DOWN};
    struct event ack = {.kind = EVENT_ACK, .at_ms = 1500};
    decide_event(often, &down, &out);
    decide_event(seldom, &down, &kept);
    decide_event(often, &ack, &out);
    decide_event(seldom, &ack, &kept);
    for (int64_t at = 2000; at < 2000000; at += 500) {
        size_t before = out.n;
        struct event tick = {.kind = EVENT_TICK, .at_ms = at};
        decide_event(often, &tick, &out);
        if (out.n != before)
            decide_event(seldom, &tick, &kept);
    }
    assert_int_equal(out.n, kept.n);
    assert_memory_equal(out.p, kept.p, out.n * sizeof(*out.p));
    assert_int_equal(decide_next_ms(often), decide_next_ms(seldom));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_on_the_edge_only),
        cmocka_unit_test(unknown_opens_nothing),
        cmocka_unit_test(after_a_start_only_what_is_seen_anew_counts),
        cmocka_unit_test(what_was_well_before_a_start_resolves_nothing),
        cmocka_unit_test(a_second_playbook_waits_for_the_first),
        cmocka_unit_test(what_no_longer_holds_does_not_open_later),
        cmocka_unit_test(what_comes_back_while_it_is_watched_opens_when_it_is_resolved),
        cmocka_unit_test(after_a_failover_the_other_site_is_the_active_one),
        cmocka_unit_test(of_several_standbys_the_fittest_is_meant),
        cmocka_unit_test(proof_of_life_is_the_database_s),
        cmocka_unit_test(proof_of_life_is_its_agent_s_too),
        cmocka_unit_test(a_person_s_words_are_the_cause),
        cmocka_unit_test(what_means_nothing_leaves_no_trace),
        cmocka_unit_test(where_another_controller_left_the_users_is_believed),
        cmocka_unit_test(events_about_nothing_are_ignored),
        cmocka_unit_test(time_that_goes_back_does_not),
        cmocka_unit_test(services_do_not_mix),
        cmocka_unit_test(reading_out_of_range_is_safe),
        cmocka_unit_test(a_service_without_sites_runs_what_needs_none),
        cmocka_unit_test(a_replay_gives_the_same_bytes),
        cmocka_unit_test(ticks_without_orders_may_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
