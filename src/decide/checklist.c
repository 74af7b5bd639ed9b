/* decide/checklist.c -- What the checklists ask of people when its time is over, and the tickets of a report's actions. Which items are
   done is told by the very records that the journal gets. */
#include "decide/decide_internal.h"
#include "model/field.h"

enum { REMINDERS_MAX = 10 }; /* of one incident; who did not act on ten will not act on the next */
#define REMINDER_STAGE "checklist"
#define TICKET_STAGE "ticket"

/* ---- following ---- */

static struct record row_of_event(const struct event *e)
{
    return (struct record){.at_ms = e->at_ms, .wall_ms = e->wall_ms, .kind = (int)e->kind, .incident = e->incident, .number = e->number, .ref = e->ref,
                           .service = e->service, .subject = e->subject, .who = e->who, .text = e->text, .stage = "", .channel = "", .address = "",
                           .detail = ""};
}

static struct record row_of_order(const struct decide *d, const struct order *o)
{
    return (struct record){.at_ms = d->now_ms, .wall_ms = d->wall_ms, .is_order = true, .kind = (int)o->kind, .incident = o->incident,
                           .number = o->number, .ref = o->ref, .service = o->service, .subject = o->subject, .who = o->who, .text = o->text,
                           .stage = o->stage, .channel = o->channel, .address = o->address, .detail = ""};
}

void checklists_open(struct decide *d, struct inc *inc)
{
    struct svc *svc = svc_of(d, inc);
    if (!svc->conf->checklists.n)
        return;
    if (svc->spare_lists.n) {
        inc->lists = svc->spare_lists.p[--svc->spare_lists.n];
        checklists_clear(inc->lists);
    } else {
        inc->lists = arena_new(d->arena, struct checklists);
        checklists_init(d->arena, svc->conf, inc->lists);
    }
    struct record trigger = row_of_event(d->event);
    if (trigger.kind == EVENT_VERDICT || trigger.kind == EVENT_OPEN)
        checklists_feed(inc->lists, &trigger);
}

void checklists_close(struct decide *d, struct inc *inc)
{
    if (inc->lists)
        *vec_add(d->arena, &svc_of(d, inc)->spare_lists) = inc->lists; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    inc->lists = NULL;
}

/* "7.restart.1", "7/alert/ops/mail": what belongs to incident 7 where no number says so. */
static int64_t incident_meant(const struct event *e)
{
    const char *key = e->kind == EVENT_FACT ? e->who : e->subject;
    size_t n = strcspn(key, "./");
    int64_t id;
    bool names = e->kind == EVENT_FACT || e->kind == EVENT_OUTCOME || e->kind == EVENT_DELIVERED;
    if (e->incident || !names || !key[n])
        return e->incident;
    return str_int((struct str){.p = key, .n = n}, &id) ? id : 0;
}

void checklists_event(struct decide *d, const struct event *event)
{
    struct record row = row_of_event(event);
    int64_t id = incident_meant(event);
    const struct svc *svc = event->kind == EVENT_VERDICT ? svc_named(d, event->service) : NULL;
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        bool ours = svc ? inc->pub.service == svc->index && is_unresolved(inc) : id && inc->pub.id == id;
        if (inc->lists && ours)
            checklists_feed(inc->lists, &row);
    }
}

void checklists_orders(struct decide *d, size_t from)
{
    for (size_t i = from; i < d->out->n; i++) {
        struct record row = row_of_order(d, &d->out->p[i]);
        for (size_t k = d->incidents.n; k-- > 0;)
            if (d->incidents.p[k]->lists && d->incidents.p[k]->pub.id == row.incident)
                checklists_feed(d->incidents.p[k]->lists, &row);
    }
}

/* ---- reminders ---- */

/* When its owner is asked about it next; TIME_NEVER: it is done, or its list reminds nobody. */
static int64_t asked_at_ms(const struct inc *inc, const struct checklist_standing *list, const struct item_standing *item)
{
    if (!list->applies || !list->list->remind_ms || item->mark != ITEM_OPEN || item->due_at_ms == TIME_NEVER)
        return TIME_NEVER;
    bool before = inc->reminders && item->due_at_ms <= inc->reminded_at_ms; /* it was in the last reminder */
    return before ? inc->reminded_at_ms + list->list->remind_ms : item->due_at_ms;
}

int64_t checklists_next_ms(const struct inc *inc)
{
    int64_t next = TIME_NEVER;
    if (!inc->lists || inc->handed_over || inc->pub.state == INCIDENT_REVIEWED || inc->reminders >= REMINDERS_MAX)
        return next;
    for (size_t i = 0; i < inc->lists->n; i++)
        for (size_t k = 0; k < inc->lists->p[i].list->items.n; k++)
            next = MIN_OF(next, asked_at_ms(inc, &inc->lists->p[i], &inc->lists->p[i].items[k]));
    return next;
}

static void add_name(struct arena *a, struct strs *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (same(names->p[i], name))
            return;
    *vec_add(a, names) = name;
}

static bool is_told(const struct config *config, const char *name)
{
    return config_contact(config, name) || config_group(config, name) || config_rotation(config, name);
}

/* Those who answer for what is late; for what nobody answers for who can be told, the people of the first stage. */
static void whom(const struct decide *d, const struct inc *inc, struct arena *a, struct strs *ret)
{
    const struct severity_conf *severity = service_severity(svc_of(d, inc)->conf, inc->pub.severity);
    for (size_t i = 0; i < inc->lists->n; i++)
        for (size_t k = 0; k < inc->lists->p[i].list->items.n; k++) {
            const struct checklist_standing *list = &inc->lists->p[i];
            if (!list->applies || !list->list->remind_ms || !item_is_late(&list->items[k], d->now_ms))
                continue;
            const char *owner = item_owner(inc->lists, list, &list->items[k]);
            if (owner && is_told(d->config, owner))
                add_name(a, ret, owner);
            for (size_t n = 0; (!owner || !is_told(d->config, owner)) && severity && severity->stages.n && n < severity->stages.p[0].notify.n; n++)
                add_name(a, ret, severity->stages.p[0].notify.p[n]);
        }
}

static void remind(struct decide *d, struct inc *inc)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct strs names = {0};
    char key[MODEL_ID_SIZE], text[MODEL_TEXT_SIZE];
    inc->reminders++;
    inc->reminded_at_ms = d->now_ms;
    whom(d, inc, a, &names);
    SAY(key, REMINDER_STAGE "-%d", inc->reminders);
    SAY(text, "[%s][INC-%lld] %s: %zu items of checklists are late", severity_name(inc->pub.severity), (long long)inc->pub.id, inc->pub.title,
        checklists_late_count(inc->lists, d->now_ms));
    tell_people(d, inc, key, REMINDER_STAGE, text, &names);
}

void checklists_move(struct decide *d, struct inc *inc)
{
    if (d->now_ms >= checklists_next_ms(inc))
        remind(d, inc);
}

/* ---- tickets ---- */

void on_write(struct decide *d, const struct event *event)
{
    struct inc *inc = NULL;
    int action = action_number(event->subject);
    for (size_t i = 0; i < d->incidents.n; i++)
        if (d->incidents.p[i]->pub.id == event->incident)
            inc = d->incidents.p[i];
    const char *to = inc ? svc_of(d, inc)->conf->tickets : NULL;
    uint64_t bit = UINT64_C(1) << action;
    if (action && event->number == ACTION_TICKETED && inc)
        inc->ticketed |= bit; /* it has one of people's making */
    if (!to || !action || event->number != ACTION_COMPLETE || (inc->ticketed & bit))
        return;
    inc->ticketed |= bit;
    char key[MODEL_ID_SIZE];
    struct strs names = {.p = &to, .n = 1, .cap = 1};
    SAY(key, TICKET_STAGE "-%d", action);
    tell_people(d, inc, key, TICKET_STAGE, event->text, &names);
}
