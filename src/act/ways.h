/* act/ways.h -- Measures what the ways to bring a service back rest on. Read-only; what cannot be measured says why. */
#pragma once
#include "act/action.h"
#include "model/ways.h"

/* From `from`, which served the users, to `to`. `restart` false: whether `from` can be restarted in place is not asked. */
void ways_measure(const struct action_ctx *ctx, const struct site *from, const struct site *to, bool restart, struct ways_facts *ret);
