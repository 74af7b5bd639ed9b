/* record/journal_file.h -- What the parts of the journal share: the open file and its companions. Private to record/. */
#pragma once
#include "record/journal.h"
#include "record/row.h"

#define JOURNAL_APPLICATION_ID INT64_C(0x4253434A) /* "BSCJ" */
#define JOURNAL_FORMAT INT64_C(1)

struct journal {
    struct arena *arena;
    const char *folder, *path, *head_path, *reserve_path;
    struct db *db;
    struct hash *hash;
    struct buf scratch;          /* encoding of a row */
    struct db_stmt *newest, *insert, *version;
    enum journal_mode mode;
    bool durable, held, on_reserve;
    int64_t seen_version;
    char boot_id[64];
    int64_t offset_ms;
    bool head_due;               /* rows were appended since journal.head was written */
    bool tended;                 /* somebody calls journal_tend */
    bool unsynced;               /* rows were written that a power cut may take back */
    size_t unfolded;             /* rows since the log was folded into the main file */
    int64_t head_at_boot_ms;     /* when it was written last */
    int64_t reserve_at_boot_ms;  /* when its renewal was tried last */
};

/* journal_check.c */
struct chain {
    int64_t seq;                 /* of the last sound row; 0: none yet */
    char hash[HASH_HEX_SIZE];    /* of that row */
};
extern const char journal_schema[];
/* Is the row the one that follows `chain`, with the right hash? Then the chain moves on to it. */
MUST_USE bool journal_check_row(struct journal *journal, const struct row *row, struct chain *chain, struct err *err);
MUST_USE bool journal_check_hash(struct journal *journal, const struct row *row, struct err *err); /* the row alone */
MUST_USE bool journal_check_tail(struct journal *journal, struct err *err); /* what opening for append looks at */
void journal_refusal_hint(const struct journal *journal, struct err *err);

/* journal_side.c: journal.head and journal.reserve */
MUST_USE bool head_check(struct journal *journal, struct err *err); /* rows missing at the end, or a chain made anew? */
void head_write_if_due(struct journal *journal, bool now);
void reserve_keep(struct journal *journal, bool now);  /* makes it when it is missing and there is room */
bool reserve_spend(struct journal *journal);           /* false: there was none */
