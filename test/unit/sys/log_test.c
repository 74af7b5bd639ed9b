/* What lands on stderr, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"

static int kept_stderr, memory;

static void catch_stderr(void)
{
    kept_stderr = dup(STDERR_FILENO);
    memory = memfd_create("stderr", 0);
    assert_true(dup2(memory, STDERR_FILENO) >= 0);
}

/* What was written since catch_stderr. */
static const char *release_stderr(struct arena *a)
{
    static const size_t size = 64 * 1024;
    char *text = arena_alloc(a, size);
    assert_true(pread(memory, text, size - 1, 0) >= 0);
    assert_true(dup2(kept_stderr, STDERR_FILENO) >= 0);
    close(kept_stderr);
    close(memory);
    return text;
}

static void levels_are_named_and_filtered(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    catch_stderr();
    log_line(LOG_INFO, "started service=%s", "akig");
    log_line(LOG_DEBUG, "not shown");
    log_setup(LOG_DEBUG);
    log_line(LOG_DEBUG, "shown");
    log_setup(LOG_ERROR);
    log_line(LOG_WARNING, "not shown either");
    log_line(LOG_ERROR, "broken");
    log_err(LOG_WARNING, &(struct err){.message = "nor this"});
    log_setup(LOG_INFO);
    assert_string_equal(release_stderr(a), "info started service=akig\ndebug shown\nerror broken\n");
}

static void control_characters_cannot_forge_lines(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    catch_stderr();
    log_line(LOG_INFO, "%s", "a\nerror forged\033[31m\x7f é");
    assert_string_equal(release_stderr(a), "info a\\nerror forged\\x1b[31m\\x7f é\n");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    static char text[10001];
    memset(text, 'x', 10000);
    catch_stderr();
    log_line(LOG_INFO, "%s", text);
    text[0] = '\n';
    memset(text, '\n', 3000); /* grows when escaped */
    log_line(LOG_INFO, "%s", text);
    const char *out = release_stderr(a);
    const char *first_end = strchr(out, '\n');
    assert_non_null(first_end);
    assert_true(first_end - out <= 4096);
    assert_true(strlen(first_end + 1) <= 4096);
    assert_int_equal(out[strlen(out) - 1], '\n');
}

static void an_error_comes_with_its_hint(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    err_set(&err, ERR_FAILED, "could not x");
    catch_stderr();
    log_err(LOG_ERROR, &err);
    err_hint(&err, "do y");
    log_err(LOG_WARNING, &err);
    assert_string_equal(release_stderr(a), "error could not x\nwarning could not x\nwarning hint: do y\n");
}

static void the_journal_of_systemd_gets_priorities(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    catch_stderr();
    struct stat st;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    setenv("JOURNAL_STREAM", arena_printf(a, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino), 1);
    log_line(LOG_WARNING, "x");
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, but stderr was redirected since */
    log_line(LOG_WARNING, "x");
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(release_stderr(a), "<4>warning x\nwarning x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_named_and_filtered),
        cmocka_unit_test(control_characters_cannot_forge_lines),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(an_error_comes_with_its_hint),
        cmocka_unit_test(the_journal_of_systemd_gets_priorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
