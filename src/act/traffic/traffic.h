/* act/traffic/traffic.h -- What directs the users to a site: drivers, and the question that no driver may answer for itself, which
   site truly serves a request. */
#pragma once
#include "act/action.h"

struct records_zone;

/* A driver keeps the state before a switch where put_back finds it, also when it is another process that asks. Its configuration is
   ctx->service->traffic. All calls may block; `err` is never NULL. */
struct traffic_ops {
    const char *name;
    const char *summary;             /* one line for help */
    const struct option *options;    /* mandatory, may be just OPTION_END */
    size_t options_size;
    /* Mandatory. Is this combination usable? Called when the configuration is loaded. */
    bool (*valid)(const struct traffic_conf *conf, const struct service *service, struct err *err);
    /* Mandatory. Where the driver's own state directs the users; ERR_NOT_FOUND when it names no site of the service. */
    bool (*read_back)(const struct action_ctx *ctx, const struct site **ret, struct err *err);
    /* Mandatory. Read-only checks, and what point would do, one line each. */
    bool (*describe)(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err);
    /* Mandatory. Directs the users to the site. On failure the state before it is back, and err says so. Repeating it does no harm and
       does not lose the state before the first time. */
    bool (*point)(const struct action_ctx *ctx, const struct site *site, struct err *err);
    /* Mandatory. Is there a state before the last switch? */
    bool (*can_put_back)(const struct action_ctx *ctx, bool *ret, struct err *err);
    /* Mandatory. Brings that state back. It stays known until forget is called. */
    bool (*put_back)(const struct action_ctx *ctx, struct err *err);
    bool (*forget)(const struct action_ctx *ctx, struct err *err); /* mandatory */
    /* Mandatory. How a person does it without this program, as {traffic.byhand} of a playbook's text. Words in braces stand for the
       configuration there too, and {traffic.commands} for the lines that `commands` makes; it may be NULL. `to` is never NULL. */
    struct text2 by_hand;
    void (*commands)(struct arena *arena, const struct service *service, const struct site *to, struct buf *out);
    /* Optional. How long after a switch the last user may still arrive at the old site (caches); without it TRAFFIC_ARRIVES_MS. */
    int64_t (*arrives_within)(const struct action_ctx *ctx);
    /* Mandatory where the functions above are those of records.h. The zone, as they reach it. */
    void (*zone)(const struct action_ctx *ctx, struct records_zone *ret);
    /* Optional. What makes a later switch quicker and moves nobody now; *ret_text as of action_ops.run. */
    bool (*prepare)(const struct action_ctx *ctx, char *ret_text, struct err *err);
};

extern const struct traffic_ops *const traffic_drivers[]; /* ended by NULL; one line each in drivers.c */
const struct traffic_ops *traffic_driver(const char *name);

/* ---- the truth ---- */

enum { TRAFFIC_REQUEST_MS = 3000, TRAFFIC_ARRIVES_MS = 10 * 1000 };

/* What every driver's `valid` asks first: a public address, and a way to tell the sites apart. */
MUST_USE bool traffic_conf_valid(const struct traffic_conf *conf, const struct service *service, struct err *err);
/* The driver of the service; ERR_CONFIG when it has none. */
MUST_USE bool traffic_of(const struct action_ctx *ctx, const struct traffic_ops **ret, struct err *err);
/* The name in an answer to a request for the identifying path, or for any path where a header identifies; ERR_DATA when it has none. */
struct http_response;
MUST_USE bool traffic_name_in(const struct action_ctx *ctx, const struct http_response *response, const char **ret, struct err *err);
/* One request for the identifying path through `base`, over a connection of its own: the name of the site that answered. */
MUST_USE bool traffic_ask(const struct action_ctx *ctx, const char *base, const char **ret, struct err *err);
/* `count` in a row through the public address answered by the site, within `time_ms`. */
MUST_USE bool traffic_arrives(const struct action_ctx *ctx, const struct site *site, int count, int64_t time_ms, struct err *err);
/* URL of a path below a base address. */
char *traffic_url(struct arena *arena, const char *base, const char *path);
