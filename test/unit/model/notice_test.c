/* The forms of a message, packed into one text and taken out of it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/record.h"

static struct arena *a;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static void comes_back(const char *body, const char *brief, const char *html)
{
    struct notice n = {.html = "of before"};
    notice_unpack(a, notice_pack(a, body, brief, html), &n);
    assert_string_equal(n.body, body);
    assert_true(same(n.brief, brief));
    assert_true(same(n.html, html));
}

static void what_was_packed_comes_back(void **state)
{
    (void)state;
    comes_back("body\nof two lines\n", "brief", "<p>html</p>");
    comes_back("body", "brief", NULL);
    comes_back("body", NULL, "<p>html</p>");
    comes_back("body", NULL, NULL);
    comes_back("", NULL, NULL);
    comes_back("", NULL, "<p>");
}

static void a_text_of_one_form_is_the_body(void **state)
{
    (void)state;
    struct notice n = {0};
    assert_string_equal(notice_pack(a, "as ever", "", ""), "as ever");
    notice_unpack(a, NULL, &n);
    assert_string_equal(n.body, "");
    notice_unpack(a, "written before there were forms", &n);
    assert_string_equal(n.body, "written before there were forms");
    assert_null(n.brief);
    assert_null(n.html);
}

static void no_form_reaches_into_the_next(void **state)
{
    (void)state;
    struct notice n = {0};
    notice_unpack(a, notice_pack(a, "bo\fdy", "bri\fef", "ht\fml"), &n);
    assert_string_equal(n.body, "bo dy");
    assert_string_equal(n.brief, "bri ef");
    assert_string_equal(n.html, "ht ml");
}

/* Too long: the beginning stays, cut between characters, and the other forms stay whole. */
static void a_form_that_is_too_long_is_cut(void **state)
{
    (void)state;
    struct notice n = {0};
    char *long_one = arena_alloc(a, 200001);
    for (size_t i = 0; i < 200000; i += 2)
        memcpy(long_one + i, "é", 2);
    long_one[200000] = 0;
    char *odd = arena_printf(a, "x%s", long_one);
    notice_unpack(a, notice_pack(a, odd, odd, odd), &n);
    size_t size = strlen(n.body);
    assert_in_range(size, 64 * 1024, 64 * 1024 + 3);
    assert_memory_equal(n.body, odd, size);
    assert_true(str_is_clean(str_of(n.body)));
    assert_string_equal(n.brief, n.body);
    assert_string_equal(n.html, n.body);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_packed_comes_back),
        TEST(a_text_of_one_form_is_the_body),
        TEST(no_form_reaches_into_the_next),
        TEST(a_form_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
