/* daemon/pulse.h -- Are we well? Journal, clocks and outbox must all make progress; whoever asks is told so, and the heartbeat that we send
   goes out only then, so that its silence means something. */
#pragma once
#include "base/base.h"

struct pulse;
struct daemon;

struct pulse *pulse_open(struct daemon *d);
void pulse_begin(struct pulse *pulse);
void pulse_close(struct pulse *pulse);
/* Writes {"status": "ok"|"ill", "journal": ..., "clocks": ..., "outbox": ...}; false: ill. */
bool pulse_health(struct pulse *pulse, struct buf *json);
