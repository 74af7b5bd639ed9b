/* act/warmsite.h -- What `restore` and `dr` share about a site that keeps a warm copy: which site, the lock, and whether a backup is the one
   that waits there. */
#pragma once
#include "act/action.h"
#include "backup/backup.h"
#include "restore/restore.h"
#include "restore/warm.h"

/* The named site; without a name the one that follows, else the one whose role is dr. */
MUST_USE bool warmsite_find(const struct action_ctx *ctx, const char *name, const struct site **ret, struct err *err);
/* Can a restore be carried out from here: has the site a database, its backup folder unless a file is named, and is it on this machine? */
MUST_USE bool warmsite_restorable(const struct site *site, bool wants_folder, struct err *err);
/* The site that is followed: the one in production, or the other one of two. */
const struct site *warmsite_source(const struct action_ctx *ctx, const struct site *site);
/* One follower or restore of a service at a time on this machine; waits for at most `wait_ms`. ERR_REFUSED: somebody else is at it. */
MUST_USE bool warmsite_lock(const struct action_ctx *ctx, int64_t wait_ms, int *ret_fd, struct err *err);
/* Is that the backup which waits? By checksum where both are known, else by name and size. */
bool warmsite_holds(const struct warm_copy *copy, const struct backup *backup);
/* "restored 12 min ago, data as of 2025-10-25 15:34 UTC" */
char *warmsite_age(struct arena *arena, const struct warm_copy *copy);
const char *warmsite_admin(const struct site *site);
/* Do the users work on that site? Asked of the proxy and not of the journal: a person may have moved them by hand. Without a traffic
   driver nobody can say, and the answer is no. */
bool warmsite_serves(const struct action_ctx *ctx, const struct site *site);

/* What restore/ is asked for a site and a backup. */
struct restore_spec restores_spec(const struct action_ctx *ctx, const struct site *site, const struct backup *backup, const char *tag);
