/* decide/plan.c -- What would be decided: an incident on a clock of its own, in which everything is delivered and nobody answers. */
#include "decide/decide_internal.h"

enum { TICKS_MAX = 20000, ROWS_MAX = 5000 };
#define HORIZON_MS (30 * MS_DAY)

struct planner {
    struct arena *arena;
    struct decide *d;
    struct orders orders;
    struct plan *plan;
    int64_t now_ms, wall_ms;
    const char *rung; /* of the orders that follow it: "alert", "tier-2" */
    const char *why;
};

static void take(struct planner *p, const struct event *event)
{
    struct event stamped = *event;
    stamped.at_ms = p->now_ms;
    stamped.wall_ms = p->wall_ms + p->now_ms;
    p->orders.n = 0;
    decide_event(p->d, &stamped, &p->orders);
}

/* The rotation among the names by which somebody was meant; NULL: by their own. */
static const char *rotation_of(const struct planner *p, const struct strs *names, const char *who)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct rotation *r = config_rotation(p->d->config, names->p[i]);
        const struct contact_group *group = config_group(p->d->config, names->p[i]);
        struct duty duty = r ? rotation_duty(r, p->d->stand_ins.p, p->d->stand_ins.n, p->wall_ms + p->now_ms) : (struct duty){0};
        for (size_t k = 0; k < duty.n; k++)
            if (same(duty.who[k], who))
                return r->name;
        const char *inner = group && !r ? rotation_of(p, &group->members, who) : NULL;
        if (inner)
            return inner;
    }
    return NULL;
}

/* Whom the message is for, as the configuration names them. */
static const struct strs *names_of(const struct planner *p, const struct order *order)
{
    static const struct strs none;
    const struct severity_conf *severity = severity_of_inc(p->d, p->d->incidents.p[0]);
    for (size_t i = 0; i < stage_count(severity); i++)
        if (same(severity->stages.p[i].name, order->stage) || (!p->d->incidents.p[0]->pub.tier && severity->stages.p[i].page && order->number))
            return &severity->stages.p[i].notify;
    int tier = p->d->incidents.p[0]->pub.tier;
    return tier > 0 && (size_t)tier <= severity->tiers.n ? &severity->tiers.p[tier - 1].notify : &none;
}

static void add_row(struct planner *p, const struct order *order, const struct contact_way *way)
{
    struct plan_row *row = vec_add(p->arena, &p->plan->rows);
    *row = (struct plan_row){
        .after_ms = p->now_ms,
        .stage = p->rung,
        .why = p->why,
        .page = (int)order->number,
        .who = arena_strdup(p->arena, order->who),
        .rotation = rotation_of(p, names_of(p, order), order->who),
        .channel = way->channel,
        .address = way->address,
        .fallback_after_ms = way->fallback ? way->fallback_after_ms : 0,
    };
}

/* Ways that stand in when another fails follow the last of those that are used at once. */
static void add_fallbacks(struct planner *p, const struct order *order)
{
    const struct contact *contact = config_contact(p->d->config, order->who);
    for (size_t w = 0; contact && w < contact->ways.n; w++)
        if (contact->ways.p[w].fallback)
            add_row(p, order, &contact->ways.p[w]);
}

static bool is_stage(const struct planner *p, const char *name)
{
    const struct severity_conf *severity = severity_of_inc(p->d, p->d->incidents.p[0]);
    for (size_t i = 0; i < stage_count(severity); i++)
        if (same(severity->stages.p[i].name, name))
            return true;
    return same(name, "page") || same(name, "unanswered");
}

static void read_orders(struct planner *p)
{
    struct orders mine = p->orders;
    mine.p = arena_dup(p->arena, p->orders.p, p->orders.n * sizeof(*mine.p)); /* what they lead to uses the same place */
    for (size_t i = 0; i < mine.n; i++) {
        const struct order *order = &mine.p[i];
        if (order->kind == ORDER_STAGE) {
            p->rung = arena_strdup(p->arena, order->subject);
            p->why = NULL;
        }
        if (order->kind == ORDER_PAGE && !same(order->text, page_reasons[PAGE_DUE])) {
            p->rung = arena_strdup(p->arena, order->subject);
            p->why = arena_strdup(p->arena, order->text);
        }
        if (order->kind != ORDER_NOTIFY || p->plan->rows.n >= ROWS_MAX)
            continue;
        if (is_stage(p, order->stage)) {
            const struct contact_way way = {.channel = arena_strdup(p->arena, order->channel),
                                            .address = *order->address ? arena_strdup(p->arena, order->address) : NULL};
            if (same(order->stage, "unanswered"))
                p->rung = "unanswered";
            add_row(p, order, &way);
            bool last = i + 1 == mine.n || mine.p[i + 1].kind != ORDER_NOTIFY || !same(mine.p[i + 1].who, order->who);
            if (last)
                add_fallbacks(p, order);
        }
        struct event delivered = {.kind = EVENT_DELIVERED, .incident = order->incident, .number = 1};
        COPY_TO(delivered.subject, order->subject);
        take(p, &delivered);
    }
}

struct plan decide_plan(struct arena *arena, const struct config *config, const struct plan_ask *ask)
{
    struct plan plan = {0};
    struct planner p = {.arena = arena, .d = decide_open(arena, config), .orders = {.arena = arena}, .plan = &plan, .wall_ms = ask->wall_ms};
    for (size_t i = 0; i < ask->stand_in_count; i++) {
        struct event event = {.kind = EVENT_OVERRIDE, .number = ask->stand_ins[i].from_ms, .ref = ask->stand_ins[i].to_ms};
        COPY_TO(event.subject, ask->stand_ins[i].rotation);
        COPY_TO(event.text, ask->stand_ins[i].contact);
        take(&p, &event);
    }
    struct event open = {.kind = EVENT_OPEN, .number = ask->severity};
    COPY_TO(open.service, ask->service);
    COPY_TO(open.text, "plan");
    take(&p, &open);
    if (!p.d->incidents.n)
        return plan;
    read_orders(&p);
    const struct inc *inc = p.d->incidents.p[0];
    const struct severity_conf *severity = severity_of_inc(p.d, inc);
    for (int ticks = 0; ticks < TICKS_MAX; ticks++) {
        int64_t next = stages_next_ms(p.d, inc), page = escalation_next_ms(p.d, inc);
        bool all = true;
        for (size_t i = 0; i < stage_count(severity); i++)
            all = all && (inc->pub.stages_fired >> i & 1);
        if ((all && page == TIME_NEVER) || MIN_OF(next, page) > HORIZON_MS || decide_next_ms(p.d) == TIME_NEVER)
            break;
        p.now_ms = MAX_OF(p.now_ms, decide_next_ms(p.d));
        take(&p, &(struct event){.kind = EVENT_TICK});
        read_orders(&p);
    }
    return plan;
}
