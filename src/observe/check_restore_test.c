/* observe/check_restore_test.c -- Did the last restore of a backup go well, and is it recent enough to be believed? Asked of our own
   "dr status" in a child process, since restores are not ours to know. */
#include "io/json.h"
#include "observe/drivers.h"
#include "sys/clock.h"
#include "sys/proc.h"

struct restore_test_options {
    int64_t warning_ms;
};

struct restore_test_check {
    struct check check; /* first */
    struct proc *proc;
};

enum { SAID_MOST = 1 << 20, EXIT_USUAL_MOST = 2 };

static void judge_standing(struct check *check, const struct json *root)
{
    const struct restore_test_options *o = check->conf->options;
    const struct json *last = json_get(root, "last"), *good = json_get(root, "last_good");
    const char *file = json_string(json_get(last, "file")), *error = json_string(json_get(last, "error"));
    int64_t at = 0, took = 0, rows = 0;
    bool ok;
    if (!json_truth(json_get(last, "ok"), &ok) || !file) {
        check_report(check, VERDICT_WARNING, "no backup was ever restored to test it");
        return;
    }
    if (!ok) {
        check_report(check, VERDICT_DOWN, "the last restore test failed: %s", error ? error : file);
        return;
    }
    if (!json_integer(json_get(good, "at_ms"), &at) || !json_integer(json_get(good, "took_ms"), &took) || !json_integer(json_get(good, "rows"), &rows)) {
        check_report(check, VERDICT_UNKNOWN, "could not read what became of the last restore test");
        return;
    }
    int64_t age = MAX_OF(clock_wall_ms() - at, 0);
    check_report(check, age > o->warning_ms ? VERDICT_WARNING : VERDICT_UP, "the last restore test is %s old: %s, %lld rows in %s",
                 duration_say(check->arena, age), file, (long long)rows, duration_say(check->arena, took));
}

/* 1 and 2 are what it says of copies that are not well: the answer is there all the same. */
static void on_said(void *arg, const struct proc_result *result)
{
    struct restore_test_check *self = arg;
    struct check *check = &self->check;
    const struct json *root;
    struct err err = {0};
    self->proc = NULL;
    if (result->end != PROC_EXITED || result->exit_code > EXIT_USUAL_MOST) {
        struct str line = {0}, said = str_trim(result->err);
        str_next(&said, '\n', &line);
        check_report(check, VERDICT_UNKNOWN, "could not ask for the last restore test: " STR_FMT, STR_ARG(line.n ? line : str_of(result->why)));
    } else if (!json_parse(check->arena, result->out, &root, &err)) {
        check_report(check, VERDICT_UNKNOWN, "could not read what became of the last restore test: %s", err.message);
    } else {
        judge_standing(check, root);
    }
}

static void start(struct check *check)
{
    struct restore_test_check *self = CONTAINER_OF(check, struct restore_test_check, check);
    const char *const argv[] = {check->env->self, "-c", check->env->config->path, "--service", check->env->service->name, "dr", "status", "--json",
                                "--site", check->site->name, NULL};
    struct proc_spec spec = {.argv = argv, .output_max = SAID_MOST, .inherit_env = true}; /* secrets may stand in the environment */
    struct err err = {0};
    if (!proc_start(check->env->loop, &spec, on_said, self, &self->proc, &err))
        check_report(check, VERDICT_UNKNOWN, "%s", err.message);
}

static void cancel(struct check *check)
{
    proc_abandon(&CONTAINER_OF(check, struct restore_test_check, check)->proc);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    return site->database.at.host || err_set(err, ERR_CONFIG, "site \"%s\" has no database into which backups are restored", site->name);
}

#define AT(member) .offset = offsetof(struct restore_test_options, member)
static const struct option options[] = {
    {"warning", OPTION_DURATION, AT(warning_ms), .fallback = "8d", .min = 1, .max = 3650 * MS_DAY, .help = "age of the last good restore test above which it is a warning"},
    OPTION_END,
};

const struct check_ops check_restore_test = {
    .name = "restore_test",
    .summary = "the last restore of a backup at the standby site went well; it is down when that failed",
    .options = options,
    .options_size = sizeof(struct restore_test_options),
    .check_size = sizeof(struct restore_test_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
