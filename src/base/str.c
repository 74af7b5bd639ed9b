/* base/str.c -- Views of text. */
#include "base/str.h"

#include <ctype.h>
#include <limits.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/vec.h"

struct str str_of(const char *text)
{
    return (struct str){.p = text, .n = text ? strlen(text) : 0};
}

bool str_is(struct str s, const char *text)
{
    size_t n = strlen(text);
    return s.n == n && (n == 0 || memcmp(s.p, text, n) == 0);
}

bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.n >= n && (n == 0 || memcmp(s.p, prefix, n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct str str_trim(struct str s)
{
    while (s.n && is_blank(s.p[0]))
        s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_next(struct str *rest, char separator, struct str *ret)
{
    if (!rest->p)
        return false;
    const char *cut = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    if (!cut) {
        *ret = *rest;
        *rest = (struct str){0};
        return true;
    }
    *ret = (struct str){.p = rest->p, .n = (size_t)(cut - rest->p)};
    rest->n -= ret->n + 1;
    rest->p = cut + 1;
    return true;
}

bool str_int(struct str s, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    if (negative)
        s.p++, s.n--;
    if (s.n == 0)
        return false;
    int64_t value = 0; /* built downwards, since INT64_MIN has no positive twin */
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, s.p[i] - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}

char *str_dup(struct arena *arena, struct str s)
{
    return arena_strndup(arena, s.p, s.n);
}

bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* One word from *p into `word`, which is at least as long as the rest of the text. False when a quote stays open. */
static bool take_word(const char **p, char *word)
{
    char quote = 0;
    for (; **p && (quote || !is_blank(**p)); (*p)++) {
        if (quote && **p == quote)
            quote = 0;
        else if (!quote && (**p == '\'' || **p == '"'))
            quote = **p;
        else if (quote == '"' && **p == '\\' && (*p)[1])
            *word++ = *++*p;
        else
            *word++ = **p;
    }
    *word = 0;
    return quote == 0;
}

bool str_words(struct arena *arena, const char *text, struct strs *ret)
{
    struct strs words = {0};
    for (const char *p = text;;) {
        while (is_blank(*p))
            p++;
        if (!*p)
            break;
        char *word = arena_alloc(arena, strlen(p) + 1);
        if (!take_word(&p, word))
            return false;
        *vec_add(arena, &words) = word;
    }
    *ret = words;
    return true;
}

/* Levenshtein distance of short words; anything longer than the table is far from everything. */
static size_t distance(const char *a, const char *b)
{
    enum { LONGEST = 48 };
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST)
        return LONGEST;
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            row[j] = MIN_OF(change, MIN_OF(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[nb];
}

const char *str_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1, nearest = limit + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, candidates[i]);
        if (d < nearest)
            best = candidates[i], nearest = d;
    }
    return best;
}

bool str_copy(char *to, size_t size, const char *from)
{
    if (!size)
        return false;
    if (!from)
        from = "";
    size_t n = strlen(from);
    bool fits = n < size;
    if (!fits) {
        n = size - 1;
        while (n && ((unsigned char)from[n] & 0xC0) == 0x80)
            n--; /* never half a character */
    }
    memmove(to, from, n);
    to[n] = 0;
    return fits;
}

/* Bytes of the UTF-8 character at p, 0 when it is malformed (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char low, high, second_low, second_high, length;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (p[0] < forms[i].low || p[0] > forms[i].high)
            continue;
        if (n < forms[i].length)
            return 0;
        if (forms[i].length > 1 && (p[1] < forms[i].second_low || p[1] > forms[i].second_high))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

bool str_is_clean(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
            return false;
        size_t length = utf8_length((const unsigned char *)s.p + i, s.n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool str_is_name(struct str s)
{
    if (s.n == 0 || !isalpha((unsigned char)s.p[0]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return true;
}
