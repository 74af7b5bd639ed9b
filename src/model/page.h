/* model/page.h -- What a status page says, as plain values: record/ makes them of the journal, tell/ writes them as files. */
#pragma once
#include "model/config.h"

enum {
    PAGE_DAYS = 90,
    PAGE_INCIDENTS_MAX = 400,   /* told of at most, the newest */
    PAGE_UPDATES_MAX = 400,     /* of one incident; the newest */
    PAGE_MAINTENANCES_MAX = 100,
};

struct page_update {
    int64_t serial;             /* within the incident, as it stands in the journal */
    int64_t wall_ms;
    enum public_phase phase;
    struct text2 headline, body; /* never NULL; the body may be "" */
};

struct page_incident {
    int64_t id;
    const char *service;
    enum component_state state; /* what it does to the components that it affects */
    enum page_impact impact;
    enum public_phase phase;    /* of the newest update */
    int64_t began_wall_ms;      /* of the outage: the last proof of life, else the opening */
    int64_t told_wall_ms, updated_wall_ms; /* first and newest update */
    int64_t monitoring_wall_ms, resolved_wall_ms; /* 0: not yet */
    int64_t next_update_wall_ms; /* promised; 0: none, since it is resolved */
    bool *affects;              /* for each component of the page */
    struct { struct page_update *p; size_t n, cap; } updates; /* oldest first; at least one */
};

/* A day of UTC, and the part of the day that has gone by when it is today. */
struct page_day {
    int64_t from_wall_ms;
    int64_t known_ms;           /* somebody watched, or an outage was going on */
    int64_t major_ms, partial_ms, degraded_ms;
};

struct page_component {
    const char *id;
    struct text2 title;
    const char *service;
    enum component_state state;
    int64_t since_wall_ms;      /* of that state; 0: for as long as the journal knows */
    struct page_day days[PAGE_DAYS]; /* oldest first; the last is today */
};

struct page_maintenance {
    const char *name;
    const char *service;
    struct text2 title, body;   /* never NULL */
    int64_t from_wall_ms, to_wall_ms, told_wall_ms, updated_wall_ms;
    enum maintenance_phase phase;
    bool *affects;
};

struct page {
    const struct status_page *conf;
    struct text2 title;
    int64_t made_wall_ms;
    int64_t changed_wall_ms;    /* of the newest row that it tells of; 0: none yet */
    int64_t watched_wall_ms;    /* somebody watched then, newest; made_wall_ms while somebody does, 0: never */
    int64_t stale_wall_ms;      /* who reads it later than this is warned that nobody writes it any more */
    enum page_impact impact;
    struct { struct page_component *p; size_t n, cap; } components;
    struct { struct page_incident *p; size_t n, cap; } incidents;       /* newest first */
    struct { struct page_maintenance *p; size_t n, cap; } maintenances; /* by their beginning */
};

/* The share of the known time in which the component served its users, in millionths: a partial outage counts for three tenths, as is the
   custom of status pages. -1: nothing is known. Never 1,000,000 when there was an outage. */
int64_t page_uptime_ppm(const struct page_component *component);
int64_t page_known_ms(const struct page_component *component);
enum component_state page_day_state(const struct page_day *day);
bool page_incident_over(const struct page_incident *incident); /* the public was told so */
/* The page of a configuration that names none: all services, each line of `affected`, both languages. */
const struct status_page *page_plain(struct arena *arena);
