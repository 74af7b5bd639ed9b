/* decide/remaining.c -- How long the recovery will still take: the steps that are left on the way of success, each by what it took before
   or, where nobody knows, by its budget. */
#include "decide/decide_internal.h"

enum { STEPS_LOOKED_AT = 100 }; /* a way that goes round has no end to be told */

struct walk {
    const struct decide *d;
    const struct inc *inc;
    const struct took *took;
    struct remaining sum;
    int steps;
};

static void words_of(const struct walk *w, const struct step *step, char words[MODEL_TEXT_SIZE])
{
    const struct svc *svc = svc_of(w->d, w->inc);
    words_fill(words, step->action, site_name(svc, w->inc->pub.from), site_name(svc, w->inc->pub.to));
}

static int64_t took_before(const struct walk *w, const char *words)
{
    return w->took && w->took->before ? w->took->before(w->took->arg, svc_of(w->d, w->inc)->conf->name, words) : -1;
}

/* False: the way does not end. */
static bool add_from(struct walk *w, const struct playbook *playbook, int step, int depth);

static bool add_step(struct walk *w, const struct step *step, int depth)
{
    char words[MODEL_TEXT_SIZE];
    const struct svc *svc = svc_of(w->d, w->inc);
    words_of(w, step, words);
    struct deed deed = deed_of(svc->conf, words);
    if (deed.kind == DEED_SAY || (step->when && truth_pinned(svc, w->inc, step->when, 0) == TRUTH_NO))
        return true;
    if (deed.kind == DEED_CALL) {
        const struct playbook *called = service_playbook(svc->conf, deed.argument);
        return called && depth < INCIDENT_DEPTH_MAX && add_from(w, called, 0, depth + 1);
    }
    int64_t budget = step->budget_ms > 0 ? step->budget_ms : BUDGET_FALLBACK_MS, took = took_before(w, words);
    w->sum.likely_ms += took >= 0 ? MIN_OF(took, budget) : budget;
    w->sum.most_ms += budget;
    return true;
}

static bool add_from(struct walk *w, const struct playbook *playbook, int step, int depth)
{
    for (int i = step; i >= 0; i = path_target(playbook, i, OUTCOME_SUCCESS))
        if (++w->steps > STEPS_LOOKED_AT || !add_step(w, &playbook->steps.p[i], depth))
            return false;
    return true;
}

/* The step that is under way has used up a part of its time. What its command says of itself is better than what it took before. */
static void add_current(struct walk *w)
{
    const struct inc *inc = w->inc;
    const struct frame *frame = &inc->pub.frames[inc->pub.depth - 1];
    char words[MODEL_TEXT_SIZE];
    words_of(w, engine_step(w->d, inc), words);
    int64_t left = MAX_OF(0, engine_budget_ends_ms(w->d, inc) - w->d->now_ms), took = took_before(w, words);
    int64_t likely = took >= 0 ? MAX_OF(0, took - (w->d->now_ms - frame->entered_at_ms)) : left;
    bool said = w->took && w->took->left_ms >= 0;
    w->sum.likely_ms += MIN_OF(said ? w->took->left_ms : likely, left);
    w->sum.most_ms += left;
}

struct remaining decide_remaining(const struct decide *d, const struct incident *incident, const struct took *took)
{
    static const struct remaining unknown = {-1, -1};
    const struct inc *inc = (const struct inc *)incident; /* every incident that is handed out is the head of one */
    struct walk w = {.d = d, .inc = inc, .took = took};
    if (!incident->depth)
        return unknown;
    enum step_phase phase = incident->frames[incident->depth - 1].phase;
    if (phase == STEP_ASKING || phase == STEP_BLOCKED)
        return unknown; /* nobody knows how long a person takes */
    add_current(&w);
    for (int i = incident->depth - 1; i >= 0; i--) {
        const struct playbook *playbook = &svc_of(d, inc)->conf->playbooks.p[incident->frames[i].playbook];
        int next = path_target(playbook, incident->frames[i].step, OUTCOME_SUCCESS);
        if (next == PATH_FAIL || next == PATH_UNKNOWN || !add_from(&w, playbook, next, i))
            return unknown;
    }
    return w.sum;
}
