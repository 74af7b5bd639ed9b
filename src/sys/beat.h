/* sys/beat.h -- When somebody who must report last did: a file for each name, which outlives whoever wrote it. */
#pragma once
#include "base/base.h"

#define BEAT_LISTENING "listening" /* when the controller began to take the beats of others */

/* On disk when it returns true: STATE_DIR/heartbeats/NAME. */
MUST_USE bool beat_write(const char *state_dir, const char *name, struct err *err);
/* How long ago it was, by a clock that no setting of the wall moves (but for a beat of an earlier boot). False when there is none, or it
   cannot be read. */
bool beat_read(const char *state_dir, const char *name, int64_t *ret_ago_ms);
