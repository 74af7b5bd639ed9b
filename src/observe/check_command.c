/* observe/check_command.c -- Any program with the exit codes and the output of a Nagios plugin: 0 ok, 1 warning, 2 critical, else unknown. */
#include "observe/drivers.h"
#include "observe/hostrun.h"

struct command_options {
    struct strs argv;
};

static void on_exit_code(struct hostrun *run, const struct proc_result *result)
{
    static const enum verdict_state states[] = {VERDICT_UP, VERDICT_WARNING, VERDICT_DOWN};
    struct check *check = &run->check;
    struct str line = str_of(first_line(check->arena, result->out.n ? result->out : result->err)), text = {0};
    str_next(&line, '|', &text); /* what follows the bar is performance data */
    text = str_trim(text);
    bool known = result->end == PROC_EXITED && result->exit_code < (int)COUNT_OF(states);
    if (text.n)
        check_report(check, known ? states[result->exit_code] : VERDICT_UNKNOWN, STR_FMT, STR_ARG(text));
    else
        check_report(check, known ? states[result->exit_code] : VERDICT_UNKNOWN, "the command said nothing (%s)", result->why);
}

static void start(struct check *check)
{
    const struct command_options *o = check->conf->options;
    hostrun_start(CONTAINER_OF(check, struct hostrun, check), &o->argv, on_exit_code);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct command_options *o = conf->options;
    if (o->argv.n == 0)
        return err_set(err, ERR_CONFIG, "a check of type \"command\" needs an \"argv\"");
    if (conf->site && !service_site(service, conf->site))
        return err_set(err, ERR_CONFIG, "service \"%s\" has no site \"%s\"", service->name, conf->site);
    return true;
}

static const struct option options[] = {
    {"argv", OPTION_ARGV, .offset = offsetof(struct command_options, argv), .required = true, .help = "program and arguments; on the site's host, or here without a site",
     .sample = "[/usr/lib/nagios/plugins/check_load, -w, \"5\", -c, \"10\"]"},
    OPTION_END,
};

const struct check_ops check_command = {
    .name = "command",
    .summary = "any program with Nagios exit codes and output",
    .options = options,
    .options_size = sizeof(struct command_options),
    .check_size = sizeof(struct hostrun),
    .valid = valid,
    .start = start,
    .cancel = hostrun_cancel,
    .way_may_be_lost = hostrun_way_may_be_lost,
};
