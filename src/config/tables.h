/* config/tables.h -- The option tables of model/config.h: one for each struct, and the order in which a reader meets
 * them. */
#pragma once
#include "base/option.h"
#include "model/config.h"

extern const struct option config_options[];   /* struct config: the main file */
extern const struct option playbook_options[]; /* struct playbook: a playbook file */
extern const struct option checklist_options[]; /* struct checklist: a checklist file */
extern const struct option host_options[];     /* struct host, where it is not "local" */
extern const struct option secret_options[];   /* the three sources of a secret; offsets do not count */

/* Mappings in which a driver's own keys stand beside the general ones: checks, channels, traffic. */
struct driven {
    const struct option *table;
    const char *kind;      /* of struct config_driver */
    const char *key;       /* the key that names the driver */
    size_t driver_offset;  /* const char *: its value */
    size_t options_offset; /* void *: the driver's own struct */
};
extern const struct driven driven_tables[];                 /* ended by an entry without a table */
const struct driven *driven_of(const struct option *table); /* NULL: an ordinary mapping */

/* Values of `sslmode`, ended by NULL. */
extern const char *const sslmode_names[];
/* What a value of this option is, in words: "duration", "list of names", "one of `a`, `b`". */
const char *option_type_words(struct arena *arena, const struct option *option);
/* "from 1 to 65535"; "" when there are no bounds to speak of. */
const char *option_bounds_words(struct arena *arena, const struct option *option);
