/* daemon/daemon_internal.h -- What the files of this room share: the controller's whole state hangs from one struct. */
#pragma once
#include "act/runner.h"
#include "daemon/alerts.h"
#include "daemon/daemon.h"
#include "daemon/leader.h"
#include "daemon/pages.h"
#include "daemon/pulse.h"
#include "daemon/upkeep.h"
#include "decide/decide.h"
#include "io/dns.h"
#include "io/http.h"
#include "judge/judge.h"
#include "observe/observe.h"
#include "record/journal.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "tell/message.h"
#include "tell/outbox.h"

/* A fact that an action measured, as later messages need it. */
struct known_fact {
    int64_t incident;
    char run[MODEL_ID_SIZE], name[MODEL_ID_SIZE], value[MODEL_TEXT_SIZE];
};

/* What a person wants the public to read, until decide has made a message of it. */
struct said {
    int64_t incident, number;
    const char *words;
};

/* How long a command took when it succeeded, newest last. */
enum { TIMES_KEPT = 8 };
struct measured {
    const char *service, *words;
    int64_t took_ms[TIMES_KEPT];
    int count;
};
struct begun { /* a command whose end is not on record yet */
    char run[MODEL_ID_SIZE];
    const char *words;
    int64_t at_ms;
};
struct failing { /* a message that nobody has taken yet */
    int64_t incident;
    char key[MODEL_ID_SIZE], contact[MODEL_ID_SIZE], channel[MODEL_ID_SIZE], why[MODEL_TEXT_SIZE];
};

/* Somebody got a message of this incident by this way: later ones are answers to it. */
struct thread {
    int64_t incident;
    uint64_t way;
};

struct notices {
    struct notice *p;
    size_t n, cap;
};

struct daemon {
    const struct daemon_spec *spec;
    const struct config *config;
    struct arena *arena;
    struct loop *loop;
    struct dns *dns;
    struct http *http;
    struct journal *journal;
    struct core_clock clock;
    struct observe *observe;
    struct judge *judge;
    struct decide *decide;
    struct runner *runner;
    struct outbox *outbox;
    struct upkeep *upkeep;
    struct alerts *alerts;
    struct pulse *pulse;
    struct lead *leads;        /* of each service; NULL: there is nobody else */
    struct pages *pages;       /* NULL: the configuration names none */
    struct loop_timer *decide_timer, *judge_timer, *journal_timer, *upkeep_timer;
    struct loop_signal *on_term, *on_int;
    struct orders orders;      /* reused for every event */
    VEC(struct known_fact) facts;
    VEC(struct said) said;
    VEC(struct measured) measured;
    VEC(struct begun) begun;
    VEC(struct failing) failing;
    struct {
        char run[MODEL_ID_SIZE];
        int64_t left_ms, at_ms;
    } progress;                /* what the command that runs says of its own end */
    VEC(struct thread) threads;
    int64_t busy_boot_ms;      /* alerts came last */
    int64_t last_seq;          /* newest row that decide has seen, or that it made */
    int64_t mine;              /* one-playbook life: the incident it runs; 0: not known yet */
    int64_t leave_at_boot_ms;  /* one-playbook life: it is over, and the last messages have until then; 0: it goes on */
    int lock_fd;
    int exit_status;
    bool carrying;             /* orders are being carried out: what is fed meanwhile is written down, and decided upon afterwards */
    bool on_reserve;           /* the disk is full, and people were told */
    bool replayed;             /* what the last life left is known */
    bool stopping;             /* nothing more is fed or carried out */
};

/* feed.c: the one way in. Stamps, journals, decides, journals, carries out. */
void daemon_feed(struct daemon *d, struct event *event, const char *detail);
/* Sets the times. True: on disk and decided upon. */
MUST_USE bool daemon_feed_rows(struct daemon *d, struct record *rows, size_t count, struct err *err);
void daemon_take_in(struct daemon *d); /* rows that other processes appended */
void daemon_wake(struct daemon *d);    /* sets the timers to what decide and judge want next */
void daemon_fail(struct daemon *d, const struct err *err); /* stops the program: what cannot be recorded is not done */
int64_t daemon_now(const struct daemon *d);

/* carry.c: the one way out. */
void daemon_carry_out(struct daemon *d, const struct order *orders, size_t count);
void daemon_leave_when_told(struct daemon *d); /* one-playbook life: ends it once its last messages are out */
void daemon_start_run(struct daemon *d, const char *service, int64_t incident, const char *run, const char *words, int64_t budget_ms);
void daemon_keep_fact(struct daemon *d, int64_t incident, const char *run, const char *name, const char *value);
void daemon_forget_facts(struct daemon *d, const char *run); /* of a run of no incident, which nobody tells anybody of later */
bool daemon_knows_fact(const struct daemon *d, int64_t incident, const char *run, const char *name, const char *value);
struct message_facts daemon_facts(const struct daemon *d, struct arena *arena, const struct incident *incident, enum language language);

/* lead.c: only who leads a service carries commands out there. */
bool daemon_may_act(const struct daemon *d, const char *service);
const char *daemon_led_by(const struct daemon *d, const char *service); /* another controller, "" when not known which; NULL: none */
bool daemon_only_waits(const struct daemon *d); /* others lead all services */
/* Waits until etcd has answered, for some seconds at most. */
MUST_USE bool daemon_lead_begin(struct daemon *d, struct err *err);
void daemon_lead_say(struct daemon *d); /* who leads now, and what others were told, where that is news */
void daemon_lead_event(struct daemon *d, const struct event *event); /* each one, of the last life too: what others are to know is kept */
void daemon_lead_end(struct daemon *d);

/* measure.c: what later messages need to know of what has happened. Fed alike by life and by replay. */
void daemon_measure_order(struct daemon *d, const struct record *order);
void daemon_measure_event(struct daemon *d, const struct event *event);
void daemon_measure_progress(struct daemon *d, const char *run, int64_t left_ms);
void daemon_add_measures(const struct daemon *d, struct arena *arena, const struct incident *incident, struct message_facts *facts);

/* bulletin.c: messages to the public. */
void daemon_render_public(const struct daemon *d, struct arena *arena, const struct order *order, struct record *record);
/* The orders that decide made of a person's words carry no words: they are found again by these. */
void daemon_keep_words(struct daemon *d, const struct record *said, const struct order *orders, size_t count);
extern const struct runner_callbacks daemon_runner_callbacks;
extern const struct outbox_callbacks daemon_outbox_callbacks;

/* notices.c: what an order's row has the outbox hand over; to be asked once for each row, in the order of the journal. */
void daemon_notices(struct daemon *d, struct arena *arena, const struct record *record, struct notices *to); /* texts of record and arena */
void daemon_hand_over(struct daemon *d, const struct record *record);

/* replay.c: from the journal to where the last run ended. */
MUST_USE bool daemon_replay(struct daemon *d, struct err *err);
