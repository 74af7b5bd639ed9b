/* record/words.h -- Small texts in both languages, and outside text made harmless for terminals and Markdown. Private to record/. */
#pragma once
#include "model/config.h"
#include "model/record.h"

const char *word_verdict(int64_t verdict, enum language language);  /* "down", "en panne" */
const char *word_outcome(int64_t outcome, enum language language);  /* of a step: "succeeded", "a réussi" */
const char *word_ending(int64_t outcome, enum language language);   /* in a table: "success", "réussi" */
const char *word_state(int64_t state, enum language language);      /* "monitoring", "sous surveillance" */
const char *word_duration(struct arena *a, int64_t ms, enum language language); /* "4.2 s", "4,2 s"; "unknown", "inconnu" below 0 */
const char *word_ending_of(const char *name, enum language language); /* by outcome_name(); NULL: "under way" */

/* The value of a fact for people: a moment in ms is told as a date too. */
const char *word_value(struct arena *a, const char *name, const char *value);
/* What decide says in English, in the language asked for: whole sentences, or their beginning and end; what is not known stays. */
const char *word_decided(struct arena *a, const char *text, enum language language);

/* Control characters, line ends and malformed UTF-8 become blanks: a check's output must not steer the terminal it is shown on. */
const char *one_line(struct arena *a, const char *text);
/* One line of a Markdown table or sentence: what Markdown or HTML would act on is escaped. */
const char *markdown(struct arena *a, const char *text);

const char *run_step(struct arena *a, const char *run);      /* "restart" of "7.restart.1"; the whole when it is none */
bool belongs_to(const char *key, char separator, int64_t incident); /* does "7.restart.1" or "7/alert/..." begin with this number? */
/* Parts of a notice's key "7/alert/ops/slack"; "" where it has fewer. */
struct notice_key {
    const char *stage, *contact, *channel;
};
struct notice_key notice_key(struct arena *a, const char *key);
