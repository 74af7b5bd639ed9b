/* cli/person.h -- What a person says to the controller: an event that the command appends to the journal itself, so it is kept even when
   no controller runs. */
#pragma once
#include "cli/command.h"
#include "model/record.h"
#include "record/journal.h"

const char *person_name(struct arena *arena); /* $SUDO_USER, else the login name, else "uid N" */
/* "2026-12-01 22:00", "2026-12-01T22:00Z", "2026-12-01T22:00:30Z" (all UTC), or "+2h" from now. */
MUST_USE bool person_moment(const char *text, int64_t now_ms, int64_t *ret, struct err *err);
bool controller_runs(const struct cli *cli);  /* is its lock held? */
/* Fills in both clocks, and appends. detail: long words, NULL when there are none. The moment is never before that of the newest row. */
MUST_USE bool person_says(struct journal *journal, struct event *event, const char *detail, int64_t *ret_seq, struct err *err);
/* The controller's clock, also where none runs; that of the newest row at least. */
MUST_USE bool person_clock(struct journal *journal, int64_t *ret_at_ms, struct err *err);
/* "recorded as #12; ...", or as JSON; the exit status. */
int person_was_heard(const struct cli *cli, int64_t seq);
