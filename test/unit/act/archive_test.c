/* Which segments of the log may be missing in the archive after a promotion, told without any server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "act/archive.h"

enum { MIB16 = 16 * 1024 * 1024 };

static const char *between(struct arena *a, const char *archived, int64_t timeline, uint64_t fork, int64_t bytes)
{
    struct segments s;
    struct strs names = {0};
    if (!segments_after(archived, timeline, fork, bytes, &s))
        return "not known";
    for (uint64_t n = s.from; n < s.to; n++)
        *vec_add(a, &names) = segment_name(a, &s, n);
    return names.n ? segments_say(a, &names) : "none";
}

static void what_is_between_is_named(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    static const struct {
        const char *archived;
        int64_t timeline;
        uint64_t fork;
        int64_t bytes;
        const char *names;
    } cases[] = {
        {"000000010000000000000003", 1, 0x5000148, MIB16, "000000010000000000000004"},
        {"000000010000000000000003", 1, 0x6000000, MIB16, "000000010000000000000004, 000000010000000000000005"}, /* parted where one ends */
        {"000000010000000000000003", 1, 0x4000148, MIB16, "none"},
        {"000000010000000000000009", 1, 0x4000148, MIB16, "none"}, /* it archived what it had not sent */
        {"0000000100000000000000FE", 1, UINT64_C(0x101000001), MIB16, "0000000100000000000000FF, 000000010000000100000000"},
        {"000000010000000000000004", 1, UINT64_C(0x140000001), 1 << 30, "not known"}, /* there are four of a GiB in each, 0 to 3 */
        {"000000010000000000000002", 1, UINT64_C(0x100000001), 1 << 30, "000000010000000000000003"},
        {"000000010000000000000FFE", 1, UINT64_C(0x100100001), 1 << 20, "000000010000000000000FFF, 000000010000000100000000"},
        {"000000010000000000000003.partial", 2, 0x5000148, MIB16, "000000020000000000000003, 000000020000000000000004"}, /* the next timeline repeats it */
        {"000000010000000000000003", 2, 0x5000148, MIB16, "000000020000000000000003, 000000020000000000000004"},
        {"000000010000000000000003.00000028.backup", 1, 0x5000148, MIB16, "000000010000000000000004"},
        {"000000030000000000000003", 2, 0x5000148, MIB16, "not known"},
        {"00000002.history", 2, 0x5000148, MIB16, "not known"},
        {"", 1, 0x5000148, MIB16, "not known"},
        {"00000001000000000000000G", 1, 0x5000148, MIB16, "not known"},
        {"000000010000000000000003", 1, 0x5000148, 0, "not known"},
        {"000000010000000000000003", 1, 0x5000148, MIB16 - 1, "not known"},
        {"000000010000000000000003", 0, 0x5000148, MIB16, "not known"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *names = between(a, cases[i].archived, cases[i].timeline, cases[i].fork, cases[i].bytes);
        if (!same(names, cases[i].names))
            fail_msg("after %s on %d: %s instead of %s", cases[i].archived, (int)cases[i].timeline, names, cases[i].names);
    }
}

static void many_are_said_in_short(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *text = between(a, "000000010000000000000001", 1, 0x20000001, MIB16);
    assert_non_null(strstr(text, "000000010000000000000002, 000000010000000000000003, "));
    assert_non_null(strstr(text, " and 19 more, to 00000001000000000000001F"));
}

static void a_history_says_where_it_parted(void **state)
{
    (void)state;
    static const char text[] = "1\t0/3000148\tno recovery target specified\n\n2\t0/7000A0\tno recovery target specified\n";
    uint64_t lsn = 7;
    assert_true(history_fork(STR(text), 2, &lsn));
    assert_int_equal(lsn, 0x7000A0);
    assert_true(history_fork(STR(text), 1, &lsn));
    assert_int_equal(lsn, 0x3000148);
    assert_false(history_fork(STR(text), 3, &lsn));
    assert_false(history_fork(STR("1\n2\tx\n\t\t\n"), 2, &lsn));
    assert_false(history_fork((struct str){0}, 1, &lsn));
}

static void an_answer_is_sorted_or_refused(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct archive_answer answer;
    assert_true(archive_answer(a, STR("000000010000000000000004 archived\n000000010000000000000005 handed\n000000010000000000000006 waits\n000000010000000000000007 gone\n"
                                      "000000010000000000000008 here\n000000010000000000000009 unknown 127\n"), &answer));
    assert_int_equal(answer.archived.n, 1);
    assert_int_equal(answer.handed.n, 2);
    assert_string_equal(answer.handed.p[1], "000000010000000000000006");
    assert_string_equal(answer.gone.p[0], "000000010000000000000007");
    assert_string_equal(answer.here.p[0], "000000010000000000000008");
    assert_string_equal(answer.unknown.p[0], "000000010000000000000009");
    assert_true(archive_answer(a, STR(""), &answer));
    static const char *const bad[] = {"hello\n", "000000010000000000000004\n", "000000010000000000000004 lost\n", "0000000100000000000000041 gone\n", " gone\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(archive_answer(a, str_of(bad[i]), &answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_between_is_named),
        cmocka_unit_test(many_are_said_in_short),
        cmocka_unit_test(a_history_says_where_it_parted),
        cmocka_unit_test(an_answer_is_sorted_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
