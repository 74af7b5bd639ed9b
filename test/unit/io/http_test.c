/* Requests against a server that plays well, badly, or dead. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakeserver.h"
#include "io/dns.h"
#include "io/http.h"
#include "sys/clock.h"

struct scene {
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct fake_server *server;
    struct arena *arena;
    char url[128];
};

struct answer {
    int calls;
    bool whole;
    struct http_response response;
    struct err err;
    char body[4096], header[256], type[128];
    struct http_request **cancel_me;
};

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    s->loop = loop_open();
    s->dns = dns_open(s->loop, 1000);
    s->http = http_open(s->loop, s->dns);
    s->arena = arena_open();
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    http_close(&s->http);
    dns_close(&s->dns);
    loop_close(&s->loop);
    fake_server_free(&s->server);
    arena_close(&s->arena);
    free(s);
    return 0;
}

static const char *serve(struct scene *s, fake_player *player, const char *script)
{
    fake_server_free(&s->server);
    s->server = fake_server_new(player, script);
    snprintf(s->url, sizeof(s->url), "http://%s:%d/path?q=1", s->server->address, s->server->port);
    return s->url;
}

static void on_done(void *arg, const struct http_response *r, const struct err *err)
{
    struct answer *a = arg;
    a->calls++;
    a->whole = r != NULL;
    if (a->cancel_me)
        http_cancel(a->cancel_me); /* its own: must be harmless */
    if (!r) {
        assert_non_null(err);
        a->err = *err;
        return;
    }
    assert_null(err);
    a->response = *r;
    snprintf(a->body, sizeof(a->body), STR_FMT, STR_ARG(r->body));
    snprintf(a->header, sizeof(a->header), "%s", r->header ? r->header : "(none)");
    snprintf(a->type, sizeof(a->type), "%s", r->content_type ? r->content_type : "(none)");
}

static struct answer ask(struct scene *s, struct http_spec spec)
{
    struct answer a = {0};
    struct err err = {0};
    struct http_request *r = NULL;
    if (!spec.timeout_ms)
        spec.timeout_ms = 3000;
    if (!http_start(s->http, &spec, on_done, &a, &r, &err))
        fail_msg("%s", err.message);
    assert_int_equal(a.calls, 0); /* never before http_start returns */
    while (!a.calls)
        loop_once(s->loop, true);
    return a;
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Site: production\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}"

static void an_answer_comes_with_status_headers_and_body(void **state)
{
    struct scene *s = *state;
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, OK_ANSWER), .want_header = "x-site"});
    assert_int_equal(a.response.status, 200);
    assert_string_equal(a.body, "{\"status\":\"ok\"}");
    assert_string_equal(a.header, "production");
    assert_string_equal(a.type, "application/json");
    assert_int_equal(a.response.retry_after_ms, -1);
    assert_true(a.response.took_ms >= 0 && a.response.took_ms < 3000);
    assert_non_null(strstr(s->server->last, "GET /path?q=1 HTTP/1.1"));
    a = ask(s, (struct http_spec){.url = s->url, .want_header = "X-Other"});
    assert_string_equal(a.header, "(none)");
}

static void a_body_is_sent_with_its_headers(void **state)
{
    struct scene *s = *state;
    const char *const headers[] = {"Content-Type: application/json", "X-Key: 7", NULL};
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, OK_ANSWER), .method = "POST", .headers = headers, .body = "{\"a\":1}", .body_size = 7});
    assert_int_equal(a.response.status, 200);
    assert_non_null(strstr(s->server->last, "POST /path?q=1 HTTP/1.1"));
    assert_non_null(strstr(s->server->last, "X-Key: 7\n"));
    assert_non_null(strstr(s->server->last, "\n\n{\"a\":1}"));
    assert_null(strstr(s->server->last, "Expect:"));
    a = ask(s, (struct http_spec){.url = s->url, .method = "PUT", .body = "x", .body_size = 1});
    assert_non_null(strstr(s->server->last, "PUT /path"));
    a = ask(s, (struct http_spec){.url = serve(s, fake_http_once, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), .method = "HEAD"});
    assert_true(a.whole);
    assert_non_null(strstr(s->server->last, "HEAD /path"));
}

static void connections_are_kept_unless_a_fresh_one_is_wished(void **state)
{
    struct scene *s = *state;
    serve(s, fake_http, OK_ANSWER);
    for (int i = 0; i < 5; i++)
        ask(s, (struct http_spec){.url = s->url});
    assert_int_equal(atomic_load(&s->server->connections), 1);
    ask(s, (struct http_spec){.url = s->url, .fresh_connection = true});
    assert_int_equal(atomic_load(&s->server->connections), 2);
    assert_int_equal(atomic_load(&s->server->requests), 6);
}

static void a_name_is_asked_by_its_name(void **state)
{
    struct scene *s = *state;
    char url[64], host[64];
    int listener_port;
    serve(s, fake_http, OK_ANSWER);
    listener_port = s->server->port;
    /* "localhost" is 127.0.0.1, where nothing listens on that port; the address after it is what is connected to */
    snprintf(url, sizeof(url), "http://localhost:%d/", listener_port);
    struct answer a = ask(s, (struct http_spec){.url = url});
    assert_false(a.whole);
    assert_int_equal(a.err.code, ERR_UNAVAILABLE);
    snprintf(host, sizeof(host), "\"localhost\" port %d", listener_port);
    assert_non_null(strstr(a.err.message, host));
    a = ask(s, (struct http_spec){.url = "http://no-such-name.invalid/secret-path", .timeout_ms = 1500});
    assert_false(a.whole);
    assert_non_null(strstr(a.err.message, "no-such-name.invalid"));
    assert_null(strstr(a.err.message, "secret-path"));
}

static void a_server_that_never_answers_ends_at_the_deadline(void **state)
{
    struct scene *s = *state;
    fake_player *const silent[] = {NULL, fake_silence};
    for (size_t i = 0; i < 2; i++) {
        int64_t begun = clock_boot_ms();
        struct answer a = ask(s, (struct http_spec){.url = serve(s, silent[i], NULL), .timeout_ms = 200});
        assert_false(a.whole);
        assert_int_equal(a.err.code, ERR_TIMEOUT);
        assert_true(a.err.retryable);
        assert_in_range(clock_boot_ms() - begun, 200, 800);
        assert_non_null(strstr(a.err.message, "within 0.2 s"));
    }
}

static void refusals_and_cut_answers_are_told_apart(void **state)
{
    struct scene *s = *state;
    serve(s, NULL, NULL);
    fake_server_free(&s->server);
    struct answer a = ask(s, (struct http_spec){.url = s->url});
    assert_int_equal(a.err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(a.err.message, "Connection refused"));
    a = ask(s, (struct http_spec){.url = serve(s, fake_http_once, "")});
    assert_int_equal(a.err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(a.err.message, "closed the connection without an answer"));
    a = ask(s, (struct http_spec){.url = serve(s, fake_http_once, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")});
    assert_int_equal(a.err.code, ERR_PROTOCOL);
    a = ask(s, (struct http_spec){.url = serve(s, fake_http_once, "SSH-2.0-OpenSSH\r\n")});
    assert_int_equal(a.err.code, ERR_PROTOCOL);
    char tls[160];
    serve(s, fake_http_once, OK_ANSWER);
    snprintf(tls, sizeof(tls), "https://%s:%d/", s->server->address, s->server->port);
    s->server->script = "not TLS at all\r\n\r\n";
    a = ask(s, (struct http_spec){.url = tls, .timeout_ms = 500});
    assert_false(a.whole);
}

static void it_is_known_whether_a_request_has_left(void **state)
{
    struct scene *s = *state;
    static const struct {
        fake_player *player;
        bool listens, left;
    } cases[] = {{fake_http, true, true}, {fake_http_once, true, true}, {fake_silence, true, true}, {NULL, false, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool sent = false;
        serve(s, cases[i].player, i == 0 ? OK_ANSWER : "");
        if (!cases[i].listens)
            fake_server_free(&s->server);
        struct answer a = ask(s, (struct http_spec){.url = s->url, .timeout_ms = 300, .sent = &sent});
        assert_int_equal(a.whole, i == 0);
        assert_int_equal(sent, cases[i].left);
    }
    /* a server that does not shake hands has had no request */
    bool sent = false;
    char tls[160];
    serve(s, fake_silence, NULL);
    snprintf(tls, sizeof(tls), "https://%s:%d/", s->server->address, s->server->port);
    int64_t begun = clock_boot_ms();
    struct answer a = ask(s, (struct http_spec){.url = tls, .timeout_ms = 3000, .connect_ms = 200, .sent = &sent});
    assert_false(a.whole);
    assert_false(sent);
    assert_int_equal(a.err.code, ERR_TIMEOUT);
    assert_in_range(clock_boot_ms() - begun, 190, 1500);
}

static void an_answer_over_the_limit_is_an_error(void **state)
{
    struct scene *s = *state;
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, OK_ANSWER), .max_body = 15});
    assert_true(a.whole);
    a = ask(s, (struct http_spec){.url = s->url, .max_body = 14});
    assert_false(a.whole);
    assert_int_equal(a.err.code, ERR_LIMIT);
}

static void redirects_are_not_followed(void **state)
{
    struct scene *s = *state;
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")});
    assert_int_equal(a.response.status, 302);
}

static int64_t retry_after(struct scene *s, const char *value)
{
    char script[256];
    snprintf(script, sizeof(script), "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", value);
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, script)});
    assert_int_equal(a.response.status, 429);
    return a.response.retry_after_ms;
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    struct scene *s = *state;
    assert_int_equal(retry_after(s, "7"), 7000);
    assert_int_equal(retry_after(s, " 0 "), 0);
    assert_int_equal(retry_after(s, "soon"), -1);
    assert_int_equal(retry_after(s, "-5"), -1);
    assert_int_equal(retry_after(s, "Wed, 21 Oct 2015 07:28:00 GMT"), 0);
    assert_true(retry_after(s, "99999999999999999") > 0);
    char date[64];
    time_t later = time(NULL) + 90;
    struct tm tm;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &tm));
    assert_in_range(retry_after(s, date), 85000, 91000);
}

static void an_interim_answer_does_not_count(void **state)
{
    struct scene *s = *state;
    struct answer a = ask(s, (struct http_spec){.url = serve(s, fake_http, "HTTP/1.1 103 Early\r\nX-Site: a\r\nRetry-After: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                                                .want_header = "X-Site"});
    assert_int_equal(a.response.status, 200);
    assert_string_equal(a.header, "(none)");
    assert_int_equal(a.response.retry_after_ms, -1);
}

static void wrong_requests_are_refused_before_they_begin(void **state)
{
    struct scene *s = *state;
    const char *const urls[] = {"", "nonsense", "ftp://h/", "file:///etc/passwd", "http://", "http://h/a b", "http://h/\r\nX: y", "smtp://h/"};
    struct answer a = {0};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct err err = {0};
        struct http_spec spec = {.url = urls[i], .timeout_ms = 100};
        assert_false(http_start(s->http, &spec, on_done, &a, NULL, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_true(err.message[0]);
    }
    const char *const headers[] = {"X: a\r\nEvil: b", "X: a\nEvil: b", "no colon"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct err err = {0};
        const char *const list[] = {headers[i], NULL};
        struct http_spec spec = {.url = "http://127.0.0.1/", .headers = list, .timeout_ms = 100};
        assert_false(http_start(s->http, &spec, on_done, &a, NULL, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    struct err err = {0};
    struct http_spec spec = {.url = "http://127.0.0.1/", .method = "GET / HTTP/1.1\r\nX:", .timeout_ms = 100};
    assert_false(http_start(s->http, &spec, on_done, &a, NULL, &err));
    assert_int_equal(a.calls, 0);
}

static void a_cancelled_request_says_nothing(void **state)
{
    struct scene *s = *state;
    struct answer a = {0}, b = {0};
    struct err err = {0};
    struct http_request *r = NULL, *own = NULL;
    struct http_spec spec = {.url = serve(s, fake_silence, NULL), .timeout_ms = 100};
    assert_true(http_start(s->http, &spec, on_done, &a, &r, &err));
    loop_once(s->loop, false);
    http_cancel(&r);
    assert_null(r);
    http_cancel(&r);
    b.cancel_me = &own;
    assert_true(http_start(s->http, &spec, on_done, &b, &own, &err));
    while (!b.calls)
        loop_once(s->loop, true);
    assert_int_equal(a.calls, 0);
    assert_true(http_start(s->http, &spec, on_done, &a, &r, &err)); /* left open: tear_down closes it without a callback */
}

static void many_at_once_do_not_wait_for_each_other(void **state)
{
    struct scene *s = *state;
    struct answer a[40] = {0};
    struct err err = {0};
    struct fake_server *dead = fake_server_new(NULL, NULL);
    char dead_url[96];
    snprintf(dead_url, sizeof(dead_url), "http://%s:%d/", dead->address, dead->port);
    serve(s, fake_http, OK_ANSWER);
    int64_t begun = clock_boot_ms();
    for (size_t i = 0; i < 40; i++) {
        struct http_spec spec = {.url = i % 2 ? s->url : dead_url, .timeout_ms = 400};
        assert_true(http_start(s->http, &spec, on_done, &a[i], NULL, &err));
    }
    for (size_t i = 0; i < 40; i++)
        while (!a[i].calls)
            loop_once(s->loop, true);
    assert_in_range(clock_boot_ms() - begun, 400, 1500);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(a[i].whole, i % 2);
    fake_server_free(&dead);
}

static void the_blocking_form_gives_the_same(void **state)
{
    struct scene *s = *state;
    struct http_response r;
    struct err err = {0};
    struct http_spec spec = {.url = serve(s, fake_http, OK_ANSWER), .timeout_ms = 2000, .want_header = "X-Site"};
    assert_true(http_fetch(s->arena, &spec, &r, &err));
    assert_int_equal(r.status, 200);
    assert_true(str_is(r.body, "{\"status\":\"ok\"}"));
    assert_string_equal(r.header, "production");
    spec.url = serve(s, NULL, NULL);
    spec.timeout_ms = 100;
    assert_false(http_fetch(s->arena, &spec, &r, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    spec.url = "gopher://x/";
    assert_false(http_fetch(s->arena, &spec, &r, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_with_status_headers_and_body),
        TEST(a_body_is_sent_with_its_headers),
        TEST(connections_are_kept_unless_a_fresh_one_is_wished),
        TEST(a_name_is_asked_by_its_name),
        TEST(a_server_that_never_answers_ends_at_the_deadline),
        TEST(refusals_and_cut_answers_are_told_apart),
        TEST(it_is_known_whether_a_request_has_left),
        TEST(an_answer_over_the_limit_is_an_error),
        TEST(redirects_are_not_followed),
        TEST(retry_after_is_seconds_or_a_date),
        TEST(an_interim_answer_does_not_count),
        TEST(wrong_requests_are_refused_before_they_begin),
        TEST(a_cancelled_request_says_nothing),
        TEST(many_at_once_do_not_wait_for_each_other),
        TEST(the_blocking_form_gives_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
