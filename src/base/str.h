/* base/str.h -- Views of text that somebody else owns, and the questions asked of them. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct arena;

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){.p = (literal), .n = sizeof(literal) - 1})
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).n, (s).p

struct str str_of(const char *text); /* NULL gives an empty view */
bool str_is(struct str s, const char *text);
bool str_starts(struct str s, const char *prefix);
struct str str_trim(struct str s);
/* Cuts the part before the first `separator` off *rest into *ret; false when *rest was used up (its p is NULL). */
bool str_next(struct str *rest, char separator, struct str *ret);
/* A whole decimal number, signed, nothing else around it; false when it is not one or does not fit. */
MUST_USE bool str_int(struct str s, int64_t *ret);
char *str_dup(struct arena *arena, struct str s);

bool same(const char *a, const char *b); /* equal texts; NULL equals only NULL */
/* Whole words of "a b 'c d'": single and double quotes group, backslash escapes in double quotes. NULL when a quote is open. */
struct strs;
bool str_words(struct arena *arena, const char *text, struct strs *ret);
/* The candidate nearest to `word` by edit distance, or NULL when none is near enough to be meant. */
const char *str_nearest(const char *word, const char *const *candidates, size_t count);
/* Copies into a fixed array, cut at a UTF-8 character when it does not fit; always terminated. Returns false when cut. */
bool str_copy(char *to, size_t size, const char *from);
#define COPY_TO(array, from) str_copy((array), sizeof(array), (from))
/* Is it well-formed UTF-8 without C0 controls other than \n and \t? */
bool str_is_clean(struct str s);
/* Is it a name: letters, digits, '-', '_', starting with a letter? */
bool str_is_name(struct str s);
