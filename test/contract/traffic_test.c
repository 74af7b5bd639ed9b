/* Every traffic driver is asked the same questions; nginx, the first, with a real nginx, here and over a real sshd. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "act/traffic/traffic.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "act/edgefixture.h"

struct world {
    struct edge_fixture *edge;
    struct ssh_fixture *ssh; /* NULL until asked for */
    struct action_ctx ctx;
    const struct action_ops *traffic, *verify;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->edge = edge_fixture_new();
    w->ctx = (struct action_ctx){
        .arena = w->edge->arena,
        .config = &w->edge->config,
        .service = &w->edge->service,
        .state_dir = w->edge->config.state_dir,
        .control_dir = "/tmp/bascule-no-ssh",
        .report = report_quiet(),
        .run = "manual",
    };
    w->traffic = action_find("traffic");
    w->verify = action_find("verify");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    report_close(&w->ctx.report);
    ssh_fixture_free(&w->ssh);
    edge_fixture_free(&w->edge);
    free(w);
    return 0;
}

static void go_remote(struct world *w)
{
    w->ssh = ssh_fixture_new();
    w->ctx.control_dir = w->ssh->control;
    assert_true(ssh_prepare(w->ssh->control, NULL));
    edge_fixture_options(w->edge, &w->ssh->host, NULL, NULL);
}

static void set_args(struct world *w, const char *a, const char *b)
{
    struct strs args = {0};
    *vec_add(w->edge->arena, &args) = a;
    if (b)
        *vec_add(w->edge->arena, &args) = b;
    w->ctx.args = args;
    w->ctx.started_ms = clock_boot_ms();
}

static bool act(struct world *w, const struct action_ops *ops, const char *a, const char *b, char *text, struct err *err)
{
    enum outcome outcome = OUTCOME_FAILURE;
    set_args(w, a, b);
    *err = (struct err){0};
    if (!action_valid(ops, &w->ctx, err) || !ops->run(&w->ctx, &outcome, text, err))
        return false;
    assert_int_equal(outcome, OUTCOME_SUCCESS);
    return true;
}

static void must(struct world *w, const struct action_ops *ops, const char *a, const char *b)
{
    char text[MODEL_TEXT_SIZE] = "";
    struct err err;
    if (!act(w, ops, a, b, text, &err))
        fail_msg("%s %s: %s (%s)", a, b ? b : "", err.message, err.hint);
    assert_true(*text);
}

static bool done_already(struct world *w, const char *a, const char *b)
{
    char why[MODEL_TEXT_SIZE] = "";
    struct err err = {0};
    bool done;
    set_args(w, a, b);
    if (!w->traffic->done_already(&w->ctx, &done, why, sizeof(why), &err))
        fail_msg("%s", err.message);
    assert_true(!done || *why);
    return done;
}

static const char *who(struct world *w)
{
    const char *name = NULL;
    struct err err = {0};
    if (!traffic_ask(&w->ctx, w->edge->service.public_url, &name, &err))
        return arena_printf(w->edge->arena, "nobody: %s", err.message);
    return name;
}

/* nginx takes a configuration up while it serves: for some milliseconds after a reload, and longer on a busy machine, a worker of the one
   before may still answer. Where the users end up is what counts. */
static void assert_served_by(struct world *w, const char *site)
{
    int64_t deadline = clock_boot_ms() + 10 * MS_SECOND;
    const char *name = "";
    for (int in_a_row = 0; in_a_row < 3 && clock_boot_ms() < deadline;) {
        name = who(w);
        in_a_row = same(name, site) ? in_a_row + 1 : 0;
    }
    assert_string_equal(name, site);
}

/* ---- every driver ---- */

static void every_driver_is_whole(void **state)
{
    (void)state;
    assert_non_null(traffic_drivers[0]);
    for (size_t i = 0; traffic_drivers[i]; i++) {
        const struct traffic_ops *d = traffic_drivers[i];
        assert_true(d->name && *d->name && d->summary && *d->summary);
        assert_true(d->options && d->options_size && d->by_hand.en && d->by_hand.fr);
        assert_true(d->valid && d->read_back && d->describe && d->point && d->can_put_back && d->put_back && d->forget);
        assert_ptr_equal(traffic_driver(d->name), d);
        for (const struct option *o = d->options; o->key; o++) {
            assert_true(o->help && *o->help);
            assert_true(o->offset < d->options_size);
            for (const struct option *before = d->options; before != o; before++)
                assert_string_not_equal(before->key, o->key);
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(traffic_drivers[k]->name, d->name);
    }
    assert_null(traffic_driver("carrier pigeon"));
}

static void refuses(struct world *w, const char *part)
{
    struct err err = {0};
    if (traffic_driver("nginx")->valid(&w->edge->service.traffic, &w->edge->service, &err))
        fail_msg("accepted, although %s", part);
    assert_int_equal(err.code, ERR_CONFIG);
    if (!strstr(err.message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, err.message);
}

static void unusable_combinations_are_refused_when_loaded(void **state)
{
    struct world *w = *state;
    struct service *s = &w->edge->service;
    struct err err = {0};
    assert_true(traffic_driver("nginx")->valid(&s->traffic, s, &err));
    const char *kept = s->public_url;
    s->public_url = NULL;
    refuses(w, "public_url");
    s->public_url = kept;
    s->traffic.identify_json = NULL;
    refuses(w, "which site it came from");
    s->traffic.identify_header = "X-Served-By";
    assert_true(traffic_driver("nginx")->valid(&s->traffic, s, &err));
    kept = w->edge->sites[1].application.upstream;
    static const char *const bad[] = {NULL, "", "a;b", "x } server evil", "10.0.0.1:80;\n", "$host", "a b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        w->edge->sites[1].application.upstream = bad[i];
        refuses(w, "application.upstream");
    }
    w->edge->sites[1].application.upstream = w->edge->sites[0].application.upstream;
    refuses(w, "same");
    w->edge->sites[1].application.upstream = kept;
}

/* ---- nginx ---- */

static void a_switch_moves_the_users_and_can_be_taken_back(void **state)
{
    struct world *w = *state;
    char *by_hand = edge_fixture_include(w->edge);
    must(w, w->traffic, "show", NULL);
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.active"), "production");
    assert_true(done_already(w, "switch", "production"));
    assert_false(done_already(w, "switch", "dr"));
    must(w, w->traffic, "switch", "dr");
    assert_served_by(w, "dr");
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.active"), "dr");
    assert_string_equal(report_fact_value(w->ctx.report, "traffic.requests"), "5/5");
    char *text = edge_fixture_include(w->edge);
    assert_int_equal(strncmp(text, "# written by bascule: site dr\n", 30), 0);
    assert_true(done_already(w, "switch", "dr"));
    assert_false(done_already(w, "undo", NULL));
    must(w, w->traffic, "show", NULL);
    must(w, w->traffic, "undo", NULL);
    assert_served_by(w, "production");
    assert_string_equal(edge_fixture_include(w->edge), by_hand);
    assert_true(done_already(w, "undo", NULL)); /* nothing is left to take back */
    struct err err;
    char said[MODEL_TEXT_SIZE];
    assert_false(act(w, w->traffic, "undo", NULL, said, &err));
    assert_string_equal(err.message, "there is no switch to take back");
}

static void it_works_the_same_on_another_host(void **state)
{
    struct world *w = *state;
    go_remote(w);
    a_switch_moves_the_users_and_can_be_taken_back(state);
}

static void there_may_be_no_file_before_the_first_switch(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    for (int remote = 0; remote < 2; remote++) {
        unlink(w->edge->include);
        assert_false(act(w, w->traffic, "show", NULL, said, &err));
        must(w, w->traffic, "switch", "dr");
        assert_served_by(w, "dr");
        if (!remote)
            go_remote(w);
    }
}

static void a_configuration_that_does_not_validate_is_undone(void **state)
{
    struct world *w = *state;
    char *before = edge_fixture_include(w->edge);
    const char *no[] = {"sh", "-c", "echo nginx: [emerg] unknown directive >&2; exit 1", NULL};
    const char *reload[] = {"touch", arena_printf(w->edge->arena, "%s/reloaded", w->edge->folder), NULL};
    struct err err;
    char said[MODEL_TEXT_SIZE];
    edge_fixture_options(w->edge, NULL, no, reload);
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_non_null(strstr(err.message, "unknown directive"));
    assert_non_null(strstr(err.message, "the file before it is back and nothing was reloaded"));
    assert_string_equal(edge_fixture_include(w->edge), before);
    assert_false(file_exists(reload[1]));
    assert_served_by(w, "production");
    SCOPED(buf_done) struct buf out = {.max = 65536};
    set_args(w, "switch", "dr");
    assert_false(w->traffic->describe(&w->ctx, &out, &err)); /* a dry run says so before anything is touched */
    assert_non_null(strstr(err.message, "before any change"));
}

static void a_reload_that_fails_is_undone(void **state)
{
    struct world *w = *state;
    char *before = edge_fixture_include(w->edge);
    const char *no[] = {"sh", "-c", "echo no such unit >&2; exit 5", NULL};
    struct err err;
    char said[MODEL_TEXT_SIZE];
    edge_fixture_options(w->edge, NULL, NULL, no);
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_non_null(strstr(err.message, "no such unit"));
    assert_string_equal(edge_fixture_include(w->edge), before);
    assert_non_null(strstr(err.hint, ".bascule-previous")); /* it could not be reloaded on the way back either */
}

static void a_reload_that_lies_is_found_out_and_undone(void **state)
{
    struct world *w = *state;
    char *before = edge_fixture_include(w->edge);
    const char *yes[] = {"true", NULL};
    struct err err;
    char said[MODEL_TEXT_SIZE];
    int64_t began = clock_boot_ms();
    edge_fixture_options(w->edge, NULL, NULL, yes);
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_true(clock_boot_ms() - began < 20000);
    assert_non_null(strstr(err.message, "answered by \"production\" instead of \"dr\""));
    assert_non_null(strstr(err.message, "the switch was undone"));
    assert_non_null(strstr(err.message, "and requests arrive there"));
    assert_string_equal(edge_fixture_include(w->edge), before);
}

static void a_site_that_does_not_serve_is_not_switched_to(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    edge_fixture_answer(w->edge, 1, 503, "down");
    edge_fixture_reload(w->edge);
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_non_null(strstr(err.message, "the switch was undone"));
    assert_served_by(w, "production");
}

static void a_file_that_was_not_loaded_is_a_lie_that_show_tells(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    fixture_write(w->edge->include, 0644, "upstream akig { server %s; }\n", w->edge->sites[1].application.upstream);
    assert_false(act(w, w->traffic, "show", NULL, said, &err));
    assert_non_null(strstr(err.message, "told to send the users to site \"dr\", yet a request was answered by \"production\""));
    assert_non_null(strstr(err.hint, "traffic switch dr"));
    assert_false(done_already(w, "switch", "dr"));
    must(w, w->traffic, "switch", "dr"); /* and the repair it names works */
    must(w, w->traffic, "show", NULL);
}

static void what_stands_in_the_file_is_read_as_nginx_reads_it(void **state)
{
    struct world *w = *state;
    const struct traffic_ops *nginx = traffic_driver("nginx");
    const char *p = w->edge->sites[0].application.upstream, *d = w->edge->sites[1].application.upstream;
    const struct {
        char *text;
        int site; /* -1: none */
    } cases[] = {
        {arena_printf(w->edge->arena, "upstream akig{server %s;}", d), 1},
        {arena_printf(w->edge->arena, "# written by bascule: site dr\nupstream akig { server %s; }", p), 0},
        {arena_printf(w->edge->arena, "upstream akig { server %s backup; server %s; }", d, p), 0},
        {arena_printf(w->edge->arena, "upstream akig { server %s; server %s down; }", d, p), 1},
        {arena_printf(w->edge->arena, "upstream other { server %s; }\nupstream akig { keepalive 4; server %s; }", p, d), 1},
        {arena_printf(w->edge->arena, "upstream akig { server %s; server %s; }", d, p), -1},
        {arena_printf(w->edge->arena, "upstream akig { #server %s;\n}", d), -1},
        {arena_printf(w->edge->arena, "upstream akig { server 10.0.0.1:80; }"), -1},
        {arena_printf(w->edge->arena, "upstream other { server %s; }", p), -1},
        {arena_printf(w->edge->arena, "upstream akig { server %s", p), -1},
        {arena_printf(w->edge->arena, "upstream akig { server %s; server backup backup; }", d), 1},
        {arena_printf(w->edge->arena, "upstream akig { server backup; }"), -1}, /* a host of that name */
        {arena_printf(w->edge->arena, "upstream akig { keepalive#1 4; server %s; }", d), 1},
        {arena_printf(w->edge->arena, "server"), -1},
        {arena_printf(w->edge->arena, "upstream akig"), -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct site *site = NULL;
        struct err err = {0};
        fixture_write(w->edge->include, 0644, "%s", cases[i].text);
        bool ok = nginx->read_back(&w->ctx, &site, &err);
        if (ok != (cases[i].site >= 0) || (ok && site != &w->edge->sites[cases[i].site]))
            fail_msg("\"%s\" was read as %s (%s)", cases[i].text, ok ? site->name : "nothing", err.message);
        assert_true(ok || err.code == ERR_NOT_FOUND);
    }
}

static void the_header_tells_the_site_as_well(void **state)
{
    struct world *w = *state;
    w->edge->service.traffic.identify_header = "X-Served-By";
    w->edge->service.traffic.identify_json = NULL;
    must(w, w->traffic, "switch", "dr");
    assert_served_by(w, "dr");
    must(w, w->verify, "public", "10");
}

/* Killed at any moment, then run again: at the end the users are there, and the way back leads to where they were first. */
static void a_switch_killed_half_way_is_finished_by_the_next(void **state)
{
    struct world *w = *state;
    char *by_hand = edge_fixture_include(w->edge);
    for (int delay_ms = 0; delay_ms <= 160; delay_ms += 20) {
        pid_t child = fork();
        if (child == 0) {
            char text[MODEL_TEXT_SIZE];
            struct err err;
            act(w, w->traffic, "switch", "dr", text, &err);
            _exit(0);
        }
        usleep((useconds_t)delay_ms * 1000); /* the moment of the kill is what varies */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (!done_already(w, "switch", "dr"))
            must(w, w->traffic, "switch", "dr");
        assert_served_by(w, "dr");
        must(w, w->traffic, "undo", NULL);
        assert_served_by(w, "production");
        assert_string_equal(edge_fixture_include(w->edge), by_hand);
    }
}

static void two_do_not_move_the_users_at_once(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    int fd;
    assert_true(file_mkdirs(w->ctx.state_dir, 0700, NULL));
    assert_true(file_lock(arena_printf(w->edge->arena, "%s/traffic.akig.lock", w->ctx.state_dir), &fd, NULL));
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    must(w, w->traffic, "show", NULL); /* looking is free */
    close(fd);
    must(w, w->traffic, "switch", "dr");
}

static void a_host_that_is_gone_changes_nothing(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE], *before = edge_fixture_include(w->edge);
    go_remote(w);
    ssh_fixture_stop(w->ssh);
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_non_null(strstr(err.message, "cannot be reached over ssh"));
    assert_string_equal(edge_fixture_include(w->edge), before);
}

static void the_budget_is_kept_and_the_way_back_is_whole(void **state)
{
    struct world *w = *state;
    const char *yes[] = {"true", NULL};
    struct err err;
    char said[MODEL_TEXT_SIZE], *before = edge_fixture_include(w->edge);
    edge_fixture_options(w->edge, NULL, NULL, yes);
    w->ctx.budget_ms = 1500;
    int64_t began = clock_boot_ms();
    assert_false(act(w, w->traffic, "switch", "dr", said, &err));
    assert_true(clock_boot_ms() - began < 4000);
    assert_non_null(strstr(err.message, "the switch was undone"));
    assert_string_equal(edge_fixture_include(w->edge), before);
}

/* ---- verify ---- */

static void endpoints_are_verified_on_the_public_path_and_at_a_site(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    must(w, w->verify, "public", NULL);
    must(w, w->verify, "dr", NULL);
    must(w, w->verify, "public", "10");
    assert_string_equal(report_fact_value(w->ctx.report, "verify.requests"), "10/10");
    must(w, w->verify, "dr", "3");
    static const char *const counts[] = {"0", "-1", "x", "99999999"};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        assert_false(act(w, w->verify, "public", counts[i], said, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    w->ctx.budget_ms = 1000;
    w->edge->endpoints[1].path = "/api/broken";
    assert_false(act(w, w->verify, "public", NULL, said, &err));
    assert_non_null(strstr(err.message, "\"/api/broken\": status 500 is not among the accepted"));
    int accepted[] = {200, 500};
    w->edge->endpoints[1].accept = (struct ints){accepted, 2, 2};
    must(w, w->verify, "public", NULL);
    w->edge->endpoints[0].json = "status=splendid";
    assert_false(act(w, w->verify, "public", NULL, said, &err));
    assert_non_null(strstr(err.message, "\"status\" is \"ok\" instead of \"splendid\""));
    w->edge->endpoints[0].json = "nothing.there=1";
    assert_false(act(w, w->verify, "public", NULL, said, &err));
    assert_non_null(strstr(err.message, "has no \"nothing.there\""));
}

static void a_service_that_becomes_well_within_the_budget_is_verified(void **state)
{
    struct world *w = *state;
    edge_fixture_answer(w->edge, 0, 503, "starting");
    edge_fixture_reload(w->edge);
    pid_t child = fork();
    if (child == 0) {
        usleep(1500 * 1000); /* the service's own time to come up */
        edge_fixture_answer(w->edge, 0, 200, "{\"status\":\"ok\",\"site\":\"production\"}");
        edge_fixture_reload(w->edge);
        _exit(0);
    }
    w->ctx.budget_ms = 15000;
    must(w, w->verify, "public", NULL);
    waitpid(child, NULL, 0);
}

static void requests_answered_by_the_other_site_are_not_verified(void **state)
{
    struct world *w = *state;
    struct err err;
    char said[MODEL_TEXT_SIZE];
    fixture_write(w->edge->include, 0644, "upstream akig { server %s; }\n", w->edge->sites[1].application.upstream); /* not loaded */
    w->ctx.budget_ms = 1000;
    assert_false(act(w, w->verify, "public", "10", said, &err));
    assert_non_null(strstr(err.message, "answered by \"production\" instead of \"dr\""));
    assert_string_equal(report_fact_value(w->ctx.report, "verify.requests"), "0/10");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct world *w = *state;
    static const char *const verbs[][2] = {{"show", NULL}, {"switch", "dr"}};
    char *before = edge_fixture_include(w->edge);
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        SCOPED(buf_done) struct buf out = {.max = 65536};
        struct err err = {0};
        set_args(w, verbs[i][0], verbs[i][1]);
        assert_true(w->traffic->describe(&w->ctx, &out, &err));
        assert_non_null(strstr(buf_text(&out), "site \"production\""));
    }
    assert_string_equal(edge_fixture_include(w->edge), before);
    assert_false(file_exists(arena_printf(w->edge->arena, "%s.bascule-previous", w->edge->include)));
    assert_served_by(w, "production");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        cmocka_unit_test(every_driver_is_whole),
        T(unusable_combinations_are_refused_when_loaded),
        T(a_switch_moves_the_users_and_can_be_taken_back),
        T(it_works_the_same_on_another_host),
        T(there_may_be_no_file_before_the_first_switch),
        T(a_configuration_that_does_not_validate_is_undone),
        T(a_reload_that_fails_is_undone),
        T(a_reload_that_lies_is_found_out_and_undone),
        T(a_site_that_does_not_serve_is_not_switched_to),
        T(a_file_that_was_not_loaded_is_a_lie_that_show_tells),
        T(what_stands_in_the_file_is_read_as_nginx_reads_it),
        T(the_header_tells_the_site_as_well),
        T(a_switch_killed_half_way_is_finished_by_the_next),
        T(two_do_not_move_the_users_at_once),
        T(a_host_that_is_gone_changes_nothing),
        T(the_budget_is_kept_and_the_way_back_is_whole),
        T(endpoints_are_verified_on_the_public_path_and_at_a_site),
        T(a_service_that_becomes_well_within_the_budget_is_verified),
        T(requests_answered_by_the_other_site_are_not_verified),
        T(a_dry_run_changes_nothing),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
