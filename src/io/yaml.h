/* io/yaml.h -- Reading YAML (libyaml inside) into a small tree in which every node knows its place. One document a
   file; aliases are copied out, so the result is a tree and never a graph; size, depth and number of nodes are limited.
 */
#pragma once
#include "base/base.h"

enum {
    YAML_SIZE_MAX = 1024 * 1024,
    YAML_DEPTH_MAX = 32,
    YAML_NODES_MAX =
        50000, /* aliases count with all that they bring in, so that a few lines cannot unfold into gigabytes */
    YAML_KEYS_MAX = 1000, /* of one mapping */
};

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    int line, column;         /* from 1; the column counts characters */
    bool quoted;              /* a scalar that stood in quotes or in a block: never a null */
    const char *text;         /* of a scalar; clean UTF-8. NULL for others */
    struct yaml_node **items; /* values of a list or a mapping */
    struct yaml_node **keys;  /* scalars, one for each item of a mapping; NULL for a list */
    size_t n;
};

/* Something wrong with the text itself. */
struct yaml_problem {
    int line, column;
    const char *text;
    const char *hint; /* NULL: none */
};

struct yaml_doc {
    const char *file;       /* as messages name it */
    struct str text;        /* the whole source, for showing lines of it */
    struct yaml_node *root; /* NULL for an empty file, and after a syntax error */
    struct {
        struct yaml_problem *p;
        size_t n, cap;
    } problems; /* a syntax error ends the reading; of duplicate keys all are named, and the first of each counts */
};

/* Never fails otherwise than by problems. `text` must live as long as the document. */
struct yaml_doc *yaml_parse(struct arena *arena, const char *file, struct str text);
/* False when the file cannot be read (ERR_NOT_FOUND, ERR_PERMISSION, ERR_LIMIT, ...). */
MUST_USE bool yaml_read(struct arena *arena, const char *path, struct yaml_doc **ret, struct err *err);

bool yaml_is_null(const struct yaml_node *node); /* nothing, ~ or null, unquoted */
struct yaml_node *yaml_get(const struct yaml_node *map,
                           const char *key); /* NULL when absent, or when it is no mapping */
/* Line `line` (from 1) of the source, without its end; empty when there is none. */
struct str yaml_line(const struct yaml_doc *doc, int line);

/* Writing: a scalar on one line, quoted only where a reader could take it for something else. */
void yaml_put_scalar(struct buf *out, const char *text);
/* A node in one line: {key: value, list: [a, b]}. */
void yaml_put_flow(struct buf *out, const struct yaml_node *node);
