/* act/epoch.h -- Which site may write, as etcd keeps it: read together with the newest lease of every site, and moved to another, by one
   transaction that holds only when nobody moved it meanwhile. */
#pragma once
#include "act/action.h"

enum { EPOCH_LEASES_MAX = 16, EPOCH_NAME_SIZE = 128, EPOCH_SYNC_SIZE = 512 };

struct epoch_lease {
    char site[EPOCH_NAME_SIZE], armed[16], pg[16]; /* pg: what its PostgreSQL was when it renewed; "": not known */
    int64_t epoch, wrote, timeline; /* wrote: the newest epoch in which it may have written, when it renewed */
    uint64_t lsn;                   /* 0: not known */
    bool sync_known;
    char sync[EPOCH_SYNC_SIZE];     /* its synchronous_standby_names; "(", which is none, when it is not understood */
};

struct epoch {
    int64_t number, revision;       /* number 0: there is none yet */
    char site[EPOCH_NAME_SIZE];     /* that may write */
    char from[EPOCH_NAME_SIZE];     /* that the epoch before named; "": not known */
    char by[256];
    bool told;                      /* this tells it to take over: all that a promotion looks at before was looked at, and it had received */
    uint64_t told_lsn;              /* up to here; 0: it is not asked for */
    int64_t wall_ms;
    struct epoch_lease leases[EPOCH_LEASES_MAX];
    size_t lease_count;
};

/* ERR_UNAVAILABLE: etcd does not answer, so nobody can be promoted and nothing is known. */
MUST_USE bool epoch_read(const struct action_ctx *ctx, struct epoch *ret, struct err *err);
/* Names `site` from now on, in the next number. With `told`, what it has received (0: that does not matter), its agent takes over by that alone, whatever
   becomes of us. When somebody else was first, `ret` is what they wrote, *ret_moved is false, and nothing
   was changed; also when they named the same site. An answer that was lost is found out by reading again. */
MUST_USE bool epoch_move(const struct action_ctx *ctx, const struct epoch *seen, const char *site, const uint64_t *told, struct epoch *ret, bool *ret_moved, struct err *err);
/* The same number, written anew, to tell the site that it names. */
MUST_USE bool epoch_tell(const struct action_ctx *ctx, const struct epoch *seen, uint64_t told, struct epoch *ret, bool *ret_told, struct err *err);
const struct epoch_lease *epoch_lease(const struct epoch *epoch, const char *site); /* NULL: it never had one */
/* Would a certificate that `site` was stopped count for the epoch after `number`, which named it? Only when it had begun to write in that one:
   whoever had not was waiting for another still. A person and a fence that cuts the power do not know; its newest lease does. */
bool epoch_certifies(const struct epoch *epoch, int64_t number, const char *site, const struct service *service);
/* Are these the bytes of an epoch? Fuzzed. */
MUST_USE bool epoch_parse(struct str text, struct epoch *ret, struct err *err);
MUST_USE bool epoch_lease_parse(struct str text, struct epoch_lease *ret, struct err *err);
