/* act/traffic/traffic_cloudflare.c -- Names of a zone at Cloudflare are pointed to the site by one batch of changes, which its database carries
   out whole or not at all. What stands there is read a moment before; its API has no way to say "only if". */
#include "act/traffic/cloud.h"
#include "act/traffic/memory.h"
#include "act/traffic/records.h"
#include "base/jsonout.h"
#include "io/json.h"
#include "io/transfer.h"

#include "base/banned.h"

/* Its TTLs begin at 30 s, but for 1, "automatic", which is 300 s. In our records 0 stands for one that is proxied: users are given addresses
   of Cloudflare then, and go where it says at once. */
enum { PAGE = 100, TTL_PROXIED = 0, TTL_AUTOMATIC = 1, AUTOMATIC_S = 300, BATCH_MAX = 256 * 1024, ZONE_ID_SIZE = 32 };

struct cloudflare_options {
    const char *zone_id, *endpoint, *ca_file;
    struct secret token;
    bool proxied;
    struct records_conf records;
};

#define AT(member) .offset = offsetof(struct cloudflare_options, member)
static const struct option options[] = {
    {.key = "zone_id", .type = OPTION_STRING, AT(zone_id), .required = true, .help = "the zone's identifier, on its overview page",
     .sample = "023e105f4ecef8ad9ca31a8372d0c353"},
    {.key = "token", .type = OPTION_SECRET, AT(token), .required = true, .help = "an API token with the right DNS:Edit on this zone",
     .sample = "{file: /etc/bascule/cloudflare.token}"},
    {.key = "proxied", .type = OPTION_BOOL, AT(proxied), .fallback = "false", .help = "requests go through Cloudflare, which then follows at once; the TTL has no meaning"},
    {.key = "ttl", .type = OPTION_DURATION, AT(records.ttl_ms), .fallback = "60s", .min = 30 * MS_SECOND, .max = MS_DAY,
     .help = "how long resolvers may hold what is written; `bascule traffic prepare` writes what stands there anew with it"},
    RECORDS_OPTIONS(offsetof(struct cloudflare_options, records)),
    {.key = "endpoint", .type = OPTION_URL, AT(endpoint), .fallback = "https://api.cloudflare.com/client/v4", .help = "where its API is"},
    {.key = "ca_file", .type = OPTION_PATH, AT(ca_file), .help = "certificates to trust; else the system's", .sample = "/etc/bascule/ca.pem"},
    OPTION_END,
};
#undef AT

static const struct cloudflare_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

/* ---- requests ---- */

static bool sign(struct arena *arena, const struct cloud *cloud, const struct cloud_request *request, const char *const **ret, struct err *err)
{
    const struct cloudflare_options *o = cloud->who;
    char *token = NULL;
    const char **headers = arena_alloc(arena, 3 * sizeof(*headers));
    if (!secret_read(arena, &o->token, &token, err))
        return false;
    headers[0] = arena_printf(arena, "Authorization: Bearer %s", token);
    headers[1] = request->content_type ? arena_printf(arena, "Content-Type: %s", request->content_type) : NULL;
    headers[2] = NULL;
    secret_wipe(token);
    *ret = headers;
    return true;
}

/* {"success":false,"errors":[{"code":9109,"message":"Invalid access token"}]} */
static void complain(struct arena *arena, struct str body, struct cloud_complaint *ret)
{
    const struct json *root;
    struct err ignored = {0};
    if (!json_parse(arena, body, &root, &ignored))
        return;
    const struct json *errors = json_get(root, "errors");
    for (size_t i = 0; i < json_count(errors); i++) {
        const struct json *one = json_at(errors, i);
        const char *code = json_scalar(arena, json_get(one, "code")), *message = json_string(json_get(one, "message"));
        ret->text = arena_printf(arena, "%s%s%s%s%s", ret->text ? ret->text : "", ret->text ? "; " : "", code ? code : "", code && message ? ": " : "",
                                 message ? message : "");
    }
}

static bool ask(const struct action_ctx *ctx, const struct cloud_request *request, const struct json **ret, struct err *err)
{
    const struct cloudflare_options *o = options_of(ctx);
    const struct cloud cloud = {.name = "Cloudflare", .endpoint = o->endpoint, .ca_file = o->ca_file, .who = o, .sign = sign, .complain = complain};
    struct cloud_complaint complaint = {0};
    struct str body;
    bool success = false;
    if (!cloud_ask(ctx, &cloud, request, &body, err))
        return false;
    if (!json_parse(ctx->arena, body, ret, err))
        return err_prefix(err, "the answer of Cloudflare");
    if (json_truth(json_get(*ret, "success"), &success) && success)
        return true;
    complain(ctx->arena, body, &complaint);
    return err_set(err, ERR_FAILED, "Cloudflare did not say that it succeeded%s%s", complaint.text ? ": " : "", complaint.text ? complaint.text : "");
}

/* ---- looking ---- */

struct numbered {
    struct ns_records records;
    struct strs ids; /* in the same order */
};

static bool add_record(struct arena *arena, const struct json *one, const struct ns_set *set, struct numbered *to, struct err *err)
{
    const char *id = json_string(json_get(one, "id")), *type = json_string(json_get(one, "type"));
    const char *content = json_string(json_get(one, "content")), *name = json_string(json_get(one, "name"));
    bool proxied = false;
    int64_t ttl = 0;
    name = name ? ns_name(arena, name) : NULL;
    if (!same(name, set->name) || !same(type, ns_type_name(set->type)))
        return true;
    const char *value = content ? ns_value(arena, set->type, content) : NULL;
    if (!id || !*id || !value || !json_integer(json_get(one, "ttl"), &ttl) || ttl < 1 || ttl > INT32_MAX || strlen(id) > 2 * ZONE_ID_SIZE)
        return err_set(err, ERR_PROTOCOL, "Cloudflare describes a record of \"%s\" in a way that is not understood", set->name);
    (void)json_truth(json_get(one, "proxied"), &proxied);
    *vec_add(arena, &to->records) = (struct ns_record){set->name, set->type, proxied ? TTL_PROXIED : (uint32_t)ttl, value};
    *vec_add(arena, &to->ids) = id; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return true;
}

static bool list(const struct action_ctx *ctx, struct numbered *ret, struct err *err)
{
    const struct cloudflare_options *o = options_of(ctx);
    const struct ns_set *sets;
    const struct json *root = NULL;
    size_t n;
    records_sets(ctx->arena, &o->records, &sets, &n);
    *ret = (struct numbered){0};
    for (size_t i = 0; i < n; i++) {
        if (!i || !same(sets[i].name, sets[i - 1].name)) { /* one question for each name: all types are answered */
            const char *name = arena_strndup(ctx->arena, sets[i].name, strlen(sets[i].name) - 1);
            const struct cloud_request request = {
                .method = "GET", .path = arena_printf(ctx->arena, "/zones/%s/dns_records", o->zone_id),
                .query = arena_printf(ctx->arena, "name.exact=%s&per_page=%d", transfer_encode(ctx->arena, name, false), PAGE)};
            int64_t all = 0;
            if (!ask(ctx, &request, &root, err))
                return err_prefix(err, "the records of \"%s\"", name);
            if (!json_get(root, "result"))
                return err_set(err, ERR_PROTOCOL, "Cloudflare answered no list of the records of \"%s\"", name);
            if (json_integer(json_path(root, "result_info.total_count"), &all) && all > PAGE)
                return err_set(err, ERR_LIMIT, "Cloudflare has more than %d records of \"%s\"", PAGE, name);
        }
        const struct json *result = json_get(root, "result");
        for (size_t k = 0; k < json_count(result); k++)
            if (!add_record(ctx->arena, json_at(result, k), &sets[i], ret, err))
                return false;
    }
    return true;
}

static bool look(const struct action_ctx *ctx, struct ns_records *ret, struct err *err)
{
    struct numbered now;
    if (!list(ctx, &now, err))
        return false;
    *ret = now.records;
    return true;
}

static uint32_t held(uint32_t ttl)
{
    return ttl == TTL_AUTOMATIC ? AUTOMATIC_S : ttl;
}

/* ---- changing ---- */

/* Cloudflare writes names without the dot at their end. */
static void put_name(struct jsonout *j, const char *key, const char *name)
{
    char plain[256];
    size_t n = strlen(name);
    n = MIN_OF(n && name[n - 1] == '.' ? n - 1 : n, sizeof(plain) - 1);
    memcpy(plain, name, n);
    plain[n] = 0;
    json_put_text(j, key, plain);
}

static void put_record(struct jsonout *j, const char *id, const struct ns_record *r)
{
    json_object(j);
    if (id)
        json_put_text(j, "id", id);
    put_name(j, "name", r->name);
    json_put_text(j, "type", ns_type_name(r->type));
    put_name(j, "content", r->value);
    json_put_int(j, "ttl", r->ttl == TTL_PROXIED ? TTL_AUTOMATIC : r->ttl);
    json_put_bool(j, "proxied", r->ttl == TTL_PROXIED);
    json_object_end(j);
}

/* What a record of before becomes: itself where it stays, else one of its name and type that is new; NULL: it goes. Records keep their
   identifiers, comments and tags so. */
static const struct ns_record *successor(const struct ns_records *will, const bool *taken, const struct ns_records *now, const struct ns_record *r)
{
    for (size_t i = 0; i < will->n; i++)
        if (will->p[i].type == r->type && same(will->p[i].name, r->name) && same(will->p[i].value, r->value))
            return &will->p[i];
    for (size_t i = 0; i < will->n; i++)
        if (!taken[i] && will->p[i].type == r->type && same(will->p[i].name, r->name) && !records_has(now, &will->p[i]))
            return &will->p[i];
    return NULL;
}

/* {"deletes":[{"id":..}],"patches":[{"id":..,...}],"posts":[{...}]}; true: there is something to do. */
static bool write_batch(struct arena *arena, const struct numbered *now, const struct ns_records *will, struct buf *to)
{
    bool *taken = arena_alloc(arena, will->n + 1);
    const struct ns_record **next = arena_alloc(arena, (now->records.n + 1) * sizeof(*next)); /* NOLINT(bugprone-sizeof-expression): pointers */
    struct jsonout j = jsonout(to);
    bool any = false;
    memset(taken, 0, will->n + 1);
    for (size_t i = 0; i < now->records.n; i++) {
        next[i] = successor(will, taken, &now->records, &now->records.p[i]);
        if (next[i])
            taken[next[i] - will->p] = true;
    }
    json_object(&j);
    json_key(&j, "deletes");
    json_array(&j);
    for (size_t i = 0; i < now->records.n; i++)
        if (!next[i]) {
            json_object(&j);
            json_put_text(&j, "id", now->ids.p[i]);
            json_object_end(&j);
            any = true;
        }
    json_array_end(&j);
    json_key(&j, "patches");
    json_array(&j);
    for (size_t i = 0; i < now->records.n; i++)
        if (next[i] && (next[i]->ttl != now->records.p[i].ttl || !same(next[i]->value, now->records.p[i].value))) {
            put_record(&j, now->ids.p[i], next[i]);
            any = true;
        }
    json_array_end(&j);
    json_key(&j, "posts");
    json_array(&j);
    for (size_t i = 0; i < will->n; i++)
        if (!taken[i]) {
            put_record(&j, NULL, &will->p[i]);
            any = true;
        }
    json_array_end(&j);
    json_object_end(&j);
    return any;
}

static bool change(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct err *err)
{
    SCOPED(buf_done) struct buf body = {.max = BATCH_MAX};
    const struct json *root;
    struct numbered now;
    if (!list(ctx, &now, err))
        return false;
    if (!records_equal(&now.records, was))
        return err_set(err, ERR_REFUSED, "somebody else changes the records too: they are not what they were a moment ago");
    if (!write_batch(ctx->arena, &now, will, &body))
        return true;
    if (body.over)
        return err_set(err, ERR_LIMIT, "too many records for one change");
    const struct cloud_request request = {.method = "POST", .path = arena_printf(ctx->arena, "/zones/%s/dns_records/batch", options_of(ctx)->zone_id),
                                          .query = "", .body = buf_str(&body), .content_type = "application/json"};
    bool taken = ask(ctx, &request, &root, err);
    return records_seen(ctx, taken, will, err);
}

/* ---- the driver ---- */

static void zone(const struct action_ctx *ctx, struct records_zone *ret)
{
    const struct cloudflare_options *o = options_of(ctx);
    *ret = (struct records_zone){.conf = &o->records, .who = "Cloudflare", .ttl = o->proxied ? TTL_PROXIED : (uint32_t)(o->records.ttl_ms / MS_SECOND),
                                 .held = held, .look = look, .change = change};
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    if (!records_describe(ctx, site, out, err))
        return false;
    return !options_of(ctx)->proxied || buf_puts(out, "the records are proxied: resolvers hold addresses of Cloudflare, which itself goes to the site\n");
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct cloudflare_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!o->zone_id || strlen(o->zone_id) != ZONE_ID_SIZE || strspn(o->zone_id, "0123456789abcdef") != ZONE_ID_SIZE)
        return err_set(err, ERR_CONFIG, "\"%s\" is no identifier of a zone: %d digits and letters from a to f", o->zone_id ? o->zone_id : "", ZONE_ID_SIZE);
    if (o->token.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "there is no `token:`");
    return cloud_endpoint_valid(o->endpoint, true, err) && records_valid(&o->records, service, NULL, err);
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct cloudflare_options *o = service->traffic.options;
    struct ns_records wanted =
        records_wanted(arena, &o->records, to->name, o->proxied ? TTL_PROXIED : (uint32_t)(o->records.ttl_ms / MS_SECOND));
    for (size_t i = 0; i < o->records.names.n; i++)
        buf_printf(out, "curl -sS -K auth '%s/zones/%s/dns_records?name.exact=%s'\n", o->endpoint, o->zone_id, o->records.names.p[i]);
    buf_printf(out, "curl -sS -K auth -H 'Content-Type: application/json' '%s/zones/%s/dns_records/batch' --data-binary @- <<'END'\n"
                    "{\"deletes\":[{\"id\":\"ID\"}],\"posts\":[", o->endpoint, o->zone_id);
    for (size_t i = 0; i < wanted.n; i++) {
        struct jsonout j = jsonout(out);
        buf_puts(out, i ? ",\n " : "\n ");
        put_record(&j, NULL, &wanted.p[i]);
    }
    buf_puts(out, "]}\nEND\n");
}

extern const struct traffic_ops traffic_cloudflare;
const struct traffic_ops traffic_cloudflare = {
    .name = "cloudflare",
    .by_hand = {.en = "# in the file auth, mode 0600: header = \"Authorization: Bearer TOKEN\". First the records that are there, A, AAAA and CNAME, with\n"
                      "# the ID of each, then all of them out and the new ones in, at once\n{traffic.commands}",
                .fr = "# dans le fichier auth, mode 0600 : header = \"Authorization: Bearer TOKEN\". D'abord les enregistrements présents, A, AAAA et CNAME,\n"
                      "# avec l'ID de chacun, puis tous sont enlevés et les nouveaux mis, d'un seul coup\n{traffic.commands}"},
    .commands = commands,
    .summary = "Cloudflare: names of a zone are pointed to the site by its API, also those that it proxies",
    .options = options,
    .options_size = sizeof(struct cloudflare_options),
    .valid = valid,
    .read_back = records_read_back,
    .describe = describe,
    .point = records_point,
    .can_put_back = memory_known,
    .put_back = records_put_back,
    .forget = memory_forget,
    .arrives_within = records_arrive_within,
    .zone = zone,
    .prepare = records_prepare,
};
