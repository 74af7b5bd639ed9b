/* io/yaml.c -- The tree is built from libyaml's events, not by its document loader: the loader unfolds nesting without
   a limit, in time that grows with the square of the depth (a megabyte of "[" takes hours), while events let us stop at
   the depth we accept. */
#include "io/yaml.h"

#include <strings.h>
#include <yaml.h>

#include "sys/file.h"

struct anchor {
    const char *name;
    struct yaml_node *node;
    bool open; /* still being read: an alias to it would contain itself */
};

struct reader {
    struct arena *arena;
    struct yaml_doc *doc;
    yaml_parser_t parser;
    struct {
        struct anchor *p;
        size_t n, cap;
    } anchors;
    size_t nodes;
};

static bool problem(struct reader *r, int line, int column, const char *text, const char *hint)
{
    *vec_add(r->arena, &r->doc->problems) =
        (struct yaml_problem){.line = line, .column = column, .text = text, .hint = hint};
    return false;
}

static bool problem_at(struct reader *r, yaml_mark_t mark, const char *text, const char *hint)
{
    return problem(r, (int)mark.line + 1, (int)mark.column + 1, text, hint);
}

/* ---- syntax errors ---- */

/* libyaml gives the place of an unreadable byte as an offset only. */
static bool bad_bytes(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const struct str text = r->doc->text;
    size_t at = MIN_OF(p->problem_offset, text.n);
    int line = 1, column = 1;
    if (strstr(p->problem, "trailing")) /* the byte that promised more is the one to look at */
        while (at > 0 && (unsigned char)text.p[at] < 0xC0)
            at--;
    for (size_t i = 0; i < at; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n')
            line++, column = 1;
        else if ((c & 0xC0) != 0x80)
            column++;
    }
    const char *what = strstr(p->problem, "control") ? "a control character" : "not UTF-8";
    return problem(r, line, column,
                   at < text.n ? arena_printf(r->arena, "byte 0x%02X cannot stand here: %s",
                                              (unsigned)(unsigned char)text.p[at], what)
                               : arena_printf(r->arena, "the file ends inside a character"),
                   "save the file as UTF-8 text, without control characters");
}

/* What helps against the mistakes that people make most; NULL for the others. */
static const char *syntax_hint(const struct reader *r)
{
    const char *problem_text = r->parser.problem ? r->parser.problem : "";
    struct str line = yaml_line(r->doc, (int)r->parser.problem_mark.line + 1);
    size_t i = 0;
    while (i < line.n && line.p[i] == ' ')
        i++;
    if (i < line.n && line.p[i] == '\t')
        return "indent with blanks: YAML does not take a tab there";
    if (strstr(problem_text, "mapping values are not allowed"))
        return "put a value that contains \": \" in quotes, or check the indentation";
    if (strstr(problem_text, "cannot start any token"))
        return "put a value that begins with @, `, % or a tab in quotes";
    if (strstr(problem_text, "undefined alias"))
        return "put a value that begins with * in quotes";
    if (strstr(problem_text, "did not find expected"))
        return "check the indentation, and that every bracket and quote is closed";
    return NULL;
}

static bool syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_READER_ERROR)
        return bad_bytes(r);
    const char *what = p->problem ? p->problem : "not valid YAML";
    /* An unclosed quote is noticed at the end of the file; the reader wants to see where it was opened. */
    if (p->context && strstr(p->context, "quoted scalar") &&
        (strstr(what, "end of stream") || strstr(what, "document indicator")))
        return problem_at(r, p->context_mark, "not valid YAML: the quote that opens here is never closed", NULL);
    char *text = p->context ? arena_printf(r->arena, "not valid YAML: %s, %s that begins in line %zu", what, p->context,
                                           p->context_mark.line + 1)
                            : arena_printf(r->arena, "not valid YAML: %s", what);
    return problem_at(r, p->problem_mark, text, syntax_hint(r));
}

/* ---- nodes ---- */

static struct yaml_node *node_new(struct reader *r, yaml_mark_t mark, enum yaml_kind kind)
{
    if (++r->nodes > YAML_NODES_MAX) {
        problem_at(r, mark,
                   arena_printf(r->arena, "more than %d values, counting what aliases bring in", YAML_NODES_MAX), NULL);
        return NULL;
    }
    struct yaml_node *node = arena_new(r->arena, struct yaml_node);
    *node = (struct yaml_node){.kind = kind, .line = (int)mark.line + 1, .column = (int)mark.column + 1};
    return node;
}

static struct yaml_node *copy_of(struct reader *r, yaml_mark_t mark, const struct yaml_node *from, int depth)
{
    if (depth > YAML_DEPTH_MAX) {
        problem_at(r, mark, arena_printf(r->arena, "nested deeper than %d levels", YAML_DEPTH_MAX), NULL);
        return NULL;
    }
    struct yaml_node *to = node_new(r, mark, from->kind);
    if (!to)
        return NULL;
    to->quoted = from->quoted;
    to->text = from->text;
    to->n = from->n;
    to->keys = from->keys; /* keys are never changed, so copies may share them */
    to->items = arena_array(r->arena, struct yaml_node *, from->n);
    for (size_t i = 0; i < from->n; i++)
        if (!(to->items[i] = copy_of(r, mark, from->items[i], depth + 1)))
            return NULL;
    return to;
}

static struct yaml_node *read_alias(struct reader *r, const yaml_event_t *event, int depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = r->anchors.n; i-- > 0;) {
        const struct anchor *a = &r->anchors.p[i];
        if (!same(a->name, name))
            continue;
        if (a->open) {
            problem_at(r, event->start_mark,
                       arena_printf(r->arena, "alias \"*%s\" stands inside what it refers to", name), NULL);
            return NULL;
        }
        return copy_of(r, event->start_mark, a->node, depth);
    }
    problem_at(r, event->start_mark, arena_printf(r->arena, "alias \"*%s\" refers to no anchor before it", name),
               "put a value that begins with * in quotes");
    return NULL;
}

static struct yaml_node *read_scalar(struct reader *r, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    struct str text = {.p = value, .n = event->data.scalar.length};
    struct yaml_node *node = node_new(r, event->start_mark, YAML_SCALAR);
    if (!node)
        return NULL;
    if (memchr(text.p, 0, text.n) || !str_is_clean(text)) {
        problem_at(r, event->start_mark, "the text holds control characters",
                   "only line ends and tabs may be written as escapes");
        return NULL;
    }
    node->text = arena_strndup(r->arena, text.p, text.n);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static struct yaml_node *read_node(struct reader *r, yaml_event_t *event, int depth);

/* The next event as a node; *ret_end is set when the collection ends instead. Frees the event. */
static struct yaml_node *read_next(struct reader *r, yaml_event_type_t end, bool *ret_end, int depth)
{
    yaml_event_t event;
    *ret_end = false;
    if (!yaml_parser_parse(&r->parser, &event)) {
        syntax_error(r);
        return NULL;
    }
    struct yaml_node *node = NULL;
    if (event.type == end)
        *ret_end = true;
    else
        node = read_node(r, &event, depth);
    yaml_event_delete(&event);
    return node;
}

static bool read_list(struct reader *r, struct yaml_node *list, int depth)
{
    struct {
        struct yaml_node **p;
        size_t n, cap;
    } items = {0};
    for (;;) {
        bool end;
        struct yaml_node *item = read_next(r, YAML_SEQUENCE_END_EVENT, &end, depth + 1);
        if (end)
            break;
        if (!item)
            return false;
        *vec_add(r->arena, &items) = item; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    }
    list->items = items.p;
    list->n = items.n;
    return true;
}

static const struct yaml_node *key_in(struct yaml_node *const *keys, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (same(keys[i]->text, name))
            return keys[i];
    return NULL;
}

/* Is this key new in its mapping? A key that stands twice is named with both places; the reading goes on. */
static bool key_is_new(struct reader *r, struct yaml_node *const *keys, size_t n, const struct yaml_node *key)
{
    const struct yaml_node *first = key_in(keys, n, key->text);
    if (!first)
        return true;
    problem(r, key->line, key->column,
            arena_printf(r->arena, "key \"%s\" stands twice: first in line %d, column %d", key->text, first->line,
                         first->column),
            NULL);
    return false;
}

static bool read_map(struct reader *r, struct yaml_node *map, int depth)
{
    struct {
        struct yaml_node **p;
        size_t n, cap;
    } keys = {0}, items = {0};
    for (;;) {
        bool end, unused;
        struct yaml_node *key = read_next(r, YAML_MAPPING_END_EVENT, &end, depth + 1);
        if (end)
            break;
        if (!key)
            return false;
        if (key->kind != YAML_SCALAR)
            return problem(r, key->line, key->column, "a key must be plain text", NULL);
        if (keys.n == YAML_KEYS_MAX)
            return problem(r, key->line, key->column,
                           arena_printf(r->arena, "more than %d keys in one mapping", YAML_KEYS_MAX), NULL);
        struct yaml_node *value = read_next(r, YAML_NO_EVENT, &unused, depth + 1);
        if (!value)
            return false;
        if (!key_is_new(r, keys.p, keys.n, key))
            continue;
        *vec_add(r->arena, &keys) = key;    /* NOLINT(bugprone-sizeof-expression): a list of pointers */
        *vec_add(r->arena, &items) = value; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    }
    map->keys = keys.p;
    map->items = items.p;
    map->n = keys.n;
    return true;
}

static bool has_tag(const yaml_event_t *event)
{
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.tag
                             : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                                                                        : event->data.mapping_start.tag;
    return tag != NULL;
}

static const char *anchor_of(const yaml_event_t *event)
{
    return (const char *)(event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
                          : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                                     : event->data.mapping_start.anchor);
}

static struct yaml_node *read_content(struct reader *r, yaml_event_t *event, int depth, size_t anchor, bool anchored)
{
    if (event->type == YAML_SCALAR_EVENT) {
        struct yaml_node *scalar = read_scalar(r, event);
        if (anchored)
            r->anchors.p[anchor].node = scalar;
        return scalar;
    }
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    struct yaml_node *node = node_new(r, event->start_mark, list ? YAML_LIST : YAML_MAP);
    if (!node)
        return NULL;
    if (anchored)
        r->anchors.p[anchor].node = node;
    return (list ? read_list(r, node, depth) : read_map(r, node, depth)) ? node : NULL;
}

static struct yaml_node *read_node(struct reader *r, yaml_event_t *event, int depth)
{
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(r, event, depth);
    if (depth > YAML_DEPTH_MAX) {
        problem_at(r, event->start_mark, arena_printf(r->arena, "nested deeper than %d levels", YAML_DEPTH_MAX), NULL);
        return NULL;
    }
    if (has_tag(event)) {
        problem_at(r, event->start_mark, "tags (!name) are not used here", "put a value that begins with ! in quotes");
        return NULL;
    }
    const char *name = anchor_of(event);
    size_t anchor = r->anchors.n;
    if (name && anchor == YAML_KEYS_MAX) {
        problem_at(r, event->start_mark, arena_printf(r->arena, "more than %d anchors", YAML_KEYS_MAX), NULL);
        return NULL;
    }
    if (name)
        *vec_add(r->arena, &r->anchors) = (struct anchor){.name = arena_strdup(r->arena, name), .open = true};
    struct yaml_node *node = read_content(r, event, depth, anchor, name != NULL);
    if (name && node)
        r->anchors.p[anchor].open = false;
    return node;
}

/* Stream start, document start, the root, document end, stream end. False after a problem. */
static bool read_stream(struct reader *r)
{
    for (int documents = 0;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return syntax_error(r);
        yaml_event_type_t type = event.type;
        yaml_mark_t mark = event.start_mark;
        struct yaml_node *node = NULL;
        bool content = type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT ||
                       type == YAML_MAPPING_START_EVENT || type == YAML_ALIAS_EVENT;
        if (content)
            node = read_node(r, &event, 1);
        yaml_event_delete(&event);
        if (content && !node)
            return false;
        if (content)
            r->doc->root = node;
        if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            return problem_at(r, mark, "a second document begins here",
                              "one file holds one document: remove the line ---");
        if (type == YAML_STREAM_END_EVENT)
            return true;
    }
}

struct yaml_doc *yaml_parse(struct arena *arena, const char *file, struct str text)
{
    struct yaml_doc *doc = arena_new(arena, struct yaml_doc);
    *doc = (struct yaml_doc){.file = file, .text = text};
    struct reader r = {.arena = arena, .doc = doc};
    if (text.n > YAML_SIZE_MAX) {
        problem(&r, 1, 1, arena_printf(arena, "larger than the limit of %d bytes", YAML_SIZE_MAX), NULL);
        return doc;
    }
    if (!yaml_parser_initialize(&r.parser))
        abort(); /* out of memory */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    if (!read_stream(&r))
        doc->root = NULL;
    yaml_parser_delete(&r.parser);
    return doc;
}

bool yaml_read(struct arena *arena, const char *path, struct yaml_doc **ret, struct err *err)
{
    struct str text;
    if (!file_read(arena, path, YAML_SIZE_MAX, &text, err))
        return false;
    *ret = yaml_parse(arena, arena_strdup(arena, path), text);
    return true;
}

/* ---- reading the tree ---- */

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->quoted &&
           (!*node->text || same(node->text, "~") || same(node->text, "null"));
}

struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map && map->kind == YAML_MAP)
        for (size_t i = 0; i < map->n; i++)
            if (same(map->keys[i]->text, key))
                return map->items[i];
    return NULL;
}

struct str yaml_line(const struct yaml_doc *doc, int line)
{
    struct str rest = doc->text, found = {0};
    for (int i = 0; i < line; i++)
        if (!str_next(&rest, '\n', &found))
            return (struct str){0};
    if (found.n && found.p[found.n - 1] == '\r')
        found.n--;
    return found;
}

/* ---- writing ---- */

/* Could a plain scalar be taken for another type, or end early? When in doubt it is quoted. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    char *end;
    if (!*text || strchr("-?:,[]{}#&*!|>'\"%@`~ ", *text))
        return false;
    strtod(text, &end);
    if (!*end)
        return false; /* a number to other readers */
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    for (const char *p = text; *p; p++)
        if (strchr(",[]{}#\"\n\t", *p) || (*p == ':' && (p[1] == ' ' || !p[1])) || (*p == ' ' && !p[1]) ||
            (unsigned char)*p == 0xEF)
            return false;
    return true;
}

void yaml_put_scalar(struct buf *out, const char *text)
{
    if (is_plain(text)) {
        buf_puts(out, text);
        return;
    }
    buf_putc(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '\n')
            buf_puts(out, "\\n");
        else if (*p == '\t')
            buf_puts(out, "\\t");
        else if (*p == '"' || *p == '\\')
            buf_putc(out, '\\'), buf_putc(out, *p);
        else
            buf_putc(out, *p);
    }
    buf_putc(out, '"');
}

void yaml_put_flow(struct buf *out, const struct yaml_node *node)
{
    /* A plain scalar keeps its type by staying plain, unless it came from a block, where commas and brackets mean
     * nothing. */
    if (node->kind == YAML_SCALAR && !node->quoted && !strpbrk(node->text, ",[]{}\n")) {
        buf_puts(out, *node->text ? node->text : "~");
        return;
    }
    if (node->kind == YAML_SCALAR) {
        yaml_put_scalar(out, node->text);
        return;
    }
    buf_putc(out, node->kind == YAML_LIST ? '[' : '{');
    for (size_t i = 0; i < node->n; i++) {
        if (i)
            buf_puts(out, ", ");
        if (node->kind == YAML_MAP) {
            yaml_put_scalar(out, node->keys[i]->text);
            buf_puts(out, ": ");
        }
        yaml_put_flow(out, node->items[i]);
    }
    buf_putc(out, node->kind == YAML_LIST ? ']' : '}');
}
