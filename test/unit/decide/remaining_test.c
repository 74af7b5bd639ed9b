/* How long the recovery will still take: budgets, what was measured, what the command says of itself, and when nobody can know. */
#include "unit/decide/rig.h"

struct times {
    const char *words[4];
    int64_t ms[4];
};

static int64_t before(const void *arg, const char *service, const char *words)
{
    const struct times *times = arg;
    assert_string_equal(service, "akig");
    for (size_t i = 0; i < COUNT_OF(times->words); i++)
        if (times->words[i] && same(times->words[i], words))
            return times->ms[i];
    return -1;
}

static struct remaining left(const struct rig *rig, const struct times *times, int64_t said_ms)
{
    const struct took took = {.before = before, .arg = times, .left_ms = said_ms};
    return decide_remaining(rig->decide, rig_incident(rig), times ? &took : NULL);
}

#define ASSERT_LEFT(r, likely, most)                                                                                                      \
    do {                                                                                                                                  \
        struct remaining left_ = (r);                                                                                                     \
        if (left_.likely_ms != (likely) || left_.most_ms != (most))                                                                       \
            fail_msg("%lld of at most %lld", (long long)left_.likely_ms, (long long)left_.most_ms);                                       \
    } while (0)

static void without_measures_the_budgets_count(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_down(&rig);
    /* diagnose 1 min, restart 90 s, which leads to verify 3 min */
    ASSERT_LEFT(left(&rig, NULL, -1), 60000 + 90000 + 180000, 330000);
    rig_verdict(&rig, "dr.database", VERDICT_UP);
    rig_tick(&rig, 20000);
    ASSERT_LEFT(left(&rig, NULL, -1), 310000, 310000);
    rig_close(&rig);
}

static void what_was_measured_counts_instead(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    const struct times times = {{"diagnose production", "service restart production.database"}, {4000, 12000}};
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, &times, -1), 4000 + 12000 + 180000, 330000);
    rig_tick(&rig, 1000);
    ASSERT_LEFT(left(&rig, &times, -1), 3000 + 12000 + 180000, 329000);
    rig_tick(&rig, 9000); /* it takes longer than ever: it may end any moment */
    ASSERT_LEFT(left(&rig, &times, -1), 0 + 12000 + 180000, 320000);
    rig_close(&rig);
}

static void the_command_itself_knows_best(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    const struct times times = {{"diagnose production"}, {4000}};
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, &times, 33000), 33000 + 90000 + 180000, 330000);
    ASSERT_LEFT(left(&rig, &times, MS_DAY), 60000 + 90000 + 180000, 330000); /* its budget ends it all the same */
    rig_close(&rig);
}

static void a_called_playbook_counts_whole(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_to_step(&rig, "restore");
    /* restore 10, application 1, test 3, redirect 5, verify 5; "report" says something; then the caller's step succeeded, which ends it */
    ASSERT_LEFT(left(&rig, NULL, -1), 24 * MS_MINUTE, 24 * MS_MINUTE);
    rig_close(&rig);
    rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->action = "playbook failover";
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, NULL, -1), (1 + 27 + 3) * MS_MINUTE, (1 + 27 + 3) * MS_MINUTE);
    rig_close(&rig);
}

static void what_will_be_skipped_costs_nothing(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "verify")->when = "dr.database is down";
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, NULL, -1), 330000, 330000); /* nobody has seen it yet */
    rig_verdict(&rig, "dr.database", VERDICT_UP);
    ASSERT_LEFT(left(&rig, NULL, -1), 150000, 150000);
    rig_close(&rig);
}

static void nobody_knows_how_long_a_person_takes(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "restart")->approve = APPROVE_PERSON;
    rig_down(&rig);
    rig_outcome(&rig, OUTCOME_SUCCESS, "");
    rig_assert_phase(&rig, STEP_ASKING, "restart");
    ASSERT_LEFT(left(&rig, NULL, -1), -1, -1);
    rig_person(&rig, EVENT_APPROVE, "");
    ASSERT_LEFT(left(&rig, NULL, -1), 270000, 270000);
    rig_outcome(&rig, OUTCOME_BLOCKED, "");
    rig_assert_phase(&rig, STEP_BLOCKED, "restart");
    ASSERT_LEFT(left(&rig, NULL, -1), -1, -1);
    rig_close(&rig);
}

static void nothing_runs_nothing_is_known(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    rig_feed(&rig, &(struct event){.kind = EVENT_OPEN, .number = SEVERITY_P1, .service = "akig", .who = "anna", .text = "odd"});
    ASSERT_LEFT(left(&rig, NULL, -1), -1, -1);
    rig_close(&rig);
}

static void a_way_in_circles_has_no_end(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    fixture_step(rig.config, "database-down", "verify")->on_success = "diagnose";
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, NULL, -1), -1, -1);
    rig_close(&rig);
    rig = rig_open(); /* and so has a playbook that calls itself */
    fixture_step(rig.config, "database-down", "verify")->action = "playbook database-down";
    rig_down(&rig);
    ASSERT_LEFT(left(&rig, NULL, -1), -1, -1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_measures_the_budgets_count),
        cmocka_unit_test(what_was_measured_counts_instead),
        cmocka_unit_test(the_command_itself_knows_best),
        cmocka_unit_test(a_called_playbook_counts_whole),
        cmocka_unit_test(what_will_be_skipped_costs_nothing),
        cmocka_unit_test(nobody_knows_how_long_a_person_takes),
        cmocka_unit_test(nothing_runs_nothing_is_known),
        cmocka_unit_test(a_way_in_circles_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
