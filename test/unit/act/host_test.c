/* Commands and files on this machine and over a real sshd. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "act/host.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "sshfixture.h"

struct world {
    struct arena *arena;
    struct ssh_fixture *ssh;
    struct action_ctx ctx;
    struct host local;
    char folder[64];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    w->ssh = ssh_fixture_new();
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-host.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_true(ssh_prepare(w->ssh->control, NULL));
    w->ctx = (struct action_ctx){.arena = w->arena, .control_dir = w->ssh->control};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ssh_fixture_free(&w->ssh);
    fixture_remove(w->folder);
    arena_close(&w->arena);
    free(w);
    return 0;
}

/* Here and there, the same. */
static const struct host *both(struct world *w, int i)
{
    return i ? &w->ssh->host : &w->local;
}

static struct proc_result run(struct world *w, const struct host *host, const char *const *words, const char *input)
{
    struct strs argv = host_argv(w->arena, words);
    struct proc_result result = {0};
    struct err err = {0};
    if (!host_run(&w->ctx, host, &argv, input, 15000, &result, &err))
        fail_msg("%s", err.message);
    return result;
}

static void words_arrive_as_they_are(void **state)
{
    struct world *w = *state;
    const char *words[] = {"printf", "[%s]", "a b", "$HOME `id` \"q\" 'q' \\ ;", "*", "", "é\nnew line", NULL};
    for (int i = 0; i < 2; i++) {
        struct proc_result r = run(w, both(w, i), words, NULL);
        assert_true(proc_ok(&r));
        assert_string_equal(r.out.p, "[a b][$HOME `id` \"q\" 'q' \\ ;][*][][é\nnew line]");
    }
}

static void exit_codes_and_input_pass_through(void **state)
{
    struct world *w = *state;
    const char *words[] = {"sh", "-c", "cat; echo wrong >&2; exit 3", NULL};
    for (int i = 0; i < 2; i++) {
        struct proc_result r = run(w, both(w, i), words, "over stdin");
        assert_int_equal(r.end, PROC_EXITED);
        assert_int_equal(r.exit_code, 3);
        assert_string_equal(r.out.p, "over stdin");
        assert_string_equal(host_complaint(w->arena, &r), "exit code 3: wrong");
    }
}

static void a_file_is_whole_or_absent(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct str text;
    char *path = arena_printf(w->arena, "%s/with blank 'and' quote", w->folder);
    for (int i = 0; i < 2; i++) {
        struct stat st;
        assert_false(host_read(&w->ctx, both(w, i), path, 15000, &text, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_true(host_write(&w->ctx, both(w, i), path, "one\ntwo $x\n", 15000, &err));
        assert_true(host_write(&w->ctx, both(w, i), path, "three\n", 15000, &err));
        assert_true(host_read(&w->ctx, both(w, i), path, 15000, &text, &err));
        assert_true(str_is(text, "three\n"));
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0644);
        assert_true(host_remove(&w->ctx, both(w, i), path, 15000, &err));
        assert_true(host_remove(&w->ctx, both(w, i), path, 15000, &err)); /* again does no harm */
        assert_false(file_exists(path));
        assert_false(host_write(&w->ctx, both(w, i), arena_printf(w->arena, "%s/no/such/folder", w->folder), "x", 15000, &err));
        assert_non_null(strstr(err.message, "no/such/folder"));
    }
}

static void a_host_that_is_gone_is_told_apart_from_a_failing_command(void **state)
{
    struct world *w = *state;
    const char *words[] = {"sh", "-c", "exit 254", NULL};
    struct strs argv = host_argv(w->arena, words);
    struct proc_result result;
    struct err err = {0};
    struct str text;
    assert_true(host_run(&w->ctx, &w->ssh->host, &argv, NULL, 15000, &result, &err));
    assert_int_equal(result.exit_code, 254);
    ssh_fixture_stop(w->ssh);
    assert_false(host_run(&w->ctx, &w->ssh->host, &argv, NULL, 15000, &result, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, w->ssh->address));
    assert_non_null(strstr(err.hint, "ssh -p"));
    assert_false(host_read(&w->ctx, &w->ssh->host, "/etc/hostname", 15000, &text, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE); /* and not that there is no such file */
}

static void a_program_that_is_not_there_is_an_error_here(void **state)
{
    struct world *w = *state;
    const char *words[] = {"/nonexistent/program", NULL};
    struct strs argv = host_argv(w->arena, words);
    struct proc_result result;
    struct err err = {0};
    assert_false(host_run(&w->ctx, &w->local, &argv, NULL, 15000, &result, &err));
    assert_non_null(strstr(err.message, "/nonexistent/program"));
    assert_true(host_run(&w->ctx, &w->ssh->host, &argv, NULL, 15000, &result, &err));
    assert_int_equal(result.exit_code, 127);
}

static void a_command_that_hangs_ends_at_its_deadline(void **state)
{
    struct world *w = *state;
    const char *words[] = {"sleep", "1000", NULL};
    struct strs argv = host_argv(w->arena, words);
    for (int i = 0; i < 2; i++) {
        struct proc_result result;
        int64_t began = clock_boot_ms();
        assert_true(host_run(&w->ctx, both(w, i), &argv, NULL, 1500, &result, NULL));
        assert_int_equal(result.end, PROC_TIMED_OUT);
        assert_true(clock_boot_ms() - began < 5000);
    }
}

static void last_lines_are_the_last(void **state)
{
    struct world *w = *state;
    assert_string_equal(host_last_lines(w->arena, str_of("a\n\nb\n  c  \n\n"), 2), "b | c");
    assert_string_equal(host_last_lines(w->arena, str_of("a"), 2), "a");
    assert_string_equal(host_last_lines(w->arena, str_of(""), 2), "");
    const char *words[] = {"systemctl", "kill", "-s", "KILL", "a b", "it's", "", NULL};
    struct strs argv = host_argv(w->arena, words);
    assert_string_equal(host_words(w->arena, &argv), "systemctl kill -s KILL 'a b' 'it'\\''s' ''");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(words_arrive_as_they_are),
        T(exit_codes_and_input_pass_through),
        T(a_file_is_whole_or_absent),
        T(a_host_that_is_gone_is_told_apart_from_a_failing_command),
        T(a_program_that_is_not_there_is_an_error_here),
        T(a_command_that_hangs_ends_at_its_deadline),
        T(last_lines_are_the_last),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
