/* act/unit.c -- Commands come before a unit's name: who wrote them down knows the host better. */
#include "act/unit.h"

#include <unistd.h>

#include "io/ssh.h"

#include "base/banned.h"

const char *unit_verb_name(enum unit_verb verb)
{
#define UNIT_NAME(id, name) [id] = (name),
    static const char *const names[] = {UNIT_VERBS(UNIT_NAME)};
#undef UNIT_NAME
    return names[verb];
}

static const struct strs *command_of(const struct unit *u, enum unit_verb verb)
{
    const struct strs *const commands[UNIT_VERB_MAX] = {
        [UNIT_START] = &u->start, [UNIT_STOP] = &u->stop,     [UNIT_RESTART] = &u->restart,
        [UNIT_STATUS] = &u->status, [UNIT_MASK] = &u->mask,   [UNIT_UNMASK] = &u->unmask,
        [UNIT_KILL] = u->kill.n ? &u->kill : &u->stop,        [UNIT_LOG] = &u->log,
    };
    return commands[verb];
}

static bool wants_sudo(const struct host *host, enum unit_verb verb)
{
    if (verb == UNIT_STATUS)
        return false;
    return host_is_local(host) ? geteuid() != 0 : host->user && !same(host->user, "root");
}

/* A mask is not --runtime: a fenced host that reboots would otherwise come back as a second writer. */
static struct strs systemd_words(struct arena *arena, const struct host *host, const char *name, enum unit_verb verb)
{
    static const char *const verbs[UNIT_VERB_MAX][5] = {
        [UNIT_START] = {"systemctl", "start"},     [UNIT_STOP] = {"systemctl", "stop"},
        [UNIT_RESTART] = {"systemctl", "restart"}, [UNIT_STATUS] = {"systemctl", "is-active"},
        [UNIT_MASK] = {"systemctl", "mask"},       [UNIT_UNMASK] = {"systemctl", "unmask"},
        [UNIT_KILL] = {"systemctl", "kill", "-s", "KILL"}, [UNIT_LOG] = {"journalctl", "-u"},
    };
    struct strs words = {0};
    if (wants_sudo(host, verb)) {
        *vec_add(arena, &words) = "sudo";
        *vec_add(arena, &words) = "-n";
    }
    for (size_t i = 0; i < 5 && verbs[verb][i]; i++)
        *vec_add(arena, &words) = verbs[verb][i];
    *vec_add(arena, &words) = name;
    static const char *const newest[] = {"-n", "20", "--no-pager", "-o", "short-iso"};
    for (size_t i = 0; verb == UNIT_LOG && i < COUNT_OF(newest); i++)
        *vec_add(arena, &words) = newest[i];
    return words;
}

struct strs unit_words(struct arena *arena, const struct host *host, const struct unit *unit, enum unit_verb verb)
{
    const struct strs *command = command_of(unit, verb);
    if (command->n)
        return *command;
    return unit->name ? systemd_words(arena, host, unit->name, verb) : (struct strs){0};
}

bool unit_can(struct arena *arena, const struct host *host, const struct unit *unit, enum unit_verb verb, const char *what, struct err *err)
{
    if (unit_words(arena, host, unit, verb).n)
        return true;
    err_set(err, ERR_CONFIG, "nobody says how to %s \"%s\"", unit_verb_name(verb), what);
    return err_hint(err, "give its unit a `name:` (systemd) or the command `%s:`", unit_verb_name(verb));
}

bool unit_do(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, enum unit_verb verb, int64_t timeout_ms,
             struct proc_result *ret, struct err *err)
{
    struct strs words = unit_words(ctx->arena, host, unit, verb);
    if (!words.n)
        return err_set(err, ERR_CONFIG, "no command for \"%s\"", unit_verb_name(verb));
    return host_run(ctx, host, &words, NULL, timeout_ms, ret, err);
}

bool unit_state(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, int64_t timeout_ms, enum unit_state *ret,
                char *say, size_t say_size, struct err *err)
{
    struct proc_result result;
    if (!unit_do(ctx, host, unit, UNIT_STATUS, timeout_ms, &result, err))
        return false;
    if (unit->status.n || result.end != PROC_EXITED) {
        *ret = result.end != PROC_EXITED ? UNIT_IS_UNCLEAR : result.exit_code ? UNIT_IS_NOT_RUNNING : UNIT_IS_RUNNING;
        /* 126 and 127 are the shell's and env's word for a program that could not be executed: that says nothing about the service. */
        if (result.end == PROC_EXITED && (result.exit_code == 126 || result.exit_code == 127))
            *ret = UNIT_IS_UNCLEAR;
        action_say(say, say_size, "its status command says %s", host_complaint(ctx->arena, &result));
        return true;
    }
    struct str word = str_trim(result.out);
    bool off = str_is(word, "inactive") || str_is(word, "failed");
    *ret = str_is(word, "active") || str_is(word, "reloading") ? UNIT_IS_RUNNING : off ? UNIT_IS_NOT_RUNNING : UNIT_IS_UNCLEAR;
    if (word.n)
        action_say(say, say_size, "systemd calls unit \"%s\" " STR_FMT, unit->name, STR_ARG(word));
    else
        action_say(say, say_size, "systemctl says nothing of unit \"%s\": %s", unit->name, host_complaint(ctx->arena, &result));
    return true;
}

bool unit_masked(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, int64_t timeout_ms, enum unit_masked *ret,
                 struct err *err)
{
    *ret = UNIT_MASK_UNKNOWN;
    if (unit->mask.n || !unit->name)
        return true;
    const char *words[] = {"systemctl", "is-enabled", unit->name, NULL};
    struct strs argv = host_argv(ctx->arena, words);
    struct proc_result result;
    if (!host_run(ctx, host, &argv, NULL, timeout_ms, &result, err))
        return false;
    struct str word = str_trim(result.out);
    *ret = str_is(word, "masked") || str_is(word, "masked-runtime") ? UNIT_IS_MASKED : word.n ? UNIT_IS_NOT_MASKED : UNIT_MASK_UNKNOWN;
    return true;
}
