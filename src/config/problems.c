/* config/problems.c -- Collecting and printing problems. */
#include "config/problems.h"

static size_t rank_of(struct problems *problems, const struct yaml_doc *doc)
{
    for (size_t i = 0; i < problems->docs.n; i++)
        if (problems->docs.p[i] == doc)
            return i;
    *vec_add(problems->arena, &problems->docs) = doc; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    return problems->docs.n - 1;
}

static struct problem *add(struct problems *problems, struct place place, const char *text)
{
    if (problems->list.n == PROBLEMS_MAX) {
        problems->spare = (struct problem){0};
        return &problems->spare;
    }
    struct problem *p = vec_add(problems->arena, &problems->list);
    *p = (struct problem){.place = place, .rank = rank_of(problems, place.doc), .text = text};
    return p;
}

struct problem *problem_error(struct problems *problems, struct place place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct problem *p = add(problems, place, arena_vprintf(problems->arena, fmt, args));
    va_end(args);
    problems->errors++;
    return p;
}

struct problem *problem_warning(struct problems *problems, struct place place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct problem *p = add(problems, place, arena_vprintf(problems->arena, fmt, args));
    va_end(args);
    p->warning = true;
    problems->warnings++;
    return p;
}

void problem_hide(struct problems *problems, struct place place)
{
    *vec_add(problems->arena, &problems->secrets) = place;
}

const char *hint_nearest(struct arena *arena, const char *word, const struct strs *right)
{
    enum { FEW = 12 };
    const char *near = str_nearest(word, right->p, right->n);
    if (near)
        return arena_printf(arena, "did you mean \"%s\"?", near);
    if (right->n == 0 || right->n > FEW)
        return NULL;
    const char *all = "";
    for (size_t i = 0; i < right->n; i++)
        all = arena_printf(arena, "%s%s\"%s\"", all, i ? ", " : "", right->p[i]);
    return arena_printf(arena, "there %s %s", right->n == 1 ? "is" : "are", all);
}

static bool before(const struct problem *a, const struct problem *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line;
    return a->place.column < b->place.column;
}

static void sort(struct problems *problems)
{
    struct problem *p = problems->list.p;
    for (size_t i = 1; i < problems->list.n; i++)
        for (size_t k = i; k > 0 && before(&p[k], &p[k - 1]); k--) {
            struct problem swap = p[k];
            p[k] = p[k - 1];
            p[k - 1] = swap;
        }
}

/* Column (from 1) at which a secret begins in this line; 0: none. */
static int hidden_from(const struct problems *problems, const struct place *place)
{
    int from = 0;
    for (size_t i = 0; i < problems->secrets.n; i++) {
        const struct place *s = &problems->secrets.p[i];
        if (s->doc == place->doc && s->line == place->line && (!from || s->column < from))
            from = s->column;
    }
    return from;
}

/* Bytes of the first `characters` characters. */
static size_t bytes_of(struct str text, int characters)
{
    size_t i = 0;
    for (int c = 0; i < text.n && c < characters; c++)
        do
            i++;
        while (i < text.n && ((unsigned char)text.p[i] & 0xC0) == 0x80);
    return i;
}

static void print_line(const struct problems *problems, const struct place *place, struct buf *out)
{
    enum { WIDEST = 300 };
    struct str line = yaml_line(place->doc, place->line);
    int hidden = hidden_from(problems, place);
    size_t cut = bytes_of(line, hidden ? hidden - 1 : WIDEST), at = bytes_of(line, place->column - 1);
    buf_printf(out, "%6d | ", place->line);
    for (size_t i = 0, n; i < cut; i += n) {
        for (n = 1; i + n < cut && ((unsigned char)line.p[i + n] & 0xC0) == 0x80; n++)
            ; /* the rest of one character */
        if (str_is_clean((struct str){.p = line.p + i, .n = n}))
            buf_add(out, line.p + i, n);
        else
            buf_putc(out, '?');
    }
    buf_puts(out, hidden ? "***\n" : cut < line.n ? "...\n" : "\n");
    if (at > cut || place->column > WIDEST)
        return;
    buf_puts(out, "       | ");
    for (size_t i = 0; i < at; i++)
        if (((unsigned char)line.p[i] & 0xC0) != 0x80)
            buf_putc(out, line.p[i] == '\t' ? '\t' : ' ');
    buf_puts(out, "^\n");
}

void problems_print(struct problems *problems, struct buf *out)
{
    sort(problems);
    for (size_t i = 0; i < problems->list.n; i++) {
        const struct problem *p = &problems->list.p[i];
        buf_printf(out, "%s:%d:%d: %s%s%s%s\n", p->place.doc->file, p->place.line, p->place.column,
                   p->warning ? "warning: " : "", p->place.path, *p->place.path ? ": " : "", p->text);
        if (p->place.doc->text.n)
            print_line(problems, &p->place, out);
        if (p->hint)
            buf_printf(out, "    hint: %s\n", p->hint);
    }
    size_t found = problems->errors + problems->warnings;
    if (found > problems->list.n)
        buf_printf(out, "... and %zu more\n", found - problems->list.n);
}
