/* cli/sides.h -- Which site serves a service now, and which one it could move to. */
#pragma once
#include "cli/command.h"

MUST_USE bool cli_sides(const struct cli *cli, const struct service *service, const struct site **ret_from, const struct site **ret_to, struct err *err);
