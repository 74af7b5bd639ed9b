/* config/rules_checklist.c -- Rules of checklists: what their proofs mean, and that each can come true. */
#include "config/rules.h"

#include "model/field.h"

static void add_stages(struct walk *w, const struct service *service, struct strs *to)
{
    for (size_t i = 0; i < service->severities.n; i++)
        for (size_t k = 0; k < service->severities.p[i].stages.n; k++)
            if (service->severities.p[i].stages.p[k].name)
                *vec_add(w->arena, to) = service->severities.p[i].stages.p[k].name;
}

static void add_steps(struct walk *w, const struct service *service, struct strs *to)
{
    for (size_t i = 0; i < service->playbooks.n; i++)
        for (size_t k = 0; k < service->playbooks.p[i].steps.n; k++)
            if (service->playbooks.p[i].steps.p[k].id)
                *vec_add(w->arena, to) = service->playbooks.p[i].steps.p[k].id;
}

static void add_checks(struct walk *w, const struct service *service, struct strs *to)
{
    for (size_t i = 0; i < service->checks.n; i++) {
        const char *id = service->checks.p[i].id, *dot = id ? strchr(id, '.') : NULL;
        if (id)
            *vec_add(w->arena, to) = id;
        if (dot)
            *vec_add(w->arena, to) = arena_printf(w->arena, "*%s", dot);
    }
}

/* The names that a word of a proof may have; false: any. */
static bool names_for(struct walk *w, const struct service *service, enum evidence_kind kind, struct strs *to)
{
    static const char *const own[] = {"update", "monitoring", "resolved", "relapse", "blocked", "approval", "say", "reminder", "checklist", "ticket"};
    switch (kind) {
    case EVIDENCE_DELIVERED:
        for (size_t i = 0; i < COUNT_OF(own); i++)
            *vec_add(w->arena, to) = own[i];
        add_stages(w, service, to);
        return true;
    case EVIDENCE_STAGE:
        add_stages(w, service, to);
        return true;
    case EVIDENCE_STEP:
        add_steps(w, service, to);
        return service->playbooks.n == service->playbook_files.n; /* else the one meant may be in a file that cannot be read */
    case EVIDENCE_PLAYBOOK:
        for (size_t i = 0; i < service->playbooks.n; i++)
            if (service->playbooks.p[i].name)
                *vec_add(w->arena, to) = service->playbooks.p[i].name;
        return service->playbooks.n == service->playbook_files.n;
    case EVIDENCE_CHECK:
        add_checks(w, service, to);
        return true;
    case EVIDENCE_WRITTEN:
        *vec_add(w->arena, to) = "action";
        for (const struct report_field *f = report_fields; f->name; f++)
            *vec_add(w->arena, to) = f->name;
        return true;
    default:
        return false;
    }
}

static bool stands_in(const struct strs *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++)
        if (same(list->p[i], word))
            return true;
    return false;
}

/* Alternatives that this service cannot have do no harm, as long as one is left: lists are written for more than one service. */
static void check_possible(struct walk *w, const struct service *service, const struct evidence *proof, const void *field, const void *within)
{
    static const char *const kinds[] = {[EVIDENCE_STAGE] = "stage", [EVIDENCE_DELIVERED] = "stage", [EVIDENCE_STEP] = "step of a playbook",
                                        [EVIDENCE_PLAYBOOK] = "playbook", [EVIDENCE_CHECK] = "check", [EVIDENCE_WRITTEN] = "field of the report"};
    const struct evidence_term *wrong = NULL;
    struct strs wrong_names = {0};
    for (size_t i = 0; i < proof->n;) {
        bool possible = true;
        size_t k = i;
        do {
            struct strs names = {0};
            bool known = names_for(w, service, proof->p[k].kind, &names);
            if (known && !stands_in(&names, proof->p[k].name)) {
                possible = false;
                wrong = &proof->p[k];
                wrong_names = names;
            }
        } while (++k < proof->n && !proof->p[k].alternative);
        if (possible)
            return;
        i = k;
    }
    if (wrong)
        rule_error(w, field, within, "this can never hold: there is no %s \"%s\"", kinds[wrong->kind], wrong->name)->hint =
            hint_nearest(w->arena, wrong->name, &wrong_names);
}

static void read_proof(struct walk *w, const struct service *service, const char *const *text, const void *within, struct evidence *ret)
{
    struct err err = {0};
    if (!*text)
        return;
    if (!evidence_parse(w->arena, *text, ret, &err))
        rule_failed(w, text, within, &err);
    else
        check_possible(w, service, ret, text, within);
}

static void check_list(struct walk *w, const struct service *service, struct checklist *list)
{
    bool due = false;
    read_proof(w, service, &list->applies_when, list, &list->applies);
    rule_unique(w, "item", list->items.p, list->items.n, sizeof(struct checklist_item), offsetof(struct checklist_item, id));
    for (size_t i = 0; i < list->items.n; i++) {
        struct checklist_item *item = &list->items.p[i];
        read_proof(w, service, &item->proven_by, item, &item->proof);
        due = due || item->due_ms;
    }
    if (list->remind_ms && !due && !walk_wrong(w, &list->remind_ms))
        rule_error(w, &list->remind_ms, list, "nobody can be reminded: no item is ever due")->hint = "give an item due: 24h";
}

void rules_checklists(struct walk *w, struct service *service)
{
    for (size_t i = 0; i < service->checklists.n; i++) {
        struct checklist *list = &service->checklists.p[i];
        for (size_t k = 0; k < i && list->name; k++)
            if (same(list->name, service->checklists.p[k].name))
                rule_error(w, &list->name, list, "checklist \"%s\" stands twice: first in %s", list->name, service->checklists.p[k].mark.file);
        check_list(w, service, list);
    }
}
