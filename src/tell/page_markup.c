/* tell/page_markup.c -- What all HTML files of a status page are made of. */
#include <inttypes.h>

#include "tell/page_internal.h"
#include "tell/wording.h"

void put_escaped(struct buf *out, const char *text)
{
    static const struct {
        char c;
        const char *as;
    } marks[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    for (const char *p = text; *p; p++) {
        const char *as = NULL;
        for (size_t i = 0; i < COUNT_OF(marks); i++)
            as = *p == marks[i].c ? marks[i].as : as;
        if (as)
            buf_puts(out, as);
        else
            buf_putc(out, *p);
    }
}

void put_paragraphs(struct buf *out, const char *text, size_t max)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    char *cut = arena_alloc(a, max + 1);
    bool whole = str_copy(cut, max + 1, text);
    struct str rest = str_of(cut), line;
    bool open = false;
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n == 0) {
            buf_puts(out, open ? "</p>\n" : "");
            open = false;
            continue;
        }
        buf_puts(out, open ? "<br>\n" : "<p dir=\"auto\">");
        put_escaped(out, str_dup(a, line));
        open = true;
    }
    if (!whole)
        buf_puts(out, open ? " …" : "<p>…");
    buf_puts(out, open || !whole ? "</p>\n" : "");
}

void put_time(const struct page_out *o, int64_t wall_ms, const char *shown)
{
    buf_printf(o->out, "<time class=\"utc\" datetime=\"%s\" data-l>%s</time>", moment_iso(o->arena, wall_ms), shown);
}

/* ---- head and foot ---- */

/* Of what was promised, the soonest: late when it has gone by. */
static int64_t next_update(const struct page *page)
{
    int64_t next = 0;
    for (size_t i = 0; i < page->incidents.n; i++) {
        int64_t one = page->incidents.p[i].next_update_wall_ms;
        if (one && (!next || one < next))
            next = one;
    }
    return next;
}

static void put_links(const struct page_out *o, const char *here)
{
    const struct status_page *conf = o->page->conf;
    for (size_t i = 0; i < page_languages(conf); i++) {
        enum language other = page_language(conf, i);
        const char *path = arena_printf(o->arena, "%s%s", page_folder(conf, other), here);
        if (other != o->language)
            buf_printf(o->out, "<link rel=\"alternate\" hreflang=\"%s\" href=\"%s%s\">\n", other == LANGUAGE_FR ? "fr" : "en", o->root, path);
        else if (conf->url) {
            buf_puts(o->out, "<link rel=\"canonical\" href=\"");
            put_escaped(o->out, page_url(o->arena, o->page, path));
            buf_puts(o->out, "\">\n");
        }
    }
    buf_printf(o->out, "<link rel=\"alternate\" type=\"application/atom+xml\" title=\"%s\" href=\"%shistory.atom\">\n",
               page_word(o, "Updates", "Annonces"), o->up);
}

/* A dot in the tab, in the colour of the page. */
static void put_icon(const struct page_out *o)
{
    static const char *const colours[IMPACT_MAX] = {"187741", "0a58ca", "8a5a00", "b04500", "b3261e"};
    buf_printf(o->out,
               "<link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%%3E%%3Ccircle cx='8' cy='8' r='7' "
               "fill='%%23%s'/%%3E%%3C/svg%%3E\">\n",
               colours[o->page->impact]);
}

static void put_languages(const struct page_out *o, const char *here)
{
    const struct status_page *conf = o->page->conf;
    if (page_languages(conf) < 2)
        return;
    buf_printf(o->out, "<nav aria-label=\"%s\">", page_word(o, "Language", "Langue"));
    for (size_t i = 0; i < page_languages(conf); i++) {
        enum language other = page_language(conf, i);
        const char *code = other == LANGUAGE_FR ? "fr" : "en";
        if (other != o->language)
            buf_printf(o->out, "<a href=\"%s%s%s\" lang=\"%s\" hreflang=\"%s\">%s</a>", o->root, page_folder(conf, other), here, code, code,
                       other == LANGUAGE_FR ? "Français" : "English");
    }
    buf_puts(o->out, "</nav>\n");
}

/* Hidden until a reader's clock says otherwise; without a script the times themselves are printed. */
static void put_warnings(const struct page_out *o)
{
    int64_t next = next_update(o->page);
    buf_puts(o->out, "<p class=\"warn\" id=\"stale\" role=\"alert\" hidden>");
    buf_printf(o->out, page_word(o, "Nobody has refreshed this page since %s: what it says may be out of date.",
                                 "Cette page n'a pas été actualisée depuis le %s : ce qu'elle dit n'est peut-être plus à jour."),
               page_moment(o->arena, o->language, o->page->made_wall_ms));
    buf_puts(o->out, "</p>\n");
    if (!next)
        return;
    buf_puts(o->out, "<p class=\"warn\" id=\"late\" role=\"alert\" hidden>");
    buf_printf(o->out, page_word(o, "An update was promised by %s and is late.", "Une annonce était promise pour %s au plus tard : elle est en retard."),
               page_clock(o->arena, next));
    buf_puts(o->out, "</p>\n");
}

void put_head(const struct page_out *o, const char *title, const char *here)
{
    struct buf *out = o->out;
    bool french = o->language == LANGUAGE_FR;
    buf_printf(out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
               french ? "fr" : "en");
    buf_printf(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"%s\">\n<title>", page_policy(o->arena));
    put_escaped(out, title);
    buf_puts(out, "</title>\n<meta name=\"description\" content=\"");
    put_escaped(out, arena_printf(o->arena, page_word(o, "State of %s, incidents and planned maintenance", "État de %s, incidents et maintenances prévues"), page_title(o)));
    buf_puts(out, "\">\n");
    put_icon(o);
    put_links(o, here);
    buf_printf(out, "<style>%s</style>\n</head>\n", page_style);
    buf_printf(out, "<body data-stale=\"%" PRId64 "\" data-next=\"%" PRId64 "\" data-root=\"%s\" data-changed=\"%s\" data-local=\"%s\">\n",
               same(here, "index.html") ? o->page->stale_wall_ms : 0, next_update(o->page), o->root, moment_iso(o->arena, o->page->changed_wall_ms),
               page_word(o, "your time", "votre heure"));
    buf_printf(out, "<a class=\"skip\" href=\"#main\">%s</a>\n<header>\n<p class=\"brand\"><a href=\"%sindex.html\">", page_word(o, "Skip to the content", "Aller au contenu"),
               o->up);
    put_escaped(out, page_title(o));
    buf_puts(out, "</a></p>\n");
    put_languages(o, here);
    buf_puts(out, "</header>\n<main id=\"main\">\n");
    if (same(here, "index.html"))
        put_warnings(o);
}

void put_foot(const struct page_out *o)
{
    buf_printf(o->out, "</main>\n<footer class=\"dim\">\n<p><a href=\"%sindex.html\">%s</a><a href=\"%shistory.html\">%s</a><a href=\"%shistory.atom\">%s</a>"
                       "<a href=\"%sapi/v2/summary.json\">JSON</a></p>\n<p>%s</p>\n</footer>\n",
               o->up, page_word(o, "Status", "État"), o->up, page_word(o, "History", "Historique"), o->up, page_word(o, "Feed (Atom)", "Flux (Atom)"), o->root,
               page_word(o, "All times are UTC.", "Toutes les heures sont en temps universel (UTC)."));
    buf_printf(o->out, "<script>%s</script>\n</body>\n</html>\n", page_script);
}

/* ---- bars ---- */

enum { BAR_PITCH = 8, BAR_WIDTH = 6, BARS_HEIGHT = 30 };

/* Good days, days of which nothing is known, and days with an outage. */
enum look { LOOK_GOOD, LOOK_UNKNOWN, LOOK_BAD };

static enum look look_of(const struct page_day *day)
{
    if (page_day_state(day) != COMPONENT_OPERATIONAL)
        return LOOK_BAD;
    return day->known_ms > 0 ? LOOK_GOOD : LOOK_UNKNOWN;
}

static void put_bad_day(const struct page_out *o, const struct page_day *day, size_t index)
{
    enum component_state state = page_day_state(day);
    int64_t ms = state == COMPONENT_MAJOR ? day->major_ms : state == COMPONENT_PARTIAL ? day->partial_ms : day->degraded_ms;
    buf_printf(o->out, "<rect class=\"%s\" x=\"%zu\" width=\"%d\" height=\"%d\"><title>", component_state_name(state), index * BAR_PITCH, BAR_WIDTH, BARS_HEIGHT);
    buf_printf(o->out, "%s%s %s, %s</title></rect>", page_day(o->arena, o->language, day->from_wall_ms), page_word(o, ":", "\u00A0:"),
               text_in(page_component_title(state), o->language), say_duration(o->arena, o->language, ms));
}

/* Neighbours that look alike are one dashed line: 90 days of calm take no more room than one. */
static void put_run(const struct page_out *o, enum look look, size_t from, size_t to)
{
    buf_printf(o->out, "<path class=\"%s\" stroke-dasharray=\"%d %d\" d=\"M%zu %dH%zu\"/>", look == LOOK_GOOD ? "g" : "x", BAR_WIDTH, BAR_PITCH - BAR_WIDTH,
               from * BAR_PITCH, look == LOOK_GOOD ? BARS_HEIGHT - 11 : BARS_HEIGHT - 3, to * BAR_PITCH - (BAR_PITCH - BAR_WIDTH));
}

void put_bars(const struct page_out *o, const struct page_component *component)
{
    size_t bad = 0;
    for (size_t i = 0; i < PAGE_DAYS; i++)
        bad += look_of(&component->days[i]) == LOOK_BAD;
    buf_printf(o->out, "<svg class=\"bars\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"", PAGE_DAYS * BAR_PITCH - (BAR_PITCH - BAR_WIDTH),
               BARS_HEIGHT);
    buf_printf(o->out, page_word(o, "%d days, %zu of them with an outage", "%d jours, dont %zu avec une panne"), PAGE_DAYS, bad);
    buf_puts(o->out, "\">");
    for (size_t i = 0; i < PAGE_DAYS;) {
        enum look look = look_of(&component->days[i]);
        size_t to = i + 1;
        while (look != LOOK_BAD && to < PAGE_DAYS && look_of(&component->days[to]) == look)
            to++;
        if (look == LOOK_BAD)
            put_bad_day(o, &component->days[i], i);
        else
            put_run(o, look, i, to);
        i = to;
    }
    buf_puts(o->out, "</svg>\n");
}
