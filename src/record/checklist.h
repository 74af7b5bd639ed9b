/* record/checklist.h -- Where the checklists of an incident stand, as the journal proves it, and what people wrote into its report. */
#pragma once
#include "model/field.h"
#include "record/story.h"

/* ---- checklists ---- */

/* The lists of the incident's service, fed with its rows. A configuration without the service, or without lists, gives none. */
MUST_USE bool story_checklists(struct arena *arena, struct journal *journal, const struct config *config, int64_t incident,
                               struct checklists *ret, struct err *err);
/* As a JSON array; now_at_ms: core time, for what is late. */
void checklists_json(struct arena *arena, struct journal *journal, const struct checklists *lists, int64_t now_at_ms, int64_t now_wall_ms,
                     enum language language, struct buf *out);
/* The row that marked an item; its texts in `arena`. False when it cannot be read. */
bool story_record(struct arena *arena, struct journal *journal, int64_t seq, struct record *ret);

/* ---- what people wrote ---- */

struct written {
    const char *field;          /* of model/field.h */
    const char *text, *who;
    int64_t seq, wall_ms;
};

struct written_action {
    int number;
    const char *text, *owner, *due, *ticket; /* NULL: not said. due: "2026-12-01" */
    enum horizon horizon;       /* HORIZON_MAX: not said */
    const char *who;
    int64_t seq, wall_ms;
    int64_t told_seq;           /* its ticket was handed over; 0: it was not */
};

struct written_all {
    struct { struct written *p; size_t n, cap; } fields;
    struct { struct written_action *p; size_t n, cap; } actions; /* by number; dropped ones are not there */
    int next_action;            /* number of the next one; 0: there is room for no more */
};

struct history;
void written_of(struct arena *arena, const struct history *history, struct written_all *ret);
MUST_USE bool story_written(struct arena *arena, struct journal *journal, int64_t incident, struct written_all *ret, struct err *err);
const struct written *written_field(const struct written_all *written, const char *field); /* NULL: nothing is written there */
bool action_is_complete(const struct written_action *action); /* it has an owner and a date */
/* What keeps the report from being approved: names of fields, "action", "action.2: owner". */
void written_missing(struct arena *arena, const struct written_all *written, enum severity severity, struct strs *ret);
/* The detail of a row about an action, and what people read of it: "test the disk; owner: ana; due: 2026-12-01". */
void action_json(const struct written_action *action, struct buf *out);
const char *action_line(struct arena *arena, const struct written_action *action, enum language language);
