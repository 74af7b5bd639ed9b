/* io/nsupdate.h -- Questions to one DNS server, and changes of its records (RFC 2136, signed by RFC 8945). Blocking: for commands and
   actions. ldns inside, with sockets and deadlines of ours. */
#pragma once
#include "base/base.h"

enum ns_type { NS_A, NS_AAAA, NS_CNAME, NS_SOA, NS_TYPE_MAX };
const char *ns_type_name(enum ns_type type);

/* Names are absolute, in small letters, with the dot at their end. */
struct ns_record {
    const char *name;
    enum ns_type type;
    uint32_t ttl;
    const char *value; /* of a SOA its serial */
};
struct ns_records {
    struct ns_record *p;
    size_t n, cap;
};

/* "akig.com" as "akig.com."; NULL when it is no name of a host. */
char *ns_name(struct arena *arena, const char *text);
/* An address or a name as it is compared; NULL when it is none of that type. */
char *ns_value(struct arena *arena, enum ns_type type, const char *text);

/* Its records of this type, none being an answer too. `own` : the server must have authority over the name; else it is asked to find out,
   as a resolver does, and the records that an alias leads to are given as well. */
MUST_USE bool ns_ask(struct arena *arena, const char *address, const char *name, enum ns_type type, bool own, int64_t timeout_ms,
                     struct ns_records *ret, struct err *err);

struct ns_key {
    const char *name;
    const char *algorithm; /* "hmac-sha256", "hmac-sha512" */
    const char *secret;    /* base64 */
};
struct ns_set {
    const char *name;
    enum ns_type type;
};
struct ns_change {
    const char *zone;
    const struct ns_set *sets; /* all records of these names and types ... */
    size_t count;
    const struct ns_records *was;  /* ... must be these and no others, TTL aside ... */
    const struct ns_records *will; /* ... and become these, all at once */
};
/* ERR_REFUSED: something else stands there now, or the key may not do that. ERR_PERMISSION: the server does not believe the key. */
MUST_USE bool ns_update(struct arena *arena, const char *address, const struct ns_key *key, const struct ns_change *change, int64_t timeout_ms,
                        struct err *err);

/* What a message says. Here for its fuzz target. */
struct ns_message {
    int id, rcode, tsig_error;  /* tsig_error -1: the message has no signature */
    bool truncated, authoritative;
    int64_t tsig_time;          /* seconds since 1970 at the server, where it complains of ours; else 0 */
    struct ns_records records;  /* of the answer, of the types above */
};
MUST_USE bool ns_parse(struct arena *arena, const void *wire, size_t size, struct ns_message *ret, struct err *err);
