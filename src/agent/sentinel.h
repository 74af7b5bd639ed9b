/* agent/sentinel.h -- A second small process that outlives a killed or frozen agent: it ends PostgreSQL when the lease has run out. The two
   share one number, the end of the lease by CLOCK_BOOTTIME, in a mapped file that a later agent finds again. */
#pragma once
#include "base/base.h"

struct sentinel;

struct sentinel_spec { /* texts must stay */
    const char *path;     /* of the mapped file */
    const char *data;     /* data directory of the PostgreSQL */
    int64_t budget_ms;    /* for ending it */
    const char *watchdog; /* device that it feeds; NULL: none */
    int watchdog_s;       /* that it counts */
};

/* Starts it, and relieves the sentinel of an earlier agent. The deadline stays as it is found. */
MUST_USE bool sentinel_open(const struct sentinel_spec *spec, struct sentinel **ret, struct err *err);
void sentinel_close(struct sentinel **sentinel); /* it goes on: only a later agent relieves it, or a deadline of 0 once we are gone */
void sentinel_set(struct sentinel *sentinel, int64_t deadline_ms); /* 0: nothing is to be ended, and nothing writes */
/* PostgreSQL writes, or is about to: from now on until a deadline of 0 the watchdog resets the machine when nobody else ends it. */
void sentinel_writes(struct sentinel *sentinel);
int64_t sentinel_deadline(const struct sentinel *sentinel);
/* Often: one that died or is frozen is replaced by another. */
void sentinel_tend(struct sentinel *sentinel, int64_t now_ms);
bool sentinel_alive(const struct sentinel *sentinel); /* it can be believed that it would act */
bool sentinel_guards(const struct sentinel *sentinel); /* its watchdog counts, and would reset the machine */
