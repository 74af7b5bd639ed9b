/* An agent whose words are written here: what each state means, how soon it is known, and that silence is never death. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fakeserver.h"
#include "observe_support.h"
#include "sys/clock.h"

enum { INTERVAL_MS = 5000, DEADLINE_MS = 2000 };

#define STATE(serial, pg, cause, since, why)                                                                           \
    "{\"serial\":" #serial ",\"site\":\"production\",\"pg\":\"" pg "\",\"cause\":\"" cause "\",\"since_ms_ago\":" #since ",\"why\":\"" why "\"," \
    "\"epoch\":7,\"lease\":{\"valid_ms\":2400,\"by\":\"etcd\"},\"probes\":{\"connect\":1,\"read\":1,\"write\":2}}"

static void answer(int fd, const char *body)
{
    char text[2048];
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    (void)fake_send(fd, text);
}

/* The request line; false at the end of the connection. */
static bool next_request(struct fake_server *server, int fd, char *line, size_t size)
{
    char header[1024];
    if (!fake_read_line(fd, line, size))
        return false;
    while (fake_read_line(fd, header, sizeof(header)) && *header)
        ;
    server->requests++;
    return true;
}

/* The script is the answer to every question. */
static void says_always(struct fake_server *server, int fd)
{
    char line[1024];
    while (next_request(server, fd, line, sizeof(line)))
        answer(fd, server->script);
}

/* Well at first; whoever waits for news gets none for a moment, and then hears that it has crashed. */
static void crashes(struct fake_server *server, int fd)
{
    char line[1024];
    while (next_request(server, fd, line, sizeof(line))) {
        if (strstr(line, "GET /v1/state HTTP")) {
            answer(fd, STATE(41, "primary", "none", 900, "it takes writes, timeline 1"));
        } else if (strstr(line, "GET /v1/state?after=41&wait=5000 HTTP")) {
            usleep(100 * 1000);
            answer(fd, STATE(42, "crashed", "corruption", 0, "its log says: PANIC"));
        } else {
            sleep(2); /* nothing more happens */
        }
    }
}

struct scene {
    struct bench *b;
    struct fake_server *server, *witness;
    struct check_conf *conf;
};
static struct scene s;

static void set_up(fake_player *player, const char *script)
{
    s.b = bench_open();
    s.server = fake_server_new(player, script);
    s.b->service->sites.p[0].agent.url = arena_printf(s.b->arena, "http://%s:%d", s.server->address, s.server->port);
    s.b->service->failover.restart_budget_ms = 90 * MS_SECOND;
    s.conf = bench_check(s.b, "agent", "production.agent", "production", NULL);
    s.conf->interval_ms = INTERVAL_MS;
    s.conf->timeout_ms = DEADLINE_MS;
}

static int tear_down(void **state)
{
    (void)state;
    bench_close(&s.b);
    fake_server_free(&s.server);
    fake_server_free(&s.witness);
    return 0;
}

static void each_state_means_something(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum verdict_state verdict;
        bool certain;
        const char *words;
    } rows[] = {
        {STATE(1, "primary", "none", 5, "it takes writes"), VERDICT_UP, false, "primary: it takes writes; its lease of epoch 7 holds for another 2.4 s, by etcd"},
        {STATE(1, "standby", "none", 5, "it follows"), VERDICT_UP, false, "standby: it follows"},
        {STATE(1, "starting", "killed", 2000, "again"), VERDICT_WARNING, false, "starting (killed) since 2.0 s: again"},
        {STATE(1, "starting", "none", 90000, "redo"), VERDICT_DOWN, false, "starting since 1 min 30 s, and failover.restart_budget is 1 min 30 s: redo"},
        {STATE(1, "crashed", "disk-full", 3, "no room"), VERDICT_DOWN, true, "crashed (disk-full): no room"},
        {STATE(1, "quarantined", "lease-lost", 3, "alone"), VERDICT_DOWN, true, "quarantined (lease-lost): alone"},
        {STATE(1, "quarantined", "epoch", 3, "dr writes"), VERDICT_DOWN, true, "quarantined (epoch): dr writes"},
        {STATE(1, "quarantined", "guard", 3, "no lease yet"), VERDICT_DOWN, false, "quarantined (guard): no lease yet"},
        {STATE(1, "stopped", "none", 3, "somebody else shut it down"), VERDICT_DOWN, false, "stopped: somebody else"},
        {STATE(1, "hung", "none", 3, "no read"), VERDICT_DOWN, false, "hung: no read"},
        {STATE(1, "stalled", "none", 3, "no commit"), VERDICT_DOWN, false, "stalled: no commit"},
        {"{\"serial\":1,\"site\":\"production\",\"pg\":\"primary\",\"cause\":\"none\",\"why\":\"it takes writes; stopped: checkpointer (pid 7)\",\"stopped\":1}", VERDICT_WARNING, false,
         "primary: it takes writes; stopped: checkpointer (pid 7)"},
        {"{\"serial\":1,\"site\":\"production\",\"pg\":\"primary\",\"cause\":\"none\",\"why\":\"it takes writes\",\"stopped\":0}", VERDICT_UP, false, "primary: it takes writes"},
        {STATE(1, "asleep", "none", 3, "new word"), VERDICT_UNKNOWN, false, "is no agent of site \"production\" (site \"production\", state \"asleep\")"},
        {"{\"serial\":1,\"site\":\"dr\",\"pg\":\"crashed\"}", VERDICT_UNKNOWN, false, "is no agent of site \"production\" (site \"dr\", state \"crashed\")"},
        {"{\"site\":\"production\",\"pg\":\"crashed\"}", VERDICT_UNKNOWN, false, "is no agent of site"},
        {"not JSON", VERDICT_UNKNOWN, false, "unreachable is not dead"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up(says_always, rows[i].answer);
        const struct result *r = bench_once(s.b);
        assert_result(r, rows[i].verdict, rows[i].words);
        assert_int_equal(r->certain, rows[i].certain);
        assert_int_equal(r->good_wall_ms != 0, strncmp(rows[i].words, "primary", 7) == 0); /* the proof of life that a loss is measured from */
        tear_down(state);
    }
    set_up(says_always, STATE(1, "primary", "none", 5, "well")); /* for the tear-down behind us */
}

static void news_is_known_at_once(void **state)
{
    (void)state;
    set_up(crashes, NULL);
    bench_watch(s.b);
    observe_begin(s.b->observe);
    int64_t began = clock_boot_ms();
    while (s.b->count < 2 && clock_boot_ms() - began < 30 * MS_SECOND)
        loop_once(s.b->loop, true);
    assert_int_equal(s.b->count, 2);
    assert_result(&s.b->results[0], VERDICT_UP, "it takes writes");
    assert_result(&s.b->results[1], VERDICT_DOWN, "crashed (corruption): its log says: PANIC");
    assert_true(s.b->results[1].certain);
    assert_true(s.b->results[1].took_ms < INTERVAL_MS);
}

static void one_that_lets_nobody_wait_is_not_asked_all_the_time(void **state)
{
    (void)state;
    set_up(says_always, STATE(1, "primary", "none", 5, "well"));
    s.conf->interval_ms = 200;
    bench_watch(s.b);
    observe_begin(s.b->observe);
    bench_run_for(s.b, 1100);
    assert_in_range(s.server->requests, 2, 8); /* thousands, were it asked again at once */
}

static void unreachable_is_not_dead(void **state)
{
    (void)state;
    set_up(says_always, "");
    s.b->service->sites.p[0].agent.url = "http://127.0.0.1:1";
    assert_result(bench_once(s.b), VERDICT_UNKNOWN, "the agent of site \"production\" does not answer: ");
    tear_down(state);
    set_up(NULL, NULL);
    s.conf->timeout_ms = 200;
    assert_result(bench_once(s.b), VERDICT_UNKNOWN, "which may be unreachable rather than ill");
}

#define SEEN(named, looked, unseen) \
    "{\"serial\":1,\"site\":\"dr\",\"pg\":\"standby\",\"named\":\"" named "\",\"lease\":{\"looked_ms_ago\":" #looked ",\"other_seen_ms_ago\":" #unseen "}}"

/* Two renewals of 500 ms may be missing without a meaning. */
static void silence_that_another_sees_too_is_more_than_silence(void **state)
{
    (void)state;
    static const struct {
        const char *witness; /* NULL: nobody else has an agent */
        enum verdict_state verdict;
        const char *words;
    } rows[] = {
        {SEEN("production", 100, 1001), VERDICT_DOWN, "does not answer, and the agent of site \"dr\" has seen no renewal of its lease for 1.0 s: its host is off, frozen or cut off"},
        {SEEN("production", 100, 1000), VERDICT_UNKNOWN, "unreachable rather than ill"}, /* one may be late */
        {SEEN("production", 500, 3000), VERDICT_UNKNOWN, "unreachable rather than ill"}, /* it does not read etcd either */
        {SEEN("production", -1, 3000), VERDICT_UNKNOWN, "unreachable rather than ill"},
        {SEEN("production", 100, -1), VERDICT_UNKNOWN, "unreachable rather than ill"}, /* there never was a lease */
        {SEEN("dr", 100, 3000), VERDICT_UNKNOWN, "unreachable rather than ill"}, /* a standby's silence is nothing but that */
        {"{}", VERDICT_UNKNOWN, "unreachable rather than ill"},
        {"no JSON", VERDICT_UNKNOWN, "unreachable rather than ill"},
        {NULL, VERDICT_UNKNOWN, "unreachable rather than ill"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        set_up(NULL, NULL);
        s.conf->timeout_ms = rows[i].verdict == VERDICT_DOWN ? 30 * MS_SECOND : 600;
        s.b->service->failover.renew_ms = 500;
        if (rows[i].witness) {
            s.witness = fake_server_new(says_always, rows[i].witness);
            s.b->service->sites.p[1].agent.url = arena_printf(s.b->arena, "http://%s:%d", s.witness->address, s.witness->port);
        }
        const struct result *r = bench_once(s.b);
        assert_result(r, rows[i].verdict, rows[i].words);
        assert_false(r->certain); /* the next look must say the same */
        if (i + 1 < COUNT_OF(rows))
            tear_down(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_state_means_something, tear_down),
        cmocka_unit_test_teardown(news_is_known_at_once, tear_down),
        cmocka_unit_test_teardown(one_that_lets_nobody_wait_is_not_asked_all_the_time, tear_down),
        cmocka_unit_test_teardown(unreachable_is_not_dead, tear_down),
        cmocka_unit_test_teardown(silence_that_another_sees_too_is_more_than_silence, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
