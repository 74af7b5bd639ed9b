/* act/fence/fence_unit.c -- Stops the database through its host: start masked first, so that nothing brings it back between the two,
   then killed at once, since a polite stop may wait for ever on a client or an archive that does not answer. */
#include "act/fence/fence.h"
#include "act/unit.h"
#include "io/ssh.h"

#include "base/banned.h"

enum { COMMAND_MS = 20 * MS_SECOND, STATUS_MS = 10 * MS_SECOND, DEAD_WITHIN_MS = 20 * MS_SECOND, LOOK_EVERY_MS = 100 };

static const char *what_of(const struct action_ctx *ctx, const struct site *site)
{
    return arena_printf(ctx->arena, "%s.database", site->name);
}

static bool usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    static const enum unit_verb needed[] = {UNIT_KILL, UNIT_MASK, UNIT_STATUS};
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (!unit_can(ctx->arena, &site->host, &site->database.unit, needed[i], what_of(ctx, site), err))
            return false;
    return true;
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct unit *unit = &site->database.unit;
    enum unit_state state;
    char say[256];
    if (!unit_state(ctx, &site->host, unit, action_time(ctx, STATUS_MS), &state, say, sizeof(say), err))
        return false;
    struct strs mask = unit_words(ctx->arena, &site->host, unit, UNIT_MASK), stop = unit_words(ctx->arena, &site->host, unit, UNIT_KILL);
    buf_printf(out, "stops the database of site \"%s\" on %s and keeps it from starting; now %s\n", site->name, host_say(&site->host), say);
    return buf_printf(out, "$ %s\n$ %s\n", host_words(ctx->arena, &mask), host_words(ctx->arena, &stop));
}

static bool stopped(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err)
{
    enum unit_masked masked;
    enum unit_state state;
    char say[256];
    *ret = false;
    if (!unit_masked(ctx, &site->host, &site->database.unit, action_time(ctx, STATUS_MS), &masked, err))
        return false;
    if (masked != UNIT_IS_MASKED) /* of commands it cannot be asked, so they are carried out again, which does no harm */
        return true;
    if (!unit_state(ctx, &site->host, &site->database.unit, action_time(ctx, STATUS_MS), &state, say, sizeof(say), err))
        return false;
    *ret = state == UNIT_IS_NOT_RUNNING;
    action_say(evidence, size, "its start is masked on %s and %s", host_say(&site->host), say);
    return true;
}

struct dying {
    const struct action_ctx *ctx;
    const struct site *site;
    char say[256];
};

static bool is_dead(void *arg, struct err *err)
{
    struct dying *d = arg;
    enum unit_state state;
    if (!unit_state(d->ctx, &d->site->host, &d->site->database.unit, action_time(d->ctx, STATUS_MS), &state, d->say, sizeof(d->say), err))
        return false;
    return state == UNIT_IS_NOT_RUNNING || err_set(err, ERR_FAILED, "the database of site \"%s\" is not stopped: %s", d->site->name, d->say);
}

static bool mask(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct unit *unit = &site->database.unit;
    struct proc_result result;
    enum unit_masked masked;
    if (!unit_do(ctx, &site->host, unit, UNIT_MASK, action_time(ctx, COMMAND_MS), &result, err))
        return false;
    if (result.end == PROC_TIMED_OUT && !host_is_local(&site->host)) /* a host that hangs is as little known as one that is gone */
        return err_set(err, ERR_UNAVAILABLE, "host \"%s\" gives %s", site->host.address, result.why);
    if (!proc_ok(&result))
        return err_set(err, ERR_FAILED, "could not keep the database of site \"%s\" from starting, so it was left as it is: %s", site->name,
                       host_complaint(ctx->arena, &result));
    if (!unit_masked(ctx, &site->host, unit, action_time(ctx, STATUS_MS), &masked, err))
        return false;
    if (masked == UNIT_IS_NOT_MASKED)
        return err_set(err, ERR_FAILED, "unit \"%s\" is not masked although systemctl masked it", unit->name);
    return true;
}

static bool stop(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err)
{
    const struct unit *unit = &site->database.unit;
    struct proc_result result;
    struct dying dying = {.ctx = ctx, .site = site};
    if (!mask(ctx, site, err))
        return false;
    /* What is dead already cannot be killed, and says so with a failure: only the state afterwards counts. */
    if (!unit_do(ctx, &site->host, unit, UNIT_KILL, action_time(ctx, COMMAND_MS), &result, err))
        return false;
    if (!action_wait(ctx, DEAD_WITHIN_MS, LOOK_EVERY_MS, is_dead, &dying, err)) {
        if (!proc_ok(&result) && err->code != ERR_UNAVAILABLE)
            err_prefix(err, "the command that kills it failed (%s)", host_complaint(ctx->arena, &result));
        return false;
    }
    struct strs words = unit_words(ctx->arena, &site->host, unit, UNIT_KILL);
    action_say(evidence, size, "%s answered: its start was masked, `%s` was run, and %s", host_say(&site->host),
             host_words(ctx->arena, &words), dying.say);
    return true;
}

extern const struct fence_ops fence_unit;
const struct fence_ops fence_unit = {
    .name = "unit",
    .summary = "the host itself: the database's unit is masked and killed, and its status asked",
    .usable = usable,
    .describe = describe,
    .stopped = stopped,
    .stop = stop,
};
