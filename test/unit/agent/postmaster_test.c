/* postmaster_test.c -- A real PostgreSQL: found by what it is, started, seen to die, and ended with proof in every state. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/postmaster.h"
#include "pgfixture.h"
#include "sys/clock.h"
#include "sys/file.h"

#define BIN "/usr/lib/postgresql/15/bin"
enum { BUDGET_MS = 3000, STOP_BUDGET_MS = 500, START_MS = 30000, MANY = 64 };

struct seen {
    struct loop *loop;
    int ends;
    int64_t at_ms;
    struct postmaster_end end;
};

static void on_ended(void *arg, const struct postmaster_end *end)
{
    struct seen *s = arg;
    s->ends++;
    s->at_ms = clock_boot_ms();
    s->end = *end;
    loop_stop(s->loop);
}

static int setup(void **state)
{
    *state = pg_fixture_new();
    return 0;
}

static int teardown(void **state)
{
    struct pg_fixture *f = *state;
    pg_fixture_free(&f);
    return 0;
}

static int count_of(const struct pg_fixture *f)
{
    int pids[MANY];
    return postmaster_processes(f->data, pids, MANY);
}

static void what_runs_is_found_by_what_it_is(void **state)
{
    struct pg_fixture *f = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    assert_int_equal(postmaster_of(f->data), f->pid);
    assert_true(count_of(f) > 3);
    assert_int_equal(postmaster_of(f->folder), 0);
    assert_int_equal(postmaster_of("/nowhere"), 0);
    /* A file of an old server whose number is another process's by now: this one. */
    const char *old = file_join(a, f->folder, "old");
    assert_true(file_mkdirs(old, 0700, &err));
    const char *text = arena_printf(a, "%d\n%s\n", (int)getpid(), old);
    assert_true(file_write(file_join(a, old, "postmaster.pid"), text, strlen(text), 0600, &err));
    assert_int_equal(postmaster_of(old), 0);
    /* And one whose number is a server's, but of another directory. */
    text = arena_printf(a, "%d\n%s\n", (int)f->pid, old);
    assert_true(file_write(file_join(a, old, "postmaster.pid"), text, strlen(text), 0600, &err));
    assert_int_equal(postmaster_of(old), 0);
    assert_int_equal(unlink(file_join(a, old, "postmaster.pid")), 0);
    assert_int_equal(rmdir(old), 0);
}

static void it_is_ended_with_proof(void **state)
{
    struct pg_fixture *f = *state;
    struct err err = {0};
    char evidence[512] = "";
    int64_t began = clock_boot_ms();
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err));
    int64_t took = clock_boot_ms() - began;
    print_message("ended in %lld ms: %s\n", (long long)took, evidence);
    assert_true(took < STOP_BUDGET_MS);
    assert_int_equal(count_of(f), 0);
    assert_non_null(strstr(evidence, "was ended by SIGQUIT"));
    assert_int_equal(postmaster_of(f->data), 0);
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err)); /* again does no harm */
    assert_non_null(strstr(evidence, "no process of PostgreSQL stands in"));
    pg_fixture_kill(f); /* reaps it */
    pg_fixture_start(f);
}

static void a_frozen_one_is_ended_as_well(void **state)
{
    struct pg_fixture *f = *state;
    struct err err = {0};
    char evidence[512] = "";
    pg_fixture_sigstop(f);
    int64_t began = clock_boot_ms();
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err));
    int64_t took = clock_boot_ms() - began;
    print_message("ended in %lld ms: %s\n", (long long)took, evidence);
    assert_true(took < STOP_BUDGET_MS);
    assert_int_equal(count_of(f), 0);
    assert_non_null(strstr(evidence, "was ended by SIGKILL"));
    pg_fixture_kill(f);
    pg_fixture_start(f);
}

/* A postmaster that was killed alone leaves its children for a while; without a pid file nothing leads to them but the directory. */
static void orphans_are_ended_too(void **state)
{
    struct pg_fixture *f = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    char evidence[512] = "";
    int pids[MANY];
    int n = postmaster_processes(f->data, pids, MANY);
    for (int i = 0; i < n; i++)
        if (pids[i] != f->pid)
            kill(pids[i], SIGSTOP); /* else they end by themselves when their postmaster does */
    pg_fixture_kill(f);
    n = postmaster_processes(f->data, pids, MANY);
    if (n == 0) { /* the fixture was thorough; then one that stands there by itself */
        pg_fixture_start(f);
        n = postmaster_processes(f->data, pids, MANY);
    }
    assert_true(n > 0);
    assert_int_equal(unlink(file_join(a, f->data, "postmaster.pid")), 0);
    assert_int_equal(postmaster_of(f->data), 0);
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err));
    assert_int_equal(count_of(f), 0);
    pg_fixture_kill(f);
    pg_fixture_start(f);
}

static struct postmaster *open_one(struct pg_fixture *f, struct seen *seen, struct arena *a)
{
    struct postmaster_spec spec = {.data = f->data, .bindir = BIN, .run_as = "postgres", .log = file_join(a, f->folder, "agent.log")};
    return postmaster_open(seen->loop, &spec, on_ended, seen);
}

static void the_death_of_one_that_was_found_is_known_at_once(void **state)
{
    struct pg_fixture *f = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct seen seen = {.loop = loop};
    struct err err = {0};
    struct postmaster *p SCOPED(postmaster_close) = open_one(f, &seen, a);
    assert_true(postmaster_find(p, &err));
    assert_int_equal(postmaster_pid(p), f->pid);
    assert_false(postmaster_start(p, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    int64_t began = clock_boot_ms();
    pg_fixture_kill(f);
    loop_run(loop);
    assert_int_equal(seen.ends, 1);
    assert_false(seen.end.known); /* it is not this one's child */
    print_message("known after %lld ms\n", (long long)(seen.at_ms - began));
    assert_int_equal(postmaster_pid(p), 0);
    assert_false(postmaster_find(p, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void it_is_started_and_how_it_ended_is_known(void **state)
{
    struct pg_fixture *f = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct seen seen = {.loop = loop};
    struct err err = {0};
    struct postmaster *p SCOPED(postmaster_close) = open_one(f, &seen, a);
    pg_fixture_kill(f);
    assert_true(postmaster_start(p, &err));
    f->pid = postmaster_pid(p);
    assert_true(f->pid > 0);
    assert_true(kill(f->pid, SIGKILL) == 0);
    loop_run(loop);
    assert_true(seen.ends == 1 && seen.end.known && seen.end.signal == SIGKILL);
    f->pid = 0;
    char evidence[512];
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err));
    /* One that cannot start says so by its exit code. */
    pg_fixture_configure(f, "no_such_setting = 1");
    assert_true(postmaster_start(p, &err));
    loop_run(loop);
    assert_true(seen.ends == 2 && seen.end.known && seen.end.exit_code == 1);
}

static void what_cannot_be_executed_is_said(void **state)
{
    struct pg_fixture *f = *state;
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct seen seen = {.loop = loop};
    struct err err = {0};
    struct postmaster_spec spec = {.data = f->data, .bindir = "/nowhere", .run_as = "postgres"};
    struct postmaster *p SCOPED(postmaster_close) = postmaster_open(loop, &spec, on_ended, &seen);
    pg_fixture_kill(f);
    assert_false(postmaster_start(p, &err));
    assert_non_null(strstr(err.message, "could not execute \"/nowhere/postgres\""));
    assert_int_equal(postmaster_pid(p), 0);
}

/* By the last line of its pid file. */
static bool takes_statements(const struct pg_fixture *f)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    const char *path = file_join(a, f->data, "postmaster.pid");
    for (int64_t until = clock_boot_ms() + START_MS; clock_boot_ms() < until; poll(NULL, 0, 10)) {
        struct err err = {0};
        struct str text;
        if (file_read(a, path, 4096, &text, &err) && strstr(text.p, "ready"))
            return true;
    }
    return false;
}

static void ends_again(struct pg_fixture *f, struct postmaster **p)
{
    struct err err = {0};
    char evidence[512];
    f->pid = 0;
    postmaster_close(p);
    assert_true(postmaster_end_now(f->data, BUDGET_MS, evidence, sizeof(evidence), &err));
    pg_fixture_start(f);
}

/* Asked for while the program is still being loaded, when it has no handler of its own yet. */
static void a_reload_right_after_the_start_does_not_end_it(void **state)
{
    struct pg_fixture *f = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct seen seen = {.loop = loop};
    struct err err = {0};
    struct postmaster *p SCOPED(postmaster_close) = open_one(f, &seen, a);
    pg_fixture_kill(f);
    assert_int_equal(unlink(file_join(a, f->data, "postmaster.pid")), 0);
    assert_true(postmaster_start(p, &err));
    assert_true(postmaster_signal(p, SIGHUP, &err));
    assert_true(takes_statements(f));
    ends_again(f, &p);
}

/* Its owner's, as PostgreSQL ignores the others by itself. */
static pid_t process_of_owner(const struct pg_fixture *f, bool lives)
{
    struct stat at;
    assert_int_equal(stat(f->data, &at), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(at.st_gid) != 0 || setuid(at.st_uid) != 0))
            _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashed leaves nothing behind */
        while (lives)
            pause();
        _exit(0);
    }
    siginfo_t ended;
    if (!lives) /* and stays a zombie */
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
    return pid;
}

static void starts_with_the_file_of(struct pg_fixture *f, bool lives)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct loop *loop SCOPED(loop_close) = loop_open();
    struct seen seen = {.loop = loop};
    struct err err = {0};
    struct postmaster *p SCOPED(postmaster_close) = open_one(f, &seen, a);
    pg_fixture_kill(f);
    pid_t other = process_of_owner(f, lives);
    FILE *file = fopen(file_join(a, f->data, "postmaster.pid"), "w"); /* keeps its owner */
    assert_non_null(file);
    assert_true(fprintf(file, "%d\n%s\n", (int)other, f->data) > 0 && fclose(file) == 0);
    assert_true(postmaster_start(p, &err));
    assert_true(takes_statements(f));
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    ends_again(f, &p);
}

/* Where nobody reaps orphans, as in many containers, the old postmaster stays as a zombie, for which PostgreSQL would wait for ever. */
static void a_zombie_in_the_pid_file_keeps_nobody_from_starting(void **state)
{
    starts_with_the_file_of(*state, false);
}

/* After a restart of the machine or the container. */
static void nor_does_a_number_that_is_another_programs_by_now(void **state)
{
    starts_with_the_file_of(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_is_found_by_what_it_is),
        cmocka_unit_test(it_is_ended_with_proof),
        cmocka_unit_test(a_frozen_one_is_ended_as_well),
        cmocka_unit_test(orphans_are_ended_too),
        cmocka_unit_test(the_death_of_one_that_was_found_is_known_at_once),
        cmocka_unit_test(a_reload_right_after_the_start_does_not_end_it),
        cmocka_unit_test(a_zombie_in_the_pid_file_keeps_nobody_from_starting),
        cmocka_unit_test(nor_does_a_number_that_is_another_programs_by_now),
        cmocka_unit_test(what_cannot_be_executed_is_said),
        cmocka_unit_test(it_is_started_and_how_it_ended_is_known), /* last: it spoils the configuration */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
