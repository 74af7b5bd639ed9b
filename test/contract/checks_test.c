/* test/contract/checks_test.c -- The same questions to every row of check_drivers[]: are its options complete, does it refuse a useless
   configuration, does its run end once and only once, in time when the target accepts and never answers, and not at all when cancelled?
   A new row needs an entry in `targets`, or this test fails. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "fakeserver.h"
#include "observe_support.h"
#include "sys/clock.h"

/* Targets that say nothing, and a quick one that says anything at all. */
struct ground {
    struct bench *bench;
    struct fake_server *mute;      /* listens, never accepts */
    char folder[64];
    char path_before[4096];
    const char *hang;              /* program that never ends, with a child of its own */
    const char *quick;             /* program that prints a list of backups and ends with 0 */
};

static struct ground ground;

static const char *write_program(const char *name, const char *script)
{
    char *path = arena_printf(ground.bench->arena, "%s/%s", ground.folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    ground = (struct ground){.bench = bench_open(), .mute = fake_server_new(NULL, NULL)};
    COPY_TO(ground.folder, "/tmp/bascule-checks.XXXXXX");
    assert_non_null(mkdtemp(ground.folder));
    COPY_TO(ground.path_before, getenv("PATH"));
    setenv("PATH", arena_printf(ground.bench->arena, "%s:%s", ground.folder, ground.path_before), 1);
    ground.hang = write_program("hang", "trap '' TERM; echo $$ >> \"$0.pids\"; sleep 300 & wait; sleep 300");
    ground.quick = write_program("quick", "echo '{\"backups\":[]}'");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const made[] = {"hang", "quick", "df", "hang.pids", "df.pids"};
    (void)state;
    setenv("PATH", ground.path_before, 1);
    for (size_t i = 0; i < COUNT_OF(made); i++)
        unlink(arena_printf(ground.bench->arena, "%s/%s", ground.folder, made[i]));
    assert_int_equal(rmdir(ground.folder), 0);
    fake_server_free(&ground.mute);
    bench_close(&ground.bench);
    return 0;
}

static void *place(const struct check_conf *conf, const char *key)
{
    for (const struct option *o = check_driver(conf->type)->options; o->key; o++)
        if (same(o->key, key))
            return (char *)conf->options + o->offset;
    fail_msg("\"%s\" has no option \"%s\"", conf->type, key);
    return NULL;
}

static struct site *site(void)
{
    return &ground.bench->service->sites.p[0];
}

/* ---- for every row: a target that never answers, and one that answers something ---- */

static void mute_database(struct check_conf *conf)
{
    site()->database.at = (struct pgtarget){.host = ground.mute->address, .port = ground.mute->port, .dbname = "akig", .user = "bascule"};
    *(int64_t *)place(conf, "connect_timeout") = MS_MINUTE; /* so that it is the scheduler who ends it */
    bench_strs(ground.bench, &site()->database.critical_tables, "users", NULL);
}

static void no_database(struct check_conf *conf)
{
    (void)conf;
    site()->database.at = (struct pgtarget){.host = "127.0.0.1", .port = 1, .dbname = "akig", .user = "bascule"};
    bench_strs(ground.bench, &site()->database.critical_tables, "users", NULL);
}

static void mute_pair(struct check_conf *conf)
{
    mute_database(conf);
    ground.bench->service->sites.p[1].database.at = site()->database.at;
}

static void no_pair(struct check_conf *conf)
{
    no_database(conf);
    ground.bench->service->sites.p[1].database.at = site()->database.at;
}

static void mute_address(struct check_conf *conf)
{
    *(const char **)place(conf, "url") = arena_printf(ground.bench->arena, "http://%s:%d/", ground.mute->address, ground.mute->port);
}

static void no_address(struct check_conf *conf)
{
    *(const char **)place(conf, "url") = "http://127.0.0.1:1/";
}

static void hanging_command(struct check_conf *conf)
{
    bench_strs(ground.bench, place(conf, "argv"), ground.hang, NULL);
}

static void quick_command(struct check_conf *conf)
{
    bench_strs(ground.bench, place(conf, "argv"), ground.quick, NULL);
}

static void hanging_status(struct check_conf *conf)
{
    (void)conf;
    bench_strs(ground.bench, &site()->database.unit.status, ground.hang, NULL);
}

static void quick_status(struct check_conf *conf)
{
    (void)conf;
    bench_strs(ground.bench, &site()->database.unit.status, ground.quick, NULL);
}

static void hanging_df(struct check_conf *conf)
{
    (void)conf;
    site()->backup.folder = "/";
    write_program("df", "exec sleep 300");
}

static void real_df(struct check_conf *conf)
{
    (void)conf;
    site()->backup.folder = "/";
    unlink(arena_printf(ground.bench->arena, "%s/df", ground.folder));
}

static void mute_agent(struct check_conf *conf UNUSED)
{
    site()->agent.url = arena_printf(ground.bench->arena, "http://%s:%d", ground.mute->address, ground.mute->port);
}

static void no_agent(struct check_conf *conf UNUSED)
{
    site()->agent.url = "http://127.0.0.1:1";
}

static void any_folder(struct check_conf *conf)
{
    (void)conf;
    site()->backup.folder = "/";
}

static void any_heartbeat(struct check_conf *conf)
{
    *(const char **)place(conf, "name") = "job";
    *(int64_t *)place(conf, "within") = MS_MINUTE;
    ground.bench->config.state_dir = ground.folder;
}

static const struct target {
    const char *type;
    void (*never)(struct check_conf *conf); /* NULL: it asks nobody, so nobody can leave it without an answer */
    void (*soon)(struct check_conf *conf);
    bool may_be_the_way; /* silence says nothing about the target */
} targets[] = {
    {"postgres", mute_database, no_database, false},
    {"tables", mute_database, no_database, false},
    {"replication", mute_pair, no_pair, false},
    {"http", mute_address, no_address, false},
    {"backup", any_folder, any_folder, false},
    {"restore_test", any_folder, any_folder, false},
    {"disk", hanging_df, real_df, false},
    {"unit", hanging_status, quick_status, false},
    {"command", hanging_command, quick_command, false},
    {"heartbeat", NULL, any_heartbeat, false},
    {"agent", mute_agent, no_agent, true},
};

static const struct target *target_of(const struct check_ops *ops)
{
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (same(targets[i].type, ops->name))
            return &targets[i];
    fail_msg("check \"%s\" has no entry in `targets` of this test", ops->name);
    return NULL;
}

/* The only check of the service, of this type, aimed at its target. */
static struct check_conf *only_check(const struct check_ops *ops, void (*prepare)(struct check_conf *))
{
    ground.bench->service->checks.n = 0;
    struct check_conf *conf = bench_check(ground.bench, ops->name, ops->name, "production", NULL);
    prepare(conf);
    struct err err = {0};
    if (!ops->valid(conf, ground.bench->service, &err))
        fail_msg("\"%s\" refuses its target: %s", ops->name, err.message);
    return conf;
}

/* One check by hand, without the scheduler: reports are counted. */
struct run {
    struct check *check;
    struct check_env env;
    int reports;
    enum verdict_state state;
    char text[MODEL_TEXT_SIZE];
};

static void on_report(void *arg, struct check *check, enum verdict_state state, int64_t good_wall_ms, const char *text)
{
    struct run *run = arg;
    assert_ptr_equal(check, run->check);
    assert_true(good_wall_ms >= 0);
    run->reports++;
    run->state = state;
    COPY_TO(run->text, text);
}

static struct run by_hand(const struct check_ops *ops, const struct check_conf *conf, const char *self)
{
    struct bench *b = ground.bench;
    struct run run = {.check = arena_alloc(b->arena, ops->check_size)};
    run.env = (struct check_env){.loop = b->loop, .config = &b->config, .service = b->service, .self = self};
    run.env.dns = dns_open(b->loop, 500);
    run.env.http = http_open(b->loop, run.env.dns);
    *run.check = (struct check){.ops = ops, .conf = conf, .site = service_site(b->service, conf->site), .arena = arena_open(), .report = on_report};
    return run;
}

static void begin(struct run *run)
{
    run->check->env = &run->env;
    run->check->report_arg = run;
    run->check->started_boot_ms = clock_boot_ms();
    run->check->ops->start(run->check);
}

static void done(struct run *run)
{
    run->check->ops->cancel(run->check);
    http_close(&run->env.http);
    dns_close(&run->env.dns);
    arena_close(&run->check->arena);
}

#define FOR_EVERY_CHECK(ops)                                                                                           \
    for (const struct check_ops *const *row_ = check_drivers, *ops; (ops = *row_) != NULL; row_++)

/* ---- the questions ---- */

static void every_row_is_complete(void **state)
{
    (void)state;
    FOR_EVERY_CHECK(ops)
    {
        target_of(ops);
        assert_true(str_is_name(str_of(ops->name)));
        assert_true(ops->summary && ops->summary[0] && ops->summary[strlen(ops->summary) - 1] != '.');
        assert_ptr_equal(check_driver(ops->name), ops);
        assert_true(ops->valid && ops->start && ops->cancel);
        assert_true(ops->check_size >= sizeof(struct check));
        for (const struct option *o = ops->options; o->key; o++) {
            assert_true(o->help && o->help[0] && o->help[strlen(o->help) - 1] != '.');
            assert_true(o->offset < ops->options_size);
            assert_true(o->fallback || o->required || o->type != OPTION_BOOL);
            for (const struct option *other = ops->options; other < o; other++)
                assert_string_not_equal(other->key, o->key);
        }
    }
}

static void every_row_refuses_a_useless_configuration(void **state)
{
    (void)state;
    struct service service = {.name = "empty"};
    struct site bare = {.name = "bare"};
    FOR_EVERY_CHECK(ops)
    {
        struct check_conf conf = {.id = "x", .type = ops->name, .interval_ms = 1000, .timeout_ms = 1000};
        conf.options = arena_alloc(ground.bench->arena, ops->options_size);
        for (int round = 0; round < 3; round++) { /* no site, a site that is not there, a site that has nothing */
            struct err err = {0};
            if (round == 1)
                conf.site = "nowhere";
            if (round == 2) {
                *vec_add(ground.bench->arena, &service.sites) = bare;
                conf.site = "bare";
            }
            if (ops->valid(&conf, &service, &err))
                fail_msg("\"%s\" accepts a configuration it can do nothing with (round %d)", ops->name, round);
            assert_int_equal(err.code, ERR_CONFIG);
            assert_true(err.message[0]);
            service.sites.n = 0;
        }
    }
}

static void every_run_ends_in_exactly_one_report(void **state)
{
    (void)state;
    FOR_EVERY_CHECK(ops)
    {
        struct run run = by_hand(ops, only_check(ops, target_of(ops)->soon), ground.quick);
        for (int i = 0; i < 3; i++) {
            run.reports = 0;
            begin(&run);
            for (int64_t until = clock_boot_ms() + 5000; !run.reports && clock_boot_ms() < until;)
                loop_once(ground.bench->loop, true);
            bench_run_for(ground.bench, 30);
            if (run.reports != 1)
                fail_msg("\"%s\" made %d reports in a run", ops->name, run.reports);
            assert_true(run.text[0]);
            assert_null(strchr(run.text, '\n'));
        }
        done(&run);
    }
}

static void nothing_is_said_after_a_cancel(void **state)
{
    (void)state;
    FOR_EVERY_CHECK(ops)
    {
        if (!target_of(ops)->never)
            continue;
        struct run run = by_hand(ops, only_check(ops, target_of(ops)->never), ground.hang);
        ops->cancel(run.check); /* while idle: nothing to do */
        for (int turns = 0; turns < 4; turns++) {
            begin(&run);
            for (int i = 0; i < turns; i++)
                loop_once(ground.bench->loop, false);
            if (run.reports)
                fail_msg("\"%s\" reported \"%s\" of a target that says nothing", ops->name, run.text);
            ops->cancel(run.check);
            ops->cancel(run.check);
            bench_run_for(ground.bench, 30);
            assert_int_equal(run.reports, 0);
        }
        done(&run);
    }
}

static void every_deadline_is_kept(void **state)
{
    (void)state;
    struct bench *b = ground.bench;
    FOR_EVERY_CHECK(ops)
    {
        if (!target_of(ops)->never)
            continue;
        struct check_conf *conf = only_check(ops, target_of(ops)->never);
        conf->timeout_ms = 300;
        bench_watch(b);
        const struct result *r = bench_once(b);
        enum verdict_state wanted = target_of(ops)->may_be_the_way ? VERDICT_UNKNOWN : VERDICT_DOWN;
        if (r->state != wanted || r->took_ms < 300 || r->took_ms > 1500 || !strstr(r->text, "no answer within 0.3 s"))
            fail_msg("\"%s\" is %s after %d ms: %s", ops->name, verdict_name(r->state), (int)r->took_ms, r->text);
        observe_close(&b->observe);
    }
}

/* The pids that "hang" wrote down are those of shells whose children sleep on: all must be gone. */
static void no_process_is_left_behind(void **state)
{
    (void)state;
    char *path = arena_printf(ground.bench->arena, "%s.pids", ground.hang);
    int tried = 0;
    FOR_EVERY_CHECK(ops)
    {
        if (!target_of(ops)->never)
            continue;
        unlink(path);
        struct run run = by_hand(ops, only_check(ops, target_of(ops)->never), ground.hang);
        begin(&run);
        for (int64_t until = clock_boot_ms() + 300; clock_boot_ms() < until && access(path, F_OK);)
            loop_once(ground.bench->loop, false);
        bench_run_for(ground.bench, 50);
        done(&run);
        bench_run_for(ground.bench, 50);
        int pid = 0;
        FILE *f = fopen(path, "re");
        while (f && fscanf(f, "%d", &pid) == 1) {
            tried++;
            if (access(arena_printf(ground.bench->arena, "/proc/%d", pid), F_OK) == 0)
                fail_msg("\"%s\" left process %d behind", ops->name, pid);
        }
        if (f)
            fclose(f);
    }
    assert_true(tried >= 3); /* backup, unit, command */
}

int main(int argc, char **argv)
{
    (void)argv;
    while (argc > 1) /* a check runs "this program" with arguments: here it is one that never answers */
        pause();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(every_row_refuses_a_useless_configuration),
        cmocka_unit_test(every_run_ends_in_exactly_one_report),
        cmocka_unit_test(nothing_is_said_after_a_cancel),
        cmocka_unit_test(every_deadline_is_kept),
        cmocka_unit_test(no_process_is_left_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
