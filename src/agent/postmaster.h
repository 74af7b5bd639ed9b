/* agent/postmaster.h -- The PostgreSQL of one data directory on this machine: found, started, watched, and ended with proof. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

struct postmaster_spec {
    const char *data;     /* its data directory */
    const char *bindir;   /* where the program `postgres` lies */
    const char *run_as;   /* user it is started as when we are root; NULL: as we are */
    const char *log;      /* its standard error is appended there; NULL: dropped */
    const char *const *options; /* further words of its command line, ended by NULL; NULL: none */
};

struct postmaster_end {
    bool known;           /* we started it, so the kernel told us how it ended */
    int exit_code;        /* -1: it was ended by a signal */
    int signal;           /* 0: it exited */
};

struct postmaster;
/* It has ended; told once for each that was found or started, from the loop, within the millisecond. */
typedef void postmaster_ended_fn(void *arg, const struct postmaster_end *end);

/* Texts are copied. */
struct postmaster *postmaster_open(struct loop *loop, const struct postmaster_spec *spec, postmaster_ended_fn *ended, void *arg);
void postmaster_close(struct postmaster **postmaster); /* PostgreSQL goes on */
int postmaster_pid(const struct postmaster *postmaster); /* 0: none is watched */
/* Looks for one that runs already, and watches it. ERR_NOT_FOUND: there is none, whatever an old postmaster.pid says. */
MUST_USE bool postmaster_find(struct postmaster *postmaster, struct err *err);
/* Starts it in a session of its own, so that it outlives us. True: the program was executed, no more. ERR_REFUSED when one runs. */
MUST_USE bool postmaster_start(struct postmaster *postmaster, struct err *err);
MUST_USE bool postmaster_signal(const struct postmaster *postmaster, int signal_number, struct err *err);

/* ---- by the data directory alone ---- */

/* Number of the postmaster that runs there, checked against the kernel: a process of that number, that program, in that directory.
   0: none. */
int postmaster_of(const char *data);
/* Processes of PostgreSQL that stand in that data directory, up to `max`; -1 when the kernel could not be asked. */
int postmaster_processes(const char *data, int *pids, int max);
/* To a process of it, looked at so that no other of that number is meant. ERR_NOT_FOUND: there is none. */
MUST_USE bool postmaster_signal_child(const char *data, int pid, int signal_number, struct err *err);
/* Ends it whatever its state, frozen ones too: SIGQUIT to the postmaster, SIGKILL to it after 100 ms and then to all that is left. Blocks,
   for `budget_ms` at the most. True only when the postmaster is gone and no process of PostgreSQL stands in the directory any more;
   `evidence` then says how that is known. True also when none ran. */
MUST_USE bool postmaster_end_now(const char *data, int64_t budget_ms, char *evidence, size_t size, struct err *err);
