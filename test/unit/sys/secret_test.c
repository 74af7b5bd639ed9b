/* Secrets are read only from places that nobody else can read. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/secret.h"

static struct arena *arena;
static char *folder, *path;

static int set_up(void **state)
{
    (void)state;
    arena = arena_open();
    folder = arena_strdup(arena, "/tmp/bascule-secret-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    path = file_join(arena, folder, "key");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(path);
    int status = rmdir(folder);
    arena_close(&arena);
    return status;
}

static const char *value_of(enum secret_source source, const char *ref, struct err *err)
{
    char *value = NULL;
    struct secret s = {.source = source, .ref = ref};
    return secret_read(arena, &s, &value, err) ? value : NULL;
}

static void put(const void *data, size_t size, unsigned mode)
{
    assert_true(file_write(path, data, size, mode, NULL));
}

static void a_file_gives_its_text_without_the_last_newline(void **state)
{
    (void)state;
    struct err err = {0};
    put("hunter2\n", 8, 0600);
    assert_string_equal(value_of(SECRET_FILE, path, &err), "hunter2");
    put("hunter2\r\n", 9, 0400);
    assert_string_equal(value_of(SECRET_FILE, path, &err), "hunter2");
    put(" two\nlines", 10, 0600);
    assert_string_equal(value_of(SECRET_FILE, path, &err), " two\nlines");
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct err err = {0};
    put("hunter2", 7, 0640);
    assert_null(value_of(SECRET_FILE, path, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_non_null(strstr(err.hint, "chmod 600"));
    assert_null(strstr(err.message, "hunter2"));
}

static void odd_files_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    char *large = arena_alloc(arena, SECRET_MAX + 2);
    memset(large, 'x', SECRET_MAX + 1);
    put(large, SECRET_MAX + 1, 0600);
    assert_null(value_of(SECRET_FILE, path, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    put(large, SECRET_MAX, 0600);
    assert_int_equal(strlen(value_of(SECRET_FILE, path, &err)), SECRET_MAX);
    put("a\0b", 3, 0600);
    assert_null(value_of(SECRET_FILE, path, &err));
    assert_int_equal(err.code, ERR_DATA);
    put("\n", 1, 0600);
    assert_null(value_of(SECRET_FILE, path, &err));
    assert_non_null(strstr(err.message, "empty"));
    unlink(path);
    assert_null(value_of(SECRET_FILE, path, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(value_of(SECRET_FILE, path, &err)); /* and does not hang */
    assert_non_null(strstr(err.message, "regular"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_null(value_of(SECRET_FILE, path, &err));
}

static void the_environment_is_asked(void **state)
{
    (void)state;
    struct err err = {0};
    setenv("BASCULE_TEST_SECRET", "s3", 1);
    assert_string_equal(value_of(SECRET_ENV, "BASCULE_TEST_SECRET", &err), "s3");
    char *large = arena_alloc(arena, SECRET_MAX + 2);
    memset(large, 'x', SECRET_MAX + 1);
    setenv("BASCULE_TEST_SECRET", large, 1);
    assert_null(value_of(SECRET_ENV, "BASCULE_TEST_SECRET", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    unsetenv("BASCULE_TEST_SECRET");
    assert_null(value_of(SECRET_ENV, "BASCULE_TEST_SECRET", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void credentials_stand_in_their_folder(void **state)
{
    (void)state;
    struct err err = {0};
    put("token\n", 6, 0440);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_string_equal(value_of(SECRET_CREDENTIAL, "key", &err), "token");
    assert_null(value_of(SECRET_CREDENTIAL, "../key", &err));
    assert_int_equal(err.code, ERR_CONFIG);
    assert_null(value_of(SECRET_CREDENTIAL, "", &err));
    assert_null(value_of(SECRET_CREDENTIAL, ".hidden", &err));
    setenv("CREDENTIALS_DIRECTORY", "/proc/self", 1);
    assert_null(value_of(SECRET_CREDENTIAL, "smaps", &err)); /* a size of 0, and more inside than is allowed */
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(value_of(SECRET_CREDENTIAL, "mem", &err)); /* cannot be read at 0 */
    assert_int_equal(err.code, ERR_OS);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_null(value_of(SECRET_CREDENTIAL, "key", &err));
    assert_non_null(strstr(err.hint, "LoadCredential=key:"));
}

static void none_is_no_error_and_no_value(void **state)
{
    (void)state;
    struct err err = {0};
    char *value = folder;
    struct secret none = {.source = SECRET_NONE};
    assert_true(secret_read(arena, &none, &value, &err));
    assert_null(value);
}

static void wiping_leaves_nothing(void **state)
{
    (void)state;
    char value[] = "hunter2";
    secret_wipe(value);
    assert_memory_equal(value, "\0\0\0\0\0\0\0", 8);
    secret_wipe(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_gives_its_text_without_the_last_newline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_others_can_read_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_files_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_environment_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credentials_stand_in_their_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(none_is_no_error_and_no_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wiping_leaves_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
