/* Runs as real processes: this program is its own child, and its own controller that is killed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/pids.h"
#include "act/runner.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { PATIENCE_MS = 15000 };

/* ---- the child ---- */

static void nap(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static void wait_for_file(const char *path)
{
    for (int64_t end = clock_boot_ms() + PATIENCE_MS; !file_exists(path) && clock_boot_ms() < end;)
        nap(10);
}

/* argv: program "child" MODE [ARG] */
static int be_child(int argc, char **argv)
{
    const char *mode = argv[2], *arg = argc > 3 ? argv[3] : "";
    if (same(mode, "silent")) /* never gets as far as our code */
        return 3;
    if (same(mode, "env"))
        return same(getenv("SECRET_OF_TEST"), "s3cret") && same(getenv("BASCULE_REPORT_FD"), "3") ? 40 : 41;
    struct report *r = report_open();
    report_progress(r, 1, 2, "half");
    report_fact(r, "answer", "%d", 42);
    if (same(mode, "crash")) {
        fputs("first\nlast words\n\n", stderr);
        fflush(stderr);
        raise(SIGKILL);
    }
    if (same(mode, "stubborn"))
        signal(SIGTERM, SIG_IGN);
    if (same(mode, "grandchild") || same(mode, "stubborn")) { /* in a group of its own, as proc_run makes them */
        pid_t pid = fork();
        if (pid == 0) {
            setpgid(0, 0);
            if (same(mode, "stubborn"))
                signal(SIGTERM, SIG_IGN);
            execl("/bin/sleep", "sleep", "1000", NULL);
            _exit(1);
        }
        report_fact(r, "grandchild", "%d", (int)pid);
    }
    if (same(mode, "wait") || same(mode, "wait-die"))
        wait_for_file(arg);
    if (same(mode, "hang") || same(mode, "grandchild") || same(mode, "stubborn"))
        nap(1000000);
    if (same(mode, "wait-die") || same(mode, "die")) {
        report_close(&r);
        return 7;
    }
    report_result(r, same(mode, "blocked") ? OUTCOME_BLOCKED : OUTCOME_SUCCESS, "the %s is done", "work");
    report_close(&r);
    if (same(mode, "lingers"))
        nap(1000000);
    return 0;
}

/* ---- the controller ---- */

struct world {
    char folder[64], dir[96], go[96], self[256];
    struct loop *loop;
    struct runner *runner;
    int progress, facts, ended;
    int grandchild;
    enum outcome outcome;
    char text[MODEL_TEXT_SIZE], run[MODEL_ID_SIZE];
    const char *then; /* a run to start from within `ended` */
    struct loop_timer *alarm;
    bool late;
};

static bool start(struct world *w, const char *run, const char *mode, int64_t budget_ms, int *ret_pid, struct err *err)
{
    const char *argv[] = {w->self, "child", mode, w->go, NULL};
    struct runner_spec spec = {.run = run, .argv = argv, .budget_ms = budget_ms};
    return runner_start(w->runner, &spec, ret_pid, err);
}

static void on_progress(void *arg, const char *run, const struct report_line *line)
{
    struct world *w = arg;
    w->progress++;
    COPY_TO(w->run, run);
    assert_int_equal(line->total, 2);
}

static void on_fact(void *arg, const char *run, const struct report_line *line)
{
    struct world *w = arg;
    (void)run;
    w->facts++;
    int64_t n;
    if (same(line->name, "grandchild") && str_int(str_of(line->text), &n))
        w->grandchild = (int)n;
}

static void on_ended(void *arg, const char *run, enum outcome outcome, const char *text)
{
    struct world *w = arg;
    w->ended++;
    COPY_TO(w->run, run);
    w->outcome = outcome;
    COPY_TO(w->text, text);
    if (w->then) {
        int pid;
        const char *next = w->then;
        w->then = NULL;
        assert_true(start(w, next, "succeed", 5000, &pid, NULL));
    }
}

static void on_alarm(void *arg)
{
    struct world *w = arg;
    w->late = true;
}

static void open_runner(struct world *w)
{
    struct runner_callbacks callbacks = {.progress = on_progress, .fact = on_fact, .ended = on_ended, .arg = w};
    w->loop = loop_open();
    w->runner = runner_open(w->loop, w->dir, &callbacks);
    w->alarm = loop_timer_new(w->loop, on_alarm, w);
}

static void close_runner(struct world *w)
{
    runner_close(&w->runner);
    loop_timer_free(&w->alarm);
    loop_close(&w->loop);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-runner-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->dir, sizeof(w->dir), "%s/runs", w->folder);
    snprintf(w->go, sizeof(w->go), "%s/go", w->folder);
    ssize_t n = readlink("/proc/self/exe", w->self, sizeof(w->self) - 1);
    assert_true(n > 0);
    open_runner(w);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    close_runner(w);
    nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static void let_go(struct world *w)
{
    close(open(w->go, O_WRONLY | O_CREAT, 0600));
}

static void until_ended(struct world *w, int count)
{
    w->late = false;
    loop_timer_set(w->alarm, clock_boot_ms() + PATIENCE_MS);
    while (w->ended < count && !w->late)
        loop_once(w->loop, true);
    loop_timer_cancel(w->alarm);
    if (w->late)
        fail_msg("no end of the run within %d ms", PATIENCE_MS);
}

static void until_fact(struct world *w, int count)
{
    w->late = false;
    loop_timer_set(w->alarm, clock_boot_ms() + PATIENCE_MS);
    while (w->facts < count && !w->late)
        loop_once(w->loop, true);
    loop_timer_cancel(w->alarm);
    assert_false(w->late);
}

/* What was killed needs a moment to be gone. */
static void until_dead(int pid)
{
    for (int64_t end = clock_boot_ms() + PATIENCE_MS; pids_start(pid) && clock_boot_ms() < end;)
        nap(10);
    assert_int_equal(pids_start(pid), 0);
}

/* ---- runs that are followed by who started them ---- */

static void a_run_tells_and_ends(void **state)
{
    struct world *w = *state;
    int pid = 0;
    assert_true(start(w, "7.restart.1", "succeed", 5000, &pid, NULL));
    assert_true(pid > 1);
    assert_int_equal(runner_running(w->runner), 1);
    until_ended(w, 1);
    assert_string_equal(w->run, "7.restart.1");
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
    assert_string_equal(w->text, "the work is done");
    assert_int_equal(w->progress, 1);
    assert_int_equal(w->facts, 1);
    assert_int_equal(runner_running(w->runner), 0);
}

static void a_run_happens_once(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    int pid;
    assert_true(start(w, "1.a.1", "succeed", 5000, &pid, NULL));
    assert_false(start(w, "1.a.1", "succeed", 5000, &pid, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    until_ended(w, 1);
    assert_false(start(w, "1.a.1", "succeed", 5000, &pid, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(w->ended, 1);
}

static void names_that_leave_the_folder_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"", "..", ".x", "../x", "a/b", "a b", "a\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct report_line line;
        int pid;
        assert_false(start(w, bad[i], "succeed", 5000, &pid, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(runner_adopt(w->runner, bad[i], 1, &line), RUNNER_NEVER_STARTED);
    }
}

static void blocked_is_passed_on(void **state)
{
    struct world *w = *state;
    int pid;
    assert_true(start(w, "b", "blocked", 5000, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_BLOCKED);
}

static void a_child_that_dies_is_a_failure_with_its_last_words(void **state)
{
    struct world *w = *state;
    int pid;
    assert_true(start(w, "c", "crash", 5000, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_FAILURE);
    assert_string_equal(w->text, "it died without a result: signal 9 (Killed); its last words: last words");
    assert_true(start(w, "d", "silent", 5000, &pid, NULL));
    until_ended(w, 2);
    assert_string_equal(w->text, "it died without a result: exit code 3");
}

static void a_program_that_cannot_be_executed_is_a_failure(void **state)
{
    struct world *w = *state;
    const char *argv[] = {"/nonexistent/bascule", NULL};
    struct runner_spec spec = {.run = "x", .argv = argv, .budget_ms = 1000};
    int pid;
    assert_true(runner_start(w->runner, &spec, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_FAILURE);
    assert_non_null(strstr(w->text, "cannot execute"));
}

static void the_child_gets_environment_and_descriptor(void **state)
{
    struct world *w = *state;
    int pid;
    setenv("SECRET_OF_TEST", "s3cret", 1);
    assert_true(start(w, "e", "env", 5000, &pid, NULL));
    until_ended(w, 1);
    unsetenv("SECRET_OF_TEST");
    assert_string_equal(w->text, "it died without a result: exit code 40");
}

static void the_budget_ends_a_run_and_its_children(void **state)
{
    struct world *w = *state;
    int pid;
    int64_t began = clock_boot_ms();
    assert_true(start(w, "g", "grandchild", 600, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_EXPIRY);
    assert_string_equal(w->text, "stopped: its budget of 600 ms ran out");
    assert_true(clock_boot_ms() - began < 2000); /* TERM was enough */
    assert_true(w->grandchild > 1);
    until_dead(w->grandchild);
}

static void what_ignores_term_is_killed(void **state)
{
    struct world *w = *state;
    int pid;
    int64_t began = clock_boot_ms();
    assert_true(start(w, "s", "stubborn", 600, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_EXPIRY);
    assert_true(clock_boot_ms() - began >= 2500);
    until_dead(pid);
    assert_true(w->grandchild > 1);
    until_dead(w->grandchild);
}

static void a_result_counts_even_when_its_process_lingers(void **state)
{
    struct world *w = *state;
    int pid;
    assert_true(start(w, "l", "lingers", 500, &pid, NULL));
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
}

static void a_cancelled_run_ends(void **state)
{
    struct world *w = *state;
    int pid;
    assert_true(start(w, "c", "hang", 60000, &pid, NULL));
    until_fact(w, 1);
    runner_cancel(w->runner, "other");
    runner_cancel(w->runner, "c");
    runner_cancel(w->runner, "c");
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_FAILURE);
    assert_string_equal(w->text, "stopped by request");
}

static void the_end_of_one_may_start_the_next(void **state)
{
    struct world *w = *state;
    int pid;
    w->then = "second";
    assert_true(start(w, "first", "succeed", 5000, &pid, NULL));
    until_ended(w, 2);
    assert_string_equal(w->run, "second");
}

static void many_at_once_do_not_mix(void **state)
{
    struct world *w = *state;
    int pid;
    for (int i = 0; i < 8; i++) {
        char run[16];
        snprintf(run, sizeof(run), "m%d", i);
        assert_true(start(w, run, i % 2 ? "succeed" : "die", 10000, &pid, NULL));
    }
    until_ended(w, 8);
    assert_int_equal(w->ended, 8);
    assert_int_equal(w->facts, 8);
}

static void lines_that_are_not_ours_are_left_out(void **state)
{
    struct world *w = *state;
    char *path = NULL;
    int pid;
    assert_true(asprintf(&path, "%s/n.jsonl", w->dir) > 0);
    assert_true(start(w, "n", "wait", 10000, &pid, NULL));
    int fd = open(path, O_WRONLY | O_APPEND);
    static const char junk[] = "\n\nnot json\n{\"t\":\"dance\"}\n\x01\xff\n";
    char *huge = malloc(300000);
    memset(huge, 'x', 300000);
    assert_int_equal(write(fd, junk, sizeof(junk) - 1), sizeof(junk) - 1);
    assert_int_equal(write(fd, huge, 300000), 300000);
    assert_int_equal(write(fd, "\n", 1), 1);
    close(fd);
    let_go(w);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
    free(huge);
    free(path);
}

/* ---- a controller that is killed ---- */

/* Another process starts a run and dies by -9 as soon as the child works; gives the child's pid. */
static int start_and_be_killed(struct world *w, const char *run, const char *mode)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t controller = fork();
    if (controller == 0) {
        struct world mine = *w;
        int pid = 0;
        mine.loop = NULL;
        open_runner(&mine); /* loops are not shared over a fork */
        if (!start(&mine, run, mode, 60000, &pid, NULL))
            _exit(1);
        while (!mine.facts)
            loop_once(mine.loop, true);
        if (write(pipe_fds[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int child = 0, status;
    assert_int_equal(read(pipe_fds[0], &child, sizeof(child)), sizeof(child));
    assert_int_equal(waitpid(controller, &status, 0), controller);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return child;
}

static void a_living_run_is_followed_again(void **state)
{
    struct world *w = *state;
    struct report_line line;
    struct err err = {0};
    int child = start_and_be_killed(w, "7.restore.1", "wait");
    assert_true(pids_start(child) > 0); /* it outlived its controller */
    assert_int_equal(runner_adopt(w->runner, "7.restore.1", 30000, &line), RUNNER_RUNNING);
    assert_int_equal(runner_adopt(w->runner, "7.restore.1", 30000, &line), RUNNER_RUNNING); /* twice is once */
    assert_int_equal(runner_running(w->runner), 1);
    assert_false(runner_put_aside(w->runner, "7.restore.1", &err));
    assert_int_equal(err.code, ERR_REFUSED);
    let_go(w);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
    assert_string_equal(w->text, "the work is done");
    assert_int_equal(w->facts, 1); /* told again from the start: nothing that was measured is lost */
}

static void an_adopted_run_that_dies_is_a_failure(void **state)
{
    struct world *w = *state;
    struct report_line line;
    start_and_be_killed(w, "r", "wait-die");
    assert_int_equal(runner_adopt(w->runner, "r", 30000, &line), RUNNER_RUNNING);
    let_go(w);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_FAILURE);
    assert_string_equal(w->text, "it died without a result");
}

static void an_adopted_run_keeps_its_budget(void **state)
{
    struct world *w = *state;
    struct report_line line;
    int child = start_and_be_killed(w, "r", "grandchild");
    assert_int_equal(runner_adopt(w->runner, "r", 300, &line), RUNNER_RUNNING);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_EXPIRY);
    until_dead(child);
    until_dead(w->grandchild);
}

static void an_adopted_run_without_budget_left_is_stopped_at_once(void **state)
{
    struct world *w = *state;
    struct report_line line;
    int child = start_and_be_killed(w, "r", "hang");
    assert_int_equal(runner_adopt(w->runner, "r", -5000, &line), RUNNER_RUNNING);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_EXPIRY);
    until_dead(child);
}

static void a_run_that_ended_meanwhile_tells_its_result(void **state)
{
    struct world *w = *state;
    struct report_line line = {0};
    int child = start_and_be_killed(w, "r", "wait");
    let_go(w);
    until_dead(child);
    assert_int_equal(runner_adopt(w->runner, "r", 30000, &line), RUNNER_ENDED);
    assert_int_equal(line.outcome, OUTCOME_SUCCESS);
    assert_string_equal(line.text, "the work is done");
    assert_int_equal(w->facts, 1);
    assert_int_equal(w->ended, 0); /* said by the return value, not by a callback */
    assert_int_equal(runner_running(w->runner), 0);
}

static void a_run_that_died_meanwhile_can_be_put_aside_and_started_again(void **state)
{
    struct world *w = *state;
    struct report_line line;
    struct err err = {0};
    int child = start_and_be_killed(w, "r", "wait-die"), pid;
    let_go(w);
    until_dead(child);
    for (int i = 1; i <= 2; i++) {
        char aside[160];
        assert_int_equal(runner_adopt(w->runner, "r", 30000, &line), RUNNER_DIED);
        assert_false(start(w, "r", "succeed", 5000, &pid, &err));
        assert_int_equal(err.code, ERR_REFUSED);
        assert_true(runner_put_aside(w->runner, "r", &err));
        snprintf(aside, sizeof(aside), "%s/r.jsonl.died.%d", w->dir, i);
        assert_true(file_exists(aside));
        snprintf(aside, sizeof(aside), "%s/r.stderr.died.%d", w->dir, i);
        assert_true(file_exists(aside));
        assert_int_equal(runner_adopt(w->runner, "r", 30000, &line), RUNNER_NEVER_STARTED);
        assert_true(start(w, "r", i == 1 ? "die" : "succeed", 5000, &pid, &err));
        until_ended(w, i);
    }
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
}

/* Killed between making the file and having a child: an empty file that nobody holds. */
static void a_file_without_a_child_is_a_dead_run(void **state)
{
    struct world *w = *state;
    struct report_line line;
    char path[160];
    assert_true(file_mkdirs(w->dir, 0700, NULL));
    snprintf(path, sizeof(path), "%s/r.jsonl", w->dir);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(runner_adopt(w->runner, "r", 1000, &line), RUNNER_DIED);
    assert_int_equal(runner_adopt(w->runner, "never", 1000, &line), RUNNER_NEVER_STARTED);
}

/* The number in the file belongs to somebody else by now: us. */
static void a_reused_number_is_never_killed(void **state)
{
    struct world *w = *state;
    struct report_line line;
    char path[160], text[128];
    assert_true(file_mkdirs(w->dir, 0700, NULL));
    snprintf(path, sizeof(path), "%s/r.jsonl", w->dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    int n = snprintf(text, sizeof(text), "{\"t\":\"begin\",\"pid\":%d,\"start\":%lld}\n", (int)getpid(), (long long)pids_start(getpid()) - 1);
    assert_int_equal(write(fd, text, (size_t)n), n);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(runner_adopt(w->runner, "r", 1, &line), RUNNER_RUNNING);
    for (int64_t end = clock_boot_ms() + 2600; clock_boot_ms() < end;)
        loop_once(w->loop, true); /* past TERM and KILL */
    close(fd);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_EXPIRY);
}

static void children_go_on_when_the_runner_closes(void **state)
{
    struct world *w = *state;
    struct report_line line = {0};
    int pid;
    assert_true(start(w, "r", "wait", 60000, &pid, NULL));
    until_fact(w, 1);
    close_runner(w);
    open_runner(w);
    assert_true(pids_start(pid) > 0);
    assert_int_equal(runner_adopt(w->runner, "r", 60000, &line), RUNNER_RUNNING);
    let_go(w);
    until_ended(w, 1);
    assert_int_equal(w->outcome, OUTCOME_SUCCESS);
}

static void a_closed_runner_hears_nothing_of_its_children(void **state)
{
    struct world *w = *state;
    struct runner_callbacks callbacks = {.ended = on_ended, .arg = w};
    int pid;
    assert_true(start(w, "r", "wait", 60000, &pid, NULL));
    until_fact(w, 1);
    runner_close(&w->runner);
    let_go(w);
    until_dead(pid); /* a zombie of ours until the loop reaps it */
    loop_timer_set(w->alarm, clock_boot_ms() + 200);
    for (w->late = false; !w->late;)
        loop_once(w->loop, true);
    assert_int_equal(w->ended, 0);
    w->runner = runner_open(w->loop, w->dir, &callbacks);
}

int main(int argc, char **argv)
{
    if (argc > 2 && same(argv[1], "child"))
        return be_child(argc, argv);
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_run_tells_and_ends),
        T(a_run_happens_once),
        T(names_that_leave_the_folder_are_refused),
        T(blocked_is_passed_on),
        T(a_child_that_dies_is_a_failure_with_its_last_words),
        T(a_program_that_cannot_be_executed_is_a_failure),
        T(the_child_gets_environment_and_descriptor),
        T(the_budget_ends_a_run_and_its_children),
        T(what_ignores_term_is_killed),
        T(a_result_counts_even_when_its_process_lingers),
        T(a_cancelled_run_ends),
        T(the_end_of_one_may_start_the_next),
        T(many_at_once_do_not_mix),
        T(lines_that_are_not_ours_are_left_out),
        T(a_living_run_is_followed_again),
        T(an_adopted_run_that_dies_is_a_failure),
        T(an_adopted_run_keeps_its_budget),
        T(an_adopted_run_without_budget_left_is_stopped_at_once),
        T(a_run_that_ended_meanwhile_tells_its_result),
        T(a_run_that_died_meanwhile_can_be_put_aside_and_started_again),
        T(a_file_without_a_child_is_a_dead_run),
        T(a_reused_number_is_never_killed),
        T(children_go_on_when_the_runner_closes),
        T(a_closed_runner_hears_nothing_of_its_children),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
