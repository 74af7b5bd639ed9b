/* act/runner.h -- Actions as child processes that outlive a killed controller. Each run has a file RUN.jsonl in `run_dir`, opened by
   the runner, locked (flock) for as long as the child lives, and written by the child. A controller that comes back finds the file:
   locked means it still runs and is followed again; unlocked with a result means it ended; unlocked without one means it died. */
#pragma once
#include "act/report.h"
#include "sys/loop.h"

struct runner;

struct runner_spec {
    const char *run;             /* run id; letters, digits, '.', '-', '_' */
    const char *const *argv;     /* ended by NULL */
    int64_t budget_ms;
};

struct runner_callbacks {
    void (*progress)(void *arg, const char *run, const struct report_line *line);
    void (*fact)(void *arg, const char *run, const struct report_line *line);
    /* Exactly once a run. EXPIRY: stopped at its budget. FAILURE with the reason also when it died without a result. */
    void (*ended)(void *arg, const char *run, enum outcome outcome, const char *text);
    void *arg;
};

struct runner *runner_open(struct loop *loop, const char *run_dir, const struct runner_callbacks *callbacks);
void runner_close(struct runner **runner);             /* children go on */
MUST_USE bool runner_start(struct runner *runner, const struct runner_spec *spec, int *ret_pid, struct err *err); /* ERR_REFUSED when the run exists */
/* What became of a run that the journal says was ordered. */
enum runner_found { RUNNER_NEVER_STARTED, RUNNER_RUNNING, RUNNER_ENDED, RUNNER_DIED };
/* RUNNING: followed from now on, callbacks come, with `budget_left_ms` to go. ENDED: *ret_line holds the result. */
enum runner_found runner_adopt(struct runner *runner, const char *run, int64_t budget_left_ms, struct report_line *ret_line);
/* A dead run without a result is put aside (RUN.jsonl.died.N), so that runner_start may be called for it again. */
MUST_USE bool runner_put_aside(struct runner *runner, const char *run, struct err *err);
/* Removes what an ended run left in `run_dir`; nothing happens while it runs. */
void runner_remove(struct runner *runner, const char *run);
void runner_cancel(struct runner *runner, const char *run); /* TERM to its process group, KILL in 2 s; `ended` follows */
size_t runner_running(const struct runner *runner);
