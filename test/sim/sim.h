/* sim.h -- Whole disasters on a virtual clock: a world of two sites that breaks by a seed, people, a controller that is killed at any
   record, and the invariants that must hold after every step of it. The decide under test is the real one; the rest is modelled. */
#pragma once
#include "decide/decide.h"

enum { PRODUCTION, DR, SITES };
enum { CHECK_PRODUCTION_DATABASE, CHECK_PRODUCTION_APPLICATION, CHECK_PRODUCTION_BACKUP, CHECK_DR_DATABASE, CHECK_DR_APPLICATION, CHECK_PUBLIC, CHECKS };
enum { CHILDREN_MAX = 512, QUEUE_MAX = 2048, INCIDENTS_MAX = 64, KEYS_MAX = 32768, POST_MAX = 1024 };

/* Ways to break the model on purpose: each must be found as the violation named. That is how the simulation proves that it can fail. */
#define MUTATIONS(X)                                                                                                   \
    X(MUTATION_NONE, "none", "")                                                                                       \
    X(MUTATION_FENCE_LIES, "fence-lies", "one-writer")             /* a fence reports success and stops nothing */     \
    X(MUTATION_UNFENCED, "unfenced", "certificate")                /* a redirection is ordered out of turn */          \
    X(MUTATION_PROMOTED, "promoted", "certificate")                /* a promotion is ordered out of turn */            \
    X(MUTATION_NOTICE_TWICE, "notice-twice", "once")               /* a message is ordered twice */                    \
    X(MUTATION_RUN_TWICE, "run-twice", "once")                     /* a command is ordered twice */                    \
    X(MUTATION_STAGE_TWICE, "stage-twice", "stage-once")                                                               \
    X(MUTATION_FAILBACK, "failback", "no-failback")                /* the users are sent back unasked */               \
    X(MUTATION_FAILOVERS, "failovers", "one-failover")             /* their limit is taken away */                         \
    X(MUTATION_AFTER_RESOLVED, "after-resolved", "after-resolved") /* an order for what is over */                     \
    X(MUTATION_STEP_OPEN, "step-open", "steps-end")                /* the end of a step is lost */                     \
    X(MUTATION_BLOCKED_ACTS, "blocked-acts", "blocked-is-still")                                                       \
    X(MUTATION_EVENT_LOST, "event-lost", "replay")                 /* an event was fed and not recorded */             \
    X(MUTATION_TICK_LATE, "tick-late", "on-time")                  /* the clock is looked at too late */               \
    X(MUTATION_PUBLIC_TWICE, "public-twice", "public")             /* the public is told the same again */             \
    X(MUTATION_PUBLIC_LOST, "public-lost", "public-end")           /* it never hears that it is over */                \
    X(MUTATION_PAGE_LOST, "page-lost", "page-on-time")             /* who should be called next is not */              \
    X(MUTATION_PAGE_ON, "page-on", "ack-stops")                    /* a page goes out although somebody has it */      \
    X(MUTATION_WITHDRAW_LOST, "withdraw-lost", "ack-stops")        /* a page stays on its way */                       \
    X(MUTATION_LEFT_OUT, "left-out", "all-at-once")                /* one of a stage's people is not told */           \
    X(MUTATION_NOT_REPLACED, "not-replaced", "replaced")           /* a way failed, and that is that */                \
    X(MUTATION_DEAF, "deaf", "progress")                           /* outcomes and clocks get lost */
#define MUTATION_MEMBER(id, name, found) id,
enum mutation { MUTATIONS(MUTATION_MEMBER) MUTATION_MAX };

#define PAGE_ANSWER_MS (5 * MS_MINUTE)
#define PAGE_REPEAT 2

/* ---- the world ---- */

enum database { DB_STOPPED, DB_RUNNING, DB_HUNG };

struct machine {
    bool reachable;   /* by the controller: ssh and checks */
    bool connected;   /* by the users */
    enum database db;
    bool startable;   /* a start would work */
    bool masked;      /* fenced: no start works */
    bool app;
    bool promoted;    /* a standby that is a primary now, with data of its own */
    bool served;      /* the users were here once, so their connections may still be */
    bool certified;   /* as the watcher knows it, not decide: fenced for real, or a person said so */
};

enum child_fate { FATE_HONEST, FATE_FAILS, FATE_BLOCKS, FATE_HANGS, FATE_DIES_BEFORE, FATE_DIES_AFTER };

struct child {
    char run[MODEL_ID_SIZE], words[MODEL_ID_SIZE];
    enum child_fate fate;
    int64_t incident;
    int64_t effect_at_ms, end_at_ms;
    int starts, effects;
    bool alive, effect_due;
    bool has_result; /* the file of the run ends in a result */
    bool told;       /* its outcome is in the journal */
    enum outcome outcome;
};

enum happening_kind { HAPPEN_FAULT, HAPPEN_TURN, HAPPEN_EFFECT, HAPPEN_END, HAPPEN_PERSON, HAPPEN_CRASH, HAPPEN_RESTART, HAPPEN_POLL, HAPPEN_POST, HAPPEN_CLOSE };

struct letter_out { /* a message on its way */
    char key[MODEL_ID_SIZE], who[MODEL_ID_SIZE], stage[MODEL_ID_SIZE];
    int64_t incident;
    bool page, fails, withdrawn, over;
};

struct happens {
    int64_t at_ms;
    enum happening_kind kind;
    int a, b;
    int64_t incident;
};

/* ---- the controller ---- */

struct entry { /* an event of the journal and the orders made of it, written as one */
    struct event event;
    size_t first, count;
    bool decided; /* false: a person wrote it while nobody was there to read it */
};

struct controller {
    bool up;
    int64_t up_since_ms;
    struct arena *arena;
    struct decide *decide;
    struct orders out;
    struct entry *entries;
    size_t entry_count, entry_cap;
    struct order *orders;
    size_t order_count, order_cap;
    int64_t records;      /* written so far: events and orders */
    int64_t crash_record; /* die right after this one; 0: never */
    bool catching_up;     /* between replay and the present: clocks lie in the past */
};

/* ---- what the watcher knows about an incident ---- */

struct watched {
    int64_t opened_ms, moved_ms; /* moved: the last sign of progress */
    int64_t monitored_until_ms;  /* the end of the last time it was watched; 0: never was */
    bool worked_on;              /* has a playbook */
    enum incident_state state;
    bool blocked, by_person, person_acted;
    uint32_t stages;
    bool acked;
    int pages, unanswered;       /* pages, and those in a row that nobody answered */
    int64_t page_ms;             /* the newest; 0: none, or somebody has it */
    bool page_behind;            /* it was said of a moment in the past */
    bool quiet;                  /* its playbook keeps the public out */
    int public_serial;
    int64_t public_at_ms;
    bool public_behind;          /* it was said of a moment in the past, from which the promise counts */
    char public_phase[16];       /* the newest that the public was told; "": nothing yet */
    int open_steps;
    char steps[8][MODEL_ID_SIZE]; /* begun and not ended */
    char asked[MODEL_ID_SIZE];    /* the step that asks, or waits blocked */
    char approved[8][MODEL_ID_SIZE];
    int approved_count;
};

struct sim {
    uint64_t seed, random;
    enum mutation mutation;
    bool trace, calm; /* calm: only the scripted fault, children that tell the truth, no people */
    struct arena *arena;
    struct config *config;
    int64_t now_ms, wall_shift_ms;
    struct machine machines[SITES];
    int traffic;
    bool backup_good, backup_fresh, blind;
    enum verdict_state truth[CHECKS], judged[CHECKS];
    struct child children[CHILDREN_MAX];
    int child_count;
    struct happens queue[QUEUE_MAX];
    int queue_count;
    bool polling, closing;
    struct controller controller;
    struct watched watched[INCIDENTS_MAX + 1];
    uint64_t keys[KEYS_MAX];
    struct letter_out post[POST_MAX]; /* a ring: the newest */
    int post_count;
    int64_t failover_ms; /* the last automatic failover; 0: none */
    /* results */
    int64_t incidents, notices, runs, restores, redirects, fences, crashes, events;
    int64_t violations;
    char first[256];       /* "name: text" of the first violation */
    char found[32];        /* its name */
};

extern const char *const check_names[CHECKS];
extern const char *const site_names[SITES];

/* world.c */
uint64_t sim_random(struct sim *s);
bool sim_chance(struct sim *s, int percent);
int64_t sim_between(struct sim *s, int64_t low, int64_t high);
void sim_later(struct sim *s, int64_t delay_ms, enum happening_kind kind, int a, int b, int64_t incident);
void world_open(struct sim *s);
void world_fault(struct sim *s, int fault);
void world_plan_faults(struct sim *s);
void world_look(struct sim *s); /* what the checks see now; turns follow */
void world_turn(struct sim *s, int check, enum verdict_state state);
struct child *child_of(struct sim *s, const char *run);
void child_start(struct sim *s, const struct order *order);
void child_effect(struct sim *s, int index);
void child_end(struct sim *s, int index);
void child_cancel(struct sim *s, struct child *child);

/* controller.c */
void controller_open(struct sim *s);
void controller_done(struct sim *s);
void controller_feed(struct sim *s, const struct event *event);
void controller_person(struct sim *s, const struct event *event); /* a person's command writes the event itself */
void controller_crash(struct sim *s);
void controller_restart(struct sim *s);
bool controller_checking(const struct sim *s); /* does a postcondition wait for verdicts? */
void controller_replay(struct sim *s);         /* all of the journal through a fresh decide, compared byte for byte */

/* people.c */
void people_plan(struct sim *s);
void people_answer(struct sim *s, const struct order *order);
void people_act(struct sim *s, int act, int64_t incident);
void people_close(struct sim *s); /* somebody resolves what is left, so that the run ends */

/* post.c */
void post_order(struct sim *s, const struct order *order);
void post_arrives(struct sim *s, int index, int serial);
bool post_pages(const struct sim *s, int64_t incident, const char **ret_key); /* is a page of that incident on its way? */

/* watch.c */
void watch_orders(struct sim *s, const struct order *orders, size_t count); /* all that one event led to */
void watch_order(struct sim *s, const struct order *order);
void watch_event(struct sim *s, const struct event *event); /* before it is decided */
void watch_world(struct sim *s);
void watch_time(struct sim *s);
void watch_end(struct sim *s);
void violated(struct sim *s, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* run.c */
const char *mutation_name(enum mutation mutation);
const char *mutation_found(enum mutation mutation); /* the invariant that must catch it */
struct sim *sim_open(uint64_t seed, enum mutation mutation, bool trace);
void sim_close(struct sim **sim);
void sim_run(struct sim *s); /* a random world, up to its end */
/* The standard disaster (or, `restartable`, the small one), killed right after record `crash_record`; 0: not at all. */
void sim_run_standard(struct sim *s, bool restartable, int64_t crash_record);
void sim_tracef(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
