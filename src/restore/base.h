/* restore/base.h -- The first base backup of a server that a restore made. It is another server than the one whose log was archived, so
   no older base backup can be rolled forward to it: until it has one of its own, it can be brought back only from a dump. */
#pragma once
#include "restore/scratch.h"

struct base_place {
    const char *folder; /* absolute; made where it is missing */
    const char *name;   /* base backups are FOLDER/NAME_base_YYYYMMDD_HHMMSS */
    int lock;           /* held by the one run that writes there, and by its pg_basebackup, which may outlive a killed run */
};

/* Makes the folder, takes the lock, and removes what killed runs left: folders NAME_base_YYYYMMDD_HHMMSS.partial, nothing else. Before
   the restore, so that a folder that cannot be written is told at once and not after hours. */
MUST_USE bool base_open(struct arena *arena, const char *folder, const char *name, struct base_place *ret, struct err *err);
/* Lets the next run in. For SCOPED, so also one that was not opened, with `lock` -1. */
void base_close(struct base_place *place);
/* Of the server that restore_scratch made, which runs: pg_basebackup with the log it needs, read again by pg_verifybackup, on disk before
   it has its name. It belongs to whoever calls. After a failure nothing of it is left, the server is as it was, and the hint is a command
   line for a person. */
MUST_USE bool base_take(struct arena *arena, const struct base_place *place, const struct scratch_result *made, const char **ret_path,
                        struct err *err);
void base_remove_folder(const char *path, struct err *err); /* with all that is in it; no symbolic link is followed. `err` may be NULL */
