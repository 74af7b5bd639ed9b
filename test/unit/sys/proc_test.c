/* Children: every way to end, and that `done` comes exactly once. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/proc.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(line) ARGV("sh", "-c", line)

static struct proc_result run(const struct proc_spec *spec)
{
    struct proc_result result;
    struct err err = {0};
    if (!proc_run(arena, spec, &result, &err))
        fail_msg("%s", err.message);
    return result;
}

static bool exists(int64_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

/* Waits for a process that is nobody's business to go; a zombie of init counts as gone after a while. */
static void assert_goes(int64_t pid)
{
    for (int64_t until = clock_boot_ms() + 5000; exists(pid) && clock_boot_ms() < until;)
        poll(NULL, 0, 5);
    char *stat_path = arena_printf(arena, "/proc/%d/stat", (int)pid);
    struct str text;
    if (exists(pid) && file_read(arena, stat_path, 4096, &text, NULL))
        assert_non_null(strstr(text.p, ") Z "));
}

static void output_and_exit_code_are_told(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("echo out; echo err >&2; exit 3")});
    assert_int_equal(r.end, PROC_EXITED);
    assert_int_equal(r.exit_code, 3);
    assert_string_equal(r.out.p, "out\n");
    assert_string_equal(r.err.p, "err\n");
    assert_string_equal(r.why, "exit code 3");
    assert_false(proc_ok(&r));
    assert_false(r.out_cut || r.err_cut);
    r = run(&(struct proc_spec){.argv = ARGV("true")});
    assert_true(proc_ok(&r));
    assert_string_equal(r.out.p, "");
}

static void a_signal_is_no_exit_code(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("kill -9 $$")});
    assert_int_equal(r.end, PROC_SIGNALLED);
    assert_int_equal(r.signal, 9);
    assert_string_equal(r.why, "signal 9 (Killed)");
    r = run(&(struct proc_spec){.argv = SHELL("kill -40 $$")}); /* one without a name */
    assert_string_equal(r.why, "signal 40 (unknown)");
}

static void what_cannot_be_executed_is_said(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = ARGV("bascule-no-such-program")});
    assert_int_equal(r.end, PROC_NOT_STARTED);
    assert_non_null(strstr(r.why, "cannot execute \"bascule-no-such-program\": No such file"));
    assert_false(proc_ok(&r));
    r = run(&(struct proc_spec){.argv = ARGV("/etc/passwd")});
    assert_non_null(strstr(r.why, "Permission denied"));
}

static void input_is_given_whole(void **state)
{
    (void)state;
    enum { SIZE = 300000 }; /* more than a pipe holds */
    char *input = arena_alloc(arena, SIZE + 1);
    memset(input, 'x', SIZE);
    struct proc_result r = run(&(struct proc_spec){.argv = ARGV("wc", "-c"), .input = input});
    assert_string_equal(r.out.p, "300000\n");
    r = run(&(struct proc_spec){.argv = ARGV("true"), .input = input}); /* nobody reads it: no SIGPIPE */
    assert_true(proc_ok(&r));
    r = run(&(struct proc_spec){.argv = ARGV("cat")});
    assert_string_equal(r.out.p, "");
}

static void output_beyond_the_limit_is_dropped_and_said(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("yes | head -c 5000000; printf 123456 >&2"), .output_max = 6});
    assert_int_equal(r.exit_code, 0);
    assert_string_equal(r.out.p, "y\ny\ny\n");
    assert_true(r.out_cut);
    assert_string_equal(r.err.p, "123456");
    assert_false(r.err_cut);
    r = run(&(struct proc_spec){.argv = SHELL("head -c 100000 /dev/zero | tr '\\0' x")});
    assert_int_equal(r.out.n, 64 * 1024);
    assert_true(r.out_cut);
}

static void the_deadline_ends_it(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("echo began; exec sleep 30"), .timeout_ms = 200});
    assert_int_equal(r.end, PROC_TIMED_OUT);
    assert_string_equal(r.why, "no answer within 0.2 s");
    assert_string_equal(r.out.p, "began\n");
    assert_in_range(r.took_ms, 200, 1900);
}

static void one_that_ignores_term_is_killed(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("trap '' TERM; while :; do sleep 0.1; done"), .timeout_ms = 100});
    assert_int_equal(r.end, PROC_TIMED_OUT);
    assert_in_range(r.took_ms, 2100, 4000);
}

static void the_whole_group_goes(void **state)
{
    (void)state;
    /* The grandchild ignores TERM, its parent obeys. */
    struct proc_result r = run(&(struct proc_spec){
        .argv = SHELL("(trap '' TERM; while :; do sleep 0.1; done) & echo $!; exec sleep 30"), .timeout_ms = 200});
    assert_int_equal(r.end, PROC_TIMED_OUT);
    int64_t grandchild;
    assert_true(str_int(str_trim(r.out), &grandchild));
    assert_goes(grandchild);
}

static void grandchildren_that_hold_the_pipes_do_not_hold_us(void **state)
{
    (void)state;
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("sleep 20 & echo $!; exit 4")});
    assert_int_equal(r.exit_code, 4);
    assert_in_range(r.took_ms, 100, 2000);
    int64_t left;
    assert_true(str_int(str_trim(r.out), &left));
    assert_true(exists(left)); /* it ended by itself, so what it left behind is its own business */
    kill((pid_t)left, SIGKILL);
}

static void the_environment_is_clean_unless_wanted(void **state)
{
    (void)state;
    setenv("BASCULE_LEAK", "1", 1);
    setenv("HOME", "/nowhere", 1);
    const char *const additions[] = {"HOME=/here", "A=b=c", NULL};
    struct proc_result r = run(&(struct proc_spec){.argv = ARGV("env"), .env = additions});
    assert_null(strstr(r.out.p, "BASCULE_LEAK"));
    assert_non_null(strstr(r.out.p, "PATH="));
    assert_non_null(strstr(r.out.p, "HOME=/here\n"));
    assert_null(strstr(r.out.p, "/nowhere"));
    assert_non_null(strstr(r.out.p, "A=b=c\n"));
    r = run(&(struct proc_spec){.argv = ARGV("env"), .env = additions, .inherit_env = true});
    assert_non_null(strstr(r.out.p, "BASCULE_LEAK=1\n"));
    assert_null(strstr(r.out.p, "/nowhere"));
    unsetenv("BASCULE_LEAK");
}

static void no_descriptor_and_no_signal_setting_is_inherited(void **state)
{
    (void)state;
    int leak = open("/dev/null", O_RDONLY); /* no CLOEXEC, as some library might */
    assert_true(leak >= 3);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGPIPE, SIG_IGN);
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("ls /proc/self/fd | wc -l; exec grep -E 'Sig(Blk|Ign)' /proc/self/status")});
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leak);
    unsigned long blocked, ignored;
    int fds;
    assert_int_equal(sscanf(r.out.p, "%d SigBlk: %lx SigIgn: %lx", &fds, &blocked, &ignored), 3);
    assert_int_equal(fds, 4); /* 0, 1, 2, and ls's own */
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & 0x7FFFFFFF, 0); /* 32 and 33 are the C library's, which nobody can set */
}

static void a_descriptor_is_passed_as_number_3(void **state)
{
    (void)state;
    int ends[2];
    char got[8] = "";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("echo hi >&3"), .pass_fd = ends[1]});
    assert_int_equal(r.exit_code, 0);
    assert_int_equal(read(ends[0], got, sizeof(got) - 1), 3);
    assert_string_equal(got, "hi\n");
    close(ends[0]);
    close(ends[1]);
    struct err err = {0};
    assert_false(proc_run(arena, &(struct proc_spec){.argv = ARGV("true"), .pass_fd = 900}, &r, &err));
    assert_int_equal(err.os, EBADF);
}

static void stderr_may_go_to_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/bascule-proc-XXXXXX";
    close(mkstemp(path));
    struct str text;
    struct err err = {0};
    for (int i = 0; i < 2; i++)
        assert_string_equal(run(&(struct proc_spec){.argv = SHELL("echo x >&2"), .stderr_path = path}).err.p, "");
    assert_true(file_read(arena, path, 100, &text, &err));
    assert_string_equal(text.p, "x\nx\n");
    unlink(path);
    struct proc_result r;
    assert_false(proc_run(arena, &(struct proc_spec){.argv = ARGV("true"), .stderr_path = "/no/such/file"}, &r, &err));
    assert_non_null(strstr(err.message, "/no/such/file"));
}

static void several_run_at_once(void **state)
{
    (void)state;
    struct proc_spec specs[3] = {{.argv = SHELL("sleep 0.5; echo 1")}, {.argv = SHELL("sleep 0.5; echo 2")}, {.argv = ARGV("no-such-program")}};
    struct proc_result results[3];
    struct err err = {0};
    int64_t began = clock_boot_ms();
    assert_true(proc_run_all(arena, specs, 3, results, &err));
    assert_true(clock_boot_ms() - began < results[0].took_ms + results[1].took_ms); /* not one after the other */
    assert_string_equal(results[0].out.p, "1\n");
    assert_string_equal(results[1].out.p, "2\n");
    assert_int_equal(results[2].end, PROC_NOT_STARTED);
    /* One that cannot be started takes the others with it. */
    specs[0].argv = ARGV("sleep", "20");
    specs[1].stderr_path = "/no/such/file";
    assert_false(proc_run_all(arena, specs, 2, results, &err));
    assert_int_equal(results[0].end, PROC_CANCELLED);
    assert_int_equal(results[1].end, PROC_NOT_STARTED);
}

struct watch {
    struct loop *loop;
    struct proc *proc;
    struct loop_fd *reading;
    int calls;
    struct proc_result last;
    char out[64];
};

static void on_done(void *arg, const struct proc_result *result)
{
    struct watch *w = arg;
    w->calls++;
    w->last = *result;
    COPY_TO(w->out, result->out.p);
}

static void begin(struct watch *w, const struct proc_spec *spec)
{
    struct err err = {0};
    if (!w->loop)
        w->loop = loop_open();
    if (!proc_start(w->loop, spec, on_done, w, &w->proc, &err))
        fail_msg("%s", err.message);
}

static void done_is_never_called_from_within_the_start(void **state)
{
    (void)state;
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = ARGV("no-such-program")});
    assert_int_equal(w.calls, 0);
    assert_int_equal(proc_pid(w.proc), 0);
    proc_cancel(w.proc); /* harmless */
    loop_run(w.loop);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.last.end, PROC_NOT_STARTED);
    begin(&w, &(struct proc_spec){.argv = ARGV("no-such-program")});
    proc_abandon(&w.proc);
    loop_run(w.loop);
    assert_int_equal(w.calls, 1);
    loop_close(&w.loop);
}

static void cancelling_tells_once(void **state)
{
    (void)state;
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = ARGV("sleep", "20"), .timeout_ms = 15000});
    assert_true(exists(proc_pid(w.proc)));
    proc_cancel(w.proc);
    proc_cancel(w.proc);
    loop_run(w.loop);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.last.end, PROC_CANCELLED);
    assert_string_equal(w.last.why, "stopped");
    assert_true(w.last.took_ms < 2000);
    loop_close(&w.loop);
}

static void abandoning_tells_nobody_and_leaves_no_zombie(void **state)
{
    (void)state;
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = SHELL("trap '' TERM; sleep 20; sleep 20")});
    int pid = proc_pid(w.proc);
    proc_abandon(&w.proc);
    assert_null(w.proc);
    loop_run(w.loop);
    assert_int_equal(w.calls, 0);
    assert_false(exists(pid));
    proc_abandon(&w.proc);
    proc_abandon(NULL);
    loop_close(&w.loop);
}

static void closing_the_loop_kills_children(void **state)
{
    (void)state;
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = ARGV("sleep", "20")});
    int pid = proc_pid(w.proc);
    loop_close(&w.loop);
    assert_false(exists(pid));
    assert_int_equal(w.calls, 0);
}

static void a_detached_child_lives_on(void **state)
{
    (void)state;
    char path[] = "/tmp/bascule-detached-XXXXXX";
    close(mkstemp(path));
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = SHELL("echo out; echo $$ >&2; exec sleep 20"), .detached = true, .stderr_path = path});
    int pid = proc_pid(w.proc);
    loop_close(&w.loop);
    assert_true(exists(pid));
    assert_int_equal(getsid(pid), pid);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    unlink(path);
    begin(&w, &(struct proc_spec){.argv = ARGV("true"), .detached = true});
    loop_run(w.loop);
    assert_int_equal(w.calls, 1);
    assert_true(proc_ok(&w.last));
    loop_close(&w.loop);
}

/* A child that must die with us, whoever stops us. */
static int run_blocking(void)
{
    arena = arena_open();
    struct proc_result result;
    struct err err = {0};
    bool ok = proc_run(arena, &(struct proc_spec){.argv = SHELL("echo $$ >&2; exec sleep 20"), .stderr_path = "/dev/stderr"}, &result, &err);
    struct sigaction now;
    sigaction(SIGTERM, NULL, &now);
    bool restored = now.sa_handler == SIG_DFL;
    fputs(!ok && restored ? err.message : "wrong", stdout);
    arena_close(&arena);
    return ok ? 0 : err_exit_status(err.code);
}

static void on_pid_line(void *arg, int ready)
{
    (void)ready;
    struct watch *w = arg;
    kill(proc_pid(w->proc), SIGTERM); /* only it, not its group; and once, since a second one would find no handler */
    loop_fd_want(w->reading, 0);
}

static void a_signal_to_a_blocking_run_stops_its_child(void **state)
{
    (void)state;
    struct watch w = {.loop = loop_open()};
    char fifo[] = "/tmp/bascule-fifo-XXXXXX";
    assert_true(mkdtemp(fifo));
    char *path = file_join(arena, fifo, "f"), line[32] = "";
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    begin(&w, &(struct proc_spec){.argv = ARGV(file_self(arena), "run-blocking"), .stderr_path = path, .inherit_env = true});
    w.reading = loop_fd_new(w.loop, fd, LOOP_READ, on_pid_line, &w);
    while (w.calls == 0)
        loop_once(w.loop, true);
    assert_string_equal(w.out, "stopped by signal 15 (Terminated)");
    assert_int_equal(w.last.exit_code, err_exit_status(ERR_CANCELLED));
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    int64_t grandchild;
    assert_true(str_int(str_trim(str_of(line)), &grandchild));
    assert_false(exists(grandchild));
    loop_fd_free(&w.reading);
    loop_close(&w.loop);
    close(fd);
    unlink(path);
    rmdir(fifo);
}

static void an_ignored_signal_stays_ignored(void **state)
{
    (void)state;
    signal(SIGHUP, SIG_IGN);
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("kill -HUP $PPID; exit 5")});
    signal(SIGHUP, SIG_DFL);
    assert_int_equal(r.exit_code, 5);
}

static void an_ignored_sigchld_does_not_lose_the_exit_code(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_IGN); /* as some parents leave it */
    struct proc_result r = run(&(struct proc_spec){.argv = SHELL("exit 5")});
    assert_int_equal(r.exit_code, 5);
    struct sigaction no_wait = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &no_wait, NULL);
    r = run(&(struct proc_spec){.argv = SHELL("exit 6")});
    assert_int_equal(r.exit_code, 6);
}

static void a_child_that_somebody_else_reaped_is_no_success(void **state)
{
    (void)state;
    struct watch w = {0};
    begin(&w, &(struct proc_spec){.argv = SHELL("exit 0")});
    assert_int_equal(waitpid(proc_pid(w.proc), NULL, 0), proc_pid(w.proc));
    loop_run(w.loop);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.last.end, PROC_SIGNALLED);
    assert_false(proc_ok(&w.last));
    loop_close(&w.loop);
}

/* What the program under test gets for pidfd_open; the linker sends it here. */
int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
static enum { WATCHED, TAKEN_BEFORE, REFUSED } watching;

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
    if (watching == TAKEN_BEFORE)
        assert_int_equal(waitpid(pid, NULL, 0), pid); /* the process is gone as if the kernel had reaped it itself */
    if (watching == REFUSED) {
        errno = EMFILE;
        return -1;
    }
    return __real_pidfd_open(pid, flags);
}

static void a_child_that_is_gone_before_it_is_watched_has_ended(void **state)
{
    (void)state;
    for (int detached = 0; detached < 2; detached++) {
        struct watch w = {0};
        watching = TAKEN_BEFORE;
        begin(&w, &(struct proc_spec){.argv = SHELL("echo seen; exit 0"), .timeout_ms = 10000, .detached = detached});
        watching = WATCHED;
        assert_int_equal(w.calls, 0); /* never from within the start */
        proc_cancel(w.proc);
        loop_run(w.loop);
        assert_int_equal(w.calls, 1);
        assert_int_equal(w.last.end, PROC_SIGNALLED);
        assert_false(proc_ok(&w.last));
        assert_string_equal(w.last.why, "ended, but how it ended was taken by somebody else");
        assert_string_equal(w.out, detached ? "" : "seen\n");
        loop_close(&w.loop);
    }
}

static void a_child_that_cannot_be_watched_is_not_left_running(void **state)
{
    (void)state;
    struct watch w = {.loop = loop_open()};
    struct err err = {0};
    watching = REFUSED;
    assert_false(proc_start(w.loop, &(struct proc_spec){.argv = ARGV("sleep", "600")}, on_done, &w, &w.proc, &err));
    watching = WATCHED;
    assert_non_null(strstr(err.message, "could not watch the process of \"sleep\""));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    loop_run(w.loop);
    assert_int_equal(w.calls, 0);
    loop_close(&w.loop);
}

static void without_descriptors_nothing_is_started(void **state)
{
    (void)state;
    struct rlimit before;
    struct watch w = {.loop = loop_open()};
    getrlimit(RLIMIT_NOFILE, &before);
    int next = dup(0);
    close(next);
    for (rlim_t room = 0; room < 9; room++) { /* each descriptor that a start needs is the one that fails */
        struct err err = {0};
        struct rlimit tight = {.rlim_cur = (rlim_t)next + room, .rlim_max = before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &tight);
        bool ok = proc_start(w.loop, &(struct proc_spec){.argv = ARGV("true"), .input = "x"}, on_done, &w, &w.proc, &err);
        setrlimit(RLIMIT_NOFILE, &before);
        if (!ok)
            assert_int_equal(err.code, ERR_OS);
    }
    loop_run(w.loop);
    int again = dup(0);
    assert_int_equal(again, next); /* none was left open */
    close(again);
    loop_close(&w.loop);
}

int main(int argc, char **argv)
{
    if (argc == 2 && same(argv[1], "run-blocking"))
        return run_blocking();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(output_and_exit_code_are_told),
        TEST(a_signal_is_no_exit_code),
        TEST(what_cannot_be_executed_is_said),
        TEST(input_is_given_whole),
        TEST(output_beyond_the_limit_is_dropped_and_said),
        TEST(the_deadline_ends_it),
        TEST(one_that_ignores_term_is_killed),
        TEST(the_whole_group_goes),
        TEST(grandchildren_that_hold_the_pipes_do_not_hold_us),
        TEST(the_environment_is_clean_unless_wanted),
        TEST(no_descriptor_and_no_signal_setting_is_inherited),
        TEST(a_descriptor_is_passed_as_number_3),
        TEST(stderr_may_go_to_a_file),
        TEST(several_run_at_once),
        TEST(done_is_never_called_from_within_the_start),
        TEST(cancelling_tells_once),
        TEST(abandoning_tells_nobody_and_leaves_no_zombie),
        TEST(closing_the_loop_kills_children),
        TEST(a_detached_child_lives_on),
        TEST(a_signal_to_a_blocking_run_stops_its_child),
        TEST(an_ignored_signal_stays_ignored),
        TEST(an_ignored_sigchld_does_not_lose_the_exit_code),
        TEST(a_child_that_somebody_else_reaped_is_no_success),
        TEST(a_child_that_is_gone_before_it_is_watched_has_ended),
        TEST(a_child_that_cannot_be_watched_is_not_left_running),
        TEST(without_descriptors_nothing_is_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
