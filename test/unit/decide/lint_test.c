/* What is said about playbooks before anything happens. */
#include "unit/decide/rig.h"

static bool is_action(const char *words)
{
    return !str_starts(str_of(words), "dance");
}

struct bench { /* a service whose third playbook is under test */
    struct rig rig;
    struct playbook *playbook;
    struct lints lints;
};

static struct bench bench_open(void)
{
    struct bench b = {.rig = rig_open()};
    b.playbook = fixture_add_playbook(b.rig.arena, b.rig.config, "test");
    b.playbook->rto_ms = MS_HOUR;
    return b;
}

static struct step *add(struct bench *b, const char *id, const char *action)
{
    return fixture_add_step(b->rig.arena, b->playbook, id, action);
}

static void run(struct bench *b)
{
    b->lints = (struct lints){0};
    playbook_lint(b->rig.arena, &b->rig.config->services.p[0], is_action, &b->lints);
}

/* Exactly one complaint, with this text in it. */
static void expect(struct bench *b, bool fatal, const char *text)
{
    run(b);
    if (b->lints.n != 1 || b->lints.p[0].fatal != fatal || !strstr(b->lints.p[0].text, text)) {
        for (size_t i = 0; i < b->lints.n; i++)
            print_error("%s: %s\n", b->lints.p[i].fatal ? "fatal" : "warning", b->lints.p[i].text);
        fail_msg("expected one %s complaint with \"%s\"", fatal ? "fatal" : "mild", text);
    }
    rig_close(&b->rig);
}

/* Is there a complaint with this text among others? */
static void expect_among(struct bench *b, const char *text)
{
    run(b);
    bool found = false;
    for (size_t i = 0; i < b->lints.n; i++)
        found = found || strstr(b->lints.p[i].text, text);
    if (!found)
        fail_msg("no complaint with \"%s\" among %zu", text, b->lints.n);
    rig_close(&b->rig);
}

static void the_runbook_s_own_playbooks_are_sound(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct lints lints = {0};
    playbook_lint(rig.arena, &rig.config->services.p[0], is_action, &lints);
    for (size_t i = 0; i < lints.n; i++)
        print_error("%s\n", lints.p[i].text);
    assert_int_equal(lints.n, 0);
    playbook_lint(rig.arena, &rig.config->services.p[0], NULL, &lints); /* actions are not asked about */
    assert_int_equal(lints.n, 0);
    rig_close(&rig);
}

static void budgets_add_up(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    const struct service *service = &rig.config->services.p[0];
    assert_int_equal(playbook_longest_ms(service, &service->playbooks.p[1]), 27 * MS_MINUTE);
    /* diagnose 1 + restart 1.5 + verify 3 + failover 27 */
    assert_int_equal(playbook_longest_ms(service, &service->playbooks.p[0]), 32 * MS_MINUTE + 30 * MS_SECOND);
    struct playbook *empty = fixture_add_playbook(rig.arena, rig.config, "empty");
    assert_int_equal(playbook_longest_ms(&rig.config->services.p[0], empty), 0);
    rig_close(&rig);
}

static void a_way_that_is_skipped_may_be_the_longer_one(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct step *step = add(&b, "one", "diagnose active");
    step->when = "public is up";
    step->on_success = "end";
    add(&b, "two", "verify public")->budget_ms = 5 * MS_MINUTE;
    assert_int_equal(playbook_longest_ms(&b.rig.config->services.p[0], b.playbook), 5 * MS_MINUTE); /* what is skipped takes no time */
    rig_close(&b.rig);
}

static void what_goes_round_has_no_longest(void **state)
{
    (void)state;
    struct rig rig = rig_open();
    struct playbook *round = fixture_add_playbook(rig.arena, rig.config, "round");
    fixture_add_step(rig.arena, round, "one", "verify public")->on_failure = "one";
    struct playbook *caller = fixture_add_playbook(rig.arena, rig.config, "caller");
    fixture_add_step(rig.arena, caller, "call", "playbook round");
    struct playbook *self = fixture_add_playbook(rig.arena, rig.config, "self");
    fixture_add_step(rig.arena, self, "call", "playbook self");
    const struct service *service = &rig.config->services.p[0];
    for (size_t i = 2; i < 5; i++)
        assert_int_equal(playbook_longest_ms(service, &service->playbooks.p[i]), -1);
    rig_close(&rig);
}

static void complaints_about_steps(void **state)
{
    (void)state;
    struct bench b = bench_open();
    add(&b, "a", "diagnose active");
    add(&b, "a", "verify public");
    expect(&b, true, "two steps are called \"a\"");

    b = bench_open();
    add(&b, "end", "verify public");
    expect(&b, true, "a step cannot be called \"end\"");

    b = bench_open();
    add(&b, "a", "verify public")->on_failure = "mars";
    expect(&b, true, "step \"a\": after failure it goes to \"mars\", which does not exist");

    b = bench_open();
    add(&b, "a", "dance standby");
    expect(&b, true, "there is no action \"dance standby\"");

    b = bench_open();
    add(&b, "a", NULL);
    expect(&b, true, "step \"a\" does nothing");

    b = bench_open();
    add(&b, "a", "verify public")->budget_ms = 0;
    expect(&b, true, "step \"a\" has no budget");

    b = bench_open();
    add(&b, "a", "playbook mars")->budget_ms = 0;
    expect(&b, true, "there is no playbook \"mars\"");

    b = bench_open();
    add(&b, "a", "playbook failover");
    b.playbook->rto_ms = MS_HOUR;
    expect(&b, false, "its budget is not used");

    b = bench_open();
    add(&b, "a", "notify mars")->budget_ms = 0;
    expect(&b, true, "there is no stage \"mars\"");

    b = bench_open();
    add(&b, "a", "wait");
    expect(&b, true, "waits for nothing");

    b = bench_open();
    add(&b, "a", "traffic undo");
    expect(&b, true, "name the site");

    b = bench_open();
    add(&b, "a", "restore active");
    add(&b, "b", "verify public");
    expect(&b, true, "it needs \"approve: person\"");

    b = bench_open();
    add(&b, "a", "verify public")->until = "mars is up";
    expect(&b, true, "step \"a\", until: condition \"mars is up\": there is no check \"mars\"");

    b = bench_open();
    add(&b, "a", "verify public")->when = "standby.x is up";
    expect(&b, true, "did you mean \"dr.database\"?");

    b = bench_open();
    add(&b, "a", "service stop active.application");
    expect(&b, false, "nothing after it looks whether it worked");

    b = bench_open();
    add(&b, "a", "service stop active.application");
    add(&b, "b", "diagnose active");
    expect(&b, false, "nothing after it looks whether it worked");

    b = bench_open();
    add(&b, "a", "service stop active.application");
    add(&b, "b", "diagnose active")->on_success = "a";
    b.playbook->steps.p[0].limit = 3;
    b.playbook->over_rto = (struct text2){"accepted", "accepté"};
    expect(&b, false, "nothing after it looks whether it worked");

    b = bench_open();
    add(&b, "a", "service stop active.application");
    add(&b, "b", "notify management");
    add(&b, "c", "notify update");
    add(&b, "d", "verify public");
    run(&b);
    assert_int_equal(b.lints.n, 0);
    rig_close(&b.rig);
}

static void complaints_about_the_whole(void **state)
{
    (void)state;
    struct bench b = bench_open();
    expect(&b, true, "it has no steps");

    b = bench_open();
    add(&b, "a", "verify public");
    b.playbook->severity = 7;
    expect_among(&b, "the service has no severity");

    b = bench_open();
    add(&b, "a", "verify public");
    b.playbook->severity = SEVERITY_P3;
    b.rig.config->services.p[0].severities.p[2].stages.n = 0;
    expect(&b, false, "has no stages, so nobody is told");

    b = bench_open();
    add(&b, "a", "verify public");
    b.playbook->opens_when = "public is";
    b.playbook->resolved_when = "public is up";
    expect(&b, true, "opens_when: condition \"public is\": a state is expected");

    b = bench_open();
    add(&b, "a", "verify public");
    b.playbook->opens_when = "public is down";
    expect(&b, false, "without \"resolved_when\"");

    b = bench_open();
    add(&b, "a", "verify public")->on_success = "end";
    add(&b, "b", "verify public");
    b.playbook->steps.p[0].on_failure = "end";
    expect(&b, true, "step \"b\" cannot be reached");

    b = bench_open();
    add(&b, "a", "verify public")->on_failure = "a";
    b.playbook->over_rto = (struct text2){"accepted", "accepté"};
    expect(&b, true, "go round in a circle, and none of them has a limit");

    b = bench_open();
    add(&b, "a", "verify public")->on_failure = "a";
    b.playbook->steps.p[0].limit = 5;
    expect(&b, true, "no time can be promised for an RTO of");

    b = bench_open();
    add(&b, "a", "playbook test")->budget_ms = 0;
    expect(&b, true, "it calls itself");

    b = bench_open();
    add(&b, "a", "verify public")->budget_ms = 61 * MS_MINUTE;
    expect(&b, true, "its longest way takes");

    b = bench_open();
    add(&b, "a", "verify public")->budget_ms = 20 * MS_MINUTE;
    b.playbook->rto_ms = 0; /* the severity's */
    expect(&b, true, "over the RTO of");

    b = bench_open();
    b.rig.config->services.p[0].sites.n = 1;
    add(&b, "a", "verify standby");
    expect_among(&b, "the service has no site of role dr");
}

static void no_redirection_before_a_fence_on_any_way(void **state)
{
    (void)state;
    static const char unfenced[] = "may redirect the traffic before the site that serves it was fenced";
    struct bench b = bench_open();
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    expect(&b, true, unfenced);

    b = bench_open(); /* nor a promotion */
    add(&b, "go", "promote standby");
    add(&b, "fence", "fence active");
    add(&b, "look", "verify public");
    expect(&b, true, "may let a second server take writes before the site that serves it was fenced");

    b = bench_open(); /* a fence that failed is none */
    add(&b, "fence", "fence active")->on_failure = "go";
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    expect(&b, true, unfenced);

    b = bench_open(); /* one that was skipped is none either */
    add(&b, "fence", "fence active")->when = "public is down";
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    expect(&b, true, unfenced);

    b = bench_open(); /* the wrong site */
    add(&b, "fence", "fence standby");
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    expect(&b, true, unfenced);

    b = bench_open(); /* sound */
    add(&b, "fence", "fence active");
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public")->on_failure = "back";
    add(&b, "back", "traffic switch active");
    add(&b, "check", "verify public");
    run(&b);
    assert_int_equal(b.lints.n, 0);
    rig_close(&b.rig);
}

/* The fence may stand in a playbook that is called, and the redirection in another. */
static void fences_count_across_calls(void **state)
{
    (void)state;
    for (int sound = 0; sound < 2; sound++) {
        struct bench b = bench_open();
        if (sound)
            add(&b, "one", "playbook fencing")->budget_ms = 0;
        struct step *two = add(&b, "two", "playbook moving");
        two->budget_ms = 0;
        struct playbook *fencing = fixture_add_playbook(b.rig.arena, b.rig.config, "fencing");
        fixture_add_step(b.rig.arena, fencing, "fence", "fence active");
        fixture_add_step(b.rig.arena, fencing, "look", "verify standby")->on_failure = "end";
        struct playbook *moving = fixture_add_playbook(b.rig.arena, b.rig.config, "moving");
        fixture_add_step(b.rig.arena, moving, "go", "traffic switch standby");
        fixture_add_step(b.rig.arena, moving, "look", "verify public");
        run(&b);
        assert_int_equal(b.lints.n, sound ? 0 : 1);
        rig_close(&b.rig);
    }
}

static void a_call_that_fails_after_its_fence_leaves_it_fenced(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct step *call = add(&b, "call", "playbook fencing");
    call->budget_ms = 0;
    call->on_success = "end";
    call->on_failure = "go";
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    struct playbook *fencing = fixture_add_playbook(b.rig.arena, b.rig.config, "fencing");
    fixture_add_step(b.rig.arena, fencing, "fence", "fence active")->on_failure = "end";
    fixture_add_step(b.rig.arena, fencing, "look", "verify standby");
    b.playbook = fixture_playbook(b.rig.config, "test");
    run(&b);
    assert_int_equal(b.lints.n, 0); /* failure comes only after the fence; its own failure ends well, without a redirection */
    fixture_step(b.rig.config, "fencing", "fence")->on_failure = "fail";
    run(&b);
    assert_int_equal(b.lints.n, 1);
    rig_close(&b.rig);
}

static void empty_and_deep_calls_are_survived(void **state)
{
    (void)state;
    struct bench b = bench_open();
    struct step *call = add(&b, "call", "playbook hollow");
    call->budget_ms = 0;
    call->on_failure = "go";
    add(&b, "go", "traffic switch standby");
    add(&b, "look", "verify public");
    fixture_add_playbook(b.rig.arena, b.rig.config, "hollow");
    expect_among(&b, "may redirect the traffic");
    b = bench_open();
    for (int i = 0; i < 10; i++) {
        struct playbook *level = fixture_add_playbook(b.rig.arena, b.rig.config, arena_printf(b.rig.arena, "level-%d", i));
        fixture_add_step(b.rig.arena, level, "down", arena_printf(b.rig.arena, "playbook level-%d", i + 1))->budget_ms = 0;
    }
    expect_among(&b, "nests deeper than 8");
}

static void stages_have_names_of_their_own(void **state)
{
    (void)state;
    struct bench b = bench_open();
    add(&b, "a", "verify public");
    b.rig.config->services.p[0].severities.p[0].stages.p[1].name = "alert";
    expect(&b, true, "severity P1 has two stages called \"alert\"");
    b = bench_open();
    add(&b, "a", "verify public");
    b.rig.config->services.p[0].severities.p[0].stages.p[1].name = "update";
    expect(&b, true, "a stage cannot be called \"update\"");
    b = bench_open();
    add(&b, "a", "verify public");
    for (int i = 0; i < INCIDENT_STAGES_MAX; i++)
        *vec_add(b.rig.arena, &b.rig.config->services.p[0].severities.p[1].stages) = (struct stage){.name = arena_printf(b.rig.arena, "s%d", i)};
    expect(&b, true, "has more than 16 stages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_runbook_s_own_playbooks_are_sound),
        cmocka_unit_test(budgets_add_up),
        cmocka_unit_test(a_way_that_is_skipped_may_be_the_longer_one),
        cmocka_unit_test(what_goes_round_has_no_longest),
        cmocka_unit_test(complaints_about_steps),
        cmocka_unit_test(complaints_about_the_whole),
        cmocka_unit_test(no_redirection_before_a_fence_on_any_way),
        cmocka_unit_test(fences_count_across_calls),
        cmocka_unit_test(a_call_that_fails_after_its_fence_leaves_it_fenced),
        cmocka_unit_test(empty_and_deep_calls_are_survived),
        cmocka_unit_test(stages_have_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
