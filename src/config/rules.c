/* config/rules.c -- Rules of the main file. A value that could not be read is NULL here, and was complained of already.
 */
#include "config/rules.h"

#include "config/tables.h"
#include "model/incident.h"

struct problem *rule_error(struct walk *w, const void *field, const void *within, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(w->arena, fmt, args);
    va_end(args);
    return problem_error(w->problems, walk_origin(w, field, within), "%s", text);
}

void rule_failed(struct walk *w, const void *field, const void *within, const struct err *err)
{
    struct problem *p = rule_error(w, field, within, "%s", err->message);
    if (*err->hint)
        p->hint = arena_strdup(w->arena, err->hint);
}

static const char *name_at(const void *list, size_t index, size_t size, size_t offset)
{
    return *(const char *const *)(const void *)((const char *)list + index * size + offset);
}

struct strs rule_names(struct arena *arena, const void *list, size_t count, size_t size, size_t offset)
{
    struct strs names = {0};
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(list, i, size, offset);
        if (name)
            *vec_add(arena, &names) = name;
    }
    return names;
}

void rule_unique(struct walk *w, const char *what, const void *list, size_t count, size_t size, size_t offset)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(list, i, size, offset);
        for (size_t k = 0; name && k < i; k++)
            if (same(name, name_at(list, k, size, offset))) {
                const struct mark *first = (const void *)((const char *)list + k * size);
                const char *field = (const char *)list + i * size;
                rule_error(w, field + offset, field, "%s \"%s\" stands twice: first in line %d, column %d", what, name,
                           first->line, first->column);
                break;
            }
    }
}

#define UNIQUE(w, what, list, type, member)                                                                            \
    rule_unique((w), (what), (list).p, (list).n, sizeof(struct type), offsetof(struct type, member))

static bool is_right(const struct walk *w, const void *field)
{
    return walk_written(w, field) && !walk_wrong(w, field);
}

/* ---- people ---- */

static void check_contacts(struct walk *w, const struct config *config, bool ask_drivers)
{
    struct strs channels = rule_names(w->arena, config->channels.p, config->channels.n, sizeof(struct channel_conf),
                                      offsetof(struct channel_conf, name));
    for (size_t i = 0; i < config->contacts.n; i++) {
        const struct contact *c = &config->contacts.p[i];
        if (c->ways.n == 0 && c->tier != 0)
            rule_error(w, &c->ways, c, "this contact cannot be reached")->hint =
                "give it ways: [{channel: NAME, address: ...}], or tier: 0 for the address book only";
        if (c->ways.n > CONTACT_WAYS_MAX)
            rule_error(w, &c->ways, c, "%zu ways; at most %d are possible", c->ways.n, CONTACT_WAYS_MAX);
        for (size_t k = 0; k < c->ways.n; k++) {
            const struct contact_way *way = &c->ways.p[k];
            struct err err = {0};
            const struct channel_conf *channel = way->channel ? config_channel(config, way->channel) : NULL;
            if (way->channel && !channel && channels.n == config->channels.n)
                rule_error(w, &way->channel, way, "there is no channel \"%s\"", way->channel)->hint =
                    hint_nearest(w->arena, way->channel, &channels);
            const struct config_driver *driver = channel ? walk_driver(w->hooks, "channel", channel->type) : NULL;
            if (ask_drivers && driver && w->hooks->address_valid &&
                !w->hooks->address_valid(driver->ops, way->address, &err))
                rule_failed(w, &way->address, way, &err);
        }
    }
}

static void check_groups(struct walk *w, const struct config *config)
{
    struct strs contacts = rule_names(w->arena, config->contacts.p, config->contacts.n, sizeof(struct contact),
                                      offsetof(struct contact, name));
    for (size_t i = 0; i < config->groups.n; i++) {
        const struct contact_group *g = &config->groups.p[i];
        const struct contact *twin = g->name ? config_contact(config, g->name) : NULL;
        if (twin)
            rule_error(w, &g->name, g, "\"%s\" is the name of a contact already, in line %d", g->name, twin->mark.line);
        for (size_t k = 0; k < g->members.n; k++)
            if (contacts.n == config->contacts.n && !config_contact(config, g->members.p[k]) && !config_rotation(config, g->members.p[k]))
                rule_error(w, &g->members.p[k], g, "there is no contact or rotation \"%s\"", g->members.p[k])->hint =
                    hint_nearest(w->arena, g->members.p[k], &contacts);
    }
}

static void check_channels(struct walk *w, const struct config *config, bool ask_drivers)
{
    for (size_t i = 0; i < config->channels.n; i++) {
        const struct channel_conf *c = &config->channels.p[i];
        const struct config_driver *driver = walk_driver(w->hooks, "channel", c->type);
        struct err err = {0};
        if (ask_drivers && driver && c->options && w->hooks->channel_valid &&
            !w->hooks->channel_valid(driver->ops, c, &err))
            rule_failed(w, c, c, &err);
    }
}

static void check_notify(struct walk *w, const struct config *config, const struct strs *notify, const void *within)
{
    struct strs names = {0};
    for (size_t i = 0; i < config->contacts.n; i++)
        if (config->contacts.p[i].name)
            *vec_add(w->arena, &names) = config->contacts.p[i].name;
    for (size_t i = 0; i < config->groups.n; i++)
        if (config->groups.p[i].name)
            *vec_add(w->arena, &names) = config->groups.p[i].name;
    for (size_t i = 0; i < config->rotations.n; i++)
        if (config->rotations.p[i].name)
            *vec_add(w->arena, &names) = config->rotations.p[i].name;
    bool all_named = names.n == config->contacts.n + config->groups.n + config->rotations.n && !walk_wrong(w, &config->groups);
    for (size_t i = 0; i < notify->n; i++) {
        const char *name = notify->p[i];
        const struct contact *contact = config_contact(config, name);
        if (all_named && !contact && !config_group(config, name) && !config_rotation(config, name))
            rule_error(w, &notify->p[i], within, "there is no contact, group or rotation \"%s\"", name)->hint =
                hint_nearest(w->arena, name, &names);
        else if (contact && contact->ways.n == 0)
            rule_error(w, &notify->p[i], within, "contact \"%s\" has no ways, so it cannot be told", name);
    }
}

static void check_severities(struct walk *w, const struct config *config, const struct service *service)
{
    for (size_t i = 0; i < service->severities.n; i++) {
        const struct severity_conf *s = &service->severities.p[i];
        for (size_t k = 0; k < i; k++)
            if (is_right(w, &s->severity) && is_right(w, &service->severities.p[k].severity) &&
                service->severities.p[k].severity == s->severity)
                rule_error(w, &s->severity, s, "severity \"%s\" stands twice: first in line %d",
                           severity_name((enum severity)s->severity), service->severities.p[k].mark.line);
        if (s->stages.n > INCIDENT_STAGES_MAX)
            rule_error(w, &s->stages, s, "%zu stages; at most %d are possible", s->stages.n, INCIDENT_STAGES_MAX);
        UNIQUE(w, "stage", s->stages, stage, name);
        for (size_t k = 0; k < s->stages.n; k++) {
            const struct stage *stage = &s->stages.p[k];
            check_notify(w, config, &stage->notify, stage);
            if (k && stage->after_ms < stage[-1].after_ms && !walk_wrong(w, &stage->after_ms))
                rule_error(w, &stage->after_ms, stage, "comes before the stage above it (%s)",
                           duration_print(w->arena, stage[-1].after_ms))
                    ->hint = "write stages in the order in which they come";
        }
        for (size_t k = 0; k < s->tiers.n && walk_written(w, &s->tiers); k++)
            check_notify(w, config, &s->tiers.p[k].notify, &s->tiers.p[k]);
    }
}

/* ---- sites ---- */

static void check_backup(struct walk *w, const struct site *s, bool ask_drivers)
{
    UNIQUE(w, "store", s->backup.stores, store_conf, name);
    if (s->backup.encrypt && s->backup.key.source == SECRET_NONE)
        rule_error(w, &s->backup.encrypt, s, "backups are to be encrypted, but there is no key")->hint =
            "add key: {file: PATH}; `bascule backup key` makes one";
    if (s->backup.old_key.source != SECRET_NONE && s->backup.key.source == SECRET_NONE)
        rule_error(w, &s->backup.old_key, s, "there is an old key, but no key");
    for (size_t i = 0; i < s->backup.stores.n; i++) {
        const struct store_conf *c = &s->backup.stores.p[i];
        const struct config_driver *driver = walk_driver(w->hooks, "store", c->type);
        struct err err = {0};
        if (ask_drivers && driver && c->options && w->hooks->store_valid && !w->hooks->store_valid(driver->ops, c, &err))
            rule_failed(w, c, c, &err);
    }
}

static void check_sites(struct walk *w, const struct service *service, bool ask_drivers)
{
    const struct site *production = NULL;
    bool unclear = false;
    UNIQUE(w, "site", service->sites, site, name);
    if (service->sites.n > SERVICE_SITES_MAX)
        rule_error(w, &service->sites, service, "a service has at most %d sites, here are %zu", SERVICE_SITES_MAX, service->sites.n);
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *s = &service->sites.p[i];
        check_backup(w, s, ask_drivers);
        if (!is_right(w, &s->role))
            unclear = true;
        else if (s->role == SITE_PRODUCTION && production)
            rule_error(w, &s->role, s, "a second production site; the first is in line %d", production->mark.line);
        else if (s->role == SITE_PRODUCTION)
            production = s;
        if (s->backup.follow_ms && s->role == SITE_PRODUCTION)
            rule_error(w, &s->backup.follow_ms, s, "the production site cannot follow its own backups")->hint =
                "write follow: into the backup: of the dr site";
        if (s->backup.every_ms && s->backup.early_ms >= s->backup.every_ms)
            rule_error(w, &s->backup.early_ms, s, "early must be shorter than every");
    }
    if (service->sites.n && !unclear && !production)
        rule_error(w, &service->sites, service, "no site has the role production");
}

/* ---- checks ---- */

/* A name, or a site's name, a dot and a name. */
static bool is_check_id(const char *id)
{
    struct str rest = str_of(id), part;
    int parts = 0;
    while (str_next(&rest, '.', &part)) {
        if (!str_is_name(part))
            return false;
        parts++;
    }
    return parts <= 2;
}

/* A dotted id belongs to the site before the dot: conditions with active.X and standby.X find it by that. */
static void check_id(struct walk *w, const struct service *service, const struct check_conf *c)
{
    enum { ID_MAX = 80 };
    if (!is_check_id(c->id) || strlen(c->id) + (service->name ? strlen(service->name) : 0) > ID_MAX) {
        rule_error(w, &c->id, c, "\"%s\" is not the id of a check", c->id)->hint =
            "write NAME or SITE.NAME, of letters, digits, - and _";
        return;
    }
    const char *dot = strchr(c->id, '.');
    const char *prefix = dot ? arena_strndup(w->arena, c->id, (size_t)(dot - c->id)) : NULL;
    if (prefix && c->site && !same(prefix, c->site) && service_site(service, c->site))
        rule_error(w, &c->id, c, "the id begins with \"%s.\", but the check looks at site \"%s\"", prefix, c->site)
            ->hint = "the part before the dot is the name of the site";
}

static void check_times(struct walk *w, const struct check_conf *c)
{
    enum { ROUNDS = 20 };
    if (walk_written(w, &c->timeout_ms) && c->interval_ms && c->timeout_ms / ROUNDS > c->interval_ms)
        rule_error(
            w, &c->timeout_ms, c,
            "a timeout of %s is more than %d intervals of %s: one hanging run would blind this check for too long",
            duration_print(w->arena, c->timeout_ms), ROUNDS, duration_print(w->arena, c->interval_ms));
    if (c->fresh_ms && c->fresh_ms < c->interval_ms)
        rule_error(w, &c->fresh_ms, c, "shorter than the interval of %s: the check would be unknown between its runs",
                   duration_print(w->arena, c->interval_ms));
}

static void check_checks(struct walk *w, const struct service *service, bool ask_drivers)
{
    struct strs sites =
        rule_names(w->arena, service->sites.p, service->sites.n, sizeof(struct site), offsetof(struct site, name));
    UNIQUE(w, "check", service->checks, check_conf, id);
    for (size_t i = 0; i < service->checks.n; i++) {
        const struct check_conf *c = &service->checks.p[i];
        size_t errors = w->problems->errors;
        struct err err = {0};
        if (c->id)
            check_id(w, service, c);
        check_times(w, c);
        if (c->site && !service_site(service, c->site) && sites.n == service->sites.n)
            rule_error(w, &c->site, c, "there is no site \"%s\"", c->site)->hint =
                hint_nearest(w->arena, c->site, &sites);
        if (same(c->id, "public") && !walk_written(w, &service->public_url))
            rule_error(w, &c->id, c, "a check of the public path, but the service has no public_url")->hint =
                "add public_url: https://... to the service";
        const struct config_driver *driver = walk_driver(w->hooks, "check", c->type);
        if (ask_drivers && errors == w->problems->errors && driver && w->hooks->check_valid &&
            !w->hooks->check_valid(driver->ops, c, service, &err))
            rule_failed(w, c, c, &err);
    }
}

static void check_endpoints(struct walk *w, const struct service *service)
{
    for (size_t i = 0; i < service->endpoints.n; i++) {
        const struct endpoint *e = &service->endpoints.p[i];
        if (e->path && *e->path != '/')
            rule_error(w, &e->path, e, "\"%s\" must begin with /: it follows the base address", e->path);
        if (e->json && (!strchr(e->json, '=') || *e->json == '='))
            rule_error(w, &e->json, e, "\"%s\" must be MEMBER=TEXT", e->json)->hint = "for example status=ok";
    }
}

/* ---- traffic ---- */

static void check_traffic(struct walk *w, const struct service *service, bool ask_drivers)
{
    const struct traffic_conf *t = &service->traffic;
    struct err err = {0};
    if (!t->driver)
        return;
    if (t->identify_path && *t->identify_path != '/')
        rule_error(w, &t->identify_path, t, "\"%s\" must begin with /: it follows the base address", t->identify_path);
    if (t->identify_path && !t->identify_header == !t->identify_json)
        rule_error(w, &t->identify_path, t,
                   t->identify_json ? "json and header cannot both name the site"
                                    : "neither json nor header says where the site is named")
            ->hint = "write identify: {path: /api/health, json: site} or {path: /api/health, header: X-Served-By}";
    if (!walk_written(w, &service->public_url))
        rule_error(w, t, service, "traffic can be moved, but the service has no public_url to see it arrive")->hint =
            "add public_url: https://... to the service";
    const struct config_driver *driver = walk_driver(w->hooks, "traffic", t->driver);
    if (ask_drivers && driver && w->hooks->traffic_valid && !w->hooks->traffic_valid(driver->ops, t, service, &err))
        rule_failed(w, t, service, &err);
}

static void check_tickets(struct walk *w, const struct config *config, const struct service *service)
{
    struct strs names = rule_names(w->arena, config->contacts.p, config->contacts.n, sizeof(struct contact), offsetof(struct contact, name));
    const struct contact *contact = service->tickets ? config_contact(config, service->tickets) : NULL;
    if (service->tickets && !contact && names.n == config->contacts.n)
        rule_error(w, &service->tickets, service, "there is no contact \"%s\"", service->tickets)->hint = hint_nearest(w->arena, service->tickets, &names);
    if (contact && contact->ways.n == 0)
        rule_error(w, &service->tickets, service, "contact \"%s\" cannot be reached, so no ticket would get there", service->tickets);
}

void rules_config(struct walk *w, const struct config *config, bool values_right)
{
    UNIQUE(w, "channel", config->channels, channel_conf, name);
    UNIQUE(w, "contact", config->contacts, contact, name);
    UNIQUE(w, "group", config->groups, contact_group, name);
    UNIQUE(w, "service", config->services, service, name);
    check_channels(w, config, values_right);
    check_contacts(w, config, values_right);
    check_groups(w, config);
    rules_serve(w, config);
    rules_pages(w, config);
    for (size_t i = 0; i < config->services.n; i++) {
        const struct service *service = &config->services.p[i];
        check_sites(w, service, values_right);
        check_endpoints(w, service);
        check_checks(w, service, values_right);
        check_traffic(w, service, values_right);
        check_severities(w, config, service);
        check_tickets(w, config, service);
    }
}
