/* config/rotations.c -- Rotations made ready to be asked, and the defaults by which pages find their people. */
#include "config/rules.h"
#include "io/zoneinfo.h"
#include "model/rotation.h"

#define PAGING_STAGE "on-call" /* pages unless its file says otherwise; no other stage does */

/* ---- tiers ---- */

/* Who is of a tier: contacts that can be told, and rotations. */
static struct tier tier_of(struct walk *w, const struct config *config, int number)
{
    struct tier tier = {0};
    for (size_t i = 0; i < config->contacts.n; i++)
        if (config->contacts.p[i].tier == number && config->contacts.p[i].ways.n && config->contacts.p[i].name)
            *vec_add(w->arena, &tier.notify) = config->contacts.p[i].name;
    for (size_t i = 0; i < config->rotations.n; i++)
        if (config->rotations.p[i].tier == number && config->rotations.p[i].name)
            *vec_add(w->arena, &tier.notify) = config->rotations.p[i].name;
    return tier;
}

static void fill_severity(struct walk *w, const struct config *config, struct severity_conf *severity)
{
    enum { SECOND_TIER = 2, LAST_TIER = 3 };
    bool pages = false;
    for (size_t i = 0; i < severity->stages.n; i++) {
        struct stage *stage = &severity->stages.p[i];
        if (!walk_written(w, &stage->page))
            stage->page = same(stage->name, PAGING_STAGE);
        pages = pages || stage->page;
    }
    for (int number = SECOND_TIER; number <= LAST_TIER && pages && !walk_written(w, &severity->tiers); number++) {
        struct tier tier = tier_of(w, config, number);
        if (tier.notify.n)
            *vec_add(w->arena, &severity->tiers) = tier;
    }
}

/* ---- rotations ---- */

static void check_members(struct walk *w, const struct config *config, const struct rotation *r)
{
    struct strs contacts =
        rule_names(w->arena, config->contacts.p, config->contacts.n, sizeof(struct contact), offsetof(struct contact, name));
    for (size_t i = 0; i < r->members.n && contacts.n == config->contacts.n; i++) {
        const struct contact *contact = config_contact(config, r->members.p[i]);
        if (!contact)
            rule_error(w, &r->members.p[i], r, "there is no contact \"%s\"", r->members.p[i])->hint =
                hint_nearest(w->arena, r->members.p[i], &contacts);
        else if (contact->ways.n == 0)
            rule_error(w, &r->members.p[i], r, "contact \"%s\" has no ways, so it cannot be told", contact->name);
    }
}

static void make_turns(struct walk *w, struct rotation *r)
{
    int64_t midnight = 0, moment = 0;
    const struct zone utc = {0};
    if (r->members.n == 0)
        rule_error(w, &r->members, r, "nobody takes turns here")->hint = "write members: [NAME, NAME], or calendar: FILE";
    if (r->every_ms && r->every_ms % MS_DAY && MS_DAY % r->every_ms)
        rule_error(w, &r->every_ms, r, "turns of %s end at another time of day each time", duration_print(w->arena, r->every_ms))->hint =
            "write whole days (7d), or hours of which a day is made (8h, 12h)";
    bool day_right = r->from && strlen(r->from) == 10 && zone_parse_moment(&utc, r->from, &midnight);
    if (r->from && !day_right)
        rule_error(w, &r->from, r, "\"%s\" is not a day", r->from)->hint = "write it like 2026-01-05";
    bool time_right = r->at && strlen(r->at) == 5 && zone_parse_moment(&utc, arena_printf(w->arena, "2024-01-01 %s", r->at), &moment);
    if (r->at && !time_right)
        rule_error(w, &r->at, r, "\"%s\" is not a time of day", r->at)->hint = "write it like \"09:00\"";
    if (day_right && time_right)
        r->base_ms = midnight + (moment % MS_DAY);
}

static void make_rotation(struct walk *w, const struct config *config, struct rotation *r)
{
    struct err err = {0};
    if (r->name && (config_contact(config, r->name) || config_group(config, r->name)))
        rule_error(w, &r->name, r, "\"%s\" is the name of a contact or group already", r->name);
    if (r->zone_name && !zoneinfo_read(w->arena, r->zone_name, &r->zone, &err))
        rule_failed(w, &r->zone_name, r, &err);
    make_turns(w, r);
    check_members(w, config, r);
}

void people_make(struct walk *w, struct config *config)
{
    rule_unique(w, "rotation", config->rotations.p, config->rotations.n, sizeof(struct rotation), offsetof(struct rotation, name));
    for (size_t i = 0; i < config->rotations.n; i++)
        make_rotation(w, config, &config->rotations.p[i]);
    for (size_t i = 0; i < config->services.n; i++)
        for (size_t k = 0; k < config->services.p[i].severities.n; k++)
            fill_severity(w, config, &config->services.p[i].severities.p[k]);
}
