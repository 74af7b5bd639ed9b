/* decide/paths.c -- All ways through a playbook: how long they take, whether they end, and what comes before what. */
#include "decide/decide_internal.h"

/* What a step can end in, as far as its ways on are concerned. */
static const enum outcome ends[] = {OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_EXPIRY, OUTCOME_SKIPPED};

int path_target(const struct playbook *playbook, int step, enum outcome outcome)
{
    const char *target = engine_target(&playbook->steps.p[step], outcome);
    if (same(target, "end"))
        return PATH_END;
    if (same(target, "fail"))
        return PATH_FAIL;
    if (same(target, "next"))
        return (size_t)step + 1 < playbook->steps.n ? step + 1 : PATH_END;
    for (size_t i = 0; i < playbook->steps.n; i++)
        if (same(playbook->steps.p[i].id, target))
            return (int)i;
    return PATH_UNKNOWN;
}

/* Can the step end so? Only one with `when` is ever skipped. */
static bool can_end(const struct step *step, enum outcome outcome)
{
    return outcome != OUTCOME_SKIPPED || step->when;
}

struct deed path_deed(const struct service *service, const char *action)
{
    const struct site *production = service_site_of(service, SITE_PRODUCTION), *dr = service_site_of(service, SITE_DR);
    char words[MODEL_TEXT_SIZE];
    words_fill(words, action ? action : "", production ? production->name : NULL, dr ? dr->name : NULL);
    return deed_of(service, words);
}

static const struct playbook *called_by(const struct service *service, const struct step *step)
{
    struct deed deed = path_deed(service, step->action);
    return deed.kind == DEED_CALL ? service_playbook(service, deed.argument) : NULL;
}

/* ---- circles, reach ---- */

enum mark_of { MARK_NEW, MARK_BUSY, MARK_DONE };

static bool circles_from(const struct playbook *playbook, bool limited, enum mark_of *marks, int step)
{
    if (step < 0 || marks[step] == MARK_DONE || (limited && playbook->steps.p[step].limit > 0))
        return false;
    if (marks[step] == MARK_BUSY)
        return true;
    marks[step] = MARK_BUSY;
    for (size_t e = 0; e < COUNT_OF(ends); e++)
        if (can_end(&playbook->steps.p[step], ends[e]) && circles_from(playbook, limited, marks, path_target(playbook, step, ends[e])))
            return true;
    marks[step] = MARK_DONE;
    return false;
}

bool path_circles(const struct playbook *playbook, bool limited)
{
    SCOPED(arena_close) struct arena *scratch = arena_open();
    enum mark_of *marks = arena_array(scratch, enum mark_of, playbook->steps.n);
    for (size_t i = 0; i < playbook->steps.n; i++)
        if (circles_from(playbook, limited, marks, (int)i))
            return true;
    return false;
}

static void reach_from(const struct playbook *playbook, bool *reached, int step)
{
    if (step < 0 || reached[step])
        return;
    reached[step] = true;
    for (size_t e = 0; e < COUNT_OF(ends); e++)
        if (can_end(&playbook->steps.p[step], ends[e]))
            reach_from(playbook, reached, path_target(playbook, step, ends[e]));
}

const bool *path_reached(struct arena *arena, const struct playbook *playbook)
{
    bool *reached = arena_array(arena, bool, playbook->steps.n);
    reach_from(playbook, reached, playbook->steps.n ? 0 : PATH_END);
    return reached;
}

static bool recurses(const struct service *service, const struct playbook *playbook, int depth)
{
    if (depth > INCIDENT_DEPTH_MAX)
        return true;
    for (size_t i = 0; i < playbook->steps.n; i++) {
        const struct playbook *called = called_by(service, &playbook->steps.p[i]);
        if (called && recurses(service, called, depth + 1))
            return true;
    }
    return false;
}

bool path_recurses(const struct service *service, const struct playbook *playbook)
{
    return recurses(service, playbook, 1);
}

/* ---- time ---- */

static int64_t longest_from(const struct service *service, const struct playbook *playbook, int64_t *known, int step)
{
    if (step < 0)
        return 0;
    if (known[step] >= 0)
        return known[step];
    const struct step *s = &playbook->steps.p[step];
    const struct playbook *called = called_by(service, s);
    int64_t own = called ? playbook_longest_ms(service, called) : s->budget_ms, longest = 0;
    for (size_t e = 0; e < COUNT_OF(ends); e++)
        if (can_end(s, ends[e])) { /* one that is skipped takes no time */
            int64_t after = longest_from(service, playbook, known, path_target(playbook, step, ends[e]));
            longest = MAX_OF(longest, (ends[e] == OUTCOME_SKIPPED ? 0 : own) + after);
        }
    return known[step] = longest;
}

int64_t playbook_longest_ms(const struct service *service, const struct playbook *playbook)
{
    if (path_recurses(service, playbook) || path_circles(playbook, false))
        return -1;
    SCOPED(arena_close) struct arena *scratch = arena_open();
    int64_t *known = arena_array(scratch, int64_t, playbook->steps.n);
    for (size_t i = 0; i < playbook->steps.n; i++) {
        known[i] = -1;
        const struct playbook *called = called_by(service, &playbook->steps.p[i]);
        if (called && playbook_longest_ms(service, called) < 0)
            return -1;
    }
    return playbook->steps.n ? longest_from(service, playbook, known, 0) : 0;
}

/* ---- fence before redirection ---- */

/* Ways out of a playbook, as bits: with and without the serving site fenced. */
enum { OUT_SUCCESS = 1, OUT_SUCCESS_FENCED = 2, OUT_FAILURE = 4, OUT_FAILURE_FENCED = 8 };

struct walkthrough {
    const struct service *service;
    const struct playbook *playbook;
    bool *seen; /* per step, twice: not fenced, fenced */
    int depth;
    unsigned out;
    const struct step *bad;
};

static unsigned walk_playbook(const struct service *service, const struct playbook *playbook, bool fenced, int depth, const struct step **bad);

static void walk_step(struct walkthrough *w, int step, bool fenced);

static void walk_on(struct walkthrough *w, int step, enum outcome outcome, bool fenced)
{
    int target = path_target(w->playbook, step, outcome);
    if (target >= 0)
        walk_step(w, target, fenced);
    else if (target == PATH_END)
        w->out |= fenced ? OUT_SUCCESS_FENCED : OUT_SUCCESS;
    else
        w->out |= fenced ? OUT_FAILURE_FENCED : OUT_FAILURE;
}

static void walk_call(struct walkthrough *w, int step, bool fenced, const struct playbook *called)
{
    unsigned out = walk_playbook(w->service, called, fenced, w->depth + 1, &w->bad);
    if (out & OUT_SUCCESS)
        walk_on(w, step, OUTCOME_SUCCESS, false);
    if (out & OUT_SUCCESS_FENCED)
        walk_on(w, step, OUTCOME_SUCCESS, true);
    if (out & OUT_FAILURE)
        walk_on(w, step, OUTCOME_FAILURE, false);
    if (out & OUT_FAILURE_FENCED)
        walk_on(w, step, OUTCOME_FAILURE, true);
}

/* Where agents live by a lease, a promotion succeeds only when the one that wrote before has ended. */
static bool ends_the_other(const struct service *service, const struct deed *deed)
{
    bool agents = service->failover.automatic && deed->kind == DEED_PROMOTE;
    for (size_t i = 0; service->sites.p && i < service->sites.n; i++)
        agents = agents && service->sites.p[i].agent.listen;
    return agents;
}

static void walk_step(struct walkthrough *w, int step, bool fenced)
{
    bool *seen = &w->seen[2 * step + fenced];
    if (*seen)
        return;
    *seen = true;
    const struct step *s = &w->playbook->steps.p[step];
    const struct playbook *called = called_by(w->service, s);
    struct deed deed = path_deed(w->service, s->action);
    const struct site *site = deed.site == NOTHING ? NULL : &w->service->sites.p[deed.site];
    bool active = site && site->role == SITE_PRODUCTION, proves = ends_the_other(w->service, &deed);
    if (!proves && (deed.kind == DEED_SWITCH || deed.kind == DEED_PROMOTE) && !active && !fenced && !w->bad)
        w->bad = s;
    if (s->when)
        walk_on(w, step, OUTCOME_SKIPPED, fenced);
    if (called) {
        walk_call(w, step, fenced, called);
        return;
    }
    walk_on(w, step, OUTCOME_SUCCESS, fenced || proves || (deed.kind == DEED_FENCE && active));
    walk_on(w, step, OUTCOME_FAILURE, fenced);
    walk_on(w, step, OUTCOME_EXPIRY, fenced);
}

static unsigned walk_playbook(const struct service *service, const struct playbook *playbook, bool fenced, int depth, const struct step **bad)
{
    if (depth > INCIDENT_DEPTH_MAX || !playbook->steps.n)
        return fenced ? OUT_FAILURE_FENCED : OUT_FAILURE;
    SCOPED(arena_close) struct arena *scratch = arena_open();
    struct walkthrough w = {.service = service, .playbook = playbook, .depth = depth, .bad = *bad};
    w.seen = arena_array(scratch, bool, 2 * playbook->steps.n);
    walk_step(&w, 0, fenced);
    *bad = w.bad;
    return w.out;
}

const struct step *path_unfenced(const struct service *service, const struct playbook *playbook)
{
    const struct step *bad = NULL;
    walk_playbook(service, playbook, false, 1, &bad);
    return bad;
}
