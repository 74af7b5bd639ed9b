/* io/transfer.h -- One blocking HTTP exchange whose bodies may be of any length (libcurl's easy interface inside): for commands that carry
   files. What is watched and answered on the loop is io/http. */
#pragma once
#include "base/base.h"

typedef bool transfer_sink_fn(void *arg, const void *data, size_t size, struct err *err); /* false stops it */

struct transfer_spec {
    const char *method;               /* "GET", "PUT", "POST", "DELETE" */
    const char *url;                  /* http:// or https:// */
    const char *const *headers;       /* "Name: value", ended by NULL; NULL: none. CR or LF in one is refused */
    struct str body;                  /* of PUT and POST, unless it comes from a file */
    int body_fd;                      /* more than 0: the body is body_size bytes of this file from body_at on */
    int64_t body_at, body_size;
    int64_t from;                     /* GET: only what stands from this byte on */
    const char *user, *password;      /* Basic authentication, or with aws_region the two keys; NULL: none */
    const char *aws_region;           /* requests are signed for S3 in this region (Signature Version 4) */
    const char *ca_file;              /* certificates to trust; NULL: the system's */
    int64_t silence_ms;               /* ended when nothing moves for so long */
    transfer_sink_fn *sink;           /* gets the body of an answer of 200 to 299; NULL: it is kept */
    void *arg;
    void (*tick)(void *arg, int64_t sent); /* about once a second, how much of the body is sent; NULL: nobody asks */
    void *tick_arg;
    const char *want_header;          /* response header whose value is reported; NULL: none */
};

struct transfer_answer {
    long status;
    struct str body;      /* at most 4 MiB; in the arena */
    const char *header;   /* of want_header, or NULL */
};

/* False when there was no whole answer, or the sink said no; err names the host, and never the rest of the URL. */
MUST_USE bool transfer_run(struct arena *arena, const struct transfer_spec *spec, struct transfer_answer *ret, struct err *err);
/* True for a status of 200 to 299. Else err says what the server said: ERR_NOT_FOUND, ERR_PERMISSION, ERR_UNAVAILABLE (it may work later) or
   ERR_FAILED. */
MUST_USE bool transfer_ok(const struct transfer_answer *answer, const char *what, struct err *err);
/* Percent-encoding as Signature Version 4 wants it: all but letters, digits and -._~, and '/' where it is wanted. */
char *transfer_encode(struct arena *arena, const char *text, bool keep_slash);
