/* tell/channel_statuspage.c -- Statuspage's API v1: what the public is told of an incident of ours becomes an incident there and its updates.
   Each incident there carries in its metadata whose it is and the last message it was given, so that none is posted twice. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "io/json.h"
#include "model/names.h"
#include "sys/clock.h"
#include "tell/handover.h"

extern const struct channel_ops channel_statuspage;

struct statuspage_options {
    const char *page;
    struct secret key;
    const char *service;
    struct strs components;
    int language;
    bool subscribers;
    const char *url;
    int64_t timeout_ms;
    const char *ca_file;
};

static const char *const languages[] = {"en", "fr", "both", NULL};
enum { SAY_EN, SAY_FR, SAY_BOTH };

#define AT(member) offsetof(struct statuspage_options, member)
static const struct option options[] = {
    {.key = "page", .type = OPTION_NAME, .offset = AT(page), .required = true, .help = "the page's id there", .sample = "kctbh9vrtdwd"},
    {.key = "key", .type = OPTION_SECRET, .offset = AT(key), .required = true, .help = "key of the API", .sample = "{file: /etc/bascule/statuspage.key}"},
    {.key = "service", .type = OPTION_NAME, .offset = AT(service), .help = "only incidents of this service; without it those of all"},
    {.key = "components", .type = OPTION_STRINGS, .offset = AT(components), .help = "ids of the components that an incident affects"},
    {.key = "language", .type = OPTION_ENUM, .offset = AT(language), .fallback = "en", .names = languages, .help = "in which the public reads"},
    {.key = "subscribers", .type = OPTION_BOOL, .offset = AT(subscribers), .fallback = "true", .help = "the page's subscribers are told too"},
    {.key = "url", .type = OPTION_URL, .offset = AT(url), .fallback = "https://api.statuspage.io/v1", .help = "where the API is"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = AT(timeout_ms), .fallback = "20s", .min = 1000, .max = 5 * MS_MINUTE,
     .help = "for each exchange"},
    {.key = "ca", .type = OPTION_PATH, .offset = AT(ca_file), .help = "certificates to trust instead of the system's"},
    OPTION_END,
};
#undef AT

/* Statuspage's limits: one request a second, counted over a minute; texts in characters. */
enum { BETWEEN_MS = 1050, TOO_MANY_MS = 10 * 1000, NAME_MAX_CHARACTERS = 255, TEXT_MAX = 25000, LOOK_BACK = 50, ID_MAX = 64 };

struct page {
    const struct statuspage_options *o;
    const char *authorization;
    const char *incident; /* id there; NULL: none yet */
    enum delivery delivery;
    const char *text;     /* what the end will say */
};

static bool is_id(const char *text)
{
    return text && *text && strlen(text) <= ID_MAX && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")];
}

static bool valid(const struct channel_conf *conf, struct err *err)
{
    const struct statuspage_options *o = conf->options;
    if (!o->page || o->key.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "a channel of type \"statuspage\" needs \"page\" and \"key\"");
    for (size_t i = 0; i < o->components.n; i++)
        if (!is_id(o->components.p[i]))
            return err_set(err, ERR_CONFIG, "\"%s\" is not the id of a component", o->components.p[i]);
    return true;
}

static bool address_valid(const char *address, struct err *err)
{
    (void)address;
    err_set(err, ERR_CONFIG, "a channel of type \"statuspage\" speaks to the public and is no way to a contact");
    return err_hint(err, "it is told of every public message by itself; take it out of \"ways\"");
}

static bool wants(const struct channel_conf *conf, const char *service)
{
    const struct statuspage_options *o = conf->options;
    return !o->service || same(o->service, service);
}

/* ---- texts ---- */

static const char *in_language(const struct json *texts, const char *language, const char *member)
{
    return json_string(json_get(json_get(texts, language), member));
}

/* In the language of the page, else in that which is there. */
static const char *wording(struct handover *h, const char *member, const char *otherwise)
{
    const struct page *p = h->own;
    const struct json *texts = NULL;
    const char *json = h->notice->by_language;
    if (!json || !json_parse(h->arena, str_of(json), &texts, NULL))
        return otherwise;
    const char *en = in_language(texts, "en", member), *fr = in_language(texts, "fr", member);
    const char *first = p->o->language == SAY_FR ? fr : en, *second = p->o->language == SAY_FR ? en : fr;
    if (p->o->language == SAY_BOTH && en && fr && !same(en, fr))
        return arena_printf(h->arena, same(member, "headline") ? "%s / %s" : "%s\n\n%s", en, fr);
    return first && *first ? first : second && *second ? second : otherwise;
}

static const char *impact(const struct notice *notice)
{
    return notice->severity == SEVERITY_P1 ? "critical" : notice->severity == SEVERITY_P2 ? "major" : "minor";
}

static const char *component_status(const struct notice *notice)
{
    enum public_phase phase = PUBLIC_INVESTIGATING;
    if (public_phase_of(notice->phase, &phase) && phase >= PUBLIC_MONITORING)
        return "operational";
    return notice->severity == SEVERITY_P1 ? "major_outage" : notice->severity == SEVERITY_P2 ? "partial_outage" : "degraded_performance";
}

static void put_components(struct jsonout *j, const struct statuspage_options *o, const struct notice *notice)
{
    if (o->components.n == 0)
        return;
    json_key(j, "component_ids");
    json_array(j);
    for (size_t i = 0; i < o->components.n; i++)
        json_text(j, o->components.p[i]);
    json_array_end(j);
    json_key(j, "components");
    json_object(j);
    for (size_t i = 0; i < o->components.n; i++)
        json_put_text(j, o->components.p[i], component_status(notice));
    json_object_end(j);
}

static void put_metadata(struct jsonout *j, const struct notice *notice)
{
    json_key(j, "metadata");
    json_object(j);
    json_key(j, "bascule");
    json_object(j);
    json_put_text(j, "thread", notice->thread);
    json_put_text(j, "last", notice->key);
    json_object_end(j);
    json_object_end(j);
}

static struct str payload(struct handover *h)
{
    const struct page *p = h->own;
    const struct notice *notice = h->notice;
    struct buf SCOPED(buf_done) out = {.max = 512 * 1024};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_key(&j, "incident");
    json_object(&j);
    if (!p->incident) { /* people know an incident by its name: it stays */
        json_put_text(&j, "name", text_cut(h->arena, wording(h, "headline", notice->subject), NAME_MAX_CHARACTERS));
        json_put_text(&j, "impact_override", impact(notice));
    }
    json_put_text(&j, "status", notice->phase);
    json_put_text(&j, "body", text_cut(h->arena, wording(h, "body", notice->body), TEXT_MAX));
    json_put_bool(&j, "deliver_notifications", p->o->subscribers);
    put_components(&j, p->o, notice);
    put_metadata(&j, notice);
    json_object_end(&j);
    json_object_end(&j);
    return str_of(arena_strdup(h->arena, buf_text(&out)));
}

/* ---- answers ---- */

/* {"error": "..."} or {"error": ["...", ...]} */
static const char *said(struct handover *h, struct str body)
{
    const struct json *answer;
    if (!json_parse(h->arena, body, &answer, NULL))
        return handover_said(h, body);
    const struct json *error = json_get(answer, "error"), *first = json_at(error, 0);
    const char *text = json_string(error) ? json_string(error) : json_string(first) ? json_string(first) : json_string(json_get(answer, "message"));
    return text ? handover_said(h, str_of(text)) : "";
}

static void refused(struct handover *h, const struct http_response *response)
{
    bool too_many = response->status == 420 || response->status == 429;
    const char *text = said(h, response->body);
    handover_end(h, too_many ? DELIVERY_RETRY : handover_judge(response->status),
                 too_many && response->retry_after_ms < 0 ? TOO_MANY_MS : response->retry_after_ms, "%s answered %ld%s%s", h->name, response->status,
                 *text ? ": " : "", text);
}

static bool is_well(const struct http_response *response)
{
    return response->status >= 200 && response->status < 300;
}

static void something_in_between(struct handover *h, const struct http_response *response)
{
    handover_end(h, DELIVERY_RETRY, -1, "%s answered %ld with something else than its API does", h->name, response->status);
}

static struct http_spec ask(struct handover *h, const char *method, const char *path)
{
    const struct page *p = h->own;
    h->deadline_boot_ms = clock_boot_ms() + p->o->timeout_ms;
    return (struct http_spec){.method = method, .url = arena_printf(h->arena, "%s/pages/%s%s", p->o->url, p->o->page, path),
                              .headers = handover_headers(h, "application/json", p->authorization, NULL, NULL)};
}

/* The end, told a second later: the next message begins with a request of its own. */
static void on_end(struct handover *h)
{
    const struct page *p = h->own;
    handover_end(h, p->delivery, -1, "%s", p->text);
}

static void end_well(struct handover *h, const char *text)
{
    struct page *p = h->own;
    p->delivery = DELIVERY_SENT;
    p->text = text;
    handover_pause(h, BETWEEN_MS, on_end);
}

/* ---- the message ---- */

static void on_posted(struct handover *h, const struct http_response *response)
{
    const struct page *p = h->own;
    const struct json *answer;
    if (!is_well(response)) {
        refused(h, response);
        return;
    }
    const char *id = json_parse(h->arena, response->body, &answer, NULL) ? json_string(json_get(answer, "id")) : NULL;
    if (!is_id(id))
        something_in_between(h, response);
    else
        end_well(h, arena_printf(h->arena, "%s answered %ld: incident %s %s", h->name, response->status, id, p->incident ? "updated" : "created"));
}

static void post(struct handover *h)
{
    const struct page *p = h->own;
    struct str body = payload(h);
    struct http_spec spec = p->incident ? ask(h, "PATCH", arena_printf(h->arena, "/incidents/%s.json", p->incident)) : ask(h, "POST", "/incidents.json");
    spec.body = body.p;
    spec.body_size = body.n;
    handover_go_on(h, &spec, on_posted);
}

/* The newest incidents come first. */
static void on_list(struct handover *h, const struct http_response *response)
{
    struct page *p = h->own;
    const struct json *list;
    if (!is_well(response)) {
        refused(h, response);
        return;
    }
    struct str text = str_trim(response->body);
    if (!str_starts(text, "[") || !json_parse(h->arena, text, &list, NULL)) {
        something_in_between(h, response);
        return;
    }
    for (size_t i = 0; i < json_count(list) && !p->incident; i++) {
        const struct json *ours = json_path(json_at(list, i), "metadata.bascule");
        const char *id = json_string(json_get(json_at(list, i), "id"));
        if (!is_id(id) || !same(json_string(json_get(ours, "thread")), h->notice->thread))
            continue;
        p->incident = id;
        if (same(json_string(json_get(ours, "last")), h->notice->key)) {
            end_well(h, arena_printf(h->arena, "%s has it already, in incident %s", h->name, id));
            return;
        }
    }
    handover_pause(h, BETWEEN_MS, post);
}

/* ---- the test, which publishes nothing ---- */

static void on_components(struct handover *h, const struct http_response *response)
{
    struct page *p = h->own;
    const struct json *list;
    if (!is_well(response)) {
        refused(h, response);
        return;
    }
    if (!json_parse(h->arena, response->body, &list, NULL)) {
        something_in_between(h, response);
        return;
    }
    for (size_t i = 0; i < p->o->components.n; i++) {
        bool there = false;
        for (size_t k = 0; k < json_count(list); k++)
            there = there || same(json_string(json_get(json_at(list, k), "id")), p->o->components.p[i]);
        if (!there) {
            handover_end(h, DELIVERY_REFUSED, -1, "the page has no component \"%s\"", p->o->components.p[i]);
            return;
        }
    }
    end_well(h, arena_printf(h->arena, "%s; its components are there", p->text));
}

static void ask_components(struct handover *h)
{
    struct http_spec spec = ask(h, "GET", "/components.json?per_page=100");
    handover_go_on(h, &spec, on_components);
}

static void on_page(struct handover *h, const struct http_response *response)
{
    struct page *p = h->own;
    const struct json *answer;
    if (!is_well(response)) {
        refused(h, response);
        return;
    }
    const char *name = json_parse(h->arena, response->body, &answer, NULL) ? json_string(json_get(answer, "name")) : NULL;
    if (!name) {
        something_in_between(h, response);
        return;
    }
    p->text = arena_printf(h->arena, "%s let us in to the page \"%s\"; nothing was published", h->name, handover_said(h, str_of(name)));
    if (p->o->components.n)
        handover_pause(h, BETWEEN_MS, ask_components);
    else
        end_well(h, p->text);
}

/* ---- the driver ---- */

static bool begin(struct handover *h, const struct statuspage_options *o, struct err *err)
{
    struct page *p = arena_new(h->arena, struct page);
    char *key;
    h->own = p;
    h->ca_file = o->ca_file;
    p->o = o;
    if (!h->notice->test && !h->notice->phase)
        return err_set(err, ERR_DATA, "this message is not one for the public");
    if (!handover_secret(h, &o->key, &key, err) || !handover_line_is_clean("the key", key ? key : "", err))
        return false;
    char *line = arena_printf(h->arena, "Authorization: OAuth %s", key ? key : "");
    handover_hide(h, line);
    p->authorization = line;
    struct http_spec spec = h->notice->test ? ask(h, "GET", ".json") : ask(h, "GET", arena_printf(h->arena, "/incidents.json?limit=%d", LOOK_BACK));
    return handover_send(h, &spec, h->notice->test ? on_page : on_list, err);
}

static bool start(const struct channel_env *env, const struct channel_conf *conf, const struct notice *notice, channel_done_fn *done, void *arg,
                  void **ret_handle, struct err *err)
{
    const struct statuspage_options *o = conf->options;
    SCOPED(handover_free) struct handover *h = handover_new(env, notice, "Statuspage", o->timeout_ms, done, arg);
    if (!begin(h, o, err))
        return false;
    *ret_handle = TAKE(h);
    return true;
}

const struct channel_ops channel_statuspage = {
    .name = "statuspage",
    .summary = "a page at Statuspage (API v1): it is told what the public is told",
    .options = options,
    .options_size = sizeof(struct statuspage_options),
    .valid = valid,
    .address_valid = address_valid,
    .wants_public = wants,
    .start = start,
    .cancel = handover_cancel,
};
