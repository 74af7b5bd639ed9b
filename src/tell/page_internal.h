/* tell/page_internal.h -- What the files of a status page share. Private to tell/. */
#pragma once
#include "base/jsonout.h"
#include "tell/page.h"

enum { PAGE_FILE_MAX = 1024 * 1024 };

/* A file of HTML under way. */
struct page_out {
    struct arena *arena;
    const struct page *page;
    enum language language;
    const char *up;            /* from this file to the folder of its language: "", "../" */
    const char *root;          /* from this file to the top of the page: "", "../", "../../" */
    struct buf *out;
};

/* ---- page_words.c ---- */

const char *page_word(const struct page_out *o, const char *en, const char *fr) __attribute__((format_arg(2), format_arg(3)));
const char *page_day(struct arena *arena, enum language language, int64_t wall_ms);    /* "22 November 2026" */
const char *page_month(struct arena *arena, enum language language, int64_t wall_ms);  /* "November 2026" */
const char *page_moment(struct arena *arena, enum language language, int64_t wall_ms); /* "22 November 2026, 15:34 UTC" */
const char *page_clock(struct arena *arena, int64_t wall_ms);                          /* "15:34 UTC" */
const char *page_percent(struct arena *arena, enum language language, int64_t ppm);    /* "99.986 %", "unknown" below 0 */
struct text2 page_phase_title(enum public_phase phase);
struct text2 page_component_title(enum component_state state);
struct text2 page_maintenance_title(enum maintenance_phase phase);
struct text2 page_impact_title(enum page_impact impact);
/* The state that an update of this phase leaves its components in. */
enum component_state page_state_at(const struct page_incident *incident, enum public_phase phase);
/* What stands above the page: the impact, or that all is back and watched. */
struct text2 page_headline(const struct page *page);
const char *page_title(const struct page_out *o);
/* The language at this place of the page's list; its folder: "" for the first, else "fr/". */
enum language page_language(const struct status_page *conf, size_t index);
size_t page_languages(const struct status_page *conf);
const char *page_folder(const struct status_page *conf, enum language language);
const char *page_url(struct arena *arena, const struct page *page, const char *path); /* absolute when the page's address is known, else the path */
const char *page_id(const struct page *page);

/* ---- page_markup.c ---- */

void put_escaped(struct buf *out, const char *text); /* for text and attributes of HTML and XML */
void put_paragraphs(struct buf *out, const char *text, size_t max); /* blank lines separate; cut after `max` bytes, and says so by "…" */
void put_time(const struct page_out *o, int64_t wall_ms, const char *shown);
void put_head(const struct page_out *o, const char *title, const char *here); /* up to and with <main>; `here`: the file's path in its folder */
void put_foot(const struct page_out *o);
void put_bars(const struct page_out *o, const struct page_component *component);

/* ---- the files ---- */

void page_index(const struct page_out *o);
void page_incident_file(const struct page_out *o, const struct page_incident *incident);
void page_history(const struct page_out *o);
void page_feed(struct arena *arena, const struct page *page, enum language language, struct buf *out);
void page_json(struct arena *arena, const struct page *page, struct page_files *to);

/* page_style.c: texts that no file changes, and their hashes for the security policy. */
extern const char page_style[], page_script[];
const char *page_policy(struct arena *arena);
