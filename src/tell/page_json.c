/* tell/page_json.c -- /api/v2 in the shape that readers of status pages know. What is ours alone stands under "bascule". */
#include <inttypes.h>

#include "tell/page_internal.h"

enum { LISTED_MAX = 50 }; /* as many as others list */

struct api {
    struct arena *arena;
    const struct page *page;
    struct jsonout j;
};

static void put_at(struct api *api, const char *key, int64_t wall_ms)
{
    json_put_text(&api->j, key, wall_ms ? moment_iso(api->arena, wall_ms) : NULL);
}

static const char *incident_id(const struct api *api, const struct page_incident *incident)
{
    return arena_printf(api->arena, "inc-%" PRId64, incident->id);
}

/* ---- the page and its state ---- */

static void put_page(struct api *api)
{
    const struct page *page = api->page;
    json_key(&api->j, "page");
    json_object(&api->j);
    json_put_text(&api->j, "id", page_id(page));
    json_put_text(&api->j, "name", page->title.en);
    json_put_text(&api->j, "url", page->conf->url ? page->conf->url : "");
    json_put_text(&api->j, "time_zone", "Etc/UTC");
    json_put_text(&api->j, "updated_at", moment_iso(api->arena, page->changed_wall_ms));
    json_object_end(&api->j);
}

static const char *description(const struct page *page)
{
    static const char *const usual[IMPACT_MAX] = {"All Systems Operational", "Service Under Maintenance", "Partially Degraded Service", "Partial System Outage",
                                                  "Major Service Outage"};
    struct text2 headline = page_headline(page);
    return same(headline.en, page_impact_title(page->impact).en) ? usual[page->impact] : headline.en;
}

static void put_status(struct api *api)
{
    json_key(&api->j, "status");
    json_object(&api->j);
    json_put_text(&api->j, "indicator", page_impact_name(api->page->impact));
    json_put_text(&api->j, "description", description(api->page));
    json_object_end(&api->j);
}

static void put_own(struct api *api)
{
    json_key(&api->j, "bascule");
    json_object(&api->j);
    put_at(api, "made_at", api->page->made_wall_ms);
    put_at(api, "stale_at", api->page->stale_wall_ms);
    json_put_int(&api->j, "stale_at_ms", api->page->stale_wall_ms);
    json_object_end(&api->j);
}

/* ---- components ---- */

static void put_component(struct api *api, size_t index)
{
    const struct page_component *c = &api->page->components.p[index];
    json_object(&api->j);
    json_put_text(&api->j, "id", c->id);
    json_put_text(&api->j, "name", c->title.en);
    json_put_text(&api->j, "status", component_state_name(c->state));
    put_at(api, "created_at", c->days[0].from_wall_ms);
    put_at(api, "updated_at", c->since_wall_ms ? c->since_wall_ms : c->days[0].from_wall_ms);
    json_put_int(&api->j, "position", (int64_t)index + 1);
    json_put_text(&api->j, "description", NULL);
    json_put_bool(&api->j, "showcase", true);
    json_put_text(&api->j, "start_date", NULL);
    json_put_text(&api->j, "group_id", NULL);
    json_put_text(&api->j, "page_id", page_id(api->page));
    json_put_bool(&api->j, "group", false);
    json_put_bool(&api->j, "only_show_if_degraded", false);
    json_object_end(&api->j);
}

static void put_components(struct api *api, const bool *affects)
{
    json_key(&api->j, "components");
    json_array(&api->j);
    for (size_t i = 0; i < api->page->components.n; i++)
        if (!affects || affects[i])
            put_component(api, i);
    json_array_end(&api->j);
}

static void put_affected(struct api *api, const bool *affects, const char *before, const char *after)
{
    json_key(&api->j, "affected_components");
    json_array(&api->j);
    for (size_t i = 0; i < api->page->components.n; i++) {
        if (!affects[i])
            continue;
        json_object(&api->j);
        json_put_text(&api->j, "code", api->page->components.p[i].id);
        json_put_text(&api->j, "name", api->page->components.p[i].title.en);
        json_put_text(&api->j, "old_status", before);
        json_put_text(&api->j, "new_status", after);
        json_object_end(&api->j);
    }
    json_array_end(&api->j);
}

/* ---- incidents ---- */

static void put_update(struct api *api, const struct page_incident *incident, size_t index)
{
    const struct page_update *u = &incident->updates.p[index];
    enum component_state before = index ? page_state_at(incident, incident->updates.p[index - 1].phase) : COMPONENT_OPERATIONAL;
    const char *id = incident_id(api, incident);
    json_object(&api->j);
    json_put_text(&api->j, "id", arena_printf(api->arena, "%s-u%" PRId64, id, u->serial));
    json_put_text(&api->j, "status", public_phase_name(u->phase));
    json_put_text(&api->j, "body", *u->body.en ? u->body.en : u->headline.en);
    json_put_text(&api->j, "incident_id", id);
    put_at(api, "created_at", u->wall_ms);
    put_at(api, "updated_at", u->wall_ms);
    put_at(api, "display_at", u->wall_ms);
    put_affected(api, incident->affects, component_state_name(before), component_state_name(page_state_at(incident, u->phase)));
    json_put_bool(&api->j, "deliver_notifications", true);
    json_put_text(&api->j, "custom_tweet", NULL);
    json_put_text(&api->j, "tweet_id", NULL);
    json_object_end(&api->j);
}

static void put_incident(struct api *api, const struct page_incident *incident)
{
    const char *path = arena_printf(api->arena, "%sincident/%" PRId64 ".html", page_folder(api->page->conf, LANGUAGE_EN), incident->id);
    if (page_language(api->page->conf, 0) == LANGUAGE_FR && page_languages(api->page->conf) == 1)
        path = arena_printf(api->arena, "incident/%" PRId64 ".html", incident->id);
    json_object(&api->j);
    json_put_text(&api->j, "id", incident_id(api, incident));
    json_put_text(&api->j, "name", incident->updates.p[incident->updates.n - 1].headline.en);
    json_put_text(&api->j, "status", public_phase_name(incident->phase));
    put_at(api, "created_at", incident->told_wall_ms);
    put_at(api, "updated_at", incident->updated_wall_ms);
    put_at(api, "monitoring_at", incident->monitoring_wall_ms);
    put_at(api, "resolved_at", incident->resolved_wall_ms);
    json_put_text(&api->j, "impact", page_impact_name(incident->impact));
    json_put_text(&api->j, "shortlink", page_url(api->arena, api->page, path));
    put_at(api, "started_at", incident->began_wall_ms);
    json_put_text(&api->j, "page_id", page_id(api->page));
    json_key(&api->j, "incident_updates");
    json_array(&api->j);
    for (size_t i = incident->updates.n; i-- > 0;)
        put_update(api, incident, i);
    json_array_end(&api->j);
    put_components(api, incident->affects);
    json_object_end(&api->j);
}

static void put_incidents(struct api *api, bool unresolved)
{
    size_t listed = 0;
    json_key(&api->j, "incidents");
    json_array(&api->j);
    for (size_t i = 0; i < api->page->incidents.n && listed < LISTED_MAX; i++) {
        if (unresolved && page_incident_over(&api->page->incidents.p[i]))
            continue;
        put_incident(api, &api->page->incidents.p[i]);
        listed++;
    }
    json_array_end(&api->j);
}

/* ---- maintenance ---- */

static void put_maintenance(struct api *api, const struct page_maintenance *m)
{
    const char *id = arena_printf(api->arena, "mnt-%s-%" PRId64, m->name, m->told_wall_ms / 1000);
    bool over = m->phase == MAINTENANCE_COMPLETED;
    json_object(&api->j);
    json_put_text(&api->j, "id", id);
    json_put_text(&api->j, "name", m->title.en);
    json_put_text(&api->j, "status", maintenance_phase_name(m->phase));
    put_at(api, "created_at", m->told_wall_ms);
    put_at(api, "updated_at", m->updated_wall_ms);
    json_put_text(&api->j, "monitoring_at", NULL);
    put_at(api, "resolved_at", over ? m->to_wall_ms : 0);
    json_put_text(&api->j, "impact", page_impact_name(IMPACT_MAINTENANCE));
    json_put_text(&api->j, "shortlink", page_url(api->arena, api->page, "index.html"));
    put_at(api, "started_at", m->from_wall_ms);
    json_put_text(&api->j, "page_id", page_id(api->page));
    json_key(&api->j, "incident_updates");
    json_array(&api->j);
    json_object(&api->j);
    json_put_text(&api->j, "id", arena_printf(api->arena, "%s-u1", id));
    json_put_text(&api->j, "status", maintenance_phase_name(m->phase));
    json_put_text(&api->j, "body", *m->body.en ? m->body.en : m->title.en);
    json_put_text(&api->j, "incident_id", id);
    put_at(api, "created_at", m->updated_wall_ms);
    put_at(api, "updated_at", m->updated_wall_ms);
    put_at(api, "display_at", m->updated_wall_ms);
    put_affected(api, m->affects, component_state_name(COMPONENT_OPERATIONAL),
                 component_state_name(over ? COMPONENT_OPERATIONAL : COMPONENT_MAINTENANCE));
    json_put_bool(&api->j, "deliver_notifications", true);
    json_object_end(&api->j);
    json_array_end(&api->j);
    put_components(api, m->affects);
    put_at(api, "scheduled_for", m->from_wall_ms);
    put_at(api, "scheduled_until", m->to_wall_ms);
    json_object_end(&api->j);
}

/* Bits of enum maintenance_phase. The shape has no word for a cancelled one: it is not listed any more. */
static void put_maintenances(struct api *api, unsigned phases)
{
    json_key(&api->j, "scheduled_maintenances");
    json_array(&api->j);
    for (size_t i = 0; i < api->page->maintenances.n; i++)
        if (phases & (1U << api->page->maintenances.p[i].phase))
            put_maintenance(api, &api->page->maintenances.p[i]);
    json_array_end(&api->j);
}

/* ---- the files ---- */

enum { UPCOMING = 1U << MAINTENANCE_SCHEDULED, ACTIVE = 1U << MAINTENANCE_IN_PROGRESS, OVER = 1U << MAINTENANCE_COMPLETED };
enum incidents { INCIDENTS_NONE, INCIDENTS_OPEN, INCIDENTS_ALL };

static const struct {
    const char *path;
    bool status, components;
    enum incidents incidents;
    unsigned maintenances; /* 0: not in this file */
} files[] = {
    {"api/v2/components.json", false, true, INCIDENTS_NONE, 0},
    {"api/v2/incidents.json", false, false, INCIDENTS_ALL, 0},
    {"api/v2/incidents/unresolved.json", false, false, INCIDENTS_OPEN, 0},
    {"api/v2/scheduled-maintenances.json", false, false, INCIDENTS_NONE, UPCOMING | ACTIVE | OVER},
    {"api/v2/scheduled-maintenances/upcoming.json", false, false, INCIDENTS_NONE, UPCOMING},
    {"api/v2/scheduled-maintenances/active.json", false, false, INCIDENTS_NONE, ACTIVE},
    {"api/v2/summary.json", true, true, INCIDENTS_OPEN, UPCOMING | ACTIVE},
    {"api/v2/status.json", true, false, INCIDENTS_NONE, 0},
};

void page_json(struct arena *arena, const struct page *page, struct page_files *to)
{
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        SCOPED(buf_done) struct buf out = {.max = PAGE_FILE_MAX};
        struct api api = {.arena = arena, .page = page, .j = jsonout(&out)};
        json_object(&api.j);
        put_page(&api);
        if (files[i].components)
            put_components(&api, NULL);
        if (files[i].incidents != INCIDENTS_NONE)
            put_incidents(&api, files[i].incidents == INCIDENTS_OPEN);
        if (files[i].maintenances)
            put_maintenances(&api, files[i].maintenances);
        if (files[i].status) {
            put_status(&api);
            put_own(&api);
        }
        json_object_end(&api.j);
        buf_putc(&out, '\n');
        *vec_add(arena, to) = (struct page_file){.path = files[i].path, .text = str_of(arena_strdup(arena, buf_text(&out)))};
    }
}
