/* record/journal_side.c -- The two files beside the journal: journal.head, by which rows cut off at the end are missed, and
   journal.reserve, the room that a full disk leaves to the last alerts. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/journal_file.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

enum { FOLD_PAGES = 1000, HEAD_EVERY_MS = 1000, RESERVE_EVERY_MS = 10000, RESERVE_BYTES = 1024 * 1024 };
#define ROOM_ENOUGH INT64_C(4194304) /* free bytes before the reserve is made again: it must not fill the disk itself */

/* ---- journal.head: "SEQ HASH\n" ---- */

bool journal_head(struct journal *journal, int64_t *ret_seq, char hex[65])
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct str text, number;
    if (!file_read(a, journal->head_path, 256, &text, NULL))
        return false;
    text = str_trim(text);
    if (!str_next(&text, ' ', &number) || text.n != HASH_HEX_SIZE - 1 || !str_int(number, ret_seq) || *ret_seq < 1)
        return false;
    memcpy(hex, text.p, HASH_HEX_SIZE - 1);
    hex[HASH_HEX_SIZE - 1] = 0;
    return true;
}

static bool hash_at(struct journal *journal, int64_t seq, char hex[HASH_HEX_SIZE], bool *ret_found, struct err *err)
{
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    if (!db_prepare(journal->db, "SELECT hash FROM journal WHERE seq = ?1", &stmt, err))
        return false;
    db_bind_int(stmt, 1, seq);
    if (!db_step(stmt, ret_found, err))
        return false;
    if (*ret_found)
        str_copy(hex, HASH_HEX_SIZE, db_text(stmt, 0).p);
    return true;
}

bool head_check(struct journal *journal, struct err *err)
{
    int64_t seq, last;
    char expected[HASH_HEX_SIZE], there[HASH_HEX_SIZE];
    bool found;
    if (!journal_head(journal, &seq, expected)) {
        /* Absent is how a journal begins. Unreadable is odd, yet no reason to leave a service without its controller. */
        if (file_exists(journal->head_path))
            log_line(LOG_WARNING, "not readable as the journal's head file=%s", journal->head_path);
        return true;
    }
    if (!db_ask_int(journal->db, "SELECT max(seq) FROM journal", &last, err) || !hash_at(journal, seq, there, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" is missing: \"%s\" names it as written, and the last one is %" PRId64,
                       MIN_OF(seq, last + 1), journal->path, journal->head_path, last);
    if (!same(expected, there))
        return err_set(err, ERR_DATA, "record %" PRId64 " in \"%s\" was replaced: its hash is not the one in \"%s\"", seq, journal->path,
                       journal->head_path);
    return true;
}

/* The newest row is read again, since another process may have appended after us: the head never goes back on purpose. When two write
   at once the older may win, which protects one row less and is mended by the next append. */
void head_write_if_due(struct journal *journal, bool now)
{
    int64_t boot_ms = clock_boot_ms();
    if (!journal->durable || (!now && boot_ms - journal->head_at_boot_ms < HEAD_EVERY_MS))
        return;
    SCOPED(db_finish) struct db_stmt *stmt = NULL;
    struct err err = {0};
    bool row;
    if (!journal_sync(journal, &err)) /* it must not name a row that a power cut may take back */
        return;
    if (!db_prepare(journal->db, "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1", &stmt, &err) || !db_step(stmt, &row, &err) || !row)
        return;
    char line[128];
    int n = snprintf(line, sizeof(line), "%" PRId64 " %s\n", db_int(stmt, 0), db_text(stmt, 1).p);
    journal->head_at_boot_ms = boot_ms;
    journal->head_due = false;
    if (!file_write(journal->head_path, line, (size_t)n, 0640, &err))
        log_err(LOG_DEBUG, &err); /* the journal itself is whole; the next second tries again */
}

/* ---- journal.reserve ---- */

static bool reserve_make(struct journal *journal)
{
    int fd = open(journal->reserve_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    bool made = posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
    close(fd);
    if (!made)
        unlink(journal->reserve_path); /* half a reserve would be taken for one */
    return made;
}

static bool reserve_is_there(const struct journal *journal)
{
    struct stat st;
    return stat(journal->reserve_path, &st) == 0 && st.st_size >= RESERVE_BYTES;
}

void reserve_keep(struct journal *journal, bool now)
{
    int64_t boot_ms = clock_boot_ms();
    if (!now && (!journal->on_reserve || boot_ms - journal->reserve_at_boot_ms < RESERVE_EVERY_MS))
        return;
    journal->reserve_at_boot_ms = boot_ms;
    bool was = journal->on_reserve;
    journal->on_reserve = !reserve_is_there(journal) && !(db_free_bytes(journal->folder) > ROOM_ENOUGH && reserve_make(journal));
    if (was && !journal->on_reserve) {
        db_fold_at(journal->db, FOLD_PAGES);
        log_line(LOG_INFO, "there is room again: the journal has its reserve back folder=%s", journal->folder);
    }
    if (!was && journal->on_reserve)
        log_line(LOG_WARNING, "no room for the journal's reserve folder=%s", journal->folder);
}

bool reserve_spend(struct journal *journal)
{
    journal->reserve_at_boot_ms = clock_boot_ms();
    return unlink(journal->reserve_path) == 0;
}
