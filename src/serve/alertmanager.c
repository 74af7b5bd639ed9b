/* serve/alertmanager.c -- Alerts in the two forms of Prometheus: what Alertmanager sends to a webhook (version 4), and what Prometheus
   sends to an Alertmanager (API version 2). Alerts are told apart by the fingerprint of their labels, as Alertmanager does. */
#include <inttypes.h>

#include "serve/alert.h"

/* ---- Alertmanager's fingerprint: FNV-1a over the sorted names and values, each ended by a byte that no text has ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static uint64_t add(uint64_t hash, const char *text)
{
    const uint64_t prime = UINT64_C(1099511628211);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * prime;
    return (hash ^ 0xFF) * prime;
}

static const char *fingerprint(struct intake *in, const struct alert_in *alert)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    struct label *sorted = arena_dup(in->arena, alert->labels.p, alert->labels.n * sizeof(*sorted));
    qsort(sorted, alert->labels.n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < alert->labels.n; i++)
        hash = add(add(hash, sorted[i].name), sorted[i].value);
    return arena_printf(in->arena, "%016" PRIx64, hash);
}

/* ---- one alert ---- */

static const char *annotation(const struct json *alert, const char *name)
{
    const char *text = json_string(json_get(json_get(alert, "annotations"), name));
    return text && *text ? text : NULL;
}

static const char *summary_of(struct intake *in, const struct json *json, const struct alert_in *alert)
{
    static const char *const names[] = {"summary", "title", "message", "description"};
    const char *name = alert_labelled(alert, "alertname"), *instance = alert_labelled(alert, "instance");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (annotation(json, names[i]))
            return name ? arena_printf(in->arena, "%s: %s", name, annotation(json, names[i])) : annotation(json, names[i]);
    return arena_printf(in->arena, "%s%s%s", name ? name : "alert without a name", instance ? " on " : "", instance ? instance : "");
}

static bool read_labels(struct intake *in, const struct json *json, struct alert_in *alert, struct err *err)
{
    const struct json *labels = json_get(json, "labels");
    if (!json_key_at(labels, 0))
        return err_set(err, ERR_DATA, "an alert has no labels");
    for (size_t i = 0; i < json_count(labels); i++) {
        const char *name = json_key_at(labels, i), *value = json_string(json_get(labels, name));
        if (!value)
            return err_set(err, ERR_DATA, "the label \"%.80s\" of an alert is not text", name);
        alert_label(in, alert, arena_strdup(in->arena, name), arena_strdup(in->arena, value));
    }
    return alert->labels.n || err_set(err, ERR_DATA, "an alert has only empty labels");
}

static bool moment(const struct json *json, const char *key, int64_t *ret, struct err *err)
{
    const char *text = json_string(json_get(json, key));
    *ret = 0;
    if (!text || !*text || moment_parse_rfc3339(text, ret))
        return true;
    return err_set(err, ERR_DATA, "\"%s\" of an alert is not a moment: \"%.40s\"", key, text);
}

static bool read_alert(struct intake *in, const struct json *json, const char *source, const char *prefix, struct alert_in *ret, struct err *err)
{
    int64_t ends_ms;
    *ret = (struct alert_in){.source = source, .as_it_came = json};
    if (!read_labels(in, json, ret, err) || !moment(json, "startsAt", &ret->started_ms, err) || !moment(json, "endsAt", &ends_ms, err))
        return false;
    ret->key = arena_printf(in->arena, "%s%s", prefix, fingerprint(in, ret));
    ret->summary = summary_of(in, json, ret);
    ret->ended = ends_ms > 0 && ends_ms <= in->wall_ms;
    /* Prometheus says until when its word stands, and says it anew before that. */
    ret->repeat_within_ms = ends_ms > in->wall_ms ? ends_ms - in->wall_ms : in->config->alerts.expire_ms;
    return true;
}

/* Of a webhook, `status` counts, whatever our clock thinks of the moment at which it ended; and what it says stands until it says otherwise. */
static bool read_webhook_alert(struct intake *in, const struct json *json, struct alert_in *ret, struct err *err)
{
    const char *status = json_string(json_get(json, "status"));
    bool ended = same(status, "resolved");
    if (!ended && !same(status, "firing"))
        return err_set(err, ERR_DATA, "the status of an alert is neither firing nor resolved");
    if (!read_alert(in, json, INTAKE_ALERTMANAGER, "am/", ret, err))
        return false;
    ret->ended = ended;
    ret->repeat_within_ms = 0;
    return true;
}

static bool take(struct intake *in, const struct json *alerts, bool webhook, struct err *err)
{
    size_t before = in->rows.n;
    for (size_t i = 0; i < json_count(alerts); i++) {
        struct alert_in alert;
        const struct json *json = json_at(alerts, i);
        bool ok = webhook ? read_webhook_alert(in, json, &alert, err) : read_alert(in, json, INTAKE_PROMETHEUS, ALERT_REPEATED, &alert, err);
        if (ok && in->rows.n - before >= INTAKE_ROWS_MAX)
            ok = err_set(err, ERR_LIMIT, "more than %d alerts in one request", INTAKE_ROWS_MAX);
        if (!ok) {
            in->rows.n = before; /* all or nothing: a sender that is told "no" sends all of it again */
            return false;
        }
        alert_row(in, &alert);
    }
    return true;
}

bool intake_alertmanager(struct intake *in, struct str body, struct err *err)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    const struct json *root;
    if (!json_parse(scratch, body, &root, err))
        return false;
    if (!same(json_string(json_get(root, "version")), "4"))
        return err_set(err, ERR_DATA, "this is not version 4 of Alertmanager's webhook");
    return take(in, json_get(root, "alerts"), true, err);
}

bool intake_prometheus(struct intake *in, struct str body, struct err *err)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    const struct json *root;
    if (!json_parse(scratch, body, &root, err))
        return false;
    if (json_key_at(root, 0) || json_scalar(scratch, root))
        return err_set(err, ERR_DATA, "the body is not an array of alerts");
    return take(in, root, false, err);
}
