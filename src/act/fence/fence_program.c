/* act/fence/fence_program.c -- Programs that cut a machine's power, or its way to the world: those of the fence-agents package, and any
   other with the same manners. Each is told to switch off and is then asked; what it says of its own success counts for nothing. All
   entries of one type belong together, as the two power supplies of a machine do: every one of them must be off. */
#include "act/fence/fence.h"
#include "act/host.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { LOOK_EVERY_MS = 500, SETTLE_MS = 20 * MS_SECOND, IS_ON = 0, IS_OFF = 2 }; /* exit statuses of fence-agents' action "status" */

struct program_options {
    const char *program;      /* fence_agent */
    struct strs options;      /* "ip=10.0.0.9" */
    struct secret password;
    struct strs off, status;  /* command */
    int64_t timeout_ms;
};

/* ---- running it ---- */

struct entry {
    const struct action_ctx *ctx;
    const struct program_options *o;
};

static const char *name_of(const struct entry *e)
{
    return e->o->program ? e->o->program : e->o->off.p[0];
}

/* What it reads: an agent that gets no argument takes all of it from its input, so that nothing of it shows among the processes. */
static bool input_for(const struct entry *e, const char *action, char **ret, char **ret_password, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = 64 * 1024};
    if (!e->o->program)
        return true;
    buf_printf(&text, "action=%s\n", action);
    for (size_t i = 0; i < e->o->options.n; i++)
        buf_printf(&text, "%s\n", e->o->options.p[i]);
    if (e->o->password.source != SECRET_NONE) {
        if (!secret_read(e->ctx->arena, &e->o->password, ret_password, err))
            return err_prefix(err, "the password of \"%s\"", e->o->program);
        buf_printf(&text, "password=%s\n", *ret_password);
    }
    *ret = arena_strdup(e->ctx->arena, buf_text(&text));
    secret_wipe(text.p);
    return true;
}

/* How it ended, in its own words unless they hold the password. */
static const char *complaint(const struct entry *e, const struct proc_result *result, const char *password)
{
    const char *words = host_complaint(e->ctx->arena, result);
    return password && *password && strstr(words, password) ? result->why : words;
}

static bool tell(const struct entry *e, const char *action, struct proc_result *ret, const char **ret_words, struct err *err)
{
    char *input = NULL, *password = NULL;
    const char *alone[] = {e->o->program, NULL};
    struct strs words = e->o->program ? host_argv(e->ctx->arena, alone) : same(action, "off") ? e->o->off : e->o->status;
    if (!input_for(e, action, &input, &password, err))
        return false;
    bool ran = host_run(e->ctx, NULL, &words, input, action_time(e->ctx, e->o->timeout_ms), ret, err);
    if (ran)
        *ret_words = complaint(e, ret, password);
    secret_wipe(input);
    secret_wipe(password);
    return ran;
}

/* ERR_UNAVAILABLE: it cannot say. */
static bool is_off(void *arg, struct err *err)
{
    const struct entry *e = arg;
    struct proc_result result;
    const char *words = "";
    if (!tell(e, "status", &result, &words, err))
        return false;
    if (result.end != PROC_EXITED || (result.exit_code != IS_ON && result.exit_code != IS_OFF))
        return err_set(err, ERR_UNAVAILABLE, "\"%s\" cannot say whether it is off: %s", name_of(e), words);
    if (result.exit_code == IS_OFF && !strstr(arena_strndup(e->ctx->arena, result.out.p, result.out.n), "Status: ON"))
        return true;
    return err_set(err, ERR_FAILED, "\"%s\" says that it is still on", name_of(e));
}

static bool switch_off(const struct entry *e, struct err *err)
{
    struct proc_result result;
    struct err why = {0};
    const char *words = "";
    if (!tell(e, "off", &result, &words, err))
        return false;
    if (action_wait(e->ctx, SETTLE_MS, LOOK_EVERY_MS, is_off, (void *)(uintptr_t)e, &why))
        return true;
    if (err)
        *err = why;
    if (!proc_ok(&result))
        return err_prefix(err, "it was told to switch off (%s), and", words);
    return err_prefix(err, "it said that it had switched off, and");
}

/* ---- all entries of a type ---- */

typedef bool each_fn(const struct entry *e, struct err *err);

static bool for_each(const struct action_ctx *ctx, const struct site *site, const char *type, each_fn *each, size_t *ret_count, struct err *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < site->fences.n; i++) {
        struct entry e = {.ctx = ctx, .o = site->fences.p[i].options};
        if (!same(site->fences.p[i].type, type))
            continue;
        (*ret_count)++;
        if (!each(&e, err))
            return false;
    }
    return true;
}

static bool nothing(const struct entry *e, struct err *err)
{
    (void)e, (void)err;
    return true;
}

static bool off_already(const struct entry *e, struct err *err)
{
    return is_off((void *)(uintptr_t)e, err);
}

static bool usable(const struct action_ctx *ctx, const struct site *site, const char *type, struct err *err)
{
    size_t n;
    return for_each(ctx, site, type, nothing, &n, err) && (n || err_set(err, ERR_CONFIG, "site \"%s\" has no fence of type \"%s\"", site->name, type));
}

static bool describe(const struct action_ctx *ctx, const struct site *site, const char *type, struct buf *out)
{
    for (size_t i = 0; i < site->fences.n; i++) {
        struct entry e = {.ctx = ctx, .o = site->fences.p[i].options};
        struct err why = {0};
        if (!same(site->fences.p[i].type, type))
            continue;
        bool off = is_off(&e, &why);
        buf_printf(out, "tells \"%s\" to switch site \"%s\" off, and asks it; now %s\n", name_of(&e), site->name, off ? "it is off" : why.message);
    }
    return !out->over;
}

static bool stopped(const struct action_ctx *ctx, const struct site *site, const char *type, bool *ret, char *evidence, size_t size)
{
    size_t n;
    struct err why = {0};
    *ret = for_each(ctx, site, type, off_already, &n, &why) && n;
    if (*ret)
        action_say(evidence, size, "%s says that it is off", type);
    return true;
}

static bool stop(const struct action_ctx *ctx, const struct site *site, const char *type, char *evidence, size_t size, struct err *err)
{
    size_t n;
    if (!for_each(ctx, site, type, switch_off, &n, err))
        return false;
    const char *names = "";
    for (size_t i = 0; i < site->fences.n; i++)
        if (same(site->fences.p[i].type, type)) {
            struct entry e = {.ctx = ctx, .o = site->fences.p[i].options};
            names = arena_printf(ctx->arena, "%s%s\"%s\"", names, *names ? " and " : "", name_of(&e));
        }
    action_say(evidence, size, "%s switched it off and, asked again, said that it is off", names);
    return true;
}

/* ---- fence_agent ---- */

static const char agent_type[] = "fence_agent", command_type[] = "command";

static bool agent_valid(const struct fence_conf *conf, const struct site *site UNUSED, struct err *err)
{
    const struct program_options *o = conf->options;
    for (size_t i = 0; i < o->options.n; i++) {
        struct str line = str_of(o->options.p[i]), name;
        if (strchr(o->options.p[i], '\n') || !str_next(&line, '=', &name) || !name.n || !line.p)
            return err_set(err, ERR_CONFIG, "\"%s\" is not written NAME=VALUE", o->options.p[i]);
        if (str_is(name, "action") || str_starts(name, "pass"))
            return err_set(err, ERR_CONFIG, "\"" STR_FMT "\" does not belong among the options: `password:` takes a secret, and the action is ours to say", STR_ARG(name));
    }
    return true;
}

static bool agent_usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    return usable(ctx, site, agent_type, err);
}

static bool agent_describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err UNUSED)
{
    return describe(ctx, site, agent_type, out);
}

static bool agent_stopped(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err UNUSED)
{
    return stopped(ctx, site, agent_type, ret, evidence, size);
}

static bool agent_stop(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err)
{
    return stop(ctx, site, agent_type, evidence, size, err);
}

#define AT(member) .offset = offsetof(struct program_options, member)
static const struct option agent_options[] = {
    {"program", OPTION_STRING, AT(program), .required = true, .help = "of Debian's fence-agents package, or one with its manners: a name, or a path", .sample = "fence_ipmilan"},
    {"options", OPTION_STRINGS, AT(options), .help = "NAME=VALUE as the agent's own manual says; given on its input", .sample = "[ip=10.0.0.9, username=fence, lanplus=1]"},
    {"password", OPTION_SECRET, AT(password), .help = "given on its input, too", .sample = "{file: /etc/bascule/ipmi.password}"},
    {"timeout", OPTION_DURATION, AT(timeout_ms), .fallback = "20s", .min = 100, .max = 10 * MS_MINUTE, .help = "for each of its runs"},
    OPTION_END,
};

extern const struct fence_ops fence_agent, fence_command;
const struct fence_ops fence_agent = {
    .name = agent_type,
    .summary = "a program of the fence-agents package: told to switch the machine off, then asked",
    .options = agent_options,
    .options_size = sizeof(struct program_options),
    .powers_off = true,
    .valid = agent_valid,
    .usable = agent_usable,
    .describe = agent_describe,
    .stopped = agent_stopped,
    .stop = agent_stop,
};

/* ---- command ---- */

static bool command_valid(const struct fence_conf *conf, const struct site *site UNUSED, struct err *err)
{
    const struct program_options *o = conf->options;
    return (o->off.n && o->status.n) || err_set(err, ERR_CONFIG, "both commands need a program");
}

static bool command_usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    return usable(ctx, site, command_type, err);
}

static bool command_describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err UNUSED)
{
    return describe(ctx, site, command_type, out);
}

static bool command_stopped(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err UNUSED)
{
    return stopped(ctx, site, command_type, ret, evidence, size);
}

static bool command_stop(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err)
{
    return stop(ctx, site, command_type, evidence, size, err);
}

static const struct option command_options[] = {
    {"off", OPTION_ARGV, AT(off), .required = true, .help = "cuts the site off for good: its power, or every way to its database", .sample = "[/usr/local/bin/cut-off, production]"},
    {"status", OPTION_ARGV, AT(status), .required = true, .help = "exit status 0: it is still on; 2: it is off; any other: that is not known", .sample = "[/usr/local/bin/is-cut-off, production]"},
    {"timeout", OPTION_DURATION, AT(timeout_ms), .fallback = "20s", .min = 100, .max = 10 * MS_MINUTE, .help = "for each of the two"},
    OPTION_END,
};

const struct fence_ops fence_command = {
    .name = command_type,
    .summary = "commands of your own: one that cuts the site off, and one that says whether it is off",
    .options = command_options,
    .options_size = sizeof(struct program_options),
    .powers_off = true,
    .valid = command_valid,
    .usable = command_usable,
    .describe = command_describe,
    .stopped = command_stopped,
    .stop = command_stop,
};
