/* backup/past.h -- What was tried and how it ended: one line each in FOLDER/.SERVICE.past.jsonl, for reports. The backups themselves are
   told from the catalogue; this knows the failures too, and the restore tests. */
#pragma once
#include "backup/backup.h"

#define PAST_BACKUP "backup"
#define PAST_RESTORE_TEST "restore-test"
#define PAST_PUSH "push"

struct past {
    const char *what; /* one of the above */
    int64_t at_wall_ms, took_ms; /* when it ended, how long it took */
    bool ok;
    const char *file; /* NULL: none */
    const char *why;  /* of the failure; NULL */
};

/* Appends one line; lines that are torn by a crash are passed over later. The folder must be there. */
MUST_USE bool past_add(const struct backup_place *place, const struct past *past, struct err *err);
/* Oldest first, from `since_wall_ms` on. No file is an empty list. */
MUST_USE bool past_read(struct arena *arena, const struct backup_place *place, int64_t since_wall_ms, struct past **ret, size_t *ret_count,
                        struct err *err);

/* ---- the figures of a time ---- */

struct backup_figures {
    int64_t from_wall_ms, to_wall_ms;
    size_t made, failed;             /* backups */
    int64_t mean_took_ms, longest_took_ms; /* -1: none was timed */
    const struct backup *newest;     /* good one; NULL: there is none */
    int64_t newest_age_ms;           /* of its data; -1 */
    int64_t worst_loss_ms;           /* the most that a loss at any moment of the time would have cost; -1: no backup at all */
    int64_t within_rpo_permille;     /* of the time, a loss would have cost no more than the RPO; -1: not known */
    size_t tests, tests_good;        /* restores to prove a backup */
    int64_t mean_restore_ms;         /* -1 */
    int64_t last_test_wall_ms;       /* newest good one; 0 */
    int64_t bytes;                   /* of all backups that are there */
    size_t count;
};

/* `list` as backup_list gives it, `past` as past_read. rpo_ms 0: none is set. Pure. */
void backup_figures(const struct backup *list, size_t count, const struct past *past, size_t past_count, int64_t from_wall_ms,
                    int64_t to_wall_ms, int64_t rpo_ms, struct backup_figures *ret);
