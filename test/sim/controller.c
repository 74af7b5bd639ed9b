/* controller.c -- The daemon as far as it matters here: feeds the real decide, writes events and orders as one, carries orders out,
   dies after any record, and comes back by replay and a look at what became of its children. */
#include "sim/sim.h"

static void *grow(void *memory, size_t *cap, size_t size)
{
    *cap = *cap ? *cap * 2 : 64;
    void *larger = realloc(memory, *cap * size);
    if (!larger)
        abort();
    return larger;
}

void controller_open(struct sim *s)
{
    struct controller *c = &s->controller;
    c->arena = arena_open();
    c->decide = decide_open(c->arena, s->config);
    c->out.arena = s->arena;
    c->up = true;
    c->up_since_ms = s->now_ms;
}

void controller_done(struct sim *s)
{
    arena_close(&s->controller.arena);
    free(s->controller.entries);
    free(s->controller.orders);
}

/* ---- the journal ---- */

static struct entry *append(struct controller *c, const struct event *event)
{
    if (c->entry_count == c->entry_cap)
        c->entries = grow(c->entries, &c->entry_cap, sizeof(*c->entries));
    struct entry *entry = &c->entries[c->entry_count++];
    *entry = (struct entry){.event = *event};
    return entry;
}

static void append_orders(struct controller *c, struct entry *entry, const struct orders *orders)
{
    entry->decided = true;
    entry->first = c->order_count;
    entry->count = orders->n;
    for (size_t i = 0; i < orders->n; i++) {
        if (c->order_count == c->order_cap)
            c->orders = grow(c->orders, &c->order_cap, sizeof(*c->orders));
        memcpy(&c->orders[c->order_count++], &orders->p[i], sizeof(*c->orders));
    }
}

/* ---- mutations ---- */

static void inject(struct sim *s, enum order_kind kind, int64_t incident, const char *subject, const char *text)
{
    struct order *order = vec_add(s->arena, &s->controller.out);
    memset(order, 0, sizeof(*order));
    order->kind = kind;
    order->incident = incident;
    order->number = MS_MINUTE;
    COPY_TO(order->subject, subject);
    COPY_TO(order->text, text);
}

/* Breaks what decide said before anybody sees it. The journal keeps the truth. */
static void mutate(struct sim *s)
{
    struct orders *out = &s->controller.out;
    size_t n = out->n;
    for (size_t i = 0; i < n; i++) {
        struct order copy = out->p[i];
        bool last = copy.kind == ORDER_STATE && copy.number == INCIDENT_RESOLVED;
        if ((s->mutation == MUTATION_NOTICE_TWICE && copy.kind == ORDER_NOTIFY) || (s->mutation == MUTATION_RUN_TWICE && copy.kind == ORDER_RUN) ||
            (s->mutation == MUTATION_STAGE_TWICE && copy.kind == ORDER_STAGE) || (s->mutation == MUTATION_PUBLIC_TWICE && copy.kind == ORDER_PUBLIC))
            *vec_add(s->arena, out) = copy;
        else if (s->mutation == MUTATION_UNFENCED && copy.kind == ORDER_RUN && str_starts(str_of(copy.text), "restore"))
            COPY_TO(out->p[i].text, "traffic switch dr"), s->machines[PRODUCTION].certified = false;
        else if (s->mutation == MUTATION_PROMOTED && copy.kind == ORDER_RUN && str_starts(str_of(copy.text), "restore"))
            COPY_TO(out->p[i].text, "promote dr"), s->machines[PRODUCTION].certified = false;
        else if (s->mutation == MUTATION_FAILBACK && copy.kind == ORDER_ACTIVE && same(copy.subject, "dr"))
            inject(s, ORDER_RUN, copy.incident, "0.back.1", "traffic switch production"), s->machines[DR].certified = true;
        else if (s->mutation == MUTATION_AFTER_RESOLVED && last)
            inject(s, ORDER_NOTIFY, copy.incident, "late", "late");
        else if (s->mutation == MUTATION_BLOCKED_ACTS && copy.kind == ORDER_BLOCKED)
            inject(s, ORDER_RUN, copy.incident, "0.act.1", "diagnose production");
        else if (s->mutation == MUTATION_STEP_OPEN && copy.kind == ORDER_STEP_END)
            out->p[i].kind = ORDER_CANCEL;
        else if (s->mutation == MUTATION_PAGE_LOST && copy.kind == ORDER_PAGE && copy.number == 2)
            out->p[i].kind = ORDER_CANCEL;
        else if (s->mutation == MUTATION_WITHDRAW_LOST && copy.kind == ORDER_WITHDRAW)
            out->p[i].kind = ORDER_CANCEL;
        else if (s->mutation == MUTATION_PAGE_ON && copy.kind == ORDER_NOTIFY && same(copy.stage, "acknowledged"))
            out->p[i].number = 1;
        else if (s->mutation == MUTATION_LEFT_OUT && copy.kind == ORDER_NOTIFY && same(copy.stage, "management") && same(copy.who, "director"))
            COPY_TO(out->p[i].who, "ops");
        else if (s->mutation == MUTATION_NOT_REPLACED && copy.kind == ORDER_NOTIFY && same(copy.channel, "sms"))
            COPY_TO(out->p[i].subject, "lost"), snprintf(out->p[i].subject, MODEL_ID_SIZE, "lost/%lld", (long long)s->notices);
        else if (s->mutation == MUTATION_PUBLIC_LOST && copy.kind == ORDER_PUBLIC && same(copy.subject, "resolved"))
            out->p[i].kind = ORDER_NOTIFY, COPY_TO(out->p[i].stage, "resolved"), snprintf(out->p[i].subject, MODEL_ID_SIZE, "lost-%lld", (long long)copy.incident);
    }
}

/* ---- carrying out ---- */

static void carry_out(struct sim *s, const struct order *order)
{
    struct child *child = child_of(s, order->subject);
    if (order->kind == ORDER_RUN && (!child || child->starts == 0))
        child_start(s, order);
    if (order->kind == ORDER_CANCEL && child)
        child_cancel(s, child);
    if (order->kind == ORDER_ASK || order->kind == ORDER_BLOCKED || order->kind == ORDER_OPEN || order->kind == ORDER_RUN)
        people_answer(s, order);
}

/* Counts a record as written; true when the controller dies right behind it. */
static bool written(struct sim *s)
{
    struct controller *c = &s->controller;
    if (++c->records == c->crash_record || (!c->crash_record && !s->calm && !s->closing && sim_random(s) % 500 == 0)) {
        controller_crash(s);
        return true;
    }
    return false;
}

static void decide_entry(struct sim *s, size_t index)
{
    struct controller *c = &s->controller;
    c->out.n = 0;
    watch_event(s, &c->entries[index].event);
    decide_event(c->decide, &c->entries[index].event, &c->out);
    append_orders(c, &c->entries[index], &c->out);
    if (s->mutation == MUTATION_EVENT_LOST && c->entries[index].event.kind == EVENT_VERDICT && c->out.n)
        c->entries[index].event.kind = EVENT_NOTE;
    if (s->mutation)
        mutate(s);
    /* Orders are carried out one by one; what they lead to may feed further events, so this one's orders are taken along. */
    struct orders mine = c->out;
    mine.p = malloc(sizeof(*mine.p) * (mine.n + 1));
    if (!mine.p)
        abort();
    if (mine.n)
        memcpy(mine.p, c->out.p, sizeof(*mine.p) * mine.n);
    for (size_t i = 0; i < mine.n; i++) {
        watch_order(s, &mine.p[i]);
        post_order(s, &mine.p[i]); /* being in the journal is being on its way: a restart goes on with it */
    }
    watch_orders(s, mine.p, mine.n);
    bool dead = written(s);
    for (size_t i = 0; i < mine.n && !dead; i++) {
        carry_out(s, &mine.p[i]);
        dead = written(s);
    }
    free(mine.p);
    if (!dead && !c->catching_up && decide_next_ms(c->decide) <= s->now_ms)
        violated(s, "on-time", "decide asks for a tick in the past");
}

void controller_feed(struct sim *s, const struct event *event)
{
    struct controller *c = &s->controller;
    if (!c->up || (s->mutation == MUTATION_DEAF && event->kind == EVENT_OUTCOME))
        return;
    s->events++;
    struct event stamped = *event;
    stamped.at_ms = s->now_ms;
    stamped.wall_ms = s->now_ms + s->wall_shift_ms;
    struct child *child = event->kind == EVENT_OUTCOME ? child_of(s, event->subject) : NULL;
    if (event->kind == EVENT_TICK) { /* recorded only when it gave orders */
        int64_t asked = decide_next_ms(c->decide);
        c->out.n = 0;
        append(c, &stamped);
        decide_entry(s, c->entry_count - 1);
        struct entry *entry = &c->entries[c->entry_count - 1];
        bool silent = entry->event.kind == EVENT_TICK && entry->count == 0;
        if (silent)
            c->entry_count--;
        if (silent && c->up && s->now_ms >= asked && decide_next_ms(c->decide) == asked)
            violated(s, "on-time", "a tick that was asked for had no use");
        if (!silent && s->now_ms < asked)
            violated(s, "on-time", "a tick gave orders %lld ms before it was asked for", (long long)(asked - s->now_ms));
        return;
    }
    append(c, &stamped);
    if (child)
        child->told = true;
    decide_entry(s, c->entry_count - 1);
    if (controller_checking(s) && !s->polling) {
        s->polling = true;
        sim_later(s, 1000, HAPPEN_POLL, 0, 0, 0);
    }
}

void controller_person(struct sim *s, const struct event *event)
{
    if (s->controller.up) {
        controller_feed(s, event);
        return;
    }
    struct event stamped = *event;
    stamped.at_ms = s->now_ms;
    stamped.wall_ms = s->now_ms + s->wall_shift_ms;
    append(&s->controller, &stamped);
}

bool controller_checking(const struct sim *s)
{
    if (!s->controller.up)
        return false;
    for (size_t i = 0; i < decide_incidents(s->controller.decide); i++) {
        const struct incident *incident = decide_incident_at(s->controller.decide, i);
        if (incident->depth && incident->frames[incident->depth - 1].phase == STEP_CHECKING)
            return true;
    }
    return false;
}

/* ---- death and return ---- */

void controller_crash(struct sim *s)
{
    if (!s->controller.up)
        return;
    sim_tracef(s, "controller killed after record %lld", (long long)s->controller.records);
    s->crashes++;
    s->controller.up = false;
    s->controller.crash_record = 0;
    int64_t down = s->calm ? 3000 : sim_chance(s, 80) ? sim_between(s, 100, 20000) : sim_between(s, 20000, 20 * MS_MINUTE);
    sim_later(s, down, HAPPEN_RESTART, 0, 0, 0);
}

/* Replays into `decide`, comparing with what was written; events nobody has decided yet are left. Index of the first of those. */
static size_t replay(struct sim *s, struct decide *decide)
{
    struct controller *c = &s->controller;
    struct orders again = {.arena = s->arena};
    size_t i = 0;
    for (; i < c->entry_count && c->entries[i].decided; i++) {
        again.n = 0;
        decide_event(decide, &c->entries[i].event, &again);
        if (again.n != c->entries[i].count || (again.n && memcmp(again.p, &c->orders[c->entries[i].first], again.n * sizeof(*again.p)) != 0)) {
            violated(s, "replay", "event %zu (%s) gives %zu orders, and gave %zu", i, event_name(c->entries[i].event.kind), again.n, c->entries[i].count);
            break;
        }
    }
    return i;
}

void controller_replay(struct sim *s)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    replay(s, decide_open(arena, s->config));
}

/* Is this the command that decide waits for? */
static bool is_awaited(const struct sim *s, const char *run)
{
    for (size_t i = 0; i < decide_incidents(s->controller.decide); i++) {
        const struct incident *incident = decide_incident_at(s->controller.decide, i);
        if (incident->depth && incident->frames[incident->depth - 1].phase == STEP_RUNNING && same(incident->frames[incident->depth - 1].run, run))
            return true;
    }
    return false;
}

static bool was_cancelled(const struct controller *c, const char *run)
{
    for (size_t i = c->order_count; i-- > 0;)
        if (c->orders[i].kind == ORDER_CANCEL && same(c->orders[i].subject, run))
            return true;
    return false;
}

static void tell_outcome(struct sim *s, const struct order *order, enum outcome outcome)
{
    struct event event = {.kind = EVENT_OUTCOME, .number = outcome, .incident = order->incident};
    COPY_TO(event.subject, order->subject);
    controller_feed(s, &event);
}

/* What became of the commands of the journal: never started, still running, ended, or dead without a word. */
static void adopt(struct sim *s)
{
    struct controller *c = &s->controller;
    size_t count = c->order_count;
    for (size_t i = 0; i < count && c->up; i++) {
        struct order order = c->orders[i];
        struct child *child = order.kind == ORDER_RUN ? child_of(s, order.subject) : NULL;
        if (order.kind != ORDER_RUN || (child && child->told))
            continue;
        bool awaited = is_awaited(s, order.subject);
        if (child && child->alive && (!awaited || was_cancelled(c, order.subject)))
            child_cancel(s, child); /* perhaps again: the first one may have died with the controller */
        else if (child && !child->alive && child->has_result)
            tell_outcome(s, &order, child->outcome);
        else if (awaited && (!child || !child->alive) && was_cancelled(c, order.subject))
            tell_outcome(s, &order, OUTCOME_EXPIRY); /* never started, or dead: it is not started any more */
        else if (awaited && (!child || !child->alive))
            child_start(s, &order); /* it asks first whether it was done already */
    }
}

void controller_restart(struct sim *s)
{
    struct controller *c = &s->controller;
    sim_tracef(s, "controller restarted");
    arena_close(&c->arena);
    c->arena = arena_open();
    c->decide = decide_open(c->arena, s->config);
    c->out = (struct orders){.arena = s->arena}; /* another process: what lay in the old memory must not matter */
    c->up = true;
    c->up_since_ms = s->now_ms;
    size_t next = replay(s, c->decide);
    c->catching_up = true;
    for (; next < c->entry_count && c->up; next++)
        if (!c->entries[next].decided)
            decide_entry(s, next);
    c->catching_up = false;
    controller_feed(s, &(struct event){.kind = EVENT_STARTED});
    if (c->up)
        adopt(s);
    for (int i = 0; i < CHECKS; i++) /* nothing is known until it is seen again */
        s->truth[i] = s->judged[i] = VERDICT_UNKNOWN;
    world_look(s);
}
