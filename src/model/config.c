/* model/config.c -- Lookups by name, and what people call severities and stages. */
#include "model/config.h"

#define FIND(list, field, wanted)                                                                                      \
    for (size_t i = 0; i < (list).n; i++)                                                                              \
        if (same((list).p[i].field, wanted))                                                                           \
            return &(list).p[i];                                                                                       \
    return NULL

const struct service *config_service(const struct config *config, const char *name)
{
    if (!name)
        return config->services.n == 1 ? &config->services.p[0] : NULL;
    FIND(config->services, name, name);
}

const struct site *service_site(const struct service *service, const char *name)
{
    FIND(service->sites, name, name);
}

const struct patroni_member *service_patroni(const struct service *service, const char *site)
{
    FIND(service->patroni.members, site, site);
}

const struct site *service_site_of(const struct service *service, enum site_role role)
{
    for (size_t i = 0; i < service->sites.n; i++)
        if (service->sites.p[i].role == (int)role)
            return &service->sites.p[i];
    return NULL;
}

const struct playbook *service_playbook(const struct service *service, const char *name)
{
    FIND(service->playbooks, name, name);
}

const struct severity_conf *service_severity(const struct service *service, enum severity severity)
{
    for (size_t i = 0; i < service->severities.n; i++)
        if (service->severities.p[i].severity == (int)severity)
            return &service->severities.p[i];
    return NULL;
}

const struct check_conf *service_check(const struct service *service, const char *id)
{
    FIND(service->checks, id, id);
}

const struct checklist *service_checklist(const struct service *service, const char *name)
{
    for (size_t i = 0; i < service->checklists.n; i++)
        if (same(service->checklists.p[i].name, name))
            return &service->checklists.p[i];
    return NULL;
}

const struct checklist_item *checklist_item(const struct checklist *list, const char *id)
{
    for (size_t i = 0; i < list->items.n; i++)
        if (same(list->items.p[i].id, id))
            return &list->items.p[i];
    return NULL;
}

const struct step *playbook_step(const struct playbook *playbook, const char *id)
{
    FIND(playbook->steps, id, id);
}

const struct contact *config_contact(const struct config *config, const char *name)
{
    FIND(config->contacts, name, name);
}

const struct contact_group *config_group(const struct config *config, const char *name)
{
    FIND(config->groups, name, name);
}

const struct rotation *config_rotation(const struct config *config, const char *name)
{
    FIND(config->rotations, name, name);
}

const struct channel_conf *config_channel(const struct config *config, const char *name)
{
    FIND(config->channels, name, name);
}

bool site_lives_by_lease(const struct config *config, const struct service *service, const struct site *site)
{
    return site->agent.listen && service->failover.automatic && config->etcd.endpoints.n;
}

int64_t failover_stops_within_ms(const struct failover_conf *failover)
{
    return failover->ttl_ms; /* it begins stop_budget before that */
}

int64_t failover_waits_ms(const struct failover_conf *failover)
{
    enum { PERCENT = 100 };
    return failover->ttl_ms + (failover->ttl_ms * failover->drift + PERCENT - 1) / PERCENT + failover->guard_ms;
}

int64_t failover_missed_ms(const struct failover_conf *failover)
{
    enum { MISSED = 2 };
    return MISSED * failover->renew_ms;
}

int failover_watchdog_s(const struct failover_conf *failover, int64_t answer_ms)
{
    enum { LOOKS_MS = 100, MOST_S = 60 };
    int64_t whole = (failover->ttl_ms - answer_ms - LOOKS_MS) / MS_SECOND;
    return (int)MIN_OF(MAX_OF(whole, 0), MOST_S);
}

const char *text_in(struct text2 text, enum language language)
{
    const char *chosen = language == LANGUAGE_FR ? text.fr : text.en;
    return chosen ? chosen : "";
}

struct text2 severity_title(enum severity severity)
{
    static const struct text2 titles[SEVERITY_MAX] = {
        [SEVERITY_P1] = {"Critical", "Critique"},
        [SEVERITY_P2] = {"High", "Haute"},
        [SEVERITY_P3] = {"Normal", "Normale"},
    };
    return (unsigned)severity < SEVERITY_MAX ? titles[severity] : (struct text2){"?", "?"};
}

struct text2 stage_title(const char *stage)
{
    static const struct {
        const char *name;
        struct text2 title;
    } usual[] = {
        {"alert", {"automatic alert", "alerte automatique"}},
        {"on-call", {"people on call", "astreinte"}},
        {"runbook", {"recovery under way", "reprise en cours"}},
        {"status-page", {"status page", "page de statut"}},
        {"management", {"management and clients", "direction et clients"}},
        {"page", {"call for help", "appel à l'aide"}},
    };
    for (size_t i = 0; i < COUNT_OF(usual); i++)
        if (same(usual[i].name, stage))
            return usual[i].title;
    return (struct text2){stage, stage};
}
