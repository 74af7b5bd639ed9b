/* When the machine leaves the users where they are unless a person says so: a pause, failover.automatic, and the cool-down. */
#include "unit/decide/rig.h"

#define WALL_SHIFT 1700000000000 /* of the rig */

static void pause(struct rig *rig, int64_t for_ms)
{
    rig_feed(rig, &(struct event){.kind = EVENT_PAUSE, .number = for_ms > 0, .ref = for_ms > 0 ? rig->now_ms + WALL_SHIFT + for_ms : 0, .service = "akig", .who = "anna",
                                  .text = "new disks"});
}

static void a_pause_changes_nothing_and_tells_people(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    assert_int_equal(decide_paused(rig.decide, 0), rig.now_ms + MS_HOUR);
    assert_int_equal(decide_next_ms(rig.decide), rig.now_ms + MS_HOUR + PAUSE_LOOK_MS);
    rig_down(&rig); /* the incident opens, and a diagnosis changes nothing */
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "automatic action is paused"));
    assert_int_equal(rig_order(&rig, ORDER_ASK)->number, MS_HOUR + PAUSE_LOOK_MS);
    assert_true(decide_asks_for_pause(rig.decide, rig_incident(&rig)));
    rig_run_until(&rig, MS_HOUR + PAUSE_LOOK_MS - 1); /* silence is no denial */
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_tick(&rig, 1);
    rig_assert_run(&rig, "service restart production.database");
    assert_true(decide_paused(rig.decide, 0) <= rig.now_ms);
    assert_false(decide_asks_for_pause(rig.decide, rig_incident(&rig)));
    rig_close(&rig);
}

static void it_ends_when_a_person_says_so(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig.now_ms += MS_MINUTE;
    pause(&rig, 0);
    assert_int_equal(decide_paused(rig.decide, 0), rig.now_ms);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0); /* it looks first */
    rig_tick(&rig, PAUSE_LOOK_MS);
    rig_assert_run(&rig, "service restart production.database");
    rig_close(&rig);
}

/* People set it right, or the agent did as soon as it could. */
static void what_is_well_again_after_it_is_left_alone(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig.now_ms += MS_MINUTE;
    pause(&rig, 0);
    rig.now_ms += MS_SECOND;
    rig_verdict(&rig, "production.database", VERDICT_UP);
    rig_verdict(&rig, "public", VERDICT_UP);
    assert_int_equal(rig_incident(&rig)->depth, 0);
    assert_int_equal(rig_incident(&rig)->state, INCIDENT_MONITORING);
    rig_tick(&rig, PAUSE_LOOK_MS);
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_close(&rig);
}

static void one_word_is_enough_for_the_incident(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "service restart production.database");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_assert_run(&rig, "status dr");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

static void what_a_person_starts_is_not_asked_about(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    rig_person(&rig, EVENT_OPEN, "failover");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "fence production");
    rig_close(&rig);
}

static void a_failover_that_has_fenced_goes_on(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "fence");
    pause(&rig, MS_HOUR);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "restore dr");
    rig_close(&rig);
}

/* Whoever turns the wall clock makes no pause longer; and nobody pauses for ever. */
static void its_end_is_counted_from_when_it_was_said(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    pause(&rig, MS_HOUR);
    rig.now_ms += MS_MINUTE;
    pause(&rig, 400 * MS_DAY);
    assert_int_equal(decide_paused(rig.decide, 0), rig.now_ms + PAUSE_MOST_MS);
    rig_feed(&rig, &(struct event){.kind = EVENT_PAUSE, .number = 1, .ref = 5, .service = "akig"}); /* over before it was said */
    assert_int_equal(decide_paused(rig.decide, 0), rig.now_ms);
    rig_feed(&rig, &(struct event){.kind = EVENT_PAUSE, .number = 1, .ref = INT64_MAX, .service = "mars"});
    assert_int_equal(decide_paused(rig.decide, 0), rig.now_ms);
    assert_int_equal(decide_paused(rig.decide, 7), 0);
    rig_close(&rig);
}

static void without_automatic_a_person_moves_the_users(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig.config->services.p[0].failover.automatic = false;
    rig_to_restart(&rig); /* a restart moves nobody */
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "fence");
    assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "failover.automatic is false"));
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_run(&rig, "fence production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "restore dr"); /* asked once */
    rig_close(&rig);
}

/* The playbook's own limit is out of the way, so that the service's cool-down is what asks. */
static void after_an_automatic_failover_a_person_is_asked(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig rig = rig_open();
        fixture_playbook(rig.config, "failover")->automatic_limit = 0;
        rig.config->services.p[0].failover.cool_down_ms = MS_DAY;
        rig_to_step(&rig, "fence");
        rig_outcome(&rig, OUTCOME_BLOCKED, ""); /* it had begun */
        rig_person(&rig, EVENT_RESOLVE, "");
        rig_verdict(&rig, "production.database", VERDICT_UP);
        rig.now_ms += late ? MS_DAY : MS_DAY - MS_MINUTE;
        rig_to_restart(&rig);
        rig_outcome(&rig, OUTCOME_FAILURE, "");
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        rig_assert_phase(&rig, late ? STEP_RUNNING : STEP_ASKING, "fence");
        if (!late) {
            assert_non_null(strstr(rig_order(&rig, ORDER_NOTIFY)->text, "less than failover.cool_down ago"));
            rig_person(&rig, EVENT_APPROVE, "");
            rig_assert_run(&rig, "fence production");
        }
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        rig_assert_run(&rig, "restore dr"); /* the same failover is asked about once at most */
        rig_close(&rig);
    }
}

/* The last leader did it, and told so: its successor does not move the users back and forth. */
static void the_failover_of_another_leader_counts_too(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig rig = rig_open();
        rig.config->services.p[0].failover.cool_down_ms = MS_DAY;
        rig_tick(&rig, 1);
        assert_true(decide_moved(rig.decide, 0) == TIME_NEVER);
        int64_t moved_ms = rig.now_ms - (late ? MS_DAY : MS_HOUR);
        rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .number = 2, .ref = WALL_SHIFT + moved_ms, .service = "akig"});
        assert_int_equal(decide_moved(rig.decide, 0), moved_ms);
        rig_feed(&rig, &(struct event){.kind = EVENT_LEADER, .number = 2, .ref = WALL_SHIFT + moved_ms - MS_HOUR, .service = "akig"}); /* an older one is none */
        assert_int_equal(decide_moved(rig.decide, 0), moved_ms);
        rig_to_restart(&rig);
        rig_outcome(&rig, OUTCOME_FAILURE, "");
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        rig_assert_phase(&rig, late ? STEP_RUNNING : STEP_ASKING, "fence");
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_changes_nothing_and_tells_people),
        cmocka_unit_test(it_ends_when_a_person_says_so),
        cmocka_unit_test(what_is_well_again_after_it_is_left_alone),
        cmocka_unit_test(one_word_is_enough_for_the_incident),
        cmocka_unit_test(what_a_person_starts_is_not_asked_about),
        cmocka_unit_test(a_failover_that_has_fenced_goes_on),
        cmocka_unit_test(its_end_is_counted_from_when_it_was_said),
        cmocka_unit_test(without_automatic_a_person_moves_the_users),
        cmocka_unit_test(after_an_automatic_failover_a_person_is_asked),
        cmocka_unit_test(the_failover_of_another_leader_counts_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
