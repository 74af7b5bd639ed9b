/* decide/stages.c -- Who is told when: the stage clocks of a severity, periodic updates, and groups made into people. */
#include "decide/decide_internal.h"

#define PAGING_STAGE "on-call" /* wakes people; pointless once somebody has taken the incident */

const char *const notice_names[NOTICE_MAX] = {
    [NOTICE_UPDATE] = "update",   [NOTICE_MONITORING] = "monitoring", [NOTICE_RESOLVED] = "resolved",
    [NOTICE_BLOCKED] = "blocked", [NOTICE_APPROVAL] = "approval",     [NOTICE_RELAPSE] = "relapse",
    [NOTICE_REMINDER] = "reminder", [NOTICE_SAY] = "say",
};

static const struct severity_conf *severity_of_inc(const struct decide *d, const struct inc *inc)
{
    return service_severity(svc_of(d, inc)->conf, inc->pub.severity);
}

static size_t stage_count(const struct severity_conf *severity)
{
    return severity ? MIN_OF(severity->stages.n, (size_t)INCIDENT_STAGES_MAX) : 0;
}

/* ---- one message to one person ---- */

struct message_draft {
    const char *key;   /* the part of the key that tells this message from the incident's others */
    const char *stage;
    const char *text;
    size_t mark;       /* orders before this one belong to other messages */
};

static uint32_t fnv1a(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; text && *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* "7/alert/ops/slack"; two ways over one channel differ by their address, and a name too long for a key by its hash. */
static void make_key(char key[MODEL_ID_SIZE], int64_t incident, const char *part, const struct contact *contact, size_t way)
{
    const struct contact_way *w = &contact->ways.p[way];
    bool shared = false;
    for (size_t i = 0; i < contact->ways.n; i++)
        shared = shared || (i != way && same(contact->ways.p[i].channel, w->channel));
    char tail[16] = "";
    if (shared)
        SAY(tail, ".%08x", fnv1a(w->address));
    static const char form[] = "%lld/%s/%s/%s%s";
    if (snprintf(key, MODEL_ID_SIZE, form, (long long)incident, part, contact->name, w->channel, tail) < MODEL_ID_SIZE)
        return;
    char whole[4 * MODEL_ID_SIZE];
    say(whole, sizeof(whole), form, (long long)incident, part, contact->name, w->channel, tail);
    say(key, MODEL_ID_SIZE, "%.80s.%08x", whole, fnv1a(whole));
}

static void tell_contact(struct decide *d, const struct inc *inc, const struct message_draft *draft, const struct contact *contact)
{
    for (size_t w = 0; w < contact->ways.n; w++) {
        char key[MODEL_ID_SIZE];
        make_key(key, inc->pub.id, draft->key, contact, w);
        bool there = false; /* a person in two groups is told once */
        for (size_t i = draft->mark; i < d->out->n; i++)
            there = there || same(d->out->p[i].subject, key);
        if (there)
            continue;
        struct order *order = order_add(d, ORDER_NOTIFY, inc);
        COPY_TO(order->subject, key);
        COPY_TO(order->who, contact->name);
        COPY_TO(order->text, draft->text);
        COPY_TO(order->stage, draft->stage);
        COPY_TO(order->channel, contact->ways.p[w].channel);
        COPY_TO(order->address, contact->ways.p[w].address);
    }
}

static void tell_names(struct decide *d, const struct inc *inc, const struct message_draft *draft, const struct strs *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct contact *contact = config_contact(d->config, names->p[i]);
        const struct contact_group *group = contact ? NULL : config_group(d->config, names->p[i]);
        if (contact)
            tell_contact(d, inc, draft, contact);
        for (size_t m = 0; group && m < group->members.n; m++)
            if ((contact = config_contact(d->config, group->members.p[m])))
                tell_contact(d, inc, draft, contact);
    }
}

/* ---- stages ---- */

static void fire(struct decide *d, struct inc *inc, size_t index)
{
    const struct stage *stage = &severity_of_inc(d, inc)->stages.p[index];
    inc->pub.stages_fired |= UINT32_C(1) << index;
    inc->told |= UINT32_C(1) << index;
    struct order *order = order_add(d, ORDER_STAGE, inc);
    COPY_TO(order->subject, stage->name);
    public_stage(inc, stage->name);
    order->number = MAX_OF(0, d->now_ms - (inc->pub.opened_at_ms + stage->after_ms));
    char text[MODEL_TEXT_SIZE];
    SAY(text, "[%s][INC-%lld] %s", severity_name(inc->pub.severity), (long long)inc->pub.id, inc->pub.title);
    struct message_draft draft = {.key = stage->name, .stage = stage->name, .text = text, .mark = d->out->n};
    tell_names(d, inc, &draft, &stage->notify);
}

/* While a service that is back is watched, nobody more is told that it is down; if it falls again, what is overdue goes out at once. The
   first stage goes out in any case: a recovery of seconds is news too. */
static bool stage_waits(const struct inc *inc, size_t index)
{
    return (inc->pub.stages_fired >> index & 1) || (index > 0 && inc->pub.state == INCIDENT_MONITORING);
}

bool stages_move(struct decide *d, struct inc *inc)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    bool moved = false;
    for (size_t i = 0; i < stage_count(severity); i++) {
        if (stage_waits(inc, i) || d->now_ms < inc->pub.opened_at_ms + severity->stages.p[i].after_ms)
            continue;
        moved = true;
        if (inc->pub.acked_at_ms && same(severity->stages.p[i].name, PAGING_STAGE))
            inc->pub.stages_fired |= UINT32_C(1) << i; /* somebody has it already */
        else
            fire(d, inc, i);
    }
    if (d->now_ms >= inc->pub.next_update_at_ms) {
        moved = true;
        inc->pub.update_late_ms = d->now_ms - inc->pub.next_update_at_ms;
        inc->pub.next_update_at_ms = update_after(d, inc);
        inc->pub.updates++;
        incident_walk(d, inc, ON_UPDATE_DUE);
    }
    return moved;
}

int64_t update_after(const struct decide *d, const struct inc *inc)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    int64_t every = severity ? severity->update_every_ms : 0;
    /* Kept on the grid that began with the incident; what was missed meanwhile is not made up for. */
    return every > 0 ? inc->pub.opened_at_ms + ((d->now_ms - inc->pub.opened_at_ms) / every + 1) * every : TIME_NEVER;
}

int64_t stages_next_ms(const struct decide *d, const struct inc *inc)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    int64_t next = inc->pub.next_update_at_ms;
    for (size_t i = 0; i < stage_count(severity); i++)
        if (!stage_waits(inc, i))
            next = MIN_OF(next, inc->pub.opened_at_ms + severity->stages.p[i].after_ms);
    return next;
}

/* ---- other messages ---- */

void tell(struct decide *d, struct inc *inc, enum notice_kind kind, const char *text)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    if (kind == NOTICE_MONITORING && inc->said[kind] && inc->monitoring_seq == d->seq)
        return; /* a playbook's last step said it already, in this very moment */
    if (kind == NOTICE_MONITORING)
        inc->monitoring_seq = d->seq;
    int count = ++inc->said[kind];
    if (!severity || (kind == NOTICE_RESOLVED && count > 1))
        return;
    char part[MODEL_ID_SIZE], line[MODEL_TEXT_SIZE];
    if (kind == NOTICE_UPDATE || count > 1)
        SAY(part, "%s-%d", notice_names[kind], count);
    else
        SAY(part, "%s", notice_names[kind]);
    SAY(line, "%s", text ? text : ""); /* why; the message's own text says the rest */
    struct message_draft draft = {.key = part, .stage = notice_names[kind], .text = line, .mark = d->out->n};
    for (size_t i = 0; i < stage_count(severity); i++)
        if (i == 0 || inc->told >> i & 1) /* the first stage's people are told of what follows even when it comes sooner */
            tell_names(d, inc, &draft, &severity->stages.p[i].notify);
}

void tell_people(struct decide *d, const struct inc *inc, const char *part, const char *stage, const char *text, const struct strs *names)
{
    struct message_draft draft = {.key = part, .stage = stage, .text = text, .mark = d->out->n};
    tell_names(d, inc, &draft, names);
}

void stage_say(struct decide *d, struct inc *inc, const char *name)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    for (int kind = 0; kind < NOTICE_MAX; kind++)
        if (same(name, notice_names[kind]))
            tell(d, inc, (enum notice_kind)kind, NULL);
    for (size_t i = 0; i < stage_count(severity); i++)
        if (same(name, severity->stages.p[i].name) && !(inc->pub.stages_fired >> i & 1))
            fire(d, inc, i);
}
