/* agent/agent.h -- The agent beside a PostgreSQL: keeps it running where it may, and says what it is to whoever asks. */
#pragma once
#include "model/config.h"

struct agent_spec {
    const struct config *config;
    const struct service *service;
    const struct site *site; /* it has an agent: in the configuration */
};

/* Until SIGTERM or SIGINT, which leave PostgreSQL running. */
MUST_USE bool agent_run(const struct agent_spec *spec, struct err *err);
/* The start guard, for a start that is not the agent's: may PostgreSQL of this site be started here? ERR_REFUSED says why not. */
MUST_USE bool agent_guard(const struct agent_spec *spec, struct err *err);
