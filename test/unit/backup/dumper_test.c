#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/dumper.h"
#include "sys/clock.h"
#include "sys/file.h"

struct heap {
    int64_t bytes;
    int64_t refuse_at;
    struct buf text;
};

static bool gather(void *arg, const void *data, size_t size, struct err *err)
{
    struct heap *h = arg;
    h->bytes += (int64_t)size;
    (void)buf_add(&h->text, data, MIN_OF(size, h->text.max - h->text.n));
    return !h->refuse_at || h->bytes < h->refuse_at || err_set(err, ERR_IO, "enough");
}

static bool shell(const char *script, int64_t silence_ms, struct heap *heap, struct err *err)
{
    heap->text.max = 4096;
    struct dumper_spec spec = {.argv = (const char *const[]){"sh", "-c", script, NULL},
                               .env = (const char *const[]){"PGHOST=somewhere", NULL},
                               .silence_ms = silence_ms};
    return dumper_run(&spec, gather, heap, err);
}

static void all_of_the_stream_arrives(void **state)
{
    (void)state;
    struct heap heap = {0};
    struct err err = {0};
    if (!shell("head -c 20000000 /dev/zero", 5000, &heap, &err))
        fail_msg("%s", err.message);
    assert_int_equal(heap.bytes, 20000000);
    buf_done(&heap.text);
}

static void the_environment_is_clean(void **state)
{
    (void)state;
    setenv("PGOPTIONS", "-c search_path=evil", 1);
    struct heap heap = {0};
    struct err err = {0};
    assert_true(shell("echo $PGHOST $LC_ALL $PGOPTIONS; cat", 5000, &heap, &err)); /* cat: stdin is at its end */
    assert_string_equal(buf_text(&heap.text), "somewhere C.UTF-8\n");
    unsetenv("PGOPTIONS");
    buf_done(&heap.text);
}

static void a_failure_is_told_with_its_words(void **state)
{
    (void)state;
    struct heap heap = {0};
    struct err err = {0};
    assert_false(shell("echo data; echo 'pg_dump: warning: x' >&2; echo 'pg_dump: error: no such\ntable' >&2; exit 3", 5000, &heap, &err));
    assert_int_equal(err.code, ERR_FAILED);
    assert_non_null(strstr(err.message, "exit code 3: error: no such table"));
    assert_false(shell("kill -9 $$", 5000, &heap, &err));
    assert_non_null(strstr(err.message, "signal 9 (Killed)"));
    struct dumper_spec spec = {.argv = (const char *const[]){"/nonexistent/pg_dump", NULL}, .silence_ms = 1000};
    assert_false(dumper_run(&spec, gather, &heap, &err));
    assert_int_equal(err.code, ERR_OS);
    assert_int_equal(err.os, ENOENT);
    buf_done(&heap.text);
}

static void more_complaints_than_a_pipe_holds_do_not_block(void **state)
{
    (void)state;
    struct heap heap = {0};
    struct err err = {0};
    assert_true(shell("head -c 3000000 /dev/zero >&2; echo done", 5000, &heap, &err));
    assert_string_equal(buf_text(&heap.text), "done\n");
    buf_done(&heap.text);
}

/* Everything in the child's process group is gone: its pid is told by the script itself. */
static void assert_gone(const struct buf *text)
{
    int64_t pid = 0;
    struct str s = str_trim(buf_str(text));
    assert_true(str_int(s, &pid));
    for (int i = 0; i < 200 && kill((pid_t)pid, 0) == 0; i++) /* init reaps what we do not */
        usleep(10000);
    assert_int_equal(kill((pid_t)pid, 0), -1);
}

static void silence_and_refusal_kill_the_whole_group(void **state)
{
    (void)state;
    struct heap heap = {0};
    struct err err = {0};
    int64_t began = clock_boot_ms();
    assert_false(shell("sleep 600 & echo $!; wait", 300, &heap, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_in_range(clock_boot_ms() - began, 250, 5000);
    assert_gone(&heap.text);
    buf_done(&heap.text);
    heap = (struct heap){.refuse_at = 1};
    assert_false(shell("sleep 600 & echo $!; wait", 60000, &heap, &err));
    assert_string_equal(err.message, "enough");
    assert_gone(&heap.text);
    buf_done(&heap.text);
    /* Closed its pipes and stays: waited for no longer than it may be silent. */
    heap = (struct heap){0};
    assert_false(shell("echo $$; exec >&- 2>&- sleep 600", 300, &heap, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_gone(&heap.text);
    buf_done(&heap.text);
}

static void the_nearest_pg_dump_is_found(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct pgdump found;
    struct err err = {0};
    if (!pgdump_find(a, 150004, &found, &err))
        fail_msg("%s", err.message);
    assert_int_equal(found.major, 15);
    char folder[] = "/tmp/bascule-pgdump-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const char *fake = arena_printf(a, "%s/pg_dump", folder), *script = "#!/bin/sh\necho 'pg_dump (PostgreSQL) 97.3 (Debian)'\n";
    assert_true(file_write(fake, script, strlen(script), 0755, &err));
    char *old = arena_strdup(a, getenv("PATH"));
    setenv("PATH", arena_printf(a, "%s:%s", folder, old), 1);
    assert_true(pgdump_find(a, 970001, &found, &err)); /* only the one in PATH is new enough */
    assert_string_equal(found.path, fake);
    assert_true(pgdump_find(a, 150004, &found, &err)); /* nearer than the one in PATH */
    assert_int_equal(found.major, 15);
    assert_false(pgdump_find(a, 980000, &found, &err)); /* all are too old */
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "postgresql-client-98"));
    setenv("PATH", old, 1);
    unlink(fake);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_the_stream_arrives),
        cmocka_unit_test(the_environment_is_clean),
        cmocka_unit_test(a_failure_is_told_with_its_words),
        cmocka_unit_test(more_complaints_than_a_pipe_holds_do_not_block),
        cmocka_unit_test(silence_and_refusal_kill_the_whole_group),
        cmocka_unit_test(the_nearest_pg_dump_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
