/* restore/warm.h -- A restored database that waits, read-only, under its final name until it is needed: it is known by the mark that
   restore_run leaves on it with a tag that begins with WARM_TAG, and by a seal that tells whether anybody wrote to it since. */
#pragma once
#include "base/base.h"
#include "base/target.h"

#define WARM_TAG "warm-"

struct warm_copy {
    bool ours;                  /* a restore of ours put it under the final name */
    bool waits;                 /* and it was not taken into use: the tag says warm */
    const char *name;           /* of the database */
    const char *tag, *file, *sha256;
    int64_t marked_wall_ms;     /* when its restore was finished */
    int64_t taken_wall_ms;      /* 0: it waits, or never was a warm one */
    /* From the seal; `sealed` false: the follower was killed before it could say so, and nothing is known of these. */
    bool sealed;
    int64_t bytes, snapshot_wall_ms, heartbeat_wall_ms, took_ms, rows, foreign_keys;
    /* warm_look and warm_take only: */
    const char *touched;        /* why it may not be as it was restored; NULL: it is */
};

/* What stands under the final name of `target`; everything false when that is nothing of ours. Read-only. */
MUST_USE bool warm_look(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, struct warm_copy *ret, struct err *err);
/* After a restore_run with a WARM_TAG: writes down what `copy` says of bytes, moments and rows, and how the database looks now. */
MUST_USE bool warm_seal(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, const struct warm_copy *copy, struct err *err);

struct warm_take {
    const struct pgtarget *target;
    const char *admin_dbname;
    const char *sha256;                 /* of the backup that is wanted */
    const char *tag;                    /* of the run that takes it: restore_done_already answers yes for it afterwards */
    const char *const *critical_tables; /* must be there, and hold a row where they did when they were restored */
    size_t critical_count;
};
/* The waiting copy of that very backup takes writes from now on. ERR_REFUSED, with nothing changed, when it is another one, was written
   to, lacks something, or a restore is under way. Sessions are ended, since a session keeps the read-only default it began with. */
MUST_USE bool warm_take(struct arena *arena, const struct warm_take *take, struct warm_copy *ret, struct err *err);

/* Drops the oldest copies that were replaced by newer ones and never taken, so that `keep` of them are left. */
MUST_USE bool warm_prune(struct arena *arena, const struct pgtarget *target, const char *admin_dbname, int keep, struct strs *ret_dropped,
                         struct err *err);
