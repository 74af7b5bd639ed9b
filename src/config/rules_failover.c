/* config/rules_failover.c -- Rules of leases, agents, etcd and fences: what cannot be kept is refused here, not at 3 am. */
#include "config/rules.h"
#include "io/httpd.h"

/* ---- agents ---- */

static bool everywhere(const char *listen)
{
    return str_starts(str_of(listen), "0.0.0.0:") || str_starts(str_of(listen), "[::]:");
}

static void check_agent(struct walk *w, struct site *s)
{
    struct agent_conf *a = &s->agent;
    struct err err = {0};
    bool local = false;
    if (a->watchdog && !same(a->watchdog, "none") && *a->watchdog != '/')
        rule_error(w, &a->watchdog, s, "\"%s\" is not a device", a->watchdog)->hint = "write none, or a path as /dev/watchdog";
    if (same(a->watchdog, "none"))
        a->watchdog = NULL;
    if (!a->listen || walk_wrong(w, &a->listen))
        return;
    if (!httpd_address(a->listen, &local, &err)) {
        rule_failed(w, &a->listen, s, &err);
        return;
    }
    if (*a->listen == '/')
        rule_error(w, &a->listen, s, "an agent listens for other machines, so not on a Unix socket")->hint = "write ADDRESS:PORT";
    else if (!a->url && everywhere(a->listen))
        rule_error(w, &a->listen, s, "\"%s\" does not say where the others find this agent", a->listen)->hint = "add url: http://ADDRESS:PORT";
    else if (!a->url)
        a->url = arena_printf(w->arena, "http://%s", a->listen);
    if (!local && a->token.source == SECRET_NONE)
        rule_error(w, &a->listen, s, "whoever reaches \"%s\" could stop the database: there is no token", a->listen)->hint =
            "add token: {file: PATH}, or listen on 127.0.0.1";
    if (!s->database.data_directory)
        rule_error(w, &a->listen, s, "an agent needs to know the data directory of its PostgreSQL")->hint =
            "add data_directory: PATH to database: of this site";
}

/* Without etcd a lease is granted by all others that could be promoted, so each of them needs an agent. */
static void check_alone(struct walk *w, const struct config *config, const struct service *service)
{
    const struct site *with = NULL, *without = NULL;
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *s = &service->sites.p[i];
        *(s->agent.listen ? &with : &without) = s;
    }
    if (with && without && service->failover.automatic && !config->etcd.endpoints.n && !walk_wrong(w, &config->etcd.endpoints))
        rule_error(w, &with->agent.listen, with,
                   "nobody could grant this agent its lease: there is no etcd, and site \"%s\" has no agent", without->name ? without->name : "?")
            ->hint = "give each site an agent:, or add etcd:, or write failover: {automatic: false}";
}

/* Which of several standbys has most, and that the others follow it, only agents make sure of. */
static void check_several(struct walk *w, const struct config *config, const struct service *service)
{
    const struct site *third = service->sites.n > 2 ? &service->sites.p[2] : NULL;
    for (size_t i = 0; third && i < service->sites.n; i++)
        if (!site_lives_by_lease(config, service, &service->sites.p[i]) && !walk_wrong(w, &config->etcd.endpoints)) {
            rule_error(w, third, third, "with more than two sites all of them live by a lease, and site \"%s\" does not", service->sites.p[i].name ? service->sites.p[i].name : "?")->hint =
                "give each site an agent:, add etcd:, and leave failover: {automatic: true} as it is";
            break;
        }
    if (third && service->replication.slot)
        rule_error(w, &service->replication.slot, &service->replication, "two standbys cannot read one slot")->hint = "leave slot: out; with carry_slots: true each keeps its own";
}

/* ---- the lease ---- */

static void check_inequality(struct walk *w, const struct config *config, const struct service *service)
{
    const struct failover_conf *f = &service->failover;
    int64_t answer = config->etcd.timeout_ms, holds = f->ttl_ms - f->stop_budget_ms;
    if (walk_wrong(w, &f->ttl_ms) || walk_wrong(w, &f->renew_ms) || walk_wrong(w, &f->stop_budget_ms) || walk_wrong(w, &config->etcd.timeout_ms))
        return;
    if (f->renew_ms + answer < holds)
        return;
    rule_error(w, &f->ttl_ms, service,
               "one late answer would stop a healthy primary: renew (%s) and the deadline of a renewal (%s) must together be less than "
               "ttl - stop_budget (%s)",
               duration_print(w->arena, f->renew_ms), duration_print(w->arena, answer),
               holds > 0 ? duration_print(w->arena, holds) : "nothing")
        ->hint = "raise ttl:, or lower renew:, stop_budget: or timeout: of etcd";
}

static void check_watchdogs(struct walk *w, const struct config *config, const struct service *service)
{
    const struct failover_conf *f = &service->failover;
    if (walk_wrong(w, &f->ttl_ms) || walk_wrong(w, &config->etcd.timeout_ms) || failover_watchdog_s(f, config->etcd.timeout_ms) > 0)
        return;
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct agent_conf *a = &service->sites.p[i].agent;
        if (a->watchdog && !walk_wrong(w, &a->watchdog))
            rule_error(w, &a->watchdog, &service->sites.p[i],
                       "a watchdog counts whole seconds, and ttl (%s) less the deadline of a renewal (%s) leaves it none",
                       duration_print(w->arena, f->ttl_ms), duration_print(w->arena, config->etcd.timeout_ms))
                ->hint = "raise ttl: of failover, or lower timeout: of etcd, or leave watchdog: out";
    }
}

static void check_lease(struct walk *w, const struct config *config, const struct service *service)
{
    const struct failover_conf *f = &service->failover;
    if (f->stay_up_alone && f->automatic)
        rule_error(w, &f->stay_up_alone, service,
                   "stay_up_alone and automatic cannot both hold: an isolated primary that goes on writing, and another that is promoted "
                   "meanwhile, are two primaries")
            ->hint = "write automatic: false beside it, so that a person promotes; or leave stay_up_alone out, and an isolated primary stops";
    check_inequality(w, config, service);
    check_watchdogs(w, config, service);
}

/* ---- Patroni ---- */

/* Two programs that each decide who writes are how two primaries come to be. */
static void check_patroni(struct walk *w, const struct service *service)
{
    const struct patroni_conf *p = &service->patroni;
    for (size_t i = 0; i < p->members.n; i++) {
        const struct patroni_member *m = &p->members.p[i];
        if (walk_wrong(w, &m->site) || walk_wrong(w, &m->name))
            continue;
        if (m->site && !service_site(service, m->site))
            rule_error(w, &m->site, m, "there is no site \"%s\"", m->site);
        for (size_t k = 0; k < i; k++)
            if (same(m->site, p->members.p[k].site) || same(m->name, p->members.p[k].name))
                rule_error(w, &m->site, m, "site \"%s\" or member \"%s\" stands here twice", m->site, m->name);
    }
    for (size_t i = 0; p->members.n && i < service->sites.n; i++) {
        const struct site *s = &service->sites.p[i];
        if (s->agent.listen)
            rule_error(w, &s->agent.listen, s, "Patroni decides who writes, and so would this agent")->hint = "leave out agent: of all sites, or patroni:";
        else if (s->name && !service_patroni(service, s->name))
            rule_error(w, &p->members, p, "Patroni manages all sites or none: members: says nothing of site \"%s\"", s->name);
    }
    if (p->password.source != SECRET_NONE && !p->user)
        rule_error(w, &p->password, p, "there is a password, but no user");
    if (!p->cert_file != !p->key_file)
        rule_error(w, p->cert_file ? &p->cert_file : &p->key_file, p, "a certificate and its key are of use together only")->hint =
            "write both cert_file: and key_file:, or neither";
}

/* ---- fences ---- */

static void check_fences(struct walk *w, const struct site *s, bool ask_drivers)
{
    for (size_t i = 0; i < s->fences.n; i++) {
        const struct fence_conf *f = &s->fences.p[i];
        const struct config_driver *driver = walk_driver(w->hooks, "fence", f->type);
        struct err err = {0};
        if (ask_drivers && driver && f->options && w->hooks->fence_valid && !w->hooks->fence_valid(driver->ops, f, s, &err))
            rule_failed(w, f, f, &err);
    }
}

/* ---- etcd ---- */

static void check_etcd(struct walk *w, const struct etcd_conf *e)
{
    for (size_t i = 0; i < e->endpoints.n; i++)
        if (!str_starts(str_of(e->endpoints.p[i]), "http://") && !str_starts(str_of(e->endpoints.p[i]), "https://"))
            rule_error(w, &e->endpoints, e, "\"%s\" is not an address of etcd", e->endpoints.p[i])->hint = "write https://HOST:2379";
    if (!e->cert_file != !e->key_file)
        rule_error(w, e->cert_file ? &e->cert_file : &e->key_file, e, "a certificate and its key are of use together only")->hint =
            "write both cert_file: and key_file:, or neither";
    if (e->password.source != SECRET_NONE && !e->user)
        rule_error(w, &e->password, e, "there is a password, but no user");
    if (e->prefix && *e->prefix != '/')
        rule_error(w, &e->prefix, e, "\"%s\" must begin with /", e->prefix);
}

void rules_failover(struct walk *w, struct config *config, bool values_right)
{
    check_etcd(w, &config->etcd);
    for (size_t i = 0; i < config->services.n; i++) {
        struct service *service = &config->services.p[i];
        for (size_t k = 0; k < service->sites.n; k++) {
            check_agent(w, &service->sites.p[k]);
            check_fences(w, &service->sites.p[k], values_right);
        }
        check_alone(w, config, service);
        check_several(w, config, service);
        check_lease(w, config, service);
        check_patroni(w, service);
    }
}
