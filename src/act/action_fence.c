/* act/action_fence.c -- The certificate without which no other site may take writes: the old primary is stopped, kept stopped, its
   port refuses, and a session that was open before the stop can write no more. */
#include "act/fence/fence.h"
#include "act/host.h"
#include "io/pg.h"
#include "io/ssh.h"

#include "base/banned.h"

enum { PATIENCE_MS = 2 * MS_SECOND, WRITE_MS = 2 * MS_SECOND, REFUSED_WITHIN_MS = 10 * MS_SECOND,
       SESSION_DEAD_WITHIN_MS = 5 * MS_SECOND, LOOK_EVERY_MS = 100,
       SILENT_MS = 300 };

/* A write wherever the role may log in; it leaves nothing behind. */
static const char a_write[] = "create temporary table bascule_fence (written timestamptz)";

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *site;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    return site->database.at.host || err_set(err, ERR_CONFIG, "site \"%s\" has no database to fence", site->name);
}

enum { FENCES_MAX = 16 };

/* Those that are configured, in the order in which they are tried; what the first lacks that anybody could expect to be there when there
   is none. */
static bool choose(const struct action_ctx *ctx, const struct site *site, const struct fence_ops *ret[FENCES_MAX], size_t *ret_count, struct err *err)
{
    struct err first = {0};
    *ret_count = 0;
    for (size_t i = 0; fence_list[i] && *ret_count < FENCES_MAX; i++) {
        struct err why = {0};
        if (fence_list[i]->usable(ctx, site, &why))
            ret[(*ret_count)++] = fence_list[i];
        else if (!first.code && !fence_list[i]->by_lease)
            first = why;
    }
    if (!*ret_count)
        *err = first;
    return *ret_count > 0;
}

/* ---- blocked ---- */

static char *unblocking(const struct action_ctx *ctx, const struct site *site)
{
    const char *incident = ctx->incident ? arena_printf(ctx->arena, "%lld", (long long)ctx->incident) : "N";
    return action_command(ctx, "incident certify %s %s --accept-loss \"WHAT IS LOST\"", incident, site->name);
}

/* Nothing is known about the old primary, so it must be taken for alive. A person can see to it with their hands. The command by which
   they say so is the controller's to print when it ordered the fence: twice in one message, one of them would be cut. */
static bool blocked(const struct action_ctx *ctx, const struct site *site, const struct err *why, enum outcome *ret_outcome, char *ret_text)
{
    *ret_outcome = OUTCOME_BLOCKED;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is not fenced and may still take writes: %.240s; power its machine off%s%s", site->name,
             why->message, ctx->incident ? "" : ", then: ", ctx->incident ? "" : unblocking(ctx, site));
    return true;
}

/* ---- evidence ---- */

struct session {
    struct pg *pg;
    char why_not[300]; /* why there is none */
};

static void session_close(struct session *s)
{
    pg_close(&s->pg);
}

static void open_session(const struct action_ctx *ctx, const struct site *site, int64_t patience_ms, struct session *ret)
{
    struct err err = {0};
    if (!pg_open(&site->database.at, NULL, action_time(ctx, patience_ms), &ret->pg, &err))
        COPY_TO(ret->why_not, err.message);
}

struct old_session {
    const struct action_ctx *ctx;
    const struct site *site;
    struct pg *pg;
    bool powered_off; /* so that no answer is to be had */
};

/* Only a broken session proves anything. One that answers, were it with a refusal, belongs to a server that lives. */
static bool session_is_dead(void *arg, struct err *err)
{
    const struct old_session *s = arg;
    struct err failed = {0};
    if (pg_exec(s->pg, s->ctx->arena, a_write, NULL, 0, action_time(s->ctx, WRITE_MS), NULL, &failed))
        return err_set(err, ERR_FAILED, "a session with the database of site \"%s\" opened before the stop can still write", s->site->name);
    const char *state = pg_sqlstate(s->pg);
    if (failed.code == ERR_UNAVAILABLE && (!*state || strncmp(state, "57P0", 4) == 0))
        return true;
    if (s->powered_off && failed.code == ERR_TIMEOUT)
        return true;
    return err_set(err, ERR_FAILED, "a session with the database of site \"%s\" opened before the stop still answers: %s", s->site->name,
                   failed.message);
}

/* The processes of sessions outlive their postmaster by a moment. */
static bool prove_session_dead(const struct action_ctx *ctx, const struct site *site, const struct session *s, bool powered_off, char *say, size_t size,
                               struct err *err)
{
    struct old_session old = {.ctx = ctx, .site = site, .pg = s->pg, .powered_off = powered_off};
    if (s->pg)
        str_copy(say, size, "a write through a session opened before the stop failed");
    else
        action_say(say, size, "no session could be opened before the stop (%s)", s->why_not);
    return !s->pg || action_wait(ctx, SESSION_DEAD_WITHIN_MS, LOOK_EVERY_MS, session_is_dead, &old, err);
}

struct port {
    const struct action_ctx *ctx;
    const struct site *site;
    bool powered_off; /* silence will do */
    int64_t patience_ms;
    char say[256];
};

static bool port_refuses(void *arg, struct err *err)
{
    struct port *p = arg;
    bool refuses;
    if (!fence_port_refuses(&p->site->database.at, action_time(p->ctx, p->patience_ms), &refuses, p->say, sizeof(p->say), err))
        return false;
    if (p->powered_off && !strstr(p->say, "still takes connections"))
        return true;
    return refuses || err_set(err, ERR_FAILED, "the database of site \"%s\" is not proven to be off: %s", p->site->name, p->say);
}

/* ---- the action ---- */

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    const struct site *site;
    const struct fence_ops *fences[FENCES_MAX];
    size_t n = 0;
    if (!valid(ctx, err) || !action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    bool any = false;
    for (size_t i = 0; (i || choose(ctx, site, fences, &n, err)) && i < n; i++)
        any = fences[i]->describe(ctx, site, out, err) || any;
    if (!any) {
        buf_printf(out, "as things stand a person must fence site \"%s\": power its machine off, then\n$ %s\n", site->name, unblocking(ctx, site));
        return false;
    }
    return buf_printf(out, "then a session opened before the stop must be broken, and \"%s\" port %d must refuse\n", site->database.at.host,
                      site->database.at.port ? site->database.at.port : 5432);
}

/* Is it off by this fence's own word, and by what the port says? */
static bool found_fenced(const struct action_ctx *ctx, const struct site *site, const struct fence_ops *fence, char *evidence, struct port *port)
{
    struct err why = {0};
    bool stopped = false;
    *port = (struct port){.ctx = ctx, .site = site, .powered_off = fence->powers_off, .patience_ms = PATIENCE_MS};
    return fence->stopped(ctx, site, &stopped, evidence, FENCE_EVIDENCE_SIZE, &why) && stopped && port_refuses(port, &why);
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    const struct site *site;
    const struct fence_ops *fences[FENCES_MAX];
    size_t n;
    char evidence[FENCE_EVIDENCE_SIZE] = "";
    struct port port;
    *ret = false;
    if (!action_site(ctx, ctx->args.p[0], &site, err) || !choose(ctx, site, fences, &n, err))
        return false;
    for (size_t i = 0; i < n && !*ret; i++)
        *ret = found_fenced(ctx, site, fences[i], evidence, &port);
    if (!*ret)
        return true;
    action_say(why, why_size, "site \"%s\" is fenced: %s; %s", site->name, evidence, port.say);
    report_fact(ctx->report, "fence.certificate", "found fenced: %s; %s", evidence, port.say);
    return true;
}

/* One way after the other, until one proves that it worked. */
static bool stop_by_any(const struct action_ctx *ctx, const struct site *site, const struct fence_ops *const *fences, size_t n, char *evidence,
                        const struct fence_ops **ret, struct err *err)
{
    struct err first = {0};
    for (size_t i = 0; i < n; i++) {
        struct err why = {0};
        report_progress(ctx->report, 0, 0, "stopping the database of %s by %s", site->name, fences[i]->name);
        if (fences[i]->stop(ctx, site, evidence, FENCE_EVIDENCE_SIZE, &why)) {
            *ret = fences[i];
            return true;
        }
        report_fact(ctx->report, arena_printf(ctx->arena, "fence.%s", fences[i]->name), "failed: %s", why.message);
        if (!i || (first.code == ERR_UNAVAILABLE && why.code != ERR_UNAVAILABLE)) /* what is known to write says more than what is not reached */
            first = why;
    }
    *err = first;
    return false;
}

/* The certificate as `certificate`, and the name of who gave it. *ret_stopped is false when nothing could be stopped. */
static bool certify(const struct action_ctx *ctx, const struct site *site, const struct fence_ops *const *fences, size_t n, int64_t patience_ms,
                    char *certificate, size_t size, const char **ret_by, bool *ret_stopped, struct err *err)
{
    struct session session SCOPED(session_close) = {0};
    const struct fence_ops *fence = NULL;
    char evidence[FENCE_EVIDENCE_SIZE] = "", write[400];
    report_progress(ctx->report, 0, 0, "opening a session with %s", site->name);
    open_session(ctx, site, patience_ms, &session);
    *ret_stopped = stop_by_any(ctx, site, fences, n, evidence, &fence, err);
    if (!*ret_stopped)
        return false;
    struct port port = {.ctx = ctx, .site = site, .powered_off = fence->powers_off, .patience_ms = patience_ms};
    if (!prove_session_dead(ctx, site, &session, fence->powers_off, write, sizeof(write), err) ||
        !action_wait(ctx, REFUSED_WITHIN_MS, LOOK_EVERY_MS, port_refuses, &port, err))
        return err_hint(err, "is what was stopped the database that listens at the address of \"%s\"? it was stopped: %s", site->name, evidence);
    action_say(certificate, size, "%s; %s; %s", evidence, write, port.say);
    *ret_by = fence->name;
    return true;
}

static size_t others_of(const struct fence_ops **fences, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!fences[i]->by_lease)
            fences[kept++] = fences[i];
    return kept;
}

bool fence_has_others(const struct action_ctx *ctx, const struct site *site)
{
    const struct fence_ops *fences[FENCES_MAX];
    size_t n;
    struct err err = {0};
    return choose(ctx, site, fences, &n, &err) && others_of(fences, n) > 0;
}

bool fence_by_others(const struct action_ctx *ctx, const struct site *site, bool silent, char *evidence, size_t size, struct err *err)
{
    const struct fence_ops *fences[FENCES_MAX];
    size_t n;
    const char *by;
    bool stopped;
    if (!choose(ctx, site, fences, &n, err))
        return false;
    n = others_of(fences, n);
    if (!n)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no other fence", site->name);
    return certify(ctx, site, fences, n, silent ? SILENT_MS : PATIENCE_MS, evidence, size, &by, &stopped, err);
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    const struct site *site;
    const struct fence_ops *fences[FENCES_MAX];
    size_t n;
    char certificate[MODEL_TEXT_SIZE];
    const char *by;
    bool stopped;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    if (!choose(ctx, site, fences, &n, err))
        return blocked(ctx, site, err, ret_outcome, ret_text);
    if (!certify(ctx, site, fences, n, PATIENCE_MS, certificate, sizeof(certificate), &by, &stopped, err))
        return !stopped && err->code == ERR_UNAVAILABLE ? blocked(ctx, site, err, ret_outcome, ret_text) : false;
    report_fact(ctx->report, "fence.certificate", "by %s: %s", by, certificate);
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is fenced: %s", site->name, certificate);
    return true;
}

extern const struct action_ops action_fence;
const struct action_ops action_fence = {
    .name = "fence",
    .usage = "fence SITE",
    .summary = "stops the database of a site, keeps it from starting, and proves that it takes no write any more",
    .changes = true,
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
