/* record/journal_check.c -- Is the journal what was written? The chain of hashes, the table's own rules, and what to tell people. */
#include <inttypes.h>

#include "record/journal_file.h"

enum { TAIL_ROWS = 1000 };
#define QUICK_CHECK_MAX INT64_C(16777216) /* bytes of a file that SQLite's own check walks in some 20 ms */

/* The triggers are no lock: they keep an honest hand from a mistake. Against a dishonest one there is the chain. */
const char journal_schema[] =
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, class TEXT NOT NULL, "
    "kind TEXT NOT NULL, incident INTEGER NOT NULL, number INTEGER NOT NULL, ref INTEGER NOT NULL, service TEXT NOT NULL, "
    "subject TEXT NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL, stage TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL, "
    "detail TEXT NOT NULL, boot_id TEXT NOT NULL, offset_ms INTEGER NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL) STRICT;\n"
    "CREATE INDEX journal_incident ON journal (incident, seq) WHERE incident > 0;\n"
    "CREATE INDEX journal_opened ON journal (seq) WHERE kind = 'incident.opened';\n"
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;\n"
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;\n";

void journal_refusal_hint(const struct journal *journal, struct err *err)
{
    if (*err->hint)
        return;
    err_hint(err,
             "keep the files: they are evidence. `bascule journal verify` says how far they are sound. To start a new journal move them "
             "aside: mkdir %s/aside && mv %s/journal.* %s/aside/",
             journal->folder, journal->folder, journal->folder);
}

bool journal_check_hash(struct journal *journal, const struct row *row, struct err *err)
{
    char hex[HASH_HEX_SIZE];
    row_hash(row, journal->hash, &journal->scratch, hex);
    if (str_is(row->hash, hex) && !journal->scratch.over)
        return true;
    return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" was altered: its hash does not fit its content", row->seq, journal->path);
}

bool journal_check_row(struct journal *journal, const struct row *row, struct chain *chain, struct err *err)
{
    if (row->seq > chain->seq + 1)
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" is missing: %" PRId64 " follows %" PRId64, chain->seq + 1, journal->path,
                       row->seq, chain->seq);
    if (row->seq <= chain->seq)
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" stands out of order", row->seq, journal->path);
    if (!journal_check_hash(journal, row, err))
        return false;
    if (!str_is(row->prev, chain->hash))
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" does not follow record %" PRId64 ": one of them was replaced", row->seq,
                       journal->path, chain->seq);
    chain->seq = row->seq;
    COPY_TO(chain->hash, row->hash.p);
    return true;
}

/* All rows after chain->seq must follow it. */
static bool check_from(struct journal *journal, struct chain *chain, struct err *err)
{
    char sql[512];
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    snprintf(sql, sizeof(sql), "SELECT %s FROM journal WHERE seq > ?1 ORDER BY seq", row_columns);
    if (!db_prepare(journal->db, sql, &stmt, err))
        return false;
    db_bind_int(stmt, 1, chain->seq);
    for (;;) {
        bool more;
        if (!db_step(stmt, &more, err))
            return err_prefix(err, "at record %" PRId64, chain->seq + 1);
        if (!more)
            return true;
        struct row row = row_read(stmt);
        if (!journal_check_row(journal, &row, chain, err))
            return false;
    }
}

/* Where the check of the tail begins: the row before the last TAIL_ROWS, whose own hash is taken as it stands. */
static bool tail_start(struct journal *journal, struct chain *ret, struct err *err)
{
    int64_t first, last;
    *ret = (struct chain){.hash = ROW_GENESIS};
    if (!db_ask_int(journal->db, "SELECT min(seq) FROM journal", &first, err) ||
        !db_ask_int(journal->db, "SELECT max(seq) FROM journal", &last, err))
        return false;
    if (first < 0 || first > 1)
        return err_set(err, ERR_DATA, "record 1 in \"%s\" is missing: the first one is %" PRId64, journal->path, first);
    if (last <= TAIL_ROWS)
        return true;
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    bool found;
    if (!db_prepare(journal->db, "SELECT hash FROM journal WHERE seq = ?1", &stmt, err))
        return false;
    db_bind_int(stmt, 1, last - TAIL_ROWS);
    if (!db_step(stmt, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" is missing", last - TAIL_ROWS, journal->path);
    ret->seq = last - TAIL_ROWS;
    COPY_TO(ret->hash, db_text(stmt, 0).p);
    return true;
}

/* Without the triggers, or with a table of another shape, later rows could be changed unnoticed by an honest hand. */
static bool check_schema(struct journal *journal, struct err *err)
{
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    size_t found = 0;
    if (!db_prepare(journal->db, "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL", &stmt, err))
        return false;
    for (bool more = true; more;) {
        if (!db_step(stmt, &more, err))
            return false;
        if (!more)
            break;
        if (!strstr(journal_schema, db_text(stmt, 0).p))
            return err_set(err, ERR_DATA, "\"%s\" holds something that is not of a journal: %s", journal->path, db_text(stmt, 0).p);
        found++;
    }
    size_t expected = 0;
    for (const char *p = strchr(journal_schema, '\n'); p; p = strchr(p + 1, '\n'))
        expected++;
    if (found == expected)
        return true;
    return err_set(err, ERR_DATA, "the table or the triggers of \"%s\" were altered: %zu of %zu parts are left", journal->path, found, expected);
}

static bool check_structure(struct journal *journal, struct err *err)
{
    int64_t bytes;
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    bool row;
    if (!db_ask_int(journal->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", &bytes, err))
        return false;
    if (bytes > QUICK_CHECK_MAX)
        return true;
    if (!db_prepare(journal->db, "PRAGMA quick_check(1)", &stmt, err) || !db_step(stmt, &row, err))
        return false;
    struct str said = row ? db_text(stmt, 0) : STR("nothing");
    if (str_is(said, "ok"))
        return true;
    return err_set(err, ERR_DATA, "the file \"%s\" is damaged: %s", journal->path, said.p);
}

bool journal_check_tail(struct journal *journal, struct err *err)
{
    struct chain chain;
    return tail_start(journal, &chain, err) && check_from(journal, &chain, err) && check_structure(journal, err) &&
           check_schema(journal, err);
}

bool journal_verify(struct journal *journal, int64_t *ret_checked, char head_hex[65], struct err *err)
{
    struct chain chain = {.hash = ROW_GENESIS};
    struct err why = {0};
    bool ok = check_from(journal, &chain, &why) && check_structure(journal, &why) && check_schema(journal, &why) && head_check(journal, &why);
    *ret_checked = chain.seq;
    memcpy(head_hex, chain.hash, HASH_HEX_SIZE);
    if (ok)
        return true;
    if (why.code == ERR_DATA)
        journal_refusal_hint(journal, &why);
    if (err)
        *err = why;
    return false;
}
