/* people.c -- Those who are woken: some answer well, some badly, some not at all, and some type commands nobody asked for. */
#include "sim/sim.h"

enum { ACT_ACK, ACT_APPROVE, ACT_DENY, ACT_CERTIFY, ACT_CERTIFY_UNSEEN, ACT_RETRY, ACT_RESOLVE, ACT_REVIEW, ACT_FAILOVER, ACT_RESTART, ACT_FAILBACK, ACT_OPEN,
       ACT_NOTE, ACT_ESCALATE, ACT_STAND_IN, ACT_PAUSE, ACT_UNPAUSE, ACT_MAX };

static void say_event(struct sim *s, enum event_kind kind, int64_t incident, const char *subject)
{
    struct event event = {.kind = kind, .incident = incident, .number = -1, .service = "akig", .who = "anna"};
    COPY_TO(event.subject, subject);
    sim_tracef(s, "anna: %s %s (incident %lld)", event_name(kind), subject, (long long)incident);
    controller_person(s, &event);
}

void people_act(struct sim *s, int act, int64_t incident)
{
    struct machine *serving = &s->machines[s->traffic];
    switch (act) {
    case ACT_ACK:
        say_event(s, EVENT_ACK, incident, "");
        break;
    case ACT_APPROVE:
        say_event(s, EVENT_APPROVE, incident, "");
        break;
    case ACT_DENY:
        say_event(s, EVENT_DENY, incident, "");
        break;
    case ACT_CERTIFY: /* having pulled its power cord */
        serving->db = DB_STOPPED;
        serving->masked = true;
        serving->reachable = false;
        world_look(s);
        say_event(s, EVENT_CERTIFY, incident, site_names[s->traffic]);
        break;
    case ACT_CERTIFY_UNSEEN: /* on nothing but a name and a feeling: the name is in the journal */
        say_event(s, EVENT_CERTIFY, incident, site_names[s->traffic]);
        break;
    case ACT_RETRY:
        say_event(s, EVENT_RETRY, incident, "");
        break;
    case ACT_RESOLVE:
        say_event(s, EVENT_RESOLVE, incident, "");
        break;
    case ACT_REVIEW:
        say_event(s, EVENT_REVIEW, incident, "");
        break;
    case ACT_FAILOVER:
        say_event(s, EVENT_OPEN, 0, "failover");
        break;
    case ACT_RESTART:
        say_event(s, EVENT_OPEN, 0, "database-down");
        break;
    case ACT_FAILBACK:
        say_event(s, EVENT_OPEN, 0, "failback");
        break;
    case ACT_OPEN:
        say_event(s, EVENT_OPEN, 0, "");
        break;
    case ACT_ESCALATE:
        say_event(s, EVENT_ESCALATE, incident, "");
        break;
    case ACT_STAND_IN: {
        struct event event = {.kind = EVENT_OVERRIDE, .subject = "turns", .text = "boss", .who = "anna"};
        event.number = s->now_ms + s->wall_shift_ms;
        event.ref = event.number + sim_between(s, 1, 120) * MS_MINUTE;
        controller_person(s, &event);
        break;
    }
    case ACT_PAUSE: {
        struct event event = {.kind = EVENT_PAUSE, .number = 1, .service = "akig", .who = "anna", .text = "new disks"};
        event.ref = s->now_ms + s->wall_shift_ms + sim_between(s, 1, 90) * MS_MINUTE;
        controller_person(s, &event);
        break;
    }
    case ACT_UNPAUSE:
        controller_person(s, &(struct event){.kind = EVENT_PAUSE, .service = "akig", .who = "anna"});
        break;
    default:
        say_event(s, EVENT_NOTE, incident, "");
    }
}

void people_plan(struct sim *s)
{
    for (int n = (int)sim_between(s, 0, 4) - 1; n > 0; n--) /* half the time nobody meddles */
        sim_later(s, sim_between(s, 0, 60 * MS_MINUTE), HAPPEN_PERSON, (int)sim_between(s, 0, ACT_MAX - 1), 0, 0);
}

void people_answer(struct sim *s, const struct order *order)
{
    static const struct {
        enum order_kind to;
        int percent, act;
    } habits[] = {
        {ORDER_OPEN, 40, ACT_ACK},        {ORDER_ASK, 50, ACT_APPROVE},      {ORDER_ASK, 15, ACT_DENY},       {ORDER_BLOCKED, 20, ACT_CERTIFY},
        {ORDER_BLOCKED, 8, ACT_CERTIFY_UNSEEN}, {ORDER_BLOCKED, 22, ACT_RETRY}, {ORDER_BLOCKED, 10, ACT_APPROVE}, {ORDER_BLOCKED, 10, ACT_RESOLVE},
        {ORDER_BLOCKED, 10, ACT_FAILOVER}, {ORDER_BLOCKED, 4, ACT_FAILBACK},
    };
    if (s->calm || s->closing)
        return;
    if (order->kind == ORDER_RUN) { /* somebody pulls the cord, or says so, just as a restart brings it back */
        if (str_starts(str_of(order->text), "service") && sim_chance(s, 4))
            sim_later(s, sim_between(s, 0, 10000), HAPPEN_PERSON, sim_chance(s, 50) ? ACT_CERTIFY : ACT_CERTIFY_UNSEEN, 0, order->incident);
        return;
    }
    int roll = (int)(sim_random(s) % 100);
    for (size_t i = 0; i < COUNT_OF(habits); i++) {
        if (habits[i].to != order->kind)
            continue;
        if ((roll -= habits[i].percent) >= 0)
            continue;
        sim_later(s, sim_between(s, 500, 12 * MS_MINUTE), HAPPEN_PERSON, habits[i].act, 0, order->incident);
        return;
    }
}

void people_close(struct sim *s)
{
    bool left = !s->controller.up;
    for (size_t i = 0; s->controller.up && i < decide_incidents(s->controller.decide); i++) {
        int64_t id = decide_incident_at(s->controller.decide, i)->id;
        if (decide_incident(s->controller.decide, id)->state >= INCIDENT_RESOLVED)
            continue;
        left = true;
        say_event(s, EVENT_RESOLVE, id, "");
    }
    if (left) /* resolving one may open the next */
        sim_later(s, 10 * MS_MINUTE, HAPPEN_CLOSE, 1, 0, 0);
}
