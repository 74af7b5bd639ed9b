/* tell/page_atom.c -- The feed: an entry for each update and not for each incident, so that a reader shows each of them as new. */
#include <inttypes.h>

#include "tell/page_internal.h"

enum { ENTRIES_MAX = 60, BODY_MAX = 4096 };

struct entry {
    const char *path;      /* of the page it is told on */
    const char *tag, *title;
    struct text2 body;
    int64_t wall_ms;
};

struct entries {
    struct entry *p;
    size_t n, cap;
};

static void add_incidents(struct arena *a, const struct page *page, enum language language, struct entries *to)
{
    for (size_t i = 0; i < page->incidents.n; i++) {
        const struct page_incident *incident = &page->incidents.p[i];
        for (size_t k = 0; k < incident->updates.n; k++) {
            const struct page_update *u = &incident->updates.p[k];
            *vec_add(a, to) = (struct entry){
                .path = arena_printf(a, "%sincident/%" PRId64 ".html#u%" PRId64, page_folder(page->conf, language), incident->id, u->serial),
                .tag = arena_printf(a, "incident:%" PRId64 ":update:%" PRId64, incident->id, u->serial),
                .title = arena_printf(a, "[%s] %s", text_in(page_phase_title(u->phase), language), text_in(u->headline, language)),
                .body = u->body,
                .wall_ms = u->wall_ms,
            };
        }
    }
}

/* An entry changes its id with what it says: moved or cancelled is news. */
static void add_maintenances(struct arena *a, const struct page *page, enum language language, struct entries *to)
{
    for (size_t i = 0; i < page->maintenances.n; i++) {
        const struct page_maintenance *m = &page->maintenances.p[i];
        bool cancelled = m->phase == MAINTENANCE_CANCELLED;
        const char *what = cancelled ? text_in(page_maintenance_title(m->phase), language) : "Maintenance"; /* the same word in both */
        *vec_add(a, to) = (struct entry){
            .path = arena_printf(a, "%sindex.html", page_folder(page->conf, language)),
            .tag = arena_printf(a, "maintenance:%s:%" PRId64, m->name, m->updated_wall_ms),
            .title = arena_printf(a, "[%s] %s, %s", what, text_in(m->title, language), page_moment(a, language, m->from_wall_ms)),
            .body = m->body,
            .wall_ms = m->updated_wall_ms,
        };
    }
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = ((const struct entry *)a)->wall_ms, y = ((const struct entry *)b)->wall_ms;
    int order = (x < y) - (x > y);
    return order ? order : strcmp(((const struct entry *)a)->tag, ((const struct entry *)b)->tag);
}

static void put_link(struct buf *out, const char *rel, const char *type, const char *href)
{
    buf_printf(out, "<link rel=\"%s\" type=\"%s\" href=\"", rel, type);
    put_escaped(out, href);
    buf_puts(out, "\"/>\n");
}

static void put_element(struct buf *out, const char *name, const char *attributes, const char *text)
{
    buf_printf(out, "<%s%s>", name, attributes);
    put_escaped(out, text);
    buf_printf(out, "</%s>\n", name);
}

static void put_entry(struct arena *a, const struct page *page, enum language language, const struct entry *e, struct buf *out)
{
    SCOPED(buf_done) struct buf html = {.max = 64 * 1024};
    const char *id = arena_printf(a, "tag:%s,2026:%s:%s", page_id(page), language == LANGUAGE_FR ? "fr" : "en", e->tag);
    put_paragraphs(&html, text_in(e->body, language), BODY_MAX);
    buf_puts(out, "<entry>\n");
    put_element(out, "id", "", page->conf->url ? arena_printf(a, "%s%s", page_url(a, page, e->path), strchr(e->path, '#') ? "" : arena_printf(a, "#%s", e->tag)) : id);
    put_element(out, "title", "", e->title);
    put_element(out, "updated", "", moment_iso(a, e->wall_ms));
    put_element(out, "published", "", moment_iso(a, e->wall_ms));
    put_link(out, "alternate", "text/html", page_url(a, page, e->path));
    put_element(out, "content", " type=\"html\"", html.n ? buf_text(&html) : e->title);
    buf_puts(out, "</entry>\n");
}

void page_feed(struct arena *a, const struct page *page, enum language language, struct buf *out)
{
    struct entries entries = {0};
    const char *folder = page_folder(page->conf, language), *title = text_in(page->title, language);
    const char *own = arena_printf(a, "%shistory.atom", folder);
    add_incidents(a, page, language, &entries);
    add_maintenances(a, page, language, &entries);
    if (entries.n)
        qsort(entries.p, entries.n, sizeof(*entries.p), newest_first);
    buf_printf(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"%s\">\n", language == LANGUAGE_FR ? "fr" : "en");
    put_element(out, "id", "", page->conf->url ? page_url(a, page, own) : arena_printf(a, "tag:%s,2026:%s", page_id(page), own));
    put_element(out, "title", "", title);
    put_element(out, "updated", "", moment_iso(a, entries.n ? entries.p[0].wall_ms : page->changed_wall_ms));
    buf_puts(out, "<author>\n");
    put_element(out, "name", "", title);
    buf_puts(out, "</author>\n");
    put_link(out, "self", "application/atom+xml", page_url(a, page, own));
    put_link(out, "alternate", "text/html", page_url(a, page, arena_printf(a, "%sindex.html", folder)));
    for (size_t i = 0; i < MIN_OF(entries.n, (size_t)ENTRIES_MAX); i++)
        put_entry(a, page, language, &entries.p[i], out);
    buf_puts(out, "</feed>\n");
}
