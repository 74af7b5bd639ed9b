/* act/traffic/traffic_route53.c -- Names of a hosted zone at Route 53 are pointed to the site by one batch of changes, carried out whole or not
   at all. What was read is deleted by its exact values and the new is created: so Route 53 refuses when somebody else has changed it. */
#include "act/traffic/cloud.h"
#include "act/traffic/memory.h"
#include "act/traffic/records.h"
#include "io/transfer.h"
#include "io/xml.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { XML_MAX = 256 * 1024, FIRST_LOOK_MS = 250, LOOK_EVERY_MOST_MS = 2 * MS_SECOND };
#define API "/2013-04-01"

struct route53_options {
    const char *zone_id;
    int64_t sync_ms;
    struct aws_conf aws;
    struct records_conf records;
};

#define AT(member) .offset = offsetof(struct route53_options, member)
static const struct option options[] = {
    {.key = "zone_id", .type = OPTION_NAME, AT(zone_id), .required = true, .help = "the hosted zone's identifier", .sample = "Z1D633PJN98FT9"},
    AWS_OPTIONS(offsetof(struct route53_options, aws)),
    {.key = "region", .type = OPTION_STRING, AT(aws.region), .fallback = "us-east-1", .help = "that requests are signed for; another one only in China and for governments"},
    {.key = "endpoint", .type = OPTION_URL, AT(aws.endpoint), .fallback = "https://route53.amazonaws.com", .help = "where its API is"},
    {.key = "ttl", .type = OPTION_DURATION, AT(records.ttl_ms), .fallback = "60s", .min = MS_SECOND, .max = MS_DAY,
     .help = "how long resolvers may hold what is written; `bascule traffic prepare` writes what stands there anew with it"},
    {.key = "sync", .type = OPTION_DURATION, AT(sync_ms), .fallback = "2m", .min = MS_SECOND, .max = 10 * MS_MINUTE,
     .help = "a change that has not reached all name servers after it has failed, and is taken back"},
    RECORDS_OPTIONS(offsetof(struct route53_options, records)),
    OPTION_END,
};
#undef AT

static const struct route53_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static bool ask(const struct action_ctx *ctx, const struct cloud_request *request, const char *root, struct str *ret, struct err *err)
{
    const struct route53_options *o = options_of(ctx);
    const struct aws aws = {.conf = &o->aws, .service = "route53", .region = o->aws.region};
    const struct cloud cloud = aws_cloud(&aws, "Route 53", o->aws.endpoint);
    struct str body;
    if (!cloud_ask(ctx, &cloud, request, &body, err))
        return false;
    return xml_next(&body, root, ret) || err_set(err, ERR_PROTOCOL, "Route 53 answered what is no <%s>", root);
}

/* ---- looking ---- */

/* "\052.akig.com." as "*.akig.com.": whatever is no letter, digit, - or _ comes in octal. */
static char *plain_name(struct arena *arena, const char *text)
{
    char *plain = arena_strdup(arena, text), *to = plain;
    for (const char *p = plain; *p; p++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
            *to++ = (char)((p[1] - '0') * 64 + (p[2] - '0') * 8 + (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = 0;
    return plain;
}

static bool add_set(struct arena *arena, struct str one, const struct ns_set *set, struct ns_records *to, struct err *err)
{
    const char *name = xml_text(arena, one, "Name"), *type = xml_text(arena, one, "Type"), *ttl = xml_text(arena, one, "TTL");
    const char *routing[] = {"SetIdentifier", "AliasTarget", "HealthCheckId", "TrafficPolicyInstanceId"};
    struct str values = one, value;
    int64_t seconds = 0;
    if (!name || !same(plain_name(arena, name), set->name) || !same(type, ns_type_name(set->type)))
        return true; /* the one after it in the zone's order: there is none of this name and type */
    for (size_t i = 0; i < COUNT_OF(routing); i++)
        if (xml_next(&(struct str){one.p, one.n}, routing[i], &value))
            return err_set(err, ERR_REFUSED, "\"%s\" %s has %s at Route 53: only plain records are moved", set->name, type, routing[i]);
    if (!ttl || !str_int(str_of(ttl), &seconds) || seconds < 0 || seconds > INT32_MAX)
        return err_set(err, ERR_PROTOCOL, "Route 53 describes \"%s\" %s without a TTL", set->name, type);
    while (xml_next(&values, "ResourceRecord", &value)) {
        const char *text = xml_text(arena, value, "Value"), *good = text ? ns_value(arena, set->type, text) : NULL;
        if (!good)
            return err_set(err, ERR_PROTOCOL, "Route 53 describes \"%s\" %s in a way that is not understood", set->name, type);
        *vec_add(arena, to) = (struct ns_record){set->name, set->type, (uint32_t)seconds, good};
    }
    return true;
}

static bool look(const struct action_ctx *ctx, struct ns_records *ret, struct err *err)
{
    const struct route53_options *o = options_of(ctx);
    const struct ns_set *sets;
    size_t n;
    records_sets(ctx->arena, &o->records, &sets, &n);
    *ret = (struct ns_records){0};
    for (size_t i = 0; i < n; i++) {
        const struct cloud_request request = {
            .method = "GET", .path = arena_printf(ctx->arena, API "/hostedzone/%s/rrset", o->zone_id),
            .query = arena_printf(ctx->arena, "maxitems=1&name=%s&type=%s", transfer_encode(ctx->arena, sets[i].name, false), ns_type_name(sets[i].type))};
        struct str all, list, one;
        if (!ask(ctx, &request, "ListResourceRecordSetsResponse", &all, err))
            return err_prefix(err, "the records of \"%s\"", sets[i].name);
        if (xml_next(&all, "ResourceRecordSets", &list) && xml_next(&list, "ResourceRecordSet", &one) && !add_set(ctx->arena, one, &sets[i], ret, err))
            return false;
    }
    return true;
}

/* ---- changing ---- */

static struct ns_records of_set(struct arena *arena, const struct ns_records *all, const struct ns_set *set)
{
    struct ns_records ret = {0};
    for (size_t i = 0; i < all->n; i++)
        if (all->p[i].type == set->type && same(all->p[i].name, set->name))
            *vec_add(arena, &ret) = all->p[i];
    return ret;
}

/* Nothing in it could be taken for XML: names, types, numbers, addresses. */
static void put_change(struct buf *to, const char *action, const struct ns_set *set, const struct ns_records *values)
{
    if (!values->n)
        return;
    buf_printf(to, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>%s</Type><TTL>%u</TTL><ResourceRecords>", action, set->name,
               ns_type_name(set->type), values->p[0].ttl);
    for (size_t i = 0; i < values->n; i++)
        buf_printf(to, "<ResourceRecord><Value>%s</Value></ResourceRecord>", values->p[i].value);
    buf_puts(to, "</ResourceRecords></ResourceRecordSet></Change>");
}

/* false: there is nothing to do. */
static bool write_batch(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct buf *to)
{
    const struct ns_set *sets;
    size_t n;
    bool any = false;
    records_sets(ctx->arena, &options_of(ctx)->records, &sets, &n);
    buf_puts(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch>"
                 "<Comment>bascule</Comment><Changes>");
    /* All that goes before all that comes: a CNAME has no room beside others of its name. */
    for (int creates = 0; creates < 2; creates++)
        for (size_t i = 0; i < n; i++) {
            struct ns_records old = of_set(ctx->arena, was, &sets[i]), new = of_set(ctx->arena, will, &sets[i]);
            if (records_alike(&old, &new))
                continue;
            any = true;
            put_change(to, creates ? "CREATE" : "DELETE", &sets[i], creates ? &new : &old);
        }
    buf_puts(to, "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
    return any;
}

static bool await_sync(const struct action_ctx *ctx, struct str info, struct err *err)
{
    const struct route53_options *o = options_of(ctx);
    int64_t end = clock_boot_ms() + action_time(ctx, o->sync_ms), pause_ms = FIRST_LOOK_MS;
    const char *id = xml_text(ctx->arena, info, "Id"), *name = id ? strrchr(id, '/') : NULL;
    name = name ? name + 1 : id;
    if (!name || !*name || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name))
        return err_set(err, ERR_PROTOCOL, "Route 53 took the change without naming it");
    for (;; pause_ms = MIN_OF(pause_ms * 2, (int64_t)LOOK_EVERY_MOST_MS)) {
        const char *status = xml_text(ctx->arena, info, "Status");
        if (same(status, "INSYNC"))
            return true;
        if (!same(status, "PENDING"))
            return err_set(err, ERR_PROTOCOL, "Route 53 says of change %s that it is \"%s\"", name, status ? status : "");
        if (clock_boot_ms() + pause_ms >= end)
            return err_set(err, ERR_TIMEOUT, "change %s has not reached all name servers of Route 53 within %s", name, duration_say(ctx->arena, o->sync_ms));
        report_progress(ctx->report, 0, 0, "change %s is on its way to the name servers", name);
        action_pause(ctx, pause_ms);
        const struct cloud_request request = {.method = "GET", .path = arena_printf(ctx->arena, API "/change/%s", name), .query = ""};
        struct str answer;
        if (!ask(ctx, &request, "GetChangeResponse", &answer, err))
            return err_prefix(err, "the state of change %s", name);
        if (!xml_next(&answer, "ChangeInfo", &info))
            return err_set(err, ERR_PROTOCOL, "Route 53 says nothing of change %s", name);
    }
}

static bool change(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct err *err)
{
    SCOPED(buf_done) struct buf body = {.max = XML_MAX};
    struct str answer, info;
    if (!write_batch(ctx, was, will, &body))
        return true;
    if (body.over)
        return err_set(err, ERR_LIMIT, "too many records for one change");
    const struct cloud_request request = {.method = "POST", .path = arena_printf(ctx->arena, API "/hostedzone/%s/rrset/", options_of(ctx)->zone_id),
                                          .query = "", .body = buf_str(&body), .content_type = "application/xml"};
    bool taken = ask(ctx, &request, "ChangeResourceRecordSetsResponse", &answer, err);
    if (!taken && strstr(err->message, "InvalidChangeBatch"))
        err_hint(err, "the records are not what they were a moment ago: somebody else changes them too");
    if (taken && !xml_next(&answer, "ChangeInfo", &info))
        return err_set(err, ERR_PROTOCOL, "Route 53 took the change without naming it");
    return (!taken || await_sync(ctx, info, err)) && records_seen(ctx, taken, will, err);
}

/* ---- the driver ---- */

static void zone(const struct action_ctx *ctx, struct records_zone *ret)
{
    const struct route53_options *o = options_of(ctx);
    *ret = (struct records_zone){.conf = &o->records, .who = "Route 53", .ttl = (uint32_t)(o->records.ttl_ms / MS_SECOND), .look = look, .change = change};
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct route53_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!o->zone_id || !*o->zone_id)
        return err_set(err, ERR_CONFIG, "there is no `zone_id:`");
    return aws_valid(&o->aws, err) && records_valid(&o->records, service, NULL, err);
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct route53_options *o = service->traffic.options;
    struct ns_records wanted = records_wanted(arena, &o->records, to->name, (uint32_t)(o->records.ttl_ms / MS_SECOND));
    const struct ns_set *sets;
    size_t n;
    bool any = false;
    records_sets(arena, &o->records, &sets, &n);
    buf_printf(out, "aws route53 change-resource-record-sets --hosted-zone-id %s --change-batch '{\"Changes\":[", o->zone_id);
    for (size_t i = 0; i < n; i++) {
        struct ns_records values = of_set(arena, &wanted, &sets[i]);
        if (!values.n)
            continue;
        buf_printf(out, "%s\n {\"Action\":\"UPSERT\",\"ResourceRecordSet\":{\"Name\":\"%s\",\"Type\":\"%s\",\"TTL\":%u,\"ResourceRecords\":[", any ? "," : "",
                   sets[i].name, ns_type_name(sets[i].type), values.p[0].ttl);
        for (size_t k = 0; k < values.n; k++)
            buf_printf(out, "%s{\"Value\":\"%s\"}", k ? "," : "", values.p[k].value);
        buf_puts(out, "]}}");
        any = true;
    }
    buf_puts(out, "]}'\n");
}

extern const struct traffic_ops traffic_route53;
const struct traffic_ops traffic_route53 = {
    .name = "route53",
    .by_hand = {.en = "# a type that the new site lacks (an AAAA, say) must go: {\"Action\":\"DELETE\", ...} with the TTL and values that it has\n{traffic.commands}",
                .fr = "# un type que le nouveau site n'a pas (un AAAA, par exemple) doit partir : {\"Action\":\"DELETE\", ...} avec son TTL et ses valeurs\n{traffic.commands}"},
    .commands = commands,
    .summary = "Route 53: plain records of a hosted zone are pointed to the site by its API",
    .options = options,
    .options_size = sizeof(struct route53_options),
    .valid = valid,
    .read_back = records_read_back,
    .describe = records_describe,
    .point = records_point,
    .can_put_back = memory_known,
    .put_back = records_put_back,
    .forget = memory_forget,
    .arrives_within = records_arrive_within,
    .zone = zone,
    .prepare = records_prepare,
};
