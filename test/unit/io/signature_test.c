/* The vector of the Standard Webhooks specification's reference libraries. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/signature.h"

static void the_reference_vector_is_met(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    const char *signature;
    assert_true(signature_webhook(a, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, STR("{\"test\": 2432232314}"),
                                  &signature, &err));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_plain_secret_stands_for_itself(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    const char *plain, *encoded;
    assert_true(signature_webhook(a, "secret", "id", 1, STR("body"), &plain, &err));
    assert_true(signature_webhook(a, "whsec_c2VjcmV0", "id", 1, STR("body"), &encoded, &err));
    assert_string_equal(plain, encoded);
    assert_true(signature_webhook(a, "secret", "id", 2, STR("body"), &encoded, &err));
    assert_string_not_equal(plain, encoded);
    assert_false(signature_webhook(a, "whsec_not base64", "id", 1, STR("body"), &plain, &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

/* Against openssl: printf 'POST /v1/stop\n{"nonce":"x"}' | openssl dgst -sha256 -hmac secret */
static void a_command_is_signed_with_its_path(void **state)
{
    (void)state;
    char one[SIGNATURE_COMMAND_SIZE], other[SIGNATURE_COMMAND_SIZE];
    signature_command("secret", "POST", "/v1/stop", STR("{\"nonce\":\"x\"}"), one);
    assert_string_equal(one, "43942dd52aabec35ba73f4b53492cc227509e586d626a3c0f0e063a040e9292d");
    signature_command("secret", "POST", "/v1/start", STR("{\"nonce\":\"x\"}"), other);
    assert_false(signature_same(one, other));
    assert_true(signature_same(one, "43942dd52aabec35ba73f4b53492cc227509e586d626a3c0f0e063a040e9292d"));
    assert_false(signature_same(one, NULL) || signature_same(NULL, NULL) || signature_same("", one) || signature_same("ab", "abc"));
    assert_true(signature_same("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_vector_is_met),
        cmocka_unit_test(a_plain_secret_stands_for_itself),
        cmocka_unit_test(a_command_is_signed_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
