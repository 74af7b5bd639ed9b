/* Proofs about the two tables, and the life of an incident as people see it. */
#include "unit/decide/rig.h"

/* ---- proofs about the incident's table ---- */

static void no_two_rows_answer_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < state_row_count; i++)
        for (size_t k = 0; k < i; k++)
            if (state_rows[i].state == state_rows[k].state && state_rows[i].on == state_rows[k].on && state_rows[i].guard == state_rows[k].guard)
                fail_msg("rows %zu and %zu are the same question", k, i);
}

static void every_row_has_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < state_row_count; i++) {
        assert_non_null(state_rows[i].sentence);
        assert_true(strlen(state_rows[i].sentence) > 4);
        assert_true(state_rows[i].next != state_rows[i].state || state_rows[i].notice != NOTICE_MAX || state_rows[i].on == ON_ACK);
    }
}

static void all_states_can_be_reached(void **state)
{
    (void)state;
    bool reached[INCIDENT_MAX] = {[INCIDENT_OPEN] = true};
    for (int round = 0; round < INCIDENT_MAX; round++)
        for (size_t i = 0; i < state_row_count; i++)
            if (reached[state_rows[i].state])
                reached[state_rows[i].next] = true;
    for (int i = 0; i < INCIDENT_MAX; i++)
        assert_true(reached[i]);
}

static bool has_row(enum incident_state state, enum incident_on on, bool leaves)
{
    for (size_t i = 0; i < state_row_count; i++)
        if (state_rows[i].state == state && state_rows[i].on == on && (!leaves || state_rows[i].next != state))
            return true;
    return false;
}

static void every_unresolved_state_has_a_way_out_and_a_clock(void **state)
{
    (void)state;
    for (enum incident_state s = INCIDENT_OPEN; s < INCIDENT_RESOLVED; s++) {
        assert_true(has_row(s, ON_RESOLVE, true));                               /* a person, always */
        assert_true(has_row(s, ON_WELL, true) || has_row(s, ON_HELD, true));     /* the world by itself */
        assert_true(has_row(s, ON_UPDATE_DUE, false));                           /* and nobody forgets it meanwhile */
    }
    assert_true(has_row(INCIDENT_MONITORING, ON_ILL, true)); /* its own clock: not well in time is a relapse */
    assert_true(has_row(INCIDENT_RESOLVED, ON_REVIEW, true));
    for (enum incident_on on = 0; on < ON_MAX; on++)
        assert_false(has_row(INCIDENT_REVIEWED, on, false));
}

static void every_event_of_the_table_is_used(void **state)
{
    (void)state;
    for (enum incident_on on = 0; on < ON_MAX; on++) {
        bool used = false;
        for (enum incident_state s = 0; s < INCIDENT_MAX; s++)
            used = used || has_row(s, on, false);
        assert_true(used);
    }
}

/* ---- proofs about the engine's table ---- */

static void no_two_moves_answer_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < engine_move_count; i++)
        for (size_t k = 0; k < i; k++)
            if (engine_moves[i].phase == engine_moves[k].phase && engine_moves[i].on == engine_moves[k].on)
                /* the same question may be asked again only behind a guard, since the first row that fits counts */
                if (!engine_moves[k].guard || engine_moves[i].guard == engine_moves[k].guard)
                    fail_msg("move %zu can never happen because of move %zu", i, k);
}

static void every_move_has_a_sentence_and_an_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < engine_move_count; i++) {
        assert_non_null(engine_moves[i].sentence);
        assert_true(strlen(engine_moves[i].sentence) > 3);
        if (engine_moves[i].next == STEP_NONE)
            assert_int_not_equal(engine_moves[i].outcome, OUTCOME_BLOCKED); /* blocked is a phase, never an end */
    }
}

static void all_phases_can_be_reached_and_left(void **state)
{
    (void)state;
    bool reached[STEP_BLOCKED + 1] = {[STEP_READY] = true}, ends[STEP_BLOCKED + 1] = {false};
    for (int round = 0; round <= STEP_BLOCKED; round++)
        for (size_t i = 0; i < engine_move_count; i++)
            if (reached[engine_moves[i].phase])
                reached[engine_moves[i].next] = true;
    ends[STEP_NONE] = true;
    for (int round = 0; round <= STEP_BLOCKED; round++)
        for (size_t i = 0; i < engine_move_count; i++)
            if (ends[engine_moves[i].next])
                ends[engine_moves[i].phase] = true;
    for (int i = 0; i <= STEP_BLOCKED; i++) {
        assert_true(reached[i]);
        assert_true(ends[i]);
    }
}

static bool has_move(enum step_phase phase, enum happening on, bool guarded)
{
    for (size_t i = 0; i < engine_move_count; i++)
        if (engine_moves[i].phase == phase && engine_moves[i].on == on && (guarded || !engine_moves[i].guard))
            return true;
    return false;
}

static void every_phase_that_waits_has_a_clock(void **state)
{
    (void)state;
    static const enum step_phase waiting[] = {STEP_ASKING, STEP_RUNNING, STEP_CHECKING, STEP_PAUSING};
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        assert_true(has_move(waiting[i], STEP_DUE, false)); /* without a guard: the clock always leads somewhere */
    assert_true(has_move(STEP_CALLING, STEP_SUCCEEDS, false) && has_move(STEP_CALLING, STEP_FAILS, false));
    assert_true(has_move(STEP_BLOCKED, STEP_RETRIED, false)); /* waits for a person, whom the incident's updates remind */
    for (enum happening on = STEP_SKIPS; on <= STEP_AWAITS; on++)
        assert_true(has_move(STEP_READY, on, false)); /* whatever is found about a step leads somewhere at once */
    static const enum happening outcomes[] = {STEP_SUCCEEDS, STEP_FAILS, STEP_EXPIRES, STEP_REFUSED};
    for (size_t i = 0; i < COUNT_OF(outcomes); i++)
        assert_true(has_move(STEP_RUNNING, outcomes[i], false));
}

static void every_happening_is_used(void **state)
{
    (void)state;
    for (enum happening on = 0; on < HAPPENING_MAX; on++) {
        bool used = false;
        for (enum step_phase phase = STEP_READY; phase <= STEP_BLOCKED; phase++)
            used = used || has_move(phase, on, true);
        assert_true(used);
    }
}

/* ---- lives ---- */

static void a_person_leads_an_incident_without_playbook(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_begin(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "payments look odd"});
    assert_string_equal(rig_order(&rig, ORDER_OPEN)->text, "payments look odd");
    assert_string_equal(rig_order(&rig, ORDER_OPEN)->who, "anna");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_OPEN);
    assert_int_equal(rig_incident(&rig)->playbook, -1);
    rig_person(&rig, EVENT_ACK, "");
    assert_int_equal(rig_order(&rig, ORDER_STATE)->number, INCIDENT_ACKNOWLEDGED);
    assert_string_equal(rig_order(&rig, ORDER_STATE)->text, "a person has taken it");
    assert_string_equal(rig_incident(&rig)->who_acked, "anna");
    rig_person(&rig, EVENT_ACK, ""); /* twice is once */
    assert_int_equal(rig.orders.n, 0);
    rig_verdict(&rig, "public", VERDICT_UP); /* nothing says when it is well, so nothing ends it but a person */
    rig_run_until(&rig, 2 * MS_MINUTE);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_ACKNOWLEDGED);
    rig_run_until(&rig, 4 * MS_MINUTE); /* the clock of updates runs on */
    assert_int_equal(rig_incident(&rig)->updates, 1);
    rig_person(&rig, EVENT_RESOLVE, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    assert_int_equal(rig_incident(&rig)->resolved_wall_ms, rig.now_ms + 1700000000000);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/resolved/ops/slack"));
    assert_int_equal(decide_next_ms(rig.decide), TIME_NEVER);
    rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE, .incident = 1}); /* resolved already */
    assert_int_equal(rig.orders.n, 0);
    rig_feed(&rig, &(struct event){.kind = EVENT_REVIEW, .incident = 1, .who = "anna"});
    assert_int_equal(rig_order(&rig, ORDER_STATE)->number, INCIDENT_REVIEWED);
    rig_feed(&rig, &(struct event){.kind = EVENT_REVIEW, .incident = 1});
    assert_int_equal(rig.orders.n, 0);
    rig_close(&rig);
}

static void well_for_long_enough_is_resolved(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_failed_over(&rig);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/monitoring/ops/mail"));
    rig_tick(&rig, 29 * MS_SECOND);
    assert_int_equal(rig.orders.n, 0);
    rig_tick(&rig, MS_SECOND);
    assert_int_equal(rig_order(&rig, ORDER_STATE)->number, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void an_interruption_starts_the_hold_again(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_failed_over(&rig);
    rig_tick(&rig, 20 * MS_SECOND);
    rig_verdict(&rig, "public", VERDICT_UNKNOWN); /* not seen is not ill, but proves nothing */
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_int_equal(rig_incident(&rig)->well_since_ms, 0);
    rig_tick(&rig, 20 * MS_SECOND);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_tick(&rig, 29 * MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_tick(&rig, MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void restart_heals(struct rig *rig)
{
    rig_to_restart(rig);
    rig_outcome(rig, OUTCOME_SUCCESS, "");
    rig_verdict(rig, "production.database", VERDICT_UP);
    rig_assert_run(rig, "verify public");
    rig_outcome(rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(rig)->state, INCIDENT_MONITORING);
}

static void a_cure_that_does_not_show_is_a_relapse(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    restart_heals(&rig); /* but the public verdict stays down */
    rig_tick(&rig, PATIENCE_MS - 1);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_tick(&rig, 1);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/relapse/ops/mail"));
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0); /* the database is up: restarting it would help nobody */
    rig_tick(&rig, PATIENCE_MS);
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "bascule incident retry 1"));
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/blocked/ops/mail"));
    rig_run_until(&rig, MS_HOUR);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_verdict(&rig, "public", VERDICT_UP);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    assert_non_null(rig_find(&rig, ORDER_NOTIFY, "1/monitoring-2/ops/mail")); /* a message of its own, not one said before */
    rig_close(&rig);
}

static void a_relapse_runs_the_playbook_again_when_its_cause_shows(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    restart_heals(&rig);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_tick(&rig, MS_SECOND);
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms - MS_SECOND + 5 * MS_SECOND); /* the first stage comes before patience ends */
    rig_tick(&rig, MS_SECOND);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_assert_run(&rig, "diagnose production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "service restart production.database");
    rig_close(&rig);
}

static void a_relapse_after_the_failover_is_for_a_person(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_failed_over(&rig);
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MITIGATING);
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "the users were moved away"));
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_close(&rig);
}

static void a_relapse_beyond_the_limit_is_for_a_person(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_playbook(rig.config, "database-down")->automatic_limit = 1;
    fixture_playbook(rig.config, "database-down")->automatic_window_ms = MS_DAY;
    restart_heals(&rig);
    rig_verdict(&rig, "public", VERDICT_UP);
    rig_verdict(&rig, "production.database", VERDICT_DOWN);
    rig_verdict(&rig, "public", VERDICT_DOWN);
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "its limit of automatic runs is reached"));
    rig_person(&rig, EVENT_RETRY, ""); /* a person may */
    rig_assert_run(&rig, "diagnose production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "service restart production.database");
    rig_close(&rig);
}

static void a_person_s_own_playbook_is_not_repeated(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_person(&rig, EVENT_OPEN, "failover");
    rig_assert_run(&rig, "status dr");
    for (const char *const *run = (const char *const[]){"fence production", "restore dr", "service restart dr.application", NULL}; *run; run++) {
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        rig_assert_run(&rig, *run);
    }
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_verdict(&rig, "dr.application", VERDICT_UP);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_equal(rig_order(&rig, ORDER_ACTIVE)->subject, "dr");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_verdict(&rig, "public", VERDICT_DOWN);
    rig_run_until(&rig, 2 * PATIENCE_MS);
    assert_true(rig_inc(&rig)->blocked);
    rig_close(&rig);
}

static void a_playbook_without_resolved_when_is_resolved_after_the_hold(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_playbook(rig.config, "database-down")->resolved_when = NULL;
    restart_heals(&rig);
    rig_run_until(&rig, 30 * MS_SECOND);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_RESOLVED);
    rig_close(&rig);
}

static void old_incidents_are_forgotten(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_person(&rig, EVENT_OPEN, "");
    rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE, .incident = 1});
    for (int i = 0; i < RESOLVED_KEPT + 20; i++) {
        rig_person(&rig, EVENT_OPEN, "");
        rig_person(&rig, EVENT_RESOLVE, "");
    }
    rig_person(&rig, EVENT_OPEN, "");
    assert_int_equal(decide_incidents(rig.decide), RESOLVED_KEPT + 1);
    assert_int_equal(rig_incident(&rig)->id, RESOLVED_KEPT + 22);
    assert_int_equal(decide_incident_at(rig.decide, 0)->id, 22);
    assert_null(decide_incident(rig.decide, 1));
    assert_ptr_equal(decide_incident(rig.decide, RESOLVED_KEPT + 22), rig_incident(&rig));
    assert_null(decide_incident_at(rig.decide, RESOLVED_KEPT + 1));
    rig_close(&rig);
}

/* An unresolved incident in the middle of many resolved ones is never the one that is forgotten. */
static void an_unresolved_incident_is_not_forgotten(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct service *second = vec_add(rig.arena, &rig.config->services);
    *second = rig.config->services.p[0];
    second->name = "other";
    rig_begin(&rig);
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .service = "other", .text = "stays"});
    for (int i = 0; i < RESOLVED_KEPT + 2; i++) {
        rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = -1, .service = "akig"});
        rig_feed(&rig, &(struct event){.kind = EVENT_RESOLVE, .service = "akig"});
    }
    assert_string_equal(decide_incident(rig.decide, 1)->title, "stays");
    assert_int_equal(decide_incidents(rig.decide), RESOLVED_KEPT + 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_rows_answer_the_same),
        cmocka_unit_test(every_row_has_a_sentence),
        cmocka_unit_test(all_states_can_be_reached),
        cmocka_unit_test(every_unresolved_state_has_a_way_out_and_a_clock),
        cmocka_unit_test(every_event_of_the_table_is_used),
        cmocka_unit_test(no_two_moves_answer_the_same),
        cmocka_unit_test(every_move_has_a_sentence_and_an_outcome),
        cmocka_unit_test(all_phases_can_be_reached_and_left),
        cmocka_unit_test(every_phase_that_waits_has_a_clock),
        cmocka_unit_test(every_happening_is_used),
        cmocka_unit_test(a_person_leads_an_incident_without_playbook),
        cmocka_unit_test(well_for_long_enough_is_resolved),
        cmocka_unit_test(an_interruption_starts_the_hold_again),
        cmocka_unit_test(a_cure_that_does_not_show_is_a_relapse),
        cmocka_unit_test(a_relapse_runs_the_playbook_again_when_its_cause_shows),
        cmocka_unit_test(a_relapse_after_the_failover_is_for_a_person),
        cmocka_unit_test(a_relapse_beyond_the_limit_is_for_a_person),
        cmocka_unit_test(a_person_s_own_playbook_is_not_repeated),
        cmocka_unit_test(a_playbook_without_resolved_when_is_resolved_after_the_hold),
        cmocka_unit_test(old_incidents_are_forgotten),
        cmocka_unit_test(an_unresolved_incident_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
