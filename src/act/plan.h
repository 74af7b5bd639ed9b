/* act/plan.h -- How far a switchover is, on disk before every step, so that whoever comes after a kill goes on or undoes. */
#pragma once
#include "act/action.h"

#define PLAN_PHASES(X)                                                                                                 \
    X(PLAN_NONE, "none")             /* there is none, or the last one is over */                                      \
    X(PLAN_STOPPING, "stopping")     /* the old primary may be stopped; nobody was promoted */                         \
    X(PLAN_PROVEN, "proven")         /* it is stopped, marked as a standby, and all of it is over there: forward only */ \
    X(PLAN_PROMOTED, "promoted")     /* the other one takes writes */                                                  \
    X(PLAN_CANCELLING, "cancelling") /* back: the old primary is started again */                                      \
    X(PLAN_CANCELLED, "cancelled")   /* over: it writes again */                                                       \
    X(PLAN_DONE, "done")
#define PLAN_ENUM(id, name) id,
enum plan_phase { PLAN_PHASES(PLAN_ENUM) PLAN_PHASE_MAX };
#undef PLAN_ENUM
const char *plan_phase_name(enum plan_phase phase);

struct plan {
    enum plan_phase phase;
    char from[MODEL_ID_SIZE], to[MODEL_ID_SIZE];
    char why[MODEL_TEXT_SIZE];   /* of one that is cancelled */
    char slot[MODEL_ID_SIZE];    /* of the old primary, that the new one streamed from; "": none */
    uint64_t checkpoint;         /* of the shutdown; 0: not known yet */
    int64_t timeline;            /* of the old primary */
    int64_t began_ms, stopped_ms; /* wall time: of the whole, and of the first order to stop */
    bool in_sync;                /* commits of the old primary waited for the new one */
    int64_t incident;            /* 0: none */
};

bool plan_open(enum plan_phase phase); /* is something left to be done? */
/* STATE_DIR/switchover/SERVICE.json. No file is PLAN_NONE. */
MUST_USE bool plan_load(const struct action_ctx *ctx, struct plan *ret, struct err *err);
MUST_USE bool plan_keep(const struct action_ctx *ctx, const struct plan *plan, struct err *err); /* on disk when it returns */
