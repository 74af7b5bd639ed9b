/* restore/marks.h -- What of a dump is in the temporary database already. A table of ours stands there while it is loaded: each unit of
   work adds its row in its own transaction, so row and work are there both or not at all, after a kill of the server too (it may lose the
   last transactions, never an earlier one before a later one). The table is gone before anything is checked or takes a name. */
#pragma once
#include "restore/restore_internal.h"

#define MARKS_SCHEMA "bascule_restoring"

/* Statements and COPYs are numbered as they stand in the file: `item`. */
enum mark_kind {
    MARK_HEAD,        /* which file, program and user: `note` */
    MARK_SCHEMA,      /* everything before `item`, with which the data begins */
    MARK_STATEMENT,   /* of the main session */
    MARK_TRANSACTION, /* the dump's own, from its BEGIN, `item`, to its COMMIT */
    MARK_ORDER,       /* what was found before COPY `item`: rows = MARK_ORDERED | MARK_UNCERTAIN */
    MARK_ROWS,        /* of a COPY; or of the `size` members from `part` on */
    MARK_BUILD, MARK_ATTACH, /* the two halves of a statement after the data (post.h) */
    MARK_STATISTICS,  /* of the table whose OID is `item` */
    MARK_LEFT_OUT,    /* a statement about a role that is missing */
    MARK_ROLE,        /* that is missing: `note` */
    MARK_BEGUN,       /* a statement that refuses a transaction: without its MARK_STATEMENT nobody knows how far it came */
    MARK_NEVER,       /* this dump cannot be gone on with: `note` says why */
};

enum { MARK_ORDERED = 1, MARK_UNCERTAIN = 2 };

struct mark {
    enum mark_kind kind;
    int64_t item, part, size, rows;
    const char *note; /* NULL: none */
};

struct marks;

/* An empty table in a database that has nothing else. */
MUST_USE bool marks_begin(struct restoring *r, struct pg *pg, struct err *err);
/* Those of an interrupted run, in the temporary database. *ret_why non-NULL: there is no going on with them, and this is the reason. */
MUST_USE bool marks_read(struct restoring *r, struct marks **ret, const char **ret_why, struct err *err);
/* The statement that adds a row, with its semicolon; "" after marks_end. Thread-safe, as is what follows. */
const char *marks_add(const struct marks *marks, struct arena *arena, const struct mark *mark);
/* As marks_read found it; NULL: it was not there. */
const struct mark *marks_find(const struct marks *marks, enum mark_kind kind, int64_t item, int64_t part);
/* The first of those of `item`, whatever their part; *ret_n of them stand side by side. */
const struct mark *marks_of(const struct marks *marks, enum mark_kind kind, int64_t item, size_t *ret_n);
/* All of one kind. */
const struct mark *marks_all(const struct marks *marks, enum mark_kind kind, size_t *ret_n);
/* The table goes, and no more rows are added. Only while no session of the pool works. */
MUST_USE bool marks_end(struct restoring *r, struct err *err);
