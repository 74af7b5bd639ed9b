/* What a child writes is what its parent reads, whatever is in it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "act/pids.h"
#include "act/report.h"
#include "sys/file.h"

struct file {
    char folder[64], path[96];
    struct arena *arena;
};

static int setup(void **state)
{
    struct file *f = calloc(1, sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/bascule-report-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/run.jsonl", f->folder);
    f->arena = arena_open();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct file *f = *state;
    unlink(f->path);
    rmdir(f->folder);
    arena_close(&f->arena);
    free(f);
    return 0;
}

/* As a child finds it: the descriptor is open, the variable names it. */
static struct report *open_as_child(struct file *f, int *ret_fd)
{
    char name[16];
    int fd = open(f->path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    int high = fcntl(fd, F_DUPFD, 50);
    close(fd);
    snprintf(name, sizeof(name), "%d", high);
    setenv("BASCULE_REPORT_FD", name, 1);
    *ret_fd = high;
    return report_open();
}

static size_t read_lines(struct file *f, struct report_line *lines, size_t max)
{
    struct str text, line;
    size_t n = 0;
    assert_true(file_read(f->arena, f->path, 1 << 20, &text, NULL));
    while (str_next(&text, '\n', &line)) {
        if (!line.n)
            continue;
        struct err err = {0};
        assert_true(n < max);
        if (!report_parse(line, &lines[n++], &err))
            fail_msg("%s", err.message);
    }
    return n;
}

static void every_kind_of_line_comes_back(void **state)
{
    struct file *f = *state;
    int fd;
    struct report_line lines[8];
    struct report *r = open_as_child(f, &fd);
    report_progress(r, 3, 10, "table \"%s\"", "payments");
    report_fact(r, "restore.rows", "%d", 120456);
    report_result(r, OUTCOME_BLOCKED, "needs a person: l'hôte \"x\"\n\ttab");
    report_close(&r);
    assert_null(r);
    assert_int_equal(read_lines(f, lines, 8), 4);
    assert_int_equal(lines[0].kind, REPORT_BEGIN);
    assert_int_equal(lines[0].pid, getpid());
    assert_int_equal(lines[0].start, pids_start(getpid()));
    assert_true(lines[0].start > 0);
    assert_int_equal(lines[1].kind, REPORT_PROGRESS);
    assert_int_equal(lines[1].done, 3);
    assert_int_equal(lines[1].total, 10);
    assert_string_equal(lines[1].text, "table \"payments\"");
    assert_int_equal(lines[2].kind, REPORT_FACT);
    assert_string_equal(lines[2].name, "restore.rows");
    assert_string_equal(lines[2].text, "120456");
    assert_int_equal(lines[3].kind, REPORT_RESULT);
    assert_int_equal(lines[3].outcome, OUTCOME_BLOCKED);
    assert_string_equal(lines[3].text, "needs a person: l'hôte \"x\"\n\ttab");
}

/* With an objective each line says how much of it has gone by; the end is known after a second, as eta.h has it. */
static void progress_is_set_against_an_objective(void **state)
{
    struct file *f = *state;
    int fd;
    struct report_line lines[4];
    struct err err = {0};
    struct report *r = open_as_child(f, &fd);
    report_progress(r, 1, 10, "before");
    report_objective(r, 900000, 60000);
    report_progress(r, 2, 10, "after");
    report_close(&r);
    assert_int_equal(read_lines(f, lines, 4), 3);
    assert_int_equal(lines[1].rto_ms, 0);
    assert_int_equal(lines[1].eta_ms, -1);
    assert_int_equal(lines[2].rto_ms, 900000);
    assert_in_range(lines[2].spent_ms, 60000, 120000);
    assert_int_equal(lines[2].eta_ms, -1);
    static const char line[] = "{\"t\":\"progress\",\"done\":1,\"total\":2,\"eta_ms\":5,\"spent_ms\":6,\"rto_ms\":7,\"text\":\"x\"}";
    assert_true(report_parse(str_of(line), &lines[0], &err));
    assert_int_equal(lines[0].eta_ms, 5);
    assert_int_equal(lines[0].spent_ms, 6);
    assert_int_equal(lines[0].rto_ms, 7);
}

static void children_of_the_child_do_not_report(void **state)
{
    struct file *f = *state;
    int fd;
    struct report *r = open_as_child(f, &fd);
    assert_null(getenv("BASCULE_REPORT_FD"));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_APPEND);
    report_close(&r);
}

static void a_wrong_descriptor_is_nobody(void **state)
{
    (void)state;
    static const char *const wrong[] = {"2", "999", "x", "", "-1", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        setenv("BASCULE_REPORT_FD", wrong[i], 1);
        struct report *r = report_open();
        report_fact(r, "a", "b");
        report_result(r, OUTCOME_SUCCESS, "done");
        report_close(&r);
    }
    int fd = open("/dev/null", O_RDONLY);
    char name[16];
    snprintf(name, sizeof(name), "%d", fd);
    setenv("BASCULE_REPORT_FD", name, 1);
    struct report *r = report_open(); /* cannot be written to */
    report_result(r, OUTCOME_SUCCESS, "done");
    report_close(&r);
    close(fd);
    unsetenv("BASCULE_REPORT_FD");
}

static void progress_is_thinned_but_never_its_end(void **state)
{
    struct file *f = *state;
    int fd;
    struct report_line lines[64];
    struct report *r = open_as_child(f, &fd);
    for (int i = 0; i <= 10000; i++)
        report_progress(r, i, 10000, "rows");
    report_close(&r);
    size_t n = read_lines(f, lines, 64); /* at most one each 100 ms */
    assert_true(n >= 3);
    assert_int_equal(lines[n - 1].done, 10000);
}

static void the_newest_value_of_a_fact_counts(void **state)
{
    (void)state;
    struct report *r = report_quiet();
    const struct report_fact *facts;
    report_fact(r, "a", "1");
    report_fact(r, "b", "2");
    report_fact(r, "a", "%s", "3");
    assert_int_equal(report_facts(r, &facts), 2);
    assert_string_equal(facts[0].name, "a");
    assert_string_equal(report_fact_value(r, "a"), "3");
    assert_null(report_fact_value(r, "c"));
    report_close(&r);
}

static void a_fact_of_any_size_is_one_valid_line(void **state)
{
    struct file *f = *state;
    int fd;
    struct report_line lines[8];
    static char huge[300001];
    struct report *r = open_as_child(f, &fd);
    memset(huge, 1, 300000); /* six bytes each once escaped */
    huge[300000] = 0;
    report_fact(r, "huge", "%s", huge);
    memset(huge, 0xff, 300000); /* not UTF-8 */
    report_result(r, OUTCOME_FAILURE, "%s", huge);
    report_close(&r);
    assert_int_equal(read_lines(f, lines, 8), 3);
    assert_int_equal(strlen(lines[1].text), MODEL_TEXT_SIZE - 1);
    assert_int_equal(lines[2].kind, REPORT_RESULT);
}

static void a_full_disk_tears_one_line_only(void **state)
{
    struct file *f = *state;
    int fd;
    struct report_line lines[4];
    struct rlimit old, small;
    struct report *r = open_as_child(f, &fd);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100; /* the next line is cut in its middle */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    report_fact(r, "long", "%0100d", 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0); /* somebody made room */
    report_result(r, OUTCOME_SUCCESS, "well");
    report_close(&r);
    struct str text, line, last = {0};
    assert_true(file_read(f->arena, f->path, 1 << 20, &text, NULL));
    while (str_next(&text, '\n', &line))
        if (line.n)
            last = line;
    assert_true(report_parse(last, &lines[0], NULL));
    assert_int_equal(lines[0].kind, REPORT_RESULT);
    assert_string_equal(lines[0].text, "well");
}

static void what_is_not_a_line_of_ours_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"t\":7}",
        "{\"t\":\"dance\"}",
        "{\"t\":\"result\"}",
        "{\"t\":\"result\",\"outcome\":\"splendid\",\"text\":\"\"}",
        "{\"t\":\"result\",\"outcome\":\"success\"}",
        "{\"t\":\"progress\",\"done\":\"1\",\"total\":2,\"text\":\"\"}",
        "{\"t\":\"progress\",\"done\":1,\"total\":2}",
        "{\"t\":\"fact\",\"name\":\"a\"}",
        "{\"t\":\"fact\",\"name\":1,\"value\":\"\"}",
        "{\"t\":\"begin\",\"pid\":1}",
        "{\"t\":\"fact\",\"name\":\"a\",\"value\":\"b\"} x",
        "{\"t\":\"fact\",\"name\":\"a\",\"value\":\"b\"",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct report_line line = {.done = 77};
        if (report_parse(str_of(bad[i]), &line, &err))
            fail_msg("accepted: %s", bad[i]);
        assert_true(*err.message);
        assert_int_equal(line.done, 77); /* written only on success */
    }
    char *huge = calloc(1, REPORT_LINE_MAX + 2);
    memset(huge, ' ', REPORT_LINE_MAX + 1);
    struct err err = {0};
    struct report_line line;
    assert_false(report_parse(str_of(huge), &line, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(huge);
}

/* A terminal of our own, since that of the test may be a file. */
static void a_terminal_gets_a_bar_without_colour_when_asked(void **state)
{
    (void)state;
    char out[4096];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    char name[128];
    assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
    int slave = open(name, O_RDWR | O_NOCTTY), kept = dup(STDERR_FILENO);
    assert_true(slave >= 0);
    for (int colour = 0; colour < 2; colour++) {
        unsetenv("BASCULE_REPORT_FD");
        if (colour)
            unsetenv("NO_COLOR");
        else
            setenv("NO_COLOR", "1", 1);
        dup2(slave, STDERR_FILENO);
        struct report *r = report_open();
        report_progress(r, 50, 100, "table payments");
        report_progress(r, 7, 0, "rows without a known end");
        report_close(&r);
        dup2(kept, STDERR_FILENO);
        /* The line discipline hands it over in pieces. */
        struct pollfd ready = {.fd = master, .events = POLLIN};
        size_t n = 0;
        for (*out = 0; !strstr(out, "known end\r\033[K") && n < sizeof(out) - 1 && poll(&ready, 1, 5000) > 0; out[n] = 0) {
            ssize_t got = read(master, out + n, sizeof(out) - 1 - n);
            assert_true(got > 0);
            n += (size_t)got;
        }
        assert_non_null(strstr(out, "############............"));
        assert_non_null(strstr(out, " 50 %"));
        assert_non_null(strstr(out, "table payments"));
        assert_non_null(strstr(out, "7  rows without"));
        assert_int_equal(strstr(out, "\033[32m") != NULL, colour);
    }
    close(slave);
    close(master);
    close(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_kind_of_line_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_is_set_against_an_objective, setup, teardown),
        cmocka_unit_test_setup_teardown(children_of_the_child_do_not_report, setup, teardown),
        cmocka_unit_test(a_wrong_descriptor_is_nobody),
        cmocka_unit_test_setup_teardown(progress_is_thinned_but_never_its_end, setup, teardown),
        cmocka_unit_test(the_newest_value_of_a_fact_counts),
        cmocka_unit_test_setup_teardown(a_fact_of_any_size_is_one_valid_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_tears_one_line_only, setup, teardown),
        cmocka_unit_test(what_is_not_a_line_of_ours_is_refused),
        cmocka_unit_test(a_terminal_gets_a_bar_without_colour_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
