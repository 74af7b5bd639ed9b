/* run.c -- One world from its seed to its end: takes the next thing that happens, or the tick that decide asked for. */
#include "sim/sim.h"

#include "unit/fixture_config.h"

static const struct {
    const char *name, *found;
} mutations[] = {
#define MUTATION_ROW(id, name, found) {name, found},
    MUTATIONS(MUTATION_ROW)
};

const char *mutation_name(enum mutation mutation)
{
    return mutations[mutation].name;
}

const char *mutation_found(enum mutation mutation)
{
    return mutations[mutation].found;
}

void sim_tracef(struct sim *s, const char *fmt, ...)
{
    if (!s->trace)
        return;
    printf("%10.3f  ", (double)s->now_ms / 1000);
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

/* The runbook's playbooks, a way back for people, and two small ones that meet them at the wrong moment. */
static void configure(struct sim *s)
{
    s->config = fixture_config(s->arena);
    struct playbook *back = fixture_add_playbook(s->arena, s->config, "failback");
    fixture_add_step(s->arena, back, "fence-dr", "fence active");
    fixture_add_step(s->arena, back, "start", "service start standby.database")->on_failure = "next";
    fixture_add_step(s->arena, back, "restore-back", "restore standby")->budget_ms = 10 * MS_MINUTE;
    fixture_add_step(s->arena, back, "go-back", "traffic switch standby");
    fixture_add_step(s->arena, back, "look", "verify public 10");
    struct playbook *old = fixture_add_playbook(s->arena, s->config, "backup-old");
    *old = (struct playbook){.name = "backup-old", .severity = SEVERITY_P3, .opens_when = "production.backup is down", .resolved_when = "production.backup is up",
                             .hold_ms = 30 * MS_SECOND, .steps = old->steps};
    fixture_add_step(s->arena, old, "look", "diagnose active");
    fixture_add_step(s->arena, old, "await", "wait")->until = "production.backup is up";
    struct playbook *standby = fixture_add_playbook(s->arena, s->config, "standby-down");
    standby->opens_when = "standby.database is down and active.database is up";
    standby->resolved_when = "standby.database is up";
    standby->severity = SEVERITY_P3;
    fixture_add_step(s->arena, standby, "start", "service start standby.database")->until = "standby.database is up";
}

/* Turns of an hour, so that some change in the middle of it; tiers; and somebody with a second way. */
static void call_people(struct sim *s)
{
    struct config *config = s->config;
    struct severity_conf *p1 = &config->services.p[0].severities.p[0];
    struct contact *devops = &config->contacts.p[config_contact(config, "devops") - config->contacts.p];
    *vec_add(s->arena, &devops->ways) = (struct contact_way){.channel = "sms", .address = "1", .fallback = true, .fallback_after_ms = 30 * MS_SECOND};
    static const char *const people[] = {"lead", "boss"};
    for (size_t i = 0; i < COUNT_OF(people); i++) {
        struct contact *contact = vec_add(s->arena, &config->contacts);
        *contact = (struct contact){.name = people[i], .tier = (int)i + 2};
        *vec_add(s->arena, &contact->ways) = (struct contact_way){.channel = "mail", .address = people[i]};
        struct tier *tier = vec_add(s->arena, &p1->tiers);
        *vec_add(s->arena, &tier->notify) = people[i];
    }
    struct rotation *turns = vec_add(s->arena, &config->rotations);
    *turns = (struct rotation){.name = "turns", .every_ms = MS_HOUR};
    *vec_add(s->arena, &turns->members) = "dba";
    *vec_add(s->arena, &turns->members) = "ops";
    config->groups.p[0].members.p[0] = "turns";
    p1->answer_within_ms = PAGE_ANSWER_MS;
    p1->repeat = PAGE_REPEAT;
    p1->ack_expires_ms = s->seed % 5 ? 15 * MS_MINUTE : 4 * MS_MINUTE;
}

static void vary(struct sim *s)
{
    call_people(s);
    /* Nobody works at some incidents for a day: every five minutes would be a simulation of updates. */
    struct severity_conf *p1 = &s->config->services.p[0].severities.p[0];
    p1->public_from = s->seed % 3 ? PUBLIC_FROM_CONFIRMED : PUBLIC_FROM_STAGE;
    p1->public_every_ms = s->seed % 2 ? 20 * MS_MINUTE : 7 * MS_MINUTE;
    fixture_playbook(s->config, "database-down")->is_public = s->seed % 11 != 0;
    p1->update_every_ms = sim_chance(s, 20) ? 5 * MS_MINUTE : 30 * MS_MINUTE;
    struct step *restart = fixture_step(s->config, "database-down", "restart");
    s->config->services.p[0].enabled_automatic = !sim_chance(s, 5);
    restart->attempts = sim_chance(s, 20) ? 2 : 1;
    restart->pause_ms = sim_between(s, 0, 20000);
    if (sim_chance(s, 10))
        fixture_step(s->config, "failover", "redirect")->approve = APPROVE_PERSON;
    if (s->seed % 3 == 1) { /* a standby instead of backups */
        fixture_step(s->config, "failover", "restore")->action = "promote standby";
        if (s->seed % 2) /* and a playbook that goes on when it could not fence, which only the rules of safety stop */
            fixture_step(s->config, "failover", "fence")->on_failure = "next";
    }
    if (sim_chance(s, 10))
        fixture_step(s->config, "database-down", "diagnose")->when = "production.backup is up";
}

struct sim *sim_open(uint64_t seed, enum mutation mutation, bool trace)
{
    struct sim *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->seed = s->random = seed;
    s->mutation = mutation;
    s->trace = trace;
    s->arena = arena_open();
    s->now_ms = 1000000;
    s->wall_shift_ms = 1700000000000;
    configure(s);
    if (mutation == MUTATION_FAILOVERS)
        fixture_playbook(s->config, "failover")->automatic_limit = 0;
    else if (seed % 4 == 3) { /* the service's own cool-down instead of the playbook's limit */
        fixture_playbook(s->config, "failover")->automatic_limit = 0;
        s->config->services.p[0].failover.cool_down_ms = MS_DAY;
    }
    world_open(s);
    return s;
}

void sim_close(struct sim **sim)
{
    struct sim *s = *sim;
    controller_done(s);
    arena_close(&s->arena);
    free(s);
    *sim = NULL;
}

static void happen(struct sim *s, const struct happens *h)
{
    switch (h->kind) {
    case HAPPEN_FAULT:
        world_fault(s, h->a);
        break;
    case HAPPEN_TURN:
        world_turn(s, h->a, (enum verdict_state)h->b);
        break;
    case HAPPEN_EFFECT:
        if (s->children[h->a].effect_at_ms == h->at_ms)
            child_effect(s, h->a);
        break;
    case HAPPEN_END:
        if (s->children[h->a].end_at_ms == h->at_ms)
            child_end(s, h->a);
        break;
    case HAPPEN_PERSON:
        if (!s->closing)
            people_act(s, h->a, h->incident);
        break;
    case HAPPEN_CRASH:
        controller_crash(s);
        break;
    case HAPPEN_RESTART:
        controller_restart(s);
        break;
    case HAPPEN_POLL: /* while a postcondition is awaited every result is told, turned or not */
        s->polling = controller_checking(s);
        for (int i = 0; i < CHECKS && controller_checking(s); i++) {
            struct event event = {.kind = EVENT_VERDICT, .number = s->judged[i], .service = "akig"};
            COPY_TO(event.subject, check_names[i]);
            controller_feed(s, &event);
        }
        if (s->polling)
            sim_later(s, 1000, HAPPEN_POLL, 0, 0, 0);
        break;
    case HAPPEN_POST:
        post_arrives(s, h->a, h->b);
        break;
    case HAPPEN_CLOSE:
        if (!s->closing) { /* everything is repaired; two hours later somebody resolves what is left */
            s->closing = true;
            world_fault(s, -1);
            sim_later(s, 2 * MS_HOUR, HAPPEN_CLOSE, 1, 0, 0);
        } else {
            people_close(s);
        }
        break;
    }
}

static void loop(struct sim *s, int64_t end_ms)
{
    while (s->violations == 0) {
        int first = -1;
        for (int i = 0; i < s->queue_count; i++)
            if (first < 0 || s->queue[i].at_ms < s->queue[first].at_ms)
                first = i;
        int64_t tick = s->controller.up ? decide_next_ms(s->controller.decide) : TIME_NEVER;
        if (tick != TIME_NEVER && (s->mutation == MUTATION_TICK_LATE || s->mutation == MUTATION_DEAF))
            tick += s->mutation == MUTATION_DEAF ? MS_DAY : 50;
        int64_t next = first < 0 ? TIME_NEVER : s->queue[first].at_ms;
        if (MIN_OF(tick, next) > end_ms)
            return;
        s->now_ms = MAX_OF(s->now_ms, MIN_OF(tick, next));
        if (tick <= next) {
            controller_feed(s, &(struct event){.kind = EVENT_TICK});
        } else {
            struct happens h = s->queue[first];
            s->queue[first] = s->queue[--s->queue_count];
            happen(s, &h);
            if (!s->calm && s->controller.up && s->mutation == MUTATION_NONE && sim_random(s) % 16 == 0)
                controller_feed(s, &(struct event){.kind = EVENT_TICK}); /* one that nobody asked for must do nothing */
        }
        watch_world(s);
        watch_time(s);
    }
}

void sim_run(struct sim *s)
{
    vary(s);
    controller_open(s);
    world_look(s);
    world_plan_faults(s);
    people_plan(s);
    if (sim_chance(s, 30))
        sim_later(s, sim_between(s, 0, 30 * MS_MINUTE), HAPPEN_CRASH, 0, 0, 0);
    loop(s, TIME_NEVER - 1);
    if (!s->violations)
        watch_end(s);
}

void sim_run_standard(struct sim *s, bool restartable, int64_t crash_record)
{
    s->calm = true;
    s->config->services.p[0].playbooks.n = 2; /* the runbook's own */
    controller_open(s);
    s->controller.crash_record = crash_record;
    world_look(s);
    sim_later(s, 10000, HAPPEN_FAULT, restartable ? 0 : 1, 0, 0); /* the database dies; restartable or not */
    loop(s, s->now_ms + 30 * MS_MINUTE);
    if (!s->violations)
        watch_end(s);
}
