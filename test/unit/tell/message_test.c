/* The texts people receive, whole, in both languages; then what changes with each value. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tell/message.h"

enum { CORE = 5000000 };
#define WALL INT64_C(1761406442120) /* 2025-10-25 15:34:02 UTC */

static struct arena *a;
static struct config config;
static struct service *akig;
static struct incident incident;
static struct message_facts facts;

static int set_up(void **state)
{
    (void)state;
    a = arena_open();
    config = (struct config){.path = "/etc/bascule/bascule.yaml"};
    akig = vec_add(a, &config.services);
    *akig = (struct service){.name = "akig", .title = {"AKIG Platform", "Plateforme AKIG"}, .users = 15000, .currency = "$",
                             .affected = {"User Dashboard\nAPI Endpoints\nMobile App", "Tableau de bord\nAPI\nApplication mobile"},
                             .status_page = "https://status.akig.com/"};
    struct severity_conf *p1 = vec_add(a, &akig->severities);
    *p1 = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = 15 * MS_MINUTE, .rpo_ms = MS_HOUR, .impact_per_hour = 50000,
                                 .users = {"100 % of the service is unreachable", "100 % du service inaccessible"},
                                 .update_every_ms = 5 * MS_MINUTE};
    vec_add(a, &p1->stages)->name = "alert";
    vec_add(a, &p1->stages)->name = "on-call";
    incident = (struct incident){.id = 7, .playbook = -1, .state = INCIDENT_OPEN, .severity = SEVERITY_P1, .opened_at_ms = CORE,
                                 .opened_wall_ms = WALL, .next_update_at_ms = TIME_NEVER};
    COPY_TO(incident.title, "Database unavailable");
    COPY_TO(incident.cause, "production.database: connection refused");
    facts = (struct message_facts){.now_ms = CORE + 5 * MS_SECOND, .now_wall_ms = WALL + 5 * MS_SECOND, .eta_ms = 15 * MS_MINUTE,
                                   .loss_ms = -1, .loss_rows = -1, .next_update_ms = -1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_close(&a);
    return 0;
}

static struct message render(enum language language, const char *stage, const char *text)
{
    return message_render(a, language, &config, akig, &incident, stage, text, &facts);
}

static void assert_says(struct message message, const char *line)
{
    const char *body = message.body ? message.body : "";
    if (!strstr(body, line))
        fail_msg("no \"%s\" in:\n%s", line, body);
}

static void assert_says_not(struct message message, const char *text)
{
    const char *body = message.body ? message.body : "";
    if (strstr(body, text))
        fail_msg("\"%s\" in:\n%s", text, body);
}

static void the_first_message_is_the_runbooks(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "alert", "");
    assert_string_equal(m.subject, "[P1][INC-7] Database unavailable");
    assert_string_equal(m.body, "🚨 INCIDENT ALERT\n\n"
                                "Service: AKIG Platform\n"
                                "Severity: P1 (Critical)\n"
                                "Time: 2025-10-25 15:34 UTC\n"
                                "Incident: INC-7, Database unavailable\n"
                                "Cause: production.database: connection refused\n\n"
                                "Affected:\n"
                                "- User Dashboard: UNAVAILABLE\n"
                                "- API Endpoints: UNAVAILABLE\n"
                                "- Mobile App: UNAVAILABLE\n\n"
                                "Impact:\n"
                                "- ~15,000 users affected\n"
                                "- 100 % of the service is unreachable\n"
                                "- Revenue impact: ~$50k/hour, ~$69 so far\n\n"
                                "Status:\n"
                                "- Investigation: IN PROGRESS\n"
                                "- Elapsed: 5.0 s\n"
                                "- ETA recovery: 15 min\n"
                                "- Recovery target (RTO): 15 min\n"
                                "- Updates: every 5 min\n\n"
                                "Engineering team has been alerted; nobody has acknowledged yet: bascule incident ack 7\n\n"
                                "Follow: https://status.akig.com/\n");
}

static void and_in_french(void **state)
{
    (void)state;
    COPY_TO(incident.title, "Base de données indisponible");
    struct message m = render(LANGUAGE_FR, "alert", NULL);
    assert_string_equal(m.subject, "[P1][INC-7] Base de données indisponible");
    assert_string_equal(m.body, "🚨 ALERTE INCIDENT\n\n"
                                "Service : Plateforme AKIG\n"
                                "Gravité : P1 (Critique)\n"
                                "Heure : 2025-10-25 15:34 UTC\n"
                                "Incident : INC-7, Base de données indisponible\n"
                                "Cause : production.database: connection refused\n\n"
                                "Composants touchés :\n"
                                "- Tableau de bord : INDISPONIBLE\n"
                                "- API : INDISPONIBLE\n"
                                "- Application mobile : INDISPONIBLE\n\n"
                                "Impact :\n"
                                "- ~15\u202F000 utilisateurs touchés\n"
                                "- 100 % du service inaccessible\n"
                                "- Impact sur le chiffre d'affaires : ~50 k$/heure, ~69 $ à cet instant\n\n"
                                "État :\n"
                                "- Investigation : EN COURS\n"
                                "- Temps écoulé : 5,0 s\n"
                                "- Reprise estimée dans : 15 min\n"
                                "- Objectif de reprise (RTO) : 15 min\n"
                                "- Nouvelles : toutes les 5 min\n\n"
                                "L'équipe technique est alertée ; personne n'a encore accusé réception : bascule incident ack 7\n\n"
                                "Suivre : https://status.akig.com/\n");
}

static void a_later_stage_says_how_far_it_went(void **state)
{
    (void)state;
    assert_says(render(LANGUAGE_EN, "on-call", ""), "- Escalation: people on call\n");
    assert_says(render(LANGUAGE_FR, "on-call", ""), "- Escalade : astreinte\n");
    assert_says_not(render(LANGUAGE_EN, "alert", ""), "Escalation");
    assert_says_not(render(LANGUAGE_EN, NULL, NULL), "Escalation");
}

static void an_update_says_where_it_stands(void **state)
{
    (void)state;
    incident.state = INCIDENT_MITIGATING;
    incident.acked_at_ms = CORE + 1000;
    COPY_TO(incident.who_acked, "awa");
    facts.now_ms = CORE + 6 * MS_MINUTE;
    facts.step = "Restore DR";
    facts.step_number = 2;
    facts.step_count = 6;
    facts.eta_ms = 8 * MS_MINUTE;
    facts.next_update_ms = 4 * MS_MINUTE;
    struct message m = render(LANGUAGE_EN, "update", "");
    assert_string_equal(m.subject, "[P1][INC-7] Update: Database unavailable");
    assert_says(m, "🔄 INCIDENT UPDATE\n");
    assert_says(m, "- Investigation: recovery in progress\n- Step 2 of 6: Restore DR\n- Elapsed: 6 min\n- ETA recovery: 8 min\n");
    assert_says(m, "- Next update: in 4 min\n");
    assert_says(m, "~$50k/hour, ~$5k so far");
    assert_says(m, "Engineering team is actively investigating (awa).\n");
    m = render(LANGUAGE_FR, "update", "");
    assert_string_equal(m.subject, "[P1][INC-7] Point : Database unavailable");
    assert_says(m, "- Étape 2 sur 6 : Restore DR\n");
    assert_says(m, "- Prochaine nouvelle : dans 4 min\n");
    assert_says(m, "L'équipe technique est à l'œuvre (awa).");
    facts.step_count = 0;
    incident.who_acked[0] = 0;
    m = render(LANGUAGE_EN, "update", "");
    assert_says(m, "- Step: Restore DR\n");
    assert_says(m, "Engineering team is actively investigating.\n");
    assert_says(render(LANGUAGE_FR, "update", ""), "- Étape : Restore DR\n");
}

static void unknown_is_said_as_unknown(void **state)
{
    (void)state;
    facts.eta_ms = -1;
    assert_says(render(LANGUAGE_EN, "alert", ""), "- ETA recovery: unknown\n");
    assert_says(render(LANGUAGE_FR, "alert", ""), "- Reprise estimée dans : durée inconnue\n");
    incident.state = INCIDENT_RESOLVED;
    incident.resolved_at_ms = CORE + MS_MINUTE;
    struct message m = render(LANGUAGE_EN, "resolved", "");
    assert_says(m, "- Data loss: unknown\n- RPO: target 1 h, achieved unknown\n- Active site: unknown\n");
    assert_says(m, "since the detection");
    m = render(LANGUAGE_FR, "resolved", "");
    assert_says(m, "- Perte de données : inconnue\n- RPO : objectif 1 h, réalisé inconnu\n- Site actif : inconnu\n");
    assert_says(m, "depuis la détection");
}

static void a_bare_service_gets_no_invented_lines(void **state)
{
    (void)state;
    *akig = (struct service){.name = "x", .title = {"X", "X"}};
    incident.cause[0] = 0;
    incident.title[0] = 0;
    struct message m = render(LANGUAGE_EN, "alert", "");
    assert_string_equal(m.subject, "[P1][INC-7] X");
    static const char *const absent[] = {"Affected", "Impact", "Revenue", "Follow", "RTO", "Updates", "Cause", "(null)"};
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        assert_says_not(m, absent[i]);
    incident.state = INCIDENT_RESOLVED;
    incident.resolved_at_ms = CORE + MS_MINUTE;
    m = render(LANGUAGE_EN, "resolved", "");
    assert_says_not(m, "RTO");
    assert_says_not(m, "RPO");
    akig->users = 5;
    assert_says(render(LANGUAGE_EN, "alert", ""), "Impact:\n- ~5 users affected\n\nStatus");
    akig->affected = (struct text2){" \n one \n\n", "un"};
    assert_says(render(LANGUAGE_EN, "alert", ""), "Affected:\n- one: UNAVAILABLE\n\n");
}

static void the_end_gives_the_measures(void **state)
{
    (void)state;
    incident.state = INCIDENT_RESOLVED;
    incident.good_wall_ms = WALL - 2000; /* the outage began two seconds before it was opened */
    incident.monitoring_at_ms = CORE + 8 * MS_MINUTE + 10 * MS_SECOND;
    incident.resolved_at_ms = CORE + 9 * MS_MINUTE;
    incident.resolved_wall_ms = WALL + 9 * MS_MINUTE;
    facts.now_ms = CORE + 10 * MS_MINUTE;
    facts.loss_ms = 42000;
    facts.loss_rows = 1234;
    facts.active_site = "dr";
    struct message m = render(LANGUAGE_EN, "resolved", "");
    assert_string_equal(m.subject, "[P1][INC-7] Resolved: Database unavailable");
    assert_says(m, "✅ INCIDENT RESOLVED\n");
    assert_says(m, "- User Dashboard: RESTORED\n");
    assert_says(m, "- Revenue impact: ~$6,833\n"); /* 492 s at 50,000 an hour */
    assert_says(m, "\nResult:\n- Resolved: 2025-10-25 15:43 UTC\n"
                   "- Duration of the outage: 8 min 12 s, since the last proof of life\n"
                   "- RTO: target 15 min, achieved 8 min 12 s: met\n"
                   "- Data loss: 42.0 s of writes, 1,234 rows\n"
                   "- RPO: target 1 h, achieved 42.0 s: met\n"
                   "- Active site: dr\n\n"
                   "Report: bascule incident report 7\n");
    m = render(LANGUAGE_FR, "resolved", "");
    assert_string_equal(m.subject, "[P1][INC-7] Résolu : Database unavailable");
    assert_says(m, "\nBilan :\n- Résolu : 2025-10-25 15:43 UTC\n"
                   "- Durée de la panne : 8 min 12 s, depuis le dernier signe de vie\n"
                   "- RTO : objectif 15 min, réalisé 8 min 12 s : tenu\n"
                   "- Perte de données : 42,0 s d'écritures, 1\u202F234 lignes\n"
                   "- RPO : objectif 1 h, réalisé 42,0 s : tenu\n"
                   "- Site actif : dr\n\n"
                   "Rapport : bascule incident report 7\n");
}

static void missed_targets_are_said(void **state)
{
    (void)state;
    incident.state = INCIDENT_RESOLVED;
    incident.monitoring_at_ms = CORE + 20 * MS_MINUTE;
    facts.loss_ms = 2 * MS_HOUR;
    struct message m = render(LANGUAGE_EN, "resolved", "");
    assert_says(m, "- RTO: target 15 min, achieved 20 min: MISSED\n");
    assert_says(m, "- RPO: target 1 h, achieved 2 h: MISSED\n");
    assert_says(m, "- Data loss: 2 h of writes\n");
    m = render(LANGUAGE_FR, "resolved", "");
    assert_says(m, "réalisé 20 min : DÉPASSÉ\n");
    assert_says(m, "réalisé 2 h : DÉPASSÉ\n");
    /* The playbook's own target stands above the severity's. */
    vec_add(a, &akig->playbooks)->rto_ms = 25 * MS_MINUTE;
    incident.playbook = 0;
    assert_says(render(LANGUAGE_EN, "resolved", ""), "- RTO: target 25 min, achieved 20 min: met\n");
    akig->playbooks.p[0].rto_ms = 0;
    assert_says(render(LANGUAGE_EN, "resolved", ""), "- RTO: target 15 min");
}

static void no_loss_is_said_as_none(void **state)
{
    (void)state;
    incident.monitoring_at_ms = CORE + MS_MINUTE;
    facts.loss_ms = 0;
    assert_says(render(LANGUAGE_EN, "monitoring", ""), "- Data loss: none\n");
    assert_says(render(LANGUAGE_FR, "monitoring", ""), "- Perte de données : aucune\n");
    facts.loss_ms = -1;
    facts.loss_rows = 3;
    assert_says(render(LANGUAGE_EN, "monitoring", ""), "- Data loss: 3 rows\n");
    facts.loss_rows = 0;
    assert_says(render(LANGUAGE_EN, "monitoring", ""), "- Data loss: none\n");
}

static void back_but_watched(void **state)
{
    (void)state;
    incident.state = INCIDENT_MONITORING;
    incident.monitoring_at_ms = CORE + MS_MINUTE;
    facts.now_ms = CORE + 30 * MS_MINUTE; /* counts no more */
    facts.active_site = "dr";
    struct message m = render(LANGUAGE_EN, "monitoring", "");
    assert_says(m, "👀 SERVICE BACK, UNDER OBSERVATION\n");
    assert_says(m, "achieved 1 min: met");
    assert_says(m, "The incident is closed when the service stays well.\n");
    assert_says_not(m, "- Resolved:");
    assert_says_not(m, "incident report");
    assert_says(render(LANGUAGE_FR, "monitoring", ""), "L'incident sera clos si le service se maintient.\n");
}

static void blocked_says_why_and_the_command(void **state)
{
    (void)state;
    const char *why = "\"production\" does not answer, which is no proof; when a person has made sure: bascule incident certify 7 production; "
                      "to try again: bascule incident retry 7";
    struct message m = render(LANGUAGE_EN, "blocked", why);
    assert_string_equal(m.subject, "[P1][INC-7] BLOCKED: Database unavailable");
    assert_says(m, "Why, and what unblocks it:\n- \"production\" does not answer, which is no proof\n"
                   "- when a person has made sure: bascule incident certify 7 production\n- to try again: bascule incident retry 7\n");
    assert_says(render(LANGUAGE_FR, "blocked", "x"), "⛔ REPRISE BLOQUÉE");
    assert_says(render(LANGUAGE_FR, "blocked", "x"), "Pourquoi, et ce qui débloque :\n- x\n");
    assert_says(render(LANGUAGE_EN, "blocked", NULL), "- unknown\n");
}

static void an_approval_gives_both_commands(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "approval", "playbook failover");
    assert_string_equal(m.subject, "[P1][INC-7] Approval needed: Database unavailable");
    assert_says(m, "- playbook failover\n\nYes: bascule incident approve 7\nNo:  bascule incident deny 7\n");
    m = render(LANGUAGE_FR, "approval", "playbook failover");
    assert_says(m, "Oui : bascule incident approve 7\nNon : bascule incident deny 7\n");
    m = render(LANGUAGE_EN, "approval", "\"failover\": a person must approve; bascule incident approve 7, or deny 7");
    assert_says_not(m, "Yes:");
}

static void a_relapse_says_what_happened(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "relapse", "public is down again");
    assert_string_equal(m.subject, "[P1][INC-7] Relapse: Database unavailable");
    assert_says(m, "What happened:\n- public is down again\n");
    assert_says(m, "- ETA recovery: 15 min\n");
    assert_says_not(render(LANGUAGE_EN, "relapse", ""), "What happened");
    assert_says(render(LANGUAGE_FR, "relapse", "x"), "Ce qui s'est passé :\n- x\n");
}

static void lesser_severities_are_not_called_down(void **state)
{
    (void)state;
    incident.severity = SEVERITY_P2;
    struct message m = render(LANGUAGE_EN, "alert", ""); /* no severity P2 is configured */
    assert_string_equal(m.subject, "[P2][INC-7] Database unavailable");
    assert_says(m, "Severity: P2 (High)\n");
    assert_says(m, "- Mobile App: DEGRADED\n");
    assert_says(render(LANGUAGE_FR, "alert", ""), "- API : DÉGRADÉ\n");
    incident.severity = (enum severity)9;
    incident.state = (enum incident_state)99;
    assert_says(render(LANGUAGE_EN, "update", ""), "- Investigation: ?\n");
}

static void texts_from_outside_cannot_break_lines(void **state)
{
    (void)state;
    COPY_TO(incident.title, "x\r\nBcc: all@akig.com");
    COPY_TO(incident.cause, "a\nService: forged");
    struct message m = render(LANGUAGE_EN, "alert", "");
    assert_string_equal(m.subject, "[P1][INC-7] x  Bcc: all@akig.com");
    assert_says(m, "Cause: a Service: forged\n");
    char large[MODEL_TEXT_SIZE];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    COPY_TO(incident.title, large);
    assert_true(strlen(render(LANGUAGE_EN, "approval", "").subject) < 700);
}

static void a_wall_clock_that_went_back_adds_no_outage(void **state)
{
    (void)state;
    incident.good_wall_ms = WALL + 60000; /* later than the opening */
    assert_says(render(LANGUAGE_EN, "alert", ""), "- Elapsed: 5.0 s\n");
    facts.now_ms = CORE - 1000;
    assert_says(render(LANGUAGE_EN, "alert", ""), "- Elapsed: 0 ms\n");
}

static void people_are_told_who_could_not_be(void **state)
{
    (void)state;
    struct message_failure failures[] = {{"dba", "mail", "550 no such user"}, {"ops", "slack", "HTTP 500\r\nX: y"}};
    assert_says_not(render(LANGUAGE_EN, "update", ""), "Could not be told");
    facts.failures = failures;
    facts.failure_count = 2;
    assert_says(render(LANGUAGE_EN, "update", ""), "\n\nCould not be told:\n- dba by mail: 550 no such user\n- ops by slack: HTTP 500  X: y\n");
    assert_says(render(LANGUAGE_FR, "update", ""), "\n\nN'ont pas pu être prévenus :\n- dba par mail : 550 no such user\n");
}

static void what_is_late_is_said(void **state)
{
    (void)state;
    assert_says_not(render(LANGUAGE_EN, "update", ""), "Late on the checklists");
    *vec_add(a, &facts.late) = "P1: cause identified, 2 min late";
    assert_says(render(LANGUAGE_EN, "update", ""), "\n\nLate on the checklists:\n- P1: cause identified, 2 min late\nbascule checklist show 7\n");
    assert_says(render(LANGUAGE_FR, "checklist", ""), "⏰ ENCORE À FAIRE\n");
    assert_says(render(LANGUAGE_FR, "checklist", ""), "\n\nEn retard dans les checklists :\n- P1");
    struct message m = render(LANGUAGE_EN, "ticket", "raise max_connections (anna, by 2025-11-01)");
    assert_string_equal(m.subject, "[P1][INC-7] Action: raise max_connections (anna, by 2025-11-01)");
    assert_says(m, "\n\nTo be done:\n- raise max_connections (anna, by 2025-11-01)\n\nReport: bascule incident report 7\n");
    assert_says_not(m, "UNAVAILABLE");
}

static void an_update_that_comes_late_says_so(void **state)
{
    (void)state;
    incident.update_late_ms = 7 * MS_MINUTE;
    assert_says(render(LANGUAGE_EN, "update", ""), "- This update comes 7 min later than promised\n");
    assert_says(render(LANGUAGE_FR, "update", ""), "- Cette nouvelle arrive 7 min plus tard que promis\n");
    assert_says_not(render(LANGUAGE_EN, "alert", ""), "later than promised"); /* nobody had promised that */
    incident.update_late_ms = 5 * MS_SECOND;
    assert_says_not(render(LANGUAGE_EN, "update", ""), "later than promised");
}

static void the_budgets_are_said_beside_what_was_measured(void **state)
{
    (void)state;
    facts.eta_ms = 4 * MS_MINUTE;
    facts.eta_most_ms = 25 * MS_MINUTE;
    assert_says(render(LANGUAGE_EN, "update", ""), "- ETA recovery: 4 min, at most 25 min by its budgets\n");
    assert_says(render(LANGUAGE_FR, "update", ""), "- Reprise estimée dans : 4 min, au plus 25 min selon ses budgets\n");
    facts.now_ms = CORE + 16 * MS_MINUTE;
    assert_says(render(LANGUAGE_EN, "update", ""), "- Recovery target (RTO): 15 min, EXCEEDED\n");
}

static void somebodys_words_stand_first(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "say", "anna: the cable is out; we pull a new one\nBcc: x");
    assert_string_equal(m.subject, "[P1][INC-7] anna: Database unavailable");
    assert_true(str_starts(str_of(m.body), "💬 anna\n\nthe cable is out; we pull a new one\nBcc: x\n\nService: AKIG Platform\n"));
    assert_true(str_starts(str_of(m.brief), "P1 INC-7 AKIG Platform: anna: the cable is out; we pull a new one Bcc: x"));
    assert_true(str_starts(str_of(render(LANGUAGE_FR, "say", "words alone").body), "💬 quelqu'un\n\nwords alone\n"));
}

static void a_reminder_says_what_is_due(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "reminder", "the public was promised news by now; bascule incident say 7 --public \"WORDS\"");
    assert_says(m, "⏰ A WORD TO THE PUBLIC IS DUE\n");
    assert_says(m, "\nTo be done:\n- the public was promised news by now\n- bascule incident say 7 --public \"WORDS\"\n");
}

static void a_playbook_has_its_title_in_each_language(void **state)
{
    (void)state;
    struct playbook *playbook = vec_add(a, &akig->playbooks);
    playbook->title = (struct text2){"Database unavailable", "Base de données indisponible"};
    incident.playbook = 0;
    assert_string_equal(render(LANGUAGE_FR, "alert", "").subject, "[P1][INC-7] Base de données indisponible");
    assert_string_equal(render(LANGUAGE_EN, "alert", "").subject, "[P1][INC-7] Database unavailable");
    COPY_TO(incident.title, "what anna called it");
    assert_string_equal(render(LANGUAGE_FR, "alert", "").subject, "[P1][INC-7] what anna called it");
}

static void the_management_is_spared_the_machinery(void **state)
{
    (void)state;
    struct message m = render(LANGUAGE_EN, "management", "");
    assert_says(m, "Impact:\n");
    assert_says_not(m, "connection refused");
    assert_says_not(m, "bascule incident ack");
}

static void every_form_is_there(void **state)
{
    (void)state;
    static const char *const stages[] = {"alert", "update", "monitoring", "resolved", "blocked", "approval", "relapse", "reminder", "say", "checklist", "ticket"};
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        struct message m = render(LANGUAGE_FR, stages[i], "x: y");
        assert_true(*m.subject && *m.body && *m.brief);
        assert_non_null(m.html);
        assert_non_null(strstr(m.html, "<html lang=\"fr\">"));
    }
}

static void the_same_values_give_the_same_text(void **state)
{
    (void)state;
    assert_string_equal(render(LANGUAGE_FR, "update", "x").body, render(LANGUAGE_FR, "update", "x").body);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_message_is_the_runbooks),
        TEST(and_in_french),
        TEST(a_later_stage_says_how_far_it_went),
        TEST(an_update_says_where_it_stands),
        TEST(unknown_is_said_as_unknown),
        TEST(a_bare_service_gets_no_invented_lines),
        TEST(the_end_gives_the_measures),
        TEST(missed_targets_are_said),
        TEST(no_loss_is_said_as_none),
        TEST(back_but_watched),
        TEST(blocked_says_why_and_the_command),
        TEST(an_approval_gives_both_commands),
        TEST(a_relapse_says_what_happened),
        TEST(lesser_severities_are_not_called_down),
        TEST(texts_from_outside_cannot_break_lines),
        TEST(a_wall_clock_that_went_back_adds_no_outage),
        TEST(people_are_told_who_could_not_be),
        TEST(what_is_late_is_said),
        TEST(an_update_that_comes_late_says_so),
        TEST(the_budgets_are_said_beside_what_was_measured),
        TEST(somebodys_words_stand_first),
        TEST(a_reminder_says_what_is_due),
        TEST(a_playbook_has_its_title_in_each_language),
        TEST(the_management_is_spared_the_machinery),
        TEST(every_form_is_there),
        TEST(the_same_values_give_the_same_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
