/* The swap under fire: clients that come back as soon as they are ended, who will not leave, and a kill at every word that is said to
   the server while it lasts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/pg.h"
#include "pgfixture.h"
#include "restore/restore.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { CLIENTS = 20, LINKS = 16, WAIT_MS = 60 * 1000 };

struct world {
    struct arena *arena;
    struct pg_fixture *pg;
    struct pgtarget target;
    char folder[64];
};
static struct world *w;

static const char *sql(const char *dbname, const char *text)
{
    return pg_fixture_sql(w->pg, w->arena, dbname, text);
}

static const char dump[] = "CREATE TABLE public.which (v text);\nCOPY public.which (v) FROM stdin;\nnew\n\\.\n"
                           "GRANT SELECT ON TABLE public.which TO PUBLIC;\n--\n-- PostgreSQL database dump complete\n--\n\n";

static const char *file(void)
{
    return file_join(w->arena, w->folder, "dump.sql");
}

static int open_world(void **state)
{
    struct err err = {0};
    w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    w->pg = pg_fixture_new();
    pg_fixture_stop(w->pg);
    pg_fixture_configure(w->pg, "max_prepared_transactions = 2");
    pg_fixture_configure(w->pg, "max_connections = 60");
    pg_fixture_configure(w->pg, "wal_level = logical");
    pg_fixture_start(w->pg);
    w->target = w->pg->target;
    w->target.dbname = "akig";
    w->target.sslmode = "disable";
    COPY_TO(w->folder, "/tmp/bascule-swap-XXXXXX");
    *state = w;
    sql(NULL, "CREATE ROLE app LOGIN");
    return mkdtemp(w->folder) && file_write(file(), dump, strlen(dump), 0600, &err) ? 0 : -1;
}

static int close_world(void **state)
{
    (void)state;
    unlink(file());
    int failed = rmdir(w->folder);
    pg_fixture_free(&w->pg);
    arena_close(&w->arena);
    free(w);
    return failed;
}

static int fresh(void **state)
{
    *state = w;
    struct str rest = str_of(sql(NULL, "SELECT datname FROM pg_database WHERE datname LIKE 'akig%'")), name;
    while (rest.n && str_next(&rest, '\n', &name)) {
        sql(NULL, arena_printf(w->arena, "ALTER DATABASE \"" STR_FMT "\" ALLOW_CONNECTIONS true", STR_ARG(name)));
        sql(NULL, arena_printf(w->arena, "DROP DATABASE \"" STR_FMT "\" WITH (FORCE)", STR_ARG(name)));
    }
    sql(NULL, "CREATE DATABASE akig");
    sql("akig", "CREATE TABLE which(v text); INSERT INTO which VALUES ('old'); GRANT SELECT ON which TO PUBLIC");
    return 0;
}

static struct restore_spec spec_of(const struct pgtarget *target)
{
    return (struct restore_spec){.target = target, .admin_dbname = "postgres", .file = file(), .tag = "7.restore.1", .keep_old = true, .jobs = 1};
}

static const char *databases(void)
{
    return sql(NULL, "SELECT string_agg(regexp_replace(datname, '[0-9]{8}_[0-9]{6}$', 'T') || CASE WHEN datallowconn THEN '' ELSE '!' END, ' '"
                     " ORDER BY datname) FROM pg_database WHERE datname LIKE 'akig%'");
}

static bool has_note(const struct restore_result *result, const char *words)
{
    for (size_t i = 0; i < result->note_count; i++)
        if (strstr(result->notes[i], words))
            return true;
    return false;
}

/* ---- clients, in processes of their own ---- */

struct seen {
    volatile bool stop;
    struct {
        volatile int64_t olds, news;       /* answers */
        volatile int64_t last_old, first_new; /* moments of them */
        volatile int64_t failed, closed;   /* to connect or to ask; because the database is closed */
        volatile int64_t slowest;          /* way to an answer or a failure */
        volatile bool went_back;           /* the old one answered after the new one */
        char odd[200];                     /* an error that nobody expects of a swap */
    } client[CLIENTS];
};

struct crowd {
    struct seen *seen;
    pid_t pid[CLIENTS];
    int n;
};

static bool is_expected(const char *message)
{
    static const char *const of_a_swap[] = {"57P01", "does not exist", "closed the connection unexpectedly", "terminating connection", "invalid socket"};
    for (size_t i = 0; i < COUNT_OF(of_a_swap); i++)
        if (strstr(message, of_a_swap[i]))
            return true;
    return false;
}

/* Connects, asks, leaves, again and again, as a pool does that lost its sessions. */
static void be_client(struct seen *seen, int i)
{
    struct pgtarget target = w->target;
    target.user = "app";
    for (; !seen->stop; ) {
        SCOPED(arena_close) struct arena *own = arena_open();
        struct pg *pg SCOPED(pg_close) = NULL;
        struct pg_rows *rows;
        struct err err = {0};
        int64_t began = clock_boot_ms();
        bool ok = pg_open(&target, NULL, WAIT_MS, &pg, &err);
        for (int k = 0; ok && k < 3; k++) {
            ok = pg_exec(pg, own, "SELECT v FROM which", NULL, 0, WAIT_MS, &rows, &err);
            if (!ok)
                break;
            if (same(pg_text(rows, 0, 0), "old")) {
                seen->client[i].olds++;
                seen->client[i].last_old = clock_boot_ms();
                seen->client[i].went_back |= seen->client[i].news > 0;
            } else if (!seen->client[i].news++) {
                seen->client[i].first_new = clock_boot_ms();
            }
        }
        seen->client[i].slowest = MAX_OF(seen->client[i].slowest, clock_boot_ms() - began);
        if (ok)
            continue;
        seen->client[i].failed++;
        if (strstr(err.message, "not currently accepting"))
            seen->client[i].closed++;
        else if (!is_expected(err.message))
            COPY_TO(seen->client[i].odd, err.message);
    }
}

static void crowd_come(struct crowd *c, int n)
{
    c->n = n;
    c->seen = mmap(NULL, sizeof(*c->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(c->seen != MAP_FAILED);
    for (int i = 0; i < n; i++) {
        c->pid[i] = fork();
        if (c->pid[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails or is ended leaves no crowd behind */
            be_client(c->seen, i);
            _exit(0);
        }
    }
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    for (int i = 0; i < n; i++)
        while (c->seen->client[i].olds < 3) {
            assert_true(clock_boot_ms() < deadline);
            usleep(1000);
        }
}

/* Waits until each has seen the new one, when `seen_new`; then they go. */
static void crowd_go(struct crowd *c, bool seen_new)
{
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    for (int i = 0; seen_new && i < c->n; i++)
        while (!c->seen->client[i].news && clock_boot_ms() < deadline)
            usleep(1000);
    c->seen->stop = true;
    for (int i = 0; i < c->n; i++)
        assert_int_equal(waitpid(c->pid[i], NULL, 0), c->pid[i]);
}

static void crowd_forget(struct crowd *c)
{
    munmap(c->seen, sizeof(*c->seen));
}

static void clients_that_come_back_at_once_do_not_hinder_it(void **state)
{
    struct crowd crowd;
    struct restore_result result;
    int64_t longest = 0, slowest = 0, failed = 0, most = 0;
    for (int round = 0; round < 5; round++) {
        struct err err = {0};
        fresh(state);
        crowd_come(&crowd, CLIENTS);
        struct restore_spec spec = spec_of(&w->target);
        bool ok = restore_run(w->arena, &spec, &result, &err);
        crowd_go(&crowd, ok);
        if (!ok)
            fail_msg("%s (%s)", err.message, err.hint);
        for (int i = 0; i < CLIENTS; i++) {
            assert_int_equal(crowd.seen->client[i].closed, 0);
            assert_string_equal(crowd.seen->client[i].odd, "");
            assert_true(crowd.seen->client[i].news > 0);
            assert_false(crowd.seen->client[i].went_back);
            longest = MAX_OF(longest, crowd.seen->client[i].first_new - crowd.seen->client[i].last_old);
            slowest = MAX_OF(slowest, crowd.seen->client[i].slowest);
            failed += crowd.seen->client[i].failed;
            most = MAX_OF(most, crowd.seen->client[i].failed);
        }
        crowd_forget(&crowd);
        assert_string_equal(databases(), "akig akig_before_T");
    }
    print_message("    5 swaps, %d clients: from the last old answer to the first new one %lld ms at most; slowest way to an answer %lld ms;"
                  " %lld errors in all, %lld at most for one client\n", CLIENTS, (long long)longest, (long long)slowest, (long long)failed, (long long)most);
    assert_true(longest < 5000);
}

/* ---- who will not leave ---- */

static void refuses(const char *says)
{
    struct restore_result result;
    struct err err = {0};
    struct restore_spec spec = spec_of(&w->target);
    if (restore_run(w->arena, &spec, &result, &err))
        fail_msg("it was restored, though: %s", says);
    if (!strstr(err.message, says) || !strstr(err.message, "which is unchanged"))
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void untouched(void)
{
    assert_string_equal(databases(), "akig");
    assert_string_equal(sql("akig", "SELECT v FROM which"), "old");
}

static void open_session(const char *dbname, const char *text, struct pg **ret, int64_t *ret_pid)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    struct pg_rows *rows;
    struct err err = {0};
    if (!pg_open(&w->target, dbname, 5000, ret, &err) || !pg_exec(*ret, own, "SELECT pg_backend_pid()", NULL, 0, 5000, &rows, &err) ||
        !pg_script(*ret, text, 5000, &err))
        fail_msg("%s", err.message);
    *ret_pid = pg_int(rows, 0, 0);
}

static void a_prepared_transaction_disturbs_nobody(void **state)
{
    (void)state;
    struct pg *session SCOPED(pg_close) = NULL;
    struct err err = {0};
    int64_t pid;
    sql("akig", "BEGIN; INSERT INTO which VALUES ('prepared'); PREPARE TRANSACTION 'stays'");
    open_session("akig", "SELECT 1", &session, &pid);
    refuses("prepared transactions stand in it: 'stays'");
    assert_true(pg_script(session, "SELECT 1", 5000, &err)); /* nobody was ended for nothing */
    sql("akig", "ROLLBACK PREPARED 'stays'");
    pg_close(&session);
    untouched();
}

static void who_locks_the_database_is_named(void **state)
{
    (void)state;
    struct pg *other SCOPED(pg_close) = NULL;
    int64_t pid;
    open_session("postgres", "BEGIN; GRANT CONNECT ON DATABASE akig TO app", &other, &pid);
    refuses(arena_printf(w->arena, "session %lld of postgres", (long long)pid));
    pg_close(&other);
    untouched();
}

/* Lets the session go on when our DROP waits for it, as the server makes it. */
static pid_t let_go_at_drop(int64_t pid)
{
    pid_t child = fork();
    if (child)
        return child;
    struct pg *pg = NULL;
    struct pg_rows *rows;
    struct err err = {0};
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    bool drops = !pg_open(&w->target, "postgres", 5000, &pg, &err);
    while (!drops && clock_boot_ms() < deadline) {
        drops = !pg_exec(pg, w->arena, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE%' AND state = 'active'", NULL, 0, 5000,
                         &rows, &err) || pg_count(rows);
        usleep(20000);
    }
    pg_close(&pg);
    _exit(kill((pid_t)pid, SIGCONT) == 0 && drops ? 0 : 1);
}

static void who_does_not_end_is_named(void **state)
{
    (void)state;
    struct pg *stuck SCOPED(pg_close) = NULL;
    int64_t pid;
    open_session("akig", "SELECT 1", &stuck, &pid);
    assert_int_equal(kill((pid_t)pid, SIGSTOP), 0); /* as one that hangs in the kernel */
    pid_t child = let_go_at_drop(pid);
    int64_t began = clock_boot_ms();
    int status;
    refuses(arena_printf(w->arena, "session %lld of postgres", (long long)pid));
    int64_t took = clock_boot_ms() - began;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(took < 20000);
    untouched();
}

static void replication_of_the_old_one_is_said(void **state)
{
    (void)state;
    struct restore_result result;
    struct err err = {0};
    sql("akig", "SELECT pg_create_logical_replication_slot('reader', 'test_decoding')");
    sql("akig", "CREATE SUBSCRIPTION taker CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false); ");
    struct restore_spec spec = spec_of(&w->target);
    bool ok = restore_run(w->arena, &spec, &result, &err);
    const char *names = databases();
    const char *old = ok ? result.old_name : "akig";
    sql(old, "SELECT pg_drop_replication_slot('reader')");
    sql(old, "ALTER SUBSCRIPTION taker SET (slot_name = NONE)");
    sql(old, "DROP SUBSCRIPTION taker");
    if (!ok)
        fail_msg("%s", err.message);
    assert_string_equal(names, "akig akig_before_T");
    assert_true(has_note(&result, "the logical replication slot \"reader\" stays with \"akig_before_"));
    assert_false(has_note(&result, "taker")); /* it is off */
}

/* ---- killed at every word ---- */

/* Between the restore and its server: kills it at the `at`th piece that it sends after the database was called verified, before the
   server has it or behind that. */
struct between {
    int listens, port;
    pid_t victim;
    int at, pieces;
    bool after, armed, killed;
    struct { int client, server; } link[LINKS];
    size_t links;
};

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)w->pg->target.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(AF_INET, w->pg->target.host, &to.sin_addr), 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void between_open(struct between *b)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    b->listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(b->listens, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(b->listens, LINKS), 0);
    assert_int_equal(getsockname(b->listens, (struct sockaddr *)&at, &n), 0);
    b->port = ntohs(at.sin_port);
}

static void drop_link(struct between *b, size_t i)
{
    close(b->link[i].client);
    close(b->link[i].server);
    b->link[i] = b->link[--b->links];
}

static bool put_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* False: the link is over. */
static bool from_client(struct between *b, size_t i)
{
    static char piece[1 << 16];
    static const char mark[] = "\\\"state\\\":\\\"verified\\\"", plain_mark[] = "\"state\":\"verified\"";
    ssize_t n = recv(b->link[i].client, piece, sizeof(piece), 0);
    if (n <= 0)
        return false;
    b->armed = b->armed || memmem(piece, (size_t)n, mark, sizeof(mark) - 1) || memmem(piece, (size_t)n, plain_mark, sizeof(plain_mark) - 1);
    bool now = b->armed && !b->killed && b->pieces++ == b->at;
    if (now && !b->after) {
        b->killed = true;
        kill(b->victim, SIGKILL);
        return false;
    }
    if (!put_all(b->link[i].server, piece, (size_t)n))
        return false;
    if (now) {
        b->killed = true;
        kill(b->victim, SIGKILL);
    }
    return true;
}

static bool from_server(struct between *b, size_t i)
{
    static char piece[1 << 16];
    ssize_t n = recv(b->link[i].server, piece, sizeof(piece), 0);
    return n > 0 && put_all(b->link[i].client, piece, (size_t)n);
}

static void serve_links(struct between *b, const struct pollfd *p)
{
    for (size_t i = b->links; i-- > 0;) {
        bool over = (p[1 + 2 * i].revents && !from_client(b, i)) || (p[2 + 2 * i].revents && !from_server(b, i));
        if (over)
            drop_link(b, i);
    }
}

/* Until the victim has ended; its links are closed then, as the kernel of its host would. */
static int between_run(struct between *b)
{
    int status;
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    while (waitpid(b->victim, &status, WNOHANG) == 0) {
        struct pollfd p[1 + 2 * LINKS] = {{.fd = b->listens, .events = POLLIN}};
        for (size_t i = 0; i < b->links; i++) {
            p[1 + 2 * i] = (struct pollfd){.fd = b->link[i].client, .events = POLLIN};
            p[2 + 2 * i] = (struct pollfd){.fd = b->link[i].server, .events = POLLIN};
        }
        assert_true(clock_boot_ms() < deadline);
        poll(p, 1 + 2 * b->links, 20);
        serve_links(b, p);
        if (p[0].revents & POLLIN) {
            assert_true(b->links < LINKS);
            b->link[b->links].client = accept4(b->listens, NULL, NULL, SOCK_CLOEXEC);
            b->link[b->links++].server = dial();
        }
    }
    while (b->links)
        drop_link(b, 0);
    close(b->listens);
    return status;
}

/* What stands under the name. Who looked for it just before the renames waits for them, and is told that it went; then it looks again. */
static const char *which_is_there(void)
{
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    for (;;) {
        struct pg *pg SCOPED(pg_close) = NULL;
        struct pg_rows *rows;
        struct err err = {0};
        if (pg_open(&w->target, NULL, WAIT_MS, &pg, &err) && pg_exec(pg, w->arena, "SELECT v FROM which", NULL, 0, WAIT_MS, &rows, &err))
            return arena_strdup(w->arena, pg_text(rows, 0, 0));
        if (!is_expected(err.message) || clock_boot_ms() > deadline)
            fail_msg("%s", err.message);
    }
}

static void what_is_left_is_whole(bool killed, const char **ret_which)
{
    struct restore_result result;
    struct err err = {0};
    bool done = false;
    /* Before any other run could repair something. The server may still be at the renames; whoever connects waits for them. */
    *ret_which = which_is_there();
    struct restore_spec spec = spec_of(&w->target);
    int64_t deadline = clock_boot_ms() + WAIT_MS;
    while (!restore_done_already(w->arena, &spec, &done, &err)) {
        assert_true(clock_boot_ms() < deadline);
        usleep(20000); /* the lock is free when the server has seen that the dead one is gone */
    }
    assert_null(strchr(databases(), '!'));
    assert_string_equal(which_is_there(), done ? "new" : "old");
    assert_true(killed || done);
    if (done)
        return;
    if (!restore_run(w->arena, &spec, &result, &err))
        fail_msg("%s", err.message);
    assert_string_equal(databases(), "akig akig_before_T");
}

/* The `at`th; false when there was no such piece. */
static bool kill_at(int at, bool after, int64_t *ret_olds)
{
    struct crowd crowd;
    const char *which;
    struct between b = {.at = at, .after = after};
    fresh((void **)&w);
    crowd_come(&crowd, 2);
    between_open(&b);
    b.victim = fork();
    if (b.victim == 0) {
        struct pgtarget target = w->target;
        target.host = "127.0.0.1";
        target.port = b.port;
        struct restore_spec spec = spec_of(&target);
        struct restore_result result;
        struct err err = {0};
        _exit(restore_run(w->arena, &spec, &result, &err) ? 0 : 1);
    }
    int status = between_run(&b);
    assert_true(b.armed);
    bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    assert_true(b.killed ? WIFSIGNALED(status) || (after && ended) : ended); /* behind its last word it may be gone before the signal comes */
    what_is_left_is_whole(b.killed, &which);
    *ret_olds += same(which, "old");
    crowd_go(&crowd, true);
    for (int i = 0; i < crowd.n; i++) {
        assert_int_equal(crowd.seen->client[i].closed, 0);
        assert_string_equal(crowd.seen->client[i].odd, "");
        assert_false(crowd.seen->client[i].went_back);
    }
    crowd_forget(&crowd);
    return b.killed;
}

static void killed_at_any_word_it_is_the_old_or_the_new_one(void **state)
{
    (void)state;
    int64_t olds = 0;
    int kills = 0, step = getenv("BASCULE_SWEEP") ? 1 : 2; /* every day every other word, on both sides of all in turn */
    for (int after = 0; after < 2; after++)
        for (int at = step == 2 ? after : 0; at < 200 && kill_at(at, after, &olds); at += step)
            kills++;
    print_message("    %d kills, %lld found the old one under the name\n", kills, (long long)olds);
    assert_true(kills >= 12 && olds >= 6 && olds < kills);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(clients_that_come_back_at_once_do_not_hinder_it),
        TEST(a_prepared_transaction_disturbs_nobody),
        TEST(who_locks_the_database_is_named),
        TEST(who_does_not_end_is_named),
        TEST(replication_of_the_old_one_is_said),
        TEST(killed_at_any_word_it_is_the_old_or_the_new_one),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
