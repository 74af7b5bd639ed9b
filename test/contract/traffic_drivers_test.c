/* What must be true of every traffic driver, asked with the real server of each; then what is special to one. The first argument names the
   world; "list" looks whether every driver has one. */
#include "trafficworld.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/edgefixture.h"
#include "sys/clock.h"
#include "sys/file.h"

static const struct {
    const struct world_kind *kind;
    const struct world_test *tests; /* NULL: none but those of all */
} worlds[] = {
    {&world_nginx, NULL},
    {&world_haproxy, haproxy_tests},
    {&world_bind, dns_tests},
    {&world_knot, dns_tests},
    {&world_pgbouncer, pgbouncer_tests},
    {&world_address, address_tests},
    {&world_command, command_tests},
    {&world_cloudflare, cloudflare_tests},
    {&world_route53, route53_tests},
    {&world_elbv2, elbv2_tests},
};

static size_t chosen;

static int setup(void **state)
{
    *state = world_new(worlds[chosen].kind);
    return 0;
}

static int teardown(void **state)
{
    world_free((struct world **)state);
    return 0;
}

/* ---- of every driver ---- */

static void a_switch_moves_the_users_and_can_be_taken_back(void **state)
{
    struct world *w = *state;
    char *before = w->kind->state(w);
    struct err err;
    world_served_by(w, "production");
    world_must(w, "show", NULL);
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.active"), "production");
    assert_true(world_done(w, "switch", "production"));
    assert_false(world_done(w, "switch", "dr"));
    world_must(w, "switch", "dr");
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.active"), "dr");
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.requests"), "5/5");
    world_served_by(w, "dr");
    assert_string_not_equal(w->kind->state(w), before);
    assert_true(world_done(w, "switch", "dr"));
    assert_false(world_done(w, "undo", NULL));
    world_must(w, "switch", "dr"); /* once more does no harm, and the way back stays the first */
    world_served_by(w, "dr");
    world_must(w, "show", NULL);
    world_must(w, "undo", NULL);
    world_served_by(w, "production");
    assert_string_equal(w->kind->state(w), before);
    assert_true(world_done(w, "undo", NULL));
    assert_false(world_act(w, "undo", NULL, &err));
    assert_string_equal(err.message, "there is no switch to take back");
}

static void a_dry_run_says_what_would_be_done_and_changes_nothing(void **state)
{
    struct world *w = *state;
    char *before = w->kind->state(w);
    static const char *const verbs[][2] = {{"show", NULL}, {"switch", "dr"}};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        SCOPED(buf_done) struct buf out = {.max = 65536};
        struct err err = {0};
        bool kept = true;
        w->ctx.args = world_words(w, verbs[i][0], verbs[i][1], NULL);
        w->ctx.started_ms = clock_boot_ms();
        if (!w->traffic->describe(&w->ctx, &out, &err))
            fail_msg("%s: %s", w->kind->name, err.message);
        assert_non_null(strstr(buf_text(&out), "site \"production\""));
        assert_string_equal(w->kind->state(w), before);
        assert_true(traffic_driver(w->kind->driver)->can_put_back(&w->ctx, &kept, &err));
        assert_false(kept);
    }
    world_served_by(w, "production");
}

/* A child that had not yet become its program when its parent was killed holds the lock for that moment longer. */
static void await_lock(struct world *w)
{
    const char *path = arena_printf(w->arena, "%s/traffic.akig.lock", w->ctx.state_dir);
    int fd;
    assert_true(file_mkdirs(w->ctx.state_dir, 0700, NULL));
    for (int64_t end = clock_boot_ms() + 3000; !file_lock(path, &fd, NULL);)
        if (clock_boot_ms() > end)
            fail_msg("the lock is held on");
    close(fd);
}

/* Killed at any moment, then run again: at the end the users are there, and the way back leads to where they were first. */
static void a_switch_killed_half_way_is_finished_by_the_next(void **state)
{
    struct world *w = *state;
    int64_t kills = getenv("BASCULE_SWEEP") ? 10 : 3;
    char *before = w->kind->state(w);
    int64_t began = clock_boot_ms();
    world_must(w, "switch", "dr");
    int64_t whole = clock_boot_ms() - began; /* the kills are spread over all of it */
    world_must(w, "undo", NULL);
    for (int64_t i = 0; i < kills; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct err err;
            world_act(w, "switch", "dr", &err);
            _exit(0);
        }
        usleep((useconds_t)(whole * 1000 * i / kills)); /* the moment of the kill is what varies */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        await_lock(w);
        world_must(w, "switch", "dr");
        world_served_by(w, "dr");
        world_must(w, "undo", NULL);
        world_served_by(w, "production");
        assert_string_equal(w->kind->state(w), before);
    }
}

static void a_site_that_does_not_serve_is_not_switched_to(void **state)
{
    struct world *w = *state;
    char *before = w->kind->state(w);
    struct err err;
    if (same(w->kind->name, "nginx")) {
        edge_fixture_answer(w->more, 1, 503, "down");
        edge_fixture_reload(w->more);
    }
    fixture_write(arena_printf(w->arena, "%s/dr.down", w->folder), 0644, "x");
    w->ctx.budget_ms = 4000;
    assert_false(world_act(w, "switch", "dr", &err));
    if (!strstr(err.message, "the switch was undone") && !strstr(err.message, "the state before it is back"))
        fail_msg("%s: %s", w->kind->name, err.message);
    w->ctx.budget_ms = 0;
    world_served_by(w, "production");
    assert_string_equal(w->kind->state(w), before);
}

/* What directs the users is killed, or frozen: said within a bounded time, and when it is back it does what it did. */
static void a_server_that_is_gone_or_hangs_is_said_in_time(void **state)
{
    struct world *w = *state;
    struct err err;
    if (!w->server)
        return; /* this one has none: its own tests stop what it uses */
    char *before = w->kind->state(w);
    for (int hangs = 0; hangs < 2; hangs++) {
        if (hangs) {
            kill(w->server, SIGSTOP);
            waitpid(w->server, NULL, WUNTRACED); /* every thread of it stands still */
        } else {
            world_stop(w);
        }
        int64_t began = clock_boot_ms();
        bool ok = world_act(w, "switch", "dr", &err);
        int64_t took = clock_boot_ms() - began;
        if (hangs)
            kill(w->server, SIGCONT);
        else
            world_start(w);
        if (ok || (err.code != ERR_UNAVAILABLE && err.code != ERR_TIMEOUT) || took > 15000)
            fail_msg("%s, %s: %s after %lld ms: %s", w->kind->name, hangs ? "frozen" : "killed", ok ? "done" : "failed", (long long)took, err.message);
        world_served_by(w, "production");
        assert_string_equal(w->kind->state(w), before);
    }
}

static void two_do_not_move_the_users_at_once(void **state)
{
    struct world *w = *state;
    struct err err;
    int fd;
    assert_true(file_mkdirs(w->ctx.state_dir, 0700, NULL));
    assert_true(file_lock(arena_printf(w->arena, "%s/traffic.akig.lock", w->ctx.state_dir), &fd, NULL));
    assert_false(world_act(w, "switch", "dr", &err));
    assert_int_equal(err.code, ERR_REFUSED);
    close(fd);
    world_must(w, "switch", "dr");
}

/* ---- walking the lists ---- */

static void every_driver_has_a_world(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    for (size_t i = 0; traffic_drivers[i]; i++) {
        bool found = false;
        for (size_t k = 0; k < COUNT_OF(worlds); k++)
            found |= same(worlds[k].kind->driver, traffic_drivers[i]->name) && strstr(WORLDS, arena_printf(arena, " %s ", worlds[k].kind->name));
        if (!found)
            fail_msg("traffic driver \"%s\" has no world that is run", traffic_drivers[i]->name);
    }
}

static void run_special(void **state);
static const struct world_test *special;

static void run_special(void **state)
{
    special++->fn(*state); /* they are run in their order */
}

static int run_world(void)
{
    struct CMUnitTest tests[32] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_switch_moves_the_users_and_can_be_taken_back),
        T(a_dry_run_says_what_would_be_done_and_changes_nothing),
        T(a_switch_killed_half_way_is_finished_by_the_next),
        T(a_site_that_does_not_serve_is_not_switched_to),
        T(a_server_that_is_gone_or_hangs_is_said_in_time),
        T(two_do_not_move_the_users_at_once),
#undef T
    };
    size_t n = 6;
    special = worlds[chosen].tests;
    for (const struct world_test *t = special; t && t->name && n < COUNT_OF(tests); t++)
        tests[n++] = (struct CMUnitTest){.name = t->name, .test_func = run_special, .setup_func = setup, .teardown_func = teardown};
    return _cmocka_run_group_tests(worlds[chosen].kind->name, tests, n, NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest list[] = {cmocka_unit_test(every_driver_has_a_world)};
    if (argc == 2 && same(argv[1], "list"))
        return cmocka_run_group_tests(list, NULL, NULL);
    for (chosen = 0; chosen < COUNT_OF(worlds) && argc == 2; chosen++)
        if (same(worlds[chosen].kind->name, argv[1]))
            return run_world();
    fprintf(stderr, "usage: %s list|WORLD\n", argv[0]);
    return 64;
}
