/* Rows of results, written as text: '.' up, 'w' warning, 'x' down, '?' unknown; 'X' and '!' down and up by a result that is certain. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "judge/judge.h"

enum { INTERVAL = 500, TIMEOUT = 2000, FRESH = 3 * INTERVAL + TIMEOUT };

struct scene {
    struct arena *arena;
    struct config config;
    struct judge *judge;
    int64_t now;
    struct verdict turned[JUDGE_TURNS];
};

static void add_check(struct arena *a, struct service *s, const char *id, const char *site, int fall, int rise)
{
    struct check_conf *c = vec_add(a, &s->checks);
    c->id = id;
    c->site = site;
    c->fall = fall;
    c->rise = rise;
    c->interval_ms = INTERVAL;
    c->timeout_ms = TIMEOUT;
}

/* Service "akig": checks a (production), b (dr), c (production), public (no site), all fall 2, rise 2. Service "other": one check. */
static int set_up(void **state)
{
    struct arena *a = arena_open();
    struct scene *s = arena_new(a, struct scene);
    s->arena = a;
    s->now = 1000;
    struct service *akig = vec_add(a, &s->config.services);
    akig->name = "akig";
    add_check(a, akig, "a", "production", 2, 2);
    add_check(a, akig, "b", "dr", 2, 2);
    add_check(a, akig, "c", "production", 2, 2);
    add_check(a, akig, "public", NULL, 2, 2);
    struct service *other = vec_add(a, &s->config.services);
    other->name = "other";
    add_check(a, other, "a", NULL, 0, 0); /* as if a configuration gave nonsense: taken as 1 */
    s->judge = judge_open(a, &s->config);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    struct arena *a = s->arena;
    arena_close(&a);
    return 0;
}

static size_t feed(struct scene *s, const char *service, const char *check, char what)
{
    struct result r = {.at_ms = s->now += INTERVAL, .wall_ms = s->now + 1000000, .certain = what == 'X' || what == '!'};
    r.state = what == '.' || what == '!' ? VERDICT_UP : what == 'w' ? VERDICT_WARNING : what == 'x' || what == 'X' ? VERDICT_DOWN : VERDICT_UNKNOWN;
    r.good_wall_ms = what == '.' ? r.wall_ms : 0;
    COPY_TO(r.service, service);
    COPY_TO(r.check, check);
    snprintf(r.text, sizeof(r.text), "said %c", what);
    return judge_feed(s->judge, &r, s->turned);
}

/* The reported state of "akig/a" after each result of the row. */
static void assert_row(struct scene *s, const char *results, const char *states)
{
    for (size_t i = 0; results[i]; i++) {
        enum verdict_state before = judge_now(s->judge, "akig", "a").state;
        size_t n = feed(s, "akig", "a", results[i]);
        enum verdict_state after = judge_now(s->judge, "akig", "a").state;
        char is = "?.wx"[after];
        if (is != states[i])
            fail_msg("after result %zu of \"%s\" the state is '%c', not '%c'", i, results, is, states[i]);
        assert_int_equal(n, before != after);
        if (n) {
            assert_int_equal(s->turned[0].state, after);
            assert_int_equal(s->turned[0].since_ms, s->now);
            assert_string_equal(s->turned[0].check, "a");
            assert_string_equal(s->turned[0].service, "akig");
        }
    }
}

static void a_first_good_result_counts_alone_and_a_bad_one_does_not(void **state)
{
    assert_row(*state, ".", ".");
    struct scene *s = *state;
    s->judge = judge_open(s->arena, &s->config);
    assert_row(s, "w", "w");
    s->judge = judge_open(s->arena, &s->config);
    assert_row(s, "xx", "?x");
}

static void down_needs_an_unbroken_row_and_so_does_up(void **state)
{
    assert_row(*state, ".x.x.xx.x..x", "......xxxx..");
}

static void an_unknown_result_breaks_the_row_and_two_turn_it_unknown(void **state)
{
    assert_row(*state, ".x?x?xx?.", "......xxx");
    assert_row(*state, ".??xx??w", "..??xx?w");
}

static void what_was_seen_happening_counts_alone(void **state)
{
    assert_row(*state, ".X.x..", ".xxxx."); /* down at once, and up again as always */
    assert_row(*state, "??X!!", ".?xx.");   /* nobody sees a recovery from the outside: it has its row */
}

static void warnings_have_rows_too(void **state)
{
    assert_row(*state, ".w.ww.w..", "....wwww.");
    assert_row(*state, "xw", ".w");  /* the second in a row that is not up, and a warning itself */
    assert_row(*state, "xx", "wx");
    assert_row(*state, "w.", "x.");  /* two in a row that are not down */
    assert_row(*state, "xxww", ".xxw");
}

static void the_proof_of_life_is_the_newest_seen(void **state)
{
    struct scene *s = *state;
    feed(s, "akig", "a", '.');
    int64_t good = s->now + 1000000;
    feed(s, "akig", "a", 'x');
    assert_int_equal(feed(s, "akig", "a", 'x'), 1);
    assert_int_equal(s->turned[0].good_wall_ms, good);
    assert_string_equal(s->turned[0].text, "said x");
}

static void silence_turns_a_verdict_unknown(void **state)
{
    struct scene *s = *state;
    assert_true(judge_next_ms(s->judge) == TIME_NEVER);
    feed(s, "akig", "a", '.');
    feed(s, "akig", "a", '?'); /* says nothing, so it keeps nothing fresh */
    int64_t heard = s->now - INTERVAL;
    assert_int_equal(judge_next_ms(s->judge), heard + FRESH);
    assert_int_equal(judge_age(s->judge, heard + FRESH - 1, s->turned), 0);
    assert_int_equal(judge_age(s->judge, heard + FRESH, s->turned), 1);
    assert_int_equal(s->turned[0].state, VERDICT_UNKNOWN);
    assert_string_equal(s->turned[0].text, "no result for 3.5 s");
    assert_true(judge_next_ms(s->judge) == TIME_NEVER);
    assert_int_equal(judge_age(s->judge, heard + 10 * FRESH, s->turned), 0);
    assert_row(s, ".", "."); /* and the first one counts alone again */
    s->config.services.p[0].checks.p[0].fresh_ms = 60000;
    assert_int_equal(judge_next_ms(s->judge), s->now + 60000);
}

static void a_restart_is_not_a_turn(void **state)
{
    struct scene *s = *state;
    struct verdict v = {.service = "akig", .check = "a", .state = VERDICT_DOWN, .since_ms = 5, .good_wall_ms = 77, .text = "gone"};
    judge_restore(s->judge, &v);
    struct verdict now = judge_now(s->judge, "akig", "a");
    assert_int_equal(now.state, VERDICT_DOWN);
    assert_int_equal(now.since_ms, 5);
    assert_int_equal(now.good_wall_ms, 77);
    assert_string_equal(now.text, "gone");
    assert_int_equal(judge_next_ms(s->judge), 0);
    assert_int_equal(judge_age(s->judge, 1000000, s->turned), 0); /* hours later: the silence counts from here */
    assert_int_equal(judge_next_ms(s->judge), 1000000 + FRESH);
    s->now = 1000000;
    assert_row(s, "x..", "xx.");
    judge_restore(s->judge, &v);
    assert_row(s, "?", "x"); /* a restored verdict is not thrown away by one run that failed */
    COPY_TO(v.check, "no longer there");
    judge_restore(s->judge, &v);
}

static void everything_down_everywhere_is_blindness(void **state)
{
    struct scene *s = *state;
    const char *const checks[] = {"a", "b", "c", "public"};
    for (size_t i = 0; i < 4; i++)
        feed(s, "akig", checks[i], '.');
    for (size_t i = 0; i < 3; i++) {
        feed(s, "akig", checks[i], 'x');
        assert_int_equal(feed(s, "akig", checks[i], 'x'), 1);
        assert_int_equal(s->turned[0].state, VERDICT_DOWN);
        assert_false(judge_blind(s->judge, "akig"));
    }
    feed(s, "akig", "public", 'x');
    assert_int_equal(feed(s, "akig", "public", 'x'), 4);
    assert_true(judge_blind(s->judge, "akig"));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(s->turned[i].state, VERDICT_UNKNOWN);
        assert_non_null(strstr(s->turned[i].text, "observer"));
        assert_int_equal(judge_now(s->judge, "akig", checks[i]).state, VERDICT_UNKNOWN);
    }
    assert_int_equal(feed(s, "akig", "a", 'x'), 0);
    feed(s, "akig", "b", '.');
    assert_int_equal(feed(s, "akig", "b", '.'), 4); /* b is up, and the others are believed to be down again */
    assert_false(judge_blind(s->judge, "akig"));
    assert_int_equal(s->turned[0].state, VERDICT_DOWN);
    assert_string_equal(s->turned[0].text, "said x");
    assert_int_equal(s->turned[1].state, VERDICT_UP);
    assert_false(judge_blind(s->judge, "no such service"));
}

static void one_site_down_is_not_blindness(void **state)
{
    struct scene *s = *state;
    s->config.services.p[0].checks.p[1].site = "production";
    const char *const checks[] = {"public", "a", "b", "c"};
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 4; i++)
            feed(s, "akig", checks[i], 'x');
    assert_false(judge_blind(s->judge, "akig"));
    assert_int_equal(judge_now(s->judge, "akig", "a").state, VERDICT_DOWN);
}

static void two_checks_are_too_few_to_doubt_oneself(void **state)
{
    struct scene *s = *state;
    feed(s, "akig", "a", 'x');
    feed(s, "akig", "a", 'x');
    feed(s, "akig", "b", 'x');
    assert_int_equal(feed(s, "akig", "b", 'x'), 1);
    assert_false(judge_blind(s->judge, "akig"));
}

static void more_turns_than_fit_are_told_by_the_next_call(void **state)
{
    struct scene *s = *state;
    struct service *many = vec_add(s->arena, &s->config.services);
    many->name = "many";
    static char names[100][8];
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d", i);
        add_check(s->arena, many, names[i], i % 2 ? "production" : "dr", 1, 1);
    }
    s->judge = judge_open(s->arena, &s->config);
    for (int i = 0; i < 99; i++)
        assert_int_equal(feed(s, "many", names[i], i == 0 ? '.' : 'x'), 1);
    assert_int_equal(feed(s, "many", names[99], 'x'), 1);
    s->now = judge_next_ms(s->judge) - 1 - INTERVAL;
    assert_int_equal(feed(s, "many", names[0], 'x'), JUDGE_TURNS);
    assert_int_equal(judge_next_ms(s->judge), 0);
    assert_int_equal(judge_age(s->judge, s->now, s->turned), 100 - JUDGE_TURNS);
    assert_int_not_equal(judge_next_ms(s->judge), 0);
}

static void services_do_not_share_opinions(void **state)
{
    struct scene *s = *state;
    assert_int_equal(feed(s, "other", "a", 'x'), 1);
    assert_int_equal(judge_now(s->judge, "other", "a").state, VERDICT_DOWN);
    assert_int_equal(judge_now(s->judge, "akig", "a").state, VERDICT_UNKNOWN);
    assert_int_equal(feed(s, "akig", "nothing", '.'), 0);
    assert_int_equal(feed(s, "nothing", "a", '.'), 0);
    struct verdict none = judge_now(s->judge, "nothing", "a");
    assert_int_equal(none.state, VERDICT_UNKNOWN);
    assert_string_equal(none.text, "there is no such check");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_first_good_result_counts_alone_and_a_bad_one_does_not),
        TEST(down_needs_an_unbroken_row_and_so_does_up),
        TEST(an_unknown_result_breaks_the_row_and_two_turn_it_unknown),
        TEST(what_was_seen_happening_counts_alone),
        TEST(warnings_have_rows_too),
        TEST(the_proof_of_life_is_the_newest_seen),
        TEST(silence_turns_a_verdict_unknown),
        TEST(a_restart_is_not_a_turn),
        TEST(everything_down_everywhere_is_blindness),
        TEST(one_site_down_is_not_blindness),
        TEST(two_checks_are_too_few_to_doubt_oneself),
        TEST(more_turns_than_fit_are_told_by_the_next_call),
        TEST(services_do_not_share_opinions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
