/* agent/hold.h -- The lease of this site, held in etcd and by the grants of the other agents; and what this site grants them. Only where
   failover is automatic and there is an etcd. */
#pragma once
#include "base/base.h"

struct agent;
struct hold;
struct json;

MUST_USE bool hold_open(struct agent *a, struct hold **ret, struct err *err);
void hold_close(struct hold **hold);
/* May PostgreSQL begin to write here now? False with a sentence: no lease yet, or the epoch names another. */
bool hold_may_begin(struct hold *hold, char *why, size_t size);
void hold_ended(struct hold *hold); /* PostgreSQL has ended, by whatever hand: the lease is given up */
/* Another agent asks for a grant. True: promised. */
MUST_USE bool hold_grant(struct hold *hold, int64_t epoch, const char *site, bool armed, struct err *err);
int64_t hold_valid_ms(const struct hold *hold); /* 0: no lease */
const char *hold_by(const struct hold *hold);   /* "etcd", "grants", "none" */
const char *hold_armed(const struct hold *hold); /* "sentinel", "none" */
int64_t hold_epoch(const struct hold *hold);
