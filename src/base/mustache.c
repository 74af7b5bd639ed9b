/* base/mustache.c -- A template is read into a tree once, so that what is wrong with it is known before anything is rendered. */
#include "base/mustache.h"

#include <string.h>

enum node_kind { NODE_TEXT, NODE_VARIABLE, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL };

struct node {
    enum node_kind kind;
    struct str text; /* of a text; else the name */
    struct str indent; /* before a partial that has a line to itself */
    size_t at;
    VEC(struct node *) children;
};

struct mustache {
    const char *name;
    struct str text;
    struct node root;
};

/* ---- values ---- */

static struct mustache_value *add_member(struct arena *arena, struct mustache_value *map, enum mustache_kind kind, const char *key)
{
    map->kind = MUSTACHE_MAP;
    struct mustache_value *value = vec_add(arena, &map->items);
    value->kind = kind;
    value->key = key;
    return value;
}

void mustache_put(struct arena *arena, struct mustache_value *map, const char *key, const char *text)
{
    bool any = text && *text;
    add_member(arena, map, any ? MUSTACHE_WORDS : MUSTACHE_NOTHING, key)->text = any ? text : "";
}

void mustache_put_bool(struct arena *arena, struct mustache_value *map, const char *key, bool value)
{
    add_member(arena, map, value ? MUSTACHE_TRUE : MUSTACHE_NOTHING, key);
}

struct mustache_value *mustache_put_list(struct arena *arena, struct mustache_value *map, const char *key)
{
    return add_member(arena, map, MUSTACHE_LIST, key);
}

struct mustache_value *mustache_add_map(struct arena *arena, struct mustache_value *list)
{
    struct mustache_value *value = vec_add(arena, &list->items);
    value->kind = MUSTACHE_MAP;
    return value;
}

void mustache_add_text(struct arena *arena, struct mustache_value *list, const char *text)
{
    struct mustache_value *value = vec_add(arena, &list->items);
    value->kind = text && *text ? MUSTACHE_WORDS : MUSTACHE_NOTHING;
    value->text = text ? text : "";
}

/* ---- reading ---- */

struct reader {
    struct arena *arena;
    struct mustache *to;
    struct node *open[MUSTACHE_DEPTH_MAX + 1]; /* the root, and the sections around the place */
    int depth;
    struct err *err;
};

static bool wrong(const struct mustache *m, size_t at, struct err *err, const char *what, struct str name)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < at && i < m->text.n; i++) {
        column = m->text.p[i] == '\n' ? 1 : column + ((m->text.p[i] & 0xC0) != 0x80);
        line += m->text.p[i] == '\n';
    }
    if (name.n)
        return err_set(err, ERR_CONFIG, "%s:%d:%d: %s \"%.*s\"", m->name, line, column, what, (int)MIN_OF(name.n, (size_t)80), name.p);
    return err_set(err, ERR_CONFIG, "%s:%d:%d: %s", m->name, line, column, what);
}

static struct node *add_node(struct reader *r, enum node_kind kind, struct str text, size_t at)
{
    struct node *node = arena_new(r->arena, struct node);
    *node = (struct node){.kind = kind, .text = text, .at = at};
    *vec_add(r->arena, &r->open[r->depth]->children) = node; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return node;
}

static void add_text(struct reader *r, size_t from, size_t to)
{
    if (to > from)
        add_node(r, NODE_TEXT, (struct str){r->to->text.p + from, to - from}, from);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the line of a tag begins and ends when it has the line to itself; false when something else stands there. */
static bool stands_alone(struct str text, size_t from, size_t to, size_t *ret_begin, size_t *ret_end)
{
    while (from > 0 && is_blank(text.p[from - 1]))
        from--;
    if (from > 0 && text.p[from - 1] != '\n')
        return false;
    while (to < text.n && is_blank(text.p[to]))
        to++;
    if (to + 1 < text.n && text.p[to] == '\r' && text.p[to + 1] == '\n')
        to++;
    if (to < text.n && text.p[to] != '\n')
        return false;
    *ret_begin = from;
    *ret_end = to < text.n ? to + 1 : to;
    return true;
}

static bool is_name(struct str name)
{
    if (str_is(name, "."))
        return true;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        bool dot = c == '.' && i > 0 && i + 1 < name.n && name.p[i - 1] != '.';
        if (!letter && !dot)
            return false;
    }
    return name.n > 0;
}

static bool open_section(struct reader *r, enum node_kind kind, struct str name, size_t at)
{
    if (r->depth == MUSTACHE_DEPTH_MAX)
        return wrong(r->to, at, r->err, "sections are nested too deeply at", name);
    struct node *node = add_node(r, kind, name, at);
    r->open[++r->depth] = node;
    return true;
}

static bool close_section(struct reader *r, struct str name, size_t at)
{
    if (r->depth == 0)
        return wrong(r->to, at, r->err, "nothing is open that could be closed by", name);
    struct str open = r->open[r->depth]->text;
    if (open.n != name.n || memcmp(open.p, name.p, name.n) != 0)
        return wrong(r->to, at, r->err, "another section is open than", name);
    r->depth--;
    return true;
}

/* One tag: its sigil (0: none), its trimmed name, and where it ends. */
struct tag {
    char sigil;
    struct str name;
    size_t at, end;
};

static bool find_tag(const struct mustache *m, size_t from, struct tag *ret, struct err *err)
{
    const char *begin = memmem(m->text.p + from, m->text.n - from, "{{", 2);
    if (!begin) {
        ret->at = ret->end = m->text.n;
        return true;
    }
    size_t at = (size_t)(begin - m->text.p), in = at + 2;
    char sigil = in < m->text.n && strchr("#^/!>&{=<$", m->text.p[in]) ? m->text.p[in] : 0;
    in += sigil != 0;
    const char *close = sigil == '{' ? "}}}" : "}}";
    const char *end = in <= m->text.n ? memmem(m->text.p + in, m->text.n - in, close, strlen(close)) : NULL;
    if (!end)
        return wrong(m, at, err, "a tag is not closed", (struct str){0});
    *ret = (struct tag){.sigil = sigil, .name = str_trim((struct str){m->text.p + in, (size_t)(end - m->text.p) - in}), .at = at,
                        .end = (size_t)(end - m->text.p) + strlen(close)};
    return true;
}

static bool take_tag(struct reader *r, const struct tag *tag, struct str indent)
{
    if (tag->sigil == '!')
        return true;
    if (tag->sigil && strchr("=<$", tag->sigil))
        return wrong(r->to, tag->at, r->err, "other delimiters and inheritance are not understood", (struct str){0});
    if (!is_name(tag->name))
        return wrong(r->to, tag->at, r->err, tag->name.n ? "no name:" : "a tag without a name", tag->name);
    switch (tag->sigil) {
    case '#':
        return open_section(r, NODE_SECTION, tag->name, tag->at);
    case '^':
        return open_section(r, NODE_INVERTED, tag->name, tag->at);
    case '/':
        return close_section(r, tag->name, tag->at);
    case '>':
        add_node(r, NODE_PARTIAL, tag->name, tag->at)->indent = indent;
        return true;
    default:
        add_node(r, tag->sigil ? NODE_RAW : NODE_VARIABLE, tag->name, tag->at);
        return true;
    }
}

bool mustache_read(struct arena *arena, const char *name, struct str text, const struct mustache **ret, struct err *err)
{
    struct mustache *m = arena_new(arena, struct mustache);
    *m = (struct mustache){.name = arena_strdup(arena, name), .text = text};
    if (text.n > MUSTACHE_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "%s: longer than %d bytes", name, MUSTACHE_TEXT_MAX);
    struct reader r = {.arena = arena, .to = m, .open = {&m->root}, .err = err};
    size_t from = 0;
    while (from < text.n) {
        struct tag tag = {0};
        size_t begin = 0, end = 0;
        if (!find_tag(m, from, &tag, err))
            return false;
        if (tag.at == text.n) {
            add_text(&r, from, text.n);
            break;
        }
        struct str indent = {0};
        bool own_line = tag.sigil && strchr("#^/!>", tag.sigil) && stands_alone(text, tag.at, tag.end, &begin, &end) && begin >= from;
        if (own_line)
            indent = (struct str){text.p + begin, tag.at - begin};
        add_text(&r, from, own_line ? begin : tag.at);
        if (!take_tag(&r, &tag, indent))
            return false;
        from = own_line ? end : tag.end;
    }
    if (r.depth)
        return wrong(m, r.open[r.depth]->at, err, "never closed: section", r.open[r.depth]->text);
    *ret = m;
    return true;
}

/* ---- checking ---- */

static bool check_node(const struct mustache *m, const struct node *node, const struct mustache_names *names, struct err *err)
{
    for (size_t i = 0; i < node->children.n; i++) {
        const struct node *child = node->children.p[i];
        if (child->kind == NODE_PARTIAL && !names->partial(names->arg, child->text))
            return wrong(m, child->at, err, "there is no partial", child->text);
        if (child->kind != NODE_PARTIAL && child->kind != NODE_TEXT && !names->known(names->arg, child->text))
            return wrong(m, child->at, err, "there is no value", child->text);
        if (!check_node(m, child, names, err))
            return false;
    }
    return true;
}

bool mustache_check(const struct mustache *mustache, const struct mustache_names *names, struct err *err)
{
    return check_node(mustache, &mustache->root, names, err);
}

/* ---- rendering ---- */

enum { STACK_MAX = MUSTACHE_DEPTH_MAX * MUSTACHE_DEPTH_MAX + 2, STEPS_MAX = 100000 };

struct render {
    const struct mustache_env *env;
    struct buf *out;
    const struct mustache_value *stack[STACK_MAX];
    int depth, partials, steps;
    struct str indents[MUSTACHE_DEPTH_MAX]; /* of the partials around */
    bool line_begins;
};

static const struct mustache_value *member(const struct mustache_value *map, struct str key)
{
    if (map->kind != MUSTACHE_MAP)
        return NULL;
    for (size_t i = 0; i < map->items.n; i++)
        if (map->items.p[i].key && str_is(key, map->items.p[i].key))
            return &map->items.p[i];
    return NULL;
}

/* The first part is looked for from the inside out; the others only in what was found. */
static const struct mustache_value *find(const struct render *r, struct str name)
{
    if (str_is(name, "."))
        return r->stack[r->depth];
    struct str rest = name, part;
    const struct mustache_value *value = NULL;
    if (!str_next(&rest, '.', &part))
        return NULL;
    for (int i = r->depth; i >= 0 && !value; i--)
        value = member(r->stack[i], part);
    while (value && rest.p && str_next(&rest, '.', &part))
        value = member(value, part);
    return value;
}

static bool is_something(const struct mustache_value *value)
{
    return value && value->kind != MUSTACHE_NOTHING && (value->kind != MUSTACHE_LIST || value->items.n);
}

static void put_indents(struct render *r)
{
    for (int i = 0; r->line_begins && i < r->partials; i++)
        buf_add(r->out, r->indents[i].p, r->indents[i].n);
    r->line_begins = false;
}

/* The indentation of a partial stands before each line of its own text, not within what is filled in. */
static void put_text(struct render *r, struct str text)
{
    while (text.n) {
        const char *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) + 1 : text.n;
        put_indents(r);
        buf_add(r->out, text.p, n);
        r->line_begins = end != NULL;
        text = (struct str){text.p + n, text.n - n};
    }
}

static void put_value(struct render *r, const struct mustache_value *value, bool raw)
{
    put_indents(r);
    if (!value || value->kind != MUSTACHE_WORDS)
        return;
    if (raw || !r->env->escape)
        buf_puts(r->out, value->text);
    else
        r->env->escape(r->out, str_of(value->text));
}

static void put_children(struct render *r, const struct node *node);

static void put_within(struct render *r, const struct node *node, const struct mustache_value *value)
{
    if (r->depth + 1 == STACK_MAX)
        return;
    r->stack[++r->depth] = value;
    put_children(r, node);
    r->depth--;
}

static void put_section(struct render *r, const struct node *node, const struct mustache_value *value)
{
    if (!is_something(value))
        return;
    if (value->kind != MUSTACHE_LIST)
        put_within(r, node, value);
    for (size_t i = 0; value->kind == MUSTACHE_LIST && i < value->items.n && !r->out->over; i++)
        put_within(r, node, &value->items.p[i]);
}

static void put_partial(struct render *r, const struct node *node)
{
    const struct mustache *partial = r->env->partial ? r->env->partial(r->env->arg, node->text) : NULL;
    if (!partial || r->partials == MUSTACHE_DEPTH_MAX)
        return;
    r->indents[r->partials++] = node->indent;
    put_children(r, &partial->root);
    r->partials--;
}

static void put_children(struct render *r, const struct node *node)
{
    /* Partials that call each other may cost time without end and put out nothing. */
    for (size_t i = 0; i < node->children.n && !r->out->over && r->steps++ < STEPS_MAX; i++) {
        const struct node *child = node->children.p[i];
        switch (child->kind) {
        case NODE_TEXT:
            put_text(r, child->text);
            break;
        case NODE_VARIABLE:
        case NODE_RAW:
            put_value(r, find(r, child->text), child->kind == NODE_RAW);
            break;
        case NODE_SECTION:
            put_section(r, child, find(r, child->text));
            break;
        case NODE_INVERTED:
            if (!is_something(find(r, child->text)))
                put_children(r, child);
            break;
        case NODE_PARTIAL:
            put_partial(r, child);
            break;
        }
    }
}

void mustache_render(const struct mustache *mustache, const struct mustache_value *root, const struct mustache_env *env, struct buf *out)
{
    struct render r = {.env = env, .out = out, .stack = {root}, .line_begins = true};
    put_children(&r, &mustache->root);
}

void mustache_escape_html(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        switch (text.p[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, text.p[i]);
        }
    }
}
