/* act/actions.c -- All actions. A new one adds one line here and one above. */
#include "act/action.h"

#include "base/banned.h"

extern const struct action_ops action_diagnose, action_service, action_restore, action_verify, action_status, action_traffic, action_fence, action_dr, action_upkeep, action_prove, action_promote, action_switchover, action_failback, action_loss;

const struct action_ops *const action_list[] = {
    &action_diagnose, &action_service, &action_restore, &action_verify, &action_status, &action_traffic, &action_fence, &action_dr, &action_upkeep, &action_prove, &action_promote, &action_switchover, &action_failback, &action_loss, NULL,
};
