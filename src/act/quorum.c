/* act/quorum.c -- The setting read word by word, as PostgreSQL's own scanner does. */
#include "act/quorum.h"

#include <strings.h>

#include "base/banned.h"

struct token {
    char text[QUORUM_NAME_SIZE];
    char mark;   /* ',', '(', ')', '*'; 'w': a word; 0: the end */
    bool quoted;
};

static bool is_wordly(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool add(struct token *t, size_t *n, char c)
{
    if (*n + 1 >= sizeof(t->text))
        return false;
    t->text[(*n)++] = c;
    return true;
}

/* A quote is written twice inside quotes. */
static bool read_quoted(const char **p, struct token *ret)
{
    size_t n = 0;
    for (++*p; **p; ++*p) {
        if (**p == '"' && *++*p != '"')
            return n > 0;
        if (!add(ret, &n, **p))
            return false;
    }
    return false;
}

static bool read_token(const char **p, struct token *ret)
{
    size_t n = 0;
    *ret = (struct token){.mark = 'w'};
    *p += strspn(*p, " \t\n\r\f\v");
    if (!**p || strchr(",()*", **p)) {
        ret->mark = **p;
        *p += **p != 0;
        return true;
    }
    ret->quoted = **p == '"';
    if (ret->quoted)
        return read_quoted(p, ret);
    for (; is_wordly(**p); ++*p)
        if (!add(ret, &n, **p))
            return false;
    return n > 0;
}

static bool is_word(const struct token *t, const char *word)
{
    return t->mark == 'w' && !t->quoted && strcasecmp(t->text, word) == 0;
}

static bool is_number(const struct token *t, int64_t *ret)
{
    return t->mark == 'w' && !t->quoted && str_int(str_of(t->text), ret) && *ret > 0 && *ret <= INT16_MAX;
}

/* Names with commas between them, up to `end`, which is read too. */
static bool read_names(const char **p, struct token *t, char end, struct quorum *q)
{
    for (;;) {
        if (t->mark == '*')
            q->all = true;
        else if (t->mark != 'w' || q->n == QUORUM_NAMES_MAX)
            return false;
        else
            str_copy(q->names[q->n++], QUORUM_NAME_SIZE, t->text);
        if (!read_token(p, t))
            return false;
        if (t->mark == end)
            return true;
        if (t->mark != ',' || !read_token(p, t))
            return false;
    }
}

static bool read_setting(const char *p, struct quorum *q)
{
    struct token t;
    int64_t acks = 1;
    if (!read_token(&p, &t))
        return false;
    if (!t.mark) {
        q->acks = 0;
        return true;
    }
    bool method = is_word(&t, "any") || is_word(&t, "first");
    if (method && !read_token(&p, &t))
        return false;
    const char *after = p;
    struct token next;
    bool counted = is_number(&t, &acks) && read_token(&after, &next) && next.mark == '('; /* else a number is a name, too */
    q->acks = counted ? (int)acks : 1;
    if (!counted)
        return !method && read_names(&p, &t, 0, q);
    p = after;
    return read_token(&p, &t) && read_names(&p, &t, ')', q) && read_token(&p, &t) && !t.mark;
}

bool quorum_parse(const char *text, struct quorum *ret, struct err *err)
{
    struct quorum q = {0};
    if (!read_setting(text, &q))
        return err_set(err, ERR_DATA, "synchronous_standby_names is not understood: \"%.100s\"", text);
    *ret = q;
    return true;
}

bool quorum_names(const struct quorum *q, const char *standby)
{
    for (size_t i = 0; i < q->n; i++)
        if (strcasecmp(q->names[i], standby) == 0)
            return true;
    return q->all;
}

size_t quorum_needed(const struct quorum *q, size_t voters)
{
    return q->acks > 0 && voters > (size_t)q->acks ? voters - (size_t)q->acks + 1 : 1;
}
