/* io/etcd.h -- etcd 3.4 and newer over its JSON gateway: keys, transactions, leases; several endpoints, TLS, users.
   What becomes of a change is told in three ways, since an answer can be lost: carried out, surely not, or not known. */
#pragma once
#include "base/base.h"
#include "base/target.h"
#include "io/http.h"

struct etcd;
struct etcd_call;

enum { ETCD_REQUEST_MAX = 4 << 20, ETCD_ANSWER_MAX = 8 << 20, ETCD_OPS_MAX = 128, ETCD_ENDPOINTS_MAX = 16 };

struct etcd_spec {
    const char *const *endpoints;    /* "https://host:2379" each; the members of one cluster */
    size_t endpoint_count;
    const char *ca_file;             /* certificates to trust; NULL: the system's */
    const char *cert_file, *key_file; /* who we are, in PEM; NULL: nobody asks */
    const char *user;                /* NULL: etcd has no users */
    struct secret password;          /* read each time a token is asked for */
    int64_t timeout_ms;              /* for a whole call, however many endpoints it takes */
};

/* ---- what is asked ---- */

enum etcd_compare_what { ETCD_MOD_REVISION, ETCD_CREATE_REVISION, ETCD_VERSION, ETCD_LEASE, ETCD_VALUE };
struct etcd_compare {
    const char *key;
    enum etcd_compare_what what;
    char relation;                   /* '=' (also 0), '!', '<', '>' */
    int64_t number;                  /* a key that does not exist has revisions, version and lease 0 */
    struct str value;                /* ETCD_VALUE */
};

enum etcd_op_kind { ETCD_GET, ETCD_PUT, ETCD_DELETE };
struct etcd_op {
    enum etcd_op_kind kind;
    const char *key;
    bool prefix;                     /* get, delete: every key that begins with it */
    bool oldest_first;               /* get: by create_revision, else by key */
    int64_t limit;                   /* get: so many keys at most; 0: all */
    int64_t revision;                /* get: as it was then; 0: now */
    struct str value;                /* put: any bytes */
    int64_t lease;                   /* put: the key goes when this lease ends; 0: it stays */
};

/* A read or a write alone is a transaction without conditions. */
enum etcd_kind { ETCD_TXN, ETCD_LEASE_GRANT, ETCD_LEASE_KEEPALIVE, ETCD_LEASE_REVOKE };
struct etcd_request {
    enum etcd_kind kind;
    const struct etcd_compare *compares; /* all must hold, else `otherwise` is done instead of `ops` */
    size_t compare_count;
    const struct etcd_op *ops, *otherwise;
    size_t op_count, otherwise_count;
    bool repeatable;                 /* carried out twice it does what it does once, so it may be sent again when an answer was lost */
    int64_t lease;                   /* keepalive, revoke */
    int64_t ttl_s;                   /* grant */
    int64_t timeout_ms;              /* 0: that of the spec */
};

/* ---- what is answered ---- */

struct etcd_value {
    struct str key, value;           /* terminated by a 0 that n does not count */
    int64_t create_revision, mod_revision, version, lease;
};
struct etcd_result {                 /* of one op; empty after a put */
    const struct etcd_value *values;
    size_t count;
    int64_t total;                   /* get: keys there are, of which `values` are the first; delete: keys that went */
};
struct etcd_answer {
    int64_t revision;                /* of the store, when it answered; a put has this as its mod_revision */
    bool succeeded;                  /* all compares held */
    const struct etcd_result *results; /* one for each op of the branch that was taken */
    size_t result_count;
    int64_t lease, ttl_s;            /* of lease calls; after a keepalive, 0 s: the lease is over */
    int64_t sent_ms;                 /* clock_boot_ms before the request that was answered left: what lasts, lasts from here */
    const char *endpoint;            /* who answered */
};
/* The value that op number `op` read; NULL when there is no such key. */
const struct etcd_value *etcd_answer_value(const struct etcd_answer *answer, size_t op);

enum etcd_outcome {
    ETCD_ANSWERED,
    /* Nothing was changed. ERR_UNAVAILABLE: no endpoint answered, or none that has a leader and a quorum. ERR_PERMISSION: the user, the
       token or the role. ERR_NOT_FOUND: no such lease. ERR_REFUSED: etcd does not do that. ERR_PROTOCOL, ERR_LIMIT: a bad answer. */
    ETCD_NOT_DONE,
    ETCD_UNKNOWN, /* the change was sent and its answer lost: it was carried out, was not, or will be a moment later */
};

/* ---- asking ---- */

/* On the loop of `http`, which must outlive it; NULL: on a loop of its own, for etcd_ask. The spec is copied. */
MUST_USE bool etcd_open(const struct etcd_spec *spec, struct http *http, struct etcd **ret, struct err *err);
void etcd_close(struct etcd **etcd); /* calls that are still open end without a callback */

/* `answer` is NULL and err filled unless the outcome is ETCD_ANSWERED. Called exactly once, later; the call is gone then. */
typedef void etcd_done_fn(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err);
/* False when it cannot be asked; `done` is then not called. The request is copied. */
MUST_USE bool etcd_start(struct etcd *etcd, const struct etcd_request *request, etcd_done_fn *done, void *arg, struct etcd_call **ret, struct err *err);
void etcd_cancel(struct etcd_call **call); /* no callback; a change may be carried out all the same */

/* Blocking, only where `etcd` has a loop of its own. The answer is in `arena`, and written only when the outcome is ETCD_ANSWERED. */
MUST_USE enum etcd_outcome etcd_ask(struct etcd *etcd, struct arena *arena, const struct etcd_request *request, struct etcd_answer *ret, struct err *err);
