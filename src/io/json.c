/* io/json.c -- jansson parses; the values are then copied into the arena, so that nobody has to give anything back. */

/* jansson has functions of some of our names; nobody calls them here. */
#define json_string jansson_string_unused
#define json_integer jansson_integer_unused
#define json_object jansson_object_unused
#define json_array jansson_array_unused
#define json_real jansson_real_unused
#define json_null jansson_null_unused
#include <jansson.h>
#undef json_string
#undef json_integer
#undef json_object
#undef json_array
#undef json_real
#undef json_null

#include <inttypes.h>

#include "base/jsonout.h"
#include "io/json.h"

struct member {
    const char *key; /* NULL in an array */
    struct json *value;
};

struct json {
    json_type type;
    const char *text;  /* JSON_STRING */
    int64_t integer;
    double real;
    struct member *members; /* JSON_OBJECT, JSON_ARRAY */
    size_t count;
};

static bool copy(struct arena *arena, const json_t *from, int depth, struct json **ret, struct err *err);

static bool copy_members(struct arena *arena, const json_t *from, int depth, struct json *to, struct err *err)
{
    bool object = json_is_object(from);
    to->count = object ? json_object_size(from) : json_array_size(from);
    to->members = arena_array(arena, struct member, to->count);
    /* jansson's iterators take no const, but change nothing. */
    json_t *whole = (json_t *)(uintptr_t)from;
    void *iter = object ? json_object_iter(whole) : NULL;
    for (size_t i = 0; i < to->count; i++) {
        const json_t *value = object ? json_object_iter_value(iter) : json_array_get(from, i);
        if (!copy(arena, value, depth + 1, &to->members[i].value, err))
            return false;
        if (object) {
            to->members[i].key = arena_strdup(arena, json_object_iter_key(iter));
            iter = json_object_iter_next(whole, iter);
        }
    }
    return true;
}

static bool copy(struct arena *arena, const json_t *from, int depth, struct json **ret, struct err *err)
{
    if (depth > JSON_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "the JSON text is nested more than %d deep", JSON_DEPTH_MAX);
    struct json *to = arena_new(arena, struct json);
    to->type = json_typeof(from);
    *ret = to;
    switch (to->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return copy_members(arena, from, depth, to, err);
    case JSON_STRING:
        to->text = arena_strdup(arena, json_string_value(from));
        return true;
    case JSON_INTEGER:
        to->integer = json_integer_value(from);
        return true;
    case JSON_REAL:
        to->real = json_real_value(from);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    }
    return err_set(err, ERR_INTERNAL, "jansson gave a value of unknown type %d", (int)to->type);
}

bool json_parse(struct arena *arena, struct str text, const struct json **ret, struct err *err)
{
    if (text.n > JSON_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "the JSON text is larger than %d bytes", JSON_TEXT_MAX);
    if (text.n == 0)
        return err_set(err, ERR_DATA, "the JSON text is empty");
    json_error_t failure;
    json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &failure);
    if (!root)
        return err_set(err, ERR_DATA, "the JSON text is wrong at line %d, column %d: %s", failure.line, failure.column, failure.text);
    struct json *value = NULL;
    bool ok = copy(arena, root, 1, &value, err);
    json_decref(root);
    if (ok)
        *ret = value;
    return ok;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (same(object->members[i].key, key))
            return object->members[i].value;
    return NULL;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return array && array->type == JSON_ARRAY && index < array->count ? array->members[index].value : NULL;
}

const struct json *json_path(const struct json *root, const char *dotted)
{
    struct str rest = str_of(dotted), part;
    while (root && str_next(&rest, '.', &part)) {
        int64_t index;
        if (root->type == JSON_ARRAY) {
            root = str_int(part, &index) && index >= 0 ? json_at(root, (size_t)index) : NULL;
            continue;
        }
        const struct json *found = NULL;
        for (size_t i = 0; root->type == JSON_OBJECT && i < root->count; i++)
            if (str_is(part, root->members[i].key))
                found = root->members[i].value;
        root = found;
    }
    return root;
}

size_t json_count(const struct json *value)
{
    return value ? value->count : 0;
}

const char *json_key_at(const struct json *object, size_t index)
{
    return object && index < object->count ? object->members[index].key : NULL;
}

const char *json_string(const struct json *value)
{
    return value && value->type == JSON_STRING ? value->text : NULL;
}

bool json_integer(const struct json *value, int64_t *ret)
{
    if (!value || value->type != JSON_INTEGER)
        return false;
    *ret = value->integer;
    return true;
}

bool json_truth(const struct json *value, bool *ret)
{
    if (!value || (value->type != JSON_TRUE && value->type != JSON_FALSE))
        return false;
    *ret = value->type == JSON_TRUE;
    return true;
}

/* The shortest text that reads back to the same number. */
static char *real_text(struct arena *arena, double real)
{
    for (int digits = 15; digits < 17; digits++) {
        char *text = arena_printf(arena, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            return text;
    }
    return arena_printf(arena, "%.17g", real);
}

const char *json_scalar(struct arena *arena, const struct json *value)
{
    if (!value)
        return NULL;
    switch (value->type) {
    case JSON_STRING:
        return arena_strdup(arena, value->text);
    case JSON_INTEGER:
        return arena_printf(arena, "%" PRId64, value->integer);
    case JSON_REAL:
        return real_text(arena, value->real);
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return NULL;
}

static void print(struct jsonout *j, const struct json *value)
{
    enum { PRINTED_DEPTH_MAX = 60 };
    if (j->depth >= PRINTED_DEPTH_MAX) { /* the writer goes less deep than the reader */
        json_text(j, "...");
        return;
    }
    switch (value->type) {
    case JSON_OBJECT:
        json_object(j);
        for (size_t i = 0; i < value->count; i++) {
            json_key(j, value->members[i].key);
            print(j, value->members[i].value);
        }
        json_object_end(j);
        return;
    case JSON_ARRAY:
        json_array(j);
        for (size_t i = 0; i < value->count; i++)
            print(j, value->members[i].value);
        json_array_end(j);
        return;
    case JSON_STRING:
        json_text(j, value->text);
        return;
    case JSON_INTEGER:
        json_int(j, value->integer);
        return;
    case JSON_REAL:
        json_real(j, value->real);
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        json_bool(j, value->type == JSON_TRUE);
        return;
    case JSON_NULL:
        json_null(j);
        return;
    }
}

void json_print(const struct json *value, struct buf *out)
{
    struct jsonout j = jsonout(out);
    print(&j, value);
}
