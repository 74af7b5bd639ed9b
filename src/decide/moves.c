/* decide/moves.c -- What may happen to a step in each phase, and where it leads: the table that engine.c walks. */
#include "decide/decide_internal.h"

/* ---- guards ---- */

const struct playbook *engine_playbook(const struct decide *d, const struct inc *inc)
{
    return &svc_of(d, inc)->conf->playbooks.p[inc->pub.frames[inc->pub.depth - 1].playbook];
}

const struct step *engine_step(const struct decide *d, const struct inc *inc)
{
    return &engine_playbook(d, inc)->steps.p[inc->pub.frames[inc->pub.depth - 1].step];
}

struct deed engine_deed(const struct decide *d, const struct inc *inc, char words[MODEL_TEXT_SIZE])
{
    const struct svc *svc = svc_of(d, inc);
    words_fill(words, engine_step(d, inc)->action, site_name(svc, inc->pub.from), site_name(svc, inc->pub.to));
    return deed_of(svc->conf, words);
}

int64_t engine_budget_ends_ms(const struct decide *d, const struct inc *inc)
{
    int64_t budget = engine_step(d, inc)->budget_ms;
    return inc->pub.frames[inc->pub.depth - 1].entered_at_ms + (budget > 0 ? budget : BUDGET_FALLBACK_MS);
}

static bool budget_left(const struct decide *d, const struct inc *inc)
{
    return d->now_ms < engine_budget_ends_ms(d, inc);
}

static bool try_left(const struct decide *d, const struct inc *inc)
{
    return inc->pub.frames[inc->pub.depth - 1].attempt < engine_step(d, inc)->attempts && budget_left(d, inc);
}

static bool has_until(const struct decide *d, const struct inc *inc)
{
    return engine_step(d, inc)->until != NULL;
}

static bool not_stopping(const struct decide *d UNUSED, const struct inc *inc)
{
    return !inc->more[inc->pub.depth - 1].stopping;
}

/* A person wants another playbook: what this command still has to say leads nowhere. */
static bool is_replaced(const struct decide *d UNUSED, const struct inc *inc)
{
    return inc->wanted != NOTHING && inc->more[inc->pub.depth - 1].stopping;
}

static bool is_approvable(const struct decide *d UNUSED, const struct inc *inc)
{
    return inc->more[inc->pub.depth - 1].approvable;
}

static bool is_certified_fence(const struct decide *d, const struct inc *inc)
{
    char words[MODEL_TEXT_SIZE];
    struct deed deed = engine_deed(d, inc, words);
    return deed.kind == DEED_FENCE && guard_certified(inc, deed.site);
}

const char *engine_target(const struct step *step, enum outcome outcome)
{
    const char *failure = step->on_failure ? step->on_failure : "fail";
    switch (outcome) {
    case OUTCOME_SUCCESS:
        return step->on_success ? step->on_success : "next";
    case OUTCOME_FAILURE:
        return failure;
    case OUTCOME_EXPIRY:
        return step->on_expiry ? step->on_expiry : failure;
    default:
        return "next"; /* skipped */
    }
}

/* A fence that does not come off ends nothing: without a certificate the state is BLOCKED, and a person may give one. */
static bool fence_would_fail(const struct decide *d, const struct inc *inc)
{
    char words[MODEL_TEXT_SIZE];
    return engine_deed(d, inc, words).kind == DEED_FENCE && same(engine_target(engine_step(d, inc), OUTCOME_FAILURE), "fail");
}

/* ---- the table ---- */

const struct move engine_moves[] = {
    {STEP_READY, STEP_SKIPS, NULL, STEP_NONE, OUTCOME_SKIPPED, "its condition does not hold"},
    {STEP_READY, STEP_RECOVERED, NULL, STEP_NONE, OUTCOME_SKIPPED, "recovered by itself"},
    {STEP_READY, STEP_CERTIFIED, NULL, STEP_NONE, OUTCOME_SUCCESS, "a fence certificate stands already"},
    {STEP_READY, STEP_LIMITED, NULL, STEP_NONE, OUTCOME_FAILURE, "it is not run again"},
    {STEP_READY, STEP_CANNOT, NULL, STEP_NONE, OUTCOME_FAILURE, "it cannot be run"},
    {STEP_READY, STEP_REFUSED, NULL, STEP_BLOCKED, OUTCOME_BLOCKED, "a rule of safety forbids it"},
    {STEP_READY, STEP_ASKS, NULL, STEP_ASKING, OUTCOME_BLOCKED, "a person must approve"},
    {STEP_READY, STEP_GOES, NULL, STEP_RUNNING, OUTCOME_BLOCKED, "its command is run"},
    {STEP_READY, STEP_CALLS, NULL, STEP_CALLING, OUTCOME_BLOCKED, "another playbook begins"},
    {STEP_READY, STEP_SAYS, NULL, STEP_NONE, OUTCOME_SUCCESS, "people were told"},
    {STEP_READY, STEP_AWAITS, NULL, STEP_CHECKING, OUTCOME_BLOCKED, "its condition is awaited"},

    {STEP_ASKING, STEP_APPROVED, NULL, STEP_READY, OUTCOME_BLOCKED, "a person approved it"},
    {STEP_ASKING, STEP_UNPAUSED, NULL, STEP_READY, OUTCOME_BLOCKED, "the pause is over"},
    {STEP_ASKING, STEP_DENIED, NULL, STEP_NONE, OUTCOME_FAILURE, "a person denied it"},
    {STEP_ASKING, STEP_DUE, NULL, STEP_NONE, OUTCOME_FAILURE, "nobody approved it in time, which is a no"},
    {STEP_ASKING, STEP_RECOVERED, NULL, STEP_NONE, OUTCOME_SKIPPED, "recovered by itself before anybody approved"},

    {STEP_RUNNING, STEP_REPLACED, not_stopping, STEP_RUNNING, OUTCOME_BLOCKED, "a person starts another playbook; its command is stopped"},
    {STEP_RUNNING, STEP_SUCCEEDS, is_replaced, STEP_NONE, OUTCOME_SUCCESS, "done before it was stopped"},
    {STEP_RUNNING, STEP_FAILS, is_replaced, STEP_NONE, OUTCOME_FAILURE, "stopped"},
    {STEP_RUNNING, STEP_EXPIRES, is_replaced, STEP_NONE, OUTCOME_EXPIRY, "stopped"},
    {STEP_RUNNING, STEP_REFUSED, is_replaced, STEP_NONE, OUTCOME_FAILURE, "stopped"},
    {STEP_RUNNING, STEP_DUE, is_replaced, STEP_NONE, OUTCOME_EXPIRY, "stopped, and given up waiting for"},
    {STEP_RUNNING, STEP_SUCCEEDS, has_until, STEP_CHECKING, OUTCOME_BLOCKED, "its command succeeded; its effect is awaited"},
    {STEP_RUNNING, STEP_SUCCEEDS, NULL, STEP_NONE, OUTCOME_SUCCESS, "done"},
    {STEP_RUNNING, STEP_FAILS, try_left, STEP_PAUSING, OUTCOME_FAILURE, "failed; it is tried again"},
    {STEP_RUNNING, STEP_FAILS, fence_would_fail, STEP_BLOCKED, OUTCOME_BLOCKED, "the fence failed"},
    {STEP_RUNNING, STEP_FAILS, NULL, STEP_NONE, OUTCOME_FAILURE, "failed"},
    {STEP_RUNNING, STEP_EXPIRES, fence_would_fail, STEP_BLOCKED, OUTCOME_BLOCKED, "the fence used up its budget"},
    {STEP_RUNNING, STEP_EXPIRES, NULL, STEP_NONE, OUTCOME_EXPIRY, "its budget is used up"},
    {STEP_RUNNING, STEP_REFUSED, NULL, STEP_BLOCKED, OUTCOME_BLOCKED, "its command needs a person"},
    {STEP_RUNNING, STEP_DUE, not_stopping, STEP_RUNNING, OUTCOME_BLOCKED, "its budget is used up; its command is stopped"},
    {STEP_RUNNING, STEP_DUE, fence_would_fail, STEP_BLOCKED, OUTCOME_BLOCKED, "the fence used up its budget and does not end"},
    {STEP_RUNNING, STEP_DUE, NULL, STEP_NONE, OUTCOME_EXPIRY, "its budget is used up and its command does not end"},

    {STEP_CHECKING, STEP_HOLDS, NULL, STEP_NONE, OUTCOME_SUCCESS, "done, and its effect shows"},
    {STEP_CHECKING, STEP_DUE, NULL, STEP_NONE, OUTCOME_EXPIRY, "its effect did not show within its budget"},

    {STEP_PAUSING, STEP_DUE, budget_left, STEP_READY, OUTCOME_BLOCKED, "it is tried again"},
    {STEP_PAUSING, STEP_DUE, NULL, STEP_NONE, OUTCOME_EXPIRY, "its budget is used up"},

    {STEP_CALLING, STEP_SUCCEEDS, NULL, STEP_NONE, OUTCOME_SUCCESS, "the playbook succeeded"},
    {STEP_CALLING, STEP_FAILS, NULL, STEP_NONE, OUTCOME_FAILURE, "the playbook failed"},

    {STEP_BLOCKED, STEP_RETRIED, NULL, STEP_READY, OUTCOME_BLOCKED, "a person wants it tried again"},
    {STEP_BLOCKED, STEP_CERTIFIED, is_certified_fence, STEP_NONE, OUTCOME_SUCCESS, "a person certified it"},
    {STEP_BLOCKED, STEP_CERTIFIED, NULL, STEP_READY, OUTCOME_BLOCKED, "a person gave a certificate"},
    {STEP_BLOCKED, STEP_APPROVED, is_approvable, STEP_READY, OUTCOME_BLOCKED, "a person approved it"},
    {STEP_BLOCKED, STEP_RECOVERED, NULL, STEP_NONE, OUTCOME_SKIPPED, "recovered by itself"},
};
const size_t engine_move_count = COUNT_OF(engine_moves);
