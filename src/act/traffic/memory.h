/* act/traffic/memory.h -- The state before the last switch, kept in the state folder by the drivers whose own world cannot keep it. */
#pragma once
#include "act/traffic/traffic.h"

/* Before anything is changed. A switch to the same site that was begun before and not taken back keeps what it kept then: it may have been
   killed half-way, and what stands now is half its own work. */
MUST_USE bool memory_keep(const struct action_ctx *ctx, const struct site *to, const char *text, struct err *err);
MUST_USE bool memory_text(const struct action_ctx *ctx, struct str *ret, struct err *err); /* ERR_NOT_FOUND: there is none */
/* For the tables of drivers: can_put_back and forget. */
bool memory_known(const struct action_ctx *ctx, bool *ret, struct err *err);
bool memory_forget(const struct action_ctx *ctx, struct err *err);
/* After a failure, when the way back was tried too: its reason stays the message, what became of the state before is added. */
bool memory_back(struct arena *arena, bool is_back, const struct err *second, struct err *err);
