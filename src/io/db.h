/* io/db.h -- A database file (SQLite inside): opening with the pragmas that durability needs, prepared statements, transactions, and
   errors that say whether the disk is full, the file is damaged or somebody else holds it. Knows nothing of what is kept in it. */
#pragma once
#include "base/base.h"

struct db;
struct db_stmt;

struct db_spec {
    const char *path;
    bool write;              /* false: statements that would change the file fail */
    bool create;             /* an absent file is made, with mode 0660 less the umask; needs `write` */
    bool durable;            /* synchronous=FULL: a commit is on disk when it returns. false: benchmarks and scratch files */
    int busy_ms;             /* how long to wait for another process's lock before ERR_TIMEOUT */
    int64_t application_id;  /* expected in a file that has content, written by db_stamp; a foreign file is ERR_DATA */
    int64_t format;          /* user_version: a newer one is ERR_DATA, an older one is left to the caller */
};

/* Opens in WAL mode. ERR_NOT_FOUND when absent and not `create`; ERR_DATA when the file is no database, is foreign or newer. */
MUST_USE bool db_open(const struct db_spec *spec, struct db **ret, struct err *err);
void db_close(struct db **db);          /* statements must be finished before */
bool db_empty(const struct db *db);     /* nothing was ever stamped or created in it */
MUST_USE bool db_stamp(struct db *db, struct err *err); /* writes application_id and format; inside a transaction */
MUST_USE bool db_run(struct db *db, const char *sql, struct err *err); /* statements without parameters or rows */
MUST_USE bool db_ask_int(struct db *db, const char *sql, int64_t *ret, struct err *err); /* first column of the first row; 0: no row */

/* A write transaction takes the lock at once, so that what is read in it cannot be stale. db_rollback never fails and is harmless
   outside a transaction. */
MUST_USE bool db_begin(struct db *db, struct err *err);
MUST_USE bool db_commit(struct db *db, struct err *err); /* on failure nothing was written and the transaction is over */
void db_rollback(struct db *db);

/* Relaxed: what is committed is written, and on disk with the next commit that is not relaxed, or with db_sync. Outside transactions. */
void db_relax(struct db *db, bool relaxed);
MUST_USE bool db_sync(struct db *db, struct err *err);
/* The log of changes is folded into the main file by a commit when it has so many pages, or by db_fold at a moment of one's own choice. */
void db_fold_at(struct db *db, int pages);
void db_fold(struct db *db);

MUST_USE bool db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *err);
void db_finish(struct db_stmt **stmt);
/* Parameters are counted from 1. Text is not copied: it must stay until the statement is reset. A failure shows in db_step. */
void db_bind_int(struct db_stmt *stmt, int index, int64_t value);
void db_bind_text(struct db_stmt *stmt, int index, struct str text);
MUST_USE bool db_step(struct db_stmt *stmt, bool *ret_row, struct err *err); /* false row: no more */
void db_reset(struct db_stmt *stmt); /* ready for new parameters; releases its read lock */
/* Columns are counted from 0; text is valid until the next step or reset, and is terminated by a 0 that n does not count. */
int64_t db_int(struct db_stmt *stmt, int column);
struct str db_text(struct db_stmt *stmt, int column);

bool db_disk_full(const struct err *err);   /* did this fail for want of room? */
int64_t db_free_bytes(const char *folder);  /* room left for us in the file system; -1: unknown */
