/* backup/prune.h -- Removing what no rule keeps: never the last good ones, never one that somebody reads. */
#pragma once
#include "backup/retention.h"
#include "backup/store.h"

struct prune_line {
    struct backup backup;
    enum keep keep;
    bool removed;    /* or would be, when it is only tried */
    const char *why; /* it should go and stayed: in use, or could not be removed; NULL */
};

struct prune_result {
    struct prune_line *lines; /* newest first, every backup there is */
    size_t count, removed, failed, kept_in_use;
    int64_t freed_bytes;
};

/* One prune of a folder at a time (ERR_REFUSED). Records go after their backup; those whose backup is gone for a day, and pieces of
   interrupted work as old, are swept. With `dry_run` nothing is touched. True also when single ones could not be removed: see `failed`. */
MUST_USE bool backup_prune(struct arena *arena, const struct backup_place *place, const struct retention *rule, int64_t now_wall_ms, bool dry_run,
                           struct prune_result *ret, struct err *err);
/* The same in a store, where a backup counts as good when it is whole there. */
MUST_USE bool store_prune(const struct store *store, const struct store_ctx *ctx, const char *service, const struct retention *rule,
                          int64_t now_wall_ms, bool dry_run, struct prune_result *ret, struct err *err);
