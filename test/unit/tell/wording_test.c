/* Numbers as each language writes them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tell/wording.h"

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

#define B "\u202F"

static void counts(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        const char *en, *fr;
    } cases[] = {
        {0, "0", "0"}, {999, "999", "999"}, {1000, "1,000", "1" B "000"}, {15000, "15,000", "15" B "000"},
        {1002003, "1,002,003", "1" B "002" B "003"}, {-1500, "-1,500", "-1" B "500"},
        {INT64_MIN, "-9,223,372,036,854,775,808", "-9" B "223" B "372" B "036" B "854" B "775" B "808"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(say_count(a, LANGUAGE_EN, cases[i].count), cases[i].en);
        assert_string_equal(say_count(a, LANGUAGE_FR, cases[i].count), cases[i].fr);
    }
}

static void money(void **state)
{
    (void)state;
    assert_string_equal(say_money(a, LANGUAGE_EN, 50000, "$"), "$50k"); /* the runbook's form */
    assert_string_equal(say_money(a, LANGUAGE_FR, 50000, "$"), "50 k$");
    assert_string_equal(say_money(a, LANGUAGE_EN, 4167, "$"), "$4,167");
    assert_string_equal(say_money(a, LANGUAGE_FR, 4167, "€"), "4" B "167 €");
    assert_string_equal(say_money(a, LANGUAGE_EN, 2000000, "EUR"), "EUR 2,000k");
    assert_string_equal(say_money(a, LANGUAGE_FR, 2000, "EUR"), "2 k EUR");
    assert_string_equal(say_money(a, LANGUAGE_EN, 0, "$"), "$0");
    assert_string_equal(say_money(a, LANGUAGE_EN, 5, NULL), "5");
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *en, *fr;
    } cases[] = {
        {850, "850 ms", "850 ms"}, {4250, "4.2 s", "4,2 s"}, {15 * MS_MINUTE, "15 min", "15 min"}, {65 * MS_SECOND, "1 min 05 s", "1 min 05 s"},
        {MS_HOUR, "1 h", "1 h"}, {63 * MS_MINUTE, "1 h 03 min", "1 h 03 min"}, {76 * MS_HOUR, "3 d 4 h", "3 j 4 h"}, {MS_DAY, "1 d", "1 j"},
        {0, "0 ms", "0 ms"}, {600 * MS_SECOND, "10 min", "10 min"}, {-5000, "-5.0 s", "-5,0 s"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_string_equal(say_duration(a, LANGUAGE_EN, cases[i].ms), cases[i].en);
        assert_string_equal(say_duration(a, LANGUAGE_FR, cases[i].ms), cases[i].fr);
    }
}

static void lines_from_outside_stay_lines(void **state)
{
    (void)state;
    assert_string_equal(say_line(a, "a\r\nBcc: x\tb\x7f é"), "a  Bcc: x b  é");
    assert_string_equal(say_line(a, NULL), "");
}

static void what_a_reader_cannot_see_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"pay\u202Egnp.exe", "paygnp.exe"},                        /* right-to-left override */
        {"\u2066a\u2069 \u200Eb\u200F \u061Cc\u202A\u202B\u202C\u202D", "a b c"},
        {"a\xc2\x85" "b\xc2\x9b" "c", "a b c"},                            /* C1: a terminal takes U+009B for the beginning of a command */
        {"a\u2028b\u2029c", "a b c"},
        {"\xff\xfe" "a\xc3", "a"},                                /* no UTF-8 */
        {"\xc0\x80\xe2\x80", ""},
        {"ok \u00e9\u20ac\U0001F6A8 \u05d0\u0628", "ok \u00e9\u20ac\U0001F6A8 \u05d0\u0628"}, /* Hebrew and Arabic stay */
        {"a\x1b[31mred", "a [31mred"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(say_line(a, cases[i].text), cases[i].line);
    assert_string_equal(say_text(a, "a\nb\r\nc\t\u202Ed"), "a\nb \nc d");
    assert_string_equal(say_text(a, NULL), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(counts), TEST(money), TEST(durations), TEST(lines_from_outside_stay_lines),
                                       TEST(what_a_reader_cannot_see_is_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
