/* config/show.c -- The configuration as it is in force: what was written and what the defaults made of the rest.
   Secrets are not read; only where they would be read from shows, without the place itself. */
#include "config/emit.h"
#include "config/load.h"
#include "config/tables.h"
#include "config/walk.h"

struct show {
    struct emit e;
    struct arena *arena;
    const struct config_hooks *hooks;
};

#define VALUE(type) (*(type const *)field)

static const void *field_of(const struct option *o, const void *base)
{
    return (const char *)base + o->offset;
}

/* Is there something to show? Zero stands for "none" where an option has no default. */
static bool has_value(const struct option *o, const void *base)
{
    const void *field = field_of(o, base);
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_NAME:
    case OPTION_PATH:
    case OPTION_URL:
        return VALUE(const char *) != NULL;
    case OPTION_INT:
        return VALUE(int) || o->fallback;
    case OPTION_DURATION:
        return VALUE(int64_t) || o->fallback || o->required;
    case OPTION_STRINGS:
    case OPTION_ARGV:
        return VALUE(struct strs).n > 0;
    case OPTION_INTS:
        return VALUE(struct ints).n > 0;
    case OPTION_SECRET:
        return VALUE(struct secret).source != SECRET_NONE;
    case OPTION_TEXT2:
        return VALUE(struct text2).en != NULL;
    case OPTION_LIST:
        return VALUE(struct strs).n > 0; /* every list has its pointer and count first */
    case OPTION_GROUP:
        for (const struct option *sub = o->sub; sub->key; sub++)
            if (has_value(sub, field_of(o, base)) && !sub->fallback)
                return true;
        return false;
    case OPTION_BOOL:
    case OPTION_ENUM:
    case OPTION_HOST:
        return true;
    }
    return false;
}

static void show_scalar(struct show *s, const char *text)
{
    buf_putc(s->e.out, ' ');
    yaml_put_scalar(s->e.out, text);
    buf_putc(s->e.out, '\n');
}

static void show_host(struct show *s, const struct host *host)
{
    if (!host->address || same(host->address, "local")) {
        buf_puts(s->e.out, " local\n");
        return;
    }
    const struct {
        const char *key, *value;
    } pairs[] = {{"user", host->user}, {"identity", host->identity}, {"known_hosts", host->known_hosts}};
    buf_puts(s->e.out, " {address: ");
    yaml_put_scalar(s->e.out, host->address);
    buf_printf(s->e.out, ", port: %d", host->port);
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (pairs[i].value) {
            buf_printf(s->e.out, ", %s: ", pairs[i].key);
            yaml_put_scalar(s->e.out, pairs[i].value);
        }
    buf_puts(s->e.out, "}\n");
}

static void show_text2(struct show *s, const struct text2 *text)
{
    if (same(text->en, text->fr)) {
        show_scalar(s, text->en);
        return;
    }
    buf_puts(s->e.out, " {en: ");
    yaml_put_scalar(s->e.out, text->en);
    buf_puts(s->e.out, ", fr: ");
    yaml_put_scalar(s->e.out, text->fr);
    buf_puts(s->e.out, "}\n");
}

static void show_ints(struct show *s, const struct ints *list)
{
    buf_puts(s->e.out, " [");
    for (size_t i = 0; i < list->n; i++)
        buf_printf(s->e.out, "%s%d", i ? ", " : "", list->p[i]);
    buf_puts(s->e.out, "]\n");
}

static void show_table(struct show *s, const struct option *table, const void *base);

static void show_list(struct show *s, const struct option *o, const void *base)
{
    const struct {
        const char *p;
        size_t n;
    } *list = field_of(o, base);
    buf_putc(s->e.out, '\n');
    s->e.indent += 4;
    for (size_t i = 0; i < list->n; i++) {
        s->e.dash = true;
        show_table(s, o->sub, list->p + i * o->size);
    }
    s->e.indent -= 4;
}

static void show_value(struct show *s, const struct option *o, const void *base)
{
    static const char *const sources[] = {
        [SECRET_NONE] = "", [SECRET_FILE] = "file", [SECRET_ENV] = "env", [SECRET_CREDENTIAL] = "credential"};
    const void *field = field_of(o, base);
    switch (o->type) {
    case OPTION_STRING:
    case OPTION_NAME:
    case OPTION_PATH:
    case OPTION_URL:
        show_scalar(s, VALUE(const char *));
        break;
    case OPTION_INT:
        buf_printf(s->e.out, " %d\n", VALUE(int));
        break;
    case OPTION_BOOL:
        buf_puts(s->e.out, VALUE(bool) ? " true\n" : " false\n");
        break;
    case OPTION_DURATION:
        buf_printf(s->e.out, " %s\n", duration_print(s->arena, VALUE(int64_t)));
        break;
    case OPTION_ENUM:
        show_scalar(s, o->names[VALUE(int)]);
        break;
    case OPTION_STRINGS:
    case OPTION_ARGV:
        emit_strs(&s->e, field);
        break;
    case OPTION_INTS:
        show_ints(s, field);
        break;
    case OPTION_SECRET:
        buf_printf(s->e.out, " {%s: \"***\"}\n", sources[VALUE(struct secret).source]);
        break;
    case OPTION_HOST:
        show_host(s, field);
        break;
    case OPTION_TEXT2:
        show_text2(s, field);
        break;
    case OPTION_LIST:
        show_list(s, o, base);
        break;
    case OPTION_GROUP:
        buf_putc(s->e.out, '\n');
        s->e.indent += 2;
        show_table(s, o->sub, field);
        s->e.indent -= 2;
        break;
    }
}

static void show_options(struct show *s, const struct option *table, const void *base)
{
    for (const struct option *o = table; o->key; o++)
        if (has_value(o, base)) {
            emit_key(&s->e, o->key);
            show_value(s, o, base);
        }
}

static void show_table(struct show *s, const struct option *table, const void *base)
{
    const struct driven *driven = driven_of(table);
    show_options(s, table, base);
    if (!driven)
        return;
    const char *name = *(const char *const *)(const void *)((const char *)base + driven->driver_offset);
    const void *options = *(void *const *)(const void *)((const char *)base + driven->options_offset);
    const struct config_driver *driver = walk_driver(s->hooks, driven->kind, name);
    if (driver && options)
        show_options(s, driver->options, options);
}

void config_show(struct buf *out, const struct config *config, const struct config_hooks *hooks)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct show s = {.e = {.out = out}, .arena = arena, .hooks = hooks};
    emit_note(&s.e, "%s, with defaults filled in", config->path);
    show_table(&s, config_options, config);
    for (size_t i = 0; i < config->services.n; i++) {
        const struct service *service = &config->services.p[i];
        for (size_t k = 0; k < service->playbooks.n; k++)
            emit_note(&s.e, "service %s, playbook %s: %s", service->name, service->playbooks.p[k].name, service->playbooks.p[k].mark.file);
        for (size_t k = 0; k < service->checklists.n; k++)
            emit_note(&s.e, "service %s, checklist %s: %s", service->name, service->checklists.p[k].name, service->checklists.p[k].mark.file);
    }
}
