/* decide/decide.h -- (state, event, now) -> (state, orders). Pure: the same events give the same orders, byte for byte. */
#pragma once
#include "model/config.h"
#include "model/incident.h"
#include "model/record.h"
#include "model/ways.h"

struct decide;

/* Orders made by one event. Memory belongs to the caller and is reused. */
struct orders {
    struct order *p;
    size_t n, cap;
    struct arena *arena;
};

struct decide *decide_open(struct arena *arena, const struct config *config);
/* Feeds one event; now is event->at_ms. Appends to `out`. EVENT_FACT, EVENT_STOPPED and EVENT_RUNNING give no orders; they tick items of
   checklists, and else leave no trace here. Every other event that was fed must be in the journal, or a replay comes out differently; only an
   EVENT_TICK that gave no orders may be left out.
   EVENT_STARTED makes every verdict unknown until it is fed again, which the daemon does with the first results of its checks; until
   then, for 15 s at most, nothing is begun that changes something and that a recovery meanwhile would make needless.
   EVENT_LEADER with number 1: another controller leads the service. What runs here is cancelled, its incidents end without a word to anybody,
   and until the next one with another number (or EVENT_STARTED) none opens by itself. One that names a site says where it left the users, and
   one with a ref when it moved them by itself.
   While a step is in STEP_CHECKING, a verdict is to be fed for every result of a check, turned or not: a postcondition counts only
   what was seen after its command was ordered.
   After ORDER_CANCEL the outcome of that run is still wanted: the step ends with it, or 5 s later. After a restart, a run that the
   journal cancelled (decide_stopping) is cancelled again when it still runs, and is not started when it does not: its outcome is
   OUTCOME_EXPIRY.
   An EVENT_OPEN that names a playbook while the service has an unresolved incident with one joins it: no ORDER_OPEN, the playbook named
   replaces what runs there. One without a playbook always opens an incident, which runs nothing and keeps nothing from opening.
   EVENT_PAUSE: from then on a step of an automatic incident that would change something asks; 30 s after the end of the pause it goes on,
   unless the service has recovered by then. A
   failover that has fenced already is not left half done.
   EVENT_SAY names its incident; ORDER_PUBLIC follows from one whose subject is "public", with `text` and `stage` "person". The text of
   every ORDER_PUBLIC is its reason: "stage", "confirmed", "change", "floor" or "person"; its ref the wall ms by which the next one is
   promised, 0 when none is.
   EVENT_APPROVE and EVENT_DENY may name a run id in `subject`; then they count for that run alone. Events of people with incident 0
   mean the newest unresolved one with a playbook, else the newest (of the service, when one is named). */
void decide_event(struct decide *decide, const struct event *event, struct orders *out);
/* Core time at which a tick must be fed at the latest; TIME_NEVER. */
int64_t decide_next_ms(const struct decide *decide);

/* Reading. */
size_t decide_incidents(const struct decide *decide);                      /* all that are remembered, oldest first */
const struct incident *decide_incident_at(const struct decide *decide, size_t index);
const struct incident *decide_incident(const struct decide *decide, int64_t id); /* NULL: none */
const struct checklists *decide_checklists(const struct decide *decide, const struct incident *incident); /* NULL: its service has none */
const struct site *decide_active(const struct decide *decide, int service);  /* the site that serves the users */
/* Until then, core time, the machine changes nothing by itself in this service; it may be past. 0: nobody paused it. */
enum { PAUSE_MOST_MS = 7 * MS_DAY };
int64_t decide_paused(const struct decide *decide, int service);
int64_t decide_moved(const struct decide *decide, int service); /* core time when the newest automatic failover began; TIME_NEVER: none */
bool decide_asks_for_pause(const struct decide *decide, const struct incident *incident); /* its step waits for the end of the pause, or for a person */
enum verdict_state decide_verdict(const struct decide *decide, int service, const char *check);
/* The step that runs or waits now, or NULL. */
const struct step *decide_step(const struct decide *decide, const struct incident *incident, const struct playbook **ret_playbook);
/* Alerts of other programs that fire now (EVENT_ALERT). What there is no room for opens and joins incidents all the same, but its end
   is not awaited. */
enum { ALERTS_MAX = 50000 };
struct alert_state {
    enum severity severity;
    int64_t started_ms; /* wall, as its sender says; 0: not said */
    int64_t incident;
};
bool decide_alert(const struct decide *decide, const char *key, struct alert_state *ret); /* false: it does not fire */
size_t decide_alerts(const struct decide *decide);
void decide_each_alert(const struct decide *decide, void (*each)(void *arg, const char *key, const struct alert_state *state), void *arg);
/* What is known of how long commands take; NULL: nothing. */
struct took {
    int64_t (*before)(const void *arg, const char *service, const char *words); /* when it last succeeded; -1: never seen. May be NULL. */
    const void *arg;
    int64_t left_ms; /* what the command that runs says of its own end; -1: nothing */
};
struct remaining {
    int64_t likely_ms; /* by what is known, else by the budgets */
    int64_t most_ms;   /* by the budgets */
};
/* How long the recovery will still take if all goes well, as of the last event; -1: nobody can know, since nothing runs or a person is
   awaited. */
struct remaining decide_remaining(const struct decide *decide, const struct incident *incident, const struct took *took);
/* Was the command that runs now cancelled, so that only its end is awaited? */
bool decide_stopping(const struct decide *decide, const struct incident *incident);

/* ---- what would be decided ---- */

/* A message of a plan: a row for each way of a person. */
struct plan_row {
    int64_t after_ms;          /* since the incident opened */
    const char *stage;         /* name of a stage, "tier-N", or "unanswered" */
    const char *why;           /* of a page that goes to a tier; else NULL */
    int page;                  /* which page of the incident it is; 0: none, it only informs */
    const char *who, *rotation; /* rotation NULL: named themselves */
    const char *channel, *address; /* address NULL: the channel needs none */
    int64_t fallback_after_ms; /* > 0: only when another way of that person failed, or did not deliver for that long */
};
struct plan {
    struct { struct plan_row *p; size_t n, cap; } rows;
};
struct plan_ask {
    const char *service;
    enum severity severity;
    int64_t wall_ms; /* the incident opens then */
    const struct stand_in *stand_ins;
    size_t stand_in_count;
};
/* Who would get what, when, and by which way, if everything is delivered and nobody acknowledges: made by decide itself on a clock of its
   own. Periodic updates are left out. */
struct plan decide_plan(struct arena *arena, const struct config *config, const struct plan_ask *ask);

/* ---- plan lint: what is wrong with playbooks before anything happens ---- */
struct lint {
    struct mark mark;
    bool fatal;                /* false: a warning */
    char text[MODEL_TEXT_SIZE];
};
struct lints {
    struct lint *p;
    size_t n, cap;
};
/* `action_known(words)` tells whether an action exists; NULL: not asked. */
void playbook_lint(struct arena *arena, const struct service *service, bool (*action_known)(const char *action), struct lints *out);
/* Longest and shortest time through a playbook by its budgets, sub-playbooks included, ms; -1 when it loops. */
int64_t playbook_longest_ms(const struct service *service, const struct playbook *playbook);

/* ---- conditions: "active.database is down and public is down" ---- */
/* NAME is [not] STATE, joined by `and` and `or` (`and` binds tighter). NAMEs are check ids; a leading "active." or "standby." is the
   site that serves or the other. A check in warning is up, too. Of a check whose verdict is unknown, only "is unknown" can be said:
   it is neither up nor "not up". */
MUST_USE bool condition_valid(const char *text, const struct service *service, struct err *err);
struct condition_world {
    enum verdict_state (*verdict)(void *arg, const char *check);
    bool (*seen)(void *arg, const char *check); /* since what counts began; nothing can be said of one that was not. NULL: all were */
    void *arg;
    const char *active, *standby; /* site names; NULL: no such site */
    const enum way_kind *best;    /* the best way to recover, WAY_MAX when there is none; NULL: not measured */
};
enum truth { TRUTH_NO, TRUTH_MAYBE, TRUTH_YES };
enum truth condition_truth(const char *text, const struct condition_world *world); /* NULL text: yes */
bool condition_holds(const char *text, const struct condition_world *world); /* NULL text holds */
/* The ways to bring a service back, from what was measured, best first. */
void ways_weigh(const struct ways_facts *facts, struct ways *ret);
/* "{active}", "{standby}" and whole words "active", "standby", "active.x" in an action replaced by site names. */
char *action_words(struct arena *arena, const char *action, const char *active, const char *standby);
