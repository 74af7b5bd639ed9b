/* config/rotations.c -- Rotations made ready to be asked, and the defaults by which pages find their people. */
#include "config/rules.h"
#include "io/ical.h"
#include "io/zoneinfo.h"
#include "model/rotation.h"
#include "sys/clock.h"
#include "sys/file.h"

/* For so long a calendar is known, from the start of the program on. */
#define CALENDAR_PAST_MS (400 * MS_DAY)
#define CALENDAR_FUTURE_MS (800 * MS_DAY)

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

static bool same_name(const char *a, struct str b)
{
    return a && strlen(a) == b.n && strncasecmp(a, b.p, b.n) == 0;
}

/* Whose shift it is: the contact whose name or title is the summary, or one of whose addresses is an attendee's. */
static const struct contact *contact_of(const struct config *config, const struct ical_event *event)
{
    struct str summary = str_trim(str_of(event->summary));
    for (size_t i = 0; i < config->contacts.n; i++) {
        const struct contact *c = &config->contacts.p[i];
        if (same_name(c->name, summary) || same_name(c->title.en, summary) || same_name(c->title.fr, summary))
            return c;
    }
    for (size_t i = 0; i < config->contacts.n; i++)
        for (size_t k = 0; k < config->contacts.p[i].ways.n; k++)
            for (size_t a = 0; a < event->attendees.n; a++)
                if (same_name(config->contacts.p[i].ways.p[k].address, str_of(event->attendees.p[a])))
                    return &config->contacts.p[i];
    return NULL;
}

static int member_of(struct walk *w, struct rotation *r, const char *name)
{
    for (size_t i = 0; i < r->named.n; i++)
        if (same(r->named.p[i], name))
            return (int)i;
    *vec_add(w->arena, &r->named) = name;
    return (int)r->named.n - 1;
}

static void take_shifts(struct walk *w, const struct config *config, struct rotation *r, const struct ical_events *events)
{
    struct strs unknown = {0}, contacts = rule_names(w->arena, config->contacts.p, config->contacts.n, sizeof(struct contact), offsetof(struct contact, name));
    for (size_t i = 0; i < events->n; i++) {
        const struct ical_event *event = &events->p[i];
        const struct contact *contact = contact_of(config, event);
        bool said = false;
        for (size_t k = 0; k < unknown.n; k++)
            said = said || same(unknown.p[k], event->summary);
        if (contact && contact->ways.n)
            *vec_add(w->arena, &r->shifts) = (struct shift){.from_ms = event->from_ms, .to_ms = event->to_ms, .member = member_of(w, r, contact->name)};
        if (said || (contact && contact->ways.n))
            continue;
        *vec_add(w->arena, &unknown) = event->summary;
        rule_error(w, &r->calendar, r, contact ? "the shift \"%s\" (%s) is of a contact that has no ways" : "the shift \"%s\" (%s) names no contact",
                   event->summary, moment_minute(w->arena, event->from_ms))
            ->hint = hint_nearest(w->arena, event->summary, &contacts);
    }
}

static void read_calendar(struct walk *w, const struct config *config, struct rotation *r)
{
    struct err err = {0};
    struct str text;
    struct ical_events events = {0};
    int64_t now = clock_wall_ms();
    if (walk_written(w, &r->members))
        rule_error(w, &r->members, r, "members take turns, or a calendar says who is on call; here are both");
    r->known_from_ms = now - CALENDAR_PAST_MS;
    r->known_to_ms = now + CALENDAR_FUTURE_MS;
    if (!file_read(w->arena, r->calendar, ICAL_FILE_MAX, &text, &err) ||
        !ical_read(w->arena, text, &r->zone, r->known_from_ms, r->known_to_ms, &events, &err)) {
        rule_failed(w, &r->calendar, r, &err);
        return;
    }
    if (events.n == 0)
        rule_error(w, &r->calendar, r, "the calendar has no shift from a year ago on");
    take_shifts(w, config, r, &events);
}

static void make_rotation(struct walk *w, const struct config *config, struct rotation *r)
{
    struct err err = {0};
    if (r->name && (config_contact(config, r->name) || config_group(config, r->name)))
        rule_error(w, &r->name, r, "\"%s\" is the name of a contact or group already", r->name);
    if (r->zone_name && !zoneinfo_read(w->arena, r->zone_name, &r->zone, &err))
        rule_failed(w, &r->zone_name, r, &err);
    if (r->calendar) {
        read_calendar(w, config, r);
        return;
    }
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
