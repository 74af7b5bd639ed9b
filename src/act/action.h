/* act/action.h -- What every action is: a command that says what it would do, whether it is done already, and does it.
   Actions run in a process of their own and may block; their deadline is kept by whoever started them. */
#pragma once
#include "act/report.h"
#include "model/config.h"

struct action_ctx {
    struct arena *arena;
    const struct config *config;
    const struct service *service;
    const char *control_dir;     /* shared ssh connections */
    const char *state_dir;
    const char *self;            /* path of this program */
    struct report *report;
    int64_t incident;            /* 0: typed by a person outside an incident */
    const char *run;             /* run id, or "manual" */
    int64_t budget_ms;           /* 0: none */
    bool json;
    struct strs args;            /* after the action's name: "restart", "production.database" */
};

struct action_ops {
    const char *name;
    const char *usage;           /* "service start|stop|restart SITE.database|SITE.application" */
    const char *summary;
    bool changes;                /* false: only looks; safe to repeat at any time */
    /* Mandatory. Are the arguments right? Called by playbook lint too, so it looks at words and configuration only. */
    bool (*valid)(const struct action_ctx *ctx, struct err *err);
    /* Mandatory. Performs the read-only checks and adds what would be done, one line each, with the command a person would type. */
    bool (*describe)(const struct action_ctx *ctx, struct buf *out, struct err *err);
    /* Mandatory when `changes`. Is the wished state there already? Asked after a restart of the controller and before every run. */
    bool (*done_already)(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err);
    /* Mandatory. Does it; on success ret_outcome and ret_text (one sentence, MODEL_TEXT_SIZE) are filled. False is OUTCOME_FAILURE
       with err as its sentence; OUTCOME_BLOCKED is a success of this call that needs a person. */
    bool (*run)(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err);
};

extern const struct action_ops *const action_list[]; /* ended by NULL; one line each in actions.c */
const struct action_ops *action_find(const char *name);
/* done_already, run, report; the exit status of the process. With `dry_run`, describe on stdout. */
int action_carry_out(const struct action_ops *ops, struct action_ctx *ctx, bool dry_run);
