/* tell/channel_slack.c -- Notices to an incoming webhook of Slack, or of whatever speaks its form (Mattermost, Rocket.Chat). */
#include <inttypes.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "tell/handover.h"

extern const struct channel_ops channel_slack;

struct slack_options {
    struct secret url;
    int64_t timeout_ms;
    const char *ca_file;
};

#define AT(member) offsetof(struct slack_options, member)
static const struct option options[] = {
    {.key = "url", .type = OPTION_SECRET, .offset = AT(url), .required = true,
     .help = "address of the incoming webhook; whoever knows it can write, so it is a secret", .sample = "{file: /etc/bascule/slack.url}"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "10s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for the whole exchange"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

/* Slack's limits, in characters. It refuses a message with more: 150 in a header, 3000 in a section, 50 blocks, and about 13,200 in all
   blocks together, which stands in no document of theirs. */
enum { HEADER_MAX = 150, SECTION_MAX = 3000, BLOCKS_MAX = 12000, TEXT_MAX = 3500, PAYLOAD_MAX = 512 * 1024 };

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

/* The body in sections, as much of it as all blocks together may hold; what is left out is said. */
static void add_sections(struct arena *arena, struct jsonout *j, const struct notice *notice)
{
    const char *body = notice->body;
    size_t left = BLOCKS_MAX - HEADER_MAX;
    for (size_t width; *body && left > 0; left -= MIN_OF(width, left)) {
        const char *from = body, *section = take_escaped(arena, &body, MIN_OF((size_t)SECTION_MAX, left));
        if (body == from)
            break; /* not even one character */
        width = 0;
        for (const char *p = section; *p; p++)
            width += ((unsigned char)*p & 0xC0) != 0x80;
        add_block(j, "section", "mrkdwn", section);
    }
    if (*body)
        add_block(j, "section", "mrkdwn", arena_printf(arena, "[...] `bascule incident show %" PRId64 "`", notice->incident));
}

static struct str payload(struct arena *arena, const struct notice *notice)
{
    struct buf out SCOPED(buf_done) = {.max = PAYLOAD_MAX};
    struct jsonout j = jsonout(&out);
    const char *title = notice->subject;
    /* What a phone shows; and all that is shown by what knows no blocks, as Mattermost. */
    const char *text = arena_printf(arena, "%s\n%s", notice->subject, notice->body);
    json_object(&j);
    json_put_text(&j, "text", take_escaped(arena, &text, TEXT_MAX));
    json_key(&j, "blocks");
    json_array(&j);
    add_block(&j, "header", "plain_text", take_escaped(arena, &title, HEADER_MAX));
    add_sections(arena, &j, notice);
    json_array_end(&j);
    add_metadata(&j, notice->key);
    json_object_end(&j);
    return (struct str){.p = arena_strndup(arena, buf_text(&out), out.n), .n = out.n};
}

/* Seconds, in the header or, as Slack did at first, in the body. */
static int64_t wait_of(struct handover *h, const struct http_response *response)
{
    const struct json *body;
    int64_t seconds;
    if (response->retry_after_ms >= 0 || !json_parse(h->arena, response->body, &body, NULL) ||
        !json_integer(json_get(body, "retry_after"), &seconds) || seconds < 0 || seconds > MS_DAY / MS_SECOND)
        return response->retry_after_ms;
    return seconds * MS_SECOND;
}

static void on_answer(struct handover *h, const struct http_response *response)
{
    enum delivery delivery = handover_judge(response->status);
    if (delivery == DELIVERY_SENT && (response->status != 200 || !str_is(response->body, "ok")))
        delivery = DELIVERY_RETRY; /* something in between answered */
    const char *said = handover_said(h, response->body);
    handover_end(h, delivery, response->status == 429 ? wait_of(h, response) : response->retry_after_ms, "%s answered %ld%s%s", h->name,
                 response->status, *said ? ": " : "", said);
}

static bool begin(struct handover *h, const struct slack_options *o, struct err *err)
{
    const char *url;
    if (!handover_line_is_clean("the key of the notice", h->notice->key, err) || !handover_url(h, &o->url, &url, err))
        return false;
    struct str body = payload(h->arena, h->notice);
    struct http_spec spec = {
        .method = "POST",
        .url = url,
        .headers = handover_headers(h, "application/json; charset=utf-8", arena_printf(h->arena, "Idempotency-Key: %s", h->notice->key), NULL, NULL),
        .body = body.p,
        .body_size = body.n,
    };
    h->ca_file = o->ca_file;
    return handover_send(h, &spec, on_answer, err);
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct slack_options *o = conf->options;
    SCOPED(handover_free) struct handover *h = handover_new(env, notice, "the webhook", o->timeout_ms, done, arg);
    if (!begin(h, o, err))
        return false;
    *ret_handle = TAKE(h);
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
    .cancel = handover_cancel,
};
