/* act/action_service.c -- Starts, stops and restarts the database or the application of a site, and waits until its status agrees. */
#include "act/unit.h"

#include "base/banned.h"

enum { COMMAND_MS = 10 * MS_MINUTE, STATUS_MS = 10 * MS_SECOND, SETTLE_MS = MS_MINUTE, LOOK_EVERY_MS = 250, STEADY_LOOKS = 2 };

/* What the arguments name. */
struct subject {
    enum unit_verb verb;
    const struct site *site;
    const struct unit *unit;
    const char *what; /* "production.database" */
};

static bool find_subject(const struct action_ctx *ctx, struct subject *ret, struct err *err)
{
    static const enum unit_verb verbs[] = {UNIT_START, UNIT_STOP, UNIT_RESTART};
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (same(ctx->args.p[0], unit_verb_name(verbs[i])))
            ret->verb = verbs[i];
    ret->what = ctx->args.p[1];
    const char *dot = strrchr(ret->what, '.');
    bool database = dot && same(dot, ".database");
    if (!database && !(dot && same(dot, ".application")))
        return err_set(err, ERR_USAGE, "\"%s\" is neither SITE.database nor SITE.application", ret->what);
    if (!action_site(ctx, arena_strndup(ctx->arena, ret->what, (size_t)(dot - ret->what)), &ret->site, err))
        return false;
    ret->unit = database ? &ret->site->database.unit : &ret->site->application.unit;
    return unit_can(ctx->arena, &ret->site->host, ret->unit, ret->verb, ret->what, err) &&
           unit_can(ctx->arena, &ret->site->host, ret->unit, UNIT_STATUS, ret->what, err);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct subject s;
    return find_subject(ctx, &s, err);
}

static bool look(const struct action_ctx *ctx, const struct subject *s, enum unit_state *ret, char *say, size_t say_size, struct err *err)
{
    return unit_state(ctx, &s->site->host, s->unit, action_time(ctx, STATUS_MS), ret, say, say_size, err) ||
           err_prefix(err, "asking for the state of \"%s\"", s->what);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct subject s;
    enum unit_state state;
    char say[256];
    if (!find_subject(ctx, &s, err) || !look(ctx, &s, &state, say, sizeof(say), err))
        return false;
    struct strs words = unit_words(ctx->arena, &s.site->host, s.unit, s.verb);
    buf_printf(out, "%s \"%s\" on %s; now %s\n", unit_verb_name(s.verb), s.what, host_say(&s.site->host), say);
    buf_printf(out, "$ %s\n", host_words(ctx->arena, &words));
    return true;
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    struct subject s;
    enum unit_state state;
    char say[256];
    if (!find_subject(ctx, &s, err))
        return false;
    *ret = false;
    if (s.verb == UNIT_RESTART) /* that it runs does not tell whether it ran before too */
        return true;
    if (!look(ctx, &s, &state, say, sizeof(say), err))
        return false;
    *ret = state == (s.verb == UNIT_START ? UNIT_IS_RUNNING : UNIT_IS_NOT_RUNNING);
    action_say(why, why_size, "\"%s\" is %s: %s", s.what, s.verb == UNIT_START ? "running" : "stopped", say);
    return true;
}

/* ---- doing it ---- */

struct settling {
    const struct action_ctx *ctx;
    const struct subject *subject;
    enum unit_state wanted;
    int steady;
    char say[256];
};

/* Twice in a row: what crashes right after its start is running for a moment too. */
static bool has_settled(void *arg, struct err *err)
{
    struct settling *s = arg;
    enum unit_state state;
    if (!look(s->ctx, s->subject, &state, s->say, sizeof(s->say), err)) {
        s->steady = 0;
        return false;
    }
    s->steady = state == s->wanted ? s->steady + 1 : 0;
    err_set(err, ERR_FAILED, "\"%s\" is not %s: %s", s->subject->what, s->wanted == UNIT_IS_RUNNING ? "running" : "stopped", s->say);
    return s->steady >= STEADY_LOOKS;
}

static bool is_masked(const struct action_ctx *ctx, const struct subject *s)
{
    enum unit_masked masked;
    return unit_masked(ctx, &s->site->host, s->unit, action_time(ctx, STATUS_MS), &masked, NULL) && masked == UNIT_IS_MASKED;
}

/* A fence must not be undone by a restart, and who wonders why nothing starts at 3 am must not have to guess. */
static bool refuse_masked(const struct action_ctx *ctx, const struct subject *s, struct err *err)
{
    struct strs unmask = unit_words(ctx->arena, &s->site->host, s->unit, UNIT_UNMASK);
    err_set(err, ERR_REFUSED, "\"%s\" cannot start: its unit is masked on %s, as a fence leaves it", s->what, host_say(&s->site->host));
    return err_hint(err, "when another site serves the users, leave it so; else on that host: %s", host_words(ctx->arena, &unmask));
}

static bool command_failed(const struct action_ctx *ctx, const struct subject *s, const struct proc_result *result, struct err *err)
{
    err_set(err, ERR_FAILED, "could not %s \"%s\" on %s: %s", unit_verb_name(s->verb), s->what, host_say(&s->site->host),
            host_complaint(ctx->arena, result));
    struct strs unmask = unit_words(ctx->arena, &s->site->host, s->unit, UNIT_UNMASK);
    if (s->verb != UNIT_STOP && unmask.n)
        err_hint(err, "if this site was fenced, its start is masked until: %s", host_words(ctx->arena, &unmask));
    return false;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct subject s;
    struct proc_result result;
    if (!find_subject(ctx, &s, err))
        return false;
    if (s.verb != UNIT_STOP && is_masked(ctx, &s))
        return refuse_masked(ctx, &s, err);
    report_progress(ctx->report, 0, 0, "%s %s", unit_verb_name(s.verb), s.what);
    if (!unit_do(ctx, &s.site->host, s.unit, s.verb, action_time(ctx, COMMAND_MS), &result, err))
        return err_prefix(err, "could not %s \"%s\"", unit_verb_name(s.verb), s.what);
    if (!proc_ok(&result))
        return command_failed(ctx, &s, &result, err);
    report_progress(ctx->report, 0, 0, "waiting for the status of %s", s.what);
    struct settling settling = {.ctx = ctx, .subject = &s, .wanted = s.verb == UNIT_STOP ? UNIT_IS_NOT_RUNNING : UNIT_IS_RUNNING};
    if (!action_wait(ctx, SETTLE_MS, LOOK_EVERY_MS, has_settled, &settling, err)) {
        char *said = host_last_lines(ctx->arena, str_trim(result.err).n ? result.err : result.out, 2);
        return *said ? err_prefix(err, "the command to %s it ended well (%s), yet", unit_verb_name(s.verb), said) : false;
    }
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "\"%s\" is %s on %s: %s", s.what, s.verb == UNIT_STOP ? "stopped" : "running",
             host_say(&s.site->host), settling.say);
    return true;
}

extern const struct action_ops action_service;
const struct action_ops action_service = {
    .name = "service",
    .usage = "service start|stop|restart SITE.database|SITE.application",
    .summary = "starts, stops or restarts a site's database or application and waits until it is so",
    .changes = true,
    .verbs = (const char *const[]){"start", "stop", "restart", NULL},
    .args_min = 2,
    .args_max = 2,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
