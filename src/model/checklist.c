/* model/checklist.c -- Where the checklists of an incident stand. */
#include "model/checklist.h"

#include <inttypes.h>

#include "model/config.h"
#include "model/evidence.h"

void checklists_init(struct arena *arena, const struct service *service, struct checklists *ret)
{
    *ret = (struct checklists){.p = arena_array(arena, struct checklist_standing, service->checklists.n), .n = service->checklists.n};
    ret->acked_by = arena_alloc(arena, MODEL_ID_SIZE);
    for (size_t i = 0; i < ret->n; i++) {
        const struct checklist *list = &service->checklists.p[i];
        struct checklist_standing *s = &ret->p[i];
        s->list = list;
        s->proof = arena_array(arena, struct evidence_state, list->applies.n);
        s->items = arena_array(arena, struct item_standing, list->items.n);
        for (size_t k = 0; k < list->items.n; k++) {
            s->items[k].item = &list->items.p[k];
            s->items[k].proof = arena_array(arena, struct evidence_state, list->items.p[k].proof.n);
        }
    }
    checklists_clear(ret);
}

static void clear_item(struct item_standing *item)
{
    memset(item->proof, 0, item->item->proof.n * sizeof(*item->proof));
    *item = (struct item_standing){.item = item->item, .proof = item->proof, .due_at_ms = TIME_NEVER, .due_wall_ms = TIME_NEVER};
}

void checklists_clear(struct checklists *c)
{
    memset(c->acked_by, 0, MODEL_ID_SIZE);
    for (size_t i = 0; i < c->n; i++) {
        struct checklist_standing *s = &c->p[i];
        memset(s->proof, 0, s->list->applies.n * sizeof(*s->proof));
        *s = (struct checklist_standing){.list = s->list, .items = s->items, .proof = s->proof};
        for (size_t k = 0; k < s->list->items.n; k++)
            clear_item(&s->items[k]);
    }
}

/* ---- records ---- */

static struct item_standing *item_named(struct checklists *c, const char *subject, struct checklist_standing **ret_list)
{
    struct str item = str_of(subject), list;
    if (!str_next(&item, '/', &list) || !item.p)
        return NULL;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; str_is(list, c->p[i].list->name) && k < c->p[i].list->items.n; k++)
            if (str_is(item, c->p[i].list->items.p[k].id)) {
                *ret_list = &c->p[i];
                return &c->p[i].items[k];
            }
    return NULL;
}

static void mark_item(struct item_standing *item, enum item_mark mark, const struct record *r)
{
    item->mark = mark;
    item->seq = r->seq;
    item->at_ms = r->at_ms;
    item->wall_ms = r->wall_ms;
}

/* The date of a person is wall time; it lies as far from the list's beginning on the clock that never jumps. */
static void assign(const struct checklist_standing *list, struct item_standing *item, const struct record *r)
{
    COPY_TO(item->owner, r->text);
    if (r->ref <= 0 || !list->applies)
        return;
    item->due_wall_ms = r->ref;
    item->due_at_ms = list->at_ms + (r->ref - list->wall_ms);
}

static void feed_person(struct checklists *c, const struct record *r)
{
    struct checklist_standing *list = NULL;
    struct item_standing *item = item_named(c, r->subject, &list);
    if (!item)
        return;
    if (r->number == TICK_ASSIGNED)
        assign(list, item, r);
    else if (r->number == TICK_TAKEN_BACK)
        mark_item(item, ITEM_OPEN, r);
    else
        mark_item(item, r->number == TICK_WAIVED ? ITEM_WAIVED : ITEM_TICKED, r);
}

static void begin_list(struct checklist_standing *s, const struct moment_of *since)
{
    s->applies = true;
    s->seq = since->seq;
    s->at_ms = since->at_ms;
    s->wall_ms = since->wall_ms;
    for (size_t k = 0; k < s->list->items.n; k++) {
        struct item_standing *item = &s->items[k];
        if (!item->item->due_ms || item->due_at_ms != TIME_NEVER)
            continue;
        item->due_at_ms = s->at_ms + item->item->due_ms;
        item->due_wall_ms = s->wall_ms + item->item->due_ms;
    }
}

static void feed_item(struct item_standing *item, const struct record *r)
{
    struct moment_of since;
    evidence_feed(&item->item->proof, item->proof, r);
    bool holds = evidence_holds(&item->item->proof, item->proof, &since);
    /* What a person said stands, and what they took back is not proven by what was known then. */
    if (item->mark == ITEM_PROVEN && !holds)
        item->mark = ITEM_OPEN;
    if (item->mark != ITEM_OPEN || !holds || since.at_ms < item->at_ms || (item->seq && since.seq <= item->seq))
        return;
    item->mark = ITEM_PROVEN;
    item->seq = since.seq;
    item->at_ms = since.at_ms;
    item->wall_ms = since.wall_ms;
}

void checklists_feed(struct checklists *c, const struct record *r)
{
    if (!r->is_order && r->kind == EVENT_ACK)
        str_copy(c->acked_by, MODEL_ID_SIZE, r->who);
    for (size_t i = 0; i < c->n; i++) {
        struct checklist_standing *s = &c->p[i];
        struct moment_of since;
        evidence_feed(&s->list->applies, s->proof, r);
        if (!s->applies && evidence_holds(&s->list->applies, s->proof, &since))
            begin_list(s, &since);
        for (size_t k = 0; k < s->list->items.n; k++)
            feed_item(&s->items[k], r);
    }
    if (!r->is_order && r->kind == EVENT_TICK_ITEM)
        feed_person(c, r);
}

/* ---- questions ---- */

bool item_is_late(const struct item_standing *item, int64_t now_at_ms)
{
    return item->mark == ITEM_OPEN && item->due_at_ms != TIME_NEVER && now_at_ms >= item->due_at_ms;
}

bool item_was_late(const struct item_standing *item)
{
    return (item->mark == ITEM_PROVEN || item->mark == ITEM_TICKED) && item->due_at_ms != TIME_NEVER && item->at_ms > item->due_at_ms;
}

const char *item_owner(const struct checklists *c, const struct checklist_standing *list, const struct item_standing *item)
{
    if (*item->owner)
        return item->owner;
    if (item->item->owner)
        return item->item->owner;
    return list->list->owner ? list->list->owner : *c->acked_by ? c->acked_by : NULL;
}

size_t checklists_late_count(const struct checklists *c, int64_t now_at_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; c->p[i].applies && k < c->p[i].list->items.n; k++)
            count += item_is_late(&c->p[i].items[k], now_at_ms);
    return count;
}

static const char *late_line(struct arena *a, const struct checklists *c, const struct checklist_standing *s, const struct item_standing *item,
                             int64_t now_at_ms, enum language language)
{
    const char *owner = item_owner(c, s, item), *since = duration_say(a, now_at_ms - item->due_at_ms);
    const char *who = owner ? arena_printf(a, " (%s)", owner) : "";
    if (language == LANGUAGE_FR)
        return arena_printf(a, "%s : %s, en retard de %s%s", text_in(s->list->title, language), text_in(item->item->title, language), since, who);
    return arena_printf(a, "%s: %s, %s late%s", text_in(s->list->title, language), text_in(item->item->title, language), since, who);
}

void checklists_late(struct arena *arena, const struct checklists *c, int64_t now_at_ms, int language, size_t max, struct strs *ret)
{
    size_t left_out = 0;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; c->p[i].applies && k < c->p[i].list->items.n; k++) {
            const struct item_standing *item = &c->p[i].items[k];
            if (!item_is_late(item, now_at_ms))
                continue;
            if (ret->n >= max)
                left_out++;
            else
                *vec_add(arena, ret) = late_line(arena, c, &c->p[i], item, now_at_ms, (enum language)language);
        }
    if (left_out)
        *vec_add(arena, ret) = arena_printf(arena, language == LANGUAGE_FR ? "et %zu autres" : "and %zu more", left_out);
}
