/* decide/alerts.c -- Alerts of other programs become few incidents: alike ones share one, and a storm shares one, whatever it is made
   of. A graver alert never waits behind a lighter one: it gets, or finds, an incident of its own severity. */
#include "base/map.h"
#include "decide/decide_internal.h"

static struct inc *incident_of(const struct decide *d, int64_t id)
{
    for (size_t i = d->incidents.n; i-- > 0;)
        if (d->incidents.p[i]->pub.id == id)
            return d->incidents.p[i];
    return NULL;
}

/* Severities count downwards: P1 is the gravest and has the lowest number. */
static bool gathers(const struct inc *inc, const struct svc *svc, const char *group, enum severity severity)
{
    if (!inc->pub.of_alerts || !is_unresolved(inc) || inc->pub.service != svc->index)
        return false;
    return *group ? same(inc->group, group) && inc->pub.severity <= severity : !*inc->group && inc->pub.severity == severity;
}

static struct inc *gathering(const struct decide *d, const struct svc *svc, const char *group, enum severity severity)
{
    for (size_t i = 0; i < d->incidents.n; i++)
        if (gathers(d->incidents.p[i], svc, group, severity))
            return d->incidents.p[i];
    return NULL;
}

static struct inc *open_gathering(struct decide *d, struct svc *svc, const struct event *event, bool storm)
{
    struct event cause = *event;
    enum severity severity = (enum severity)event->number;
    if (storm)
        SAY(cause.text, "alert storm: after %d incidents of alerts of severity %s, all further ones are gathered here; the first of them: %.400s",
            d->config->alerts.storm_after, severity_name(severity), event->text);
    struct inc *inc = open_incident(d, svc, NOTHING, severity, &cause);
    inc->pub.of_alerts = true;
    if (!storm)
        COPY_TO(inc->group, event->who);
    return inc;
}

/* The incident that an alert belongs to. */
static struct inc *place(struct decide *d, struct svc *svc, const struct event *event)
{
    enum severity severity = (enum severity)event->number;
    struct window *window = &svc->gatherings[severity];
    struct inc *inc = gathering(d, svc, event->who, severity);
    if (inc)
        return inc;
    bool storm = window_full(window, d->now_ms, d->config->alerts.storm_window_ms);
    if (storm && (inc = gathering(d, svc, "", severity)))
        return inc;
    if (!storm)
        window_add(window, d->now_ms);
    return open_gathering(d, svc, event, storm);
}

/* What people read in every later message: how many there are. */
static void describe(struct inc *inc, const struct event *event)
{
    if (inc->pub.alerts_seen > 1)
        SAY(inc->pub.cause, "%d alerts, %d of them firing; the last one: %.400s", inc->pub.alerts_seen, inc->pub.alerts_firing, event->text);
}

/* Forgets that it fires. */
static void end(struct decide *d, const struct alert *alert, const char *key)
{
    struct inc *inc = incident_of(d, alert->incident);
    map_remove(d->alerts, key);
    if (inc && --inc->pub.alerts_firing == 0)
        inc->quiet_since_ms = d->now_ms;
}

void alerts_forget(struct decide *d, const struct inc *inc)
{
    for (size_t i = 0; d->alerts && i < map_places(d->alerts); i++) {
        const char *key;
        const struct alert *alert = map_at(d->alerts, i, &key);
        char copy[MAP_KEY_SIZE]; /* the key goes with its entry */
        if (!alert || alert->incident != inc->pub.id)
            continue;
        COPY_TO(copy, key);
        map_remove(d->alerts, copy);
    }
}

static void begin(struct decide *d, struct svc *svc, const struct event *event)
{
    struct inc *inc = place(d, svc, event);
    struct alert *alert = map_put(d->alerts, event->subject);
    inc->pub.alerts_seen++;
    if (alert) {
        *alert = (struct alert){.severity = (enum severity)event->number, .started_ms = event->ref, .incident = inc->pub.id};
        inc->pub.alerts_firing++;
        inc->quiet_since_ms = 0;
    } else if (!inc->pub.alerts_firing) {
        inc->quiet_since_ms = d->now_ms; /* there is no room to follow it: it is counted, and told, and over when the others are */
    }
    describe(inc, event);
}

static void go_on(struct decide *d, struct svc *svc, struct alert *alert, const struct event *event)
{
    struct inc *inc = incident_of(d, alert->incident);
    bool graver = event->number < (int64_t)alert->severity, anew = event->ref > alert->started_ms;
    if (graver || (anew && (!inc || !is_unresolved(inc)))) { /* a graver incident's business; or what a person resolved began again */
        end(d, alert, event->subject);
        begin(d, svc, event);
        return;
    }
    alert->severity = (enum severity)event->number;
    if (!anew)
        return; /* said before */
    alert->started_ms = event->ref;
    inc->pub.alerts_seen++;
    describe(inc, event);
}

void on_alert(struct decide *d, const struct event *event)
{
    struct svc *svc = svc_named(d, event->service);
    if (!svc || !*event->subject || event->number >= SEVERITY_MAX)
        return;
    if (!d->alerts)
        d->alerts = map_new(d->arena, sizeof(struct alert), ALERTS_MAX);
    struct alert *alert = map_get(d->alerts, event->subject);
    if (event->number >= 0 && alert)
        go_on(d, svc, alert, event);
    else if (event->number >= 0)
        begin(d, svc, event);
    else if (alert && (!event->ref || event->ref >= alert->started_ms)) /* else the end of an earlier time, told late */
        end(d, alert, event->subject);
}

/* ---- by themselves ---- */

int64_t alerts_next_ms(const struct decide *d, const struct inc *inc)
{
    return inc->pub.of_alerts && inc->quiet_since_ms ? inc->quiet_since_ms + d->config->alerts.hold_ms : TIME_NEVER;
}

bool alerts_move(struct decide *d, struct inc *inc)
{
    return d->now_ms >= alerts_next_ms(d, inc) && incident_walk(d, inc, ON_CLEARED);
}

/* ---- reading ---- */

bool decide_alert(const struct decide *d, const char *key, struct alert_state *ret)
{
    const struct alert *alert = d->alerts ? map_get(d->alerts, key) : NULL;
    if (alert)
        *ret = (struct alert_state){.severity = alert->severity, .started_ms = alert->started_ms, .incident = alert->incident};
    return alert;
}

size_t decide_alerts(const struct decide *d)
{
    return d->alerts ? map_count(d->alerts) : 0;
}

void decide_each_alert(const struct decide *d, void (*each)(void *arg, const char *key, const struct alert_state *state), void *arg)
{
    for (size_t i = 0; d->alerts && i < map_places(d->alerts); i++) {
        const char *key;
        struct alert_state state;
        if (map_at(d->alerts, i, &key) && decide_alert(d, key, &state))
            each(arg, key, &state);
    }
}
