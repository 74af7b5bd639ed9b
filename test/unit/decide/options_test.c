/* The ways to bring a service back: which are possible, in which order, what each loses; and what the failover makes of the best. */
#include "unit/decide/rig.h"

static struct ways_facts all_well(void)
{
    return (struct ways_facts){
        .now_ms = 1000000,
        .good_ms = 900000,
        .restart = {.asked = true, .answers = TOLD_NO, .startable = TOLD_YES},
        .promote = {.standby = TOLD_YES, .lag_known = true, .lag_bytes = 100, .limit_bytes = 100, .lag_ms = 20, .took_ms = 2000},
        .warm = {.usable = TOLD_YES, .snapshot_ms = 600000, .took_ms = 900},
        .restore = {.usable = TOLD_YES, .snapshot_ms = 800000, .took_ms = 60000},
    };
}

static const struct way *find(const struct ways *ways, enum way_kind kind)
{
    for (size_t i = 0; i < WAY_MAX; i++)
        if (ways->p[i].kind == kind)
            return &ways->p[i];
    fail_msg("way %d is missing", kind);
    return NULL;
}

static void what_loses_least_comes_first(void **state)
{
    (void)state;
    struct ways_facts f = all_well();
    struct ways w;
    ways_weigh(&f, &w);
    assert_int_equal(w.best, WAY_RESTART);
    assert_int_equal(w.best_move, WAY_PROMOTE);
    for (int i = 0; i < WAY_MAX; i++) {
        assert_int_equal(w.p[i].kind, i);
        assert_true(w.p[i].possible && *w.p[i].why);
    }
    assert_int_equal(w.p[WAY_RESTART].rpo_ms, 0);
    assert_int_equal(w.p[WAY_PROMOTE].rpo_ms, 20);
    assert_int_equal(w.p[WAY_PROMOTE].rto_ms, 2000);
    assert_int_equal(w.p[WAY_WARM].rpo_ms, 300000); /* since it was last known to be well, not until now */
    assert_int_equal(w.p[WAY_RESTORE].rpo_ms, 100000);
    assert_int_equal(w.p[WAY_RESTART].rto_ms, -1);
}

static void where_patroni_decides_its_member_is_named(void **state)
{
    (void)state;
    struct ways_facts f = all_well();
    struct ways w;
    f.by_patroni = true;
    f.restart = (typeof(f.restart)){.why = "Patroni starts its members by itself"};
    f.promote.lag_bytes = 1000; /* more than our limit, which is not asked */
    COPY_TO(f.promote.why, "pg2");
    ways_weigh(&f, &w);
    assert_int_equal(w.best, WAY_PROMOTE);
    assert_int_equal(find(&w, WAY_PROMOTE)->rpo_ms, -1);
    assert_non_null(strstr(find(&w, WAY_PROMOTE)->why, "by Patroni, which alone decides: its member \"pg2\" lacks 1000 bytes"));
    assert_string_equal(find(&w, WAY_RESTART)->why, "Patroni starts its members by itself");
    f.promote.in_sync = true;
    ways_weigh(&f, &w);
    assert_int_equal(find(&w, WAY_PROMOTE)->rpo_ms, 0);
    assert_non_null(strstr(find(&w, WAY_PROMOTE)->why, "commits waited for it"));
    f.promote.in_sync = f.promote.lag_known = false;
    ways_weigh(&f, &w);
    assert_int_equal(find(&w, WAY_PROMOTE)->rpo_ms, -1);
    assert_non_null(strstr(find(&w, WAY_PROMOTE)->why, "what its member \"pg2\" lacks is not known"));
    f.promote.standby = TOLD_NO;
    COPY_TO(f.promote.why, "Patroni says that member \"pg2\" is \"stopped\"");
    ways_weigh(&f, &w);
    assert_false(find(&w, WAY_PROMOTE)->possible);
    assert_string_equal(find(&w, WAY_PROMOTE)->why, f.promote.why);
}

static void what_is_impossible_says_why_and_comes_last(void **state)
{
    (void)state;
    struct ways_facts f = all_well();
    struct ways w;
    f.restart.answers = TOLD_YES;
    f.promote.lag_bytes = 101;
    f.warm.usable = TOLD_NO;
    COPY_TO(f.warm.why, "it was written to");
    ways_weigh(&f, &w);
    assert_int_equal(w.best, WAY_RESTORE);
    assert_int_equal(w.best_move, WAY_RESTORE);
    assert_int_equal(w.p[0].kind, WAY_RESTORE);
    assert_non_null(strstr(find(&w, WAY_RESTART)->why, "nothing to restart"));
    assert_non_null(strstr(find(&w, WAY_PROMOTE)->why, "101 bytes would be lost, and 100 are allowed; a person"));
    assert_string_equal(find(&w, WAY_WARM)->why, "it was written to");

    f.promote.lag_known = false;
    COPY_TO(f.promote.why, "nobody looked");
    f.restore.usable = NOT_TOLD;
    f.restart.answers = TOLD_NO;
    f.restart.startable = NOT_TOLD;
    ways_weigh(&f, &w);
    assert_int_equal(w.best, WAY_MAX);
    assert_int_equal(w.best_move, WAY_MAX);
    assert_non_null(strstr(find(&w, WAY_PROMOTE)->why, "is not known: nobody looked; a person"));
    for (int i = 0; i < WAY_MAX; i++)
        assert_true(!w.p[i].possible && *w.p[i].why);

    f = all_well();
    f.promote.delayed = true;
    ways_weigh(&f, &w);
    assert_int_equal(w.best_move, WAY_WARM);
    f = all_well();
    f.promote.unproven = true; /* though it lacks nothing of what was last seen */
    COPY_TO(f.promote.why, "2 of these had to be compared");
    ways_weigh(&f, &w);
    assert_int_equal(w.best_move, WAY_WARM);
    assert_string_equal(find(&w, WAY_PROMOTE)->why, "2 of these had to be compared; a person must accept that");
    f = all_well();
    f.restart.startable = TOLD_NO;
    f.promote.standby = NOT_TOLD;
    ways_weigh(&f, &w);
    assert_int_equal(w.best, WAY_WARM);
}

/* ---- in a failover ---- */

static struct rig with_promotion(void)
{
    struct rig rig = rig_open();
    struct step *restore = fixture_step(rig.config, "failover", "restore");
    restore->action = "promote standby";
    restore->when = "best is promote";
    return rig;
}

static void weighed(struct rig *rig, const char *value)
{
    struct event event = {.kind = EVENT_FACT, .incident = rig_incident(rig)->id, .subject = WAY_BEST_FACT};
    COPY_TO(event.text, value);
    rig_feed(rig, &event);
    assert_int_equal(rig->orders.n, 0); /* a fact orders nothing */
}

static void the_measured_best_decides(void **state)
{
    (void)state;
    struct rig rig = with_promotion();
    rig_to_step(&rig, "fence");
    weighed(&rig, "promote");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "promote dr");
    rig_close(&rig);

    static const char *const others[] = {"restore", "none", "warm"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        rig = with_promotion();
        rig_to_step(&rig, "fence");
        weighed(&rig, others[i]);
        rig_outcome(&rig, OUTCOME_SUCCESS, "");
        assert_int_equal(rig_count(&rig, ORDER_RUN), 1);
        assert_string_not_equal(rig_order(&rig, ORDER_RUN)->text, "promote dr");
        rig_close(&rig);
    }
}

static void without_a_measurement_nothing_is_promoted(void **state)
{
    (void)state;
    struct rig rig = with_promotion();
    rig_to_step(&rig, "fence");
    weighed(&rig, "something");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    assert_string_not_equal(rig_order(&rig, ORDER_RUN)->text, "promote dr");
    rig_close(&rig);
}

/* A standby that takes writes is a second writer, whoever is sent there. */
static void a_promotion_needs_a_certificate(void **state)
{
    (void)state;
    struct rig rig = with_promotion();
    fixture_step(rig.config, "failover", "fence")->on_failure = "next";
    rig_to_step(&rig, "fence");
    weighed(&rig, "promote");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restore");
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    assert_non_null(strstr(rig_order(&rig, ORDER_BLOCKED)->text, "promoting the standby needs a fence certificate for \"production\""));
    rig_person(&rig, EVENT_CERTIFY, "production");
    rig_assert_run(&rig, "promote dr");
    rig_close(&rig);
}

/* However it ended, the standby may take writes from then on: the old primary is not to come back beside it. */
static void after_a_promotion_the_old_primary_does_not_start(void **state)
{
    (void)state;
    struct rig rig = with_promotion();
    rig_to_step(&rig, "fence");
    weighed(&rig, "promote");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_run(&rig, "promote dr");
    rig_outcome(&rig, OUTCOME_FAILURE, "");
    rig_person(&rig, EVENT_RETRY, "");
    rig_assert_run(&rig, "diagnose production");
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restart");
    rig_person(&rig, EVENT_APPROVE, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restart"); /* an approval is no certificate */
    assert_int_equal(rig_count(&rig, ORDER_RUN), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_loses_least_comes_first),
        cmocka_unit_test(where_patroni_decides_its_member_is_named),
        cmocka_unit_test(what_is_impossible_says_why_and_comes_last),
        cmocka_unit_test(the_measured_best_decides),
        cmocka_unit_test(without_a_measurement_nothing_is_promoted),
        cmocka_unit_test(a_promotion_needs_a_certificate),
        cmocka_unit_test(after_a_promotion_the_old_primary_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
