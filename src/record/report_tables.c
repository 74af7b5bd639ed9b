/* record/report_tables.c -- The chapters that are tables of rows. */
#include <inttypes.h>

#include "io/json.h"
#include "record/report.h"
#include "record/sentence.h"
#include "record/timeline.h"
#include "record/words.h"

static void put_nothing(const struct report_out *r, const char *en, const char *fr)
{
    buf_printf(r->out, "%s\n", tr(r, en, fr));
}

static const struct record *stage_row(const struct report_out *r, const char *stage)
{
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (row->is_order && row->kind == ORDER_STAGE && same(row->subject, stage))
            return row;
    }
    return NULL;
}

static void put_stage(const struct report_out *r, const char *name, int64_t planned_ms)
{
    const struct record *row = stage_row(r, name);
    buf_printf(r->out, "| %s | %s |", md(r, name), planned_ms >= 0 ? arena_printf(r->a, "T+%s", duration_clock(r->a, planned_ms)) : "–");
    if (row)
        buf_printf(r->out, " %s | %s |%s |\n", timeline_since(r->a, row->at_ms - r->story->opened_at_ms), duration(r, MAX_OF(0, row->number)),
                   cite(r, row->seq));
    else
        buf_printf(r->out, " %s | – | – |\n", tr(r, "not fired", "non déclenché"));
}

void put_escalation(const struct report_out *r)
{
    put_heading(r, "Escalation", "Escalade");
    put(r, "| stage | planned | fired | late | record |\n| --- | --- | --- | --- | --- |\n",
        "| palier | prévu | déclenché | retard | ligne |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; r->severity && i < r->severity->stages.n; i++)
        put_stage(r, r->severity->stages.p[i].name, r->severity->stages.p[i].after_ms);
    for (size_t i = 0; i < r->history->n; i++) { /* fired then, and gone from the configuration of now */
        const struct record *row = &r->history->p[i];
        bool known = false;
        for (size_t k = 0; r->severity && k < r->severity->stages.n; k++)
            known = known || same(r->severity->stages.p[k].name, row->subject);
        if (row->is_order && row->kind == ORDER_STAGE && !known)
            put_stage(r, row->subject, -1);
    }
}

void put_steps(const struct report_out *r)
{
    put_heading(r, "Steps against their budgets", "Étapes et leurs budgets");
    if (!r->story->step_count) {
        put_nothing(r, "No step was run.", "Aucune étape n'a été lancée.");
        return;
    }
    put(r, "| step | playbook | began | took | budget | outcome | what was said | record |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        "| étape | scénario | début | durée | budget | issue | ce qui a été dit | ligne |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < r->story->step_count; i++) {
        const struct story_step *step = &r->story->steps[i];
        bool over = step->budget_ms > 0 && step->took_ms > step->budget_ms;
        buf_printf(r->out, "| %s | %s | %s | %s%s | %s | %s | %s |%s%s |\n", md(r, step->title), md(r, step->playbook),
                   timeline_since(r->a, step->started_at_ms - r->story->opened_at_ms), duration(r, step->took_ms), over ? " ⚠" : "",
                   step->budget_ms > 0 ? duration(r, step->budget_ms) : "–", word_ending_of(step->outcome, r->language),
                   md(r, word_decided(r->a, step->text, r->language)), cite(r, step->seq),
                   cite(r, step->end_seq));
    }
}

void put_commands(const struct report_out *r)
{
    put_heading(r, "Commands run", "Commandes exécutées");
    size_t count = 0;
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (!row->is_order || row->kind != ORDER_RUN)
            continue;
        buf_printf(r->out, "- `%s` `bascule --service %s %s`%s\n", timeline_since(r->a, row->at_ms - r->story->opened_at_ms),
                   one_line(r->a, r->story->service), one_line(r->a, row->text), cite(r, row->seq));
        count++;
    }
    if (!count)
        put_nothing(r, "None.", "Aucune.");
}

void put_fence(const struct report_out *r)
{
    put_heading(r, "Fence certificate", "Certificat d'isolement");
    size_t count = 0;
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (row->is_order)
            continue;
        bool fact = row->kind == EVENT_FACT && same(row->subject, "fence.certificate");
        if (fact)
            buf_printf(r->out, "- %s %s%s\n", moment(r, row->wall_ms), md(r, row->text), cite(r, row->seq));
        else if (row->kind == EVENT_CERTIFY)
            put(r, "- %s given by %s for site %s; loss accepted: %s%s\n", "- %s donné par %s pour le site %s ; perte acceptée : %s%s\n",
                moment(r, row->wall_ms), md(r, row->who), md(r, row->subject), md(r, row->text), cite(r, row->seq));
        count += fact || row->kind == EVENT_CERTIFY;
    }
    if (!count)
        put_nothing(r, "None was given: no site was fenced in this incident.", "Aucun : aucun site n'a été isolé pendant cet incident.");
}

void put_facts(const struct report_out *r)
{
    put_heading(r, "Measured", "Mesures");
    if (!r->story->fact_count) {
        put_nothing(r, "Nothing was measured by an action.", "Rien n'a été mesuré par une action.");
        return;
    }
    put(r, "| what | value | record |\n| --- | --- | --- |\n", "| quoi | valeur | ligne |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < r->story->fact_count; i++)
        buf_printf(r->out, "| `%s` | %s |%s |\n", one_line(r->a, r->story->facts[i].name), md(r, word_value(r->a, r->story->facts[i].name, r->story->facts[i].value)),
                   cite(r, r->story->facts[i].seq));
}

/* The row that ended a notice's way: handed over, or given up; NULL: neither yet. */
static const struct record *fate_of(const struct report_out *r, const char *key)
{
    const struct record *fate = NULL;
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (row->is_order || !same(row->subject, key))
            continue;
        if (row->kind == EVENT_DELIVERED)
            return row;
        if (row->kind == EVENT_UNDELIVERED && row->ref < 0)
            fate = row;
    }
    return fate;
}

static void put_notice(const struct report_out *r, const struct record *notice)
{
    const struct record *fate = fate_of(r, notice->subject);
    struct notice_key key = notice_key(r->a, notice->subject);
    buf_printf(r->out, "| %s | %s | %s | %s | %s |", timeline_time(r->a, notice->wall_ms), md(r, *notice->stage ? notice->stage : key.stage),
               md(r, *notice->who ? notice->who : key.contact), md(r, *notice->channel ? notice->channel : key.channel), md(r, notice->text));
    if (!fate)
        buf_printf(r->out, " %s | – |%s |\n", tr(r, "not handed over", "pas remis"), cite(r, notice->seq));
    else if (fate->kind == EVENT_DELIVERED)
        buf_printf(r->out, " %s | %" PRId64 " |%s%s |\n", duration(r, fate->ref), fate->number, cite(r, notice->seq), cite(r, fate->seq));
    else
        buf_printf(r->out, " %s | %" PRId64 " |%s%s |\n", tr(r, "**given up**", "**abandonné**"), fate->number, cite(r, notice->seq),
                   cite(r, fate->seq));
}

void put_communications(const struct report_out *r)
{
    put_heading(r, "Communications sent", "Communications envoyées");
    if (!r->story->notices) {
        put_nothing(r, "None.", "Aucune.");
        return;
    }
    put(r, "| time | stage | contact | channel | subject | handed over after | tries | record |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
        "| heure | palier | contact | canal | objet | remis après | essais | ligne |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < r->history->n; i++)
        if (r->history->p[i].is_order && r->history->p[i].kind == ORDER_NOTIFY)
            put_notice(r, &r->history->p[i]);
    put_field(r, "communications");
}

/* As it was read in the report's language; the row itself has the headline in English. */
static const char *public_text(const struct report_out *r, const struct record *row)
{
    const struct json *detail = NULL;
    if (!*row->detail || !json_parse(r->a, str_of(row->detail), &detail, NULL))
        return md(r, row->text);
    const struct json *own = json_get(detail, tr(r, "en", "fr"));
    const char *headline = json_string(json_get(own, "headline")), *body = json_string(json_get(own, "body"));
    if (!headline)
        return md(r, row->text);
    return body && *body ? arena_printf(r->a, "**%s** %s", md(r, headline), md(r, body)) : md(r, headline);
}

void put_public(const struct report_out *r)
{
    size_t count = 0;
    put_heading(r, "What the public was told", "Ce que le public a appris");
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (!row->is_order || row->kind != ORDER_PUBLIC)
            continue;
        if (!count++)
            put(r, "| time | T+ | phase | message | record |\n| --- | --- | --- | --- | --- |\n",
                "| heure | T+ | phase | message | ligne |\n| --- | --- | --- | --- | --- |\n");
        buf_printf(r->out, "| %s | %s | %s | %s |%s |\n", timeline_time(r->a, row->wall_ms), timeline_since(r->a, row->at_ms - r->story->opened_at_ms),
                   md(r, row->subject), public_text(r, row), cite(r, row->seq));
    }
    if (!count)
        put_nothing(r, "Nothing.", "Rien.");
}

/* ---- checklists ---- */

static const char *item_done(const struct report_out *r, const struct item_standing *item)
{
    switch (item->mark) {
    case ITEM_PROVEN:
        return tr(r, "proven", "prouvé");
    case ITEM_TICKED:
        return tr(r, "ticked", "coché");
    case ITEM_WAIVED:
        return tr(r, "does not apply", "sans objet");
    case ITEM_OPEN:
        break;
    }
    return tr(r, "**not done**", "**pas fait**");
}

static void put_item(const struct report_out *r, const struct checklist_standing *list, const struct item_standing *item)
{
    bool open = item->mark == ITEM_OPEN;
    struct record row;
    bool read = !open && story_record(r->a, r->journal, item->seq, &row);
    const char *owner = item_owner(r->lists, list, item);
    const char *late = item_was_late(item) ? arena_printf(r->a, tr(r, ", %s late", ", en retard de %s"), duration(r, item->at_ms - item->due_at_ms)) : "";
    buf_printf(r->out, "| %s | %s%s | %s | %s | %s |%s |\n", md(r, text_in(item->item->title, r->language)), item_done(r, item), late,
               open ? "–" : timeline_since(r->a, item->at_ms - r->story->opened_at_ms), read ? md(r, story_sentence(r->a, &row, r->language)) : "–",
               owner ? md(r, owner) : "–", open ? " –" : cite(r, item->seq));
}

void put_checklists(const struct report_out *r)
{
    size_t shown = 0;
    put_heading(r, "Checklists", "Checklists");
    for (size_t i = 0; i < r->lists->n; i++) {
        const struct checklist_standing *list = &r->lists->p[i];
        if (!list->applies)
            continue;
        buf_printf(r->out, "%s### %s\n\n", shown++ ? "\n" : "", md(r, text_in(list->list->title, r->language)));
        put(r, "| item | state | T+ | proof | answers for it | record |\n| --- | --- | --- | --- | --- | --- |\n",
            "| point | état | T+ | preuve | en répond | ligne |\n| --- | --- | --- | --- | --- | --- |\n");
        for (size_t k = 0; k < list->list->items.n; k++)
            put_item(r, list, &list->items[k]);
    }
    if (!shown)
        put_nothing(r, "None applies.", "Aucune ne s'applique.");
}

/* ---- the rows that prove ---- */

static const char *anchor(const struct report_out *r, int64_t seq)
{
    return arena_printf(r->a, "<a id=\"record-%" PRId64 "\"></a>#%" PRId64, seq, seq);
}

/* The writing of the report is no part of the incident. */
static bool stands_in_timeline(const struct record *row)
{
    return timeline_shows(row) && (row->is_order || row->kind != EVENT_WRITE);
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A row that is cited and does not stand in the timeline. */
static void put_record(const struct report_out *r, int64_t seq, size_t *count)
{
    struct record row;
    for (size_t i = 0; i < r->history->n; i++)
        if (r->history->p[i].seq == seq && stands_in_timeline(&r->history->p[i]))
            return;
    if (!story_record(r->a, r->journal, seq, &row))
        return;
    if (!(*count)++) {
        put_heading(r, "Other records cited", "Autres lignes citées");
        put(r, "| record | time (UTC) | kind | what the journal says |\n| --- | --- | --- | --- |\n",
            "| ligne | heure (UTC) | genre | ce que dit le journal |\n| --- | --- | --- | --- |\n");
    }
    const char *kind = row.is_order ? order_name((enum order_kind)row.kind) : event_name((enum event_kind)row.kind);
    buf_printf(r->out, "| %s | %s %s | %s | %s |\n", anchor(r, seq), timeline_day(r->a, row.wall_ms), timeline_time(r->a, row.wall_ms), md(r, kind),
               md(r, story_sentence(r->a, &row, r->language)));
}

/* Each [#N] of the text leads to its row by a definition of its own; a program that knows neither shows it as it stands. */
void put_records(const struct report_out *r)
{
    size_t others = 0;
    if (r->cited->n)
        qsort(r->cited->p, r->cited->n, sizeof(*r->cited->p), by_number);
    for (size_t i = 0; i < r->cited->n; i++)
        put_record(r, r->cited->p[i], &others);
    buf_putc(r->out, '\n');
    for (size_t i = 0; i < r->cited->n; i++)
        buf_printf(r->out, "[#%" PRId64 "]: #record-%" PRId64 "\n", r->cited->p[i], r->cited->p[i]);
}

void put_timeline(const struct report_out *r)
{
    put_heading(r, "Timeline", "Chronologie");
    put(r, "| time | T+ | event | owner | record |\n| --- | --- | --- | --- | --- |\n",
        "| heure | T+ | événement | responsable | ligne |\n| --- | --- | --- | --- | --- |\n");
    const char *day = "";
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (!stands_in_timeline(row))
            continue;
        const char *today = timeline_day(r->a, row->wall_ms);
        const char *sentence = sentence_with(r->a, row, r->language, history_took(r->history, i));
        buf_printf(r->out, "| %s%s%s | %s | %s | %s | %s |\n", same(day, today) ? "" : today, same(day, today) ? "" : " ",
                   timeline_time(r->a, row->wall_ms), timeline_since(r->a, row->at_ms - r->story->opened_at_ms), md(r, sentence),
                   *timeline_person(row) ? md(r, timeline_person(row)) : "bascule", anchor(r, row->seq));
        day = today;
    }
    put_field(r, "decisions");
}
