/* decide/public.c -- What the public is told, and when. One message for one event at most, made of where the incident stands when the
   event is settled, so that what comes and goes within it is never announced. The words are made by whoever carries the order out. */
#include "decide/decide_internal.h"

#define PUBLIC_STAGE "status-page"
#define CALM_MS MS_MINUTE          /* between steps to and fro: a page that opens and closes is believed no more */
#define LATE_MS (30 * MS_SECOND)   /* a message that comes so much later than promised says so */

static const struct severity_conf *severity_conf_of(const struct decide *d, const struct inc *inc)
{
    return service_severity(svc_of(d, inc)->conf, inc->pub.severity);
}

static int64_t every_ms(const struct decide *d, const struct inc *inc)
{
    const struct severity_conf *severity = severity_conf_of(d, inc);
    return severity ? severity->public_every_ms : 0;
}

/* Does the machine speak for itself here, or only for people? */
static bool machine_speaks(const struct decide *d, const struct inc *inc)
{
    const struct severity_conf *severity = severity_conf_of(d, inc);
    if (!severity || severity->public_from == PUBLIC_FROM_PERSON || inc->pub.public_held)
        return false;
    if (inc->pub.of_alerts)
        return false; /* words of strangers, which nobody here has looked at */
    return inc->pub.playbook == NOTHING || svc_of(d, inc)->conf->playbooks.p[inc->pub.playbook].is_public;
}

/* Two vantage points agree: what looks at the site itself, and what comes the way of the users. */
static bool is_confirmed(const struct decide *d, const struct inc *inc)
{
    const struct svc *svc = svc_of(d, inc);
    const char *site = site_name(svc, inc->pub.from);
    bool at_site = false, on_the_way = false;
    for (size_t i = 0; i < svc->conf->checks.n; i++) {
        const struct check_conf *check = &svc->conf->checks.p[i];
        if (svc->known[i].state != VERDICT_DOWN)
            continue;
        at_site = at_site || (check->site && same(check->site, site));
        on_the_way = on_the_way || !check->site;
    }
    return at_site && on_the_way;
}

/* Somebody works on a cause that is known: a command runs that changes something. */
static bool acts(const struct decide *d, const struct inc *inc)
{
    char words[MODEL_TEXT_SIZE];
    if (!inc->pub.depth || inc->pub.frames[inc->pub.depth - 1].phase != STEP_RUNNING)
        return false;
    return deed_changes(engine_deed(d, inc, words).kind);
}

static enum public_phase phase_of(const struct inc *inc)
{
    if (inc->pub.state >= INCIDENT_RESOLVED)
        return PUBLIC_RESOLVED;
    enum public_phase by_state = inc->pub.state == INCIDENT_MONITORING ? PUBLIC_MONITORING
                                 : inc->acted                          ? PUBLIC_IDENTIFIED
                                                                       : PUBLIC_INVESTIGATING;
    return MAX_OF(by_state, inc->said_phase);
}

void public_say(struct decide *d, struct inc *inc, const char *reason)
{
    struct incident *pub = &inc->pub;
    enum public_phase phase = phase_of(inc);
    int64_t every = every_ms(d, inc);
    pub->public_late_ms = pub->public_serial && pub->public_due_ms != TIME_NEVER ? MAX_OF(0, d->now_ms - pub->public_due_ms) : 0;
    if (pub->public_late_ms < LATE_MS)
        pub->public_late_ms = 0;
    pub->public_relapse = pub->public_serial && phase < pub->public_phase;
    pub->public_serial++;
    pub->public_phase = phase;
    pub->public_at_ms = d->now_ms;
    pub->public_wall_ms = d->wall_ms;
    pub->public_due_ms = every > 0 && phase != PUBLIC_RESOLVED ? d->now_ms + every : TIME_NEVER;
    inc->reminded = 0;
    inc->public_highest = MAX_OF(inc->public_highest, phase);
    struct order *order = order_add(d, ORDER_PUBLIC, inc);
    COPY_TO(order->subject, public_phase_name(phase));
    order->number = pub->public_serial;
    order->ref = pub->public_due_ms == TIME_NEVER ? 0 : d->wall_ms + every;
    COPY_TO(order->text, reason);
    COPY_TO(order->stage, reason);
    if (same(reason, PUBLIC_BY_PERSON))
        COPY_TO(order->who, d->who);
}

void public_stage(struct inc *inc, const char *stage)
{
    inc->public_stage = inc->public_stage || same(stage, PUBLIC_STAGE);
}

/* The first message waits for the first stage even when it is confirmed at once: what is over within seconds was never public. */
static const char *first(const struct decide *d, const struct inc *inc)
{
    if (inc->pub.state >= INCIDENT_MONITORING)
        return NULL;
    if (inc->public_stage)
        return "stage";
    bool at_once = severity_conf_of(d, inc)->public_from == PUBLIC_FROM_CONFIRMED && (inc->told & 1);
    return at_once && is_confirmed(d, inc) ? "confirmed" : NULL;
}

static bool is_step_back(const struct inc *inc, enum public_phase phase)
{
    return phase != PUBLIC_RESOLVED && phase <= inc->public_highest;
}

static const char *change(const struct decide *d, const struct inc *inc)
{
    enum public_phase phase = phase_of(inc);
    if (phase == inc->pub.public_phase || (is_step_back(inc, phase) && d->now_ms < inc->pub.public_at_ms + CALM_MS))
        return NULL;
    return "change";
}

/* People who began to speak to the public themselves are reminded of what they promised, and of saying how it ended. */
static void remind(struct decide *d, struct inc *inc)
{
    bool over = phase_of(inc) == PUBLIC_RESOLVED && inc->pub.public_phase != PUBLIC_RESOLVED;
    if (inc->reminded >= (over ? 2 : 1) || (!over && d->now_ms < inc->pub.public_due_ms))
        return;
    inc->reminded = over ? 2 : 1;
    char text[MODEL_TEXT_SIZE];
    SAY(text, "%s; bascule incident say %lld --public \"WORDS\"",
        over ? "it is over, and the public was not told so" : "the public was promised news by now", (long long)inc->pub.id);
    tell(d, inc, NOTICE_REMINDER, text);
}

void public_move(struct decide *d, struct inc *inc)
{
    if (inc->handed_over)
        return;
    inc->acted = inc->acted || acts(d, inc);
    if (inc->pub.state >= INCIDENT_MONITORING)
        inc->said_phase = PUBLIC_INVESTIGATING; /* what a person knew before is overtaken, and must not hide a relapse */
    if (!machine_speaks(d, inc)) {
        if (inc->pub.public_serial)
            remind(d, inc);
        return;
    }
    const char *reason = inc->pub.public_serial ? change(d, inc) : first(d, inc);
    if (!reason && inc->pub.public_serial && d->now_ms >= inc->pub.public_due_ms)
        reason = "floor";
    if (reason)
        public_say(d, inc, reason);
}

int64_t public_next_ms(const struct decide *d, const struct inc *inc)
{
    if (!inc->pub.public_serial || (!machine_speaks(d, inc) && inc->reminded))
        return TIME_NEVER;
    int64_t next = inc->pub.public_due_ms;
    enum public_phase phase = phase_of(inc);
    if (machine_speaks(d, inc) && phase != inc->pub.public_phase && is_step_back(inc, phase))
        next = MIN_OF(next, inc->pub.public_at_ms + CALM_MS);
    return next;
}

/* ---- people ---- */

void public_person(struct decide *d, struct inc *inc, const struct event *event)
{
    if (same(event->subject, "hold") || same(event->subject, "resume")) {
        inc->pub.public_held = same(event->subject, "hold");
    } else if (same(event->subject, "public")) {
        if (event->number >= 0 && event->number < PUBLIC_RESOLVED)
            inc->said_phase = (enum public_phase)event->number;
        public_say(d, inc, PUBLIC_BY_PERSON);
    } else if (same(event->subject, "inside")) {
        char text[MODEL_TEXT_SIZE];
        SAY(text, "%s%s%s", event->who, *event->who ? ": " : "", event->text);
        tell(d, inc, NOTICE_SAY, text);
    }
}
