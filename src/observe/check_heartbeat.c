/* observe/check_heartbeat.c -- Somebody who must report to us and has fallen silent: a backup job, a cron job, another watcher's dead man's
   switch. What comes in is taken by `bascule serve` (POST /heartbeat/NAME). */
#include "observe/drivers.h"
#include "sys/beat.h"

struct heartbeat_options {
    const char *name;
    int64_t within_ms;
};

static void start(struct check *check)
{
    const struct heartbeat_options *o = check->conf->options;
    const char *state_dir = check->env->config->state_dir;
    int64_t ago, listening;
    bool any = beat_read(state_dir, o->name, &ago);
    /* Nobody is blamed for what nobody was there to take: silence is counted from the controller's own beginning. */
    bool long_enough = beat_read(state_dir, BEAT_LISTENING, &listening) && listening >= o->within_ms;
    const char *came = any ? arena_printf(check->arena, "came last %s ago", duration_say(check->arena, ago)) : "never came";
    const char *within = duration_say(check->arena, o->within_ms);
    if (any && ago <= o->within_ms)
        check_report(check, VERDICT_UP, "the heartbeat \"%s\" %s", o->name, came);
    else if (long_enough)
        check_report(check, VERDICT_DOWN, "the heartbeat \"%s\" %s; it must come within %s", o->name, came, within);
    else
        check_report(check, VERDICT_UNKNOWN, "the heartbeat \"%s\" %s; it is listened for since less than %s", o->name, came, within);
}

const char *check_heartbeat_name(const struct check_conf *conf)
{
    return same(conf->type, check_heartbeat.name) ? ((const struct heartbeat_options *)conf->options)->name : NULL;
}

static void cancel(struct check *check UNUSED)
{
    /* start reports at once, so nothing is ever under way */
}

static bool valid(const struct check_conf *conf, const struct service *service UNUSED, struct err *err)
{
    const struct heartbeat_options *o = conf->options;
    if (!o->name)
        return err_set(err, ERR_CONFIG, "a check of type \"heartbeat\" needs \"name\"");
    return !same(o->name, BEAT_LISTENING) || err_set(err, ERR_CONFIG, "\"%s\" is the name of bascule's own", o->name);
}

#define AT(member) .offset = offsetof(struct heartbeat_options, member)
static const struct option options[] = {
    {"name", OPTION_NAME, AT(name), .required = true, .help = "of the heartbeat: it comes as POST /heartbeat/NAME", .sample = "nightly-job"},
    {"within", OPTION_DURATION, AT(within_ms), .required = true, .min = MS_SECOND, .max = 366 * MS_DAY, .help = "it is missed when it did not come for so long", .sample = "25h"},
    OPTION_END,
};

const struct check_ops check_heartbeat = {
    .name = "heartbeat",
    .summary = "somebody who must report, and does",
    .options = options,
    .options_size = sizeof(struct heartbeat_options),
    .check_size = sizeof(struct check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
