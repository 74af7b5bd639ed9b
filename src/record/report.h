/* record/report.h -- What the chapters of the post-incident report share. Private to record/.
   Rule of the house: a figure is computed from rows and cites one, or is printed as unknown; an opinion is asked of a person. */
#pragma once
#include "record/checklist.h"
#include "record/history.h"
#include "record/story.h"

struct report_out {
    struct arena *a;
    struct journal *journal;
    const struct config *config;
    const struct service *service; /* NULL: not in the configuration any more */
    const struct severity_conf *severity; /* NULL: likewise */
    const struct story *story;
    const struct history *history;
    const struct written_all *written;
    const struct checklists *lists;
    enum language language;
    struct buf *out;
    struct cited { /* rows that something was proven by */
        int64_t *p;
        size_t n, cap;
    } *cited;
};

/* Text in the report's language. Both formats take the same arguments. */
void put(const struct report_out *r, const char *en, const char *fr, ...) __attribute__((format(printf, 2, 4), format(printf, 3, 4)));
const char *tr(const struct report_out *r, const char *en, const char *fr) __attribute__((format_arg(2), format_arg(3)));
void put_heading(const struct report_out *r, const char *en, const char *fr);
void put_field(const struct report_out *r, const char *field); /* what a person wrote there, or a mark for what is to be written */
void put_words(const struct report_out *r, const char *text);  /* of a person: paragraphs and lists, harmless */
const char *cite(const struct report_out *r, int64_t seq);                /* " [#123]", "" for 0 */
const char *moment(const struct report_out *r, int64_t wall_ms);          /* "2025-10-25 15:34:02.120 UTC", "unknown" */
const char *duration(const struct report_out *r, int64_t ms);
const char *md(const struct report_out *r, const char *text);             /* outside text for a table cell */
const char *percent(const struct report_out *r, int64_t part, int64_t whole); /* "12.3 %" */

/* report_tables.c */
void put_escalation(const struct report_out *r);
void put_steps(const struct report_out *r);
void put_commands(const struct report_out *r);
void put_fence(const struct report_out *r);
void put_facts(const struct report_out *r);
void put_communications(const struct report_out *r);
void put_public(const struct report_out *r);
void put_checklists(const struct report_out *r);
void put_records(const struct report_out *r);
void put_timeline(const struct report_out *r);

/* report_people.c */
void put_impact(const struct report_out *r);
void put_causes(const struct report_out *r);
void put_lessons(const struct report_out *r);
void put_actions(const struct report_out *r);
void put_sign_off(const struct report_out *r);
