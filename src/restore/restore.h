/* restore/restore.h -- A plain .sql.gz into a new database that takes the old one's name only after it was verified. */
#pragma once
#include "base/base.h"
#include "base/target.h"
#include "io/seal.h"

struct restore_spec {
    const struct pgtarget *target;      /* dbname: the final name */
    const char *admin_dbname;           /* where CREATE DATABASE and RENAME run */
    const char *file;                   /* .sql.gz, .sql, .sql.zst; .enc behind it: encrypted */
    const struct seal_key *keys;        /* that it may be encrypted with; NULL: none */
    size_t key_count;
    const char *const *critical_tables; /* must exist and, when the manifest counted rows in them, hold as many */
    size_t critical_count;
    const struct restore_count { const char *table; int64_t rows; } *counts; /* from the manifest; NULL: none */
    size_t count_count;
    int jobs;                           /* sessions that load and build at the same time; 0: as many as processors here, 8 at most */
    bool new_name;                      /* refused when there is a database of that name */
    const char *only;                   /* the rows and indexes of this table alone, "schema.name" or "name"; NULL: everything. Into a name
                                           that no database has, since it could not take the place of a whole one */
    const char *const *assertions;      /* SQL that must give one row with "true" in the restored data */
    size_t assertion_count;
    const char *tag;                    /* makes NAME_restoring_TAG this run's own */
    bool keep_old;                      /* true: NAME becomes NAME_before_TIMESTAMP; false is refused for now */
    bool resume;                        /* goes on with what a run that was killed had loaded of this very file, else begins anew and says why;
                                           large tables are loaded in pieces, so that less is lost when this run is killed, too */
    bool read_only;                     /* sessions begin read-only (default_transaction_read_only) until warm_take lifts it */
    void (*progress)(void *arg, int64_t done_bytes, int64_t total_bytes, const char *what);
    void *progress_arg;
};

struct restore_result {
    int64_t rows;
    int64_t foreign_keys;               /* validated */
    int64_t took_ms, load_ms, verify_ms;
    bool resumed;                       /* it went on with what an interrupted run had loaded: */
    int64_t resumed_rows;               /* so many rows, among `rows` */
    int64_t resumed_blocks, blocks;     /* of the COPY blocks of the file */
    int64_t resumed_statements;         /* after the data: indexes, keys and what else is made there */
    const char *old_name;               /* what the replaced database is called now; NULL: there was none */
    const char *database;               /* final name */
    int64_t heartbeat_wall_ms;          /* newest heartbeat row in the restored data; 0: none */
    int64_t skipped;                    /* statements left out, because they name roles that this server has not */
    const char *const *notes;           /* sentences for people: what was left out, repaired or is odd in the data */
    size_t note_count;
    const char *sha256;                 /* of the file */
};

/* Leaves nothing under the final name unless every check passed: loading is done beside it, in NAME_restoring_TAG, which is dropped
   again when anything fails. The two renames are one transaction. Owner, privileges and settings of the old database go over to the new
   one. A run that was killed half-way is cleared away or brought to its end first, unless `resume` goes on with it. ERR_REFUSED when another restore of it is under way. */
MUST_USE bool restore_run(struct arena *arena, const struct restore_spec *spec, struct restore_result *ret, struct err *err);
/* Was this very file already restored under the final name, by the run with this tag (told by a comment on the database)? A swap of
   names that was interrupted is finished or undone before answering. */
MUST_USE bool restore_done_already(struct arena *arena, const struct restore_spec *spec, bool *ret, struct err *err);
