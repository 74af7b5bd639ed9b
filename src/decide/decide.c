/* decide/decide.c -- The fold: one event in, orders out. Holds what is known, opens incidents, and lets the tables move them. */
#include "decide/decide_internal.h"

/* ---- small services to the other files ---- */

void say(char *to, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(to, size, fmt, args);
    va_end(args);
}

struct order *order_add(struct decide *d, enum order_kind kind, const struct inc *inc)
{
    struct order *order = vec_add(d->out->arena, d->out);
    memset(order, 0, sizeof(*order)); /* the place may hold an order of an earlier event */
    order->kind = kind;
    order->incident = inc->pub.id;
    COPY_TO(order->service, svc_of(d, inc)->conf->name);
    return order;
}

struct svc *svc_of(const struct decide *d, const struct inc *inc)
{
    return &d->services[inc->pub.service];
}

const char *site_name(const struct svc *svc, int site)
{
    return site == NOTHING ? NULL : svc->conf->sites.p[site].name;
}

bool is_unresolved(const struct inc *inc)
{
    return inc->pub.state < INCIDENT_RESOLVED;
}

/* ---- what is known ---- */

struct known *known_of(const struct svc *svc, const char *check)
{
    const struct check_conf *conf = service_check(svc->conf, check);
    return conf ? &svc->known[conf - svc->conf->checks.p] : NULL;
}

static enum verdict_state view_verdict(void *arg, const char *check)
{
    const struct view *view = arg;
    const struct known *known = known_of(view->svc, check);
    return known && known->seq > view->after_seq ? known->state : VERDICT_UNKNOWN;
}

static bool view_seen(void *arg, const char *check)
{
    const struct view *view = arg;
    const struct known *known = known_of(view->svc, check);
    return !view->after_seq || (known && known->seq > view->after_seq);
}

/* What its agent was last seen to say of it; where there is none, all are alike. */
static int fitness(const struct svc *svc, int site)
{
    char check[MODEL_ID_SIZE];
    SAY(check, "%s.agent", site_name(svc, site));
    const struct known *known = known_of(svc, check);
    enum verdict_state state = known ? known->state : VERDICT_UNKNOWN;
    int well = state == VERDICT_UP || state == VERDICT_WARNING ? 2 : state == VERDICT_UNKNOWN ? 1 : 0;
    return 2 * well + (svc->conf->sites.p[site].role == SITE_DR); /* of two that are equally well the one to which it is no failback */
}

int standby_of(const struct svc *svc, int active)
{
    int found = NOTHING;
    for (int i = 0; active != NOTHING && i < (int)svc->conf->sites.n; i++)
        if (i != active && (found == NOTHING || fitness(svc, i) > fitness(svc, found)))
            found = i;
    return found;
}

struct condition_world world_of(struct view *view, int active, int standby)
{
    return (struct condition_world){
        .verdict = view_verdict, .seen = view_seen, .arg = view, .active = site_name(view->svc, active), .standby = site_name(view->svc, standby)};
}

enum truth truth_pinned(const struct svc *svc, const struct inc *inc, const char *condition, int64_t after_seq)
{
    struct view view = {.svc = svc, .after_seq = after_seq};
    struct condition_world world = world_of(&view, inc->pub.from, inc->pub.to);
    if (inc->weighed)
        world.best = &inc->best;
    return condition_truth(condition, &world);
}

enum truth truth_now(const struct svc *svc, const char *condition)
{
    struct view view = {.svc = svc};
    struct condition_world world = world_of(&view, svc->active, standby_of(svc, svc->active));
    return condition_truth(condition, &world);
}

void certify(struct decide *d, struct inc *inc, int site)
{
    svc_of(d, inc)->fenced[site] = true;
    if (site == inc->pub.from)
        inc->pub.fenced = true;
    if (site == inc->pub.to)
        inc->fenced_to = true;
}

void void_certificate(struct decide *d, struct svc *svc, int site)
{
    svc->fenced[site] = false;
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        if (inc->pub.service != svc->index)
            continue;
        inc->pub.fenced = inc->pub.fenced && inc->pub.from != site;
        inc->fenced_to = inc->fenced_to && inc->pub.to != site;
    }
}

/* Is this the end of that command? It is learnt once. */
static bool is_end_of(struct late_run *late, const char *run)
{
    if (!*late->run || !same(late->run, run))
        return false;
    late->run[0] = 0;
    return late->site != NOTHING;
}

void learn(struct decide *d, struct inc *inc, const char *run, bool success)
{
    struct svc *svc = svc_of(d, inc);
    if (is_end_of(&inc->start, run)) /* however it ended, and whatever was certified while it ran */
        void_certificate(d, svc, inc->start.site);
    if (!success)
        return;
    if (is_end_of(&inc->fence, run))
        certify(d, inc, inc->fence.site);
    bool promoted = is_end_of(&inc->promotion, run);
    for (int i = 0; promoted && i < (int)svc->conf->sites.n; i++) /* the epoch names one: no other writes */
        if (i != inc->promotion.site && guard_proves_itself(d, svc, inc->promotion.site, i))
            certify(d, inc, i);
    if (is_end_of(&inc->redirect, run)) {
        svc->active = inc->redirect.site;
        svc->moving = NOTHING;
        svc->fenced[svc->active] = false;
        svc->turned = true;
        COPY_TO(order_add(d, ORDER_ACTIVE, inc)->subject, site_name(svc, svc->active));
    }
}

/* ---- the fold ---- */

static bool move_one(struct decide *d, struct inc *inc)
{
    bool moved = false;
    /* What an earlier one of these did may have resolved it. */
    while (is_unresolved(inc) && (engine_move(d, inc) || incident_move(d, inc) || alerts_move(d, inc) || stages_move(d, inc) || escalation_move(d, inc)))
        moved = true;
    if (moved && !is_unresolved(inc))
        svc_of(d, inc)->turned = true;
    return moved;
}

static void settle(struct decide *d)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < d->incidents.n; i++)
            moved = move_one(d, d->incidents.p[i]) || moved;
        for (size_t i = 0; i < d->config->services.n; i++) {
            struct svc *svc = &d->services[i];
            if (svc->turned)
                moved = openings(d, svc) || moved;
            svc->turned = false;
        }
    }
}

static void forget_oldest(struct decide *d)
{
    size_t resolved = 0;
    for (size_t i = 0; i < d->incidents.n; i++)
        resolved += !is_unresolved(d->incidents.p[i]);
    for (size_t i = 0; resolved > RESOLVED_KEPT; i++) {
        if (is_unresolved(d->incidents.p[i]))
            continue;
        checklists_close(d, d->incidents.p[i]);
        *vec_add(d->arena, &d->spare) = d->incidents.p[i];
        memmove(&d->incidents.p[i], &d->incidents.p[i + 1], (--d->incidents.n - i) * sizeof(*d->incidents.p));
        return;
    }
}

void decide_event(struct decide *d, const struct event *event, struct orders *out)
{
    if ((unsigned)event->kind >= EVENT_MAX)
        return;
    checklists_event(d, event);
    weigh(d, event);
    choose_standby(d, event);
    if (!event_handlers[event->kind])
        return; /* must leave no trace but on the checklists, and of what was measured, not even a look at the clocks */
    size_t mark = out->n;
    d->now_ms = MAX_OF(d->now_ms, event->at_ms);
    d->wall_ms = event->wall_ms;
    d->who = event->who;
    d->ticking = event->kind == EVENT_TICK;
    d->out = out;
    d->event = event;
    d->seq++;
    person_moved(d, event);
    event_handlers[event->kind](d, event);
    settle(d);
    for (size_t i = 0; i < d->incidents.n; i++)
        public_move(d, d->incidents.p[i]);
    checklists_orders(d, mark);
    for (size_t i = 0; i < d->incidents.n; i++)
        checklists_move(d, d->incidents.p[i]);
    forget_oldest(d);
}

int64_t decide_next_ms(const struct decide *d)
{
    int64_t next = TIME_NEVER;
    for (size_t i = 0; i < d->config->services.n; i++)
        if (guard_paused(d, &d->services[i]))
            next = MIN_OF(next, d->services[i].paused_until_ms + PAUSE_LOOK_MS);
    for (size_t i = 0; i < d->incidents.n; i++) {
        const struct inc *inc = d->incidents.p[i];
        next = MIN_OF(next, checklists_next_ms(inc));
        if (!is_unresolved(inc))
            continue;
        next = MIN_OF(next, stages_next_ms(d, inc));
        next = MIN_OF(next, escalation_next_ms(d, inc));
        next = MIN_OF(next, incident_next_ms(d, inc));
        next = MIN_OF(next, alerts_next_ms(d, inc));
        next = MIN_OF(next, engine_next_ms(d, inc));
        next = MIN_OF(next, public_next_ms(d, inc));
    }
    return next;
}

/* ---- opening and reading ---- */

void window_init(struct arena *arena, struct window *window, int size)
{
    window->size = MAX_OF(0, size);
    window->at_ms = arena_array(arena, int64_t, window->size);
    for (int i = 0; i < window->size; i++)
        window->at_ms[i] = TIME_NEVER;
}

static void svc_init(struct arena *arena, struct svc *svc, const struct service *conf, int index, int storm_after)
{
    const struct site *production = service_site_of(conf, SITE_PRODUCTION);
    *svc = (struct svc){.conf = conf, .index = index, .moving = NOTHING, .failover_ms = TIME_NEVER};
    svc->active = production ? (int)(production - conf->sites.p) : conf->sites.n ? 0 : NOTHING;
    svc->fenced = arena_array(arena, bool, conf->sites.n);
    svc->served = arena_array(arena, bool, conf->sites.n);
    if (svc->active != NOTHING)
        svc->served[svc->active] = true;
    svc->known = arena_array(arena, struct known, conf->checks.n);
    svc->books = arena_array(arena, struct book, conf->playbooks.n);
    for (int i = 0; i < SEVERITY_MAX; i++)
        window_init(arena, &svc->gatherings[i], storm_after);
    for (size_t i = 0; i < conf->playbooks.n; i++) {
        const struct playbook *playbook = &conf->playbooks.p[i];
        window_init(arena, &svc->books[i].automatic, playbook->automatic_limit);
        svc->books[i].steps = arena_array(arena, struct window, playbook->steps.n);
        for (size_t s = 0; s < playbook->steps.n; s++)
            window_init(arena, &svc->books[i].steps[s], playbook->steps.p[s].limit);
    }
}

struct decide *decide_open(struct arena *arena, const struct config *config)
{
    struct decide *d = arena_new(arena, struct decide);
    *d = (struct decide){.arena = arena, .config = config, .next_id = 1, .started_ms = TIME_NEVER};
    d->services = arena_array(arena, struct svc, config->services.n);
    for (size_t i = 0; i < config->services.n; i++)
        svc_init(arena, &d->services[i], &config->services.p[i], (int)i, config->alerts.storm_after);
    return d;
}

size_t decide_incidents(const struct decide *d)
{
    return d->incidents.n;
}

const struct incident *decide_incident_at(const struct decide *d, size_t index)
{
    return index < d->incidents.n ? &d->incidents.p[index]->pub : NULL;
}

const struct incident *decide_incident(const struct decide *d, int64_t id)
{
    for (size_t i = 0; i < d->incidents.n; i++)
        if (d->incidents.p[i]->pub.id == id)
            return &d->incidents.p[i]->pub;
    return NULL;
}

const struct checklists *decide_checklists(const struct decide *d UNUSED, const struct incident *incident)
{
    return ((const struct inc *)incident)->lists; /* every incident that is handed out is the head of one */
}

const struct site *decide_active(const struct decide *d, int service)
{
    if (service < 0 || (size_t)service >= d->config->services.n || d->services[service].active == NOTHING)
        return NULL;
    return &d->services[service].conf->sites.p[d->services[service].active];
}

int64_t decide_paused(const struct decide *d, int service)
{
    if (service < 0 || (size_t)service >= d->config->services.n)
        return 0;
    return d->services[service].paused_until_ms;
}

int64_t decide_moved(const struct decide *d, int service)
{
    return service < 0 || (size_t)service >= d->config->services.n ? TIME_NEVER : d->services[service].failover_ms;
}

bool decide_asks_for_pause(const struct decide *d UNUSED, const struct incident *incident)
{
    const struct inc *inc = (const struct inc *)incident;
    return incident->depth && incident->frames[incident->depth - 1].phase == STEP_ASKING && inc->more[incident->depth - 1].ask == ASK_PAUSED;
}

enum verdict_state decide_verdict(const struct decide *d, int service, const char *check)
{
    if (service < 0 || (size_t)service >= d->config->services.n)
        return VERDICT_UNKNOWN;
    const struct known *known = known_of(&d->services[service], check);
    return known ? known->state : VERDICT_UNKNOWN;
}

const struct step *decide_step(const struct decide *d, const struct incident *incident, const struct playbook **ret_playbook)
{
    const struct inc *inc = (const struct inc *)incident; /* every incident that is handed out is the head of one */
    const struct step *step = inc->pub.depth ? engine_step(d, inc) : NULL;
    if (step && ret_playbook)
        *ret_playbook = &d->services[incident->service].conf->playbooks.p[incident->frames[incident->depth - 1].playbook];
    return step;
}

bool decide_stopping(const struct decide *d UNUSED, const struct incident *incident)
{
    const struct inc *inc = (const struct inc *)incident;
    int on_top = incident->depth - 1;
    return on_top >= 0 && incident->frames[on_top].phase == STEP_RUNNING && inc->more[on_top].stopping;
}
