/* backup/spool.h -- One file written by many hands: members arrive in lanes and stand in the file lane by lane, whoever was first. What is
   not its turn yet waits in memory, of which there is a limit; then its maker waits. */
#pragma once
#include "base/base.h"
#include "dump/index.h"

struct spool;

struct spool_sum {
    struct index index;      /* of what was written */
    uint64_t *packed_hashes; /* XXH3 of each member as it was given to the sink; of its text it has a CRC itself */
    int64_t bytes, sql_bytes;
};

typedef bool spool_sink_fn(void *arg, const void *data, size_t size, struct err *err);

/* The sink is called by a thread of the spool. `max_rate`: bytes of text a second that spool_pace lets through; 0: all. */
struct spool *spool_open(spool_sink_fn *sink, void *sink_arg, size_t lanes, size_t memory, int64_t max_rate);
void spool_close(struct spool **spool); /* stops at once when it is not done */

/* All of these may be called by any thread, for one lane by one thread at a time. They fail when anybody failed, with that reason. */

/* The whole member with room for its header in front. `m->item` counts from the first item of the lane; -1 is the last of the lane
   before. Blocks while there is no room. */
MUST_USE bool spool_put(struct spool *spool, size_t lane, const struct index_member *m, const void *packed, struct err *err);
/* An item that begins in this lane; `member` counts from the lane's first. The name is copied. Gives its number in the lane. */
size_t spool_item(struct spool *spool, size_t lane, const struct index_item *item);
/* Adds to the item that stands last in `lane`, which may have been ended already, or to its first when none has begun there yet. */
void spool_rows(struct spool *spool, size_t lane, int64_t rows, uint64_t hash, size_t rows_members);
void spool_lane_end(struct spool *spool, size_t lane);
/* Before text is asked for: waits as long as the rate wants it. */
MUST_USE bool spool_pace(struct spool *spool, size_t bytes, struct err *err);
void spool_fail(struct spool *spool, const struct err *err); /* the first one counts */
bool spool_failed(struct spool *spool);
/* Waits `ms` at most. True when everything is written, or failed. */
bool spool_wait(struct spool *spool, int64_t ms);
int64_t spool_text_bytes(struct spool *spool); /* put so far */
/* After all lanes ended: index and end marker are written too. */
MUST_USE bool spool_end(struct spool *spool, struct arena *arena, struct spool_sum *ret, struct err *err);
