/* daemon/alerts.c -- What other programs tell becomes rows: only what is news is written, in one transaction a turn, before its sender is
   answered. What Prometheus says must be said again; here is kept until when. */
#include <inttypes.h>

#include "base/map.h"
#include "daemon/daemon_internal.h"
#include "serve/serve.h"
#include "sys/beat.h"
#include "sys/log.h"

enum { LOOK_MS = 1000, BEAT_EVERY_MS = 1000, LISTEN_AGAIN_MS = 5000 };
#define ROOM_FOR_LIGHT (ALERTS_MAX / 10 * 9) /* the last tenth is for the gravest */

struct beat {
    int64_t boot_ms; /* when it was written last */
};

struct alerts {
    struct daemon *d;
    struct serve *serve;
    struct loop_timer *timer;
    struct map *until; /* int64_t core time by key: over, unless it is said again before */
    struct map *beats; /* struct beat by name */
    int64_t listen_boot_ms; /* when it is tried again; 0: no need */
};

/* ---- what is news ---- */

/* Of the rows that were kept of this turn already: they are on no disk yet, and decide knows nothing of them. */
struct turn {
    bool began, ended;
    size_t beginnings;
};

static void keep_until(struct alerts *a, const char *key, int64_t within_ms)
{
    int64_t *until = within_ms > 0 ? map_put(a->until, key) : NULL;
    if (until)
        *until = daemon_now(a->d) + within_ms;
    else
        map_remove(a->until, key);
}

static bool is_news(const struct daemon *d, const struct record *row, const struct turn *turn)
{
    struct alert_state known;
    bool fires = decide_alert(d->decide, row->subject, &known);
    if (row->number < 0)
        return turn->began || (fires && (!row->ref || row->ref >= known.started_ms));
    return turn->ended || !fires || known.severity != (enum severity)row->number || row->ref > known.started_ms;
}

static bool has_room(const struct daemon *d, const struct record *row, const struct turn *turn)
{
    return row->number == SEVERITY_P1 || decide_alerts(d->decide) + turn->beginnings < ROOM_FOR_LIGHT;
}

/* An acknowledgement is about an incident, which may be opened by a row before it. */
static bool take_ack(struct alerts *a, const struct record *row, struct err *err)
{
    struct alert_state alert;
    const struct incident *incident =
        decide_alert(a->d->decide, row->subject, &alert) ? decide_incident(a->d->decide, alert.incident) : NULL;
    if (!incident || incident->state >= INCIDENT_RESOLVED || incident->acked_at_ms)
        return true; /* of nothing that is open: as where it comes from, it is dropped */
    struct record record = *row;
    record.incident = incident->id;
    record.service = a->d->config->services.p[incident->service].name;
    return daemon_feed_rows(a->d, &record, 1, err);
}

/* Rows up to the next acknowledgement. */
static bool take_alerts(struct alerts *a, const struct intake_row *rows, size_t count, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct record *news = arena_array(arena, struct record, count);
    struct turn turn = {0};
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct record *row = &rows[i].record;
        if (!is_news(a->d, row, &turn))
            continue;
        if (row->number >= 0 && !has_room(a->d, row, &turn))
            return err_set(err, ERR_UNAVAILABLE, "more than %d alerts fire", ROOM_FOR_LIGHT);
        turn.beginnings += row->number >= 0;
        turn.began = turn.began || row->number >= 0;
        turn.ended = turn.ended || row->number < 0;
        news[n++] = *row;
    }
    if (n && !daemon_feed_rows(a->d, news, n, err))
        return false;
    for (size_t i = 0; i < count; i++)
        keep_until(a, rows[i].record.subject, rows[i].repeat_within_ms);
    return true;
}

/* Alerts are the business of who leads; whoever sends them says them again, there or here. */
static bool is_ours(const struct alerts *a, const struct intake_row *rows, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = rows[i].record.kind == EVENT_ALERT ? daemon_led_by(a->d, rows[i].record.service) : NULL;
        if (other)
            return err_set(err, ERR_UNAVAILABLE, "another controller leads: %s", other);
    }
    return true;
}

static bool take(void *arg, const struct intake_row *rows, size_t count, struct err *err)
{
    struct alerts *a = arg;
    if (!is_ours(a, rows, count, err))
        return false;
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && rows[end].record.kind == EVENT_ALERT; end++)
            continue;
        if (end > begin && !take_alerts(a, rows + begin, end - begin, err))
            return false;
        if (end < count && !take_ack(a, &rows[end++].record, err))
            return false;
    }
    return true;
}

/* ---- what was not said again ---- */

static void end_silent(struct alerts *a, const char *key)
{
    struct event event = {.kind = EVENT_ALERT, .number = -1};
    COPY_TO(event.subject, key);
    COPY_TO(event.service, a->d->config->services.p[0].name);
    COPY_TO(event.who, "bascule");
    COPY_TO(event.text, "it was not said again in time, so it is over");
    map_remove(a->until, key);
    daemon_feed(a->d, &event, NULL);
}

/* After a restart their senders have as long as ever to say them again. */
static void on_firing(void *arg, const char *key, const struct alert_state *state UNUSED)
{
    struct alerts *a = arg;
    if (intake_repeats(key))
        keep_until(a, key, a->d->config->alerts.expire_ms);
}

/* ---- heartbeats, health ---- */

static bool is_awaited(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->services.n; i++)
        for (size_t k = 0; k < config->services.p[i].checks.n; k++)
            if (same(check_heartbeat_name(&config->services.p[i].checks.p[k]), name))
                return true;
    return false;
}

/* Beats that come faster than anybody asks for them are not worth a write each. */
static bool take_beat(void *arg, const char *name, struct err *err)
{
    struct alerts *a = arg;
    if (!is_awaited(a->d->config, name))
        return err_set(err, ERR_NOT_FOUND, "no check awaits this heartbeat");
    struct beat *last = map_put(a->beats, name);
    int64_t now = clock_boot_ms();
    if (last && last->boot_ms && now - last->boot_ms < BEAT_EVERY_MS)
        return true;
    if (!beat_write(a->d->config->state_dir, name, err))
        return false;
    if (last)
        last->boot_ms = now;
    return true;
}

static bool say_health(void *arg, struct buf *json)
{
    struct alerts *a = arg;
    return pulse_health(a->d->pulse, json);
}

/* ---- listening ---- */

static const struct serve_callbacks callbacks = {.take = take, .beat = take_beat, .health = say_health};

/* An address that is taken must not keep the controller from watching: it is said, tried again, and no heartbeat goes out meanwhile. */
static void listen_now(struct alerts *a)
{
    struct serve_callbacks ours = callbacks;
    struct err err = {0};
    bool first = !a->listen_boot_ms;
    ours.arg = a;
    a->listen_boot_ms = 0;
    if (serve_open(a->d->loop, a->d->config, &ours, &a->serve, &err)) {
        log_line(LOG_INFO, "listening for alerts and heartbeats on %s", a->d->config->serve.listen);
        if (!beat_write(a->d->config->state_dir, BEAT_LISTENING, &err)) /* without it no heartbeat is missed, which is said as unknown */
            log_err(LOG_WARNING, &err);
        return;
    }
    a->listen_boot_ms = clock_boot_ms() + LISTEN_AGAIN_MS;
    if (first)
        log_err(LOG_ERROR, &err);
}

bool alerts_deaf(const struct alerts *a)
{
    return a->listen_boot_ms != 0;
}

static void on_timer(void *arg)
{
    struct alerts *a = arg;
    int64_t now = daemon_now(a->d);
    for (size_t i = 0; i < map_places(a->until) && !a->d->stopping; i++) {
        const char *key;
        const int64_t *until = map_at(a->until, i, &key);
        if (!until || *until > now)
            continue;
        char copy[MAP_KEY_SIZE]; /* the key goes with its entry */
        COPY_TO(copy, key);
        end_silent(a, copy);
    }
    if (a->listen_boot_ms && clock_boot_ms() >= a->listen_boot_ms)
        listen_now(a);
    loop_timer_set(a->timer, clock_boot_ms() + LOOK_MS);
}

/* ---- opening ---- */

struct alerts *alerts_open(struct daemon *d)
{
    struct alerts *a = arena_new(d->arena, struct alerts);
    *a = (struct alerts){.d = d};
    a->until = map_new(d->arena, sizeof(int64_t), ALERTS_MAX);
    a->beats = map_new(d->arena, sizeof(struct beat), ALERTS_MAX);
    a->timer = loop_timer_new(d->loop, on_timer, a);
    return a;
}

void alerts_begin(struct alerts *a)
{
    decide_each_alert(a->d->decide, on_firing, a);
    on_timer(a);
    if (a->d->config->serve.listen && !a->d->spec->only_playbook)
        listen_now(a);
}

void alerts_close(struct alerts *a)
{
    if (!a)
        return;
    serve_close(&a->serve);
    loop_timer_free(&a->timer);
}
