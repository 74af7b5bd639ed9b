/* Files are whole or absent; what is in the way is said. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/proc.h"

struct place {
    struct arena *a;
    char *folder;
};

static int set_up(void **state)
{
    struct arena *a = arena_open();
    struct place *p = arena_new(a, struct place);
    p->a = a;
    p->folder = arena_strdup(a, "/tmp/bascule-file-XXXXXX");
    *state = p;
    return mkdtemp(p->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    struct arena *a = p->a;
    struct proc_result result;
    const char *argv[] = {"rm", "-rf", p->folder, NULL};
    bool ok = proc_run(a, &(struct proc_spec){.argv = argv}, &result, NULL) && proc_ok(&result);
    arena_close(&a);
    return ok ? 0 : -1;
}

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* . and .. */
}

static void what_was_written_is_read(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct str text;
    char *path = file_join(p->a, p->folder, "x");
    assert_true(file_write(path, "one\0two", 7, 0640, &err));
    assert_true(file_read(p->a, path, 7, &text, &err));
    assert_int_equal(text.n, 7);
    assert_memory_equal(text.p, "one\0two", 8);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_true(file_write(path, "", 0, 0600, &err));
    assert_true(file_read(p->a, path, 0, &text, &err));
    assert_int_equal(text.n, 0);
    assert_string_equal(text.p, "");
    assert_int_equal(entries(p->folder), 1);
}

static void a_file_over_the_limit_is_refused(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct str text = {0};
    char *path = file_join(p->a, p->folder, "x");
    assert_true(file_write(path, "12345678", 8, 0600, &err));
    assert_false(file_read(p->a, path, 7, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_null(text.p);
    assert_true(file_read(p->a, "/proc/self/status", 1 << 20, &text, &err)); /* says that its size is 0 */
    assert_true(text.n > 100);
}

static void reading_says_why_it_failed(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct str text;
    assert_false(file_read(p->a, file_join(p->a, p->folder, "absent"), 10, &text, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "absent\": No such file"));
    assert_false(file_read(p->a, p->folder, 10, &text, &err));
    assert_int_equal(err.code, ERR_OS);
}

static void only_a_regular_file_is_opened(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    int fd = -1;
    int64_t size = 0;
    char *path = file_join(p->a, p->folder, "x"), byte;
    assert_true(file_write(path, "123", 3, 0600, &err));
    assert_true(file_open(path, &fd, &size, &err));
    assert_int_equal(size, 3);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(byte, '1');
    file_close(&fd);
    assert_int_equal(fd, -1);
    assert_true(file_open(path, &fd, NULL, &err));
    file_close(&fd);
    assert_false(file_open(p->folder, &fd, &size, &err));
    assert_int_equal(err.code, ERR_DATA);
    assert_false(file_open(file_join(p->a, p->folder, "absent"), &fd, &size, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(fd, -1);
    assert_int_equal(size, 3);
}

static void a_failed_write_leaves_the_old_file_and_no_litter(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char *path = file_join(p->a, p->folder, "taken");
    assert_true(file_mkdirs(file_join(p->a, path, "inside"), 0700, &err));
    assert_false(file_write(path, "x", 1, 0600, &err)); /* cannot rename a file over a folder */
    assert_int_equal(entries(p->folder), 1);
    assert_int_equal(entries(path), 1);
    assert_false(file_write(file_join(p->a, p->folder, "no/such"), "x", 1, 0600, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(file_write("/proc/bascule", "x", 1, 0600, NULL));
}

/* Who clears away what killed processes left may take a temporary file that is in use. */
static void a_temporary_file_that_is_taken_away_is_made_anew(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    pid_t pid = fork();
    if (pid == 0)
        for (;;) {
            DIR *dir = opendir(p->folder);
            for (struct dirent *entry; (entry = readdir(dir));)
                if (strncmp(entry->d_name, ".x.", 3) == 0 && unlink(file_join(p->a, p->folder, entry->d_name)) == 0)
                    _exit(0);
            closedir(dir);
        }
    char *path = file_join(p->a, p->folder, "x");
    bool written = true;
    while (written && waitpid(pid, NULL, WNOHANG) == 0)
        written = file_write(path, "x", 1, 0600, &err);
    if (!written) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail_msg("%s", err.message);
    }
    assert_int_equal(entries(p->folder), 1);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct str text;
    char *path = file_join(p->a, p->folder, "x");
    assert_true(file_write(path, "old", 3, 0600, &err));
    /* A limit on the size of files stands for the full disk; the child writes into the same folder. */
    const char *argv[] = {"sh", "-c", "ulimit -f 1; trap '' XFSZ; exec \"$0\" write-large \"$1\"", file_self(p->a), path, NULL};
    struct proc_result result;
    assert_true(proc_run(p->a, &(struct proc_spec){.argv = argv, .inherit_env = true}, &result, &err));
    assert_int_equal(result.exit_code, 3);
    assert_true(file_read(p->a, path, 100, &text, &err));
    assert_string_equal(text.p, "old");
    assert_int_equal(entries(p->folder), 1);
}

static void a_durable_rename_moves_between_folders(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char *from = file_join(p->a, p->folder, "a/x"), *to = file_join(p->a, p->folder, "b/y");
    assert_true(file_mkdirs(file_join(p->a, p->folder, "a"), 0700, &err));
    assert_true(file_mkdirs(file_join(p->a, p->folder, "b"), 0700, &err));
    assert_true(file_write(from, "x", 1, 0600, &err));
    assert_true(file_rename_durably(from, to, &err));
    assert_false(file_exists(from));
    assert_true(file_exists(to));
    assert_true(file_rename_durably(to, file_join(p->a, p->folder, "b/z"), &err));
    assert_false(file_rename_durably(from, to, &err));
    assert_int_equal(err.code, ERR_OS);
    assert_int_equal(chdir(p->folder), 0);
    assert_true(file_write("plain", "x", 1, 0600, &err)); /* a name without a folder */
    assert_true(file_exists(file_join(p->a, p->folder, "plain")));
    assert_int_equal(chdir("/"), 0);
    assert_false(file_rename_durably("/bascule-absent", "/bascule-absent-too", &err));
}

static void folders_are_made_with_their_parents(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char *deep = file_join(p->a, p->folder, "a//b/c/");
    assert_true(file_mkdirs(deep, 0750, &err));
    assert_true(file_mkdirs(deep, 0750, &err)); /* again is fine */
    assert_true(file_mkdirs("/", 0755, &err));
    assert_true(file_exists(file_join(p->a, p->folder, "a/b/c")));
    assert_true(file_write(file_join(p->a, p->folder, "f"), "", 0, 0600, &err));
    assert_false(file_mkdirs(file_join(p->a, p->folder, "f/g"), 0700, &err));
    assert_non_null(strstr(err.message, "in the way"));
    assert_false(file_mkdirs("/proc/x", 0700, &err));
    assert_false(file_mkdirs("", 0700, &err));
}

static void a_lock_is_held_once(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    int first = -1, second = -1;
    char *path = file_join(p->a, p->folder, "lock");
    assert_true(file_lock(path, &first, &err));
    assert_false(file_lock(path, &second, &err));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(second, -1);
    close(first);
    assert_true(file_lock(path, &second, &err));
    close(second);
    assert_false(file_lock(file_join(p->a, p->folder, "no/lock"), &second, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_lock_does_not_live_on_in_a_child(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    int fd;
    char *path = file_join(p->a, p->folder, "lock");
    assert_true(file_lock(path, &fd, &err));
    struct loop *loop = loop_open();
    struct proc *proc;
    const char *argv[] = {"sleep", "20", NULL};
    assert_true(proc_start(loop, &(struct proc_spec){.argv = argv}, NULL, NULL, &proc, &err));
    close(fd);
    assert_true(file_lock(path, &fd, &err));
    close(fd);
    loop_close(&loop);
}

static void names_and_joins(void **state)
{
    struct place *p = *state;
    assert_string_equal(file_name_of("/a/b"), "b");
    assert_string_equal(file_name_of("b"), "b");
    assert_string_equal(file_name_of("/a/"), "");
    assert_string_equal(file_join(p->a, "/a/", "b"), "/a/b");
    assert_string_equal(file_join(p->a, "/", "b"), "/b");
    assert_string_equal(file_join(p->a, "a", "b"), "a/b");
    assert_true(file_exists("/"));
    assert_false(file_exists("/absent"));
}

static void the_program_knows_its_path(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    assert_non_null(strstr(file_self(p->a), "file_test"));
    assert_true(file_exists(file_self(p->a)));
    /* A copy that is deleted while it runs, as in an upgrade, still names the path. */
    char *copy = file_join(p->a, p->folder, "copy");
    const char *argv[] = {"sh", "-c", "cp \"$0\" \"$1\" && exec \"$1\" delete-self", file_self(p->a), copy, NULL};
    struct proc_result result;
    assert_true(proc_run(p->a, &(struct proc_spec){.argv = argv, .inherit_env = true}, &result, &err));
    assert_string_equal(result.out.p, copy);
}

/* What the tests above run as children of their own. */
static int child(int argc, char **argv)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    if (argc == 3 && same(argv[1], "write-large")) {
        char *data = arena_alloc(a, 1 << 20);
        /* At once: what runs at exit (a profile being written) would hit the same limit and leave half files of its own. */
        _exit(file_write(argv[2], data, 1 << 20, 0600, &err) ? 0 : 3);
    }
    if (unlink(argv[0]) != 0)
        return 1;
    fputs(file_self(a), stdout);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_over_the_limit_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_says_why_it_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_regular_file_is_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file_and_no_litter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_temporary_file_that_is_taken_away_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_durable_rename_moves_between_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_are_made_with_their_parents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_is_held_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_does_not_live_on_in_a_child, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_and_joins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_program_knows_its_path, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
