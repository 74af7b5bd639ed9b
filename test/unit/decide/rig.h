/* rig.h -- A decide with a clock that a test turns, and questions about the orders of the last event. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "decide/decide_internal.h"
#include "unit/fixture_config.h"

struct rig {
    struct arena *arena;
    struct config *config;
    struct decide *decide;
    struct orders orders; /* of the last event */
    int64_t now_ms;
};

struct rig rig_open(void); /* with a configuration to be changed; decide is opened by the first event, or by rig_begin */
void rig_close(struct rig *rig);
void rig_begin(struct rig *rig);

void rig_feed(struct rig *rig, const struct event *event);
void rig_verdict(struct rig *rig, const char *check, enum verdict_state state);
void rig_person(struct rig *rig, enum event_kind kind, const char *subject); /* "anna", about the newest unresolved incident */
void rig_tick(struct rig *rig, int64_t later_ms);
void rig_outcome(struct rig *rig, enum outcome outcome, const char *text); /* of the newest command that was ordered */
void rig_outcome_of(struct rig *rig, const char *run, enum outcome outcome);
void rig_run_until(struct rig *rig, int64_t later_ms); /* ticks whenever decide asks for one */

size_t rig_count(const struct rig *rig, enum order_kind kind);
const struct order *rig_order(const struct rig *rig, enum order_kind kind); /* the first of its kind; fails the test when there is none */
const struct order *rig_find(const struct rig *rig, enum order_kind kind, const char *subject); /* NULL: none */
const struct incident *rig_incident(const struct rig *rig); /* the newest */
const struct inc *rig_inc(const struct rig *rig);
void rig_assert_run(const struct rig *rig, const char *words); /* the last event ordered this command, and no other */
void rig_assert_phase(const struct rig *rig, enum step_phase phase, const char *step);

/* The standard disaster, from the beginning up to a command that runs. */
void rig_down(struct rig *rig);             /* the database is down: diagnose runs */
void rig_to_restart(struct rig *rig);
void rig_to_step(struct rig *rig, const char *step); /* of the failover; every step before it succeeds */
void rig_failed_over(struct rig *rig);      /* monitoring; DR serves */
