/* decide/decide_internal.h -- What the files of decide share. Nobody outside this folder and its tests includes it. */
#pragma once
#include "decide/decide.h"

enum {
    NOTHING = -1,        /* an index that points nowhere: no site, no playbook */
    LETTERS_MAX = 256,   /* of an incident that are followed; the oldest is given up for a new one */
    STAND_INS_MAX = 1000,
    RESOLVED_KEPT = 100, /* resolved incidents that are remembered */
    MOVES_MAX = 100,     /* of one incident by one event; more is a circle that takes no time */
};

#define BUDGET_FALLBACK_MS (5 * MS_MINUTE)    /* of a step without one, so that nothing waits for ever */
#define APPROVAL_FALLBACK_MS (10 * MS_MINUTE)
#define CANCEL_GRACE_MS (5 * MS_SECOND)       /* a cancelled command is gone by then: TERM, and KILL 2 s later */
#define LOOK_FIRST_MS (15 * MS_SECOND) /* after a start, for the first verdicts: what recovered meanwhile is not to be recovered */
#define PAUSE_LOOK_MS (30 * MS_SECOND) /* after a pause: what people, or the agents, set right again has so long to show */
#define PATIENCE_MS (60 * MS_SECOND)          /* how long a recovery, or a cause, may take to show in the verdicts */

/* ---- condition.c ---- */

/* The check of the first comparison that holds, for the sentence that says why; false when there is none. */
bool condition_cause(const char *text, const struct condition_world *world, char check[MODEL_ID_SIZE]);

/* ---- words.c ---- */

/* What an action does as far as safety is concerned. */
enum deed_kind {
    DEED_LOOK,    /* diagnose, verify, status, traffic show: changes nothing */
    DEED_SAY,     /* notify STAGE */
    DEED_WAIT,    /* awaits its `until` */
    DEED_CALL,    /* playbook NAME */
    DEED_START,   /* service start|restart SITE.UNIT */
    DEED_RESTORE, /* restore SITE */
    DEED_SWITCH,  /* traffic switch SITE */
    DEED_FENCE,   /* fence SITE */
    DEED_PROMOTE, /* promote SITE */
    DEED_SWITCHOVER, /* switchover SITE: it fences, promotes and redirects by itself, or takes all of it back */
    DEED_UNDO,    /* traffic undo: where it leads is not known here */
    DEED_OTHER,   /* changes something that the rules do not know */
};
struct deed {
    enum deed_kind kind;
    int site;                     /* index, or NOTHING */
    char argument[MODEL_ID_SIZE]; /* the word after the verb: a playbook, a stage */
};
/* Of words in which the sites' names stand already. */
struct deed deed_of(const struct service *service, const char *words);
bool deed_changes(enum deed_kind kind);
/* action_words() into a fixed place, for what is asked at every event. */
void words_fill(char to[MODEL_TEXT_SIZE], const char *action, const char *active, const char *standby);
bool names_standby(const char *action); /* does it speak of the other site? */

/* ---- state ---- */

struct known {
    enum verdict_state state;
    int64_t seq; /* number of the event that said so last: a postcondition wants one newer than its command */
    int64_t good_wall_ms;
    char text[MODEL_TEXT_SIZE];
};

/* The last `size` moments of something limited: enough to tell whether its window is full. */
struct window {
    int64_t *at_ms; /* a ring; TIME_NEVER: not used yet */
    int size, next;
};

struct book { /* what is remembered about a playbook of a service, over all incidents */
    bool held;    /* opens_when held after the last event */
    bool waiting; /* it came to hold while another incident was unresolved */
    struct window automatic;
    struct window *steps;
};

struct alert { /* one that fires, by its key */
    enum severity severity;
    int64_t started_ms; /* wall, as its sender says; 0: not said */
    int64_t incident;
};

struct svc {
    const struct service *conf;
    int index;
    int active;   /* index of the site that serves the users, or NOTHING */
    int moving;   /* where a redirection leads whose success is not known: the users may be there, too; or NOTHING */
    int64_t paused_until_ms; /* 0: nobody ever paused it */
    int64_t failover_ms; /* the newest automatic failover began; TIME_NEVER: none */
    bool turned;  /* something changed by which a playbook may open */
    bool behind;  /* another controller leads: none opens by itself */
    bool *fenced; /* per site: fenced, and neither started again nor made active since */
    bool *served; /* per site: users were sent there once, so that they may still be connected */
    struct known *known;
    struct book *books;
    struct window gatherings[SEVERITY_MAX]; /* incidents opened by alerts */
    VEC(struct checklists *) spare_lists;   /* of forgotten incidents */
};

enum ask { /* why a person must approve a step */
    ASK_NOT,
    ASK_STEP,     /* the playbook says so */
    ASK_MANUAL,   /* automatic action is switched off */
    ASK_FAILBACK,
    ASK_SERVING,  /* a restore over the database that serves the users */
    ASK_LIMIT,    /* the playbook ran by itself as often as it may */
    ASK_PAUSED,   /* a person has paused the machine: asks until the pause is over */
    ASK_PROMOTE,  /* failover.automatic is off */
    ASK_COOL,     /* an automatic failover was not long ago */
};

struct frame_more { /* beside struct frame */
    int64_t run_seq;        /* number of the event that ordered the command */
    enum ask ask;           /* ASKING: why */
    bool begun;             /* ORDER_STEP was written for frame.run, ORDER_STEP_END not yet */
    bool stopping;          /* ORDER_CANCEL was written */
    bool approved;          /* a person approved this step */
    bool playbook_approved; /* a person approved this run of the playbook beyond its automatic limit */
    bool counted;           /* this run of the playbook counts as an automatic one */
    bool moved;             /* likewise, as the newest automatic failover */
    bool approvable;        /* BLOCKED: a person's approval is enough to go on */
};

enum notice_kind {
    NOTICE_UPDATE,
    NOTICE_MONITORING,
    NOTICE_RESOLVED,
    NOTICE_BLOCKED,
    NOTICE_APPROVAL,
    NOTICE_RELAPSE,
    NOTICE_REMINDER,
    NOTICE_SAY,
    NOTICE_ACKNOWLEDGED,
    NOTICE_ESCALATED,
    NOTICE_UNANSWERED,
    NOTICE_MAX
};

/* One message to one person, kept as long as something may follow from what becomes of it. */
struct letter {
    int contact;              /* index in config->contacts */
    int page;                 /* which page of the incident: pointless once somebody has taken it; 0: none */
    uint32_t sent, delivered, failed, replaced; /* a bit for each way of the contact */
    int64_t at_ms[CONTACT_WAYS_MAX];            /* when it was sent by that way */
    char part[MODEL_ID_SIZE]; /* of its keys */
    char stage[MODEL_ID_SIZE], text[MODEL_TEXT_SIZE];
};

struct late_run { /* a command whose end is a fact about the world, however late it is told */
    char run[MODEL_ID_SIZE];
    int site;
};

struct inc {
    struct incident pub; /* first: readers get a pointer to it */
    struct frame_more more[INCIDENT_DEPTH_MAX];
    int root;                  /* the playbook that was started last, or NOTHING */
    int wanted;                /* a person wants this one instead of what runs; NOTHING: no */
    char wanted_by[MODEL_ID_SIZE];
    uint32_t told;             /* bit per stage whose people were told */
    int round;                 /* so often the paging has begun again after the last tier */
    int64_t raised_at_ms;      /* its severity was raised then; what that one wanted before is not late */
    struct { struct letter *p; size_t n, cap; } letters;
    struct ints people;        /* contacts that were told of it: they hear how it goes on, whoever is on call by then */
    int said[NOTICE_MAX];
    int64_t monitoring_seq;    /* number of the event by which "monitoring" was said last */
    bool blocked;              /* changes nothing until a person acts */
    bool by_person;            /* a person started it: no limits for automatic runs, the safety guard stays */
    bool retried;              /* a person asked for another run: likewise, but a failback still asks */
    bool unattended;           /* a person approved, though automatic action is switched off */
    bool fenced_to;            /* a certificate for `to` stands */
    bool weighed;              /* the ways to recover were measured for it: */
    enum way_kind best;        /* the best that moves the users; WAY_MAX: none */
    bool switched;             /* a redirection was ordered in this incident */
    bool relapsed;             /* the fault came back; the playbook may start again when its cause shows */
    bool was_well;             /* resolved_when has held since monitoring began */
    enum truth well;           /* resolved_when after the last event */
    bool handed_over;          /* another controller leads: from here on nobody is told anything of it */
    bool acted;                /* a command that changes something has begun: the public hears of a cause that is known */
    bool public_stage;         /* the stage of the status page has come */
    int reminded;              /* of the message to the public: 1 that it is due, 2 that it is over */
    enum public_phase said_phase, public_highest; /* what a person said it is; the furthest that the public was told of */
    int64_t relapse_until_ms;
    char group[MODEL_ID_SIZE]; /* of alerts: those it gathers; "": whatever comes during a storm */
    int64_t quiet_since_ms;    /* of alerts: none of them fires since then; 0: one does */
    int64_t moved_seq;         /* event during which `moves` were counted */
    int moves;
    struct late_run fence, redirect, start, promotion; /* the newest of each; `run` empty: none whose end is to be learnt */
    struct checklists *lists;  /* NULL: the service has none */
    int reminders;
    int64_t reminded_at_ms;    /* the newest of them */
    uint64_t ticketed;         /* bit per action of the report that has a ticket, or whose ticket was ordered */
    char why[MODEL_TEXT_SIZE]; /* how the last step that did not succeed ended */
};

struct decide {
    struct arena *arena;
    const struct config *config;
    struct svc *services;
    struct {
        struct inc **p;
        size_t n, cap;
    } incidents, spare; /* oldest first; forgotten ones for reuse, so that memory has a bound */
    int64_t next_id;
    int64_t started_ms; /* of the controller; TIME_NEVER: no start on record */
    struct map *alerts;        /* struct alert by key; NULL until the first */
    struct { struct stand_in *p; size_t n, cap; } stand_ins;
    struct ints people; /* to whom the message that is being written goes: indices of contacts, each once */
    /* while an event is fed: */
    int64_t now_ms, wall_ms;
    int64_t seq;
    bool ticking;
    const char *who;
    const struct event *event;
    struct orders *out;
};

/* ---- opening.c ---- */

struct inc *worked_on(const struct decide *d, const struct svc *svc); /* its unresolved incident with a playbook; NULL: there is none */
struct inc *open_incident(struct decide *d, struct svc *svc, int playbook, enum severity severity, const struct event *person); /* NULL person: automatic */
bool openings(struct decide *d, struct svc *svc); /* opens what has come to hold */

/* ---- alerts.c ---- */

void on_alert(struct decide *d, const struct event *event);
void alerts_forget(struct decide *d, const struct inc *inc); /* told again, they open another */
bool alerts_move(struct decide *d, struct inc *inc); /* all are over for long enough */
int64_t alerts_next_ms(const struct decide *d, const struct inc *inc);

/* ---- checklist.c ---- */

void checklists_open(struct decide *d, struct inc *inc);
void checklists_close(struct decide *d, struct inc *inc); /* it is forgotten; what it used is used again */
void checklists_event(struct decide *d, const struct event *event);
void checklists_orders(struct decide *d, size_t from);    /* those of d->out from there on */
void checklists_move(struct decide *d, struct inc *inc);
int64_t checklists_next_ms(const struct inc *inc);
void on_write(struct decide *d, const struct event *event);

/* ---- events.c ---- */

extern void (*const event_handlers[EVENT_MAX])(struct decide *d, const struct event *event); /* NULL: means nothing here */
void weigh(struct decide *d, const struct event *event); /* a fact that says which way to recover is the best */
void choose_standby(struct decide *d, const struct event *event); /* a fact that says which standby is promoted instead of the one that was meant */
void person_moved(struct decide *d, const struct event *event); /* whatever a person says of an incident is progress */

/* ---- decide.c ---- */

struct view { /* what a condition looks through */
    const struct svc *svc;
    int64_t after_seq;
};
struct condition_world world_of(struct view *view, int active, int standby);
struct known *known_of(const struct svc *svc, const char *check); /* NULL: no such check */
int standby_of(const struct svc *svc, int active);                /* where its users would be moved to: the fittest by what is known; NOTHING: there is none */

struct order *order_add(struct decide *d, enum order_kind kind, const struct inc *inc); /* zeroed but for incident and service */
struct svc *svc_named(const struct decide *d, const char *name); /* "": the only one; NULL: none */
void window_init(struct arena *arena, struct window *window, int size);
bool window_full(const struct window *window, int64_t now_ms, int64_t within_ms); /* did its last `size` moments lie within? */
void window_add(struct window *window, int64_t now_ms);
void say(char *to, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);                 /* cut to fit */
#define SAY(array, ...) say((array), sizeof(array), __VA_ARGS__)
struct svc *svc_of(const struct decide *d, const struct inc *inc);
const char *site_name(const struct svc *svc, int site); /* NULL when it points nowhere */
bool is_unresolved(const struct inc *inc);
/* Truth with the sites pinned by the incident, counting only verdicts newer than `after_seq`. */
enum truth truth_pinned(const struct svc *svc, const struct inc *inc, const char *condition, int64_t after_seq);
enum truth truth_now(const struct svc *svc, const char *condition); /* with the site that is active now */
/* A command ended: is that news about which site serves, or which one may write? */
void learn(struct decide *d, struct inc *inc, const char *run, bool success);
void certify(struct decide *d, struct inc *inc, int site);
void void_certificate(struct decide *d, struct svc *svc, int site); /* it may be writing again: nobody's certificate for it holds */

/* ---- states.c ---- */

enum incident_on {
    ON_ACK,        /* a person took it */
    ON_UNACK,      /* that counts no more */
    ON_BEGIN,      /* the first step of a playbook begins */
    ON_MENDED,     /* the playbook ended in success */
    ON_WELL,       /* resolved_when holds while no playbook runs */
    ON_HELD,       /* it held long enough */
    ON_ILL,        /* it holds no longer */
    ON_UPDATE_DUE, /* the clock of updates */
    ON_CLEARED,    /* it gathered alerts, and all have ended */
    ON_RESOLVE,    /* a person */
    ON_HANDED_OVER, /* another controller leads */
    ON_REVIEW,     /* a person */
    ON_MAX
};
struct state_row {
    enum incident_state state;
    enum incident_on on;
    bool (*guard)(const struct inc *inc);
    enum incident_state next;
    enum notice_kind notice; /* NOTICE_MAX: nobody is told */
    const char *sentence;
};
extern const struct state_row state_rows[];
extern const size_t state_row_count;
bool incident_walk(struct decide *d, struct inc *inc, enum incident_on on); /* false: no row, nothing happened */
bool incident_move(struct decide *d, struct inc *inc);  /* what verdicts and clocks do to it by themselves */
void incident_block(struct decide *d, struct inc *inc, const char *run, const char *why);
int64_t incident_next_ms(const struct decide *d, const struct inc *inc);

/* ---- stages.c ---- */

extern const char *const notice_names[NOTICE_MAX];
const struct severity_conf *severity_of_inc(const struct decide *d, const struct inc *inc);
size_t stage_count(const struct severity_conf *severity);
void stage_fire(struct decide *d, struct inc *inc, size_t index); /* now */
void stages_raise(struct decide *d, struct inc *inc, enum severity severity);
bool stages_move(struct decide *d, struct inc *inc); /* fires what is due */
int64_t stages_next_ms(const struct decide *d, const struct inc *inc);
/* A message to people by name: contacts, groups, rotations. `part` tells it from the incident's other messages. */
void tell_people(struct decide *d, struct inc *inc, const char *part, const char *stage, const char *text, const struct strs *names);
void stage_say(struct decide *d, struct inc *inc, const char *stage); /* `notify STAGE`: now, if it was not said before */
void tell(struct decide *d, struct inc *inc, enum notice_kind kind, const char *text); /* text: NULL, the incident's title alone */
int64_t update_after(const struct decide *d, const struct inc *inc); /* moment of the next periodic update */

/* ---- public.c ---- */

#define PUBLIC_BY_PERSON "person" /* the reason of a message in a person's own words */
void public_stage(struct inc *inc, const char *stage); /* a stage was fired */
void public_move(struct decide *d, struct inc *inc);   /* once an event is settled */
void public_say(struct decide *d, struct inc *inc, const char *reason);
void public_person(struct decide *d, struct inc *inc, const struct event *event);
int64_t public_next_ms(const struct decide *d, const struct inc *inc); /* of an incident that is not resolved */

/* ---- letters.c ---- */

struct message_draft {
    const char *key;   /* the part of the key that tells this message from the incident's others */
    const char *stage;
    const char *text;
    int page;          /* which page of the incident it is; 0: none */
    bool aside;        /* who gets it need not hear how the incident goes on */
    bool insists;      /* a way that fails is replaced by the person's next one */
};
void people_begin(struct decide *d);
void people_add(struct decide *d, const struct strs *names);            /* contacts, groups, rotations; as it stands now */
void people_add_told(struct decide *d, const struct inc *inc);
void people_without_told(struct decide *d, const struct inc *inc);
void people_without_outsiders(struct decide *d);                        /* contacts of tier 0 */
void letters_write(struct decide *d, struct inc *inc, const struct message_draft *draft); /* to all who were added */
void letters_settle(struct decide *d, struct inc *inc, const char *key, bool delivered);
void letters_withdraw(struct decide *d, struct inc *inc, const char *why); /* pages that were not handed over yet */
void letters_restart(struct decide *d, struct inc *inc);                /* nobody was there to hand anything over: they get the time anew */
bool letters_move(struct decide *d, struct inc *inc);                   /* ways that are late are replaced */
int64_t letters_next_ms(const struct decide *d, const struct inc *inc);

/* ---- escalation.c ---- */

enum page_reason { PAGE_DUE, PAGE_UNANSWERED, PAGE_EXPIRED, PAGE_WANTED, PAGE_TAKEN, PAGE_OVER, PAGE_EXHAUSTED, PAGE_REASON_MAX };
extern const char *const page_reasons[PAGE_REASON_MAX]; /* with details behind a colon */

void page_stage(struct decide *d, struct inc *inc, const struct stage *stage); /* a stage that pages is due */
void escalate(struct decide *d, struct inc *inc, enum severity severity, const char *text); /* SEVERITY_MAX: it stays */
void acknowledge(struct decide *d, struct inc *inc, const char *text);
void stand_in(struct decide *d, const struct event *event);
bool escalation_move(struct decide *d, struct inc *inc);
int64_t escalation_next_ms(const struct decide *d, const struct inc *inc);

/* ---- guard.c ---- */

/* By its success a promotion of `site` proves that `writer` writes no more: both live by a lease. */
bool guard_proves_itself(const struct decide *d, const struct svc *svc, int site, int writer);
bool guard_certified(const struct inc *inc, int site); /* has this incident proved that nothing writes at `site` any more? */
enum safety { SAFE, REFUSED, REFUSED_UNLESS_APPROVED };
/* The rules that stand above every playbook. */
enum safety guard_safety(const struct decide *d, const struct svc *svc, const struct inc *inc, const struct deed *deed, bool approved, char why[MODEL_TEXT_SIZE]);
bool guard_paused(const struct decide *d, const struct svc *svc);
enum ask guard_ask(const struct decide *d, const struct inc *inc, const struct deed *deed); /* must a person approve it first? */
extern const char *const ask_reasons[];
void guard_approve(struct inc *inc); /* a person approved the step on top: how far does that reach? */
bool guard_limited(const struct decide *d, const struct inc *inc, char why[MODEL_TEXT_SIZE]); /* is the step's own limit reached? */
bool guard_exhausted(const struct decide *d, const struct svc *svc, int playbook);      /* is the playbook's automatic limit? */
void guard_count(struct decide *d, struct inc *inc, const struct deed *deed);          /* a command is about to run */
/* Did the controller just start, so that nobody has looked yet whether the service came back by itself? */
bool guard_unseen(const struct decide *d, const struct inc *inc, const struct deed *deed);
bool guard_recovered(const struct decide *d, const struct inc *inc);                   /* did the service come back by itself? */

/* ---- engine.c ---- */

enum happening {
    STEP_SKIPS, STEP_RECOVERED, STEP_CERTIFIED, STEP_LIMITED, STEP_CANNOT, STEP_REFUSED, STEP_ASKS,
    STEP_GOES, STEP_CALLS, STEP_SAYS, STEP_AWAITS,       /* found when a step is looked at before it begins */
    STEP_SUCCEEDS, STEP_FAILS, STEP_EXPIRES,             /* its command, or the playbook it called */
    STEP_HOLDS, STEP_DUE,                                /* the postcondition; the phase's clock */
    STEP_APPROVED, STEP_DENIED, STEP_RETRIED, STEP_REPLACED, /* people */
    STEP_UNPAUSED,                                       /* the pause is over */
    HAPPENING_MAX
};
struct move {
    enum step_phase phase;
    enum happening on;
    bool (*guard)(const struct decide *d, const struct inc *inc);
    enum step_phase next;  /* STEP_NONE: the step ends with `outcome` */
    enum outcome outcome;
    const char *sentence;
};
extern const struct move engine_moves[]; /* moves.c; the first row that fits counts */
extern const size_t engine_move_count;
/* Of the step on top; all but engine_step need a playbook that runs. */
const struct step *engine_step(const struct decide *d, const struct inc *inc); /* only while a playbook runs */
const struct playbook *engine_playbook(const struct decide *d, const struct inc *inc);
struct deed engine_deed(const struct decide *d, const struct inc *inc, char words[MODEL_TEXT_SIZE]);
int64_t engine_budget_ends_ms(const struct decide *d, const struct inc *inc);
const char *engine_target(const struct step *step, enum outcome outcome); /* a step id, "next", "end" or "fail" */

void engine_start(struct decide *d, struct inc *inc, int playbook);
bool engine_happens(struct decide *d, struct inc *inc, enum happening on, const char *detail); /* to the step on top; false: ignored */
bool engine_move(struct decide *d, struct inc *inc); /* what can happen by itself now; false: nothing */
/* Ends everything that runs: the steps with `step`, the playbooks with `playbook`. Nothing follows from it. */
void engine_unwind(struct decide *d, struct inc *inc, enum outcome step, enum outcome playbook, const char *why);
int64_t engine_next_ms(const struct decide *d, const struct inc *inc);

/* ---- paths.c ---- */

enum { PATH_END = -1, PATH_FAIL = -2, PATH_UNKNOWN = -3 };
int path_target(const struct playbook *playbook, int step, enum outcome outcome); /* index of a step, or one of the above */
/* Is there a way round that never ends by itself? With `limited`, steps that have a limit break the circle. */
bool path_circles(const struct playbook *playbook, bool limited);
const bool *path_reached(struct arena *arena, const struct playbook *playbook); /* per step: can it be reached from the first? */
/* Does the playbook call itself, directly or through others, or nest deeper than the engine goes? */
bool path_recurses(const struct service *service, const struct playbook *playbook);
/* The first redirection that may come before the site that serves was fenced, on any way through `playbook`; NULL: none. */
const struct step *path_unfenced(const struct service *service, const struct playbook *playbook);
struct deed path_deed(const struct service *service, const char *action); /* as if production were active */

/* The innermost frame of a playbook that runs (depth > 0); never before the array, whoever asks. */
static inline struct frame *top(struct inc *inc)
{
    return &inc->pub.frames[MAX_OF(inc->pub.depth, 1) - 1];
}
static inline struct frame_more *top_more(struct inc *inc)
{
    return &inc->more[MAX_OF(inc->pub.depth, 1) - 1];
}
