/* Names of the enums, both ways. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/names.h"

/* Every value has a name of its own that leads back to it; what is not of the list leads nowhere. */
#define BOTH_WAYS(type, max, name_of, of)                                                                              \
    do {                                                                                                               \
        for (int i = 0; i < (max); i++) {                                                                              \
            enum type value = (enum type)((max)-1 - i);                                                                \
            assert_string_not_equal(name_of((enum type)i), "?");                                                       \
            assert_true(of(name_of((enum type)i), &value));                                                            \
            assert_int_equal(value, i);                                                                                \
        }                                                                                                              \
        enum type kept = (enum type)1;                                                                                 \
        assert_false(of("no such name", &kept));                                                                       \
        assert_false(of("", &kept));                                                                                   \
        assert_false(of(NULL, &kept));                                                                                 \
        assert_int_equal(kept, 1);                                                                                     \
        assert_string_equal(name_of((enum type)(max)), "?");                                                           \
        assert_string_equal(name_of((enum type)-1), "?");                                                              \
    } while (0)

static void every_name_leads_back(void **state)
{
    (void)state;
    BOTH_WAYS(verdict_state, VERDICT_MAX, verdict_name, verdict_of);
    BOTH_WAYS(severity, SEVERITY_MAX, severity_name, severity_of);
    BOTH_WAYS(incident_state, INCIDENT_MAX, incident_state_name, incident_state_of);
    BOTH_WAYS(site_role, SITE_ROLE_MAX, site_role_name, site_role_of);
    BOTH_WAYS(outcome, OUTCOME_MAX, outcome_name, outcome_of);
    BOTH_WAYS(event_kind, EVENT_MAX, event_name, event_of);
    BOTH_WAYS(order_kind, ORDER_MAX, order_name, order_of);
    BOTH_WAYS(public_phase, PUBLIC_MAX, public_phase_name, public_phase_of);
    BOTH_WAYS(component_state, COMPONENT_MAX, component_state_name, component_state_of);
    BOTH_WAYS(page_impact, IMPACT_MAX, page_impact_name, page_impact_of);
    BOTH_WAYS(maintenance_phase, MAINTENANCE_MAX, maintenance_phase_name, maintenance_phase_of);
}

/* These stand in journals and in files: changing one makes old journals unreadable. */
static void names_that_are_on_disks(void **state)
{
    (void)state;
    assert_string_equal(verdict_name(VERDICT_DOWN), "down");
    assert_string_equal(severity_name(SEVERITY_P1), "P1");
    assert_string_equal(incident_state_name(INCIDENT_MITIGATING), "mitigating");
    assert_string_equal(site_role_name(SITE_DR), "dr");
    assert_string_equal(site_role_name(SITE_PRODUCTION), "production");
    assert_string_equal(site_role_name(SITE_ROLE_MAX), "?");
    assert_string_equal(outcome_name(OUTCOME_BLOCKED), "blocked");
    assert_string_equal(event_name(EVENT_DELIVERED), "delivered");
    assert_string_equal(order_name(ORDER_NOTIFY), "notice");
}

static void events_and_orders_share_no_name(void **state)
{
    (void)state;
    for (int e = 0; e < EVENT_MAX; e++)
        for (int o = 0; o < ORDER_MAX; o++)
            assert_string_not_equal(event_name((enum event_kind)e), order_name((enum order_kind)o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_leads_back), cmocka_unit_test(names_that_are_on_disks), cmocka_unit_test(events_and_orders_share_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
