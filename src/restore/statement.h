/* restore/statement.h -- What a statement of a dump may do here, and what else can be going on while it runs. */
#pragma once
#include "restore/marks.h"

enum statement_kind {
    STATEMENT_SETTING,   /* of the session: SET, RESET, set_config() */
    STATEMENT_QUIET,     /* touches no table: setval, large objects, BEGIN and COMMIT */
    STATEMENT_KNOWN,     /* of those that make a schema; takes no rows away and adds none to tables that are loaded */
    STATEMENT_UNCERTAIN, /* may change rows, or how they are checked: afterwards, only looking at the tables tells what is in them */
};

enum statement_kind statement_kind(struct str sql);
/* Runs it. Refused: what changes the whole server. Left out and remembered: what fails because a role is missing here.
   Left out and named later, all of them in one error: extensions that are missing. *ret_done false when it was left out. `mark` is set in the same transaction, or when it was left out; NULL: none. */
MUST_USE bool statement_run(struct restoring *r, struct pg *pg, struct str sql, const struct mark *mark, bool *ret_done, struct err *err);
MUST_USE bool statement_allowed(struct str sql, struct err *err);
/* False when extensions were missing. Asked before the data, where they must all have come by. */
MUST_USE bool statement_nothing_missing(const struct restoring *r, struct err *err);
void statement_recall(struct restoring *r); /* what an interrupted run had left out */
void statement_note_roles(struct restoring *r); /* those that were missing */
