/* record/story.h -- What people read of an incident: timeline and post-incident report, made of the journal and nothing else. */
#pragma once
#include "model/config.h"
#include "record/journal.h"

/* What the journal proves about one incident. Moments in wall ms, 0: did not happen; durations in ms, -1: unknown. */
struct story {
    int64_t incident;
    const char *service, *title, *cause, *playbook;
    enum severity severity;
    const char *state;
    int64_t last_good_wall_ms, detected_wall_ms, opened_wall_ms, first_alert_wall_ms, acked_wall_ms, mitigated_wall_ms, resolved_wall_ms;
    int64_t rto_ms, rpo_ms;               /* targets */
    int64_t outage_ms;                    /* last proof of life to service back */
    int64_t recovery_point_wall_ms;
    int64_t loss_ms, loss_rows;           /* measured; -1 unknown */
    bool restored;                        /* the database was brought back from a backup */
    const char *active_site;
    size_t notices, delivered, failed;
    struct story_step {
        const char *id, *playbook, *title, *outcome, *text, *command;
        int64_t started_wall_ms, ended_wall_ms, took_ms, budget_ms, seq;
    } *steps;
    size_t step_count;
    struct story_fact {
        const char *name, *value;
        int64_t seq;
    } *facts;
    size_t fact_count;
};

MUST_USE bool story_read(struct arena *arena, struct journal *journal, const struct config *config, int64_t incident, struct story *ret, struct err *err);
/* One line a record: time, T+, what happened, who. */
MUST_USE bool story_timeline(struct journal *journal, const struct config *config, int64_t incident, enum language language, struct buf *out, struct err *err);
void story_timeline_json(struct journal *journal, int64_t incident, struct buf *out);
/* The post-incident report in Markdown. What a person must write is marked. */
MUST_USE bool story_report(struct journal *journal, const struct config *config, int64_t incident, enum language language, struct buf *out, struct err *err);
/* One sentence for a record, as the timeline and the live view print it. */
const char *story_sentence(struct arena *arena, const struct record *record, enum language language);
