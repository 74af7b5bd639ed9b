/* restore/post.h -- What one statement that follows the data does, as far as it can run beside others: which tables it locks, which
   index or constraint it makes, and the same thing said in a form that locks less. Strict: a statement that is not written exactly as
   pg_dump writes it is POST_OTHER, which runs as it stands, alone and in its place. Pure. */
#pragma once
#include "base/base.h"

enum post_kind {
    POST_OTHER,
    POST_INDEX,     /* CREATE [UNIQUE] INDEX on a table that is not partitioned */
    POST_KEY,       /* ADD CONSTRAINT ... PRIMARY KEY or UNIQUE */
    POST_EXCLUDE,   /* ADD CONSTRAINT ... EXCLUDE */
    POST_FOREIGN,   /* ADD CONSTRAINT ... FOREIGN KEY */
};

struct post {
    enum post_kind kind;
    bool unique;            /* what it makes may be what a foreign key refers to */
    const char *table;      /* as written */
    const char *refers;     /* POST_FOREIGN: the other table, as written */
    const char *name;       /* of the index or constraint, as written */
    int columns;            /* of the key, for the cost */
    const char *build;      /* the long part: CREATE UNIQUE INDEX, or VALIDATE CONSTRAINT; NULL: `attach` is the whole of it */
    const char *attach;     /* the short part: ADD CONSTRAINT ... USING INDEX, or ADD CONSTRAINT ... NOT VALID */
};

struct post post_read(struct arena *arena, struct str sql);
