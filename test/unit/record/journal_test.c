/* The journal as it should be, and every way of spoiling it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/file.h"

#define NO_TRIGGERS "DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete; "

static struct err opened_err(struct fixture *f, enum journal_mode mode)
{
    struct err err = {0};
    SCOPED(journal_close) struct journal *j = NULL;
    if (journal_open(f->dir, mode, true, &j, &err))
        fail_msg("the journal should have been refused");
    return err;
}

static struct err verify_err(struct fixture *f, int64_t *ret_checked)
{
    struct err err = {0};
    char head[65];
    SCOPED(journal_close) struct journal *j = NULL;
    if (!journal_open(f->dir, JOURNAL_READ, true, &j, &err))
        fail_msg("%s", err.message);
    if (journal_verify(j, ret_checked, head, &err))
        fail_msg("the journal should not have been found whole");
    return err;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

/* Exit status of a program; what it printed, also on stderr, in *ret_said. */
static int run(struct fixture *f, const char *const *argv, const char **ret_said)
{
    const char *path = fixture_path(f, "said");
    struct err err = {0};
    struct str text;
    int status;
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 127);
    assert_true(file_read(f->arena, path, 1 << 16, &text, &err));
    *ret_said = text.p;
    return WEXITSTATUS(status);
}

struct seen {
    int64_t count, last, stop_at;
    struct record record;
    struct arena *arena;
};

static bool see(void *arg, const struct record *record)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = record->seq;
    seen->record = record_dup(seen->arena, record);
    return record->seq != seen->stop_at;
}

static void rows_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    fixture_journal(f);
    journal_set_clock(f->journal, "boot-1", 42);
    struct event event = {.kind = EVENT_OUTCOME, .at_ms = 7, .wall_ms = -1, .incident = 9, .number = INT64_MIN, .ref = INT64_MAX};
    COPY_TO(event.subject, "9.restart.1");
    COPY_TO(event.text, "a \"quoted\" 'text', \xC3\xA9\n\ttwo lines");
    struct order order = {.kind = ORDER_NOTIFY, .incident = 9};
    COPY_TO(order.address, "ops@akig.com");
    struct record rows[] = {record_of_event(&event, "long"), record_of_order(&order, 8, 1700000000000, NULL)};
    int64_t first;
    assert_true(journal_append(f->journal, rows, 2, &first, &err));
    assert_int_equal(first, 1);
    assert_int_equal(journal_last(f->journal), 2);
    struct seen seen = {.arena = f->arena, .stop_at = 1};
    assert_true(journal_read(f->journal, 0, 0, see, &seen, &err));
    assert_int_equal(seen.count, 1);
    struct event back = event_of_record(&seen.record);
    assert_int_equal(back.kind, EVENT_OUTCOME);
    assert_int_equal(back.number, INT64_MIN);
    assert_int_equal(back.ref, INT64_MAX);
    assert_int_equal(back.wall_ms, -1);
    assert_string_equal(back.text, event.text);
    assert_string_equal(back.subject, event.subject);
    assert_string_equal(seen.record.detail, "long");
    assert_true(journal_read(f->journal, 1, 9, see, &seen, &err));
    assert_true(seen.record.is_order);
    assert_int_equal(seen.record.kind, ORDER_NOTIFY);
    assert_string_equal(seen.record.address, "ops@akig.com");
    assert_string_equal(seen.record.detail, "");
}

static void every_kind_of_row_survives(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t first;
    fixture_journal(f);
    for (int kind = 0; kind < EVENT_MAX + ORDER_MAX; kind++) {
        struct record r = fixture_note(kind, "x");
        r.is_order = kind >= EVENT_MAX;
        r.kind = r.is_order ? kind - EVENT_MAX : kind;
        assert_true(journal_append(f->journal, &r, 1, &first, &err));
        struct seen seen = {.arena = f->arena};
        assert_true(journal_read(f->journal, first - 1, 0, see, &seen, &err));
        assert_int_equal(seen.record.kind, r.kind);
        assert_int_equal(seen.record.is_order, r.is_order);
    }
    struct seen opened = {.arena = f->arena};
    assert_true(journal_openings(f->journal, see, &opened, &err));
    assert_int_equal(opened.count, 1);
    assert_int_equal(opened.record.kind, ORDER_OPEN);
}

static void reading_filters_and_stops(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t first;
    fixture_journal(f);
    struct record rows[] = {fixture_note(1, "a"), fixture_note(2, "b"), fixture_note(3, "c")};
    rows[1].incident = 2;
    assert_true(journal_append(f->journal, rows, 3, &first, &err));
    struct seen seen = {.arena = f->arena};
    assert_true(journal_read(f->journal, 0, 1, see, &seen, &err));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last, 3);
    seen = (struct seen){.arena = f->arena};
    assert_true(journal_read(f->journal, 3, 0, see, &seen, &err));
    assert_int_equal(seen.count, 0);
}

static void the_clock_of_the_newest_row_is_kept(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct journal_clock clock;
    fixture_journal(f);
    assert_true(journal_clock(f->journal, &clock, &err));
    assert_false(clock.any);
    journal_set_clock(f->journal, "boot-x", 1234);
    fixture_append(f, 3);
    assert_true(journal_clock(f->journal, &clock, &err));
    assert_true(clock.any);
    assert_string_equal(clock.boot_id, "boot-x");
    assert_int_equal(clock.offset_ms, 1234);
    assert_int_equal(clock.core_ms, 2);
    assert_int_equal(clock.wall_ms, 1700000000002);
}

static void a_long_detail_is_cut_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t first, checked;
    char head[65];
    fixture_journal(f);
    char *detail = arena_alloc(f->arena, JOURNAL_DETAIL_MAX + 1001);
    memset(detail, 'x', JOURNAL_DETAIL_MAX + 1000);
    struct record r = fixture_note(1, "long");
    r.detail = detail;
    assert_true(journal_append(f->journal, &r, 1, &first, &err));
    struct seen seen = {.arena = f->arena};
    assert_true(journal_read(f->journal, 0, 0, see, &seen, &err));
    assert_true(strlen(seen.record.detail) <= JOURNAL_DETAIL_MAX);
    assert_contains(seen.record.detail, "\n[cut: 1065 more bytes]");
    assert_true(journal_verify(f->journal, &checked, head, &err));
}

static void another_process_is_noticed(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    assert_false(journal_changed(f->journal));
    fixture_append(f, 1);
    assert_false(journal_changed(f->journal)); /* one's own rows are no news */
    struct fixture other = *f;
    other.journal = NULL;
    fixture_journal(&other);
    fixture_append(&other, 1);
    assert_true(journal_changed(f->journal));
    assert_false(journal_changed(f->journal));
    fixture_close_journal(&other);
    assert_int_equal(journal_last(f->journal), 2);
}

/* A child that appends one row when told to, in a connection of its own made after the fork. Exits with 0 when its row got `expected`. */
static pid_t appender(struct fixture *f, int go, int64_t expected)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct err err = {0};
    struct journal *j;
    int64_t seq = 0;
    char c;
    struct record r = fixture_note(9, "child");
    bool ok = read(go, &c, 1) == 1 && journal_open(f->dir, JOURNAL_APPEND, true, &j, &err) && journal_append(j, &r, 1, &seq, &err);
    if (ok)
        journal_close(&j);
    _exit(ok && seq == expected ? 0 : 1);
}

static void holding_keeps_others_out_until_the_append(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int go[2], status;
    int64_t seq;
    assert_int_equal(pipe(go), 0);
    pid_t child = appender(f, go[0], 3);
    fixture_journal(f);
    fixture_append(f, 1);
    assert_true(journal_hold(f->journal, &err));
    assert_true(journal_hold(f->journal, &err)); /* twice is as once */
    assert_int_equal(write(go[1], "g", 1), 1);
    usleep(50000); /* gives the child a chance to break the rule; the order itself comes from the lock */
    struct record r = fixture_note(8, "parent");
    assert_true(journal_append(f->journal, &r, 1, &seq, &err));
    assert_int_equal(seq, 2);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(journal_hold(f->journal, &err));
    journal_let_go(f->journal);
    assert_int_equal(journal_last(f->journal), 3);
    close(go[0]);
    close(go[1]);
}

static void update_and_delete_are_forbidden(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    fixture_append(f, 3);
    fixture_close_journal(f);
    static const char *const forbidden[] = {"UPDATE journal SET text = 'x' WHERE seq = 2", "DELETE FROM journal"};
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        const char *said = fixture_try_sql(f, forbidden[i]);
        assert_non_null(said);
        assert_contains(said, "append-only");
    }
    fixture_journal(f);
    assert_int_equal(journal_last(f->journal), 3);
}

static void every_altered_field_is_found(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *set, *says;
    } changes[] = {
        {"at_ms = at_ms + 1", "record 3 in"},
        {"wall_ms = wall_ms + 1", "record 3 in"},
        {"class = 'order'", "record 3 in"},
        {"kind = 'person.ack'", "record 3 in"},
        {"incident = 2", "record 3 in"},
        {"number = 1", "record 3 in"},
        {"ref = 1", "record 3 in"},
        {"service = 'other'", "record 3 in"},
        {"subject = 'x'", "record 3 in"},
        {"who = 'eve'", "record 3 in"},
        {"text = text || ' '", "record 3 in"},
        {"stage = 'x'", "record 3 in"},
        {"channel = 'x'", "record 3 in"},
        {"address = 'x'", "record 3 in"},
        {"detail = 'x'", "record 3 in"},
        {"text = text || char(0) || 'hidden'", "record 3 in"},
        {"boot_id = 'x'", "record 3 in"},
        {"offset_ms = 1", "record 3 in"},
        {"prev = replace(prev, substr(prev, 1, 1), 'f') || 'x'", "record 3 in"},
        {"hash = substr(hash, 1, 63) || 'x'", "record 3 in"},
        {"seq = 30", "record 3 in"},
        {"who = text, text = who", "record 3 in"},
    };
    fixture_journal(f);
    fixture_append(f, 6);
    fixture_close_journal(f);
    struct str whole;
    struct err err = {0};
    assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 20, &whole, &err));
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        int64_t checked;
        assert_true(file_write(fixture_path(f, "journal.db"), whole.p, whole.n, 0600, &err));
        fixture_sql(f, arena_printf(f->arena, NO_TRIGGERS "UPDATE journal SET %s WHERE seq = 3", changes[i].set));
        err = verify_err(f, &checked);
        assert_int_equal(err.code, ERR_DATA);
        assert_contains(err.message, changes[i].says);
        assert_contains(err.message, "journal.db");
        assert_contains(err.hint, "bascule journal verify");
        assert_int_equal(checked, 2);
        err = opened_err(f, JOURNAL_APPEND);
        assert_int_equal(err.code, ERR_DATA);
        assert_contains(err.message, changes[i].says);
    }
}

/* Somebody who changes a row and computes its hash anew betrays himself at the next row. */
static void a_row_with_a_new_hash_breaks_the_chain(void **state)
{
    struct fixture *f = *state;
    int64_t checked;
    fixture_journal(f);
    fixture_append(f, 6);
    fixture_close_journal(f);
    struct fixture forger = {.arena = f->arena};
    COPY_TO(forger.dir, "/tmp/bascule-forger-XXXXXX");
    assert_non_null(mkdtemp(forger.dir));
    fixture_journal(&forger);
    fixture_append(&forger, 2);
    struct record lie = fixture_note(2, "note 2, but nicer");
    int64_t seq;
    struct err err = {0};
    assert_true(journal_append(forger.journal, &lie, 1, &seq, &err));
    fixture_close_journal(&forger);
    fixture_sql(f, arena_printf(f->arena, NO_TRIGGERS "ATTACH '%s' AS lie; DELETE FROM journal WHERE seq = 3; "
                                          "INSERT INTO journal SELECT * FROM lie.journal WHERE seq = 3",
                                fixture_path(&forger, "journal.db")));
    err = verify_err(f, &checked);
    assert_contains(err.message, "record 4 in");
    assert_contains(err.message, "does not follow record 3");
    assert_int_equal(checked, 3);
    void *gone = arena_dup(f->arena, &forger, sizeof(forger));
    ((struct fixture *)gone)->arena = arena_open();
    assert_int_equal(fixture_close(&gone), 0);
}

static void deleted_and_swapped_rows_are_found(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sql, *says;
    } changes[] = {
        {"DELETE FROM journal WHERE seq = 3", "record 3 in"},
        {"DELETE FROM journal WHERE seq = 1", "record 1 in"},
        {"DELETE FROM journal WHERE seq IN (2, 3, 4)", "record 2 in"},
        {"DELETE FROM journal WHERE seq = 6", "record 6 in"},
        {"DELETE FROM journal WHERE seq >= 4", "record 4 in"},
        {"DELETE FROM journal", "record 1 in"},
        {"UPDATE journal SET seq = 30 WHERE seq = 3; UPDATE journal SET seq = 3 WHERE seq = 4; UPDATE journal SET seq = 4 WHERE seq = 30",
         "record 3 in"},
    };
    fixture_journal(f);
    fixture_append(f, 6);
    fixture_close_journal(f);
    struct str whole;
    struct err err = {0};
    assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 20, &whole, &err));
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        int64_t checked;
        static const char put_back[] =
            "; CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END; "
            "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END";
        assert_true(file_write(fixture_path(f, "journal.db"), whole.p, whole.n, 0600, &err));
        fixture_sql(f, arena_printf(f->arena, NO_TRIGGERS "%s%s", changes[i].sql, put_back));
        err = verify_err(f, &checked);
        assert_int_equal(err.code, ERR_DATA);
        assert_contains(err.message, changes[i].says);
        assert_int_equal(opened_err(f, JOURNAL_APPEND).code, ERR_DATA);
    }
    /* Without journal.head the end can be cut unnoticed: the file does what it is for. */
    assert_true(file_write(fixture_path(f, "journal.db"), whole.p, whole.n, 0600, &err));
    fixture_sql(f, "DROP TRIGGER journal_no_delete; DELETE FROM journal WHERE seq = 6; CREATE TRIGGER journal_no_delete BEFORE DELETE ON "
                   "journal BEGIN SELECT raise(ABORT, 'the journal is append-only'); END");
    assert_int_equal(unlink(fixture_path(f, "journal.head")), 0);
    fixture_journal(f);
    assert_int_equal(journal_last(f->journal), 5);
}

static void missing_triggers_are_found(void **state)
{
    struct fixture *f = *state;
    int64_t checked;
    fixture_journal(f);
    fixture_append(f, 2);
    fixture_close_journal(f);
    fixture_sql(f, "DROP TRIGGER journal_no_update");
    assert_contains(verify_err(f, &checked).message, "triggers");
    assert_contains(opened_err(f, JOURNAL_APPEND).message, "triggers");
    fixture_sql(f, "CREATE TRIGGER journal_no_update AFTER INSERT ON journal BEGIN SELECT 1; END");
    assert_contains(verify_err(f, &checked).message, "is not of a journal");
}

static void reading_stops_at_an_altered_row(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    fixture_append(f, 6);
    fixture_close_journal(f);
    fixture_sql(f, NO_TRIGGERS "UPDATE journal SET text = 'x' WHERE seq = 4");
    struct err err = {0};
    assert_true(journal_open(f->dir, JOURNAL_READ, true, &f->journal, &err));
    struct seen seen = {.arena = f->arena};
    assert_false(journal_read(f->journal, 0, 0, see, &seen, &err));
    assert_int_equal(seen.count, 3);
    assert_contains(err.message, "record 4 in");
}

static void a_cut_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct str whole, left;
    fixture_journal(f);
    fixture_append(f, 200);
    fixture_close_journal(f);
    assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 22, &whole, &err));
    const size_t sizes[] = {0, 1, 99, 100, 512, 4096, 4097, whole.n / 2, whole.n - 4096, whole.n - 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        assert_true(file_write(fixture_path(f, "journal.db"), whole.p, sizes[i], 0600, &err));
        err = opened_err(f, JOURNAL_APPEND);
        if (err.code != ERR_DATA)
            fail_msg("cut to %zu: %s: %s", sizes[i], err_code_name(err.code), err.message);
        assert_contains(err.message, "journal.db");
        assert_contains(err.hint, "aside");
        assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 22, &left, &err));
        assert_int_equal(left.n, sizes[i]);
        assert_memory_equal(left.p, whole.p, left.n);
    }
}

static void garbage_foreign_and_newer_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char garbage[8192];
    memset(garbage, 'g', sizeof(garbage));
    assert_true(file_write(fixture_path(f, "journal.db"), garbage, sizeof(garbage), 0600, &err));
    assert_int_equal(opened_err(f, JOURNAL_APPEND).code, ERR_DATA);
    assert_int_equal(opened_err(f, JOURNAL_READ).code, ERR_DATA);
    struct str left;
    assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 20, &left, &err));
    assert_int_equal(left.n, sizeof(garbage));
    assert_memory_equal(left.p, garbage, left.n);

    assert_int_equal(unlink(fixture_path(f, "journal.db")), 0);
    fixture_sql(f, "CREATE TABLE journal (a)");
    err = opened_err(f, JOURNAL_APPEND);
    assert_int_equal(err.code, ERR_DATA);
    assert_contains(err.message, "another program");
    fixture_sql(f, "PRAGMA application_id=1112752970; PRAGMA user_version=2");
    err = opened_err(f, JOURNAL_APPEND);
    assert_int_equal(err.code, ERR_DATA);
    assert_contains(err.message, "newer version");
    assert_int_equal(opened_err(f, JOURNAL_READ).code, ERR_DATA);
}

static void damage_inside_pages_is_found(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct str whole;
    fixture_journal(f);
    fixture_append(f, 200);
    fixture_close_journal(f);
    assert_true(file_read(f->arena, fixture_path(f, "journal.db"), 1 << 22, &whole, &err));
    /* A byte in each part of each page of the table; free space inside a page may be anything, so not every byte matters. */
    size_t found = 0, tried = 0;
    for (size_t at = 4096; at < whole.n; at += 1501, tried++) {
        char *copy = arena_dup(f->arena, whole.p, whole.n);
        copy[at] ^= 0x40;
        assert_true(file_write(fixture_path(f, "journal.db"), copy, whole.n, 0600, &err));
        SCOPED(journal_close) struct journal *j = NULL;
        if (!journal_open(f->dir, JOURNAL_APPEND, true, &j, &err)) {
            found++;
            assert_int_equal(err.code, ERR_DATA);
        }
    }
    assert_true(found * 2 > tried);
}

static void a_deleted_journal_is_missed(void **state)
{
    struct fixture *f = *state;
    fixture_journal(f);
    fixture_append(f, 2);
    fixture_close_journal(f);
    assert_int_equal(unlink(fixture_path(f, "journal.db")), 0);
    struct err err = opened_err(f, JOURNAL_APPEND);
    assert_int_equal(err.code, ERR_DATA);
    assert_contains(err.message, "names record 2 as written");
    assert_false(file_exists(fixture_path(f, "journal.db")));
    assert_int_equal(rename(fixture_path(f, "journal.head"), fixture_path(f, "old.head")), 0);
    fixture_journal(f); /* what the hint says: moved aside, a new one begins */
}

static void the_head_file_follows_and_may_be_lost(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t seq, checked;
    char hex[65], head[65];
    fixture_journal(f);
    assert_false(journal_head(f->journal, &seq, hex));
    fixture_append(f, 5);
    fixture_close_journal(f);
    fixture_journal(f);
    assert_true(journal_head(f->journal, &seq, hex));
    assert_int_equal(seq, 5);
    assert_true(journal_verify(f->journal, &checked, head, &err));
    assert_string_equal(hex, head);
    fixture_close_journal(f);
    assert_true(file_write(fixture_path(f, "journal.head"), "nonsense\n", 9, 0600, &err));
    fixture_journal(f); /* said in the log, but no reason to leave a service without its controller */
    assert_false(journal_head(f->journal, &seq, hex));
}

static void what_is_only_written_outlives_the_process(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t first, checked;
    char head[65];
    fixture_journal(f);
    fixture_append(f, 2);
    fixture_close_journal(f);
    pid_t child = fork();
    if (child == 0) {
        struct event event = {.kind = EVENT_NOTE, .text = "written"};
        struct record row = record_of_event(&event, NULL);
        fixture_journal(f);
        bool ok = journal_write(f->journal, &row, 1, &first, &err) && journal_write(f->journal, &row, 1, &first, &err) && first == 4;
        _exit(ok ? 0 : 1); /* nothing is closed */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_journal(f);
    assert_int_equal(journal_last(f->journal), 4);
    assert_true(journal_verify(f->journal, &checked, head, &err));
    assert_int_equal(checked, 4);
}

static void who_tends_decides_when_the_head_is_written(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    int64_t first, seq = 0;
    char hex[65];
    struct event event = {.kind = EVENT_NOTE, .text = "written"};
    struct record row = record_of_event(&event, NULL);
    fixture_journal(f);
    journal_tend(f->journal, true);
    fixture_append(f, 300);
    assert_true(journal_write(f->journal, &row, 1, &first, &err));
    assert_false(journal_head(f->journal, &seq, hex)); /* no append waited for it */
    journal_tend(f->journal, true);
    assert_true(journal_head(f->journal, &seq, hex));
    assert_int_equal(seq, 301);
    assert_true(journal_sync(f->journal, &err));
    fixture_append(f, 1);
    fixture_close_journal(f);
    fixture_journal(f);
    assert_true(journal_head(f->journal, &seq, hex));
    assert_int_equal(seq, 302);
}

static void reading_needs_a_journal(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(opened_err(f, JOURNAL_READ).code, ERR_NOT_FOUND);
    assert_false(file_exists(fixture_path(f, "journal.db")));
    struct err err = {0};
    assert_true(file_write(fixture_path(f, "journal.db"), "", 0, 0600, &err));
    assert_int_equal(opened_err(f, JOURNAL_READ).code, ERR_NOT_FOUND);
    fixture_journal(f); /* an empty file that no head speaks of is a creation that a power cut stopped */
    fixture_append(f, 1);
}

/* The page about the format is good enough for an outsider when the program printed in it agrees with us. */
static void the_documented_program_verifies_the_chain(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct str page;
    int64_t checked;
    char head[65];
    fixture_journal(f);
    fixture_append(f, 30);
    struct record odd = fixture_note(-5, "\xC3\xA9t\xC3\xA9: 12:3,\n\"'");
    assert_true(journal_append(f->journal, &odd, 1, &checked, &err));
    assert_true(journal_verify(f->journal, &checked, head, &err));
    fixture_close_journal(f);
    assert_true(file_read(f->arena, SOURCE_ROOT "/docs/journal.md", 1 << 20, &page, &err));
    const char *begin = strstr(page.p, "```python\n"), *end = begin ? strstr(begin + 10, "```") : NULL;
    assert_non_null(end);
    assert_true(file_write(fixture_path(f, "verify.py"), begin + 10, (size_t)(end - begin - 10), 0600, &err));
    for (int tampered = 0; tampered < 2; tampered++) {
        const char *said, *right = arena_printf(f->arena, "31 records, head %s\n", head);
        int status = run(f, (const char *[]){"python3", fixture_path(f, "verify.py"), fixture_path(f, "journal.db"), NULL}, &said);
        assert_string_equal(said, tampered ? "record 7 was altered\n" : right);
        assert_int_equal(status, tampered);
        if (!tampered)
            fixture_sql(f, NO_TRIGGERS "UPDATE journal SET who = 'eve' WHERE seq = 7");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back_as_they_went_in),
        TEST(every_kind_of_row_survives),
        TEST(reading_filters_and_stops),
        TEST(the_clock_of_the_newest_row_is_kept),
        TEST(a_long_detail_is_cut_and_says_so),
        TEST(another_process_is_noticed),
        TEST(holding_keeps_others_out_until_the_append),
        TEST(update_and_delete_are_forbidden),
        TEST(every_altered_field_is_found),
        TEST(a_row_with_a_new_hash_breaks_the_chain),
        TEST(deleted_and_swapped_rows_are_found),
        TEST(missing_triggers_are_found),
        TEST(reading_stops_at_an_altered_row),
        TEST(a_cut_file_is_refused),
        TEST(garbage_foreign_and_newer_files_are_refused),
        TEST(damage_inside_pages_is_found),
        TEST(a_deleted_journal_is_missed),
        TEST(the_head_file_follows_and_may_be_lost),
        TEST(what_is_only_written_outlives_the_process),
        TEST(who_tends_decides_when_the_head_is_written),
        TEST(reading_needs_a_journal),
        TEST(the_documented_program_verifies_the_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
