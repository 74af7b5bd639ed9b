/* fixture_config.c -- See the header. Budgets and stages are the runbook's. */
#include "fixture_config.h"

#define COPY_LIST(arena, to, from) ((to).p = arena_dup((arena), (from), sizeof(from)), (to).n = (to).cap = COUNT_OF(from))

static struct strs names(struct arena *arena, const char *first, const char *second)
{
    struct strs list = {0};
    *vec_add(arena, &list) = first;
    if (second)
        *vec_add(arena, &list) = second;
    return list;
}

static void add_people(struct arena *arena, struct config *config)
{
    static const struct {
        const char *name, *channels[2], *addresses[2];
    } people[] = {
        {"ops", {"slack", "mail"}, {NULL, "ops@akig.com"}},
        {"dba", {"mail", "mail"}, {"dba@akig.com", "dba@home.example"}}, /* two addresses over one channel */
        {"devops", {"mail", NULL}, {"devops@akig.com", NULL}},
        {"director", {"mail", NULL}, {"director@akig.com", NULL}},
    };
    for (size_t i = 0; i < COUNT_OF(people); i++) {
        struct contact *contact = vec_add(arena, &config->contacts);
        contact->name = people[i].name;
        contact->tier = 1;
        for (size_t w = 0; w < 2 && people[i].channels[w]; w++)
            *vec_add(arena, &contact->ways) = (struct contact_way){.channel = people[i].channels[w], .address = people[i].addresses[w]};
    }
    *vec_add(arena, &config->groups) = (struct contact_group){.name = "on-call", .members = names(arena, "dba", "devops")};
    *vec_add(arena, &config->groups) = (struct contact_group){.name = "management", .members = names(arena, "director", "ops")};
    *vec_add(arena, &config->channels) = (struct channel_conf){.name = "slack", .type = "slack"};
    *vec_add(arena, &config->channels) = (struct channel_conf){.name = "mail", .type = "smtp"};
}

static void add_severities(struct arena *arena, struct service *service)
{
    struct severity_conf *p1 = vec_add(arena, &service->severities);
    *p1 = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = 15 * MS_MINUTE, .rpo_ms = MS_HOUR, .impact_per_hour = 50000, .update_every_ms = 5 * MS_MINUTE};
    *vec_add(arena, &p1->stages) = (struct stage){.name = "alert", .after_ms = 5 * MS_SECOND, .notify = names(arena, "ops", NULL)};
    *vec_add(arena, &p1->stages) = (struct stage){.name = "on-call", .after_ms = 2 * MS_MINUTE, .notify = names(arena, "on-call", NULL), .page = true};
    *vec_add(arena, &p1->stages) = (struct stage){.name = "runbook", .after_ms = 3 * MS_MINUTE, .notify = names(arena, "on-call", NULL)};
    *vec_add(arena, &p1->stages) = (struct stage){.name = "status-page", .after_ms = 5 * MS_MINUTE, .notify = names(arena, "ops", NULL)};
    *vec_add(arena, &p1->stages) = (struct stage){.name = "management", .after_ms = 10 * MS_MINUTE, .notify = names(arena, "management", "ops")};
    struct severity_conf *p2 = vec_add(arena, &service->severities);
    *p2 = (struct severity_conf){.severity = SEVERITY_P2, .rto_ms = MS_HOUR, .rpo_ms = MS_HOUR, .impact_per_hour = 10000};
    *vec_add(arena, &p2->stages) = (struct stage){.name = "alert", .after_ms = 5 * MS_SECOND, .notify = names(arena, "ops", NULL)};
    struct severity_conf *p3 = vec_add(arena, &service->severities);
    *p3 = (struct severity_conf){.severity = SEVERITY_P3, .rto_ms = MS_DAY};
    *vec_add(arena, &p3->stages) = (struct stage){.name = "alert", .after_ms = MS_MINUTE, .notify = names(arena, "ops", NULL)};
}

static void add_playbooks(struct arena *arena, struct service *service)
{
    static const struct step database_down[] = {
        {.id = "diagnose", .title = {"Diagnose", "Diagnostic"}, .action = "diagnose active", .budget_ms = MS_MINUTE, .attempts = 1,
         .on_failure = "next", .on_expiry = "next"},
        {.id = "restart", .title = {"Restart the database", "Redémarrage"}, .action = "service restart active.database",
         .until = "active.database is up", .budget_ms = 90 * MS_SECOND, .attempts = 1, .limit = 3, .window_ms = MS_HOUR,
         .on_success = "verify", .on_failure = "failover", .on_expiry = "failover"},
        {.id = "failover", .title = {"Fail over", "Basculement"}, .action = "playbook failover", .attempts = 1, .on_success = "end", .on_failure = "fail"},
        {.id = "verify", .title = {"Verify", "Vérification"}, .action = "verify public", .budget_ms = 3 * MS_MINUTE, .attempts = 1, .on_failure = "failover"},
    };
    static const struct step failover[] = {
        {.id = "check-dr", .title = {"Check DR", "Vérifier la DR"}, .action = "status standby", .budget_ms = 2 * MS_MINUTE, .attempts = 1},
        {.id = "fence", .title = {"Fence", "Clôture"}, .action = "fence active", .budget_ms = MS_MINUTE, .attempts = 1},
        {.id = "restore", .title = {"Restore", "Restauration"}, .action = "restore standby", .budget_ms = 10 * MS_MINUTE, .attempts = 1},
        {.id = "application", .title = {"Application", "Application"}, .action = "service restart standby.application",
         .until = "standby.application is up", .budget_ms = MS_MINUTE, .attempts = 1},
        {.id = "test-apis", .title = {"Test the APIs", "Tester les API"}, .action = "verify standby", .budget_ms = 3 * MS_MINUTE, .attempts = 1},
        {.id = "redirect", .title = {"Redirect", "Redirection"}, .action = "traffic switch standby", .budget_ms = 5 * MS_MINUTE, .attempts = 1,
         .undo = "traffic switch active"},
        {.id = "verify-traffic", .title = {"Verify traffic", "Vérifier le trafic"}, .action = "verify public 10", .budget_ms = 5 * MS_MINUTE, .attempts = 1},
        {.id = "report", .title = {"Report", "Communiquer"}, .action = "notify update", .attempts = 1},
    };
    struct playbook *playbook = vec_add(arena, &service->playbooks);
    *playbook = (struct playbook){.name = "database-down", .title = {"Database unavailable", "Base de données indisponible"}, .severity = SEVERITY_P1,
        .rto_ms = 15 * MS_MINUTE, .opens_when = "active.database is down", .resolved_when = "public is up", .hold_ms = 30 * MS_SECOND, .is_public = true,
        .over_rto = {"the failover alone may take 25 min by the runbook's budgets", "le basculement seul peut prendre 25 min"}};
    COPY_LIST(arena, playbook->steps, database_down);
    playbook = vec_add(arena, &service->playbooks);
    *playbook = (struct playbook){.name = "failover", .title = {"Failover to DR", "Basculement"}, .severity = SEVERITY_P1, .rto_ms = 25 * MS_MINUTE,
        .resolved_when = "public is up", .hold_ms = 30 * MS_SECOND, .is_public = true, .automatic_limit = 1, .automatic_window_ms = MS_DAY,
        .over_rto = {"the runbook gives 25 min to five of its steps", "le runbook donne 25 min à cinq de ses étapes"}};
    COPY_LIST(arena, playbook->steps, failover);
}

struct config *fixture_config(struct arena *arena)
{
    static const struct check_conf checks[] = {
        {.id = "production.database", .type = "postgres", .site = "production"},
        {.id = "production.application", .type = "http", .site = "production"},
        {.id = "production.backup", .type = "backup", .site = "production"},
        {.id = "dr.database", .type = "postgres", .site = "dr"},
        {.id = "dr.application", .type = "http", .site = "dr"},
        {.id = "public", .type = "http"},
    };
    struct config *config = arena_new(arena, struct config);
    add_people(arena, config);
    struct service *service = vec_add(arena, &config->services);
    *service = (struct service){.name = "akig", .title = {"AKIG Platform", "Plateforme AKIG"}, .users = 15000, .currency = "$", .enabled_automatic = true, .failover = {.automatic = true}};
    *vec_add(arena, &service->sites) = (struct site){.name = "production", .role = SITE_PRODUCTION};
    *vec_add(arena, &service->sites) = (struct site){.name = "dr", .role = SITE_DR};
    COPY_LIST(arena, service->checks, checks);
    add_severities(arena, service);
    add_playbooks(arena, service);
    return config;
}

struct playbook *fixture_playbook(struct config *config, const char *name)
{
    struct service *service = &config->services.p[0];
    for (size_t i = 0; i < service->playbooks.n; i++)
        if (same(service->playbooks.p[i].name, name))
            return &service->playbooks.p[i];
    return NULL;
}

struct step *fixture_step(struct config *config, const char *playbook, const char *id)
{
    struct playbook *p = fixture_playbook(config, playbook);
    for (size_t i = 0; i < p->steps.n; i++)
        if (same(p->steps.p[i].id, id))
            return &p->steps.p[i];
    return NULL;
}

struct playbook *fixture_add_playbook(struct arena *arena, struct config *config, const char *name)
{
    struct playbook *playbook = vec_add(arena, &config->services.p[0].playbooks);
    *playbook = (struct playbook){.name = name, .severity = SEVERITY_P1, .hold_ms = 30 * MS_SECOND, .is_public = true};
    return playbook;
}

struct step *fixture_add_step(struct arena *arena, struct playbook *playbook, const char *id, const char *action)
{
    struct step *step = vec_add(arena, &playbook->steps);
    *step = (struct step){.id = id, .action = action, .budget_ms = MS_MINUTE, .attempts = 1};
    return step;
}
