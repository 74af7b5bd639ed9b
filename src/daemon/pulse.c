/* daemon/pulse.c -- The signs of life, looked at by a timer of its own: that it fires is the first of them. */
#include <inttypes.h>

#include "base/jsonout.h"
#include "daemon/daemon_internal.h"
#include "io/signature.h"
#include "sys/log.h"
#include "sys/secret.h"

enum {
    BEAT_MS = 1000,
    PROVEN_FOR_MS = 1000,  /* a proof of the journal costs a write: whoever asks more often gets the last one */
    LATE_MS = 3000,        /* a clock that is overdue for so long does not run */
    STUCK_MS = 5000,       /* likewise for a message whose turn it is */
    TIMEOUT_MS = 10 * 1000,
    ANSWER_MAX = 64 * 1024,
    BODY_MAX = 16 * 1024,
};

struct pulse {
    struct daemon *d;
    struct loop_timer *timer, *send_timer;
    struct http_request *request;
    int64_t fired_boot_ms;
    int64_t proven_boot_ms; /* when the journal was tried last */
    bool proven;
    char why[256];          /* the journal's last refusal */
    bool failing, ill;      /* said already */
};

/* ---- are we well? ---- */

static bool journal_is_well(struct pulse *p)
{
    int64_t now = clock_boot_ms();
    if (p->proven_boot_ms && now - p->proven_boot_ms < PROVEN_FOR_MS)
        return p->proven;
    struct err err = {0};
    p->proven = journal_prove(p->d->journal, &err);
    COPY_TO(p->why, p->proven ? "" : err.message);
    p->proven_boot_ms = clock_boot_ms();
    return p->proven;
}

static int64_t overdue_ms(const struct daemon *d, int64_t core_ms)
{
    return core_ms == TIME_NEVER ? 0 : MAX_OF(daemon_now(d) - core_ms, 0);
}

static int64_t clocks_late_ms(const struct pulse *p)
{
    int64_t late = clock_boot_ms() - p->fired_boot_ms - BEAT_MS;
    late = MAX_OF(late, overdue_ms(p->d, decide_next_ms(p->d->decide)));
    return MAX_OF(late, overdue_ms(p->d, judge_next_ms(p->d->judge)));
}

static void put_leads(const struct daemon *d, struct jsonout *j)
{
    if (!d->leads)
        return;
    json_key(j, "leads");
    json_object(j);
    for (size_t i = 0; i < d->config->services.n; i++) {
        const char *service = d->config->services.p[i].name, *other = daemon_led_by(d, service);
        json_put_text(j, service, other ? other : daemon_may_act(d, service) ? "this controller" : "not known");
    }
    json_object_end(j);
}

bool pulse_health(struct pulse *p, struct buf *json)
{
    int64_t late = clocks_late_ms(p), stuck = outbox_overdue_ms(p->d->outbox);
    bool journal = journal_is_well(p), clocks = late < LATE_MS, outbox = stuck < STUCK_MS;
    bool deaf = alerts_deaf(p->d->alerts), well = journal && clocks && outbox && !deaf && !p->d->stopping;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct jsonout j = jsonout(json);
    json_object(&j);
    json_put_text(&j, "status", well ? "ok" : "ill");
    json_put_text(&j, "journal", journal ? "ok" : p->why);
    json_put_text(&j, "clocks", clocks ? "ok" : arena_printf(a, "%s late", duration_say(a, late)));
    json_put_text(&j, "outbox", outbox ? "ok" : arena_printf(a, "a message waits for its turn since %s", duration_say(a, stuck)));
    json_put_text(&j, "listening", deaf ? "not possible" : "ok");
    json_put_int(&j, "last_record", p->d->last_seq);
    json_put_int(&j, "alerts_firing", (int64_t)decide_alerts(p->d->decide));
    put_leads(p->d, &j);
    json_put_int(&j, "messages_waiting", (int64_t)outbox_pending(p->d->outbox));
    json_object_end(&j);
    return well;
}

/* ---- the heartbeat that goes out ---- */

static void note_failure(struct pulse *p, const char *why)
{
    if (!p->failing)
        log_line(LOG_WARNING, "the heartbeat was not taken: %s", why);
    p->failing = true;
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err)
{
    struct pulse *p = arg;
    char why[64];
    p->request = NULL;
    if (!response) {
        note_failure(p, err->message);
    } else if (response->status / 100 != 2) {
        snprintf(why, sizeof(why), "the answer was %ld", response->status);
        note_failure(p, why);
    } else {
        if (p->failing)
            log_line(LOG_INFO, "the heartbeat is taken again");
        p->failing = false;
    }
}

static bool headers(struct arena *arena, const struct heartbeat_conf *conf, struct str body, const char **to, struct err *err)
{
    int64_t wall_ms = clock_wall_ms();
    const char *id = arena_printf(arena, "heartbeat_%" PRId64, wall_ms), *signature = NULL;
    char *secret = NULL;
    *to++ = "Content-Type: application/json";
    *to++ = arena_printf(arena, "webhook-id: %s", id);
    *to++ = arena_printf(arena, "webhook-timestamp: %" PRId64, wall_ms / MS_SECOND);
    if (conf->secret.source == SECRET_NONE)
        return true;
    if (!secret_read(arena, &conf->secret, &secret, err))
        return err_prefix(err, "the secret of the heartbeat");
    bool ok = signature_webhook(arena, secret, id, wall_ms / MS_SECOND, body, &signature, err);
    secret_wipe(secret);
    if (ok)
        *to = arena_printf(arena, "webhook-signature: %s", signature);
    return ok;
}

static bool send_beat(struct pulse *p, struct str body, struct err *err)
{
    enum { HEADERS = 5 };
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct heartbeat_conf *conf = &p->d->config->heartbeat_out;
    const char *lines[HEADERS] = {NULL};
    if (!headers(arena, conf, body, lines, err))
        return false;
    struct http_spec spec = {.method = "POST", .url = conf->url, .headers = lines, .body = body.p, .body_size = body.n,
                             .timeout_ms = MIN_OF((int64_t)TIMEOUT_MS, conf->every_ms), .max_body = ANSWER_MAX, .ca_file = conf->ca_file};
    return http_start(p->d->http, &spec, on_answer, p, &p->request, err);
}

static void on_send(void *arg)
{
    struct pulse *p = arg;
    struct err err = {0};
    SCOPED(buf_done) struct buf body = {.max = BODY_MAX};
    bool well = pulse_health(p, &body);
    loop_timer_set(p->send_timer, clock_boot_ms() + p->d->config->heartbeat_out.every_ms);
    if (!well && !p->ill)
        log_line(LOG_ERROR, "no heartbeat is sent: %s", buf_text(&body));
    p->ill = !well;
    if (well && !p->request && !daemon_only_waits(p->d) && !send_beat(p, buf_str(&body), &err))
        note_failure(p, err.message);
}

static void on_timer(void *arg)
{
    struct pulse *p = arg;
    p->fired_boot_ms = clock_boot_ms();
    loop_timer_set(p->timer, p->fired_boot_ms + BEAT_MS);
}

struct pulse *pulse_open(struct daemon *d)
{
    struct pulse *p = arena_new(d->arena, struct pulse);
    *p = (struct pulse){.d = d};
    p->timer = loop_timer_new(d->loop, on_timer, p);
    p->send_timer = loop_timer_new(d->loop, on_send, p);
    return p;
}

void pulse_begin(struct pulse *p)
{
    on_timer(p);
    if (p->d->config->heartbeat_out.url && !p->d->spec->only_playbook)
        on_send(p);
}

void pulse_close(struct pulse *p)
{
    if (!p)
        return;
    http_cancel(&p->request);
    loop_timer_free(&p->timer);
    loop_timer_free(&p->send_timer);
}
