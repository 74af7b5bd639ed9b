/* observe/check_heartbeat.c -- Somebody who must report to us and has fallen silent: a backup job, a cron job, another watcher's dead man's
   switch. What comes in is taken by `bascule serve` (POST /heartbeat/NAME). */
#include "observe/drivers.h"
#include "sys/beat.h"
#include "sys/clock.h"

struct heartbeat_options {
    const char *name;
    int64_t within_ms;
};

struct heartbeat {
    struct check check; /* first */
    int64_t watched_since_ms; /* boot clock; 0: not yet */
};

static void start(struct check *check)
{
    struct heartbeat *h = CONTAINER_OF(check, struct heartbeat, check);
    const struct heartbeat_options *o = check->conf->options;
    int64_t now = clock_boot_ms(), ago;
    if (!h->watched_since_ms)
        h->watched_since_ms = now;
    bool any = beat_read(check->env->config->state_dir, o->name, &ago);
    const char *came = any ? arena_printf(check->arena, "came last %s ago", duration_say(check->arena, ago)) : "never came";
    const char *within = duration_say(check->arena, o->within_ms);
    if (any && ago <= o->within_ms)
        check_report(check, VERDICT_UP, "the heartbeat \"%s\" %s", o->name, came);
    else if (now - h->watched_since_ms < o->within_ms) /* nobody was here to take it: silence is counted from our own beginning */
        check_report(check, VERDICT_UNKNOWN, "the heartbeat \"%s\" %s; it is awaited for %s", o->name, came, within);
    else
        check_report(check, VERDICT_DOWN, "the heartbeat \"%s\" %s; it must come within %s", o->name, came, within);
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
    return o->name || err_set(err, ERR_CONFIG, "a check of type \"heartbeat\" needs \"name\"");
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
    .check_size = sizeof(struct heartbeat),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
