/* trafficworld_pgbouncer.c -- Debian's PgBouncer before two PostgreSQL servers; the users' request is answered by what a query through it
   finds. */
#include "trafficworld.h"

#include <signal.h>
#include <unistd.h>

#include "io/pg.h"
#include "pgfixture.h"
#include "sys/clock.h"
#include "sys/file.h"

struct bouncer {
    struct pg_fixture *servers[2];
    struct pgtarget through;
};

static void asks_through(struct world *w, void *arg, char *to, size_t size)
{
    const struct bouncer *b = arg;
    SCOPED(pg_close) struct pg *pg = NULL;
    struct pg_rows *rows;
    if (pg_open(&b->through, NULL, 2000, &pg, NULL) && pg_simple(pg, w->arena, "select name from site", 2000, &rows, NULL) && pg_count(rows) == 1 &&
        !file_exists(arena_printf(w->arena, "%s/%s.down", w->folder, pg_text(rows, 0, 0))))
        str_copy(to, size, pg_text(rows, 0, 0));
}

static char *include_of(struct world *w)
{
    return arena_printf(w->arena, "%s/bascule.ini", w->folder);
}

static void pgbouncer_open(struct world *w)
{
    struct bouncer *b = w->more = arena_alloc(w->arena, sizeof(*b));
    const char *conf = arena_printf(w->arena, "%s/pgbouncer.ini", w->folder);
    int port = world_port(w);
    w->server_port = world_port(w);
    for (int i = 0; i < 2; i++) {
        b->servers[i] = pg_fixture_new();
        pg_fixture_sql(b->servers[i], w->arena, NULL, arena_printf(w->arena, "create table site(name text); insert into site values ('%s')", w->sites[i].name));
        w->sites[i].database.at = b->servers[i]->target;
        w->sites[i].database.at.host = b->servers[i]->address;
    }
    fixture_write(arena_printf(w->arena, "%s/users", w->folder), 0644, "\"postgres\" \"\"\n");
    fixture_write(include_of(w), 0644, "; by hand\n[databases]\nakig = host=%s port=%d dbname=postgres\n", b->servers[0]->address, b->servers[0]->port);
    fixture_write(conf, 0644,
                  "[pgbouncer]\nlisten_addr = %s\nlisten_port = %d\nunix_socket_dir =\nauth_type = trust\nauth_file = %s/users\nadmin_users = postgres\n"
                  "pool_mode = transaction\nserver_connect_timeout = 2\nserver_login_retry = 1\nignore_startup_parameters = extra_float_digits\n"
                  "%%include %s\n",
                  w->address, w->server_port, w->folder, include_of(w));
    w->server_argv = arena_dup(w->arena, (const char *[]){"/usr/sbin/pgbouncer", "-u", "postgres", conf, NULL}, 5 * sizeof(char *));
    if (geteuid() != 0)
        w->server_argv = arena_dup(w->arena, (const char *[]){"/usr/sbin/pgbouncer", conf, NULL}, 3 * sizeof(char *));
    world_start(w);
    b->through = (struct pgtarget){.host = w->address, .port = w->server_port, .dbname = "akig", .user = "postgres"};
    world_serve(w, w->address, port, NULL, asks_through, b);
    w->service.public_url = arena_printf(w->arena, "http://%s:%d", w->address, port);
    *(const char **)world_option(w, "admin_host") = w->address;
    *(int *)world_option(w, "admin_port") = w->server_port;
    *(const char **)world_option(w, "user") = "postgres";
    *(const char **)world_option(w, "include") = include_of(w);
    *(struct strs *)world_option(w, "database") = world_words(w, "akig", NULL);
    *(const char **)world_option(w, "parameters") = "dbname=postgres";
    *(int64_t *)world_option(w, "pause") = 500;
    w->ctx.args = world_words(w, "switch", "--force", NULL);
    w->ctx.run = "run-1"; /* as by a playbook: the old database goes on taking connections in these tests */
}

static void pgbouncer_close(struct world *w)
{
    struct bouncer *b = w->more;
    for (int i = 0; i < 2; i++)
        pg_fixture_free(&b->servers[i]);
}

static char *pgbouncer_state(struct world *w)
{
    struct str text = {0};
    assert_true(file_read(w->arena, include_of(w), 4096, &text, NULL));
    return str_dup(w->arena, text);
}

const struct world_kind world_pgbouncer = {"pgbouncer", "pgbouncer", pgbouncer_open, pgbouncer_close, pgbouncer_state};

static void clients_stay_connected(struct world *w)
{
    struct bouncer *b = w->more;
    SCOPED(pg_close) struct pg *pg = NULL;
    struct pg_rows *rows;
    struct err err = {0};
    assert_true(pg_open(&b->through, NULL, 3000, &pg, &err));
    assert_true(pg_simple(pg, w->arena, "select name from site", 3000, &rows, &err));
    assert_string_equal(pg_text(rows, 0, 0), "production");
    world_must(w, "switch", "dr");
    if (!pg_simple(pg, w->arena, "select name from site", 3000, &rows, &err)) /* the same session, the other server */
        fail_msg("%s", err.message);
    assert_string_equal(pg_text(rows, 0, 0), "dr");
}

static void a_transaction_that_does_not_end_is_cut(struct world *w)
{
    struct bouncer *b = w->more;
    SCOPED(pg_close) struct pg *pg = NULL;
    struct pg_rows *rows;
    struct err err = {0};
    assert_true(pg_open(&b->through, NULL, 3000, &pg, &err));
    assert_true(pg_script(pg, "begin", 3000, &err));
    assert_true(pg_simple(pg, w->arena, "insert into site values ('lost') returning name", 3000, &rows, &err));
    int64_t began = clock_boot_ms();
    world_must(w, "switch", "dr");
    assert_true(clock_boot_ms() - began < 8000);
    assert_false(pg_script(pg, "commit", 3000, &err)); /* the old server takes nothing more through it */
    assert_string_equal(pg_fixture_sql(b->servers[0], w->arena, NULL, "select count(*) from site"), "1");
}

static void the_old_server_may_be_dead_or_frozen(struct world *w)
{
    struct bouncer *b = w->more;
    pg_fixture_sigstop(b->servers[0]);
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
    pg_fixture_sigcont(b->servers[0]);
    world_must(w, "undo", NULL);
    world_served_by(w, "production");
    pg_fixture_kill(b->servers[0]);
    world_must(w, "switch", "dr");
    world_served_by(w, "dr");
}

static void a_file_that_is_not_included_is_found_out(struct world *w)
{
    struct err err;
    const char *elsewhere = arena_printf(w->arena, "%s/elsewhere.ini", w->folder);
    *(const char **)world_option(w, "include") = elsewhere;
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "still sends its databases to site \"production\""));
    assert_false(file_exists(elsewhere));
    world_served_by(w, "production"); /* and it was resumed */
}

static void a_pause_left_behind_is_mended(struct world *w)
{
    struct bouncer *b = w->more;
    struct pgtarget at = b->through;
    SCOPED(pg_close) struct pg *pg = NULL;
    struct err err = {0};
    at.dbname = "pgbouncer";
    assert_true(pg_open(&at, NULL, 3000, &pg, &err));
    assert_true(pg_script(pg, "PAUSE akig", 3000, &err));
    world_must(w, "switch", "production"); /* what whoever was killed between PAUSE and RESUME left */
    world_served_by(w, "production");
}

static void unusable_configurations_are_refused(struct world *w)
{
    const struct traffic_ops *d = traffic_driver("pgbouncer");
    struct err err = {0};
    static const char *const databases[] = {"", "a b", "a=b", "a\nb", "a\"b"};
    for (size_t i = 0; i < COUNT_OF(databases); i++) {
        *(struct strs *)world_option(w, "database") = world_words(w, databases[i], NULL);
        assert_false(d->valid(&w->service.traffic, &w->service, &err));
    }
    *(struct strs *)world_option(w, "database") = world_words(w, "akig", NULL);
    *(const char **)world_option(w, "parameters") = "pool_size=3\nother = host=evil";
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    *(const char **)world_option(w, "parameters") = NULL;
    assert_true(d->valid(&w->service.traffic, &w->service, &err));
    w->sites[1].database.at = w->sites[0].database.at;
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "have the same server"));
    w->sites[1].database.at.host = "x y";
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
}

const struct world_test pgbouncer_tests[] = {
#define T(name) {#name, name}
    T(clients_stay_connected),
    T(a_transaction_that_does_not_end_is_cut),
    T(the_old_server_may_be_dead_or_frozen),
    T(a_file_that_is_not_included_is_found_out),
    T(a_pause_left_behind_is_mended),
    T(unusable_configurations_are_refused),
#undef T
    {NULL, NULL},
};
