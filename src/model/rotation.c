/* model/rotation.c -- Turns on a local clock, shifts of a calendar, and those who stand in. */
#include "model/rotation.h"

/* ---- what is planned ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct duty turn(const struct rotation *r, int64_t wall_ms)
{
    int64_t local = wall_ms + zone_offset_ms(&r->zone, wall_ms);
    int64_t number = floor_div(local - r->base_ms, r->every_ms);
    /* Where clocks are moved, local time is not monotonic: the handoffs are, and they decide. */
    while (zone_moment_ms(&r->zone, r->base_ms + number * r->every_ms) > wall_ms)
        number--;
    while (zone_moment_ms(&r->zone, r->base_ms + (number + 1) * r->every_ms) <= wall_ms)
        number++;
    int64_t count = (int64_t)r->members.n;
    return (struct duty){
        .who = {r->members.p[(number % count + count) % count]},
        .n = 1,
        .from_ms = zone_moment_ms(&r->zone, r->base_ms + number * r->every_ms),
        .to_ms = zone_moment_ms(&r->zone, r->base_ms + (number + 1) * r->every_ms),
    };
}

static void add_person(struct duty *duty, const char *who)
{
    for (size_t i = 0; i < duty->n; i++)
        if (same(duty->who[i], who))
            return;
    if (duty->n < DUTY_MAX)
        duty->who[duty->n++] = who;
}

static void narrow(struct duty *duty, int64_t boundary_ms, int64_t wall_ms)
{
    if (boundary_ms <= wall_ms)
        duty->from_ms = MAX_OF(duty->from_ms, boundary_ms);
    else
        duty->to_ms = MIN_OF(duty->to_ms, boundary_ms);
}

static struct duty of_calendar(const struct rotation *r, int64_t wall_ms)
{
    struct duty duty = {.from_ms = INT64_MIN, .to_ms = TIME_NEVER};
    for (size_t i = 0; i < r->shifts.n; i++) {
        const struct shift *s = &r->shifts.p[i];
        if (s->from_ms <= wall_ms && wall_ms < s->to_ms && s->member >= 0 && (size_t)s->member < r->named.n)
            add_person(&duty, r->named.p[s->member]);
        narrow(&duty, s->from_ms, wall_ms);
        narrow(&duty, s->to_ms, wall_ms);
    }
    return duty;
}

const struct strs *rotation_people(const struct rotation *rotation)
{
    return rotation->calendar ? &rotation->named : &rotation->members;
}

static struct duty planned(const struct rotation *r, int64_t wall_ms)
{
    if (!r->calendar && r->members.n && r->every_ms > 0)
        return turn(r, wall_ms);
    struct duty duty = of_calendar(r, wall_ms);
    duty.gap = duty.n == 0;
    for (size_t i = 0; duty.gap && i < rotation_people(r)->n; i++)
        add_person(&duty, rotation_people(r)->p[i]); /* too many who are called are better than nobody */
    return duty;
}

struct duty rotation_duty(const struct rotation *rotation, const struct stand_in *stand_ins, size_t count, int64_t wall_ms)
{
    struct duty duty = planned(rotation, wall_ms);
    const struct stand_in *last = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct stand_in *s = &stand_ins[i];
        if (!same(s->rotation, rotation->name))
            continue;
        if (s->from_ms <= wall_ms && wall_ms < s->to_ms)
            last = s;
        narrow(&duty, s->from_ms, wall_ms);
        narrow(&duty, s->to_ms, wall_ms);
    }
    if (last && last->contact && *last->contact)
        duty = (struct duty){.who = {last->contact}, .n = 1, .from_ms = duty.from_ms, .to_ms = duty.to_ms, .stands_in = true};
    return duty;
}
