/* io/httpd.h -- An HTTP server on the loop (libmicrohttpd inside) for other programs: small requests, answered now or later. TLS is the
   business of a reverse proxy in front. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

enum {
    HTTPD_BODY_MAX = 1024 * 1024,        /* of one request; more is answered 413 */
    HTTPD_BODIES_MAX = 16 * 1024 * 1024, /* of all that are under way; more is answered 503 */
    HTTPD_CONNECTIONS_MAX = 256,
};

struct httpd;

/* A whole request. It and its texts live until it is answered. */
struct httpd_request {
    const char *method, *path;
    const char *authorization; /* the header; NULL: none */
    struct str body;           /* ended by a 0 that is not counted */
    void *data;                /* the handler's own */
};

struct httpd_spec {
    const char *listen;
    /* A request is complete; httpd_answer is to be called for it exactly once, now or later. */
    void (*request)(void *arg, struct httpd_request *request);
    /* All requests that were complete in this turn of the loop were handed over. */
    void (*turn)(void *arg);
    void *arg;
};

/* Is it "ADDRESS:PORT" ("[::1]:80") with an address in digits, or the absolute path of a Unix socket? Whether only this machine can
   reach it goes to *ret_local. */
MUST_USE bool httpd_address(const char *listen, bool *ret_local, struct err *err);
MUST_USE bool httpd_open(struct loop *loop, const struct httpd_spec *spec, struct httpd **ret, struct err *err);
void httpd_close(struct httpd **httpd); /* what is not answered yet is answered 503 */
/* Of the query after the path, decoded, and of the headers; NULL when there is none of that name. They live as long as the request. */
const char *httpd_argument(const struct httpd_request *request, const char *name);
const char *httpd_header(const struct httpd_request *request, const char *name);
/* Text is copied. content_type NULL: none. */
void httpd_answer(struct httpd_request *request, unsigned status, const char *content_type, struct str text);
