/* serve/alert.h -- What all forms of alerts have in common: labels, and what they say of severity, service and group. Private to serve/. */
#pragma once
#include "serve/intake.h"

struct label {
    const char *name, *value;
};
struct alert_in {
    const char *source;   /* INTAKE_... */
    const char *key;      /* the same for all that is said of one alert */
    VEC(struct label) labels;
    const char *summary;
    bool ended;
    int64_t started_ms;   /* wall; 0: not said */
    int64_t repeat_within_ms;
    const struct json *as_it_came;
};

#define ALERT_REPEATED "pm/" /* keys of alerts that must be said again and again */

void alert_label(struct intake *in, struct alert_in *alert, const char *name, const char *value); /* NULL values are passed over */
const char *alert_labelled(const struct alert_in *alert, const char *name); /* NULL: it has no such label */
void alert_row(struct intake *in, const struct alert_in *alert); /* adds its row, unless a rule ignores it */
/* On one line, without control characters and without those that turn the direction of writing; cut at `max` bytes. */
const char *alert_plain(struct arena *arena, const char *text, size_t max);
/* PREFIX and the text, when that fits a key and is harmless; else PREFIX and a hash of it. */
const char *alert_key(struct arena *arena, const char *prefix, const char *text);
