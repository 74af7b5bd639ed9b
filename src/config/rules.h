/* config/rules.h -- What must hold between values: names that refer to something, combinations that cannot work. */
#pragma once
#include "config/walk.h"

/* Notes every breach in w->problems. Drivers and conditions are asked only when all single values are right. */
void rules_config(struct walk *w, const struct config *config, bool values_right);
/* Fills in what depends on other values of people: stages that page, tiers, rotations. Notes what is wrong with rotations. */
void people_make(struct walk *w, struct config *config);
void rules_serve(struct walk *w, const struct config *config);
/* Fills in the addresses of agents; notes what of leases, agents, etcd and fences cannot work. */
void rules_failover(struct walk *w, struct config *config, bool values_right);
void rules_pages(struct walk *w, const struct config *config);
void rules_playbooks(struct walk *w, const struct service *service, bool values_right);
void rules_checklists(struct walk *w, struct service *service); /* fills in what their proofs mean */

/* For the rules: an error at a value, or at the element that holds it. */
struct problem *rule_error(struct walk *w, const void *field, const void *within, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* An error that a driver or another room found; its hint comes along. */
void rule_failed(struct walk *w, const void *field, const void *within, const struct err *err);
/* The names in a list of structs whose name is a `const char *` at `offset`; for hints. */
struct strs rule_names(struct arena *arena, const void *list, size_t count, size_t size, size_t offset);
/* Notes every element whose name an earlier one has. */
void rule_unique(struct walk *w, const char *what, const void *list, size_t count, size_t size, size_t offset);
