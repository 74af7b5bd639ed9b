/* tell/page_words.c -- The words of a status page in both languages, and how it writes days, times and shares. */
#include <inttypes.h>

#include "tell/page_internal.h"

const char *page_word(const struct page_out *o, const char *en, const char *fr)
{
    return o->language == LANGUAGE_FR ? fr : en;
}

/* ---- time ---- */

struct date {
    int year, month, day;
};

static int digits(const char *p, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++)
        value = value * 10 + (p[i] - '0');
    return value;
}

static struct date date_of(struct arena *arena, int64_t wall_ms)
{
    const char *iso = moment_iso(arena, wall_ms);
    return (struct date){.year = digits(iso, 4), .month = digits(iso + 5, 2), .day = digits(iso + 8, 2)};
}

static const char *month_name(int month, enum language language)
{
    static const struct text2 months[] = {{"January", "janvier"}, {"February", "février"}, {"March", "mars"},         {"April", "avril"},
                                          {"May", "mai"},         {"June", "juin"},        {"July", "juillet"},       {"August", "août"},
                                          {"September", "septembre"}, {"October", "octobre"}, {"November", "novembre"}, {"December", "décembre"}};
    return text_in(months[(month + 11) % 12], language);
}

const char *page_day(struct arena *arena, enum language language, int64_t wall_ms)
{
    struct date d = date_of(arena, wall_ms);
    const char *first = language == LANGUAGE_FR && d.day == 1 ? "er" : "";
    return arena_printf(arena, "%d%s %s %d", d.day, first, month_name(d.month, language), d.year);
}

const char *page_month(struct arena *arena, enum language language, int64_t wall_ms)
{
    struct date d = date_of(arena, wall_ms);
    return arena_printf(arena, "%s %d", month_name(d.month, language), d.year);
}

const char *page_clock(struct arena *arena, int64_t wall_ms)
{
    return arena_printf(arena, "%.5s UTC", moment_iso(arena, wall_ms) + 11);
}

const char *page_moment(struct arena *arena, enum language language, int64_t wall_ms)
{
    return arena_printf(arena, language == LANGUAGE_FR ? "%s à %s" : "%s, %s", page_day(arena, language, wall_ms), page_clock(arena, wall_ms));
}

const char *page_percent(struct arena *arena, enum language language, int64_t ppm)
{
    if (ppm < 0)
        return language == LANGUAGE_FR ? "inconnu" : "unknown";
    if (ppm == 1000000)
        return "100\u00A0%";
    return arena_printf(arena, "%" PRId64 "%c%03" PRId64 "\u00A0%%", ppm / 10000, language == LANGUAGE_FR ? ',' : '.', ppm % 10000 / 10);
}

/* ---- words ---- */

struct text2 page_phase_title(enum public_phase phase)
{
    static const struct text2 titles[PUBLIC_MAX] = {
        [PUBLIC_INVESTIGATING] = {"Investigating", "En cours d'analyse"},
        [PUBLIC_IDENTIFIED] = {"Identified", "Cause identifiée"},
        [PUBLIC_MONITORING] = {"Monitoring", "Rétabli, sous surveillance"},
        [PUBLIC_RESOLVED] = {"Resolved", "Résolu"},
    };
    return titles[phase];
}

struct text2 page_component_title(enum component_state state)
{
    static const struct text2 titles[COMPONENT_MAX] = {
        [COMPONENT_OPERATIONAL] = {"Operational", "Opérationnel"},
        [COMPONENT_MAINTENANCE] = {"Under maintenance", "En maintenance"},
        [COMPONENT_DEGRADED] = {"Degraded", "Dégradé"},
        [COMPONENT_PARTIAL] = {"Partial outage", "Panne partielle"},
        [COMPONENT_MAJOR] = {"Unavailable", "Indisponible"},
    };
    return titles[state];
}

struct text2 page_maintenance_title(enum maintenance_phase phase)
{
    static const struct text2 titles[MAINTENANCE_MAX] = {
        [MAINTENANCE_SCHEDULED] = {"Scheduled", "Prévue"},
        [MAINTENANCE_IN_PROGRESS] = {"In progress", "En cours"},
        [MAINTENANCE_COMPLETED] = {"Completed", "Terminée"},
        [MAINTENANCE_CANCELLED] = {"Cancelled", "Annulée"},
    };
    return titles[phase];
}

struct text2 page_impact_title(enum page_impact impact)
{
    static const struct text2 titles[IMPACT_MAX] = {
        [IMPACT_NONE] = {"All systems operational", "Tous les services sont opérationnels"},
        [IMPACT_MAINTENANCE] = {"Maintenance in progress", "Maintenance en cours"},
        [IMPACT_MINOR] = {"Degraded service", "Service dégradé"},
        [IMPACT_MAJOR] = {"Partial outage", "Panne partielle"},
        [IMPACT_CRITICAL] = {"Service unavailable", "Service indisponible"},
    };
    return titles[impact];
}

struct text2 page_headline(const struct page *page)
{
    bool watched = false, worse = false;
    for (size_t i = 0; i < page->incidents.n; i++) {
        watched |= page->incidents.p[i].phase == PUBLIC_MONITORING;
        worse |= page->incidents.p[i].phase < PUBLIC_MONITORING;
    }
    if (watched && !worse && page->impact == IMPACT_MINOR)
        return (struct text2){"Service restored, under observation", "Service rétabli, sous surveillance"};
    return page_impact_title(page->impact);
}

enum component_state page_state_at(const struct page_incident *incident, enum public_phase phase)
{
    return phase < PUBLIC_MONITORING ? incident->state : COMPONENT_OPERATIONAL;
}

const char *page_title(const struct page_out *o)
{
    return text_in(o->page->title, o->language);
}

/* ---- languages and addresses ---- */

size_t page_languages(const struct status_page *conf)
{
    return MAX_OF(conf->languages.n, 1);
}

enum language page_language(const struct status_page *conf, size_t index)
{
    return index < conf->languages.n && same(conf->languages.p[index], "fr") ? LANGUAGE_FR : LANGUAGE_EN;
}

const char *page_folder(const struct status_page *conf, enum language language)
{
    if (page_language(conf, 0) == language)
        return "";
    return language == LANGUAGE_FR ? "fr/" : "en/";
}

const char *page_url(struct arena *arena, const struct page *page, const char *path)
{
    const char *url = page->conf->url;
    size_t n = url ? strlen(url) : 0;
    return n ? arena_printf(arena, "%s%s%s", url, url[n - 1] == '/' ? "" : "/", path) : path;
}

const char *page_id(const struct page *page)
{
    return page->components.n ? page->components.p[0].service : "status";
}
