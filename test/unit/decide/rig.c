/* rig.c -- See the header. */
#include "unit/decide/rig.h"

struct rig rig_open(void)
{
    struct rig rig = {.arena = arena_open(), .now_ms = 1000000};
    rig.config = fixture_config(rig.arena);
    rig.orders.arena = rig.arena;
    return rig;
}

void rig_close(struct rig *rig)
{
    arena_close(&rig->arena);
}

void rig_begin(struct rig *rig)
{
    if (!rig->decide)
        rig->decide = decide_open(rig->arena, rig->config);
}

void rig_feed(struct rig *rig, const struct event *event)
{
    rig_begin(rig);
    rig->orders.n = 0;
    struct event stamped = *event;
    stamped.at_ms = rig->now_ms;
    stamped.wall_ms = rig->now_ms + 1700000000000;
    decide_event(rig->decide, &stamped, &rig->orders);
}

void rig_verdict(struct rig *rig, const char *check, enum verdict_state state)
{
    struct event event = {.kind = EVENT_VERDICT, .number = state, .ref = 5000, .service = "akig"};
    COPY_TO(event.subject, check);
    say(event.text, sizeof(event.text), "%s is %s", check, verdict_name(state));
    rig_feed(rig, &event);
}

void rig_person(struct rig *rig, enum event_kind kind, const char *subject)
{
    struct event event = {.kind = kind, .number = -1, .service = "akig", .who = "anna"};
    COPY_TO(event.subject, subject);
    rig_feed(rig, &event);
}

void rig_tick(struct rig *rig, int64_t later_ms)
{
    rig->now_ms += later_ms;
    rig_feed(rig, &(struct event){.kind = EVENT_TICK});
}

void rig_outcome_of(struct rig *rig, const char *run, enum outcome outcome)
{
    struct event event = {.kind = EVENT_OUTCOME, .number = outcome};
    COPY_TO(event.subject, run);
    rig_feed(rig, &event);
}

void rig_outcome(struct rig *rig, enum outcome outcome, const char *text)
{
    const struct inc *inc = rig_inc(rig);
    assert_int_not_equal(inc->pub.depth, 0);
    struct event event = {.kind = EVENT_OUTCOME, .number = outcome};
    COPY_TO(event.subject, inc->pub.frames[inc->pub.depth - 1].run);
    COPY_TO(event.text, text);
    rig_feed(rig, &event);
}

void rig_run_until(struct rig *rig, int64_t later_ms)
{
    int64_t end = rig->now_ms + later_ms;
    for (int64_t next; (next = decide_next_ms(rig->decide)) < end;) {
        assert_true(next > rig->now_ms);
        rig_tick(rig, next - rig->now_ms);
        assert_int_not_equal(rig->orders.n + (decide_next_ms(rig->decide) != next), 0); /* the tick that was asked for had its use */
    }
    rig_tick(rig, end - rig->now_ms);
}

size_t rig_count(const struct rig *rig, enum order_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->orders.n; i++)
        n += rig->orders.p[i].kind == kind;
    return n;
}

const struct order *rig_order(const struct rig *rig, enum order_kind kind)
{
    for (size_t i = 0; i < rig->orders.n; i++)
        if (rig->orders.p[i].kind == kind)
            return &rig->orders.p[i];
    fail_msg("no order of kind %s", order_name(kind));
    return NULL;
}

const struct order *rig_find(const struct rig *rig, enum order_kind kind, const char *subject)
{
    for (size_t i = 0; i < rig->orders.n; i++)
        if (rig->orders.p[i].kind == kind && same(rig->orders.p[i].subject, subject))
            return &rig->orders.p[i];
    return NULL;
}

const struct incident *rig_incident(const struct rig *rig)
{
    return decide_incident_at(rig->decide, decide_incidents(rig->decide) - 1);
}

const struct inc *rig_inc(const struct rig *rig)
{
    return (const struct inc *)rig_incident(rig);
}

void rig_assert_run(const struct rig *rig, const char *words)
{
    assert_int_equal(rig_count(rig, ORDER_RUN), 1);
    assert_string_equal(rig_order(rig, ORDER_RUN)->text, words);
}

void rig_assert_phase(const struct rig *rig, enum step_phase phase, const char *step)
{
    const struct incident *incident = rig_incident(rig);
    const struct playbook *playbook;
    assert_int_not_equal(incident->depth, 0);
    assert_string_equal(decide_step(rig->decide, incident, &playbook)->id, step);
    assert_int_equal(incident->frames[incident->depth - 1].phase, phase);
}

void rig_down(struct rig *rig)
{
    rig_verdict(rig, "public", VERDICT_DOWN);
    rig_verdict(rig, "production.database", VERDICT_DOWN);
    rig_assert_run(rig, "diagnose production");
}

void rig_to_restart(struct rig *rig)
{
    rig_down(rig);
    rig_outcome(rig, OUTCOME_SUCCESS, "the postmaster is gone");
    rig_assert_run(rig, "service restart production.database");
}

void rig_to_step(struct rig *rig, const char *step)
{
    rig_to_restart(rig);
    rig_outcome(rig, OUTCOME_FAILURE, "the unit is masked");
    rig_assert_run(rig, "status dr");
    while (!same(decide_step(rig->decide, rig_incident(rig), NULL)->id, step)) {
        rig->now_ms += 1000;
        rig_outcome(rig, OUTCOME_SUCCESS, "");
        if (rig_incident(rig)->frames[1].phase == STEP_CHECKING)
            rig_verdict(rig, "dr.application", VERDICT_UP);
    }
}

void rig_failed_over(struct rig *rig)
{
    rig_to_step(rig, "redirect");
    rig_outcome(rig, OUTCOME_SUCCESS, "");
    rig_verdict(rig, "public", VERDICT_UP);
    rig_assert_phase(rig, STEP_RUNNING, "verify-traffic");
    rig_outcome(rig, OUTCOME_SUCCESS, "");
    assert_int_equal(rig_incident(rig)->state, INCIDENT_MONITORING);
}
