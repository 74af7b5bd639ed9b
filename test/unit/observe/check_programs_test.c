/* What the checks say that run a program or ask an address: http, disk, unit, command, backup. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "fakeserver.h"
#include "observe/drivers.h"
#include "observe_support.h"
#include "sys/clock.h"
#include "sys/file.h"

static int set_up(void **state)
{
    *state = bench_open();
    return 0;
}

static int tear_down(void **state)
{
    bench_close((struct bench **)state);
    return 0;
}

static void *place(const struct check_conf *conf, const char *key)
{
    for (const struct option *o = check_driver(conf->type)->options; o->key; o++)
        if (same(o->key, key))
            return (char *)conf->options + o->offset;
    fail_msg("no option \"%s\"", key);
    return NULL;
}

static void set_text(const struct check_conf *conf, const char *key, const char *value)
{
    *(const char **)place(conf, key) = value;
}

/* ---- http ---- */

static void http_judges_status_time_and_json(void **state)
{
    struct bench *b = *state;
    struct fake_server *server = fake_server_new(fake_http, NULL);
    struct check_conf *conf = bench_check(b, "http", "web", "production", NULL);
    b->service->sites.p[0].application.url = arena_printf(b->arena, "http://%s:%d/", server->address, server->port);
    set_text(conf, "path", "/api/health");
    server->script = "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n{\"status\":\"ok\",\"database\":{\"lag\":0.5}}";
    assert_result(bench_once(b), VERDICT_UP, "status 200 in ");
    assert_non_null(strstr(server->last, "GET /api/health HTTP"));
    set_text(conf, "json", "status=ok");
    assert_result(bench_once(b), VERDICT_UP, "status 200 in ");
    set_text(conf, "json", "database.lag=0.5");
    assert_result(bench_once(b), VERDICT_UP, "status 200 in ");
    set_text(conf, "json", "status=well");
    assert_result(bench_once(b), VERDICT_DOWN, "\"status\" is \"ok\" instead of \"well\"");
    set_text(conf, "json", "state=ok");
    assert_result(bench_once(b), VERDICT_DOWN, "has no member \"state\"");
    set_text(conf, "json", "database=ok");
    assert_result(bench_once(b), VERDICT_DOWN, "(an object or array)");
    server->script = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops";
    assert_result(bench_once(b), VERDICT_DOWN, "the body is not JSON");
    server->script = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    assert_result(bench_once(b), VERDICT_DOWN, "status 503 is not accepted");
    *vec_add(b->arena, (struct ints *)place(conf, "accept")) = 503;
    set_text(conf, "json", NULL);
    assert_result(bench_once(b), VERDICT_UP, "status 503 in ");
    assert_int_equal(atomic_load(&server->connections), 1); /* kept alive over all runs */
    fake_server_free(&server);
    assert_result(bench_once(b), VERDICT_DOWN, "Connection refused");
}

static void answer_late(struct fake_server *server, int fd)
{
    usleep(120 * 1000);
    fake_http_once(server, fd);
}

static void http_warns_of_a_slow_answer(void **state)
{
    struct bench *b = *state;
    struct fake_server *server = fake_server_new(answer_late, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct check_conf *conf = bench_check(b, "http", "web", NULL, NULL);
    set_text(conf, "url", arena_printf(b->arena, "http://%s:%d", server->address, server->port));
    *(int64_t *)place(conf, "slow") = 100;
    assert_result(bench_once(b), VERDICT_WARNING, "slow is over 0.1 s");
    *(int64_t *)place(conf, "slow") = 2000;
    assert_result(bench_once(b), VERDICT_UP, "status 200");
    fake_server_free(&server);
    set_text(conf, "url", "nonsense");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "URL");
}

/* ---- programs ---- */

static void shell(struct bench *b, struct strs *argv, const char *line)
{
    bench_strs(b, argv, "sh", "-c", line, NULL);
}

static void command_speaks_nagios(void **state)
{
    struct bench *b = *state;
    struct check_conf *conf = bench_check(b, "command", "c", NULL, NULL);
    struct strs *argv = place(conf, "argv");
    shell(b, argv, "echo 'OK - load 0.1 | load=0.1;5;10'; echo more");
    assert_result(bench_once(b), VERDICT_UP, "OK - load 0.1");
    assert_null(strchr(b->results[0].text, '|'));
    shell(b, argv, "echo W; exit 1");
    assert_result(bench_once(b), VERDICT_WARNING, "W");
    shell(b, argv, "echo C; exit 2");
    assert_result(bench_once(b), VERDICT_DOWN, "C");
    shell(b, argv, "echo U; exit 3");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "U");
    shell(b, argv, "exit 2");
    assert_result(bench_once(b), VERDICT_DOWN, "said nothing (exit code 2)");
    shell(b, argv, "echo odd; exit 77");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "odd");
    shell(b, argv, "kill -9 $$");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "said nothing (");
    shell(b, argv, "echo to stderr >&2; exit 2");
    assert_result(bench_once(b), VERDICT_DOWN, "to stderr");
    shell(b, argv, "printf 'bell \\a and \\033[31m'");
    assert_result(bench_once(b), VERDICT_UP, "bell   and  [31m");
    bench_strs(b, argv, "/nonexistent/plugin", NULL);
    assert_result(bench_once(b), VERDICT_UNKNOWN, "cannot execute");
}

static void an_unreachable_host_is_not_dead(void **state)
{
    struct bench *b = *state;
    b->service->sites.p[0].host = (struct host){.address = "127.0.0.1", .port = 1, .known_hosts = "/dev/null"};
    b->service->sites.p[0].backup.folder = "/tmp";
    b->service->sites.p[0].database.unit.name = "postgresql";
    struct check_conf *conf = bench_check(b, "command", "c", "production", NULL);
    shell(b, place(conf, "argv"), "true");
    bench_check(b, "disk", "d", "production", NULL);
    bench_check(b, "unit", "u", "production", NULL);
    bench_once(b);
    assert_int_equal(b->count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_result(&b->results[i], VERDICT_UNKNOWN, "was not reached by ssh");
}

static void a_silent_host_is_not_dead_either(void **state)
{
    struct bench *b = *state;
    struct fake_server *server = fake_server_new(fake_silence, NULL);
    b->service->sites.p[0].host = (struct host){.address = server->address, .port = server->port, .known_hosts = "/dev/null"};
    struct check_conf *conf = bench_check(b, "command", "c", "production", NULL);
    shell(b, place(conf, "argv"), "true");
    conf->timeout_ms = 300;
    assert_result(bench_once(b), VERDICT_UNKNOWN, "may be unreachable");
    fake_server_free(&server);
}

/* A program of this name, first in the PATH, that prints and exits as told. */
static void fake_program(struct bench *b, const char *folder, const char *name, const char *script)
{
    const char *text = arena_printf(b->arena, "#!/bin/sh\n%s\n", script);
    struct err err = {0};
    if (!file_write(file_join(b->arena, folder, name), text, strlen(text), 0755, &err))
        fail_msg("%s", err.message);
}

static char *make_folder(struct bench *b)
{
    char *folder = arena_strdup(b->arena, "/tmp/bascule-observe.XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void remove_folder(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void disk_reads_what_df_prints(void **state)
{
    struct bench *b = *state;
    struct check_conf *conf = bench_check(b, "disk", "d", "production", NULL);
    b->service->sites.p[0].backup.folder = "/";
    const struct result *r = bench_once(b); /* the real one */
    assert_non_null(strstr(r->text, "% of the disk of / used, "));
    set_text(conf, "path", "/nonexistent/folder");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "df failed: ");

    char *folder = make_folder(b), *before = arena_strdup(b->arena, getenv("PATH"));
    setenv("PATH", arena_printf(b->arena, "%s:%s", folder, before), 1);
    static const struct {
        const char *line;
        enum verdict_state state;
        const char *words;
    } cases[] = {
        {"/dev/sda1 1000000000000 790000000000 210000000000 79% /backups", VERDICT_UP, "79 % of the disk of /backups used, 210.0 GB free"},
        {"/dev/sda1 1000 800 200 80% /backups", VERDICT_WARNING, "80 %"},
        {"//nas 1/share 1000 900 100 90% /mount 5% point", VERDICT_DOWN, "90 %"},
        {"/dev/sda1 1000 900 100 901% /backups", VERDICT_UNKNOWN, "could not read what df printed"},
        {"/dev/sda1 1000 - 100 90% /backups", VERDICT_UNKNOWN, "could not read what df printed"},
        {"tmpfs 0 0 0 - /backups", VERDICT_UNKNOWN, "could not read what df printed"},
        {"", VERDICT_UNKNOWN, "could not read what df printed"},
    };
    set_text(conf, "path", "/backups");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake_program(b, folder, "df", arena_printf(b->arena, "echo 'Filesystem 1-blocks Used Available Capacity Mounted on'; echo '%s'", cases[i].line));
        assert_result(bench_once(b), cases[i].state, cases[i].words);
    }
    setenv("PATH", before, 1);
    remove_folder(folder, "df");
}

static void unit_asks_systemd_or_the_command_given(void **state)
{
    struct bench *b = *state;
    struct check_conf *conf = bench_check(b, "unit", "u", "production", NULL);
    char *folder = make_folder(b), *before = arena_strdup(b->arena, getenv("PATH"));
    setenv("PATH", arena_printf(b->arena, "%s:%s", folder, before), 1);
    b->service->sites.p[0].database.unit.name = "postgresql@15-main";
    static const struct {
        const char *script;
        enum verdict_state state;
        const char *words;
    } cases[] = {
        {"[ \"$*\" = 'is-active -- postgresql@15-main' ] && echo active", VERDICT_UP, "postgresql@15-main is active"},
        {"echo inactive; exit 3", VERDICT_DOWN, "postgresql@15-main is inactive"},
        {"echo failed; exit 3", VERDICT_DOWN, "is failed"},
        {"echo activating; exit 3", VERDICT_WARNING, "is activating"},
        {"echo 'System has not been booted with systemd' >&2; exit 1", VERDICT_UNKNOWN, "not been booted"},
        {"exit 4", VERDICT_UNKNOWN, "exit code 4"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fake_program(b, folder, "systemctl", cases[i].script);
        assert_result(bench_once(b), cases[i].state, cases[i].words);
    }
    setenv("PATH", before, 1);
    remove_folder(folder, "systemctl");

    *(int *)place(conf, "unit") = 1;
    struct strs *status = &b->service->sites.p[0].application.unit.status;
    shell(b, status, "echo pid 7");
    assert_result(bench_once(b), VERDICT_UP, "the application runs: pid 7");
    shell(b, status, "exit 0");
    assert_result(bench_once(b), VERDICT_UP, "the application runs");
    shell(b, status, "echo gone; exit 3");
    assert_result(bench_once(b), VERDICT_DOWN, "the application does not run: gone");
    shell(b, status, "no-such-program-here");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "could not learn the state of the application");
    shell(b, status, "kill -9 $$");
    assert_result(bench_once(b), VERDICT_UNKNOWN, "could not learn the state");
}

/* ---- backup: `self` is a script that prints a list ---- */

struct backup_run {
    struct bench *bench;
    struct check_env env;
    char check_room[512] __attribute__((aligned(16)));
    struct check *check;
    enum verdict_state state;
    char text[MODEL_TEXT_SIZE];
    int reports;
};

static void on_backup(void *arg, struct check *check, enum verdict_state state, int64_t good, const char *text)
{
    struct backup_run *run = arg;
    (void)check;
    assert_int_equal(good, 0);
    run->state = state;
    run->reports++;
    COPY_TO(run->text, text);
}

static void look_at_backups(struct backup_run *run, const char *folder, const char *script, enum verdict_state state, const char *words)
{
    struct bench *b = run->bench;
    fake_program(b, folder, "self", script);
    run->reports = 0;
    check_backup.start(run->check);
    while (!run->reports)
        loop_once(b->loop, true);
    assert_result(&(struct result){.check = "backup", .state = run->state}, state, "");
    if (!strstr(run->text, words))
        fail_msg("\"%s\" does not hold \"%s\"", run->text, words);
}

#define LIST(...) "echo '{\"backups\":[" __VA_ARGS__ "]}'"

static void backup_judges_the_newest_that_is_verified_and_sound(void **state)
{
    struct bench *b = *state;
    struct backup_run run = {.bench = b};
    char *folder = make_folder(b);
    assert_true(check_backup.check_size <= sizeof(run.check_room));
    b->service->sites.p[0].backup.folder = "/backups";
    run.env = (struct check_env){.loop = b->loop, .config = &b->config, .service = b->service, .self = file_join(b->arena, folder, "self")};
    run.check = (struct check *)run.check_room;
    *run.check = (struct check){.ops = &check_backup, .env = &run.env, .conf = bench_check(b, "backup", "backup", "production", NULL),
                                .site = &b->service->sites.p[0], .arena = b->arena, .report = on_backup, .report_arg = &run};
    int64_t now = clock_wall_ms();
    char *young = arena_printf(b->arena, "{\"file\":\"young.sql.gz\",\"snapshot_ms\":%lld,\"bytes\":1,\"verified_ms\":5,\"verified_how\":\"restored\",\"damage\":null}", (long long)(now - 35 * MS_MINUTE));
    char *older = arena_printf(b->arena, "{\"file\":\"older.sql.gz\",\"snapshot_ms\":%lld,\"bytes\":1,\"verified_ms\":5,\"verified_how\":\"read\",\"damage\":null}", (long long)(now - 90 * MS_MINUTE));
    char *oldest = arena_printf(b->arena, "{\"file\":\"oldest.sql.gz\",\"snapshot_ms\":%lld,\"bytes\":1,\"verified_ms\":5,\"verified_how\":\"read\",\"damage\":null}", (long long)(now - 3 * MS_HOUR));
    char *cut = arena_printf(b->arena, "{\"file\":\"cut.sql.gz\",\"snapshot_ms\":%lld,\"bytes\":1,\"verified_ms\":5,\"verified_how\":\"read\",\"damage\":\"it is cut\"}", (long long)now);
    char *unread = arena_printf(b->arena, "{\"file\":\"new.sql.gz\",\"snapshot_ms\":%lld,\"bytes\":1,\"verified_ms\":0,\"verified_how\":null,\"damage\":null}", (long long)now);
#define ECHO(...) arena_printf(b->arena, "[ \"$*\" = '-c /nonexistent/bascule.yaml --service akig backup list --json --site production' ] || exit 9; echo '{\"backups\":[" __VA_ARGS__)
    look_at_backups(&run, folder, ECHO("%s,%s]}'", young, older), VERDICT_UP, "the newest verified backup is 35 min 00 s old: young.sql.gz (restored)");
    look_at_backups(&run, folder, ECHO("%s]}'", older), VERDICT_WARNING, "1 h 30 min old: older.sql.gz (read)");
    look_at_backups(&run, folder, ECHO("%s]}'", oldest), VERDICT_DOWN, "3 h 00 min old");
    look_at_backups(&run, folder, ECHO("%s,%s,%s]}'", cut, unread, young), VERDICT_UP, "2 newer not usable: it is cut");
    look_at_backups(&run, folder, ECHO("%s,%s]}'", unread, cut), VERDICT_DOWN, "there is no verified backup, the newest is useless: not verified");
    look_at_backups(&run, folder, ECHO("]}'%s", ""), VERDICT_DOWN, "there is no verified backup");
    look_at_backups(&run, folder, "echo 'no folder' >&2; exit 66", VERDICT_DOWN, "there is no backup: no folder");
    look_at_backups(&run, folder, "echo 'bad config' >&2; exit 78", VERDICT_UNKNOWN, "could not list the backups: bad config");
    look_at_backups(&run, folder, "echo nonsense", VERDICT_UNKNOWN, "could not read the list of backups");
    remove_folder(folder, "self");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(http_judges_status_time_and_json),
        TEST(http_warns_of_a_slow_answer),
        TEST(command_speaks_nagios),
        TEST(an_unreachable_host_is_not_dead),
        TEST(a_silent_host_is_not_dead_either),
        TEST(disk_reads_what_df_prints),
        TEST(unit_asks_systemd_or_the_command_given),
        TEST(backup_judges_the_newest_that_is_verified_and_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
