/* RFC 4648's own vectors, every length, and what is not base64. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/base64.h"

static const struct {
    const char *plain, *encoded;
} known[] = {{"", ""},           {"f", "Zg=="},         {"fo", "Zm8="},          {"foo", "Zm9v"},
             {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfb\xef", "//777w=="}};

static void known_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct buf SCOPED(buf_done) to = {.max = 100}, back = {.max = 100};
        buf_puts(&to, ">");
        assert_true(base64_add(&to, known[i].plain, strlen(known[i].plain)));
        assert_string_equal(buf_text(&to) + 1, known[i].encoded);
        assert_int_equal(to.n, 1 + strlen(known[i].encoded));
        assert_true(base64_decode(&back, str_of(known[i].encoded)));
        assert_string_equal(buf_text(&back), known[i].plain);
    }
}

static void every_length_comes_back(void **state)
{
    (void)state;
    unsigned char bytes[257];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 167 + 13);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct buf SCOPED(buf_done) to = {.max = 400}, back = {.max = 400};
        assert_true(base64_add(&to, bytes, n));
        assert_true(base64_decode(&back, buf_str(&to)));
        assert_int_equal(back.n, n);
        assert_int_equal(n ? memcmp(back.p, bytes, n) : 0, 0);
    }
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Zm=v", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm9v!===", "Zg==Zg=="};
    struct buf SCOPED(buf_done) to = {.max = 100};
    buf_puts(&to, "kept");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(base64_decode(&to, str_of(bad[i])));
        assert_string_equal(buf_text(&to), "kept");
        assert_int_equal(to.n, 4);
    }
}

static void a_full_buffer_takes_none_of_it(void **state)
{
    (void)state;
    struct buf SCOPED(buf_done) to = {.max = 7};
    assert_false(base64_add(&to, "foobar", 6));
    assert_true(to.over);
    assert_int_equal(to.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(a_full_buffer_takes_none_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
