/* backup/snapshot.h -- One moment of a database, shared by all sessions of a dump, and the large tables in it. */
#pragma once
#include "base/base.h"
#include "base/target.h"
#include "io/pg.h"

struct snapshot {
    struct pg *pg;             /* the session that holds it; it reads like the others */
    const char *id;            /* for SET TRANSACTION SNAPSHOT and pg_dump --snapshot */
    int server_version;        /* 150020 */
    const char *version_text, *system_identifier, *encoding;
    const char *lsn;           /* not younger than the data: "0/1A2B3C8" */
    int64_t wall_ms;           /* likewise */
    int64_t lock_wait_ms;      /* for a table that the application has locked against everything */
};

/* A table that is read by our own sessions, in pieces if need be. Every other one is pg_dump's work. */
struct large_table {
    const char *name;          /* as in COPY: public.contracts */
    const char *pattern;       /* that exactly this table matches, for pg_dump --exclude-table-data */
    const char *heading;       /* comment and COPY statement, as pg_dump writes them */
    const char *columns;       /* quoted, separated by ", " */
    int64_t bytes, pages;
    int64_t piece_pages;       /* 0: in one piece */
    size_t pieces;
};

MUST_USE bool snapshot_open(struct arena *arena, const struct pgtarget *target, struct snapshot *ret, struct err *err);
void snapshot_close(struct snapshot *snapshot);
/* Another session in the same moment. `tables` are locked against being changed or dropped; *ret stays NULL when that is not possible at
   once, since somebody waits for such a lock: the session that holds the snapshot has its locks already. */
MUST_USE bool snapshot_join(struct arena *arena, const struct snapshot *snapshot, const struct pgtarget *target,
                            const struct large_table *tables, size_t count, struct pg **ret, struct err *err);
/* Those worth reading in parallel, by name, locked by the snapshot's own session: of at least `large_min` bytes, in pieces of about
   `piece_bytes`; 0 for either: a sensible size. */
MUST_USE bool snapshot_large_tables(struct arena *arena, const struct snapshot *snapshot, int64_t large_min, int64_t piece_bytes,
                                    struct large_table **ret, size_t *ret_count, struct err *err);
/* COPY ... TO STDOUT of one piece. */
const char *large_table_copy(struct arena *arena, const struct large_table *table, size_t piece);
