/* act/traffic/traffic_dns.c -- Names of a zone are pointed to the site by dynamic updates (RFC 2136) that are signed. All of them change in
   one message, and only when they are still what was read before. Users follow when the TTL that they hold has run out. */
#include "act/traffic/memory.h"
#include "act/traffic/records.h"
#include "io/sock.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { ASK_MS = 3 * MS_SECOND, UPDATE_MS = 8 * MS_SECOND };

struct dns_options {
    const char *server, *zone, *key;
    int algorithm;
    struct secret secret;
    struct records_conf records;
};

static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512", NULL};

#define AT(member) .offset = offsetof(struct dns_options, member)
static const struct option options[] = {
    {.key = "server", .type = OPTION_STRING, AT(server), .required = true, .help = "primary server of the zone, ADDRESS:PORT; updates go there",
     .sample = "192.0.2.53:53"},
    {.key = "zone", .type = OPTION_STRING, AT(zone), .required = true, .help = "zone that holds the names", .sample = "akig.com"},
    {.key = "key", .type = OPTION_STRING, AT(key), .required = true, .help = "name of the TSIG key, as the server knows it", .sample = "bascule"},
    {.key = "algorithm", .type = OPTION_ENUM, AT(algorithm), .fallback = "hmac-sha256", .names = algorithms, .help = "that of the key"},
    {.key = "secret", .type = OPTION_SECRET, AT(secret), .required = true, .help = "the key itself, in base64", .sample = "{file: /etc/bascule/tsig.secret}"},
    {.key = "ttl", .type = OPTION_DURATION, AT(records.ttl_ms), .fallback = "60s", .min = MS_SECOND, .max = MS_DAY,
     .help = "how long resolvers may hold what is written; `bascule traffic prepare` writes what stands there anew with it"},
    RECORDS_OPTIONS(offsetof(struct dns_options, records)),
    OPTION_END,
};
#undef AT

static const struct dns_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static bool look(const struct action_ctx *ctx, struct ns_records *ret, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    const struct ns_set *sets;
    size_t n;
    records_sets(ctx->arena, &o->records, &sets, &n);
    *ret = (struct ns_records){0};
    for (size_t i = 0; i < n; i++) {
        struct ns_records some;
        if (!ns_ask(ctx->arena, o->server, sets[i].name, sets[i].type, true, action_time(ctx, ASK_MS), &some, err))
            return false;
        for (size_t k = 0; k < some.n; k++) {
            *vec_add(ctx->arena, ret) = some.p[k];
            ret->p[ret->n - 1].name = sets[i].name;
        }
    }
    return true;
}

static bool serial(const struct action_ctx *ctx, uint32_t *ret, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    struct ns_records soa;
    int64_t number = 0;
    if (!ns_ask(ctx->arena, o->server, ns_name(ctx->arena, o->zone), NS_SOA, true, action_time(ctx, ASK_MS), &soa, err))
        return false;
    if (soa.n != 1 || !str_int(str_of(soa.p[0].value), &number) || number < 0 || number > UINT32_MAX)
        return err_set(err, ERR_NOT_FOUND, "DNS server \"%s\" has no zone \"%s\"", o->server, o->zone);
    *ret = (uint32_t)number;
    return true;
}

/* The answer to an update that was carried out may get lost, and the same update sent again is refused then, since what it wants to find
   is there no more. So what stands there decides. */
static bool change(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    struct ns_change c = {.zone = ns_name(ctx->arena, o->zone), .was = was, .will = will};
    uint32_t before = 0, after = 0;
    char *secret = NULL;
    records_sets(ctx->arena, &o->records, &c.sets, &c.count);
    if (!serial(ctx, &before, err) || !secret_read(ctx->arena, &o->secret, &secret, err))
        return false;
    const struct ns_key key = {o->key, algorithms[o->algorithm], secret};
    bool taken = ns_update(ctx->arena, o->server, &key, &c, action_time(ctx, UPDATE_MS), err);
    secret_wipe(secret);
    if (!records_seen(ctx, taken, will, err) || !serial(ctx, &after, err))
        return false;
    if (!records_equal(was, will) && (int32_t)(after - before) <= 0)
        return err_set(err, ERR_FAILED, "the serial of zone \"%s\" did not advance (%u, then %u): other servers would not fetch the change", o->zone, before,
                       after);
    report_progress(ctx->report, 0, 0, "zone %s has serial %u", o->zone, after);
    return true;
}

/* ---- the driver ---- */

static void zone(const struct action_ctx *ctx, struct records_zone *ret)
{
    const struct dns_options *o = options_of(ctx);
    *ret = (struct records_zone){.conf = &o->records, .who = arena_printf(ctx->arena, "DNS server \"%s\"", o->server),
                                 .ttl = (uint32_t)(o->records.ttl_ms / MS_SECOND), .look = look, .change = change};
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    uint32_t number;
    char *secret = NULL;
    if (!serial(ctx, &number, err) || !secret_read(ctx->arena, &o->secret, &secret, err))
        return err_prefix(err, "before any change");
    secret_wipe(secret);
    buf_printf(out, "zone %s has serial %u\n", o->zone, number);
    return records_describe(ctx, site, out, err);
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct dns_options *o = conf->options;
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *zone = ns_name(arena, o->zone);
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!sock_address_is_good(o->server) || *o->server == '/')
        return err_set(err, ERR_CONFIG, "\"%s\" is no ADDRESS:PORT of a DNS server", o->server ? o->server : "");
    if (!zone)
        return err_set(err, ERR_CONFIG, "\"%s\" is no name of a zone", o->zone ? o->zone : "");
    if (!o->key || !ns_name(arena, o->key))
        return err_set(err, ERR_CONFIG, "\"%s\" is no name of a key", o->key ? o->key : "");
    if (o->secret.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "there is a key, but no `secret:`");
    return records_valid(&o->records, service, zone, err);
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct dns_options *o = service->traffic.options;
    struct ns_records wanted = records_wanted(arena, &o->records, to->name, (uint32_t)(o->records.ttl_ms / MS_SECOND));
    const struct ns_set *sets;
    size_t n;
    const char *colon = strrchr(o->server, ':');
    records_sets(arena, &o->records, &sets, &n);
    buf_printf(out, "nsupdate -k %s.key <<'END'\nserver %.*s %s\nzone %s\n", o->key, (int)(colon - o->server), o->server, colon + 1, o->zone);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "update delete %s %s\n", sets[i].name, ns_type_name(sets[i].type));
    for (size_t i = 0; i < wanted.n; i++)
        buf_printf(out, "update add %s %u %s %s\n", wanted.p[i].name, wanted.p[i].ttl, ns_type_name(wanted.p[i].type), wanted.p[i].value);
    buf_puts(out, "send\nEND\n");
}

extern const struct traffic_ops traffic_dns;
const struct traffic_ops traffic_dns = {
    .name = "dns",
    .by_hand = {.en = "# the key as nsupdate wants it, mode 0600: key \"{traffic.key}\" { algorithm ...; secret \"...\"; };\n{traffic.commands}",
                .fr = "# la clé comme nsupdate la veut, mode 0600 : key \"{traffic.key}\" { algorithm ...; secret \"...\"; };\n{traffic.commands}"},
    .commands = commands,
    .summary = "DNS: names of a zone are pointed to the site by signed dynamic updates (BIND, Knot, PowerDNS, Windows)",
    .options = options,
    .options_size = sizeof(struct dns_options),
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
