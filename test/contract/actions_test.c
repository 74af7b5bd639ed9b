/* Every action is asked the same questions: wrong words, a dry run that changes nothing, an outcome that is true, a repetition that
   does no harm. Then each against the real thing: PostgreSQL that is fenced, diagnosed and restored, here and over a real sshd. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/action.h"
#include "act/fence/fence.h"
#include "act/host.h"
#include "backup/backup.h"
#include "io/pg.h"
#include "io/ssh.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "act/sshfixture.h"
#include "pgfixture.h"

struct world {
    struct arena *arena;
    struct pg_fixture *pg;
    struct ssh_fixture *ssh; /* NULL until asked for */
    struct action_ctx ctx;
    struct config config;
    struct service service;
    struct site sites[2];
    struct endpoint endpoint;
    struct check_conf check;
    char folder[64], script[96];
};

/* The commands of the configuration, as a site without systemd has them. A mask is a file that `start` respects. */
static void write_script(struct world *w)
{
    const char *as = geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
    fixture_write(w->script, 0755,
                  "#!/bin/sh\nhere=%s\nctl() { %s/usr/lib/postgresql/15/bin/pg_ctl -D %s \"$@\" </dev/null; }\necho \"$1\" >>$here/calls\n"
                  "case $1 in\n"
                  "start) if [ -e $here/masked ]; then echo 'the unit is masked' >&2; exit 5; fi; ctl -l %s/server.log -w start >/dev/null;;\n"
                  "stop) ctl -m fast -w stop;;\n"
                  "restart) ctl -m immediate -w stop; exec $0 start;;\n"
                  "status) ctl status >/dev/null;;\n"
                  "kill) ctl -m immediate -w stop;;\n"
                  "mask) touch $here/masked;;\nunmask) rm -f $here/masked;;\n"
                  "log) tail -n 20 %s/server.log;;\n*) exit 64;;\nesac\n",
                  w->folder, as, w->pg->data, w->pg->folder, w->pg->folder);
}

static struct strs verb(struct world *w, const char *name)
{
    const char *words[] = {w->script, name, NULL};
    return host_argv(w->arena, words);
}

static int call(struct world *w, const char *name)
{
    const char *words[] = {w->script, name, NULL};
    return fixture_run(words);
}

static void configure(struct world *w)
{
    const char *status = arena_printf(w->arena, "%s/status", w->folder);
    const char *folder = arena_printf(w->arena, "%s/backups", w->folder);
    struct unit unit = {.start = verb(w, "start"), .stop = verb(w, "stop"), .restart = verb(w, "restart"), .status = verb(w, "status"),
                        .mask = verb(w, "mask"), .unmask = verb(w, "unmask"), .kill = verb(w, "kill"), .log = verb(w, "log")};
    w->sites[0] = (struct site){.name = "production", .database = {.at = w->pg->target, .admin_dbname = "postgres", .unit = unit,
                                .data_directory = w->pg->data}, .backup.folder = folder};
    w->sites[0].database.at.dbname = "akig";
    const char *yes[] = {"true", NULL};
    w->sites[0].application.unit = (struct unit){.start = host_argv(w->arena, yes), .status = host_argv(w->arena, yes)};
    w->sites[0].application.url = "http://127.0.0.1:1";
    w->sites[1] = w->sites[0];
    w->sites[1].name = "dr";
    w->endpoint = (struct endpoint){.path = "/"};
    w->check = (struct check_conf){.id = "production.database", .type = "postgres", .site = "production"};
    w->service = (struct service){.name = "akig", .public_url = "http://127.0.0.1:1", .sites = {w->sites, 2, 2}, .endpoints = {&w->endpoint, 1, 1},
                                  .checks = {&w->check, 1, 1}};
    w->config = (struct config){.path = "/etc/bascule/bascule.yaml", .state_dir = w->folder, .services = {&w->service, 1, 1}};
    w->ctx = (struct action_ctx){.arena = w->arena, .config = &w->config, .service = &w->service, .state_dir = w->folder, .run = "7.step.1",
                                 .control_dir = "/tmp/bascule-no-ssh", .self = status, .report = report_quiet()};
    assert_true(file_mkdirs(folder, 0755, NULL));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->arena = arena_open();
    w->pg = pg_fixture_new();
    pg_fixture_sql(w->pg, w->arena, NULL, "create database akig");
    pg_fixture_sql(w->pg, w->arena, "akig",
                   "create table users (id int primary key); insert into users select generate_series(1, 100);"
                   "create table contracts (id int primary key, user_id int references users);"
                   "insert into contracts select i, i from generate_series(1, 50) i;"
                   "create table bascule_heartbeat (id smallint primary key check (id = 1), beat_ms bigint not null);"
                   "insert into bascule_heartbeat values (1, 1700000000123)");
    pg_fixture_stop(w->pg); /* from here on it is the commands' server */
    snprintf(w->folder, sizeof(w->folder), "/tmp/bascule-act.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(chmod(w->folder, 0755), 0);
    snprintf(w->script, sizeof(w->script), "%s/db", w->folder);
    write_script(w);
    configure(w);
    assert_int_equal(call(w, "start"), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    report_close(&w->ctx.report);
    call(w, "kill");
    ssh_fixture_free(&w->ssh);
    pg_fixture_free(&w->pg);
    fixture_remove(w->folder);
    arena_close(&w->arena);
    free(w);
    return 0;
}

static void go_remote(struct world *w)
{
    w->ssh = ssh_fixture_new();
    w->ctx.control_dir = w->ssh->control;
    assert_true(ssh_prepare(w->ssh->control, NULL));
    w->sites[0].host = w->ssh->host;
}

static void set_words(struct world *w, const char *words)
{
    struct strs all = {0};
    assert_true(str_words(w->arena, words, &all));
    w->ctx.args = (struct strs){.p = all.p + 1, .n = all.n - 1};
    w->ctx.started_ms = clock_boot_ms();
}

/* The whole way but for the process. */
static enum outcome act(struct world *w, const char *words, char *text)
{
    struct err err = {0};
    enum outcome outcome = OUTCOME_FAILURE;
    const char *blank = strchr(words, ' ');
    const struct action_ops *ops = action_find(arena_strndup(w->arena, words, blank ? (size_t)(blank - words) : strlen(words)));
    assert_non_null(ops);
    set_words(w, words);
    *text = 0;
    if (!action_valid(ops, &w->ctx, &err) || !ops->run(&w->ctx, &outcome, text, &err)) {
        snprintf(text, MODEL_TEXT_SIZE, "%.400s (%.200s)", err.message, err.hint);
        return OUTCOME_FAILURE;
    }
    assert_true(*text);
    return outcome;
}

static bool done_already(struct world *w, const char *name, const char *words)
{
    char why[MODEL_TEXT_SIZE] = "";
    struct err err = {0};
    bool done = false;
    set_words(w, words);
    if (!action_find(name)->done_already(&w->ctx, &done, why, sizeof(why), &err))
        fail_msg("%s: %s", words, err.message);
    return done;
}

static const char *fact(struct world *w, const char *name)
{
    const char *value = report_fact_value(w->ctx.report, name);
    return value ? value : "";
}

#define HAS(text, part)                                                                                                \
    do {                                                                                                               \
        if (!strstr((text), (part)))                                                                                   \
            fail_msg("\"%s\" is not in \"%s\"", (part), (text));                                                       \
    } while (0)

/* ---- every action ---- */

static void every_action_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; action_list[i]; i++) {
        const struct action_ops *a = action_list[i];
        assert_true(a->name && *a->name && a->summary && *a->summary);
        assert_int_equal(strncmp(a->usage, a->name, strlen(a->name)), 0);
        assert_true(a->valid && a->describe && a->run);
        assert_true(!a->changes || a->done_already);
        assert_true(a->args_min <= a->args_max && a->args_max > 0);
        assert_ptr_equal(action_find(a->name), a);
    }
    for (size_t i = 0; fence_list[i]; i++)
        assert_true(fence_list[i]->name && fence_list[i]->summary && fence_list[i]->usable && fence_list[i]->describe &&
                    fence_list[i]->stopped && fence_list[i]->stop);
}

/* A good line of each action, for questions that want one. */
static const char *const lines[] = {
    "diagnose production", "service start production.database", "restore production", "verify public", "status production", "fence production",
};

static void wrong_words_are_refused_before_anything_happens(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; action_list[i]; i++) {
        const struct action_ops *a = action_list[i];
        const char *first = a->verbs ? a->verbs[0] : "mars";
        struct strs cases[] = {{0}, {0}, {0}};
        struct err err = {0};
        for (size_t n = 0; n <= a->args_max; n++)
            *vec_add(w->arena, &cases[1]) = first; /* too many */
        *vec_add(w->arena, &cases[2]) = a->verbs ? "no-such-verb" : "mars"; /* a site that is not there */
        while (cases[2].n < a->args_min)
            *vec_add(w->arena, &cases[2]) = "mars.database";
        for (size_t c = 0; c < COUNT_OF(cases); c++) {
            w->ctx.args = cases[c];
            err = (struct err){0};
            if (action_valid(a, &w->ctx, &err))
                fail_msg("\"%s\" takes wrong words (case %zu)", a->name, c);
            assert_true(*err.message && *err.hint);
            assert_true(err.code == ERR_USAGE || err.code == ERR_NOT_FOUND);
        }
    }
    assert_false(file_exists(arena_printf(w->arena, "%s/calls.new", w->folder)));
}

static char *world_now(struct world *w)
{
    return pg_fixture_sql(w->pg, w->arena, "akig",
                          "select (select string_agg(datname, ',' order by datname) from pg_database) || (select count(*) from users) || "
                          "pg_postmaster_start_time()");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct world *w = *state;
    struct backup made;
    assert_true(backup_make(w->arena, &(struct backup_spec){.target = &w->sites[0].database.at, .service = "akig",
                                      .folder = w->sites[0].backup.folder, .scratch_dir = w->folder}, &made, NULL));
    char *before = world_now(w);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        SCOPED(buf_done) struct buf out = {.max = 65536};
        struct err err = {0};
        const struct action_ops *a = action_find(arena_strndup(w->arena, lines[i], strcspn(lines[i], " ")));
        set_words(w, lines[i]);
        report_close(&w->ctx.report); /* a dry run has none */
        assert_true(action_valid(a, &w->ctx, &err));
        if (!a->describe(&w->ctx, &out, &err))
            fail_msg("%s: %s", lines[i], err.message);
        assert_true(out.n > 0);
    }
    w->ctx.report = report_quiet();
    assert_string_equal(world_now(w), before);
    assert_false(file_exists(arena_printf(w->arena, "%s/masked", w->folder)));
}

/* ---- service ---- */

static void a_database_is_stopped_started_and_restarted(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    assert_true(done_already(w, "service", "service start production.database"));
    assert_false(done_already(w, "service", "service stop production.database"));
    assert_false(done_already(w, "service", "service restart production.database"));
    assert_int_equal(act(w, "service stop production.database", text), OUTCOME_SUCCESS);
    HAS(text, "is stopped");
    assert_true(done_already(w, "service", "service stop production.database"));
    assert_int_equal(act(w, "service start production.database", text), OUTCOME_SUCCESS);
    HAS(text, "\"production.database\" is running on this machine");
    char *before = world_now(w);
    assert_int_equal(act(w, "service restart production.database", text), OUTCOME_SUCCESS);
    assert_string_not_equal(world_now(w), before);
}

static void a_start_that_fails_says_why(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    call(w, "kill");
    call(w, "mask");
    assert_int_equal(act(w, "service start production.database", text), OUTCOME_FAILURE);
    HAS(text, "could not start \"production.database\" on this machine: exit code 5: the unit is masked");
    HAS(text, "if this site was fenced, its start is masked until:");
    HAS(text, "db unmask");
}

static void what_crashes_after_its_start_is_not_running(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    const char *no[] = {"false", NULL};
    w->sites[0].application.unit.status = host_argv(w->arena, no);
    w->ctx.budget_ms = 2000;
    int64_t began = clock_boot_ms();
    assert_int_equal(act(w, "service start production.application", text), OUTCOME_FAILURE);
    assert_true(clock_boot_ms() - began < 3000);
    HAS(text, "\"production.application\" is not running");
    assert_int_equal(act(w, "service restart production.application", text), OUTCOME_FAILURE);
    HAS(text, "nobody says how to restart");
}

/* systemd's names, with a systemctl of ours in PATH: a masked unit is not even tried. */
static void a_masked_unit_is_not_started(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE], old[4096];
    snprintf(old, sizeof(old), "%s", getenv("PATH"));
    fixture_write(arena_printf(w->arena, "%s/systemctl", w->folder), 0755,
                  "#!/bin/sh\ncase $1 in is-enabled) echo masked; exit 1;; is-active) echo inactive; exit 3;; *) touch %s/touched;; esac\n", w->folder);
    setenv("PATH", arena_printf(w->arena, "%s:%s", w->folder, old), 1);
    w->sites[0].database.unit = (struct unit){.name = "postgresql@15-main"};
    enum outcome outcome = act(w, "service start production.database", text);
    bool fenced = (call(w, "kill"), done_already(w, "fence", "fence production"));
    setenv("PATH", old, 1);
    assert_int_equal(outcome, OUTCOME_FAILURE);
    HAS(text, "its unit is masked on this machine, as a fence leaves it");
    HAS(text, "systemctl unmask postgresql@15-main");
    assert_false(file_exists(arena_printf(w->arena, "%s/touched", w->folder)));
    assert_true(fenced); /* masked, stopped and refused: that is what a fence leaves */
    HAS(fact(w, "fence.certificate"), "found fenced");
}

/* ---- fence ---- */

static void fence_and_check(struct world *w)
{
    char text[MODEL_TEXT_SIZE];
    struct pg *mine = NULL;
    assert_true(pg_open(&w->sites[0].database.at, NULL, 5000, &mine, NULL)); /* a client of the old primary */
    assert_int_equal(act(w, "fence production", text), OUTCOME_SUCCESS);
    HAS(text, "site \"production\" is fenced");
    const char *certificate = fact(w, "fence.certificate");
    HAS(certificate, "by unit:");
    HAS(certificate, "its start was masked");
    HAS(certificate, "a write through a session opened before the stop failed");
    HAS(certificate, "was refused");
    assert_false(pg_exec(mine, w->arena, "select 1", NULL, 0, 2000, NULL, NULL));
    pg_close(&mine);
    struct err err = {0};
    assert_false(pg_open(&w->sites[0].database.at, NULL, 2000, &mine, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_int_equal(act(w, "service start production.database", text), OUTCOME_FAILURE);
    HAS(text, "masked");
    assert_int_equal(act(w, "fence production", text), OUTCOME_SUCCESS); /* again does no harm */
    HAS(fact(w, "fence.certificate"), "no session could be opened before the stop");
}

static void a_fenced_database_takes_no_write_any_more(void **state)
{
    fence_and_check(*state);
}

static void a_database_on_another_host_is_fenced_over_ssh(void **state)
{
    struct world *w = *state;
    go_remote(w);
    fence_and_check(w);
    HAS(fact(w, "fence.certificate"), w->ssh->address);
}

static void a_host_that_is_gone_blocks_and_names_the_way_out(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    go_remote(w);
    ssh_fixture_stop(w->ssh);
    w->ctx.incident = 7;
    assert_int_equal(act(w, "fence production", text), OUTCOME_BLOCKED);
    HAS(text, "power its machine off");
    assert_null(strstr(text, "certify")); /* the controller says that, in full */
    w->ctx.incident = 0;
    assert_int_equal(act(w, "fence production", text), OUTCOME_BLOCKED);
    HAS(text, "bascule -c /etc/bascule/bascule.yaml incident certify N production --accept-loss \"");
    assert_string_equal(fact(w, "fence.certificate"), "");
    assert_false(file_exists(arena_printf(w->arena, "%s/masked", w->folder)));
    assert_int_equal(call(w, "status"), 0); /* and nothing was changed */
}

static void a_site_nobody_can_stop_blocks(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    w->sites[0].database.unit = (struct unit){.start = verb(w, "start"), .status = verb(w, "status")};
    assert_int_equal(act(w, "fence production", text), OUTCOME_BLOCKED);
    HAS(text, "nobody says how to kill \"production.database\"");
    HAS(text, "incident certify N production");
}

/* Commands that all say they succeeded, for a server that goes on living. */
static void a_fence_that_lies_gets_no_certificate(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    const char *yes[] = {"true", NULL}, *no[] = {"false", NULL};
    w->sites[0].database.unit.kill = host_argv(w->arena, yes);
    w->ctx.budget_ms = 6000;
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE); /* its status still says that it runs */
    HAS(text, "is not stopped");
    w->sites[0].database.unit.status = host_argv(w->arena, no);
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE); /* the session shows it */
    HAS(text, "opened before the stop");
    w->sites[0].database.at.dbname = "no_such_database"; /* no session: the port shows it */
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE);
    HAS(text, "still takes connections");
    assert_string_equal(fact(w, "fence.certificate"), "");
}

static void a_mask_that_fails_stops_nothing(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    const char *no[] = {"sh", "-c", "echo read-only file system >&2; exit 1", NULL};
    w->sites[0].database.unit.mask = host_argv(w->arena, no);
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE);
    HAS(text, "so it was left as it is: exit code 1: read-only file system");
    assert_int_equal(call(w, "status"), 0);
}

static void a_silent_port_proves_nothing(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    char say[256];
    bool refuses = true;
    assert_true(fence_port_refuses(&w->pg->target, 2000, &refuses, say, sizeof(say), &err));
    assert_false(refuses);
    call(w, "kill");
    assert_true(fence_port_refuses(&w->pg->target, 2000, &refuses, say, sizeof(say), &err));
    assert_true(refuses);
    struct pgtarget socket = w->pg->target;
    socket.host = w->pg->socket_dir;
    assert_true(fence_port_refuses(&socket, 2000, &refuses, say, sizeof(say), &err));
    assert_true(refuses);
    struct pgtarget nowhere = {.host = "no-such-name.invalid", .port = 1};
    assert_false(fence_port_refuses(&nowhere, 1000, &refuses, say, sizeof(say), &err));
}

/* Killed at any moment, then run again: at the end there is a certificate, and it is true. */
static void a_fence_killed_half_way_is_finished_by_the_next(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    for (int delay_ms = 0; delay_ms <= 120; delay_ms += 30) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            act(w, "fence production", text);
            _exit(0);
        }
        usleep((useconds_t)delay_ms * 1000); /* the moment of the kill is what varies */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (act(w, "fence production", text) != OUTCOME_SUCCESS)
            fail_msg("killed after %d ms: %s", delay_ms, text);
        HAS(fact(w, "fence.certificate"), "was refused");
        assert_int_not_equal(call(w, "start"), 0);
        call(w, "unmask");
        assert_int_equal(call(w, "start"), 0);
    }
}

/* ---- diagnose ---- */

static void a_diagnosis_names_the_likely_cause(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    assert_int_equal(act(w, "diagnose production", text), OUTCOME_SUCCESS);
    HAS(text, "answers within");
    HAS(text, "its unit is running");
    HAS(text, "; disk ");
    HAS(text, "load ");
    call(w, "kill");
    /* As after a disk that lost its writes: the control file points at a record that is not there. */
    const char *reset[] = {"sh", "-c", arena_printf(w->arena, "cd %s/pg_wal && for f in 0*; do : >$f; done", w->pg->data), NULL};
    assert_int_equal(fixture_run(reset), 0);
    assert_int_not_equal(call(w, "start"), 0);
    assert_int_equal(act(w, "diagnose production", text), OUTCOME_SUCCESS);
    HAS(text, "it is not running");
    HAS(text, "its log ends with: PANIC: could not locate a valid checkpoint record");
    assert_string_equal(fact(w, "diagnose.summary"), text);
    HAS(fact(w, "diagnose.detail"), "db log");
    HAS(fact(w, "diagnose.detail"), "could not locate a valid checkpoint record");
}

static void a_diagnosis_of_a_host_that_is_gone_is_still_one(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    go_remote(w);
    assert_int_equal(act(w, "diagnose production", text), OUTCOME_SUCCESS);
    HAS(text, "answers within");
    ssh_fixture_stop(w->ssh);
    int64_t began = clock_boot_ms();
    assert_int_equal(act(w, "diagnose production", text), OUTCOME_SUCCESS);
    assert_true(clock_boot_ms() - began < 20000);
    HAS(text, "cannot be reached over ssh");
    HAS(text, "PostgreSQL at");
}

static void a_server_that_hangs_does_not_hang_the_diagnosis(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    const char *frozen[] = {"sh", "-c", arena_printf(w->arena, "kill -STOP $(head -n 1 %s/postmaster.pid)", w->pg->data), NULL};
    const char *thawed[] = {"sh", "-c", arena_printf(w->arena, "kill -CONT $(head -n 1 %s/postmaster.pid)", w->pg->data), NULL};
    const char *hangs[] = {"sleep", "1000", NULL};
    w->sites[0].database.unit.log = host_argv(w->arena, hangs);
    w->ctx.budget_ms = 4000;
    int64_t began = clock_boot_ms();
    assert_int_equal(fixture_run(frozen), 0);
    enum outcome outcome = act(w, "diagnose production", text);
    fixture_run(thawed);
    assert_int_equal(outcome, OUTCOME_SUCCESS);
    assert_true(clock_boot_ms() - began < 8000);
    HAS(text, "runs but does not serve");
}

/* ---- restore ---- */

static void the_newest_good_backup_is_restored(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    struct backup made;
    struct err err = {0};
    if (!backup_make(w->arena, &(struct backup_spec){.target = &w->sites[0].database.at, .service = "akig",
                               .folder = w->sites[0].backup.folder, .scratch_dir = w->folder}, &made, &err))
        fail_msg("%s", err.message);
    char *cut = arena_printf(w->arena, "%s/akig_backup_full_20990101_000000.sql.gz", w->sites[0].backup.folder);
    struct timespec later[2] = {{.tv_sec = time(NULL) + 60}, {.tv_sec = time(NULL) + 60}};
    fixture_write(cut, 0644, "cut");
    assert_int_equal(utimensat(AT_FDCWD, cut, later, 0), 0); /* the newest by any measure */
    pg_fixture_sql(w->pg, w->arena, "akig", "delete from contracts; update bascule_heartbeat set beat_ms = 5");
    assert_false(done_already(w, "restore", "restore production"));
    if (act(w, "restore production", text) != OUTCOME_SUCCESS)
        fail_msg("%s", text);
    assert_string_equal(pg_fixture_sql(w->pg, w->arena, "akig", "select count(*) from contracts"), "50");
    assert_string_equal(fact(w, "restore.file"), made.file);
    assert_string_equal(fact(w, "restore.recovery_point_ms"), "1700000000123"); /* the heartbeat in the data, not the file's age */
    assert_string_equal(fact(w, "restore.rows"), "151");
    assert_string_equal(fact(w, "restore.foreign_keys"), "1");
    HAS(fact(w, "restore.skipped"), "akig_backup_full_20990101_000000.sql.gz");
    HAS(fact(w, "restore.old_database"), "akig_before_");
    assert_true(done_already(w, "restore", "restore production"));
    w->ctx.run = "8.step.1"; /* another incident means another restore */
    assert_false(done_already(w, "restore", "restore production"));
    w->ctx.run = "manual";
    assert_false(done_already(w, "restore", "restore production"));
    pg_fixture_sql(w->pg, w->arena, "akig", "delete from contracts");
    if (act(w, arena_printf(w->arena, "restore production --file %s", made.path), text) != OUTCOME_SUCCESS)
        fail_msg("%s", text);
    assert_string_equal(pg_fixture_sql(w->pg, w->arena, "akig", "select count(*) from contracts"), "50");
}

static void a_restore_that_cannot_be_is_refused_with_the_way_out(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    assert_int_equal(act(w, "restore production", text), OUTCOME_FAILURE); /* an empty folder */
    assert_int_equal(act(w, "restore production --file /nonexistent.sql.gz", text), OUTCOME_FAILURE);
    HAS(text, "there is no file \"/nonexistent.sql.gz\"");
    assert_int_equal(act(w, "restore production --fil x", text), OUTCOME_FAILURE);
    HAS(text, "restore SITE [--file FILE]");
    w->sites[0].host.address = "other.example";
    assert_int_equal(act(w, "restore production", text), OUTCOME_FAILURE);
    HAS(text, "run this command on that host");
    assert_string_equal(pg_fixture_sql(w->pg, w->arena, "akig", "select count(*) from contracts"), "50");
}

/* ---- fences that are programs ---- */

static const struct fence_ops *fence_named(const char *name)
{
    for (size_t i = 0; fence_list[i]; i++)
        if (same(fence_list[i]->name, name))
            return fence_list[i];
    fail_msg("there is no fence \"%s\"", name);
    return NULL;
}

static void *fence_option(const struct fence_conf *conf, const char *key)
{
    for (const struct option *o = fence_named(conf->type)->options; o->key; o++)
        if (same(o->key, key))
            return (char *)conf->options + o->offset;
    fail_msg("fence \"%s\" has no option \"%s\"", conf->type, key);
    return NULL;
}

#define FENCE_SECRET "not-for-argv-7"

/* A program with the manners of fence-agents. What it does is in the file "mode"; what it was told, in "argv" and "input". */
static void set_fence(struct world *w, const char *type)
{
    const char *agent = arena_printf(w->arena, "%s/fence_fake", w->folder), *password = arena_printf(w->arena, "%s/password", w->folder);
    fixture_write(agent, 0755,
                  "#!/bin/sh\nhere=%s\necho \"$*\" >>$here/argv\nmode=$(cat $here/mode)\n"
                  "case $mode in hangs) exec sleep 300;; esac\n"
                  "if [ $# = 0 ]; then cat >$here/told; cat $here/told >>$here/input; action=$(sed -n 's/^action=//p' $here/told); else action=$1; fi\n"
                  "case $mode in fails) echo 'no answer from the board, tried " FENCE_SECRET "' >&2; exit 1;; esac\n"
                  "case $action in\n"
                  "off) if [ $mode = works ]; then %s kill; touch $here/off; fi; echo 'Success: Powered OFF';;\n"
                  "status) if [ -e $here/off ]; then echo 'Status: OFF'; exit 2; fi; echo 'Status: ON';;\n*) exit 1;;\nesac\n",
                  w->folder, w->script);
    fixture_write(password, 0600, FENCE_SECRET "\n");
    struct fence_conf *conf = vec_add(w->arena, &w->sites[0].fences);
    *conf = (struct fence_conf){.type = type, .options = arena_alloc(w->arena, fence_named(type)->options_size)};
    memset(conf->options, 0, fence_named(type)->options_size);
    *(int64_t *)fence_option(conf, "timeout") = 1000;
    if (same(type, "fence_agent")) {
        *(const char **)fence_option(conf, "program") = agent;
        *(struct secret *)fence_option(conf, "password") = (struct secret){.source = SECRET_FILE, .ref = password};
        *vec_add(w->arena, (struct strs *)fence_option(conf, "options")) = "ip=10.0.0.9";
    } else {
        const char *off[] = {agent, "off", NULL}, *status[] = {agent, "status", NULL};
        *(struct strs *)fence_option(conf, "off") = host_argv(w->arena, off);
        *(struct strs *)fence_option(conf, "status") = host_argv(w->arena, status);
    }
    struct err err = {0};
    assert_true(fence_named(type)->valid(conf, &w->sites[0], &err));
    w->sites[0].database.unit.mask = (struct strs){0}; /* so that its unit is no fence */
}

static void set_mode(struct world *w, const char *mode)
{
    fixture_write(arena_printf(w->arena, "%s/mode", w->folder), 0644, "%s", mode);
}

static const char *read_back(struct world *w, const char *name)
{
    struct str text;
    return file_read(w->arena, arena_printf(w->arena, "%s/%s", w->folder, name), 65536, &text, NULL) ? text.p : "";
}

static void a_program_that_works_fences(struct world *w, const char *type)
{
    char text[MODEL_TEXT_SIZE];
    set_fence(w, type);
    set_mode(w, "works");
    assert_false(done_already(w, "fence", "fence production"));
    assert_int_equal(act(w, "fence production", text), OUTCOME_SUCCESS);
    HAS(text, "fence_fake\" switched it off and, asked again, said that it is off");
    HAS(text, "a write through a session opened before the stop failed");
    HAS(fact(w, "fence.certificate"), arena_printf(w->arena, "by %s: ", type));
    assert_true(done_already(w, "fence", "fence production"));
}

static void a_fence_agent_gets_all_on_its_input(void **state)
{
    struct world *w = *state;
    a_program_that_works_fences(w, "fence_agent");
    HAS(read_back(w, "input"), "action=off\nip=10.0.0.9\npassword=" FENCE_SECRET "\n");
    HAS(read_back(w, "input"), "action=status\n");
    for (const char *p = read_back(w, "argv"); *p; p++)
        assert_int_equal(*p, '\n'); /* and nothing where others can see it */
}

static void a_command_of_ones_own_fences(void **state)
{
    a_program_that_works_fences(*state, "command");
}

/* It says that it has switched off, and asked again that it is on: no certificate, and the database goes on. */
static void a_program_that_lies_is_caught(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    set_fence(w, "fence_agent");
    set_mode(w, "lies");
    w->ctx.budget_ms = 5000;
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE);
    HAS(text, "it said that it had switched off, and: \"");
    HAS(text, "says that it is still on");
    assert_string_equal(fact(w, "fence.certificate"), "");
    assert_false(done_already(w, "fence", "fence production"));
    /* One that even says "off" when asked: the port tells. */
    fixture_write(arena_printf(w->arena, "%s/off", w->folder), 0644, "x");
    assert_int_equal(act(w, "fence production", text), OUTCOME_FAILURE);
    HAS(text, "opened before the stop still answers");
    assert_string_equal(fact(w, "fence.certificate"), "");
    assert_false(done_already(w, "fence", "fence production"));
}

static void a_program_that_fails_or_hangs_blocks(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    set_fence(w, "fence_agent");
    w->ctx.budget_ms = 4000;
    static const char *const modes[] = {"fails", "hangs"}, *const said[] = {"exit code 1", "no answer within"};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        set_mode(w, modes[i]);
        int64_t began = clock_boot_ms();
        assert_int_equal(act(w, "fence production", text), OUTCOME_BLOCKED);
        assert_true(clock_boot_ms() - began < 8000);
        HAS(text, "is not fenced and may still take writes");
        HAS(text, said[i]);
        assert_null(strstr(text, FENCE_SECRET)); /* what it printed held the password */
        assert_string_equal(fact(w, "fence.certificate"), "");
    }
    char *now = world_now(w);
    assert_true(*now);
}

/* What cannot be reached by its host is fenced by the next way. */
static void the_next_fence_is_tried(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    struct strs mask = w->sites[0].database.unit.mask;
    set_fence(w, "fence_agent");
    set_mode(w, "works");
    w->sites[0].database.unit.mask = mask;
    w->sites[0].host = (struct host){.address = "127.0.0.1", .port = 1, .user = "nobody"};
    assert_int_equal(act(w, "fence production", text), OUTCOME_SUCCESS);
    HAS(fact(w, "fence.unit"), "failed: ");
    HAS(fact(w, "fence.certificate"), "by fence_agent: ");
}

static void options_of_a_fence_agent_are_looked_at(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {"ip", "=x", "action=on", "password=x", "passwd=x", "ip=1\naction=on"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        w->sites[0].fences.n = 0;
        set_fence(w, "fence_agent");
        *vec_add(w->arena, (struct strs *)fence_option(&w->sites[0].fences.p[0], "options")) = bad[i];
        if (fence_named("fence_agent")->valid(&w->sites[0].fences.p[0], &w->sites[0], &err))
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(err.code, ERR_CONFIG);
    }
}

/* ---- status ---- */

static void a_site_is_well_when_all_its_checks_are(void **state)
{
    struct world *w = *state;
    char text[MODEL_TEXT_SIZE];
    static const struct {
        const char *json;
        int code;
        enum outcome outcome;
        const char *said;
    } cases[] = {
        {"{\"checks\":[{\"check\":\"a\",\"state\":\"up\"},{\"check\":\"b\",\"state\":\"up\"}]}", 0, OUTCOME_SUCCESS, "all 2 checks of site \"production\" are up"},
        {"{\"checks\":[{\"check\":\"a\",\"state\":\"warning\",\"text\":\"t\"}]}", 2, OUTCOME_SUCCESS, "1 of them with a warning"},
        {"{\"checks\":[{\"check\":\"a\",\"state\":\"up\"},{\"check\":\"b\",\"state\":\"down\",\"text\":\"refused\"}]}", 1, OUTCOME_FAILURE, "\"b\" is down (refused)"},
        {"{\"checks\":[{\"check\":\"a\",\"state\":\"unknown\",\"text\":\"hm\"}]}", 2, OUTCOME_FAILURE, "\"a\" is unknown (hm)"},
        {"{\"checks\":[]}", 2, OUTCOME_FAILURE, "gave a result"},
        {"not json", 0, OUTCOME_FAILURE, "answer of the status command"},
        {"{}", 78, OUTCOME_FAILURE, "exit code 78"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_write(w->ctx.self, 0755, "#!/bin/sh\necho \"$*\" >%s/words\ncat <<'E'\n%s\nE\nexit %d\n", w->folder, cases[i].json, cases[i].code);
        assert_int_equal(act(w, "status production", text), cases[i].outcome);
        HAS(text, cases[i].said);
    }
    struct str words;
    assert_true(file_read(w->arena, arena_printf(w->arena, "%s/words", w->folder), 4096, &words, NULL));
    assert_string_equal(words.p, "-c /etc/bascule/bascule.yaml --service akig --json status --site production\n");
    assert_int_equal(act(w, "status dr", text), OUTCOME_FAILURE); /* no check: nothing can be said */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        cmocka_unit_test(every_action_is_whole),
        T(wrong_words_are_refused_before_anything_happens),
        T(a_dry_run_changes_nothing),
        T(a_database_is_stopped_started_and_restarted),
        T(a_start_that_fails_says_why),
        T(what_crashes_after_its_start_is_not_running),
        T(a_masked_unit_is_not_started),
        T(a_fenced_database_takes_no_write_any_more),
        T(a_database_on_another_host_is_fenced_over_ssh),
        T(a_host_that_is_gone_blocks_and_names_the_way_out),
        T(a_site_nobody_can_stop_blocks),
        T(a_fence_that_lies_gets_no_certificate),
        T(a_mask_that_fails_stops_nothing),
        T(a_silent_port_proves_nothing),
        T(a_fence_killed_half_way_is_finished_by_the_next),
        T(a_diagnosis_names_the_likely_cause),
        T(a_diagnosis_of_a_host_that_is_gone_is_still_one),
        T(a_server_that_hangs_does_not_hang_the_diagnosis),
        T(the_newest_good_backup_is_restored),
        T(a_restore_that_cannot_be_is_refused_with_the_way_out),
        T(a_fence_agent_gets_all_on_its_input),
        T(a_command_of_ones_own_fences),
        T(a_program_that_lies_is_caught),
        T(a_program_that_fails_or_hangs_blocks),
        T(the_next_fence_is_tried),
        T(options_of_a_fence_agent_are_looked_at),
        T(a_site_is_well_when_all_its_checks_are),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
