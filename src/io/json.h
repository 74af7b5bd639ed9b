/* io/json.h -- Reading JSON (jansson inside). Duplicate keys and trailing text are errors; depth and size are limited. */
#pragma once
#include "base/base.h"

enum { JSON_TEXT_MAX = 16 * 1024 * 1024, JSON_DEPTH_MAX = 64 };
struct json; /* a value; lives as long as the arena of its document */

MUST_USE bool json_parse(struct arena *arena, struct str text, const struct json **ret, struct err *err); /* line and column in the error */
const struct json *json_get(const struct json *object, const char *key);  /* NULL when absent or not an object; NULL object is fine */
const struct json *json_path(const struct json *root, const char *dotted); /* "a.b.0.c" */
const struct json *json_at(const struct json *array, size_t index);
size_t json_count(const struct json *value);                               /* elements or members; 0 for anything else */
const char *json_key_at(const struct json *object, size_t index);          /* in the order of the text; NULL past the end */
const char *json_string(const struct json *value) LINKED_AS("json_string"); /* NULL when not a string */
bool json_integer(const struct json *value, int64_t *ret) LINKED_AS("json_integer"); /* jansson has functions of these two names */
bool json_truth(const struct json *value, bool *ret);
/* As it was read, on one line; what does not fit shows as out->over, and what is nested more than 60 deep is left out. */
void json_print(const struct json *value, struct buf *out);
/* A scalar as text ("true", "12", "1.5", "ok", "null"); NULL for arrays, objects and NULL. */
const char *json_scalar(struct arena *arena, const struct json *value);
