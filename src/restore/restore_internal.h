/* restore/restore_internal.h -- What the files of this room share: the names in play, the mark on a database, and the three parts of
   a restore (load, check, swap). */
#pragma once
#include <sys/stat.h>

#include "io/hash.h"
#include "io/pg.h"
#include "restore/restore.h"

enum {
    RESTORE_CONNECT_MS = 10 * 1000,
    RESTORE_QUICK_MS = 60 * 1000,
    RESTORE_LONG_MS = 24 * 3600 * 1000, /* an index build may take hours; the budget is kept by whoever started the restore */
};

struct table_rows {
    const char *name; /* as written in the COPY statement */
    int64_t rows;
};

struct marks;

struct restoring {
    struct arena *arena;
    const struct restore_spec *spec;
    struct restore_result *result;
    struct pg *admin;         /* session in admin_dbname; holds the lock */
    const char *name;         /* the final one */
    const char *temp;         /* NAME_restoring_TAG */
    const char *before;       /* what the old one will be called; NULL: there is no old one */
    char sha256[HASH_HEX_SIZE];
    struct stat file;         /* as it was before its checksum was taken */
    VEC(struct table_rows) tables; /* that the file held */
    VEC(const char *) notes;
    struct strs missing_roles, missing_extensions;
    struct marks *marks;      /* of what is loaded; NULL: none yet */
    bool uncertain;           /* something ran that may have changed rows or how they are checked: only looking proves them */
};

void restoring_note(struct restoring *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
void restoring_progress(const struct restoring *r, int64_t done, int64_t total, const char *fmt, ...) PRINTF_LIKE(4, 5);

bool restoring_wants(const struct restoring *r, const char *table); /* with `only`: is it that one? */

/* ---- databases.c: names, marks, and what an interrupted run left ---- */

const char *databases_admin(const struct restore_spec *spec); /* where CREATE and RENAME run */
MUST_USE bool databases_open(struct restoring *r, struct err *err); /* fills the names, opens admin */
MUST_USE bool databases_lock(struct restoring *r, int64_t wait_ms, struct err *err);
MUST_USE bool databases_repair(struct restoring *r, struct err *err); /* an interrupted swap */
/* What a killed run was loading from this very file takes this run's name, without anybody in it any more. *ret false: there is none. */
MUST_USE bool databases_adopt(struct restoring *r, bool *ret, struct err *err);
/* Half-loaded leftovers, but not `keep` (NULL: all). */
MUST_USE bool databases_sweep(struct restoring *r, const char *keep, struct err *err);
MUST_USE bool databases_create(struct restoring *r, struct err *err);
/* Says on the temporary database what it is: "loading", then "verified". */
MUST_USE bool databases_mark(struct restoring *r, const char *state, struct err *err);
MUST_USE bool databases_is_marked(struct restoring *r, bool *ret, struct err *err); /* the final name holds this tag and this file */
MUST_USE bool databases_drop(struct restoring *r, const char *name, struct err *err);
MUST_USE bool databases_exists(struct restoring *r, const char *name, bool *ret, struct err *err);

/* ---- the three parts ---- */

MUST_USE bool restore_load(struct restoring *r, struct err *err);
MUST_USE bool restore_check(struct restoring *r, struct err *err);
MUST_USE bool restore_inherit(struct restoring *r, struct err *err); /* owner, privileges, settings of the old database */
MUST_USE bool restore_swap(struct restoring *r, struct err *err);
