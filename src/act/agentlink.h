/* act/agentlink.h -- The agents beside the databases, asked and told over HTTP: several at once on one loop, each with its own deadline.
   Commands are signed with the agent's token, over a nonce that it gives once; so each is two exchanges. */
#pragma once
#include "io/parted.h"
#include "model/config.h"

struct agentlink;
struct agentlink *agentlink_open(void);
void agentlink_close(struct agentlink **link); /* what is still under way is dropped; answers are gone */

/* Lives as long as the link. Look at the rest when it is `over`. */
struct agent_answer {
    bool over;
    bool ok;                 /* answered with 200 and JSON; else `err`: ERR_UNAVAILABLE and ERR_TIMEOUT when nothing came, else the agent's own reason */
    const struct json *body; /* NULL unless ok */
    struct err err;
    int64_t took_ms;
};

/* ---- asking ---- */

/* Begins, and comes back at once; never NULL. What cannot even be begun is over. */
struct agent_answer *agentlink_ask(struct agentlink *link, const struct site *site, const char *path, int64_t timeout_ms) NEVER_NULL;
/* A signed POST. `epoch`: for which it is meant, -1: whichever the agent knows of. `members`: further members of the body, as JSON
   text without braces ("\"mode\":\"fast\""); NULL: none. */
struct agent_answer *agentlink_order(struct agentlink *link, const struct site *site, const char *path, int64_t epoch, const char *members, int64_t timeout_ms) NEVER_NULL;
/* Lets what is under way go on until one of them is over, or `ms` have passed. False when nothing is under way. */
bool agentlink_turn(struct agentlink *link, int64_t ms);
/* Waits until it is over. False: it failed, and err says which site's agent, and why. */
MUST_USE bool agentlink_finish(struct agentlink *link, const struct agent_answer *answer, const struct site *site, struct err *err);

/* ---- what they say ---- */

struct agent_said {          /* of /v1/state */
    char site[128], pg[16], cause[24], why[512], cluster[24], lease_by[8], armed[16], named[128];
    int64_t serial, since_ms_ago, epoch, wrote, lease_ms, timeline, restarts;
    int64_t other_seen_ms;   /* since when no newer renewal of another site's lease was seen; -1: none was, or it is not known */
    int64_t certified;       /* newest epoch in which it will never write again; 0: none */
    bool follows;            /* its data is that of a standby, whether it runs or not */
    int64_t lag_bytes, lag_ms; /* -1: not known */
    uint64_t lsn, received, replayed; /* 0: not known */
    uint64_t wal_end;        /* of a primary that has ended: where its write-ahead log does, on wal_timeline; 0: not known */
    int64_t wal_timeline;
    bool receiving, writable; /* writable: its newest probe committed a write */
    int64_t takeover_epoch, takeover_in_ms; /* epoch 0: it is not taking over; in_ms -1: not without a certificate */
    char takeover_phase[16], takeover_why[512];
};
MUST_USE bool agent_said(const struct agent_answer *answer, struct agent_said *ret, struct err *err);

/* ---- orders ---- */

/* mode "immediate" or "fast". `certificate`: the site gives its word that it never writes again in the newest epoch in which it did;
   it takes part again only in a later one. Without it, /v1/start takes the stop back. */
struct agent_answer *agentlink_stop(struct agentlink *link, const struct site *site, int64_t epoch, const char *mode, bool certificate, int64_t timeout_ms) NEVER_NULL;
/* Is the answer to agentlink_stop proven to be the agent's own? *ret_epoch is the one of the certificate; 0: none was asked for, or the
   site never wrote by a lease. `evidence` says how the stop is known. */
MUST_USE bool agentlink_stopped(const struct agent_answer *answer, int64_t *ret_epoch, char *evidence, size_t size, struct err *err);
struct agent_answer *agentlink_start(struct agentlink *link, const struct site *site, int64_t epoch, int64_t timeout_ms) NEVER_NULL;
/* What receives changes stands still for so long, 0: goes on at once. `none_new`: and where nothing does, nothing begins to; nor is anything
   replayed meanwhile. The answer holds received, replayed and timeline. */
struct agent_answer *agentlink_freeze(struct agentlink *link, const struct site *site, int64_t epoch, int64_t for_ms, bool none_new, int64_t timeout_ms) NEVER_NULL;

/* That a site was stopped which had begun to write in that epoch, and never writes in it again. */
struct agent_certificate {
    const char *site;
    int64_t epoch;
    const char *how;         /* one sentence, with the evidence */
};
/* The epoch names this site: it waits until it may, and becomes the primary. Again, with a certificate that has come meanwhile, shortens the wait. */
struct agent_answer *agentlink_promote(struct agentlink *link, const struct site *site, int64_t epoch, const struct agent_certificate *certificates, size_t count,
                                       int64_t timeout_ms) NEVER_NULL;
/* How much it wrote after another had parted from it at `fork`, and what was committed there; when its PostgreSQL has ended. */
struct agent_answer *agentlink_lost(struct agentlink *link, const struct site *site, int64_t timeline, uint64_t fork, int64_t timeout_ms) NEVER_NULL;
MUST_USE bool agentlink_lost_said(const struct agent_answer *answer, struct parted *ret, struct err *err);
/* It becomes a standby of `of`, and is started. */
struct agent_answer *agentlink_follow(struct agentlink *link, const struct site *site, int64_t epoch, const struct site *of, int64_t timeout_ms) NEVER_NULL;
