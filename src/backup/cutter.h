/* backup/cutter.h -- Cuts one lane's text into members: SQL between statements, rows between rows. Counts and hashes the rows. */
#pragma once
#include "backup/spool.h"
#include "io/deflate.h"

enum {
    CUTTER_MEMBER = 3 * 512 * 1024,  /* text in a member, unless one row or statement alone is longer */
    CUTTER_INLINE_MAX = 512 * 1024,  /* rows of a table that stay among the statements */
};

struct cutter;
struct cutter *cutter_open(struct spool *spool, enum deflate_level level);
void cutter_close(struct cutter **cutter);

void cutter_begin(struct cutter *cutter, size_t lane);
MUST_USE bool cutter_end(struct cutter *cutter, struct err *err); /* of the lane */

/* Statements and what stands between them. `cut`: the text may be cut behind this piece. */
MUST_USE bool cutter_sql(struct cutter *cutter, const char *text, size_t n, bool cut, struct err *err);
/* An item begins `ahead` bytes behind what was given so far. */
void cutter_item(struct cutter *cutter, enum item_kind kind, struct str name, size_t ahead);

/* Rows of the item that began last in this lane, behind its COPY statement: in pieces cut anywhere. The few stay inline. */
MUST_USE bool cutter_rows(struct cutter *cutter, const char *text, size_t n, struct err *err);
MUST_USE bool cutter_rows_end(struct cutter *cutter, struct err *err); /* "\." comes next */

/* One row with its newline, for a lane that holds ROWS members only from here on; they belong to the item that began last in the lane
   `item_lane`. */
MUST_USE bool cutter_row(struct cutter *cutter, const char *row, size_t n, size_t item_lane, struct err *err);
/* A member without rows where there is none yet: the item's rows are never inline then. */
MUST_USE bool cutter_rows_member(struct cutter *cutter, size_t item_lane, struct err *err);
