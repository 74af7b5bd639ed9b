/* base/option.h -- Tables that say which keys a YAML mapping may have and where their values go. The same table reads the
   configuration, prints the commented sample and the manual's option chapter, and suggests the nearest key. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/target.h"
#include "base/vec.h"

enum option_type {
    OPTION_STRING,   /* const char *   clean UTF-8 */
    OPTION_NAME,     /* const char *   letters, digits, '-', '_' */
    OPTION_PATH,     /* const char *   absolute path */
    OPTION_URL,      /* const char *   http:// or https:// */
    OPTION_INT,      /* int            within min and max */
    OPTION_BOOL,     /* bool */
    OPTION_DURATION, /* int64_t ms     within min and max, ms */
    OPTION_ENUM,     /* int            index into `names` */
    OPTION_STRINGS,  /* struct strs    a list of strings, or one string */
    OPTION_ARGV,     /* struct strs    a list, or one string split at blanks with quotes */
    OPTION_INTS,     /* struct ints    a list of numbers, or one */
    OPTION_SECRET,   /* struct secret  {file: PATH} | {env: NAME} | {credential: NAME} */
    OPTION_HOST,     /* struct host    "local" | {address, port, user, identity, known_hosts} */
    OPTION_TEXT2,    /* struct text2   {en: ..., fr: ...}, or one string for both */
    OPTION_GROUP,    /* a nested struct read through `sub` */
    OPTION_LIST,     /* VEC(struct) of elements read through `sub`, each `size` bytes */
};

struct text2 {
    const char *en, *fr; /* both set or both NULL */
};

struct option {
    const char *key;
    enum option_type type;
    size_t offset;
    const char *fallback; /* default as it would be written in YAML; NULL: none */
    int64_t min, max;     /* for numbers and durations; both 0: no bounds beyond 0 or more */
    bool required;
    const char *const *names;  /* OPTION_ENUM, ended by NULL */
    const struct option *sub;  /* OPTION_GROUP and OPTION_LIST, ended by an entry whose key is NULL */
    size_t size;               /* OPTION_LIST: bytes of an element */
    const char *help;          /* one line, lower case, no full stop */
    const char *sample;        /* value shown in the sample; NULL: the default, commented out */
};

#define OPTION_END {.key = NULL}

/* Every element struct of an OPTION_LIST starts with one of these, filled by the reader, so that later checks can name the place. */
struct mark {
    const char *file;
    int line, column;
};
