/* io/pgprobe.h -- PostgreSQL on the event loop: a new connection, then statements one after another, each step with a deadline. */
#pragma once
#include "base/base.h"
#include "base/target.h"
#include "sys/loop.h"

struct dns;

/* A statement of the probe. Rows come as text. */
struct pgprobe_step {
    const char *name;          /* "read", "write": used in the sentence of a failure */
    const char *sql;
    const char *const *params;
    size_t param_count;        /* 0: `sql` may hold several statements, sent in one message */
    int64_t timeout_ms;
    const char *skip_when;     /* left out when the step before gave this value; NULL: always run */
};

struct pgprobe_spec {
    const struct pgtarget *target;
    int64_t connect_timeout_ms;
    const struct pgprobe_step *steps;
    size_t step_count;
};

/* What became of one step; index 0 is the connection itself, 1.. the statements. */
struct pgprobe_outcome {
    bool ok, reached;
    bool skipped;              /* by skip_when; ok, and not reached */
    bool unresolved;           /* of the connection: the name was not resolved, so nothing is known of the server */
    bool local_fault;          /* of the connection: it could not be tried, since its password was not to be had */
    int64_t took_ms;
    size_t rows;
    const char *value;         /* first column of the first row, or NULL */
    const char *const *column; /* first column of every row (up to 1000) */
    char sqlstate[6];          /* of the failure, "" when the server did not say */
    struct err err;
};

struct pgprobe;
/* `outcomes` holds step_count + 1 elements; valid during the callback. */
typedef void pgprobe_done_fn(void *arg, const struct pgprobe_outcome *outcomes, size_t count);

/* Never blocks. `done` is called exactly once, later, unless pgprobe_cancel came first; the probe is gone then. Names are resolved
   through `dns`. The first failure ends the probe. What `spec` points at must live until then; the steps' array is copied.
   At a deadline the connection is just dropped, so a statement that may wait long should carry a statement_timeout of its own. */
void pgprobe_start(struct loop *loop, struct dns *dns, const struct pgprobe_spec *spec, pgprobe_done_fn *done, void *arg, struct pgprobe **ret);
void pgprobe_cancel(struct pgprobe **probe); /* no callback; the connection is dropped */
