/* Sessions against a real PostgreSQL, well, frozen, and gone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/pg.h"
#include "pgfixture.h"
#include "sys/clock.h"

static struct pg_fixture *server;

static int set_up(void **state)
{
    (void)state;
    server = pg_fixture_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_fixture_free(&server);
    return 0;
}

static struct pg *must_open(const char *dbname)
{
    struct pg *pg = NULL;
    struct err err = {0};
    if (!pg_open(&server->target, dbname, 5000, &pg, &err))
        fail_msg("%s", err.message);
    return pg;
}

static void a_statement_gives_its_rows_as_text(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct pg_rows *rows;
    struct err err = {0};
    const char *const params[] = {"7", NULL};
    assert_true(pg_exec(pg, a, "select $1::int + 1, $2::text, 'é' union all select 1, 'x', ''", params, 2, 2000, &rows, &err));
    assert_int_equal(pg_count(rows), 2);
    assert_int_equal(pg_int(rows, 0, 0), 8);
    assert_null(pg_text(rows, 0, 1));
    assert_int_equal(pg_int(rows, 0, 1), 0);
    assert_string_equal(pg_text(rows, 0, 2), "é");
    assert_string_equal(pg_text(rows, 1, 2), "");
    assert_null(pg_text(rows, 2, 0));
    assert_null(pg_text(rows, 0, 3));
    assert_true(pg_server_version(pg) >= 150000);
    assert_true(pg_socket(pg) >= 0);
    assert_true(pg_exec(pg, a, "select current_setting('application_name'), current_setting('client_encoding')", NULL, 0, 2000, &rows, &err));
    assert_string_equal(pg_text(rows, 0, 0), "bascule");
    assert_string_equal(pg_text(rows, 0, 1), "UTF8");
}

static void an_error_names_its_sqlstate_and_leaves_the_session_usable(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    assert_false(pg_exec(pg, a, "select * from nowhere", NULL, 0, 2000, NULL, &err));
    assert_string_equal(pg_sqlstate(pg), "42P01");
    assert_non_null(strstr(err.message, "(42P01)"));
    assert_int_equal(err.code, ERR_FAILED);
    assert_true(pg_exec(pg, a, "select 1", NULL, 0, 2000, NULL, &err));
    assert_string_equal(pg_sqlstate(pg), "");
}

static void a_script_runs_whole_or_says_why(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct pg_rows *rows;
    struct err err = {0};
    assert_true(pg_script(pg, "create table s(i int); insert into s values (1), (2); do $$ begin raise notice 'hush'; end $$", 2000, &err));
    assert_true(pg_exec(pg, a, "update s set i = i + 1", NULL, 0, 2000, &rows, &err));
    assert_int_equal(pg_affected(rows), 2);
    assert_false(pg_script(pg, "insert into s values (9); select 1/0", 2000, &err));
    assert_string_equal(pg_sqlstate(pg), "22012");
    assert_true(pg_exec(pg, a, "select count(*) from s", NULL, 0, 2000, &rows, &err));
    assert_int_equal(pg_int(rows, 0, 0), 2);
    assert_false(pg_script(pg, "copy s from stdin", 2000, &err)); /* would wait for data for ever */
    assert_int_equal(err.code, ERR_USAGE);
    assert_true(pg_exec(pg, a, "drop table s", NULL, 0, 2000, NULL, &err));
}

static void copy_takes_pieces_of_any_size(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    SCOPED(buf_done) struct buf text = {.max = 8 << 20};
    struct pg_rows *rows;
    struct err err = {0};
    int64_t copied = 0;
    assert_true(pg_script(pg, "create table c(i int, t text)", 2000, &err));
    assert_true(pg_copy_in_begin(pg, "copy c from stdin", 2000, &err));
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "%d\trow number %d\n", i, i);
    for (size_t at = 0, n = 1; at < text.n; at += n, n = n * 3 + 1) {
        n = MIN_OF(n, text.n - at);
        assert_true(pg_copy_in_put(pg, text.p + at, n, 5000, &err));
    }
    assert_true(pg_copy_in_end(pg, NULL, 5000, &copied, &err));
    assert_int_equal(copied, 100000);
    assert_true(pg_exec(pg, a, "select sum(i) from c", NULL, 0, 2000, &rows, &err));
    assert_int_equal(pg_int(rows, 0, 0), 4999950000);

    assert_true(pg_copy_in_begin(pg, "copy c from stdin", 2000, &err));
    assert_true(pg_copy_in_put(pg, "1\tx\n", 4, 2000, &err));
    assert_false(pg_copy_in_end(pg, "changed my mind", 2000, NULL, &err));
    assert_non_null(strstr(err.message, "changed my mind"));
    assert_false(pg_copy_in_begin(pg, "select 1", 2000, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_false(pg_copy_in_begin(pg, "copy nowhere from stdin", 2000, &err));
    assert_string_equal(pg_sqlstate(pg), "42P01");
    assert_true(pg_exec(pg, a, "drop table c", NULL, 0, 2000, NULL, &err));
}

static void a_refused_row_stops_the_copy_before_all_of_it_was_sent(void **state)
{
    (void)state;
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    char piece[64 * 1024];
    memset(piece, 'x', sizeof(piece));
    piece[sizeof(piece) - 1] = '\n';
    assert_true(pg_script(pg, "create table r(i int)", 2000, &err));
    assert_true(pg_copy_in_begin(pg, "copy r from stdin", 2000, &err));
    int sent = 0;
    while (sent < 4000 && pg_copy_in_put(pg, piece, sizeof(piece), 5000, &err))
        sent++;
    assert_true(sent < 4000);
    assert_string_equal(pg_sqlstate(pg), "22P02");
    assert_true(pg_script(pg, "drop table r", 2000, &err)); /* the session lives on */
}

static void a_slow_statement_is_cancelled_at_its_deadline(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    int64_t begun = clock_boot_ms();
    assert_false(pg_exec(pg, a, "select pg_sleep(30)", NULL, 0, 200, NULL, &err));
    int64_t took = clock_boot_ms() - begun;
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_string_equal(err.message, "no answer within 0.2 s");
    assert_in_range(took, 200, 1000);
    assert_true(pg_exec(pg, a, "select 1", NULL, 0, 2000, NULL, &err)); /* the cancel was clean */
}

static void a_frozen_server_is_given_up_a_second_after_the_deadline(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct pg *other = NULL;
    struct err err = {0};
    pg_fixture_sigstop(server);
    int64_t begun = clock_boot_ms();
    bool answered = pg_exec(pg, a, "select 1", NULL, 0, 300, NULL, &err);
    int64_t took = clock_boot_ms() - begun;
    begun = clock_boot_ms();
    struct err open_err = {0};
    bool opened = pg_open(&server->target, NULL, 300, &other, &open_err);
    int64_t open_took = clock_boot_ms() - begun;
    pg_fixture_sigcont(server);
    assert_false(answered);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(took, 1300, 2500);
    assert_false(opened);
    assert_int_equal(open_err.code, ERR_TIMEOUT);
    assert_in_range(open_took, 300, 1000);
    assert_false(pg_exec(pg, a, "select 1", NULL, 0, 300, NULL, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void copying_into_a_frozen_server_keeps_its_deadline(void **state)
{
    (void)state;
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    static const char piece[1 << 20];
    assert_true(pg_script(pg, "create table if not exists z(t text)", 2000, &err));
    assert_true(pg_copy_in_begin(pg, "copy z from stdin", 2000, &err));
    pg_fixture_sigstop(server);
    int64_t begun = clock_boot_ms();
    bool put = true;
    for (int i = 0; i < 64 && put; i++)
        put = pg_copy_in_put(pg, piece, sizeof(piece), 300, &err);
    int64_t took = clock_boot_ms() - begun;
    pg_fixture_sigcont(server);
    assert_false(put);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(took < 3000);
}

static void failures_to_connect_are_told_apart(void **state)
{
    (void)state;
    struct pg *pg = NULL;
    struct err err = {0};
    assert_false(pg_open(&server->target, "nosuch", 3000, &pg, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "\"nosuch\" does not exist (3D000)"));
    struct pgtarget nobody = server->target;
    nobody.user = "nobody_here";
    assert_false(pg_open(&nobody, NULL, 3000, &pg, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    struct pgtarget elsewhere = server->target;
    elsewhere.port = 1;
    assert_false(pg_open(&elsewhere, NULL, 3000, &pg, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "efused"));
    struct pgtarget nameless = server->target;
    nameless.host = "no-such-host.invalid";
    int64_t begun = clock_boot_ms();
    assert_false(pg_open(&nameless, NULL, 1000, &pg, &err));
    assert_true(clock_boot_ms() - begun < 1500);
    assert_non_null(strstr(err.message, "no-such-host.invalid"));
    struct pgtarget no_file = server->target;
    no_file.password = (struct secret){.source = SECRET_FILE, .ref = "/nonexistent/password"};
    assert_false(pg_open(&no_file, NULL, 1000, &pg, &err));
    assert_non_null(strstr(err.message, "/nonexistent/password"));
    struct pgtarget socket_here = server->target;
    socket_here.host = server->socket_dir;
    assert_true(pg_open(&socket_here, NULL, 1000, &pg, &err));
    pg_close(&pg);
    assert_null(pg);
}

static void names_and_values_are_quoted(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    assert_string_equal(pg_identifier(pg, a, "odd\"name"), "\"odd\"\"name\"");
    assert_string_equal(pg_literal(pg, a, "it's"), "'it''s'");
}

static void a_password_goes_into_a_file_of_its_own(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    struct pgtarget target = {.host = "h", .dbname = "d", .user = "u", .password = {.source = SECRET_ENV, .ref = "PG_TEST_SECRET"}};
    const char *const *env;
    char *passfile = NULL, text[128] = "", folder[] = "/tmp/pgenv.XXXXXX";
    assert_non_null(mkdtemp(folder));
    setenv("PG_TEST_SECRET", "a:b\\c", 1);
    assert_true(pg_client_env(a, &target, folder, &env, &passfile, &err));
    for (size_t i = 0; env[i]; i++)
        assert_null(strstr(env[i], "a:b"));
    struct stat st;
    assert_int_equal(stat(passfile, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *f = fopen(passfile, "r");
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "*:*:*:*:a\\:b\\\\c\n");
    unlink(passfile);
    /* What a killed process left goes, what belongs to a living one and to others stays. */
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    char *left = arena_printf(a, "%s/pgpass.%d.AbC12z", folder, (int)dead), *living = arena_printf(a, "%s/pgpass.%d.AbC12z", folder, (int)getppid()),
         *other = arena_printf(a, "%s/pgpass.AbC12z", folder);
    for (char *const *p = (char *const[]){left, living, other, NULL}; *p; p++)
        fclose(fopen(*p, "w"));
    assert_true(pg_client_env(a, &target, folder, &env, &passfile, &err));
    assert_int_equal(unlink(left), -1);
    assert_int_equal(unlink(living), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(unlink(passfile), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_false(pg_client_env(a, &target, "/nonexistent", &env, &passfile, &err));
    target.password.source = SECRET_NONE;
    assert_true(pg_client_env(a, &target, "/nonexistent", &env, &passfile, &err));
    assert_null(passfile);
}

/* Runs near the end: the server is taken away in the middle of a statement. libpq notes what happened first, and then that it has no socket. */
static void a_session_that_breaks_off_says_so(void **state)
{
    (void)state;
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    assert_false(pg_script(pg, "copy (select 1) to program 'kill -9 $PPID'", 5000, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    if (!strstr(err.message, "server closed the connection"))
        fail_msg("%s", err.message);
    pg_fixture_kill(server);
    pg_fixture_start(server);
}

/* Runs near the end: the server is taken away. */
static void a_killed_server_is_unavailable(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    SCOPED(pg_close) struct pg *pg = must_open(NULL);
    struct err err = {0};
    pg_fixture_kill(server);
    assert_false(pg_exec(pg, a, "select 1", NULL, 0, 2000, NULL, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    pg_fixture_start(server);
    struct pg *again = must_open(NULL);
    pg_close(&again);
    pg_fixture_configure(server, "max_connections = 4\nsuperuser_reserved_connections = 0\nmax_wal_senders = 0");
    pg_fixture_stop(server);
    pg_fixture_start(server);
    struct pg *all[8] = {0};
    size_t n = 0;
    while (n < 8 && pg_open(&server->target, NULL, 2000, &all[n], &err))
        n++;
    assert_int_equal(n, 4);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "53300"));
    while (n)
        pg_close(&all[--n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_gives_its_rows_as_text),
        cmocka_unit_test(an_error_names_its_sqlstate_and_leaves_the_session_usable),
        cmocka_unit_test(a_script_runs_whole_or_says_why),
        cmocka_unit_test(copy_takes_pieces_of_any_size),
        cmocka_unit_test(a_refused_row_stops_the_copy_before_all_of_it_was_sent),
        cmocka_unit_test(a_slow_statement_is_cancelled_at_its_deadline),
        cmocka_unit_test(a_frozen_server_is_given_up_a_second_after_the_deadline),
        cmocka_unit_test(copying_into_a_frozen_server_keeps_its_deadline),
        cmocka_unit_test(failures_to_connect_are_told_apart),
        cmocka_unit_test(names_and_values_are_quoted),
        cmocka_unit_test(a_password_goes_into_a_file_of_its_own),
        cmocka_unit_test(a_session_that_breaks_off_says_so),
        cmocka_unit_test(a_killed_server_is_unavailable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
