/* act/plan.c -- One small JSON file, whole or the one before. */
#include "act/plan.h"

#include "base/jsonout.h"
#include "io/json.h"
#include "io/standing.h"
#include "sys/file.h"

#include "base/banned.h"

enum { PLAN_MAX = 16 * 1024 };

const char *plan_phase_name(enum plan_phase phase)
{
#define PLAN_NAME(id, name) [id] = (name),
    static const char *const names[] = {PLAN_PHASES(PLAN_NAME)};
#undef PLAN_NAME
    return names[phase];
}

bool plan_open(enum plan_phase phase)
{
    return phase == PLAN_STOPPING || phase == PLAN_PROVEN || phase == PLAN_PROMOTED || phase == PLAN_CANCELLING;
}

static char *path_of(const struct action_ctx *ctx)
{
    return arena_printf(ctx->arena, "%s/switchover/%s.json", ctx->state_dir, ctx->service->name);
}

static bool take(const struct json *root, const char *key, char *to, size_t size)
{
    const char *text = json_string(json_get(root, key));
    return text && str_copy(to, size, text);
}

static bool phase_of(const char *name, enum plan_phase *ret)
{
    for (int i = 0; i < PLAN_PHASE_MAX; i++)
        if (same(name, plan_phase_name((enum plan_phase)i))) {
            *ret = (enum plan_phase)i;
            return true;
        }
    return false;
}

bool plan_load(const struct action_ctx *ctx, struct plan *ret, struct err *err)
{
    const char *path = path_of(ctx), *position;
    struct plan p = {.phase = PLAN_NONE};
    const struct json *root;
    struct str text;
    *ret = p;
    if (!file_exists(path))
        return true;
    if (!file_read(ctx->arena, path, PLAN_MAX, &text, err) || !json_parse(ctx->arena, text, &root, err))
        return err_prefix(err, "\"%s\"", path);
    position = json_string(json_get(root, "checkpoint"));
    if (!phase_of(json_string(json_get(root, "phase")), &p.phase) || !take(root, "from", p.from, sizeof(p.from)) || !take(root, "to", p.to, sizeof(p.to)) ||
        !take(root, "why", p.why, sizeof(p.why)) || !take(root, "slot", p.slot, sizeof(p.slot)) || !position || !lsn_parse(str_of(position), &p.checkpoint) ||
        !json_integer(json_get(root, "timeline"), &p.timeline) || !json_integer(json_get(root, "began_ms"), &p.began_ms) ||
        !json_integer(json_get(root, "stopped_ms"), &p.stopped_ms) || !json_truth(json_get(root, "in_sync"), &p.in_sync) || !json_integer(json_get(root, "incident"), &p.incident))
        return err_set(err, ERR_DATA, "\"%s\" is not what this program writes", path);
    *ret = p;
    return true;
}

bool plan_keep(const struct action_ctx *ctx, const struct plan *plan, struct err *err)
{
    SCOPED(buf_done) struct buf text = {.max = PLAN_MAX};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    json_put_text(&j, "phase", plan_phase_name(plan->phase));
    json_put_text(&j, "from", plan->from);
    json_put_text(&j, "to", plan->to);
    json_put_text(&j, "why", plan->why);
    json_put_text(&j, "slot", plan->slot);
    json_put_text(&j, "checkpoint", lsn_print(ctx->arena, plan->checkpoint));
    json_put_int(&j, "timeline", plan->timeline);
    json_put_int(&j, "began_ms", plan->began_ms);
    json_put_int(&j, "stopped_ms", plan->stopped_ms);
    json_put_bool(&j, "in_sync", plan->in_sync);
    json_put_int(&j, "incident", plan->incident);
    json_object_end(&j);
    buf_putc(&text, '\n');
    if (!file_mkdirs(file_join(ctx->arena, ctx->state_dir, "switchover"), 0700, err) || !file_write(path_of(ctx), text.p, text.n, 0600, err))
        return err_prefix(err, "keeping how far the switchover is");
    report_fact(ctx->report, "switchover.phase", "%s", plan_phase_name(plan->phase));
    return true;
}
