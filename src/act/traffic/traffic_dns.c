/* act/traffic/traffic_dns.c -- Names of a zone are pointed to the site by dynamic updates (RFC 2136) that are signed. All of them change in
   one message, and only when they are still what was read before. Users follow when the TTL that they hold has run out. */
#include "act/traffic/memory.h"
#include "base/option.h"
#include "io/nsupdate.h"
#include "io/sock.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { ASK_MS = 3 * MS_SECOND, UPDATE_MS = 8 * MS_SECOND, SETTLE_MS = 10 * MS_SECOND, TTL_MOST_S = 300 };

struct site_records {
    struct mark mark;
    const char *site;
    struct strs a, aaaa;
    const char *cname;
};

struct dns_options {
    const char *server, *zone, *key;
    struct strs names, resolvers;
    int algorithm;
    struct secret secret;
    int64_t ttl_ms;
    struct { struct site_records *p; size_t n, cap; } records;
};

static const char *const algorithms[] = {"hmac-sha256", "hmac-sha512", NULL};

#define AT(member) .offset = offsetof(struct site_records, member)
static const struct option record_options[] = {
    {.key = "site", .type = OPTION_NAME, AT(site), .required = true, .help = "name of a site", .sample = "production"},
    {.key = "a", .type = OPTION_STRINGS, AT(a), .help = "IPv4 addresses of the site", .sample = "192.0.2.10"},
    {.key = "aaaa", .type = OPTION_STRINGS, AT(aaaa), .help = "IPv6 addresses of the site", .sample = "\"2001:db8::10\""},
    {.key = "cname", .type = OPTION_STRING, AT(cname), .help = "instead of addresses, the name that stands for the site", .sample = "production.akig.com"},
    OPTION_END,
};
#undef AT

#define AT(member) .offset = offsetof(struct dns_options, member)
static const struct option options[] = {
    {.key = "server", .type = OPTION_STRING, AT(server), .required = true, .help = "primary server of the zone, ADDRESS:PORT; updates go there",
     .sample = "192.0.2.53:53"},
    {.key = "zone", .type = OPTION_STRING, AT(zone), .required = true, .help = "zone that holds the names", .sample = "akig.com"},
    {.key = "name", .type = OPTION_STRINGS, AT(names), .required = true, .help = "names that are moved, whole", .sample = "[akig.com, www.akig.com]"},
    {.key = "key", .type = OPTION_STRING, AT(key), .required = true, .help = "name of the TSIG key, as the server knows it", .sample = "bascule"},
    {.key = "algorithm", .type = OPTION_ENUM, AT(algorithm), .fallback = "hmac-sha256", .names = algorithms, .help = "that of the key"},
    {.key = "secret", .type = OPTION_SECRET, AT(secret), .required = true, .help = "the key itself, in base64", .sample = "{file: /etc/bascule/tsig.secret}"},
    {.key = "ttl", .type = OPTION_DURATION, AT(ttl_ms), .fallback = "60s", .min = MS_SECOND, .max = MS_DAY,
     .help = "how long resolvers may hold what is written; `bascule traffic prepare` writes what stands there anew with it"},
    {.key = "resolvers", .type = OPTION_STRINGS, AT(resolvers), .help = "resolvers that users ask, ADDRESS:PORT; what they still answer is told",
     .sample = "[\"9.9.9.9:53\", \"1.1.1.1:53\"]"},
    {.key = "records", .type = OPTION_LIST, AT(records), .sub = record_options, .size = sizeof(struct site_records),
     .help = "what the names lead to at each site"},
    OPTION_END,
};
#undef AT

static const struct dns_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

/* ---- what the names are at a site ---- */

static const struct site_records *records_of(const struct dns_options *o, const char *site)
{
    for (size_t i = 0; i < o->records.n; i++)
        if (same(o->records.p[i].site, site))
            return &o->records.p[i];
    return NULL;
}

static bool by_alias(const struct dns_options *o)
{
    return o->records.n && o->records.p[0].cname;
}

/* Every name with every type that it may have. Both types of address are always ours: a site without one of them leaves none behind. */
static void sets_of(struct arena *arena, const struct dns_options *o, struct ns_change *to)
{
    VEC(struct ns_set) sets = {0};
    for (size_t i = 0; i < o->names.n; i++) {
        const char *name = ns_name(arena, o->names.p[i]);
        if (by_alias(o)) {
            *vec_add(arena, &sets) = (struct ns_set){name, NS_CNAME};
        } else {
            *vec_add(arena, &sets) = (struct ns_set){name, NS_A};
            *vec_add(arena, &sets) = (struct ns_set){name, NS_AAAA};
        }
    }
    to->zone = ns_name(arena, o->zone);
    to->sets = sets.p;
    to->count = sets.n;
}

static void add_values(struct arena *arena, const char *name, enum ns_type type, const struct strs *values, uint32_t ttl, struct ns_records *to)
{
    for (size_t i = 0; i < values->n; i++)
        *vec_add(arena, to) = (struct ns_record){name, type, ttl, ns_value(arena, type, values->p[i])};
}

static struct ns_records wanted_at(struct arena *arena, const struct dns_options *o, const char *site)
{
    struct ns_records ret = {0};
    const struct site_records *r = records_of(o, site);
    uint32_t ttl = (uint32_t)(o->ttl_ms / MS_SECOND);
    for (size_t i = 0; r && i < o->names.n; i++) {
        const char *name = ns_name(arena, o->names.p[i]);
        struct strs alias = {.p = (const char **)(uintptr_t)&r->cname, .n = r->cname != NULL};
        add_values(arena, name, NS_CNAME, &alias, ttl, &ret);
        add_values(arena, name, NS_A, &r->a, ttl, &ret);
        add_values(arena, name, NS_AAAA, &r->aaaa, ttl, &ret);
    }
    return ret;
}

static bool has(const struct ns_records *in, const struct ns_record *r)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->p[i].type == r->type && same(in->p[i].name, r->name) && same(in->p[i].value, r->value))
            return true;
    return false;
}

static bool equal(const struct ns_records *a, const struct ns_records *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!has(b, &a->p[i]))
            return false;
    return a->n == b->n;
}

static uint32_t longest_ttl(const struct ns_records *records)
{
    uint32_t ttl = 0;
    for (size_t i = 0; i < records->n; i++)
        ttl = MAX_OF(ttl, records->p[i].ttl);
    return ttl;
}

/* ---- looking ---- */

static bool ask_sets(const struct action_ctx *ctx, const char *address, bool own, struct ns_records *ret, struct err *err)
{
    struct ns_change c = {0};
    sets_of(ctx->arena, options_of(ctx), &c);
    *ret = (struct ns_records){0};
    for (size_t i = 0; i < c.count; i++) {
        struct ns_records some;
        if (!ns_ask(ctx->arena, address, c.sets[i].name, c.sets[i].type, own, action_time(ctx, ASK_MS), &some, err))
            return false;
        for (size_t k = 0; k < some.n; k++) {
            *vec_add(ctx->arena, ret) = some.p[k];
            ret->p[ret->n - 1].name = c.sets[i].name; /* also where an alias led to it */
        }
    }
    return true;
}

static bool look(const struct action_ctx *ctx, struct ns_records *ret, struct err *err)
{
    return ask_sets(ctx, options_of(ctx)->server, true, ret, err);
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

static char *print_records(struct arena *arena, const struct ns_records *records)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < records->n; i++)
        text = arena_printf(arena, "%s%s %s %u %s\n", text, records->p[i].name, ns_type_name(records->p[i].type), records->p[i].ttl, records->p[i].value);
    return text;
}

static const struct site *site_with(const struct action_ctx *ctx, const struct ns_records *now)
{
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        struct ns_records wanted = wanted_at(ctx->arena, options_of(ctx), ctx->service->sites.p[i].name);
        if (equal(now, &wanted))
            return &ctx->service->sites.p[i];
    }
    return NULL;
}

static bool site_in(const struct action_ctx *ctx, const struct ns_records *now, const struct site **ret, struct err *err)
{
    const struct site *site = site_with(ctx, now);
    if (!site)
        return err_set(err, ERR_NOT_FOUND, "DNS leads to no single site: %s",
                       now->n ? arena_printf(ctx->arena, "\"%s\" is \"%s\"", now->p[0].name, now->p[0].value) : "there are no such records");
    *ret = site;
    return true;
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    struct ns_records now;
    return look(ctx, &now, err) && site_in(ctx, &now, ret, err);
}

/* ---- changing ---- */

/* The answer to an update that was carried out may get lost, and the same update sent again is refused then, since what it wants to find
   is there no more. So what stands there decides. */
static bool change(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    struct ns_change c = {.was = was, .will = will};
    struct ns_records now;
    struct err unread = {0};
    uint32_t before = 0, after = 0;
    char *secret = NULL;
    sets_of(ctx->arena, o, &c);
    if (!serial(ctx, &before, err) || !secret_read(ctx->arena, &o->secret, &secret, err))
        return false;
    const struct ns_key key = {o->key, algorithms[o->algorithm], secret};
    bool taken = ns_update(ctx->arena, o->server, &key, &c, action_time(ctx, UPDATE_MS), err);
    secret_wipe(secret);
    if (!look(ctx, &now, taken ? err : &unread))
        return false;
    if (!equal(&now, will))
        return taken ? err_set(err, ERR_FAILED, "DNS server \"%s\" took the update, yet answers: %s", o->server,
                               now.n ? print_records(ctx->arena, &now) : "no records")
                     : false;
    if (!serial(ctx, &after, err))
        return false;
    if (!equal(was, will) && (int32_t)(after - before) <= 0)
        return err_set(err, ERR_FAILED, "the serial of zone \"%s\" did not advance (%u, then %u): other servers would not fetch the change", o->zone, before,
                       after);
    report_progress(ctx->report, 0, 0, "zone %s has serial %u", o->zone, after);
    return true;
}

/* Told, and no failure: what a resolver holds it may give out until its TTL ends. */
static void tell_resolvers(const struct action_ctx *ctx, const struct ns_records *wanted, struct buf *out)
{
    const struct dns_options *o = options_of(ctx);
    for (size_t i = 0; i < o->resolvers.n; i++) {
        struct ns_records now;
        struct err err = {0};
        const char *line;
        if (!ask_sets(ctx, o->resolvers.p[i], false, &now, &err))
            line = arena_printf(ctx->arena, "resolver %s: %s", o->resolvers.p[i], err.message);
        else if (equal(&now, wanted))
            line = arena_printf(ctx->arena, "resolver %s answers so too", o->resolvers.p[i]);
        else
            line = arena_printf(ctx->arena, "resolver %s still holds another answer, for %u s at most", o->resolvers.p[i], longest_ttl(&now));
        if (out)
            buf_printf(out, "%s\n", line);
        else
            report_progress(ctx->report, 0, 0, "%s", line);
    }
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    struct ns_records now, wanted = wanted_at(ctx->arena, options_of(ctx), site->name);
    if (!look(ctx, &now, err) || !memory_keep(ctx, site, print_records(ctx->arena, &now), err))
        return false;
    if (!change(ctx, &now, &wanted, err)) { /* one message changes all or nothing, so what remains is to look whether it was nothing */
        struct ns_records then;
        struct err second = {0};
        struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
        unhurried.budget_ms = 0;
        bool is_back = look(&unhurried, &then, &second) && (equal(&then, &now) || (equal(&then, &wanted) && change(&unhurried, &then, &now, &second)));
        if (!is_back && !*second.message)
            err_set(&second, ERR_FAILED, "the records are neither those before nor those that were wanted");
        memory_back(ctx->arena, is_back, &second, err);
        if (!is_back && (err->code == ERR_TIMEOUT || err->code == ERR_UNAVAILABLE)) /* there is no taking a message back */
            return err_hint(err, "a server that hangs may still carry out what it was sent while the signature holds, 5 minutes: then look with `%s`",
                            action_command(ctx, "traffic show"));
        return false;
    }
    tell_resolvers(ctx, &wanted, NULL);
    return true;
}

static bool read_records(struct arena *arena, struct str text, struct ns_records *ret, struct err *err)
{
    struct str line, rest = text;
    *ret = (struct ns_records){0};
    while (str_next(&rest, '\n', &line)) {
        struct str words = line, name, type, ttl;
        struct ns_record r = {.type = NS_TYPE_MAX};
        int64_t seconds = 0;
        if (!line.n)
            continue;
        if (str_next(&words, ' ', &name) && str_next(&words, ' ', &type) && str_next(&words, ' ', &ttl) && str_int(ttl, &seconds))
            for (int i = 0; i < NS_SOA; i++)
                if (str_is(type, ns_type_name((enum ns_type)i)))
                    r.type = (enum ns_type)i;
        if (r.type == NS_TYPE_MAX || seconds < 0 || seconds > INT32_MAX || !words.n)
            return err_set(err, ERR_DATA, "the state that was kept cannot be read: \"%.*s\"", (int)MIN_OF(line.n, 80u), line.p);
        r.name = str_dup(arena, name);
        r.ttl = (uint32_t)seconds;
        r.value = str_dup(arena, words);
        *vec_add(arena, ret) = r;
    }
    return true;
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str text;
    struct ns_records now, before;
    return memory_text(ctx, &text, err) && read_records(ctx->arena, text, &before, err) && look(ctx, &now, err) && change(ctx, &now, &before, err);
}

/* What a resolver fetched a moment before the switch it may hold for the TTL of then. */
static int64_t arrives_within(const struct action_ctx *ctx)
{
    struct str text;
    struct ns_records before;
    struct err err = {0};
    int64_t ttl = options_of(ctx)->ttl_ms / MS_SECOND;
    if (memory_text(ctx, &text, &err) && read_records(ctx->arena, text, &before, &err))
        ttl = MAX_OF(ttl, (int64_t)longest_ttl(&before));
    return MIN_OF(ttl, (int64_t)TTL_MOST_S) * MS_SECOND + SETTLE_MS;
}

static bool prepare(const struct action_ctx *ctx, char *ret_text, struct err *err)
{
    struct ns_records now, will;
    uint32_t ttl = (uint32_t)(options_of(ctx)->ttl_ms / MS_SECOND), old;
    if (!look(ctx, &now, err))
        return false;
    old = longest_ttl(&now);
    will = now;
    will.p = arena_dup(ctx->arena, now.p, now.n * sizeof(*now.p));
    for (size_t i = 0; i < will.n; i++)
        will.p[i].ttl = ttl;
    if (old <= ttl) {
        action_say(ret_text, MODEL_TEXT_SIZE, "resolvers may hold the records for %u s, which is what is wished", old);
        return true;
    }
    if (!change(ctx, &now, &will, err) || !look(ctx, &now, err))
        return false;
    if (longest_ttl(&now) > ttl)
        return err_set(err, ERR_FAILED, "DNS server \"%s\" took the TTL of %u s, yet answers %u s", options_of(ctx)->server, ttl, longest_ttl(&now));
    action_say(ret_text, MODEL_TEXT_SIZE, "the records may now be held for %u s; in %u s, when the last ones of before have gone, a switch takes no longer", ttl,
               old);
    return true;
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct dns_options *o = options_of(ctx);
    struct ns_records now, wanted = wanted_at(ctx->arena, o, site->name);
    uint32_t number;
    char *secret = NULL;
    if (!look(ctx, &now, err) || !serial(ctx, &number, err) || !secret_read(ctx->arena, &o->secret, &secret, err))
        return err_prefix(err, "before any change");
    secret_wipe(secret);
    for (size_t i = 0; i < now.n; i++)
        if (!has(&wanted, &now.p[i]))
            buf_printf(out, "%s removes %s %s %s\n", o->server, now.p[i].name, ns_type_name(now.p[i].type), now.p[i].value);
    for (size_t i = 0; i < wanted.n; i++)
        if (!has(&now, &wanted.p[i]))
            buf_printf(out, "%s adds %s %u %s %s\n", o->server, wanted.p[i].name, wanted.p[i].ttl, ns_type_name(wanted.p[i].type), wanted.p[i].value);
    buf_printf(out, "zone %s has serial %u\n", o->zone, number);
    if (longest_ttl(&now) * MS_SECOND > o->ttl_ms)
        buf_printf(out, "users may go on to the old site for %u s: `%s` beforehand shortens that\n", longest_ttl(&now),
                   action_command(ctx, "traffic prepare"));
    tell_resolvers(ctx, &now, out);
    return true;
}

/* ---- the driver ---- */

static bool values_are_good(struct arena *arena, enum ns_type type, const struct strs *values, const char *site, struct err *err)
{
    for (size_t i = 0; i < values->n; i++)
        if (!ns_value(arena, type, values->p[i]))
            return err_set(err, ERR_CONFIG, "records of site \"%s\": \"%s\" is no value of type %s", site, values->p[i], ns_type_name(type));
    return true;
}

static bool records_are_good(struct arena *arena, const struct dns_options *o, const struct service *service, struct err *err)
{
    for (size_t i = 0; i < service->sites.n; i++) {
        const char *site = service->sites.p[i].name;
        const struct site_records *r = records_of(o, site);
        if (!r)
            return err_set(err, ERR_CONFIG, "`records:` says nothing of site \"%s\"", site);
        if (r->cname ? r->a.n || r->aaaa.n : !r->a.n && !r->aaaa.n)
            return err_set(err, ERR_CONFIG, "records of site \"%s\" must be addresses, or one `cname:`", site);
        if ((r->cname != NULL) != by_alias(o))
            return err_set(err, ERR_CONFIG, "the sites must have the same kind of records: addresses, or `cname:`");
        if ((r->cname && !ns_name(arena, r->cname)) || !values_are_good(arena, NS_A, &r->a, site, err) ||
            !values_are_good(arena, NS_AAAA, &r->aaaa, site, err))
            return r->cname ? err_set(err, ERR_CONFIG, "records of site \"%s\": \"%s\" is no name", site, r->cname) : false;
        struct ns_records mine = wanted_at(arena, o, site);
        for (size_t k = 0; k < i; k++) {
            struct ns_records other = wanted_at(arena, o, service->sites.p[k].name);
            if (equal(&mine, &other))
                return err_set(err, ERR_CONFIG, "sites \"%s\" and \"%s\" have the same records", service->sites.p[k].name, site);
        }
    }
    for (size_t i = 0; i < o->records.n; i++)
        if (records_of(o, o->records.p[i].site) != &o->records.p[i])
            return err_set(err, ERR_CONFIG, "`records:` names site \"%s\" twice", o->records.p[i].site);
    return true;
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
    for (size_t i = 0; i < o->resolvers.n; i++)
        if (!sock_address_is_good(o->resolvers.p[i]) || *o->resolvers.p[i] == '/')
            return err_set(err, ERR_CONFIG, "\"%s\" is no ADDRESS:PORT of a resolver", o->resolvers.p[i]);
    if (!zone || !o->names.n)
        return err_set(err, ERR_CONFIG, zone ? "there is no name to move" : "\"%s\" is no name of a zone", o->zone ? o->zone : "");
    for (size_t i = 0; i < o->names.n; i++) {
        const char *name = ns_name(arena, o->names.p[i]);
        size_t n = name ? strlen(name) : 0, z = strlen(zone);
        if (!name || n < z || !same(name + n - z, zone) || (n > z && name[n - z - 1] != '.'))
            return err_set(err, ERR_CONFIG, "\"%s\" is no name of zone \"%s\"", o->names.p[i], o->zone);
        if (n == z && by_alias(o))
            return err_set(err, ERR_CONFIG, "\"%s\" is the zone itself, which cannot have a `cname:`", o->names.p[i]);
    }
    if (!o->key || !ns_name(arena, o->key))
        return err_set(err, ERR_CONFIG, "\"%s\" is no name of a key", o->key ? o->key : "");
    if (o->secret.source == SECRET_NONE)
        return err_set(err, ERR_CONFIG, "there is a key, but no `secret:`");
    return records_are_good(arena, o, service, err);
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct dns_options *o = service->traffic.options;
    struct ns_records wanted = wanted_at(arena, o, to->name);
    struct ns_change c = {0};
    const char *colon = strrchr(o->server, ':');
    sets_of(arena, o, &c);
    buf_printf(out, "nsupdate -k %s.key <<'END'\nserver %.*s %s\nzone %s\n", o->key, (int)(colon - o->server), o->server, colon + 1, o->zone);
    for (size_t i = 0; i < c.count; i++)
        buf_printf(out, "update delete %s %s\n", c.sets[i].name, ns_type_name(c.sets[i].type));
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
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
    .arrives_within = arrives_within,
    .prepare = prepare,
};
