/* act/patroni.h -- Where Patroni keeps the PostgreSQL of a service: asking it who leads, and asking it to let another lead. Nothing is promoted
   here, and nothing stopped: Patroni refuses, or does it, and what it says of its leader afterwards is what counts. */
#pragma once
#include "act/action.h"
#include "model/ways.h"

bool patroni_manages(const struct service *service);

/* The names are as the sentences want them: PATRONI_SWITCHOVER needs a leader that lives, PATRONI_FAILOVER does not. */
enum patroni_how { PATRONI_SWITCHOVER, PATRONI_FAILOVER };

/* For `describe`, `done_already` and `run` of the actions that move the primary. */
MUST_USE bool patroni_describe(const struct action_ctx *ctx, const struct site *to, enum patroni_how how, struct buf *out, struct err *err);
MUST_USE bool patroni_leads(const struct action_ctx *ctx, const struct site *site, bool *ret, char *why, size_t why_size, struct err *err);
MUST_USE bool patroni_move(const struct action_ctx *ctx, const struct site *to, enum patroni_how how, char *ret_text, struct err *err);

/* The way `promote`, as Patroni sees its member there; and `restart`, which is Patroni's own. */
void patroni_measure(const struct action_ctx *ctx, const struct site *to, struct ways_facts *ret);
