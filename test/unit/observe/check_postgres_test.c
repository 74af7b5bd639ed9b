/* What the checks "postgres" and "tables" say of a real server in good health and in bad. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "io/pg.h"
#include "observe_support.h"
#include "pgfixture.h"
#include "sys/clock.h"

struct postgres_options { /* as in check_postgres.c: the table is asked for the places */
    int64_t connect, read, write;
    bool writes;
};

static struct pg_fixture *server;

static int start_server(void **state)
{
    (void)state;
    server = pg_fixture_new();
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    pg_fixture_free(&server);
    return 0;
}

static void *option_place(const char *type, void *options, const char *key)
{
    for (const struct option *o = check_driver(type)->options; o->key; o++)
        if (same(o->key, key))
            return (char *)options + o->offset;
    fail_msg("no option \"%s\"", key);
    return NULL;
}

static struct postgres_options options_of_run = {1000, 1000, 1000, true};

static int set_up(void **state)
{
    struct bench *b = bench_open();
    b->service->sites.p[0].database.at = server->target;
    options_of_run = (struct postgres_options){1000, 1000, 1000, true};
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench_close((struct bench **)state);
    return 0;
}

static const struct result *look(struct bench *b)
{
    void *options;
    if (!b->service->checks.n) {
        bench_check(b, "postgres", "db", "production", &options);
        *(int64_t *)option_place("postgres", options, "connect_timeout") = options_of_run.connect;
        *(int64_t *)option_place("postgres", options, "read_timeout") = options_of_run.read;
        *(int64_t *)option_place("postgres", options, "write_timeout") = options_of_run.write;
        *(bool *)option_place("postgres", options, "write") = options_of_run.writes;
    }
    return bench_once(b);
}

static void a_committed_write_is_the_proof_of_life(void **state)
{
    struct bench *b = *state;
    pg_fixture_sql(server, b->arena, NULL, "set client_min_messages = error; drop table if exists bascule_heartbeat");
    int64_t before = clock_wall_ms();
    const struct result *r = look(b); /* makes the table */
    assert_result(r, VERDICT_UP, "committed a write in ");
    assert_in_range(r->good_wall_ms, before, clock_wall_ms());
    char *beat = pg_fixture_sql(server, b->arena, NULL, "select id, beat_ms from bascule_heartbeat");
    assert_string_equal(beat, arena_printf(b->arena, "1|%lld", (long long)r->good_wall_ms));
    int64_t first = r->good_wall_ms;
    r = look(b);
    assert_result(r, VERDICT_UP, "committed a write in ");
    assert_true(r->good_wall_ms >= first);
    beat = pg_fixture_sql(server, b->arena, NULL, "select id, beat_ms from bascule_heartbeat");
    assert_string_equal(beat, arena_printf(b->arena, "1|%lld", (long long)r->good_wall_ms));
}

static void nothing_is_written_when_told_not_to(void **state)
{
    struct bench *b = *state;
    pg_fixture_sql(server, b->arena, NULL, "set client_min_messages = error; drop table if exists bascule_heartbeat");
    options_of_run.writes = false;
    const struct result *r = look(b);
    assert_result(r, VERDICT_UP, "not written to, as configured");
    assert_true(r->good_wall_ms > 0);
    assert_string_equal(pg_fixture_sql(server, b->arena, NULL, "select to_regclass('bascule_heartbeat') is null"), "t");
}

static void a_write_that_waits_names_itself_and_leaves_no_session_behind(void **state)
{
    struct bench *b = *state;
    look(b);
    struct bench *c = bench_open();
    c->service->sites.p[0].database.at = server->target;
    options_of_run.write = 200;
    /* another session holds the row: psql in the background, for 2 s */
    pid_t holder = fork();
    if (holder == 0) {
        pg_fixture_sql(server, b->arena, NULL, "begin; update bascule_heartbeat set beat_ms = 0; select pg_sleep(2); rollback");
        _exit(0);
    }
    while (!same(pg_fixture_sql(server, b->arena, NULL, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"), "1"))
        ;
    const struct result *r = look(c);
    assert_result(r, VERDICT_DOWN, "but the write failed: no answer within 0.2 s");
    assert_non_null(strstr(r->text, "connected in "));
    assert_non_null(strstr(r->text, "read in "));
    assert_int_equal(r->good_wall_ms, 0);
    bench_run_for(c, 500); /* the server ends it by its own statement_timeout, a quarter of a second later */
    assert_string_equal(pg_fixture_sql(server, b->arena, NULL, "select count(*) from pg_stat_activity where query like '%bascule_heartbeat (id%' and pid <> pg_backend_pid()"), "0");
    bench_close(&c);
}

static void a_missing_right_is_our_fault_and_not_the_servers(void **state)
{
    struct bench *b = *state;
    look(b);
    pg_fixture_sql(server, b->arena, NULL, "set client_min_messages = error; drop role if exists watcher");
    pg_fixture_sql(server, b->arena, NULL, "create role watcher login");
    b->service->sites.p[0].database.at.user = "watcher";
    assert_result(look(b), VERDICT_WARNING, "we may not write the heartbeat row: permission denied");
    pg_fixture_sql(server, b->arena, NULL, "drop table bascule_heartbeat");
    assert_result(look(b), VERDICT_WARNING, "permission denied for schema public (42501)");
}

static void a_read_only_server_is_down(void **state)
{
    struct bench *b = *state;
    look(b);
    pg_fixture_sql(server, b->arena, NULL, "alter role postgres set default_transaction_read_only = on");
    const struct result *r = look(b);
    pg_fixture_sql(server, b->arena, NULL, "begin read write; alter role postgres reset default_transaction_read_only; commit");
    assert_result(r, VERDICT_DOWN, "the server is read-only");
}

static void refusals_are_told_apart(void **state)
{
    struct bench *b = *state;
    struct pgtarget *at = &b->service->sites.p[0].database.at;
    at->port = 1;
    assert_result(look(b), VERDICT_DOWN, "Connection refused");
    *at = server->target;
    at->dbname = "nosuch";
    assert_result(look(b), VERDICT_DOWN, "does not exist (3D000)");
    *at = server->target;
    at->user = "nobody_here";
    assert_result(look(b), VERDICT_UNKNOWN, "the server answers and refuses our login");
    *at = server->target;
    at->password = (struct secret){.source = SECRET_FILE, .ref = "/nonexistent/secret"};
    assert_result(look(b), VERDICT_UNKNOWN, "/nonexistent/secret");
    *at = server->target;
    at->host = "no-such-host.invalid";
    assert_result(look(b), VERDICT_UNKNOWN, "could not find out where the server is");
}

static void a_frozen_server_is_down_by_the_probe_that_hung(void **state)
{
    struct bench *b = *state;
    options_of_run.connect = 300;
    pg_fixture_sigstop(server);
    const struct result *r = look(b);
    pg_fixture_sigcont(server);
    assert_result(r, VERDICT_DOWN, "new connection: no answer within 0.3 s");
    assert_in_range(r->took_ms, 300, 700);
}

static void too_many_clients_is_said_in_so_many_words(void **state)
{
    struct bench *b = *state;
    pg_fixture_stop(server);
    pg_fixture_configure(server, "max_connections = 4\nsuperuser_reserved_connections = 0\nmax_wal_senders = 0");
    pg_fixture_start(server);
    struct pg *held[16] = {0};
    struct err err = {0};
    size_t n = 0;
    while (n < COUNT_OF(held) && pg_open(&server->target, NULL, 2000, &held[n], &err))
        n++;
    assert_int_equal(n, 4);
    const struct result *r = look(b);
    while (n)
        pg_close(&held[--n]);
    assert_result(r, VERDICT_DOWN, "too many clients");
    pg_fixture_configure(server, "max_connections = 20\nsuperuser_reserved_connections = 3");
    pg_fixture_stop(server);
    pg_fixture_start(server);
}

/* A standby that never reaches a primary: recovery for as long as we like. */
static void a_server_in_recovery_is_not_written_to(void **state)
{
    struct bench *b = *state;
    char *path = arena_printf(b->arena, "%s/standby.signal", server->data);
    pg_fixture_stop(server);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    pg_fixture_start(server);
    const struct result *r = look(b);
    pg_fixture_stop(server);
    assert_int_equal(unlink(path), 0);
    pg_fixture_start(server);
    assert_result(r, VERDICT_UP, "in recovery, so not written to");
    assert_result(look(b), VERDICT_UP, "committed a write");
}

static void starting_up_is_said_so(void **state)
{
    struct bench *b = *state;
    char *path = arena_printf(b->arena, "%s/standby.signal", server->data);
    pg_fixture_stop(server);
    FILE *f = fopen(path, "we");
    fclose(f);
    pg_fixture_configure(server, "hot_standby = off"); /* recovers and lets nobody in */
    pg_fixture_launch(server);
    const struct result *r = NULL;
    for (int64_t until = clock_boot_ms() + 8000; clock_boot_ms() < until;) {
        r = look(b);
        assert_int_equal(r->state, VERDICT_DOWN);
        if (strstr(r->text, "57P03"))
            break;
    }
    assert_result(r, VERDICT_DOWN, "starting up or stopping");
    pg_fixture_stop(server);
    assert_int_equal(unlink(path), 0);
    pg_fixture_configure(server, "hot_standby = on");
    pg_fixture_start(server);
}

static void critical_tables_are_named_when_missing(void **state)
{
    struct bench *b = *state;
    pg_fixture_sql(server, b->arena, NULL, "set client_min_messages = error; drop table if exists users, payments; create table users(id int); create table payments(id int)");
    bench_strs(b, &b->service->sites.p[0].database.critical_tables, "users", "payments", NULL);
    void *options;
    bench_check(b, "tables", "tables", "production", &options);
    assert_result(bench_once(b), VERDICT_UP, "all 2 critical tables are present");
    bench_strs(b, option_place("tables", options, "tables"), "users", "contracts", "invoices", NULL);
    assert_result(bench_once(b), VERDICT_DOWN, "2 of 3 critical tables are missing: contracts, invoices");
    bench_strs(b, option_place("tables", options, "tables"), "users; drop", NULL);
    assert_result(bench_once(b), VERDICT_UNKNOWN, "could not look for the critical tables");
    b->service->sites.p[0].database.at.port = 1;
    assert_result(bench_once(b), VERDICT_DOWN, "Connection refused");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_committed_write_is_the_proof_of_life),
        TEST(nothing_is_written_when_told_not_to),
        TEST(a_write_that_waits_names_itself_and_leaves_no_session_behind),
        TEST(a_missing_right_is_our_fault_and_not_the_servers),
        TEST(a_read_only_server_is_down),
        TEST(refusals_are_told_apart),
        TEST(a_frozen_server_is_down_by_the_probe_that_hung),
        TEST(too_many_clients_is_said_in_so_many_words),
        TEST(a_server_in_recovery_is_not_written_to),
        TEST(starting_up_is_said_so),
        TEST(critical_tables_are_named_when_missing),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
