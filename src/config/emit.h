/* config/emit.h -- Writes YAML in block form: indentation, dashes of list elements, lines that are commented out. */
#pragma once
#include "io/yaml.h"

struct emit {
    struct buf *out;
    int indent;
    bool dash;    /* the next line is the first of a list's element */
    bool comment; /* lines are commented out */
};

void emit_begin(struct emit *e);                                        /* indentation, and what goes before the text */
void emit_key(struct emit *e, const char *key);                         /* begins a line: "key:" */
void emit_note(struct emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3); /* a comment line */
void emit_strs(struct emit *e, const struct strs *list);                /* " [a, b]" and the end of the line */
