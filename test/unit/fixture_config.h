/* fixture_config.h -- The runbook's service as plain values: two sites, three severities, and the two playbooks of its first
   scenario. Fresh memory each time, so that a test may change what it likes. */
#pragma once
#include "model/config.h"

struct config *fixture_config(struct arena *arena);
struct playbook *fixture_playbook(struct config *config, const char *name);
struct step *fixture_step(struct config *config, const char *playbook, const char *id);
/* A further playbook without steps, of severity P1, and a further step with a budget of a minute. The pointers stay valid until the next one. */
struct playbook *fixture_add_playbook(struct arena *arena, struct config *config, const char *name);
struct step *fixture_add_step(struct arena *arena, struct playbook *playbook, const char *id, const char *action);
