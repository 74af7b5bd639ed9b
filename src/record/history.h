/* record/history.h -- The rows of the journal that belong to one incident, from what set it off to its end. Private to record/. */
#pragma once
#include "record/journal.h"

struct history {
    struct record *p;
    size_t n, cap;
    size_t trigger, opening; /* indices; the trigger is what opened it, or the opening itself when nothing before it explains it */
};

/* ERR_NOT_FOUND when there is no such incident. */
MUST_USE bool history_read(struct arena *arena, struct journal *journal, int64_t incident, struct history *ret, struct err *err);
/* How long the run that this row ends went on; -1: it ends none, or its beginning is not on record. */
int64_t history_took(const struct history *history, size_t index);
