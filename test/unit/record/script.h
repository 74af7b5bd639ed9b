/* A disaster as a script: a configuration and the rows that the journal of such an incident has. */
#pragma once
#include "fixture.h"
#include "model/config.h"

#define SCRIPT_T0 INT64_C(1761406442120) /* 2025-10-25 15:34:02.120 UTC, the opening */

const struct config *script_config(struct arena *a);
void script_play(struct fixture *f);          /* incident 1: found by a check, failed over, resolved */
void script_play_others(struct fixture *f);   /* rows of other incidents and services in between; call before or after */
void script_row(struct fixture *f, int64_t t_ms, struct record record); /* at T0 + t_ms, core time 5000000 + t_ms */
