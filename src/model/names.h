/* model/names.h -- The enums that cross module borders, each from one list that also gives the name written in files. */
#pragma once
#include "base/base.h"

#define MODEL_ENUM_MEMBER(id, name) id,

/* What a check or a subject is judged to be. Order is severity. */
#define VERDICTS(X)                                                                                                    \
    X(VERDICT_UNKNOWN, "unknown")                                                                                      \
    X(VERDICT_UP, "up")                                                                                                \
    X(VERDICT_WARNING, "warning")                                                                                      \
    X(VERDICT_DOWN, "down")
enum verdict_state { VERDICTS(MODEL_ENUM_MEMBER) VERDICT_MAX };

#define SEVERITIES(X)                                                                                                  \
    X(SEVERITY_P1, "P1")                                                                                               \
    X(SEVERITY_P2, "P2")                                                                                               \
    X(SEVERITY_P3, "P3")
enum severity { SEVERITIES(MODEL_ENUM_MEMBER) SEVERITY_MAX };

#define INCIDENT_STATES(X)                                                                                             \
    X(INCIDENT_OPEN, "open")                                                                                           \
    X(INCIDENT_ACKNOWLEDGED, "acknowledged")                                                                           \
    X(INCIDENT_MITIGATING, "mitigating")                                                                               \
    X(INCIDENT_MONITORING, "monitoring")                                                                               \
    X(INCIDENT_RESOLVED, "resolved")                                                                                   \
    X(INCIDENT_REVIEWED, "reviewed")
enum incident_state { INCIDENT_STATES(MODEL_ENUM_MEMBER) INCIDENT_MAX };

#define SITE_ROLES(X)                                                                                                  \
    X(SITE_PRODUCTION, "production")                                                                                   \
    X(SITE_DR, "dr")
enum site_role { SITE_ROLES(MODEL_ENUM_MEMBER) SITE_ROLE_MAX };

/* How a step, or the child process that carries it out, ended. */
#define OUTCOMES(X)                                                                                                    \
    X(OUTCOME_SUCCESS, "success")                                                                                      \
    X(OUTCOME_FAILURE, "failure")                                                                                      \
    X(OUTCOME_EXPIRY, "expiry")   /* the budget ran out; the child was stopped */                                      \
    X(OUTCOME_BLOCKED, "blocked") /* a safety rule needs a person; nothing was changed */                              \
    X(OUTCOME_SKIPPED, "skipped") /* its `when` did not hold */
enum outcome { OUTCOMES(MODEL_ENUM_MEMBER) OUTCOME_MAX };

/* Rows of the journal that stand for something that happened: the inputs of decide, and facts. */
#define EVENT_KINDS(X)                                                                                                 \
    X(EVENT_STARTED, "controller.started")                                                                             \
    X(EVENT_STOPPED, "controller.stopped")                                                                             \
    X(EVENT_VERDICT, "verdict")           /* subject: check; number: verdict_state; ref: last good moment, wall ms */  \
    X(EVENT_OUTCOME, "outcome")           /* subject: run id; number: outcome; text: one sentence */                   \
    X(EVENT_TICK, "tick")                 /* recorded only when decide made orders of it */                            \
    X(EVENT_OPEN, "person.open")          /* subject: playbook, or empty; who; text; number: severity; ref: place of \
                                             the site to lead to, from 1; 0: the fittest */ \
    X(EVENT_ACK, "person.ack")                                                                                         \
    X(EVENT_NOTE, "person.note")                                                                                       \
    X(EVENT_RESOLVE, "person.resolve")                                                                                 \
    X(EVENT_REVIEW, "person.review")                                                                                   \
    X(EVENT_APPROVE, "person.approve")    /* the waiting step of the incident */                                       \
    X(EVENT_DENY, "person.deny")                                                                                       \
    X(EVENT_CERTIFY, "person.certify")    /* subject: site fenced by hand; text: the loss accepted */                  \
    X(EVENT_RETRY, "person.retry")        /* a blocked incident tries its blocked step again */                        \
    X(EVENT_DELIVERED, "delivered")       /* subject: notice key; number: attempt; ref: ms from order to hand-over */  \
    X(EVENT_UNDELIVERED, "undelivered")   /* subject: notice key; number: attempt; ref: next try, core ms, or -1 */    \
    X(EVENT_FACT, "fact")                 /* subject: name; number or text: value; measured by an action */            \
    X(EVENT_RUNNING, "running")           /* subject: run id; number: pid; the child process exists */                 \
    X(EVENT_SAY, "person.say")            /* subject: "public" or "inside"; text; detail: the text by language */      \
    X(EVENT_ESCALATE, "person.escalate")  /* to the next tier at once; number: a severity to raise it to, or -1 */     \
    X(EVENT_OVERRIDE, "person.override")  /* subject: rotation; number, ref: from and to, wall ms; text: contact */    \
    X(EVENT_TICK_ITEM, "person.tick")     /* subject: CHECKLIST/ITEM; text: what was seen; number: enum tick */        \
    X(EVENT_WRITE, "person.write")        /* subject: field of the report; text: its beginning; detail: what the person \
                                             wrote; of "action.K" number: 1 has owner and date, 2 a ticket, -1 dropped */ \
    X(EVENT_MAINTENANCE, "person.maintenance") /* subject: its name; number, ref: from and to, wall ms, or both 0: \
                                             cancelled; text: title; detail: by language */                            \
    X(EVENT_ALERT, "alert")               /* subject: key; number: severity, -1: its end; ref: when it began, wall ms; \
                                             text: summary; who: SOURCE/GROUP; detail: as it came */                   \
    X(EVENT_PROVEN, "contact.proven")     /* subject: CONTACT/CHANNEL; number: 1 took a test message, 0 did not */      \
    X(EVENT_LEADER, "controller.leads")   /* number: 2 it leads, 1 another does, 0 not known; who; subject: the site that serves the users, \
                                             as the last leader left it; ref: when it moved them by itself, wall ms */ \
    X(EVENT_PAUSE, "person.pause")        /* number: 1, and until ref, wall ms, the machine changes nothing by itself; 0: it may again; text: why; \
                                             subject: when it was said, wall ms, where another controller was told */
enum event_kind { EVENT_KINDS(MODEL_ENUM_MEMBER) EVENT_MAX };

/* Rows of the journal that stand for something decided: written before it is carried out. */
#define ORDER_KINDS(X)                                                                                                 \
    X(ORDER_OPEN, "incident.opened")      /* subject: playbook; number: severity; text: title */                       \
    X(ORDER_STATE, "incident.state")      /* number: incident_state; text: the sentence of the table */                \
    X(ORDER_STAGE, "stage")               /* subject: stage; number: lateness in ms */                                 \
    X(ORDER_NOTIFY, "notice")             /* subject: key; number: which page, 0: none; text: subject line; detail: body */ \
    X(ORDER_STEP, "step.started")         /* subject: run id; text: what begins */                                     \
    X(ORDER_RUN, "run")                   /* subject: run id; text: command words; number: budget ms */                \
    X(ORDER_CANCEL, "cancel")             /* subject: run id */                                                        \
    X(ORDER_STEP_END, "step.ended")       /* subject: run id; number: outcome; text: why and where it goes on */       \
    X(ORDER_ASK, "approval.asked")        /* subject: run id; number: timeout ms; text: the command to approve */      \
    X(ORDER_BLOCKED, "blocked")           /* subject: run id; text: why, and the command that unblocks */              \
    X(ORDER_PLAYBOOK_END, "playbook.ended") /* subject: playbook; number: outcome */                                   \
    X(ORDER_ACTIVE, "site.active")        /* subject: site that now serves the users */                                \
    X(ORDER_PUBLIC, "public")             /* subject: phase (PUBLIC_PHASES); ref: when the next one comes, at the \
                                             latest, wall ms, or 0; text: reason; detail: by language */               \
    X(ORDER_PAGE, "page")                 /* subject: tier-N; number: which page of the incident; text: why now */     \
    X(ORDER_WITHDRAW, "withdrawn")        /* subject: notice key, not to be tried again; text: why */                  \
    X(ORDER_UNACK, "ack.void")            /* who: whose acknowledgement counts no more; text: why */                   \
    X(ORDER_SEVERITY, "severity")         /* number: the new one; ref: the one before; who; text */
enum order_kind { ORDER_KINDS(MODEL_ENUM_MEMBER) ORDER_MAX };

/* What the public is told of an incident, in the words of every status page. */
#define PUBLIC_PHASES(X)                                                                                               \
    X(PUBLIC_INVESTIGATING, "investigating")                                                                           \
    X(PUBLIC_IDENTIFIED, "identified")                                                                                 \
    X(PUBLIC_MONITORING, "monitoring")                                                                                 \
    X(PUBLIC_RESOLVED, "resolved")
enum public_phase { PUBLIC_PHASES(MODEL_ENUM_MEMBER) PUBLIC_MAX };

/* What users notice of a part of the service, and of the whole page; the names are those of every status page. Order is rank: the worse
   of two stands. */
#define COMPONENT_STATES(X)                                                                                            \
    X(COMPONENT_OPERATIONAL, "operational")                                                                            \
    X(COMPONENT_MAINTENANCE, "under_maintenance")                                                                      \
    X(COMPONENT_DEGRADED, "degraded_performance")                                                                      \
    X(COMPONENT_PARTIAL, "partial_outage")                                                                             \
    X(COMPONENT_MAJOR, "major_outage")
enum component_state { COMPONENT_STATES(MODEL_ENUM_MEMBER) COMPONENT_MAX };

#define PAGE_IMPACTS(X)                                                                                                \
    X(IMPACT_NONE, "none")                                                                                             \
    X(IMPACT_MAINTENANCE, "maintenance")                                                                               \
    X(IMPACT_MINOR, "minor")                                                                                           \
    X(IMPACT_MAJOR, "major")                                                                                           \
    X(IMPACT_CRITICAL, "critical")
enum page_impact { PAGE_IMPACTS(MODEL_ENUM_MEMBER) IMPACT_MAX };

#define MAINTENANCE_PHASES(X)                                                                                          \
    X(MAINTENANCE_SCHEDULED, "scheduled")                                                                              \
    X(MAINTENANCE_IN_PROGRESS, "in_progress")                                                                          \
    X(MAINTENANCE_COMPLETED, "completed")                                                                              \
    X(MAINTENANCE_CANCELLED, "cancelled")
enum maintenance_phase { MAINTENANCE_PHASES(MODEL_ENUM_MEMBER) MAINTENANCE_MAX };

/* How a service can be brought back. Order is preference: the first loses least. */
#define WAYS(X)                                                                                                        \
    X(WAY_RESTART, "restart") /* where it is */                                                                        \
    X(WAY_PROMOTE, "promote") /* the standby that received its changes */                                              \
    X(WAY_WARM, "warm")       /* a copy of the newest backup that waits, restored */                                   \
    X(WAY_RESTORE, "restore")
enum way_kind { WAYS(MODEL_ENUM_MEMBER) WAY_MAX };
#define WAY_NONE "none"
#define WAY_BEST_FACT "options.best" /* the fact that names the best one that moves the users, or "none" */
#define PROMOTE_SITE_FACT "promote.site" /* the fact that names the standby that is promoted, where it is another than was meant */

const char *way_name(enum way_kind w);
bool way_of(const char *name, enum way_kind *ret);
const char *public_phase_name(enum public_phase p);
const char *component_state_name(enum component_state s);
const char *page_impact_name(enum page_impact i);
const char *maintenance_phase_name(enum maintenance_phase p);
bool public_phase_of(const char *name, enum public_phase *ret);
const char *verdict_name(enum verdict_state v);
const char *severity_name(enum severity s);
const char *incident_state_name(enum incident_state s);
const char *site_role_name(enum site_role r);
const char *outcome_name(enum outcome o);
const char *event_name(enum event_kind k);
const char *order_name(enum order_kind k);
/* Each returns false and leaves *ret alone when the name is not of its list. */
bool verdict_of(const char *name, enum verdict_state *ret);
bool severity_of(const char *name, enum severity *ret);
bool incident_state_of(const char *name, enum incident_state *ret);
bool site_role_of(const char *name, enum site_role *ret);
bool outcome_of(const char *name, enum outcome *ret);
bool event_of(const char *name, enum event_kind *ret);
bool order_of(const char *name, enum order_kind *ret);
bool component_state_of(const char *name, enum component_state *ret);
bool page_impact_of(const char *name, enum page_impact *ret);
bool maintenance_phase_of(const char *name, enum maintenance_phase *ret);
