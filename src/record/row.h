/* record/row.h -- A row of the journal as it lies in the file: its columns, their canonical encoding and its hash. Private to record/. */
#pragma once
#include "io/db.h"
#include "io/hash.h"
#include "model/record.h"

/* X(column, type). This order is the order of the table's columns and of the encoding; docs/journal.md tells it to outsiders, so it can
   only change together with the format number. `hash` is not part of the encoding. */
#define ROW_COLUMNS(X)                                                                                                 \
    X(seq, INTEGER)                                                                                                    \
    X(at_ms, INTEGER)                                                                                                  \
    X(wall_ms, INTEGER)                                                                                                \
    X(class, TEXT)                                                                                                     \
    X(kind, TEXT)                                                                                                      \
    X(incident, INTEGER)                                                                                               \
    X(number, INTEGER)                                                                                                 \
    X(ref, INTEGER)                                                                                                    \
    X(service, TEXT)                                                                                                   \
    X(subject, TEXT)                                                                                                   \
    X(who, TEXT)                                                                                                       \
    X(text, TEXT)                                                                                                      \
    X(stage, TEXT)                                                                                                     \
    X(channel, TEXT)                                                                                                   \
    X(address, TEXT)                                                                                                   \
    X(detail, TEXT)                                                                                                    \
    X(boot_id, TEXT)                                                                                                   \
    X(offset_ms, INTEGER)                                                                                              \
    X(prev, TEXT)                                                                                                      \
    X(hash, TEXT)

#define ROW_C_INTEGER int64_t
#define ROW_C_TEXT struct str
#define ROW_MEMBER(column, type) ROW_C_##type column;
struct row {
    ROW_COLUMNS(ROW_MEMBER)
};

#define ROW_FORMAT_TAG "bascule-journal-1" /* first item of the encoding, so that no other program's data can have the same hash */
#define ROW_GENESIS "0000000000000000000000000000000000000000000000000000000000000000" /* `prev` of the first row */

extern const char *const row_columns;         /* "seq, at_ms, ..." */
void row_of_record(const struct record *record, struct row *ret); /* views into the record; seq, boot_id, offset, prev, hash unset */
/* Views become texts of the record, valid as long as the statement stands on the row. False: a kind that no list has. */
bool row_record(const struct row *row, struct record *ret);
struct row row_read(struct db_stmt *stmt);    /* of a SELECT of row_columns */
void row_bind(struct db_stmt *stmt, const struct row *row); /* of an INSERT of row_columns */
/* SHA-256 over the netstrings of the tag and of all columns but `hash`. `scratch` is cleared and reused. */
void row_hash(const struct row *row, struct hash *hash, struct buf *scratch, char hex[HASH_HEX_SIZE]);
