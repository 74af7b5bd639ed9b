/* test/contract/channels_test.c -- The same questions to every row of channel_drivers[]: is SENT said only when the receiver took the notice;
   is each answer given the right class; does the same notice carry the same identity however often it is sent; is no secret told; does a
   hostile notice stay a notice; is nothing said after cancel? A new row needs an entry in `grounds`, or this test fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "io/json.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/handed.h"

enum { TIMEOUT_MS = 1000 };
#define SECRET "s3cr3tV4lue"

static struct handed *h;
static struct receiver *r;

static int tear_down(void **state)
{
    (void)state;
    receiver_close(&r);
    handed_close(&h);
    return 0;
}

/* ---- what stands behind the channels ---- */

static const char *url(const char *path)
{
    return arena_printf(h->a, "http://127.0.0.1:%d%s", r->port, path);
}

static void set_url_secret(void)
{
    handed_set_secret(h, "url", url("/in/" SECRET));
}

static void set_sms(void)
{
    handed_set_text(h, "account", "AC42");
    handed_set_secret(h, "token", SECRET);
    handed_set_text(h, "from", "AKIG");
    handed_set_text(h, "server", url(""));
    handed_set_ms(h, "confirm", 0);
}

static void set_pagerduty(void)
{
    handed_set_secret(h, "key", SECRET);
    handed_set_text(h, "url", url("/v2/enqueue"));
}

static void set_statuspage(void)
{
    handed_set_text(h, "page", "p1");
    handed_set_secret(h, "key", SECRET);
    handed_set_text(h, "url", url("/v1"));
}

static void set_smtp(void)
{
    handed_set_text(h, "server", arena_printf(h->a, "smtp://127.0.0.1:%d", r->port));
    handed_set_text(h, "from", "bascule@akig.com");
}

static void set_log(void)
{
    handed_set_text(h, "file", file_join(h->a, h->folder, "notices.log"));
}

static void set_command(void)
{
    char *path = file_join(h->a, h->folder, "tell-it"), *all = file_join(h->a, h->folder, "all");
    char *text = arena_printf(h->a, "#!/bin/sh\ncat >> %s\n", all);
    assert_true(file_write(path, text, strlen(text), 0700, NULL));
    handed_set_words(h, "command", path);
}

struct ground {
    const char *name;
    void (*set)(void);
    const char *address;    /* that the driver takes */
    const char *well;       /* body of an answer that says yes; NULL: it does not speak HTTP */
    int status;             /* of that answer */
    bool own_messages;      /* the answer of a first question stands before the message */
    const char *identity;   /* text in the request that is the same for every attempt and only for this notice; "" none: the body is all */
};

static const struct ground grounds[] = {
    {.name = "log", .set = set_log},
    {.name = "smtp", .set = set_smtp, .address = "ops@akig.com"},
    {.name = "slack", .set = set_url_secret, .well = "ok", .status = 200, .identity = "Idempotency-Key"},
    {.name = "sms", .set = set_sms, .address = "+33612345678", .well = "{\"sid\":\"SM1\",\"status\":\"queued\"}", .status = 201},
    {.name = "pagerduty", .set = set_pagerduty, .well = "{\"status\":\"success\"}", .status = 202},
    {.name = "webhook", .set = set_url_secret, .well = "", .status = 204, .identity = "webhook-id"},
    {.name = "command", .set = set_command},
    {.name = "statuspage", .set = set_statuspage, .well = "{\"id\":\"i1\"}", .status = 201, .own_messages = true},
};

static const struct ground *ground_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(grounds); i++)
        if (same(grounds[i].name, name))
            return &grounds[i];
    fail_msg("channel \"%s\" has no ground to be tested on", name);
    return NULL;
}

static bool speaks_http(const struct ground *g)
{
    return g->well != NULL;
}

/* A fresh channel whose receiver answers by the script; SMTP or HTTP, as it speaks. */
static void open_on(const struct ground *g, const char *const *script)
{
    tear_down(NULL);
    h = handed_open(g->name);
    r = receiver_open(h->loop, speaks_http(g) ? RECEIVER_HTTP : RECEIVER_SMTP, script);
    g->set();
    for (const struct option *o = channel_driver(g->name)->options; o->key; o++)
        if (same(o->key, "timeout"))
            handed_set_ms(h, "timeout", TIMEOUT_MS);
}

static struct notice notice_for(const struct ground *g)
{
    struct notice n = handed_notice();
    n.address = g->address;
    n.phase = g->own_messages ? "investigating" : NULL;
    return n;
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
static char scripted[8][512];

static const char *http(size_t slot, int status, const char *headers, const char *body)
{
    snprintf(scripted[slot], sizeof(scripted[slot]), "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    return scripted[slot];
}

static const char *const *yes(const struct ground *g)
{
    static const char *script[3];
    script[0] = !speaks_http(g) ? "250 ok" : g->own_messages ? http(0, 200, "", "[]") : http(0, g->status, "", g->well);
    script[1] = g->own_messages ? http(1, g->status, "", g->well) : NULL;
    return script;
}

/* ---- the questions ---- */

static void every_channel_has_a_ground(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct channel_ops *const *d = channel_drivers; *d; d++, count++) {
        const struct ground *g = ground_of((*d)->name);
        open_on(g, yes(g));
        struct err err = {0};
        if (!(*d)->valid(&h->conf, &err))
            fail_msg("%s: %s", g->name, err.message);
        if (!(*d)->wants_public)
            assert_true((*d)->address_valid(g->address, &err));
    }
    assert_int_equal(count, COUNT_OF(grounds));
}

static void a_notice_that_was_taken_is_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        open_on(g, yes(g));
        struct notice n = notice_for(g);
        if (hand_over(h, &n) != DELIVERY_SENT)
            fail_msg("%s: %s", g->name, h->text);
        assert_true(h->text && *h->text);
        assert_null(h->handle);
    }
}

static void every_answer_has_its_class(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *headers;
        enum delivery delivery;
        int64_t wait;
    } answers[] = {
        {301, "Location: http://127.0.0.1:1/\r\n", DELIVERY_RETRY, -1}, {400, "", DELIVERY_REFUSED, -1}, {401, "", DELIVERY_REFUSED, -1},
        {403, "", DELIVERY_REFUSED, -1}, {404, "", DELIVERY_REFUSED, -1}, {410, "", DELIVERY_REFUSED, -1}, {413, "", DELIVERY_REFUSED, -1},
        {408, "", DELIVERY_RETRY, -1}, {429, "Retry-After: 3\r\n", DELIVERY_RETRY, 3000}, {500, "", DELIVERY_RETRY, -1},
        {502, "", DELIVERY_RETRY, -1}, {503, "Retry-After: 9\r\n", DELIVERY_RETRY, 9000}, {504, "", DELIVERY_RETRY, -1},
    };
    for (size_t i = 0; i < COUNT_OF(grounds); i++)
        for (size_t k = 0; speaks_http(&grounds[i]) && k < COUNT_OF(answers); k++) {
            open_on(&grounds[i], SCRIPT(http(0, answers[k].status, answers[k].headers, "said so")));
            struct notice n = notice_for(&grounds[i]);
            enum delivery delivery = hand_over(h, &n);
            if (delivery != answers[k].delivery || h->retry_after_ms != answers[k].wait || !strstr(h->text, arena_printf(h->a, "%d", answers[k].status)))
                fail_msg("%s, answer %d: %d, wait %lld, %s", grounds[i].name, answers[k].status, delivery, (long long)h->retry_after_ms, h->text);
            assert_int_equal(r->got.n, 1); /* no redirect is followed, nothing sent again on its own */
        }
}

static void mail_servers_answers_have_theirs(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum delivery delivery;
    } answers[] = {{"250 2.0.0 queued", DELIVERY_SENT},       {"451 4.3.0 later", DELIVERY_RETRY},   {"550 5.1.1 nobody here", DELIVERY_REFUSED},
                   {"554 5.7.1 spam", DELIVERY_REFUSED},        {"421 4.3.2 closing", DELIVERY_RETRY}, {"RCPT 550 5.1.1 unknown", DELIVERY_REFUSED},
                   {"RCPT 450 4.2.1 greylisted", DELIVERY_RETRY}, {ANSWER_RESET, DELIVERY_RETRY}};
    const struct ground *g = ground_of("smtp");
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        open_on(g, SCRIPT(answers[i].answer));
        struct notice n = notice_for(g);
        if (hand_over(h, &n) != answers[i].delivery)
            fail_msg("%s: %d, %s", answers[i].answer, h->delivery, h->text);
    }
}

static void no_answer_is_no_yes(void **state)
{
    (void)state;
    static const char *const silences[] = {ANSWER_RESET, ANSWER_NOTHING, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf of i", "nonsense\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(grounds); i++)
        for (size_t k = 0; speaks_http(&grounds[i]) && k < COUNT_OF(silences); k++) {
            open_on(&grounds[i], SCRIPT(silences[k]));
            struct notice n = notice_for(&grounds[i]);
            if (hand_over(h, &n) != DELIVERY_RETRY)
                fail_msg("%s: %s", grounds[i].name, h->text);
            assert_true(h->took_ms < 3 * TIMEOUT_MS);
        }
}

/* A port where nobody listens; a name that is none. */
static void a_receiver_that_is_not_there_is_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        if (!speaks_http(g) && !same(g->name, "smtp"))
            continue;
        open_on(g, yes(g));
        receiver_close(&r);
        struct notice n = notice_for(g);
        assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
    }
}

static void no_secret_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        if (!speaks_http(g))
            continue;
        static const char *const echoes[] = {"no such thing: /in/" SECRET, "{\"message\":\"bad key " SECRET "\",\"error\":\"" SECRET "\",\"status\":\"x\"}"};
        for (size_t k = 0; k < COUNT_OF(echoes); k++) {
            open_on(g, SCRIPT(http(0, 404, "", echoes[k])));
            struct notice n = notice_for(g);
            assert_int_equal(hand_over(h, &n), DELIVERY_REFUSED);
            if (strstr(h->text, SECRET))
                fail_msg("%s: %s", g->name, h->text);
        }
        open_on(g, SCRIPT(ANSWER_RESET));
        struct notice n = notice_for(g);
        hand_over(h, &n);
        assert_null(strstr(h->text, SECRET));
    }
}

static void a_secret_that_cannot_be_read_is_waited_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        if (!speaks_http(g))
            continue;
        open_on(g, yes(g));
        static const char *const files[] = {"url", "key", "token"};
        for (size_t k = 0; k < COUNT_OF(files); k++)
            unlink(file_join(h->a, h->folder, files[k]));
        struct notice n = notice_for(g);
        assert_int_equal(hand_over(h, &n), DELIVERY_RETRY);
        assert_int_equal(r->got.n, 0);
    }
}

static void the_same_notice_has_the_same_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        if (!g->identity)
            continue;
        open_on(g, yes(g));
        struct notice n = notice_for(g);
        assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
        n.attempts = 2;
        n.unsure = true;
        assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
        n.key = "7/on-call/ops/way";
        assert_int_equal(hand_over(h, &n), DELIVERY_SENT);
        const char *first = handed_header(h, &r->got.p[0], g->identity);
        assert_non_null(first);
        assert_string_equal(handed_header(h, &r->got.p[1], g->identity), first);
        assert_string_not_equal(handed_header(h, &r->got.p[2], g->identity), first);
    }
}

/* Breaks, directions turned round, other scripts, bytes that are no text, a megabyte: it is refused, or it arrives as a notice and
   nothing else. */
static void a_hostile_notice_stays_a_notice(void **state)
{
    (void)state;
    char *megabyte = malloc(1024 * 1024 + 1);
    assert_non_null(megabyte);
    memset(megabyte, 'x', 1024 * 1024);
    megabyte[1024 * 1024] = 0;
    const char *const hostile[] = {
        "a\r\nX-Injected: 1\r\n\r\nbody",
        "\"},{\"event_action\":\"resolve\",\"x\":\"",
        "&To=%2B33699999999&Body=x",
        "\xE2\x80\xAE" "gnp.exe \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \x01\x02\x1b[2J\x7f",
        "\xFF\xFE\xC0\xAF\xED\xA0\x80",
        "<!channel> <script>alert(1)</script> & *bold*",
        "",
        megabyte,
    };
    for (size_t i = 0; i < COUNT_OF(grounds); i++)
        for (size_t k = 0; k < COUNT_OF(hostile); k++) {
            const struct ground *g = &grounds[i];
            open_on(g, yes(g));
            struct notice n = notice_for(g);
            n.subject = n.body = n.brief = hostile[k];
            enum delivery delivery = hand_over(h, &n);
            if (delivery == DELIVERY_RETRY)
                fail_msg("%s, text %zu: %s", g->name, k, h->text);
            for (size_t m = 0; m < r->got.n; m++) {
                assert_null(strstr(r->got.p[m].text, "\r\nX-Injected"));
                if (speaks_http(g) && !same(g->name, "sms") && *handed_body(&r->got.p[m])) {
                    const struct json *json;
                    struct err err = {0};
                    if (!json_parse(h->a, str_of(handed_body(&r->got.p[m])), &json, &err))
                        fail_msg("%s, text %zu: %s", g->name, k, err.message);
                    assert_false(same(json_string(json_get(json, "event_action")), "resolve"));
                }
                if (same(g->name, "sms") && *handed_body(&r->got.p[m]))
                    assert_int_equal(strncmp(handed_body(&r->got.p[m]), "To=%2B33612345678&From=AKIG&Body=", 33), 0);
            }
        }
    free(megabyte);
}

static void what_is_cancelled_says_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(grounds); i++) {
        const struct ground *g = &grounds[i];
        const struct channel_ops *ops = channel_driver(g->name);
        open_on(g, SCRIPT(ANSWER_NOTHING));
        struct notice n = notice_for(g);
        assert_true(hand_start(h, &n));
        assert_non_null(h->handle);
        ops->cancel(&h->handle);
        assert_null(h->handle);
        ops->cancel(&h->handle);
        for (int64_t end = clock_boot_ms() + 50; clock_boot_ms() < end;)
            loop_once(h->loop, false);
        assert_int_equal(h->calls, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_channel_has_a_ground),
        TEST(a_notice_that_was_taken_is_sent),
        TEST(every_answer_has_its_class),
        TEST(mail_servers_answers_have_theirs),
        TEST(no_answer_is_no_yes),
        TEST(a_receiver_that_is_not_there_is_tried_again),
        TEST(no_secret_is_told),
        TEST(a_secret_that_cannot_be_read_is_waited_for),
        TEST(the_same_notice_has_the_same_identity),
        TEST(a_hostile_notice_stays_a_notice),
        TEST(what_is_cancelled_says_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
