/* Order, retries, giving up and identity, with real HTTP and SMTP over loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/dns.h"
#include "io/json.h"
#include "receiver.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tell/outbox.h"

/* A call of the outbox. */
struct said {
    const char *key, *text;
    bool delivered;
    int attempts;
    int64_t number; /* ms it took, or next try */
    int64_t at_boot_ms;
};

/* One world for each test: loop, HTTP client, a configuration that is filled as needed, an outbox, and what it said. */
static struct world {
    struct arena *a;
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct config config;
    struct outbox *box;
    char *folder;
    VEC(struct said) said;
    int64_t core_ahead_ms;
    struct receiver *http_receiver, *other, *smtp_receiver;
} w;

static int64_t core_now(void *arg)
{
    (void)arg;
    return clock_boot_ms() + w.core_ahead_ms;
}

static void said(const struct notice *notice, bool delivered, int64_t number, const char *text)
{
    struct said *s = vec_add(w.a, &w.said);
    *s = (struct said){.key = arena_strdup(w.a, notice->key), .text = arena_strdup(w.a, text), .delivered = delivered,
                       .attempts = notice->attempts, .number = number, .at_boot_ms = clock_boot_ms()};
}

static void on_delivered(void *arg, const struct notice *notice, int64_t took_ms, const char *text)
{
    (void)arg;
    said(notice, true, took_ms, text);
}

static void on_undelivered(void *arg, const struct notice *notice, int64_t next_try_ms, const char *text)
{
    (void)arg;
    said(notice, false, next_try_ms, text);
}

static int set_up(void **state)
{
    (void)state;
    w = (struct world){.a = arena_open(), .loop = loop_open()};
    w.dns = dns_open(w.loop, 1000);
    w.http = http_open(w.loop, w.dns);
    w.folder = arena_strdup(w.a, "/tmp/bascule-outbox-XXXXXX");
    return mkdtemp(w.folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    outbox_close(&w.box);
    outbox_close(&w.box);
    receiver_close(&w.http_receiver);
    receiver_close(&w.other);
    receiver_close(&w.smtp_receiver);
    http_close(&w.http);
    dns_close(&w.dns);
    loop_close(&w.loop);
    static const char *const files[] = {"slack", "other", "smtp", "log"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        unlink(file_join(w.a, w.folder, files[i]));
    int status = rmdir(w.folder);
    arena_close(&w.a);
    return status;
}

/* The options structs of the drivers are their own affair: filled through their tables, as config/ does. */
static void set_option(const struct channel_ops *ops, void *options, const char *key, const void *value, size_t size)
{
    for (const struct option *o = ops->options; o->key; o++)
        if (same(o->key, key)) {
            memcpy((char *)options + o->offset, value, size);
            return;
        }
    fail_msg("channel %s has no option %s", ops->name, key);
}

static struct channel_conf *add_channel(const char *name, const char *type)
{
    const struct channel_ops *ops = channel_driver(type);
    struct channel_conf *conf = vec_add(w.a, &w.config.channels);
    *conf = (struct channel_conf){.name = name, .type = type, .options = arena_alloc(w.a, ops->options_size)};
    return conf;
}

static const char *secret_file(const char *name, const char *value)
{
    char *path = file_join(w.a, w.folder, name);
    assert_true(file_write(path, value, strlen(value), 0600, NULL));
    return path;
}

static struct receiver *slack(const char *name, int64_t timeout_ms, const char *const *script)
{
    struct receiver *r = receiver_open(w.loop, RECEIVER_HTTP, script);
    struct channel_conf *conf = add_channel(name, "slack");
    struct secret url = {.source = SECRET_FILE, .ref = secret_file(name, arena_printf(w.a, "http://127.0.0.1:%d/services/s3cr3t\n", r->port))};
    set_option(channel_driver("slack"), conf->options, "url", &url, sizeof(url));
    set_option(channel_driver("slack"), conf->options, "timeout", &timeout_ms, sizeof(timeout_ms));
    return r;
}

static struct receiver *smtp(int64_t timeout_ms, bool login, const char *const *script)
{
    struct receiver *r = receiver_open(w.loop, RECEIVER_SMTP, script);
    const struct channel_ops *ops = channel_driver("smtp");
    struct channel_conf *conf = add_channel("smtp", "smtp");
    const char *server = arena_printf(w.a, "smtp://127.0.0.1:%d", r->port), *from = "bascule@akig.com", *user = "alerts";
    struct secret password = {.source = SECRET_FILE, .ref = secret_file("smtp", "hunter2\n")};
    set_option(ops, conf->options, "server", &server, sizeof(server));
    set_option(ops, conf->options, "from", &from, sizeof(from));
    set_option(ops, conf->options, "timeout", &timeout_ms, sizeof(timeout_ms));
    if (login) {
        set_option(ops, conf->options, "user", &user, sizeof(user));
        set_option(ops, conf->options, "password", &password, sizeof(password));
    }
    return r;
}

static void open_box(void)
{
    struct outbox_callbacks callbacks = {.delivered = on_delivered, .undelivered = on_undelivered, .core_now = core_now};
    w.box = outbox_open(w.loop, w.http, &w.config, &callbacks);
}

static struct notice notice(const char *key, const char *channel, const char *address)
{
    return (struct notice){.key = key, .incident = 7, .service = "akig", .stage = "alert", .contact = "ops", .channel = channel,
                           .address = address, .subject = "[P1][INC-7] Base indisponible é", .body = "line one\nline <two> & co\n",
                           .ordered_at_ms = core_now(NULL), .wall_ms = INT64_C(1761406442120)};
}

static void add(const char *key, const char *channel, const char *address)
{
    struct notice n = notice(key, channel, address);
    outbox_add(w.box, &n, 0);
}

static void too_late(void *arg)
{
    *(bool *)arg = true;
}

/* Until `count` answers came, or ten seconds. */
static void until_said(size_t count)
{
    bool late = false;
    struct loop_timer *limit = loop_timer_new(w.loop, too_late, &late);
    loop_timer_set(limit, clock_boot_ms() + 10000);
    while (w.said.n < count && !late)
        loop_once(w.loop, true);
    loop_timer_free(&limit);
    assert_int_equal(w.said.n, count);
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ANSWER_500 "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"

static void a_notice_is_delivered_once(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    add("7/alert/ops/slack", "slack", NULL);
    add("7/alert/ops/slack", "slack", NULL); /* is there already */
    assert_int_equal(outbox_pending(w.box), 1);
    assert_int_equal(w.said.n, 0); /* nothing happens inside outbox_add */
    until_said(1);
    assert_true(w.said.p[0].delivered);
    assert_int_equal(w.said.p[0].attempts, 1);
    assert_in_range(w.said.p[0].number, 0, 1500);
    assert_string_equal(w.said.p[0].text, "the webhook answered 200: ok");
    assert_int_equal(outbox_pending(w.box), 0);
    assert_int_equal(w.http_receiver->got.n, 1);
}

static void the_webhook_gets_what_slack_wants(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    add("7/alert/ops/slack", "slack", NULL);
    until_said(1);
    const char *request = w.http_receiver->got.p[0].text;
    assert_int_equal(strncmp(request, "POST /services/s3cr3t HTTP/1.1\r\n", 32), 0);
    assert_non_null(strstr(request, "Idempotency-Key: 7/alert/ops/slack\r\n"));
    assert_non_null(strstr(request, "Content-Type: application/json"));
    const struct json *body;
    struct err err = {0};
    assert_true(json_parse(w.a, str_of(strstr(request, "\r\n\r\n") + 4), &body, &err));
    assert_string_equal(json_string(json_path(body, "text")), "[P1][INC-7] Base indisponible é\nline one\nline &lt;two&gt; &amp; co\n");
    assert_string_equal(json_string(json_path(body, "blocks.0.type")), "header");
    assert_string_equal(json_string(json_path(body, "blocks.0.text.type")), "plain_text");
    assert_string_equal(json_string(json_path(body, "blocks.1.text.text")), "line one\nline &lt;two&gt; &amp; co\n");
    assert_string_equal(json_string(json_path(body, "metadata.event_type")), "bascule_notice");
    assert_string_equal(json_string(json_path(body, "metadata.event_payload.key")), "7/alert/ops/slack");
}

/* Characters, as Slack counts. */
static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* `lines` lines of 250 characters each, some of which need escaping. */
static const struct json *blocks_of_body(int lines)
{
    char *line = arena_alloc(w.a, 400), *body = arena_strdup(w.a, "");
    for (int i = 0; i < 120; i++)
        memcpy(line + i * 2, i % 10 ? "é" : " &", 2);
    for (int i = 0; i < lines; i++)
        body = arena_printf(w.a, "%s%03d %s\n", body, i, line);
    struct notice n = notice("k", "slack", NULL);
    n.subject = arena_printf(w.a, "%s%s", line, line);
    n.body = body;
    outbox_add(w.box, &n, 0);
    until_said(1);
    const struct json *sent;
    struct err err = {0};
    assert_true(json_parse(w.a, str_of(strstr(w.http_receiver->got.p[0].text, "\r\n\r\n") + 4), &sent, &err));
    assert_true(characters(json_string(json_path(sent, "text"))) <= 4000);
    return json_get(sent, "blocks");
}

/* What all blocks hold together, each within its own limit; the number of the body's lines in *ret_lines. */
static size_t look_at_blocks(const struct json *blocks, size_t *ret_lines)
{
    size_t all = characters(json_string(json_path(json_at(blocks, 0), "text.text")));
    assert_in_range(all, 140, 150);
    *ret_lines = 0;
    for (size_t i = 1; i < json_count(blocks); i++) {
        const char *text = json_string(json_path(json_at(blocks, i), "text.text"));
        assert_true(characters(text) <= 3000);
        all += characters(text);
        for (const char *p = text; *p; p++)
            *ret_lines += *p == '\n';
    }
    assert_true(json_count(blocks) <= 50);
    return all;
}

static void a_long_text_is_parted_between_lines(void **state)
{
    (void)state;
    size_t lines;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    const struct json *blocks = blocks_of_body(60);
    assert_true(json_count(blocks) > 3);
    assert_true(look_at_blocks(blocks, &lines) > 9000);
    assert_int_equal(lines, 60); /* and nothing was left out */
    for (size_t i = 1; i < json_count(blocks); i++) {
        const char *text = json_string(json_path(json_at(blocks, i), "text.text"));
        assert_int_equal(text[strlen(text) - 1], '\n');
    }
}

static void what_slack_would_refuse_is_cut_and_said(void **state)
{
    (void)state;
    size_t lines;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    const struct json *blocks = blocks_of_body(300);
    size_t all = look_at_blocks(blocks, &lines);
    assert_in_range(all, 10000, 12500);
    assert_true(lines > 30 && lines < 300);
    assert_string_equal(json_string(json_path(json_at(blocks, json_count(blocks) - 1), "text.text")), "[...] `bascule incident show 7`");
}

static void slack_may_say_in_the_body_how_long_to_wait(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT("HTTP/1.1 429 Slow\r\nContent-Length: 51\r\n\r\n"
                                                 "{\"retry_after\":2,\"ok\":false,\"error\":\"rate_limited\"}", ANSWER_OK));
    open_box();
    add("k", "slack", NULL);
    until_said(2);
    assert_true(w.said.p[1].delivered);
    struct received *got = w.http_receiver->got.p;
    assert_in_range(got[1].at_boot_ms - got[0].at_boot_ms, 2000, 3000);
}

static void a_failing_receiver_is_tried_again_with_the_same_identity(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_500, ANSWER_RESET, ANSWER_OK));
    open_box();
    add("7/alert/ops/slack", "slack", NULL);
    until_said(3);
    struct said *s = w.said.p;
    assert_false(s[0].delivered);
    assert_string_equal(s[0].text, "the webhook answered 500: oops");
    assert_in_range(s[0].number - core_now(NULL) + clock_boot_ms() - s[0].at_boot_ms, 700, 1300);
    assert_false(s[1].delivered);
    assert_true(s[2].delivered);
    assert_int_equal(s[2].attempts, 3);
    struct received *got = w.http_receiver->got.p;
    assert_int_equal(w.http_receiver->got.n, 3);
    assert_in_range(got[1].at_boot_ms - got[0].at_boot_ms, 750, 1600);
    assert_in_range(got[2].at_boot_ms - got[1].at_boot_ms, 1500, 3000); /* twice as long */
    for (int i = 1; i < 3; i++)
        assert_string_equal(strstr(got[0].text, "\r\nIdempotency-Key"), strstr(got[i].text, "\r\nIdempotency-Key"));
}

static void retry_after_is_honoured(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT("HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n", ANSWER_OK));
    open_box();
    add("k", "slack", NULL);
    until_said(2);
    assert_string_equal(w.said.p[0].text, "the webhook answered 429");
    assert_true(w.said.p[1].delivered);
    struct received *got = w.http_receiver->got.p;
    assert_in_range(got[1].at_boot_ms - got[0].at_boot_ms, 2000, 3000);
}

static void a_lane_keeps_its_order_and_one_at_a_time(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_500, ANSWER_OK));
    open_box();
    static const char *const keys[] = {"1", "2", "3", "4", "5"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        add(keys[i], "slack", NULL);
    assert_int_equal(outbox_pending(w.box), 5);
    until_said(6);
    assert_string_equal(w.said.p[0].key, "1");
    assert_false(w.said.p[0].delivered);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_string_equal(w.said.p[i + 1].key, keys[i]);
        assert_true(w.said.p[i + 1].delivered);
    }
}

static void a_broken_lane_delays_no_other(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 1000, SCRIPT(ANSWER_NOTHING));
    w.other = slack("other", 2000, SCRIPT(ANSWER_OK));
    open_box();
    add("stuck", "slack", NULL);
    for (int i = 0; i < 20; i++)
        add(arena_printf(w.a, "k%d", i), "other", NULL);
    until_said(20);
    for (size_t i = 0; i < 20; i++) {
        assert_true(w.said.p[i].delivered);
        assert_true(w.said.p[i].number < 900);
    }
    until_said(21); /* and the one that gets no answer ends by its own limit */
    assert_string_equal(w.said.p[20].key, "stuck");
    assert_false(w.said.p[20].delivered);
    assert_true(w.said.p[20].number > 0);
}

static void what_is_refused_is_not_tried_again_and_the_next_goes_on(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT("HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nno_service", ANSWER_OK));
    open_box();
    add("gone", "slack", NULL);
    add("next", "slack", NULL);
    until_said(2);
    assert_false(w.said.p[0].delivered);
    assert_int_equal(w.said.p[0].number, -1);
    assert_string_equal(w.said.p[0].text, "the webhook answered 404: no_service");
    assert_true(w.said.p[1].delivered);
    assert_int_equal(w.http_receiver->got.n, 2);
}

static void only_ok_is_ok(void **state)
{
    (void)state;
    /* A login page in between answers 200 to everything. */
    w.http_receiver = slack("slack", 2000, SCRIPT("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
                                                  "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", ANSWER_OK));
    open_box();
    add("k", "slack", NULL);
    until_said(3);
    assert_false(w.said.p[0].delivered);
    assert_false(w.said.p[1].delivered);
    assert_true(w.said.p[1].number > 0);
    assert_true(w.said.p[2].delivered);
}

static void the_secret_address_is_never_told(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT("HTTP/1.1 404 No\r\nContent-Length: 21\r\n\r\nno /services/s3cr3t !!", ANSWER_RESET));
    open_box();
    add("k", "slack", NULL);
    until_said(1);
    assert_null(strstr(w.said.p[0].text, "s3cr3t"));
    assert_non_null(strstr(w.said.p[0].text, "***"));
    int port = w.http_receiver->port;
    secret_file("slack", arena_printf(w.a, "http://127.0.0.1:%d/ser vices/s3cr3t", port)); /* malformed */
    add("k2", "slack", NULL);
    until_said(2);
    assert_null(strstr(w.said.p[1].text, "s3cr3t"));
    secret_file("slack", arena_printf(w.a, "http://127.0.0.1:%d/services/s3cr3t", port)); /* and put right again */
    until_said(3);
    assert_false(w.said.p[2].delivered);
    assert_null(strstr(w.said.p[2].text, "s3cr3t"));
}

static void a_missing_secret_is_waited_for(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    char *path = file_join(w.a, w.folder, "slack"), *aside = file_join(w.a, w.folder, "other");
    assert_int_equal(rename(path, aside), 0);
    open_box();
    add("k", "slack", NULL);
    until_said(1);
    assert_false(w.said.p[0].delivered);
    assert_non_null(strstr(w.said.p[0].text, "secret file"));
    assert_true(w.said.p[0].number > 0);
    assert_int_equal(rename(aside, path), 0);
    until_said(2);
    assert_true(w.said.p[1].delivered);
}

static void after_a_day_it_is_given_up_and_said(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_500, "HTTP/1.1 429 Slow\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n", ANSWER_500));
    open_box();
    struct notice old = notice("old", "slack", NULL);
    old.ordered_at_ms -= MS_DAY;
    old.attempts = 1439;
    outbox_add(w.box, &old, 0);
    until_said(1);
    assert_int_equal(w.said.p[0].number, -1);
    assert_int_equal(w.said.p[0].attempts, 1440);
    assert_string_equal(w.said.p[0].text, "given up after 1440 attempts in 24 hours: the webhook answered 500: oops");
    /* A long Retry-After does not take the last attempt away. */
    struct notice late = notice("late", "slack", NULL);
    late.ordered_at_ms -= MS_DAY - 900;
    outbox_add(w.box, &late, 0);
    until_said(2);
    assert_int_equal(w.said.p[1].number, late.ordered_at_ms + MS_DAY);
    until_said(3);
    assert_int_equal(w.said.p[2].number, -1);
    assert_int_equal(w.http_receiver->got.n, 3);
}

static void after_a_restart_it_waits_as_long_as_was_said(void **state)
{
    (void)state;
    w.core_ahead_ms = 5000000; /* core time is not the loop's */
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    struct notice n = notice("k", "slack", NULL);
    n.attempts = 3;
    int64_t began = clock_boot_ms();
    outbox_add(w.box, &n, core_now(NULL) + 600);
    until_said(1);
    assert_in_range(clock_boot_ms() - began, 600, 2000);
    assert_int_equal(w.said.p[0].attempts, 4);
}

static void a_core_clock_that_is_slower_than_the_loops_is_waited_for(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    struct notice n = notice("k", "slack", NULL);
    int64_t began = clock_boot_ms();
    outbox_add(w.box, &n, core_now(NULL) + 200);
    w.core_ahead_ms = -200;
    until_said(1);
    assert_in_range(clock_boot_ms() - began, 400, 2000);
}

static void a_channel_that_was_taken_away_is_said(void **state)
{
    (void)state;
    open_box();
    add("k", "pager", "x");
    until_said(1);
    assert_int_equal(w.said.p[0].number, -1);
    assert_string_equal(w.said.p[0].text, "channel \"pager\" is not configured");
}

static void a_mail_arrives_whole(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(3000, true, SCRIPT("250 queued as X1"));
    open_box();
    add("7/alert/ops/smtp", "smtp", "ops@akig.com");
    until_said(1);
    assert_true(w.said.p[0].delivered);
    assert_non_null(strstr(w.said.p[0].text, "250"));
    struct received *got = w.smtp_receiver->got.p;
    assert_non_null(strstr(got->envelope, "FROM:<bascule@akig.com>"));
    assert_non_null(strstr(got->envelope, "TO:<ops@akig.com>"));
    assert_non_null(strstr(got->envelope, "AUTH PLAIN AGFsZXJ0cwBodW50ZXIy ")); /* \0alerts\0hunter2 */
    assert_non_null(strstr(got->text, "\r\nTo: <ops@akig.com>\r\n"));
    assert_non_null(strstr(got->text, "\r\n\r\nline one\r\nline <two> & co\r\n"));
    assert_null(strstr(got->text, "hunter2"));
}

static void a_mail_that_is_put_off_comes_again_as_the_same(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(3000, false, SCRIPT("450 later", "250 ok"));
    open_box();
    add("7/alert/ops/smtp", "smtp", "ops@akig.com");
    until_said(2);
    assert_false(w.said.p[0].delivered);
    assert_true(w.said.p[0].number > 0);
    assert_non_null(strstr(w.said.p[0].text, "450"));
    assert_true(w.said.p[1].delivered);
    assert_int_equal(w.smtp_receiver->got.n, 2);
    assert_string_equal(w.smtp_receiver->got.p[0].text, w.smtp_receiver->got.p[1].text); /* Message-ID, Date and all */
}

static void a_mail_that_is_refused_is_given_up(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(3000, false, SCRIPT("RCPT 550 no such user", "554 spam", "250 ok"));
    open_box();
    add("1", "smtp", "ops@akig.com");
    add("2", "smtp", "ops@akig.com");
    add("3", "smtp", "ops@akig.com");
    until_said(3);
    assert_int_equal(w.said.p[0].number, -1);
    assert_non_null(strstr(w.said.p[0].text, "550"));
    assert_int_equal(w.said.p[1].number, -1);
    assert_true(w.said.p[2].delivered);
}

static void a_silent_mail_server_is_tried_again(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(1000, false, SCRIPT(ANSWER_NOTHING));
    open_box();
    add("1", "smtp", "ops@akig.com");
    until_said(1);
    assert_false(w.said.p[0].delivered);
    assert_true(w.said.p[0].number > 0);
}

static void addresses_of_one_channel_are_lanes_of_their_own(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(3000, false, SCRIPT("450 later", "250 ok"));
    open_box();
    add("a1", "smtp", "a@akig.com");
    until_said(1);
    add("b1", "smtp", "b@akig.com");
    until_said(2); /* while the first lane waits */
    assert_string_equal(w.said.p[1].key, "b1");
    assert_true(w.said.p[1].delivered);
    until_said(3);
    assert_string_equal(w.said.p[2].key, "a1");
}

static void headers_cannot_be_injected(void **state)
{
    (void)state;
    w.smtp_receiver = smtp(3000, false, SCRIPT("250 ok"));
    w.http_receiver = slack("slack", 2000, SCRIPT(ANSWER_OK));
    open_box();
    struct notice n = notice("1", "smtp", "ops@akig.com");
    n.subject = "x\r\nBcc: all@akig.com";
    outbox_add(w.box, &n, 0);
    n = notice("2", "smtp", "ops@akig.com\r\nRCPT TO:<all@akig.com>");
    outbox_add(w.box, &n, 0);
    n = notice("3\r\nX-Evil: 1", "smtp", "c@akig.com");
    outbox_add(w.box, &n, 0);
    n = notice("4\r\nX-Evil: 1", "slack", NULL);
    outbox_add(w.box, &n, 0);
    n = notice("5", "smtp", NULL);
    outbox_add(w.box, &n, 0);
    until_said(5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(w.said.p[i].number, -1);
    assert_int_equal(w.smtp_receiver->got.n, 0);
    assert_int_equal(w.http_receiver->got.n, 0);
}

static void closing_in_the_middle_is_silent(void **state)
{
    (void)state;
    w.http_receiver = slack("slack", 5000, SCRIPT(ANSWER_NOTHING));
    w.smtp_receiver = smtp(5000, false, SCRIPT(ANSWER_NOTHING));
    struct channel_conf *log = add_channel("log", "log");
    const char *path = file_join(w.a, w.folder, "log");
    set_option(channel_driver("log"), log->options, "file", &path, sizeof(path));
    open_box();
    add("1", "slack", NULL);
    add("2", "slack", NULL);
    add("3", "smtp", "ops@akig.com");
    int64_t end = clock_boot_ms() + 5000;
    while (!w.http_receiver->got.n && clock_boot_ms() < end)
        loop_once(w.loop, true);
    add("4", "log", NULL);
    while (!file_exists(path) && clock_boot_ms() < end)
        loop_once(w.loop, true);
    assert_int_equal(outbox_pending(w.box), 4);
    outbox_close(&w.box);
    assert_int_equal(w.said.n, 0);
}

static void back_off_doubles_to_a_minute_with_a_quarter_of_jitter(void **state)
{
    (void)state;
    static const int64_t base[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    struct notice n = {.key = "7/alert/ops/slack"}, other = {.key = "7/alert/ops/mail"};
    int different = 0;
    for (int i = 0; i < (int)COUNT_OF(base); i++) {
        n.attempts = other.attempts = i + 1;
        int64_t wait = outbox_back_off_ms(&n, -1);
        assert_in_range(wait, base[i] * 750, base[i] * 1250);
        assert_int_equal(wait, outbox_back_off_ms(&n, 0)); /* the same each time */
        different += wait != outbox_back_off_ms(&other, -1);
    }
    assert_true(different >= 7);
    assert_in_range(outbox_back_off_ms(&n, 5000), 5000, 5250);
    n.attempts = 0;
    assert_in_range(outbox_back_off_ms(&n, -1), 750, 1250);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_notice_is_delivered_once),
        TEST(the_webhook_gets_what_slack_wants),
        TEST(a_long_text_is_parted_between_lines),
        TEST(what_slack_would_refuse_is_cut_and_said),
        TEST(slack_may_say_in_the_body_how_long_to_wait),
        TEST(a_failing_receiver_is_tried_again_with_the_same_identity),
        TEST(retry_after_is_honoured),
        TEST(a_lane_keeps_its_order_and_one_at_a_time),
        TEST(a_broken_lane_delays_no_other),
        TEST(what_is_refused_is_not_tried_again_and_the_next_goes_on),
        TEST(only_ok_is_ok),
        TEST(the_secret_address_is_never_told),
        TEST(a_missing_secret_is_waited_for),
        TEST(after_a_day_it_is_given_up_and_said),
        TEST(after_a_restart_it_waits_as_long_as_was_said),
        TEST(a_core_clock_that_is_slower_than_the_loops_is_waited_for),
        TEST(a_channel_that_was_taken_away_is_said),
        TEST(a_mail_arrives_whole),
        TEST(a_mail_that_is_put_off_comes_again_as_the_same),
        TEST(a_mail_that_is_refused_is_given_up),
        TEST(a_silent_mail_server_is_tried_again),
        TEST(addresses_of_one_channel_are_lanes_of_their_own),
        TEST(headers_cannot_be_injected),
        TEST(closing_in_the_middle_is_silent),
        TEST(back_off_doubles_to_a_minute_with_a_quarter_of_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
