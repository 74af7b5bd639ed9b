/* record/report_people.c -- Impact, causes, lessons, actions, sign-off: the chapters where the machine offers facts and people write. */
#include <inttypes.h>

#include "record/report.h"
#include "record/timeline.h"
#include "record/words.h"

/* The service level the platform promises: 99.9 % of every 30 days, so 43.2 minutes may be lost. */
#define SLA_WINDOW_MS (30 * MS_DAY)
#define SLA_LOST_PER_MILLE INT64_C(1)
#define SLA_BUDGET_MS (SLA_WINDOW_MS * SLA_LOST_PER_MILLE / 1000)
enum { RETENTION_YEARS = 5 };

/* ---- impact ---- */

/* 1234567 is "1,234,567", in French with narrow no-break spaces. */
static const char *grouped(const struct report_out *r, int64_t value)
{
    char *digits = arena_printf(r->a, "%" PRId64, value);
    SCOPED(buf_done) struct buf out = {.max = 128};
    for (size_t i = 0, n = strlen(digits); i < n; i++) {
        if (i && (n - i) % 3 == 0)
            buf_puts(&out, tr(r, ",", "\u202f"));
        buf_putc(&out, digits[i]);
    }
    return arena_strdup(r->a, buf_text(&out));
}

struct month {
    const struct report_out *r;
    int64_t from_wall_ms, to_wall_ms;
    struct ints incidents;
};

static bool note_opening(void *arg, const struct record *record)
{
    struct month *m = arg;
    bool within = record->wall_ms > m->from_wall_ms && record->wall_ms <= m->to_wall_ms;
    if (within && same(record->service, m->r->story->service) && record->incident != m->r->story->incident)
        *vec_add(m->r->a, &m->incidents) = (int)record->incident;
    return true;
}

/* Outages of the service in the 30 days that end with this one; -1: the journal cannot be read. */
static int64_t month_outage_ms(const struct report_out *r, size_t *ret_incidents)
{
    int64_t end = r->story->mitigated_wall_ms;
    struct month m = {.r = r, .from_wall_ms = end - SLA_WINDOW_MS, .to_wall_ms = end};
    if (!journal_openings(r->journal, note_opening, &m, NULL))
        return -1;
    int64_t sum = r->story->outage_ms;
    for (size_t i = 0; i < m.incidents.n; i++) {
        struct story other;
        if (!story_read(r->a, r->journal, r->config, m.incidents.p[i], &other, NULL))
            return -1;
        sum += MAX_OF(0, other.outage_ms);
    }
    *ret_incidents = m.incidents.n + 1;
    return sum;
}

static void put_sla(const struct report_out *r)
{
    const struct story *s = r->story;
    const char *budget = arena_printf(r->a, "%" PRId64 "%s%" PRId64 " min", SLA_BUDGET_MS / MS_MINUTE, tr(r, ".", ","), SLA_BUDGET_MS % MS_MINUTE * 10 / MS_MINUTE);
    size_t incidents = 0;
    int64_t month = s->outage_ms >= 0 ? month_outage_ms(r, &incidents) : -1;
    if (month < 0) {
        put(r, "| SLA budget used | unknown |\n", "| budget SLA consommé | inconnu |\n");
        return;
    }
    put(r, "| SLA budget used by this incident | %s of %s (99.9 %% of 30 days) |\n", "| budget SLA consommé par cet incident | %s de %s (99,9 %% de 30 jours) |\n",
        percent(r, s->outage_ms, SLA_BUDGET_MS), budget);
    put(r, "| SLA budget used in the 30 days to its end | %s, by %zu incident(s) lasting %s in all |\n",
        "| budget SLA consommé sur les 30 jours jusqu'à sa fin | %s, par %zu incident(s), %s en tout |\n", percent(r, month, SLA_BUDGET_MS), incidents,
        duration(r, month));
}

static void put_money(const struct report_out *r)
{
    int64_t rate = r->service && r->severity ? r->severity->impact_per_hour : 0;
    if (rate <= 0)
        return;
    const char *currency = r->service->currency ? r->service->currency : "";
    if (r->story->outage_ms < 0)
        put(r, "| revenue (estimate) | unknown |\n", "| chiffre d'affaires (estimation) | inconnu |\n");
    else
        put(r, "| revenue (estimate) | %s %s: %s %s an hour × %s |\n", "| chiffre d'affaires (estimation) | %s %s : %s %s par heure × %s |\n",
            grouped(r, (rate * (r->story->outage_ms / MS_SECOND) + 1800) / 3600), markdown(r->a, currency), grouped(r, rate),
            markdown(r->a, currency), duration(r, r->story->outage_ms));
}

void put_impact(const struct report_out *r)
{
    put_heading(r, "Impact", "Impact");
    put(r, "| impact | value |\n| --- | --- |\n", "| impact | valeur |\n| --- | --- |\n");
    if (r->service && r->service->users > 0)
        put(r, "| users affected (estimate) | up to %s for %s |\n", "| utilisateurs touchés (estimation) | jusqu'à %s pendant %s |\n",
            grouped(r, r->service->users), duration(r, r->story->outage_ms));
    put_money(r);
    put_sla(r);
    put(r, "\nEstimates multiply what the configuration states (users, revenue an hour) by the measured duration.\n",
        "\nLes estimations multiplient ce que dit la configuration (utilisateurs, recette horaire) par la durée mesurée.\n");
    put_field(r, "business-impact");
    put_field(r, "technical-impact");
    put_field(r, "team-impact");
}

/* ---- causes ---- */

void put_causes(const struct report_out *r)
{
    put_heading(r, "Root cause", "Cause racine");
    put(r, "First symptom: %s%s\n", "Premier symptôme : %s%s\n", md(r, r->story->cause), cite(r, r->story->detected_seq));
    static const char *const names[] = {"diagnose.summary", "diagnose.detail"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct story_fact *fact = story_fact(r->story, names[i]);
        if (fact)
            put(r, "\nDiagnosis: %s%s\n", "\nDiagnostic : %s%s\n", md(r, fact->value), cite(r, fact->seq));
    }
    static const char *const fields[] = {"why-1", "why-2", "why-3", "why-4", "why-5", "root-cause"};
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        put_field(r, fields[i]);
}

/* ---- lessons and actions, from the same facts ---- */

typedef void finding_fn(const struct report_out *r, bool good, const char *text, int64_t seq);

struct findings {
    const struct report_out *r;
    finding_fn *found;
};

static void find(const struct findings *f, bool good, int64_t seq, const char *en, const char *fr, ...)
    __attribute__((format(printf, 4, 6), format(printf, 5, 6)));

static void find(const struct findings *f, bool good, int64_t seq, const char *en, const char *fr, ...)
{
    va_list args;
    va_start(args, fr);
    f->found(f->r, good, arena_vprintf(f->r->a, f->r->language == LANGUAGE_FR ? fr : en, args), seq);
    va_end(args);
}

static void steps_found(const struct findings *f)
{
    const struct report_out *r = f->r;
    for (size_t i = 0; i < r->story->step_count; i++) {
        const struct story_step *step = &r->story->steps[i];
        bool success = same(step->outcome, "success"), failed = step->outcome && !success && !same(step->outcome, "skipped");
        bool over = step->budget_ms > 0 && step->took_ms > step->budget_ms;
        if (failed)
            find(f, false, step->end_seq, "step \"%s\" ended with %s: %s", "l'étape « %s » s'est terminée par : %s : %s", md(r, step->id),
                 word_ending_of(step->outcome, r->language), md(r, word_decided(r->a, step->text, r->language)));
        else if (over || (success && step->budget_ms > 0))
            find(f, !over, step->end_seq, "step \"%s\" took %s of a budget of %s", "l'étape « %s » a pris %s pour un budget de %s",
                 md(r, step->id), duration(r, step->took_ms), duration(r, step->budget_ms));
    }
}

static void order_found(const struct findings *f, const struct record *row)
{
    const struct report_out *r = f->r;
    if (row->kind == ORDER_STAGE && row->number > MS_SECOND)
        find(f, false, row->seq, "escalation stage \"%s\" was %s late", "le palier d'escalade « %s » a eu %s de retard", md(r, row->subject),
             duration(r, row->number));
    if (row->kind == ORDER_BLOCKED)
        find(f, false, row->seq, "blocked: %s", "bloqué : %s", md(r, word_decided(r->a, row->text, r->language)));
}

static void event_found(const struct findings *f, const struct record *row)
{
    const struct report_out *r = f->r;
    if (row->kind == EVENT_UNDELIVERED && row->ref < 0)
        find(f, false, row->seq, "message %s was given up: %s", "le message %s a été abandonné : %s", md(r, row->subject), md(r, row->text));
    if (row->kind == EVENT_STARTED)
        find(f, false, row->seq, "the controller was started again during the incident", "le contrôleur a été redémarré pendant l'incident");
    if (row->kind == EVENT_NOTE && strstr(row->text, "TODO"))
        find(f, false, row->seq, "%s", "%s", md(r, row->text));
}

static void objectives_found(const struct findings *f)
{
    const struct report_out *r = f->r;
    const struct story *s = r->story;
    const struct story_fact *skipped = story_fact(s, "restore.skipped");
    if (s->outage_ms >= 0 && s->rto_ms >= 0)
        find(f, s->outage_ms <= s->rto_ms, s->back_seq, "RTO: %s against %s", "RTO : %s contre %s", duration(r, s->outage_ms), duration(r, s->rto_ms));
    if (s->loss_ms >= 0 && s->rpo_ms >= 0)
        find(f, s->loss_ms <= s->rpo_ms, s->opened_seq, "RPO: %s against %s", "RPO : %s contre %s", duration(r, s->loss_ms), duration(r, s->rpo_ms));
    if (skipped)
        find(f, false, skipped->seq, "a backup could not be used: %s", "une sauvegarde n'a pas pu servir : %s", md(r, skipped->value));
    if (!s->acked_seq)
        find(f, false, 0, "nobody acknowledged the incident", "personne n'a pris l'incident en charge");
}

static void all_found(const struct report_out *r, finding_fn *found)
{
    const struct findings f = {.r = r, .found = found};
    objectives_found(&f);
    steps_found(&f);
    for (size_t i = 0; i < r->history->n; i++) {
        if (r->history->p[i].is_order)
            order_found(&f, &r->history->p[i]);
        else
            event_found(&f, &r->history->p[i]);
    }
}

static void put_good(const struct report_out *r, bool good, const char *text, int64_t seq)
{
    if (good)
        buf_printf(r->out, "- %s%s\n", text, cite(r, seq));
}

static void put_bad(const struct report_out *r, bool good, const char *text, int64_t seq)
{
    if (!good)
        buf_printf(r->out, "- %s%s\n", text, cite(r, seq));
}

static void put_candidate(const struct report_out *r, bool good, const char *text, int64_t seq)
{
    if (!good)
        buf_printf(r->out, "| %s%s | | |\n", text, cite(r, seq));
}

void put_lessons(const struct report_out *r)
{
    put_heading(r, "What went well", "Ce qui a bien marché");
    all_found(r, put_good);
    put_field(r, "went-well");
    put_heading(r, "What did not go well", "Ce qui a mal marché");
    all_found(r, put_bad);
    put_field(r, "went-badly");
}

static void put_action(const struct report_out *r, const struct written_action *a)
{
    const char *horizon = a->horizon == HORIZON_MAX ? "–" : text_in(horizon_title(a->horizon), r->language);
    const char *wanted = tr(r, "**to write**", "**à écrire**");
    const char *ticket = a->ticket ? md(r, a->ticket) : a->told_seq ? arena_printf(r->a, "%s%s", tr(r, "sent", "envoyé"), cite(r, a->told_seq)) : "–";
    buf_printf(r->out, "| %d | %s | %s | %s | %s | %s |%s |\n", a->number, horizon, md(r, a->text), a->owner ? md(r, a->owner) : wanted,
               a->due ? md(r, a->due) : wanted, ticket, cite(r, a->seq));
}

void put_actions(const struct report_out *r)
{
    const struct written_all *w = r->written;
    put_heading(r, "Corrective actions", "Actions correctives");
    if (!w->actions.n) {
        put(r, "Candidates, one for each finding above:\n\n| finding | owner | due |\n| --- | --- | --- |\n",
            "Candidates, une par constat ci-dessus :\n\n| constat | responsable | échéance |\n| --- | --- | --- |\n");
        all_found(r, put_candidate);
        put(r, "\n> **To write:** every action with an owner and a date; without them the report cannot be approved. "
               "`bascule incident write %" PRId64 " action \"...\" --owner NAME --due DATE`\n",
            "\n> **À écrire :** chaque action avec un responsable et une date ; sans eux le rapport ne peut pas être approuvé. "
            "`bascule incident write %" PRId64 " action \"...\" --owner NOM --due DATE`\n", r->story->incident);
        return;
    }
    put(r, "| no. | horizon | action | owner | due | ticket | record |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        "| n° | horizon | action | responsable | échéance | ticket | ligne |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for (int horizon = 0; horizon <= HORIZON_MAX; horizon++)
        for (size_t i = 0; i < w->actions.n; i++)
            if ((int)w->actions.p[i].horizon == horizon)
                put_action(r, &w->actions.p[i]);
}

/* ---- sign-off ---- */

/* The same day, five years on; 29 February becomes 1 March. */
static const char *retention(const struct report_out *r)
{
    int64_t end = r->story->resolved_wall_ms ? r->story->resolved_wall_ms : r->story->opened_wall_ms, year;
    const char *day = timeline_day(r->a, end);
    if (!str_int((struct str){.p = day, .n = 4}, &year))
        return tr(r, "unknown", "inconnu");
    const char *rest = same(day + 4, "-02-29") ? "-03-01" : day + 4;
    return arena_printf(r->a, "%04" PRId64 "%s", year + RETENTION_YEARS, rest);
}

static const struct record *approval(const struct report_out *r)
{
    for (size_t i = r->history->n; i-- > 0;)
        if (!r->history->p[i].is_order && r->history->p[i].kind == EVENT_REVIEW)
            return &r->history->p[i];
    return NULL;
}

static void put_signature(const struct report_out *r, const char *en, const char *fr, const char *who, int64_t wall_ms, int64_t seq)
{
    if (who)
        buf_printf(r->out, "| %s | %s | %s |%s |\n", tr(r, en, fr), md(r, who), moment(r, wall_ms), cite(r, seq));
    else
        buf_printf(r->out, "| %s | – | – | – |\n", tr(r, en, fr));
}

void put_sign_off(const struct report_out *r)
{
    const struct written *author = written_field(r->written, "author"), *reviewed = written_field(r->written, "reviewed");
    const struct record *approved = approval(r);
    put_heading(r, "Follow-up and sign-off", "Suivi et signatures");
    put_field(r, "meeting");
    put_field(r, "documentation");
    put_field(r, "reviewed");
    put(r, "\n| signature | name | date | record |\n| --- | --- | --- | --- |\n", "\n| signature | nom | date | ligne |\n| --- | --- | --- | --- |\n");
    put_signature(r, "prepared", "préparé", author ? author->text : NULL, author ? author->wall_ms : 0, author ? author->seq : 0);
    put_signature(r, "reviewed", "relu", reviewed ? reviewed->who : NULL, reviewed ? reviewed->wall_ms : 0, reviewed ? reviewed->seq : 0);
    put_signature(r, "approved", "approuvé", approved ? approved->who : NULL, approved ? approved->wall_ms : 0, approved ? approved->seq : 0);
    put(r, "\nTo be kept until %s (%d years).\n", "\nÀ conserver jusqu'au %s (%d ans).\n", retention(r), (int)RETENTION_YEARS);
}
