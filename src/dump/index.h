/* dump/index.h -- A backup of ours is a row of gzip members that `gunzip -c` gives as one plain dump; an extra field in each says what it
   holds, and empty members at the end say where every table stands (docs/backup-format.md). */
#pragma once
#include "base/base.h"

enum {
    INDEX_HEADER_SIZE = 32,         /* of a member: gzip's own header with our extra field */
    INDEX_MEMBER_MAX = 1 << 30,     /* unpacked: a row may have a gigabyte, and rows are never cut */
};

enum member_kind { MEMBER_SQL = 1, MEMBER_ROWS, MEMBER_INDEX, MEMBER_END };

struct index_member {
    int64_t at;      /* in the file */
    int64_t sql_at;  /* in the unpacked dump */
    uint32_t packed; /* the whole member, header and trailer */
    uint32_t unpacked;
    enum member_kind kind;
    uint32_t item;   /* of ROWS: whose rows; of SQL: the item that its first byte belongs to */
};

enum item_kind { ITEM_PRE_DATA, ITEM_TABLE, ITEM_OTHER_DATA, ITEM_POST_DATA, ITEM_KIND_MAX };

struct index_item {
    enum item_kind kind;
    const char *name;    /* of a table, as in its COPY statement; NULL */
    int64_t rows;
    uint64_t hash;       /* sum of row hashes (dump/rowhash.h) */
    size_t member;       /* where its COPY statement, or else its first statement, begins: in this SQL member, ... */
    uint32_t offset;     /* ... behind so many bytes */
    size_t rows_members; /* how many ROWS members follow that one; 0: the rows stand inline, behind the COPY statement */
};

struct index {
    struct index_member *members; /* SQL and ROWS, in the order of the file and without a gap */
    size_t member_count;
    struct index_item *items;     /* in the order of the file */
    size_t item_count;
};

/* *ret NULL and true: the file has no index of ours (made by pg_dump | gzip, not packed at all, encrypted); nothing is said about its
   soundness. ERR_DATA: it has one, and it is damaged, or the end marker is missing. The members themselves are not read. */
MUST_USE bool index_read(struct arena *arena, const char *path, struct index **ret, struct err *err);
/* Unpacks one member to `out`, which is emptied first; its limit holds. Checks header, CRC and size. Thread-safe: pread on fd. */
MUST_USE bool index_member_read(int fd, const struct index_member *m, struct buf *out, struct err *err);
/* The same from memory that holds the whole member. */
MUST_USE bool index_member_unpack(const void *packed, const struct index_member *m, struct buf *out, struct err *err);

/* ---- writing ---- */

/* The header of a member: put before what deflater_pack gives. `at` and `sql_at` do not count. */
void index_header(const struct index_member *m, unsigned char to[INDEX_HEADER_SIZE]);
/* Appends the INDEX members and the END member, to stand behind the last of `members`. */
MUST_USE bool index_tail(const struct index *index, struct buf *out, struct err *err);
