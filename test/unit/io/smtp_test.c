/* Hand-overs to mail servers that accept, refuse, hang and lie. While one is under way the loop must go on turning. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "fakeserver.h"
#include "io/dns.h"
#include "io/http.h"
#include "sys/clock.h"

struct scene {
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct fake_server *server;
    struct loop_timer *pulse;
    int64_t last_pulse, worst_gap;
    char url[128];
};

struct answer {
    int calls;
    long code;
    char text[512];
    struct err err;
};

/* The longest time between two turns of the loop, seen by a timer of 5 ms. */
static void on_pulse(void *arg)
{
    struct scene *s = arg;
    int64_t now = clock_boot_ms();
    s->worst_gap = MAX_OF(s->worst_gap, now - s->last_pulse);
    s->last_pulse = now;
    loop_timer_set(s->pulse, now + 5);
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    s->loop = loop_open();
    s->dns = dns_open(s->loop, 1000);
    s->http = http_open(s->loop, s->dns);
    s->pulse = loop_timer_new(s->loop, on_pulse, s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    http_close(&s->http);
    dns_close(&s->dns);
    loop_timer_free(&s->pulse);
    loop_close(&s->loop);
    fake_server_free(&s->server);
    free(s);
    assert_true(waitpid(-1, NULL, WNOHANG) < 0); /* no child is left over */
    return 0;
}

static void serve(struct scene *s, const char *script)
{
    fake_server_free(&s->server);
    s->server = fake_server_new(script ? fake_smtp : NULL, script);
    snprintf(s->url, sizeof(s->url), "smtp://%s:%d", s->server->address, s->server->port);
}

static void on_done(void *arg, const struct http_response *r, const struct err *err)
{
    struct answer *a = arg;
    a->calls++;
    if (!r) {
        a->err = *err;
        return;
    }
    a->code = r->status;
    snprintf(a->text, sizeof(a->text), STR_FMT, STR_ARG(r->body));
}

#define MESSAGE "Subject: test\r\n\r\nline\r\n.dot\r\n"

static struct smtp_spec spec_for(struct scene *s)
{
    return (struct smtp_spec){.url = s->url, .from = "a@akig.com", .to = "b@akig.com", .message = MESSAGE, .message_size = sizeof(MESSAGE) - 1, .timeout_ms = 2000};
}

static struct answer hand_over(struct scene *s, struct smtp_spec spec)
{
    struct answer a = {0};
    struct err err = {0};
    s->last_pulse = clock_boot_ms();
    s->worst_gap = 0;
    loop_timer_set(s->pulse, s->last_pulse + 5);
    if (!smtp_start(s->http, &spec, on_done, &a, NULL, &err))
        fail_msg("%s", err.message);
    while (!a.calls)
        loop_once(s->loop, true);
    loop_timer_cancel(s->pulse);
    if (s->worst_gap > 500)
        fail_msg("the loop stood still for %d ms", (int)s->worst_gap);
    return a;
}

static void a_message_is_handed_over_whole(void **state)
{
    struct scene *s = *state;
    serve(s, ">220 ready\n"
             "EHLO>250-hello;250 8BITMIME\n"
             "DATA>354 go on\n"
             ".>250 2.0.0 queued as 7\n"
             "QUIT>221 bye");
    struct answer a = hand_over(s, spec_for(s));
    assert_int_equal(a.code, 250);
    assert_string_equal(a.text, "2.0.0 queued as 7");
    assert_int_equal(atomic_load(&s->server->requests), 1);
    while (!strstr(s->server->last, "QUIT")) /* it takes its leave after it has reported */
        loop_once(s->loop, true);
    assert_non_null(strstr(s->server->last, "MAIL FROM:<a@akig.com>"));
    assert_non_null(strstr(s->server->last, "RCPT TO:<b@akig.com>"));
    assert_non_null(strstr(s->server->last, "Subject: test\n\nline\n..dot\n.\n"));
}

static void refusals_come_as_replies(void **state)
{
    static const struct {
        const char *script;
        long code;
        const char *text;
    } cases[] = {
        {">220 x\nRCPT>550 5.1.1 nobody of that name\n", 550, "5.1.1 nobody of that name"},
        {">220 x\nMAIL>451 4.3.0 try later\n", 451, "4.3.0 try later"},
        {">220 x\nDATA>354 go\n.>552 5.3.4 too big\n", 552, "5.3.4 too big"},
        {">421 4.3.2 closing\n", 421, "4.3.2 closing"},
        {">220 x\nRCPT>550-first;550 second\n", 550, "first second"},
    };
    struct scene *s = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        serve(s, cases[i].script);
        struct answer a = hand_over(s, spec_for(s));
        if (a.code != cases[i].code || strcmp(a.text, cases[i].text))
            fail_msg("case %zu: %ld \"%s\", error \"%s\"", i, a.code, a.text, a.err.message);
    }
}

static void a_wrong_password_is_a_reply_too(void **state)
{
    struct scene *s = *state;
    struct smtp_spec spec;
    serve(s, ">220 x\nEHLO>250-x;250 AUTH PLAIN\nAUTH>535 5.7.8 bad credentials\n");
    spec = spec_for(s);
    spec.user = "alerts";
    spec.password = "wrong";
    struct answer a = hand_over(s, spec);
    assert_int_equal(a.code, 535);
    assert_string_equal(a.text, "5.7.8 bad credentials");
}

static void a_server_that_hangs_at_any_point_ends_at_the_deadline(void **state)
{
    const char *const scripts[] = {
        NULL,
        ">hang\n",
        ">220 x\nEHLO>hang\n",
        ">220 x\nMAIL>hang\n",
        ">220 x\nRCPT>hang\n",
        ">220 x\nDATA>hang\n",
        ">220 x\nDATA>354 go\n.>hang\n",
    };
    struct scene *s = *state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        serve(s, scripts[i]);
        struct smtp_spec spec = spec_for(s);
        spec.timeout_ms = 700;
        int64_t begun = clock_boot_ms();
        struct answer a = hand_over(s, spec);
        assert_int_equal(a.code, 0);
        assert_int_equal(a.err.code, ERR_TIMEOUT);
        assert_in_range(clock_boot_ms() - begun, 700, 2000);
    }
}

static void a_server_that_hangs_at_quit_costs_nothing(void **state)
{
    struct scene *s = *state;
    serve(s, ">220 x\nDATA>354 go\n.>250 taken\nQUIT>hang\n");
    int64_t begun = clock_boot_ms();
    struct answer a = hand_over(s, spec_for(s));
    assert_int_equal(a.code, 250);
    assert_true(clock_boot_ms() - begun < 1500);
}

static void a_link_that_breaks_is_an_error(void **state)
{
    struct scene *s = *state;
    serve(s, ">220 x\nDATA>354 go\n.>close\n");
    struct answer a = hand_over(s, spec_for(s));
    assert_int_equal(a.code, 0);
    assert_int_not_equal(a.err.code, ERR_NONE);
    serve(s, NULL);
    fake_server_free(&s->server);
    a = hand_over(s, spec_for(s));
    assert_int_equal(a.err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(a.err.message, "Connection refused"));
}

static void without_starttls_it_does_not_go_on_in_clear(void **state)
{
    struct scene *s = *state;
    serve(s, ">220 x\nEHLO>250-x;250 SIZE\n");
    struct smtp_spec spec = spec_for(s);
    spec.starttls = true;
    spec.user = "u";
    spec.password = "secret";
    struct answer a = hand_over(s, spec);
    assert_int_equal(a.code, 0);
    assert_int_equal(a.err.code, ERR_PROTOCOL);
    assert_null(strstr(s->server->last, "MAIL"));
    assert_null(strstr(s->server->last, "AUTH"));
}

static void addresses_that_smuggle_are_refused(void **state)
{
    struct scene *s = *state;
    const char *const bad[] = {"a@b\r\nRCPT TO:<c@d>", "a@b>", "<a@b", "", "a b@c", "a@b,c@d", NULL};
    struct answer a = {0};
    serve(s, ">220 x\n");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct smtp_spec spec = spec_for(s);
        spec.to = bad[i];
        assert_false(smtp_start(s->http, &spec, on_done, &a, NULL, &err));
        assert_int_equal(err.code, ERR_USAGE);
        spec = spec_for(s);
        spec.from = bad[i];
        assert_false(smtp_start(s->http, &spec, on_done, &a, NULL, &err));
    }
    struct err err = {0};
    struct smtp_spec spec = spec_for(s);
    spec.url = "http://127.0.0.1/";
    assert_false(smtp_start(s->http, &spec, on_done, &a, NULL, &err));
    assert_int_equal(a.calls, 0);
}

static void a_cancelled_message_is_never_ended_as_if_it_were_whole(void **state)
{
    struct scene *s = *state;
    static char big[8 << 20];
    struct answer a = {0};
    struct err err = {0};
    struct http_request *r = NULL;
    memset(big, 'x', sizeof(big));
    for (size_t i = 78; i < sizeof(big); i += 80)
        memcpy(big + i, "\r\n", MIN_OF((size_t)2, sizeof(big) - i));
    serve(s, ">220 x\nDATA>354 go\n.>250 taken\n");
    struct smtp_spec spec = spec_for(s);
    spec.message = big;
    spec.message_size = sizeof(big);
    assert_true(smtp_start(s->http, &spec, on_done, &a, &r, &err));
    while (!strstr(s->server->last, "DATA"))
        loop_once(s->loop, false);
    http_cancel(&r);
    for (int64_t until = clock_boot_ms() + 300; clock_boot_ms() < until;)
        loop_once(s->loop, false);
    assert_int_equal(atomic_load(&s->server->requests), 0);
    assert_int_equal(a.calls, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_is_handed_over_whole),
        TEST(refusals_come_as_replies),
        TEST(a_wrong_password_is_a_reply_too),
        TEST(a_server_that_hangs_at_any_point_ends_at_the_deadline),
        TEST(a_server_that_hangs_at_quit_costs_nothing),
        TEST(a_link_that_breaks_is_an_error),
        TEST(without_starttls_it_does_not_go_on_in_clear),
        TEST(addresses_that_smuggle_are_refused),
        TEST(a_cancelled_message_is_never_ended_as_if_it_were_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
