/* The rules no playbook can talk its way around: certificates, failback, limits, approvals. */
#include "unit/decide/rig.h"

/* A playbook of one step, started by a condition (production.backup is down), so that it counts as automatic. */
static struct step *lonely(struct rig *rig, const char *action)
{
    struct playbook *playbook = fixture_add_playbook(rig->arena, rig->config, "lonely");
    playbook->opens_when = "production.backup is down";
    return fixture_add_step(rig->arena, playbook, "only", action);
}

static void start(struct rig *rig)
{
    rig_verdict(rig, "production.backup", VERDICT_DOWN);
}

/* ---- one writer ---- */

static void no_redirection_without_a_certificate(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch standby");
    start(&rig);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_assert_phase(&rig, STEP_BLOCKED, "only");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "needs a fence certificate for \"production\""));
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "bascule incident certify 1 production"));
    rig_person(&rig, EVENT_APPROVE, ""); /* an approval is no certificate */
    assert_int_equal(rig.orders.n, 0);
    rig_person(&rig, EVENT_RETRY, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "only");
    rig_person(&rig, EVENT_CERTIFY, "mars");
    assert_int_equal(rig.orders.n, 0);
    rig_person(&rig, EVENT_CERTIFY, "dr"); /* of the wrong site */
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_person(&rig, EVENT_CERTIFY, "production");
    rig_assert_run(&rig, "traffic switch dr");
    assert_true(rig_incident(&rig)->fenced);
    rig_close(&rig);
}

/* Agents at both sites, and an etcd: the promotion itself waits until the old primary has ended, or its lease. */
static void a_promotion_by_lease_is_its_own_certificate(void **state)
{
    (void)state;
    for (int agents = 0; agents <= 2; agents++) {
        struct rig rig = rig_open();
        struct service *service = &rig.config->services.p[0];
        *vec_add(rig.arena, &rig.config->etcd.endpoints) = "http://127.0.0.1:2379";
        for (int i = 0; i < agents; i++)
            service->sites.p[i].agent.listen = "10.0.0.1:9346";
        lonely(&rig, "promote standby");
        fixture_add_step(rig.arena, fixture_playbook(rig.config, "lonely"), "then", "traffic switch standby");
        start(&rig);
        if (agents < 2) {
            rig_assert_phase(&rig, STEP_BLOCKED, "only");
            assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "promoting the standby needs a fence certificate"));
        } else {
            rig_assert_run(&rig, "promote dr");
            assert_false(rig_incident(&rig)->fenced);
            rig_outcome(&rig, OUTCOME_SUCCESS, "");
            assert_true(rig_incident(&rig)->fenced);
            rig_assert_run(&rig, "traffic switch dr");
        }
        rig_close(&rig);
    }
}

static struct rig three_sites(void)
{
    struct rig rig = rig_open();
    struct service *service = &rig.config->services.p[0];
    *vec_add(rig.arena, &service->sites) = (struct site){.name = "third", .role = SITE_DR};
    *vec_add(rig.arena, &rig.config->etcd.endpoints) = "http://127.0.0.1:2379";
    for (size_t i = 0; i < service->sites.n; i++)
        service->sites.p[i].agent.listen = "10.0.0.1:9346";
    lonely(&rig, "promote standby");
    fixture_add_step(rig.arena, fixture_playbook(rig.config, "lonely"), "then", "traffic switch standby");
    return rig;
}

static void tell_chosen(struct rig *rig, const char *site)
{
    struct event event = {.kind = EVENT_FACT, .incident = rig_incident(rig)->id, .subject = PROMOTE_SITE_FACT};
    COPY_TO(event.text, site);
    rig_feed(rig, &event);
}

/* Standbys are compared when they stand still, and another one than was meant may have more. */
static void users_follow_the_standby_that_was_chosen(void **state)
{
    (void)state;
    struct rig rig = three_sites();
    start(&rig);
    rig_assert_run(&rig, "promote dr");
    tell_chosen(&rig, "mars");
    tell_chosen(&rig, "production");
    assert_int_equal(rig_incident(&rig)->to, 1);
    tell_chosen(&rig, "third");
    assert_int_equal(rig_incident(&rig)->to, 2);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    tell_chosen(&rig, "dr"); /* late, and about nothing that runs */
    rig_assert_phase(&rig, STEP_RUNNING, "then");
    assert_int_equal(rig_incident(&rig)->to, 2);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_equal(decide_active(rig.decide, 0)->name, "third");
    rig_close(&rig);
}

/* By the epoch one site writes: a promotion that succeeded proves it of all others, also of one that served users before. */
static void a_promotion_by_lease_is_about_all_other_sites(void **state)
{
    (void)state;
    struct rig rig = three_sites();
    start(&rig);
    rig_outcome(&rig, OUTCOME_FAILURE, "not this time"); /* dr may accept writes since, for all that is known here */
    rig_person(&rig, EVENT_OPEN, "lonely");
    rig_assert_run(&rig, "promote dr");
    tell_chosen(&rig, "third");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "traffic switch third");
    rig_close(&rig);
}

/* One that failed proves nothing: nobody is redirected. */
static void a_promotion_by_lease_that_failed_proves_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    *vec_add(rig.arena, &rig.config->etcd.endpoints) = "http://127.0.0.1:2379";
    for (int i = 0; i < 2; i++)
        rig.config->services.p[0].sites.p[i].agent.listen = "10.0.0.1:9346";
    lonely(&rig, "promote standby")->on_failure = "next";
    fixture_add_step(rig.arena, fixture_playbook(rig.config, "lonely"), "then", "traffic switch standby");
    start(&rig);
    rig_outcome(&rig, OUTCOME_FAILURE, "etcd does not answer");
    rig_assert_phase(&rig, STEP_BLOCKED, "then");
    rig_close(&rig);
}

static void a_person_s_playbook_needs_a_certificate_too(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch standby");
    rig_person(&rig, EVENT_OPEN, "lonely");
    rig_assert_phase(&rig, STEP_BLOCKED, "only");
    rig_close(&rig);
}

static void sending_the_users_where_they_are_is_harmless(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch active");
    start(&rig);
    rig_assert_run(&rig, "traffic switch production");
    rig_close(&rig);
}

static void unknown_redirections_are_refused(void **state)
{
    (void)state;
    static const char *const actions[] = {"traffic switch mars", "traffic undo", "switchover mars"};
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        struct rig rig = rig_open();
        lonely(&rig, actions[i]);
        start(&rig);
        rig_assert_phase(&rig, STEP_BLOCKED, "only");
        rig_close(&rig);
    }
}

static void a_fence_that_fails_is_blocked_until_somebody_certifies(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_FAILURE, OUTCOME_EXPIRY, OUTCOME_BLOCKED};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        struct rig rig = rig_open();
        rig_to_step(&rig, "fence");
        rig_outcome(&rig, outcomes[i], "no route to host");
        rig_assert_phase(&rig, STEP_BLOCKED, "fence");
        assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "bascule incident certify 1 production"));
        rig_run_until(&rig, MS_HOUR);
        rig_assert_phase(&rig, STEP_BLOCKED, "fence");
        rig_person(&rig, EVENT_CERTIFY, "production");
        assert_non_null(strstr(rig_order(&rig, ORDER_STEP_END)->text, "a person certified it: anna"));
        rig_assert_run(&rig, "restore dr");
        rig_close(&rig);
    }
}

static void a_fence_that_hangs_is_blocked(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "fence");
    rig_tick(&rig, MS_MINUTE);
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    rig_tick(&rig, CANCEL_GRACE_MS);
    rig_assert_phase(&rig, STEP_BLOCKED, "fence");
    rig_close(&rig);
}

static void a_fence_may_lead_elsewhere_when_it_fails(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "failover", "fence")->on_failure = "check-dr";
    rig_to_step(&rig, "fence");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

static void a_certificate_that_stands_is_not_made_twice(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    rig_person(&rig, EVENT_CERTIFY, "production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "restore dr");
    rig_close(&rig);
}

static void what_was_fenced_is_not_started_again(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_person(&rig, EVENT_RETRY, "");
    rig_assert_run(&rig, "diagnose production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restart");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "\"production\" was fenced"));
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "bascule incident approve 1"));
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service restart production.database");
    assert_false(rig_incident(&rig)->fenced); /* and its certificate is void */
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production"); /* so it is fenced anew */
    rig_close(&rig);
}

/* Found by the simulation: somebody certifies the site that a restart is just bringing back. Whatever becomes of the restart, what was
   certified meanwhile does not hold. */
static void a_certificate_given_during_a_start_is_void(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_EXPIRY, OUTCOME_BLOCKED};
    for (size_t i = 0; i <= COUNT_OF(outcomes); i++) {
        struct rig rig = rig_open();
        rig_to_restart(&rig);
        rig_person(&rig, EVENT_CERTIFY, "production");
        assert_true(rig_incident(&rig)->fenced);
        if (i < COUNT_OF(outcomes)) {
            rig_outcome(&rig, outcomes[i], "");
        } else { /* or nothing is heard of it */
            rig_tick(&rig, 90 * MS_SECOND);
            rig_tick(&rig, CANCEL_GRACE_MS);
        }
        assert_false(rig_incident(&rig)->fenced);
        assert_false(rig.decide->services[0].fenced[0]);
        rig_close(&rig);
    }
}

static void a_start_that_ends_late_voids_what_the_next_incident_was_told(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct service *second = vec_add(rig.arena, &rig.config->services);
    *second = rig.config->services.p[0];
    second->name = "other";
    rig_to_restart(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .service = "other"});
    rig_feed(&rig, &(struct event){.kind = EVENT_CERTIFY, .service = "other", .subject = "production"});
    rig_down(&rig);
    rig_person(&rig, EVENT_CERTIFY, "production");
    assert_true(rig_incident(&rig)->fenced);
    rig_outcome_of(&rig, "1.restart.2", OUTCOME_EXPIRY);
    assert_false(rig_incident(&rig)->fenced);
    assert_true(decide_incident(rig.decide, 2)->fenced); /* another service's server of the same name */
    rig_close(&rig);
}

static void a_person_goes_on_with_the_failover_instead(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_person(&rig, EVENT_OPEN, "failover");
    rig_assert_run(&rig, "status dr");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "restore dr"); /* the certificate stands */
    rig_close(&rig);
}

/* After a failover the old primary stays down: two servers must not accept writes, whoever approves. */
static void the_old_primary_is_not_started_while_dr_serves(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "service start standby.database");
    rig_failed_over(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    start(&rig);
    assert_int_equal(rig_incident(&rig)->id, 2);
    assert_int_equal(rig_incident(&rig)->from, 1);
    rig_assert_phase(&rig, STEP_BLOCKED, "only");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "certify 2 dr"));
    rig_person(&rig, EVENT_APPROVE, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_person(&rig, EVENT_CERTIFY, "dr"); /* now nothing writes anywhere: a person may decide who comes back */
    rig_assert_phase(&rig, STEP_BLOCKED, "only");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service start production.database");
    rig_close(&rig);
}

/* Found by the simulation: production was started again while DR was certified; then DR must not be started beside it. */
static void a_site_that_served_once_must_be_fenced_too(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "service start standby.database");
    rig_failed_over(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    start(&rig);
    rig_person(&rig, EVENT_CERTIFY, "dr");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service start production.database");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "dr.database", VERDICT_DOWN);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restart");
    rig_person(&rig, EVENT_APPROVE, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_person(&rig, EVENT_CERTIFY, "production");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service restart dr.database");
    rig_close(&rig);
}

static void going_back_within_the_incident_needs_both(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch active");
    rig_failed_over(&rig);
    rig_person(&rig, EVENT_OPEN, "lonely"); /* production: fenced in this incident; DR serves and may write */
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "needs a fence certificate for \"dr\""));
    rig_person(&rig, EVENT_CERTIFY, "dr");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "\"production\" was fenced, so sending the users back there"));
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "traffic switch production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    rig_close(&rig);
}

static void preparing_the_other_site_needs_no_certificate(void **state)
{
    (void)state;
    static const char *const actions[] = {"restore standby", "service start standby.application", "service restart standby.database", "anything else"};
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        struct rig rig = rig_open();
        lonely(&rig, actions[i]);
        start(&rig);
        assert_int_equal(rig_count(&rig, ORDER_RUN), 1);
        rig_close(&rig);
    }
}

/* It proves by itself that nobody else writes, so it needs no certificate; and its success is learnt as a redirection's is. */
static void a_switchover_moves_the_service(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "switchover standby");
    rig_person(&rig, EVENT_OPEN, "lonely");
    rig_assert_run(&rig, "switchover dr");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_equal(rig_order(&rig, ORDER_ACTIVE)->subject, "dr");
    rig_close(&rig);
}

static void a_switchover_that_was_taken_back_moves_nobody(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "switchover standby");
    rig_person(&rig, EVENT_OPEN, "lonely");
    rig_outcome(&rig, OUTCOME_FAILURE, "cancelled");
    assert_int_equal(rig_count(&rig, ORDER_ACTIVE), 0);
    rig_close(&rig);
}

static void a_switchover_home_asks(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "switchover production");
    rig_failed_over(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    start(&rig);
    rig_assert_phase(&rig, STEP_ASKING, "only");
    rig_close(&rig);
}

/* A redirection that was stopped half-way may have moved the users: from then on both sites count as theirs. */
static void a_redirection_of_unknown_end_is_remembered(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch active");
    fixture_add_step(rig.arena, fixture_add_playbook(rig.arena, rig.config, "again"), "only", "restore standby");
    fixture_playbook(rig.config, "again")->opens_when = "dr.application is down";
    rig_to_step(&rig, "redirect");
    rig_person(&rig, EVENT_RESOLVE, "");
    start(&rig);
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "needs a fence certificate for \"dr\""));
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "dr.application", VERDICT_DOWN);
    rig_assert_phase(&rig, STEP_ASKING, "only");
    assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "or may serve them"));
    rig_close(&rig);
}

/* ---- approvals ---- */

static void failback_always_asks(void **state)
{
    (void)state;
    static const char *const actions[] = {"restore production", "fence dr"};
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        struct rig rig = rig_open();
        lonely(&rig, actions[i]);
        rig_failed_over(&rig);
        rig_person(&rig, EVENT_RESOLVE, "");
        start(&rig);
        rig_assert_phase(&rig, STEP_ASKING, "only");
        assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "a failback is never automatic"));
        rig_person(&rig, EVENT_APPROVE, "");
        rig_assert_run(&rig, actions[i]);
        rig_close(&rig);
    }
}

static void a_redirection_to_production_asks(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "traffic switch production");
    rig_failed_over(&rig);
    rig_person(&rig, EVENT_RESOLVE, "");
    start(&rig);
    rig_person(&rig, EVENT_CERTIFY, "dr");
    rig_assert_phase(&rig, STEP_ASKING, "only");
    rig_close(&rig);
}

static void a_restore_over_the_serving_database_asks(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    lonely(&rig, "restore active");
    start(&rig);
    rig_assert_phase(&rig, STEP_ASKING, "only");
    assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "it replaces a database that serves the users"));
    rig_close(&rig);
}

static void switched_off_automatic_action_waits_for_one_word(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].enabled_automatic = false;
    rig_down(&rig); /* looking is no action */
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service restart production.database");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production"); /* said once, for the incident */
    rig_close(&rig);
}

static void a_person_s_playbook_is_not_asked_about(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].enabled_automatic = false;
    rig_person(&rig, EVENT_OPEN, "failover");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

/* ---- limits ---- */

/* One failing restart: the incident ends by a person, and the database comes back for the next one. */
static void fail_once(struct rig *rig)
{
    rig_to_restart(rig);
    rig_person(rig, EVENT_RESOLVE, "");
    rig_verdict(rig, "production.database", VERDICT_UP);
    rig->now_ms += 10 * MS_MINUTE;
}

static void restarts_are_counted_in_a_window(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    for (int i = 0; i < 3; i++)
        fail_once(&rig);
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_non_null(rig_find(&rig, ORDER_STEP_END, "4.restart.2"));
    assert_string_equal(rig_find(&rig, ORDER_STEP_END, "4.restart.2")->text,
                        "it is not run again: limit of 3 runs in 1h reached; it goes on with \"failover\"");
    rig_assert_run(&rig, "status dr");
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig.now_ms += 31 * MS_MINUTE; /* the first of the three has left the window */
    rig_to_restart(&rig);
    rig_close(&rig);
}

static void a_limit_of_one_reads_well(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->limit = 1;
    fail_once(&rig);
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_non_null(strstr(rig_order(&rig, ORDER_STEP_END)->text, "done"));
    assert_non_null(strstr(rig_find(&rig, ORDER_STEP_END, "2.restart.2")->text, "limit of 1 run in 1h reached"));
    rig_close(&rig);
}

static void a_person_is_not_limited(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    for (int i = 0; i < 3; i++)
        fail_once(&rig);
    rig_person(&rig, EVENT_OPEN, "database-down");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "service restart production.database");
    rig_close(&rig);
}

/* Fails over, and pretends that people moved everything back: a new incident of the same kind. */
static void second_failover(struct rig *rig)
{
    rig_to_step(rig, "fence");
    rig_outcome(rig, OUTCOME_BLOCKED, ""); /* it began to change things, so it counts */
    rig_person(rig, EVENT_RESOLVE, "");
    rig_verdict(rig, "production.database", VERDICT_UP);
    rig->now_ms += MS_HOUR;
    rig_to_step(rig, "check-dr");
    rig_outcome(rig, OUTCOME_SUCCESS, "");
}

static void the_second_automatic_failover_asks(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    second_failover(&rig);
    rig_assert_phase(&rig, STEP_ASKING, "fence");
    assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "limit of automatic runs"));
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "fence production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "restore dr"); /* approved as a whole */
    rig_close(&rig);
}

static void the_window_of_failovers_passes(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "fence");
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig.now_ms += MS_DAY;
    rig_to_step(&rig, "fence");
    rig_assert_phase(&rig, STEP_RUNNING, "fence");
    rig_close(&rig);
}

static void a_failover_that_changed_nothing_does_not_count(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    rig_outcome(&rig, OUTCOME_FAILURE, "dr is down");
    rig_person(&rig, EVENT_RESOLVE, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_to_step(&rig, "fence");
    rig_assert_phase(&rig, STEP_RUNNING, "fence");
    rig_close(&rig);
}

/* ---- the first look after a start ---- */

/* The failover's first step ends while the controller that comes back has not looked yet. */
static struct rig restarted_before_the_fence(void)
{
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0); /* the fence waits: it may have recovered meanwhile */
    return rig;
}

static void what_recovered_while_nobody_looked_is_not_fenced(void **state)
{
    (void)state;
    struct rig rig = restarted_before_the_fence();
    rig_verdict(&rig, "production.database", VERDICT_UP);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_verdict(&rig, "public", VERDICT_UP);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_close(&rig);
}

static void what_is_seen_to_be_down_is_fenced_at_once(void **state)
{
    (void)state;
    struct rig rig = restarted_before_the_fence();
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
    rig = restarted_before_the_fence();
    rig_verdict(&rig, "public", VERDICT_DOWN); /* the database may be up; the users are not served */
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

static void a_look_that_does_not_come_is_not_waited_for_long(void **state)
{
    (void)state;
    struct rig rig = restarted_before_the_fence();
    int64_t due = rig.now_ms + 15 * MS_SECOND;
    while (rig.now_ms < due) {
        assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
        assert_true(decide_next_ms(rig.decide) <= due);
        rig_tick(&rig, decide_next_ms(rig.decide) - rig.now_ms);
    }
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

static void what_was_begun_is_finished_without_a_look(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    rig_outcome(&rig, OUTCOME_SUCCESS, ""); /* production is fenced: there is no way back */
    rig_assert_run(&rig, "service restart dr.application");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_redirection_without_a_certificate),
        cmocka_unit_test(a_promotion_by_lease_is_its_own_certificate),
        cmocka_unit_test(users_follow_the_standby_that_was_chosen),
        cmocka_unit_test(a_promotion_by_lease_is_about_all_other_sites),
        cmocka_unit_test(a_promotion_by_lease_that_failed_proves_nothing),
        cmocka_unit_test(a_person_s_playbook_needs_a_certificate_too),
        cmocka_unit_test(sending_the_users_where_they_are_is_harmless),
        cmocka_unit_test(unknown_redirections_are_refused),
        cmocka_unit_test(a_fence_that_fails_is_blocked_until_somebody_certifies),
        cmocka_unit_test(a_fence_that_hangs_is_blocked),
        cmocka_unit_test(a_fence_may_lead_elsewhere_when_it_fails),
        cmocka_unit_test(a_certificate_that_stands_is_not_made_twice),
        cmocka_unit_test(what_was_fenced_is_not_started_again),
        cmocka_unit_test(a_certificate_given_during_a_start_is_void),
        cmocka_unit_test(a_start_that_ends_late_voids_what_the_next_incident_was_told),
        cmocka_unit_test(a_person_goes_on_with_the_failover_instead),
        cmocka_unit_test(the_old_primary_is_not_started_while_dr_serves),
        cmocka_unit_test(a_site_that_served_once_must_be_fenced_too),
        cmocka_unit_test(going_back_within_the_incident_needs_both),
        cmocka_unit_test(preparing_the_other_site_needs_no_certificate),
        cmocka_unit_test(a_switchover_moves_the_service),
        cmocka_unit_test(a_switchover_that_was_taken_back_moves_nobody),
        cmocka_unit_test(a_switchover_home_asks),
        cmocka_unit_test(a_redirection_of_unknown_end_is_remembered),
        cmocka_unit_test(failback_always_asks),
        cmocka_unit_test(a_redirection_to_production_asks),
        cmocka_unit_test(a_restore_over_the_serving_database_asks),
        cmocka_unit_test(switched_off_automatic_action_waits_for_one_word),
        cmocka_unit_test(a_person_s_playbook_is_not_asked_about),
        cmocka_unit_test(restarts_are_counted_in_a_window),
        cmocka_unit_test(a_limit_of_one_reads_well),
        cmocka_unit_test(a_person_is_not_limited),
        cmocka_unit_test(the_second_automatic_failover_asks),
        cmocka_unit_test(the_window_of_failovers_passes),
        cmocka_unit_test(a_failover_that_changed_nothing_does_not_count),
        cmocka_unit_test(what_recovered_while_nobody_looked_is_not_fenced),
        cmocka_unit_test(what_is_seen_to_be_down_is_fenced_at_once),
        cmocka_unit_test(a_look_that_does_not_come_is_not_waited_for_long),
        cmocka_unit_test(what_was_begun_is_finished_without_a_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
