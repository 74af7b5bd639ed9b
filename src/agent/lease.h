/* agent/lease.h -- The rules by which at most one site writes: how long the one that does may go on, and when another may take over.
   Pure: no clock, no I/O. Every `now_ms` is CLOCK_BOOTTIME of the machine on which the struct lives; the two sides share no clock, and
   theirs may differ in speed by `drift`. What is lost, late, repeated or frozen, and any clock that jumps, only ever makes it safer. */
#pragma once
#include "base/base.h"

struct lease_terms {
    int64_t ttl_ms;         /* the holder has stopped so long after it sent what renewed the lease */
    int64_t renew_ms;       /* so often it asks */
    int64_t stop_budget_ms; /* so long before the end it begins to stop */
    int64_t guard_ms;       /* for timers that fire late, on both sides together */
    int drift;              /* percent */
};

enum { LEASE_ROUNDS_MAX = 16, LEASE_MEMBERS_MAX = 16 };

/* ---- the side that writes ---- */

enum lease_answer { LEASE_UNKNOWN, LEASE_OK, LEASE_REFUSED }; /* no answer that can be believed; renewed or granted; the epoch has moved */
enum lease_by { LEASE_BY_NONE, LEASE_BY_ETCD, LEASE_BY_GRANTS };
enum lease_end { LEASE_NOT_ENDED, LEASE_LAPSED, LEASE_EPOCH_MOVED, LEASE_CLOCK_WENT_BACK };

/* A value; nobody but these functions writes to it. */
struct lease_holder {
    struct lease_terms terms;
    int members;            /* all others that could be promoted; bit i of a round's grants is member i */
    int64_t last_ms;        /* of the newest event */
    int64_t first, serial, sent_ms; /* of the newest round; one less than the first: none yet */
    struct lease_round {
        int64_t serial, sent_ms;
        unsigned grants;
    } rounds[LEASE_ROUNDS_MAX];
    int64_t until_ms;       /* the lease holds until then; 0: there was none yet */
    int64_t given_ms;       /* when the round was sent that gave it */
    int64_t awake_ms;       /* since then no two events were more than `guard` apart */
    enum lease_by by;       /* who gave it */
    enum lease_end end;     /* once it has ended it stays so: a new one begins with lease_hold */
};

struct lease_say {
    bool may_write;         /* it holds a lease now: whoever writes may go on */
    bool may_begin;         /* the same, by a round sent since this process last slept: during that its clock may have gone back unseen */
    bool renew;             /* a round is due: send, and tell by lease_sent */
    bool stop;              /* stop PostgreSQL immediately and for good */
    int64_t next_ms;        /* ask again then, at the latest */
};

/* Begins without a lease: when a new epoch names this site, and anew whenever PostgreSQL was found ended. `members` is at most
   LEASE_MEMBERS_MAX; more can never grant. Rounds are numbered from `first`, 1 or more: none of an earlier lease, of an earlier process
   either, may come again, or a late answer to that one would be taken for an answer to this. */
void lease_hold(struct lease_holder *h, const struct lease_terms *terms, int members, int64_t first, int64_t now_ms);
/* A round is about to be sent; call it before the first byte leaves. Gives its serial, which every answer must bring back. */
int64_t lease_sent(struct lease_holder *h, int64_t now_ms);
void lease_renewed(struct lease_holder *h, int64_t now_ms, int64_t serial, enum lease_answer answer); /* what etcd said */
/* What member number `member` (from 0) said. Only a round that all of them granted counts. */
void lease_granted(struct lease_holder *h, int64_t now_ms, int64_t serial, int member, enum lease_answer answer);
struct lease_say lease_ask(struct lease_holder *h, int64_t now_ms);
const char *lease_end_say(enum lease_end end); /* one phrase; "" when it has not ended */

/* ---- the side that waits to take over ---- */

/* One for each takeover: when the epoch moves on and names another, begin anew with lease_wait.
   It counts time by ticks. A tick that comes more than `guard` after the one before it counts for nothing: the process was frozen, or its
   clock jumped, and how long really passed is not known. So tick at least every half guard. */
struct lease_waiter {
    struct lease_terms terms;
    int64_t last_ms;
    int64_t revision;       /* newest renewal that was seen */
    int64_t lapse_left_ms;  /* until the holder has stopped, by that renewal */
    int64_t promise_left_ms; /* until what was granted to the holder has ended */
    bool revoked;           /* the epoch has moved: no renewal can follow */
    bool refusing;          /* nothing is granted any more */
    bool armed;             /* something outlives a killed agent of the holder, as its newest renewal said */
    bool fenced;            /* proven otherwise that the holder has stopped */
};

/* Begins as if a renewal had just been seen and a grant just been given: what this process promised before it was started is not known. */
void lease_wait(struct lease_waiter *w, const struct lease_terms *terms, int64_t now_ms);
/* A grant is on record, given when `revision` was the newest renewal that was seen, to a holder whose agent nothing outlives. Only a newer one can say better. */
void lease_distrust(struct lease_waiter *w, int64_t revision);
void lease_tick(struct lease_waiter *w, int64_t now_ms);
/* A renewal was seen; `revision` orders them (etcd's mod_revision of the key). One that is not newer changes nothing. */
void lease_saw(struct lease_waiter *w, int64_t now_ms, int64_t revision, bool armed);
/* The holder asks for a grant. False: not granted, for we are to take over. True is a promise; answer after this has returned. */
bool lease_grant(struct lease_waiter *w, int64_t now_ms, bool armed);
/* From now on nothing is granted. */
void lease_refuse(struct lease_waiter *w, int64_t now_ms);
/* The epoch has moved, and in the same transaction the newest renewal was `revision` (0: there was none). */
void lease_revoked(struct lease_waiter *w, int64_t now_ms, int64_t revision, bool armed);
/* A fence certificate: the holder was stopped, and that was proven. */
void lease_fenced(struct lease_waiter *w);
/* How long ago the newest renewal was first seen, no more than the whole wait; -1: none was. */
int64_t lease_seen_ms(const struct lease_waiter *w);
/* In how many ms may this site be promoted, at the earliest? 0: now. TIME_NEVER: not before something else happens. */
int64_t lease_promote_in_ms(const struct lease_waiter *w);
