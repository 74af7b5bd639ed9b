/* What pg_controldata says, and what is written so that a server follows another. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "act/control.h"

#define TOLD(state, hints, sums)                                                                                       \
    "pg_control version number:            1300\n"                                                                     \
    "Database system identifier:           7441234567890123456\n"                                                      \
    "Database cluster state:               " state "\n"                                                                \
    "Latest checkpoint location:           0/3035FF8\n"                                                                \
    "Latest checkpoint's REDO location:    0/3035FF8\n"                                                                \
    "Latest checkpoint's TimeLineID:       2\n"                                                                        \
    "wal_log_hints setting:                " hints "\n"                                                                \
    "Data page checksum version:           " sums "\n"

static void what_it_says_is_read(void **state)
{
    (void)state;
    struct err err = {0};
    struct control c;
    assert_true(control_parse(str_of(TOLD("shut down", "off", "0")), &c, &err));
    assert_string_equal(c.cluster, "7441234567890123456");
    assert_int_equal(c.checkpoint, 0x3035FF8);
    assert_int_equal(c.timeline, 2);
    assert_true(c.clean && c.was_primary && !c.rewindable);
    assert_true(control_parse(str_of(TOLD("shut down in recovery", "on", "0")), &c, &err));
    assert_true(c.clean && !c.was_primary && c.rewindable);
    assert_true(control_parse(str_of(TOLD("in production", "off", "1")), &c, &err));
    assert_true(!c.clean && !c.was_primary && c.rewindable);
}

static void what_is_missing_is_refused(void **state)
{
    (void)state;
    static const char *const labels[] = {"Database system identifier", "Database cluster state", "Latest checkpoint location", "Latest checkpoint's TimeLineID"};
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        char text[] = TOLD("shut down", "off", "0");
        struct err err = {0};
        struct control c;
        *strstr(text, labels[i]) = 'X';
        assert_false(control_parse(str_of(text), &c, &err));
        assert_int_equal(err.code, ERR_PROTOCOL);
    }
    struct err err = {0};
    struct control c;
    assert_false(control_parse(str_of(NULL), &c, &err));
}

static void settings_are_replaced_and_quoted(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(buf_done) struct buf out = {.max = 4096};
    struct following f = {.host = "10.0.0.2", .user = "o'hara", .password = "a\\b", .name = "production", .slot = "production"};
    following_settings(STR("# Do not edit\nwork_mem = '8MB'\n Primary_ConnInfo='old'\nprimary_slot_name = 'x'\nprimary_conninfox = '1'\n"), &f, &out);
    assert_string_equal(following_conninfo(a, &f),
                        "host='10.0.0.2' port='5432' user='o\\'hara' password='a\\\\b' application_name='production' connect_timeout='3'");
    assert_string_equal(buf_text(&out),
                        "# Do not edit\nwork_mem = '8MB'\nprimary_conninfox = '1'\n"
                        "primary_conninfo = 'host=''10.0.0.2'' port=''5432'' user=''o\\\\''hara'' password=''a\\\\\\\\b'' application_name=''production'' connect_timeout=''3'''\n"
                        "primary_slot_name = 'production'\nrecovery_target_timeline = 'latest'\n");
    SCOPED(buf_done) struct buf again = {.max = 4096};
    following_settings(buf_str(&out), &f, &again);
    assert_string_equal(buf_text(&again), buf_text(&out));
    SCOPED(buf_done) struct buf bare = {.max = 4096};
    f.slot = NULL;
    following_settings(str_of(NULL), &f, &bare);
    assert_true(str_starts(buf_str(&bare), "primary_conninfo = '"));
    assert_non_null(strstr(buf_text(&bare), "primary_slot_name = ''\n"));
}

static void a_site_names_its_slot(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(following_slot(a, "DR-Paris.2"), "dr_paris_2");
    char name[100];
    memset(name, 'a', sizeof(name));
    name[99] = 0;
    assert_int_equal(strlen(following_slot(a, name)), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_is_read),
        cmocka_unit_test(what_is_missing_is_refused),
        cmocka_unit_test(settings_are_replaced_and_quoted),
        cmocka_unit_test(a_site_names_its_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
