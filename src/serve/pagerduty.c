/* serve/pagerduty.c -- Events as they are sent to PagerDuty (Events API version 2): trigger, acknowledge, resolve. */
#include "io/hash.h"
#include "serve/alert.h"

enum { DEDUP_KEY_MAX = 255, MADE_UP_CHARS = 32 };

static const char *text_of(struct intake *in, const struct json *root, const char *path)
{
    const char *text = json_scalar(in->arena, json_path(root, path));
    return text && *text ? text : NULL;
}

/* Details of the sender's own are labels too, so that rules can match them; but never in the place of what the form itself says. */
static void add_details(struct intake *in, const struct json *details, struct alert_in *alert)
{
    for (size_t i = 0; json_key_at(details, i); i++) {
        const char *name = json_key_at(details, i);
        if (!alert_labelled(alert, name))
            alert_label(in, alert, arena_strdup(in->arena, name), json_scalar(in->arena, json_get(details, name)));
    }
}

/* What it is about, by which alerts of one kind are gathered: the first of these that the sender filled in. */
static const char *name_of(const struct alert_in *alert)
{
    static const char *const names[] = {"class", "component", "group", "source"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (alert_labelled(alert, names[i]))
            return alert_labelled(alert, names[i]);
    return NULL;
}

static bool read_trigger(struct intake *in, const struct json *root, struct alert_in *alert, struct err *err)
{
    static const char *const names[] = {"severity", "source", "component", "group", "class"};
    static const char *const severities[] = {"critical", "error", "warning", "info"};
    alert->summary = text_of(in, root, "payload.summary");
    if (!alert->summary)
        return err_set(err, ERR_DATA, "'payload.summary' is missing or blank");
    if (!text_of(in, root, "payload.source"))
        return err_set(err, ERR_DATA, "'payload.source' is missing or blank");
    const char *severity = text_of(in, root, "payload.severity");
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(severities); i++)
        known = known || same(severity, severities[i]);
    if (!known)
        return err_set(err, ERR_DATA, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        alert_label(in, alert, names[i], text_of(in, root, arena_printf(in->arena, "payload.%s", names[i])));
    alert_label(in, alert, "client", text_of(in, root, "client"));
    alert_label(in, alert, "alertname", name_of(alert));
    add_details(in, json_path(root, "payload.custom_details"), alert);
    return true;
}

/* Two that say the same are one while it is open: a sender that got no answer sends it again. */
static const char *made_up_key(struct intake *in, struct str body)
{
    char hex[HASH_HEX_SIZE];
    struct hash *hash = hash_open();
    hash_add(hash, body.p, body.n);
    hash_end(hash, hex);
    hash_close(&hash);
    return arena_strndup(in->arena, hex, MADE_UP_CHARS);
}

static void add_acknowledgement(struct intake *in, const struct json *root, const char *key)
{
    const char *client = text_of(in, root, "client");
    struct intake_row *row = vec_add(in->arena, &in->rows);
    row->record = (struct record){
        .kind = EVENT_ACK,
        .service = "",
        .subject = key,
        .who = alert_plain(in->arena, client ? client : INTAKE_PAGERDUTY, MODEL_ID_SIZE - 1),
        .text = "acknowledged where the alert came from",
        .stage = "",
        .channel = "",
        .address = "",
        .detail = "",
    };
}

enum action { TRIGGER, ACKNOWLEDGE, RESOLVE, ACTIONS };

static enum action action_of(const struct json *root)
{
    static const char *const names[ACTIONS] = {"trigger", "acknowledge", "resolve"};
    enum action action = TRIGGER;
    while (action < ACTIONS && !same(json_string(json_get(root, "event_action")), names[action]))
        action++;
    return action;
}

bool intake_pagerduty(struct intake *in, struct str body, struct pagerduty_said *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    const struct json *root;
    *ret = (struct pagerduty_said){.routing_key = "", .dedup_key = ""};
    if (!json_parse(scratch, body, &root, err))
        return false;
    const char *routing = text_of(in, root, "routing_key"), *dedup = text_of(in, root, "dedup_key");
    enum action action = action_of(root);
    ret->routing_key = routing ? routing : "";
    ret->dedup_key = dedup ? dedup : "";
    if (action == ACTIONS)
        return err_set(err, ERR_DATA, "'event_action' is missing or invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')");
    if (!dedup && action != TRIGGER)
        return err_set(err, ERR_DATA, "'dedup_key' is missing or blank");
    if (strlen(ret->dedup_key) > DEDUP_KEY_MAX)
        return err_set(err, ERR_DATA, "'dedup_key' is longer than %d characters", DEDUP_KEY_MAX);
    /* Kept is the payload alone: the routing key beside it is a secret. */
    const struct json *payload = json_get(root, "payload");
    if (!payload && !json_parse(scratch, str_of("{}"), &payload, err))
        return false;
    struct alert_in alert = {.source = INTAKE_PAGERDUTY, .as_it_came = payload, .ended = action == RESOLVE, .summary = "it has ended"};
    if (action == TRIGGER && !read_trigger(in, root, &alert, err))
        return false;
    if (!dedup)
        ret->dedup_key = made_up_key(in, body);
    alert.key = alert_key(in->arena, "pd/", ret->dedup_key);
    if (action == ACKNOWLEDGE)
        add_acknowledgement(in, root, alert.key);
    else
        alert_row(in, &alert);
    return true;
}
