/* record/journal.h -- The append-only, hash-chained journal (SQLite inside, WAL mode, full synchronisation). Several processes may
   append: the controller, and commands of people. Each row's hash covers all its fields and the hash before it. */
#pragma once
#include "model/record.h"

struct journal;

enum journal_mode { JOURNAL_READ, JOURNAL_APPEND };
enum { JOURNAL_DETAIL_MAX = 256 * 1024 };

/* Opens or (APPEND) creates STATE_DIR/journal.db, for whoever the folder belongs to. A file that is not a journal, is of a newer format,
   or (APPEND) whose last rows do not chain or are fewer than STATE_DIR/journal.head says, is refused with ERR_DATA naming the record;
   nothing is overwritten. `durable` false turns synchronisation off: benchmarks only. */
MUST_USE bool journal_open(const char *state_dir, enum journal_mode mode, bool durable, struct journal **ret, struct err *err);
void journal_close(struct journal **journal);

/* Rows are appended in one transaction: all or none are on disk when this returns. seq of the first in *ret_first; the seq in `records`
   is not looked at, NULL texts are "". `detail` of ORDER_NOTIFY and facts goes through `struct record`; what exceeds
   JOURNAL_DETAIL_MAX is cut and says so. ERR_IO when the disk is full even without the reserve. */
MUST_USE bool journal_append(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err);

/* Like journal_append, but the rows are only written: they outlive this process at once, and a power cut once anything is appended or
   journal_sync was called. */
MUST_USE bool journal_write(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err);
MUST_USE bool journal_sync(struct journal *journal, struct err *err);

/* For whoever appends all the time: from the first call on, journal.head and the folding of SQLite's log are left to these calls, a few a
   second, so that no append waits for them; `quiet`: nothing urgent is going on. */
void journal_tend(struct journal *journal, bool quiet);

/* A full disk was survived by giving up the reserve (1 MiB kept for alerts in STATE_DIR/journal.reserve), or none could be kept. True
   until there is room again. */
bool journal_on_reserve(const struct journal *journal);
/* Can it take a row now? Writes what changes nothing, as durably as a row. False with the reason, also while it lives on its reserve. */
MUST_USE bool journal_prove(struct journal *journal, struct err *err);
/* Takes the right to append, so that nobody's row comes between a look at the journal and the append that follows: the next
   journal_append ends it, as does journal_let_go. To be held for milliseconds: others wait for it. */
MUST_USE bool journal_hold(struct journal *journal, struct err *err);
void journal_let_go(struct journal *journal);

/* Calls `each` for every row with seq > after, in order; stops when it returns false. The record and its texts are valid during the
   call. Each row is checked against its hash: at an altered one reading ends with ERR_DATA, after the rows before it. */
typedef bool journal_row_fn(void *arg, const struct record *record);
MUST_USE bool journal_read(struct journal *journal, int64_t after_seq, int64_t incident, journal_row_fn *each, void *arg, struct err *err); /* incident 0: all */
/* Only the rows that opened incidents (ORDER_OPEN), by an index. */
MUST_USE bool journal_openings(struct journal *journal, journal_row_fn *each, void *arg, struct err *err);
/* Only the rows that say whether a test message was taken (EVENT_PROVEN). */
MUST_USE bool journal_proofs(struct journal *journal, journal_row_fn *each, void *arg, struct err *err);
int64_t journal_last(struct journal *journal); /* seq of the newest row; 0: empty */
/* Has another process appended since the last call? Cheap: a counter in shared memory. */
bool journal_changed(struct journal *journal);

/* Recomputes the chain from the first row. True when whole; *ret_checked rows were sound. False with ERR_DATA: names the first bad seq. */
MUST_USE bool journal_verify(struct journal *journal, int64_t *ret_checked, char head_hex[65], struct err *err);
/* What STATE_DIR/journal.head says of the newest row: false when it is not there or is not readable as such. Without it, rows cut off
   at the end cannot be missed; journal_verify compares with it when it is there. */
bool journal_head(struct journal *journal, int64_t *ret_seq, char hex[65]);
const char *journal_path(const struct journal *journal);

/* What the core clock needs after a restart. */
struct journal_clock {
    bool any;
    char boot_id[64];
    int64_t offset_ms, core_ms, wall_ms; /* of the newest row */
};
MUST_USE bool journal_clock(struct journal *journal, struct journal_clock *ret, struct err *err);
void journal_set_clock(struct journal *journal, const char *boot_id, int64_t offset_ms); /* written with every row from now on */

/* Conversions. Fields of events and orders map onto the record of the same name. */
struct record record_of_event(const struct event *event, const char *detail);
struct record record_of_order(const struct order *order, int64_t at_ms, int64_t wall_ms, const char *detail);
struct event event_of_record(const struct record *record);
struct record record_dup(struct arena *arena, const struct record *record); /* with texts of its own */
