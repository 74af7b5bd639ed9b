/* act/action_status.c -- Are all checks of a site up or warning? Asked of this very program's status command. */
#include "act/host.h"
#include "io/json.h"

#include "base/banned.h"

enum { STATUS_MS = 2 * MS_MINUTE, OPTIONS_MS = 15 * MS_SECOND };

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *site;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    for (size_t i = 0; i < ctx->service->checks.n; i++)
        if (same(ctx->service->checks.p[i].site, site->name))
            return true;
    return err_set(err, ERR_CONFIG, "site \"%s\" has no check, so nothing can be said about it", site->name);
}

static struct strs words_for(const struct action_ctx *ctx)
{
    const char *words[] = {ctx->self, "-c", ctx->config->path, "--service", ctx->service->name, "--json", "status", "--site", ctx->args.p[0], NULL};
    return host_argv(ctx->arena, words);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    (void)err;
    buf_printf(out, "runs every check of site \"%s\" once\n$ %s\n", ctx->args.p[0], action_command(ctx, "status --site %s", ctx->args.p[0]));
    return true;
}

/* Names what is down. Unknown counts as down: a site that nobody could look at is not one to move users to. */
static bool judge(const struct action_ctx *ctx, struct str answer, char *ret_text, struct err *err)
{
    const struct json *root;
    size_t ill = 0, warnings = 0;
    const char *list = "";
    if (!json_parse(ctx->arena, answer, &root, err))
        return err_prefix(err, "answer of the status command");
    const struct json *checks = json_get(root, "checks");
    for (size_t i = 0; i < json_count(checks); i++) {
        const struct json *check = json_at(checks, i);
        const char *id = json_string(json_get(check, "check")), *name = json_string(json_get(check, "state"));
        const char *text = json_string(json_get(check, "text"));
        enum verdict_state state = VERDICT_UNKNOWN;
        if (name && !verdict_of(name, &state))
            return err_set(err, ERR_DATA, "answer of the status command: unknown state \"%s\"", name);
        warnings += state == VERDICT_WARNING;
        if (state == VERDICT_UP || state == VERDICT_WARNING)
            continue;
        list = arena_printf(ctx->arena, "%s%s\"%s\" is %s (%s)", list, ill ? "; " : "", id ? id : "?", verdict_name(state), text ? text : "");
        ill++;
    }
    if (ill)
        return err_set(err, ERR_FAILED, "site \"%s\" is not well: %s", ctx->args.p[0], list);
    if (json_count(checks) == 0)
        return err_set(err, ERR_FAILED, "no check of site \"%s\" gave a result", ctx->args.p[0]);
    action_say(ret_text, MODEL_TEXT_SIZE, "all %zu checks of site \"%s\" are up%s", json_count(checks), ctx->args.p[0],
             warnings ? arena_printf(ctx->arena, ", %zu of them with a warning", warnings) : "");
    return true;
}

/* Which way would bring the users there is measured along: it is what the next steps are chosen by, and the journal keeps why. */
static void tell_ways(const struct action_ctx *ctx)
{
    const char *list[] = {ctx->self, "-c", ctx->config->path, "--service", ctx->service->name, "--json", "options", "--moves", "--to", ctx->args.p[0], NULL};
    struct strs words = host_argv(ctx->arena, list);
    struct proc_result result;
    const struct json *root;
    struct err err = {0};
    if (ctx->service->sites.n < 2)
        return;
    if (!host_run(ctx, NULL, &words, NULL, action_time(ctx, OPTIONS_MS), &result, &err) || !json_parse(ctx->arena, result.out, &root, &err)) {
        report_fact(ctx->report, "options.trouble", "%s", err.message);
        return;
    }
    const struct json *ways = json_get(root, "ways");
    for (size_t i = 0; i < json_count(ways); i++) {
        const char *way = json_string(json_get(json_at(ways, i), "way")), *why = json_string(json_get(json_at(ways, i), "why"));
        bool possible = false;
        if (way && why && json_truth(json_get(json_at(ways, i), "possible"), &possible))
            report_fact(ctx->report, arena_printf(ctx->arena, "options.%s", way), "%s: %s", possible ? "possible" : "not possible", why);
    }
    const char *best = json_string(json_get(root, "best_move"));
    if (best)
        report_fact(ctx->report, WAY_BEST_FACT, "%s", best);
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct strs words = words_for(ctx);
    struct proc_result result;
    if (!host_run(ctx, NULL, &words, NULL, action_time(ctx, STATUS_MS), &result, err))
        return err_prefix(err, "could not run the checks of site \"%s\"", ctx->args.p[0]);
    if (result.end != PROC_EXITED || result.exit_code > 2)
        return err_set(err, ERR_FAILED, "could not run the checks of site \"%s\": %s", ctx->args.p[0], host_complaint(ctx->arena, &result));
    tell_ways(ctx);
    *ret_outcome = OUTCOME_SUCCESS;
    return judge(ctx, result.out, ret_text, err);
}

extern const struct action_ops action_status;
const struct action_ops action_status = {
    .name = "status",
    .usage = "status SITE",
    .summary = "runs every check of a site once and fails when one of them is down",
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .run = run,
};
