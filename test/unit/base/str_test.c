/* Views of text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"

static void views(void **state)
{
    (void)state;
    assert_int_equal(str_of(NULL).n, 0);
    assert_int_equal(str_of("abc").n, 3);
    assert_true(str_is(STR("abc"), "abc"));
    assert_false(str_is(STR("abc"), "ab"));
    assert_false(str_is(STR("abc"), "abd"));
    assert_true(str_is(str_of(NULL), ""));
    assert_true(str_starts(STR("abc"), "ab"));
    assert_true(str_starts(str_of(NULL), ""));
    assert_false(str_starts(STR("a"), "ab"));
    assert_false(str_starts(STR("xb"), "ab"));
}

static void trimming(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(str_dup(a, str_trim(STR(" \t\r\na b \n"))), "a b");
    assert_int_equal(str_trim(STR("  ")).n, 0);
    assert_int_equal(str_trim(str_of(NULL)).n, 0);
}

static void splitting(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct str rest = STR("a,,b,"), part;
    static const char *const parts[] = {"a", "", "b", ""};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_true(str_next(&rest, ',', &part));
        assert_string_equal(str_dup(a, part), parts[i]);
    }
    assert_false(str_next(&rest, ',', &part));
    rest = STR("");
    assert_true(str_next(&rest, ',', &part));
    assert_int_equal(part.n, 0);
    assert_false(str_next(&rest, ',', &part));
}

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"-0", 0}, {"007", 7}, {"-12", -12}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808", "-9223372036854775809",
                                      "99999999999999999999", "1e3", "--1"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t value = 99;
        assert_true(str_int(str_of(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t value = 99;
        assert_false(str_int(str_of(bad[i]), &value));
        assert_int_equal(value, 99);
    }
}

static void sameness(void **state)
{
    (void)state;
    const char copy[] = "a";
    assert_true(same("a", copy));
    assert_true(same(NULL, NULL));
    assert_false(same("a", NULL));
    assert_false(same(NULL, "a"));
    assert_false(same("a", "b"));
}

static const char *words(struct arena *a, const char *text)
{
    struct strs list;
    if (!str_words(a, text, &list))
        return NULL;
    char *all = arena_strdup(a, "");
    for (size_t i = 0; i < list.n; i++)
        all = arena_printf(a, "%s<%s>", all, list.p[i]);
    return all;
}

static void words_are_split_as_people_expect(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    assert_string_equal(words(a, ""), "");
    assert_string_equal(words(a, "  a \t b\n"), "<a><b>");
    assert_string_equal(words(a, "a 'b c' \"d e\"f ''"), "<a><b c><d ef><>");
    assert_string_equal(words(a, "\"say \\\"hi\\\"\" 'it\\s' a\\b"), "<say \"hi\"><it\\s><a\\b>");
    assert_string_equal(words(a, "'\"' \"'\""), "<\"><'>");
    assert_null(words(a, "a 'b"));
    assert_null(words(a, "\"a"));
    assert_null(words(a, "\"a\\")); /* a backslash with nothing behind it */
    assert_string_equal(words(a, "a b c d e f g h i"), "<a><b><c><d><e><f><g><h><i>");
}

static void the_nearest_word_is_suggested(void **state)
{
    (void)state;
    static const char *const keys[] = {"interval", "timeout", "retention", "port"};
    assert_string_equal(str_nearest("intervall", keys, 4), "interval");
    assert_string_equal(str_nearest("timout", keys, 4), "timeout");
    assert_string_equal(str_nearest("pory", keys, 4), "port");
    assert_string_equal(str_nearest("timeout", keys, 4), "timeout");
    assert_null(str_nearest("color", keys, 4));
    assert_null(str_nearest("x", keys, 0));
    assert_null(str_nearest("a-word-that-is-much-longer-than-any-key-could-ever-be", keys, 4));
    static const char *const huge[] = {"a-word-that-is-much-longer-than-any-key-could-ever-be"};
    assert_null(str_nearest("interval", huge, 1));
}

static void copying_into_fixed_arrays(void **state)
{
    (void)state;
    char to[6];
    assert_true(COPY_TO(to, "hello"));
    assert_string_equal(to, "hello");
    assert_false(COPY_TO(to, "hello!"));
    assert_string_equal(to, "hello");
    assert_true(COPY_TO(to, NULL));
    assert_false(str_copy(to, 0, "a")); /* nowhere to put it, so nothing is written */
    assert_string_equal(to, "");
    assert_false(COPY_TO(to, "abcdéf")); /* é would be cut in two */
    assert_string_equal(to, "abcd");
    assert_false(COPY_TO(to, "ab🚨"));
    assert_string_equal(to, "ab");
    assert_false(COPY_TO(to, "\x80\x80\x80\x80\x80\x80")); /* not a character anywhere */
    assert_string_equal(to, "");
    COPY_TO(to, "abc");
    COPY_TO(to, to + 1); /* may overlap */
    assert_string_equal(to, "bc");
}

static bool clean(const char *text)
{
    return str_is_clean(str_of(text));
}

static void clean_text(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a\n\tb", "é", "\xe0\xa0\x80", "€", "\xed\x9f\xbf", "\xee\x80\x80", "🚨", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf1\x80\x80\x80"};
    static const char *const bad[] = {"\x01", "\r", "\x7f", "\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xe2\x82(",
                                      "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xf0\x9f\x9a("};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(clean(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(clean(bad[i]));
    assert_false(str_is_clean((struct str){"a\0b", 3}));
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "on-call", "A_1"};
    static const char *const bad[] = {"", "1a", "-a", "a b", "a.b", "é", "a/"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(str_is_name(str_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(str_is_name(str_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views), cmocka_unit_test(trimming), cmocka_unit_test(splitting), cmocka_unit_test(whole_numbers),
        cmocka_unit_test(sameness), cmocka_unit_test(words_are_split_as_people_expect), cmocka_unit_test(the_nearest_word_is_suggested),
        cmocka_unit_test(copying_into_fixed_arrays), cmocka_unit_test(clean_text), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
