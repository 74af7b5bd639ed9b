/* act/slots.h -- Replication slots of an old primary on the one that takes over: without its slot, a standby that comes a moment later finds
   that what it needs was thrown away, and the reader of a logical one has lost its place. */
#pragma once
#include "act/action.h"
#include "io/pg.h"
#include "model/ways.h"

/* Makes each physical slot of `all` (as `struct standing` has them) on the server of `pg`, a standby or a primary, unless it is there or
   is called `own`. *ret_made names those that were made, "name, name", "" for none, also when it fails half-way. Needs
   replication.carry_slots: without it nothing is made. */
MUST_USE bool slots_carry(const struct action_ctx *ctx, struct pg *pg, const char *all, const char *own, const char **ret_made, struct err *err);
/* Takes back what slots_carry made, for a standby that stays one: a slot that nobody reads keeps changes until the disk is full. */
MUST_USE bool slots_drop(const struct action_ctx *ctx, struct pg *pg, const char *made, struct err *err);

/* ---- what becomes of them; pure ---- */

struct slots_asked {
    const char *there;   /* of the old primary when it was last seen */
    const char *here;    /* of the one that takes over, before or after it did */
    const char *own;     /* the slot through which it followed: nobody will want it */
    int64_t version;     /* of this server, 150004 */
    uint64_t received;   /* by it, of the old primary's timeline; 0: not known */
    bool carried;        /* physical ones will be made */
};
/* In their order; those beyond `max` are left out. */
size_t slots_judge(const struct slots_asked *asked, struct slot_fate *ret, size_t max);
const char *slot_end_name(enum slot_end end); /* "safe", "lagging", "lost" */
/* "third:physical, feed:logical"; "none". */
char *slots_say(struct arena *arena, const char *all);
