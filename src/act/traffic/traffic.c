/* act/traffic/traffic.c -- Asks through the users' own path who answers. A driver's state says what was ordered, this says what is. */
#include "act/traffic/traffic.h"

#include "io/http.h"
#include "io/json.h"

#include "base/banned.h"

enum { ASK_EVERY_MS = 100, BODY_MAX = 256 * 1024 };

char *traffic_url(struct arena *arena, const char *base, const char *path)
{
    size_t n = strlen(base);
    while (n && base[n - 1] == '/')
        n--;
    return arena_printf(arena, "%.*s%s%s", (int)n, base, *path == '/' ? "" : "/", path);
}

bool traffic_conf_valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    if (!service->public_url)
        return err_set(err, ERR_CONFIG, "service \"%s\" has traffic to direct but no `public_url:` at which the result could be seen", service->name);
    if (!conf->identify_header && !(conf->identify_json && conf->identify_path)) {
        err_set(err, ERR_CONFIG, "traffic of service \"%s\" does not say how an answer tells which site it came from", service->name);
        return err_hint(err, "set `identify: {path: /api/health, json: site}` or `identify: {header: X-Served-By}`");
    }
    return true;
}

bool traffic_of(const struct action_ctx *ctx, const struct traffic_ops **ret, struct err *err)
{
    const struct traffic_conf *conf = &ctx->service->traffic;
    if (!conf->driver)
        return err_set(err, ERR_CONFIG, "service \"%s\" has no `traffic:`", ctx->service->name);
    *ret = traffic_driver(conf->driver);
    return *ret || err_set(err, ERR_CONFIG, "there is no traffic driver \"%s\"", conf->driver);
}

bool traffic_name_in(const struct action_ctx *ctx, const struct http_response *response, const char **ret, struct err *err)
{
    const struct traffic_conf *conf = &ctx->service->traffic;
    const struct json *root;
    const char *name;
    if (conf->identify_header) {
        name = response->header;
        if (!name)
            return err_set(err, ERR_DATA, "the answer has no header \"%s\"", conf->identify_header);
    } else {
        if (!json_parse(ctx->arena, response->body, &root, err))
            return err_prefix(err, "the answer to \"%s\"", conf->identify_path);
        name = json_string(json_path(root, conf->identify_json));
        if (!name)
            return err_set(err, ERR_DATA, "the answer to \"%s\" has no text \"%s\"", conf->identify_path, conf->identify_json);
    }
    *ret = arena_strdup(ctx->arena, name);
    return true;
}

bool traffic_ask(const struct action_ctx *ctx, const char *base, const char **ret, struct err *err)
{
    const struct traffic_conf *conf = &ctx->service->traffic;
    struct http_response response;
    struct http_spec spec = {
        .method = "GET",
        .url = traffic_url(ctx->arena, base, conf->identify_path ? conf->identify_path : "/"),
        .timeout_ms = action_time(ctx, TRAFFIC_REQUEST_MS),
        .max_body = BODY_MAX,
        .want_header = conf->identify_header,
        .fresh_connection = true,
    };
    if (!http_fetch(ctx->arena, &spec, &response, err))
        return err_prefix(err, "asking \"%s\" who serves", spec.url);
    if (!conf->identify_header && (response.status < 200 || response.status > 299))
        return err_set(err, ERR_FAILED, "\"%s\" answers with status %ld", spec.url, response.status);
    return traffic_name_in(ctx, &response, ret, err);
}

static bool one_arrives(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct action_ctx once = *ctx; /* the answers of many requests are not kept */
    const char *who;
    once.arena = arena;
    if (!traffic_ask(&once, ctx->service->public_url, &who, err))
        return false;
    return same(who, site->name) || err_set(err, ERR_FAILED, "requests to \"%s\" are answered by \"%s\" instead of \"%s\"",
                                            ctx->service->public_url, who, site->name);
}

struct arriving {
    const struct action_ctx *ctx;
    const struct site *site;
    int count;
};

static bool row_arrives(void *arg, struct err *err)
{
    const struct arriving *a = arg;
    for (int i = 0; i < a->count; i++)
        if (!one_arrives(a->ctx, a->site, err))
            return false;
    return true;
}

bool traffic_arrives(const struct action_ctx *ctx, const struct site *site, int count, int64_t time_ms, struct err *err)
{
    struct arriving a = {.ctx = ctx, .site = site, .count = count};
    return action_wait(ctx, time_ms, ASK_EVERY_MS, row_arrives, &a, err);
}
