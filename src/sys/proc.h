/* sys/proc.h -- Child processes: argv array, never a shell; own process group; stdin from /dev/null or a given text; output up to a
   limit; deadline, then TERM, then KILL two seconds later; a failing exec is reported as such and not as an exit code. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

enum proc_end { PROC_EXITED, PROC_SIGNALLED, PROC_TIMED_OUT, PROC_CANCELLED, PROC_NOT_STARTED };

struct proc_spec {
    const char *const *argv;   /* ended by NULL; argv[0] is looked up in PATH */
    const char *const *env;    /* additions "NAME=value" to a clean environment (PATH, HOME, LANG, TZ, USER kept); NULL: none */
    bool inherit_env;          /* keep the whole environment instead */
    const char *input;         /* text for stdin; NULL: /dev/null */
    int64_t timeout_ms;        /* 0: none */
    size_t output_max;         /* bytes kept of stdout and of stderr each; the rest is read and dropped. 0: 64 KiB */
    int pass_fd;               /* descriptor given to the child as number 3; -1 or 0: none. The caller closes its own copy */
    const char *stderr_path;   /* append stderr to this file instead of capturing it; NULL: capture */
    bool detached;             /* outlives this program: new session, output to /dev/null unless stderr_path */
};

struct proc_result {
    enum proc_end end;
    int exit_code;             /* PROC_EXITED */
    int signal;                /* PROC_SIGNALLED */
    int64_t took_ms;
    struct str out, err;       /* captured; valid during the callback, or in the arena of proc_run */
    bool out_cut, err_cut;     /* more was written than output_max */
    char why[256];             /* one phrase: "exit code 3", "signal 9 (Killed)", "no answer within 2.0 s", "cannot execute: ..." */
};

struct proc;
typedef void proc_done_fn(void *arg, const struct proc_result *result);

/* Starts a child on the loop; `done` is called exactly once, later, also when the program cannot be executed.
   False only when the kernel gives no process or descriptor; `done` is then not called. */
MUST_USE bool proc_start(struct loop *loop, const struct proc_spec *spec, proc_done_fn *done, void *arg, struct proc **ret, struct err *err);
void proc_cancel(struct proc *proc); /* TERM now, KILL in 2 s; `done` follows with PROC_CANCELLED */
/* Kills the group at once and forgets it: no callback afterwards. Accepts NULL, sets NULL. loop_close does so to all but the detached. */
void proc_abandon(struct proc **proc);
int proc_pid(const struct proc *proc); /* 0: it could not be executed */
bool proc_ok(const struct proc_result *result); /* exited with 0 */

/* Runs to the end, blocking: for commands and actions, never for the controller. Uses a loop of its own. SIGINT, SIGTERM and SIGHUP stop
   the child too (it has a process group of its own, so a terminal's Ctrl-C would not reach it): false then, with ERR_CANCELLED. */
MUST_USE bool proc_run(struct arena *arena, const struct proc_spec *spec, struct proc_result *ret, struct err *err);
/* Several at once, blocking until all ended. results[i] belongs to specs[i]. */
MUST_USE bool proc_run_all(struct arena *arena, const struct proc_spec *specs, size_t count, struct proc_result *results, struct err *err);
