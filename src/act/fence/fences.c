/* act/fence/fences.c -- All fences, in the order in which they are tried. A new one adds one line here and one above. */
#include "act/fence/fence.h"

#include "base/banned.h"

extern const struct fence_ops fence_by_agent, fence_by_lease, fence_unit, fence_agent, fence_command;

const struct fence_ops *const fence_list[] = {
    &fence_by_agent,
    &fence_unit,
    &fence_agent,
    &fence_command,
    &fence_by_lease, /* waits, so it comes last */
    NULL,
};
