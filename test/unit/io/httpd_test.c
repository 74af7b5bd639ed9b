/* The server as clients meet it: at once, late, in turns, too large, gone, and while it closes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/httpd.h"
#include "sys/clock.h"

enum { CLIENTS_MAX = 40, CHAIN = 4, ANSWER_MAX = 8192, PATIENCE_MS = 10000 };

struct client {
    pthread_t thread;
    const char *says;      /* the whole request */
    size_t says_n, pieces; /* sent in so many pieces */
    size_t body_n;         /* so many more bytes follow */
    bool leaves;           /* without waiting for the answer */
    char answer[ANSWER_MAX];
    atomic_bool sent, may_leave, over;
};

static struct arena *a;
static struct loop *loop;
static struct httpd *httpd;
static char path[64];
static struct httpd_request *held[CLIENTS_MAX];
static size_t held_n, turns, largest_turn, turn_n, body_seen;
static bool hold;
static int chain[CHAIN];
static size_t chain_turn, chain_end; /* the turn in which all are answered; 0: no such game */

static void ask(int fd);

static void on_request(void *arg, struct httpd_request *request)
{
    (void)arg;
    const char *lag = httpd_argument(request, "lag"), *sign = httpd_header(request, "x-sign");
    if (lag) {
        httpd_answer(request, 200, "text/plain", str_of(arena_printf(a, "%s, lag %s, %s, %s", request->path, lag, sign ? sign : "-", httpd_argument(request, "la") ? "la" : "-")));
        return;
    }
    turn_n++;
    body_seen = request->body.n;
    assert_int_equal(request->body.p[request->body.n], 0);
    if (hold)
        held[held_n++] = request;
    else
        httpd_answer(request, 200, "text/plain", str_of(arena_printf(a, "%s %s %zu %s", request->method, request->path, request->body.n,
                                                                      request->authorization ? request->authorization : "-")));
}

static void answer_held(void)
{
    for (size_t i = 0; i < held_n; i++)
        httpd_answer(held[i], 202, NULL, STR("late"));
    held_n = 0;
}

static void on_turn(void *arg)
{
    (void)arg;
    turns++;
    largest_turn = MAX_OF(largest_turn, turn_n);
    turn_n = 0;
    if (!chain_end || !hold)
        return;
    chain_turn++;
    if (chain_turn + 1 < chain_end)
        ask(chain[chain_turn % 2]);
    for (size_t i = 0; chain_turn + 1 == chain_end && i < CHAIN; i++)
        ask(chain[i]);
    answer_held();
}

static int set_up(void **state)
{
    (void)state;
    struct err err = {0};
    a = arena_open();
    loop = loop_open();
    held_n = turns = largest_turn = turn_n = body_seen = 0;
    hold = false;
    chain_end = 0;
    snprintf(path, sizeof(path), "/tmp/bascule-httpd-%d.sock", (int)getpid());
    struct httpd_spec spec = {.listen = path, .request = on_request, .turn = on_turn};
    return httpd_open(loop, &spec, &httpd, &err) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    httpd_close(&httpd);
    loop_close(&loop);
    arena_close(&a);
    return access(path, F_OK) == 0 ? -1 : 0; /* it leaves nothing behind */
}

static void send_all(int fd, const char *p, size_t n)
{
    for (ssize_t sent; n && (sent = send(fd, p, n, MSG_NOSIGNAL)) > 0; p += sent, n -= (size_t)sent)
        continue;
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static const char filler[4096];
    COPY_TO(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
        size_t piece = c->says_n / c->pieces + 1;
        for (size_t i = 0; i < c->says_n; i += piece)
            send_all(fd, c->says + i, MIN_OF(piece, c->says_n - i));
        for (size_t left = c->body_n; left; left -= MIN_OF(left, sizeof(filler)))
            send_all(fd, filler, MIN_OF(left, sizeof(filler)));
        atomic_store(&c->sent, true);
        while (c->leaves && !atomic_load(&c->may_leave))
            sched_yield();
        size_t n = 0;
        for (ssize_t got; !c->leaves && n < ANSWER_MAX - 1 && (got = recv(fd, c->answer + n, ANSWER_MAX - 1 - n, 0)) > 0;)
            n += (size_t)got;
        c->answer[n] = 0;
    }
    close(fd);
    atomic_store(&c->over, true);
    return NULL;
}

static struct client *client(const char *says, size_t pieces, size_t body_n, bool leaves)
{
    struct client *c = arena_new(a, struct client);
    c->says = says;
    c->says_n = strlen(says);
    c->pieces = pieces;
    c->body_n = body_n;
    c->leaves = leaves;
    atomic_init(&c->may_leave, !hold); /* one that is held leaves once it was seen */
    assert_int_equal(pthread_create(&c->thread, NULL, client_main, c), 0);
    return c;
}

/* Ends the wait of the loop now and then. */
static void on_timer(void *arg)
{
    (void)arg;
}

static void step(void)
{
    struct loop_timer *timer = loop_timer_new(loop, on_timer, NULL);
    loop_timer_set(timer, clock_boot_ms() + 10);
    loop_once(loop, true);
    loop_timer_free(&timer);
}

static void finish(struct client *c)
{
    for (int64_t until = clock_boot_ms() + PATIENCE_MS; !atomic_load(&c->over);) {
        assert_true(clock_boot_ms() < until);
        step();
    }
    pthread_join(c->thread, NULL);
}

static void wait_held(size_t n)
{
    for (int64_t until = clock_boot_ms() + PATIENCE_MS; held_n < n; step())
        assert_true(clock_boot_ms() < until);
}

static void assert_answer(const struct client *c, const char *status, const char *text)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    if (strncmp(c->answer, line, strlen(line)) != 0 || !strstr(c->answer, text))
        fail_msg("the answer is \"%s\"", c->answer);
}

#define CLOSE "Host: x\r\nConnection: close\r\n"

static void a_request_is_answered(void **state)
{
    (void)state;
    struct client *c = client("POST /a/b HTTP/1.1\r\n" CLOSE "Authorization: Bearer t\r\nContent-Length: 5\r\n\r\nhello", 1, 0, false);
    finish(c);
    assert_answer(c, "200", "POST /a/b 5 Bearer t");
    c = client("GET / HTTP/1.1\r\n" CLOSE "\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "200", "GET / 0 -");
}

static void queries_and_headers_can_be_asked_for(void **state)
{
    (void)state;
    struct client *c = client("GET /replica?x=1&lag=1%20MiB HTTP/1.1\r\n" CLOSE "X-Sign: abc\r\n\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "200", "/replica, lag 1 MiB, abc, -");
}

static void one_that_comes_in_pieces_is_read_whole(void **state)
{
    (void)state;
    struct client *c = client("POST / HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", 40, 0, false);
    finish(c);
    assert_answer(c, "200", "POST / 7");
}

static void late_answers_reach_everybody_who_waits(void **state)
{
    (void)state;
    struct client *c[CLIENTS_MAX];
    hold = true;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        c[i] = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nhi", 1, 0, false);
    wait_held(CLIENTS_MAX);
    assert_true(turns >= 1);
    answer_held();
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        finish(c[i]);
        assert_answer(c[i], "202", "late");
    }
}

static void what_was_ready_together_is_one_turn(void **state)
{
    (void)state;
    struct client *c[CLIENTS_MAX];
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        c[i] = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nhi", 1, 0, false);
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        while (!atomic_load(&c[i]->sent)) /* nobody looks meanwhile */
            sched_yield();
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        finish(c[i]);
    assert_int_equal(largest_turn, CLIENTS_MAX);
}

static int open_connection(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    COPY_TO(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static void await_answers(int fd, int count)
{
    static const char end[] = "late"; /* or of one that was answered at once */
    char got[8192] = "";
    size_t n = 0;
    for (int64_t until = clock_boot_ms() + PATIENCE_MS; count > 0; step()) {
        assert_true(clock_boot_ms() < until);
        ssize_t r = recv(fd, got + n, sizeof(got) - 1 - n, 0);
        n += r > 0 ? (size_t)r : 0;
        got[n] = 0;
        int seen = 0;
        for (const char *p = got; (p = strstr(p, hold ? end : "GET / 0")); p++)
            seen++;
        if (seen >= count)
            return;
    }
}

/* Somebody asks again during every turn, and in the last everybody does: their answers must not stay where they are, however many turns
   went before, though nobody is left to come and wake the server. */
static void the_last_of_many_turns_is_answered(void **state)
{
    (void)state;
    enum { TURNS_MOST = 20 };
    for (chain_end = 2; chain_end <= TURNS_MOST; chain_end++) {
        hold = false;
        chain_turn = 0;
        for (size_t i = 0; i < CHAIN; i++) {
            chain[i] = open_connection();
            ask(chain[i]);
            await_answers(chain[i], 1);
        }
        hold = true;
        ask(chain[0]);
        for (size_t i = 0; i < CHAIN; i++)
            await_answers(chain[i], i == 0 ? 2 + (int)(chain_end - 2) / 2 : i == 1 ? 1 + (int)(chain_end - 1) / 2 : 1);
        for (size_t i = 0; i < CHAIN; i++)
            close(chain[i]);
    }
    chain_end = 0;
}

static void a_body_that_is_too_large_is_refused(void **state)
{
    (void)state;
    struct client *c = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 1000000000\r\n\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "413", "larger than 1 MiB"); /* before a byte of it was sent */
    c = client("POST / HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "413", "larger than 1 MiB");
    c = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 4194304\r\n\r\n", 1, 4 * HTTPD_BODY_MAX, false);
    finish(c);
    assert_answer(c, "413", "larger than 1 MiB"); /* and not a reset, though it was sent */
    c = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 1048576\r\n\r\n", 1, HTTPD_BODY_MAX, false);
    finish(c);
    assert_answer(c, "200", "POST / 1048576");
    body_seen = 7;
    c = client("POST / HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n200000\r\n", 1, 2 * 1024 * 1024, true);
    finish(c);
    c = client("GET / HTTP/1.1\r\n" CLOSE "\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "200", "GET / 0");
}

static void clients_that_leave_are_no_trouble(void **state)
{
    (void)state;
    hold = true;
    struct client *gone = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nhi", 1, 0, true);
    wait_held(1);
    atomic_store(&gone->may_leave, true);
    finish(gone);
    answer_held();
    hold = false;
    finish(client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 200\r\n\r\nhalf", 1, 0, true));
    finish(client("nonsense\r\n\r\n", 1, 0, false));
    struct client *c = client("GET / HTTP/1.1\r\n" CLOSE "\r\n", 1, 0, false);
    finish(c);
    assert_answer(c, "200", "GET / 0");
}

static void who_waits_while_it_closes_is_sent_away(void **state)
{
    (void)state;
    hold = true;
    struct client *c = client("POST / HTTP/1.1\r\n" CLOSE "Content-Length: 2\r\n\r\nhi", 1, 0, false);
    wait_held(1);
    httpd_close(&httpd);
    finish(c);
    assert_answer(c, "503", "shutting down");
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok, local;
    } addresses[] = {
        {"127.0.0.1:9345", true, true}, {"127.5.5.5:1", true, true},  {"0.0.0.0:9345", true, false},   {"10.0.0.1:65535", true, false}, {"[::1]:9345", true, true},
        {"[::]:9345", true, false},     {"/run/b.sock", true, true},  {"localhost:9345", false, false}, {"127.0.0.1", false, false},     {"127.0.0.1:", false, false},
        {"127.0.0.1:0", false, false},  {":9345", false, false},      {"127.0.0.1:65536", false, false}, {"[::1:9345", false, false},    {"::1:9345", false, false},
        {"[]:1", false, false},         {"", false, false},           {"1.2.3:4", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        bool local = false;
        struct err err = {0};
        if (httpd_address(addresses[i].text, &local, &err) != addresses[i].ok || (addresses[i].ok && local != addresses[i].local))
            fail_msg("\"%s\"", addresses[i].text);
    }
    struct err err = {0};
    struct httpd *other = NULL;
    struct httpd_spec spec = {.listen = "/nowhere/at/all.sock", .request = on_request, .turn = on_turn};
    assert_false(httpd_open(loop, &spec, &other, &err));
    assert_non_null(strstr(err.message, "could not listen on \"/nowhere/at/all.sock\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered),
        TEST(queries_and_headers_can_be_asked_for),
        TEST(one_that_comes_in_pieces_is_read_whole),
        TEST(late_answers_reach_everybody_who_waits),
        TEST(what_was_ready_together_is_one_turn),
        TEST(the_last_of_many_turns_is_answered),
        TEST(a_body_that_is_too_large_is_refused),
        TEST(clients_that_leave_are_no_trouble),
        TEST(who_waits_while_it_closes_is_sent_away),
        TEST(addresses_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
