/* dump/words.c -- A small walk over a statement that is whole in memory; the lexer has found its borders already. */
#include "dump/words.h"

#include <strings.h>

static bool is_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_part(char c)
{
    return is_start(c) || (c >= '0' && c <= '9') || c == '$';
}

/* Length of a quoted thing that begins at s.p[0], doubled quotes and, with `escapes`, backslashes seen. */
static size_t quoted(struct str s, bool escapes)
{
    char quote = s.p[0];
    for (size_t i = 1; i < s.n; i++) {
        if (escapes && s.p[i] == '\\')
            i++;
        else if (s.p[i] == quote && i + 1 < s.n && s.p[i + 1] == quote)
            i++;
        else if (s.p[i] == quote)
            return i + 1;
    }
    return s.n;
}

static size_t dollar_quoted(struct str s)
{
    size_t tag = 1;
    while (tag < s.n && is_part(s.p[tag]) && s.p[tag] != '$' && (tag > 1 || is_start(s.p[tag])))
        tag++;
    if (tag >= s.n || s.p[tag] != '$')
        return 1;
    tag++;
    const char *end = memmem(s.p + tag, s.n - tag, s.p, tag);
    return end ? (size_t)(end - s.p) + tag : s.n;
}

static size_t comment(struct str s)
{
    if (s.p[0] == '-') {
        const char *end = memchr(s.p, '\n', s.n);
        return end ? (size_t)(end - s.p) : s.n;
    }
    int depth = 0;
    for (size_t i = 0; i + 1 < s.n; i++) {
        bool opens = s.p[i] == '/' && s.p[i + 1] == '*', closes = s.p[i] == '*' && s.p[i + 1] == '/';
        depth += opens - closes;
        i += opens || closes;
        if (closes && depth == 0)
            return i + 1;
    }
    return s.n;
}

/* Length of what is no word at the front of `s`, at least 1. */
static size_t other(struct str s, char before)
{
    char c = s.p[0], next = s.n > 1 ? s.p[1] : 0;
    if (c == '\'')
        return quoted(s, before == 'E' || before == 'e');
    if (c == '$')
        return dollar_quoted(s);
    if ((c == '-' && next == '-') || (c == '/' && next == '*'))
        return comment(s);
    size_t n = 1;
    if (c >= '0' && c <= '9')
        while (n < s.n && is_part(s.p[n]))
            n++;
    return n;
}

bool words_next(struct str *rest, struct str *ret)
{
    struct str s = *rest;
    char before = 0;
    while (s.n) {
        size_t n = 0;
        if (s.p[0] == '"')
            n = quoted(s, false);
        else if (is_start(s.p[0]))
            while (n < s.n && is_part(s.p[n]))
                n++;
        /* E'...', B'...' and the like are strings, not words. */
        bool prefix = n == 1 && s.n > 1 && s.p[1] == '\'';
        if (n && !prefix) {
            *ret = (struct str){s.p, n};
            *rest = (struct str){s.p + n, s.n - n};
            return true;
        }
        if (!n)
            n = other(s, before);
        before = n == 1 ? s.p[0] : 0;
        s = (struct str){s.p + n, s.n - n};
    }
    *rest = s;
    return false;
}

bool word_is(struct str word, const char *keyword)
{
    return word.n == strlen(keyword) && strncasecmp(word.p, keyword, word.n) == 0;
}

char *word_name(struct arena *arena, struct str word)
{
    char *name = str_dup(arena, word);
    size_t n = 0;
    bool in_quotes = word.n && word.p[0] == '"';
    for (size_t i = in_quotes; i < word.n - in_quotes; i++) {
        char c = word.p[i];
        if (in_quotes && c == '"')
            i++; /* the second of a doubled quote */
        name[n++] = !in_quotes && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    name[n] = 0;
    return name;
}

bool words_begin(struct str statement, const char *keywords)
{
    struct str wanted = str_of(keywords), want, word;
    while (str_next(&wanted, ' ', &want)) {
        if (!words_next(&statement, &word))
            return false;
        if (!str_is(want, "*") && (want.n != word.n || strncasecmp(want.p, word.p, word.n) != 0))
            return false;
    }
    return true;
}
