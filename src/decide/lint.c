/* decide/lint.c -- What is wrong with playbooks before anything happens. Fatal is what could not work or could do harm. */
#include "decide/decide_internal.h"

struct linter {
    struct arena *arena;
    const struct service *service;
    const struct playbook *playbook;
    bool (*action_known)(const char *action);
    struct lints *out;
};

enum weight { WARNING, FATAL };

static void note(struct linter *l, const struct mark *mark, enum weight weight, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void note(struct linter *l, const struct mark *mark, enum weight weight, const char *fmt, ...)
{
    struct lint *lint = vec_add(l->arena, l->out);
    *lint = (struct lint){.mark = *mark, .fatal = weight == FATAL};
    int n = snprintf(lint->text, sizeof(lint->text), "playbook \"%s\": ", l->playbook->name);
    va_list args;
    va_start(args, fmt);
    vsnprintf(lint->text + n, sizeof(lint->text) - (size_t)n, fmt, args);
    va_end(args);
}

/* ---- one step ---- */

static void lint_id(struct linter *l, size_t index)
{
    const struct step *step = &l->playbook->steps.p[index];
    for (size_t i = 0; i < index; i++)
        if (same(l->playbook->steps.p[i].id, step->id)) {
            note(l, &step->mark, FATAL, "two steps are called \"%s\"", step->id);
            return;
        }
    if (same(step->id, "next") || same(step->id, "end") || same(step->id, "fail"))
        note(l, &step->mark, FATAL, "a step cannot be called \"%s\": the word has a meaning after \"then\"", step->id);
}

static void lint_targets(struct linter *l, size_t index)
{
    const struct step *step = &l->playbook->steps.p[index];
    const struct {
        const char *key, *target;
        enum outcome outcome;
    } targets[] = {
        {"success", step->on_success, OUTCOME_SUCCESS},
        {"failure", step->on_failure, OUTCOME_FAILURE},
        {"expiry", step->on_expiry, OUTCOME_EXPIRY},
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++)
        if (targets[i].target && path_target(l->playbook, (int)index, targets[i].outcome) == PATH_UNKNOWN)
            note(l, &step->mark, FATAL, "step \"%s\": after %s it goes to \"%s\", which does not exist", step->id, targets[i].key, targets[i].target);
}

static void lint_condition(struct linter *l, const struct mark *mark, const char *what, const char *text)
{
    struct err err = {0};
    if (text && !condition_valid(text, l->service, &err))
        note(l, mark, FATAL, "%s: %s%s%s", what, err.message, *err.hint ? "; " : "", err.hint);
}

static bool stage_exists(const struct linter *l, const char *name)
{
    for (int kind = 0; kind < NOTICE_MAX; kind++)
        if (same(name, notice_names[kind]))
            return true;
    const struct severity_conf *severity = service_severity(l->service, (enum severity)l->playbook->severity);
    for (size_t i = 0; severity && i < severity->stages.n; i++)
        if (same(name, severity->stages.p[i].name))
            return true;
    return false;
}

/* The action's words, and what the rules of safety will say to them. */
static void lint_action(struct linter *l, const struct step *step, const struct deed *deed)
{
    const struct site *production = service_site_of(l->service, SITE_PRODUCTION), *dr = service_site_of(l->service, SITE_DR);
    bool inside = deed->kind == DEED_SAY || deed->kind == DEED_WAIT || deed->kind == DEED_CALL;
    if (!step->action) {
        note(l, &step->mark, FATAL, "step \"%s\" does nothing", step->id);
        return;
    }
    if (names_standby(step->action) && !dr)
        note(l, &step->mark, FATAL, "step \"%s\" speaks of the standby, and the service has no site of role dr", step->id);
    else if (!inside && l->action_known && !l->action_known(action_words(l->arena, step->action, production ? production->name : NULL, dr ? dr->name : NULL)))
        note(l, &step->mark, FATAL, "step \"%s\": there is no action \"%s\"", step->id, step->action);
    if (deed->kind == DEED_CALL && !service_playbook(l->service, deed->argument))
        note(l, &step->mark, FATAL, "step \"%s\": there is no playbook \"%s\"", step->id, deed->argument);
    if (deed->kind == DEED_SAY && !stage_exists(l, deed->argument))
        note(l, &step->mark, FATAL, "step \"%s\": there is no stage \"%s\"", step->id, deed->argument);
    if (deed->kind == DEED_WAIT && !step->until)
        note(l, &step->mark, FATAL, "step \"%s\" waits for nothing: \"until\" is missing", step->id);
    if (deed->kind == DEED_UNDO)
        note(l, &step->mark, FATAL, "step \"%s\": where \"traffic undo\" leads is not known in advance; name the site", step->id);
    if (deed->kind == DEED_RESTORE && deed->site != NOTHING && &l->service->sites.p[deed->site] == production && step->approve != APPROVE_PERSON)
        note(l, &step->mark, FATAL, "step \"%s\" replaces the database that serves the users: it needs \"approve: person\"", step->id);
}

static bool verifies(const struct step *step)
{
    struct str action = str_of(step->action ? step->action : "");
    return step->until || str_starts(action, "verify") || str_starts(action, "status") || str_starts(action, "playbook");
}

/* Is what this step changed looked at, by itself or by a step that follows its success? */
static bool is_verified(const struct playbook *playbook, int step)
{
    if (playbook->steps.p[step].until)
        return true;
    for (size_t n = 0; n < playbook->steps.n; n++) {
        step = path_target(playbook, step, OUTCOME_SUCCESS);
        if (step < 0)
            return false;
        if (verifies(&playbook->steps.p[step]))
            return true;
    }
    return false;
}

static void lint_step(struct linter *l, size_t index)
{
    const struct step *step = &l->playbook->steps.p[index];
    struct deed deed = path_deed(l->service, step->action);
    lint_id(l, index);
    lint_targets(l, index);
    lint_action(l, step, &deed);
    lint_condition(l, &step->mark, arena_printf(l->arena, "step \"%s\", until", step->id), step->until);
    lint_condition(l, &step->mark, arena_printf(l->arena, "step \"%s\", when", step->id), step->when);
    if (step->budget_ms <= 0 && deed.kind != DEED_SAY && deed.kind != DEED_CALL)
        note(l, &step->mark, FATAL, "step \"%s\" has no budget", step->id);
    if (step->budget_ms > 0 && deed.kind == DEED_CALL)
        note(l, &step->mark, WARNING, "step \"%s\": its budget is not used; the steps of playbook \"%s\" have their own", step->id, deed.argument);
    bool changes = deed.kind == DEED_START || deed.kind == DEED_RESTORE || deed.kind == DEED_PROMOTE || deed.kind == DEED_SWITCH || deed.kind == DEED_SWITCHOVER ||
                   (step->action && str_starts(str_of(step->action), "service "));
    if (changes && !is_verified(l->playbook, (int)index))
        note(l, &step->mark, WARNING, "step \"%s\" changes something, and nothing after it looks whether it worked", step->id);
}

/* ---- the whole ---- */

static bool is_called(const struct service *service, const struct playbook *playbook)
{
    for (size_t i = 0; i < service->playbooks.n; i++)
        for (size_t s = 0; s < service->playbooks.p[i].steps.n; s++) {
            struct deed deed = path_deed(service, service->playbooks.p[i].steps.p[s].action);
            if (deed.kind == DEED_CALL && same(deed.argument, playbook->name))
                return true;
        }
    return false;
}

static void lint_paths(struct linter *l)
{
    const struct playbook *playbook = l->playbook;
    const bool *reached = path_reached(l->arena, playbook);
    for (size_t i = 0; i < playbook->steps.n; i++)
        if (!reached[i])
            note(l, &playbook->steps.p[i].mark, FATAL, "step \"%s\" cannot be reached", playbook->steps.p[i].id);
    if (path_circles(playbook, true))
        note(l, &playbook->mark, FATAL, "its steps go round in a circle, and none of them has a limit");
    if (path_recurses(l->service, playbook)) {
        note(l, &playbook->mark, FATAL, "it calls itself, or nests deeper than %d playbooks", INCIDENT_DEPTH_MAX);
        return;
    }
    /* One that is only ever called by others is judged together with them; alone it would be stopped by the guard. */
    const struct step *bad = playbook->opens_when || !is_called(l->service, playbook) ? path_unfenced(l->service, playbook) : NULL;
    if (bad)
        note(l, &bad->mark, FATAL, "step \"%s\" may %s before the site that serves it was fenced", bad->id,
             path_deed(l->service, bad->action).kind == DEED_PROMOTE ? "let a second server take writes" : "redirect the traffic");
}

static void lint_time(struct linter *l)
{
    const struct playbook *playbook = l->playbook;
    const struct severity_conf *severity = service_severity(l->service, (enum severity)playbook->severity);
    int64_t rto = playbook->rto_ms ? playbook->rto_ms : severity ? severity->rto_ms : 0;
    int64_t longest = playbook_longest_ms(l->service, playbook);
    if (rto <= 0 || playbook->over_rto.en || (longest >= 0 && longest <= rto) || path_recurses(l->service, playbook))
        return;
    const char *target = duration_say(l->arena, rto);
    if (longest < 0)
        note(l, &playbook->mark, FATAL, "its steps go round, so that no time can be promised for an RTO of %s; \"over_rto\" says why that is accepted", target);
    else
        note(l, &playbook->mark, FATAL, "its longest way takes %s, which is over the RTO of %s; shorten the budgets, or let \"over_rto\" say why",
             duration_say(l->arena, longest), target);
}

static void lint_playbook(struct linter *l)
{
    const struct playbook *playbook = l->playbook;
    const struct severity_conf *severity = service_severity(l->service, (enum severity)playbook->severity);
    if (!playbook->steps.n)
        note(l, &playbook->mark, FATAL, "it has no steps");
    if (!severity)
        note(l, &playbook->mark, FATAL, "the service has no severity %s", severity_name((enum severity)playbook->severity));
    else if (!severity->stages.n)
        note(l, &playbook->mark, WARNING, "severity %s has no stages, so nobody is told", severity_name((enum severity)playbook->severity));
    lint_condition(l, &playbook->mark, "opens_when", playbook->opens_when);
    lint_condition(l, &playbook->mark, "resolved_when", playbook->resolved_when);
    if (playbook->opens_when && !playbook->resolved_when)
        note(l, &playbook->mark, WARNING, "without \"resolved_when\" nothing looks whether the service is well before the incident is resolved");
    for (size_t i = 0; i < playbook->steps.n; i++)
        lint_step(l, i);
    lint_paths(l);
    lint_time(l);
}

static void lint_stages(struct linter *l, const struct severity_conf *severity)
{
    for (size_t i = 0; i < severity->stages.n; i++) {
        const struct stage *stage = &severity->stages.p[i];
        for (size_t k = 0; k < i; k++)
            if (same(stage->name, severity->stages.p[k].name))
                note(l, &stage->mark, FATAL, "severity %s has two stages called \"%s\"", severity_name((enum severity)severity->severity), stage->name);
        for (int kind = 0; kind < NOTICE_MAX; kind++)
            if (same(stage->name, notice_names[kind]))
                note(l, &stage->mark, FATAL, "a stage cannot be called \"%s\": messages of that name are sent by themselves", stage->name);
    }
    if (severity->stages.n > INCIDENT_STAGES_MAX)
        note(l, &severity->mark, FATAL, "severity %s has more than %d stages", severity_name((enum severity)severity->severity), INCIDENT_STAGES_MAX);
}

void playbook_lint(struct arena *arena, const struct service *service, bool (*action_known)(const char *action), struct lints *out)
{
    struct linter l = {.arena = arena, .service = service, .action_known = action_known, .out = out};
    for (size_t i = 0; i < service->playbooks.n; i++) {
        l.playbook = &service->playbooks.p[i];
        lint_playbook(&l);
    }
    /* The engine's keys for messages rely on the names of stages; said once, under the first playbook that uses them. */
    for (size_t i = 0; service->playbooks.n && i < service->severities.n; i++) {
        l.playbook = &service->playbooks.p[0];
        lint_stages(&l, &service->severities.p[i]);
    }
}
