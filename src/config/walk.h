/* config/walk.h -- Carries values from a YAML tree into structs, as option tables say. Every error is noted and the
   walk goes on, so that one reading finds all of them. It remembers where each value stood, for the checks that come
   after. */
#pragma once
#include "base/option.h"
#include "config/load.h"
#include "config/problems.h"

struct origin {
    const void *field; /* address of the value in its struct, or of a list's element */
    struct place place;
    bool wrong; /* it could not be read: what refers to it is not to be blamed */
};

struct walk {
    struct arena *arena;
    const struct config_hooks *hooks;
    struct problems *problems;
    const struct yaml_doc *doc;  /* that is being walked */
    const struct place *instead; /* of a default: problems belong to this place, for the default stands in no file */
    struct {
        struct origin *p;
        size_t n, cap;
    } origins;
};

/* Reads the mapping `node` into the struct at `to`, with defaults for what is absent. */
void walk_map(struct walk *w, const struct yaml_node *node, const char *path, const struct option *table, void *to);

/* One value of a type, through the option that describes it; the struct begins at `base`. */
void walk_value(struct walk *w, const struct option *option, void *base, const struct yaml_node *node,
                const char *path);

struct place walk_place(const struct walk *w, const struct yaml_node *node, const char *path);
/* Where a value stood: `field` if it was written, else `within` (the element that lacks it), else the whole file. */
struct place walk_origin(const struct walk *w, const void *field, const void *within);
bool walk_written(const struct walk *w, const void *field);
bool walk_wrong(const struct walk *w, const void *field); /* written, and in error */
/* The driver of that kind and name, or NULL. */
const struct config_driver *walk_driver(const struct config_hooks *hooks, const char *kind, const char *name);
