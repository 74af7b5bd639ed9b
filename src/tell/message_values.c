/* tell/message_values.c -- Every value is taken from the incident, the configuration or what was measured. What is not known is left out,
   and the template says that it is unknown. */
#include "tell/message_values.h"

#include <inttypes.h>

#include "tell/wording.h"

static const struct text2 states[INCIDENT_MAX] = {
    [INCIDENT_OPEN] = {"open", "ouvert"},
    [INCIDENT_ACKNOWLEDGED] = {"acknowledged", "pris en charge"},
    [INCIDENT_MITIGATING] = {"recovery in progress", "reprise en cours"},
    [INCIDENT_MONITORING] = {"service back, under observation", "service rétabli, sous observation"},
    [INCIDENT_RESOLVED] = {"resolved", "résolu"},
    [INCIDENT_REVIEWED] = {"reviewed", "revu"},
};

#define IN(l, en_text, fr_text) ((l)->language == LANGUAGE_FR ? (fr_text) : (en_text))

static const char *duration(const struct letter *l, int64_t ms)
{
    return say_duration(l->arena, l->language, ms);
}

/* ---- what is computed ---- */

bool letter_is_back(const struct letter *l)
{
    return same(l->stage, "monitoring") || same(l->stage, "resolved");
}

/* The core time at which the outage began: the last proof of life, else the opening. */
static int64_t began_ms(const struct incident *i)
{
    int64_t before = i->good_wall_ms > 0 && i->good_wall_ms < i->opened_wall_ms ? i->opened_wall_ms - i->good_wall_ms : 0;
    return i->opened_at_ms - before;
}

int64_t letter_outage_ms(const struct letter *l)
{
    const struct incident *i = l->incident;
    int64_t end = l->facts->now_ms;
    if (letter_is_back(l) && i->monitoring_at_ms > 0)
        end = i->monitoring_at_ms;
    else if (same(l->stage, "resolved") && i->resolved_at_ms > 0)
        end = i->resolved_at_ms;
    return MAX_OF(end - began_ms(i), 0);
}

static int64_t rto_ms(const struct letter *l)
{
    int index = l->incident->playbook;
    int64_t own = index >= 0 && (size_t)index < l->service->playbooks.n ? l->service->playbooks.p[index].rto_ms : 0;
    return own > 0 ? own : l->severity ? l->severity->rto_ms : 0;
}

/* Rounded; the product of an int and the milliseconds of an incident fits by far. */
static int64_t revenue_lost(const struct letter *l)
{
    return (l->severity->impact_per_hour * letter_outage_ms(l) + MS_HOUR / 2) / MS_HOUR;
}

static const char *loss(const struct letter *l)
{
    const struct message_facts *f = l->facts;
    if (f->loss_ms <= 0 && f->loss_rows <= 0)
        return NULL;
    const char *time = f->loss_ms >= 0 ? arena_printf(l->arena, IN(l, "%s of writes", "%s d'écritures"), duration(l, f->loss_ms)) : NULL;
    const char *rows = f->loss_rows >= 0 ? arena_printf(l->arena, IN(l, "%s rows", "%s lignes"), say_count(l->arena, l->language, f->loss_rows)) : NULL;
    if (time && rows)
        return arena_printf(l->arena, "%s, %s", time, rows);
    return time ? time : rows;
}

/* ---- groups of values ---- */

void letter_put_severity(const struct letter *l, struct mustache_value *root)
{
    mustache_put_bool(l->arena, root, "p1", l->incident->severity == SEVERITY_P1);
    mustache_put_bool(l->arena, root, "p2", l->incident->severity == SEVERITY_P2);
    mustache_put_bool(l->arena, root, "p3", l->incident->severity == SEVERITY_P3);
}

void letter_put_affected(const struct letter *l, struct mustache_value *root)
{
    struct str rest = str_of(text_in(l->service->affected, l->language)), line;
    mustache_put_bool(l->arena, root, "any_affected", str_trim(rest).n > 0);
    struct mustache_value *list = mustache_put_list(l->arena, root, "affected");
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n)
            mustache_put(l->arena, mustache_add_map(l->arena, list), "name", say_line(l->arena, str_dup(l->arena, line)));
    }
}

/* A playbook has a title in each language; what a person called the incident stays. */
static const char *title_of(const struct letter *l)
{
    const struct incident *i = l->incident;
    bool named = i->playbook >= 0 && (size_t)i->playbook < l->service->playbooks.n;
    const struct text2 title = named ? l->service->playbooks.p[i->playbook].title : (struct text2){0};
    return named && same(title.en, i->title) ? text_in(title, l->language) : i->title;
}

static void put_what(const struct letter *l, struct mustache_value *root)
{
    struct arena *a = l->arena;
    const struct incident *i = l->incident;
    const char *service = say_line(a, text_in(l->service->title, l->language)), *title = say_line(a, title_of(l));
    mustache_put(a, root, "service", service);
    mustache_put(a, root, "severity", severity_name(i->severity));
    mustache_put(a, root, "severity_title", text_in(severity_title(i->severity), l->language));
    mustache_put(a, root, "incident", arena_printf(a, "INC-%" PRId64, i->id));
    mustache_put(a, root, "number", arena_printf(a, "%" PRId64, i->id));
    mustache_put(a, root, "title", title);
    bool ticket = same(l->stage, "ticket") && *l->order_text; /* trackers take their title from here */
    mustache_put(a, root, "subject", ticket ? say_line(a, l->order_text) : *title ? title : service);
    mustache_put(a, root, "opened", moment_minute(a, i->opened_wall_ms));
    mustache_put(a, root, "cause", say_line(a, i->cause));
    mustache_put(a, root, "status_page", l->service->status_page ? say_line(a, l->service->status_page) : NULL);
    letter_put_severity(l, root);
}

static void put_impact(const struct letter *l, struct mustache_value *root)
{
    const char *whom = l->severity ? text_in(l->severity->users, l->language) : "";
    bool revenue = l->severity && l->severity->impact_per_hour > 0, users = l->service->users > 0;
    mustache_put_bool(l->arena, root, "any_impact", users || *whom || revenue);
    mustache_put(l->arena, root, "users", users ? say_count(l->arena, l->language, l->service->users) : NULL);
    mustache_put(l->arena, root, "whom", say_line(l->arena, whom));
    mustache_put(l->arena, root, "revenue_lost", revenue ? say_money(l->arena, l->language, revenue_lost(l), l->service->currency) : NULL);
    mustache_put(l->arena, root, "revenue_rate",
                 revenue ? say_money(l->arena, l->language, l->severity->impact_per_hour, l->service->currency) : NULL);
}

static bool is_kind(const struct letter *l)
{
    static const char *const kinds[] = {"update", "monitoring", "resolved", "blocked", "approval", "relapse", "reminder", "say", "checklist", "ticket",
                                        "page", "acknowledged", "escalated", "unanswered"};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (same(l->stage, kinds[i]))
            return true;
    return false;
}

static const char *investigation(const struct letter *l)
{
    /* The first message keeps the runbook's words. */
    if (l->incident->state == INCIDENT_OPEN && !is_kind(l))
        return IN(l, "IN PROGRESS", "EN COURS");
    return (unsigned)l->incident->state < INCIDENT_MAX ? text_in(states[l->incident->state], l->language) : "?";
}

/* The first stage is the alert itself; a later one says how far up it has gone. */
static const char *escalation(const struct letter *l)
{
    bool first = !l->severity || l->severity->stages.n == 0 || same(l->severity->stages.p[0].name, l->stage);
    return first || is_kind(l) || !*l->stage ? NULL : text_in(stage_title(l->stage), l->language);
}

static void put_progress(const struct letter *l, struct mustache_value *root)
{
    struct arena *a = l->arena;
    const struct message_facts *f = l->facts;
    bool numbered = f->step_number > 0 && f->step_count > 0;
    mustache_put(a, root, "investigation", investigation(l));
    mustache_put(a, root, "escalation", escalation(l));
    mustache_put(a, root, "stage", say_line(a, l->stage));
    mustache_put(a, root, "step", say_line(a, f->step));
    mustache_put(a, root, "step_number", numbered ? arena_printf(a, "%d", f->step_number) : NULL);
    mustache_put(a, root, "step_count", numbered ? arena_printf(a, "%d", f->step_count) : NULL);
    mustache_put(a, root, "elapsed", duration(l, letter_outage_ms(l)));
    mustache_put(a, root, "eta", f->eta_ms >= 0 ? duration(l, f->eta_ms) : NULL);
    mustache_put(a, root, "eta_most", f->eta_ms >= 0 && f->eta_most_ms > f->eta_ms ? duration(l, f->eta_most_ms) : NULL);
    mustache_put_bool(a, root, "back", letter_is_back(l));
    mustache_put_bool(a, root, "acked", l->incident->acked_at_ms > 0);
    mustache_put(a, root, "acked_by", l->incident->acked_at_ms > 0 ? say_line(a, l->incident->who_acked) : NULL);
}

static void put_cadence(const struct letter *l, struct mustache_value *root)
{
    enum { LATE_MS = 30 * MS_SECOND };
    struct arena *a = l->arena;
    const struct message_facts *f = l->facts;
    int64_t every = l->severity ? l->severity->update_every_ms : 0;
    bool late = same(l->stage, "update") && l->incident->update_late_ms >= LATE_MS;
    mustache_put(a, root, "every", every > 0 ? duration(l, every) : NULL);
    mustache_put(a, root, "late", late ? duration(l, l->incident->update_late_ms) : NULL);
    mustache_put(a, root, "next_update", f->next_update_ms >= 0 ? duration(l, f->next_update_ms) : NULL);
    mustache_put(a, root, "next_update_at", f->next_update_ms >= 0 ? moment_minute(a, f->now_wall_ms + f->next_update_ms) : NULL);
}

static void put_objectives(const struct letter *l, struct mustache_value *root)
{
    struct arena *a = l->arena;
    const struct incident *i = l->incident;
    int64_t rto = rto_ms(l), rpo = l->severity ? l->severity->rpo_ms : 0, lost = l->facts->loss_ms, outage = letter_outage_ms(l);
    mustache_put(a, root, "rto", rto > 0 ? duration(l, rto) : NULL);
    mustache_put(a, root, "rto_left", rto > outage ? duration(l, rto - outage) : NULL);
    mustache_put_bool(a, root, "rto_missed", rto > 0 && outage > rto);
    mustache_put_bool(a, root, "proven_alive", i->good_wall_ms > 0);
    mustache_put(a, root, "rpo", rpo > 0 ? duration(l, rpo) : NULL);
    mustache_put(a, root, "rpo_achieved", lost >= 0 ? duration(l, lost) : NULL);
    mustache_put_bool(a, root, "rpo_missed", lost > rpo);
    mustache_put(a, root, "lost", loss(l));
    mustache_put_bool(a, root, "nothing_lost", (lost >= 0 || l->facts->loss_rows >= 0) && lost <= 0 && l->facts->loss_rows <= 0);
    mustache_put(a, root, "active_site", say_line(a, l->facts->active_site));
    mustache_put(a, root, "resolved_at",
                 same(l->stage, "resolved") ? moment_minute(a, i->resolved_wall_ms > 0 ? i->resolved_wall_ms : l->facts->now_wall_ms) : NULL);
}

static void put_failures(const struct letter *l, struct mustache_value *root)
{
    struct arena *a = l->arena;
    const struct message_facts *f = l->facts;
    mustache_put_bool(a, root, "any_undelivered", f->failure_count > 0);
    struct mustache_value *list = mustache_put_list(a, root, "undelivered");
    for (size_t i = 0; i < f->failure_count; i++) {
        struct mustache_value *item = mustache_add_map(a, list);
        mustache_put(a, item, "contact", say_line(a, f->failures[i].contact));
        mustache_put(a, item, "channel", say_line(a, f->failures[i].channel));
        mustache_put(a, item, "why", say_line(a, f->failures[i].why));
    }
    mustache_put_bool(a, root, "any_overdue", f->late.n > 0);
    list = mustache_put_list(a, root, "overdue");
    for (size_t i = 0; i < f->late.n; i++)
        mustache_add_text(a, list, say_line(a, f->late.p[i]));
}

/* "why; command; command": a line each, since they are read on a phone and typed from it. */
static void put_reasons(const struct letter *l, struct mustache_value *root)
{
    const char *p = l->order_text;
    mustache_put_bool(l->arena, root, "any_reasons", *p != 0);
    mustache_put_bool(l->arena, root, "commands_given", strstr(p, "bascule incident approve") != NULL);
    struct mustache_value *list = mustache_put_list(l->arena, root, "reasons");
    for (const char *cut; (cut = strstr(p, "; ")); p = cut + 2)
        mustache_add_text(l->arena, list, say_line(l->arena, arena_strndup(l->arena, p, (size_t)(cut - p))));
    if (*p)
        mustache_add_text(l->arena, list, say_line(l->arena, p));
}

/* Why somebody is called who was not called first: in decide's words, and behind them a person's. */
static void put_call(const struct letter *l, struct mustache_value *root)
{
    static const struct text2 reasons[] = {
        {"nobody answered in time", "personne n'a répondu à temps"},
        {"nothing has happened since it was taken", "rien ne s'est passé depuis sa prise en charge"},
        {"escalated", "renfort demandé"},
    };
    const char *why = NULL;
    for (size_t i = 0; i < COUNT_OF(reasons) && same(l->stage, "page"); i++)
        if (strncmp(l->order_text, reasons[i].en, strlen(reasons[i].en)) == 0)
            why = arena_printf(l->arena, "%s%s", text_in(reasons[i], l->language), l->order_text + strlen(reasons[i].en));
    mustache_put(l->arena, root, "why_called", why ? say_line(l->arena, why) : NULL);
}

/* "anna: the cable is out" */
static void put_words(const struct letter *l, struct mustache_value *root)
{
    const char *colon = strstr(l->order_text, ": ");
    const char *by = colon ? arena_strndup(l->arena, l->order_text, (size_t)(colon - l->order_text)) : IN(l, "somebody", "quelqu'un");
    mustache_put(l->arena, root, "by", say_line(l->arena, by));
    mustache_put(l->arena, root, "words", say_text(l->arena, colon ? colon + 2 : l->order_text));
}

void letter_put_all(const struct letter *l, struct mustache_value *root)
{
    static const char *const kinds[][2] = {{"update", "is_update"},     {"monitoring", "is_monitoring"}, {"resolved", "is_resolved"},
                                           {"blocked", "is_blocked"},   {"approval", "is_approval"},     {"relapse", "is_relapse"},
                                           {"reminder", "is_reminder"}, {"say", "is_say"},               {"ticket", "is_ticket"},         {"checklist", "is_checklist"},
                                           {"page", "is_page"}, {"acknowledged", "is_acknowledged"}, {"escalated", "is_escalated"}, {"unanswered", "is_unanswered"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        mustache_put_bool(l->arena, root, kinds[i][1], same(l->stage, kinds[i][0]));
    put_what(l, root);
    letter_put_affected(l, root);
    put_impact(l, root);
    put_progress(l, root);
    put_cadence(l, root);
    put_objectives(l, root);
    put_failures(l, root);
    put_reasons(l, root);
    put_words(l, root);
    put_call(l, root);
}
