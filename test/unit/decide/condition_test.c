/* Conditions: three values, precedence, sites, and what is refused when it is loaded. */
#include "unit/decide/rig.h"

static enum verdict_state verdict_by_name(void *arg, const char *check)
{
    (void)arg;
    const struct {
        const char *check;
        enum verdict_state state;
    } known[] = {{"production.database", VERDICT_DOWN}, {"dr.database", VERDICT_UP}, {"public", VERDICT_WARNING}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (same(known[i].check, check))
            return known[i].state;
    return VERDICT_UNKNOWN;
}

static const struct condition_world world = {.verdict = verdict_by_name, .active = "production", .standby = "dr"};

static void every_form_has_its_value(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum truth truth;
    } cases[] = {
        {"active.database is down", TRUTH_YES},
        {"active.database is up", TRUTH_NO},
        {"active.database is not up", TRUTH_YES},
        {"active.database is not down", TRUTH_NO},
        {"standby.database is up", TRUTH_YES},
        {"production.database is down", TRUTH_YES},
        {"public is up", TRUTH_YES}, /* in warning, but it works */
        {"public is warning", TRUTH_YES},
        {"public is not warning", TRUTH_NO},
        {"dr.database is warning", TRUTH_NO},
        {"ghost is up", TRUTH_MAYBE},
        {"ghost is not up", TRUTH_MAYBE},
        {"ghost is down", TRUTH_MAYBE},
        {"ghost is unknown", TRUTH_YES},
        {"ghost is not unknown", TRUTH_NO},
        {"public is not unknown", TRUTH_YES},
        {"active.database is down and public is down", TRUTH_NO},
        {"active.database is down and ghost is down", TRUTH_MAYBE},
        {"active.database is up and ghost is down", TRUTH_NO},
        {"active.database is down or ghost is down", TRUTH_YES},
        {"active.database is up or ghost is down", TRUTH_MAYBE},
        /* `and` binds tighter, on either side */
        {"active.database is down or ghost is up and active.database is up", TRUTH_YES},
        {"active.database is up and ghost is up or active.database is down", TRUTH_YES},
        {"active.database is up and active.database is down or active.database is up", TRUTH_NO},
        {"  active.database\tis\n down ", TRUTH_YES},
        {"", TRUTH_NO},
        {"active.database", TRUTH_NO},
        {"active.database is", TRUTH_NO},
        {"active.database is not", TRUTH_NO},
        {"active.database is dead", TRUTH_NO},
        {"active.database was down", TRUTH_NO},
        {"active.database is down but public is up", TRUTH_NO},
        {"active.database is down and", TRUTH_NO},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (condition_truth(cases[i].text, &world) != cases[i].truth)
            fail_msg("\"%s\" is %d", cases[i].text, condition_truth(cases[i].text, &world));
        assert_int_equal(condition_holds(cases[i].text, &world), cases[i].truth == TRUTH_YES);
    }
    assert_true(condition_holds(NULL, &world));
}

static void the_best_way_is_compared_by_name(void **state)
{
    (void)state;
    enum way_kind best = WAY_PROMOTE;
    struct condition_world measured = world;
    measured.best = &best;
    assert_int_equal(condition_truth("best is promote", &measured), TRUTH_YES);
    assert_int_equal(condition_truth("best is not promote", &measured), TRUTH_NO);
    assert_int_equal(condition_truth("best is restore", &measured), TRUTH_NO);
    assert_int_equal(condition_truth("best is none", &measured), TRUTH_NO);
    assert_int_equal(condition_truth("best is promote and public is down", &measured), TRUTH_NO);
    best = WAY_MAX;
    assert_int_equal(condition_truth("best is none", &measured), TRUTH_YES);
    assert_int_equal(condition_truth("best is promote", &measured), TRUTH_NO);
    /* not measured: neither so nor not so */
    assert_int_equal(condition_truth("best is promote", &world), TRUTH_MAYBE);
    assert_int_equal(condition_truth("best is not promote", &world), TRUTH_MAYBE);
    char check[MODEL_ID_SIZE];
    assert_false(condition_cause("best is none", &measured, check)); /* no check is the cause */
}

static void a_site_that_does_not_exist_is_not_known(void **state)
{
    (void)state;
    struct condition_world alone = {.verdict = verdict_by_name, .active = "production"};
    assert_int_equal(condition_truth("standby.database is up", &alone), TRUTH_MAYBE);
    assert_int_equal(condition_truth("standby.database is not unknown", &alone), TRUTH_MAYBE);
}

static void a_word_without_end_is_refused(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    assert_int_equal(condition_truth(text, &world), TRUTH_NO);
}

static void the_cause_is_the_comparison_that_holds(void **state)
{
    (void)state;
    char check[MODEL_ID_SIZE];
    assert_true(condition_cause("standby.database is down or active.database is down", &world, check));
    assert_string_equal(check, "production.database");
    assert_false(condition_cause("standby.database is down", &world, check));
    assert_false(condition_cause("standby.database is", &world, check));
    assert_false(condition_cause(NULL, &world, check));
}

static void what_is_wrong_is_said_with_a_hint(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    const struct service *service = &rig.config->services.p[0];
    const struct {
        const char *text, *message, *hint;
    } cases[] = {
        {"", "condition \"\": the name of a check is expected", ""},
        {"public", "condition \"public\": \"is\" is expected after \"public\"", ""},
        {"public is dead", "condition \"public is dead\": a state is expected after \"public is\"", "states are up, warning, down and unknown"},
        {"public is not", "condition \"public is not\": a state is expected after \"public is not\"", "states are up, warning, down and unknown"},
        {"best is fast", "condition \"best is fast\": a way to recover is expected after \"best is\"", "ways are restart, promote, warm, restore and none"},
        {"best is not", "condition \"best is not\": a way to recover is expected after \"best is not\"", "ways are restart, promote, warm, restore and none"},
        {"public is up then", "condition \"public is up then\": \"and\" or \"or\" is expected between comparisons", ""},
        {"standby.databse is up", "condition \"standby.databse is up\": \"standby.databse\" means the check \"dr.databse\", which does not exist",
         "did you mean \"dr.database\"?"},
        {"zebra is up", "condition \"zebra is up\": there is no check \"zebra\"", ""},
        {"publik is up", "condition \"publik is up\": there is no check \"publik\"", "did you mean \"public\"?"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        assert_false(condition_valid(cases[i].text, service, &err));
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.hint, cases[i].hint);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    struct err err = {0};
    assert_true(condition_valid("active.database is down and standby.application is up or public is unknown", service, &err));
    rig.config->services.p[0].sites.n = 1;
    assert_false(condition_valid("standby.database is up", service, &err));
    assert_non_null(strstr(err.message, "needs a site that this service does not have"));
    rig.config->services.p[0].sites.n = 0;
    assert_false(condition_valid("active.database is up", service, &err));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_has_its_value),
        cmocka_unit_test(the_best_way_is_compared_by_name),
        cmocka_unit_test(a_site_that_does_not_exist_is_not_known),
        cmocka_unit_test(a_word_without_end_is_refused),
        cmocka_unit_test(the_cause_is_the_comparison_that_holds),
        cmocka_unit_test(what_is_wrong_is_said_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
