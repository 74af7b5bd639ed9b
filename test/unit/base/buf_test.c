/* Growing text with a limit. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "dies.h"

static void text_is_built(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 1000};
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(buf_str(&b).n, 0);
    assert_true(buf_add(&b, "", 0));
    assert_true(buf_puts(&b, "one "));
    assert_true(buf_putc(&b, '2'));
    assert_true(buf_printf(&b, " %s", "three"));
    assert_string_equal(buf_text(&b), "one 2 three");
    assert_int_equal(buf_str(&b).n, 11);
    assert_false(b.over);
}

static void the_limit_holds_and_is_said(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 5};
    assert_true(buf_puts(&b, "12345"));
    assert_false(buf_putc(&b, '6'));
    assert_true(b.over);
    assert_false(buf_printf(&b, "%d", 7));
    assert_false(buf_add(&b, "123456", 6)); /* alone more than the limit */
    assert_string_equal(buf_text(&b), "12345");
    buf_clear(&b);
    assert_false(b.over);
    assert_string_equal(buf_text(&b), "");
    assert_true(buf_puts(&b, "x"));
}

static void it_grows_over_many_steps(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 100000};
    char large[1000];
    memset(large, 'x', sizeof(large));
    for (int i = 0; i < 100; i++)
        assert_true(buf_add(&b, large, sizeof(large)));
    assert_int_equal(strlen(buf_text(&b)), 100000);
    assert_false(buf_putc(&b, 'x'));
}

static void the_front_is_consumed(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 100};
    buf_consume(&b, 3); /* of nothing */
    buf_puts(&b, "abcdef");
    buf_consume(&b, 2);
    assert_string_equal(buf_text(&b), "cdef");
    buf_consume(&b, 0);
    assert_string_equal(buf_text(&b), "cdef");
    b.over = true; /* what was left out is still missing */
    buf_consume(&b, 4);
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(b.n, 0);
}

static void done_leaves_it_usable(void **state)
{
    (void)state;
    struct buf b = {.max = 10};
    buf_puts(&b, "x");
    buf_done(&b);
    assert_string_equal(buf_text(&b), "");
    assert_true(buf_puts(&b, "1234567890"));
    assert_false(buf_puts(&b, "1"));
    buf_done(&b);
    buf_clear(&b);
}

static void a_format_that_fails_adds_nothing(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 100};
    static const wchar_t wrong[] = {(wchar_t)0x110000, 0};
    assert_false(buf_printf(&b, "%ls", wrong));
    assert_string_equal(buf_text(&b), "");
}

static void room_is_given_in_place(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 1000};
    buf_puts(&b, "one ");
    char *to = buf_reserve(&b, 900);
    assert_ptr_equal(to, b.p + 4);
    memset(to, 'x', 900);
    b.n += 900;
    assert_null(buf_reserve(&b, 97));
    assert_true(b.over);
    assert_int_equal(b.n, 904);
    assert_non_null(buf_reserve(&b, 96));
}

static void no_memory(void)
{
    struct buf b = {.max = SIZE_MAX / 2};
    buf_add(&b, "", (size_t)1 << 50); /* more than there are addresses */
}

static void without_memory_it_aborts(void **state)
{
    (void)state;
    assert_true(dies(no_memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_built), cmocka_unit_test(the_limit_holds_and_is_said), cmocka_unit_test(it_grows_over_many_steps),
        cmocka_unit_test(the_front_is_consumed), cmocka_unit_test(done_leaves_it_usable), cmocka_unit_test(a_format_that_fails_adds_nothing),
        cmocka_unit_test(room_is_given_in_place), cmocka_unit_test(without_memory_it_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
