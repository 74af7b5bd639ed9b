/* cli/backups.h -- What the words of `bascule backup` share: which site, which options, how one backup is printed. */
#pragma once
#include "act/backups.h"
#include "base/jsonout.h"
#include "cli/command.h"

struct backup_job {
    struct cli *cli;
    const struct service *service;
    const struct site *site;
    struct backup_place place;
    const char *file;  /* FILE; NULL: the newest */
    const char *store; /* --store; NULL: all */
    const char *into;  /* fetch: --into FOLDER; NULL: the site's folder */
    bool dry_run, all, push;
    int days;          /* of a report */
    int level, jobs, max_rate; /* make: of the command line, else of the site */
    bool encrypt;
};

/* One word after `backup`. Exit status. */
typedef int backup_word_fn(const struct backup_job *job);
backup_word_fn backup_word_list, backup_word_verify, backup_word_seal;  /* backup_look.c */
backup_word_fn backup_word_prune, backup_word_report;                   /* backup_tend.c */
backup_word_fn backup_word_push, backup_word_fetch;                     /* backup_away.c */

/* ---- progress, on a terminal only ---- */

struct meter {
    int64_t last_ms;
    struct eta eta;
    bool shown;
};
struct backup_progress meter_progress(struct meter *meter);
void meter_end(const struct meter *meter);

/* ---- printing ---- */

void backup_put_json(struct jsonout *j, const struct backup_job *job, const struct backup *b);
void backup_put_line(const struct backup_job *job, const struct backup *b, struct buf *out);
int backup_print(const struct backup_job *job, const struct backup *b);
const char *backup_size_text(struct arena *arena, int64_t bytes);
/* By name in the site's folder, or by path; without a FILE the newest. */
MUST_USE bool backup_find(const struct backup_job *job, struct backup *ret, struct err *err);
/* The stores of --store, or all; false after an error was printed. */
MUST_USE bool backup_stores(const struct backup_job *job, struct store **ret, size_t *ret_count, int *ret_status);
struct store_ctx backup_store_ctx(const struct backup_job *job, const struct backup_progress *progress);
