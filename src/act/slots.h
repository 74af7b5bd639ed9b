/* act/slots.h -- Replication slots of an old primary on the one that takes over: without its slot, a standby that comes a moment later finds
   that what it needs was thrown away. */
#pragma once
#include "act/action.h"
#include "io/pg.h"

/* Makes each physical slot of `all` ("name:physical name:logical ...") on the server of `pg`, a standby or a primary, unless it is there or
   is called `own`. *ret_made names those that were made, "" for none. Needs replication.carry_slots: without it nothing is made. */
MUST_USE bool slots_carry(const struct action_ctx *ctx, struct pg *pg, const char *all, const char *own, const char **ret_made, struct err *err);
