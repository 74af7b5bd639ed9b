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
    int64_t rto_ms, rto_spent_ms; /* objective of the incident, and what had gone by of it when this began; 0: none is known */
    int64_t started_ms;          /* boot time from which the budget counts; set by action_carry_out */
    bool json;
    void (*told)(void *arg, const char *name, const char *value); /* NULL: nobody; else each fact as it is reported, to whom nobody else writes it down */
    void *told_arg;
    struct strs args;            /* after the action's name: "restart", "production.database" */
};

struct action_ops {
    const char *name;
    const char *usage;           /* "service start|stop|restart SITE.database|SITE.application" */
    const char *summary;
    bool changes;                /* false: only looks; safe to repeat at any time */
    const char *const *verbs;    /* words of which the first argument must be one, ended by NULL; NULL: the first argument is free */
    size_t args_min, args_max;   /* arguments it takes */
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
/* Is this, as written in a playbook, something that can be done: an action with the right number of words and a known verb, or one
   of "notify STAGE", "playbook NAME" and "wait", which decide carries out itself? Site names are not looked at. */
bool action_known(const char *words);
/* Number and verb of the arguments, then ops->valid. */
MUST_USE bool action_valid(const struct action_ops *ops, const struct action_ctx *ctx, struct err *err);
/* done_already, run, report; the exit status of the process: 0 success, 1 failure, 2 blocked until a person decides, 64 and up for
   wrong arguments. With `dry_run`, describe on stdout. ctx->report may be NULL: one is opened from the environment. */
int action_carry_out(const struct action_ops *ops, struct action_ctx *ctx, bool dry_run);

/* ---- for actions ---- */

/* Fills a sentence, cut at a character where it does not fit. */
void action_say(char *to, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* One at a time: STATE_DIR/NAME.SERVICE.lock, held until the descriptor is closed. ERR_REFUSED with the sentence `held` when another has it. */
MUST_USE bool action_lock(const struct action_ctx *ctx, const char *name, const char *held, int *ret_fd, struct err *err);

/* The first `wanted_ms`, or what is left of the budget when that is less; some of the budget is kept for saying how it ended.
   At least 1. */
int64_t action_time(const struct action_ctx *ctx, int64_t wanted_ms);
void action_pause(const struct action_ctx *ctx, int64_t wanted_ms); /* no longer than that */
bool action_over(const struct action_ctx *ctx); /* the budget is used up */
/* The named site; else an error that names the sites there are. */
MUST_USE bool action_site(const struct action_ctx *ctx, const char *name, const struct site **ret, struct err *err);
/* Asks `holds` every `every_ms` until it says true, for at most `time_ms`. It tells the moment's reason in err, which stands at the end. */
typedef bool action_holds_fn(void *arg, struct err *err);
MUST_USE bool action_wait(const struct action_ctx *ctx, int64_t time_ms, int64_t every_ms, action_holds_fn *holds, void *arg, struct err *err);
/* A command a person can type: "bascule -c FILE --service S WORDS", shortened where the defaults would do. */
char *action_command(const struct action_ctx *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
