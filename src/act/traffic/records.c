/* act/traffic/records.c -- All records of the names change at once, and only when they are still what was read before. Users follow when the
   TTL that they hold has run out. */
#include "act/traffic/records.h"

#include "act/traffic/memory.h"
#include "io/sock.h"

#include "base/banned.h"

enum { RESOLVER_MS = 3 * MS_SECOND, SETTLE_MS = 10 * MS_SECOND, TTL_MOST_S = 300 };

#define AT(member) .offset = offsetof(struct site_records, member)
const struct option record_options[] = {
    {.key = "site", .type = OPTION_NAME, AT(site), .required = true, .help = "name of a site", .sample = "production"},
    {.key = "a", .type = OPTION_STRINGS, AT(a), .help = "IPv4 addresses of the site", .sample = "192.0.2.10"},
    {.key = "aaaa", .type = OPTION_STRINGS, AT(aaaa), .help = "IPv6 addresses of the site", .sample = "\"2001:db8::10\""},
    {.key = "cname", .type = OPTION_STRING, AT(cname), .help = "instead of addresses, the name that stands for the site", .sample = "production.akig.com"},
    OPTION_END,
};
#undef AT

/* ---- what the names are at a site ---- */

static const struct site_records *records_of(const struct records_conf *conf, const char *site)
{
    for (size_t i = 0; i < conf->sites.n; i++)
        if (same(conf->sites.p[i].site, site))
            return &conf->sites.p[i];
    return NULL;
}

static bool by_alias(const struct records_conf *conf)
{
    return conf->sites.n && conf->sites.p[0].cname;
}

void records_sets(struct arena *arena, const struct records_conf *conf, const struct ns_set **ret, size_t *ret_count)
{
    VEC(struct ns_set) sets = {0};
    for (size_t i = 0; i < conf->names.n; i++) {
        const char *name = ns_name(arena, conf->names.p[i]);
        if (by_alias(conf)) {
            *vec_add(arena, &sets) = (struct ns_set){name, NS_CNAME};
        } else {
            *vec_add(arena, &sets) = (struct ns_set){name, NS_A};
            *vec_add(arena, &sets) = (struct ns_set){name, NS_AAAA};
        }
    }
    *ret = sets.p;
    *ret_count = sets.n;
}

static void add_values(struct arena *arena, const char *name, enum ns_type type, const struct strs *values, uint32_t ttl, struct ns_records *to)
{
    for (size_t i = 0; i < values->n; i++)
        *vec_add(arena, to) = (struct ns_record){name, type, ttl, ns_value(arena, type, values->p[i])};
}

struct ns_records records_wanted(struct arena *arena, const struct records_conf *conf, const char *site, uint32_t ttl)
{
    struct ns_records ret = {0};
    const struct site_records *r = records_of(conf, site);
    for (size_t i = 0; r && i < conf->names.n; i++) {
        const char *name = ns_name(arena, conf->names.p[i]);
        struct strs alias = {.p = (const char **)(uintptr_t)&r->cname, .n = r->cname != NULL};
        add_values(arena, name, NS_CNAME, &alias, ttl, &ret);
        add_values(arena, name, NS_A, &r->a, ttl, &ret);
        add_values(arena, name, NS_AAAA, &r->aaaa, ttl, &ret);
    }
    return ret;
}

static const struct ns_record *find(const struct ns_records *in, const struct ns_record *r)
{
    for (size_t i = 0; i < in->n; i++)
        if (in->p[i].type == r->type && same(in->p[i].name, r->name) && same(in->p[i].value, r->value))
            return &in->p[i];
    return NULL;
}

bool records_has(const struct ns_records *in, const struct ns_record *r)
{
    return find(in, r) != NULL;
}

bool records_equal(const struct ns_records *a, const struct ns_records *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!find(b, &a->p[i]))
            return false;
    return a->n == b->n;
}

bool records_alike(const struct ns_records *a, const struct ns_records *b)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct ns_record *other = find(b, &a->p[i]);
        if (!other || other->ttl != a->p[i].ttl)
            return false;
    }
    return a->n == b->n;
}

static uint32_t longest_held(const struct records_zone *zone, const struct ns_records *records)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < records->n; i++)
        longest = MAX_OF(longest, zone->held ? zone->held(records->p[i].ttl) : records->p[i].ttl);
    return longest;
}

static uint32_t held_when_written(const struct records_zone *zone)
{
    return zone->held ? zone->held(zone->ttl) : zone->ttl;
}

/* ---- what was kept ---- */

char *records_print(struct arena *arena, const struct ns_records *records)
{
    char *text = arena_strdup(arena, "");
    for (size_t i = 0; i < records->n; i++)
        text = arena_printf(arena, "%s%s %s %u %s\n", text, records->p[i].name, ns_type_name(records->p[i].type), records->p[i].ttl, records->p[i].value);
    return text;
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

/* ---- looking ---- */

static struct ns_records wanted_at(const struct action_ctx *ctx, const struct records_zone *zone, const struct site *site)
{
    return records_wanted(ctx->arena, zone->conf, site->name, zone->ttl);
}

static struct records_zone zone_of(const struct action_ctx *ctx)
{
    struct records_zone ret;
    traffic_driver(ctx->service->traffic.driver)->zone(ctx, &ret);
    return ret;
}

bool records_read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct ns_records now;
    if (!zone->look(ctx, &now, err))
        return false;
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        struct ns_records wanted = wanted_at(ctx, zone, &ctx->service->sites.p[i]);
        if (records_equal(&now, &wanted)) {
            *ret = &ctx->service->sites.p[i];
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "DNS leads to no single site: %s",
                   now.n ? arena_printf(ctx->arena, "\"%s\" is \"%s\"", now.p[0].name, now.p[0].value) : "there are no such records");
}

bool records_seen(const struct action_ctx *ctx, bool taken, const struct ns_records *will, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct ns_records now;
    struct err unread = {0};
    if (!zone->look(ctx, &now, taken ? err : &unread))
        return false;
    if (records_equal(&now, will))
        return true;
    return taken ? err_set(err, ERR_FAILED, "%s took the update, yet answers: %s", zone->who, now.n ? records_print(ctx->arena, &now) : "no records") : false;
}

static bool ask_resolver(const struct action_ctx *ctx, const struct records_zone *zone, const char *address, struct ns_records *ret, struct err *err)
{
    const struct ns_set *sets;
    size_t n;
    records_sets(ctx->arena, zone->conf, &sets, &n);
    *ret = (struct ns_records){0};
    for (size_t i = 0; i < n; i++) {
        struct ns_records some;
        if (!ns_ask(ctx->arena, address, sets[i].name, sets[i].type, false, action_time(ctx, RESOLVER_MS), &some, err))
            return false;
        for (size_t k = 0; k < some.n; k++) {
            *vec_add(ctx->arena, ret) = some.p[k];
            ret->p[ret->n - 1].name = sets[i].name; /* also where an alias led to it */
        }
    }
    return true;
}

static uint32_t longest_ttl(const struct ns_records *records)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < records->n; i++)
        longest = MAX_OF(longest, records->p[i].ttl);
    return longest;
}

/* Told, and no failure: what a resolver holds it may give out until its TTL ends. */
static void tell_resolvers(const struct action_ctx *ctx, const struct records_zone *zone, const struct ns_records *wanted, struct buf *out)
{
    for (size_t i = 0; i < zone->conf->resolvers.n; i++) {
        const char *address = zone->conf->resolvers.p[i], *line;
        struct ns_records now;
        struct err err = {0};
        if (!ask_resolver(ctx, zone, address, &now, &err))
            line = arena_printf(ctx->arena, "resolver %s: %s", address, err.message);
        else if (records_equal(&now, wanted))
            line = arena_printf(ctx->arena, "resolver %s answers so too", address);
        else
            line = arena_printf(ctx->arena, "resolver %s still holds another answer, for %u s at most", address, longest_ttl(&now));
        if (out)
            buf_printf(out, "%s\n", line);
        else
            report_progress(ctx->report, 0, 0, "%s", line);
    }
}

bool records_describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct ns_records now, wanted = wanted_at(ctx, zone, site);
    if (!zone->look(ctx, &now, err))
        return err_prefix(err, "before any change");
    for (size_t i = 0; i < now.n; i++)
        if (!records_has(&wanted, &now.p[i]))
            buf_printf(out, "%s removes %s %s %s\n", zone->who, now.p[i].name, ns_type_name(now.p[i].type), now.p[i].value);
    for (size_t i = 0; i < wanted.n; i++)
        if (!records_has(&now, &wanted.p[i]))
            buf_printf(out, "%s adds %s %u %s %s\n", zone->who, wanted.p[i].name, wanted.p[i].ttl, ns_type_name(wanted.p[i].type), wanted.p[i].value);
    if (longest_held(zone, &now) > held_when_written(zone))
        buf_printf(out, "users may go on to the old site for %u s: `%s` beforehand shortens that\n", longest_held(zone, &now),
                   action_command(ctx, "traffic prepare"));
    tell_resolvers(ctx, zone, &now, out);
    return true;
}

/* ---- changing ---- */

bool records_point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct ns_records now, wanted = wanted_at(ctx, zone, site);
    if (!zone->look(ctx, &now, err) || !memory_keep(ctx, site, records_print(ctx->arena, &now), err))
        return false;
    if (!zone->change(ctx, &now, &wanted, err)) { /* all or nothing was changed, so what remains is to look whether it was nothing */
        struct ns_records then;
        struct err second = {0};
        struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
        unhurried.budget_ms = 0;
        bool is_back = zone->look(&unhurried, &then, &second) &&
                       (records_equal(&then, &now) || (records_equal(&then, &wanted) && zone->change(&unhurried, &then, &now, &second)));
        if (!is_back && !*second.message)
            err_set(&second, ERR_FAILED, "the records are neither those before nor those that were wanted");
        memory_back(ctx->arena, is_back, &second, err);
        if (!is_back && (err->code == ERR_TIMEOUT || err->code == ERR_UNAVAILABLE)) /* there is no taking a message back */
            return err_hint(err, "a server that hangs may still carry out what it was sent, for some minutes: then look with `%s`",
                            action_command(ctx, "traffic show"));
        return false;
    }
    tell_resolvers(ctx, zone, &wanted, NULL);
    return true;
}

bool records_put_back(const struct action_ctx *ctx, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct str text;
    struct ns_records now, before;
    return memory_text(ctx, &text, err) && read_records(ctx->arena, text, &before, err) && zone->look(ctx, &now, err) &&
           zone->change(ctx, &now, &before, err);
}

/* What a resolver fetched a moment before the switch it may hold for the TTL of then. */
int64_t records_arrive_within(const struct action_ctx *ctx)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct str text;
    struct ns_records before;
    struct err err = {0};
    uint32_t held = held_when_written(zone);
    if (memory_text(ctx, &text, &err) && read_records(ctx->arena, text, &before, &err))
        held = MAX_OF(held, longest_held(zone, &before));
    return MIN_OF((int64_t)held, (int64_t)TTL_MOST_S) * MS_SECOND + SETTLE_MS;
}

bool records_prepare(const struct action_ctx *ctx, char *ret_text, struct err *err)
{
    const struct records_zone z = zone_of(ctx), *zone = &z;
    struct ns_records now, will;
    uint32_t old, held = held_when_written(zone);
    if (!zone->look(ctx, &now, err))
        return false;
    old = longest_held(zone, &now);
    will = now;
    will.p = arena_dup(ctx->arena, now.p, now.n * sizeof(*now.p));
    for (size_t i = 0; i < will.n; i++)
        will.p[i].ttl = zone->ttl;
    if (old <= held) {
        action_say(ret_text, MODEL_TEXT_SIZE, "resolvers may hold the records for %u s, which is what is wished", old);
        return true;
    }
    if (!zone->change(ctx, &now, &will, err) || !zone->look(ctx, &now, err))
        return false;
    if (longest_held(zone, &now) > held)
        return err_set(err, ERR_FAILED, "%s took the TTL of %u s, yet answers %u s", zone->who, zone->ttl, longest_held(zone, &now));
    action_say(ret_text, MODEL_TEXT_SIZE, "the records may now be held for %u s; in %u s, when the last ones of before have gone, a switch takes no longer", held,
               old);
    return true;
}

/* ---- configuration ---- */

static bool values_are_good(struct arena *arena, enum ns_type type, const struct strs *values, const char *site, struct err *err)
{
    for (size_t i = 0; i < values->n; i++)
        if (!ns_value(arena, type, values->p[i]))
            return err_set(err, ERR_CONFIG, "records of site \"%s\": \"%s\" is no value of type %s", site, values->p[i], ns_type_name(type));
    return true;
}

static bool site_is_good(struct arena *arena, const struct records_conf *conf, const char *site, struct err *err)
{
    const struct site_records *r = records_of(conf, site);
    if (!r)
        return err_set(err, ERR_CONFIG, "`records:` says nothing of site \"%s\"", site);
    if (r->cname ? r->a.n || r->aaaa.n : !r->a.n && !r->aaaa.n)
        return err_set(err, ERR_CONFIG, "records of site \"%s\" must be addresses, or one `cname:`", site);
    if ((r->cname != NULL) != by_alias(conf))
        return err_set(err, ERR_CONFIG, "the sites must have the same kind of records: addresses, or `cname:`");
    if (r->cname && !ns_name(arena, r->cname))
        return err_set(err, ERR_CONFIG, "records of site \"%s\": \"%s\" is no name", site, r->cname);
    return values_are_good(arena, NS_A, &r->a, site, err) && values_are_good(arena, NS_AAAA, &r->aaaa, site, err);
}

static bool names_are_good(struct arena *arena, const struct records_conf *conf, const char *apex, struct err *err)
{
    if (!conf->names.n)
        return err_set(err, ERR_CONFIG, "there is no name to move");
    for (size_t i = 0; i < conf->names.n; i++) {
        const char *name = ns_name(arena, conf->names.p[i]);
        size_t n = name ? strlen(name) : 0, z = apex ? strlen(apex) : 0;
        if (!name)
            return err_set(err, ERR_CONFIG, "\"%s\" is no name", conf->names.p[i]);
        if (apex && (n < z || !same(name + n - z, apex) || (n > z && name[n - z - 1] != '.')))
            return err_set(err, ERR_CONFIG, "\"%s\" is no name of zone \"%s\"", conf->names.p[i], apex);
        if (apex && n == z && by_alias(conf))
            return err_set(err, ERR_CONFIG, "\"%s\" is the zone itself, which cannot have a `cname:`", conf->names.p[i]);
    }
    return true;
}

bool records_valid(const struct records_conf *conf, const struct service *service, const char *apex, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (!names_are_good(arena, conf, apex, err))
        return false;
    for (size_t i = 0; i < conf->resolvers.n; i++)
        if (!sock_address_is_good(conf->resolvers.p[i]) || *conf->resolvers.p[i] == '/')
            return err_set(err, ERR_CONFIG, "\"%s\" is no ADDRESS:PORT of a resolver", conf->resolvers.p[i]);
    for (size_t i = 0; i < service->sites.n; i++) {
        const char *site = service->sites.p[i].name;
        if (!site_is_good(arena, conf, site, err))
            return false;
        struct ns_records mine = records_wanted(arena, conf, site, 0);
        for (size_t k = 0; k < i; k++) {
            struct ns_records other = records_wanted(arena, conf, service->sites.p[k].name, 0);
            if (records_equal(&mine, &other))
                return err_set(err, ERR_CONFIG, "sites \"%s\" and \"%s\" have the same records", service->sites.p[k].name, site);
        }
    }
    for (size_t i = 0; i < conf->sites.n; i++)
        if (records_of(conf, conf->sites.p[i].site) != &conf->sites.p[i])
            return err_set(err, ERR_CONFIG, "`records:` names site \"%s\" twice", conf->sites.p[i].site);
    return true;
}
