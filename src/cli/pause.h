/* cli/pause.h -- Who paused the machine for a service, and until when: as the journal has it. */
#pragma once
#include "cli/command.h"

struct pause {
    int64_t until_wall_ms; /* 0: it is not paused */
    const char *who, *why;
};
/* Also true when there is no journal yet: then nobody paused anything. */
MUST_USE bool pause_read(const struct cli *cli, const struct service *service, struct pause *ret, struct err *err);
