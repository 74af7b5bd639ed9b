/* What controllers tell each other comes back as it was said, and nonsense is nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "daemon/shared.h"

static void what_is_said_is_read(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char by[MODEL_ID_SIZE];
    shared_leader_read(shared_leader_text(a, "process 7 on \"x\"", 1), by, sizeof(by));
    assert_string_equal(by, "process 7 on \"x\"");
    struct shared_users users = {.site = "dr", .moved_ms = 1700000000123}, users_read;
    shared_users_read(shared_users_text(a, &users, "process 7 on \"x\"", 1), &users_read);
    assert_string_equal(users_read.site, "dr");
    assert_true(users_read.moved_ms == users.moved_ms);
    struct shared_pause pause = {.said_ms = 5, .until_ms = 1700000000123, .who = "anna", .why = "new \"disks\", d'été"}, pause_read;
    shared_pause_read(shared_pause_text(a, &pause), &pause_read);
    assert_true(pause_read.said_ms == 5 && pause_read.until_ms == pause.until_ms);
    assert_string_equal(pause_read.who, "anna");
    assert_string_equal(pause_read.why, pause.why);
}

static void the_longest_fits(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct shared_pause pause = {.said_ms = INT64_MAX, .until_ms = INT64_MAX}, read;
    memset(pause.who, '"', sizeof(pause.who) - 1); /* twice as long in JSON */
    memset(pause.why, '"', sizeof(pause.why) - 1);
    shared_pause_read(shared_pause_text(a, &pause), &read);
    assert_true(read.said_ms == INT64_MAX);
    assert_string_equal(read.who, pause.who);
    assert_string_equal(read.why, pause.why);
}

static void what_nobody_of_us_wrote_says_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "{", "[]", "7", "{}", "{\"site\":7,\"moved_ms\":\"x\",\"said_ms\":-5,\"until_ms\":1.5,\"who\":null,\"why\":\"a\\u0007b\"}",
                                        "{\"site\":\"a\\u0007b\",\"moved_ms\":-1}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct shared_users users = {.site = "old", .moved_ms = 1};
        struct shared_pause pause = {.said_ms = 1, .until_ms = 1, .who = "old", .why = "old"};
        char by[MODEL_ID_SIZE] = "old";
        shared_leader_read(str_of(texts[i]), by, sizeof(by));
        assert_string_equal(by, "");
        shared_users_read(str_of(texts[i]), &users);
        shared_pause_read(str_of(texts[i]), &pause);
        assert_true(users.site[0] == 0 && users.moved_ms == 0);
        assert_true(pause.said_ms == 0 && pause.until_ms == 0 && pause.who[0] == 0 && pause.why[0] == 0);
    }
}

static void what_a_person_says_is_later_than_all_that_is_known(void **state)
{
    (void)state;
    struct shared_pause known = {.said_ms = 100};
    assert_int_equal(shared_pause_said(&known, 200), 200);
    assert_int_equal(shared_pause_said(&known, 50), 101); /* the other controller's clock was ahead */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_read),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_nobody_of_us_wrote_says_nothing),
        cmocka_unit_test(what_a_person_says_is_later_than_all_that_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
