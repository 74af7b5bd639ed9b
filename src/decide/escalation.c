/* decide/escalation.c -- Paging: who is woken next when nobody answers, acknowledgements and their end, a person who wants more help,
   and who stands in for whom. */
#include "decide/decide_internal.h"

const char *const page_reasons[PAGE_REASON_MAX] = {
    [PAGE_DUE] = "the stage is due",
    [PAGE_UNANSWERED] = "nobody answered in time",
    [PAGE_EXPIRED] = "nothing has happened since it was taken",
    [PAGE_WANTED] = "escalated",
    [PAGE_TAKEN] = "a person has taken it",
    [PAGE_OVER] = "the incident is resolved",
    [PAGE_EXHAUSTED] = "nobody has taken it, and nobody more is paged",
};

/* ---- who is paged ---- */

/* The stage whose people are woken first; NULL: this severity wakes nobody. */
static const struct stage *paging_stage(const struct severity_conf *severity)
{
    for (size_t i = 0; i < stage_count(severity); i++)
        if (severity->stages.p[i].page)
            return &severity->stages.p[i];
    return NULL;
}

/* Those of a tier: 0 are the people of the paging stage, the others follow it. */
static const struct strs *people_of_tier(const struct severity_conf *severity, int tier)
{
    static const struct strs nobody;
    const struct stage *stage = paging_stage(severity);
    if (tier == 0)
        return stage ? &stage->notify : &nobody;
    return (size_t)tier <= severity->tiers.n ? &severity->tiers.p[tier - 1].notify : &nobody;
}

static int64_t answer_within_ms(const struct severity_conf *severity, int tier)
{
    int64_t own = tier > 0 && (size_t)tier <= severity->tiers.n ? severity->tiers.p[tier - 1].answer_within_ms : 0;
    return own ? own : severity->answer_within_ms;
}

/* ---- a page ---- */

static void say_page(struct decide *d, const struct inc *inc, const char *why)
{
    struct order *order = order_add(d, ORDER_PAGE, inc);
    SAY(order->subject, "tier-%d", inc->pub.tier + 1);
    order->number = inc->pub.pages;
    COPY_TO(order->text, why);
}

static void write_page(struct decide *d, struct inc *inc, const char *stage, const struct strs *names, const char *why)
{
    char part[MODEL_ID_SIZE], text[MODEL_TEXT_SIZE];
    if (stage) {
        SAY(part, "%s", stage);
        SAY(text, "[%s][INC-%lld] %s", severity_name(inc->pub.severity), (long long)inc->pub.id, inc->pub.title);
    } else {
        SAY(part, "page-%d", inc->pub.pages);
        SAY(text, "%s", why);
    }
    struct message_draft draft = {.key = part, .stage = stage ? stage : "page", .text = text, .page = inc->pub.pages, .insists = true};
    people_begin(d);
    people_add(d, names);
    letters_write(d, inc, &draft);
}

static void set_clock(struct decide *d, struct inc *inc)
{
    int64_t within = answer_within_ms(severity_of_inc(d, inc), inc->pub.tier);
    inc->pub.page_at_ms = within > 0 ? d->now_ms + within : TIME_NEVER;
}

void page_stage(struct decide *d, struct inc *inc, const struct stage *stage)
{
    inc->pub.pages++;
    if (inc->pub.page_at_ms == TIME_NEVER) { /* else the paging goes its way already */
        inc->pub.tier = 0;
        set_clock(d, inc);
    }
    say_page(d, inc, page_reasons[PAGE_DUE]);
    write_page(d, inc, stage->name, &stage->notify, "");
}

static void page_tier(struct decide *d, struct inc *inc, int tier, const char *why)
{
    inc->pub.pages++;
    inc->pub.tier = tier;
    set_clock(d, inc);
    say_page(d, inc, why);
    write_page(d, inc, NULL, people_of_tier(severity_of_inc(d, inc), tier), why);
}

/* The tier after the last one that was paged. With `bounded`, false when the paging has begun again as often as it may. */
static bool page_next(struct decide *d, struct inc *inc, const char *why, bool bounded)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    int tier = inc->pub.tier + 1;
    if ((size_t)tier > severity->tiers.n) {
        tier = 0;
        if (bounded && inc->round >= severity->repeat)
            return false;
        inc->round += bounded;
    }
    page_tier(d, inc, tier, why);
    return true;
}

static void go_unanswered(struct decide *d, struct inc *inc)
{
    if (page_next(d, inc, page_reasons[PAGE_UNANSWERED], true))
        return;
    char why[MODEL_TEXT_SIZE];
    inc->pub.page_at_ms = TIME_NEVER;
    SAY(why, "%s: bascule incident ack %lld; bascule incident escalate %lld", page_reasons[PAGE_EXHAUSTED], (long long)inc->pub.id,
        (long long)inc->pub.id);
    tell(d, inc, NOTICE_UNANSWERED, why);
}

/* ---- acknowledgements ---- */

/* "anna: the cable is out", also without words of hers. */
static void say_who(const struct decide *d, char said[MODEL_TEXT_SIZE], const char *text)
{
    say(said, MODEL_TEXT_SIZE, "%s: %s", *d->who ? d->who : "somebody", text);
}

void acknowledge(struct decide *d, struct inc *inc, const char *text)
{
    char said[MODEL_TEXT_SIZE];
    if (!incident_walk(d, inc, ON_ACK))
        return;
    inc->pub.acked_at_ms = d->now_ms;
    inc->pub.page_at_ms = TIME_NEVER;
    inc->round = 0;
    COPY_TO(inc->pub.who_acked, d->who);
    letters_withdraw(d, inc, page_reasons[PAGE_TAKEN]);
    say_who(d, said, text);
    tell(d, inc, NOTICE_ACKNOWLEDGED, said);
}

static void void_ack(struct decide *d, struct inc *inc, const char *why)
{
    struct order *order = order_add(d, ORDER_UNACK, inc);
    COPY_TO(order->who, inc->pub.who_acked);
    COPY_TO(order->text, why);
    inc->pub.acked_at_ms = 0;
    inc->pub.who_acked[0] = 0;
    incident_walk(d, inc, ON_UNACK);
}

/* A machine that works within its budget is progress, too. */
static bool works(const struct inc *inc)
{
    if (!inc->pub.depth)
        return false;
    enum step_phase phase = inc->pub.frames[inc->pub.depth - 1].phase;
    return phase != STEP_BLOCKED && phase != STEP_ASKING;
}

static int64_t ack_ends_ms(const struct decide *d, const struct inc *inc)
{
    const struct severity_conf *severity = severity_of_inc(d, inc);
    if (!inc->pub.acked_at_ms || !paging_stage(severity) || !severity->ack_expires_ms || inc->pub.state == INCIDENT_MONITORING || works(inc))
        return TIME_NEVER;
    return MAX_OF(inc->pub.acked_at_ms, inc->pub.progress_ms) + severity->ack_expires_ms;
}

static void note_progress(const struct decide *d, struct inc *inc)
{
    static const bool moves[ORDER_MAX] = {
        [ORDER_STATE] = true, [ORDER_STEP] = true,    [ORDER_STEP_END] = true, [ORDER_ASK] = true,
        [ORDER_RUN] = true,   [ORDER_BLOCKED] = true, [ORDER_ACTIVE] = true,   [ORDER_PLAYBOOK_END] = true,
    };
    for (size_t i = 0; i < d->out->n; i++)
        if (d->out->p[i].incident == inc->pub.id && moves[d->out->p[i].kind])
            inc->pub.progress_ms = d->now_ms;
}

static void expire_ack(struct decide *d, struct inc *inc)
{
    void_ack(d, inc, page_reasons[PAGE_EXPIRED]);
    page_tier(d, inc, 0, page_reasons[PAGE_EXPIRED]);
}

/* ---- a person wants more help ---- */

void escalate(struct decide *d, struct inc *inc, enum severity severity, const char *text)
{
    char said[MODEL_TEXT_SIZE], words[MODEL_TEXT_SIZE];
    stages_move(d, inc); /* a stage that was spared by a tick without orders is so in a replay, which has no such tick */
    say_who(d, said, text);
    SAY(words, "%s: %s%s%.500s", page_reasons[PAGE_WANTED], *d->who ? d->who : "somebody", *text ? ": " : "", text);
    if (severity != SEVERITY_MAX && service_severity(svc_of(d, inc)->conf, severity))
        stages_raise(d, inc, severity);
    tell(d, inc, NOTICE_ESCALATED, said);
    if (inc->pub.acked_at_ms)
        void_ack(d, inc, words);
    const struct severity_conf *conf = severity_of_inc(d, inc);
    const struct stage *stage = paging_stage(conf);
    inc->round = 0;
    if (!conf || (!stage && !conf->tiers.n))
        return;
    size_t index = stage ? (size_t)(stage - conf->stages.p) : 0;
    if (stage && !(inc->pub.stages_fired >> index & 1))
        stage_fire(d, inc, index);
    else if (stage && inc->pub.pages == 0) /* it was spared, since somebody had taken it */
        page_tier(d, inc, 0, words);
    else
        page_next(d, inc, words, false);
}

/* ---- stand-ins ---- */

void stand_in(struct decide *d, const struct event *event)
{
    const struct rotation *rotation = config_rotation(d->config, event->subject);
    const struct contact *contact = config_contact(d->config, event->text);
    if (!rotation || (!contact && *event->text) || event->number >= event->ref)
        return;
    size_t kept = 0; /* those that are over long since, or more than anybody would write */
    for (size_t i = 0; i < d->stand_ins.n; i++)
        if (d->stand_ins.p[i].to_ms > d->wall_ms - 30 * MS_DAY && d->stand_ins.n - i < STAND_INS_MAX)
            d->stand_ins.p[kept++] = d->stand_ins.p[i];
    d->stand_ins.n = kept;
    *vec_add(d->arena, &d->stand_ins) = (struct stand_in){
        .rotation = rotation->name, .contact = contact ? contact->name : "", .from_ms = event->number, .to_ms = event->ref};
}

/* ---- clocks ---- */

/* While a service that is back is watched, nobody more is woken; if it falls again, what is overdue goes out at once. */
static bool may_page(const struct inc *inc)
{
    return !inc->pub.acked_at_ms && inc->pub.state != INCIDENT_MONITORING && inc->pub.page_at_ms != TIME_NEVER;
}

bool escalation_move(struct decide *d, struct inc *inc)
{
    note_progress(d, inc);
    if (d->now_ms >= ack_ends_ms(d, inc)) {
        expire_ack(d, inc);
        return true;
    }
    if (may_page(inc) && d->now_ms >= inc->pub.page_at_ms) {
        go_unanswered(d, inc);
        return true;
    }
    return letters_move(d, inc);
}

int64_t escalation_next_ms(const struct decide *d, const struct inc *inc)
{
    int64_t next = MIN_OF(ack_ends_ms(d, inc), letters_next_ms(d, inc));
    return may_page(inc) ? MIN_OF(next, inc->pub.page_at_ms) : next;
}
