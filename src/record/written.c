/* record/written.c -- What people wrote into a post-incident report: the newest row of each field counts. */
#include "record/checklist.h"

#include "base/jsonout.h"
#include "io/json.h"
#include "record/history.h"
#include "record/words.h"

/* ---- actions ---- */

static struct written_action *action_numbered(struct written_all *w, int number)
{
    for (size_t i = 0; i < w->actions.n; i++)
        if (w->actions.p[i].number == number)
            return &w->actions.p[i];
    return NULL;
}

static void drop_action(struct written_all *w, int number)
{
    struct written_action *gone = action_numbered(w, number);
    if (gone)
        memmove(gone, gone + 1, (size_t)(&w->actions.p[w->actions.n--] - (gone + 1)) * sizeof(*gone));
}

/* In order of their numbers, which are given in order. */
static struct written_action *action_slot(struct arena *a, struct written_all *w, int number)
{
    struct written_action *slot = action_numbered(w, number);
    if (slot)
        return slot;
    slot = vec_add(a, &w->actions);
    while (slot > w->actions.p && slot[-1].number > number) {
        *slot = slot[-1];
        slot--;
    }
    *slot = (struct written_action){.number = number, .horizon = HORIZON_MAX};
    return slot;
}

static const char *member(struct arena *a, const struct json *detail, const char *key)
{
    const char *text = json_string(json_get(detail, key));
    return text && *text ? arena_strdup(a, text) : NULL;
}

static void take_action(struct arena *a, struct written_all *w, int number, const struct record *r)
{
    const struct json *detail = NULL;
    w->next_action = MAX_OF(w->next_action, number + 1);
    if (r->number < 0) {
        drop_action(w, number);
        return;
    }
    struct written_action *action = action_slot(a, w, number);
    int64_t told = action->told_seq;
    *action = (struct written_action){.number = number, .text = arena_strdup(a, r->text), .horizon = HORIZON_MAX, .who = arena_strdup(a, r->who), .seq = r->seq,
                                      .wall_ms = r->wall_ms, .told_seq = told};
    if (!*r->detail || !json_parse(a, str_of(r->detail), &detail, NULL))
        return; /* written by another hand: its line is all there is */
    const char *text = member(a, detail, "text"), *horizon = member(a, detail, "horizon");
    action->text = text ? text : action->text;
    action->owner = member(a, detail, "owner");
    action->due = member(a, detail, "due");
    action->ticket = member(a, detail, "ticket");
    if (horizon)
        (void)horizon_of(horizon, &action->horizon);
}

/* "7/ticket-2/tracker/hook" */
static void take_ticket(struct arena *a, struct written_all *w, const struct record *r)
{
    static const char ticket[] = "ticket-";
    const char *stage = notice_key(a, r->subject).stage;
    int64_t number;
    if (strncmp(stage, ticket, strlen(ticket)) != 0)
        return;
    struct written_action *action = str_int(str_of(stage + strlen(ticket)), &number) && number <= ACTIONS_MAX ? action_numbered(w, (int)number) : NULL;
    if (action && !action->told_seq)
        action->told_seq = r->seq;
}

bool action_is_complete(const struct written_action *action)
{
    return action->owner && action->due;
}

void action_json(const struct written_action *action, struct buf *out)
{
    struct jsonout j = jsonout(out);
    json_object(&j);
    json_put_text(&j, "text", action->text);
    json_put_text(&j, "owner", action->owner);
    json_put_text(&j, "due", action->due);
    json_put_text(&j, "horizon", action->horizon == HORIZON_MAX ? NULL : horizon_name(action->horizon));
    json_put_text(&j, "ticket", action->ticket);
    json_object_end(&j);
}

const char *action_line(struct arena *arena, const struct written_action *action, enum language language)
{
    bool fr = language == LANGUAGE_FR;
    const char *line = action->text ? action->text : "";
    if (action->owner)
        line = arena_printf(arena, fr ? "%s; responsable : %s" : "%s; owner: %s", line, action->owner);
    if (action->due)
        line = arena_printf(arena, fr ? "%s; échéance : %s" : "%s; due: %s", line, action->due);
    return line;
}

/* ---- fields ---- */

static void take_field(struct arena *a, struct written_all *w, const struct record *r)
{
    const char *text = *r->detail ? r->detail : r->text;
    struct written *slot = NULL;
    for (size_t i = 0; i < w->fields.n; i++)
        if (same(w->fields.p[i].field, r->subject))
            slot = &w->fields.p[i];
    if (!slot)
        slot = vec_add(a, &w->fields);
    *slot = (struct written){.field = arena_strdup(a, r->subject), .text = arena_strdup(a, text), .who = arena_strdup(a, r->who), .seq = r->seq,
                             .wall_ms = r->wall_ms};
}

void written_of(struct arena *arena, const struct history *history, struct written_all *ret)
{
    *ret = (struct written_all){.next_action = 1};
    for (size_t i = 0; i < history->n; i++) {
        const struct record *r = &history->p[i];
        if (r->is_order)
            continue;
        int action = r->kind == EVENT_WRITE ? action_number(r->subject) : 0;
        if (action)
            take_action(arena, ret, action, r);
        else if (r->kind == EVENT_WRITE)
            take_field(arena, ret, r);
        else if (r->kind == EVENT_DELIVERED)
            take_ticket(arena, ret, r);
    }
    if (ret->next_action > ACTIONS_MAX)
        ret->next_action = 0;
}

bool story_written(struct arena *arena, struct journal *journal, int64_t incident, struct written_all *ret, struct err *err)
{
    struct history history;
    if (!history_read(arena, journal, incident, &history, err))
        return false;
    written_of(arena, &history, ret);
    return true;
}

const struct written *written_field(const struct written_all *written, const char *field)
{
    for (size_t i = 0; i < written->fields.n; i++)
        if (same(written->fields.p[i].field, field))
            return *written->fields.p[i].text ? &written->fields.p[i] : NULL;
    return NULL;
}

void written_missing(struct arena *arena, const struct written_all *written, enum severity severity, struct strs *ret)
{
    for (const struct report_field *f = report_fields; f->name; f++)
        if (field_required(f, severity) && !written_field(written, f->name))
            *vec_add(arena, ret) = f->name;
    if (severity <= SEVERITY_P2 && !written->actions.n)
        *vec_add(arena, ret) = "action";
    for (size_t i = 0; i < written->actions.n; i++) {
        const struct written_action *action = &written->actions.p[i];
        if (!action->owner)
            *vec_add(arena, ret) = arena_printf(arena, ACTION_PREFIX "%d: owner", action->number);
        if (!action->due)
            *vec_add(arena, ret) = arena_printf(arena, ACTION_PREFIX "%d: due", action->number);
    }
}
