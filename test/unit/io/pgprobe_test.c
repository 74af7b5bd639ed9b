/* Probes of a real PostgreSQL on the loop, well, frozen, locked and gone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "fakeserver.h"
#include "io/dns.h"
#include "io/pg.h"
#include "io/pgprobe.h"
#include "pgfixture.h"
#include "sys/clock.h"

static struct pg_fixture *server;
static struct loop *loop;
static struct dns *dns;

struct seen {
    int calls;
    size_t count;
    struct pgprobe_outcome o[4];
    char value[4][64], second[64];
    struct pgprobe *probe;
};

static int set_up(void **state)
{
    (void)state;
    server = pg_fixture_new();
    loop = loop_open();
    dns = dns_open(loop, 500);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    dns_close(&dns);
    loop_close(&loop);
    pg_fixture_free(&server);
    return 0;
}

static void on_done(void *arg, const struct pgprobe_outcome *outcomes, size_t count)
{
    struct seen *s = arg;
    s->calls++;
    s->count = count;
    s->probe = NULL;
    for (size_t i = 0; i < count; i++) {
        s->o[i] = outcomes[i];
        COPY_TO(s->value[i], outcomes[i].value ? outcomes[i].value : "(none)");
        if (i == 1 && outcomes[i].rows > 1)
            COPY_TO(s->second, outcomes[i].column[1] ? outcomes[i].column[1] : "(null)");
    }
}

static struct seen probe(const struct pgtarget *target, const struct pgprobe_step *steps, size_t count, int64_t connect_ms)
{
    struct seen s = {0};
    struct pgprobe_spec spec = {.target = target, .connect_timeout_ms = connect_ms, .steps = steps, .step_count = count};
    pgprobe_start(loop, dns, &spec, on_done, &s, &s.probe);
    assert_int_equal(s.calls, 0);
    while (!s.calls)
        loop_once(loop, true);
    return s;
}

static void steps_run_one_after_another(void **state)
{
    (void)state;
    const char *const params[] = {"5"};
    const struct pgprobe_step steps[] = {
        {.name = "rows", .sql = "select i from (values ($1::int), (null)) v(i)", .params = params, .param_count = 1, .timeout_ms = 2000},
        {.name = "several", .sql = "begin; create temp table t(i int); insert into t values (3); select i from t; commit", .timeout_ms = 2000},
        {.name = "left out", .sql = "this would fail", .timeout_ms = 2000, .skip_when = "3"},
    };
    struct seen s = probe(&server->target, steps, 3, 2000);
    assert_int_equal(s.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(s.o[i].ok);
    assert_true(s.o[2].reached);
    assert_true(s.o[3].skipped);
    assert_false(s.o[3].reached);
    assert_int_equal(s.o[1].rows, 2);
    assert_string_equal(s.value[1], "5");
    assert_string_equal(s.second, "(null)");
    assert_string_equal(s.value[2], "3");
}

static void the_first_failure_ends_it(void **state)
{
    (void)state;
    const struct pgprobe_step steps[] = {
        {.name = "bad", .sql = "select 1; select * from nowhere; select 2", .timeout_ms = 2000},
        {.name = "never", .sql = "select 1", .timeout_ms = 2000},
    };
    struct seen s = probe(&server->target, steps, 2, 2000);
    assert_true(s.o[0].ok);
    assert_false(s.o[1].ok);
    assert_string_equal(s.o[1].sqlstate, "42P01");
    assert_false(s.o[2].reached);
    const struct pgprobe_step copies[] = {{.name = "copy", .sql = "copy pg_class to stdout", .timeout_ms = 2000}};
    s = probe(&server->target, copies, 1, 2000);
    assert_false(s.o[1].ok);
}

static void every_step_has_its_own_deadline(void **state)
{
    (void)state;
    const struct pgprobe_step steps[] = {
        {.name = "quick", .sql = "select 1", .timeout_ms = 2000},
        {.name = "slow", .sql = "select pg_sleep(5)", .timeout_ms = 150},
    };
    int64_t begun = clock_boot_ms();
    struct seen s = probe(&server->target, steps, 2, 2000);
    assert_true(s.o[1].ok);
    assert_int_equal(s.o[2].err.code, ERR_TIMEOUT);
    assert_in_range(s.o[2].took_ms, 150, 600);
    assert_true(clock_boot_ms() - begun < 3000);
}

static void a_frozen_server_costs_its_deadline_and_the_loop_nothing(void **state)
{
    (void)state;
    const struct pgprobe_step steps[] = {{.name = "read", .sql = "select 1", .timeout_ms = 300}};
    pg_fixture_sigstop(server);
    int64_t begun = clock_boot_ms();
    struct seen s = probe(&server->target, steps, 1, 200);
    int64_t took = clock_boot_ms() - begun;
    pg_fixture_sigcont(server);
    assert_false(s.o[0].ok);
    assert_int_equal(s.o[0].err.code, ERR_TIMEOUT);
    assert_in_range(took, 200, 700);
}

static void failures_to_connect_are_told_apart(void **state)
{
    (void)state;
    struct pgtarget t = server->target;
    t.dbname = "nosuch";
    struct seen s = probe(&t, NULL, 0, 2000);
    assert_string_equal(s.o[0].sqlstate, "3D000");
    t = server->target;
    t.port = 1;
    s = probe(&t, NULL, 0, 2000);
    assert_int_equal(s.o[0].err.code, ERR_UNAVAILABLE);
    assert_false(s.o[0].unresolved);
    t = server->target;
    t.host = "no-such-host.invalid";
    s = probe(&t, NULL, 0, 900);
    assert_false(s.o[0].ok);
    assert_true(s.o[0].unresolved);
    t = server->target;
    t.password = (struct secret){.source = SECRET_FILE, .ref = "/nonexistent"};
    s = probe(&t, NULL, 0, 2000);
    assert_true(s.o[0].local_fault);
    t = server->target;
    t.sslmode = "nonsense";
    s = probe(&t, NULL, 0, 2000);
    assert_false(s.o[0].ok);
    t = server->target;
    t.host = server->socket_dir;
    s = probe(&t, NULL, 0, 2000);
    assert_true(s.o[0].ok);
}

static void a_server_that_talks_nonsense_is_a_broken_protocol(void **state)
{
    (void)state;
    struct fake_server *fake = fake_server_new(fake_smtp, ">HTTP/1.1 400 what is this\n");
    struct pgtarget t = server->target;
    t.host = fake->address;
    t.port = fake->port;
    struct seen s = probe(&t, NULL, 0, 2000);
    fake_server_free(&fake);
    assert_false(s.o[0].ok);
    assert_int_equal(s.o[0].err.code, ERR_PROTOCOL);
}

/* Refuses the plain connection, so libpq opens an encrypted one, mostly under the number of the first; full by then. */
static void refuses_then_is_full(struct fake_server *fake, int fd)
{
    static const char refused[] = "E\0\0\0\x24SFATAL\0C28000\0Mencrypt, please\0";
    static const char full[] = "E\0\0\0\x24SFATAL\0C53300\0Msorry, too many\0";
    char request[512];
    bool first = atomic_load(&fake->connections) == 1;
    _Static_assert(sizeof(refused) == sizeof(full), "the length in their second byte holds for both");
    if (recv(fd, request, sizeof(request), 0) > 0)
        send(fd, first ? refused : full, sizeof(full), MSG_NOSIGNAL);
}

static void a_second_connection_of_libpq_is_followed(void **state)
{
    (void)state;
    struct fake_server *fake = fake_server_new(refuses_then_is_full, NULL);
    struct pgtarget t = server->target;
    t.host = fake->address;
    t.port = fake->port;
    t.sslmode = "allow";
    struct seen s = probe(&t, NULL, 0, 5000);
    assert_int_equal(atomic_load(&fake->connections), 2);
    fake_server_free(&fake);
    assert_false(s.o[0].ok);
    assert_string_equal(s.o[0].sqlstate, "28000"); /* the server's first answer, not our deadline */
}

static void a_cancelled_probe_says_nothing(void **state)
{
    (void)state;
    struct seen s = {0};
    const struct pgprobe_step steps[] = {{.name = "read", .sql = "select 1", .timeout_ms = 1000}};
    struct pgprobe_spec spec = {.target = &server->target, .connect_timeout_ms = 1000, .steps = steps, .step_count = 1};
    for (int rounds = 0; rounds < 6; rounds++) { /* at every stage of its life */
        pgprobe_start(loop, dns, &spec, on_done, &s, &s.probe);
        for (int i = 0; i < rounds && s.probe; i++)
            loop_once(loop, true);
        pgprobe_cancel(&s.probe);
        assert_null(s.probe);
    }
    while (loop_once(loop, false))
        ;
    assert_true(s.calls <= 2);
    pgprobe_cancel(&s.probe);
}

static void a_server_killed_under_a_statement_is_noticed_at_once(void **state)
{
    (void)state;
    struct seen s = {0};
    const struct pgprobe_step steps[] = {
        {.name = "connected", .sql = "select 1", .timeout_ms = 5000},
        {.name = "slow", .sql = "select pg_sleep(20)", .timeout_ms = 10000},
    };
    struct pgprobe_spec spec = {.target = &server->target, .connect_timeout_ms = 1000, .steps = steps, .step_count = 2};
    pgprobe_start(loop, dns, &spec, on_done, &s, &s.probe);
    for (int64_t until = clock_boot_ms() + 300; clock_boot_ms() < until;)
        loop_once(loop, false);
    int64_t begun = clock_boot_ms();
    pg_fixture_kill(server);
    while (!s.calls)
        loop_once(loop, true);
    assert_true(clock_boot_ms() - begun < 1000);
    assert_true(s.o[1].ok);
    assert_false(s.o[2].ok);
    assert_int_equal(s.o[2].err.code, ERR_UNAVAILABLE);
    pg_fixture_start(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_run_one_after_another),
        cmocka_unit_test(the_first_failure_ends_it),
        cmocka_unit_test(every_step_has_its_own_deadline),
        cmocka_unit_test(a_frozen_server_costs_its_deadline_and_the_loop_nothing),
        cmocka_unit_test(failures_to_connect_are_told_apart),
        cmocka_unit_test(a_server_that_talks_nonsense_is_a_broken_protocol),
        cmocka_unit_test(a_second_connection_of_libpq_is_followed),
        cmocka_unit_test(a_cancelled_probe_says_nothing),
        cmocka_unit_test(a_server_killed_under_a_statement_is_noticed_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
