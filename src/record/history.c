/* record/history.c -- Collecting an incident's rows. Rows that name no incident (verdicts, restarts) belong to it when they are of its
   service and of its time. */
#include "record/history.h"

#include <inttypes.h>

#include "record/words.h"

enum {
    LOOK_BACK = 1000, /* rows before the opening among which its cause is looked for */
    ALERTS_MOST = 100, /* rows of alerts that are shown of one incident: a storm has thousands */
};

struct bounds {
    int64_t incident, opened_seq, closed_seq, last_seq;
};

static bool find_bounds(void *arg, const struct record *record)
{
    struct bounds *b = arg;
    bool state = record->is_order && record->kind == ORDER_STATE;
    if (record->is_order && record->kind == ORDER_OPEN && !b->opened_seq)
        b->opened_seq = record->seq;
    if (state && record->number == INCIDENT_RESOLVED)
        b->closed_seq = record->seq;
    b->last_seq = record->seq;
    return true;
}

struct collector {
    struct arena *arena;
    struct history *history;
    struct bounds bounds;
    struct record trigger;
    const char *service, *opened_by, *title;
    int alerts;
};

/* Is it an alert of the group that opened the incident? */
static bool is_alert_of(const struct collector *c, const struct record *record)
{
    return !record->is_order && record->kind == EVENT_ALERT && same(record->service, c->service) && same(record->who, c->opened_by);
}

/* The cause of an incident that a person or an alert opened is that row, of any other the verdict before it. */
static bool find_trigger(void *arg, const struct record *record)
{
    struct collector *c = arg;
    if (record->seq >= c->bounds.opened_seq)
        return false;
    if (is_alert_of(c, record) && record->number >= 0 && *record->text && strstr(c->title, record->text)) {
        c->trigger = record_dup(c->arena, record);
        return true;
    }
    int wanted = *c->opened_by ? EVENT_OPEN : EVENT_VERDICT;
    bool ours = same(record->service, c->service) || (wanted == EVENT_OPEN && !*record->service);
    bool tells = wanted == EVENT_OPEN || record->number != VERDICT_UP;
    if (!record->is_order && record->kind == wanted && ours && tells)
        c->trigger = record_dup(c->arena, record);
    return true;
}

static bool belongs(const struct collector *c, const struct record *record)
{
    if (record->incident)
        return record->incident == c->bounds.incident;
    if (record->is_order)
        return false;
    switch (record->kind) {
    case EVENT_STARTED:
    case EVENT_STOPPED:
        return true;
    case EVENT_ALERT:
        return is_alert_of(c, record) && c->alerts < ALERTS_MOST;
    case EVENT_VERDICT:
        return same(record->service, c->service);
    case EVENT_OUTCOME:
    case EVENT_RUNNING:
        return belongs_to(record->subject, '.', c->bounds.incident);
    case EVENT_FACT:
        return belongs_to(record->who, '.', c->bounds.incident);
    case EVENT_DELIVERED:
    case EVENT_UNDELIVERED:
        return belongs_to(record->subject, '/', c->bounds.incident);
    default:
        return false;
    }
}

static bool collect(void *arg, const struct record *record)
{
    struct collector *c = arg;
    if (record->seq > c->bounds.closed_seq)
        return false;
    if (!belongs(c, record))
        return true;
    c->alerts += is_alert_of(c, record);
    *vec_add(c->arena, c->history) = record_dup(c->arena, record);
    return true;
}

static bool collect_late(void *arg, const struct record *record)
{
    struct collector *c = arg;
    *vec_add(c->arena, c->history) = record_dup(c->arena, record);
    return true;
}

static bool take_opening(void *arg, const struct record *record)
{
    struct collector *c = arg;
    c->service = arena_strdup(c->arena, record->service);
    c->opened_by = arena_strdup(c->arena, record->who);
    c->title = arena_strdup(c->arena, record->text);
    return false;
}

bool history_read(struct arena *arena, struct journal *journal, int64_t incident, struct history *ret, struct err *err)
{
    struct collector c = {.arena = arena, .history = ret, .bounds = {.incident = incident}};
    *ret = (struct history){0};
    if (incident > 0 && !journal_read(journal, 0, incident, find_bounds, &c.bounds, err))
        return false;
    if (!c.bounds.opened_seq) {
        err_set(err, ERR_NOT_FOUND, "there is no incident %" PRId64, incident);
        return err_hint(err, "`bascule incident list` shows those on record");
    }
    if (!c.bounds.closed_seq)
        c.bounds.closed_seq = c.bounds.last_seq;
    int64_t before = c.bounds.opened_seq - 1;
    if (!journal_read(journal, before, 0, take_opening, &c, err) ||
        !journal_read(journal, MAX_OF(0, before - LOOK_BACK), 0, find_trigger, &c, err))
        return false;
    if (c.trigger.seq)
        *vec_add(arena, ret) = c.trigger;
    ret->opening = ret->n;
    return journal_read(journal, before, 0, collect, &c, err) && journal_read(journal, c.bounds.closed_seq, incident, collect_late, &c, err);
}

int64_t history_took(const struct history *history, size_t index)
{
    const struct record *end = &history->p[index];
    bool step = end->is_order && end->kind == ORDER_STEP_END, command = !end->is_order && end->kind == EVENT_OUTCOME;
    if (!step && !command)
        return -1;
    for (size_t i = index; i-- > 0;) {
        const struct record *begin = &history->p[i];
        if (begin->is_order && begin->kind == (step ? ORDER_STEP : ORDER_RUN) && same(begin->subject, end->subject))
            return end->at_ms - begin->at_ms;
    }
    return -1;
}
