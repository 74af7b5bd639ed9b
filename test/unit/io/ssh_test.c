/* Command lines that a remote shell cannot misread; the real ssh client says what it makes of the options. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/ssh.h"
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

static struct strs words_of(const char *const *list)
{
    struct strs words = {0};
    for (; *list; list++)
        *vec_add(arena, &words) = *list;
    return words;
}

#define WORDS(...) words_of((const char *const[]){__VA_ARGS__, NULL})

static char *joined(const char *const *argv)
{
    char *line = arena_strdup(arena, "");
    for (; *argv; argv++)
        line = arena_printf(arena, "%s%s%s", line, *line ? " " : "", *argv);
    return line;
}

static void quoting(void **state)
{
    (void)state;
    assert_string_equal(ssh_quote(arena, ""), "''");
    assert_string_equal(ssh_quote(arena, "a b"), "'a b'");
    assert_string_equal(ssh_quote(arena, "it's"), "'it'\\''s'");
}

static void a_shell_gives_back_every_word(void **state)
{
    (void)state;
    static const char *const nasty[] = {"", "'", "''", "a b", "$(id)", "`id`", "\\", "\\'", "\"x\"", "*", "~", "-n", "a\nb", "!x", "#", "é;|&<>()", NULL};
    struct strs words = words_of(nasty);
    struct host host = {.address = "far"};
    const char *const *argv = ssh_argv(arena, &host, NULL, &words);
    while (argv[1])
        argv++;
    const char *line = arena_printf(arena, "set -- %s; for word; do printf '<%%s>' \"$word\"; done", *argv);
    char *expected = arena_strdup(arena, "");
    for (size_t i = 0; nasty[i]; i++)
        expected = arena_printf(arena, "%s<%s>", expected, nasty[i]);
    struct proc_result result;
    struct err err = {0};
    const char *const shell[] = {"sh", "-c", line, NULL};
    assert_true(proc_run(arena, &(struct proc_spec){.argv = shell}, &result, &err));
    assert_string_equal(result.out.p, expected);
}

static void here_the_words_are_run_as_they_are(void **state)
{
    (void)state;
    struct host local = {.address = "local"}, unset = {0};
    struct strs words = WORDS("systemctl", "stop", "it's");
    assert_string_equal(joined(ssh_argv(arena, &local, "/run/x", &words)), "systemctl stop it's");
    assert_string_equal(joined(ssh_argv(arena, &unset, "/run/x", &words)), "systemctl stop it's");
    assert_string_equal(joined(ssh_argv(arena, NULL, NULL, &words)), "systemctl stop it's");
    assert_true(host_is_local(NULL) && host_is_local(&local) && host_is_local(&unset));
    assert_false(ssh_transport_failed(&local, 255));
}

static void a_remote_host_is_reached_as_configured(void **state)
{
    (void)state;
    struct host host = {.address = "-oProxyCommand=id", .port = 2222, .user = "ops", .identity = "/etc/key", .known_hosts = "/etc/known hosts"};
    struct strs words = WORDS("true");
    char *line = joined(ssh_argv(arena, &host, "/run/bascule", &words));
    assert_non_null(strstr(line, "ssh -T -o BatchMode=yes -o StrictHostKeyChecking=yes"));
    assert_non_null(strstr(line, " -o ControlMaster=auto -o ControlPersist=60 -o ControlPath=\"/run/bascule/%C\" "));
    assert_non_null(strstr(line, " -i /etc/key -o IdentitiesOnly=yes "));
    assert_non_null(strstr(line, " -o UserKnownHostsFile=\"/etc/known hosts\" "));
    const char *end = " -p 2222 -l ops -- -oProxyCommand=id 'true'";
    assert_string_equal(line + strlen(line) - strlen(end), end);
    assert_true(ssh_transport_failed(&host, 255));
    assert_false(ssh_transport_failed(&host, 1));
}

static void a_socket_path_that_cannot_fit_means_no_sharing(void **state)
{
    (void)state;
    struct host host = {.address = "far"};
    struct strs words = WORDS("true");
    char folder[60] = "/";
    memset(folder + 1, 'x', 48);
    folder[49] = 0;
    assert_non_null(strstr(joined(ssh_argv(arena, &host, folder, &words)), "ControlMaster"));
    folder[49] = 'x';
    folder[50] = 0;
    assert_null(strstr(joined(ssh_argv(arena, &host, folder, &words)), "ControlMaster"));
    assert_null(strstr(joined(ssh_argv(arena, &host, NULL, &words)), "ControlMaster"));
}

static void openssh_understands_every_option(void **state)
{
    (void)state;
    struct host host = {.address = "far.example", .port = 2222, .user = "ops", .identity = "/etc/passwd", .known_hosts = "/etc/a %h b"};
    struct strs words = WORDS("true"), probe = {0};
    const char *const *argv = ssh_argv(arena, &host, "/tmp/a b%", &words);
    *vec_add(arena, &probe) = argv[0];
    *vec_add(arena, &probe) = "-G"; /* prints the configuration and connects to nobody */
    *vec_add(arena, &probe) = "-F";
    *vec_add(arena, &probe) = "/dev/null";
    for (argv++; *argv; argv++)
        *vec_add(arena, &probe) = *argv;
    *vec_add(arena, &probe) = NULL;
    struct proc_result result;
    struct err err = {0};
    assert_true(proc_run(arena, &(struct proc_spec){.argv = probe.p}, &result, &err));
    assert_string_equal(result.err.p, "");
    static const char *const wanted[] = {"user ops\n", "hostname far.example\n", "port 2222\n", "batchmode yes\n", "controlpersist 60\n",
        "stricthostkeychecking true\n", "userknownhostsfile /etc/a %h b\n", "controlpath /tmp/a b%/", "connecttimeout 5\n", "identitiesonly yes\n"};
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (!strstr(result.out.p, wanted[i]))
            fail_msg("no %s in:\n%s", wanted[i], result.out.p);
}

static void the_folder_of_sockets_is_ours_alone(void **state)
{
    (void)state;
    struct err err = {0};
    char folder[] = "/tmp/bascule-ssh-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *sockets = file_join(arena, folder, "a/b"), *link = file_join(arena, folder, "link");
    struct stat st;
    assert_true(ssh_prepare(sockets, &err));
    assert_int_equal(chmod(sockets, 0755), 0);
    assert_true(ssh_prepare(sockets, &err));
    assert_int_equal(stat(sockets, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(symlink(sockets, link), 0);
    assert_false(ssh_prepare(link, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_false(ssh_prepare("/proc/x/y", &err));
    assert_non_null(strstr(err.message, "preparing shared SSH connections: "));
    unlink(link);
    rmdir(sockets);
    rmdir(file_join(arena, folder, "a"));
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(quoting),
        TEST(a_shell_gives_back_every_word),
        TEST(here_the_words_are_run_as_they_are),
        TEST(a_remote_host_is_reached_as_configured),
        TEST(a_socket_path_that_cannot_fit_means_no_sharing),
        TEST(openssh_understands_every_option),
        TEST(the_folder_of_sockets_is_ours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
