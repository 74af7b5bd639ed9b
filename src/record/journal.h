/* record/journal.h -- The append-only, hash-chained journal (SQLite inside, WAL mode, full synchronisation). Several processes may
   append: the controller, and commands of people. Each row's hash covers all its fields and the hash before it. */
#pragma once
#include "model/record.h"

struct journal;

enum journal_mode { JOURNAL_READ, JOURNAL_APPEND };
enum { JOURNAL_DETAIL_MAX = 256 * 1024 };

/* Opens or (APPEND) creates STATE_DIR/journal.db. A file that is not a journal, is of a newer format, or whose last rows do not chain is
   refused with ERR_DATA naming the record; nothing is overwritten. `durable` false turns synchronisation off: benchmarks only. */
MUST_USE bool journal_open(const char *state_dir, enum journal_mode mode, bool durable, struct journal **ret, struct err *err);
void journal_close(struct journal **journal);

/* Rows are appended in one transaction: all or none are on disk when this returns. seq of the first in *ret_first.
   `detail` of ORDER_NOTIFY and facts goes through `struct record`. */
MUST_USE bool journal_append(struct journal *journal, const struct record *records, size_t count, int64_t *ret_first, struct err *err);

/* Calls `each` for every row with seq > after, in order; stops when it returns false. */
typedef bool journal_row_fn(void *arg, const struct record *record);
MUST_USE bool journal_read(struct journal *journal, int64_t after_seq, int64_t incident, journal_row_fn *each, void *arg, struct err *err); /* incident 0: all */
int64_t journal_last(struct journal *journal); /* seq of the newest row; 0: empty */
/* Has another process appended since the last call? Cheap: a counter in shared memory. */
bool journal_changed(struct journal *journal);

/* Recomputes the chain from the first row. True when whole; *ret_checked rows were sound. False with ERR_DATA: names the first bad seq. */
MUST_USE bool journal_verify(struct journal *journal, int64_t *ret_checked, char head_hex[65], struct err *err);

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
