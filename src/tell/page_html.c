/* tell/page_html.c -- The pages that people read. All of it stands in the HTML; the script only warns, and brings news. */
#include <inttypes.h>

#include "tell/page_internal.h"
#include "tell/wording.h"

enum {
    SHOWN_INCIDENTS = 4,   /* current ones in full; the others by their headline */
    SHOWN_UPDATES = 6,     /* of a current one; all stand on its own page */
    SHOWN_BODY = 1200,     /* bytes of a body on the first page */
    PAST_INCIDENTS = 8,    /* on the first page */
    HISTORY_INCIDENTS = 120,
    BODY_MAX = 16 * 1024,
};

/* ---- small parts ---- */

static void put_icon(const struct page_out *o, bool well)
{
    buf_printf(o->out, "<svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\" d=\"%s\"/></svg>",
               well ? "M2 8.5l4 4 8-9" : "M8 2v7M8 11.5v2.5");
}

static void put_heading(const struct page_out *o, int level, const char *text)
{
    buf_printf(o->out, "<h%d>", level);
    put_escaped(o->out, text);
    buf_printf(o->out, "</h%d>\n", level);
}

static const char *incident_path(const struct page_out *o, const struct page_incident *incident)
{
    return arena_printf(o->arena, "%sincident/%" PRId64 ".html", o->up, incident->id);
}

static const struct page_update *newest(const struct page_incident *incident)
{
    return &incident->updates.p[incident->updates.n - 1];
}

static const char *parts_of(const struct page_out *o, const bool *affects)
{
    const char *list = "";
    for (size_t i = 0; i < o->page->components.n; i++)
        if (affects[i])
            list = arena_printf(o->arena, "%s%s%s", list, *list ? ", " : "", text_in(o->page->components.p[i].title, o->language));
    return list;
}

static void put_affected(const struct page_out *o, const bool *affects)
{
    const char *list = parts_of(o, affects);
    if (!*list)
        return;
    buf_printf(o->out, "<p>%s", page_word(o, "Affects: ", "Concerne\u00A0: "));
    put_escaped(o->out, list);
    buf_puts(o->out, "</p>\n");
}

static void put_moment(const struct page_out *o, int64_t wall_ms)
{
    put_time(o, wall_ms, page_moment(o->arena, o->language, wall_ms));
}

/* Seconds say nothing of what took long. */
static const char *duration(const struct page_out *o, int64_t ms)
{
    bool is_long = ms >= 10 * MS_MINUTE;
    return say_duration(o->arena, o->language, is_long ? (ms + MS_MINUTE / 2) / MS_MINUTE * MS_MINUTE : ms);
}

/* Known only when it is over; the outage ended when the service was back. */
static int64_t lasted_ms(const struct page_incident *incident)
{
    int64_t end = incident->monitoring_wall_ms ? incident->monitoring_wall_ms : incident->resolved_wall_ms;
    return end ? MAX_OF(end - incident->began_wall_ms, 0) : -1;
}

/* ---- updates ---- */

static void put_update(const struct page_out *o, const struct page_update *update, const char *title, bool own_page)
{
    buf_puts(o->out, own_page ? arena_printf(o->arena, "<li id=\"u%" PRId64 "\">", update->serial) : "<li>");
    buf_printf(o->out, "<p><span class=\"phase\">%s</span> <span class=\"dim\">", text_in(page_phase_title(update->phase), o->language));
    put_moment(o, update->wall_ms);
    buf_puts(o->out, "</span></p>\n");
    if (!same(text_in(update->headline, o->language), title)) { /* else it stands above already */
        buf_puts(o->out, "<p class=\"name\" dir=\"auto\">");
        put_escaped(o->out, text_in(update->headline, o->language));
        buf_puts(o->out, "</p>\n");
    }
    put_paragraphs(o->out, text_in(update->body, o->language), own_page ? BODY_MAX : SHOWN_BODY);
    buf_puts(o->out, "</li>\n");
}

static void put_updates(const struct page_out *o, const struct page_incident *incident, size_t most, bool own_page)
{
    size_t n = MIN_OF(incident->updates.n, most);
    buf_puts(o->out, "<ol class=\"updates\" reversed>\n");
    for (size_t i = 0; i < n; i++)
        put_update(o, &incident->updates.p[incident->updates.n - 1 - i], text_in(newest(incident)->headline, o->language), own_page);
    buf_puts(o->out, "</ol>\n");
    if (n == incident->updates.n)
        return;
    buf_printf(o->out, "<p><a href=\"%s\">", incident_path(o, incident));
    buf_printf(o->out, page_word(o, "All %zu updates", "Les %zu annonces"), incident->updates.n);
    buf_puts(o->out, "</a></p>\n");
}

static void put_next_update(const struct page_out *o, const struct page_incident *incident)
{
    if (!incident->next_update_wall_ms)
        return;
    buf_printf(o->out, "<p class=\"next\">%s ", page_word(o, "Next update by", "Prochaine annonce au plus tard à"));
    put_time(o, incident->next_update_wall_ms, page_clock(o->arena, incident->next_update_wall_ms));
    buf_puts(o->out, "</p>\n");
}

/* ---- the first page ---- */

/* Written by hand while no controller runs: what stands here is what was last seen. */
static void put_unwatched(const struct page_out *o)
{
    if (o->page->watched_wall_ms)
        buf_printf(o->out, page_word(o, "Last checked on %s. Nobody has watched since.", "Dernière vérification le %s. Personne n'observe depuis."),
                   page_moment(o->arena, o->language, o->page->watched_wall_ms));
    else
        buf_puts(o->out, page_word(o, "Nothing has been checked yet.", "Rien n'a encore été vérifié."));
}

static void put_banner(const struct page_out *o)
{
    const struct page *page = o->page;
    buf_printf(o->out, "<div class=\"banner %s%s\">\n<h1>", page_impact_name(page->impact), page->watched_wall_ms < page->made_wall_ms ? " old" : "");
    put_icon(o, page->impact == IMPACT_NONE);
    put_escaped(o->out, text_in(page_headline(page), o->language));
    buf_puts(o->out, "</h1>\n<p>");
    if (page->watched_wall_ms < page->made_wall_ms) {
        put_unwatched(o);
    } else {
        buf_printf(o->out, page_word(o, "Checked on %s", "Vérifié le %s"), page_day(o->arena, o->language, page->made_wall_ms));
        buf_printf(o->out, page_word(o, ", <time class=\"utc\" id=\"made\" datetime=\"%s\">%s</time>; ", " à <time class=\"utc\" id=\"made\" datetime=\"%s\">%s</time> ; "),
                   moment_iso(o->arena, page->made_wall_ms), page_clock(o->arena, page->made_wall_ms));
        buf_printf(o->out, page_word(o, "refreshed after %s at the latest.", "actualisé au plus tard après %s."),
                   say_duration(o->arena, o->language, page->conf->refresh_ms));
    }
    buf_puts(o->out, "</p>\n</div>\n");
}

static void put_current(const struct page_out *o)
{
    size_t shown = 0;
    for (size_t i = 0; i < o->page->incidents.n; i++) {
        const struct page_incident *incident = &o->page->incidents.p[i];
        if (page_incident_over(incident))
            continue;
        if (shown++ == 0)
            put_heading(o, 2, page_word(o, "Current incident", "Incident en cours"));
        buf_printf(o->out, "<article class=\"card %s\">\n<h3 dir=\"auto\"><a href=\"%s\">",
                   incident->phase < PUBLIC_MONITORING ? page_impact_name(incident->impact) : "minor", incident_path(o, incident));
        put_escaped(o->out, text_in(newest(incident)->headline, o->language));
        buf_puts(o->out, "</a></h3>\n");
        if (shown <= SHOWN_INCIDENTS) {
            put_affected(o, incident->affects);
            put_next_update(o, incident);
            put_updates(o, incident, SHOWN_UPDATES, false);
        }
        buf_puts(o->out, "</article>\n");
    }
}

static void put_maintenance(const struct page_out *o, const struct page_maintenance *m)
{
    buf_printf(o->out, "<article class=\"card maintenance\">\n<h3 dir=\"auto\">");
    put_escaped(o->out, text_in(m->title, o->language));
    buf_printf(o->out, "</h3>\n<p><span class=\"phase\">%s</span> <span class=\"dim\">", text_in(page_maintenance_title(m->phase), o->language));
    put_moment(o, m->from_wall_ms);
    buf_puts(o->out, page_word(o, " to ", " – "));
    put_moment(o, m->to_wall_ms);
    buf_puts(o->out, "</span></p>\n");
    put_affected(o, m->affects);
    put_paragraphs(o->out, text_in(m->body, o->language), SHOWN_BODY);
    buf_puts(o->out, "</article>\n");
}

static bool is_ahead(const struct page_out *o, const struct page_maintenance *m)
{
    return m->phase != MAINTENANCE_COMPLETED && m->to_wall_ms > o->page->made_wall_ms;
}

static void put_maintenances(const struct page_out *o)
{
    bool any = false;
    for (size_t i = 0; i < o->page->maintenances.n; i++) {
        if (!is_ahead(o, &o->page->maintenances.p[i]))
            continue;
        if (!any)
            put_heading(o, 2, page_word(o, "Planned maintenance", "Maintenances prévues"));
        any = true;
        put_maintenance(o, &o->page->maintenances.p[i]);
    }
}

static const char *uptime(const struct page_out *o, const struct page_component *c)
{
    int64_t ppm = page_uptime_ppm(c), known = page_known_ms(c);
    if (ppm < 0)
        return page_word(o, "nothing is on record yet", "rien n'est encore enregistré");
    bool whole = known >= (PAGE_DAYS - 1) * MS_DAY;
    const char *figure = page_percent(o->arena, o->language, ppm);
    if (whole)
        return arena_printf(o->arena, page_word(o, "%s available over 90 days", "disponible à %s sur 90 jours"), figure);
    return arena_printf(o->arena, page_word(o, "%s available over the %s on record", "disponible à %s sur les %s enregistrés"), figure, duration(o, known));
}

static void put_component(const struct page_out *o, const struct page_component *c)
{
    buf_printf(o->out, "<li class=\"%s\">\n<div class=\"row\"><span class=\"name\" dir=\"auto\">", component_state_name(c->state));
    put_escaped(o->out, text_in(c->title, o->language));
    buf_puts(o->out, "</span> <span class=\"state\">");
    put_icon(o, c->state == COMPONENT_OPERATIONAL);
    buf_printf(o->out, "%s</span></div>\n", text_in(page_component_title(c->state), o->language));
    put_bars(o, c);
    buf_printf(o->out, "<div class=\"row legend dim\"><span>%s</span> <span>", page_word(o, "90 days ago", "il y a 90 jours"));
    put_escaped(o->out, uptime(o, c));
    buf_printf(o->out, "</span> <span>%s</span></div>\n</li>\n", page_word(o, "today", "aujourd'hui"));
}

static void put_components(const struct page_out *o)
{
    put_heading(o, 2, page_word(o, "Components", "Composants"));
    buf_puts(o->out, "<ul class=\"parts\">\n");
    for (size_t i = 0; i < o->page->components.n; i++)
        put_component(o, &o->page->components.p[i]);
    buf_printf(o->out, "</ul>\n<p class=\"dim\">%s</p>\n",
               page_word(o, "One bar is one day. A partial outage counts for three tenths; time that nobody watched counts for nothing (low grey bars).",
                         "Une barre est un jour. Une panne partielle compte pour trois dixièmes ; le temps que personne n'a observé ne compte pas (barres basses grises)."));
}

static void put_past_line(const struct page_out *o, const struct page_incident *incident)
{
    int64_t lasted = lasted_ms(incident);
    buf_printf(o->out, "<li><a href=\"%s\" dir=\"auto\">", incident_path(o, incident));
    put_escaped(o->out, text_in(newest(incident)->headline, o->language));
    buf_printf(o->out, "</a><br>\n<span class=\"dim\">%s, ", text_in(page_phase_title(incident->phase), o->language));
    put_moment(o, incident->began_wall_ms);
    if (lasted >= 0)
        buf_printf(o->out, page_word(o, ", lasted %s", ", durée %s"), duration(o, lasted));
    buf_puts(o->out, "</span></li>\n");
}

static void put_past(const struct page_out *o)
{
    size_t shown = 0;
    put_heading(o, 2, page_word(o, "Past incidents", "Incidents passés"));
    for (size_t i = 0; i < o->page->incidents.n && shown < PAST_INCIDENTS; i++)
        if (page_incident_over(&o->page->incidents.p[i])) {
            buf_puts(o->out, shown++ ? "" : "<ul class=\"past\">\n");
            put_past_line(o, &o->page->incidents.p[i]);
        }
    buf_puts(o->out, shown ? "</ul>\n" : "");
    if (!shown)
        buf_printf(o->out, "<p>%s</p>\n", page_word(o, "None in the last 90 days.", "Aucun depuis 90 jours."));
    buf_printf(o->out, "<p><a href=\"%shistory.html\">%s</a></p>\n", o->up, page_word(o, "History of 90 days", "Historique de 90 jours"));
}

void page_index(const struct page_out *o)
{
    put_head(o, arena_printf(o->arena, "%s – %s", page_title(o), text_in(page_headline(o->page), o->language)), "index.html");
    put_banner(o);
    put_current(o);
    put_maintenances(o);
    put_components(o);
    put_past(o);
    put_foot(o);
}

/* ---- an incident ---- */

void page_incident_file(const struct page_out *o, const struct page_incident *incident)
{
    const char *headline = text_in(newest(incident)->headline, o->language);
    int64_t lasted = lasted_ms(incident);
    bool over = page_incident_over(incident);
    put_head(o, arena_printf(o->arena, "%s – %s", headline, page_title(o)), arena_printf(o->arena, "incident/%" PRId64 ".html", incident->id));
    buf_printf(o->out, "<div class=\"banner %s\">\n<h1 dir=\"auto\">", over ? "none" : incident->phase < PUBLIC_MONITORING ? page_impact_name(incident->impact) : "minor");
    put_icon(o, over);
    put_escaped(o->out, headline);
    buf_printf(o->out, "</h1>\n<p>%s", page_word(o, "Began on ", "Début le "));
    put_moment(o, incident->began_wall_ms);
    if (lasted >= 0)
        buf_printf(o->out, page_word(o, "; the outage lasted %s", " ; la panne a duré %s"), duration(o, lasted));
    buf_puts(o->out, ".</p>\n</div>\n");
    put_affected(o, incident->affects);
    put_next_update(o, incident);
    put_heading(o, 2, page_word(o, "Updates, newest first", "Annonces, la plus récente d'abord"));
    put_updates(o, incident, PAGE_UPDATES_MAX, true);
    put_foot(o);
}

/* ---- history ---- */

static void put_table_row(const struct page_out *o, const struct page_component *c, const struct page_day *day)
{
    static const enum component_state states[] = {COMPONENT_MAJOR, COMPONENT_PARTIAL, COMPONENT_DEGRADED};
    const int64_t ms[] = {day->major_ms, day->partial_ms, day->degraded_ms};
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (ms[i] <= 0)
            continue;
        buf_printf(o->out, "<tr><td>%s</td><td dir=\"auto\">", page_day(o->arena, o->language, day->from_wall_ms));
        put_escaped(o->out, text_in(c->title, o->language));
        buf_printf(o->out, "</td><td>%s</td><td>%s</td></tr>\n", text_in(page_component_title(states[i]), o->language), duration(o, ms[i]));
    }
}

/* What the bars show, for those who do not see them. */
static void put_table(const struct page_out *o)
{
    buf_printf(o->out, "<table>\n<caption>%s</caption>\n<thead><tr><th scope=\"col\">%s</th><th scope=\"col\">%s</th><th scope=\"col\">%s</th><th scope=\"col\">%s</th></tr></thead>\n<tbody>\n",
               page_word(o, "Days with an outage, newest first", "Jours avec une panne, le plus récent d'abord"), page_word(o, "Day", "Jour"),
               page_word(o, "Component", "Composant"), page_word(o, "State", "État"), page_word(o, "Duration", "Durée"));
    size_t before = o->out->n;
    for (size_t day = PAGE_DAYS; day-- > 0;)
        for (size_t i = 0; i < o->page->components.n; i++)
            put_table_row(o, &o->page->components.p[i], &o->page->components.p[i].days[day]);
    if (o->out->n == before)
        buf_printf(o->out, "<tr><td colspan=\"4\">%s</td></tr>\n", page_word(o, "None.", "Aucun."));
    buf_puts(o->out, "</tbody>\n</table>\n");
}

static void put_uptimes(const struct page_out *o)
{
    buf_puts(o->out, "<ul class=\"past\">\n");
    for (size_t i = 0; i < o->page->components.n; i++) {
        buf_puts(o->out, "<li><span class=\"name\" dir=\"auto\">");
        put_escaped(o->out, text_in(o->page->components.p[i].title, o->language));
        buf_printf(o->out, "</span>%s ", page_word(o, ":", "\u00A0:"));
        put_escaped(o->out, uptime(o, &o->page->components.p[i]));
        buf_puts(o->out, "</li>\n");
    }
    buf_puts(o->out, "</ul>\n");
}

static void put_incidents_by_month(const struct page_out *o)
{
    const char *month = "";
    size_t n = MIN_OF(o->page->incidents.n, HISTORY_INCIDENTS);
    for (size_t i = 0; i < n; i++) {
        const char *its = page_month(o->arena, o->language, o->page->incidents.p[i].began_wall_ms);
        if (!same(its, month)) {
            buf_puts(o->out, *month ? "</ul>\n" : "");
            put_heading(o, 3, its);
            buf_puts(o->out, "<ul class=\"past\">\n");
            month = its;
        }
        put_past_line(o, &o->page->incidents.p[i]);
    }
    if (n)
        buf_puts(o->out, "</ul>\n");
    else
        buf_printf(o->out, "<p>%s</p>\n", page_word(o, "None.", "Aucun."));
    if (n < o->page->incidents.n)
        buf_printf(o->out, page_word(o, "<p>The newest %zu of %zu; the others stand in api/v2/incidents.json.</p>\n",
                                     "<p>Les %zu plus récents sur %zu ; les autres sont dans api/v2/incidents.json.</p>\n"), n, o->page->incidents.n);
}

static void put_past_maintenances(const struct page_out *o)
{
    bool any = false;
    for (size_t i = o->page->maintenances.n; i-- > 0;) {
        if (is_ahead(o, &o->page->maintenances.p[i]))
            continue;
        if (!any)
            put_heading(o, 2, page_word(o, "Past maintenance", "Maintenances passées"));
        any = true;
        put_maintenance(o, &o->page->maintenances.p[i]);
    }
}

void page_history(const struct page_out *o)
{
    put_head(o, arena_printf(o->arena, page_word(o, "History – %s", "Historique – %s"), page_title(o)), "history.html");
    put_heading(o, 1, page_word(o, "History", "Historique"));
    put_heading(o, 2, page_word(o, "Availability", "Disponibilité"));
    put_uptimes(o);
    put_table(o);
    put_heading(o, 2, page_word(o, "Incidents", "Incidents"));
    put_incidents_by_month(o);
    put_past_maintenances(o);
    put_foot(o);
}
