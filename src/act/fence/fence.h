/* act/fence/fence.h -- Ways to make sure that the database of a site accepts no write any more, and to prove it. */
#pragma once
#include "act/action.h"

enum { FENCE_EVIDENCE_SIZE = 512 };

/* A fence stops the site's database by its own means and gives the evidence of those means. That no session and no port of it
   answers any more is proven by the action for every fence alike. All calls may block. */
struct fence_ops {
    const char *name;
    const char *summary;                      /* one line for help */
    const struct option *options;             /* of an entry in `fences:` of a site; NULL: it needs none, and cannot stand there */
    size_t options_size;
    bool by_lease;                            /* it rests on agents and etcd, which a promotion asks itself */
    bool powers_off;                          /* a machine that is off refuses nothing: its silence is no contradiction then */
    /* With `options`: are its values right? Looks at the configuration only. */
    bool (*valid)(const struct fence_conf *conf, const struct site *site, struct err *err);
    /* Mandatory. Is it configured for this site? err says what is missing. */
    bool (*usable)(const struct action_ctx *ctx, const struct site *site, struct err *err);
    /* Mandatory. Read-only checks, and what stop would do, one line each. */
    bool (*describe)(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err);
    /* Mandatory. Is the database stopped and kept from starting? False in *ret when that cannot be told. Changes nothing. */
    bool (*stopped)(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err);
    /* Mandatory. Stops it, keeps it from starting, and looks that both are so. ERR_UNAVAILABLE: it could not be reached, so nothing is
       known about it. Repeating it does no harm. */
    bool (*stop)(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err);
};

extern const struct fence_ops *const fence_list[]; /* ended by NULL, tried in this order; one line each in fences.c */

/* By those that rest neither on agents nor on etcd: stopped, and proven, as the action does it. ERR_CONFIG: there is none.
   `silent`: nothing there answered a moment ago, so its database is waited for no longer than a moment, before and after. */
MUST_USE bool fence_by_others(const struct action_ctx *ctx, const struct site *site, bool silent, char *evidence, size_t size, struct err *err);
bool fence_has_others(const struct action_ctx *ctx, const struct site *site);

/* ---- evidence that no fence brings itself ---- */

/* Does the database's port (or socket) refuse? `say` receives one phrase. False in *ret for a port that takes a connection and for
   one that stays silent: silence proves nothing. */
MUST_USE bool fence_port_refuses(const struct pgtarget *target, int64_t time_ms, bool *ret, char *say, size_t size, struct err *err);
