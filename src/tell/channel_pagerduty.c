/* tell/channel_pagerduty.c -- PagerDuty's Events API v2, or what speaks it: an incident of ours is one alert there, from its trigger to its
   end, whatever number of messages it makes. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "model/names.h"
#include "tell/handover.h"
#include "tell/notice_json.h"

extern const struct channel_ops channel_pagerduty;

struct pagerduty_options {
    struct secret key;
    const char *url;
    int64_t timeout_ms;
    const char *ca_file;
};

#define AT(member) offsetof(struct pagerduty_options, member)
static const struct option options[] = {
    {.key = "key", .type = OPTION_SECRET, .offset = AT(key), .required = true, .help = "integration key of the service there (Events API v2)",
     .sample = "{file: /etc/bascule/pagerduty.key}"},
    {.key = "url", .type = OPTION_URL, .offset = AT(url), .fallback = "https://events.pagerduty.com/v2/enqueue",
     .help = "where events go; in the European region https://events.eu.pagerduty.com/v2/enqueue"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "10s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for the whole exchange"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

/* PagerDuty's limits, in characters; and how long it wants to be left alone after 429, when it does not say. */
enum { SUMMARY_MAX = 1024, DEDUP_MAX = 255, BODY_MAX = 16000, PAYLOAD_MAX = 500 * 1000, TOO_MANY_MS = 30 * 1000 };

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct pagerduty_options *o = conf->options;
    return o->key.source != SECRET_NONE || err_set(err, ERR_CONFIG, "a channel of type \"pagerduty\" needs \"key\"");
}

static bool address_valid(const char *address, struct err *err)
{
    if (!address)
        return true;
    err_set(err, ERR_CONFIG, "a channel of type \"pagerduty\" takes no address");
    return err_hint(err, "the key says which service there is told; make one channel for each");
}

/* What else is said of an incident changes nothing there: a trigger with the key of an open alert is added to its log and wakes nobody. */
static const char *action_of(const struct notice *notice)
{
    if (same(notice->stage, "acknowledged"))
        return "acknowledge";
    return same(notice->stage, "resolved") ? "resolve" : "trigger";
}

static const char *dedup_key(struct arena *arena, const struct notice *notice)
{
    const char *thread = notice->thread && *notice->thread ? notice->thread : notice->key;
    const char *whole = arena_printf(arena, "bascule/%s", notice->test ? notice_identity(arena, notice) : thread);
    return strlen(whole) <= DEDUP_MAX ? whole : arena_printf(arena, "bascule/%s", notice_identity(arena, &(struct notice){.service = "", .key = thread}));
}

static const char *severity_of_notice(const struct notice *notice)
{
    static const char *const words[SEVERITY_MAX] = {[SEVERITY_P1] = "critical", [SEVERITY_P2] = "error", [SEVERITY_P3] = "warning"};
    return notice->severity >= 0 && notice->severity < SEVERITY_MAX ? words[notice->severity] : "info";
}

static void put_payload(struct jsonout *j, struct arena *arena, const struct notice *notice)
{
    json_key(j, "payload");
    json_object(j);
    json_put_text(j, "summary", text_cut(arena, notice->subject, SUMMARY_MAX));
    json_put_text(j, "source", notice->service && *notice->service ? notice->service : "bascule");
    json_put_text(j, "severity", severity_of_notice(notice));
    json_put_text(j, "timestamp", moment_iso(arena, notice->wall_ms));
    json_put_text(j, "component", notice->service);
    json_put_text(j, "class", notice->stage);
    json_key(j, "custom_details");
    json_object(j);
    notice_put_json(j, notice, BODY_MAX);
    json_object_end(j);
    json_object_end(j);
}

static void put_links(struct jsonout *j, const struct handover *h)
{
    const struct service *service = h->env.config ? config_service(h->env.config, h->notice->service) : NULL;
    if (!service || !service->status_page)
        return;
    json_key(j, "links");
    json_array(j);
    json_object(j);
    json_put_text(j, "href", service->status_page);
    json_put_text(j, "text", "status page");
    json_object_end(j);
    json_array_end(j);
}

static struct str payload(struct handover *h, const char *routing_key)
{
    struct buf out SCOPED(buf_done) = {.max = PAYLOAD_MAX};
    struct jsonout j = jsonout(&out);
    const char *action = action_of(h->notice);
    json_object(&j);
    json_put_text(&j, "routing_key", routing_key);
    json_put_text(&j, "event_action", action);
    json_put_text(&j, "dedup_key", dedup_key(h->arena, h->notice));
    if (same(action, "trigger")) {
        put_payload(&j, h->arena, h->notice);
        json_put_text(&j, "client", "bascule");
        put_links(&j, h);
    }
    json_object_end(&j);
    struct str text = {.p = arena_strndup(h->arena, buf_text(&out), out.n), .n = out.n};
    if (out.p)
        explicit_bzero(out.p, out.n);
    return text;
}

/* {"status":"invalid event","message":"...","errors":["..."]} in one line. */
static const char *said(struct handover *h, struct str body)
{
    const struct json *answer;
    if (!json_parse(h->arena, body, &answer, NULL))
        return handover_said(h, body);
    const char *message = json_string(json_get(answer, "message"));
    struct buf out SCOPED(buf_done) = {.max = 1024};
    buf_puts(&out, message ? message : "");
    const struct json *errors = json_get(answer, "errors");
    for (size_t i = 0; i < json_count(errors); i++)
        if (json_string(json_at(errors, i)))
            buf_printf(&out, "%s%s", out.n ? "; " : "", json_string(json_at(errors, i)));
    return out.n ? handover_said(h, buf_str(&out)) : handover_said(h, body);
}

/* 202 says "queued"; any word but "success" in it says that it was not. */
static void on_answer(struct handover *h, const struct http_response *response)
{
    const struct json *answer = NULL;
    enum delivery delivery = handover_judge(response->status);
    bool read = json_parse(h->arena, response->body, &answer, NULL);
    if (delivery == DELIVERY_SENT && !same(json_string(json_get(answer, "status")), "success"))
        delivery = read && json_string(json_get(answer, "status")) ? DELIVERY_REFUSED : DELIVERY_RETRY;
    int64_t wait = response->status == 429 && response->retry_after_ms < 0 ? TOO_MANY_MS : response->retry_after_ms;
    const char *text = said(h, response->body);
    handover_end(h, delivery, wait, "%s answered %ld%s%s", h->name, response->status, *text ? ": " : "", text);
}

static bool begin(struct handover *h, const struct pagerduty_options *o, struct err *err)
{
    char *key;
    if (!handover_secret(h, &o->key, &key, err))
        return false;
    struct str body = payload(h, key);
    handover_hide(h, (char *)(uintptr_t)body.p);
    struct http_spec spec = {.method = "POST", .url = o->url, .headers = handover_headers(h, "application/json", NULL, NULL, NULL), .body = body.p,
                             .body_size = body.n};
    h->ca_file = o->ca_file;
    return handover_send(h, &spec, on_answer, err);
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct pagerduty_options *o = conf->options;
    SCOPED(handover_free) struct handover *h = handover_new(env, notice, "PagerDuty", o->timeout_ms, done, arg);
    if (!begin(h, o, err))
        return false;
    *ret_handle = TAKE(h);
    return true;
}

const struct channel_ops channel_pagerduty = {
    .name = "pagerduty",
    .summary = "PagerDuty (Events API v2), or what speaks its form",
    .options = options,
    .options_size = sizeof(struct pagerduty_options),
    .valid = valid,
    .address_valid = address_valid,
    .start = start,
    .cancel = handover_cancel,
};
