/* restore/load.h -- What the files that load share: one run through the file. */
#pragma once
#include "dump/index.h"
#include "dump/lexer.h"
#include "restore/graph.h"
#include "restore/marks.h"
#include "restore/restore_internal.h"

struct loading {
    struct restoring *r;
    struct pg *pg;                 /* for what runs in its place */
    struct pool *pool;
    struct rows_store *store;
    struct graph *graph;
    struct lexer *lexer;
    const struct settings *now;    /* of the dump, as of the statement read last */
    const struct settings *has;    /* of `pg` */
    struct rows *rows;             /* of the COPY being read; NULL: they go through `pg`, inside a transaction of the dump */
    int64_t copied, copied_bytes;  /* rows of that COPY, as the lexer counts them, or as the index says */
    int64_t item;                  /* statements and COPYs so far: the last one's number */
    int64_t begun;                 /* the number of the dump's BEGIN */
    bool passing;                  /* that transaction of the dump is there already */
    bool there;                    /* the rows of that COPY are */
    bool schema_done;              /* the data has begun */
    bool unmarked;                 /* statements of this dump cannot be told apart by marks: an interrupted run begins anew */
    int members;                   /* file of the members that sessions read by themselves; -1: they are given everything */
    bool skipping;                 /* that COPY: it is not of the table that is wanted */
    bool data_seen;
    bool late;                     /* what follows the data has begun */
    bool busy;                     /* rows are on their way */
    bool order_known, ordered;     /* tables must be filled one after the other */
    bool complete;
    int64_t at, size;              /* of the file */
    const char *what;              /* for the progress */
};

/* How far the reading is, for who asked for the progress. */
void load_tell_reading(struct loading *l);
/* The file by its index: the sessions read the rows of large tables by themselves. */
MUST_USE bool load_members(struct loading *l, const struct index *index, struct err *err);
/* Is the file of the members still the one whose checksum was taken? */
MUST_USE bool load_unchanged(const struct loading *l, struct err *err);
