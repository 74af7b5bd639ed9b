/* record/story.h -- What people read of an incident: timeline and post-incident report, made of the journal and nothing else. */
#pragma once
#include "model/config.h"
#include "record/journal.h"

/* What the journal proves about one incident. Moments in wall ms, 0: did not happen; durations in ms, -1: unknown. The wall may jump
   during an incident, so durations are differences of core time; only the way back to the last proof of life is wall time. */
struct story {
    int64_t incident;
    const char *service, *title, *cause, *playbook;
    enum severity severity;
    const char *state;
    int64_t last_good_wall_ms, detected_wall_ms, opened_wall_ms, first_alert_wall_ms, acked_wall_ms, mitigated_wall_ms, resolved_wall_ms;
    int64_t rto_ms, rpo_ms;               /* targets; -1: the configuration states none */
    int64_t outage_ms;                    /* last proof of life (unknown: detection) to service back, that is verified and monitored */
    int64_t recovery_point_wall_ms;
    int64_t loss_ms, loss_rows;           /* measured; -1 unknown */
    int64_t lost_transactions, lost_bytes; /* of a promotion: what the old primary had for itself, counted in its log; -1 unknown */
    bool restored;                        /* the database was brought back from a backup */
    const char *active_site;              /* that serves since this incident; NULL: it was not moved */
    size_t notices, delivered, failed;
    struct story_step {
        const char *id, *playbook, *title, *outcome, *text, *command; /* outcome and command NULL: none yet, none at all */
        int64_t started_wall_ms, ended_wall_ms, took_ms, budget_ms, seq;
        const char *run;
        int64_t started_at_ms, end_seq;
    } *steps;
    size_t step_count;
    struct story_fact {
        const char *name, *value;
        int64_t seq;
    } *facts;
    size_t fact_count;
    /* Where the above stands in the journal; 0: nowhere. */
    int64_t detected_seq, opened_seq, first_alert_seq, acked_seq, back_seq, resolved_seq, active_seq;
    int64_t opened_at_ms;                 /* core time, from which T+ counts */
    int64_t detect_ms, open_ms, alert_ms, ack_ms; /* from last proof of life; from detection; the last two from opening */
    int64_t recover_ms;                   /* opening to service back */
    bool declared;                        /* the end is a person's word: nothing was verified */
    bool by_person;                       /* detected by a person and not by a check */
    const char *detected_by;              /* the check or the person */
    const char *acked_by;                 /* last */
    bool ack_void;                        /* it has expired, or the incident was escalated since */
    const char *waits_for;                /* run id of the step that waits for an approval or is blocked; NULL: none */
    const char *waits_text;
    bool blocked;                         /* it is blocked, rather than waiting for an approval */
};

MUST_USE bool story_read(struct arena *arena, struct journal *journal, const struct config *config, int64_t incident, struct story *ret, struct err *err);
void story_json(const struct story *story, struct buf *out);
const struct story_fact *story_fact(const struct story *story, const char *name); /* the newest of that name; NULL: not measured */
/* One line a record: time, T+, what happened, who. A line with the date stands before the first of each day (UTC). */
MUST_USE bool story_timeline(struct journal *journal, const struct config *config, int64_t incident, enum language language, struct buf *out, struct err *err);
void story_timeline_json(struct journal *journal, int64_t incident, struct buf *out); /* an array; empty when it cannot be read */
/* One record as a JSON object, in the form that timeline and `journal show` print. */
struct jsonout;
void story_record_json(struct jsonout *j, const struct record *record);
/* The post-incident report in Markdown. What a person must write is marked. */
MUST_USE bool story_report(struct journal *journal, const struct config *config, int64_t incident, enum language language, struct buf *out, struct err *err);
/* A report as a page of its own, for screens or for paper. */
void story_html(const struct buf *markdown, bool for_paper, enum language language, struct buf *out);
/* What decide says in English to people ("why; command; command"), in their language; what is not known stays. */
const char *story_reasons(struct arena *arena, const char *text, enum language language);
/* One sentence for a record, as the timeline and the live view print it; on one line, and harmless for a terminal. */
const char *story_sentence(struct arena *arena, const struct record *record, enum language language);
/* A sentence that decide wrote in English, in the language asked for. */
const char *story_decided(struct arena *arena, const char *sentence, enum language language);
