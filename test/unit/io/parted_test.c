/* Where a write-ahead log ends, in the words of pg_waldump, and what was committed there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/parted.h"
#include "sys/proc.h"

static void the_end_is_where_the_next_record_would_stand(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        uint64_t end;
    } known[] = {
        {"pg_waldump: error: error in WAL record at 0/1526068: invalid record length at 0/1526200: wanted 24, got 0\n", 0x1526200},
        {"pg_waldump: error: error in WAL record at 2/AB000028: invalid record length at 2/AB000060: expected at least 24, got 0\n", UINT64_C(0x2AB000060)},
        {"pg_waldump: first record is after 0/1, at 0/28, skipping over 8 bytes\npg_waldump: error: error in WAL record at 0/28: incorrect resource manager data checksum in record at 0/60", 0x60},
    };
    static const char *const unknown[] = {
        "", "pg_waldump: error: could not find a valid record after 0/1700000", "pg_waldump: error: could not find file \"000000010000000000000009\": No such file",
        "error in WAL record at ", "error in WAL record at 0/28: ", "error in WAL record at 0/28: unexpected pageaddr 0/0 in log segment 000000010000000000000001, offset 8192",
        "error in WAL record at 0/60: invalid record length at 0/28: wanted 24, got 0", "error in WAL record at x: invalid record length at 0/28: wanted 24",
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint64_t end = 0;
        assert_true(parted_end(str_of(known[i].said), &end));
        assert_int_equal(end, known[i].end);
    }
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        uint64_t end;
        if (parted_end(str_of(unknown[i]), &end))
            fail_msg("understood: %s", unknown[i]);
    }
}

#define ENDED "pg_waldump: error: error in WAL record at 0/3000100: "

static void what_was_committed_is_counted(void **state)
{
    (void)state;
    static const struct {
        const char *out, *complaint;
        uint64_t fork, end; /* end 0: not known */
    } cases[] = {
        {"12 3 0/3000100 34\n", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000040, 0x3000128},
        {"0 0 0/3000100 34\n", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000128, 0x3000128},
        {"0 0 0/3000100 34\n", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000200, 0}, /* it ends before they parted */
        {"12 3 0/3000100 34\n", ENDED "invalid magic number 0000 in log segment 000000010000000000000003, offset 8192\n", 0x3000040, 0x3000128},
        {"12 3 0/3001FF8 64\n", ENDED "unexpected pageaddr 0/1000000 in log segment 000000010000000000000003, offset 16384\n", 0x3000040, 0x3002050},
        {"12 3 0/30FFFF8 64\n", ENDED "invalid magic number 0000 in log segment 000000010000000000000003, offset 8192\n", 0x3000040, 0}, /* which header is there? */
        {"12 3 0/3000100 0\n", ENDED "invalid magic number 0000 in log segment 000000010000000000000003, offset 8192\n", 0x3000040, 0},
        {"0 0 0/3001FC0 64\n", ENDED "invalid record length at 0/3002018: wanted 24, got 0\n", 0x3002000, 0x3002000}, /* the next would stand behind a header */
        {"12 3 0/3000100 34\n", "pg_waldump: error: could not find file \"000000010000000000000004\": No such file or directory\n", 0x3000040, 0},
        {"0 0 0/0 0\n", "pg_waldump: error: could not find a valid record after 0/3000000\n", 0x3000040, 0},
        {"12 3 0/3000100 34\n", "", 0x3000040, 0},
        {"", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000040, 0},
        {"-1 3 0/3000100 34", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000040, 0},
        {"12 x 0/3000100 34", ENDED "invalid record length at 0/3000128: wanted 24, got 0\n", 0x3000040, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        struct parted p = {0};
        bool known = parted_parse(str_of(cases[i].out), str_of(cases[i].complaint), cases[i].fork, &p, &err);
        if (known != (cases[i].end != 0) || (known && p.end != cases[i].end))
            fail_msg("case %zu: %s, ends at %llX: %s", i, known ? "known" : "unknown", (unsigned long long)p.end, err.message);
        assert_true(known || err.code == ERR_DATA);
    }
    struct err err = {0};
    struct parted p;
    assert_true(parted_parse(str_of(cases[0].out), str_of(cases[0].complaint), cases[0].fork, &p, &err));
    assert_int_equal(p.transactions, 12);
    assert_int_equal(p.probes, 3);
    assert_int_equal(p.fork, cases[0].fork);
}

/* The script over a pg_waldump that is played: probes are told by their message, what stood before the fork is not counted, and a log of another
   timeline is not read at all. */
static void the_script_counts_behind_the_fork(void **state)
{
    (void)state;
    static const char setup[] =
        "t=$(mktemp -d) || exit 1; trap 'rm -rf \"$t\"' EXIT; g=$t/pg_wal; mkdir $g; : >$g/000000010000000000000003; : >$g/00000001.history; w=$t/waldump\n"
        "cat >$w <<'END'\n"
        "#!/bin/sh\n"
        "line() { echo \"rmgr: $1 len (rec/tot):     34/    34, tx:        $2, lsn: $3, prev 0/030000C0, desc: $4\"; }\n"
        "line Transaction 730 0/030000F8 'COMMIT 2026-11-23 08:00:00.000000 UTC'\n"
        "line LogicalMessage 731 0/03000120 'MESSAGE transactional, prefix \"bascule\"; payload (0 bytes): '\n"
        "line Transaction 731 0/03000148 'COMMIT 2026-11-23 08:00:00.000000 UTC'\n"
        "line Transaction 732 0/03000170 'COMMIT 2026-11-23 08:00:00.000000 UTC; inval msgs: catcache 7'\n"
        "line LogicalMessage 733 0/03000190 'MESSAGE transactional, prefix \"basculer\"; payload (0 bytes): '\n"
        "line Transaction 733 0/030001B8 'COMMIT_PREPARED 700: 2026-11-23 08:00:00.000000 UTC'\n"
        "line Transaction 734 0/030001E0 'ABORT 2026-11-23 08:00:00.000000 UTC'\n"
        "line Transaction 0 1/00000028 'COMMIT 2026-11-23 08:00:00.000000 UTC'\n"
        "echo \"$*\" >&2\n"
        "END\n"
        "chmod +x $w\n";
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *words[PARTED_WORDS], *script = arena_printf(a, "%s%s", setup, PARTED_SCRIPT);
    parted_words(a, 1, 0x3000148, words);
    const char *argv[] = {"sh", "-c", script, "sh", words[0], words[1], words[2], words[3], words[4], NULL};
    struct proc_spec spec = {.argv = argv, .timeout_ms = 30 * MS_SECOND};
    struct proc_result result;
    struct err err = {0};
    assert_true(proc_run(a, &spec, &result, &err));
    assert_true(proc_ok(&result));
    assert_string_equal(str_dup(a, result.out), "3 1 1/00000028 34\n");
    assert_non_null(strstr(str_dup(a, result.err), "-t 1 -s 0/3000000"));
    parted_words(a, 2, 0x3000148, words);
    const char *other[] = {"sh", "-c", script, "sh", words[0], words[1], words[2], words[3], words[4], NULL};
    spec.argv = other;
    assert_true(proc_run(a, &spec, &result, &err));
    assert_true(result.end == PROC_EXITED && result.exit_code == 2);
    assert_non_null(strstr(str_dup(a, result.err), "its log is of timeline 00000001, and not of 00000002"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_where_the_next_record_would_stand),
        cmocka_unit_test(what_was_committed_is_counted),
        cmocka_unit_test(the_script_counts_behind_the_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
