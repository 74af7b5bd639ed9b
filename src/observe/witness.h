/* observe/witness.h -- When an agent is silent here, the agents of the other sites are asked what they see: in etcd each of them sees whether the silent one
   still renews the lease of its site. So a host that is off or cut off is told from a network that is broken here only. */
#pragma once
#include "observe/check.h"

struct witness;

/* It is silent here, and the lease that its site must renew to write is renewed no more, as `by` sees it. Called once, and then the witness is over. */
typedef void witness_fn(void *arg, const struct site *by, int64_t unseen_ms);

/* Begins to ask after `after_ms`, and goes on until it is stopped. Lives in the arena of the run. */
struct witness *witness_call(struct check *check, int64_t after_ms, witness_fn *done, void *arg);
void witness_stop(struct witness **witness); /* no callback */
