/* observe/check_backup.c -- How old the data of the newest verified backup is. Asked of our own "backup list" in a child process, since
   the folder may be on another host and the engine of backups is not ours to know. */
#include "io/json.h"
#include "observe/drivers.h"
#include "sys/clock.h"
#include "sys/proc.h"

struct backup_options {
    int64_t warning_ms, critical_ms;
    int64_t slow_ms, too_slow_ms; /* 0: not looked at */
};

struct backup_check {
    struct check check; /* first */
    struct proc *proc;
};

enum { LIST_MOST = 1 << 20, EXIT_NOT_FOUND = 66 };

struct survey {
    size_t all, passed_over; /* newer than the good one */
    const char *file, *how;  /* of the newest good one; NULL: there is none */
    int64_t snapshot_ms, took_ms; /* -1: not known */
    const char *flaw; /* of the newest that was passed over */
};

/* The list comes newest first. */
static void survey(const struct json *list, struct survey *s)
{
    s->all = json_count(list);
    for (size_t i = 0; i < s->all && !s->file; i++) {
        const struct json *b = json_at(list, i);
        const char *file = json_string(json_get(b, "file")), *damage = json_string(json_get(b, "damage"));
        int64_t verified = 0, snapshot = 0;
        bool good = !damage && json_integer(json_get(b, "verified_ms"), &verified) && verified > 0 &&
                    json_integer(json_get(b, "snapshot_ms"), &snapshot) && file;
        if (good) {
            s->file = file;
            s->how = json_string(json_get(b, "verified_how"));
            s->snapshot_ms = snapshot;
            if (!json_integer(json_get(b, "took_ms"), &s->took_ms))
                s->took_ms = -1;
        } else {
            s->passed_over++;
            if (!s->flaw)
                s->flaw = damage ? damage : "not verified";
        }
    }
}

static void judge_list(struct check *check, const struct survey *s)
{
    const struct backup_options *o = check->conf->options;
    if (!s->file) {
        check_report(check, VERDICT_DOWN, "there is no verified backup%s%s", s->all ? ", the newest is useless: " : "", s->all ? s->flaw : "");
        return;
    }
    int64_t age = MAX_OF(clock_wall_ms() - s->snapshot_ms, 0);
    enum verdict_state state = age > o->critical_ms ? VERDICT_DOWN : age > o->warning_ms ? VERDICT_WARNING : VERDICT_UP;
    const char *slow = "";
    if (o->slow_ms && s->took_ms > o->slow_ms) {
        state = MAX_OF(state, o->too_slow_ms && s->took_ms > o->too_slow_ms ? VERDICT_DOWN : VERDICT_WARNING);
        slow = arena_printf(check->arena, "; it took %s", duration_say(check->arena, s->took_ms));
    }
    const char *passed = s->passed_over ? arena_printf(check->arena, "; %zu newer not usable: %s", s->passed_over, s->flaw) : "";
    check_report(check, state, "the newest verified backup is %s old: %s (%s)%s%s", duration_say(check->arena, age), s->file, s->how ? s->how : "verified", slow, passed);
}

static void on_list(void *arg, const struct proc_result *result)
{
    struct backup_check *self = arg;
    struct check *check = &self->check;
    const struct json *root;
    struct survey s = {0};
    struct err err = {0};
    self->proc = NULL;
    bool missing = result->end == PROC_EXITED && result->exit_code == EXIT_NOT_FOUND;
    if (!proc_ok(result)) {
        struct str line = {0}, said = str_trim(result->err);
        str_next(&said, '\n', &line);
        check_report(check, missing ? VERDICT_DOWN : VERDICT_UNKNOWN, "%s" STR_FMT, missing ? "there is no backup: " : "could not list the backups: ",
                     STR_ARG(line.n ? line : str_of(result->why)));
    } else if (!json_parse(check->arena, result->out, &root, &err)) {
        check_report(check, VERDICT_UNKNOWN, "could not read the list of backups: %s", err.message);
    } else {
        survey(json_get(root, "backups"), &s);
        judge_list(check, &s);
    }
}

static void start(struct check *check)
{
    struct backup_check *self = CONTAINER_OF(check, struct backup_check, check);
    const char *const argv[] = {check->env->self, "-c", check->env->config->path, "--service", check->env->service->name, "backup", "list", "--json",
                                "--site", check->site->name, NULL};
    struct proc_spec spec = {.argv = argv, .output_max = LIST_MOST, .inherit_env = true}; /* secrets may stand in the environment */
    struct err err = {0};
    if (!proc_start(check->env->loop, &spec, on_list, self, &self->proc, &err))
        check_report(check, VERDICT_UNKNOWN, "%s", err.message);
}

static void cancel(struct check *check)
{
    proc_abandon(&CONTAINER_OF(check, struct backup_check, check)->proc);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct backup_options *o = conf->options;
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    if (!site->backup.folder) {
        err_set(err, ERR_CONFIG, "site \"%s\" has no backup folder", site->name);
        return err_hint(err, "set \"backup: {folder: PATH}\" of the site");
    }
    if (o->warning_ms > o->critical_ms)
        return err_set(err, ERR_CONFIG, "\"warning\" is longer than \"critical\"");
    if (o->too_slow_ms && (!o->slow_ms || o->slow_ms > o->too_slow_ms))
        return err_set(err, ERR_CONFIG, "\"too_slow\" needs a \"slow\" that is shorter");
    return true;
}

#define AT(member) .offset = offsetof(struct backup_options, member)
static const struct option options[] = {
    {"warning", OPTION_DURATION, AT(warning_ms), .fallback = "1h", .min = 1, .max = 365 * MS_DAY, .help = "age of the data above which it is a warning"},
    {"critical", OPTION_DURATION, AT(critical_ms), .fallback = "2h", .min = 1, .max = 365 * MS_DAY, .help = "age of the data above which it is down"},
    {"slow", OPTION_DURATION, AT(slow_ms), .max = 30 * MS_DAY, .help = "time of a backup above which it is a warning", .sample = "1h"},
    {"too_slow", OPTION_DURATION, AT(too_slow_ms), .max = 30 * MS_DAY, .help = "time of a backup above which it is down", .sample = "90m"},
    OPTION_END,
};

const struct check_ops check_backup = {
    .name = "backup",
    .summary = "the age of the newest verified backup, counted from its snapshot",
    .options = options,
    .options_size = sizeof(struct backup_options),
    .check_size = sizeof(struct backup_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
