/* base/jsonout.h -- Writes JSON into a buf: commas, nesting, escaping. Reading is io/json. Output that hit the buffer's limit
   shows as buf.over; malformed UTF-8 is written as U+FFFD, so what comes out is always valid JSON (RFC 8259). Four names are also
   jansson's, hence LINKED_AS. */
#pragma once
#include <stdint.h>

#include "base/buf.h"

struct jsonout {
    struct buf *to;
    int depth;
    uint64_t started; /* bit per depth: something was already written there, so a comma is due */
    bool after_key;
};

struct jsonout jsonout(struct buf *to);
void json_object(struct jsonout *j) LINKED_AS("json_object"); /* at most 63 levels; deeper aborts */
void json_object_end(struct jsonout *j);
void json_array(struct jsonout *j) LINKED_AS("json_array");
void json_array_end(struct jsonout *j);
void json_key(struct jsonout *j, const char *key);
void json_text(struct jsonout *j, const char *text); /* NULL gives null */
void json_int(struct jsonout *j, int64_t value);
void json_real(struct jsonout *j, double value) LINKED_AS("json_real"); /* not finite gives null */
void json_bool(struct jsonout *j, bool value);
void json_null(struct jsonout *j) LINKED_AS("json_null");
/* Key and value at once, inside an object. */
void json_put_text(struct jsonout *j, const char *key, const char *text);
void json_put_int(struct jsonout *j, const char *key, int64_t value);
void json_put_bool(struct jsonout *j, const char *key, bool value);
