/* act/traffic/cloud.c -- Asking again is bounded in number and time, and a wish for more patience than that is told. */
#include "act/traffic/cloud.h"

#include <inttypes.h>

#include "base/banned.h"

enum { SAID_MAX = 300, FIRST_WAIT_MS = 300 };

bool cloud_endpoint_valid(const char *endpoint, bool path, struct err *err)
{
    const char *host = endpoint ? strstr(endpoint, "://") : NULL;
    if (host && host[3] && !strpbrk(endpoint, "?#@ ") && (path || !strchr(host + 3, '/')))
        return true;
    return err_set(err, ERR_CONFIG, "\"endpoint\" is only http:// or https:// and a host%s", path ? ", with the path of the API" : "");
}

static const char *in_one_line(struct arena *arena, const char *text)
{
    char *said = arena_strndup(arena, text, strnlen(text, SAID_MAX));
    for (char *p = said; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = ' ';
    return said;
}

static bool ask_once(const struct action_ctx *ctx, const struct cloud *cloud, const struct cloud_request *request, struct http_response *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    const char *const *headers = NULL;
    const char *url = arena_printf(ctx->arena, "%s%s%s%s", cloud->endpoint, request->path, *request->query ? "?" : "", request->query);
    bool ok = cloud->sign(own, cloud, request, &headers, err);
    if (ok) {
        const struct http_spec spec = {
            .method = request->method,
            .url = url,
            .headers = headers,
            .body = request->body.p,
            .body_size = request->body.n,
            .timeout_ms = action_time(ctx, CLOUD_ASK_MS),
            .ca_file = cloud->ca_file,
        };
        ok = http_fetch(ctx->arena, &spec, ret, err);
    }
    for (const char *const *h = headers; h && *h; h++)
        explicit_bzero((char *)(uintptr_t)*h, strlen(*h));
    return ok;
}

/* Fills err with what is wrong with an answer; how long to wait before asking again, -1: asking again is useless. */
static int64_t judge(const struct action_ctx *ctx, const struct cloud *cloud, const struct http_response *r, int64_t pause_ms, struct err *err)
{
    struct cloud_complaint complaint = {0};
    cloud->complain(ctx->arena, r->body, &complaint);
    bool slow_down = r->status == 429 || complaint.slow_down;
    enum err_code code = r->status == 401 || r->status == 403      ? ERR_PERMISSION
                         : slow_down || r->status >= 500           ? ERR_UNAVAILABLE
                                                                   : ERR_FAILED;
    err_set(err, code, "%s answered %ld%s%s", cloud->name, r->status, complaint.text ? ": " : "",
            complaint.text ? in_one_line(ctx->arena, complaint.text) : "");
    if (!slow_down && r->status < 500)
        return -1;
    if (r->retry_after_ms > CLOUD_WAIT_MOST_MS)
        err_hint(err, "it asks to wait %" PRId64 " s before the next request", r->retry_after_ms / MS_SECOND);
    return MAX_OF(r->retry_after_ms, pause_ms);
}

bool cloud_ask(const struct action_ctx *ctx, const struct cloud *cloud, const struct cloud_request *request, struct str *ret, struct err *err)
{
    int64_t pause_ms = FIRST_WAIT_MS;
    for (int i = 1;; i++, pause_ms *= 3) {
        struct http_response response;
        int64_t wait_ms = -1;
        *err = (struct err){0};
        if (ask_once(ctx, cloud, request, &response, err)) {
            if (response.status >= 200 && response.status <= 299) {
                *ret = response.body;
                return true;
            }
            wait_ms = judge(ctx, cloud, &response, pause_ms, err);
        } else {
            err_prefix(err, "%s", cloud->name);
            if (err->code == ERR_UNAVAILABLE)
                wait_ms = pause_ms;
        }
        /* Not begun when it could not be finished: a budget is not slept away. */
        if (wait_ms < 0 || i == CLOUD_TRIES || wait_ms > CLOUD_WAIT_MOST_MS || action_time(ctx, wait_ms + CLOUD_ASK_MS) <= wait_ms)
            return false;
        report_progress(ctx->report, 0, 0, "%s; asking again in %" PRId64 " ms", err->message, wait_ms);
        action_pause(ctx, wait_ms);
    }
}
