/* act/traffic/traffic_address.c -- An address that moves between the hosts of the sites, as keepalived moves one: off the interface of the
   old, onto that of the new, and the neighbours are told by gratuitous ARP. For sites on one network. */
#include <arpa/inet.h>
#include <ctype.h>

#include "act/host.h"
#include "act/traffic/memory.h"
#include "base/option.h"
#include "io/ssh.h"

#include "base/banned.h"

enum { COMMAND_MS = 10 * MS_SECOND };

struct place {
    struct mark mark;
    const char *site, *device;
    struct strs ip, announce, probe;
};

struct address_options {
    const char *address;
    struct { struct place *p; size_t n, cap; } places;
};

#define AT(member) .offset = offsetof(struct place, member)
static const struct option place_options[] = {
    {.key = "site", .type = OPTION_NAME, AT(site), .required = true, .help = "name of a site; its `host:` is where the commands run", .sample = "production"},
    {.key = "device", .type = OPTION_STRING, AT(device), .required = true, .help = "network interface that holds the address there", .sample = "eth0"},
    {.key = "ip", .type = OPTION_ARGV, AT(ip), .fallback = "[ip]", .help = "program of iproute2; with sudo where the user of the host is not root",
     .sample = "[sudo, -n, ip]"},
    {.key = "announce", .type = OPTION_ARGV, AT(announce), .fallback = "[arping, -q, -U, -c, \"2\"]",
     .help = "tells the neighbours; `-I DEVICE ADDRESS` is added", .sample = "[sudo, -n, arping, -q, -U, -c, \"2\"]"},
    {.key = "probe", .type = OPTION_ARGV, AT(probe), .fallback = "[arping, -q, -D, -c, \"2\", -w, \"2\"]",
     .help = "exits 1 when somebody else answers for the address; asked when the host of another site cannot be reached; `-I DEVICE ADDRESS` is added"},
    OPTION_END,
};
#undef AT

static const struct option options[] = {
    {.key = "address", .type = OPTION_STRING, .offset = offsetof(struct address_options, address), .required = true,
     .help = "IPv4 address with the length of its network; it must stand in no configuration that a booting host reads", .sample = "192.0.2.100/24"},
    {.key = "places", .type = OPTION_LIST, .offset = offsetof(struct address_options, places), .sub = place_options, .size = sizeof(struct place),
     .help = "where it is held at each site"},
    OPTION_END,
};

static const struct address_options *options_of(const struct action_ctx *ctx)
{
    return ctx->service->traffic.options;
}

static const struct place *place_of(const struct address_options *o, const char *site)
{
    for (size_t i = 0; i < o->places.n; i++)
        if (same(o->places.p[i].site, site))
            return &o->places.p[i];
    return NULL;
}

/* That of a site of the service: valid() has seen to it that there is one. */
static const struct place *place_for(const struct action_ctx *ctx, const struct site *site)
{
    const struct place *place = place_of(options_of(ctx), site->name);
    if (!place)
        abort();
    return place;
}

/* "192.0.2.100/24" without the length. */
static char *bare(struct arena *arena, const char *address)
{
    return arena_strndup(arena, address, strcspn(address, "/"));
}

/* ---- commands on the hosts ---- */

static bool run(const struct action_ctx *ctx, const struct site *site, const struct strs *program, const char *const *more, struct proc_result *ret,
                struct err *err)
{
    struct strs words = {0};
    for (size_t i = 0; i < program->n; i++)
        *vec_add(ctx->arena, &words) = program->p[i];
    for (; *more; more++)
        *vec_add(ctx->arena, &words) = *more;
    if (!host_run(ctx, &site->host, &words, NULL, action_time(ctx, COMMAND_MS), ret, err))
        return false;
    if (ret->end == PROC_TIMED_OUT && !host_is_local(&site->host)) /* it broke down under a shared connection */
        return err_set(err, ERR_UNAVAILABLE, "host \"%s\" of site \"%s\" does not answer", host_say(&site->host), site->name);
    return proc_ok(ret) || err_set(err, ERR_FAILED, "site \"%s\": `%s` failed with %s", site->name, host_words(ctx->arena, &words),
                                   host_complaint(ctx->arena, ret));
}

static bool holds(const struct action_ctx *ctx, const struct site *site, bool *ret, struct err *err)
{
    const struct address_options *o = options_of(ctx);
    const struct place *place = place_for(ctx, site);
    struct proc_result result;
    const char *words[] = {"-o", "address", "show", "dev", place->device, "to", arena_printf(ctx->arena, "%s/32", bare(ctx->arena, o->address)), NULL};
    if (!run(ctx, site, &place->ip, words, &result, err))
        return false;
    *ret = str_trim(result.out).n > 0;
    return true;
}

static bool set(const struct action_ctx *ctx, const struct site *site, bool on, struct err *err)
{
    const struct address_options *o = options_of(ctx);
    const struct place *place = place_for(ctx, site);
    struct proc_result result;
    bool is_on;
    const char *words[] = {"address", on ? "add" : "del", o->address, "dev", place->device, NULL};
    if (!holds(ctx, site, &is_on, err) || (is_on != on && !run(ctx, site, &place->ip, words, &result, err)))
        return false;
    return holds(ctx, site, &is_on, err) &&
           (is_on == on || err_set(err, ERR_FAILED, "site \"%s\": interface \"%s\" %s address \"%s\"", site->name, place->device,
                                   on ? "did not take" : "still has", o->address));
}

static bool arp(const struct action_ctx *ctx, const struct site *site, const struct strs *program, struct err *err)
{
    const struct address_options *o = options_of(ctx);
    struct proc_result result;
    const char *words[] = {"-I", place_for(ctx, site)->device, bare(ctx->arena, o->address), NULL};
    return run(ctx, site, program, words, &result, err);
}

/* ---- looking ---- */

/* A host that cannot be reached is no answer, and no obstacle while another is seen to hold the address. */
static bool holders(const struct action_ctx *ctx, const struct site **ret, size_t *ret_count, struct err *err)
{
    struct err unreached = {0};
    *ret_count = 0;
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const struct site *site = &ctx->service->sites.p[i];
        struct err one = {0};
        bool has = false;
        if (!holds(ctx, site, &has, &one)) {
            if (one.code != ERR_UNAVAILABLE) {
                *err = one;
                return false;
            }
            unreached = one;
        }
        if (has) {
            *ret = site;
            (*ret_count)++;
        }
    }
    if (*ret_count || unreached.code == ERR_NONE)
        return true;
    *err = unreached;
    return false;
}

static bool read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err)
{
    const struct site *site = NULL;
    size_t count;
    if (!holders(ctx, &site, &count, err))
        return false;
    if (count != 1)
        return err_set(err, ERR_NOT_FOUND, "address \"%s\" is held by the hosts of %zu sites", options_of(ctx)->address, count);
    *ret = site;
    return true;
}

/* ---- moving ---- */

/* From all others first. A host that cannot be reached may be off, or cut off from us alone: then the network itself is asked. */
static bool take_away(const struct action_ctx *ctx, const struct site *to, struct err *err)
{
    bool all = true;
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const struct site *site = &ctx->service->sites.p[i];
        struct err one = {0};
        if (site == to || set(ctx, site, false, &one))
            continue;
        if (one.code != ERR_UNAVAILABLE) {
            *err = one;
            return false;
        }
        all = false;
        report_progress(ctx->report, 0, 0, "%s", one.message);
    }
    if (all || !to || arp(ctx, to, &place_for(ctx, to)->probe, err))
        return true;
    if (err->code != ERR_FAILED)
        return false;
    char *why = arena_strdup(ctx->arena, err->message);
    err_set(err, ERR_REFUSED, "the host of another site cannot be reached, and address \"%s\" may still be answered for on the network (%s)",
            options_of(ctx)->address, why);
    return err_hint(err, "stop that host, or take the address off its interface");
}

static bool move(const struct action_ctx *ctx, const struct site *to, struct err *err)
{
    return take_away(ctx, to, err) && (!to || (set(ctx, to, true, err) && arp(ctx, to, &place_for(ctx, to)->announce, err)));
}

static bool point(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    const struct site *before = NULL;
    struct err second = {0};
    size_t count = 0;
    if (!holders(ctx, &before, &count, err)) {
        if (err->code != ERR_UNAVAILABLE)
            return false;
        *err = (struct err){0}; /* the host that had it is gone: what a failover is for */
    }
    if (!memory_keep(ctx, site, before ? before->name : "", err))
        return false;
    if (move(ctx, site, err))
        return true;
    struct action_ctx unhurried = *ctx; /* the way back is not cut short by a budget that the way there has used up */
    unhurried.budget_ms = 0;
    return memory_back(ctx->arena, move(&unhurried, before, &second), &second, err);
}

static bool put_back(const struct action_ctx *ctx, struct err *err)
{
    struct str before;
    const struct site *site = NULL;
    if (!memory_text(ctx, &before, err))
        return false;
    if (before.n && !action_site(ctx, str_dup(ctx->arena, before), &site, err))
        return false;
    return move(ctx, site, err);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    const struct address_options *o = options_of(ctx);
    const struct place *place = place_for(ctx, site);
    bool has;
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const struct site *other = &ctx->service->sites.p[i];
        struct err one = {0};
        const char *device = place_for(ctx, other)->device;
        if (!holds(ctx, other, &has, &one)) {
            if (other == site || one.code != ERR_UNAVAILABLE) {
                *err = one;
                return err_prefix(err, "before any change");
            }
            buf_printf(out, "%s: then the network is asked whether somebody still answers for the address\n", one.message);
        } else if (other != site) {
            buf_printf(out, "on %s, site \"%s\":%s\n$ %s address del %s dev %s\n", host_say(&other->host), other->name, has ? "" : " (it does not hold it)",
                       host_words(ctx->arena, &place_for(ctx, other)->ip), o->address, device);
        }
    }
    return buf_printf(out, "on %s, site \"%s\":\n$ %s address add %s dev %s\n$ %s -I %s %s\n", host_say(&site->host), site->name,
                      host_words(ctx->arena, &place->ip), o->address, place->device, host_words(ctx->arena, &place->announce), place->device,
                      bare(ctx->arena, o->address));
}

/* ---- the driver ---- */

static bool address_is_good(const char *address)
{
    struct in_addr parsed;
    char text[INET_ADDRSTRLEN];
    const char *slash = address ? strchr(address, '/') : NULL;
    int64_t length;
    if (!slash || (size_t)(slash - address) >= sizeof(text) || !str_int(str_of(slash + 1), &length) || length < 1 || length > 32)
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)(slash - address), address);
    return inet_pton(AF_INET, text, &parsed) == 1;
}

static bool device_is_good(const char *device)
{
    if (!device || !*device || *device == '-' || strlen(device) > 15)
        return false;
    for (const char *p = device; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.@", *p))
            return false;
    return true;
}

static bool valid(const struct traffic_conf *conf, const struct service *service, struct err *err)
{
    const struct address_options *o = conf->options;
    if (!traffic_conf_valid(conf, service, err))
        return false;
    if (!address_is_good(o->address))
        return err_set(err, ERR_CONFIG, "\"%s\" is no IPv4 address with the length of its network, like 192.0.2.100/24", o->address ? o->address : "");
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct place *place = place_of(o, service->sites.p[i].name);
        if (!place)
            return err_set(err, ERR_CONFIG, "`places:` says nothing of site \"%s\"", service->sites.p[i].name);
        if (!device_is_good(place->device))
            return err_set(err, ERR_CONFIG, "site \"%s\": \"%s\" is no name of a network interface", place->site, place->device ? place->device : "");
        if (!place->ip.n || !place->announce.n || !place->probe.n)
            return err_set(err, ERR_CONFIG, "site \"%s\": `ip:`, `announce:` and `probe:` must be commands", place->site);
    }
    for (size_t i = 0; i < o->places.n; i++)
        if (place_of(o, o->places.p[i].site) != &o->places.p[i])
            return err_set(err, ERR_CONFIG, "`places:` names site \"%s\" twice", o->places.p[i].site);
    return true;
}

static void commands(struct arena *arena, const struct service *service, const struct site *to, struct buf *out)
{
    const struct address_options *o = service->traffic.options;
    const struct place *place = place_of(o, to->name);
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *other = &service->sites.p[i];
        const struct place *there = place_of(o, other->name);
        if (there && !same(other->name, to->name))
            buf_printf(out, "# %s\n%s address del %s dev %s\n", other->name, host_words(arena, &there->ip), o->address, there->device);
    }
    if (place)
        buf_printf(out, "# %s\n%s address add %s dev %s\n%s -I %s %s\n", to->name, host_words(arena, &place->ip), o->address, place->device,
                   host_words(arena, &place->announce), place->device, bare(arena, o->address));
}

extern const struct traffic_ops traffic_address;
const struct traffic_ops traffic_address = {
    .name = "address",
    .by_hand = {.en = "# on the host of each site, the old one first\n{traffic.commands}", .fr = "# sur la machine de chaque site, l'ancien d'abord\n{traffic.commands}"},
    .commands = commands,
    .summary = "an IPv4 address that moves between the hosts of the sites, told to the neighbours by gratuitous ARP",
    .options = options,
    .options_size = sizeof(struct address_options),
    .valid = valid,
    .read_back = read_back,
    .describe = describe,
    .point = point,
    .can_put_back = memory_known,
    .put_back = put_back,
    .forget = memory_forget,
};
