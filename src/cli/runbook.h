/* cli/runbook.h -- What the files of the runbook command share: the page that is written, and its chapters. */
#pragma once
#include "cli/byhand.h"

struct page {
    struct arena *arena;
    const struct config *config;
    const struct service *service;
    enum language language;
    const struct site *active, *standby; /* the sites of a normal day; standby may be NULL */
    struct buf *out;
    int64_t now_wall_ms; /* when it is printed */
};

/* The document's own words stand beside each other in both languages; gettext serves messages, this is a text. */
const char *page_say(const struct page *page, const char *en, const char *fr)
    __attribute__((format_arg(2), format_arg(3)));
const char *page_text(const struct page *page, struct text2 text); /* with {active} and the other words put in */
const char *page_time(const struct page *page, int64_t ms);
/* "active.database is down" as people say it: "production.database is down", "... est en panne". */
const char *page_condition(const struct page *page, const char *condition);
const char *page_command(const struct page *page,
                         const char *action); /* "bascule fence production"; NULL when it is no command */
const char *page_step_title(const struct page *page, const struct step *step);
const char *page_playbook_title(const struct page *page, const char *name); /* "Failover to the DR site (`failover`)" */
/* "Operations (ops), DBA on call (dba)": contacts, and the members of groups. */
const char *page_people(const struct page *page, const struct strs *names);
void page_code(const struct page *page, const char *language, const char *text); /* a fenced block */

/* Chapters, without their headings. */
void runbook_sites(const struct page *page);
void runbook_escalation(const struct page *page);
void runbook_scenarios(const struct page *page);  /* what opens by itself */
void runbook_procedures(const struct page *page); /* what a person or another playbook starts */
void runbook_communication(const struct page *page);
void runbook_checklists(const struct page *page);
void runbook_contacts(const struct page *page);
