/* tell/channel_slack.c -- Notices to an incoming webhook of Slack, or of whatever speaks its form (Mattermost, Rocket.Chat). */
#include <inttypes.h>

#include "base/jsonout.h"
#include "sys/secret.h"
#include "tell/channel.h"

extern const struct channel_ops channel_slack;

struct slack_options {
    struct secret url;
    int64_t timeout_ms;
};

static const struct option options[] = {
    {.key = "url", .type = OPTION_SECRET, .offset = offsetof(struct slack_options, url), .required = true,
     .help = "address of the incoming webhook; whoever knows it can write, so it is a secret", .sample = "{file: /etc/bascule/slack.url}"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = offsetof(struct slack_options, timeout_ms), .fallback = "10s", .min = 1000,
     .max = 5 * MS_MINUTE, .help = "for the whole exchange"},
    OPTION_END,
};

/* Slack's limits, in characters; the rest would make it refuse the message. */
enum { HEADER_MAX = 150, SECTION_MAX = 3000, SECTIONS_MAX = 20, PAYLOAD_MAX = 512 * 1024 };

struct handle {
    struct arena *arena; /* it lives in it */
    struct http_request *request;
    char *url;
    channel_done_fn *done;
    void *arg;
};

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct slack_options *o = conf->options;
    return o->url.source != SECRET_NONE || err_set(err, ERR_CONFIG, "a channel of type \"slack\" needs \"url\"");
}

static bool address_valid(const char *address, struct err *err)
{
    if (!address)
        return true;
    err_set(err, ERR_CONFIG, "a channel of type \"slack\" takes no address");
    return err_hint(err, "the webhook itself says where its messages go; make one channel for each");
}

static size_t character(const char *p)
{
    size_t n = 1;
    while (((unsigned char)p[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static const char *entity(char c)
{
    return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
}

/* Escaped text from *from of at most `max` characters, cut after a line where one ends in the second half, never inside an entity.
   *from is moved behind it. */
static const char *take_escaped(struct arena *arena, const char **from, size_t max)
{
    struct buf out SCOPED(buf_done) = {.max = PAYLOAD_MAX};
    size_t used = 0, line_bytes = 0;
    const char *p = *from, *after_line = NULL;
    while (*p) {
        const char *escaped = entity(*p);
        size_t n = character(p), width = escaped ? strlen(escaped) : 1;
        if (used + width > max)
            break;
        if (escaped)
            buf_puts(&out, escaped);
        else
            buf_add(&out, p, n);
        used += width;
        p += n;
        if (p[-1] == '\n' && used > max / 2) {
            after_line = p;
            line_bytes = out.n;
        }
    }
    bool at_line = *p && after_line;
    *from = at_line ? after_line : p;
    return arena_strndup(arena, buf_text(&out), at_line ? line_bytes : out.n);
}

static void add_block(struct jsonout *j, const char *type, const char *text_type, const char *text)
{
    json_object(j);
    json_put_text(j, "type", type);
    json_key(j, "text");
    json_object(j);
    json_put_text(j, "type", text_type);
    json_put_text(j, "text", text);
    json_object_end(j);
    json_object_end(j);
}

static void add_metadata(struct jsonout *j, const char *key)
{
    json_key(j, "metadata");
    json_object(j);
    json_put_text(j, "event_type", "bascule_notice");
    json_key(j, "event_payload");
    json_object(j);
    json_put_text(j, "key", key);
    json_object_end(j);
    json_object_end(j);
}

static struct str payload(struct arena *arena, const struct notice *notice)
{
    struct buf out SCOPED(buf_done) = {.max = PAYLOAD_MAX};
    struct jsonout j = jsonout(&out);
    const char *subject = notice->subject, *title = notice->subject, *body = notice->body;
    json_object(&j);
    json_put_text(&j, "text", take_escaped(arena, &subject, SECTION_MAX)); /* what a phone shows */
    json_key(&j, "blocks");
    json_array(&j);
    add_block(&j, "header", "plain_text", take_escaped(arena, &title, HEADER_MAX));
    for (size_t i = 0; *body && i < SECTIONS_MAX; i++)
        add_block(&j, "section", "mrkdwn", take_escaped(arena, &body, SECTION_MAX));
    json_array_end(&j);
    add_metadata(&j, notice->key);
    json_object_end(&j);
    return (struct str){.p = arena_strndup(arena, buf_text(&out), out.n), .n = out.n};
}

static void free_handle(struct handle *h)
{
    secret_wipe(h->url);
    struct arena *arena = h->arena;
    arena_close(&arena);
}

static void cancel(void **handle)
{
    struct handle *h = TAKE(*handle);
    if (!h)
        return;
    http_cancel(&h->request);
    free_handle(h);
}

/* Replaces every `secret` in `text`. */
static char *without(struct arena *arena, const char *text, const char *secret)
{
    char *clean = arena_strdup(arena, "");
    size_t n = strlen(secret);
    for (const char *hit; n && (hit = strstr(text, secret)); text = hit + n)
        clean = arena_printf(arena, "%s%.*s***", clean, (int)(hit - text), text);
    return arena_printf(arena, "%s%s", clean, text);
}

/* An error of the network may quote the address, whose path is the secret. */
static const char *scrub(struct arena *arena, const char *text, const char *url)
{
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    const char *clean = without(arena, text, url);
    return path && strlen(path) > 1 ? without(arena, clean, path) : clean;
}

static enum delivery judge(const struct http_response *response)
{
    if (response->status == 200)
        return str_is(response->body, "ok") ? DELIVERY_SENT : DELIVERY_RETRY; /* something in between answered */
    bool passing = response->status == 408 || response->status == 425 || response->status == 429;
    return response->status >= 400 && response->status < 500 && !passing ? DELIVERY_REFUSED : DELIVERY_RETRY;
}

static void on_done(void *arg, const struct http_response *response, const struct err *err)
{
    struct handle *h = arg;
    SCOPED(arena_close) struct arena *a = arena_open();
    enum delivery delivery = DELIVERY_RETRY;
    const char *text = response ? NULL : scrub(a, err->message, h->url);
    int64_t retry_after_ms = response ? response->retry_after_ms : -1;
    if (response) {
        delivery = judge(response);
        struct str said = str_trim(response->body);
        text = arena_printf(a, "the webhook answered %ld%s" STR_FMT, response->status, said.n ? ": " : "", (int)MIN_OF(said.n, (size_t)100),
                            said.n ? said.p : "");
        text = scrub(a, text, h->url);
    }
    channel_done_fn *done = h->done;
    void *done_arg = h->arg;
    free_handle(h);
    done(done_arg, delivery, retry_after_ms, text);
}

static bool begin(const struct channel_env *env, const struct slack_options *o, const struct notice *notice, struct handle *h, struct err *err)
{
    if (!secret_read(h->arena, &o->url, &h->url, err))
        return false;
    const char **headers = arena_array(h->arena, const char *, 3);
    headers[0] = "Content-Type: application/json; charset=utf-8";
    headers[1] = arena_printf(h->arena, "Idempotency-Key: %s", notice->key);
    struct http_spec *spec = arena_new(h->arena, struct http_spec);
    struct str body = payload(h->arena, notice);
    *spec = (struct http_spec){.method = "POST", .url = h->url, .headers = headers, .body = body.p, .body_size = body.n,
                               .timeout_ms = o->timeout_ms, .max_body = 64 * 1024,
                               /* On a kept connection curl would send again by itself, unseen by the outbox. */
                               .fresh_connection = true};
    struct err why = {0};
    if (http_start(env->http, spec, on_done, h, &h->request, &why))
        return true;
    return err_set(err, why.code, "%s", scrub(h->arena, why.message, h->url));
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    for (const char *p = notice->key; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return err_set(err, ERR_DATA, "the key of the notice holds a line break or another control character");
    struct arena *arena = arena_open();
    struct handle *h = arena_new(arena, struct handle);
    *h = (struct handle){.arena = arena, .done = done, .arg = arg};
    if (!begin(env, conf->options, notice, h, err)) {
        free_handle(h);
        return false;
    }
    *ret_handle = h;
    return true;
}

const struct channel_ops channel_slack = {
    .name = "slack",
    .summary = "incoming webhook of Slack, or of what speaks its form",
    .options = options,
    .options_size = sizeof(struct slack_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = cancel,
};
