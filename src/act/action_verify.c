/* act/action_verify.c -- Do the endpoints of the service answer as they must, through the users' path or at a site itself? */
#include "act/endpoint.h"
#include "act/host.h"
#include "act/traffic/traffic.h"
#include "io/http.h"
#include "io/json.h"

#include "base/banned.h"

enum { ENDPOINT_MS = 5 * MS_SECOND, PATIENCE_MS = 30 * MS_SECOND, AGAIN_MS = 250, COUNT_MAX = 10000, BODY_MAX = 4 * 1024 * 1024 };

struct subject {
    const char *base;        /* address below which the endpoints are */
    const struct site *site; /* NULL: the public path */
    int64_t count;           /* 0: each endpoint once */
};

static bool find_subject(const struct action_ctx *ctx, struct subject *ret, struct err *err)
{
    *ret = (struct subject){0};
    const char *name = ctx->args.p[0];
    if (!ctx->service->endpoints.n)
        return err_set(err, ERR_CONFIG, "service \"%s\" has no `endpoints:` to verify", ctx->service->name);
    if (ctx->args.n > 1 && (!str_int(str_of(ctx->args.p[1]), &ret->count) || ret->count < 1 || ret->count > COUNT_MAX))
        return err_set(err, ERR_USAGE, "\"%s\" is no number of requests from 1 to %d", ctx->args.p[1], COUNT_MAX);
    if (!same(name, "public") && !action_site(ctx, name, &ret->site, err))
        return false;
    ret->base = ret->site ? ret->site->application.url : ctx->service->public_url;
    if (!ret->base)
        return err_set(err, ERR_CONFIG, ret->site ? "site \"%s\" has no `application.url`" : "service \"%s\" has no `public_url`",
                       ret->site ? name : ctx->service->name);
    return true;
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct subject s;
    return find_subject(ctx, &s, err);
}

/* ---- one request ---- */

static bool status_is_accepted(const struct endpoint *e, long status)
{
    for (size_t i = 0; i < e->accept.n; i++)
        if (e->accept.p[i] == status)
            return true;
    return !e->accept.n && status == 200;
}

/* "status=ok": member, dots going deeper, equals text. */
static bool body_is_right(const struct action_ctx *ctx, const struct endpoint *e, struct str body, struct err *err)
{
    const char *equals = strchr(e->json, '=');
    const struct json *root;
    if (!equals)
        return err_set(err, ERR_CONFIG, "\"%s\" is not of the form MEMBER=TEXT", e->json);
    if (!json_parse(ctx->arena, body, &root, err))
        return false;
    const char *member = arena_strndup(ctx->arena, e->json, (size_t)(equals - e->json));
    const char *value = json_scalar(ctx->arena, json_path(root, member));
    if (!value)
        return err_set(err, ERR_FAILED, "the answer has no \"%s\"", member);
    return same(value, equals + 1) || err_set(err, ERR_FAILED, "\"%s\" is \"%s\" instead of \"%s\"", member, value, equals + 1);
}

bool endpoint_fetch(const struct action_ctx *ctx, const char *base, const struct endpoint *e, struct http_response *ret, struct err *err)
{
    struct http_spec spec = {
        .method = "GET",
        .url = traffic_url(ctx->arena, base, e->path),
        .timeout_ms = action_time(ctx, e->timeout_ms > 0 ? e->timeout_ms : ENDPOINT_MS),
        .max_body = BODY_MAX,
        .want_header = ctx->service->traffic.identify_header,
        .fresh_connection = true,
    };
    if (!http_fetch(ctx->arena, &spec, ret, err))
        return err_prefix(err, "\"%s\"", e->path);
    if (!status_is_accepted(e, ret->status))
        return err_set(err, ERR_FAILED, "\"%s\": status %ld is not among the accepted", e->path, ret->status);
    return !e->json || body_is_right(ctx, e, ret->body, err) || err_prefix(err, "\"%s\"", e->path);
}

/* ---- each endpoint once ---- */

struct round {
    const struct action_ctx *ctx;
    const struct subject *subject;
};

static bool all_answer(void *arg, struct err *err)
{
    const struct round *r = arg;
    const struct service *service = r->ctx->service;
    SCOPED(arena_close) struct arena *arena = arena_open(); /* the answers of many tries are not kept */
    struct action_ctx once = *r->ctx;
    once.arena = arena;
    for (size_t i = 0; i < service->endpoints.n; i++) {
        struct http_response response;
        report_progress(once.report, (int64_t)i, (int64_t)service->endpoints.n, "endpoints");
        if (!endpoint_fetch(&once, r->subject->base, &service->endpoints.p[i], &response, err))
            return false;
    }
    return true;
}

static int64_t patience(const struct action_ctx *ctx)
{
    return ctx->budget_ms > 0 ? ctx->budget_ms : PATIENCE_MS;
}

/* ---- many requests, all from one site ---- */

struct row {
    const struct action_ctx *ctx;
    const struct subject *subject;
    const struct site *from; /* NULL: no way to tell the sites apart is configured */
    int64_t streak, best;
};

static bool right_site_answers(const struct action_ctx *ctx, const struct row *r, const struct endpoint *e,
                               const struct http_response *response, struct err *err)
{
    const struct traffic_conf *t = &ctx->service->traffic;
    const char *who;
    bool tells = t->identify_header || same(t->identify_path, e->path);
    if (!(tells ? traffic_name_in(ctx, response, &who, err) : traffic_ask(ctx, r->subject->base, &who, err)))
        return false;
    return same(who, r->from->name) || err_set(err, ERR_FAILED, "a request was answered by \"%s\" instead of \"%s\"", who, r->from->name);
}

static bool row_is_whole(void *arg, struct err *err)
{
    struct row *r = arg;
    const struct endpoint *e = &r->ctx->service->endpoints.p[0];
    for (r->streak = 0; r->streak < r->subject->count; r->streak++) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct action_ctx once = *r->ctx;
        struct http_response response;
        once.arena = arena;
        report_progress(once.report, r->streak, r->subject->count, "requests");
        if (!endpoint_fetch(&once, r->subject->base, e, &response, err) || (r->from && !right_site_answers(&once, r, e, &response, err)))
            return false;
        r->best = MAX_OF(r->best, r->streak + 1);
    }
    return true;
}

static bool run_row(const struct action_ctx *ctx, const struct subject *s, char *ret_text, struct err *err)
{
    struct row r = {.ctx = ctx, .subject = s};
    const struct traffic_conf *t = &ctx->service->traffic;
    if (t->driver && (t->identify_header || t->identify_json)) {
        const struct traffic_ops *ops;
        r.from = s->site;
        if (!r.from && (!traffic_of(ctx, &ops, err) || !ops->read_back(ctx, &r.from, err)))
            return err_prefix(err, "which site serves the users");
    }
    bool ok = action_wait(ctx, patience(ctx), AGAIN_MS, row_is_whole, &r, err);
    report_fact(ctx->report, "verify.requests", "%lld/%lld", (long long)r.best, (long long)s->count);
    if (!ok)
        return err_prefix(err, "at most %lld of %lld requests in a row to \"%s\" were well", (long long)r.best, (long long)s->count, s->base);
    action_say(ret_text, MODEL_TEXT_SIZE, "%lld of %lld requests to \"%s\" were well%s", (long long)s->count, (long long)s->count, s->base,
             r.from ? arena_printf(ctx->arena, " and came from site \"%s\"", r.from->name) : "");
    return true;
}

/* ---- the action ---- */

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct subject s;
    if (!find_subject(ctx, &s, err))
        return false;
    if (s.count)
        return buf_printf(out, "requests \"%s\" %lld times, each over a new connection\n",
                          traffic_url(ctx->arena, s.base, ctx->service->endpoints.p[0].path), (long long)s.count);
    for (size_t i = 0; i < ctx->service->endpoints.n; i++) {
        const struct endpoint *e = &ctx->service->endpoints.p[i];
        buf_printf(out, "requests \"%s\"%s%s\n", traffic_url(ctx->arena, s.base, e->path), e->json ? " and wants " : "", e->json ? e->json : "");
    }
    return true;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct subject s;
    if (!find_subject(ctx, &s, err))
        return false;
    *ret_outcome = OUTCOME_SUCCESS;
    if (s.count)
        return run_row(ctx, &s, ret_text, err);
    struct round round = {.ctx = ctx, .subject = &s};
    if (!action_wait(ctx, patience(ctx), AGAIN_MS, all_answer, &round, err))
        return err_prefix(err, "not all endpoints of \"%s\" answer as they must", s.base);
    action_say(ret_text, MODEL_TEXT_SIZE, "all %zu endpoints of \"%s\" answer as they must", ctx->service->endpoints.n, s.base);
    return true;
}

extern const struct action_ops action_verify;
const struct action_ops action_verify = {
    .name = "verify",
    .usage = "verify public|SITE [COUNT]",
    .summary = "asks every endpoint of the service, or the first one COUNT times, through the users' path or at a site",
    .args_min = 1,
    .args_max = 2,
    .valid = valid,
    .describe = describe,
    .run = run,
};
