/* config/emit.c -- Writing YAML. */
#include "config/emit.h"

void emit_begin(struct emit *e)
{
    int blanks = e->dash ? e->indent - 2 : e->indent;
    for (int i = 0; i < blanks; i++)
        buf_putc(e->out, ' ');
    if (e->comment)
        buf_puts(e->out, "# ");
    if (e->dash)
        buf_puts(e->out, "- ");
    e->dash = false;
}

void emit_key(struct emit *e, const char *key)
{
    emit_begin(e);
    yaml_put_scalar(e->out, key);
    buf_putc(e->out, ':');
}

void emit_note(struct emit *e, const char *fmt, ...)
{
    va_list args;
    for (int i = 0; i < (e->dash ? e->indent - 2 : e->indent); i++)
        buf_putc(e->out, ' ');
    buf_puts(e->out, "# ");
    va_start(args, fmt);
    buf_vprintf(e->out, fmt, args);
    va_end(args);
    buf_putc(e->out, '\n');
}

void emit_strs(struct emit *e, const struct strs *list)
{
    buf_puts(e->out, " [");
    for (size_t i = 0; i < list->n; i++) {
        buf_puts(e->out, i ? ", " : "");
        yaml_put_scalar(e->out, list->p[i]);
    }
    buf_puts(e->out, "]\n");
}
