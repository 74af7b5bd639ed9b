/* Answers of others, read strictly. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/jsonout.h"
#include "io/json.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    const struct json *root = NULL;
    struct err err = {0};
    if (!json_parse(arena, str_of(text), &root, &err))
        fail_msg("%s: %s", text, err.message);
    return root;
}

static void values_are_found(void **state)
{
    (void)state;
    const struct json *root = parse("{\"a\":{\"b\":[10,{\"c\":\"deep\"}]},\"t\":true,\"f\":false,\"n\":null,\"r\":1.5,\"\":7}");
    int64_t number;
    bool truth;
    assert_string_equal(json_string(json_path(root, "a.b.1.c")), "deep");
    assert_true(json_integer(json_path(root, "a.b.0"), &number));
    assert_int_equal(number, 10);
    assert_true(json_integer(json_path(root, ""), &number));
    assert_int_equal(number, 7);
    assert_true(json_truth(json_get(root, "t"), &truth) && truth);
    assert_true(json_truth(json_get(root, "f"), &truth) && !truth);
    assert_int_equal(json_count(root), 6);
    assert_string_equal(json_key_at(root, 0), "a");
    assert_string_equal(json_key_at(root, 4), "r");
    assert_null(json_key_at(root, 6));
    assert_int_equal(json_count(json_path(root, "a.b")), 2);
    assert_null(json_key_at(json_path(root, "a.b"), 0));
}

static void what_is_absent_or_of_another_kind_is_nothing(void **state)
{
    (void)state;
    const struct json *root = parse("{\"a\":[1],\"s\":\"x\"}");
    int64_t number = 5;
    bool truth;
    assert_null(json_get(root, "b"));
    assert_null(json_get(NULL, "b"));
    assert_null(json_get(json_get(root, "a"), "b"));
    assert_null(json_path(root, "a.1"));
    assert_null(json_path(root, "a.-1"));
    assert_null(json_path(root, "a.x"));
    assert_null(json_path(root, "a.0.x"));
    assert_null(json_path(root, "s.x"));
    assert_null(json_path(root, "b.c.d"));
    assert_null(json_path(NULL, "a"));
    assert_null(json_at(root, 0));
    assert_null(json_at(NULL, 0));
    assert_null(json_at(json_get(root, "a"), 1));
    assert_int_equal(json_count(NULL), 0);
    assert_int_equal(json_count(json_get(root, "s")), 0);
    assert_null(json_key_at(NULL, 0));
    assert_null(json_string(root));
    assert_null(json_string(NULL));
    assert_false(json_integer(root, &number));
    assert_false(json_integer(NULL, &number));
    assert_int_equal(number, 5);
    assert_false(json_truth(root, &truth));
    assert_false(json_truth(NULL, &truth));
}

static void scalars_print_as_written(void **state)
{
    (void)state;
    const struct json *root = parse("[true,false,null,12,1.5,\"ok\",0.1,1e300,9223372036854775807,0.30000000000000004,5e-324,[],{}]");
    static const char *const texts[] = {"true", "false", "null", "12", "1.5", "ok", "0.1", "1e+300", "9223372036854775807",
                                        "0.30000000000000004", "4.94065645841247e-324"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_string_equal(json_scalar(arena, json_at(root, i)), texts[i]);
    assert_null(json_scalar(arena, json_at(root, 11)));
    assert_null(json_scalar(arena, json_at(root, 12)));
    assert_null(json_scalar(arena, NULL));
    assert_string_equal(json_scalar(arena, parse("\"alone\"")), "alone");
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "{", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "[1,]", "nul", "\"\\u0000\"", "\"\xff\"", "99999999999999999999", "1e999", "'a'",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const struct json *root = NULL;
        struct err err = {0};
        assert_false(json_parse(arena, str_of(wrong[i]), &root, &err));
        assert_int_equal(err.code, ERR_DATA);
        assert_null(root);
    }
    struct err err = {0};
    const struct json *root;
    assert_false(json_parse(arena, STR("{\n \"a\" 1}"), &root, &err));
    assert_non_null(strstr(err.message, "line 2, column "));
}

static void depth_and_size_are_limited(void **state)
{
    (void)state;
    char deep[2 * JSON_DEPTH_MAX + 8];
    struct err err = {0};
    const struct json *root;
    for (int n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
        memset(deep, '[', (size_t)n);
        memset(deep + n, ']', (size_t)n);
        deep[2 * n] = 0;
        assert_int_equal(json_parse(arena, str_of(deep), &root, &err), n == JSON_DEPTH_MAX);
    }
    assert_int_equal(err.code, ERR_LIMIT);
    struct str large = {.p = deep, .n = (size_t)JSON_TEXT_MAX + 1}; /* refused before it is looked at */
    assert_false(json_parse(arena, large, &root, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void what_we_write_is_read_back(void **state)
{
    (void)state;
    struct buf text SCOPED(buf_done) = {.max = 4096};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_key(&j, "list");
    json_array(&j);
    json_int(&j, INT64_MIN);
    json_real(&j, 0.25);
    json_null(&j);
    json_text(&j, "\x01 \" \\ \n\t é \x7f \xc3");
    json_array_end(&j);
    json_object_end(&j);
    const struct json *root;
    struct err err = {0};
    assert_true(json_parse(arena, buf_str(&text), &root, &err));
    assert_string_equal(json_scalar(arena, json_path(root, "list.0")), "-9223372036854775808");
    assert_string_equal(json_scalar(arena, json_path(root, "list.1")), "0.25");
    assert_string_equal(json_string(json_path(root, "list.3")), "\x01 \" \\ \n\t é \x7f \xef\xbf\xbd");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(values_are_found),
        TEST(what_is_absent_or_of_another_kind_is_nothing),
        TEST(scalars_print_as_written),
        TEST(wrong_texts_are_refused),
        TEST(depth_and_size_are_limited),
        TEST(what_we_write_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
