/* record/report_tables.c -- The chapters that are tables of rows. */
#include <inttypes.h>

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
    put_ask(r, "messages sent by other ways, and any apology that is owed.", "messages envoyés par d'autres voies, et les excuses qui seraient dues.");
}

void put_timeline(const struct report_out *r)
{
    put_heading(r, "Timeline", "Chronologie");
    put(r, "| time | T+ | event | owner | record | notes |\n| --- | --- | --- | --- | --- | --- |\n",
        "| heure | T+ | événement | responsable | ligne | notes |\n| --- | --- | --- | --- | --- | --- |\n");
    const char *day = "";
    for (size_t i = 0; i < r->history->n; i++) {
        const struct record *row = &r->history->p[i];
        if (!timeline_shows(row))
            continue;
        const char *today = timeline_day(r->a, row->wall_ms);
        const char *sentence = sentence_with(r->a, row, r->language, history_took(r->history, i));
        buf_printf(r->out, "| %s%s%s | %s | %s | %s |%s | |\n", same(day, today) ? "" : today, same(day, today) ? "" : " ",
                   timeline_time(r->a, row->wall_ms), timeline_since(r->a, row->at_ms - r->story->opened_at_ms), md(r, sentence),
                   *timeline_person(row) ? md(r, timeline_person(row)) : "bascule", cite(r, row->seq));
        day = today;
    }
    put_ask(r, "in the notes column, why each decision of a person was taken.", "dans la colonne notes, pourquoi chaque décision d'une personne a été prise.");
}
