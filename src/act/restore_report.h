/* act/restore_report.h -- The report of a restore, pra_restore_report_YYYYMMDD_HHMMSS.txt and .json: every line of it was measured, and what
   was not looked at says so. */
#pragma once
#include "act/action.h"
#include "backup/backup.h"
#include "restore/restore.h"

struct restored {
    const struct site *site;
    struct backup backup;         /* file NULL: none was chosen */
    struct restore_result result;
    bool warm;                    /* a warm copy was taken */
    int64_t began_wall_ms, took_ms; /* of the whole command */
    const char *error;            /* NULL: the data is restored */
};

/* Looks at the database and, for at most `api_wait_ms`, at the endpoints of the site's application until all of them answer; then writes
   both files into `folder`, which is made when it is missing. *ret_well: the data is there, and whatever was looked at is well. */
MUST_USE bool restore_report(const struct action_ctx *ctx, const struct restored *done, const char *folder, int64_t api_wait_ms, bool *ret_well,
                             char **ret_path, struct err *err);
