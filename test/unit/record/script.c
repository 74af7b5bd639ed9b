/* The scripted disaster of the story's tests. Times are fixed, so that what is printed can be compared byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "script.h"

static const char *const names[] = {"ops", "boss"};

static struct step *steps_of(struct arena *a, const struct step *from, size_t n)
{
    return arena_dup(a, from, n * sizeof(*from));
}

static void add_playbooks(struct arena *a, struct service *s)
{
    static const struct step down[] = {
        {.id = "diagnose", .title = {"Diagnose", "Diagnostic"}, .action = "diagnose active", .budget_ms = 60000},
        {.id = "restart", .title = {"Restart the database", "Redémarrer la base"}, .action = "service restart active.database", .budget_ms = 90000},
        {.id = "failover", .title = {"Fail over to DR", "Basculer sur le site de secours"}, .action = "playbook failover"},
        {.id = "verify", .title = {"Verify", "Vérifier"}, .action = "verify public", .budget_ms = 180000},
    };
    static const struct step over[] = {
        {.id = "fence", .title = {"Fence production", "Isoler la production"}, .action = "fence active", .budget_ms = 60000},
        {.id = "restore", .title = {"Restore", "Restaurer"}, .action = "restore standby", .budget_ms = 60000},
        {.id = "redirect", .title = {"Redirect users", "Rediriger les utilisateurs"}, .action = "traffic switch standby", .budget_ms = 300000},
    };
    struct playbook *p = vec_add(a, &s->playbooks);
    *p = (struct playbook){.name = "database-down", .title = {"Database unavailable", "Base indisponible"}, .severity = SEVERITY_P1, .rto_ms = 15 * MS_MINUTE};
    p->steps.p = steps_of(a, down, COUNT_OF(down));
    p->steps.n = COUNT_OF(down);
    p = vec_add(a, &s->playbooks);
    *p = (struct playbook){.name = "failover", .title = {"Failover", "Bascule"}, .severity = SEVERITY_P1};
    p->steps.p = steps_of(a, over, COUNT_OF(over));
    p->steps.n = COUNT_OF(over);
}

static struct evidence proof_of(struct arena *a, const char *text)
{
    struct evidence proof = {0};
    struct err err = {0};
    if (!evidence_parse(a, text, &proof, &err))
        fail_msg("%s", err.message);
    return proof;
}

static void add_checklists(struct arena *a, struct service *s)
{
    static const struct checklist_item items[] = {
        {.id = "alerted", .title = {"Alert received", "Alerte reçue"}, .due_ms = 5000, .proven_by = "delivered alert"},
        {.id = "cause", .title = {"Cause identified", "Cause identifiée"}, .due_ms = 300000, .proven_by = "fact diagnose.summary"},
        {.id = "told", .title = {"People told", "Communication faite"}, .due_ms = 900000, .proven_by = "delivered resolved"},
    };
    struct checklist *list = vec_add(a, &s->checklists);
    *list = (struct checklist){.name = "p1", .title = {"P1 critical incident", "Incident critique P1"}, .applies_when = "severity P1"};
    list->applies = proof_of(a, list->applies_when);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        struct checklist_item *item = vec_add(a, &list->items);
        *item = items[i];
        item->proof = proof_of(a, item->proven_by);
    }
    *vec_add(a, &s->checklists) = (struct checklist){.name = "other", .title = {"Other", "Autre"}, .applies_when = "severity P2", .applies = proof_of(a, "severity P2")};
}

const struct config *script_config(struct arena *a)
{
    struct config *c = arena_new(a, struct config);
    struct service *s = vec_add(a, &c->services);
    *s = (struct service){.name = "akig", .title = {"AKIG Platform", "Plateforme AKIG"}, .users = 15000, .currency = "$"};
    struct severity_conf *p1 = vec_add(a, &s->severities);
    *p1 = (struct severity_conf){.severity = SEVERITY_P1, .rto_ms = 900000, .rpo_ms = 3600000, .impact_per_hour = 50000};
    p1->users = (struct text2){"100 % of the service is unreachable", "100 % du service inaccessible"};
    *vec_add(a, &p1->stages) = (struct stage){.name = "alert", .after_ms = 5000, .notify = {(const char **)(uintptr_t)names, 1, 1}};
    *vec_add(a, &p1->stages) = (struct stage){.name = "on-call", .after_ms = 120000, .notify = {(const char **)(uintptr_t)names, 1, 1}};
    *vec_add(a, &p1->stages) = (struct stage){.name = "management", .after_ms = 600000, .notify = {(const char **)(uintptr_t)names, 2, 2}};
    add_playbooks(a, s);
    add_checklists(a, s);
    return c;
}

void script_row(struct fixture *f, int64_t t_ms, struct record record)
{
    struct err err = {0};
    int64_t seq;
    if (f->script) { /* kept until the script is whole, and then written in the order of time */
        record.at_ms = t_ms;
        *vec_add(f->arena, f->script) = record;
        return;
    }
    record.at_ms = 5000000 + t_ms;
    record.wall_ms = SCRIPT_T0 + t_ms;
    if (!record.service)
        record.service = "akig";
    if (!journal_append(f->journal, &record, 1, &seq, &err))
        fail_msg("%s", err.message);
}

#define EVENT(t, k, ...) script_row(f, t, (struct record){.kind = k, .incident = 1, __VA_ARGS__})
#define ORDER(t, k, ...) script_row(f, t, (struct record){.is_order = true, .kind = k, .incident = 1, __VA_ARGS__})

static void play_step(struct fixture *f, int64_t begin, int64_t end, const char *run, const char *title, const char *command, int64_t budget,
                      enum outcome outcome, const char *text)
{
    ORDER(begin, ORDER_STEP, .subject = run, .text = title);
    ORDER(begin, ORDER_RUN, .subject = run, .text = command, .number = budget);
    EVENT(begin + 5, EVENT_RUNNING, .subject = run, .who = run, .number = 4242, .text = command);
    EVENT(end, EVENT_OUTCOME, .subject = run, .who = run, .number = outcome, .text = text);
    ORDER(end, ORDER_STEP_END, .subject = run, .number = outcome, .text = text);
}

static void play_opening(struct fixture *f)
{
    script_row(f, -1, (struct record){.kind = EVENT_VERDICT, .subject = "production.database", .number = VERDICT_DOWN, .ref = SCRIPT_T0 - 1320,
                                      .text = "connection refused by 127.1.1.1 port 5432"});
    ORDER(0, ORDER_OPEN, .subject = "database-down", .number = SEVERITY_P1, .ref = SCRIPT_T0 - 1320, .text = "Database unavailable");
    ORDER(0, ORDER_STATE, .number = INCIDENT_MITIGATING, .text = "the recovery begins");
    play_step(f, 0, 800, "1.diagnose.1", "Diagnose", "diagnose production", 60000, OUTCOME_SUCCESS, "done: the server process is gone | disk 41 %");
    EVENT(790, EVENT_FACT, .subject = "diagnose.summary", .who = "1.diagnose.1", .text = "the data directory is damaged <pg_control>");
    play_step(f, 801, 5001, "1.restart.2", "Restart the database", "service restart production.database", 90000, OUTCOME_FAILURE,
              "failed: exit code 1; it goes on with \"failover\"");
}

static void play_alert(struct fixture *f)
{
    ORDER(5001, ORDER_STAGE, .subject = "alert", .number = 1);
    ORDER(5001, ORDER_NOTIFY, .subject = "1/alert/ops/slack", .who = "ops", .stage = "alert", .channel = "slack", .text = "[P1][INC-1] Database unavailable",
          .detail = "INCIDENT ALERT\nService: AKIG Platform");
    ORDER(5001, ORDER_NOTIFY, .subject = "1/alert/ops/mail", .who = "ops", .stage = "alert", .channel = "mail", .address = "ops@akig.com",
          .text = "[P1][INC-1] Database unavailable");
    EVENT(5043, EVENT_DELIVERED, .subject = "1/alert/ops/slack", .who = "ops", .number = 1, .ref = 42);
    EVENT(6001, EVENT_UNDELIVERED, .subject = "1/alert/ops/mail", .who = "ops", .number = 1, .ref = 5007000, .text = "451 try later");
}

static void play_failover(struct fixture *f)
{
    ORDER(5002, ORDER_STEP, .subject = "1.failover.3", .text = "Fail over to DR");
    play_step(f, 5010, 7010, "1.fence.4", "Fence production", "fence production", 60000, OUTCOME_SUCCESS, "done: stopped and masked");
    EVENT(7000, EVENT_FACT, .subject = "fence.certificate", .who = "1.fence.4", .text = "postmaster 311 gone, start masked, a session opened before the stop fails");
    EVENT(30000, EVENT_ACK, .who = "ana", .text = "looking at it");
    EVENT(31000, EVENT_NOTE, .who = "ana", .text = "TODO: why did the disk lie?\x1b[31m");
    play_step(f, 7020, 72020, "1.restore.5", "Restore", "restore dr", 60000, OUTCOME_SUCCESS, "done: 120456 rows");
    EVENT(72000, EVENT_FACT, .subject = "restore.file", .who = "1.restore.5", .text = "/backups/akig/akig_backup_full_20251025_150000.sql.gz");
    EVENT(72000, EVENT_FACT, .subject = "restore.snapshot_ms", .who = "1.restore.5", .text = "1761404400000");
    EVENT(72000, EVENT_FACT, .subject = "restore.recovery_point_ms", .who = "1.restore.5", .text = "1761404399800");
    EVENT(72000, EVENT_FACT, .subject = "restore.skipped", .who = "1.restore.5", .text = "akig_backup_full_20251025_153000.sql.gz: cut short");
    play_step(f, 72030, 73030, "1.redirect.6", "Redirect users", "traffic switch dr", 300000, OUTCOME_SUCCESS, "done: nginx sends requests to dr");
    ORDER(73030, ORDER_ACTIVE, .subject = "dr");
    ORDER(73031, ORDER_PLAYBOOK_END, .subject = "failover", .number = OUTCOME_SUCCESS);
    ORDER(73031, ORDER_STEP_END, .subject = "1.failover.3", .number = OUTCOME_SUCCESS, .text = "the playbook succeeded");
}

static void play_all(struct fixture *f)
{
    play_opening(f);
    play_alert(f);
    play_failover(f);
    script_row(f, 80000, (struct record){.kind = EVENT_STARTED, .service = "", .text = "resumed from record 40"});
    ORDER(122500, ORDER_STAGE, .subject = "on-call", .number = 2500);
    ORDER(122500, ORDER_NOTIFY, .subject = "1/on-call/ops/slack", .who = "ops", .stage = "on-call", .channel = "slack", .text = "[P1][INC-1] Database unavailable");
    EVENT(122900, EVENT_UNDELIVERED, .subject = "1/on-call/ops/slack", .who = "ops", .number = 7, .ref = -1, .text = "404 channel_not_found");
    EVENT(123000, EVENT_DELIVERED, .subject = "1/alert/ops/mail", .who = "ops", .number = 2, .ref = 117999);
    ORDER(124000, ORDER_STATE, .number = INCIDENT_MONITORING, .text = "the playbook succeeded; the service is watched");
    script_row(f, 124500, (struct record){.kind = EVENT_VERDICT, .subject = "public", .number = VERDICT_UP, .text = "200 in 12 ms"});
    ORDER(154000, ORDER_STATE, .number = INCIDENT_RESOLVED, .text = "the service stayed well for as long as was asked");
    ORDER(5001, ORDER_PUBLIC, .subject = "investigating", .number = 1, .text = "We are looking into a problem", .stage = "stage");
    ORDER(154000, ORDER_PUBLIC, .subject = "resolved", .number = 2, .text = "The service works again", .stage = "change",
          .detail = "{\"en\":{\"headline\":\"The service works again\",\"body\":\"Nothing was lost.\"},\"fr\":{\"headline\":\"Le service fonctionne\",\"body\":\"\"},\"by\":\"machine\"}");
    EVENT(3600000, EVENT_WRITE, .subject = "author", .who = "ana", .text = "Ana Diallo");
    EVENT(3601000, EVENT_WRITE, .subject = "summary", .who = "ana", .text = "Nobody could log in.",
          .detail = "Nobody could log in <b>for two minutes</b>.\n# not a heading\n\n- payments waited | and went through\n- nothing was lost\n2 lines");
    EVENT(3602000, EVENT_WRITE, .subject = "root-cause", .who = "bob", .text = "of before");
    EVENT(3603000, EVENT_WRITE, .subject = "root-cause", .who = "bob", .text = "the disk's firmware lies about flushes");
    EVENT(3604000, EVENT_WRITE, .subject = "action.1", .who = "bob", .number = 1, .text = "test the disks; owner: ana; due: 2025-11-01",
          .detail = "{\"text\":\"test the disks\",\"owner\":\"ana\",\"due\":\"2025-11-01\",\"horizon\":\"week\",\"ticket\":null}");
    EVENT(3605000, EVENT_WRITE, .subject = "action.2", .who = "bob", .text = "think about it", .detail = "{\"text\":\"think about it\",\"horizon\":\"same-day\"}");
    EVENT(3606000, EVENT_WRITE, .subject = "action.3", .who = "bob", .text = "nonsense", .detail = "{\"text\":\"nonsense\"}");
    EVENT(3607000, EVENT_WRITE, .subject = "action.3", .who = "bob", .number = -1, .text = "nonsense", .detail = "{\"text\":\"nonsense\"}");
    ORDER(3604100, ORDER_NOTIFY, .subject = "1/ticket-1/tracker/hook", .who = "tracker", .stage = "ticket", .channel = "hook", .text = "[P1][INC-1] test the disks");
    EVENT(3604200, EVENT_DELIVERED, .subject = "1/ticket-1/tracker/hook", .who = "tracker", .number = 1, .ref = 100);
    EVENT(90000000, EVENT_REVIEW, .who = "ana", .text = "");
    ORDER(90000000, ORDER_STATE, .number = INCIDENT_REVIEWED, .text = "a person has reviewed it");
}

void script_play(struct fixture *f)
{
    struct script rows = {0};
    f->script = &rows;
    play_all(f);
    f->script = NULL;
    for (size_t done = 0; done < rows.n; done++) { /* the earliest that is left; of equals, the first told */
        size_t next = 0;
        for (size_t i = 0; i < rows.n; i++)
            if (rows.p[i].at_ms < rows.p[next].at_ms)
                next = i;
        script_row(f, rows.p[next].at_ms, rows.p[next]);
        rows.p[next].at_ms = TIME_NEVER;
    }
}

void script_play_others(struct fixture *f)
{
    script_row(f, -100000, (struct record){.kind = EVENT_VERDICT, .service = "other", .subject = "x", .number = VERDICT_DOWN, .text = "not ours"});
    script_row(f, -99000, (struct record){.kind = EVENT_NOTE, .incident = 2, .who = "eve", .text = "of another incident"});
    script_row(f, -98000, (struct record){.kind = EVENT_TICK, .service = ""});
}
