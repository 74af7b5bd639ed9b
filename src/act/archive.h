/* act/archive.h -- The archive of the log after a promotion. What the old primary wrote and had not archived yet, its standby holds and does not archive,
   since it takes a segment that it received for archived: so a hole may stand before the new timeline, and nobody recovers across it. */
#pragma once
#include "act/action.h"
#include "io/pg.h"
#include "io/standing.h"

/* ---- which segments; pure ---- */

struct segments {
    uint32_t timeline;
    uint64_t from, to;       /* [from, to): numbers of segments */
    uint64_t bytes;          /* of one */
};
/* The whole segments of `timeline` after `archived`, which was the last that was, and before `fork`, where the next timeline begins. The one that stands
   across the fork is not among them: the next timeline repeats it. False when `archived` is no segment, or the size is no power of two. */
bool segments_after(const char *archived, int64_t timeline, uint64_t fork, int64_t segment_bytes, struct segments *ret);
char *segment_name(struct arena *arena, const struct segments *s, uint64_t number);
/* "A, B and 7 more, to C". */
char *segments_say(struct arena *arena, const struct strs *names);
/* Where the timeline of that history file parted from the one before; false when it says nothing of that. */
bool history_fork(struct str history, int64_t before, uint64_t *ret);

/* What cluster_archive said, sorted. False when it is not understood. */
struct archive_answer {
    struct strs archived, handed, here, gone, unknown;
};
bool archive_answer(struct arena *arena, struct str out, struct archive_answer *ret);

/* ---- looking ---- */

struct archive_asked {
    const struct site *site;            /* that was promoted */
    struct pg *pg;                      /* a session with it */
    const struct standing *now, *before; /* it, since and until then */
    const struct standing_pair *pair;   /* what was known while the old primary was well */
    uint64_t fork;                      /* where the timelines part; 0: not known */
};
/* After a promotion: what is missing is named in promote.archive and promote.archive_missing, left to the archiver where that has it, and a command for a
   person stands in promote.archive_command. Takes a moment where replication.archive_has is set, and 5 s at the most. */
void archive_look(const struct action_ctx *ctx, const struct archive_asked *asked);
