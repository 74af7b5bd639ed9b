/* record/checklist.c -- Checklists from the journal. */
#include "record/checklist.h"

#include "base/jsonout.h"
#include "record/history.h"
#include "record/timeline.h"

bool story_checklists(struct arena *arena, struct journal *journal, const struct config *config, int64_t incident, struct checklists *ret,
                      struct err *err)
{
    struct history history;
    if (!history_read(arena, journal, incident, &history, err))
        return false;
    const struct service *service = config ? config_service(config, history.p[history.opening].service) : NULL;
    *ret = (struct checklists){0};
    if (!service || !service->checklists.n)
        return true;
    checklists_init(arena, service, ret);
    for (size_t i = 0; i < history.n; i++)
        checklists_feed(ret, &history.p[i]);
    return true;
}

struct wanted {
    struct arena *arena;
    struct record *to;
};

static bool take_row(void *arg, const struct record *record)
{
    struct wanted *w = arg;
    *w->to = record_dup(w->arena, record);
    return false;
}

bool story_record(struct arena *arena, struct journal *journal, int64_t seq, struct record *ret)
{
    struct wanted w = {.arena = arena, .to = ret};
    *ret = (struct record){0};
    return seq > 0 && journal_read(journal, seq - 1, 0, take_row, &w, NULL) && ret->seq == seq;
}

/* ---- JSON ---- */

static void put_moment(struct jsonout *j, struct arena *a, const char *key, int64_t wall_ms)
{
    json_put_text(j, key, wall_ms > 0 && wall_ms != TIME_NEVER ? moment_iso(a, wall_ms) : NULL);
}

static void put_item(struct jsonout *j, struct arena *a, struct journal *journal, const struct checklists *lists, const struct checklist_standing *s,
                     const struct item_standing *item, int64_t now_at_ms, enum language language)
{
    static const char *const marks[] = {[ITEM_OPEN] = "open", [ITEM_PROVEN] = "proven", [ITEM_TICKED] = "ticked", [ITEM_WAIVED] = "waived"};
    struct record row;
    bool read = item->mark != ITEM_OPEN && story_record(a, journal, item->seq, &row);
    json_object(j);
    json_put_text(j, "id", item->item->id);
    json_put_text(j, "title", text_in(item->item->title, language));
    json_put_text(j, "mark", marks[item->mark]);
    json_put_bool(j, "late", s->applies && item_is_late(item, now_at_ms));
    json_put_bool(j, "was_late", item_was_late(item));
    put_moment(j, a, "due", item->due_wall_ms);
    put_moment(j, a, "at", item->mark == ITEM_OPEN ? 0 : item->wall_ms);
    json_key(j, "seq");
    if (item->mark == ITEM_OPEN)
        json_null(j);
    else
        json_int(j, item->seq);
    json_put_text(j, "who", read && *timeline_person(&row) ? row.who : NULL);
    json_put_text(j, "said", read ? story_sentence(a, &row, language) : NULL);
    json_put_text(j, "owner", item_owner(lists, s, item));
    json_put_text(j, "proven_by", item->item->proven_by);
    json_object_end(j);
}

void checklists_json(struct arena *a, struct journal *journal, const struct checklists *lists, int64_t now_at_ms, int64_t now_wall_ms,
                     enum language language, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_array(&j);
    for (size_t i = 0; i < lists->n; i++) {
        const struct checklist_standing *s = &lists->p[i];
        json_object(&j);
        json_put_text(&j, "name", s->list->name);
        json_put_text(&j, "title", text_in(s->list->title, language));
        json_put_bool(&j, "applies", s->applies);
        put_moment(&j, a, "since", s->applies ? s->wall_ms : 0);
        put_moment(&j, a, "now", now_wall_ms);
        json_key(&j, "items");
        json_array(&j);
        for (size_t k = 0; k < s->list->items.n; k++)
            put_item(&j, a, journal, lists, s, &s->items[k], now_at_ms, language);
        json_array_end(&j);
        json_object_end(&j);
    }
    json_array_end(&j);
}
