/* base/mustache.h -- Templates without logic, as mustache(5) writes them: {{name}}, {{{raw}}}, {{&raw}}, {{#section}} ... {{/section}},
   {{^inverted}}, {{! comment }}, {{> partial}}, {{a.b}} and {{.}}. Strict: what is not of this language (lambdas, inheritance, other
   delimiters) is an error with its line and column, and so is a name that nobody promised. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"

enum { MUSTACHE_TEXT_MAX = 64 * 1024, MUSTACHE_DEPTH_MAX = 16 };

/* ---- what a template is filled from ---- */

enum mustache_kind {
    MUSTACHE_NOTHING, /* false, unknown, empty: a section is left out, a variable is empty */
    MUSTACHE_TRUE,
    MUSTACHE_WORDS,   /* a text that is not empty */
    MUSTACHE_MAP,
    MUSTACHE_LIST,
};
struct mustache_value {
    enum mustache_kind kind;
    const char *key;   /* in a map */
    const char *text;  /* WORDS */
    VEC(struct mustache_value) items; /* of a LIST, or the members of a MAP */
};

/* Puts a member into a map; an earlier one of that key is found first. Keys and texts stay the caller's. */
void mustache_put(struct arena *arena, struct mustache_value *map, const char *key, const char *text); /* NULL and "" are nothing */
void mustache_put_bool(struct arena *arena, struct mustache_value *map, const char *key, bool value);
/* Empty ones to be filled; valid until the next member or item is added beside them. */
struct mustache_value *mustache_put_list(struct arena *arena, struct mustache_value *map, const char *key);
struct mustache_value *mustache_add_map(struct arena *arena, struct mustache_value *list);
void mustache_add_text(struct arena *arena, struct mustache_value *list, const char *text);

/* ---- templates ---- */

struct mustache;

/* The text must live as long as the template. ERR_CONFIG with "NAME:LINE:COLUMN: what is wrong". */
MUST_USE bool mustache_read(struct arena *arena, const char *name, struct str text, const struct mustache **ret, struct err *err);
/* Calls `known` for each name that is used, and `partial` for each partial; the first false is an error at its place. */
struct mustache_names {
    bool (*known)(void *arg, struct str name);
    bool (*partial)(void *arg, struct str name);
    void *arg;
};
MUST_USE bool mustache_check(const struct mustache *mustache, const struct mustache_names *names, struct err *err);

struct mustache_env {
    void (*escape)(struct buf *out, struct str text); /* of {{name}}; NULL: as it is */
    const struct mustache *(*partial)(void *arg, struct str name); /* NULL result: nothing stands there */
    void *arg;
};
/* Appends to `out`, whose limit bounds it; 100,000 nodes at most are looked at. */
void mustache_render(const struct mustache *mustache, const struct mustache_value *root, const struct mustache_env *env, struct buf *out);
void mustache_escape_html(struct buf *out, struct str text);
