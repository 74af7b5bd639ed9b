/* Memory that is freed as one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "dies.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char *before = NULL;
    for (size_t size = 0; size < 300; size++) {
        char *p = arena_alloc(a, size);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xFF, size);
        assert_ptr_not_equal(p, before);
        before = p;
    }
}

static void large_requests_do_not_waste_the_block_in_use(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    char *first = arena_alloc(a, 16);
    char *large = arena_alloc(a, 100000);
    memset(large, 1, 100000);
    char *second = arena_alloc(a, 16);
    assert_ptr_equal(second, first + 16);
    SCOPED(arena_close) struct arena *fresh = arena_open(); /* a large one before any block */
    memset(arena_alloc(fresh, 50000), 1, 50000);
    memset(arena_alloc(fresh, 16), 1, 16);
}

static void use_is_counted(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_int_equal(arena_used(a), 0);
    arena_alloc(a, 1);
    arena_alloc(a, 0);
    assert_int_equal(arena_used(a), 32);
    arena_alloc(a, 10000);
    assert_int_equal(arena_used(a), 10032);
}

static void copies(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    int numbers[] = {1, 2, 3};
    int *copy = arena_dup(a, numbers, sizeof(numbers));
    numbers[0] = 9;
    assert_int_equal(copy[0], 1);
    assert_non_null(arena_dup(a, NULL, 0));
    assert_null(arena_strdup(a, NULL));
    assert_string_equal(arena_strdup(a, "x"), "x");
    assert_string_equal(arena_strndup(a, "abc", 2), "ab");
    assert_string_equal(arena_strndup(a, NULL, 0), "");
    assert_string_equal(arena_printf(a, "%d %s", 7, "x"), "7 x");
    char *many = arena_printf(a, "%0*d", 10000, 1);
    assert_int_equal(strlen(many), 10000);
    int *array = arena_array(a, int, 5);
    assert_int_equal(array[4], 0);
    *arena_new(a, int) = 1;
}

static void closing_accepts_nothing(void **state)
{
    (void)state;
    struct arena *none = NULL;
    arena_close(&none);
    arena_close(NULL);
    struct arena *a = arena_open();
    arena_close(&a);
    assert_null(a);
}

static void overflow(void)
{
    arena_alloc(arena_open(), SIZE_MAX - 5);
}

static void no_memory(void)
{
    arena_alloc(arena_open(), (size_t)1 << 50); /* more than there are addresses */
}

static void bad_format(void)
{
    static const wchar_t wrong[] = {(wchar_t)0x110000, 0}; /* cannot be converted, so printf fails */
    arena_printf(arena_open(), "%ls", wrong);
}

static void what_cannot_be_given_aborts(void **state)
{
    (void)state;
    assert_true(dies(overflow));
    assert_true(dies(no_memory));
    assert_true(dies(bad_format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart), cmocka_unit_test(large_requests_do_not_waste_the_block_in_use),
        cmocka_unit_test(use_is_counted), cmocka_unit_test(copies), cmocka_unit_test(closing_accepts_nothing),
        cmocka_unit_test(what_cannot_be_given_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
