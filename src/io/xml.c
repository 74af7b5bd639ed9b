/* io/xml.c -- No document is built: what is not asked for is not looked at. */
#include "io/xml.h"

/* "<tag>" or "<tag attr...>"; not "<tagger>". */
static const char *find_open(struct str in, const char *tag, const char **ret_after)
{
    size_t n = strlen(tag);
    const char *end = in.p + in.n;
    for (const char *p = in.p; p && p < end && (p = memchr(p, '<', (size_t)(end - p))); p++) {
        const char *after = p + 1 + n;
        if (after >= end || memcmp(p + 1, tag, n) != 0 || !strchr(" \t\r\n>", *after))
            continue;
        const char *close = memchr(after, '>', (size_t)(end - after));
        if (!close)
            return NULL;
        *ret_after = close + 1;
        return p;
    }
    return NULL;
}

bool xml_next(struct str *rest, const char *tag, struct str *ret)
{
    char ending[64];
    const char *begin;
    if (!rest->p || snprintf(ending, sizeof(ending), "</%s>", tag) >= (int)sizeof(ending) || !find_open(*rest, tag, &begin))
        return false;
    const char *end = rest->p + rest->n, *stop = memmem(begin, (size_t)(end - begin), ending, strlen(ending));
    if (!stop)
        return false;
    *ret = (struct str){begin, (size_t)(stop - begin)};
    stop += strlen(ending);
    *rest = (struct str){stop, (size_t)(end - stop)};
    return true;
}

static const struct {
    const char *name;
    char c;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}};

char *xml_text(struct arena *arena, struct str in, const char *tag)
{
    struct str raw;
    if (!xml_next(&in, tag, &raw))
        return NULL;
    char *text = arena_alloc(arena, raw.n + 1), *to = text;
    for (size_t i = 0; i < raw.n;) {
        size_t n = 0;
        for (size_t k = 0; k < COUNT_OF(entities) && !n; k++)
            if (raw.n - i >= strlen(entities[k].name) && memcmp(raw.p + i, entities[k].name, strlen(entities[k].name)) == 0) {
                *to++ = entities[k].c;
                n = strlen(entities[k].name);
            }
        if (!n)
            *to++ = raw.p[i++];
        i += n;
    }
    *to = 0;
    return text;
}
