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

/* ---- names ---- */

/* Where the moment begins in "SERVICE_backup_full_YYYYMMDD_HHMMSS.sql.gz" (or one of the other endings); NULL: another name. */
const char *backup_moment_in(const char *name, const char *service);

/* ---- records ---- */

struct manifest {
    const char *service, *database, *tool, *pg_dump;
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
char *stores_path(struct arena *arena, const char *backup_path); /* NAME.stores.json: see backup/store.h */
/* How a push ended: stored when `why` is NULL. */
MUST_USE bool store_record_put(const struct backup *backup, const char *store, const char *why, struct err *err);

/* ---- seals: the last member of a record, over every byte before it ---- */

bool keyring_any(const struct keyring *keys);
void seal_record(const struct keyring *keys, struct buf *text); /* `text` is one JSON object; nothing without keys */
/* True without keys. ERR_DATA: the seal is missing, of another key, or the record was altered. */
MUST_USE bool record_is_sealed(const struct keyring *keys, struct str text, struct err *err);

/* ---- reading ---- */

/* Reads `path` to its end: `tally` and the checksum are filled. ERR_DATA when it is not a whole, sound dump. */
MUST_USE bool backup_read(struct arena *arena, const char *path, const struct keyring *opens, const struct backup_progress *progress, struct tally *tally, char *sha256,
                          int64_t *ret_sql_bytes, struct err *err);
