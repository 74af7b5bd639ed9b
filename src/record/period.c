/* record/period.c -- A service's week or month from the journal. */
#include "record/period.h"

struct watched {
    const struct check_conf *check;
    enum verdict_state state;
};

struct reader {
    struct arena *arena;
    const struct service *service;
    struct period *period;
    struct watched *checks;
    size_t check_count;
    bool watching;          /* a controller runs */
    int64_t counted_wall_ms; /* up to here time has been counted */
    int64_t last_wall_ms;   /* of the newest row */
    struct ints incidents;
};

/* ---- availability ---- */

/* The time since the last count, as the checks stood in it. */
static void count_until(struct reader *r, int64_t wall_ms)
{
    struct period *p = r->period;
    int64_t from = MAX_OF(r->counted_wall_ms, p->from_wall_ms), to = MIN_OF(wall_ms, p->to_wall_ms);
    bool known = r->check_count > 0 && r->watching, down = false;
    for (size_t i = 0; i < r->check_count; i++) {
        known = known && r->checks[i].state != VERDICT_UNKNOWN;
        down = down || r->checks[i].state == VERDICT_DOWN;
    }
    r->counted_wall_ms = MAX_OF(r->counted_wall_ms, wall_ms);
    if (to <= from || !(known || down))
        return;
    p->known_ms += to - from;
    p->down_ms += down ? to - from : 0;
}

static void forget(struct reader *r)
{
    for (size_t i = 0; i < r->check_count; i++)
        r->checks[i].state = VERDICT_UNKNOWN;
}

static void take_verdict(struct reader *r, const struct record *record)
{
    for (size_t i = 0; i < r->check_count; i++)
        if (same(r->checks[i].check->id, record->subject)) {
            count_until(r, record->wall_ms);
            r->checks[i].state = (enum verdict_state)record->number;
        }
}

static bool take_row(void *arg, const struct record *record)
{
    struct reader *r = arg;
    if (record->wall_ms > r->period->to_wall_ms)
        return false;
    bool event = !record->is_order;
    if (event && (record->kind == EVENT_STARTED || record->kind == EVENT_STOPPED)) {
        /* Of a controller that died without a word nothing is known after its last row. */
        count_until(r, record->kind == EVENT_STARTED ? r->last_wall_ms : record->wall_ms);
        r->counted_wall_ms = record->wall_ms;
        r->watching = record->kind == EVENT_STARTED;
        forget(r);
    } else if (event && record->kind == EVENT_VERDICT && same(record->service, r->service->name)) {
        take_verdict(r, record);
    } else if (record->is_order && record->kind == ORDER_OPEN && same(record->service, r->service->name) &&
               record->wall_ms >= r->period->from_wall_ms) {
        *vec_add(r->arena, &r->incidents) = (int)record->incident;
    }
    r->last_wall_ms = record->wall_ms;
    return true;
}

/* ---- incidents ---- */

static void take_incident(struct period *p, const struct story *s, int64_t *ack_sum, size_t *acked)
{
    int64_t began = s->last_good_wall_ms > 0 ? s->last_good_wall_ms : s->opened_wall_ms;
    int64_t end = s->mitigated_wall_ms > 0 ? s->mitigated_wall_ms : p->to_wall_ms;
    p->open += !s->resolved_seq;
    p->unreviewed += s->resolved_seq && s->severity <= SEVERITY_P2 && !same(s->state, incident_state_name(INCIDENT_REVIEWED));
    p->rto_known += s->outage_ms >= 0 && s->rto_ms > 0;
    p->rto_held += s->outage_ms >= 0 && s->rto_ms > 0 && s->outage_ms <= s->rto_ms;
    p->rpo_known += s->loss_ms >= 0 && s->rpo_ms > 0;
    p->rpo_held += s->loss_ms >= 0 && s->rpo_ms > 0 && s->loss_ms <= s->rpo_ms;
    p->outage_ms += s->outage_ms >= 0 ? s->outage_ms : MAX_OF(0, MIN_OF(end, p->to_wall_ms) - MAX_OF(began, p->from_wall_ms));
    p->notices += s->notices;
    p->failed += s->failed;
    if (s->ack_ms >= 0) {
        *ack_sum += s->ack_ms;
        ++*acked;
    }
}

bool period_read(struct arena *arena, struct journal *journal, const struct config *config, const struct service *service, int64_t from_wall_ms,
                 int64_t to_wall_ms, struct period *ret, struct err *err)
{
    struct period p = {.from_wall_ms = from_wall_ms, .to_wall_ms = to_wall_ms, .mean_ack_ms = -1};
    struct reader r = {.arena = arena, .service = service, .period = &p, .checks = arena_array(arena, struct watched, service->checks.n)};
    for (size_t i = 0; i < service->checks.n; i++)
        if (!service->checks.p[i].site)
            r.checks[r.check_count++] = (struct watched){.check = &service->checks.p[i]};
    if (!journal_read(journal, 0, 0, take_row, &r, err))
        return false;
    count_until(&r, to_wall_ms);
    int64_t ack_sum = 0;
    size_t acked = 0;
    for (size_t i = 0; i < r.incidents.n; i++) {
        struct story *s = vec_add(arena, &p.incidents);
        if (!story_read(arena, journal, config, r.incidents.p[i], s, err))
            return false;
        take_incident(&p, s, &ack_sum, &acked);
    }
    if (acked)
        p.mean_ack_ms = ack_sum / (int64_t)acked;
    *ret = p;
    return true;
}

int64_t period_availability_ppm(const struct period *period)
{
    if (period->known_ms <= 0)
        return -1;
    int64_t lost = (period->down_ms * 1000000 + period->known_ms - 1) / period->known_ms; /* an outage never rounds to none */
    return MAX_OF(0, 1000000 - lost);
}
