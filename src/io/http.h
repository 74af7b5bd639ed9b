/* io/http.h -- HTTP requests and SMTP hand-overs on the loop (libcurl's multi interface inside), and a blocking form for commands. */
#pragma once
#include "base/base.h"
#include "sys/loop.h"

struct dns;
struct http;
struct http_request;

/* Ignores SIGPIPE from now on: OpenSSL writes to connections that may be gone. Redirects are not followed, proxies not used. */
struct http *http_open(struct loop *loop, struct dns *dns);
void http_close(struct http **http); /* requests that are still open end without a callback */

struct http_spec {
    const char *method;              /* "GET" */
    const char *url;                 /* http:// or https:// */
    const char *const *headers;      /* "Name: value", ended by NULL; NULL: none. CR or LF in one is refused */
    const char *body;                /* NULL: none */
    size_t body_size;
    int64_t timeout_ms;              /* for the whole exchange */
    size_t max_body;                 /* answer bytes kept; beyond it the exchange fails with ERR_LIMIT. 0: 1 MiB */
    const char *want_header;         /* response header whose value is reported; NULL: none */
    bool fresh_connection;           /* do not reuse a kept-alive connection */
    const char *ca_file;             /* certificates to trust; NULL: the system's */
    const char *cert_file, *key_file; /* who we are, in PEM, the key not encrypted; NULL: nobody */
    int64_t connect_ms;              /* to connect in, TLS included; 0: timeout_ms */
    bool *sent;                      /* becomes true just before the request leaves, must live as long as it; NULL: nobody asks */
};

struct http_response {
    long status;                     /* 0 when there was no answer */
    struct str body;
    int64_t retry_after_ms;          /* of Retry-After (seconds or HTTP date); -1: none */
    int64_t took_ms;
    const char *header;              /* value of want_header, or NULL */
    const char *content_type;
};

/* `response` is NULL when there was no whole answer; err says why (ERR_TIMEOUT, ERR_UNAVAILABLE, ERR_PROTOCOL, ERR_LIMIT), naming the
   host but never the rest of the URL, which may be a secret. Called exactly once, later; the request is gone then. */
typedef void http_done_fn(void *arg, const struct http_response *response, const struct err *err);
/* False when the request itself is wrong (URL, header); `done` is then not called. */
MUST_USE bool http_start(struct http *http, const struct http_spec *spec, http_done_fn *done, void *arg, struct http_request **ret, struct err *err);
void http_cancel(struct http_request **request); /* no callback */

struct smtp_spec {
    const char *url;                 /* smtp://host:port or smtps://host:port */
    bool starttls;                   /* refuse to go on in clear */
    const char *user;                /* NULL: no authentication */
    const char *password;
    const char *from;                /* envelope */
    const char *to;
    const char *message;             /* whole message, CRLF lines */
    size_t message_size;
    int64_t timeout_ms;
    const char *ca_file;             /* certificates to trust; NULL: the system's */
};
/* response->status is the SMTP reply code (250), body its text. 4yz and 5yz come as a response, not as an err. */
MUST_USE bool smtp_start(struct http *http, const struct smtp_spec *spec, http_done_fn *done, void *arg, struct http_request **ret, struct err *err);

/* Blocking; response in `arena`. False when there was no whole answer. */
MUST_USE bool http_fetch(struct arena *arena, const struct http_spec *spec, struct http_response *ret, struct err *err);
