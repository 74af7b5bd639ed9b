/* agent/hold_internal.h -- The state of this site's lease, which hold.c, rounds.c and takeover.c share. */
#pragma once
#include "agent/agent_internal.h"
#include "agent/hold.h"
#include "agent/lease.h"
#include "agent/sentinel.h"
#include "io/etcd.h"

enum { FLIGHTS = LEASE_ROUNDS_MAX };

/* One round on its way to etcd. */
struct flight {
    struct hold *hold;
    int64_t serial; /* 0: free */
    int64_t epoch;
    struct etcd_call *call;
};

/* Another site's agent, and the question that is on its way to it: a nonce first, then the grant. */
struct member {
    struct hold *hold;
    const struct site *site;
    char *token;
    struct http_request *request;
    int64_t serial, epoch;
    bool granting;
    char *body; /* that was sent */
};

struct hold {
    struct agent *agent;
    struct arena *arena;
    struct http *http;
    struct etcd *etcd;
    struct loop_timer *timer;
    struct lease_terms terms;
    struct sentinel *sentinel;
    const char *epoch_key, *lease_prefix, *lease_key, *named_path, *wrote_path, *certified_path, *unarmed_path;
    int64_t opened_ms;
    /* What is known of the epoch. */
    int64_t epoch, epoch_revision; /* revision 0: etcd has not told it to this process yet */
    char named[HOLD_NAME_SIZE], from[HOLD_NAME_SIZE]; /* by the newest word of etcd: the site that the epoch before named */
    bool tells;               /* the epoch itself tells the site that it names to take over, */
    uint64_t told_lsn;        /* which had received so much */
    int64_t declined;         /* epoch that told this site in vain, and that is said */
    bool alone;               /* nobody else has told it, and it has not committed yet */
    /* What this site did in which epoch, on disk before it does it. */
    int64_t unarmed; /* 1 more than the newest renewal that was seen when a grant went to one whose agent nothing outlives; 0: the newest did not */
    int64_t wrote, certified;
    struct etcd_call *look;
    int64_t looked_ms, read_ms; /* when it was asked last, and when it last answered; 0: never */
    /* This site's lease. */
    struct lease_holder holder;
    bool holding, adopted;
    int64_t held_epoch, first, answered, adopted_ms;
    char lsn[AGENT_LSN_SIZE]; /* newest that its PostgreSQL was seen to have written, and on which timeline */
    int64_t timeline;
    char sync[AGENT_SYNC_SIZE]; /* and for whom its commits waited then */
    int64_t confirmed;        /* epoch in which etcd has renewed it, so that all who read there know of it */
    struct flight flights[FLIGHTS];
    struct member *members;
    int member_count;
    /* What this site promises, and waits for. */
    struct lease_waiter waiter;
    int64_t intent;           /* epoch in which it was told to take over; 0: none */
    struct {
        struct etcd_call *call; /* NULL: nobody has told anything */
        int64_t epoch;
        struct hold_certificate certificates[HOLD_CERTIFICATES_MAX];
        size_t count;
        hold_told_fn *told;
        void *arg;
    } told;
};

/* ---- hold.c ---- */

bool hold_names_us(const struct hold *h);
void hold_give_up(struct hold *h);
void hold_arm(struct hold *h);           /* the sentinel, for as long as the lease lasts */
void hold_begin_waiting(struct hold *h);
void hold_take_epoch(struct hold *h, const struct etcd_value *value);
void hold_consider(struct hold *h);      /* what follows from all that is known is done */

/* ---- rounds.c ---- */

void hold_send_to_etcd(struct hold *h, int64_t serial);
void hold_send_to_members(struct hold *h, int64_t serial);

/* ---- takeover.c ---- */

/* `leases`: the newest renewals that the epoch left, as etcd told them together with it. */
void hold_take_over_as_named(struct hold *h, const struct etcd_result *leases);
