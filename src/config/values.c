/* config/values.c -- One reader for each type of option. Each says what it wanted and what it found. */
#include "config/values.h"

#include <ctype.h>
#include <limits.h>

#include "config/tables.h"

enum { NAME_MAX_CHARS = 40 };

static struct problem *wrong(struct walk *w, const struct yaml_node *node, const char *path, const char *text)
{
    return problem_error(w->problems, walk_place(w, node, path), "%s", text);
}

/* What the file holds, cut to a length that fits a message. */
static const char *found(struct walk *w, const struct yaml_node *node)
{
    enum { SHOWN = 60 };
    if (node->kind != YAML_SCALAR)
        return node->kind == YAML_LIST ? "a list" : "a mapping";
    if (yaml_is_null(node))
        return "nothing";
    char text[SHOWN + 1];
    bool whole = COPY_TO(text, node->text);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' ';
    return arena_printf(w->arena, "\"%s%s\"", text, whole ? "" : "...");
}

struct problem *value_mismatch(struct walk *w, const struct yaml_node *node, const char *path, const char *wanted)
{
    return wrong(w, node, path, arena_printf(w->arena, "must be %s, found %s", wanted, found(w, node)));
}

/* The text of a scalar, or NULL after saying what was wanted. */
static const char *scalar(struct walk *w, const struct option *o, const struct yaml_node *node, const char *path)
{
    if (node->kind == YAML_SCALAR)
        return node->text;
    value_mismatch(w, node, path, arena_printf(w->arena, "a single value (%s)", option_type_words(w->arena, o)));
    return NULL;
}

/* ---- texts ---- */

static void choice_hint(struct walk *w, struct problem *p, const char *word, const char *const *names)
{
    struct strs right = {0};
    for (size_t i = 0; names[i]; i++)
        *vec_add(w->arena, &right) = names[i];
    const char *near = str_nearest(word, right.p, right.n);
    p->hint = near ? arena_printf(w->arena, "did you mean \"%s\"?", near) : NULL;
}

static bool is_among(const char *word, const char *const *names, int *ret)
{
    for (int i = 0; names[i]; i++)
        if (same(names[i], word)) {
            *ret = i;
            return true;
        }
    return false;
}

static void read_string(struct walk *w, const struct option *o, const char **to, const struct yaml_node *node,
                        const char *path)
{
    int unused;
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    if (o->names && !is_among(text, o->names, &unused))
        choice_hint(w, value_mismatch(w, node, path, option_type_words(w->arena, o)), text, o->names);
    else if (!*text)
        wrong(w, node, path, "is empty");
    else
        *to = text;
}

static void read_name(struct walk *w, const struct option *o, const char **to, const struct yaml_node *node,
                      const char *path)
{
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    if (strlen(text) > NAME_MAX_CHARS)
        wrong(w, node, path,
              arena_printf(w->arena, "a name has at most %d characters, here are %zu", NAME_MAX_CHARS, strlen(text)));
    else if (!str_is_name(str_of(text)))
        value_mismatch(w, node, path, "a name: a letter, then letters, digits, - and _");
    else
        *to = text;
}

static bool is_one_line(const char *text)
{
    return !strpbrk(text, "\n\t");
}

static void read_path(struct walk *w, const struct option *o, const char **to, const struct yaml_node *node,
                      const char *path)
{
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    if (*text != '/' || !is_one_line(text))
        value_mismatch(w, node, path, "an absolute path")->hint =
            "begin it with /: relative paths depend on where bascule was started";
    else
        *to = text;
}

static void read_url(struct walk *w, const struct option *o, const char **to, const struct yaml_node *node,
                     const char *path)
{
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    size_t authority = host ? strcspn(host, "/?#") : 0;
    if (!host || authority == 0 || *host == ':' || strpbrk(text, " \t\n\"<>\\")) {
        value_mismatch(w, node, path, "an address that begins with http:// or https:// and names a host");
    } else if (memchr(host, '@', authority)) {
        problem_hide(w->problems, walk_place(w, node, path));
        wrong(w, node, path, "an address must not hold a user or a password")->hint =
            "they would show up in logs and process lists";
    } else {
        *to = text;
    }
}

/* ---- numbers ---- */

static bool number_of(struct walk *w, const struct option *o, const struct yaml_node *node, const char *path, int *to)
{
    int64_t value, top = o->max ? o->max : INT_MAX;
    const char *text = scalar(w, o, node, path);
    if (!text)
        return false;
    if (!str_int(str_of(text), &value)) {
        struct problem *p = value_mismatch(w, node, path, "a whole number");
        if (isdigit((unsigned char)*text))
            p->hint = "write the number alone, without unit, separator or %";
        return false;
    }
    if (value < o->min || value > top) {
        const char *bounds = option_bounds_words(w->arena, o);
        value_mismatch(w, node, path, *bounds ? bounds : "0 or more");
        return false;
    }
    *to = (int)value;
    return true;
}

static void read_bool(struct walk *w, const struct option *o, bool *to, const struct yaml_node *node, const char *path)
{
    static const char *const names[] = {"false", "true", "no", "yes", "off", "on", NULL};
    int index;
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    if (is_among(text, names, &index))
        *to = index % 2 == 1;
    else
        choice_hint(w, value_mismatch(w, node, path, "true or false"), text, names);
}

static void read_enum(struct walk *w, const struct option *o, int *to, const struct yaml_node *node, const char *path)
{
    const char *text = scalar(w, o, node, path);
    if (text && !is_among(text, o->names, to))
        choice_hint(w, value_mismatch(w, node, path, option_type_words(w->arena, o)), text, o->names);
}

/* The unit that people mean when they write "5min" or "30 sec"; NULL: cannot tell. */
static const char *duration_meant(struct walk *w, const char *text)
{
    static const struct {
        const char *written, *unit;
    } units[] = {{"min", "m"},  {"mins", "m"},   {"minute", "m"},  {"minutes", "m"}, {"mn", "m"},    {"sec", "s"},
                 {"secs", "s"}, {"second", "s"}, {"seconds", "s"}, {"hour", "h"},    {"hours", "h"}, {"hr", "h"},
                 {"hrs", "h"},  {"day", "d"},    {"days", "d"},    {"j", "d"},       {"msec", "ms"}, {"M", "m"},
                 {"S", "s"},    {"H", "h"},      {"D", "d"}};
    size_t digits = strspn(text, "0123456789");
    struct str unit = str_trim(str_of(text + digits));
    if (digits == 0 || digits > 9)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (str_is(unit, units[i].written))
            return arena_printf(w->arena, "did you mean \"%.*s%s\"?", (int)digits, text, units[i].unit);
    return NULL;
}

static void read_duration(struct walk *w, const struct option *o, int64_t *to, const struct yaml_node *node,
                          const char *path)
{
    int64_t ms, unused;
    struct err err = {0};
    const char *text = scalar(w, o, node, path);
    if (!text)
        return;
    if (str_int(str_of(text), &unused) && !same(text, "0")) {
        struct problem *p = wrong(w, node, path, arena_printf(w->arena, "duration %s has no unit", found(w, node)));
        p->hint = *text == '-' ? "write a number and a unit: ms, s, m, h or d"
                               : arena_printf(w->arena, "write %ss for seconds, %sm for minutes", text, text);
        return;
    }
    if (same(text, "0"))
        ms = 0; /* nothing to guess */
    else if (!duration_parse(text, &ms, &err)) {
        const char *meant = duration_meant(w, text);
        wrong(w, node, path, arena_printf(w->arena, "%s is not a duration", found(w, node)))->hint =
            meant ? meant : arena_strdup(w->arena, err.hint);
        return;
    }
    if (ms < o->min || (o->max && ms > o->max))
        value_mismatch(w, node, path, option_bounds_words(w->arena, o));
    else
        *to = ms;
}

/* ---- lists of values ---- */

static void read_strings(struct walk *w, const struct option *o, struct strs *to, const struct yaml_node *node,
                         const char *path)
{
    if (node->kind == YAML_SCALAR) {
        const struct yaml_node *one[] = {node};
        const struct yaml_node list = {
            .kind = YAML_LIST, .line = node->line, .column = node->column, .items = (struct yaml_node **)one, .n = 1};
        read_strings(w, o, to, &list, path);
        return;
    }
    if (node->kind != YAML_LIST) {
        value_mismatch(w, node, path, "a list");
        return;
    }
    if (node->n == 0 && o->required)
        wrong(w, node, path, "is empty; at least one is needed");
    *to = (struct strs){.p = arena_array(w->arena, const char *, node->n), .cap = node->n};
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *item = node->items[i];
        const char *own = arena_printf(w->arena, "%s[%zu]", path, i + 1);
        if (item->kind != YAML_SCALAR || yaml_is_null(item)) {
            value_mismatch(w, item, own, "a single value");
            continue;
        }
        const char **field = &to->p[to->n++];
        *field = item->text;
        if (!w->instead)
            *vec_add(w->arena, &w->origins) = (struct origin){.field = field, .place = walk_place(w, item, own)};
    }
}

static void read_argv(struct walk *w, const struct option *o, struct strs *to, const struct yaml_node *node,
                      const char *path)
{
    if (node->kind != YAML_SCALAR)
        read_strings(w, o, to, node, path);
    else if (!str_words(w->arena, node->text, to))
        wrong(w, node, path, "a quote in this command is never closed");
    if ((node->kind == YAML_LIST || node->kind == YAML_SCALAR) && (to->n == 0 || !*to->p[0]))
        wrong(w, node, path, "names no program")->hint = "leave the key out, or write [PROGRAM, ARGUMENT, ...]";
}

static void read_ints(struct walk *w, const struct option *o, struct ints *to, const struct yaml_node *node,
                      const char *path)
{
    int value;
    if (node->kind == YAML_MAP) {
        value_mismatch(w, node, path, "a list of numbers");
    } else if (node->kind == YAML_SCALAR) {
        if (number_of(w, o, node, path, &value))
            *vec_add(w->arena, to) = value;
    } else {
        if (node->n == 0)
            wrong(w, node, path, "is empty; at least one is needed");
        for (size_t i = 0; i < node->n; i++)
            if (number_of(w, o, node->items[i], arena_printf(w->arena, "%s[%zu]", path, i + 1), &value))
                *vec_add(w->arena, to) = value;
    }
}

/* ---- secrets, hosts, texts in two languages ---- */

static const char secret_hint[] = "write where it stands: {file: /PATH}, {env: NAME} or {credential: NAME}";

static void read_secret(struct walk *w, struct secret *to, const struct yaml_node *node, const char *path)
{
    static const enum secret_source sources[] = {SECRET_FILE, SECRET_ENV, SECRET_CREDENTIAL};
    if (node->kind != YAML_MAP) {
        problem_hide(w->problems, walk_place(w, node, path));
        wrong(w, node, path, "a secret must not stand here in clear")->hint = secret_hint;
        return;
    }
    const char *refs[COUNT_OF(sources)] = {0};
    struct option table[COUNT_OF(sources) + 1];
    int given = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        table[i] = secret_options[i];
        table[i].offset = i * sizeof(refs[0]);
    }
    size_t errors = w->problems->errors;
    walk_map(w, node, path, table, refs);
    if (w->problems->errors != errors)
        return;
    for (size_t i = 0; i < COUNT_OF(sources); i++)
        if (refs[i]) {
            *to = (struct secret){.source = sources[i], .ref = refs[i]};
            given++;
        }
    if (given != 1)
        wrong(w, node, path,
              given ? arena_printf(w->arena, "a secret has one source, here are %d", given) : "a secret needs a source")
            ->hint = secret_hint;
}

static void read_host(struct walk *w, struct host *to, const struct yaml_node *node, const char *path)
{
    if (node->kind == YAML_SCALAR && same(node->text, "local")) {
        *to = (struct host){.address = "local", .port = 22};
    } else if (node->kind == YAML_MAP) {
        walk_map(w, node, path, host_options, to);
        if (to->address && *to->address == '-') /* ssh would take it for an option */
            value_mismatch(w, yaml_get(node, "address"), path, "the name or address of a host");
    } else {
        value_mismatch(w, node, path, "local or a mapping with the host's address")->hint =
            node->kind == YAML_SCALAR ? arena_printf(w->arena, "write {address: %s}", node->text) : NULL;
    }
}

static void read_text2(struct walk *w, struct text2 *to, const struct yaml_node *node, const char *path)
{
    static const struct option table[] = {
        {"en", OPTION_STRING, .offset = offsetof(struct text2, en)},
        {"fr", OPTION_STRING, .offset = offsetof(struct text2, fr)},
        OPTION_END,
    };
    struct text2 text = {0};
    if (node->kind == YAML_SCALAR)
        text.en = text.fr = node->text;
    else if (node->kind == YAML_MAP)
        walk_map(w, node, path, table, &text);
    else
        value_mismatch(w, node, path, "a text, or {en: ..., fr: ...}");
    /* One language stands for both: half a translation is better than an empty message. */
    to->en = text.en ? text.en : text.fr;
    to->fr = text.fr ? text.fr : text.en;
}

void value_read(struct walk *w, const struct option *o, void *to, const struct yaml_node *node, const char *path)
{
    switch (o->type) {
    case OPTION_STRING:
        read_string(w, o, to, node, path);
        break;
    case OPTION_NAME:
        read_name(w, o, to, node, path);
        break;
    case OPTION_PATH:
        read_path(w, o, to, node, path);
        break;
    case OPTION_URL:
        read_url(w, o, to, node, path);
        break;
    case OPTION_INT:
        (void)number_of(w, o, node, path, to);
        break;
    case OPTION_BOOL:
        read_bool(w, o, to, node, path);
        break;
    case OPTION_DURATION:
        read_duration(w, o, to, node, path);
        break;
    case OPTION_ENUM:
        read_enum(w, o, to, node, path);
        break;
    case OPTION_STRINGS:
        read_strings(w, o, to, node, path);
        break;
    case OPTION_ARGV:
        read_argv(w, o, to, node, path);
        break;
    case OPTION_INTS:
        read_ints(w, o, to, node, path);
        break;
    case OPTION_SECRET:
        read_secret(w, to, node, path);
        break;
    case OPTION_HOST:
        read_host(w, to, node, path);
        break;
    case OPTION_TEXT2:
        read_text2(w, to, node, path);
        break;
    case OPTION_GROUP:
    case OPTION_LIST:
        break; /* walk.c */
    }
}
