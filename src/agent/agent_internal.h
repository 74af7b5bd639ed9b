/* agent/agent_internal.h -- What the files of the agent share: its state, the measurements, the answers. */
#pragma once
#include "agent/agent.h"
#include "agent/cause.h"
#include "agent/hold.h"
#include "agent/postmaster.h"
#include "io/httpd.h"
#include "io/pgprobe.h"
#include "sys/loop.h"
#include "sys/proc.h"

/* X(enum, name) */
#define AGENT_STATES(X)                                                                                                \
    X(AGENT_STOPPED, "stopped")                                                                                        \
    X(AGENT_STARTING, "starting")                                                                                      \
    X(AGENT_PRIMARY, "primary")                                                                                        \
    X(AGENT_STANDBY, "standby")                                                                                        \
    X(AGENT_STOPPING, "stopping")                                                                                      \
    X(AGENT_CRASHED, "crashed")         /* it ended, and is not started again */                                       \
    X(AGENT_HUNG, "hung")               /* the process is there and answers nobody */                                  \
    X(AGENT_STALLED, "stalled")         /* it answers, and commits nothing */                                          \
    X(AGENT_QUARANTINED, "quarantined") /* it may not start */

enum agent_state {
#define X(state, name) state,
    AGENT_STATES(X)
#undef X
    AGENT_STATE_MAX
};

#define AGENT_PAUSE_MOST_MS (7 * MS_DAY)
enum { AGENT_POLLS_MAX = 64, AGENT_NONCES_MAX = 64, AGENT_NONCE_SIZE = 33, AGENT_LSN_SIZE = 32, AGENT_SYNC_SIZE = 512, AGENT_WHY_SIZE = 512, AGENT_STOPPED_SIZE = 256 };

/* Of the newest probes; -1 where there is none. */
struct gauge {
    int64_t connect_ms, read_ms, write_ms; /* how long each took when it last succeeded */
    bool connect_ok, read_ok, write_ok, recovery, receiving;
    char lsn[AGENT_LSN_SIZE], received[AGENT_LSN_SIZE], replayed[AGENT_LSN_SIZE];
    int64_t lag_bytes, lag_ms, timeline;
    char sync[AGENT_SYNC_SIZE]; /* synchronous_standby_names; "(", which nobody understands, where it is longer */
};

struct agent_poll {
    struct httpd_request *request; /* NULL: free */
    int64_t until_ms;
};

struct agent {
    const struct agent_spec *spec;
    struct arena *arena;
    struct loop *loop;
    struct dns *dns;
    struct httpd *httpd;
    struct postmaster *postmaster;
    const char *stem;         /* of the names of its files */
    const char *log_path, *stopped_path, *epoch_path, *promoting_path, *frozen_path, *paused_path;
    struct hold *hold;        /* NULL: it lives by no lease */
    char *token;              /* NULL: none, and nothing is carried out */
    /* What is told. */
    enum agent_state state;
    enum agent_cause cause;
    char why[AGENT_WHY_SIZE];
    int64_t since_ms, serial, epoch, restarts;
    uint64_t system_identifier; /* 0: not known */
    struct gauge gauge;
    /* The life of PostgreSQL. */
    bool wanted;              /* it is to run */
    bool waits;               /* for a lease, to be started */
    bool held_back;           /* it was ended for want of one, and how that is told: */
    enum agent_cause held_cause;
    char held_why[AGENT_WHY_SIZE];
    bool came_up;             /* since it was started */
    int64_t paused_until_ms;  /* a person wants it left alone; 0: nobody does */
    bool left_alone;          /* it ended meanwhile, and is started when the pause is over */
    struct loop_timer *pause_timer;
    int64_t log_from;         /* of its log, since it was started */
    int64_t ooms;             /* kernel's count when it was started */
    int64_t *restarted_ms;    /* of the newest ones, a ring of agent.restarts */
    struct loop_timer *start_timer, *stop_timer, *look_timer;
    struct httpd_request *stopping; /* a fast stop that somebody waits for; NULL: none */
    /* Taking over. */
    bool promoting;           /* this standby was told to become a primary, or is about to be: it is one as soon as it likes */
    struct pgprobe *promotion;
    struct pgprobe_spec promotion_spec;
    int64_t promote_again_ms;
    char promote_why[AGENT_WHY_SIZE]; /* why it could not be told */
    struct httpd_request *told; /* who waits for the answer to /v1/promote; NULL: nobody */
    struct freeze *freeze;
    struct still *still;
    int stopped;              /* processes of PostgreSQL that stand still while it goes on, and who they are */
    char stopped_say[AGENT_STOPPED_SIZE];
    struct proc *wal_reader;
    struct {
        struct proc *reader; /* NULL: nobody asks */
        struct httpd_request *asked;
        uint64_t fork;
    } lost;
    uint64_t wal_end, wal_known; /* of a primary that has ended: where its write-ahead log does; the newest that was known; 0: not known */
    /* Probes. */
    struct pgprobe *probe;
    struct loop_timer *probe_timer;
    struct arena *probe_arena;
    int misses;               /* in a row */
    /* Answers. */
    struct agent_poll polls[AGENT_POLLS_MAX];
    struct loop_timer *poll_timer;
    struct agent_nonce {
        char text[AGENT_NONCE_SIZE];
        int64_t until_ms;
    } nonces[AGENT_NONCES_MAX];
    size_t nonce_next;
};

/* agent.c */
const char *agent_state_name(enum agent_state state);
/* Every change of what is told comes through here; those who wait for one are answered. */
void agent_is(struct agent *a, enum agent_state state, enum agent_cause cause, const char *fmt, ...) PRINTF_LIKE(4, 5);
MUST_USE bool agent_start_postgres(struct agent *a, struct err *err);
/* Immediately and for good: not even a reboot starts it again before /v1/start. */
MUST_USE bool agent_stop_now(struct agent *a, const char *why, char *evidence, size_t size, struct err *err);
MUST_USE bool agent_stop_fast(struct agent *a, struct httpd_request *request, struct err *err); /* answered when it has ended */
bool agent_is_standby(const struct agent *a); /* it follows, or would if it were started */
/* Ends PostgreSQL at once, until there is a lease again. */
void agent_hold_back(struct agent *a, enum agent_cause cause, const char *why);
void agent_still_waits(struct agent *a); /* what waits for a lease is told why */
void agent_may_begin(struct agent *a); /* there is a lease: what waits for one is started */
void agent_resume(struct agent *a); /* it is to run, whatever ended it before: started, or waits for a lease */
MUST_USE bool agent_allow(struct agent *a, struct err *err); /* takes back what forbids a start */
MUST_USE bool agent_note_epoch(struct agent *a, int64_t epoch, struct err *err); /* on disk; false when an older one is given */

/* pause.c */
void pause_begin(struct agent *a);
void pause_end(struct agent *a);
MUST_USE bool pause_set(struct agent *a, int64_t for_ms, struct err *err); /* 0: it is over */
int64_t pause_left_ms(const struct agent *a);
/* PostgreSQL is not to be started now, since somebody paused that: then it is told so, in that state. */
MUST_USE bool pause_leaves(struct agent *a, enum agent_state state, enum agent_cause cause, const char *why);

/* gauge.c */
void gauge_begin(struct agent *a);
void gauge_soon(struct agent *a); /* the next probe at once */
void gauge_end(struct agent *a);
void gauge_clear(struct gauge *g);
void gauge_say(struct agent *a); /* it is well, and what else is to be said of it */

/* walend.c */
void walend_read(struct agent *a);   /* PostgreSQL has ended */
void walend_forget(struct agent *a); /* it starts again, or we end */

/* lost.c */
/* Answered when the log is read from `fork` on: how much of it there is, and what was committed there. */
MUST_USE bool lost_read(struct agent *a, struct httpd_request *request, int64_t timeline, uint64_t fork, struct err *err);
void lost_end(struct agent *a);

/* promotion.c */
/* On disk, so that a later agent knows that what looks like a standby may be a primary by now. */
MUST_USE bool promotion_mark(struct agent *a, int64_t epoch, struct err *err);
void promotion_unmark(struct agent *a); /* PostgreSQL has ended, or is a primary that everybody can see */
void promotion_go(struct agent *a); /* tells it, and again when that failed */
void promotion_settle(struct agent *a, bool commits); /* it is a primary, and that tried to commit */
void promotion_end(struct agent *a);
const char *promotion_phase(const struct agent *a); /* "none", "waiting", "lease", "promoting", "done" */

/* freeze.c */
void freeze_begin(struct agent *a);
/* Stops what receives changes, for `ms`, and answers where it stands then. none_new: where nobody receives, nobody begins to either, and nothing is
   replayed meanwhile. */
MUST_USE bool freeze_postgres(struct agent *a, struct httpd_request *request, int64_t ms, bool none_new, struct err *err);
void freeze_thaw(struct agent *a, bool for_good); /* for_good: it is not to receive any more, since this site is promoted */
bool freeze_holds(const struct agent *a, int pid); /* it is we who stopped that process */
void freeze_after_restart(struct agent *a);       /* an earlier agent may have died over it */
void freeze_end(struct agent *a);

/* still.c */
void still_begin(struct agent *a);
void still_end(struct agent *a);
int still_find(const struct agent *a, const char *helper); /* the process of that name, as "startup"; 0: there is none */

/* follow.c */
/* The data directory is that of a standby of the named site from its next start, or now when it is one already. */
MUST_USE bool follow_site(struct agent *a, const struct site *site, struct err *err);
/* The epoch names another site than before: with more than two, a standby follows that one, also while it is a standby itself. */
void follow_named(struct agent *a, const char *site);
/* As primary_conninfo stands in a configuration file: each value quoted for libpq, the whole for PostgreSQL. */
MUST_USE bool follow_conninfo(const struct site *site, const struct replication_conf *replication, const char *name, const char *password, struct buf *out, struct err *err);

/* answer.c */
void agent_told(struct agent *a); /* something else changed that /v1/state tells */
void answer_error(struct httpd_request *r, unsigned status, const char *text);
void answer_json(struct httpd_request *r, struct str text);
void answer_request(void *agent, struct httpd_request *request);
void answer_polls(struct agent *a, bool all); /* those whose time is over, or all */
void answer_stopped(struct agent *a, const char *evidence); /* to who waits for a fast stop */
