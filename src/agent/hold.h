/* agent/hold.h -- The lease of this site, held in etcd and by the grants of the other agents; and what this site grants them. Only where
   failover is automatic and there is an etcd. */
#pragma once
#include "base/base.h"

struct agent;
struct hold;

enum { HOLD_CERTIFICATES_MAX = 8, HOLD_NAME_SIZE = 128, HOLD_HOW_SIZE = 512 };

/* That a site was stopped which had begun to write in an epoch, and that it never writes in that epoch again. */
struct hold_certificate {
    char site[HOLD_NAME_SIZE], how[HOLD_HOW_SIZE];
    int64_t epoch;
};

MUST_USE bool hold_open(struct agent *a, struct hold **ret, struct err *err);
void hold_close(struct hold **hold);
/* May PostgreSQL begin to write here now? False with a sentence: no lease yet, or the epoch names another. */
bool hold_may_begin(struct hold *hold, char *why, size_t size);
void hold_begins(struct hold *hold);     /* PostgreSQL is about to be started as one that writes */
void hold_began_not(struct hold *hold);  /* it could not be started */
void hold_ended(struct hold *hold); /* PostgreSQL has ended, by whatever hand: the lease is given up */
/* The gauge has read anew how far PostgreSQL has come. Kept over its end, and told with each renewal: then that is asked for. */
void hold_position(struct hold *hold);
/* The newest one and its timeline; false when there is none. */
bool hold_last(const struct hold *hold, const char **ret_lsn, int64_t *ret_timeline);
void hold_came_to(struct hold *hold, uint64_t lsn); /* it has ended, and this is where */
/* Another agent asks for a grant. True: promised. */
MUST_USE bool hold_grant(struct hold *hold, int64_t epoch, const char *site, bool armed, struct err *err);
int64_t hold_valid_ms(const struct hold *hold); /* 0: no lease */
const char *hold_by(const struct hold *hold);   /* "etcd", "grants", "none" */
const char *hold_armed(const struct hold *hold); /* what outlives this process: "sentinel", "both" with a watchdog that counts, "none" */
int64_t hold_epoch(const struct hold *hold);
const char *hold_named(const struct hold *hold); /* the site that the epoch names; "" when that is not known */
int64_t hold_wrote(const struct hold *hold); /* newest epoch in which this site may have written; 0: none */
int64_t hold_certified(const struct hold *hold); /* newest epoch in which it will never write again; 0: none */

/* How long ago another site was first seen to have renewed its lease, no more than one has to wait for it; -1: none was seen to. */
int64_t hold_other_seen_ms(const struct hold *hold);
int64_t hold_looked_ms(const struct hold *hold); /* how long ago etcd was last read; -1: never */

/* ---- taking over ---- */

/* `err` NULL: this site waits, and begins as soon as it may. */
typedef void hold_told_fn(void *arg, const struct err *err);
/* It is told to write in `epoch`, which etcd is asked about first. Again with more certificates does no harm, but only one question
   may be under way. `told` is called once, later. */
MUST_USE bool hold_take_over(struct hold *hold, int64_t epoch, const struct hold_certificate *certificates, size_t count, hold_told_fn *told, void *arg, struct err *err);
/* Epoch that it was told to begin to write in; 0: none. `ret_in_ms`: at the earliest, TIME_NEVER: not without a certificate. */
int64_t hold_intent(const struct hold *hold, int64_t *ret_in_ms);
/* It took over by the word of the epoch: nobody has told it, so nobody looks to its first commits, until it is settled. */
bool hold_is_alone(const struct hold *hold);
void hold_settled(struct hold *hold);
/* PostgreSQL has ended, and proof of it is about to be given: this site never writes again in the newest epoch in which it may have.
   That epoch, 0 when there is none. */
MUST_USE bool hold_certify(struct hold *hold, int64_t *ret_epoch, struct err *err);
