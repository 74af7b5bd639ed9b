/* Why something failed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>

#include "base/base.h"

static void an_error_is_filled(void **state)
{
    (void)state;
    struct err err = {.os = 5, .hint = "old"};
    assert_false(err_set(&err, ERR_TIMEOUT, "no answer from \"%s\"", "x"));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(err.os, 0);
    assert_true(err.retryable);
    assert_string_equal(err.message, "no answer from \"x\"");
    assert_string_equal(err.hint, "");
    err_set(&err, ERR_UNAVAILABLE, "x");
    assert_true(err.retryable);
    err_set(&err, ERR_DATA, "x");
    assert_false(err.retryable);
}

static void the_kernel_is_quoted(void **state)
{
    (void)state;
    struct err err = {0};
    assert_false(err_os(&err, ENOENT, "could not open \"%s\"", "/x"));
    assert_int_equal(err.code, ERR_OS);
    assert_int_equal(err.os, ENOENT);
    assert_string_equal(err.message, "could not open \"/x\": No such file or directory");
}

static void context_and_hint_are_added(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, ERR_IO, "cause");
    assert_false(err_prefix(&err, "while %d", 1));
    assert_false(err_prefix(&err, "outer"));
    assert_false(err_hint(&err, "try %s", "this"));
    assert_string_equal(err.message, "outer: while 1: cause");
    assert_string_equal(err.hint, "try this");
    assert_int_equal(err.code, ERR_IO);
}

static void nobody_has_to_ask_why(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_os(NULL, 1, "x"));
    assert_false(err_prefix(NULL, "x"));
    assert_false(err_hint(NULL, "x"));
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char large[2000];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    struct err err = {0};
    err_set(&err, ERR_IO, "%s", large);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    err_os(&err, ENOENT, "%s", large);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    err_prefix(&err, "prefix");
    assert_int_equal(strncmp(err.message, "prefix: xxx", 11), 0);
    err_prefix(&err, "%s", large);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
    err_hint(&err, "%s", large);
    assert_int_equal(strlen(err.hint), sizeof(err.hint) - 1);
}

static void every_code_has_a_name_of_its_own_and_statuses(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_CODE_MAX; i++) {
        assert_true(*err_code_name((enum err_code)i));
        assert_int_equal(err_exit_status((enum err_code)i) == 0, i == ERR_NONE);
        assert_in_range(err_exit_status((enum err_code)i), 0, 78);
        assert_in_range(err_http_status((enum err_code)i), 200, 599);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(err_code_name((enum err_code)i), err_code_name((enum err_code)k));
    }
    assert_string_equal(err_code_name(ERR_NOT_FOUND), "not-found");
    assert_int_equal(err_http_status(ERR_NOT_FOUND), 404);
    assert_int_equal(err_exit_status(ERR_USAGE), 64);
    assert_string_equal(err_code_name(ERR_CODE_MAX), "unknown");
    assert_int_equal(err_exit_status(ERR_CODE_MAX), 70);
    assert_int_equal(err_http_status(ERR_CODE_MAX), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_filled), cmocka_unit_test(the_kernel_is_quoted), cmocka_unit_test(context_and_hint_are_added),
        cmocka_unit_test(nobody_has_to_ask_why), cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(every_code_has_a_name_of_its_own_and_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
