/* decide/events.c -- What each kind of event means: one function each, in a table. */
#include "decide/decide_internal.h"

struct svc *svc_named(const struct decide *d, const char *name)
{
    const struct service *conf = config_service(d->config, *name ? name : NULL);
    return conf ? &d->services[conf - d->config->services.p] : NULL;
}

/* Which incident a person means: the one named, else the newest that is unresolved. */
static struct inc *inc_meant(const struct decide *d, const struct event *event)
{
    const struct svc *svc = *event->service ? svc_named(d, event->service) : NULL;
    struct inc *newest = NULL; /* unresolved, for want of one with a playbook */
    for (size_t i = d->incidents.n; i-- > 0;) {
        struct inc *inc = d->incidents.p[i];
        bool fits = is_unresolved(inc) && (!svc || inc->pub.service == svc->index);
        if (event->incident ? inc->pub.id == event->incident : fits && inc->pub.playbook != NOTHING)
            return inc;
        if (fits && !newest)
            newest = inc;
    }
    return event->incident ? NULL : newest;
}

/* "anna: I pulled its power cord" */
static const char *words_of(const struct event *event, char words[MODEL_TEXT_SIZE])
{
    say(words, MODEL_TEXT_SIZE, "%s%s%s", event->who, *event->who && *event->text ? ": " : "", event->text);
    return words;
}

static void on_started(struct decide *d, const struct event *event UNUSED)
{
    d->started_ms = d->now_ms;
    /* Nobody was there to carry a cancel out: from now on its command has the time to end that it is given. */
    for (size_t i = 0; i < d->incidents.n; i++) {
        if (d->incidents.p[i]->pub.depth && top(d->incidents.p[i])->phase == STEP_RUNNING && top_more(d->incidents.p[i])->stopping)
            top(d->incidents.p[i])->phase_at_ms = d->now_ms;
        letters_restart(d, d->incidents.p[i]);
    }
    /* What the last controller saw is no news any more: a service that was well before the disaster must not pass for well after it. */
    for (size_t i = 0; i < d->config->services.n; i++) {
        for (size_t k = 0; k < d->services[i].conf->checks.n; k++)
            d->services[i].known[k].state = VERDICT_UNKNOWN;
        d->services[i].turned = true;
        d->services[i].behind = false; /* who leads now is told anew */
    }
}

/* Whatever is under way goes on where the lead is, which opens incidents of its own. Notes of people stay where they wrote them. */
static void hand_over(struct decide *d, const struct svc *svc)
{
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        if (inc->pub.service != svc->index || !is_unresolved(inc) || (inc->pub.playbook == NOTHING && !inc->pub.of_alerts))
            continue;
        inc->handed_over = true;
        inc->wanted = NOTHING;
        engine_unwind(d, inc, OUTCOME_FAILURE, OUTCOME_FAILURE, "another controller leads");
        alerts_forget(d, inc);
        incident_walk(d, inc, ON_HANDED_OVER);
    }
}

/* While another controller leads, it may move the users. */
static void on_leader(struct decide *d, const struct event *event)
{
    enum { ANOTHER = 1 };
    struct svc *svc = svc_named(d, event->service);
    if (!svc)
        return;
    bool behind = event->number == ANOTHER;
    if (behind || svc->behind)
        hand_over(d, svc);
    svc->turned = svc->turned || behind != svc->behind;
    svc->behind = behind;
    int64_t moved_ms = d->now_ms - MAX_OF(event->wall_ms - event->ref, 0);
    if (event->ref && (svc->failover_ms == TIME_NEVER || moved_ms > svc->failover_ms))
        svc->failover_ms = moved_ms;
    const struct site *site = *event->subject ? service_site(svc->conf, event->subject) : NULL;
    if (!site)
        return;
    svc->active = (int)(site - svc->conf->sites.p);
    svc->moving = NOTHING;
    svc->fenced[svc->active] = false;
    svc->served[svc->active] = true;
    svc->turned = true;
}

static void on_verdict(struct decide *d, const struct event *event)
{
    struct svc *svc = svc_named(d, event->service);
    struct known *known = svc ? known_of(svc, event->subject) : NULL;
    if (!known || event->number < 0 || event->number >= VERDICT_MAX)
        return;
    known->state = (enum verdict_state)event->number;
    known->seq = d->seq;
    known->good_wall_ms = MAX_OF(known->good_wall_ms, event->ref);
    COPY_TO(known->text, event->text);
    svc->turned = true;
}

/* What was measured decides which steps are taken, so that a replay takes the same. */
void weigh(struct decide *d, const struct event *event)
{
    if (event->kind != EVENT_FACT || !same(event->subject, WAY_BEST_FACT))
        return;
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        enum way_kind best = WAY_MAX;
        if (inc->pub.id != event->incident || !is_unresolved(inc) || (!way_of(event->text, &best) && !same(event->text, WAY_NONE)))
            continue;
        inc->weighed = true;
        inc->best = best;
    }
}

/* The standbys were compared once they stood still, and another one has more. What follows is about that one. */
void choose_standby(struct decide *d, const struct event *event)
{
    if (event->kind != EVENT_FACT || !same(event->subject, PROMOTE_SITE_FACT))
        return;
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        struct svc *svc = svc_of(d, inc);
        const struct site *site = service_site(svc->conf, event->text);
        int to = site ? (int)(site - svc->conf->sites.p) : NOTHING;
        if (inc->pub.id != event->incident || !is_unresolved(inc) || to == NOTHING || to == inc->pub.from || !*inc->promotion.run)
            continue;
        inc->pub.to = inc->promotion.site = to;
        svc->served[to] = true; /* from now on it may accept writes */
        void_certificate(d, svc, to);
    }
}

static void on_outcome(struct decide *d, const struct event *event)
{
    static const enum happening happenings[OUTCOME_MAX] = {
        [OUTCOME_SUCCESS] = STEP_SUCCEEDS, [OUTCOME_FAILURE] = STEP_FAILS,     [OUTCOME_EXPIRY] = STEP_EXPIRES,
        [OUTCOME_BLOCKED] = STEP_REFUSED,  [OUTCOME_SKIPPED] = STEP_SUCCEEDS,
    };
    bool known = event->number >= 0 && event->number < OUTCOME_MAX;
    enum happening on = known ? happenings[event->number] : STEP_FAILS;
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        learn(d, inc, event->subject, on == STEP_SUCCEEDS); /* what is done is done, even when the step was given up meanwhile */
        struct frame *frame = top(inc);
        if (inc->pub.depth && frame->phase == STEP_RUNNING && same(frame->run, event->subject))
            engine_happens(d, inc, on, event->text);
    }
}

/* A person who starts a playbook while an incident of the service is unresolved takes that incident over. */
static void join(struct decide *d, struct inc *inc, int playbook, const struct event *event)
{
    inc->wanted = playbook;
    COPY_TO(inc->wanted_by, event->who);
    if (inc->pub.depth && top(inc)->phase == STEP_RUNNING && !top_more(inc)->stopping) /* never two commands at once: its end is awaited */
        engine_happens(d, inc, STEP_REPLACED, "");
}

static void on_open(struct decide *d, const struct event *event)
{
    struct svc *svc = svc_named(d, event->service);
    if (!svc)
        return;
    const struct playbook *playbook = service_playbook(svc->conf, event->subject);
    int index = playbook ? (int)(playbook - svc->conf->playbooks.p) : NOTHING;
    bool stated = event->number >= 0 && event->number < SEVERITY_MAX;
    int severity = stated ? (int)event->number : playbook ? playbook->severity : SEVERITY_P2;
    struct inc *inc = index == NOTHING ? NULL : worked_on(d, svc);
    if (inc)
        join(d, inc, index, event);
    else
        open_incident(d, svc, index, (enum severity)severity, event);
}

static void on_ack(struct decide *d, const struct event *event)
{
    struct inc *inc = inc_meant(d, event);
    if (inc && !inc->pub.acked_at_ms && is_unresolved(inc))
        acknowledge(d, inc, event->text);
}

static void on_escalate(struct decide *d, const struct event *event)
{
    struct inc *inc = inc_meant(d, event);
    bool raise = inc && event->number >= 0 && event->number < (int64_t)inc->pub.severity;
    if (inc && is_unresolved(inc))
        escalate(d, inc, raise ? (enum severity)event->number : SEVERITY_MAX, event->text);
}

static void on_letter(struct decide *d, const struct event *event)
{
    bool delivered = event->kind == EVENT_DELIVERED;
    for (size_t i = 0; i < d->incidents.n && (delivered || event->ref < 0); i++)
        if (d->incidents.p[i]->pub.id == event->incident)
            letters_settle(d, d->incidents.p[i], event->subject, delivered);
}

static void on_resolve(struct decide *d, const struct event *event)
{
    struct inc *inc = inc_meant(d, event);
    if (!inc || !is_unresolved(inc))
        return;
    char why[MODEL_TEXT_SIZE];
    SAY(why, "%s resolved the incident", *event->who ? event->who : "a person");
    inc->wanted = NOTHING;
    engine_unwind(d, inc, OUTCOME_FAILURE, OUTCOME_FAILURE, why);
    incident_walk(d, inc, ON_RESOLVE);
    svc_of(d, inc)->turned = true;
    if (inc->pub.playbook != NOTHING) /* what a person declares done does not open again by itself before it has been well */
        svc_of(d, inc)->books[inc->pub.playbook].waiting = false;
}

static void on_review(struct decide *d, const struct event *event)
{
    struct inc *inc = inc_meant(d, event);
    if (inc)
        incident_walk(d, inc, ON_REVIEW);
}

/* An answer that names a run is for that run alone: it may be late, and another step may be asking by now. */
static struct inc *inc_asked(const struct decide *d, const struct event *event)
{
    struct inc *inc = inc_meant(d, event);
    struct frame *frame = inc && inc->pub.depth ? top(inc) : NULL;
    return frame && (!*event->subject || same(event->subject, frame->run)) ? inc : NULL;
}

static void on_approve(struct decide *d, const struct event *event)
{
    char words[MODEL_TEXT_SIZE];
    struct inc *inc = inc_asked(d, event);
    if (inc && engine_happens(d, inc, STEP_APPROVED, words_of(event, words)))
        guard_approve(inc);
}

static void on_deny(struct decide *d, const struct event *event)
{
    char words[MODEL_TEXT_SIZE];
    struct inc *inc = inc_asked(d, event);
    if (inc)
        engine_happens(d, inc, STEP_DENIED, words_of(event, words));
}

static void on_certify(struct decide *d, const struct event *event)
{
    char words[MODEL_TEXT_SIZE];
    struct inc *inc = inc_meant(d, event);
    const struct site *site = inc ? service_site(svc_of(d, inc)->conf, event->subject) : NULL;
    if (!site || !is_unresolved(inc))
        return;
    certify(d, inc, (int)(site - svc_of(d, inc)->conf->sites.p));
    engine_happens(d, inc, STEP_CERTIFIED, words_of(event, words));
}

static void on_retry(struct decide *d, const struct event *event)
{
    char words[MODEL_TEXT_SIZE];
    struct inc *inc = inc_meant(d, event);
    if (!inc || !inc->blocked)
        return;
    inc->retried = true;
    if (inc->pub.depth)
        engine_happens(d, inc, STEP_RETRIED, words_of(event, words));
    else if (inc->root != NOTHING)
        engine_start(d, inc, inc->root);
}

/* Only of an incident that is named: words that were meant for one must not reach the readers of another. */
static void on_say(struct decide *d, const struct event *event)
{
    struct inc *inc = event->incident ? inc_meant(d, event) : NULL;
    if (inc)
        public_person(d, inc, event);
}

void person_moved(struct decide *d, const struct event *event)
{
    static const bool people[EVENT_MAX] = {
        [EVENT_OPEN] = true,    [EVENT_ACK] = true,   [EVENT_NOTE] = true, [EVENT_APPROVE] = true,  [EVENT_DENY] = true,
        [EVENT_CERTIFY] = true, [EVENT_RETRY] = true, [EVENT_SAY] = true,  [EVENT_ESCALATE] = true, [EVENT_TICK_ITEM] = true,
    };
    struct inc *inc = people[event->kind] ? inc_meant(d, event) : NULL;
    if (inc)
        inc->pub.progress_ms = d->now_ms;
}

/* Counted from when it was said, by the clock of the core: what the wall clock does later makes no pause longer. */
static void on_pause(struct decide *d, const struct event *event)
{
    struct svc *svc = svc_named(d, event->service);
    if (!svc)
        return;
    int64_t lasts_ms = event->number ? MIN_OF(event->ref - event->wall_ms, (int64_t)PAUSE_MOST_MS) : 0;
    if (lasts_ms > 0)
        svc->paused_until_ms = d->now_ms + lasts_ms;
    else
        svc->paused_until_ms = MIN_OF(svc->paused_until_ms, d->now_ms);
}

static void on_note(struct decide *d UNUSED, const struct event *event UNUSED)
{
    /* that somebody wrote it is all there is to it: see above */
}

static void on_tick(struct decide *d UNUSED, const struct event *event UNUSED)
{
    /* the clocks are looked at after every event */
}

void (*const event_handlers[EVENT_MAX])(struct decide *, const struct event *) = {
    [EVENT_STARTED] = on_started, [EVENT_VERDICT] = on_verdict, [EVENT_OUTCOME] = on_outcome, [EVENT_TICK] = on_tick,
    [EVENT_OPEN] = on_open,       [EVENT_ACK] = on_ack,         [EVENT_RESOLVE] = on_resolve, [EVENT_REVIEW] = on_review,
    [EVENT_APPROVE] = on_approve, [EVENT_DENY] = on_deny,       [EVENT_CERTIFY] = on_certify, [EVENT_RETRY] = on_retry,
    [EVENT_ALERT] = on_alert,     [EVENT_SAY] = on_say,      [EVENT_WRITE] = on_write,
    [EVENT_NOTE] = on_note,       [EVENT_TICK_ITEM] = on_note,  [EVENT_ESCALATE] = on_escalate, [EVENT_OVERRIDE] = stand_in,
    [EVENT_DELIVERED] = on_letter, [EVENT_UNDELIVERED] = on_letter, [EVENT_LEADER] = on_leader,
    [EVENT_PAUSE] = on_pause,
};
