/* tell/message.h -- The texts people receive, filled from the incident as it stands and never typed. Unknown is printed as unknown. */
#pragma once
#include "model/config.h"
#include "model/incident.h"

struct message {
    const char *subject; /* "[P1][INC-7] Database unavailable" */
    const char *body;    /* plain text, the runbook's standard message */
};

/* What was measured, for the update and resolution texts; a field is < 0 or NULL when unknown. */
struct message_facts {
    int64_t now_ms, now_wall_ms;       /* core, wall */
    const char *step;                  /* title of the step that runs, in the language asked for */
    int step_number, step_count;
    int64_t eta_ms;                    /* remaining budgets of the running playbook */
    int64_t loss_ms;                   /* data loss as time between last proven write and recovery point */
    int64_t loss_rows;
    const char *active_site;
    int64_t next_update_ms;            /* until the next message */
    struct strs late;                  /* items of checklists whose time is over, a line each, in the language asked for */
};

/* `stage` is the name of a stage of the severity, or one of "update", "resolved", "blocked", "approval", "monitoring", "relapse",
   "checklist" (a reminder of `late`), "ticket" (order_text: the action, with its owner and date). */
struct message message_render(struct arena *arena, enum language language, const struct config *config, const struct service *service,
                              const struct incident *incident, const char *stage, const char *order_text, const struct message_facts *facts);
