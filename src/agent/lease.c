/* agent/lease.c -- See test/sim/leases.c for the attempts to break it. */
#include "agent/lease.h"

enum { PERCENT = 100 };

/* Never past the end of time: a lease that would be too long to count is one that never ends for the waiter, and none for the holder. */
static int64_t after(int64_t ms, int64_t more)
{
    int64_t sum;
    return __builtin_add_overflow(ms, more, &sum) ? TIME_NEVER : sum;
}

/* ---- the side that writes ---- */

void lease_hold(struct lease_holder *h, const struct lease_terms *terms, int members, int64_t first, int64_t now_ms)
{
    *h = (struct lease_holder){.terms = *terms, .members = members, .first = first, .serial = first - 1, .last_ms = now_ms, .awake_ms = now_ms};
}

static void end(struct lease_holder *h, enum lease_end why)
{
    if (h->end == LEASE_NOT_ENDED)
        h->end = why;
}

/* Every event comes through here first, so that a lease that ran out unseen is not brought back to life by what arrives after it. */
static void look(struct lease_holder *h, int64_t now_ms)
{
    if (now_ms < h->last_ms)
        end(h, LEASE_CLOCK_WENT_BACK); /* what the lease still holds cannot be told any more */
    int64_t slept;
    if (__builtin_sub_overflow(now_ms, h->last_ms, &slept) || slept > h->terms.guard_ms)
        h->awake_ms = now_ms;
    h->last_ms = now_ms;
    if (h->until_ms && now_ms >= h->until_ms)
        end(h, LEASE_LAPSED);
}

int64_t lease_sent(struct lease_holder *h, int64_t now_ms)
{
    look(h, now_ms);
    h->serial++;
    h->sent_ms = now_ms;
    h->rounds[h->serial % LEASE_ROUNDS_MAX] = (struct lease_round){.serial = h->serial, .sent_ms = now_ms};
    return h->serial;
}

static struct lease_round *round_of(struct lease_holder *h, int64_t serial)
{
    struct lease_round *r = serial >= h->first && h->first > 0 ? &h->rounds[serial % LEASE_ROUNDS_MAX] : NULL;
    return r && r->serial == serial ? r : NULL;
}

/* Counted from the moment of sending: when the answer was given, only the other side knows. */
static void extend(struct lease_holder *h, const struct lease_round *r, enum lease_by by)
{
    int64_t length = h->terms.ttl_ms - h->terms.stop_budget_ms, until = after(r->sent_ms, length);
    if (h->end != LEASE_NOT_ENDED || length <= 0 || until == TIME_NEVER || until <= h->until_ms || until <= h->last_ms)
        return;
    h->until_ms = until;
    h->given_ms = r->sent_ms;
    h->by = by;
}

void lease_renewed(struct lease_holder *h, int64_t now_ms, int64_t serial, enum lease_answer answer)
{
    look(h, now_ms);
    const struct lease_round *r = round_of(h, serial);
    if (answer == LEASE_REFUSED)
        end(h, LEASE_EPOCH_MOVED);
    else if (answer == LEASE_OK && r)
        extend(h, r, LEASE_BY_ETCD);
}

void lease_granted(struct lease_holder *h, int64_t now_ms, int64_t serial, int member, enum lease_answer answer)
{
    look(h, now_ms);
    struct lease_round *r = round_of(h, serial);
    if (answer == LEASE_REFUSED)
        end(h, LEASE_EPOCH_MOVED);
    if (answer != LEASE_OK || !r || member < 0 || member >= h->members || h->members > LEASE_MEMBERS_MAX)
        return;
    r->grants |= 1U << member;
    if (r->grants == (1U << h->members) - 1)
        extend(h, r, LEASE_BY_GRANTS);
}

struct lease_say lease_ask(struct lease_holder *h, int64_t now_ms)
{
    look(h, now_ms);
    bool ended = h->end != LEASE_NOT_ENDED;
    int64_t due = h->serial >= h->first ? after(h->sent_ms, h->terms.renew_ms) : now_ms;
    struct lease_say say = {
        .may_write = !ended && h->until_ms,
        .may_begin = !ended && h->until_ms && h->given_ms >= h->awake_ms,
        .renew = !ended && now_ms >= due,
        .stop = ended,
        .next_ms = ended ? TIME_NEVER : MAX_OF(due, now_ms),
    };
    if (say.may_write)
        say.next_ms = MIN_OF(say.next_ms, h->until_ms);
    return say;
}

const char *lease_end_say(enum lease_end end)
{
    static const char *const phrases[] = {
        [LEASE_NOT_ENDED] = "",
        [LEASE_LAPSED] = "the lease could not be renewed in time",
        [LEASE_EPOCH_MOVED] = "the epoch has moved: another site may write now",
        [LEASE_CLOCK_WENT_BACK] = "the clock of this machine went back, so what is left of the lease is not known",
    };
    return phrases[end];
}

/* ---- the side that waits to take over ---- */

/* By our clock, which may be the faster one. */
static int64_t whole_wait(const struct lease_terms *t)
{
    int64_t scaled;
    if (__builtin_mul_overflow(t->ttl_ms, (int64_t)t->drift, &scaled))
        return TIME_NEVER;
    return after(after(t->ttl_ms, after(scaled, PERCENT - 1) / PERCENT), t->guard_ms);
}

void lease_wait(struct lease_waiter *w, const struct lease_terms *terms, int64_t now_ms)
{
    *w = (struct lease_waiter){.terms = *terms, .last_ms = now_ms, .armed = true};
    w->lapse_left_ms = w->promise_left_ms = whole_wait(terms);
}

void lease_distrust(struct lease_waiter *w, int64_t revision)
{
    w->armed = false;
    w->revision = MAX_OF(w->revision, revision);
}

static int64_t less(int64_t left_ms, int64_t by_ms)
{
    return left_ms == TIME_NEVER ? TIME_NEVER : MAX_OF(left_ms - by_ms, 0);
}

void lease_tick(struct lease_waiter *w, int64_t now_ms)
{
    int64_t passed;
    if (!__builtin_sub_overflow(now_ms, w->last_ms, &passed) && passed > 0 && passed <= w->terms.guard_ms) {
        w->lapse_left_ms = less(w->lapse_left_ms, passed);
        w->promise_left_ms = less(w->promise_left_ms, passed);
    }
    w->last_ms = now_ms;
}

void lease_saw(struct lease_waiter *w, int64_t now_ms, int64_t revision, bool armed)
{
    lease_tick(w, now_ms);
    if (revision <= w->revision)
        return;
    w->revision = revision;
    w->armed = armed;
    w->lapse_left_ms = whole_wait(&w->terms);
}

bool lease_grant(struct lease_waiter *w, int64_t now_ms, bool armed)
{
    lease_tick(w, now_ms);
    if (w->refusing || w->revoked)
        return false;
    w->armed = armed;
    w->promise_left_ms = whole_wait(&w->terms);
    return true;
}

void lease_refuse(struct lease_waiter *w, int64_t now_ms)
{
    lease_tick(w, now_ms);
    w->refusing = true;
}

void lease_revoked(struct lease_waiter *w, int64_t now_ms, int64_t revision, bool armed)
{
    lease_saw(w, now_ms, revision, armed); /* one that was not seen before is as new as can be */
    w->refusing = w->revoked = true;
}

void lease_fenced(struct lease_waiter *w)
{
    w->fenced = w->refusing = true;
}

int64_t lease_seen_ms(const struct lease_waiter *w)
{
    return w->revision ? whole_wait(&w->terms) - w->lapse_left_ms : -1;
}

int64_t lease_promote_in_ms(const struct lease_waiter *w)
{
    if (w->fenced)
        return 0;
    if (!w->revoked || !w->armed)
        return TIME_NEVER;
    return MAX_OF(w->lapse_left_ms, w->promise_left_ms);
}
