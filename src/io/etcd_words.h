/* io/etcd_words.h -- What is said to etcd's JSON gateway, and what it says back. Texts only; etcd.c carries them. */
#pragma once
#include "io/etcd.h"

const char *etcd_path(const struct etcd_request *request);
MUST_USE bool etcd_write(const struct etcd_request *request, struct buf *to, struct err *err); /* false: it is not well-formed, or too large */
bool etcd_changes(const struct etcd_request *request); /* could anything be different afterwards? */

enum etcd_said {
    ETCD_SAID_ANSWER,
    ETCD_SAID_REFUSED,   /* not done, and nobody else would do it */
    ETCD_SAID_TOKEN,     /* not done: the token is old or missing */
    ETCD_SAID_NO_LEADER, /* not done by this member; another may */
    ETCD_SAID_UNSURE,    /* done or not */
};
/* The answer to `request`, in `arena`; `err`, never NULL, is filled unless it is
   ETCD_SAID_ANSWER. */
MUST_USE enum etcd_said etcd_read(struct arena *arena, const struct etcd_request *request, long status, struct str body, struct etcd_answer *ret, struct err *err);
/* The token, "" when this etcd has no users. */
MUST_USE enum etcd_said etcd_read_token(struct arena *arena, long status, struct str body, const char **ret, struct err *err);
