/* record/report.h -- What the chapters of the post-incident report share. Private to record/.
   Rule of the house: a figure is computed from rows and cites one, or is printed as unknown; an opinion is asked of a person. */
#pragma once
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
    enum language language;
    struct buf *out;
};

/* Text in the report's language. Both formats take the same arguments. */
void put(const struct report_out *r, const char *en, const char *fr, ...) __attribute__((format(printf, 2, 4), format(printf, 3, 4)));
const char *tr(const struct report_out *r, const char *en, const char *fr) __attribute__((format_arg(2), format_arg(3)));
void put_heading(const struct report_out *r, const char *en, const char *fr);
void put_ask(const struct report_out *r, const char *en, const char *fr); /* a mark for what a person must write */
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
void put_timeline(const struct report_out *r);

/* report_people.c */
void put_impact(const struct report_out *r);
void put_causes(const struct report_out *r);
void put_lessons(const struct report_out *r);
void put_actions(const struct report_out *r);
void put_sign_off(const struct report_out *r);
