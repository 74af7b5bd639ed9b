/* act/traffic/traffic_command.c -- Commands of the operator's own: one that says where the users are sent, one that sends them elsewhere. */
#include "act/host.h"
#include "act/traffic/memory.h"
#include "base/option.h"

#include "base/banned.h"

enum { EXIT_NO_SITE = 3 };

struct command_options {
    struct host host;
    struct strs show, to, undo;
    int64_t timeout_ms;
};

static const struct option options[] = {
    {.key = "show", .type = OPTION_ARGV, .offset = offsetof(struct command_options, show), .required = true,
     .help = "prints the name of the site the users are sent to, and exits 0; exit 3: to none, or to several", .sample = "[/usr/local/bin/edge, show]"},
    {.key = "switch", .type = OPTION_ARGV, .offset = offsetof(struct command_options, to), .required = true,
     .help = "gets the name of a site as its last word, sends the users there, and exits 0 when that was done; any other status is a failure",
     .sample = "[/usr/local/bin/edge, switch]"},
    {.key = "undo", .type = OPTION_ARGV, .offset = offsetof(struct command_options, undo),
     .help = "gets the name of the site that stood there before, takes the last switch back, and exits 0; else `switch:` is used",
     .sample = "[/usr/local/bin/edge, undo]"},
    {.key = "timeout", .type = OPTION_DURATION, .offset = offsetof(struct command_options, timeout_ms), .fallback = "30s", .min = MS_SECOND,
     .max = 10 * MS_MINUTE, .help = "after it a command is ended, which is a failure"},
    {.key = "host", .type = OPTION_HOST, .offset = offsetof(struct command_options, host), .fallback = "local",
     .help = "where they are run: local, or a host reached by ssh", .sample = "local"},
    OPTION_END,
};

static const struct command_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct command_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    return (o->show.n && o->to.n) || err_set(err, ERR_CONFIG, "traffic of service \"%s\": `show:` and `switch:` must be commands", service->name);
}

static bool run(const struct action_ctx *ctx, const struct strs *command, const char *word, struct proc_result *ret, struct err *err)
{
    const struct command_options *o = options_of(ctx);
    struct strs words = {0};
    for (size_t i = 0; i < command->n; i++)
        *vec_add(ctx->arena, &words) = command->p[i];
    if (word)
        *vec_add(ctx->arena, &words) = word;
    if (!host_run(ctx, &o->host, &words, NULL, action_time(ctx, o->timeout_ms), ret, err))
        return err_prefix(err, "`%s`", host_words(ctx->arena, &words));
    return proc_ok(ret) || err_set(err, ERR_FAILED, "`%s` failed with %s", host_words(ctx->arena, &words), host_complaint(ctx->arena, ret));
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    struct proc_result result;
    if (!run(ctx, &options_of(ctx)->show, NULL, &result, err)) {
        if (err && err->code == ERR_FAILED && result.end == PROC_EXITED && result.exit_code == EXIT_NO_SITE)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    struct str name = str_trim(result.out);
    for (size_t i = 0; i < ctx->service->sites.n; i++)
        if (str_is(name, ctx->service->sites.p[i].name)) {
            *ret = &ctx->service->sites.p[i];
            return true;
        }
    return err_set(err, ERR_NOT_FOUND, "`%s` says \"%s\", which is no site of service \"%s\"", host_words(ctx->arena, &options_of(ctx)->show),
                   host_last_lines(ctx->arena, name, 1), ctx->service->name);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct command_options *o = options_of(ctx);
    const struct site *now;
    if (!read_back(ctx, &now, err) && err->code != ERR_NOT_FOUND)
        return err_prefix(err, "before any change");
    return buf_printf(out, "on %s\n$ %s %s\n$ %s\n", host_say(&o->host), host_words(ctx->arena, &o->to), site->name, host_words(ctx->arena, &o->show));
}

static bool go(const struct action_ctx *ctx, const struct strs *command, const char *site, struct err *err)
{
    struct proc_result result;
    const struct site *now;
    if (!run(ctx, command, site, &result, err) || !read_back(ctx, &now, err))
        return false;
    return same(now->name, site) || err_set(err, ERR_FAILED, "`%s %s` says that it was done, yet the users are sent to site \"%s\"",
                                            host_words(ctx->arena, command), site, now->name);
}

static bool go_back(const struct action_ctx *ctx, const char *site, struct err *err)
{
    const struct command_options *o = options_of(ctx);
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    return go(&unhurried, o->undo.n ? &o->undo : &o->to, site, err);
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct site *before = NULL, *now = NULL;
    struct err second = {0};
    if (!read_back(ctx, &before, err) && err->code != ERR_NOT_FOUND)
        return false;
    *err = (struct err){0};
    if (!memory_keep(ctx, site, before ? before->name : "", err))
        return false;
    if (go(ctx, &options_of(ctx)->to, site->name, err))
        return true;
    if (!before) {
        err_set(&second, ERR_NOT_FOUND, "the users were sent to no single site");
        return memory_back(ctx->arena, false, &second, err);
    }
    bool is_back = (read_back(ctx, &now, &second) && now == before) || go_back(ctx, before->name, &second);
    return memory_back(ctx->arena, is_back, &second, err);
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str before;
    if (!memory_text(ctx, &before, err))
        return false;
    if (!before.n)
        return err_set(err, ERR_NOT_FOUND, "before the last switch the users were sent to no single site");
    return go_back(ctx, str_dup(ctx->arena, before), err);
}

extern const struct traffic_ops traffic_command;
const struct traffic_ops traffic_command = {
    .name = "command",
    .by_hand = {.en = "# the second command must name {standby}\n{traffic.switch} {standby}\n{traffic.show}",
                .fr = "# la deuxième commande doit nommer {standby}\n{traffic.switch} {standby}\n{traffic.show}"},
    .summary = "commands of your own that show, switch and take back",
    .options = options,
    .options_size = sizeof(struct command_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
};
