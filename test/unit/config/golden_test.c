/* golden_test.c -- Every kind of mistake has a file golden/NAME.yaml and, in golden/NAME.expected, the very words that
   people read. `BASCULE_BLESS=1` writes the expected files anew; the difference is then read by a person before it is
   committed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "config/load.h"
#include "fakes.h"
#include "sys/file.h"

enum { CASES_MAX = 200, CASES_MIN = 40 };

/* The share folder depends on the prefix of the build. */
static const char *without_prefix(struct arena *arena, const char *text)
{
    for (const char *at; (at = strstr(text, BASCULE_SHARE));)
        text = arena_printf(arena, "%.*sSHARE%s", (int)(at - text), text, at + strlen(BASCULE_SHARE));
    return text;
}

static const char *reading(struct arena *arena, const char *file)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    struct config *config = NULL;
    struct err err = {0};
    bool ok = config_load(arena, file, &fake_hooks, &config, &problems, &err);
    if (ok)
        return arena_printf(arena, "%sok\n", buf_text(&problems));
    assert_null(config);
    assert_int_equal(err.code, ERR_CONFIG);
    return without_prefix(arena, arena_printf(arena, "%s== %s\n", buf_text(&problems), err.message));
}

static void one_mistake_reads_as_expected(void **state)
{
    const char *name = *state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    const char *expected = arena_printf(a, "%s.expected", name), *file = arena_printf(a, "%s.yaml", name);
    const char *text = reading(a, file);
    struct str wanted;
    if (getenv("BASCULE_BLESS"))
        assert_true(file_write(expected, text, strlen(text), 0644, &err));
    if (!file_read(a, expected, 1024 * 1024, &wanted, &err))
        fail_msg("%s", err.message);
    assert_string_equal(text, wanted.p);
    if (same(name, "correct"))
        assert_string_equal(text, "ok\n");
    else
        assert_non_null(strstr(text, "== ")); /* refused */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct CMUnitTest tests[CASES_MAX] = {0};
    size_t n = 0;
    unsetenv("BASCULE_PLAYBOOKS");
    unsetenv("BASCULE_CHECKLISTS");
    DIR *dir = chdir(GOLDEN) == 0 ? opendir(".") : NULL;
    for (const struct dirent *e; dir && (e = readdir(dir)) && n < CASES_MAX;) {
        size_t length = strlen(e->d_name);
        if (length < 6 || !same(e->d_name + length - 5, ".yaml"))
            continue;
        char *name = arena_strndup(a, e->d_name, length - 5);
        tests[n++] =
            (struct CMUnitTest){.name = name, .test_func = one_mistake_reads_as_expected, .initial_state = name};
    }
    if (dir)
        closedir(dir);
    if (n < CASES_MIN) {
        fprintf(stderr, "only %zu mistakes in %s; at least %d are expected there\n", n, GOLDEN, CASES_MIN);
        return 1;
    }
    qsort(tests, n, sizeof(tests[0]), by_name);
    return _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
}
