/* Steps: budgets, attempts, postconditions, branches, sub-playbooks, approvals, and people who take over. */
#include "unit/decide/rig.h"

static const struct order *step_end(const struct rig *rig, enum outcome outcome)
{
    const struct order *order = rig_order(rig, ORDER_STEP_END);
    assert_int_equal(order->number, outcome);
    return order;
}

/* ---- the standard disaster ---- */

static void the_database_dies_and_the_users_are_moved(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    assert_int_equal(rig_order(&rig, ORDER_OPEN)->ref, 5000); /* the last proof of life */
    assert_string_equal(rig_order(&rig, ORDER_OPEN)->text, "Database unavailable");
    assert_int_equal(rig_order(&rig, ORDER_STATE)->number, INCIDENT_MITIGATING);
    assert_string_equal(rig_order(&rig, ORDER_STEP)->subject, "1.diagnose.1");
    assert_string_equal(rig_order(&rig, ORDER_STEP)->text, "Diagnose");
    assert_string_equal(rig_order(&rig, ORDER_RUN)->subject, "1.diagnose.1");
    assert_int_equal(rig_order(&rig, ORDER_RUN)->number, MS_MINUTE);
    assert_string_equal(rig_incident(&rig)->cause, "production.database is down");
    rig_outcome(&rig, OUTCOME_SUCCESS, "the postmaster is gone");
    assert_string_equal(step_end(&rig, OUTCOME_SUCCESS)->text, "the postmaster is gone");
    rig_assert_run(&rig, "service restart production.database");
    rig_outcome(&rig, OUTCOME_FAILURE, "the unit is masked");
    assert_string_equal(step_end(&rig, OUTCOME_FAILURE)->text, "the unit is masked; it goes on with \"failover\"");
    assert_non_null(rig_find(&rig, ORDER_STEP, "1.failover.3"));
    rig_assert_run(&rig, "status dr");
    static const char *const runs[] = {"fence production", "restore dr", "service restart dr.application"};
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        rig_assert_run(&rig, runs[i]);
    }
    assert_true(rig_incident(&rig)->fenced);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_CHECKING, "application");
    assert_int_equal(rig.orders.n, 0);
    rig_verdict(&rig, "dr.application", VERDICT_UP);
    rig_assert_run(&rig, "verify dr");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "traffic switch dr");
    assert_string_equal(decide_active(rig.decide, 0)->name, "production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_equal(rig_order(&rig, ORDER_ACTIVE)->subject, "dr");
    assert_string_equal(decide_active(rig.decide, 0)->name, "dr");
    rig_assert_run(&rig, "verify public 10");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_count(&rig, ORDER_PLAYBOOK_END), 2);
    assert_string_equal(rig_order(&rig, ORDER_PLAYBOOK_END)->subject, "failover");
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/update-1/ops/slack")); /* the step that reports */
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_null(decide_step(rig.decide, rig_incident(&rig), NULL));
    rig_close(&rig);
}

static void a_restart_that_works_ends_it(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_CHECKING, "restart");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    assert_string_equal(step_end(&rig, OUTCOME_SUCCESS)->text, "done, and its effect shows; it goes on with \"verify\"");
    rig_assert_run(&rig, "verify public");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_close(&rig);
}

/* ---- outcomes ---- */

static void outcomes_of_other_runs_mean_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_outcome_of(&rig, "1.diagnose.1", OUTCOME_FAILURE); /* told twice */
    rig_outcome_of(&rig, "1.restart.99", OUTCOME_FAILURE);
    rig_outcome_of(&rig, "", OUTCOME_SUCCESS);
    assert_int_equal(rig.orders.n, 0);
    rig_assert_phase(&rig, STEP_RUNNING, "restart");
    rig_close(&rig);
}

static void an_outcome_out_of_the_list_is_a_failure(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_outcome(&rig, (enum outcome)77, "");
    step_end(&rig, OUTCOME_FAILURE);
    rig_close(&rig);
}

static void nothing_to_do_is_a_success(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SKIPPED, "");
    step_end(&rig, OUTCOME_SUCCESS);
    rig_close(&rig);
}

static void a_child_that_needs_a_person_blocks_until_retried(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_outcome(&rig, OUTCOME_BLOCKED, "no backup is younger than an hour");
    rig_assert_phase(&rig, STEP_BLOCKED, "restore");
    const char *text = rig_order(&rig, ORDER_BLOCKED)->text;
    assert_string_equal(text, "no backup is younger than an hour; to try again: bascule incident retry 1");
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/blocked/ops/mail"));
    rig_run_until(&rig, MS_HOUR); /* its budget does not run meanwhile */
    rig_assert_phase(&rig, STEP_BLOCKED, "restore");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_person(&rig, EVENT_RETRY, "");
    step_end(&rig, OUTCOME_BLOCKED);
    rig_assert_run(&rig, "restore dr");
    assert_int_equal(rig_order(&rig, ORDER_RUN)->number, 10 * MS_MINUTE); /* the whole budget again */
    rig_person(&rig, EVENT_RETRY, ""); /* nothing is blocked now */
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

/* ---- budgets ---- */

static void a_budget_that_is_used_up_stops_the_command(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + 5 * MS_SECOND); /* the first stage */
    rig_run_until(&rig, 90 * MS_SECOND - 1);
    rig_tick(&rig, 1);
    assert_string_equal(rig_order(&rig, ORDER_CANCEL)->subject, "1.restart.2");
    assert_true(decide_stopping(rig.decide, rig_incident(&rig)));
    assert_int_equal(rig_count(&rig, ORDER_STEP_END), 0); /* never two commands at once: its end is awaited */
    rig_outcome(&rig, OUTCOME_EXPIRY, "killed");
    step_end(&rig, OUTCOME_EXPIRY);
    rig_assert_run(&rig, "status dr");
    assert_false(decide_stopping(rig.decide, rig_incident(&rig)));
    rig_close(&rig);
}

static void a_cancelled_command_is_not_awaited_for_ever(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_tick(&rig, 90 * MS_SECOND);
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    rig_run_until(&rig, CANCEL_GRACE_MS);
    step_end(&rig, OUTCOME_EXPIRY);
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

static void success_at_the_last_moment_is_success(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    rig_tick(&rig, MS_MINUTE);
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    step_end(&rig, OUTCOME_SUCCESS);
    rig_close(&rig);
}

static void an_effect_that_does_not_show_expires(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig.now_ms += 10 * MS_SECOND;
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_verdict(&rig, "production.database", VERDICT_UNKNOWN);
    rig_assert_phase(&rig, STEP_CHECKING, "restart");
    rig_tick(&rig, 80 * MS_SECOND - 1);
    rig_assert_phase(&rig, STEP_CHECKING, "restart");
    rig_tick(&rig, 1);
    assert_string_equal(step_end(&rig, OUTCOME_EXPIRY)->text, "its effect did not show within its budget; it goes on with \"failover\"");
    rig_close(&rig);
}

static void a_verdict_from_before_the_command_proves_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_verdict(&rig, "dr.application", VERDICT_UP); /* the old instance, still up */
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "service restart dr.application");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_CHECKING, "application");
    rig_verdict(&rig, "dr.application", VERDICT_UP); /* seen again */
    rig_assert_run(&rig, "verify dr");
    rig_close(&rig);
}

static void a_verdict_during_the_command_counts(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "verify public");
    rig_close(&rig);
}

static void a_step_without_budget_gets_one(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "diagnose")->budget_ms = 0;
    rig_down(&rig);
    assert_int_equal(rig_order(&rig, ORDER_RUN)->number, BUDGET_FALLBACK_MS);
    rig_close(&rig);
}

/* ---- attempts ---- */

static void a_failed_step_is_tried_again_after_a_pause(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->attempts = 2;
    fixture_step(rig.config, "database-down", "restart")->pause_ms = 3 * MS_SECOND;
    rig_to_restart(&rig);
    rig.now_ms += MS_SECOND;
    rig_outcome(&rig, OUTCOME_FAILURE, "port in use");
    assert_string_equal(step_end(&rig, OUTCOME_FAILURE)->text, "port in use");
    rig_assert_phase(&rig, STEP_PAUSING, "restart");
    rig_tick(&rig, 3 * MS_SECOND);
    rig_assert_run(&rig, "service restart production.database");
    assert_string_equal(rig_order(&rig, ORDER_RUN)->subject, "1.restart.3"); /* every run has an id of its own */
    assert_int_equal(rig_order(&rig, ORDER_RUN)->number, 86 * MS_SECOND);    /* what is left of the budget */
    assert_int_equal(rig_incident(&rig)->frames[0].attempt, 2);
    rig_outcome(&rig, OUTCOME_FAILURE, "port in use");
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

static void a_pause_ends_with_the_budget(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->attempts = 2;
    fixture_step(rig.config, "database-down", "restart")->pause_ms = MS_HOUR;
    rig_to_restart(&rig);
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_tick(&rig, 90 * MS_SECOND);
    assert_string_equal(step_end(&rig, OUTCOME_EXPIRY)->subject, "1.restart.3"); /* the run before it has ended already */
    assert_non_null(rig_find(&rig, ORDER_STEP, "1.restart.3"));
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

/* A cancel that was ordered as the controller died has reached nobody: its grace begins with the restart, and ends by a tick. */
static void a_cancel_is_given_its_time_after_a_restart(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_tick(&rig, 90 * MS_SECOND);
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    rig.now_ms += MS_HOUR;
    rig_person(&rig, EVENT_ACK, "");
    assert_int_equal(rig_count(&rig, ORDER_STEP_END), 0);
    rig_feed(&rig, &(struct event){.kind = EVENT_STARTED});
    assert_int_equal(rig_count(&rig, ORDER_STEP_END), 0);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + CANCEL_GRACE_MS);
    rig_tick(&rig, CANCEL_GRACE_MS);
    step_end(&rig, OUTCOME_EXPIRY);
    rig_close(&rig);
}

/* ---- branches ---- */

static void a_step_whose_condition_does_not_hold_is_skipped(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "diagnose")->when = "dr.database is down";
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    assert_string_equal(step_end(&rig, OUTCOME_SKIPPED)->text, "its condition does not hold");
    rig_assert_run(&rig, "service restart production.database");
    rig_close(&rig);
}

static void expiry_goes_where_failure_goes_unless_told(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->on_expiry = NULL;
    fixture_step(rig.config, "database-down", "restart")->on_failure = "verify";
    rig_to_restart(&rig);
    rig_outcome(&rig, OUTCOME_EXPIRY, "");
    rig_assert_run(&rig, "verify public");
    rig_close(&rig);
}

static void a_target_that_does_not_exist_fails(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "diagnose")->on_success = "mars";
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_order(&rig, ORDER_PLAYBOOK_END)->number, OUTCOME_FAILURE);
    assert_true(rig_inc(&rig)->blocked);
    rig_close(&rig);
}

static void a_playbook_that_fails_is_handed_to_a_person(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_outcome(&rig, OUTCOME_FAILURE, "the newest backup is cut");
    assert_int_equal(rig_count(&rig, ORDER_PLAYBOOK_END), 2);
    assert_int_equal(rig_count(&rig, ORDER_STEP_END), 2);
    const struct order *blocked = rig_order(&rig, ORDER_BLOCKED);
    assert_non_null(strstr(blocked->text, "playbook \"database-down\" failed"));
    assert_non_null(strstr(blocked->text, "the newest backup is cut"));
    assert_non_null(strstr(blocked->text, "bascule incident retry 1"));
    assert_non_null(strstr(blocked->text, "bascule runbook"));
    assert_int_equal(rig_count(&rig, ORDER_BLOCKED), 1);
    rig_run_until(&rig, MS_HOUR);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_close(&rig);
}

static void a_circle_that_takes_no_time_is_cut(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "circle");
    fixture_add_step(rig.arena, playbook, "again", "notify update")->on_success = "again";
    rig_person(&rig, EVENT_OPEN, "circle");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "circle"));
    assert_int_equal(rig_incident(&rig)->depth, 0);
    rig_tick(&rig, 0);
    assert_int_equal(rig_count(&rig, ORDER_STEP), 0);
    rig_close(&rig);
}

/* A check that nobody has looked at since the wait began is not unknown for that. */
static void a_wait_for_unknown_wants_a_look(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "waits");
    fixture_add_step(rig.arena, playbook, "wait", "wait")->until = "dr.database is up or production.database is unknown";
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_person(&rig, EVENT_OPEN, "waits");
    rig_assert_phase(&rig, STEP_CHECKING, "wait");
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_assert_phase(&rig, STEP_CHECKING, "wait");
    rig_verdict(&rig, "production.database", VERDICT_UNKNOWN);
    assert_int_equal(rig_order(&rig, ORDER_STEP_END)->number, OUTCOME_SUCCESS);
    rig_close(&rig);
}

static void wait_awaits_what_is_seen_from_now_on(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "patience");
    fixture_add_step(rig.arena, playbook, "wait", "wait")->until = "dr.database is up";
    rig_verdict(&rig, "dr.database", VERDICT_UP);
    rig_person(&rig, EVENT_OPEN, "patience");
    rig_assert_phase(&rig, STEP_CHECKING, "wait");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_verdict(&rig, "dr.database", VERDICT_UP);
    step_end(&rig, OUTCOME_SUCCESS);
    rig_close(&rig);
}

static void a_stage_may_be_said_by_a_step_and_is_then_said(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, "speaker");
    fixture_add_step(rig.arena, playbook, "management", "notify management");
    fixture_add_step(rig.arena, playbook, "again", "notify management");
    fixture_add_step(rig.arena, playbook, "resolved", "notify resolved");
    fixture_add_step(rig.arena, playbook, "look", "verify public");
    rig_person(&rig, EVENT_OPEN, "speaker");
    assert_int_equal(rig_count(&rig, ORDER_STAGE), 1);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/management/director/mail"));
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/resolved/director/mail"));
    rig_run_until(&rig, 30 * MS_SECOND);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_null(rig_find(&rig, ORDER_NOTIFY, "1/resolved/director/mail")); /* once */
    rig_close(&rig);
}

/* ---- sub-playbooks ---- */

static void bad_calls_fail(void **state)
{
    (void)state;
    const struct {
        const char *action, *why;
    } cases[] = {{"playbook mars", "playbook \"mars\" does not exist"}, {"playbook self", "would call itself"}, {"playbook empty", "has no steps"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct rig rig = rig_open();
        fixture_add_playbook(rig.arena, rig.config, "empty");
        fixture_add_step(rig.arena, fixture_add_playbook(rig.arena, rig.config, "self"), "call", cases[i].action);
        rig_person(&rig, EVENT_OPEN, "self");
        assert_non_null(strstr(step_end(&rig, OUTCOME_FAILURE)->text, cases[i].why));
        assert_true(rig_inc(&rig)->blocked);
        rig_close(&rig);
    }
}

static void nesting_has_a_depth(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    for (int i = 0; i < INCIDENT_DEPTH_MAX + 1; i++) {
        struct playbook *playbook = fixture_add_playbook(rig.arena, rig.config, arena_printf(rig.arena, "level-%d", i));
        fixture_add_step(rig.arena, playbook, "down", arena_printf(rig.arena, "playbook level-%d", i + 1));
    }
    rig_person(&rig, EVENT_OPEN, "level-0");
    assert_non_null(strstr(step_end(&rig, OUTCOME_FAILURE)->text, "is nested too deeply"));
    assert_int_equal(rig_count(&rig, ORDER_PLAYBOOK_END), INCIDENT_DEPTH_MAX);
    rig_close(&rig);
}

static void an_empty_playbook_fails(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_add_playbook(rig.arena, rig.config, "empty");
    rig_person(&rig, EVENT_OPEN, "empty");
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "it has no steps"));
    rig_close(&rig);
}

static void without_another_site_the_standby_cannot_be_used(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].sites.n = 1;
    rig_person(&rig, EVENT_OPEN, "failover");
    assert_non_null(strstr(step_end(&rig, OUTCOME_FAILURE)->text, "this service has no other site"));
    assert_int_equal(rig_incident(&rig)->to, -1);
    rig_close(&rig);
}

/* ---- recovered by itself ---- */

static void recover(struct rig *rig)
{
    rig_verdict(rig, "production.database", VERDICT_UP);
    rig_verdict(rig, "public", VERDICT_UP);
}

static void a_database_that_came_back_is_not_restarted(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    recover(&rig);
    rig_assert_phase(&rig, STEP_RUNNING, "diagnose"); /* the step that runs is left to end */
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    assert_int_equal(rig_order(&rig, ORDER_PLAYBOOK_END)->number, OUTCOME_SUCCESS);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_close(&rig);
}

static void a_database_that_came_back_is_not_failed_over(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    recover(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    assert_int_equal(rig_count(&rig, ORDER_PLAYBOOK_END), 2);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_close(&rig);
}

static void half_recovered_is_not_recovered(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    rig_verdict(&rig, "production.database", VERDICT_UNKNOWN); /* not seen is not back */
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

static void once_fenced_there_is_no_way_back(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    recover(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "service restart dr.application");
    rig_close(&rig);
}

static void recovery_ends_a_blocked_step(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "fence");
    rig_outcome(&rig, OUTCOME_BLOCKED, "the host does not answer");
    recover(&rig);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_false(rig_inc(&rig)->blocked);
    rig_close(&rig);
}

/* ---- approvals ---- */

static void approval_is_asked_and_given(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct step *step = fixture_step(rig.config, "database-down", "restart");
    step->approve = APPROVE_PERSON;
    step->approve_timeout_ms = 4 * MS_MINUTE;
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    assert_string_equal(rig_order(&rig, ORDER_ASK)->text, "service restart production.database");
    assert_int_equal(rig_order(&rig, ORDER_ASK)->number, 4 * MS_MINUTE);
    assert_non_null(strstr(rig_find(&rig, ORDER_NOTIFY, "1/approval/ops/mail")->text, "bascule incident approve 1"));
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_run_until(&rig, 2 * MS_MINUTE);
    rig_person(&rig, EVENT_APPROVE, "1.diagnose.1"); /* meant for another step */
    assert_int_equal(rig.orders.n, 0);
    rig_person(&rig, EVENT_APPROVE, "1.restart.2");
    rig_assert_run(&rig, "service restart production.database");
    assert_string_equal(rig_order(&rig, ORDER_RUN)->who, "anna");
    assert_int_equal(rig_order(&rig, ORDER_RUN)->number, 90 * MS_SECOND); /* asking cost nothing of the budget */
    assert_int_equal(rig_count(&rig, ORDER_STEP), 0);                    /* it was begun when it asked */
    rig_person(&rig, EVENT_APPROVE, "");
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void approval_is_denied(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->approve = APPROVE_PERSON;
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_feed(&rig, &(struct event){.kind = EVENT_DENY, .incident = 1, .who = "anna", .text = "not while the auditors look"});
    assert_string_equal(step_end(&rig, OUTCOME_FAILURE)->text, "a person denied it: anna: not while the auditors look; it goes on with \"failover\"");
    rig_person(&rig, EVENT_DENY, "");
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void silence_is_a_no(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->approve = APPROVE_PERSON;
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_run_until(&rig, APPROVAL_FALLBACK_MS - 1);
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    rig_tick(&rig, 1);
    assert_non_null(strstr(step_end(&rig, OUTCOME_FAILURE)->text, "nobody approved it in time"));
    rig_close(&rig);
}

static void what_recovers_needs_no_approval_any_more(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->approve = APPROVE_PERSON;
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    recover(&rig);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_person(&rig, EVENT_APPROVE, "");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_close(&rig);
}

/* ---- people who take over ---- */

static void a_person_s_playbook_replaces_what_runs(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_person(&rig, EVENT_OPEN, "failover");
    assert_int_equal(rig_count(&rig, ORDER_OPEN), 0); /* one incident of a service at a time */
    assert_string_equal(rig_order(&rig, ORDER_CANCEL)->subject, "1.restart.2");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0); /* never two commands at once */
    rig_person(&rig, EVENT_OPEN, "failover");
    assert_int_equal(rig.orders.n, 0);
    rig_outcome(&rig, OUTCOME_FAILURE, "terminated");
    rig_assert_run(&rig, "status dr");
    assert_int_equal(rig_count(&rig, ORDER_BLOCKED), 0);
    assert_string_equal(rig_order(&rig, ORDER_PLAYBOOK_END)->subject, "database-down");
    assert_int_equal(rig_incident(&rig)->depth, 1);
    rig_close(&rig);
}

static void a_replaced_command_ends_in_any_way(void **state)
{
    (void)state;
    static const enum outcome outcomes[] = {OUTCOME_SUCCESS, OUTCOME_EXPIRY, OUTCOME_BLOCKED, OUTCOME_FAILURE};
    for (size_t i = 0; i <= COUNT_OF(outcomes); i++) {
        struct rig rig = rig_open();
        rig_to_step(&rig, "fence");
        rig_person(&rig, EVENT_OPEN, "failover");
        if (i < COUNT_OF(outcomes))
            rig_outcome(&rig, outcomes[i], "");
        else
            rig_tick(&rig, CANCEL_GRACE_MS);
        rig_assert_run(&rig, "status dr");
        assert_int_equal(rig_count(&rig, ORDER_BLOCKED), 0);
        assert_false(rig_inc(&rig)->blocked);
        assert_int_equal(rig_incident(&rig)->fenced, i == 0); /* what was done before it was stopped is known */
        rig_close(&rig);
    }
}

static void a_last_step_that_is_replaced_does_not_end_the_incident(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_restart(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_assert_run(&rig, "verify public");
    rig_person(&rig, EVENT_OPEN, "failover");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

static void a_person_may_start_a_playbook_while_it_is_watched(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "failover", "report")->action = "verify public";
    fixture_step(rig.config, "failover", "report")->budget_ms = MS_MINUTE;
    rig_to_restart(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .subject = "failover"}); /* nobody said who */
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    rig_assert_run(&rig, "status dr");
    rig_close(&rig);
}

static void an_incident_without_a_playbook_blocks_no_recovery(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_person(&rig, EVENT_OPEN, "");
    rig_person(&rig, EVENT_OPEN, "");
    assert_int_equal(decide_incidents(rig.decide), 2);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_person(&rig, EVENT_OPEN, "database-down");
    rig_assert_run(&rig, "diagnose production");
    assert_int_equal(decide_incidents(rig.decide), 3);
    rig_person(&rig, EVENT_ACK, ""); /* without a number: the one that is worked on */
    assert_true(decide_incident(rig.decide, 3)->acked_at_ms > 0);
    rig_close(&rig);
}

static void resolving_stops_everything(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_count(&rig, ORDER_CANCEL), 1);
    assert_int_equal(rig_count(&rig, ORDER_STEP_END), 2);
    assert_int_equal(rig_count(&rig, ORDER_PLAYBOOK_END), 2);
    assert_string_equal(step_end(&rig, OUTCOME_FAILURE)->text, "anna resolved the incident");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_run_until(&rig, MS_DAY);
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void what_was_done_late_is_still_known(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "redirect");
    char run[MODEL_ID_SIZE];
    COPY_TO(run, rig_incident(&rig)->frames[1].run);
    rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE, .incident = 1}); /* nobody said who */
    rig_outcome_of(&rig, run, OUTCOME_SUCCESS);
    assert_string_equal(rig_order(&rig, ORDER_ACTIVE)->subject, "dr");
    assert_string_equal(decide_active(rig.decide, 0)->name, "dr");
    rig_outcome_of(&rig, run, OUTCOME_SUCCESS); /* told twice is once */
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void retry_of_a_failed_playbook_starts_it_again(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "check-dr");
    rig_outcome(&rig, OUTCOME_FAILURE, "dr is down");
    rig_person(&rig, EVENT_RETRY, "");
    rig_assert_run(&rig, "diagnose production");
    assert_false(rig_inc(&rig)->blocked);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_dies_and_the_users_are_moved),
        cmocka_unit_test(a_restart_that_works_ends_it),
        cmocka_unit_test(outcomes_of_other_runs_mean_nothing),
        cmocka_unit_test(an_outcome_out_of_the_list_is_a_failure),
        cmocka_unit_test(nothing_to_do_is_a_success),
        cmocka_unit_test(a_child_that_needs_a_person_blocks_until_retried),
        cmocka_unit_test(a_budget_that_is_used_up_stops_the_command),
        cmocka_unit_test(a_cancelled_command_is_not_awaited_for_ever),
        cmocka_unit_test(success_at_the_last_moment_is_success),
        cmocka_unit_test(an_effect_that_does_not_show_expires),
        cmocka_unit_test(a_verdict_from_before_the_command_proves_nothing),
        cmocka_unit_test(a_verdict_during_the_command_counts),
        cmocka_unit_test(a_step_without_budget_gets_one),
        cmocka_unit_test(a_failed_step_is_tried_again_after_a_pause),
        cmocka_unit_test(a_pause_ends_with_the_budget),
        cmocka_unit_test(a_cancel_is_given_its_time_after_a_restart),
        cmocka_unit_test(a_step_whose_condition_does_not_hold_is_skipped),
        cmocka_unit_test(expiry_goes_where_failure_goes_unless_told),
        cmocka_unit_test(a_target_that_does_not_exist_fails),
        cmocka_unit_test(a_playbook_that_fails_is_handed_to_a_person),
        cmocka_unit_test(a_circle_that_takes_no_time_is_cut),
        cmocka_unit_test(a_wait_for_unknown_wants_a_look),
        cmocka_unit_test(wait_awaits_what_is_seen_from_now_on),
        cmocka_unit_test(a_stage_may_be_said_by_a_step_and_is_then_said),
        cmocka_unit_test(bad_calls_fail),
        cmocka_unit_test(nesting_has_a_depth),
        cmocka_unit_test(an_empty_playbook_fails),
        cmocka_unit_test(without_another_site_the_standby_cannot_be_used),
        cmocka_unit_test(a_database_that_came_back_is_not_restarted),
        cmocka_unit_test(a_database_that_came_back_is_not_failed_over),
        cmocka_unit_test(half_recovered_is_not_recovered),
        cmocka_unit_test(once_fenced_there_is_no_way_back),
        cmocka_unit_test(recovery_ends_a_blocked_step),
        cmocka_unit_test(approval_is_asked_and_given),
        cmocka_unit_test(approval_is_denied),
        cmocka_unit_test(silence_is_a_no),
        cmocka_unit_test(what_recovers_needs_no_approval_any_more),
        cmocka_unit_test(a_person_s_playbook_replaces_what_runs),
        cmocka_unit_test(a_replaced_command_ends_in_any_way),
        cmocka_unit_test(a_last_step_that_is_replaced_does_not_end_the_incident),
        cmocka_unit_test(a_person_may_start_a_playbook_while_it_is_watched),
        cmocka_unit_test(an_incident_without_a_playbook_blocks_no_recovery),
        cmocka_unit_test(resolving_stops_everything),
        cmocka_unit_test(what_was_done_late_is_still_known),
        cmocka_unit_test(retry_of_a_failed_playbook_starts_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
