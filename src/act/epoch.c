/* act/epoch.c -- Two keys of etcd as values, and the one transaction that changes the first. */
#include "act/epoch.h"

#include <inttypes.h>

#include "base/jsonout.h"
#include "io/etcd.h"
#include "io/json.h"
#include "io/standing.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { TEXT_MAX = 4096, TRIES = 3 };

/* ---- what stands there ---- */

static bool take_text(const struct json *body, const char *key, char *to, size_t size)
{
    const char *text = json_string(json_get(body, key));
    return text && str_is_clean(str_of(text)) && str_copy(to, size, text);
}

bool epoch_parse(struct str text, struct epoch *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *body;
    struct epoch e = {0};
    if (!json_parse(arena, text, &body, err))
        return err_prefix(err, "the epoch in etcd");
    if (!json_integer(json_get(body, "epoch"), &e.number) || e.number < 1 || e.number == INT64_MAX || !take_text(body, "site", e.site, sizeof(e.site)) || !*e.site)
        return err_set(err, ERR_DATA, "the epoch in etcd is not understood: \"%.100s\"", arena_printf(arena, STR_FMT, STR_ARG(text)));
    if (!take_text(body, "from", e.from, sizeof(e.from)))
        *e.from = 0;
    if (!take_text(body, "by", e.by, sizeof(e.by)))
        *e.by = 0;
    if (!json_integer(json_get(body, "wall_ms"), &e.wall_ms))
        e.wall_ms = 0;
    e.told = lsn_parse(str_of(json_string(json_get(body, "told"))), &e.told_lsn);
    *ret = e;
    return true;
}

bool epoch_lease_parse(struct str text, struct epoch_lease *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *body;
    struct epoch_lease l = {0};
    if (!json_parse(arena, text, &body, err) || !json_integer(json_get(body, "epoch"), &l.epoch))
        return err_set(err, ERR_DATA, "a lease in etcd is not understood");
    if (!json_integer(json_get(body, "wrote"), &l.wrote))
        l.wrote = 0;
    if (!json_integer(json_get(body, "timeline"), &l.timeline))
        l.timeline = 0;
    if (!take_text(body, "armed", l.armed, sizeof(l.armed)))
        COPY_TO(l.armed, "none");
    if (!take_text(body, "pg", l.pg, sizeof(l.pg)))
        *l.pg = 0;
    if (!lsn_parse(str_of(json_string(json_get(body, "lsn"))), &l.lsn))
        l.lsn = 0;
    l.sync_known = json_get(body, "sync") != NULL;
    if (l.sync_known && !take_text(body, "sync", l.sync, sizeof(l.sync)))
        COPY_TO(l.sync, "(");
    *ret = l;
    return true;
}

const struct epoch_lease *epoch_lease(const struct epoch *epoch, const char *site)
{
    for (size_t i = 0; i < epoch->lease_count; i++)
        if (same(epoch->leases[i].site, site))
            return &epoch->leases[i];
    return NULL;
}

bool epoch_certifies(const struct epoch *epoch, int64_t number, const char *site, const struct service *service)
{
    const struct epoch_lease *lease = epoch_lease(epoch, site);
    /* The first epoch waits for nobody; and of two sites the only other is the one that takes over. */
    return number == 1 || service->sites.n <= 2 || (lease && lease->wrote == number);
}

/* ---- etcd ---- */

struct keys {
    const char *epoch, *leases;
};

static struct keys keys_of(const struct action_ctx *ctx)
{
    const char *prefix = arena_printf(ctx->arena, "%s/%s", ctx->config->etcd.prefix, ctx->service->name);
    return (struct keys){arena_printf(ctx->arena, "%s/epoch", prefix), arena_printf(ctx->arena, "%s/lease/", prefix)};
}

static bool open_etcd(const struct action_ctx *ctx, struct etcd **ret, struct err *err)
{
    const struct etcd_conf *e = &ctx->config->etcd;
    struct etcd_spec spec = {.endpoints = (const char *const *)e->endpoints.p, .endpoint_count = e->endpoints.n, .ca_file = e->ca_file, .cert_file = e->cert_file,
                             .key_file = e->key_file, .user = e->user, .password = e->password, .timeout_ms = action_time(ctx, e->timeout_ms)};
    if (!e->endpoints.n)
        return err_set(err, ERR_CONFIG, "no etcd is configured");
    return etcd_open(&spec, NULL, ret, err);
}

static bool take(const struct keys *keys, const struct etcd_answer *answer, struct epoch *ret, struct err *err)
{
    const struct etcd_value *value = etcd_answer_value(answer, 0);
    *ret = (struct epoch){0};
    if (value && !epoch_parse(value->value, ret, err))
        return false;
    if (value)
        ret->revision = value->mod_revision;
    for (size_t i = 0; answer->result_count > 1 && i < answer->results[1].count && ret->lease_count < EPOCH_LEASES_MAX; i++) {
        const struct etcd_value *v = &answer->results[1].values[i];
        struct epoch_lease *l = &ret->leases[ret->lease_count];
        size_t skip = strlen(keys->leases);
        if (v->key.n <= skip || v->key.n - skip >= sizeof(l->site) || !epoch_lease_parse(v->value, l, NULL))
            continue; /* one that nobody can read says nothing; the agents wait for it all the same */
        snprintf(l->site, sizeof(l->site), STR_FMT, (int)(v->key.n - skip), v->key.p + skip);
        ret->lease_count++;
    }
    return true;
}

static bool read_with(struct etcd *etcd, const struct action_ctx *ctx, struct epoch *ret, struct err *err)
{
    struct keys keys = keys_of(ctx);
    struct etcd_op get[] = {{.kind = ETCD_GET, .key = keys.epoch}, {.kind = ETCD_GET, .key = keys.leases, .prefix = true, .limit = EPOCH_LEASES_MAX}};
    struct etcd_request request = {.kind = ETCD_TXN, .ops = get, .op_count = COUNT_OF(get), .repeatable = true};
    struct etcd_answer answer;
    return etcd_ask(etcd, ctx->arena, &request, &answer, err) == ETCD_ANSWERED ? take(&keys, &answer, ret, err) : err_prefix(err, "which site may write is not known");
}

bool epoch_read(const struct action_ctx *ctx, struct epoch *ret, struct err *err)
{
    SCOPED(etcd_close) struct etcd *etcd = NULL;
    return open_etcd(ctx, &etcd, err) && read_with(etcd, ctx, ret, err);
}

/* Unlike any other, so that one whose answer was lost is known again. */
static const char *text_of(const struct action_ctx *ctx, const struct epoch *e)
{
    SCOPED(buf_done) struct buf out = {.max = TEXT_MAX};
    struct jsonout j = jsonout(&out);
    json_object(&j);
    json_put_int(&j, "epoch", e->number);
    json_put_text(&j, "site", e->site);
    json_put_text(&j, "from", e->from);
    if (e->told)
        json_put_text(&j, "told", lsn_print(ctx->arena, e->told_lsn));
    json_put_text(&j, "by", e->by);
    json_put_int(&j, "wall_ms", clock_wall_ms());
    json_object_end(&j);
    return arena_strdup(ctx->arena, buf_text(&out));
}

/* Only when nobody has written it since `seen` was read. */
static bool write_next(const struct action_ctx *ctx, const struct epoch *seen, struct epoch *next, struct epoch *ret, bool *ret_ours, struct err *err)
{
    SCOPED(etcd_close) struct etcd *etcd = NULL;
    struct keys keys = keys_of(ctx);
    char boot[64];
    clock_boot_id(boot, sizeof(boot));
    snprintf(next->by, sizeof(next->by), "%s, run %s, %.8s-%" PRId64, same(ctx->run, "manual") ? "a person" : "a controller", ctx->run ? ctx->run : "manual", boot, clock_boot_ms());
    struct etcd_compare unchanged = {.key = keys.epoch, .what = ETCD_MOD_REVISION, .number = seen->revision};
    struct etcd_op put = {.kind = ETCD_PUT, .key = keys.epoch, .value = str_of(text_of(ctx, next))};
    struct etcd_request request = {.kind = ETCD_TXN, .compares = &unchanged, .compare_count = 1, .ops = &put, .op_count = 1};
    if (!open_etcd(ctx, &etcd, err))
        return false;
    for (int i = 0; i < TRIES; i++) {
        struct etcd_answer answer;
        struct err why = {0};
        enum etcd_outcome outcome = etcd_ask(etcd, ctx->arena, &request, &answer, &why);
        if (outcome == ETCD_NOT_DONE && why.code != ERR_UNAVAILABLE && why.code != ERR_TIMEOUT) {
            *err = why;
            return err_prefix(err, "the epoch was not moved");
        }
        /* Whatever it said, what stands there now counts: an answer may be lost, and a change arrive a moment later. */
        if (!read_with(etcd, ctx, ret, err))
            continue;
        *ret_ours = same(ret->by, next->by);
        if (*ret_ours || ret->revision != seen->revision)
            return true;
    }
    return err->code ? false : err_set(err, ERR_UNAVAILABLE, "etcd does not move the epoch");
}

bool epoch_move(const struct action_ctx *ctx, const struct epoch *seen, const char *site, const uint64_t *told, struct epoch *ret, bool *ret_moved, struct err *err)
{
    struct epoch next = {.number = seen->number + 1, .told = told != NULL, .told_lsn = told ? *told : 0};
    COPY_TO(next.site, site);
    COPY_TO(next.from, seen->site);
    return write_next(ctx, seen, &next, ret, ret_moved, err);
}

bool epoch_tell(const struct action_ctx *ctx, const struct epoch *seen, uint64_t told, struct epoch *ret, bool *ret_told, struct err *err)
{
    struct epoch next = {.number = seen->number, .told = true, .told_lsn = told};
    COPY_TO(next.site, seen->site);
    COPY_TO(next.from, seen->from);
    return write_next(ctx, seen, &next, ret, ret_told, err);
}
