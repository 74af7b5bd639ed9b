/* act/action_upkeep.c -- One round of backups: a new one, what waits for the stores, and what is kept no longer. Each is the command that a
   person would type, so what it says and refuses is said and refused here as well. */
#include "act/action.h"
#include "act/host.h"
#include "io/json.h"

#include "base/banned.h"

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *site;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    return site->backup.folder || err_set(err, ERR_CONFIG, "site \"%s\" has no backup folder", site->name);
}

/* `words` ended by NULL come after "backup". */
static bool backup_command(const struct action_ctx *ctx, const struct site *site, const char *const *words, struct proc_result *ret, struct err *err)
{
    const char *head[] = {ctx->self, "-c", ctx->config->path, "--service", ctx->service->name, "backup"};
    struct strs argv = {0};
    for (size_t i = 0; i < COUNT_OF(head); i++)
        *vec_add(ctx->arena, &argv) = head[i];
    for (; *words; words++)
        *vec_add(ctx->arena, &argv) = *words;
    *vec_add(ctx->arena, &argv) = "--site";
    *vec_add(ctx->arena, &argv) = site->name;
    *vec_add(ctx->arena, &argv) = NULL;
    struct proc_spec spec = {.argv = argv.p, .inherit_env = true, .output_max = HOST_OUTPUT_MAX};
    return proc_run(ctx->arena, &spec, ret, err);
}

static const char *said(const struct action_ctx *ctx, const struct proc_result *r)
{
    const char *line = host_last_lines(ctx->arena, str_trim(r->err).n ? r->err : r->out, 2);
    return *line ? line : r->why;
}

static int64_t number_of(const struct json *b, const char *key)
{
    int64_t value;
    return json_integer(json_get(b, key), &value) ? value : -1;
}

static bool make(const struct action_ctx *ctx, const struct site *site, const char **ret_file, struct err *err)
{
    static const char *const words[] = {"make", "--json", NULL};
    struct proc_result r;
    const struct json *b;
    report_progress(ctx->report, 0, 0, "making a backup of site %s", site->name);
    if (!backup_command(ctx, site, words, &r, err))
        return false;
    if (!proc_ok(&r)) {
        report_fact(ctx->report, "backup.failed", "%s", said(ctx, &r));
        return err_set(err, ERR_FAILED, "the backup of site \"%s\" failed: %s", site->name, said(ctx, &r));
    }
    if (!json_parse(ctx->arena, r.out, &b, err) || !json_string(json_get(b, "file")))
        return err_set(err, ERR_DATA, "`backup make` said something that cannot be read");
    *ret_file = json_string(json_get(b, "file"));
    report_fact(ctx->report, "backup.file", "%s", *ret_file);
    report_fact(ctx->report, "backup.bytes", "%lld", (long long)number_of(b, "bytes"));
    report_fact(ctx->report, "backup.rows", "%lld", (long long)number_of(b, "rows"));
    report_fact(ctx->report, "backup.took_ms", "%lld", (long long)(number_of(b, "took_ms") >= 0 ? number_of(b, "took_ms") : r.took_ms));
    return true;
}

/* What these could not do leaves the backup as good as it is; they are tried again in the next round. NULL: it went well. */
static const char *tend(const struct action_ctx *ctx, const struct site *site, const char *word, const char *fact)
{
    const char *const words[] = {word, NULL};
    struct proc_result r;
    struct err err = {0};
    report_progress(ctx->report, 0, 0, "backup %s", word);
    if (!backup_command(ctx, site, words, &r, &err))
        return arena_printf(ctx->arena, "; %s failed: %s", word, err.message);
    report_fact(ctx->report, fact, "%s", said(ctx, &r));
    return proc_ok(&r) ? "" : arena_printf(ctx->arena, "; %s failed: %s", word, said(ctx, &r));
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    const struct site *site;
    const char *file, *pushed = "", *pruned;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    bool made = make(ctx, site, &file, err);
    if (site->backup.stores.n) /* also what earlier rounds left, when this one made nothing */
        pushed = tend(ctx, site, "push", "backup.push");
    if (!made) /* nothing goes while nothing comes */
        return false;
    pruned = tend(ctx, site, "prune", "backup.prune");
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" was backed up as \"%s\", which was read back whole%s%s", site->name, file, pushed, pruned);
    return true;
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    const struct site *site;
    if (!action_site(ctx, ctx->args.p[0], &site, err))
        return false;
    buf_printf(out, "makes a backup of site \"%s\" in \"%s\", sends it to %zu stores, and removes what is kept no longer\n", site->name,
               site->backup.folder, site->backup.stores.n);
    buf_printf(out, "$ %s\n", action_command(ctx, "backup make --site %s", site->name));
    if (site->backup.stores.n)
        buf_printf(out, "$ %s\n", action_command(ctx, "backup push --site %s", site->name));
    buf_printf(out, "$ %s\n", action_command(ctx, "backup prune --site %s", site->name));
    return true;
}

/* A round is a new one each time. */
static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    (void)ctx, (void)why, (void)why_size, (void)err;
    *ret = false;
    return true;
}

extern const struct action_ops action_upkeep;
const struct action_ops action_upkeep = {
    .name = "upkeep",
    .usage = "upkeep SITE",
    .summary = "makes a backup of a site, sends it to the stores and removes what is kept no longer",
    .changes = true,
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
