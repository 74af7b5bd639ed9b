/* restore/binary_array.c -- Arrays of one dimension that begin at 1: {1,NULL,"two words"}. */
#include <strings.h>

#include "restore/binary_types.h"

enum { HEAD = 20 }; /* dimensions, has nulls, type, length, lower bound */

struct elements {
    const struct binary_column *c;
    const char *s, *end; /* what is left of the text, behind '{' */
    char *to, *spare;    /* `spare`: where quotes are taken off */
    uint32_t count;
    bool nulls;
};

/* "a \"b\"", from behind the first quote. The server writes a backslash before a quote and a backslash only. */
static bool take_quoted(struct elements *e, const char **ret, size_t *ret_n)
{
    char *to = e->spare;
    for (; e->s < e->end && *e->s != '"'; e->s++) {
        if (*e->s == '\\' && ++e->s == e->end)
            return false;
        *to++ = *e->s;
    }
    if (e->s == e->end)
        return false;
    e->s++;
    *ret = e->spare;
    *ret_n = (size_t)(to - e->spare);
    return true;
}

/* Up to the comma or brace. The server quotes whatever holds blanks, quotes, braces or backslashes. */
static bool take_bare(struct elements *e, const char **ret, size_t *ret_n)
{
    static const char special[] = {' ', '\t', '\n', '\v', '\f', '\r', '"', '\\', '{'};
    const char *first = e->s;
    while (e->s < e->end && *e->s != ',' && *e->s != '}') {
        if (memchr(special, *e->s++, sizeof(special)))
            return false;
    }
    *ret = first;
    *ret_n = (size_t)(e->s - first);
    return *ret_n > 0;
}

static bool put_element(struct elements *e)
{
    const char *text;
    size_t n;
    bool quoted = e->s < e->end && *e->s == '"';
    e->s += quoted;
    if (!(quoted ? take_quoted(e, &text, &n) : take_bare(e, &text, &n)))
        return false;
    e->count++;
    if (!quoted && n == 4 && strncasecmp(text, "NULL", 4) == 0) {
        e->nulls = true;
        e->to = put32(e->to, UINT32_MAX);
        return e->c->nulls;
    }
    char *end = e->c->element->encode(e->c->element, text, n, e->to + 4);
    if (!end)
        return false;
    put32(e->to, (uint32_t)(end - e->to - 4));
    e->to = end;
    return true;
}

char *binary_elements(const struct binary_column *c, const char *s, size_t n, char *to)
{
    uint32_t type = c->element->type;
    if (TEXT_IS(s, n, "{}"))
        return put32(put32(put32(to, 0), 0), type);
    if (n < 3 || *s != '{')
        return NULL;
    struct elements e = {.c = c, .s = s + 1, .end = s + n, .to = to + HEAD, .spare = to + 12 * n + 64};
    do {
        if (!put_element(&e) || e.s == e.end || (*e.s != ',' && *e.s != '}'))
            return NULL;
    } while (*e.s++ == ',');
    if (e.s != e.end)
        return NULL;
    put32(put32(put32(put32(put32(to, 1), e.nulls), type), e.count), 1);
    return e.to;
}
