/* act/traffic/cloud.h -- Requests to the API of a provider: what an answer that is no success means, and how long it is worth to ask again. */
#pragma once
#include "act/action.h"
#include "base/option.h"
#include "io/http.h"
#include "sys/secret.h"

enum { CLOUD_ASK_MS = 5 * MS_SECOND, CLOUD_WAIT_MOST_MS = 30 * MS_SECOND, CLOUD_TRIES = 3 };

struct cloud_request {
    const char *method;
    const char *path;  /* below the endpoint */
    const char *query; /* encoded, in the order of its names; "" for none */
    struct str body;
    const char *content_type; /* of the body; NULL: there is none */
};

struct cloud_complaint {
    const char *text; /* what the answer says is wrong; NULL: nothing that is understood */
    bool slow_down;   /* nothing was done, and it may be asked again later */
};

struct cloud {
    const char *name; /* "Cloudflare" */
    const char *endpoint, *ca_file;
    const void *who;
    /* The headers of this very try, ended by NULL, in `arena`, which is wiped after it. */
    bool (*sign)(struct arena *arena, const struct cloud *cloud, const struct cloud_request *request, const char *const **ret, struct err *err);
    void (*complain)(struct arena *arena, struct str body, struct cloud_complaint *ret);
};

/* The body of an answer of 200 to 299. It is asked again, a few times, after 429 and the like (no later than the answer wishes), 5xx, and a
   connection that was refused or cut: so a request must do no harm when it is carried out twice. Not after a time-out. Errors:
   ERR_PERMISSION, ERR_UNAVAILABLE, ERR_TIMEOUT, else ERR_FAILED. */
MUST_USE bool cloud_ask(const struct action_ctx *ctx, const struct cloud *cloud, const struct cloud_request *request, struct str *ret, struct err *err);
/* Is it http(s)://host[:port] and, where `path` says so, a path, and nothing that could hide a password? */
MUST_USE bool cloud_endpoint_valid(const char *endpoint, bool path, struct err *err);

/* ---- AWS ---- */

struct aws_conf {
    const char *access_key, *endpoint, *region, *ca_file;
    struct secret secret_key, session_token;
};
/* Rows of a driver's table, `at` being the offset of its struct aws_conf. */
#define AWS_OPTIONS(at) \
    {.key = "access_key", .type = OPTION_STRING, .offset = (at) + offsetof(struct aws_conf, access_key), .required = true, .help = "the key's public half", \
     .sample = "AKIAIOSFODNN7EXAMPLE"}, \
    {.key = "secret_key", .type = OPTION_SECRET, .offset = (at) + offsetof(struct aws_conf, secret_key), .required = true, .help = "its secret half", \
     .sample = "{file: /etc/bascule/aws.secret}"}, \
    {.key = "session_token", .type = OPTION_SECRET, .offset = (at) + offsetof(struct aws_conf, session_token), \
     .help = "of temporary credentials, which something else must renew", .sample = "{file: /run/bascule/aws.token}"}, \
    {.key = "ca_file", .type = OPTION_PATH, .offset = (at) + offsetof(struct aws_conf, ca_file), .help = "certificates to trust; else the system's", \
     .sample = "/etc/bascule/ca.pem"}

struct aws {
    const struct aws_conf *conf;
    const char *service, *region; /* that requests are signed for */
};
/* `who` must live as long as the result. */
struct cloud aws_cloud(const struct aws *who, const char *name, const char *endpoint);
MUST_USE bool aws_valid(const struct aws_conf *conf, struct err *err);
