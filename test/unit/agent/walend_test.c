/* Where a write-ahead log ends, in the words of pg_waldump. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "agent/walend.h"

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
        assert_true(walend_parse(str_of(known[i].said), &end));
        assert_int_equal(end, known[i].end);
    }
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        uint64_t end;
        if (walend_parse(str_of(unknown[i]), &end))
            fail_msg("understood: %s", unknown[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_where_the_next_record_would_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
