/* act/takeover.h -- A site takes over where agents live by a lease: what all of them say, the epoch moved to it, and what ends its wait.
   Nothing here promotes: its agent does, once the rules of the lease allow it. May be killed anywhere and begun again. */
#pragma once
#include "act/agentlink.h"
#include "act/epoch.h"

enum { TAKEOVER_MEMBERS_MAX = 16 };

struct takeover_member {
    const struct site *site;
    const struct agent_answer *asked, *frozen;
    bool answers;
    struct agent_said said;
};

struct takeover {
    const struct action_ctx *ctx;
    const struct site *to;
    const struct site *meant; /* that was asked for, where another one has more */
    const struct site *from;  /* that wrote last, as far as etcd knows; NULL: not one of the configuration */
    const char *fenced_by;    /* a person's word that it is off; NULL: none */
    struct agentlink *link;
    struct epoch epoch;
    struct takeover_member members[TAKEOVER_MEMBERS_MAX], *me, *old; /* old NULL: it has no agent */
    size_t member_count;
    bool chooses;             /* of several standbys it takes the one that has received most */
    bool moved;               /* by this run, or by one before it: the epoch names `to`, and it may write in it */
    bool needs_certificate;   /* it ended because time alone proves nothing, and no fence answered */
    char how[700];            /* what ended the wait */
};

/* Reads the epoch and asks every agent; an old one that is silent is not waited for. `choose`: another standby may take over in the place of
   `to`, which need not even answer: whichever has received most. */
MUST_USE bool takeover_open(const struct action_ctx *ctx, const struct site *to, const char *fenced_by, bool choose, struct takeover *ret, struct err *err);
void takeover_close(struct takeover *t);
/* The epoch names it, and it writes. */
bool takeover_is_done(const struct takeover *t);
/* Its data follows nobody, and the epoch left it with the newest there is: it can only begin again, and nothing is lost. */
bool takeover_is_return(const struct takeover *t);
/* ERR_REFUSED: the site that writes does well, as it says itself, or as etcd says where it is only from here that it does not answer. That
   is looked at for a while, and ends as soon as it renews its lease no more. */
MUST_USE bool takeover_is_wanted(struct takeover *t, struct err *err);
/* What standbys receive stands still, for a bounded time, and they are compared: by timeline, then by position. The choice is made here, and
   told by PROMOTE_SITE_FACT when it is another than was meant. Where there is none, refused when another one has received more, unless `any`. */
MUST_USE bool takeover_freeze(struct takeover *t, bool any, struct err *err);
void takeover_thaw(struct takeover *t);
/* Were enough standbys compared that the most advanced one has all that was promised? VOTES_NONE: commits waited for nobody. `say`: why, or
   which. `in_sync`: what was seen of the old primary elsewhere, where it told etcd nothing. Before takeover_freeze, those that could be. */
enum takeover_votes { VOTES_NONE, VOTES_ENOUGH, VOTES_MISSING };
enum takeover_votes takeover_votes(const struct takeover *t, bool in_sync, char *say, size_t size);
/* Will there be as many standbys as `sync_names` asks for, when those that stand still follow the one that takes over? */
bool takeover_will_be_followed(const struct takeover *t, const char *sync_names);
/* Afterwards: which standbys have more than the new primary, and cannot follow it; and which could not be asked. */
void takeover_tell_others(const struct takeover *t);
/* Written by the old primary as it last said itself, to etcd or to us; 0: not known. */
uint64_t takeover_known_lsn(const struct takeover *t, int64_t *ret_timeline);
/* What it wrote behind the fork, counted by its agent now that it has ended. False: that does not answer, or not at once. */
MUST_USE bool takeover_lost(struct takeover *t, int64_t timeline, uint64_t fork, struct parted *ret);
/* Moves the epoch, collects certificates, and waits until the agent says that it is the primary. */
MUST_USE bool takeover_carry_out(struct takeover *t, struct err *err);
