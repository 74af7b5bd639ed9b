/* model/names.c -- Names of the enums, both ways. */
#include "model/names.h"

#define MODEL_ENUM_NAME(id, name) [id] = (name),

/* NOLINTBEGIN(bugprone-macro-parentheses): `type` is the name of an enum. */
/* One lookup pair for each list; a value outside the list is a defect and prints as "?". */
#define NAMED(function, type, list, max)                                                                               \
    static const char *const function##s[] = {list(MODEL_ENUM_NAME)};                                                  \
    const char *function##_name(enum type value)                                                                       \
    {                                                                                                                  \
        return (unsigned)value < (max) ? function##s[value] : "?";                                                     \
    }                                                                                                                  \
    bool function##_of(const char *name, enum type *ret)                                                               \
    {                                                                                                                  \
        for (int i = 0; i < (max); i++)                                                                                \
            if (same(name, function##s[i])) {                                                                          \
                *ret = (enum type)i;                                                                                   \
                return true;                                                                                           \
            }                                                                                                          \
        return false;                                                                                                  \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

NAMED(verdict, verdict_state, VERDICTS, VERDICT_MAX)
NAMED(severity, severity, SEVERITIES, SEVERITY_MAX)
NAMED(incident_state, incident_state, INCIDENT_STATES, INCIDENT_MAX)
NAMED(site_role, site_role, SITE_ROLES, SITE_ROLE_MAX)
NAMED(outcome, outcome, OUTCOMES, OUTCOME_MAX)
NAMED(event, event_kind, EVENT_KINDS, EVENT_MAX)
NAMED(order, order_kind, ORDER_KINDS, ORDER_MAX)
NAMED(public_phase, public_phase, PUBLIC_PHASES, PUBLIC_MAX)
NAMED(component_state, component_state, COMPONENT_STATES, COMPONENT_MAX)
NAMED(page_impact, page_impact, PAGE_IMPACTS, IMPACT_MAX)
NAMED(maintenance_phase, maintenance_phase, MAINTENANCE_PHASES, MAINTENANCE_MAX)
NAMED(way, way_kind, WAYS, WAY_MAX)
