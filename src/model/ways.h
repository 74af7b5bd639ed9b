/* model/ways.h -- What was measured about the ways to bring a service back, and what follows from it. */
#pragma once
#include "model/names.h"
#include "model/record.h"

enum told { TOLD_NO, TOLD_YES, NOT_TOLD };

/* What becomes of a replication slot of the old primary when its standby takes over. */
enum slot_end {
    SLOT_SAFE,    /* its reader goes on where it was */
    SLOT_LAGGING, /* its reader goes on, and not where it was */
    SLOT_LOST,    /* it is not there: its reader begins anew */
};
enum { SLOT_FATES_MAX = 64 };
struct slot_fate {
    char name[64];
    bool logical;
    enum slot_end end;
    char why[200];
};

/* Moments are wall time, 0: not known; durations in ms, -1: not known; `why` says why something is not so. */
struct ways_facts {
    int64_t now_ms;
    bool by_patroni;            /* Patroni decides who leads; promote.why is the name of its member where it can be asked to */
    int64_t good_ms;            /* the newest moment at which the old database is known to have committed */
    struct {
        bool asked;
        enum told answers;     /* it takes connections now */
        enum told startable;   /* its host answers, and its start is neither masked nor unknown */
        char why[200];
    } restart;
    struct {
        enum told standby;     /* a server in recovery answers there, of the same cluster */
        enum told receives;    /* somebody still sends to it */
        bool delayed, in_sync;
        bool unproven;         /* what was promised may be at another standby alone, or that cannot be known: why */
        bool lag_known;
        uint64_t lag_bytes, limit_bytes; /* limit: what may be lost without asking anybody */
        int64_t lag_ms;
        int64_t took_ms;        /* of the last promotion; -1: none */
        char why[200];
        bool slots_known;      /* those of the primary when it was last seen */
        size_t slot_count;
        struct slot_fate slots[SLOT_FATES_MAX];
    } promote;
    struct {
        enum told usable;
        int64_t snapshot_ms, took_ms;
        char why[200];
    } warm;
    struct {
        enum told usable;      /* a good backup is there, and can be restored there */
        int64_t snapshot_ms, took_ms;
        char why[200];
    } restore;
};

struct way {
    enum way_kind kind;
    bool possible;
    int64_t rto_ms, rpo_ms;     /* to expect; -1: not known */
    char why[MODEL_TEXT_SIZE];  /* what it rests on, or why not */
};

struct ways {
    struct way p[WAY_MAX];      /* best first, the impossible ones last */
    enum way_kind best, best_move; /* best_move: without a restart in place; WAY_MAX: none is possible */
};
