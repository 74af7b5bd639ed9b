/* backup/backup_internal.h -- What the files of this room share: names, the counting of rows, and the two records beside a backup. */
#pragma once
#include <sys/stat.h>

#include "backup/backup.h"
#include "dump/lexer.h"

/* ---- tally: rows per table, counted while a dump streams past ---- */

struct tally {
    struct arena *arena;
    VEC(struct backup_table) tables;
    size_t current; /* index of the table whose rows go by */
    int64_t rows;
    bool complete;
};
bool tally_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err); /* a lexer_item_fn; arg: struct tally */

/* ---- records ---- */

struct manifest {
    const char *service, *database, *tool, *pg_dump;
    int64_t sql_bytes;
};
/* NAME.manifest.json from `backup` (tables, rows, sha256, ...) and `more`. */
MUST_USE bool manifest_write(const struct backup *backup, const struct manifest *more, struct err *err);
/* Fills `backup` from NAME.manifest.json when there is one. ERR_DATA when it cannot be understood. */
MUST_USE bool manifest_read(struct arena *arena, struct backup *backup, struct err *err);
char *manifest_path(struct arena *arena, const char *backup_path);

/* NAME.verified.json: success when `damage` is NULL. */
MUST_USE bool verified_write(const struct backup *backup, const char *how, const char *damage, struct err *err);
/* Takes over what it says, if it was written about the file as it stands now. A broken record counts as none. */
void verified_read(struct arena *arena, struct backup *backup, const struct stat *file);
char *verified_path(struct arena *arena, const char *backup_path);

/* ---- reading ---- */

/* Reads `path` to its end: `tally` and the checksum are filled. ERR_DATA when it is not a whole, sound dump. */
MUST_USE bool backup_read(struct arena *arena, const char *path, const struct backup_progress *progress, struct tally *tally, char *sha256,
                          int64_t *ret_sql_bytes, struct err *err);
