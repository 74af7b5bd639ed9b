/* decide/states.c -- The life of an incident as a table, its walker, and what verdicts and clocks do to it by themselves. */
#include "decide/decide_internal.h"

static bool nothing_runs(const struct inc *inc)
{
    return inc->pub.depth == 0;
}

/* The sentence is what people read in the timeline. A row that stays in its state writes no state, it only tells. */
const struct state_row state_rows[] = {
    {INCIDENT_OPEN, ON_ACK, NULL, INCIDENT_ACKNOWLEDGED, NOTICE_MAX, "a person has taken it"},
    {INCIDENT_OPEN, ON_BEGIN, NULL, INCIDENT_MITIGATING, NOTICE_MAX, "the recovery begins"},
    {INCIDENT_OPEN, ON_MENDED, NULL, INCIDENT_MONITORING, NOTICE_MONITORING, "the playbook succeeded; the service is watched"},
    {INCIDENT_OPEN, ON_WELL, nothing_runs, INCIDENT_MONITORING, NOTICE_MONITORING, "the service came back by itself; it is watched"},
    {INCIDENT_OPEN, ON_UPDATE_DUE, NULL, INCIDENT_OPEN, NOTICE_UPDATE, "still open"},
    {INCIDENT_OPEN, ON_CLEARED, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "its alerts have ended and did not come back"},
    {INCIDENT_OPEN, ON_RESOLVE, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "a person resolved it"},
    {INCIDENT_OPEN, ON_HANDED_OVER, NULL, INCIDENT_RESOLVED, NOTICE_MAX, "it ends here: another controller leads"},

    {INCIDENT_ACKNOWLEDGED, ON_UNACK, NULL, INCIDENT_OPEN, NOTICE_MAX, "nobody has it in hand any more"},
    {INCIDENT_ACKNOWLEDGED, ON_BEGIN, NULL, INCIDENT_MITIGATING, NOTICE_MAX, "the recovery begins"},
    {INCIDENT_ACKNOWLEDGED, ON_MENDED, NULL, INCIDENT_MONITORING, NOTICE_MONITORING, "the playbook succeeded; the service is watched"},
    {INCIDENT_ACKNOWLEDGED, ON_WELL, nothing_runs, INCIDENT_MONITORING, NOTICE_MONITORING, "the service came back by itself; it is watched"},
    {INCIDENT_ACKNOWLEDGED, ON_UPDATE_DUE, NULL, INCIDENT_ACKNOWLEDGED, NOTICE_UPDATE, "still in the hands of a person"},
    {INCIDENT_ACKNOWLEDGED, ON_CLEARED, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "its alerts have ended and did not come back"},
    {INCIDENT_ACKNOWLEDGED, ON_RESOLVE, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "a person resolved it"},
    {INCIDENT_ACKNOWLEDGED, ON_HANDED_OVER, NULL, INCIDENT_RESOLVED, NOTICE_MAX, "it ends here: another controller leads"},

    {INCIDENT_MITIGATING, ON_ACK, NULL, INCIDENT_MITIGATING, NOTICE_MAX, "a person has taken it while the recovery goes on"},
    {INCIDENT_MITIGATING, ON_MENDED, NULL, INCIDENT_MONITORING, NOTICE_MONITORING, "the playbook succeeded; the service is watched"},
    {INCIDENT_MITIGATING, ON_WELL, nothing_runs, INCIDENT_MONITORING, NOTICE_MONITORING, "the service is well again; it is watched"},
    {INCIDENT_MITIGATING, ON_UPDATE_DUE, NULL, INCIDENT_MITIGATING, NOTICE_UPDATE, "the recovery goes on"},
    {INCIDENT_MITIGATING, ON_CLEARED, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "its alerts have ended and did not come back"},
    {INCIDENT_MITIGATING, ON_RESOLVE, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "a person resolved it"},
    {INCIDENT_MITIGATING, ON_HANDED_OVER, NULL, INCIDENT_RESOLVED, NOTICE_MAX, "it ends here: another controller leads"},

    {INCIDENT_MONITORING, ON_ACK, NULL, INCIDENT_MONITORING, NOTICE_MAX, "a person has taken it while the service is watched"},
    {INCIDENT_MONITORING, ON_BEGIN, NULL, INCIDENT_MITIGATING, NOTICE_MAX, "another recovery begins"},
    {INCIDENT_MONITORING, ON_HELD, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "the service stayed well for as long as was asked"},
    {INCIDENT_MONITORING, ON_ILL, NULL, INCIDENT_MITIGATING, NOTICE_RELAPSE, "the service is not well"},
    {INCIDENT_MONITORING, ON_UPDATE_DUE, NULL, INCIDENT_MONITORING, NOTICE_UPDATE, "the service is watched"},
    {INCIDENT_MONITORING, ON_CLEARED, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "its alerts have ended and did not come back"},
    {INCIDENT_MONITORING, ON_RESOLVE, NULL, INCIDENT_RESOLVED, NOTICE_RESOLVED, "a person resolved it"},
    {INCIDENT_MONITORING, ON_HANDED_OVER, NULL, INCIDENT_RESOLVED, NOTICE_MAX, "it ends here: another controller leads"},

    {INCIDENT_RESOLVED, ON_REVIEW, NULL, INCIDENT_REVIEWED, NOTICE_MAX, "a person has reviewed it"},
};
const size_t state_row_count = COUNT_OF(state_rows);

static void enter_state(struct decide *d, struct inc *inc, enum incident_state state)
{
    inc->pub.state = state;
    inc->pub.state_at_ms = d->now_ms;
    if (state == INCIDENT_MITIGATING && !inc->pub.mitigating_at_ms)
        inc->pub.mitigating_at_ms = d->now_ms;
    if (state == INCIDENT_MONITORING) {
        inc->pub.monitoring_at_ms = d->now_ms;
        inc->was_well = inc->blocked = inc->relapsed = false;
    }
    if (state == INCIDENT_RESOLVED) {
        inc->pub.resolved_at_ms = d->now_ms;
        inc->pub.resolved_wall_ms = d->wall_ms;
        inc->pub.next_update_at_ms = TIME_NEVER;
        inc->blocked = inc->relapsed = false;
    }
}

bool incident_walk(struct decide *d, struct inc *inc, enum incident_on on)
{
    for (size_t i = 0; i < state_row_count; i++) {
        const struct state_row *row = &state_rows[i];
        if (row->state != inc->pub.state || row->on != on || (row->guard && !row->guard(inc)))
            continue;
        if (row->next != row->state) {
            if (row->next == INCIDENT_RESOLVED)
                letters_withdraw(d, inc, page_reasons[PAGE_OVER]);
            enter_state(d, inc, row->next);
            struct order *order = order_add(d, ORDER_STATE, inc);
            order->number = row->next;
            COPY_TO(order->text, row->sentence);
            COPY_TO(order->who, d->who);
        }
        if (row->notice != NOTICE_MAX)
            tell(d, inc, row->notice, NULL);
        return true;
    }
    return false;
}

void incident_block(struct decide *d, struct inc *inc, const char *run, const char *why)
{
    inc->blocked = true;
    inc->relapsed = false;
    struct order *order = order_add(d, ORDER_BLOCKED, inc);
    COPY_TO(order->subject, run);
    COPY_TO(order->text, why);
    tell(d, inc, NOTICE_BLOCKED, why);
}

static const struct playbook *playbook_of(const struct decide *d, const struct inc *inc)
{
    return inc->pub.playbook == NOTHING ? NULL : &svc_of(d, inc)->conf->playbooks.p[inc->pub.playbook];
}

static int64_t hold_ms(const struct decide *d, const struct inc *inc)
{
    const struct playbook *playbook = playbook_of(d, inc);
    return playbook ? playbook->hold_ms : 0;
}

static int64_t held_at_ms(const struct decide *d, const struct inc *inc)
{
    /* Counted from the cure, not from before it: a service that answers while it is being moved proves nothing. */
    return MAX_OF(inc->pub.well_since_ms, inc->pub.monitoring_at_ms) + hold_ms(d, inc);
}

static int64_t patience_ends_ms(const struct decide *d, const struct inc *inc)
{
    return inc->pub.monitoring_at_ms + MAX_OF(PATIENCE_MS, hold_ms(d, inc));
}

static void look(struct decide *d, struct inc *inc)
{
    const struct playbook *playbook = playbook_of(d, inc);
    inc->well = playbook ? truth_now(svc_of(d, inc), playbook->resolved_when) : TRUTH_MAYBE;
    if (inc->well != TRUTH_YES)
        inc->pub.well_since_ms = 0;
    else if (!inc->pub.well_since_ms)
        inc->pub.well_since_ms = d->now_ms;
}

static bool move_monitoring(struct decide *d, struct inc *inc)
{
    if (inc->well == TRUTH_YES) {
        inc->was_well = true;
        return d->now_ms >= held_at_ms(d, inc) && incident_walk(d, inc, ON_HELD);
    }
    /* Not seen is not ill. Not yet well is no relapse before the verdicts had the time to turn. */
    if (inc->well == TRUTH_MAYBE || (!inc->was_well && d->now_ms < patience_ends_ms(d, inc)))
        return false;
    inc->relapsed = incident_walk(d, inc, ON_ILL);
    inc->relapse_until_ms = d->now_ms + PATIENCE_MS;
    return inc->relapsed;
}

/* Why the machine must not start the playbook again by itself; NULL: it may. */
static const char *no_second_run(struct decide *d, const struct inc *inc)
{
    const struct svc *svc = svc_of(d, inc);
    if (!inc->pub.automatic || inc->root == NOTHING || !svc->conf->playbooks.p[inc->root].opens_when)
        return "it was started by a person";
    if (svc->active != inc->pub.from || svc->fenced[inc->pub.from])
        return "the users were moved away or the site was fenced in this incident";
    if (!inc->by_person && guard_exhausted(d, svc, inc->root))
        return "its limit of automatic runs is reached";
    return NULL;
}

static bool move_relapsed(struct decide *d, struct inc *inc)
{
    struct svc *svc = svc_of(d, inc);
    const char *no = no_second_run(d, inc);
    if (!no && truth_pinned(svc, inc, svc->conf->playbooks.p[inc->root].opens_when, 0) == TRUTH_YES) {
        inc->relapsed = false;
        engine_start(d, inc, inc->root);
        return true;
    }
    if (!no && d->now_ms < inc->relapse_until_ms)
        return false;
    char why[MODEL_TEXT_SIZE];
    SAY(why, "the service is not well again, and the playbook is not started another time: %s; to run it all the same: "
             "bascule incident retry %lld; to work by hand: bascule runbook",
        no ? no : "what it was written for is not the case", (long long)inc->pub.id);
    incident_block(d, inc, "", why);
    return true;
}

bool incident_move(struct decide *d, struct inc *inc)
{
    look(d, inc);
    if (inc->pub.state == INCIDENT_MONITORING)
        return move_monitoring(d, inc);
    const struct playbook *playbook = playbook_of(d, inc);
    if (inc->well == TRUTH_YES && playbook && playbook->resolved_when && incident_walk(d, inc, ON_WELL))
        return true;
    return inc->relapsed && inc->pub.depth == 0 ? move_relapsed(d, inc) : false;
}

int64_t incident_next_ms(const struct decide *d, const struct inc *inc)
{
    if (inc->pub.state == INCIDENT_MONITORING && inc->well == TRUTH_YES)
        return held_at_ms(d, inc);
    if (inc->pub.state == INCIDENT_MONITORING && inc->well == TRUTH_NO)
        return patience_ends_ms(d, inc);
    return inc->relapsed ? inc->relapse_until_ms : TIME_NEVER;
}
