/* backup/tally.c -- Rows per table. */
#include "backup/backup_internal.h"

static size_t table_index(struct tally *t, struct str name)
{
    for (size_t i = 0; i < t->tables.n; i++)
        if (str_is(name, t->tables.p[i].name))
            return i;
    vec_add(t->arena, &t->tables)->name = str_dup(t->arena, name);
    return t->tables.n - 1;
}

bool tally_item(void *arg, enum lexer_item item, struct str text, int64_t rows, struct err *err)
{
    struct tally *t = arg;
    struct str table;
    switch (item) {
    case LEXER_COPY:
        if (!lexer_copy_table(text, &table))
            return err_set(err, ERR_DATA, "a COPY without a table");
        t->current = table_index(t, table);
        break;
    case LEXER_DATA:
        t->tables.p[t->current].rows += rows;
        t->rows += rows;
        break;
    case LEXER_COMPLETE:
        t->complete = true;
        break;
    case LEXER_STATEMENT:
    case LEXER_COPY_END:
        break;
    }
    return true;
}
