/* tell/markup.c -- Reads the plain text of a message back into headings, rows, lists and lines. */
#include "tell/markup.h"

#include "tell/templates.h"

struct block {
    const char *heading;
    struct mustache_value rows, items, lines;
};

static bool is_address(const char *text)
{
    struct str s = str_of(text);
    return (str_starts(s, "https://") || str_starts(s, "http://")) && !strpbrk(text, " \t\"<>");
}

/* "Key: value"; French puts a blank before the colon. A colon within a sentence is none: a key is short. */
static bool add_row(struct arena *arena, struct block *block, struct str line)
{
    enum { KEY_MAX = 40 };
    const char *colon = memmem(line.p, line.n, ": ", 2);
    size_t n = colon ? (size_t)(colon - line.p) : 0;
    if (n == 0 || n > KEY_MAX)
        return false;
    const char *value = str_dup(arena, str_trim((struct str){line.p + n + 1, line.n - n - 1}));
    struct mustache_value *row = mustache_add_map(arena, &block->rows);
    mustache_put(arena, row, "key", str_dup(arena, str_trim((struct str){line.p, n})));
    mustache_put(arena, row, "value", value);
    mustache_put(arena, row, "href", is_address(value) ? value : NULL);
    return true;
}

static void put_block(struct arena *arena, struct mustache_value *blocks, const struct block *block)
{
    struct mustache_value *map = mustache_add_map(arena, blocks);
    mustache_put(arena, map, "heading", block->heading);
    mustache_put_bool(arena, map, "any_rows", block->rows.items.n > 0);
    mustache_put_bool(arena, map, "any_items", block->items.items.n > 0);
    *mustache_put_list(arena, map, "rows") = (struct mustache_value){.kind = MUSTACHE_LIST, .key = "rows", .items = block->rows.items};
    *mustache_put_list(arena, map, "items") = (struct mustache_value){.kind = MUSTACHE_LIST, .key = "items", .items = block->items.items};
    *mustache_put_list(arena, map, "lines") = (struct mustache_value){.kind = MUSTACHE_LIST, .key = "lines", .items = block->lines.items};
}

static void take_line(struct arena *arena, struct block *block, struct str line)
{
    if (str_starts(line, "- "))
        mustache_add_text(arena, &block->items, str_dup(arena, (struct str){line.p + 2, line.n - 2}));
    else if (line.n && line.p[line.n - 1] == ':' && !block->heading && !block->rows.items.n && !block->lines.items.n)
        block->heading = str_dup(arena, str_trim((struct str){line.p, line.n - 1}));
    else if (!add_row(arena, block, line))
        mustache_add_text(arena, &block->lines, str_dup(arena, line));
}

static void put_blocks(struct arena *arena, struct mustache_value *root, const char *body)
{
    struct str rest = str_of(body), line;
    struct mustache_value *blocks = mustache_put_list(arena, root, "blocks");
    struct block block = {0};
    bool any = false;
    while (str_next(&rest, '\n', &line)) {
        if (line.n) {
            take_line(arena, &block, line);
            any = true;
        } else if (any) {
            put_block(arena, blocks, &block);
            block = (struct block){0};
            any = false;
        }
    }
    if (any)
        put_block(arena, blocks, &block);
}

char *markup_render(struct arena *arena, const struct config *config, enum language language, enum markup_tone tone, const char *subject, const char *body)
{
    struct mustache_value root = {.kind = MUSTACHE_MAP};
    const char *end = strchr(body, '\n');
    mustache_put(arena, &root, "language", language == LANGUAGE_FR ? "fr" : "en");
    mustache_put(arena, &root, "subject", subject);
    mustache_put(arena, &root, "headline", end ? arena_strndup(arena, body, (size_t)(end - body)) : body);
    mustache_put_bool(arena, &root, "good", tone == MARKUP_GOOD);
    mustache_put_bool(arena, &root, "calm", tone == MARKUP_CALM);
    put_blocks(arena, &root, end ? end + 1 : "");
    return template_fill_markup(arena, config, &root);
}
