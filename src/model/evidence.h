/* model/evidence.h -- Following a proof through the records of an incident. Private to model/checklist.c and its neighbours. */
#pragma once
#include "model/checklist.h"

struct moment_of {
    int64_t seq, at_ms, wall_ms;
};

/* Of one term. */
struct evidence_state {
    bool holds;
    struct moment_of since;
    int64_t serial;      /* of the run that the newest command that fits has; 0: none */
    uint64_t actions, ticketed; /* EVIDENCE_TICKETS: bit per action */
};

void evidence_feed(const struct evidence *proof, struct evidence_state *states, const struct record *record);
/* Does it hold, and since which record? */
bool evidence_holds(const struct evidence *proof, const struct evidence_state *states, struct moment_of *ret);
int64_t run_serial(const char *run); /* 5 of "7.restore.5"; 0: it is no run's */
