/* record/report.c -- The post-incident report: its order, its summary, detection and objectives. */
#include "record/report.h"

#include <inttypes.h>

#include "record/timeline.h"
#include "record/words.h"

/* ---- small things ---- */

const char *tr(const struct report_out *r, const char *en, const char *fr)
{
    return r->language == LANGUAGE_FR ? fr : en;
}

void put(const struct report_out *r, const char *en, const char *fr, ...)
{
    va_list args;
    va_start(args, fr);
    buf_vprintf(r->out, r->language == LANGUAGE_FR ? fr : en, args);
    va_end(args);
}

void put_heading(const struct report_out *r, const char *en, const char *fr)
{
    buf_printf(r->out, "\n## %s\n\n", tr(r, en, fr));
}

/* A line that begins like a heading, a list or a number would be one. */
static void put_words_line(const struct report_out *r, struct str line)
{
    bool item = str_starts(line, "- ");
    if (item) {
        line.p += 2;
        line.n -= 2;
    }
    const char *text = markdown(r->a, str_dup(r->a, str_trim(line)));
    bool begins = !item && strchr("#+-=0123456789", *text) && *text;
    bool digit = begins && *text >= '0' && *text <= '9';
    buf_printf(r->out, "%s%s%s\n", item ? "- " : "", begins && !digit ? "\\" : "", text);
}

void put_words(const struct report_out *r, const char *text)
{
    struct str rest = str_of(text), line;
    bool list = false;
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (!line.n)
            continue;
        bool item = str_starts(line, "- ");
        if (!(list && item))
            buf_putc(r->out, '\n');
        put_words_line(r, line);
        list = item;
    }
}

void put_field(const struct report_out *r, const char *name)
{
    const struct report_field *field = report_field(name);
    const struct written *w = written_field(r->written, name);
    if (w) {
        put(r, "\n**%s** (%s, %s)%s\n", "\n**%s** (%s, %s)%s\n", text_in(field->title, r->language), md(r, w->who), moment(r, w->wall_ms), cite(r, w->seq));
        put_words(r, w->text);
        return;
    }
    bool wanted = field_required(field, r->story->severity);
    put(r, "\n> **%s** %s `bascule incident write %" PRId64 " %s`\n", "\n> **%s** %s `bascule incident write %" PRId64 " %s`\n",
        wanted ? tr(r, "To write:", "À écrire :") : tr(r, "To write, if there is something:", "À écrire, s'il y a lieu :"), text_in(field->question, r->language),
        r->story->incident, name);
}

const char *cite(const struct report_out *r, int64_t seq)
{
    if (!seq)
        return "";
    bool known = false;
    for (size_t i = r->cited->n; i-- > 0 && !known;)
        known = r->cited->p[i] == seq;
    if (!known)
        *vec_add(r->a, r->cited) = seq;
    return arena_printf(r->a, " [#%" PRId64 "]", seq);
}

const char *moment(const struct report_out *r, int64_t wall_ms)
{
    if (wall_ms <= 0)
        return tr(r, "unknown", "inconnu");
    return arena_printf(r->a, "%s %s UTC", timeline_day(r->a, wall_ms), timeline_time(r->a, wall_ms));
}

const char *duration(const struct report_out *r, int64_t ms)
{
    return word_duration(r->a, ms, r->language);
}

const char *md(const struct report_out *r, const char *text)
{
    return text && *text ? markdown(r->a, text) : "–";
}

const char *percent(const struct report_out *r, int64_t part, int64_t whole)
{
    int64_t tenths = whole > 0 ? part * 1000 / whole : 0;
    return arena_printf(r->a, "%" PRId64 "%s%" PRId64 " %%", tenths / 10, tr(r, ".", ","), tenths % 10);
}

/* ---- chapters ---- */

static void put_row(const struct report_out *r, const char *en, const char *fr, const char *value)
{
    buf_printf(r->out, "| %s | %s |\n", tr(r, en, fr), value);
}

static const char *declared(const struct report_out *r)
{
    return r->story->declared ? tr(r, " (declared by a person, not verified)", " (déclarée par une personne, non vérifiée)") : "";
}

static void put_summary(const struct report_out *r)
{
    const struct story *s = r->story;
    enum incident_state state = INCIDENT_OPEN;
    (void)incident_state_of(s->state, &state);
    put(r, "| field | value |\n| --- | --- |\n", "| champ | valeur |\n| --- | --- |\n");
    put_row(r, "incident", "incident", arena_printf(r->a, "INC-%" PRId64 "%s", s->incident, cite(r, s->opened_seq)));
    put_row(r, "service", "service", md(r, r->service && r->service->title.en ? text_in(r->service->title, r->language) : s->service));
    put_row(r, "severity", "gravité", severity_name(s->severity));
    put_row(r, "state", "état", word_state(state, r->language));
    put_row(r, "start (last proof of life)", "début (dernière preuve de vie)",
            arena_printf(r->a, "%s%s", moment(r, s->last_good_wall_ms), s->last_good_wall_ms ? cite(r, s->opened_seq) : ""));
    put_row(r, "end (service back)", "fin (service de retour)",
            s->back_seq ? arena_printf(r->a, "%s%s%s", moment(r, s->mitigated_wall_ms), declared(r), cite(r, s->back_seq)) : tr(r, "not yet", "pas encore"));
    put_row(r, "duration of the outage", "durée de la panne",
            arena_printf(r->a, "%s%s", s->outage_ms >= 0 && s->detect_ms < 0 ? tr(r, "at least ", "au moins ") : "", duration(r, s->outage_ms)));
    put_row(r, "closed", "clos",
            s->resolved_seq ? arena_printf(r->a, "%s%s", moment(r, s->resolved_wall_ms), cite(r, s->resolved_seq)) : tr(r, "not yet", "pas encore"));
    put_row(r, "playbook", "scénario", md(r, s->playbook));
    put_row(r, "impact on users", "impact pour les utilisateurs", md(r, r->severity ? text_in(r->severity->users, r->language) : NULL));
    put_field(r, "author");
    put_field(r, "summary");
}

static void put_milestone(const struct report_out *r, const char *en, const char *fr, int64_t wall_ms, int64_t after_ms, int64_t seq)
{
    if (wall_ms > 0)
        buf_printf(r->out, "| %s | %s | %s |%s |\n", tr(r, en, fr), moment(r, wall_ms), after_ms >= 0 ? duration(r, after_ms) : "–",
                   *cite(r, seq) ? cite(r, seq) : " –");
    else
        buf_printf(r->out, "| %s | %s | – | – |\n", tr(r, en, fr), tr(r, "not on record", "pas au journal"));
}

static void put_detection(const struct report_out *r)
{
    const struct story *s = r->story;
    put_heading(r, "Detection", "Détection");
    put(r, "- By: %s\n- Symptom: %s%s\n\n", "- Par : %s\n- Symptôme : %s%s\n\n",
        s->by_person ? md(r, s->detected_by)
                     : arena_printf(r->a, tr(r, "check `%s`", "contrôle `%s`"), *s->detected_by ? s->detected_by : "?"),
        md(r, s->cause), cite(r, s->detected_seq));
    put(r, "| milestone | time | after the one before | record |\n| --- | --- | --- | --- |\n",
        "| jalon | heure | après le précédent | ligne |\n| --- | --- | --- | --- |\n");
    put_milestone(r, "last proof of life", "dernière preuve de vie", s->last_good_wall_ms, -1, s->last_good_wall_ms ? s->opened_seq : 0);
    put_milestone(r, "detected", "détecté", s->detected_wall_ms, s->detect_ms, s->detected_seq);
    put_milestone(r, "incident opened", "incident ouvert", s->opened_wall_ms, s->open_ms, s->opened_seq);
    put_milestone(r, "first alert handed over", "première alerte remise", s->first_alert_wall_ms, s->alert_ms, s->first_alert_seq);
    put(r, "\nAcknowledged: %s%s\n", "\nPris en charge : %s%s\n",
        s->acked_seq ? arena_printf(r->a, tr(r, "by %s, %s after the opening", "par %s, %s après l'ouverture"), md(r, s->acked_by), duration(r, s->ack_ms))
                     : tr(r, "by nobody", "par personne"),
        cite(r, s->acked_seq));
    put_field(r, "true-start");
}

static const char *judged(const struct report_out *r, int64_t achieved, int64_t target)
{
    if (achieved < 0 || target < 0)
        return tr(r, "unknown", "inconnu");
    return achieved <= target ? tr(r, "**met**", "**tenu**") : tr(r, "**missed**", "**manqué**");
}

static const char *loss_verdict(const struct report_out *r)
{
    const struct story *s = r->story;
    return s->restored ? judged(r, s->loss_ms, s->rpo_ms) : tr(r, "no backup was restored", "aucune sauvegarde restaurée");
}

static void put_loss(const struct report_out *r)
{
    const struct story *s = r->story;
    const struct story_fact *point = story_fact(s, "restore.recovery_point_ms"), *file = story_fact(s, "restore.file");
    const struct story_fact *snapshot = story_fact(s, "restore.snapshot_ms"), *rows = story_fact(s, "loss.rows");
    if (!s->restored) {
        put(r, "\nNo backup was restored in this incident: the database that serves has its own data.\n",
            "\nAucune sauvegarde n'a été restaurée pendant cet incident : la base qui sert a ses propres données.\n");
        return;
    }
    put(r, "\nData loss: last write known to be committed %s%s, recovery point %s%s; between them **%s**. Rows lost: %s%s.\n",
        "\nPerte de données : dernière écriture validée connue %s%s, point de reprise %s%s ; entre les deux **%s**. Lignes perdues : %s%s.\n",
        moment(r, s->last_good_wall_ms), s->last_good_wall_ms ? cite(r, s->opened_seq) : "", moment(r, s->recovery_point_wall_ms),
        cite(r, point ? point->seq : snapshot ? snapshot->seq : 0), duration(r, s->loss_ms),
        s->loss_rows >= 0 ? arena_printf(r->a, "%" PRId64, s->loss_rows) : tr(r, "unknown", "inconnu"), cite(r, rows ? rows->seq : 0));
    if (file)
        put(r, "Restored from `%s`%s.\n", "Restauré depuis `%s`%s.\n", one_line(r->a, file->value), cite(r, file->seq));
}

/* Of a promotion: what the old primary had for itself, as its log says, or as was estimated as long as nobody has read that. */
static void put_never_arrived(const struct report_out *r)
{
    const struct story *s = r->story;
    const struct story_fact *bytes = story_fact(s, "loss.bytes"), *unknown = story_fact(s, "loss.unknown"), *estimate = story_fact(s, "promote.loss");
    if (s->lost_transactions >= 0 && bytes)
        put(r, "\nLost with the old primary, counted in its own log: **%" PRId64 " transactions**, %" PRId64 " bytes%s.\n",
            "\nPerdu avec l'ancienne primaire, compté dans son propre journal : **%" PRId64 " transactions**, %" PRId64 " octets%s.\n", s->lost_transactions, s->lost_bytes,
            cite(r, bytes->seq));
    else if (unknown)
        put(r, "\nWhat was lost with the old primary is **unknown**, and cannot be counted any more: %s%s.\n",
            "\nCe qui a été perdu avec l'ancienne primaire est **inconnu** et ne peut plus être compté : %s%s.\n", md(r, unknown->value), cite(r, unknown->seq));
    else if (estimate && story_fact(s, "promote.parted"))
        put(r, "\nLost with the old primary, an estimate of the promotion, until its log is read: %s%s.\n",
            "\nPerdu avec l'ancienne primaire, estimation faite à la promotion, tant que son journal n'est pas lu : %s%s.\n", md(r, estimate->value), cite(r, estimate->seq));
}

static void put_objectives(const struct report_out *r)
{
    const struct story *s = r->story;
    put_heading(r, "Objectives: target against achieved", "Objectifs : cible et réalisé");
    put(r, "| objective | target | achieved | verdict |\n| --- | --- | --- | --- |\n", "| objectif | cible | réalisé | verdict |\n| --- | --- | --- | --- |\n");
    buf_printf(r->out, "| RTO | %s | %s%s%s | %s |\n", duration(r, s->rto_ms), duration(r, s->outage_ms), declared(r), cite(r, s->back_seq),
               judged(r, s->outage_ms, s->rto_ms));
    buf_printf(r->out, "| RPO | %s | %s | %s |\n", duration(r, s->rpo_ms), s->restored ? duration(r, s->loss_ms) : "–", loss_verdict(r));
    put_loss(r);
    put_never_arrived(r);
    put(r, "\nWhere the time went: detection %s, opening %s, recovery %s.\n", "\nOù le temps est passé : détection %s, ouverture %s, rétablissement %s.\n",
        duration(r, s->detect_ms), duration(r, s->open_ms), duration(r, s->recover_ms));
}

/* The journal has the English title; a playbook that is still configured has both. */
static const char *title_of(const struct report_out *r)
{
    const struct playbook *playbook = r->service ? service_playbook(r->service, r->story->playbook) : NULL;
    return playbook && playbook->title.en && same(playbook->title.en, r->story->title) ? text_in(playbook->title, r->language) : r->story->title;
}

static void put_all(const struct report_out *r)
{
    put(r, "# Post-incident report INC-%" PRId64 ": %s\n\n", "# Rapport d'incident INC-%" PRId64 " : %s\n\n", r->story->incident,
        md(r, title_of(r)));
    put(r, "Made from the journal; `[#N]` names the record that proves a statement (`bascule journal show`). Times are UTC.\n\n",
        "Établi depuis le journal ; `[#N]` désigne la ligne qui prouve une affirmation (`bascule journal show`). Heures en UTC.\n\n");
    put_summary(r);
    put_detection(r);
    put_objectives(r);
    put_escalation(r);
    put_steps(r);
    put_commands(r);
    put_fence(r);
    put_facts(r);
    put_communications(r);
    put_public(r);
    put_checklists(r);
    put_timeline(r);
    put_impact(r);
    put_causes(r);
    put_lessons(r);
    put_actions(r);
    put_sign_off(r);
    put_records(r);
}

bool story_report(struct journal *journal, const struct config *config, int64_t incident, enum language language, struct buf *out, struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct story story;
    struct history history;
    struct config spoken = config ? *config : (struct config){0}; /* step titles in the report's language, not the configuration's */
    spoken.language = (int)language;
    if (!story_read(a, journal, &spoken, incident, &story, err) || !history_read(a, journal, incident, &history, err))
        return false;
    struct written_all written;
    struct checklists lists;
    struct cited cited = {0};
    written_of(a, &history, &written);
    if (!story_checklists(a, journal, &spoken, incident, &lists, err))
        return false;
    struct report_out r = {.a = a, .journal = journal, .config = &spoken, .story = &story, .history = &history, .written = &written, .lists = &lists,
                           .language = language, .out = out, .cited = &cited};
    r.service = config_service(&spoken, story.service);
    r.severity = r.service ? service_severity(r.service, story.severity) : NULL;
    put_all(&r);
    return !out->over || err_set(err, ERR_LIMIT, "the report is longer than %zu bytes", out->max);
}
