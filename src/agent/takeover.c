/* agent/takeover.c -- This site is told to write in the newest epoch: by whoever promotes it, or by the epoch itself. What is left to wait for is
   counted from then on, by the rules of lease.c. */
#include "agent/hold_internal.h"

#include <inttypes.h>

#include "io/json.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/log.h"

#include "base/banned.h"

struct others {
    int64_t revision;  /* newest renewal of another site; 0: none */
    bool armed;
    int64_t epoch;     /* newest epoch in which one of them may have written, */
    char site[HOLD_NAME_SIZE]; /* and which */
};

static struct others read_others(const struct hold *h, const struct etcd_result *leases)
{
    struct others o = {0};
    for (size_t i = 0; i < leases->count; i++) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct err err = {0};
        const struct json *body = NULL;
        const struct etcd_value *v = &leases->values[i];
        int64_t epoch = 0;
        if (str_is(v->key, h->lease_key))
            continue;
        const char *armed = json_parse(arena, v->value, &body, &err) ? json_string(json_get(body, "armed")) : NULL;
        if (v->mod_revision > o.revision) {
            o.revision = v->mod_revision;
            o.armed = armed && !same(armed, "none");
        }
        if (body && json_integer(json_get(body, "epoch"), &epoch) && epoch > o.epoch) {
            o.epoch = epoch;
            snprintf(o.site, sizeof(o.site), STR_FMT, (int)(v->key.n - strlen(h->lease_prefix)), v->key.p + strlen(h->lease_prefix));
        }
    }
    return o;
}

/* `leases` are the newest renewals that the epoch left, as etcd told them together with it. */
static bool intend(struct hold *h, const struct etcd_result *leases, struct err *err)
{
    struct others o = read_others(h, leases);
    if (h->certified >= h->epoch)
        return err_set(err, ERR_REFUSED, "this site has given its word that it does not write in epoch %" PRId64 " again", h->epoch);
    /* Data that does not follow anybody is the newest only when nobody else held a lease since it was written. */
    if (!agent_is_standby(h->agent) && h->wrote != h->epoch && o.epoch > h->wrote)
        return err_set(err, ERR_REFUSED, "site \"%s\" may have written in epoch %" PRId64 ", after this one last did in %" PRId64, o.site, o.epoch, h->wrote);
    if (h->intent != h->epoch) {
        if (h->waiter.revoked)
            hold_begin_waiting(h);
        h->intent = h->epoch;
        lease_revoked(&h->waiter, clock_boot_ms(), o.revision, o.revision ? o.armed : h->waiter.armed);
        log_line(LOG_INFO, "told to take over epoch=%" PRId64 " from=%s", h->epoch, h->from);
    }
    return true;
}

/* A standby that was made anew from something older would lose what nobody has weighed. */
static bool has_received(const struct hold *h, uint64_t wanted)
{
    const struct gauge *g = &h->agent->gauge;
    uint64_t received = 0, replayed = 0;
    if (!wanted)
        return true;
    bool known = lsn_parse(str_of(g->received), &received);
    known = lsn_parse(str_of(g->replayed), &replayed) || known;
    return known && MAX_OF(received, replayed) >= wanted;
}

/* Whoever moved the epoch had looked at all that may speak against it before, and may have ended before it could tell us. So the epoch
   does: what is left to wait for, a certificate apart, is counted here anyway. */
void hold_take_over_as_named(struct hold *h, const struct etcd_result *leases)
{
    struct err err = {0};
    if (!h->tells || !hold_names_us(h) || h->wrote == h->epoch || h->intent == h->epoch || h->declined == h->epoch || !has_received(h, h->told_lsn))
        return;
    if (!intend(h, leases, &err)) {
        h->declined = h->epoch;
        log_err(LOG_WARNING, &err);
    }
    h->alone = h->intent == h->epoch;
    agent_told(h->agent);
}

/* What etcd says in one answer: the epoch, and the newest renewals that it left. */
static bool begin_taking_over(struct hold *h, const struct etcd_answer *answer, struct err *err)
{
    const struct etcd_value *value = etcd_answer_value(answer, 0);
    if (!value || answer->result_count < 2)
        return err_set(err, ERR_REFUSED, "there is no epoch in etcd");
    hold_take_epoch(h, value);
    if (h->epoch != h->told.epoch || !hold_names_us(h))
        return err_set(err, ERR_REFUSED, "epoch %" PRId64 " names site \"%s\"", h->epoch, h->named);
    if (!intend(h, &answer->results[1], err))
        return false;
    h->alone = false;
    for (size_t i = 0; i < h->told.count; i++) {
        const struct hold_certificate *c = &h->told.certificates[i];
        bool counts = c->epoch == h->epoch - 1 && same(c->site, h->from);
        log_line(LOG_INFO, "a certificate %s site=%s epoch=%" PRId64 " how=\"%s\"", counts ? "ends the wait" : "is about another site or epoch", c->site, c->epoch, c->how);
        if (counts)
            lease_fenced(&h->waiter);
    }
    return true;
}

static void on_told(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *failed)
{
    struct hold *h = arg;
    struct err err = {0};
    bool ok = false;
    h->told.call = NULL;
    if (outcome == ETCD_ANSWERED)
        ok = begin_taking_over(h, answer, &err);
    else
        err_set(&err, ERR_UNAVAILABLE, "which site may write is not known: %s", failed->message);
    hold_told_fn *told = TAKE(h->told.told);
    if (told)
        told(h->told.arg, ok ? NULL : &err);
    agent_told(h->agent);
    hold_consider(h);
}

bool hold_take_over(struct hold *h, int64_t epoch, const struct hold_certificate *certificates, size_t count, hold_told_fn *told, void *arg, struct err *err)
{
    struct etcd_op get[] = {{.kind = ETCD_GET, .key = h->epoch_key}, {.kind = ETCD_GET, .key = h->lease_prefix, .prefix = true, .limit = LEASE_MEMBERS_MAX}};
    struct etcd_request request = {.kind = ETCD_TXN, .ops = get, .op_count = 2};
    if (h->told.call)
        return err_set(err, ERR_UNAVAILABLE, "it is being told to take over by somebody else");
    h->told.epoch = epoch;
    h->told.count = MIN_OF(count, HOLD_CERTIFICATES_MAX);
    for (size_t i = 0; i < h->told.count; i++)
        h->told.certificates[i] = certificates[i];
    if (!etcd_start(h->etcd, &request, on_told, h, &h->told.call, err))
        return false;
    h->told.told = told;
    h->told.arg = arg;
    return true;
}

int64_t hold_intent(const struct hold *h, int64_t *ret_in_ms)
{
    *ret_in_ms = h->intent ? lease_promote_in_ms(&h->waiter) : TIME_NEVER;
    return h->intent;
}

bool hold_is_alone(const struct hold *h)
{
    return h->alone && h->wrote == h->epoch;
}

void hold_settled(struct hold *h)
{
    h->alone = false;
}
