/* model/field.h -- What only people can write into a post-incident report: one table, from which the report asks, `incident write` takes
   and the approval is refused. */
#pragma once
#include "base/base.h"
#include "base/option.h"
#include "model/names.h"

enum { FIELD_OPTIONAL = -1 };

struct report_field {
    const char *name;
    struct text2 title, question;
    int required; /* of incidents of this severity and worse; FIELD_OPTIONAL: of none */
};

extern const struct report_field report_fields[]; /* ended by an entry without a name; in the order of the report */
const struct report_field *report_field(const char *name); /* NULL: there is none */
bool field_required(const struct report_field *field, enum severity severity);

/* The corrective actions are fields of their own: action.1, action.2 ... */
#define ACTION_PREFIX "action."
enum { ACTIONS_MAX = 63 };
int action_number(const char *subject); /* 3 of "action.3"; 0: it is none */
/* number of EVENT_WRITE about an action */
enum action_state { ACTION_DROPPED = -1, ACTION_DRAFT = 0, ACTION_COMPLETE = 1, ACTION_TICKETED = 2 };

#define HORIZONS(X)                                                                                                    \
    X(HORIZON_DAY, "same-day", "same day", "le jour même")                                                             \
    X(HORIZON_WEEK, "week", "under a week", "moins d'une semaine")                                                     \
    X(HORIZON_MONTH, "month", "under a month", "moins d'un mois")                                                      \
    X(HORIZON_LONGER, "longer", "longer", "plus long")
#define HORIZON_MEMBER(id, name, en, fr) id,
enum horizon { HORIZONS(HORIZON_MEMBER) HORIZON_MAX };
const char *horizon_name(enum horizon horizon);
struct text2 horizon_title(enum horizon horizon);
bool horizon_of(const char *name, enum horizon *ret);
