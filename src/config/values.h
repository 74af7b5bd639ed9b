/* config/values.h -- Single values: text to the type that an option names, within its bounds. */
#pragma once
#include "config/walk.h"

/* Reads `node` into *to, whose type is that of the option (base/option.h). Groups and lists of mappings are walk.c's.
 */
void value_read(struct walk *w, const struct option *option, void *to, const struct yaml_node *node, const char *path);
/* "must be WANTED, found a list". */
struct problem *value_mismatch(struct walk *w, const struct yaml_node *node, const char *path, const char *wanted);
