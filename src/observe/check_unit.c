/* observe/check_unit.c -- Does the service manager of the site's host say that the database or the application runs? */
#include "observe/drivers.h"
#include "observe/hostrun.h"

enum { UNIT_DATABASE, UNIT_APPLICATION };
static const char *const unit_names[] = {"database", "application", NULL};

struct unit_options {
    int unit;
};

static const struct unit *unit_of(const struct check_conf *conf, const struct site *site)
{
    const struct unit_options *o = conf->options;
    return o->unit == UNIT_APPLICATION ? &site->application.unit : &site->database.unit;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (same(word, *list))
            return true;
    return false;
}

static void on_systemctl(struct hostrun *run, const struct proc_result *result)
{
    static const char *const dead[] = {"inactive", "failed", "deactivating", NULL};
    static const char *const changing[] = {"activating", "reloading", "maintenance", NULL};
    struct check *check = &run->check;
    const char *name = unit_of(check->conf, check->site)->name;
    const char *said = first_line(check->arena, result->out), *complaint = first_line(check->arena, result->err);
    if (proc_ok(result))
        check_report(check, VERDICT_UP, "%s is %s", name, *said ? said : "active");
    else if (is_one_of(said, dead))
        check_report(check, VERDICT_DOWN, "%s is %s", name, said);
    else if (is_one_of(said, changing))
        check_report(check, VERDICT_WARNING, "%s is %s", name, said);
    else /* no such unit, or no systemd: nothing is known of the service */
        check_report(check, VERDICT_UNKNOWN, "could not learn the state of %s: %s", name, *complaint ? complaint : *said ? said : result->why);
}

static void on_status(struct hostrun *run, const struct proc_result *result)
{
    struct check *check = &run->check;
    const struct unit_options *o = check->conf->options;
    const char *what = unit_names[o->unit], *said = first_line(check->arena, result->out.n ? result->out : result->err);
    const char *words = *said ? said : result->why;
    bool missing = result->end == PROC_EXITED && (result->exit_code == 126 || result->exit_code == 127);
    if (proc_ok(result))
        check_report(check, VERDICT_UP, "the %s runs%s%s", what, *said ? ": " : "", said);
    else if (missing || result->end != PROC_EXITED)
        check_report(check, VERDICT_UNKNOWN, "could not learn the state of the %s: %s", what, words);
    else
        check_report(check, VERDICT_DOWN, "the %s does not run: %s", what, words);
}

static void start(struct check *check)
{
    struct hostrun *run = CONTAINER_OF(check, struct hostrun, check);
    const struct unit *unit = unit_of(check->conf, check->site);
    if (unit->status.n) {
        hostrun_start(run, &unit->status, on_status);
        return;
    }
    const char *words[] = {"systemctl", "is-active", "--", unit->name};
    struct strs argv = {.p = words, .n = COUNT_OF(words)};
    hostrun_start(run, &argv, on_systemctl);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct unit_options *o = conf->options;
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    const struct unit *unit = unit_of(conf, site);
    if (unit->status.n || unit->name)
        return true;
    err_set(err, ERR_CONFIG, "the %s of site \"%s\" has no unit to ask about", unit_names[o->unit], site->name);
    return err_hint(err, "set \"unit: {name: NAME}\" or \"unit: {status: [COMMAND]}\" there");
}

static const struct option options[] = {
    {"unit", OPTION_ENUM, .offset = offsetof(struct unit_options, unit), .fallback = "database", .names = unit_names, .help = "which unit of the site"},
    OPTION_END,
};

const struct check_ops check_unit = {
    .name = "unit",
    .summary = "the service manager says that the site's database or application runs",
    .options = options,
    .options_size = sizeof(struct unit_options),
    .check_size = sizeof(struct hostrun),
    .valid = valid,
    .start = start,
    .cancel = hostrun_cancel,
    .way_may_be_lost = hostrun_way_may_be_lost,
};
