/* Texts for telephones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tell/gsm.h"

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

static void texts_become_what_a_telephone_shows(void **state)
{
    (void)state;
    static const struct {
        const char *text, *gsm;
    } known[] = {
        {"", ""},
        {"plain [P1] {x} ~ ^ | \\", "plain [P1] {x} ~ ^ | \\"},
        {"é è à ù ò É Ç Ä ö ñ ß £ ¥ § ¿", "é è à ù ò É Ç Ä ö ñ ß £ ¥ § ¿"}, /* of the alphabet: they stay */
        {"ê ë î ï ô û ç â À Ê œuvre Œ", "e e i i o u c a A E oeuvre OE"},
        {"l’été « à venir » – ça va… ", "l'été \" à venir \" - ca va..."},
        {"🚨 INCIDENT ⛔ P1", "INCIDENT P1"},
        {"👩‍🚒 x", "x"},
        {"e\xCC\x81t\xC3\xA9", "eté"}, /* an accent on its own */
        {"\xE2\x80\xAE" "abc" "\xE2\x80\xAC", "abc"}, /* direction turned round */
        {"שלום", "????"},
        {"a\tb\x01" "c\x7f" "d\r\ne", "a b c d\ne"},
        {"  a   b \n c ", "a b\nc"},
        {"50\xC2\xA0" "000\xE2\x80\xAF" "€", "50 000 €"},
        {"\x60 \xC2\xB0 \xC2\xB5s", "' o us"},
        {"\xFF\xC3", "??"},
        {"\xE2\x82", "?"},
        {"\xC0\xAF", "??"},
        {"\xED\xA0\x80", "?"},
        {"ŁódźŠÞĲſ", "LodzSThIJs"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        assert_string_equal(gsm_text(a, known[i].text), known[i].gsm);
}

static char *of(const char *character, int count)
{
    struct buf SCOPED(buf_done) text = {.max = 100000};
    for (int i = 0; i < count; i++)
        buf_puts(&text, character);
    return arena_strdup(a, buf_text(&text));
}

static void segments_are_counted_as_the_networks_do(void **state)
{
    (void)state;
    assert_int_equal(gsm_segments(""), 0);
    assert_int_equal(gsm_segments("a"), 1);
    assert_int_equal(gsm_segments(of("a", 160)), 1);
    assert_int_equal(gsm_segments(of("é", 160)), 1);
    assert_int_equal(gsm_segments(of("a", 161)), 2);
    assert_int_equal(gsm_segments(of("a", 306)), 2);
    assert_int_equal(gsm_segments(of("a", 307)), 3);
    assert_int_equal(gsm_septets(of("€", 80)), 160);
    assert_int_equal(gsm_segments(of("€", 80)), 1);
    assert_int_equal(gsm_segments(of("[", 81)), 2);
    /* 153 is odd: 76 of two septets fit into a part, and one septet of each part stays empty. */
    assert_int_equal(gsm_segments(of("[", 152)), 2);
    assert_int_equal(gsm_segments(of("[", 153)), 3);
}

static void what_does_not_fit_is_cut_and_said(void **state)
{
    (void)state;
    assert_string_equal(gsm_cut(a, of("a", 160), 1), of("a", 160));
    const char *cut = gsm_cut(a, of("é", 500), 1);
    assert_int_equal(gsm_septets(cut), 160);
    assert_string_equal(cut + strlen(cut) - 5, "é...");
    assert_int_equal(gsm_septets(gsm_cut(a, of("a", 5000), 3)), 459);
    assert_int_equal(gsm_segments(gsm_cut(a, of("€", 500), 2)), 2);
    assert_string_equal(gsm_cut(a, "", 1), "");
    struct buf SCOPED(buf_done) large = {.max = 4 << 20}; /* and at once, however long the text is */
    while (large.n < 4000000)
        buf_puts(&large, "0123456789");
    size_t before = arena_used(a);
    assert_int_equal(gsm_septets(gsm_cut(a, buf_text(&large), 2)), 306);
    assert_true(arena_used(a) - before < 64 * 1024);
}

/* Whatever comes in: only the alphabet comes out, and again gives itself. */
static void every_byte_comes_out_as_text(void **state)
{
    (void)state;
    char text[4] = "";
    for (unsigned i = 1; i < 256; i++)
        for (unsigned k = 1; k < 256; k++) {
            text[0] = (char)i;
            text[1] = (char)k;
            SCOPED(arena_close) struct arena *own = arena_open();
            char *gsm = gsm_text(own, text);
            assert_true(str_is_clean(str_of(gsm)));
            assert_string_equal(gsm_text(own, gsm), gsm);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(texts_become_what_a_telephone_shows),
        TEST(segments_are_counted_as_the_networks_do),
        TEST(what_does_not_fit_is_cut_and_said),
        TEST(every_byte_comes_out_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
