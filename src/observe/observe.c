/* observe/observe.c -- When checks run. A run is planned from the moment the one before was planned for, so that nothing drifts; its
   deadline is kept here and not by the driver, so that a driver that hangs is a failed check and never a missing one. */
#include "observe/observe.h"

#include "sys/clock.h"
#include "sys/file.h"

enum {
    RESOLVE_MS = 2000,
    SPREAD_MOST_MS = 10000, /* the first picture of everything is complete by then */
    AGAIN_LEAST_MS = 20,    /* from one run to the next, however much there is to tell */
};

struct slot {
    struct observe *observe;
    struct check *check;
    struct loop_timer *due, *deadline;
    int64_t planned_ms;
    bool asked; /* by observe_once, which waits for its report */
};

struct observe {
    struct loop *loop;
    const struct config *config;
    struct arena *arena;
    struct dns *dns;
    struct http *http;
    struct check_env *envs; /* one a service */
    struct slot *slots;
    size_t count;
    observe_result_fn *on_result;
    void *arg;
    int64_t (*core_now)(void *arg);
    void *core_arg;
    size_t awaited; /* reports that observe_once still waits for */
    void (*once_done)(void *arg);
    void *once_arg;
    struct loop_timer *once_timer;
};

static bool end_run(struct slot *slot)
{
    bool was = slot->check->running;
    slot->check->running = false;
    loop_timer_cancel(slot->deadline);
    return was;
}

static void told(struct slot *slot)
{
    struct observe *o = slot->observe;
    if (!slot->asked)
        return;
    slot->asked = false;
    if (--o->awaited == 0)
        loop_timer_set(o->once_timer, clock_boot_ms()); /* later, also when a check reported before observe_once returned */
}

/* What follows its target need not wait for its time. */
static void run_again(struct slot *slot)
{
    if (!slot->check->again || slot->planned_ms == TIME_NEVER)
        return;
    slot->planned_ms = MAX_OF(clock_boot_ms(), slot->check->started_boot_ms + AGAIN_LEAST_MS);
    loop_timer_set(slot->due, slot->planned_ms);
}

static void on_report(void *arg, struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *text)
{
    struct slot *slot = arg;
    struct observe *o = slot->observe;
    if (!end_run(slot))
        return; /* a driver that reports twice is told nothing, and the contract test finds it */
    struct result r = {.state = state, .certain = check->certain, .wall_ms = clock_wall_ms(), .good_wall_ms = good_wall_ms};
    r.at_ms = o->core_now ? o->core_now(o->core_arg) : clock_boot_ms();
    r.took_ms = clock_boot_ms() - check->started_boot_ms;
    COPY_TO(r.service, check->env->service->name);
    COPY_TO(r.check, check->conf->id);
    COPY_TO(r.text, text);
    run_again(slot);
    o->on_result(o->arg, &r);
    told(slot);
}

static void on_deadline(void *arg)
{
    struct slot *slot = arg;
    struct check *check = slot->check;
    check->ops->cancel(check);
    bool lost = check->ops->way_may_be_lost && check->ops->way_may_be_lost(check);
    check_report(check, lost ? VERDICT_UNKNOWN : VERDICT_DOWN, "no answer within %.1f s%s%s%s", (double)check->conf->timeout_ms / 1000.0,
                 lost ? " from host \"" : "", lost ? check->site->host.address : "", lost ? "\", which may be unreachable rather than ill" : "");
}

static void run(struct slot *slot)
{
    struct check *check = slot->check;
    arena_close(&check->arena);
    check->arena = arena_open();
    check->running = true;
    check->certain = check->again = false;
    check->started_boot_ms = clock_boot_ms();
    int64_t waits_ms = check->ops->waits_ms ? check->ops->waits_ms(check) : 0;
    loop_timer_set(slot->deadline, check->started_boot_ms + waits_ms + check->conf->timeout_ms);
    check->ops->start(check);
}

static void on_due(void *arg)
{
    struct slot *slot = arg;
    int64_t now = clock_boot_ms(), interval = MAX_OF(slot->check->conf->interval_ms, 1);
    /* After a freeze or a suspend the runs that were missed are left out, not made up for all at once. */
    slot->planned_ms += interval * MAX_OF((now - slot->planned_ms) / interval + 1, 1);
    loop_timer_set(slot->due, slot->planned_ms);
    if (!slot->check->running)
        run(slot);
}

static void on_once_over(void *arg)
{
    struct observe *o = arg;
    if (o->once_done)
        o->once_done(o->once_arg);
}

/* ---- setting up ---- */

static void add_slot(struct observe *o, struct check_env *env, const struct check_conf *conf)
{
    const struct check_ops *ops = check_driver(conf->type);
    if (!ops)
        return; /* the configuration was refused for it, or never validated */
    struct slot *slot = &o->slots[o->count++];
    struct check *check = arena_alloc(o->arena, ops->check_size);
    *check = (struct check){.ops = ops, .env = env, .conf = conf, .report = on_report, .report_arg = slot};
    check->site = conf->site ? service_site(env->service, conf->site) : NULL;
    slot->observe = o;
    slot->check = check;
    slot->planned_ms = TIME_NEVER;
    slot->due = loop_timer_new(o->loop, on_due, slot);
    slot->deadline = loop_timer_new(o->loop, on_deadline, slot);
}

struct observe *observe_open(struct loop *loop, const struct config *config, const char *control_dir, observe_result_fn *on_result, void *arg)
{
    struct arena *arena = arena_open();
    struct observe *o = arena_new(arena, struct observe);
    *o = (struct observe){.loop = loop, .config = config, .arena = arena, .on_result = on_result, .arg = arg};
    o->dns = dns_open(loop, RESOLVE_MS);
    o->http = http_open(loop, o->dns);
    o->once_timer = loop_timer_new(loop, on_once_over, o);
    o->envs = arena_array(arena, struct check_env, config->services.n);
    const char *self = file_self(arena);
    size_t all = 0;
    for (size_t i = 0; i < config->services.n; i++)
        all += config->services.p[i].checks.n;
    o->slots = arena_array(arena, struct slot, all);
    for (size_t i = 0; i < config->services.n; i++) {
        const struct service *service = &config->services.p[i];
        o->envs[i] = (struct check_env){loop, o->dns, o->http, config, service, arena_strdup(arena, control_dir), self};
        for (size_t k = 0; k < service->checks.n; k++)
            add_slot(o, &o->envs[i], &service->checks.p[k]);
    }
    return o;
}

void observe_close(struct observe **observe)
{
    if (!observe || !*observe)
        return;
    struct observe *o = *observe;
    for (size_t i = 0; i < o->count; i++) {
        struct slot *slot = &o->slots[i];
        slot->check->ops->cancel(slot->check);
        loop_timer_free(&slot->due);
        loop_timer_free(&slot->deadline);
        arena_close(&slot->check->arena);
    }
    loop_timer_free(&o->once_timer);
    http_close(&o->http);
    dns_close(&o->dns);
    struct arena *arena = o->arena;
    arena_close(&arena);
    *observe = NULL;
}

void observe_set_clock(struct observe *observe, int64_t (*core_now)(void *arg), void *arg)
{
    observe->core_now = core_now;
    observe->core_arg = arg;
}

void observe_begin(struct observe *observe)
{
    int64_t now = clock_boot_ms();
    for (size_t i = 0; i < observe->count; i++) {
        struct slot *slot = &observe->slots[i];
        int64_t spread = MIN_OF(slot->check->conf->interval_ms, SPREAD_MOST_MS);
        slot->planned_ms = now + spread * (int64_t)i / (int64_t)observe->count;
        loop_timer_set(slot->due, slot->planned_ms);
    }
}

static bool is_asked(const struct slot *slot, const char *service, const char *site)
{
    return (!service || same(slot->check->env->service->name, service)) && (!site || same(slot->check->conf->site, site));
}

void observe_once(struct observe *observe, const char *service, const char *site, void (*done)(void *arg), void *arg)
{
    observe->once_done = done;
    observe->once_arg = arg;
    for (size_t i = 0; i < observe->count; i++) {
        observe->slots[i].asked = is_asked(&observe->slots[i], service, site);
        observe->awaited += observe->slots[i].asked;
    }
    if (observe->awaited == 0)
        loop_timer_set(observe->once_timer, clock_boot_ms());
    for (size_t i = 0; i < observe->count; i++)
        if (observe->slots[i].asked && !observe->slots[i].check->running)
            run(&observe->slots[i]);
}

size_t observe_count(const struct observe *observe)
{
    return observe->count;
}
