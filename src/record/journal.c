/* record/journal.c -- Opening, appending and reading. The checks are in journal_check.c, the companion files in journal_side.c. */
#include "record/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/journal_file.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

enum { BUSY_MS = 5000, ENCODED_MAX = 2 * 1024 * 1024, RESERVE_FOLD_PAGES = 32, FOLD_PAGES_TENDED = 4000, FOLD_ROWS = 200, HEAD_LATEST_MS = 10000 };

/* ---- opening ---- */

static struct journal *journal_new(const char *state_dir, enum journal_mode mode, bool durable)
{
    struct arena *a = arena_open();
    struct journal *journal = arena_new(a, struct journal);
    *journal = (struct journal){
        .arena = a,
        .folder = arena_strdup(a, state_dir),
        .path = file_join(a, state_dir, "journal.db"),
        .head_path = file_join(a, state_dir, "journal.head"),
        .reserve_path = file_join(a, state_dir, "journal.reserve"),
        .hash = hash_open(),
        .scratch = {.max = ENCODED_MAX},
        .mode = mode,
        .durable = durable,
        .head_at_boot_ms = INT64_MIN / 2,
        .reserve_at_boot_ms = INT64_MIN / 2,
    };
    return journal;
}

/* Table and triggers appear together or not at all; whoever comes second finds them made. */
static bool create(struct journal *journal, struct err *err)
{
    int64_t objects;
    if (!db_begin(journal->db, err))
        return false;
    if (!db_ask_int(journal->db, "SELECT count(*) FROM sqlite_schema", &objects, err) ||
        (objects == 0 && (!db_run(journal->db, journal_schema, err) || !db_stamp(journal->db, err)))) {
        db_rollback(journal->db);
        return false;
    }
    return db_commit(journal->db, err);
}

/* A journal that has no records although journal.head names one was deleted, emptied, or lost its -wal file. */
static bool never_begun(struct journal *journal, struct err *err)
{
    int64_t seq;
    char hex[HASH_HEX_SIZE];
    if (!journal_head(journal, &seq, hex))
        return true;
    return err_set(err, ERR_DATA, "record 1 in \"%s\" is missing: there are no records, yet \"%s\" names record %" PRId64 " as written",
                   journal->path, journal->head_path, seq);
}

static bool file_has_content(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

static bool open_for_append(struct journal *journal, const struct db_spec *spec, struct err *err)
{
    if (!file_mkdirs(journal->folder, 0750, err))
        return false;
    /* The switch of a new file to WAL mode does not wait for others as everything else does, so its makers take turns. */
    int turn SCOPED(file_close) = open(journal->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool begun = file_has_content(journal->path);
    if (turn < 0 || (!begun && flock(turn, LOCK_EX) != 0))
        return err_os(err, errno, "could not open folder \"%s\"", journal->folder);
    if (!begun && !file_has_content(journal->path) && !never_begun(journal, err))
        return false;
    if (!db_open(spec, &journal->db, err))
        return false;
    if (db_empty(journal->db) && (!never_begun(journal, err) || !create(journal, err)))
        return false;
    return journal_check_tail(journal, err) && head_check(journal, err);
}

static bool open_for_reading(struct journal *journal, const struct db_spec *spec, struct err *err)
{
    bool there = file_exists(journal->path);
    if (there && !db_open(spec, &journal->db, err))
        return false;
    if (there && !db_empty(journal->db))
        return true;
    err_set(err, ERR_NOT_FOUND, "there is no journal in \"%s\" yet", journal->folder);
    return err_hint(err, "`bascule serve` begins one; is state_dir in the configuration the right folder?");
}

static bool prepare(struct journal *journal, struct err *err)
{
    char *insert = arena_printf(journal->arena, "INSERT INTO journal (%s) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", row_columns);
    return db_prepare(journal->db, "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1", &journal->newest, err) &&
           db_prepare(journal->db, "PRAGMA data_version", &journal->version, err) &&
           (journal->mode == JOURNAL_READ || db_prepare(journal->db, insert, &journal->insert, err));
}

bool journal_open(const char *state_dir, enum journal_mode mode, bool durable, struct journal **ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = journal_new(state_dir, mode, durable);
    struct err why = {0};
    const struct db_spec spec = {
        .path = journal->path,
        .write = mode == JOURNAL_APPEND,
        .create = mode == JOURNAL_APPEND,
        .durable = durable,
        .busy_ms = BUSY_MS,
        .application_id = JOURNAL_APPLICATION_ID,
        .format = JOURNAL_FORMAT,
    };
    bool ok = mode == JOURNAL_APPEND ? open_for_append(journal, &spec, &why) : open_for_reading(journal, &spec, &why);
    if (!ok || !prepare(journal, &why)) {
        if (why.code == ERR_DATA)
            journal_refusal_hint(journal, &why);
        if (err)
            *err = why;
        return false;
    }
    if (mode == JOURNAL_APPEND)
        reserve_keep(journal, true);
    (void)journal_changed(journal); /* from here on counts as seen */
    *ret = TAKE(journal);
    return true;
}

void journal_close(struct journal **journal)
{
    if (!journal || !*journal)
        return;
    struct journal *j = *journal;
    journal_let_go(j);
    if (j->head_due)
        head_write_if_due(j, true);
    db_finish(&j->newest);
    db_finish(&j->insert);
    db_finish(&j->version);
    db_close(&j->db);
    hash_close(&j->hash);
    buf_done(&j->scratch);
    struct arena *a = j->arena;
    arena_close(&a);
    *journal = NULL;
}

const char *journal_path(const struct journal *journal)
{
    return journal->path;
}

void journal_set_clock(struct journal *journal, const char *boot_id, int64_t offset_ms)
{
    COPY_TO(journal->boot_id, boot_id);
    journal->offset_ms = offset_ms;
}

/* ---- appending ---- */

static bool newest(struct journal *journal, struct chain *ret, struct err *err)
{
    bool row;
    if (!db_step(journal->newest, &row, err))
        return false;
    *ret = (struct chain){.hash = ROW_GENESIS};
    if (row) {
        ret->seq = db_int(journal->newest, 0);
        COPY_TO(ret->hash, db_text(journal->newest, 1).p);
    }
    db_reset(journal->newest);
    return true;
}

/* A detail over the limit keeps its beginning and says what is missing: losing the tail of a log beats losing the row. */
static struct str fitting(struct arena *a, struct str detail)
{
    enum { ROOM_FOR_NOTE = 64 };
    if (detail.n <= JOURNAL_DETAIL_MAX)
        return detail;
    char *kept = arena_alloc(a, JOURNAL_DETAIL_MAX + 1);
    (void)str_copy(kept, JOURNAL_DETAIL_MAX - ROOM_FOR_NOTE, detail.p);
    size_t n = strlen(kept);
    return str_of(arena_printf(a, "%s\n[cut: %zu more bytes]", kept, detail.n - n));
}

static bool insert(struct journal *journal, const struct record *record, struct chain *chain, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct row row;
    char hex[HASH_HEX_SIZE];
    bool more;
    row_of_record(record, &row);
    row.seq = chain->seq + 1;
    row.detail = fitting(a, row.detail);
    row.boot_id = str_of(journal->boot_id);
    row.offset_ms = journal->offset_ms;
    row.prev = str_of(chain->hash);
    row_hash(&row, journal->hash, &journal->scratch, hex);
    row.hash = str_of(hex);
    row_bind(journal->insert, &row);
    bool ok = db_step(journal->insert, &more, err);
    db_reset(journal->insert);
    chain->seq++;
    memcpy(chain->hash, hex, sizeof(hex));
    return ok;
}

static bool append_once(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err)
{
    struct chain chain = {0};
    if (!journal->held && !db_begin(journal->db, err))
        return false;
    journal->held = false;
    bool ok = newest(journal, &chain, err);
    int64_t first = chain.seq + 1;
    for (size_t i = 0; ok && i < count; i++)
        ok = insert(journal, &records[i], &chain, err);
    if (!ok) {
        db_rollback(journal->db);
        return false;
    }
    if (!db_commit(journal->db, err))
        return false;
    *ret_first = first;
    return true;
}

/* With the reserve gone, the room it left must last: the log is folded into the main file early instead of growing to 4 MiB. */
static bool go_on_reserve(struct journal *journal)
{
    if (!reserve_spend(journal))
        return false;
    db_fold_at(journal->db, RESERVE_FOLD_PAGES);
    log_line(LOG_WARNING, "the disk is full: the journal lives on its reserve folder=%s", journal->folder);
    journal->on_reserve = true;
    return true;
}

static bool append(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err)
{
    struct err why = {0};
    bool ok = append_once(journal, records, count, ret_first, &why);
    /* EFBIG is a limit on the file, not want of room: the reserve would be given up for nothing. */
    if (!ok && db_disk_full(&why) && why.os != EFBIG && go_on_reserve(journal))
        ok = append_once(journal, records, count, ret_first, &why);
    if (!ok) {
        err_prefix(&why, "the journal took no record");
        if (err)
            *err = why;
        return false;
    }
    journal->head_due = true;
    journal->unfolded += count;
    return true;
}

static void keep_up(struct journal *journal)
{
    if (!journal->tended)
        head_write_if_due(journal, false);
    reserve_keep(journal, false);
}

bool journal_append(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err)
{
    if (!append(journal, records, count, ret_first, err))
        return false;
    journal->unsynced = false;
    keep_up(journal);
    return true;
}

bool journal_write(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err)
{
    db_relax(journal->db, true);
    bool ok = append(journal, records, count, ret_first, err);
    db_relax(journal->db, false);
    if (!ok)
        return false;
    journal->unsynced = true;
    keep_up(journal);
    return true;
}

bool journal_sync(struct journal *journal, struct err *err)
{
    if (journal->unsynced && !db_sync(journal->db, err))
        return err_prefix(err, "the journal is not on disk");
    journal->unsynced = false;
    return true;
}

void journal_tend(struct journal *journal, bool quiet)
{
    int64_t now = clock_boot_ms();
    struct err err = {0};
    if (!journal->tended && !journal->on_reserve)
        db_fold_at(journal->db, FOLD_PAGES_TENDED);
    journal->tended = true;
    if (!journal_sync(journal, &err))
        log_err(LOG_WARNING, &err);
    if (journal->head_due && (quiet || now - journal->head_at_boot_ms >= HEAD_LATEST_MS))
        head_write_if_due(journal, false);
    if (!quiet || journal->unfolded < FOLD_ROWS || journal->on_reserve)
        return;
    db_fold(journal->db);
    journal->unfolded = 0;
}

bool journal_prove(struct journal *journal, struct err *err)
{
    reserve_keep(journal, false);
    if (journal->on_reserve)
        return err_set(err, ERR_IO, "the disk is full: the journal lives on its reserve");
    if (!db_begin(journal->db, err))
        return false;
    if (!db_stamp(journal->db, err)) {
        db_rollback(journal->db);
        return false;
    }
    return db_commit(journal->db, err);
}

bool journal_hold(struct journal *journal, struct err *err)
{
    if (!journal->held && !db_begin(journal->db, err))
        return false;
    journal->held = true;
    return true;
}

void journal_let_go(struct journal *journal)
{
    if (journal->held)
        db_rollback(journal->db);
    journal->held = false;
}

bool journal_on_reserve(const struct journal *journal)
{
    return journal->on_reserve;
}

/* ---- reading ---- */

static bool read_rows(struct journal *journal, struct db_stmt *stmt, journal_row_fn *each, void *arg, struct err *err)
{
    for (;;) {
        bool more;
        if (!db_step(stmt, &more, err))
            return false;
        if (!more)
            return true;
        struct row row = row_read(stmt);
        struct record record;
        if (!journal_check_hash(journal, &row, err))
            return false;
        if (!row_record(&row, &record))
            return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" is of a kind that this version does not know: %s", row.seq,
                           journal->path, row.kind.p);
        if (!each(arg, &record))
            return true;
    }
}

static bool read_where(struct journal *journal, const char *where, int64_t after_seq, int64_t incident, journal_row_fn *each, void *arg,
                       struct err *err)
{
    char sql[512];
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    snprintf(sql, sizeof(sql), "SELECT %s FROM journal WHERE %s ORDER BY seq", row_columns, where);
    if (!db_prepare(journal->db, sql, &stmt, err))
        return false;
    db_bind_int(stmt, 1, after_seq);
    if (incident)
        db_bind_int(stmt, 2, incident);
    if (read_rows(journal, stmt, each, arg, err))
        return true;
    if (err && err->code == ERR_DATA && !*err->hint)
        journal_refusal_hint(journal, err);
    return false;
}

bool journal_read(struct journal *journal, int64_t after_seq, int64_t incident, journal_row_fn *each, void *arg, struct err *err)
{
    return read_where(journal, incident ? "seq > ?1 AND incident = ?2 AND incident > 0" : "seq > ?1", after_seq, incident, each, arg, err);
}

bool journal_openings(struct journal *journal, journal_row_fn *each, void *arg, struct err *err)
{
    return read_where(journal, "seq > ?1 AND kind = 'incident.opened'", 0, 0, each, arg, err);
}

bool journal_proofs(struct journal *journal, journal_row_fn *each, void *arg, struct err *err)
{
    return read_where(journal, "seq > ?1 AND kind = 'contact.proven'", 0, 0, each, arg, err);
}

int64_t journal_last(struct journal *journal)
{
    struct chain chain;
    return newest(journal, &chain, NULL) ? chain.seq : 0;
}

bool journal_changed(struct journal *journal)
{
    bool row;
    if (journal->head_due)
        head_write_if_due(journal, false);
    if (!db_step(journal->version, &row, NULL))
        return true; /* what cannot be asked is looked at */
    int64_t version = row ? db_int(journal->version, 0) : 0;
    db_reset(journal->version);
    bool changed = version != journal->seen_version;
    journal->seen_version = version;
    return changed;
}

bool journal_clock(struct journal *journal, struct journal_clock *ret, struct err *err)
{
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    bool row;
    if (!db_prepare(journal->db, "SELECT boot_id, offset_ms, at_ms, wall_ms FROM journal ORDER BY seq DESC LIMIT 1", &stmt, err) ||
        !db_step(stmt, &row, err))
        return false;
    *ret = (struct journal_clock){.any = row};
    if (row) {
        COPY_TO(ret->boot_id, db_text(stmt, 0).p);
        ret->offset_ms = db_int(stmt, 1);
        ret->core_ms = db_int(stmt, 2);
        ret->wall_ms = db_int(stmt, 3);
    }
    return true;
}
