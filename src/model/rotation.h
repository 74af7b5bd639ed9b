/* model/rotation.h -- Who is on call, now and at any other time: members who take turns, or shifts of a calendar, and people who stand
   in for them. Pure: moments are wall milliseconds that the caller brings. */
#pragma once
#include "base/base.h"
#include "base/option.h"
#include "base/zone.h"

struct shift {
    int64_t from_ms, to_ms;
    int member; /* index in `named` */
};

struct rotation {
    struct mark mark;
    const char *name;
    struct text2 title;
    int tier;                /* its people are paged with this tier, too; 0: only where it is named */
    struct strs members;     /* contacts, in the order of their turns */
    int64_t every_ms;        /* from one handoff to the next, on the local clock */
    const char *at;          /* "09:00" */
    const char *from;        /* "2026-01-05": on that day the first member's turn begins */
    const char *zone_name;
    const char *calendar;    /* iCalendar file whose events are the shifts; NULL: members take turns */
    /* made of the above when the configuration is loaded */
    struct strs named;       /* contacts that the calendar names */
    int64_t base_ms;         /* `from` at `at`, local */
    struct zone zone;
    struct { struct shift *p; size_t n, cap; } shifts; /* of the calendar, ascending by their beginning */
    int64_t known_from_ms, known_to_ms;                /* the calendar was read for that time */
};

/* Somebody takes a part of a rotation over; an empty contact: back to the plan. Of those that cover a moment the last one counts. */
struct stand_in {
    const char *rotation, *contact;
    int64_t from_ms, to_ms;
};

enum { DUTY_MAX = 16 };

struct duty {
    const char *who[DUTY_MAX]; /* names of contacts; shifts of a calendar may overlap */
    size_t n;
    int64_t from_ms, to_ms;    /* so it is for that time; TIME_NEVER: for ever */
    bool stands_in;
    bool gap;                  /* nobody is on call: then all members are */
};
/* All who may be on call. */
const struct strs *rotation_people(const struct rotation *rotation);
struct duty rotation_duty(const struct rotation *rotation, const struct stand_in *stand_ins, size_t count, int64_t wall_ms);
