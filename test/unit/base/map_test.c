/* What is put is found, what is removed is gone, and memory is bounded by what was there at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/str.h"

static void what_is_put_is_found(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct map *m = map_new(a, sizeof(int), 5000);
    char key[MAP_KEY_SIZE];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        assert_null(map_get(m, key));
        *(int *)map_put(m, key) = i;
    }
    assert_int_equal(map_count(m), 5000);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        assert_int_equal(*(int *)map_get(m, key), i);
        assert_ptr_equal(map_put(m, key), map_get(m, key));
    }
    assert_null(map_put(m, "one more")); /* the limit */
    assert_non_null(map_put(m, "key 7"));
}

static void what_is_removed_is_gone_and_its_place_used_again(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct map *m = map_new(a, 64, 100);
    char key[MAP_KEY_SIZE];
    size_t used = 0;
    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "%d in round %d", i, round);
            char *value = map_put(m, key);
            assert_non_null(value);
            assert_int_equal(*value, 0); /* nothing of who was there before */
            memset(value, 'x', 64);
        }
        assert_null(map_put(m, "full"));
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "%d in round %d", i, round);
            assert_true(map_remove(m, key));
            assert_null(map_get(m, key));
            assert_false(map_remove(m, key));
        }
        assert_int_equal(map_count(m), 0);
        if (round == 0)
            used = arena_used(a);
        assert_int_equal(arena_used(a), used);
    }
}

static void walking_meets_each_entry_once(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct map *m = map_new(a, sizeof(int), 10);
    map_put(m, "a");
    map_put(m, "b");
    map_put(m, "c");
    map_remove(m, "b");
    size_t met = 0;
    const char *key = NULL;
    for (size_t i = 0; i < map_places(m); i++)
        if (map_at(m, i, &key)) {
            met++;
            assert_true(same(key, "a") || same(key, "c"));
        }
    assert_int_equal(met, 2);
}

static void a_key_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct map *m = map_new(a, sizeof(int), 10);
    char key[MAP_KEY_SIZE + 1];
    memset(key, 'k', sizeof(key));
    key[MAP_KEY_SIZE] = 0;
    assert_null(map_put(m, key));
    key[MAP_KEY_SIZE - 1] = 0;
    assert_non_null(map_put(m, key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(what_is_removed_is_gone_and_its_place_used_again),
        cmocka_unit_test(walking_meets_each_entry_once),
        cmocka_unit_test(a_key_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
