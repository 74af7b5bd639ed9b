/* act/action.c -- What all actions share: finding them, the way from arguments to a reported outcome, budgets. */
#include "act/action.h"

#include <errno.h>

#include "base/jsonout.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { DESCRIPTION_MAX = 256 * 1024, RESERVE_MS = 1000 };

const struct action_ops *action_find(const char *name)
{
    for (size_t i = 0; action_list[i]; i++)
        if (same(action_list[i]->name, name))
            return action_list[i];
    return NULL;
}

/* ---- arguments ---- */

static bool is_verb(const char *const *verbs, const char *word)
{
    for (; *verbs; verbs++)
        if (same(*verbs, word))
            return true;
    return false;
}

static bool words_fit(const struct action_ops *ops, const struct strs *args, struct err *err)
{
    bool ok = true;
    size_t n = 0;
    for (size_t i = 0; i < args->n; i++)
        n += !str_starts(str_of(args->p[i]), "--"); /* options are the action's own to know */
    if (n < ops->args_min || n > ops->args_max)
        ok = err_set(err, ERR_USAGE, "action \"%s\" does not take %zu arguments", ops->name, n);
    else if (ops->verbs && !is_verb(ops->verbs, args->p[0]))
        ok = err_set(err, ERR_USAGE, "action \"%s\" does not know \"%s\"", ops->name, args->p[0]);
    return ok || err_hint(err, "it is written: %s", ops->usage);
}

bool action_known(const char *words)
{
    static const struct {
        const char *name;
        size_t words;
    } builtin[] = {{"notify", 2}, {"playbook", 2}, {"wait", 1}};
    SCOPED(arena_close) struct arena *a = arena_open();
    struct strs w = {0};
    if (!str_words(a, words, &w) || w.n == 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(builtin); i++)
        if (same(w.p[0], builtin[i].name))
            return w.n == builtin[i].words;
    const struct action_ops *ops = action_find(w.p[0]);
    struct strs args = {.p = w.p + 1, .n = w.n - 1};
    return ops && words_fit(ops, &args, NULL);
}

bool action_valid(const struct action_ops *ops, const struct action_ctx *ctx, struct err *err)
{
    return words_fit(ops, &ctx->args, err) && ops->valid(ctx, err);
}

bool action_site(const struct action_ctx *ctx, const char *name, const struct site **ret, struct err *err)
{
    const struct site *site = service_site(ctx->service, name);
    if (site) {
        *ret = site;
        return true;
    }
    const char *all = "";
    for (size_t i = 0; i < ctx->service->sites.n; i++)
        all = arena_printf(ctx->arena, "%s%s\"%s\"", all, i ? ", " : "", ctx->service->sites.p[i].name);
    err_set(err, ERR_NOT_FOUND, "service \"%s\" has no site \"%s\"", ctx->service->name, name);
    return err_hint(err, "its sites are %s", all);
}

char *action_command(const struct action_ctx *ctx, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *words = arena_vprintf(ctx->arena, fmt, args);
    va_end(args);
    const char *service = ctx->config->services.n > 1 ? arena_printf(ctx->arena, "--service %s ", ctx->service->name) : "";
    return arena_printf(ctx->arena, "bascule -c %s %s%s", ctx->config->path ? ctx->config->path : "FILE", service, words);
}

void action_say(char *to, size_t size, const char *fmt, ...)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    va_list args;
    va_start(args, fmt);
    str_copy(to, size, arena_vprintf(a, fmt, args));
    va_end(args);
}

/* ---- time ---- */

/* What is kept of the budget for saying how it ended, so that an action fails with its own words rather than being stopped. */
static int64_t reserve_of(int64_t budget_ms)
{
    return MIN_OF(RESERVE_MS, budget_ms / 10);
}

static int64_t left_of(const struct action_ctx *ctx)
{
    if (ctx->budget_ms <= 0 || ctx->started_ms <= 0)
        return TIME_NEVER;
    return ctx->started_ms + ctx->budget_ms - reserve_of(ctx->budget_ms) - clock_boot_ms();
}

bool action_lock(const struct action_ctx *ctx, const char *name, const char *held, int *ret_fd, struct err *err)
{
    char *path = arena_printf(ctx->arena, "%s/%s.%s.lock", ctx->state_dir, name, ctx->service->name);
    if (!file_mkdirs(ctx->state_dir, 0700, err))
        return false;
    return file_lock(path, ret_fd, err) || (err->code == ERR_REFUSED && err_set(err, ERR_REFUSED, "%s", held));
}

int64_t action_time(const struct action_ctx *ctx, int64_t wanted_ms)
{
    int64_t left = left_of(ctx);
    return MAX_OF(MIN_OF(left, wanted_ms), 1);
}

bool action_over(const struct action_ctx *ctx)
{
    return left_of(ctx) <= 0;
}

void action_pause(const struct action_ctx *ctx, int64_t wanted_ms)
{
    int64_t ms = action_time(ctx, wanted_ms);
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

bool action_wait(const struct action_ctx *ctx, int64_t time_ms, int64_t every_ms, action_holds_fn *holds, void *arg, struct err *err)
{
    int64_t end = clock_boot_ms() + action_time(ctx, time_ms);
    for (;;) {
        struct err before = *err;
        if (holds(arg, err))
            return true;
        int64_t now = clock_boot_ms();
        /* The last try was cut short by our own deadline, so it is the one before that says what is wrong. */
        if (now >= end && err->code == ERR_TIMEOUT && before.code)
            *err = before;
        if (err->code == ERR_CANCELLED || now + every_ms >= end)
            return false;
        action_pause(ctx, every_ms);
    }
}

/* ---- carrying out ---- */

static const int exit_statuses[OUTCOME_MAX] = {
    [OUTCOME_SUCCESS] = 0, [OUTCOME_FAILURE] = 1, [OUTCOME_EXPIRY] = 1, [OUTCOME_BLOCKED] = 2, [OUTCOME_SKIPPED] = 0,
};

static void print_json(const struct action_ops *ops, const struct action_ctx *ctx, enum outcome outcome, const char *text, const char *hint)
{
    SCOPED(buf_done) struct buf out = {.max = 4 * 1024 * 1024};
    struct jsonout j = jsonout(&out);
    const struct report_fact *facts;
    size_t n = report_facts(ctx->report, &facts);
    json_object(&j);
    json_put_text(&j, "action", ops->name);
    json_put_text(&j, "outcome", outcome_name(outcome));
    json_put_text(&j, "text", text);
    if (*hint)
        json_put_text(&j, "hint", hint);
    json_key(&j, "facts");
    json_object(&j);
    for (size_t i = 0; i < n; i++)
        json_put_text(&j, facts[i].name, facts[i].value);
    json_object_end(&j);
    json_object_end(&j);
    puts(buf_text(&out));
}

static void print_text(const struct action_ctx *ctx, enum outcome outcome, const char *text, const char *hint)
{
    const struct report_fact *facts;
    size_t n = report_facts(ctx->report, &facts);
    for (size_t i = 0; i < n; i++)
        if (!same(facts[i].value, text))
            printf("%s: %s\n", facts[i].name, facts[i].value);
    if (outcome == OUTCOME_SUCCESS || outcome == OUTCOME_SKIPPED) {
        printf("%s\n", text);
        return;
    }
    fflush(stdout);
    fprintf(stderr, "bascule: %s%s\n", outcome == OUTCOME_BLOCKED ? "blocked: " : "", text);
    if (*hint)
        fprintf(stderr, "hint: %s\n", hint);
}

/* The one place where an outcome leaves the process: to the parent, and to whoever typed the command. */
static int finish(const struct action_ops *ops, const struct action_ctx *ctx, enum outcome outcome, const char *text, const char *hint)
{
    const char *joined = *hint ? arena_printf(ctx->arena, "%s (%s)", text, hint) : text;
    report_result(ctx->report, outcome, "%s", outcome == OUTCOME_SUCCESS ? text : joined);
    if (ctx->json)
        print_json(ops, ctx, outcome, text, hint);
    else
        print_text(ctx, outcome, text, hint);
    return exit_statuses[outcome];
}

static int finish_err(const struct action_ops *ops, const struct action_ctx *ctx, const struct err *err, bool usage)
{
    int status = finish(ops, ctx, OUTCOME_FAILURE, err->message, err->hint);
    return usage ? err_exit_status(err->code) : status;
}

static int describe(const struct action_ops *ops, const struct action_ctx *ctx)
{
    SCOPED(buf_done) struct buf out = {.max = DESCRIPTION_MAX};
    struct err err = {0};
    bool ok = ops->describe(ctx, &out, &err);
    fputs(buf_text(&out), stdout);
    return ok ? 0 : finish_err(ops, ctx, &err, false);
}

static int carry_out(const struct action_ops *ops, const struct action_ctx *ctx)
{
    struct err err = {0};
    char text[MODEL_TEXT_SIZE] = "";
    enum outcome outcome = OUTCOME_FAILURE;
    bool done = false;
    if (ops->done_already) {
        if (!ops->done_already(ctx, &done, text, sizeof(text), &err))
            log_line(LOG_DEBUG, "could not tell whether it was done already action=%s reason=%s", ops->name, err.message);
        else if (done) /* what run would say of the same trouble says it better, so only a yes ends it here */
            return finish(ops, ctx, OUTCOME_SUCCESS, arena_printf(ctx->arena, "already done: %s", text), "");
        err = (struct err){0};
        *text = 0;
    }
    if (!ops->run(ctx, &outcome, text, &err))
        return finish_err(ops, ctx, &err, false);
    return finish(ops, ctx, outcome, text, "");
}

int action_carry_out(const struct action_ops *ops, struct action_ctx *ctx, bool dry_run)
{
    struct err err = {0};
    struct report *mine = ctx->report ? NULL : dry_run ? report_quiet() : report_open();
    if (mine) {
        ctx->report = mine;
        report_tell(mine, ctx->told, ctx->told_arg);
    }
    if (!ctx->started_ms)
        ctx->started_ms = clock_boot_ms();
    int status;
    if (!action_valid(ops, ctx, &err))
        status = finish_err(ops, ctx, &err, true);
    else
        status = dry_run ? describe(ops, ctx) : carry_out(ops, ctx);
    if (mine)
        ctx->report = NULL;
    report_close(&mine);
    return status;
}
