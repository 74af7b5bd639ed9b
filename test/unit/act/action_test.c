/* What all actions share: which words are an action, budgets, and the way from arguments to a reported outcome and exit status. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/action.h"
#include "sys/clock.h"
#include "sys/file.h"

/* ---- words ---- */

static void playbooks_words_are_known_or_not(void **state)
{
    (void)state;
    static const char *const known[] = {
        "diagnose active", "diagnose {active}", "service restart active.database", "service start {standby}.application", "restore standby",
        "restore dr --file /backups/x.sql.gz", "verify public", "verify public 10", "status standby", "traffic show", "traffic switch standby",
        "traffic undo", "fence active", "notify resolved?", "playbook failover", "wait", "  wait  ", "verify 'public' \"3\"",
    };
    static const char *const unknown[] = {
        "", " ", "dance", "diagnose", "diagnose a b", "service", "service restart", "service reboot active.database", "service restart a b",
        "traffic", "traffic turn dr", "traffic switch a b", "notify", "notify a b", "playbook", "wait 5", "fence", "verify", "verify a 1 2",
        "restore", "status", "Diagnose active", "diagnose 'open quote",
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (!action_known(known[i]))
            fail_msg("not known: \"%s\"", known[i]);
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        if (action_known(unknown[i]))
            fail_msg("known: \"%s\"", unknown[i]);
    assert_null(action_find("dance"));
    assert_null(action_find(NULL));
}

/* ---- a world of two sites that nothing stands behind ---- */

struct world {
    struct arena *arena;
    struct config config;
    struct service service;
    struct site sites[2];
    struct action_ctx ctx;
    char folder[64], out[96], lines[96];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-action.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->out, sizeof(w->out), "%s/out", w->folder);
    snprintf(w->lines, sizeof(w->lines), "%s/lines", w->folder);
    w->sites[0].name = "production";
    w->sites[1].name = "dr";
    w->service = (struct service){.name = "akig", .sites = {w->sites, 2, 2}};
    w->config = (struct config){.path = "/etc/b.yaml", .state_dir = w->folder, .services = {&w->service, 1, 1}};
    w->ctx = (struct action_ctx){.arena = w->arena, .config = &w->config, .service = &w->service, .state_dir = w->folder, .run = "manual"};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    unlink(w->out);
    unlink(w->lines);
    rmdir(w->folder);
    arena_close(&w->arena);
    free(w);
    return 0;
}

/* ---- carrying out ---- */

/* What the made-up action below is told to do, through its arguments. */
static const char *told(const struct action_ctx *ctx)
{
    return ctx->args.p[0];
}

static bool fake_valid(const struct action_ctx *ctx, struct err *err)
{
    return !same(told(ctx), "invalid") || err_set(err, ERR_CONFIG, "this cannot be") || err_hint(err, "write something else");
}

static bool fake_describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    buf_puts(out, "would dance\n");
    return !same(told(ctx), "unsure") || err_set(err, ERR_UNAVAILABLE, "the floor cannot be seen");
}

static bool fake_done(const struct action_ctx *ctx, bool *ret, char *why, size_t size, struct err *err)
{
    if (same(told(ctx), "unsure"))
        return err_set(err, ERR_UNAVAILABLE, "the floor cannot be seen");
    *ret = same(told(ctx), "done");
    action_say(why, size, "danced before");
    return true;
}

static bool fake_run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    report_fact(ctx->report, "steps", "3");
    if (same(told(ctx), "fail")) {
        err_set(err, ERR_UNAVAILABLE, "stumbled");
        return err_hint(err, "get up");
    }
    *ret_outcome = same(told(ctx), "blocked") ? OUTCOME_BLOCKED : OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "danced");
    return true;
}

static const struct action_ops fake = {
    .name = "dance", .usage = "dance HOW", .summary = "dances", .changes = true, .args_min = 1, .args_max = 1,
    .valid = fake_valid, .describe = fake_describe, .done_already = fake_done, .run = fake_run,
};

struct answer {
    int status;
    const char *out;   /* stdout and stderr */
    const char *lines; /* what the parent got */
    struct report_line result;
    bool has_result;
};

/* In a process of its own, as always. */
static struct answer carry_out(struct world *w, const char *how, bool dry_run, bool json)
{
    struct answer a = {0};
    unlink(w->out);
    unlink(w->lines);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int out = open(w->out, O_WRONLY | O_CREAT | O_APPEND, 0600), lines = open(w->lines, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(out, 1);
        dup2(out, 2);
        dup2(lines, 90);
        setenv("BASCULE_REPORT_FD", "90", 1);
        w->ctx.args = (struct strs){.p = &how, .n = how ? 1 : 0};
        w->ctx.json = json;
        int status = action_carry_out(&fake, &w->ctx, dry_run);
        fflush(NULL);
        _exit(status);
    }
    int status;
    struct str text, line, rest;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    a.status = WEXITSTATUS(status);
    assert_true(file_read(w->arena, w->out, 65536, &text, NULL));
    a.out = text.p;
    assert_true(file_read(w->arena, w->lines, 65536, &text, NULL));
    a.lines = text.p;
    for (rest = text; str_next(&rest, '\n', &line);) {
        struct report_line parsed;
        if (line.n && report_parse(line, &parsed, NULL) && parsed.kind == REPORT_RESULT) {
            assert_false(a.has_result); /* once */
            a.has_result = true;
            a.result = parsed;
        }
    }
    return a;
}

static void the_outcome_reaches_parent_person_and_exit_status(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *how;
        int status;
        enum outcome outcome;
        const char *text, *printed;
    } cases[] = {
        {"well", 0, OUTCOME_SUCCESS, "danced", "steps: 3\ndanced\n"},
        {"unsure", 0, OUTCOME_SUCCESS, "danced", "steps: 3\ndanced\n"}, /* that it was not done already is not proven: run decides */
        {"done", 0, OUTCOME_SUCCESS, "already done: danced before", "already done: danced before\n"},
        {"fail", 1, OUTCOME_FAILURE, "stumbled (get up)", "steps: 3\nbascule: stumbled\nhint: get up\n"},
        {"blocked", 2, OUTCOME_BLOCKED, "danced", "steps: 3\nbascule: blocked: danced\n"},
        {"invalid", 78, OUTCOME_FAILURE, "this cannot be (write something else)", "bascule: this cannot be\nhint: write something else\n"},
        {NULL, 64, OUTCOME_FAILURE, "action \"dance\" does not take 0 arguments (it is written: dance HOW)",
         "bascule: action \"dance\" does not take 0 arguments\nhint: it is written: dance HOW\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct answer a = carry_out(w, cases[i].how, false, false);
        assert_int_equal(a.status, cases[i].status);
        assert_true(a.has_result);
        assert_int_equal(a.result.outcome, cases[i].outcome);
        assert_string_equal(a.result.text, cases[i].text);
        assert_string_equal(a.out, cases[i].printed);
    }
}

static void json_says_the_same(void **state)
{
    struct world *w = *state;
    assert_string_equal(carry_out(w, "well", false, true).out,
                        "{\"action\":\"dance\",\"outcome\":\"success\",\"text\":\"danced\",\"facts\":{\"steps\":\"3\"}}\n");
    assert_string_equal(carry_out(w, "fail", false, true).out,
                        "{\"action\":\"dance\",\"outcome\":\"failure\",\"text\":\"stumbled\",\"hint\":\"get up\",\"facts\":{\"steps\":\"3\"}}\n");
}

static void a_dry_run_describes_and_does_nothing(void **state)
{
    struct world *w = *state;
    struct answer a = carry_out(w, "well", true, false);
    assert_int_equal(a.status, 0);
    assert_string_equal(a.out, "would dance\n");
    assert_string_equal(a.lines, "");
    a = carry_out(w, "unsure", true, false);
    assert_int_equal(a.status, 1);
    assert_non_null(strstr(a.out, "would dance\n"));
    assert_non_null(strstr(a.out, "the floor cannot be seen"));
}

/* ---- time ---- */

static void the_budget_limits_every_wait(void **state)
{
    struct world *w = *state;
    assert_int_equal(action_time(&w->ctx, 5000), 5000); /* no budget */
    assert_false(action_over(&w->ctx));
    w->ctx.started_ms = clock_boot_ms();
    w->ctx.budget_ms = 2000;
    int64_t left = action_time(&w->ctx, 5000);
    assert_true(left > 1000 && left <= 1800); /* a tenth is kept for saying how it ended */
    assert_int_equal(action_time(&w->ctx, 100), 100);
    w->ctx.started_ms -= 1900;
    assert_int_equal(action_time(&w->ctx, 5000), 1);
    assert_true(action_over(&w->ctx));
}

static bool at_the_third(void *arg, struct err *err)
{
    int *n = arg;
    return ++*n == 3 || err_set(err, ERR_FAILED, "only %d", *n);
}

static bool never(void *arg, struct err *err)
{
    ++*(int *)arg;
    return err_set(err, ERR_FAILED, "not now");
}

static bool stopped(void *arg, struct err *err)
{
    ++*(int *)arg;
    return err_set(err, ERR_CANCELLED, "stopped by signal");
}

/* As a request does whose own time is what is left of the budget. */
static bool cut_short_at_the_end(void *arg, struct err *err)
{
    int *n = arg;
    if (++*n == 1)
        return err_set(err, ERR_FAILED, "status 500");
    struct timespec t = {.tv_nsec = 300 * 1000000};
    nanosleep(&t, NULL);
    return err_set(err, ERR_TIMEOUT, "no answer within 0.0 s");
}

static void waiting_ends_when_it_holds_or_time_is_up(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    int n = 0;
    assert_true(action_wait(&w->ctx, 5000, 1, at_the_third, &n, &err));
    assert_int_equal(n, 3);
    n = 0;
    int64_t began = clock_boot_ms();
    assert_false(action_wait(&w->ctx, 120, 50, never, &n, &err));
    int64_t took = clock_boot_ms() - began;
    assert_true(took >= 70 && took < 2000);
    assert_true(n >= 2);
    assert_string_equal(err.message, "not now");
    n = 0;
    assert_false(action_wait(&w->ctx, 200, 10, cut_short_at_the_end, &n, &err));
    assert_string_equal(err.message, "status 500");
    n = 0;
    assert_false(action_wait(&w->ctx, 60000, 50, stopped, &n, &err)); /* a person who stops it does not wait either */
    assert_int_equal(n, 1);
}

static void commands_can_be_copied(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    const struct site *site = NULL;
    assert_string_equal(action_command(&w->ctx, "restore %s", "dr"), "bascule -c /etc/b.yaml restore dr");
    w->config.services.n = 2; /* only their number is looked at */
    assert_string_equal(action_command(&w->ctx, "restore %s", "dr"), "bascule -c /etc/b.yaml --service akig restore dr");
    assert_true(action_site(&w->ctx, "dr", &site, &err));
    assert_ptr_equal(site, &w->sites[1]);
    assert_false(action_site(&w->ctx, "mars", &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.hint, "its sites are \"production\", \"dr\"");
}

static void sentences_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[6];
    action_say(text, sizeof(text), "%s", "abcdé");
    assert_string_equal(text, "abcd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        cmocka_unit_test(playbooks_words_are_known_or_not),
        T(the_outcome_reaches_parent_person_and_exit_status),
        T(json_says_the_same),
        T(a_dry_run_describes_and_does_nothing),
        T(the_budget_limits_every_wait),
        T(waiting_ends_when_it_holds_or_time_is_up),
        T(commands_can_be_copied),
        cmocka_unit_test(sentences_are_cut_at_a_character),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
