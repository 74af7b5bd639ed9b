/* model/incident.h -- An incident as it stands, as decide keeps it and everyone else reads it. */
#pragma once
#include "model/config.h"
#include "model/record.h"

enum { INCIDENT_STAGES_MAX = 16, INCIDENT_DEPTH_MAX = 8 };

enum step_phase {
    STEP_NONE,      /* no playbook runs */
    STEP_READY,     /* entered; nothing ordered yet */
    STEP_ASKING,    /* waits for a person's approval */
    STEP_RUNNING,   /* its command runs */
    STEP_CHECKING,  /* the command succeeded; its postcondition is awaited */
    STEP_PAUSING,   /* before the next try */
    STEP_CALLING,   /* a sub-playbook runs */
    STEP_BLOCKED,   /* needs a person; the command that unblocks was printed */
};

/* Where a playbook stands. */
struct frame {
    int playbook;              /* index in service->playbooks */
    int step;                  /* index in its steps */
    enum step_phase phase;
    int attempt;               /* 1 for the first try */
    int64_t entered_at_ms;     /* the step's budget counts from here */
    int64_t phase_at_ms;
    char run[MODEL_ID_SIZE];   /* "INCIDENT.STEP.SERIAL" of the step's current or last command */
};

struct incident {
    int64_t id;
    int service;               /* index in config->services */
    int playbook;              /* index in service->playbooks; -1 when a person opened it without one */
    enum incident_state state;
    enum severity severity;
    int64_t opened_at_ms, opened_wall_ms;
    int64_t good_wall_ms;      /* last proof of life of the database before it, wall ms; 0: unknown */
    int64_t acked_at_ms;       /* 0: not acknowledged */
    int64_t mitigating_at_ms, monitoring_at_ms, resolved_at_ms, resolved_wall_ms; /* 0: not yet */
    int64_t state_at_ms;
    int64_t well_since_ms;     /* since when resolved_when has held; 0: it does not */
    int64_t next_update_at_ms; /* TIME_NEVER: none */
    int updates;               /* periodic updates sent */
    int64_t update_late_ms;    /* by how much the newest of them missed the moment that was promised */
    int public_serial;         /* messages to the public so far; what follows is about the newest */
    enum public_phase public_phase;
    int64_t public_at_ms, public_wall_ms;
    int64_t public_due_ms;     /* when the next one was promised; TIME_NEVER: it was not */
    int64_t public_late_ms;    /* by how much it missed what the one before had promised */
    bool public_relapse;       /* it told of a step back */
    bool public_held;          /* a person wants nothing said to the public that no person says */
    uint32_t stages_fired;     /* bit per stage of the severity */
    int pages;                 /* sent so far: the people of a stage or of a tier, once each */
    int tier;                  /* who was paged last: 0 the stage's people, else tiers[tier - 1] of the severity */
    int64_t page_at_ms;        /* the next tier is paged then, unless somebody takes the incident; TIME_NEVER: none */
    int64_t progress_ms;       /* somebody or something last moved it; an acknowledgement expires by this */
    int from, to;              /* sites: index; the one that served at opening, and the other (-1: none) */
    bool fenced;               /* a fence certificate for `from` stands in the journal */
    int serial;                /* of runs, so that every run has an id of its own */
    bool automatic;            /* opened by a condition, not by a person */
    bool of_alerts;            /* opened by an alert of another program */
    int alerts_firing, alerts_seen; /* of those that it gathers: now, and since it opened */
    int depth;                 /* frames in use */
    struct frame frames[INCIDENT_DEPTH_MAX];
    char who_acked[MODEL_ID_SIZE];
    char title[MODEL_TEXT_SIZE];
    char cause[MODEL_TEXT_SIZE]; /* the sentence of the verdict that opened it, or the person's */
};
