/* io/sigv4.h -- Requests to AWS are signed: Signature Version 4, for the services whose paths are plain (not S3, see io/transfer). */
#pragma once
#include "base/base.h"

struct sigv4 {
    const char *access_key, *secret_key;
    const char *session_token; /* of temporary credentials; NULL: none */
    const char *region, *service;
    int64_t wall_s;            /* of the request; AWS refuses what is off by more than 5 minutes (some services 15) */
};
struct sigv4_request {
    const char *method, *host; /* the host with its port where that is not the usual one, as the Host header says it */
    const char *path;          /* letters, digits and /-._~ alone */
    const char *query;         /* "" or words in the order of their names, encoded by transfer_encode */
    const char *content_type;  /* NULL: none */
    struct str body;
};

/* "Name: value" of all headers that are signed, and of the signature, ended by NULL. */
MUST_USE bool sigv4_headers(struct arena *arena, const struct sigv4 *who, const struct sigv4_request *request, const char *const **ret, struct err *err);
