/* JSON that every reader takes, whatever goes in. Reading it back is tested with io/json. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>

#include "base/base.h"
#include "base/jsonout.h"
#include "dies.h"

static const char *text_of(const char *value)
{
    static struct buf b;
    buf_done(&b);
    b.max = 10000;
    if (!value)
        return NULL;
    struct jsonout j = jsonout(&b);
    json_text(&j, value);
    return buf_text(&b);
}

static void nesting_and_commas(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 1000};
    struct jsonout j = jsonout(&b);
    json_object(&j);
    json_put_text(&j, "a", "x");
    json_put_int(&j, "b", -5);
    json_put_bool(&j, "c", true);
    json_key(&j, "d");
    json_array(&j);
    json_int(&j, INT64_MIN);
    json_bool(&j, false);
    json_null(&j);
    json_array(&j);
    json_array_end(&j);
    json_object(&j);
    json_object_end(&j);
    json_object(&j);
    json_put_text(&j, "e", NULL);
    json_object_end(&j);
    json_array_end(&j);
    json_object_end(&j);
    assert_string_equal(buf_text(&b), "{\"a\":\"x\",\"b\":-5,\"c\":true,\"d\":[-9223372036854775808,false,null,[],{},{\"e\":null}]}");
}

static void numbers(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 1000};
    struct jsonout j = jsonout(&b);
    json_array(&j);
    json_real(&j, 0.5);
    json_real(&j, -1e300);
    json_real(&j, (double)NAN);
    json_real(&j, (double)INFINITY);
    json_array_end(&j);
    assert_string_equal(buf_text(&b), "[0.5,-1e+300,null,null]");
}

static void text_is_escaped(void **state)
{
    (void)state;
    assert_string_equal(text_of(""), "\"\"");
    assert_string_equal(text_of("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_string_equal(text_of("\n\t\r\x01\x7f"), "\"\\n\\t\\u000d\\u0001\\u007f\"");
    assert_string_equal(text_of("é🚨"), "\"é🚨\"");
    assert_string_equal(text_of("a\xff" "b"), "\"a\xEF\xBF\xBD" "b\"");
    assert_string_equal(text_of("\xc3"), "\"\xEF\xBF\xBD\"");
    assert_string_equal(text_of("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); /* a surrogate */
    text_of(NULL);
}

static void a_full_buffer_shows(void **state)
{
    (void)state;
    struct buf b SCOPED(buf_done) = {.max = 5};
    struct jsonout j = jsonout(&b);
    json_text(&j, "longer than five");
    assert_true(b.over);
}

static void sixty_three(void)
{
    struct buf b = {.max = 1000};
    struct jsonout j = jsonout(&b);
    for (int i = 0; i < 63; i++)
        json_array(&j);
    for (int i = 0; i < 63; i++)
        json_array_end(&j);
    buf_done(&b);
}

static void sixty_four(void)
{
    struct buf b = {.max = 1000};
    struct jsonout j = jsonout(&b);
    for (int i = 0; i < 64; i++)
        json_array(&j);
}

static void depth_is_limited(void **state)
{
    (void)state;
    sixty_three();
    assert_true(dies(sixty_four));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas), cmocka_unit_test(numbers), cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(a_full_buffer_shows), cmocka_unit_test(depth_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
