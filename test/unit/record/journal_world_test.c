/* The journal in a hostile world: several processes at once, processes that die, disks that are full. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "io/db.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { WRITERS = 4, ROWS = 200, KILLS = 50 };

static int64_t verified(struct fixture *f)
{
    struct err err = {0};
    int64_t checked = 0;
    char head[65];
    SCOPED(journal_close) struct journal *j = NULL;
    if (!journal_open(f->dir, JOURNAL_READ, true, &j, &err) || !journal_verify(j, &checked, head, &err))
        fail_msg("%s", err.message);
    return checked;
}

/* Appends rows in transactions of 1 to 3; runs in a child and never returns. */
static void append_and_exit(struct fixture *f, int rows, int report)
{
    struct err err = {0};
    struct journal *j;
    if (!journal_open(f->dir, JOURNAL_APPEND, true, &j, &err))
        dprintf(STDERR_FILENO, "%s\n", err.message), _exit(1);
    for (int done = 0; done < rows;) {
        struct record some[3] = {fixture_note(done, "one"), fixture_note(done, "two"), fixture_note(done, "three")};
        int64_t first, n = MIN_OF(1 + done % 3, rows - done);
        if (!journal_append(j, some, (size_t)n, &first, &err))
            dprintf(STDERR_FILENO, "%s\n", err.message), _exit(2);
        done += (int)n;
        int64_t last = first + n - 1;
        if (report >= 0 && write(report, &last, sizeof(last)) != sizeof(last))
            _exit(3);
    }
    journal_close(&j);
    _exit(0);
}

static void several_processes_make_one_chain(void **state)
{
    struct fixture *f = *state;
    pid_t children[WRITERS];
    for (int i = 0; i < WRITERS; i++) /* none has made the journal before: they also race for that */
        if ((children[i] = fork()) == 0)
            append_and_exit(f, ROWS, -1);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(verified(f), WRITERS * ROWS);
}

/* What an appender was told to be on disk is there after it is killed at any moment, and the chain is whole. */
static void killed_writers_lose_nothing_that_was_promised(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = (uint64_t)clock_boot_ms();
    for (int i = 0; i < KILLS; i++) {
        int report[2], status;
        int64_t last, promised = 0;
        assert_int_equal(pipe(report), 0);
        pid_t child = fork();
        if (child == 0)
            append_and_exit(f, 1000000, report[1]);
        close(report[1]);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned wait_rows = (unsigned)(seed >> 33) % 40, wait_us = (unsigned)(seed >> 20) % 3000;
        for (unsigned k = 0; k < wait_rows && read(report[0], &last, sizeof(last)) == sizeof(last); k++)
            promised = last;
        usleep(wait_us);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(report[0], &last, sizeof(last)) == sizeof(last))
            promised = last;
        close(report[0]);
        if (promised && verified(f) < promised)
            fail_msg("kill %d (seed %" PRIu64 "): record %" PRId64 " was promised and is gone", i, seed, promised);
    }
    fixture_journal(f);
    fixture_append(f, 1);
}

/* Fills a folder's file system to the last byte. */
static void fill_disk(const char *path)
{
    static const char block[4096] = {1};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static bool append_note(struct fixture *f, int64_t *ret_seq, struct err *err)
{
    struct record r = fixture_note(1, "while the disk is full");
    return journal_append(f->journal, &r, 1, ret_seq, err);
}

static void check_full_error(struct fixture *f, const struct err *err)
{
    assert_int_equal(err->code, ERR_IO);
    assert_true(db_disk_full(err));
    if (!strstr(err->message, f->dir) || !strstr(err->message, "bytes free"))
        fail_msg("%s", err->message);
}

/* On a small file system of its own: the reserve carries a good number of rows, then the append fails whole, then there is room again. */
static void full_tmpfs(struct fixture *f)
{
    struct err err = {0};
    int64_t seq, last = 0;
    const char *filler = fixture_path(f, "filler");
    fixture_journal(f);
    fixture_append(f, 10);
    assert_false(journal_on_reserve(f->journal));
    assert_true(file_exists(fixture_path(f, "journal.reserve")));
    fill_disk(filler);
    while (append_note(f, &seq, &err)) {
        last = seq;
        if (last == 10 + 30)
            assert_true(journal_on_reserve(f->journal)); /* the log had some room of its own first */
        assert_true(last < 100000);
    }
    check_full_error(f, &err);
    assert_true(journal_on_reserve(f->journal));
    assert_false(file_exists(fixture_path(f, "journal.reserve")));
    assert_true(last - 10 >= 500);
    assert_int_equal(journal_last(f->journal), last);
    assert_int_equal(verified(f), last);
    assert_int_equal(unlink(filler), 0);
    assert_true(append_note(f, &seq, &err));
    assert_int_equal(seq, last + 1);
    fixture_close_journal(f);
    fixture_journal(f); /* opening makes the reserve anew at once; a running program within ten seconds */
    assert_false(journal_on_reserve(f->journal));
    assert_true(file_exists(fixture_path(f, "journal.reserve")));
    assert_int_equal(verified(f), last + 1);
    fixture_close_journal(f);
}

/* Without the right to mount: files may not grow beyond a limit, which the kernel answers with EFBIG. Runs in a child, since the limit
   is for the whole process. The reserve cannot help against it. */
static void full_by_limit(struct fixture *f)
{
    pid_t child = fork();
    if (child == 0) {
        struct err err = {0};
        int64_t seq, last = 0;
        struct rlimit limit = {.rlim_cur = 1024 * 1024 + 4096, .rlim_max = RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        fixture_journal(f);
        fixture_append(f, 10);
        bool limited = setrlimit(RLIMIT_FSIZE, &limit) == 0;
        while (append_note(f, &seq, &err))
            last = seq;
        limit.rlim_cur = RLIM_INFINITY;
        bool ok = limited && last > 10 && db_disk_full(&err) && journal_last(f->journal) == last &&
                  setrlimit(RLIMIT_FSIZE, &limit) == 0 && append_note(f, &seq, &err) && seq == last + 1;
        fixture_close_journal(f);
        if (!ok)
            dprintf(STDERR_FILENO, "%s: %s (os %d), last %" PRId64 "\n", err_code_name(err.code), err.message, err.os, last);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(verified(f) > 10);
}

static void a_full_disk_loses_nothing(void **state)
{
    struct fixture *f = *state;
    if (mount("bascule-test", f->dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=6m,mode=0700") == 0) {
        print_message("full disk: on a tmpfs of 6 MiB\n");
        full_tmpfs(f);
    } else {
        print_message("full disk: by RLIMIT_FSIZE, since mounting is not allowed (%s)\n", strerror(errno));
        full_by_limit(f);
    }
}

static int unmount_and_close(void **state)
{
    struct fixture *f = *state;
    journal_close(&f->journal);
    (void)umount2(f->dir, MNT_DETACH); /* fails where nothing was mounted */
    return fixture_close(state);
}

static void a_limit_on_files_loses_nothing(void **state)
{
    full_by_limit(*state);
}

static void no_room_for_a_new_journal(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        struct err err = {0};
        struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
        signal(SIGXFSZ, SIG_IGN);
        bool refused = setrlimit(RLIMIT_FSIZE, &limit) == 0 && !journal_open(f->dir, JOURNAL_APPEND, true, &f->journal, &err);
        if (!refused || !db_disk_full(&err))
            dprintf(STDERR_FILENO, "%s: %s (os %d)\n", err_code_name(err.code), err.message, err.os);
        _exit(refused && db_disk_full(&err) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_journal(f); /* what was left behind does not stand in the way */
    fixture_append(f, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        TEST(several_processes_make_one_chain),
        TEST(killed_writers_lose_nothing_that_was_promised),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing, fixture_open, unmount_and_close),
        TEST(a_limit_on_files_loses_nothing),
        TEST(no_room_for_a_new_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
