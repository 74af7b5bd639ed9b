/* config/problems.h -- Everything that is wrong with a configuration, kept until all of it is known, then printed in
   the order of the files. A line that holds a secret in clear is never printed beyond the place where the secret
   begins. */
#pragma once
#include "io/yaml.h"

struct place {
    const struct yaml_doc *doc;
    int line, column;
    const char *path; /* "services[akig].checks[public].interval"; "" for the file as a whole */
};

struct problem {
    struct place place;
    bool warning;
    size_t rank; /* of its file, in the order in which files were found to have problems */
    const char *text;
    const char *hint; /* NULL: none */
};

struct problems {
    struct arena *arena;
    struct {
        struct problem *p;
        size_t n, cap;
    } list;
    struct {
        struct place *p;
        size_t n, cap;
    } secrets;
    struct {
        const struct yaml_doc **p;
        size_t n, cap;
    } docs;
    size_t errors, warnings; /* found, also those beyond what is kept */
    struct problem spare;    /* stands in for what is not kept */
};

enum { PROBLEMS_MAX = 100 };

/* Never NULL; the caller may set the hint. */
struct problem *problem_error(struct problems *problems, struct place place, const char *fmt, ...) PRINTF_LIKE(3, 4);
struct problem *problem_warning(struct problems *problems, struct place place, const char *fmt, ...) PRINTF_LIKE(3, 4);
void problem_hide(struct problems *problems, struct place place); /* a secret in clear begins here */
/* The hint for a wrong word: the nearest of the right ones, else all of them when they are few. NULL when there is
 * nothing to say. */
const char *hint_nearest(struct arena *arena, const char *word, const struct strs *right);
void problems_print(struct problems *problems, struct buf *out);
