/* act/proof.h -- What became of every restore: a backup counts when it has been restored, and here stands that it was. One JSON object a
   line in STATE_DIR/restores.jsonl, oldest first; the oldest half is let go when the file grows over its limit. */
#pragma once
#include "act/action.h"

struct proof {
    const char *kind;        /* "follow", "restore", "take" (of a warm copy), "verify" (into a scratch database) */
    const char *service, *site;
    const char *file, *sha256; /* of the backup; sha256 may be NULL */
    bool ok;
    const char *error;       /* NULL when it went well */
    int64_t at_ms;           /* wall time at its end */
    int64_t took_ms;
    int64_t snapshot_ms;     /* of the backup; 0: not known */
    int64_t rows, foreign_keys;
};

/* Appends a line; a failure to do so is logged and nothing more, since the restore is what it is. */
void proof_add(const struct action_ctx *ctx, const struct proof *proof);
/* All of a service, newest first. A file that is not there is an empty list; lines that cannot be read are left out. */
MUST_USE bool proof_list(struct arena *arena, const char *state_dir, const char *service, struct proof **ret, size_t *ret_count, struct err *err);
