/* record/story.c -- Folding an incident's rows into what they prove. */
#include "record/story.h"

#include <inttypes.h>

#include "record/history.h"
#include "record/words.h"

/* What is gathered while rows go by. */
struct teller {
    struct arena *arena;
    const struct service *conf; /* NULL: the configuration has no such service any more */
    const struct history *history;
    struct story *story;
    VEC(struct story_step) steps;
    VEC(struct story_fact) facts;
    struct strs delivered, failed;
    int64_t back_at_ms;         /* service back; -1: not (or not any more) */
    bool back;
};

/* ---- steps ---- */

static struct story_step *step_of_run(struct teller *t, const char *run)
{
    for (size_t i = t->steps.n; i-- > 0;)
        if (same(t->steps.p[i].run, run))
            return &t->steps.p[i];
    return NULL;
}

static const struct step *conf_of(const struct teller *t, const char *playbook, const char *id)
{
    const struct playbook *p = t->conf && playbook ? service_playbook(t->conf, playbook) : NULL;
    return p ? playbook_step(p, id) : NULL;
}

/* A row names the step and not its playbook. A step that began while another was under way belongs to the playbook which that one
   calls, any other to the incident's; and where the configuration has changed since, to whichever playbook has such a step. */
static const char *playbook_of(const struct teller *t, const char *id)
{
    const char *guess = t->story->playbook;
    for (size_t i = 0; i < t->steps.n; i++) {
        const struct story_step *outer = &t->steps.p[i];
        const struct step *conf = outer->end_seq ? NULL : conf_of(t, outer->playbook, outer->id);
        if (conf && strncmp(conf->action, "playbook ", 9) == 0)
            guess = conf->action + 9;
    }
    if (conf_of(t, guess, id))
        return guess;
    for (size_t i = 0; t->conf && i < t->conf->playbooks.n; i++)
        if (playbook_step(&t->conf->playbooks.p[i], id))
            return t->conf->playbooks.p[i].name;
    return "";
}

static void tell_step(struct teller *t, const struct record *r, enum language language)
{
    const char *id = run_step(t->arena, r->subject);
    const char *playbook = playbook_of(t, id);
    const struct step *conf = conf_of(t, playbook, id);
    struct story_step *step = vec_add(t->arena, &t->steps);
    *step = (struct story_step){
        .id = id,
        .playbook = playbook,
        .title = conf && conf->title.en ? text_in(conf->title, language) : r->text,
        .text = "",
        .run = r->subject,
        .started_wall_ms = r->wall_ms,
        .started_at_ms = r->at_ms,
        .took_ms = -1,
        .budget_ms = conf && conf->budget_ms ? conf->budget_ms : -1,
        .seq = r->seq,
    };
}

static void tell_step_end(struct teller *t, const struct record *r)
{
    struct story_step *step = step_of_run(t, r->subject);
    if (!step)
        return;
    step->outcome = outcome_name((enum outcome)r->number);
    step->text = r->text;
    step->ended_wall_ms = r->wall_ms;
    step->took_ms = r->at_ms - step->started_at_ms;
    step->end_seq = r->seq;
}

static void tell_run(struct teller *t, const struct record *r)
{
    struct story_step *step = step_of_run(t, r->subject);
    if (!step)
        return;
    step->command = r->text;
    if (step->budget_ms < 0)
        step->budget_ms = r->number;
}

/* ---- the incident ---- */

static void tell_waiting(struct teller *t, const struct record *r, bool blocked)
{
    t->story->waits_for = r->subject;
    t->story->waits_text = r->text;
    t->story->blocked = blocked;
}

static void tell_state(struct teller *t, const struct record *r)
{
    struct story *s = t->story;
    s->state = incident_state_name((enum incident_state)r->number);
    if (r->number == INCIDENT_MITIGATING) /* a relapse takes "back" back */
        t->back = false;
    /* A person may declare it resolved without any verification: then that word is the only end there is. */
    if (r->number == INCIDENT_MONITORING || (r->number == INCIDENT_RESOLVED && !t->back)) {
        t->back = true;
        s->declared = r->number == INCIDENT_RESOLVED;
        t->back_at_ms = r->at_ms;
        s->mitigated_wall_ms = r->wall_ms;
        s->back_seq = r->seq;
    }
    if (r->number == INCIDENT_RESOLVED) {
        s->resolved_wall_ms = r->wall_ms;
        s->resolved_seq = r->seq;
    }
    if (r->number >= INCIDENT_MONITORING)
        s->waits_for = NULL;
}

static void tell_order(struct teller *t, const struct record *r, enum language language)
{
    struct story *s = t->story;
    switch ((enum order_kind)r->kind) {
    case ORDER_STATE:
        tell_state(t, r);
        break;
    case ORDER_NOTIFY:
        s->notices++;
        break;
    case ORDER_STEP:
        tell_step(t, r, language);
        break;
    case ORDER_RUN:
        tell_run(t, r);
        s->waits_for = NULL;
        break;
    case ORDER_STEP_END:
        tell_step_end(t, r);
        if (same(r->subject, s->waits_for))
            s->waits_for = NULL;
        break;
    case ORDER_ASK:
    case ORDER_BLOCKED:
        tell_waiting(t, r, r->kind == ORDER_BLOCKED);
        break;
    case ORDER_ACTIVE:
        s->active_site = r->subject;
        s->active_seq = r->seq;
        break;
    case ORDER_OPEN:
    case ORDER_STAGE:
    case ORDER_CANCEL:
    case ORDER_PLAYBOOK_END:
    case ORDER_PUBLIC:
    case ORDER_PAGE:
    case ORDER_WITHDRAW:
    case ORDER_MAX:
        break;
    case ORDER_UNACK:
        s->ack_void = true;
        break;
    case ORDER_SEVERITY:
        s->severity = (enum severity)r->number;
        break;
    }
}

static bool listed(const struct strs *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++)
        if (same(list->p[i], text))
            return true;
    return false;
}

static void tell_delivered(struct teller *t, const struct record *r)
{
    struct story *s = t->story;
    if (!listed(&t->delivered, r->subject))
        *vec_add(t->arena, &t->delivered) = r->subject;
    if (s->first_alert_seq)
        return;
    s->first_alert_wall_ms = r->wall_ms;
    s->first_alert_seq = r->seq;
    s->alert_ms = r->at_ms - s->opened_at_ms;
}

static void tell_ack(struct teller *t, const struct record *r)
{
    struct story *s = t->story;
    s->ack_void = false;
    if (s->acked_seq) {
        s->acked_by = r->who;
        return;
    }
    s->acked_wall_ms = r->wall_ms;
    s->acked_seq = r->seq;
    s->acked_by = r->who;
    s->ack_ms = r->at_ms - s->opened_at_ms;
}

static void tell_fact(struct teller *t, const struct record *r)
{
    const char *value = *r->text ? r->text : arena_printf(t->arena, "%" PRId64, r->number);
    *vec_add(t->arena, &t->facts) = (struct story_fact){.name = r->subject, .value = value, .seq = r->seq};
}

static void tell_event(struct teller *t, const struct record *r)
{
    if (r->kind == EVENT_ACK)
        tell_ack(t, r);
    else if (r->kind == EVENT_DELIVERED)
        tell_delivered(t, r);
    else if (r->kind == EVENT_UNDELIVERED && r->ref < 0)
        *vec_add(t->arena, &t->failed) = r->subject;
    else if (r->kind == EVENT_FACT)
        tell_fact(t, r);
    else if ((r->kind == EVENT_APPROVE || r->kind == EVENT_DENY || r->kind == EVENT_RETRY) && r->seq > t->story->opened_seq)
        t->story->waits_for = NULL; /* answered; when the controller is not content it says so again */
}

static void tell_beginning(struct teller *t)
{
    struct story *s = t->story;
    const struct record *opening = &t->history->p[t->history->opening], *trigger = &t->history->p[t->history->trigger];
    bool explained = trigger != opening;
    s->service = opening->service;
    s->title = opening->text;
    s->playbook = opening->subject;
    s->severity = (enum severity)opening->number;
    s->state = incident_state_name(INCIDENT_OPEN);
    s->opened_wall_ms = opening->wall_ms;
    s->opened_at_ms = opening->at_ms;
    s->opened_seq = opening->seq;
    s->by_person = explained && trigger->kind == EVENT_OPEN;
    s->cause = explained ? trigger->text : "";
    s->detected_by = !explained ? "" : trigger->kind == EVENT_VERDICT ? trigger->subject : trigger->who;
    s->detected_wall_ms = explained ? trigger->wall_ms : opening->wall_ms;
    s->detected_seq = explained ? trigger->seq : 0;
    s->open_ms = explained ? opening->at_ms - trigger->at_ms : -1;
    s->last_good_wall_ms = opening->ref > 0 ? opening->ref : explained && trigger->kind == EVENT_VERDICT ? trigger->ref : 0;
    s->detect_ms = s->last_good_wall_ms > 0 ? MAX_OF(0, s->detected_wall_ms - s->last_good_wall_ms) : -1;
    s->alert_ms = s->ack_ms = s->recover_ms = s->outage_ms = s->loss_ms = s->loss_rows = -1;
}

const struct story_fact *story_fact(const struct story *story, const char *name)
{
    for (size_t i = story->fact_count; i-- > 0;)
        if (same(story->facts[i].name, name))
            return &story->facts[i];
    return NULL;
}

static int64_t fact_number(const struct story *story, const char *name)
{
    const struct story_fact *fact = story_fact(story, name);
    int64_t value;
    return fact && str_int(str_of(fact->value), &value) ? value : -1;
}

static void tell_loss(struct story *s)
{
    int64_t point = fact_number(s, "restore.recovery_point_ms");
    if (point <= 0)
        point = fact_number(s, "restore.snapshot_ms");
    s->restored = point > 0 || story_fact(s, "restore.file");
    s->recovery_point_wall_ms = MAX_OF(point, 0);
    s->loss_rows = fact_number(s, "loss.rows");
    s->lost_transactions = fact_number(s, "loss.transactions");
    s->lost_bytes = fact_number(s, "loss.bytes");
    if (point > 0 && s->last_good_wall_ms > 0)
        s->loss_ms = MAX_OF(0, s->last_good_wall_ms - point);
}

static void tell_end(struct teller *t)
{
    struct story *s = t->story;
    if (!t->back) {
        s->mitigated_wall_ms = s->back_seq = 0;
        return;
    }
    s->recover_ms = t->back_at_ms - s->opened_at_ms;
    s->outage_ms = MAX_OF(0, s->detect_ms) + MAX_OF(0, s->open_ms) + s->recover_ms;
}

static void tell_targets(struct teller *t)
{
    struct story *s = t->story;
    const struct severity_conf *severity = t->conf ? service_severity(t->conf, s->severity) : NULL;
    const struct playbook *playbook = t->conf ? service_playbook(t->conf, s->playbook) : NULL;
    s->rto_ms = playbook && playbook->rto_ms ? playbook->rto_ms : severity && severity->rto_ms ? severity->rto_ms : -1;
    s->rpo_ms = severity && severity->rpo_ms ? severity->rpo_ms : -1;
}

bool story_read(struct arena *arena, struct journal *journal, const struct config *config, int64_t incident, struct story *ret, struct err *err)
{
    struct history history;
    struct story story = {.incident = incident};
    if (!history_read(arena, journal, incident, &history, err))
        return false;
    const char *service = history.p[history.opening].service;
    struct teller t = {.arena = arena, .history = &history, .story = &story, .conf = config ? config_service(config, service) : NULL};
    tell_beginning(&t);
    for (size_t i = history.opening; i < history.n; i++) {
        if (history.p[i].is_order)
            tell_order(&t, &history.p[i], config ? (enum language)config->language : LANGUAGE_EN);
        else
            tell_event(&t, &history.p[i]);
    }
    story.steps = t.steps.p;
    story.step_count = t.steps.n;
    story.facts = t.facts.p;
    story.fact_count = t.facts.n;
    story.delivered = t.delivered.n;
    for (size_t i = 0; i < t.failed.n; i++)
        story.failed += !listed(&t.delivered, t.failed.p[i]);
    tell_loss(&story);
    tell_end(&t);
    tell_targets(&t);
    *ret = story;
    return true;
}
