/* Requests to AWS, signed: the answers that AWS itself has published. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "io/sigv4.h"

static const char *signature_of(struct arena *arena, const struct sigv4 *who, const struct sigv4_request *request)
{
    const char *const *headers;
    struct err err = {0};
    const char *found = "";
    if (!sigv4_headers(arena, who, request, &headers, &err))
        fail_msg("%s", err.message);
    for (; *headers; headers++)
        if (str_starts(str_of(*headers), "Authorization: "))
            found = *headers + strlen("Authorization: ");
    return found;
}

/* AWS's test suite "aws-sig-v4-test-suite": 30 August 2015, 12:36:00 UTC. */
static const struct sigv4 example = {
    .access_key = "AKIDEXAMPLE",
    .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "service",
    .wall_s = 1440938160,
};

static void the_examples_of_aws_are_signed_alike(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct sigv4_request r = {.method = "GET", .host = "example.amazonaws.com", .path = "/", .query = ""};
    assert_string_equal(signature_of(arena, &example, &r),
                        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
                        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"); /* get-vanilla */
    r.query = "Param1=value1&Param2=value2";
    assert_non_null(strstr(signature_of(arena, &example, &r),
                           "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")); /* get-vanilla-query-order-key-case */
    r.method = "POST";
    r.query = "";
    assert_non_null(strstr(signature_of(arena, &example, &r), "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")); /* post-vanilla */
    r.content_type = "application/x-www-form-urlencoded";
    r.body = STR("Param1=value1");
    assert_non_null(strstr(signature_of(arena, &example, &r),
                           "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")); /* post-x-www-form-urlencoded */
}

/* The walk-through in "Signing AWS requests": list the users of IAM. */
static void the_walk_through_of_aws_is_signed_alike(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct sigv4 who = example;
    who.service = "iam";
    struct sigv4_request r = {.method = "GET", .host = "iam.amazonaws.com", .path = "/", .query = "Action=ListUsers&Version=2010-05-08",
                              .content_type = "application/x-www-form-urlencoded; charset=utf-8"};
    assert_string_equal(signature_of(arena, &who, &r),
                        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, "
                        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void a_token_is_sent_and_signed(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct sigv4 who = example;
    struct sigv4_request r = {.method = "GET", .host = "example.amazonaws.com", .path = "/", .query = ""};
    const char *const *headers;
    struct err err = {0};
    bool sent = false;
    who.session_token = "a token";
    assert_non_null(strstr(signature_of(arena, &who, &r), "SignedHeaders=host;x-amz-date;x-amz-security-token, "));
    assert_true(sigv4_headers(arena, &who, &r, &headers, &err));
    for (; *headers; headers++)
        sent |= same(*headers, "x-amz-security-token: a token");
    assert_true(sent);
}

static void what_cannot_be_signed_is_refused(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct sigv4_request r = {.method = "GET", .host = "example.amazonaws.com", .path = "/", .query = ""};
    struct sigv4 who = example;
    const char *const *headers;
    struct err err = {0};
    char *query = arena_alloc(arena, 128 * 1024);
    memset(query, 'a', 128 * 1024 - 1);
    query[128 * 1024 - 1] = 0;
    r.query = query;
    assert_false(sigv4_headers(arena, &example, &r, &headers, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    r.query = "";
    who.secret_key = query;
    assert_false(sigv4_headers(arena, &who, &r, &headers, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(strstr(err.message, "aaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_aws_are_signed_alike),
        cmocka_unit_test(the_walk_through_of_aws_is_signed_alike),
        cmocka_unit_test(a_token_is_sent_and_signed),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
