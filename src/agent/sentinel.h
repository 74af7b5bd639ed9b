/* agent/sentinel.h -- A second small process that outlives a killed or frozen agent: it ends PostgreSQL when the lease has run out. The two
   share one number, the end of the lease by CLOCK_BOOTTIME, in a mapped file that a later agent finds again. */
#pragma once
#include "base/base.h"

struct sentinel;

/* Starts it, and relieves the sentinel of an earlier agent. `budget_ms` is for ending PostgreSQL. The deadline stays as it is found. */
MUST_USE bool sentinel_open(const char *path, const char *data, int64_t budget_ms, struct sentinel **ret, struct err *err);
void sentinel_close(struct sentinel **sentinel); /* it goes on: only a later agent relieves it, or a deadline of 0 once we are gone */
void sentinel_set(struct sentinel *sentinel, int64_t deadline_ms); /* 0: nothing is to be ended */
int64_t sentinel_deadline(const struct sentinel *sentinel);
bool sentinel_alive(const struct sentinel *sentinel); /* it can be believed that it would act */
