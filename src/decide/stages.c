/* decide/stages.c -- Who is told when: the stage clocks of a severity, periodic updates, and the other messages about an incident. */
#include "decide/decide_internal.h"

const char *const notice_names[NOTICE_MAX] = {
    [NOTICE_UPDATE] = "update",     [NOTICE_MONITORING] = "monitoring",     [NOTICE_RESOLVED] = "resolved",
    [NOTICE_BLOCKED] = "blocked",   [NOTICE_APPROVAL] = "approval",         [NOTICE_RELAPSE] = "relapse",
    [NOTICE_ESCALATED] = "escalated", [NOTICE_ACKNOWLEDGED] = "acknowledged", [NOTICE_UNANSWERED] = "unanswered",
    [NOTICE_REMINDER] = "reminder",   [NOTICE_SAY] = "say",
};

/* What must arrive: a way that fails is replaced. The next update comes soon enough. */
static const bool notice_insists[NOTICE_MAX] = {
    [NOTICE_BLOCKED] = true, [NOTICE_APPROVAL] = true, [NOTICE_RELAPSE] = true, [NOTICE_ESCALATED] = true, [NOTICE_UNANSWERED] = true,
    [NOTICE_REMINDER] = true,
};

/* The business of those inside: people outside (tier 0) are not told of it. */
static const bool notice_inside[NOTICE_MAX] = {
    [NOTICE_BLOCKED] = true,   [NOTICE_APPROVAL] = true,     [NOTICE_REMINDER] = true,
    [NOTICE_ESCALATED] = true, [NOTICE_ACKNOWLEDGED] = true, [NOTICE_UNANSWERED] = true,
};

const struct severity_conf *severity_of_inc(const struct decide *d, const struct inc *inc)
{
    return service_severity(svc_of(d, inc)->conf, inc->pub.severity);
}

size_t stage_count(const struct severity_conf *severity)
{
    return severity ? MIN_OF(severity->stages.n, (size_t)INCIDENT_STAGES_MAX) : 0;
}

/* ---- stages ---- */

static void write_stage(struct decide *d, struct inc *inc, const struct stage *stage)
{
    char text[MODEL_TEXT_SIZE];
    SAY(text, "[%s][INC-%lld] %s", severity_name(inc->pub.severity), (long long)inc->pub.id, inc->pub.title);
    letters_write(d, inc, &(struct message_draft){.key = stage->name, .stage = stage->name, .text = text, .insists = true});
}

void stage_fire(struct decide *d, struct inc *inc, size_t index)
{
    const struct stage *stage = &severity_of_inc(d, inc)->stages.p[index];
    inc->pub.stages_fired |= UINT32_C(1) << index;
    inc->told |= UINT32_C(1) << index;
    struct order *order = order_add(d, ORDER_STAGE, inc);
    COPY_TO(order->subject, stage->name);
    public_stage(inc, stage->name);
    order->number = MAX_OF(0, d->now_ms - MAX_OF(inc->pub.opened_at_ms + stage->after_ms, inc->raised_at_ms));
    if (stage->page) {
        page_stage(d, inc, stage);
        return;
    }
    people_begin(d);
    people_add(d, &stage->notify);
    write_stage(d, inc, stage);
}

/* Stages of one name are one stage: what went out under the old severity is told only to those whom the new one names besides. */
void stages_raise(struct decide *d, struct inc *inc, enum severity severity)
{
    const struct severity_conf *from = severity_of_inc(d, inc), *to = service_severity(svc_of(d, inc)->conf, severity);
    uint32_t fired = 0, told = 0;
    for (size_t i = 0; i < stage_count(to); i++)
        for (size_t k = 0; k < stage_count(from); k++)
            if (same(to->stages.p[i].name, from->stages.p[k].name)) {
                fired |= (inc->pub.stages_fired >> k & 1) << i;
                told |= (inc->told >> k & 1) << i;
            }
    struct order *order = order_add(d, ORDER_SEVERITY, inc);
    order->number = severity;
    order->ref = inc->pub.severity;
    COPY_TO(order->who, d->who);
    inc->pub.severity = severity;
    inc->pub.stages_fired = fired;
    inc->told = told;
    inc->pub.tier = inc->round = 0;
    inc->raised_at_ms = d->now_ms;
    inc->pub.next_update_at_ms = update_after(d, inc);
    for (size_t i = 0; i < stage_count(to); i++) {
        if (!(told >> i & 1))
            continue;
        people_begin(d);
        people_add(d, &to->stages.p[i].notify);
        people_without_told(d, inc);
        write_stage(d, inc, &to->stages.p[i]);
    }
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
        if (inc->pub.acked_at_ms && severity->stages.p[i].page)
            inc->pub.stages_fired |= UINT32_C(1) << i; /* somebody has it already */
        else
            stage_fire(d, inc, i);
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
    people_begin(d);
    for (size_t i = 0; i < stage_count(severity); i++)
        if (i == 0 || inc->told >> i & 1) /* the first stage's people are told of what follows even when it comes sooner */
            people_add(d, &severity->stages.p[i].notify);
    people_add_told(d, inc);
    if (notice_inside[kind])
        people_without_outsiders(d);
    letters_write(d, inc, &(struct message_draft){.key = part, .stage = notice_names[kind], .text = line, .insists = notice_insists[kind]});
}

void tell_people(struct decide *d, struct inc *inc, const char *part, const char *stage, const char *text, const struct strs *names)
{
    people_begin(d);
    people_add(d, names);
    letters_write(d, inc, &(struct message_draft){.key = part, .stage = stage, .text = text, .aside = true});
}

void stage_say(struct decide *d, struct inc *inc, const char *name)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    for (int kind = 0; kind < NOTICE_MAX; kind++)
        if (same(name, notice_names[kind]))
            tell(d, inc, (enum notice_kind)kind, NULL);
    for (size_t i = 0; i < stage_count(severity); i++)
        if (same(name, severity->stages.p[i].name) && !(inc->pub.stages_fired >> i & 1))
            stage_fire(d, inc, i);
}
