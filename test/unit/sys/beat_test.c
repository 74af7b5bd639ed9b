/* A beat is read back with its age, over any setting of the wall clock within one boot. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/beat.h"
#include "sys/clock.h"
#include "sys/file.h"

static char folder[] = "/tmp/bascule-beat-XXXXXX";
static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(arena_printf(a, "%s/heartbeats/job", folder));
    (void)rmdir(arena_printf(a, "%s/heartbeats", folder));
    (void)rmdir(folder);
    arena_close(&a);
    return 0;
}

static void put(const char *text)
{
    struct err err = {0};
    assert_true(file_write(arena_printf(a, "%s/heartbeats/job", folder), text, strlen(text), 0600, &err));
}

static void a_beat_is_read_back(void **state)
{
    (void)state;
    struct err err = {0};
    int64_t ago = -1;
    assert_false(beat_read(folder, "job", &ago));
    assert_true(beat_write(folder, "job", &err));
    assert_true(beat_read(folder, "job", &ago));
    assert_in_range(ago, 0, 10000);
    assert_false(beat_read(folder, "other", &ago));
}

static void the_wall_counts_only_for_an_earlier_boot(void **state)
{
    (void)state;
    char boot_id[64];
    int64_t ago;
    clock_boot_id(boot_id, sizeof(boot_id));
    put(arena_printf(a, "%s %" PRId64 " 0\n", boot_id, clock_boot_ms() - 5000));
    assert_true(beat_read(folder, "job", &ago));
    assert_in_range(ago, 5000, 15000);
    put(arena_printf(a, "of-another-boot 77 %" PRId64 "\n", clock_wall_ms() - 60000));
    assert_true(beat_read(folder, "job", &ago));
    assert_in_range(ago, 60000, 70000);
    put(arena_printf(a, "of-another-boot 77 %" PRId64 "\n", clock_wall_ms() + 60000)); /* the wall was set back */
    assert_true(beat_read(folder, "job", &ago));
    assert_int_equal(ago, 0);
}

static void what_is_no_beat_is_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "x", "a b", "a 1", "a 1 b", "a 1 2 3", "1\n2\n3"};
    int64_t ago;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        put(wrong[i]);
        assert_false(beat_read(folder, "job", &ago));
    }
}

static void a_name_is_no_path(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", ".", "..", "../x", "a/b", "a b", "a\nb", "-x",
                                        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg"};
    struct err err = {0};
    int64_t ago;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(beat_write(folder, wrong[i], &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_false(beat_read(folder, wrong[i], &ago));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_beat_is_read_back),
        cmocka_unit_test(the_wall_counts_only_for_an_earlier_boot),
        cmocka_unit_test(what_is_no_beat_is_none),
        cmocka_unit_test(a_name_is_no_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
