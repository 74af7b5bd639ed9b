/* config/rules_playbook.c -- Rules of playbooks: where steps lead, what their words refer to. Budgets, loops and what
   else takes a look at whole paths is the lint's, which decide/ brings. */
#include "config/rules.h"

/* A step is called as little else: these words say where a playbook goes on. */
static const char *const places[] = {"next", "end", "fail"};

static bool is_place(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (same(places[i], word))
            return true;
    return false;
}

/* Does `word` stand in the text as a whole word, or before a dot, with or without braces? */
static bool mentions(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = text; p && (p = strstr(p, word)); p += n) {
        bool begins = p == text || p[-1] == ' ' || p[-1] == '{' || p[-1] == '(';
        bool ends = !p[n] || strchr(" .})", p[n]);
        if (begins && ends)
            return true;
    }
    return false;
}

static const char *second_word(struct walk *w, const char *action, const char *first)
{
    struct strs words = {0};
    if (!str_words(w->arena, action, &words) || words.n < 2 || !same(words.p[0], first))
        return NULL;
    return words.p[1];
}

static bool starts_with_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && (!text[n] || text[n] == ' ');
}

/* ---- one text of a step ---- */

static void check_standby(struct walk *w, const struct service *service, const char *const *text, const void *within)
{
    if (*text && mentions(*text, "standby") && !service_site_of(service, SITE_DR) && !walk_wrong(w, &service->sites))
        rule_error(w, text, within, "\"standby\" stands for the other site, but service \"%s\" has no dr site",
                   service->name ? service->name : "?");
}

static void check_condition(struct walk *w, const struct service *service, const char *const *text, const void *within,
                            bool ask)
{
    struct err err = {0};
    size_t errors = w->problems->errors;
    check_standby(w, service, text, within);
    if (*text && ask && errors == w->problems->errors && w->hooks->condition_valid &&
        !w->hooks->condition_valid(*text, service, &err))
        rule_failed(w, text, within, &err);
}

static void check_notify(struct walk *w, const struct service *service, const struct playbook *p, const struct step *s,
                         const char *stage)
{
    static const char *const own[] = {"update",  "resolved", "monitoring",
                                      "relapse", "blocked",  "approval"}; /* texts besides the stages' */
    struct strs right = {0};
    const struct severity_conf *severity = service_severity(service, (enum severity)p->severity);
    if (!severity)
        return; /* said elsewhere */
    for (size_t i = 0; i < COUNT_OF(own); i++)
        *vec_add(w->arena, &right) = own[i];
    for (size_t i = 0; i < severity->stages.n; i++)
        if (severity->stages.p[i].name)
            *vec_add(w->arena, &right) = severity->stages.p[i].name;
    for (size_t i = 0; i < right.n; i++)
        if (same(right.p[i], stage))
            return;
    rule_error(w, &s->action, s, "severity %s has no stage \"%s\"", severity_name((enum severity)p->severity), stage)
        ->hint = hint_nearest(w->arena, stage, &right);
}

static void check_called(struct walk *w, const struct service *service, const struct playbook *p, const struct step *s,
                         const char *name)
{
    struct strs right = {0};
    for (size_t i = 0; i < service->playbooks.n; i++)
        if (service->playbooks.p[i].name)
            *vec_add(w->arena, &right) = service->playbooks.p[i].name;
    if (same(name, p->name))
        rule_error(w, &s->action, s, "playbook \"%s\" calls itself", name);
    else if (!service_playbook(service, name) &&
             right.n == service->playbook_files.n) /* else the one meant may be the one that cannot be read */
        rule_error(w, &s->action, s, "there is no playbook \"%s\"", name)->hint = hint_nearest(w->arena, name, &right);
}

static void check_action(struct walk *w, const struct service *service, const struct playbook *p, const struct step *s,
                         bool ask)
{
    struct err err = {0};
    size_t errors = w->problems->errors;
    const char *called = second_word(w, s->action, "playbook"), *stage = second_word(w, s->action, "notify");
    check_standby(w, service, &s->action, s);
    if (called)
        check_called(w, service, p, s, called);
    else if (!stage && !walk_written(w, &s->budget_ms)) /* a message is ordered in no time */
        rule_error(w, s, p, "key \"budget\" is missing: a step without a deadline could hold the recovery up for ever")
            ->hint = "for example budget: 5m";
    if (stage)
        check_notify(w, service, p, s, stage);
    if (mentions(s->action, "public") && !walk_written(w, &service->public_url))
        rule_error(w, &s->action, s, "the public path is meant, but the service has no public_url")->hint =
            "add public_url: https://... to the service";
    if (starts_with_word(s->action, "verify") && service->endpoints.n == 0 && !walk_wrong(w, &service->endpoints))
        rule_error(w, &s->action, s, "there is nothing to verify: the service has no endpoints")->hint =
            "add endpoints: [{path: /...}] to the service";
    if (starts_with_word(s->action, "traffic") && !service->traffic.driver && !walk_wrong(w, &service->traffic))
        rule_error(w, &s->action, s, "traffic cannot be moved: the service has no traffic section")->hint =
            "add traffic: {driver: ..., identify: ...} to the service";
    if (ask && errors == w->problems->errors && w->hooks->action_valid &&
        !w->hooks->action_valid(s->action, service, &err))
        rule_failed(w, &s->action, s, &err);
}

static void check_target(struct walk *w, const struct playbook *p, const struct step *s, const char *const *target)
{
    if (!*target || is_place(*target) || playbook_step(p, *target))
        return;
    struct strs right = {0};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        *vec_add(w->arena, &right) = places[i];
    for (size_t i = 0; i < p->steps.n; i++)
        if (p->steps.p[i].id)
            *vec_add(w->arena, &right) = p->steps.p[i].id;
    rule_error(w, target, s, "there is no step \"%s\"", *target)->hint = hint_nearest(w->arena, *target, &right);
}

static void check_step(struct walk *w, const struct service *service, const struct playbook *p, const struct step *s,
                       bool ask)
{
    if (is_place(s->id))
        rule_error(w, &s->id, s, "a step cannot be called \"%s\": the word says where a playbook goes on", s->id);
    if (s->action)
        check_action(w, service, p, s, ask);
    if (s->undo)
        check_standby(w, service, &s->undo, s);
    check_condition(w, service, &s->until, s, ask);
    check_condition(w, service, &s->when, s, ask);
    check_target(w, p, s, &s->on_success);
    check_target(w, p, s, &s->on_failure);
    check_target(w, p, s, &s->on_expiry);
}

static void check_playbook(struct walk *w, const struct service *service, const struct playbook *p, bool ask)
{
    if (walk_written(w, &p->severity) && !walk_wrong(w, &p->severity) && !walk_wrong(w, &service->severities) &&
        !service_severity(service, (enum severity)p->severity))
        rule_error(w, &p->severity, p,
                   "service \"%s\" has no severity %s, so this playbook would have no objective and nobody to tell",
                   service->name ? service->name : "?", severity_name((enum severity)p->severity));
    check_condition(w, service, &p->opens_when, p, ask);
    check_condition(w, service, &p->resolved_when, p, ask);
    rule_unique(w, "step", p->steps.p, p->steps.n, sizeof(struct step), offsetof(struct step, id));
    for (size_t i = 0; i < p->steps.n; i++)
        check_step(w, service, p, &p->steps.p[i], ask);
}

void rules_playbooks(struct walk *w, const struct service *service, bool values_right)
{
    for (size_t i = 0; i < service->playbooks.n; i++) {
        const struct playbook *p = &service->playbooks.p[i];
        for (size_t k = 0; p->name && k < i; k++)
            if (same(p->name, service->playbooks.p[k].name))
                rule_error(w, &p->name, p, "playbook \"%s\" stands twice: first in %s", p->name,
                           service->playbooks.p[k].mark.file);
        check_playbook(w, service, p, values_right);
    }
}
