/* act/action_traffic.c -- Moves the users to a site, and believes it only when their own path is answered from there. */
#include "act/fence/fence.h"
#include "act/traffic/traffic.h"
#include "sys/file.h"

#include "base/banned.h"

enum { IN_A_ROW = 5, LOOK_MS = 2 * MS_SECOND, PORT_MS = 2 * MS_SECOND };

static bool is_verb(const struct action_ctx *ctx, const char *verb)
{
    return same(ctx->args.p[0], verb);
}

/* The last word of a person who knows better. */
static bool is_forced(const struct action_ctx *ctx)
{
    return ctx->args.n > 1 && same(ctx->args.p[ctx->args.n - 1], "--force");
}

static bool find_target(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    size_t n = ctx->args.n - is_forced(ctx);
    if (!is_verb(ctx, "switch"))
        return n == 1 || err_set(err, ERR_USAGE, "traffic %s takes no further argument", ctx->args.p[0]);
    if (n != 2)
        return err_set(err, ERR_USAGE, "traffic switch wants the name of a site");
    return action_site(ctx, ctx->args.p[1], ret, err);
}

static int64_t arrives_within(const struct action_ctx *ctx, const struct traffic_ops *ops)
{
    return ops->arrives_within ? ops->arrives_within(ctx) : TRAFFIC_ARRIVES_MS;
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct traffic_ops *ops;
    const struct site *site;
    if (!find_target(ctx, &site, err) || !traffic_of(ctx, &ops, err))
        return false;
    return !is_verb(ctx, "prepare") || ops->prepare || err_set(err, ERR_USAGE, "%s needs no preparation: a switch takes effect at once", ops->name);
}

/* ---- looking ---- */

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    const struct traffic_ops *ops;
    const struct site *site = NULL, *now = NULL;
    struct err unread = {0};
    bool can;
    if (!find_target(ctx, &site, err) || !traffic_of(ctx, &ops, err))
        return false;
    if (ops->read_back(ctx, &now, &unread))
        buf_printf(out, "now %s sends the users to site \"%s\"\n", ops->name, now->name);
    else
        buf_printf(out, "where %s sends the users now is not clear: %s\n", ops->name, unread.message);
    if (is_verb(ctx, "show"))
        return true;
    if (is_verb(ctx, "prepare"))
        return buf_puts(out, "makes a later switch quicker, and moves nobody now\n");
    if (is_verb(ctx, "undo")) {
        if (!ops->can_put_back(ctx, &can, err))
            return false;
        return can ? buf_puts(out, "puts the state before the last switch back\n")
                   : err_set(err, ERR_NOT_FOUND, "there is no switch to take back");
    }
    if (!ops->describe(ctx, site, out, err))
        return false;
    return buf_printf(out, "then %d new connections to \"%s\" must be answered by site \"%s\", else all of it is undone\n", IN_A_ROW,
                      ctx->service->public_url, ctx->args.p[1]);
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    const struct traffic_ops *ops;
    const struct site *site = NULL, *now;
    bool can = true;
    *ret = false;
    if (is_verb(ctx, "show") || is_verb(ctx, "prepare"))
        return true;
    if (!find_target(ctx, &site, err) || !traffic_of(ctx, &ops, err) || !ops->read_back(ctx, &now, err))
        return false;
    if (is_verb(ctx, "undo") && !ops->can_put_back(ctx, &can, err))
        return false;
    if (site ? now != site : can)
        return true;
    *ret = traffic_arrives(ctx, now, IN_A_ROW, LOOK_MS, err);
    action_say(why, why_size, "%s sends the users to site \"%s\", and requests arrive there%s", ops->name, now->name,
             site ? "" : "; there is no switch left to take back");
    if (*ret)
        report_fact(ctx->report, "traffic.active", "%s", now->name);
    return true;
}

static bool show(const struct action_ctx *ctx, const struct traffic_ops *ops, char *ret_text, struct err *err)
{
    const struct site *now;
    const char *who;
    if (!ops->read_back(ctx, &now, err))
        return err_prefix(err, "where %s sends the users", ops->name);
    if (!traffic_ask(ctx, ctx->service->public_url, &who, err))
        return err_prefix(err, "%s sends the users to site \"%s\", yet", ops->name, now->name);
    if (!same(who, now->name)) {
        err_set(err, ERR_FAILED, "%s is told to send the users to site \"%s\", yet a request was answered by \"%s\"", ops->name, now->name, who);
        return err_hint(err, "it was not reloaded, or something else stands in the path; `%s` repairs the former",
                        action_command(ctx, "traffic switch %s", now->name));
    }
    report_fact(ctx->report, "traffic.active", "%s", now->name);
    action_say(ret_text, MODEL_TEXT_SIZE, "%s sends the users to site \"%s\", and a request was answered from there", ops->name, now->name);
    return true;
}

/* ---- one writer ---- */

/* What the controller orders was weighed by decide, with the certificates on record. What a person types is weighed here: the site that
   the users leave must be seen to refuse, or it may go on taking writes from whoever still reaches it. */
static bool leaves_no_writer(const struct action_ctx *ctx, const struct site *from, const struct site *to, struct err *err)
{
    bool refuses = false;
    char say[256] = "";
    if (!same(ctx->run, "manual") || is_forced(ctx) || !from || from == to || !from->database.at.host)
        return true;
    if (!fence_port_refuses(&from->database.at, action_time(ctx, PORT_MS), &refuses, say, sizeof(say), err))
        COPY_TO(say, err->message);
    if (refuses)
        return true;
    err_set(err, ERR_REFUSED, "site \"%s\" may still take writes, and what two sites take cannot be put together again: %s", from->name, say);
    return err_hint(err, "`%s` does all of it in the right order; to move the users all the same, add --force", action_command(ctx, "failover"));
}

/* ---- moving ---- */

/* The users were sent where they are not served. Back, and seen to be back; the reason for it stays the message. */
static bool undo_switch(const struct action_ctx *ctx, const struct traffic_ops *ops, const struct site *wanted, struct err *err)
{
    struct err second = {0};
    const struct site *now = NULL;
    char *first = arena_strdup(ctx->arena, err->message);
    report_progress(ctx->report, 0, 0, "undoing the switch to %s", wanted->name);
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    if (!ops->put_back(&unhurried, &second)) {
        err_set(err, ERR_FAILED, "requests do not arrive at site \"%s\" (%s), and the switch could not be undone: %s", wanted->name, first,
                second.message);
        return *second.hint ? err_hint(err, "%s", second.hint) : false;
    }
    if (!ops->read_back(&unhurried, &now, &second))
        return err_set(err, ERR_FAILED, "requests do not arrive at site \"%s\" (%s); the switch was undone", wanted->name, first);
    bool seen = traffic_arrives(&unhurried, now, 1, arrives_within(ctx, ops), &second);
    return err_set(err, ERR_FAILED, "requests do not arrive at site \"%s\" (%s); the switch was undone: %s sends the users to site \"%s\"%s%s",
                   wanted->name, first, ops->name, now->name, seen ? ", and requests arrive there" : ", where they do not arrive either: ",
                   seen ? "" : second.message);
}

static bool finish(const struct action_ctx *ctx, const struct traffic_ops *ops, const struct site *site, char *ret_text)
{
    report_fact(ctx->report, "traffic.active", "%s", site->name);
    report_fact(ctx->report, "traffic.requests", "%d/%d", IN_A_ROW, IN_A_ROW);
    action_say(ret_text, MODEL_TEXT_SIZE, "%s sends the users to site \"%s\": %d of %d new connections were answered from there", ops->name,
             site->name, IN_A_ROW, IN_A_ROW);
    return true;
}

static bool switch_to(const struct action_ctx *ctx, const struct traffic_ops *ops, const struct site *site, char *ret_text, struct err *err)
{
    const struct site *from = NULL;
    struct err unread = {0};
    if (ops->read_back(ctx, &from, &unread) && !leaves_no_writer(ctx, from, site, err))
        return false;
    report_progress(ctx->report, 0, 0, "switching to %s", site->name);
    if (!ops->point(ctx, site, err))
        return err_prefix(err, "could not switch to site \"%s\"", site->name);
    report_progress(ctx->report, 0, 0, "asking who answers");
    if (!traffic_arrives(ctx, site, IN_A_ROW, arrives_within(ctx, ops), err))
        return undo_switch(ctx, ops, site, err);
    return finish(ctx, ops, site, ret_text);
}

/* Where an undo leads is known only when it was done. It led where the users are not served, or may not be: they are sent back. */
static bool redo(const struct action_ctx *ctx, const struct traffic_ops *ops, const struct site *from, struct err *err)
{
    struct err second = {0};
    char *first = arena_strdup(ctx->arena, err->message);
    struct action_ctx unhurried = *ctx;
    unhurried.budget_ms = 0;
    if (!from || !ops->point(&unhurried, from, &second) || !traffic_arrives(&unhurried, from, IN_A_ROW, arrives_within(ctx, ops), &second))
        return err_set(err, ERR_FAILED, "the last switch was taken back, yet: %s; and the users could not be sent to where they were: %s", first,
                       from ? second.message : "that is not known");
    err_set(err, ERR_FAILED, "the last switch cannot be taken back: %s; the users were sent to site \"%s\" again, and requests arrive there",
            first, from->name);
    return false;
}

static bool undo(const struct action_ctx *ctx, const struct traffic_ops *ops, char *ret_text, struct err *err)
{
    const struct site *now, *from = NULL;
    struct err unread = {0};
    bool can;
    if (!ops->can_put_back(ctx, &can, err))
        return false;
    if (!can)
        return err_set(err, ERR_NOT_FOUND, "there is no switch to take back");
    if (!ops->read_back(ctx, &from, &unread))
        from = NULL; /* what stands there now is no site of ours: going back is what repairs it */
    if (!leaves_no_writer(ctx, from, NULL, err))
        return false;
    if (!ops->put_back(ctx, err) || !ops->read_back(ctx, &now, err))
        return err_prefix(err, "could not take the last switch back");
    if (!traffic_arrives(ctx, now, IN_A_ROW, arrives_within(ctx, ops), err))
        return redo(ctx, ops, from, err);
    return ops->forget(ctx, err) && finish(ctx, ops, now, ret_text);
}

/* One at a time: a person and a playbook that move the users at the same moment would each undo the other's half. */
static bool lock(const struct action_ctx *ctx, int *ret_fd, struct err *err)
{
    return action_lock(ctx, "traffic", arena_printf(ctx->arena, "somebody else moves the users of service \"%s\" at this moment", ctx->service->name), ret_fd, err);
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    const struct traffic_ops *ops;
    const struct site *site = NULL;
    int fd SCOPED(file_close) = -1;
    if (!find_target(ctx, &site, err) || !traffic_of(ctx, &ops, err))
        return false;
    *ret_outcome = OUTCOME_SUCCESS;
    if (is_verb(ctx, "show"))
        return show(ctx, ops, ret_text, err);
    if (!lock(ctx, &fd, err))
        return false;
    if (is_verb(ctx, "prepare"))
        return ops->prepare(ctx, ret_text, err);
    return site ? switch_to(ctx, ops, site, ret_text, err) : undo(ctx, ops, ret_text, err);
}

extern const struct action_ops action_traffic;
const struct action_ops action_traffic = {
    .name = "traffic",
    .usage = "traffic show|switch SITE|undo|prepare [--force]",
    .summary = "shows or changes which site the users are sent to, proven by requests through their own path",
    .changes = true,
    .verbs = (const char *const[]){"show", "switch", "undo", "prepare", NULL},
    .args_min = 1,
    .args_max = 2,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
