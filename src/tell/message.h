/* tell/message.h -- The texts people receive, filled from the incident as it stands and never typed. Unknown is printed as unknown. The
   words stand in templates (etc/templates), which people may replace by their own. */
#pragma once
#include "model/config.h"
#include "model/incident.h"

struct message {
    const char *subject; /* "[P1][INC-7] Database unavailable" */
    const char *body;    /* plain text, the runbook's standard message */
    const char *brief;   /* one line for a telephone */
    const char *html;    /* the body as a page; NULL: it would be too large */
};

/* What was measured, for the update and resolution texts; a field is < 0 or NULL when unknown. */
struct message_facts {
    int64_t now_ms, now_wall_ms;       /* core, wall */
    const char *step;                  /* title of the step that runs, in the language asked for */
    int step_number, step_count;
    int64_t eta_ms;                    /* by what the same commands took before, else by the remaining budgets */
    int64_t eta_most_ms;               /* by the remaining budgets */
    int64_t loss_ms;                   /* data loss as time between last proven write and recovery point */
    int64_t loss_rows;
    const char *active_site;
    bool moved;                        /* the users were sent to another site, or the database was restored, in this incident */
    int64_t next_update_ms;            /* until the next message */
    struct message_failure {           /* who could not be told of this incident, newest first */
        const char *contact, *channel, *why;
    } *failures;
    size_t failure_count;
    struct strs late;                  /* items of checklists whose time is over, a line each, in the language asked for */
};

/* `stage` is the name of a stage of the severity, or one of "update", "resolved", "blocked", "approval", "monitoring", "relapse",
   "reminder" (of what order_text says), "checklist" (a reminder of `late`), "ticket" (order_text: the action, with its owner and date),
   "say" (order_text: "anna: words"). */
struct message message_render(struct arena *arena, enum language language, const struct config *config, const struct service *service,
                              const struct incident *incident, const char *stage, const char *order_text, const struct message_facts *facts);
