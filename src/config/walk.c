/* config/walk.c -- Mappings and lists: which keys there are, which are missing, and whose they are. Single values are
 * in values.c. */
#include "config/walk.h"

#include "config/tables.h"
#include "config/values.h"

/* A table and the struct that its offsets count from. A mapping with a driver is read through two of them at once. */
struct part {
    const struct option *table;
    void *to;
};

enum { PARTS_MAX = 2 };

struct parts {
    struct part p[PARTS_MAX];
    size_t n;
    bool lenient; /* the driver is not known, so nothing can be said about keys that it might have had */
};

struct place walk_place(const struct walk *w, const struct yaml_node *node, const char *path)
{
    if (w->instead)
        return *w->instead;
    return (struct place){
        .doc = w->doc, .line = node ? node->line : 1, .column = node ? node->column : 1, .path = path};
}

static const struct origin *origin_of(const struct walk *w, const void *field)
{
    for (size_t i = 0; i < w->origins.n; i++)
        if (w->origins.p[i].field == field)
            return &w->origins.p[i];
    return NULL;
}

struct place walk_origin(const struct walk *w, const void *field, const void *within)
{
    const struct origin *o = origin_of(w, field);
    if (!o)
        o = origin_of(w, within);
    return o ? o->place : (struct place){.doc = w->doc, .line = 1, .column = 1, .path = ""};
}

bool walk_written(const struct walk *w, const void *field)
{
    return origin_of(w, field) != NULL;
}

bool walk_wrong(const struct walk *w, const void *field)
{
    const struct origin *o = origin_of(w, field);
    return o && o->wrong;
}

static void remember(struct walk *w, const void *field, const struct yaml_node *node, const char *path)
{
    if (!w->instead)
        *vec_add(w->arena, &w->origins) = (struct origin){.field = field, .place = walk_place(w, node, path)};
}

const struct config_driver *walk_driver(const struct config_hooks *hooks, const char *kind, const char *name)
{
    for (size_t i = 0; name && i < hooks->driver_count; i++)
        if (same(hooks->drivers[i].kind, kind) && same(hooks->drivers[i].name, name))
            return &hooks->drivers[i];
    return NULL;
}

/* ---- keys ---- */

static const struct option *option_in(const struct parts *parts, const char *key, void **ret_base)
{
    for (size_t i = 0; i < parts->n; i++)
        for (const struct option *o = parts->p[i].table; o->key; o++)
            if (same(o->key, key)) {
                *ret_base = parts->p[i].to;
                return o;
            }
    return NULL;
}

static void unknown_key(struct walk *w, const struct parts *parts, const struct yaml_node *key,
                        const struct yaml_node *value, const char *path)
{
    struct strs right = {0};
    void *unused;
    for (size_t i = 0; i < parts->n; i++)
        for (const struct option *o = parts->p[i].table; o->key; o++)
            *vec_add(w->arena, &right) = o->key;
    struct place place = walk_place(w, key, path);
    const char *near = str_nearest(key->text, right.p, right.n);
    const struct option *meant = near ? option_in(parts, near, &unused) : NULL;
    if (meant && meant->type == OPTION_SECRET && value->kind == YAML_SCALAR)
        problem_hide(w->problems, walk_place(w, value, path));
    problem_error(w->problems, place, "unknown key")->hint = hint_nearest(w->arena, key->text, &right);
}

static const char *sub_path(struct walk *w, const char *path, const char *key)
{
    return *path ? arena_printf(w->arena, "%s.%s", path, key) : key;
}

static void read_fallback(struct walk *w, const struct option *o, void *base, const struct yaml_node *map,
                          const char *path)
{
    struct place place = walk_place(w, map, path);
    struct yaml_doc *doc = yaml_parse(w->arena, "default", str_of(o->fallback));
    if (!doc->root || doc->problems.n) {
        problem_error(w->problems, place, "the default \"%s\" is not valid", o->fallback);
        return;
    }
    const struct place *outer = w->instead;
    w->instead = &place;
    walk_value(w, o, base, doc->root, path);
    w->instead = outer;
}

/* What a mapping that is not there leaves behind: the defaults of its keys, however deep. */
static void read_absent(struct walk *w, const struct option *o, void *base, const struct yaml_node *map,
                        const char *path)
{
    const char *own = sub_path(w, path, o->key);
    if (o->fallback)
        read_fallback(w, o, base, map, own);
    else if (o->type == OPTION_GROUP)
        for (const struct option *sub = o->sub; sub->key; sub++)
            read_absent(w, sub, (char *)base + o->offset, map, own);
}

static void read_missing(struct walk *w, const struct parts *parts, const struct yaml_node *map, const char *path)
{
    for (size_t i = 0; i < parts->n; i++)
        for (const struct option *o = parts->p[i].table; o->key; o++) {
            if (yaml_get(map, o->key))
                continue;
            if (o->required) {
                struct problem *p =
                    problem_error(w->problems, walk_place(w, map, path), "key \"%s\" is missing", o->key);
                if (o->sample)
                    p->hint = arena_printf(w->arena, "%s; for example %s: %s", o->help, o->key, o->sample);
                else
                    p->hint = o->help;
            } else {
                read_absent(w, o, parts->p[i].to, map, path);
            }
        }
}

static void read_parts(struct walk *w, const struct yaml_node *map, const char *path, const struct parts *parts)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *key = map->keys[i]->text, *own = sub_path(w, path, key);
        void *base;
        const struct option *o = option_in(parts, key, &base);
        if (o)
            walk_value(w, o, base, map->items[i], own);
        else if (!parts->lenient)
            unknown_key(w, parts, map->keys[i], map->items[i], own);
    }
    read_missing(w, parts, map, path);
}

/* ---- drivers ---- */

static void unknown_driver(struct walk *w, const struct driven *driven, const struct yaml_node *name, const char *path)
{
    struct strs right = {0};
    for (size_t i = 0; i < w->hooks->driver_count; i++)
        if (same(w->hooks->drivers[i].kind, driven->kind))
            *vec_add(w->arena, &right) = w->hooks->drivers[i].name;
    problem_error(w->problems, walk_place(w, name, sub_path(w, path, driven->key)), "unknown %s %s \"%s\"",
                  driven->kind, driven->key, name->text)
        ->hint = hint_nearest(w->arena, name->text, &right);
}

/* The keys of the driver that the mapping names join those of its table. */
static void add_driver(struct walk *w, const struct driven *driven, const struct yaml_node *map, const char *path,
                       struct parts *parts)
{
    const struct yaml_node *name = yaml_get(map, driven->key);
    parts->lenient = true;
    if (!name || name->kind != YAML_SCALAR)
        return; /* said elsewhere: it is required, and text */
    const struct config_driver *driver = walk_driver(w->hooks, driven->kind, name->text);
    if (!driver) {
        unknown_driver(w, driven, name, path);
        return;
    }
    void *options = arena_alloc(w->arena, driver->options_size), *unused;
    for (const struct option *o = driver->options; o->key; o++)
        if (option_in(parts, o->key, &unused)) /* a defect of the driver: its key could never be reached */
            problem_error(w->problems, walk_place(w, name, path), "%s %s has a key \"%s\", which is a general one",
                          driven->kind, driver->name, o->key);
    *(void **)(void *)((char *)parts->p[0].to + driven->options_offset) = options;
    parts->p[parts->n++] = (struct part){.table = driver->options, .to = options};
    parts->lenient = false;
}

void walk_map(struct walk *w, const struct yaml_node *node, const char *path, const struct option *table, void *to)
{
    if (node->kind != YAML_MAP) {
        value_mismatch(w, node, path, "a mapping of keys and values");
        return;
    }
    struct parts parts = {.p = {{.table = table, .to = to}}, .n = 1};
    const struct driven *driven = driven_of(table);
    if (driven)
        add_driver(w, driven, node, path, &parts);
    read_parts(w, node, path, &parts);
}

/* ---- lists ---- */

/* An element is called by its name where it has one, else by its number from 1. */
static const char *element_path(struct walk *w, const struct yaml_node *element, size_t index, const char *path)
{
    static const char *const names[] = {"name", "id", "channel", "path"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct yaml_node *name = yaml_get(element, names[i]);
        if (name && name->kind == YAML_SCALAR && *name->text && strlen(name->text) <= 60)
            return arena_printf(w->arena, "%s[%s]", path, name->text);
    }
    return arena_printf(w->arena, "%s[%zu]", path, index + 1);
}

static void read_list(struct walk *w, const struct option *o, void *base, const struct yaml_node *node,
                      const char *path)
{
    struct {
        char *p;
        size_t n, cap;
    } *list = (void *)((char *)base + o->offset);
    if (node->kind != YAML_LIST) {
        value_mismatch(w, node, path, "a list")->hint = "begin each element with \"- \"";
        return;
    }
    if (o->required && node->n == 0)
        problem_error(w->problems, walk_place(w, node, path), "is empty; at least one is needed");
    /* All at once, so that the addresses of fields stay what they are: they lead back to their places. */
    list->p = arena_alloc(w->arena, node->n * o->size);
    list->n = list->cap = node->n;
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *item = node->items[i];
        char *element = list->p + i * o->size;
        const char *own = element_path(w, item, i, path);
        *(struct mark *)(void *)element =
            (struct mark){.file = w->doc->file, .line = item->line, .column = item->column};
        remember(w, element, item, own);
        walk_map(w, item, own, o->sub, element);
    }
}

static void read_any(struct walk *w, const struct option *o, void *base, const struct yaml_node *node, const char *path)
{
    if (yaml_is_null(node) && o->type != OPTION_GROUP && o->type != OPTION_LIST) {
        problem_error(w->problems, walk_place(w, node, path), "has no value")->hint =
            arena_printf(w->arena, "remove the key, or give it a value (%s)", option_type_words(w->arena, o));
        return;
    }
    if (o->type == OPTION_GROUP)
        walk_map(w, node, path, o->sub, (char *)base + o->offset);
    else if (o->type == OPTION_LIST)
        read_list(w, o, base, node, path);
    else
        value_read(w, o, (char *)base + o->offset, node, path);
}

void walk_value(struct walk *w, const struct option *o, void *base, const struct yaml_node *node, const char *path)
{
    size_t errors = w->problems->errors, own = w->origins.n;
    remember(w, (char *)base + o->offset, node, path);
    read_any(w, o, base, node, path);
    if (!w->instead)
        w->origins.p[own].wrong = w->problems->errors != errors;
}
