/* What the channels over HTTP put on the wire, member by member, and what they make of the answers of the services they speak to. What
   they all have in common is asked in test/contract/channels_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/base64.h"
#include "handed.h"
#include "io/hash.h"
#include "io/json.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/gsm.h"

static struct handed *h;
static struct receiver *r;

static int tear_down(void **state)
{
    (void)state;
    receiver_close(&r);
    handed_close(&h);
    return 0;
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})

static void open_channel(const char *type, const char *const *script)
{
    if (!h)
        h = handed_open(type);
    receiver_close(&r);
    r = receiver_open(h->loop, RECEIVER_HTTP, script);
}

static const char *url(const char *path)
{
    return arena_printf(h->a, "http://127.0.0.1:%d%s", r->port, path);
}

static const struct json *json_of(size_t request)
{
    const struct json *body;
    struct err err = {0};
    assert_true(request < r->got.n);
    if (!json_parse(h->a, str_of(handed_body(&r->got.p[request])), &body, &err))
        fail_msg("%s", err.message);
    return body;
}

static const char *member(size_t request, const char *path)
{
    return json_scalar(h->a, json_path(json_of(request), path));
}

static bool begins(const char *text, const char *with)
{
    return str_starts(str_of(text), with);
}

/* ---- pagerduty ---- */

#define TAKEN "{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"x\"}"

static void pagerduty(const char *const *script)
{
    open_channel("pagerduty", script);
    handed_set_secret(h, "key", "0123456789abcdef0123456789abcdef\n");
    handed_set_text(h, "url", url("/v2/enqueue"));
}

static void an_incident_is_one_alert_from_its_trigger_to_its_end(void **state)
{
    (void)state;
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 202, NULL, TAKEN)));
    struct notice n = handed_notice();
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "PagerDuty answered 202: Event processed");
    assert_true(begins(r->got.p[0].text, "POST /v2/enqueue HTTP/1.1\r\n"));
    assert_string_equal(handed_header(h, &r->got.p[0], "Content-Type"), "application/json");
    assert_string_equal(member(0, "routing_key"), "0123456789abcdef0123456789abcdef");
    assert_string_equal(member(0, "event_action"), "trigger");
    assert_string_equal(member(0, "dedup_key"), "bascule/akig/7/1761406442000");
    assert_string_equal(member(0, "payload.summary"), n.subject);
    assert_string_equal(member(0, "payload.source"), "akig");
    assert_string_equal(member(0, "payload.severity"), "critical");
    assert_string_equal(member(0, "payload.timestamp"), "2025-10-25T15:34:02.120Z");
    assert_string_equal(member(0, "payload.class"), "alert");
    assert_string_equal(member(0, "payload.custom_details.body"), n.body);
    assert_string_equal(member(0, "client"), "bascule");
    n.key = "7/acknowledged/ops/way";
    n.stage = "acknowledged";
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(member(1, "event_action"), "acknowledge");
    assert_string_equal(member(1, "dedup_key"), member(0, "dedup_key"));
    assert_string_equal(member(1, "routing_key"), member(0, "routing_key"));
    assert_null(json_get(json_of(1), "payload"));
    n.stage = "resolved";
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(member(2, "event_action"), "resolve");
    assert_string_equal(member(2, "dedup_key"), member(0, "dedup_key"));
}

static void severities_are_translated(void **state)
{
    (void)state;
    static const char *const words[] = {"info", "critical", "error", "warning"};
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 202, NULL, TAKEN)));
    for (int severity = -1; severity < 3; severity++) {
        struct notice n = handed_notice();
        n.severity = severity;
        assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
        assert_string_equal(member((size_t)(severity + 1), "payload.severity"), words[severity + 1]);
    }
}

static void long_texts_keep_to_pagerdutys_limits(void **state)
{
    (void)state;
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 202, NULL, TAKEN)));
    struct buf SCOPED(buf_done) text = {.max = 200000};
    while (text.n < 130000)
        buf_puts(&text, "é\n");
    struct notice n = handed_notice();
    n.subject = n.body = n.brief = n.thread = buf_text(&text);
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_true(strlen(handed_body(&r->got.p[0])) < 512 * 1000);
    assert_int_equal(strlen(member(0, "payload.summary")), 511 * 2 + 510 + 3); /* 1021 characters, every other of two bytes, and "..." */
    assert_true(strlen(member(0, "dedup_key")) <= 255);
    n.stage = "resolved";
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(member(1, "dedup_key"), member(0, "dedup_key"));
}

static void what_pagerduty_says_is_believed(void **state)
{
    (void)state;
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 400, NULL, "{\"status\":\"invalid event\",\"message\":\"Event object is invalid\",\"errors\":[\"Length of 'routing_key' "
                                                 "is incorrect (should be 32 characters)\"]}"),
                     handed_answer(h, 202, NULL, "{\"status\":\"invalid event\",\"message\":\"no\"}"), handed_answer(h, 202, NULL, "<html>log in</html>"),
                     handed_answer(h, 429, NULL, ""), handed_answer(h, 429, "Retry-After: 7\r\n", "")));
    struct notice n = handed_notice();
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_string_equal(h->text, "PagerDuty answered 400: Event object is invalid; Length of 'routing_key' is incorrect (should be 32 characters)");
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY); /* somebody in between */
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    assert_int_equal(h->retry_after_ms, 30000);
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    assert_int_equal(h->retry_after_ms, 7000);
}

static void a_test_is_an_alert_of_its_own(void **state)
{
    (void)state;
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 202, NULL, TAKEN)));
    struct notice n = handed_notice();
    n.test = true;
    n.severity = -1;
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(member(0, "payload.severity"), "info");
    assert_string_equal(member(0, "payload.custom_details.test"), "true");
    assert_null(strstr(member(0, "dedup_key"), n.thread));
}

static void the_status_page_is_linked(void **state)
{
    (void)state;
    h = handed_open("pagerduty");
    pagerduty(SCRIPT(handed_answer(h, 202, NULL, TAKEN)));
    struct service service = {.name = "akig", .status_page = "https://status.akig.com/"};
    h->config.services.p = &service;
    h->config.services.n = 1;
    struct notice n = handed_notice();
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(member(0, "links.0.href"), "https://status.akig.com/");
}

/* ---- webhook ---- */

#define KEY "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OLD "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static bool is_signed(const struct received *got, const char *key, const char *signature)
{
    struct buf SCOPED(buf_done) raw = {.max = 64}, expected = {.max = 64};
    unsigned char mac[HMAC_SIZE];
    const char *text = arena_printf(h->a, "%s.%s.%s", handed_header(h, got, "webhook-id"), handed_header(h, got, "webhook-timestamp"), handed_body(got));
    assert_true(base64_decode(&raw, str_of(key)));
    hash_hmac(buf_str(&raw), str_of(text), mac);
    base64_add(&expected, mac, sizeof(mac));
    return same(signature, arena_printf(h->a, "v1,%s", buf_text(&expected)));
}

static void a_webhook_is_signed_and_says_what_it_is_about(void **state)
{
    (void)state;
    open_channel("webhook", SCRIPT(ANSWER_OK));
    handed_set_secret(h, "url", url("/in"));
    handed_set_secret(h, "secret", "whsec_" KEY);
    handed_set_secret(h, "old_secret", OLD "\n");
    handed_set_secret(h, "authorization", "Bearer t0ken");
    struct notice n = handed_notice();
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    const struct received *got = &r->got.p[0];
    assert_string_equal(handed_header(h, got, "Authorization"), "Bearer t0ken");
    const char *both = handed_header(h, got, "webhook-signature"), *second = strchr(both, ' ');
    assert_non_null(second);
    assert_true(is_signed(got, KEY, arena_strndup(h->a, both, (size_t)(second - both))));
    assert_true(is_signed(got, OLD, second + 1));
    int64_t moment;
    assert_true(str_int(str_of(handed_header(h, got, "webhook-timestamp")), &moment));
    assert_in_range(clock_wall_ms() / 1000 - moment, 0, 10);
    assert_string_equal(member(0, "type"), "alert");
    assert_string_equal(member(0, "timestamp"), "2025-10-25T15:34:02.120Z");
    static const char *const members[][2] = {
        {"key", "7/alert/ops/way"}, {"test", "false"}, {"incident", "7"}, {"thread", "akig/7/1761406442000"}, {"service", "akig"}, {"severity", "P1"},
        {"stage", "alert"}, {"phase", "null"}, {"contact", "ops"}, {"subject", "[P1][INC-7] Base indisponible é"}, {"brief", "P1 INC-7 base down"},
        {"body", "line one\nline <two> & co\n"}, {"attempt", "1"}};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_string_equal(member(0, arena_printf(h->a, "data.%s", members[i][0])), members[i][1]);
}

static void a_webhook_that_comes_again_is_known_by_its_id(void **state)
{
    (void)state;
    open_channel("webhook", SCRIPT(ANSWER_OK));
    handed_set_secret(h, "url", url("/in"));
    struct notice n = handed_notice();
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    n.attempts = 2;
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    n.key = "7/alert/dba/way";
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    const char *first = handed_header(h, &r->got.p[0], "webhook-id");
    assert_int_equal(strlen(first), 36);
    assert_string_equal(handed_header(h, &r->got.p[1], "webhook-id"), first);
    assert_string_not_equal(handed_header(h, &r->got.p[2], "webhook-id"), first);
    assert_null(handed_header(h, &r->got.p[0], "webhook-signature")); /* there was nothing to sign with */
}

static void a_secret_that_is_none_is_said_without_being_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {"whsec_short", "whsec_c2hvcnQ=", "not base64 at all, but long enough for it"};
    open_channel("webhook", SCRIPT(ANSWER_OK));
    handed_set_secret(h, "url", url("/in"));
    struct notice n = handed_notice();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        handed_set_secret(h, "secret", bad[i]);
        assert_int_equal(hand_over(h, &n), DELIVERY_RETRY); /* it can be mended */
        assert_non_null(strstr(h->text, "is not whsec_ and base64"));
        assert_null(strstr(h->text, bad[i] + 6));
    }
    handed_set_secret(h, "secret", "whsec_" KEY);
    handed_set_secret(h, "authorization", "Bearer x\nX-Injected: 1");
    assert_int_not_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(r->got.n, 0);
}

static void large_bodies_are_cut_for_a_webhook(void **state)
{
    (void)state;
    open_channel("webhook", SCRIPT(ANSWER_OK));
    handed_set_secret(h, "url", url("/in"));
    char *large = arena_alloc(h->a, 1000001);
    memset(large, 'x', 1000000);
    struct notice n = handed_notice();
    n.body = large;
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_true(strlen(handed_body(&r->got.p[0])) < 20 * 1024); /* what Standard Webhooks wants */
    assert_int_equal(strlen(member(0, "data.body")), 4000);
}

/* ---- sms ---- */

#define NUMBER "+33612345678"
#define MESSAGE(status, more) "{\"sid\":\"SM00000000000000000000000000000001\",\"status\":\"" status "\"" more "}"

static void sms(const char *const *script)
{
    open_channel("sms", script);
    handed_set_text(h, "account", "AC42");
    handed_set_secret(h, "token", "t0ken");
    handed_set_text(h, "from", "+33644600000");
    handed_set_text(h, "server", url(""));
    handed_set_ms(h, "confirm", 5000);
}

static struct notice page(void)
{
    struct notice n = handed_notice();
    n.address = NUMBER;
    n.brief = "🚨 P1 INC-7 AKIG : base de données arrêtée (où ça ?) – bascule incident ack 7";
    return n;
}
#define PAGE_GSM "P1 INC-7 AKIG : base de données arretée (où ca ?) - bascule incident ack 7"

/* A field of a form, decoded. */
static const char *field(size_t request, const char *name)
{
    struct str rest = str_of(handed_body(&r->got.p[request])), pair;
    struct buf SCOPED(buf_done) value = {.max = 10000};
    while (str_next(&rest, '&', &pair)) {
        if (!str_starts(pair, name) || pair.p[strlen(name)] != '=')
            continue;
        for (size_t i = strlen(name) + 1; i < pair.n; i++)
            if (pair.p[i] == '%') {
                buf_putc(&value, (char)strtol(arena_strndup(h->a, pair.p + i + 1, 2), NULL, 16));
                i += 2;
            } else {
                buf_putc(&value, pair.p[i]);
            }
        return arena_strdup(h->a, buf_text(&value));
    }
    return NULL;
}

static void a_short_message_is_followed_until_it_arrived(void **state)
{
    (void)state;
    h = handed_open("sms");
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", ",\"num_segments\":\"1\",\"error_code\":null")), handed_answer(h, 200, NULL, MESSAGE("sent", "")),
               handed_answer(h, 200, NULL, MESSAGE("delivered", ""))));
    struct notice n = page();
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "the SMS provider took it as SM00000000000000000000000000000001 (1 message): delivered");
    assert_int_equal(r->got.n, 3);
    assert_true(begins(r->got.p[0].text, "POST /2010-04-01/Accounts/AC42/Messages.json HTTP/1.1\r\n"));
    assert_string_equal(handed_header(h, &r->got.p[0], "Authorization"), "Basic QUM0Mjp0MGtlbg==");
    assert_string_equal(handed_header(h, &r->got.p[0], "Content-Type"), "application/x-www-form-urlencoded");
    assert_string_equal(field(0, "To"), NUMBER);
    assert_string_equal(field(0, "From"), "+33644600000");
    assert_string_equal(field(0, "Body"), PAGE_GSM);
    assert_string_equal(field(0, "ValidityPeriod"), "3600");
    assert_null(field(0, "MessagingServiceSid"));
    assert_true(begins(r->got.p[1].text, "GET /2010-04-01/Accounts/AC42/Messages/SM00000000000000000000000000000001.json HTTP/1.1\r\n"));
    assert_in_range(r->got.p[1].at_boot_ms - r->got.p[0].at_boot_ms, 950, 3000);
}

static void a_long_text_is_cut_to_one_message_or_as_many_as_allowed(void **state)
{
    (void)state;
    h = handed_open("sms");
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("delivered", ""))));
    char *large = arena_alloc(h->a, 100001);
    memset(large, 'x', 100000);
    struct notice n = page();
    n.brief = large;
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(gsm_septets(field(0, "Body")), 160);
    handed_set_int(h, "segments", 3);
    handed_set_text(h, "from", "MG0123456789abcdef0123456789abcdef");
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(gsm_septets(field(1, "Body")), 459);
    assert_non_null(strstr(h->text, "(3 messages)"));
    assert_string_equal(field(1, "MessagingServiceSid"), "MG0123456789abcdef0123456789abcdef");
    assert_null(field(1, "From"));
    n.brief = NULL; /* then the subject */
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(field(2, "Body"), "[P1][INC-7] Base indisponible é");
    n.brief = "🚨";
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
}

static void what_did_not_arrive_is_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        enum delivery delivery;
    } ends[] = {
        {MESSAGE("undelivered", ",\"error_code\":30008,\"error_message\":\"Unknown error\""), DELIVERY_RETRY},
        {MESSAGE("undelivered", ",\"error_code\":30003"), DELIVERY_RETRY},
        {MESSAGE("failed", ",\"error_code\":30001"), DELIVERY_RETRY},
        {MESSAGE("undelivered", ",\"error_code\":30005"), DELIVERY_REFUSED},
        {MESSAGE("undelivered", ",\"error_code\":30007"), DELIVERY_REFUSED},
        {MESSAGE("failed", ",\"error_code\":null"), DELIVERY_RETRY},
    };
    h = handed_open("sms");
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", "")), handed_answer(h, 200, NULL, ends[i].message)));
        struct notice n = page();
        assert_int_equal(hand_over(h, &n), ends[i].delivery);
        assert_non_null(strstr(h->text, "but it is "));
    }
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", "")), handed_answer(h, 200, NULL, ends[0].message)));
    struct notice n = page();
    hand_over(h, &n);
    assert_string_equal(h->text, "the SMS provider took it as SM00000000000000000000000000000001, but it is undelivered: error 30008 Unknown error");
}

/* Taken is taken: what comes after it can only say that nothing more is known. */
static void a_status_that_cannot_be_asked_rings_nobody_twice(void **state)
{
    (void)state;
    h = handed_open("sms");
    struct notice n = page();
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", "")), handed_answer(h, 500, NULL, "")));
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_non_null(strstr(h->text, "queued, its status could not be asked"));
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", "")), ANSWER_RESET));
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", "")), handed_answer(h, 200, NULL, MESSAGE("sending", ""))));
    handed_set_ms(h, "confirm", 1500);
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_non_null(strstr(h->text, "sending, not confirmed yet"));
    sms(SCRIPT(handed_answer(h, 201, NULL, MESSAGE("queued", ""))));
    handed_set_ms(h, "confirm", 0);
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(r->got.n, 1);
}

static const char *list(const char *body, const char *date, const char *status)
{
    return handed_answer(h, 200, NULL, arena_printf(h->a, "{\"messages\":[{\"sid\":\"SM1\",\"to\":\"%s\",\"body\":\"%s\",\"date_created\":\"%s\",\"status\":\"%s\"}]}",
                                                    NUMBER, body, date, status));
}

/* After a kill between sending and writing down, or no answer: looks before it rings again. */
static void what_got_through_unseen_is_not_sent_again(void **state)
{
    (void)state;
    h = handed_open("sms");
    struct notice n = page();
    n.unsure = true;
    const char *sent = handed_answer(h, 201, NULL, MESSAGE("delivered", ""));
    sms(SCRIPT(list(PAGE_GSM, "Sat, 25 Oct 2025 15:34:03 +0000", "delivered"), sent));
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(r->got.n, 1);
    assert_true(begins(r->got.p[0].text, "GET /2010-04-01/Accounts/AC42/Messages.json?To=%2B33612345678&PageSize=50 HTTP/1.1\r\n"));
    assert_non_null(strstr(h->text, "SM1"));
    const char *const others[] = {list(PAGE_GSM, "Sat, 25 Oct 2025 14:34:03 +0000", "delivered"),  /* an earlier one with the same words */
                                  list(PAGE_GSM, "Sat, 25 Oct 2025 15:34:03 +0000", "undelivered"), /* it did not get through */
                                  list("other words", "Sat, 25 Oct 2025 15:34:03 +0000", "delivered"),
                                  list(PAGE_GSM, "yesterday", "delivered"),
                                  handed_answer(h, 200, NULL, "{\"messages\":[]}"),
                                  handed_answer(h, 404, NULL, "no such list"),
                                  handed_answer(h, 200, NULL, "not json")};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        sms(SCRIPT(others[i], sent));
        assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
        assert_int_equal(r->got.n, 2);
        assert_true(begins(r->got.p[1].text, "POST "));
    }
}

static void what_the_provider_says_is_believed(void **state)
{
    (void)state;
    h = handed_open("sms");
    struct notice n = page();
    sms(SCRIPT(handed_answer(h, 400, NULL, "{\"code\":21211,\"message\":\"The 'To' number is not a valid phone number.\",\"status\":400}"),
               handed_answer(h, 401, NULL, "{\"code\":20003,\"message\":\"Authenticate\"}"),
               handed_answer(h, 429, "Retry-After: 3\r\n", "{\"code\":20429,\"message\":\"Too Many Requests\"}"), handed_answer(h, 201, NULL, "{}"),
               handed_answer(h, 201, NULL, "{\"sid\":\"../../x\",\"status\":\"queued\"}"), handed_answer(h, 200, NULL, "<html>")));
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_string_equal(h->text, "the SMS provider answered 400: 21211 The 'To' number is not a valid phone number.");
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    assert_int_equal(h->retry_after_ms, 3000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(hand_over(h, &n), DELIVERY_RETRY); /* that was not the provider */
    n.address = NULL;
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    n.address = "+33 6 XX XX XX XX";
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_int_equal(r->got.n, 6);
}

static void numbers_and_senders_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = {"+33612345678", "+4915112345678", "+1234567"};
    static const char *const bad[] = {"", "0612345678", "+33 6 12 34 56 78", "+33 6 XX XX XX XX", "+0612345678", "+123456", "+1234567890123456", "+3361234567a"};
    const struct channel_ops *ops = channel_driver("sms");
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(ops->address_valid(good[i], NULL));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(ops->address_valid(bad[i], NULL));
    assert_false(ops->address_valid(NULL, NULL));
    h = handed_open("sms");
    sms(SCRIPT(ANSWER_OK));
    static const char *const senders[] = {"+33612345678", "AKIG", "MG0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        handed_set_text(h, "from", senders[i]);
        assert_true(ops->valid(&h->conf, NULL));
    }
    static const char *const no_senders[] = {"", "+33x", "AKIG Platform", "MG0123456789abcdef0123456789abcde", "a&To=x"};
    for (size_t i = 0; i < COUNT_OF(no_senders); i++) {
        handed_set_text(h, "from", no_senders[i]);
        assert_false(ops->valid(&h->conf, NULL));
    }
}

/* ---- statuspage ---- */

static void statuspage(const char *const *script)
{
    open_channel("statuspage", script);
    handed_set_text(h, "page", "p1");
    handed_set_secret(h, "key", "k3y");
    handed_set_text(h, "url", url("/v1"));
    handed_set_words(h, "components", "c1 c2");
}

static struct notice public_message(const char *phase, const char *key)
{
    struct notice n = handed_notice();
    n.contact = n.address = "";
    n.phase = phase;
    n.stage = "";
    n.key = key;
    n.subject = "AKIG is unavailable";
    n.by_language = "{\"en\":{\"headline\":\"AKIG is unavailable\",\"body\":\"We are looking into it.\"},"
                    "\"fr\":{\"headline\":\"AKIG est indisponible\",\"body\":\"Nous cherchons.\"},\"by\":\"machine\"}";
    return n;
}

#define CREATED "{\"id\":\"i9\",\"name\":\"x\"}"
#define ELSEWHERE "{\"id\":\"i1\",\"metadata\":{}},{\"id\":\"i2\",\"metadata\":{\"bascule\":{\"thread\":\"akig/6/1\",\"last\":\"6/public/1/way\"}}}"
#define OURS(last) "[" ELSEWHERE ",{\"id\":\"i9\",\"metadata\":{\"bascule\":{\"thread\":\"akig/7/1761406442000\",\"last\":\"" last "\"}}}]"

static void the_first_message_makes_an_incident_there(void **state)
{
    (void)state;
    h = handed_open("statuspage");
    statuspage(SCRIPT(handed_answer(h, 200, NULL, "[" ELSEWHERE "]"), handed_answer(h, 201, NULL, CREATED)));
    struct notice n = public_message("investigating", "7/public/1/way");
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "Statuspage answered 201: incident i9 created");
    assert_true(begins(r->got.p[0].text, "GET /v1/pages/p1/incidents.json?limit=50 HTTP/1.1\r\n"));
    assert_string_equal(handed_header(h, &r->got.p[0], "Authorization"), "OAuth k3y");
    assert_true(begins(r->got.p[1].text, "POST /v1/pages/p1/incidents.json HTTP/1.1\r\n"));
    static const char *const members[][2] = {
        {"name", "AKIG is unavailable"}, {"status", "investigating"}, {"impact_override", "critical"}, {"body", "We are looking into it."},
        {"component_ids.1", "c2"}, {"components.c1", "major_outage"}, {"deliver_notifications", "true"}, {"metadata.bascule.thread", "akig/7/1761406442000"},
        {"metadata.bascule.last", "7/public/1/way"}};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_string_equal(member(1, arena_printf(h->a, "incident.%s", members[i][0])), members[i][1]);
    assert_true(r->got.p[1].at_boot_ms - r->got.p[0].at_boot_ms >= 1000); /* one request a second */
    assert_true(h->took_ms >= 2000);                                        /* and one before the next message begins */
}

static void later_messages_update_it_once_each(void **state)
{
    (void)state;
    h = handed_open("statuspage");
    handed_set_int(h, "language", 2); /* both */
    statuspage(SCRIPT(handed_answer(h, 200, NULL, OURS("7/public/1/way")), handed_answer(h, 200, NULL, CREATED)));
    struct notice n = public_message("resolved", "7/public/2/way");
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "Statuspage answered 200: incident i9 updated");
    assert_true(begins(r->got.p[1].text, "PATCH /v1/pages/p1/incidents/i9.json HTTP/1.1\r\n"));
    assert_string_equal(member(1, "incident.status"), "resolved");
    assert_string_equal(member(1, "incident.body"), "We are looking into it.\n\nNous cherchons.");
    assert_string_equal(member(1, "incident.components.c1"), "operational");
    assert_string_equal(member(1, "incident.metadata.bascule.last"), "7/public/2/way");
    assert_null(json_path(json_of(1), "incident.name"));
    /* Killed after posting, before writing down. */
    statuspage(SCRIPT(handed_answer(h, 200, NULL, OURS("7/public/2/way")), handed_answer(h, 200, NULL, CREATED)));
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_int_equal(r->got.n, 1);
    assert_non_null(strstr(h->text, "has it already"));
}

static void what_statuspage_says_is_believed(void **state)
{
    (void)state;
    h = handed_open("statuspage");
    struct notice n = public_message("investigating", "7/public/1/way");
    const char *none = handed_answer(h, 200, NULL, "[]");
    static const struct {
        int status;
        const char *headers, *body;
        enum delivery delivery;
        int64_t wait;
    } ends[] = {
        {420, NULL, "{\"error\":\"Enhance your calm\"}", DELIVERY_RETRY, 10000},
        {429, "Retry-After: 4\r\n", "", DELIVERY_RETRY, 4000},
        {401, NULL, "{\"error\":\"Could not authenticate\"}", DELIVERY_REFUSED, -1},
        {404, NULL, "{\"error\":\"Not found\"}", DELIVERY_REFUSED, -1},
        {422, NULL, "{\"error\":[\"Name can't be blank\"]}", DELIVERY_REFUSED, -1},
        {503, NULL, "", DELIVERY_RETRY, -1},
        {201, NULL, "<html>", DELIVERY_RETRY, -1},
    };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const char *answer = handed_answer(h, ends[i].status, ends[i].headers, ends[i].body);
        statuspage(SCRIPT(answer)); /* to the first question */
        assert_int_equal(hand_over(h, &n), ends[i].delivery);
        assert_int_equal(h->retry_after_ms, ends[i].wait);
        if (i % 3)
            continue; /* each takes a second */
        statuspage(SCRIPT(none, answer)); /* to the message */
        assert_int_equal(hand_over(h, &n), ends[i].delivery);
        assert_int_equal(h->retry_after_ms, ends[i].wait);
    }
    statuspage(SCRIPT(handed_answer(h, 422, NULL, ends[4].body)));
    hand_over(h, &n);
    assert_string_equal(h->text, "Statuspage answered 422: Name can't be blank");
}

static void a_test_publishes_nothing(void **state)
{
    (void)state;
    h = handed_open("statuspage");
    struct notice n = handed_notice();
    n.test = true;
    const char *page_answer = handed_answer(h, 200, NULL, "{\"id\":\"p1\",\"name\":\"AKIG Status\"}");
    statuspage(SCRIPT(page_answer, handed_answer(h, 200, NULL, "[{\"id\":\"c1\"},{\"id\":\"c2\"}]")));
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "Statuspage let us in to the page \"AKIG Status\"; nothing was published; its components are there");
    assert_true(begins(r->got.p[0].text, "GET /v1/pages/p1.json "));
    assert_true(begins(r->got.p[1].text, "GET /v1/pages/p1/components.json"));
    statuspage(SCRIPT(page_answer, handed_answer(h, 200, NULL, "[{\"id\":\"c1\"}]")));
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_string_equal(h->text, "the page has no component \"c2\"");
    assert_int_equal(r->got.n, 2);
    n.test = false; /* a message to a person has no business there */
    assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
    assert_int_equal(r->got.n, 2);
}

static void a_page_is_for_the_services_it_names(void **state)
{
    (void)state;
    h = handed_open("statuspage");
    statuspage(SCRIPT(ANSWER_OK));
    const struct channel_ops *ops = channel_driver("statuspage");
    assert_true(ops->valid(&h->conf, NULL));
    assert_true(ops->wants_public(&h->conf, "akig"));
    handed_set_text(h, "service", "other");
    assert_false(ops->wants_public(&h->conf, "akig"));
    assert_true(ops->wants_public(&h->conf, "other"));
    handed_set_words(h, "components", "c1 ../x");
    assert_false(ops->valid(&h->conf, NULL));
}

/* ---- command ---- */

static const char *script(const char *text)
{
    char *path = file_join(h->a, h->folder, "tell-it");
    char *whole = arena_printf(h->a, "#!/bin/sh\n%s\n", text);
    assert_true(file_write(path, whole, strlen(whole), 0700, NULL));
    handed_set_words(h, "command", arena_printf(h->a, "%s one 'two three'", path));
    return path;
}

static void a_command_gets_the_notice_and_its_arguments(void **state)
{
    (void)state;
    h = handed_open("command");
    char *out = file_join(h->a, h->folder, "got");
    script(arena_printf(h->a, "printf '%%s\\n' \"$#\" \"$2\" > %s; cat >> %s; echo taken; echo more", out, out));
    struct notice n = handed_notice();
    n.html = "<p>x</p>";
    n.address = "#ops";
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    assert_string_equal(h->text, "the command took it: taken");
    struct str got;
    assert_true(file_read(h->a, out, 10000, &got, NULL));
    assert_true(begins(got.p, "2\ntwo three\n{"));
    const struct json *json;
    assert_true(json_parse(h->a, str_trim(str_of(got.p + 12)), &json, NULL));
    static const char *const members[][2] = {{"type", "alert"}, {"address", "#ops"}, {"subject", "[P1][INC-7] Base indisponible é"}, {"html", "<p>x</p>"}};
    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_string_equal(json_string(json_get(json, members[i][0])), members[i][1]);
}

static void exit_statuses_say_what_became_of_it(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum delivery delivery;
    } ends[] = {{0, DELIVERY_SENT},     {1, DELIVERY_RETRY},    {2, DELIVERY_RETRY},    {64, DELIVERY_RETRY},   {65, DELIVERY_REFUSED}, {67, DELIVERY_REFUSED},
                {68, DELIVERY_REFUSED}, {69, DELIVERY_RETRY},   {75, DELIVERY_RETRY},   {76, DELIVERY_REFUSED}, {77, DELIVERY_REFUSED}, {78, DELIVERY_REFUSED},
                {127, DELIVERY_RETRY}};
    h = handed_open("command");
    struct notice n = handed_notice();
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        script(arena_printf(h->a, "cat >/dev/null; echo out; echo 'why \x1b[2J not' >&2; exit %d", ends[i].status));
        assert_int_equal(hand_over(h, &n), ends[i].delivery);
    }
    assert_string_equal(h->text, "the command ended: exit code 127: why  [2J not");
}

static void a_command_that_hangs_or_is_not_there_is_tried_again(void **state)
{
    (void)state;
    h = handed_open("command");
    struct notice n = handed_notice();
    handed_set_ms(h, "timeout", 1000);
    script("exec sleep 100");
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    assert_in_range(h->took_ms, 900, 4000);
    script("kill -9 $$");
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    handed_set_words(h, "command", "/nowhere/tell-it");
    assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    assert_non_null(strstr(h->text, "/nowhere/tell-it"));
    script("exec sleep 100");
    assert_true(hand_start(h, &n));
    channel_driver("command")->cancel(&h->handle); /* and no word of it afterwards */
    while (loop_once(h->loop, false))
        ;
    assert_int_equal(h->calls, 0);
}

static void a_command_that_does_not_read_is_no_harm(void **state)
{
    (void)state;
    h = handed_open("command");
    char *large = arena_alloc(h->a, 1000001);
    memset(large, 'x', 1000000);
    struct notice n = handed_notice();
    n.body = large;
    script("exit 0");
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
    script("cat | wc -c");
    assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_incident_is_one_alert_from_its_trigger_to_its_end),
        TEST(severities_are_translated),
        TEST(long_texts_keep_to_pagerdutys_limits),
        TEST(what_pagerduty_says_is_believed),
        TEST(a_test_is_an_alert_of_its_own),
        TEST(the_status_page_is_linked),
        TEST(a_webhook_is_signed_and_says_what_it_is_about),
        TEST(a_webhook_that_comes_again_is_known_by_its_id),
        TEST(a_secret_that_is_none_is_said_without_being_shown),
        TEST(large_bodies_are_cut_for_a_webhook),
        TEST(a_short_message_is_followed_until_it_arrived),
        TEST(a_long_text_is_cut_to_one_message_or_as_many_as_allowed),
        TEST(what_did_not_arrive_is_not_sent),
        TEST(a_status_that_cannot_be_asked_rings_nobody_twice),
        TEST(what_got_through_unseen_is_not_sent_again),
        TEST(what_the_provider_says_is_believed),
        TEST(numbers_and_senders_are_checked),
        TEST(the_first_message_makes_an_incident_there),
        TEST(later_messages_update_it_once_each),
        TEST(what_statuspage_says_is_believed),
        TEST(a_test_publishes_nothing),
        TEST(a_page_is_for_the_services_it_names),
        TEST(a_command_gets_the_notice_and_its_arguments),
        TEST(exit_statuses_say_what_became_of_it),
        TEST(a_command_that_hangs_or_is_not_there_is_tried_again),
        TEST(a_command_that_does_not_read_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
