/* io/standing.h -- Where a PostgreSQL stands in the stream of changes: one question for primaries and standbys alike, and the file that
   keeps the last good answer of a pair, so that the loss of a promotion can be told when the primary can no longer be asked. */
#pragma once
#include "base/base.h"

enum { STANDING_SLOTS_MAX = 4096 };

/* One row with one column; standing_parse reads it. Needs pg_monitor to see who sends. */
extern const char standing_sql[];

struct standing {
    bool recovery;             /* a standby */
    char cluster[24];           /* its system identifier: the same for all copies */
    int64_t timeline;
    uint64_t lsn;              /* of a primary: written so far; of a standby: received so far, whether by stream or from an archive */
    uint64_t replayed;         /* of a standby */
    int64_t commit_ms;         /* of a standby: wall time of the newest commit that was replayed; 0: none since its start */
    bool sees;                 /* may we see the next ones? */
    char receiver[24];         /* of a standby: "streaming", ...; "": nobody sends */
    bool paused;               /* replay is */
    int64_t delay_ms;          /* recovery_min_apply_delay */
    int64_t clock_ms;          /* the server's wall clock */
    char sync_names[256];      /* synchronous_standby_names */
    int64_t in_sync;           /* of a primary: standbys whose answer its commits wait for */
    char slots[STANDING_SLOTS_MAX]; /* "name:physical name:logical:0/3000148:fs": of a logical one up to where its reader has all, and what holds of it:
                                  f failover slot, s synchronised from the primary (PostgreSQL 17), x of no use any more; none that is temporary */
    char own_slot[64];         /* of a standby: the slot of its primary that it streams from */
    bool read_only;            /* default_transaction_read_only */
    char archiving[160];       /* "off", or the mode, archived and failed files */
    char archived[64];         /* the last file of the log that this server archived; "": none */
    int64_t segment_bytes;     /* of one such file */
    int64_t version;           /* 150004 */
};
MUST_USE bool standing_parse(const char *row, struct standing *ret, struct err *err);

/* What was last known of a pair while its primary answered. */
struct standing_pair {
    char primary[128], standby[128]; /* names of sites */
    char cluster[24];
    int64_t timeline;
    uint64_t lsn;              /* written by the primary */
    uint64_t received;         /* by the standby */
    int64_t primary_clock_ms;  /* the primary's wall clock then */
    int64_t at_ms;             /* ours */
    bool in_sync;              /* its commits waited for this standby */
    char slots[STANDING_SLOTS_MAX]; /* of the primary */
    bool archives;             /* the primary did */
    char archived[64];         /* the last file that it had archived */
};
/* STATE_DIR/standing/SERVICE.STANDBY.json, whole or the one before; not synced, since a newer one follows in seconds. */
MUST_USE bool standing_keep(const char *state_dir, const char *service, const struct standing_pair *pair, struct err *err);
MUST_USE bool standing_recall(struct arena *arena, const char *state_dir, const char *service, const char *standby, struct standing_pair *ret, struct err *err); /* ERR_NOT_FOUND */

bool lsn_parse(struct str text, uint64_t *ret);
char *lsn_print(struct arena *arena, uint64_t lsn); /* "0/3000148" */
