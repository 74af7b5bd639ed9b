/* The answer of a server about its replication, positions, and the file of the last good pair. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "io/standing.h"
#include "sys/file.h"

static void positions_are_read_and_written(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    static const struct {
        const char *text;
        uint64_t lsn;
    } good[] = {{"0/0", 0}, {"0/3000148", 0x3000148}, {"1/0", UINT64_C(1) << 32}, {"FFFFFFFF/FFFFFFFF", UINT64_MAX}, {"16/B374D848", UINT64_C(0x16B374D848)}};
    static const char *const bad[] = {"", "/", "0/", "/0", "0", "0/0/0", "0/G", "123456789/0", "0/123456789", " 0/0", "0/0 ", "-1/0"};
    uint64_t lsn = 7;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(lsn_parse(str_of(good[i].text), &lsn));
        assert_true(lsn == good[i].lsn);
        assert_string_equal(lsn_print(a, lsn), good[i].text);
    }
    lsn = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(lsn_parse(str_of(bad[i]), &lsn));
    assert_true(lsn == 7);
}

#define STANDBY "true|7301|3|0/5000060|0/5000028|1700000000123|true|streaming|false|0|1700000000200||0||off|off|0 archived, 0 failed|dr||16777216|150004"

static void a_standby_says_all_of_it(void **state)
{
    (void)state;
    struct standing s;
    struct err err = {0};
    assert_true(standing_parse(STANDBY, &s, &err));
    assert_true(s.recovery && s.sees && !s.paused && !s.read_only);
    assert_string_equal(s.cluster, "7301");
    assert_int_equal(s.timeline, 3);
    assert_int_equal(s.lsn, 0x5000060);
    assert_int_equal(s.replayed, 0x5000028);
    assert_int_equal(s.commit_ms, 1700000000123);
    assert_string_equal(s.receiver, "streaming");
    assert_string_equal(s.archiving, "off");
    assert_string_equal(s.own_slot, "dr");
    assert_string_equal(s.archived, "");
    assert_true(s.segment_bytes == 16777216 && s.version == 150004);
    assert_true(standing_parse("false|7301|3|0/5000060||||||0|1700000000200|dr|1|dr:physical feed:logical|on|on|5 archived, 2 failed||000000030000000000000004|16777216|170002", &s, &err));
    assert_true(!s.recovery && s.read_only && s.in_sync == 1 && !s.commit_ms);
    assert_string_equal(s.slots, "dr:physical feed:logical");
    assert_string_equal(s.archiving, "on, 5 archived, 2 failed");
    assert_string_equal(s.archived, "000000030000000000000004");
}

/* The half of a name would be the name of another slot. */
static void too_many_slots_are_cut_between_two(void **state)
{
    (void)state;
    SCOPED(buf_done) struct buf row = {.max = 64 * 1024};
    struct standing s;
    struct err err = {0};
    buf_puts(&row, "false|7301|3|0/5000060||||||0|1700000000200|dr|1|");
    for (int i = 0; i < 500; i++)
        buf_printf(&row, "%sslot_%03d:physical", i ? " " : "", i);
    buf_puts(&row, "|off|off|||||");
    assert_true(standing_parse(buf_text(&row), &s, &err));
    size_t n = strlen(s.slots);
    assert_true(n < sizeof(s.slots) && n > sizeof(s.slots) - 20);
    assert_string_equal(s.slots + n - strlen(":physical"), ":physical");
}

static void what_is_not_its_answer_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {NULL, "", "true", "maybe" STANDBY, STANDBY "|more", "true|7301|3||0/5000028|1|true||false|0|1||0||off|off||dr||16777216|150004",
                                      "true||3|0/5|0/5|1|true||false|0|1||0||off|off||dr||16777216|150004"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct standing s;
        struct err err = {0};
        assert_false(standing_parse(bad[i], &s, &err));
        assert_int_equal(err.code, ERR_PROTOCOL);
    }
}

static void a_pair_is_kept_and_recalled(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char folder[] = "/tmp/bascule-standing.XXXXXX";
    struct err err = {0};
    struct standing_pair back, pair = {.timeline = 2, .lsn = UINT64_C(0x100000010), .received = 16, .primary_clock_ms = 5, .at_ms = 6, .in_sync = true};
    COPY_TO(pair.primary, "production");
    COPY_TO(pair.standby, "dr");
    COPY_TO(pair.cluster, "7301");
    COPY_TO(pair.slots, "dr:physical");
    COPY_TO(pair.archived, "000000020000000000000004");
    pair.archives = true;
    assert_non_null(mkdtemp(folder));
    assert_false(standing_recall(a, folder, "akig", "dr", &back, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(standing_keep(folder, "akig", &pair, &err));
    assert_true(standing_recall(a, folder, "akig", "dr", &back, &err));
    assert_true(back.lsn == pair.lsn && back.received == 16 && back.timeline == 2 && back.primary_clock_ms == 5 && back.at_ms == 6 && back.in_sync);
    assert_string_equal(back.primary, "production");
    assert_string_equal(back.slots, "dr:physical");
    assert_string_equal(back.archived, "000000020000000000000004");
    assert_true(back.archives);
    /* Any other text is an error and never half a pair. */
    const char *path = arena_printf(a, "%s/standing/akig.dr.json", folder);
    static const char older[] = "{\"primary\":\"p\",\"standby\":\"d\",\"system_identifier\":\"7301\",\"timeline\":2,\"lsn\":\"0/5\",\"received\":\"0/5\",\"primary_clock_ms\":5,"
                                "\"at_ms\":6,\"in_sync\":true,\"slots\":\"\"}";
    assert_true(file_write(path, older, strlen(older), 0600, &err));
    assert_true(standing_recall(a, folder, "akig", "dr", &back, &err));
    assert_true(back.lsn == 5 && !back.archives);
    static const char *const damaged[] = {"", "{", "{}", "[]", "{\"primary\":\"p\",\"standby\":\"d\",\"lsn\":5}"};
    for (size_t i = 0; i < COUNT_OF(damaged); i++) {
        assert_true(file_write(path, damaged[i], strlen(damaged[i]), 0600, &err));
        assert_false(standing_recall(a, folder, "akig", "dr", &back, &err));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(arena_printf(a, "%s/standing", folder)), 0);
    assert_int_equal(rmdir(folder), 0); /* and no temporary file is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_are_read_and_written),
        cmocka_unit_test(a_standby_says_all_of_it),
        cmocka_unit_test(what_is_not_its_answer_is_refused),
        cmocka_unit_test(too_many_slots_are_cut_between_two),
        cmocka_unit_test(a_pair_is_kept_and_recalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
