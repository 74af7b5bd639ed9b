/* config/manual.c -- The chapter of options, in Markdown, from the tables. */
#include "config/load.h"
#include "config/tables.h"

static const char introduction[] =
    "# Options\n\n"
    "Printed by `bascule config manual` from the tables that read the configuration. `bascule config sample` prints a whole\n"
    "configuration with comments; [configuration.md](configuration.md) leads through a first one.\n\n"
    "## Values\n\n"
    "| kind | how it is written |\n| --- | --- |\n"
    "| duration | numbers with units, biggest first: `500ms`, `90s`, `5m`, `1h30m`, `2d`; a bare number is refused |\n"
    "| name | a letter, then letters, digits, `-` and `_`; at most 40 characters |\n"
    "| absolute path | begins with `/` |\n"
    "| list | `[a, b]`, or one element a line after `- `; a single value stands for a list of one |\n"
    "| command | a list of words, `[systemctl, restart, nginx]`, or one text that is split at blanks with quotes; never a shell |\n"
    "| secret | where it stands, never itself: `{file: /PATH}` (mode 0600), `{env: NAME}` or `{credential: NAME}`; read at the moment of use |\n"
    "| host | `local`, or a mapping with the keys of [host](#host) |\n"
    "| text, or {en, fr} | one text for both languages, or one for each |\n"
    "| condition | `CHECK is [not] up\\|warning\\|down\\|unknown`, joined by `and` and `or`; `active.NAME` and `standby.NAME` follow the site |\n\n"
    "Unknown keys, wrong units, values out of bounds and names that refer to nothing are errors with file, line, column and key.\n"
    "Anchors and aliases (`&name`, `*name`) may be used; tags and several documents in one file may not.\n\n";

/* A cell must not end early. */
static void put_cell(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            buf_putc(out, '\\');
        buf_putc(out, *p == '\n' ? ' ' : *p);
    }
}

static void put_row(struct buf *out, struct arena *arena, const struct option *o)
{
    const char *bounds = option_bounds_words(arena, o);
    buf_printf(out, "| `%s` | ", o->key);
    put_cell(out, option_type_words(arena, o));
    if (*bounds)
        buf_printf(out, ", %s", bounds);
    buf_puts(out, o->required ? " | required | " : o->fallback ? " | `" : " |  | ");
    if (!o->required && o->fallback) {
        put_cell(out, o->fallback);
        buf_puts(out, "` | ");
    }
    put_cell(out, o->help ? o->help : "");
    buf_puts(out, " |\n");
}

static void put_rows(struct buf *out, struct arena *arena, const struct option *table)
{
    if (!table->key) {
        buf_puts(out, "No keys of its own.\n\n");
        return;
    }
    buf_puts(out, "| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for (const struct option *o = table; o->key; o++)
        put_row(out, arena, o);
    buf_putc(out, '\n');
}

struct manual {
    struct buf *out;
    struct arena *arena;
    const struct config_hooks *hooks;
};

static void put_table(const struct manual *m, const struct option *table, const char *path);

/* Nested mappings get sections of their own, after the one that names them. */
static void put_nested(const struct manual *m, const struct option *table, const char *path)
{
    for (const struct option *o = table; o->key; o++)
        if (o->type == OPTION_GROUP || o->type == OPTION_LIST)
            put_table(
                m, o->sub,
                arena_printf(m->arena, "%s%s%s%s", path, *path ? "." : "", o->key, o->type == OPTION_LIST ? "[]" : ""));
}

static void put_drivers(const struct manual *m, const struct driven *driven)
{
    for (size_t i = 0; i < m->hooks->driver_count; i++) {
        const struct config_driver *d = &m->hooks->drivers[i];
        if (!same(d->kind, driven->kind))
            continue;
        buf_printf(m->out, "### %s `%s`\n\n%s.\n\n", d->kind, d->name, d->summary ? d->summary : "");
        put_rows(m->out, m->arena, d->options);
        put_nested(m, d->options, arena_printf(m->arena, "%s %s", d->kind, d->name));
    }
}

static void put_table(const struct manual *m, const struct option *table, const char *path)
{
    const struct driven *driven = driven_of(table);
    buf_printf(m->out, "%s `%s`\n\n", driven || strchr(path, '.') == NULL ? "##" : "###", path);
    if (driven)
        buf_printf(m->out, "The keys of the %s that `%s` names stand beside these.\n\n", driven->kind, driven->key);
    put_rows(m->out, m->arena, table);
    put_nested(m, table, path);
    if (driven)
        put_drivers(m, driven);
}

void config_manual(struct buf *out, const struct config_hooks *hooks)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct manual m = {.out = out, .arena = arena, .hooks = hooks};
    buf_puts(out, introduction);
    buf_puts(out, "## The configuration file\n\n");
    put_rows(out, arena, config_options);
    put_nested(&m, config_options, "");
    buf_puts(out, "## host\n\n");
    put_rows(out, arena, host_options);
    buf_puts(out, "## A playbook file\n\n");
    put_rows(out, arena, playbook_options);
    put_nested(&m, playbook_options, "playbook");
    buf_puts(out, "## A checklist file\n\n");
    put_rows(out, arena, checklist_options);
    put_nested(&m, checklist_options, "checklist");
    while (out->n > 1 && out->p[out->n - 1] == '\n' && out->p[out->n - 2] == '\n')
        out->p[--out->n] = 0; /* one line end at the end of the file */
}
