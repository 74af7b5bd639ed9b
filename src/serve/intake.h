/* serve/intake.h -- What other programs send becomes rows for the journal: EVENT_ALERT, and EVENT_ACK of an alert. Pure but for memory:
   no clock, no socket. */
#pragma once
#include "io/json.h"
#include "model/config.h"
#include "model/record.h"

enum { INTAKE_ROWS_MAX = 5000 }; /* of one request */

struct intake_row {
    struct record record;      /* without times; of an EVENT_ACK `subject` is the alert's key and `incident` 0 */
    int64_t repeat_within_ms;  /* an alert that is over when it is not said again for so long; 0: it stands until its end is told */
};

struct intake {
    struct arena *arena; /* of the rows and their texts */
    const struct config *config;
    int64_t wall_ms;     /* now */
    VEC(struct intake_row) rows;
};

/* Rows are added, or nothing is and err says why (ERR_DATA; ERR_LIMIT for too many). What a rule ignores adds no row. */
MUST_USE bool intake_alertmanager(struct intake *in, struct str body, struct err *err); /* webhook, version 4 */
MUST_USE bool intake_prometheus(struct intake *in, struct str body, struct err *err);   /* POST /api/v2/alerts */
struct pagerduty_said {
    const char *routing_key, *dedup_key; /* "" when there is none; dedup_key is made up where the sender left it out */
};
/* One event. ret is filled as far as the body could be read, also when it is refused. */
MUST_USE bool intake_pagerduty(struct intake *in, struct str body, struct pagerduty_said *ret, struct err *err);

/* `who` of alerts begins with where they came from. */
#define INTAKE_ALERTMANAGER "alertmanager"
#define INTAKE_PROMETHEUS   "prometheus"
#define INTAKE_PAGERDUTY    "pagerduty"
bool intake_repeats(const char *key); /* must its sender say it again and again, or it is over? */
