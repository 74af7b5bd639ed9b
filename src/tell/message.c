/* tell/message.c -- The runbook's standard message and its sisters. Every value is taken from the incident, the configuration or what
   was measured; a sentence without such a source is not written. */
#include "tell/message.h"

#include <inttypes.h>

#include "tell/wording.h"

enum { SUBJECT_MAX = 600, BODY_MAX = 32 * 1024 };

enum kind { KIND_STAGE, KIND_UPDATE, KIND_MONITORING, KIND_RESOLVED, KIND_BLOCKED, KIND_APPROVAL, KIND_RELAPSE, KIND_CHECKLIST, KIND_TICKET, KIND_MAX };

static const struct {
    const char *stage;
    struct text2 headline, tag; /* tag: before the title in the subject */
} kinds[KIND_MAX] = {
    [KIND_STAGE] = {NULL, {"🚨 INCIDENT ALERT", "🚨 ALERTE INCIDENT"}, {"", ""}},
    [KIND_UPDATE] = {"update", {"🔄 INCIDENT UPDATE", "🔄 POINT SUR L'INCIDENT"}, {"Update: ", "Point : "}},
    [KIND_MONITORING] = {"monitoring", {"👀 SERVICE BACK, UNDER OBSERVATION", "👀 SERVICE RÉTABLI, SOUS OBSERVATION"},
                         {"Back, under observation: ", "Rétabli, sous observation : "}},
    [KIND_RESOLVED] = {"resolved", {"✅ INCIDENT RESOLVED", "✅ INCIDENT RÉSOLU"}, {"Resolved: ", "Résolu : "}},
    [KIND_BLOCKED] = {"blocked", {"⛔ RECOVERY BLOCKED: A PERSON IS NEEDED", "⛔ REPRISE BLOQUÉE : UNE PERSONNE EST NÉCESSAIRE"},
                      {"BLOCKED: ", "BLOQUÉ : "}},
    [KIND_APPROVAL] = {"approval", {"✋ APPROVAL NEEDED", "✋ APPROBATION DEMANDÉE"}, {"Approval needed: ", "Approbation demandée : "}},
    [KIND_RELAPSE] = {"relapse", {"🚨 RELAPSE: THE SERVICE FAILED AGAIN", "🚨 RECHUTE : LE SERVICE EST DE NOUVEAU EN PANNE"},
                      {"Relapse: ", "Rechute : "}},
    [KIND_CHECKLIST] = {"checklist", {"⏰ STILL TO BE DONE", "⏰ ENCORE À FAIRE"}, {"Reminder: ", "Rappel : "}},
    [KIND_TICKET] = {"ticket", {"🎫 CORRECTIVE ACTION", "🎫 ACTION CORRECTIVE"}, {"Action: ", "Action : "}},
};

static const struct text2 states[INCIDENT_MAX] = {
    [INCIDENT_OPEN] = {"open", "ouvert"},
    [INCIDENT_ACKNOWLEDGED] = {"acknowledged", "pris en charge"},
    [INCIDENT_MITIGATING] = {"recovery in progress", "reprise en cours"},
    [INCIDENT_MONITORING] = {"service back, under observation", "service rétabli, sous observation"},
    [INCIDENT_RESOLVED] = {"resolved", "résolu"},
    [INCIDENT_REVIEWED] = {"reviewed", "revu"},
};

struct letter {
    struct arena *arena;
    enum language language;
    enum kind kind;
    const struct service *service;
    const struct incident *incident;
    const struct severity_conf *severity; /* NULL: not configured */
    const struct message_facts *facts;
    const char *stage, *order_text;
    struct buf body;
};

#define IN(l, en_text, fr_text) ((l)->language == LANGUAGE_FR ? (fr_text) : (en_text))
#define UNKNOWN(l) IN(l, "unknown", "inconnue")

static const char *duration(struct letter *l, int64_t ms)
{
    return say_duration(l->arena, l->language, ms);
}

static enum kind kind_of(const char *stage)
{
    for (int k = KIND_STAGE + 1; k < KIND_MAX; k++)
        if (same(kinds[k].stage, stage))
            return (enum kind)k;
    return KIND_STAGE;
}

/* ---- what is computed ---- */

static bool is_back(const struct letter *l)
{
    return l->kind == KIND_MONITORING || l->kind == KIND_RESOLVED;
}

/* The core time at which the outage began: the last proof of life, else the opening. */
static int64_t began_ms(const struct incident *i)
{
    int64_t before = i->good_wall_ms > 0 && i->good_wall_ms < i->opened_wall_ms ? i->opened_wall_ms - i->good_wall_ms : 0;
    return i->opened_at_ms - before;
}

/* Until now, or until the service was back. */
static int64_t outage_ms(const struct letter *l)
{
    const struct incident *i = l->incident;
    int64_t end = l->facts->now_ms;
    if (is_back(l) && i->monitoring_at_ms > 0)
        end = i->monitoring_at_ms;
    else if (l->kind == KIND_RESOLVED && i->resolved_at_ms > 0)
        end = i->resolved_at_ms;
    return MAX_OF(end - began_ms(i), 0);
}

static int64_t rto_ms(const struct letter *l)
{
    int index = l->incident->playbook;
    int64_t own = index >= 0 && (size_t)index < l->service->playbooks.n ? l->service->playbooks.p[index].rto_ms : 0;
    return own > 0 ? own : l->severity ? l->severity->rto_ms : 0;
}

/* Rounded; the product of an int and the milliseconds of an incident fits by far. */
static int64_t revenue_lost(const struct letter *l)
{
    return (l->severity->impact_per_hour * outage_ms(l) + MS_HOUR / 2) / MS_HOUR;
}

/* ---- parts of the body ---- */

static void add_title(struct letter *l)
{
    struct arena *a = l->arena;
    const struct incident *i = l->incident;
    buf_printf(&l->body, "%s\n\n", text_in(kinds[l->kind].headline, l->language));
    buf_printf(&l->body, IN(l, "Service: %s\n", "Service : %s\n"), say_line(a, text_in(l->service->title, l->language)));
    buf_printf(&l->body, IN(l, "Severity: %s (%s)\n", "Gravité : %s (%s)\n"), severity_name(i->severity),
               text_in(severity_title(i->severity), l->language));
    buf_printf(&l->body, IN(l, "Time: %s\n", "Heure : %s\n"), moment_minute(a, i->opened_wall_ms));
    buf_printf(&l->body, IN(l, "Incident: INC-%" PRId64 ", %s\n", "Incident : INC-%" PRId64 ", %s\n"), i->id, say_line(a, i->title));
    if (i->cause[0])
        buf_printf(&l->body, IN(l, "Cause: %s\n", "Cause : %s\n"), say_line(a, i->cause));
}

static const char *component_state(const struct letter *l)
{
    if (is_back(l))
        return IN(l, "RESTORED", "RÉTABLI");
    return l->incident->severity == SEVERITY_P1 ? IN(l, "UNAVAILABLE", "INDISPONIBLE") : IN(l, "DEGRADED", "DÉGRADÉ");
}

static void add_affected(struct letter *l)
{
    struct str rest = str_of(text_in(l->service->affected, l->language)), line;
    if (str_trim(rest).n == 0)
        return;
    buf_puts(&l->body, IN(l, "\nAffected:\n", "\nComposants touchés :\n"));
    while (str_next(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.n)
            buf_printf(&l->body, IN(l, "- " STR_FMT ": %s\n", "- " STR_FMT " : %s\n"), STR_ARG(line), component_state(l));
    }
}

static void add_revenue(struct letter *l)
{
    const char *currency = l->service->currency;
    const char *lost = say_money(l->arena, l->language, revenue_lost(l), currency);
    if (is_back(l)) {
        buf_printf(&l->body, IN(l, "- Revenue impact: ~%s\n", "- Impact sur le chiffre d'affaires : ~%s\n"), lost);
        return;
    }
    const char *rate = say_money(l->arena, l->language, l->severity->impact_per_hour, currency);
    buf_printf(&l->body, IN(l, "- Revenue impact: ~%s/hour, ~%s so far\n",
                            "- Impact sur le chiffre d'affaires : ~%s/heure, ~%s à cet instant\n"), rate, lost);
}

static void add_impact(struct letter *l)
{
    const char *whom = l->severity ? text_in(l->severity->users, l->language) : "";
    bool revenue = l->severity && l->severity->impact_per_hour > 0;
    if (l->service->users <= 0 && !*whom && !revenue)
        return;
    buf_puts(&l->body, IN(l, "\nImpact:\n", "\nImpact :\n"));
    if (l->service->users > 0)
        buf_printf(&l->body, IN(l, "- ~%s users affected\n", "- ~%s utilisateurs touchés\n"),
                   say_count(l->arena, l->language, l->service->users));
    if (*whom)
        buf_printf(&l->body, "- %s\n", say_line(l->arena, whom));
    if (revenue)
        add_revenue(l);
}

static void add_step(struct letter *l)
{
    const struct message_facts *f = l->facts;
    if (f->step && *f->step && f->step_number > 0 && f->step_count > 0)
        buf_printf(&l->body, IN(l, "- Step %d of %d: %s\n", "- Étape %d sur %d : %s\n"), f->step_number, f->step_count,
                   say_line(l->arena, f->step));
    else if (f->step && *f->step)
        buf_printf(&l->body, IN(l, "- Step: %s\n", "- Étape : %s\n"), say_line(l->arena, f->step));
}

static void add_cadence(struct letter *l)
{
    int64_t every = l->severity ? l->severity->update_every_ms : 0;
    if (every > 0)
        buf_printf(&l->body, IN(l, "- Updates: every %s\n", "- Nouvelles : toutes les %s\n"), duration(l, every));
    if (l->facts->next_update_ms >= 0)
        buf_printf(&l->body, IN(l, "- Next update: in %s\n", "- Prochaine nouvelle : dans %s\n"), duration(l, l->facts->next_update_ms));
}

static const char *investigation(const struct letter *l)
{
    /* The first message keeps the runbook's words. */
    if (l->incident->state == INCIDENT_OPEN && l->kind == KIND_STAGE)
        return IN(l, "IN PROGRESS", "EN COURS");
    return (unsigned)l->incident->state < INCIDENT_MAX ? text_in(states[l->incident->state], l->language) : "?";
}

/* The first stage is the alert itself; a later one says how far up it has gone. */
static void add_stage(struct letter *l)
{
    bool first = !l->severity || l->severity->stages.n == 0 || same(l->severity->stages.p[0].name, l->stage);
    if (l->kind == KIND_STAGE && !first && *l->stage)
        buf_printf(&l->body, IN(l, "- Escalation: %s\n", "- Escalade : %s\n"), text_in(stage_title(l->stage), l->language));
}

static void add_status(struct letter *l)
{
    int64_t eta = l->facts->eta_ms, rto = rto_ms(l);
    buf_printf(&l->body, IN(l, "\nStatus:\n- Investigation: %s\n", "\nÉtat :\n- Investigation : %s\n"), investigation(l));
    add_stage(l);
    add_step(l);
    buf_printf(&l->body, IN(l, "- Elapsed: %s\n", "- Temps écoulé : %s\n"), duration(l, outage_ms(l)));
    buf_printf(&l->body, IN(l, "- ETA recovery: %s\n", "- Reprise estimée dans : %s\n"),
               eta >= 0 ? duration(l, eta) : IN(l, "unknown", "durée inconnue"));
    if (rto > 0)
        buf_printf(&l->body, IN(l, "- Recovery target (RTO): %s\n", "- Objectif de reprise (RTO) : %s\n"), duration(l, rto));
    add_cadence(l);
}

static void add_who(struct letter *l)
{
    const struct incident *i = l->incident;
    if (i->acked_at_ms && i->who_acked[0])
        buf_printf(&l->body, IN(l, "\nEngineering team is actively investigating (%s).\n", "\nL'équipe technique est à l'œuvre (%s).\n"),
                   say_line(l->arena, i->who_acked));
    else if (i->acked_at_ms)
        buf_puts(&l->body, IN(l, "\nEngineering team is actively investigating.\n", "\nL'équipe technique est à l'œuvre.\n"));
    else
        buf_printf(&l->body, IN(l, "\nEngineering team has been alerted; nobody has acknowledged yet: bascule incident ack %" PRId64 "\n",
                                "\nL'équipe technique est alertée ; personne n'a encore accusé réception : bascule incident ack %" PRId64 "\n"), i->id);
}

/* "why; command; command": a line each, since they are read on a phone and typed from it. */
static void add_order_text(struct letter *l)
{
    const char *p = l->order_text;
    for (const char *cut; (cut = strstr(p, "; ")); p = cut + 2)
        buf_printf(&l->body, "- %s\n", say_line(l->arena, arena_strndup(l->arena, p, (size_t)(cut - p))));
    buf_printf(&l->body, "- %s\n", say_line(l->arena, *p ? p : UNKNOWN(l)));
}

static void add_blocked(struct letter *l)
{
    buf_puts(&l->body, IN(l, "\nWhy, and what unblocks it:\n", "\nPourquoi, et ce qui débloque :\n"));
    add_order_text(l);
}

static void add_approval(struct letter *l)
{
    buf_puts(&l->body, IN(l, "\nWaiting for a person's yes:\n", "\nEn attente de l'accord d'une personne :\n"));
    add_order_text(l);
    if (!strstr(l->order_text, "bascule incident approve"))
        buf_printf(&l->body, IN(l, "\nYes: bascule incident approve %" PRId64 "\nNo:  bascule incident deny %" PRId64 "\n",
                                "\nOui : bascule incident approve %" PRId64 "\nNon : bascule incident deny %" PRId64 "\n"),
                   l->incident->id, l->incident->id);
}

static void add_relapse(struct letter *l)
{
    if (!*l->order_text)
        return;
    buf_puts(&l->body, IN(l, "\nWhat happened:\n", "\nCe qui s'est passé :\n"));
    add_order_text(l);
}

/* ---- how it ended ---- */

static void add_rto(struct letter *l)
{
    int64_t target = rto_ms(l), achieved = outage_ms(l);
    const char *since = l->incident->good_wall_ms > 0 ? IN(l, "since the last proof of life", "depuis le dernier signe de vie")
                                                      : IN(l, "since the detection", "depuis la détection");
    buf_printf(&l->body, IN(l, "- Duration of the outage: %s, %s\n", "- Durée de la panne : %s, %s\n"), duration(l, achieved), since);
    if (target > 0)
        buf_printf(&l->body, IN(l, "- RTO: target %s, achieved %s: %s\n", "- RTO : objectif %s, réalisé %s : %s\n"), duration(l, target),
                   duration(l, achieved), achieved <= target ? IN(l, "met", "tenu") : IN(l, "MISSED", "DÉPASSÉ"));
}

static const char *loss(struct letter *l)
{
    const struct message_facts *f = l->facts;
    if (f->loss_ms < 0 && f->loss_rows < 0)
        return UNKNOWN(l);
    if (f->loss_ms <= 0 && f->loss_rows <= 0)
        return IN(l, "none", "aucune");
    const char *time = f->loss_ms >= 0 ? arena_printf(l->arena, IN(l, "%s of writes", "%s d'écritures"), duration(l, f->loss_ms)) : NULL;
    const char *rows = f->loss_rows >= 0 ? arena_printf(l->arena, IN(l, "%s rows", "%s lignes"), say_count(l->arena, l->language, f->loss_rows)) : NULL;
    if (time && rows)
        return arena_printf(l->arena, "%s, %s", time, rows);
    return time ? time : rows;
}

static void add_rpo(struct letter *l)
{
    int64_t target = l->severity ? l->severity->rpo_ms : 0, lost = l->facts->loss_ms;
    buf_printf(&l->body, IN(l, "- Data loss: %s\n", "- Perte de données : %s\n"), loss(l));
    if (target <= 0)
        return;
    if (lost < 0)
        buf_printf(&l->body, IN(l, "- RPO: target %s, achieved unknown\n", "- RPO : objectif %s, réalisé inconnu\n"), duration(l, target));
    else
        buf_printf(&l->body, IN(l, "- RPO: target %s, achieved %s: %s\n", "- RPO : objectif %s, réalisé %s : %s\n"), duration(l, target),
                   duration(l, lost), lost <= target ? IN(l, "met", "tenu") : IN(l, "MISSED", "DÉPASSÉ"));
}

static void add_result(struct letter *l)
{
    const struct incident *i = l->incident;
    buf_puts(&l->body, IN(l, "\nResult:\n", "\nBilan :\n"));
    if (l->kind == KIND_RESOLVED)
        buf_printf(&l->body, IN(l, "- Resolved: %s\n", "- Résolu : %s\n"),
                   i->resolved_wall_ms > 0 ? moment_minute(l->arena, i->resolved_wall_ms) : moment_minute(l->arena, l->facts->now_wall_ms));
    add_rto(l);
    add_rpo(l);
    const char *active = l->facts->active_site;
    buf_printf(&l->body, IN(l, "- Active site: %s\n", "- Site actif : %s\n"), active && *active ? active : IN(l, "unknown", "inconnu"));
}

static void add_follow(struct letter *l)
{
    if (l->kind == KIND_RESOLVED)
        buf_printf(&l->body, IN(l, "\nReport: bascule incident report %" PRId64 "\n", "\nRapport : bascule incident report %" PRId64 "\n"),
                   l->incident->id);
    if (l->kind == KIND_MONITORING)
        buf_puts(&l->body, IN(l, "\nThe incident is closed when the service stays well.\n",
                              "\nL'incident sera clos si le service se maintient.\n"));
    if (l->service->status_page)
        buf_printf(&l->body, IN(l, "\nFollow: %s\n", "\nSuivre : %s\n"), say_line(l->arena, l->service->status_page));
}

/* What of the checklists should be done by now and is not. */
static void add_late(struct letter *l)
{
    const struct strs *late = &l->facts->late;
    if (late->n)
        buf_puts(&l->body, IN(l, "\nLate on the checklists:\n", "\nEn retard dans les checklists :\n"));
    for (size_t i = 0; i < late->n; i++)
        buf_printf(&l->body, "- %s\n", say_line(l->arena, late->p[i]));
    if (late->n)
        buf_printf(&l->body, "bascule checklist show %" PRId64 "\n", l->incident->id);
}

static void add_ticket(struct letter *l)
{
    buf_puts(&l->body, IN(l, "\nTo be done:\n", "\nÀ faire :\n"));
    add_order_text(l);
    buf_printf(&l->body, IN(l, "\nReport: bascule incident report %" PRId64 "\n", "\nRapport : bascule incident report %" PRId64 "\n"), l->incident->id);
}

static void add_body(struct letter *l)
{
    add_title(l);
    if (l->kind == KIND_CHECKLIST || l->kind == KIND_TICKET) { /* the incident is over: nothing is unavailable any more */
        if (l->kind == KIND_TICKET)
            add_ticket(l);
        else
            add_late(l);
        return;
    }
    if (l->kind == KIND_BLOCKED)
        add_blocked(l);
    if (l->kind == KIND_APPROVAL)
        add_approval(l);
    if (l->kind == KIND_RELAPSE)
        add_relapse(l);
    add_affected(l);
    add_impact(l);
    if (is_back(l)) {
        add_result(l);
    } else {
        add_status(l);
        add_late(l);
        add_who(l);
    }
    add_follow(l);
}

static const char *subject(struct letter *l)
{
    char cut[SUBJECT_MAX];
    COPY_TO(cut, say_line(l->arena, l->incident->title));
    const char *title = *cut ? cut : text_in(l->service->title, l->language);
    if (l->kind == KIND_TICKET && *l->order_text) /* trackers take their title from here */
        title = say_line(l->arena, l->order_text);
    return arena_printf(l->arena, "[%s][INC-%" PRId64 "] %s%s", severity_name(l->incident->severity), l->incident->id,
                        text_in(kinds[l->kind].tag, l->language), say_line(l->arena, title));
}

struct message message_render(struct arena *arena, enum language language, const struct config *config, const struct service *service,
                              const struct incident *incident, const char *stage, const char *order_text, const struct message_facts *facts)
{
    (void)config;
    struct letter l = {.arena = arena, .language = language, .kind = kind_of(stage), .service = service, .incident = incident,
                       .severity = service_severity(service, incident->severity), .facts = facts, .stage = stage ? stage : "",
                       .order_text = order_text ? order_text : "", .body = {.max = BODY_MAX}};
    add_body(&l);
    struct message message = {.subject = subject(&l), .body = arena_strdup(arena, buf_text(&l.body))};
    buf_done(&l.body);
    return message;
}
