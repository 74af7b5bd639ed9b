/* act/cluster.h -- The data directory of a site's PostgreSQL on its host, touched as the user it belongs to, while no server runs in it. */
#pragma once
#include "act/control.h"
#include "act/host.h"
#include "io/parted.h"

/* Has the site a data directory and a database? ERR_CONFIG naming the missing key. */
MUST_USE bool cluster_known(const struct site *site, struct err *err);
/* What the other sites call it; ERR_CONFIG when its database is known by a socket only. */
MUST_USE bool cluster_reachable(const struct site *site, struct err *err);
/* How the database of `site` would follow that of `primary`: the user of `replication`, else that of the database. */
MUST_USE bool cluster_following(const struct action_ctx *ctx, const struct site *site, const struct site *primary, struct following *ret, struct err *err);

/* May this program act in the directory, and are PostgreSQL's own programs there? Changes nothing. */
MUST_USE bool cluster_usable(const struct action_ctx *ctx, const struct site *site, struct err *err);
MUST_USE bool cluster_control(const struct action_ctx *ctx, const struct site *site, struct control *ret, struct err *err);
/* Its settings name whom it follows; standby.signal, or not. Both are on disk when this returns. */
MUST_USE bool cluster_follow(const struct action_ctx *ctx, const struct site *site, const struct following *f, bool signal, struct err *err);
/* standby.signal comes or goes, and what pg_control says after it, in one go. */
MUST_USE bool cluster_mark_standby(const struct action_ctx *ctx, const struct site *site, bool standby, struct control *ret, struct err *err);

/* Its configuration files are put aside, once: what pg_rewind takes from the source in their place is taken back by cluster_reinstate. */
MUST_USE bool cluster_put_aside(const struct action_ctx *ctx, const struct site *site, struct err *err);
MUST_USE bool cluster_reinstate(const struct action_ctx *ctx, const struct site *site, struct err *err);
MUST_USE bool cluster_forget_aside(const struct action_ctx *ctx, const struct site *site, struct err *err);
/* pg_rewind to what `primary` has. False with its own last words when it cannot, or failed. */
MUST_USE bool cluster_rewind(const struct action_ctx *ctx, const struct site *site, const struct site *primary, struct err *err);
/* What its log holds behind `fork` of the given timeline. ERR_DATA: it can be counted no more, nor later. */
MUST_USE bool cluster_lost(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t time_ms, struct parted *ret, struct err *err);
/* The segments of its log from `fork` on, copied beside the directory into the folder *ret; once, however often it is asked for. */
MUST_USE bool cluster_keep_log(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t segment_bytes, const char **ret, struct err *err);
/* A new copy of `primary` beside the directory, verified by pg_verifybackup; what an earlier try left is removed first. */
MUST_USE bool cluster_copy(const struct action_ctx *ctx, const struct site *site, const struct site *primary, const struct following *f, struct err *err);
/* The verified copy takes the place of the directory, which stays beside it under the name in *ret_old; NULL when there is no such copy. */
MUST_USE bool cluster_swap(const struct action_ctx *ctx, const struct site *site, const char **ret_old, struct err *err);

/* Asks `has`, replication.archive_has, for each segment of `names` (one a line), and leaves what is missing and in pg_wal to the archiver of the
   server that runs there. *ret_out has a line for each: its name, and "archived", "handed", "waits" (for the archiver, already), "here"
   (missing, and could not be handed over), "gone" (missing, and not in pg_wal), or "unknown STATUS". */
MUST_USE bool cluster_archive(const struct action_ctx *ctx, const struct site *site, const struct strs *has, const char *names, int64_t time_ms, struct str *ret_out,
                              struct err *err);
