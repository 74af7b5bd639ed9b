/* io/http_internal.h -- What HTTP transfers and SMTP hand-overs share: a name to resolve, a deadline, one callback. */
#pragma once
#include "io/dns.h"
#include "io/http.h"

struct http_kind;

struct http_request {
    const struct http_kind *kind;
    struct http *http;
    struct http_request *next, **link;
    struct arena *arena;
    http_done_fn *done; /* NULL once told */
    void *arg;
    struct dns_query *lookup;
    struct loop_timer *deadline;
    int64_t started_ms, timeout_ms;
    const char *host; /* of the URL */
    int port;
    bool in_done;  /* the callback is at work: a cancel from inside it finds nothing to do */
    bool failed;   /* before it began; `err` is told in the next round */
    struct err err;
};

struct http_kind {
    size_t size;                                                  /* of the struct that starts with struct http_request */
    const char *const *schemes;                                   /* ended by NULL */
    int (*port)(const char *scheme);
    void (*begin)(struct http_request *r, const char *address);   /* the name is resolved */
    void (*release)(struct http_request *r);                      /* stops what runs and frees what it holds */
};

/* NULL when the URL is wrong. */
struct http_request *request_new(struct http *http, const struct http_kind *kind, const char *url, int64_t timeout_ms, http_done_fn *done,
                                 void *arg, struct err *err);
void request_go(struct http_request *r);                          /* resolve, then begin */
void request_free(struct http_request *r);                        /* no callback */
void request_finish(struct http_request *r, const struct http_response *response, const struct err *err); /* callback, then release */
void request_fail_later(struct http_request *r, const struct err *err); /* the callback comes in the next round */
void http_transfer_ended(void *easy, int code);                   /* easy: CURL; code: CURLcode */
struct loop *http_loop(struct http *http);
void *http_multi(struct http *http);                              /* CURLM */
bool text_is_one_line(const char *text);                          /* no control characters: nothing can be smuggled in */
/* libcurl's code as ours, with the host and the kernel's reason in the message. `easy` is a CURL, `detail` curl's error buffer. */
bool curl_error(void *easy, int code, const char *host, int port, const char *detail, struct err *err);
bool curl_identity_refused(int code, const char *detail); /* the server did not take our certificate, so it read nothing of what we sent */
/* "::ADDRESS:" for CURLOPT_CONNECT_TO. */
char *connect_to(struct arena *arena, const char *address);
