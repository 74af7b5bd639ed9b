/* cli/oncall.c -- Stand-ins as the journal knows them, and moments as people type them. */
#include "cli/oncall.h"

#include "record/journal.h"

struct stand_in_list {
    struct arena *arena;
    struct stand_ins *to;
};

static bool take_row(void *arg, const struct record *record)
{
    struct stand_in_list *list = arg;
    if (!record->is_order && record->kind == EVENT_OVERRIDE && record->number < record->ref)
        *vec_add(list->arena, list->to) = (struct stand_in){.rotation = arena_strdup(list->arena, record->subject),
                                                            .contact = arena_strdup(list->arena, record->text),
                                                            .from_ms = record->number,
                                                            .to_ms = record->ref};
    return true;
}

bool stand_ins_read(const struct cli *cli, struct stand_ins *ret, struct err *err)
{
    SCOPED(journal_close) struct journal *journal = NULL;
    struct stand_in_list list = {.arena = cli->arena, .to = ret};
    *ret = (struct stand_ins){0};
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &journal, err))
        return err->code == ERR_NOT_FOUND;
    return journal_read(journal, 0, 0, take_row, &list, err);
}

bool moment_word(const char *word, const struct zone *zone, int64_t base_ms, int64_t *ret, struct err *err)
{
    int64_t later;
    struct err ignored = {0};
    if (same(word, "now")) {
        *ret = base_ms;
        return true;
    }
    if (*word == '+' && duration_parse(word + 1, &later, &ignored)) {
        *ret = base_ms + later;
        return true;
    }
    if (zone_parse_moment(zone, word, ret))
        return true;
    err_set(err, ERR_USAGE, _("\"%s\" is not a moment"), word);
    return err_hint(err, _("write it like \"2026-11-23 09:00\", 2026-11-23T09:00Z, now or +2h"));
}
