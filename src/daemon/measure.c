/* daemon/measure.c -- How long commands took, what the one that runs says of its end, and who could not be told: all from the journal, so
   that a restarted controller knows the same. */
#include "daemon/daemon_internal.h"

enum { FAILING_KEPT = 64, FAILURES_TOLD = 5, MEASURED_KEPT = 256 };

/* ---- how long commands take ---- */

static struct measured *measured_of(const struct daemon *d, const char *service, const char *words)
{
    for (size_t i = 0; i < d->measured.n; i++)
        if (same(d->measured.p[i].service, service) && same(d->measured.p[i].words, words))
            return &d->measured.p[i];
    return NULL;
}

static void add_time(struct daemon *d, const char *service, const char *words, int64_t took_ms)
{
    struct measured *m = measured_of(d, service, words);
    if (!m && d->measured.n == MEASURED_KEPT)
        return;
    if (!m) {
        m = vec_add(d->arena, &d->measured);
        *m = (struct measured){.service = arena_strdup(d->arena, service), .words = arena_strdup(d->arena, words)};
    }
    if (m->count == TIMES_KEPT)
        memmove(m->took_ms, m->took_ms + 1, sizeof(m->took_ms) - sizeof(m->took_ms[0]));
    else
        m->count++;
    m->took_ms[m->count - 1] = took_ms;
}

static void end_run(struct daemon *d, const struct record *order)
{
    for (size_t i = 0; i < d->begun.n; i++) {
        if (!same(d->begun.p[i].run, order->subject))
            continue;
        if (order->number == OUTCOME_SUCCESS)
            add_time(d, order->service, d->begun.p[i].words, MAX_OF(0, order->at_ms - d->begun.p[i].at_ms));
        d->begun.p[i] = d->begun.p[--d->begun.n];
        return;
    }
}

void daemon_measure_order(struct daemon *d, const struct record *order)
{
    if (order->kind == ORDER_RUN) {
        struct begun *begun = vec_add(d->arena, &d->begun);
        *begun = (struct begun){.words = arena_strdup(d->arena, order->text), .at_ms = order->at_ms};
        COPY_TO(begun->run, order->subject);
    } else if (order->kind == ORDER_STEP_END) {
        end_run(d, order);
    }
}

/* The middle one; of two the longer. */
static int64_t took_before(const void *arg, const char *service, const char *words)
{
    const struct measured *m = measured_of(arg, service, words);
    int64_t sorted[TIMES_KEPT] = {0};
    if (!m)
        return -1;
    for (int i = 0; i < m->count; i++) {
        int k = i;
        for (; k > 0 && sorted[k - 1] > m->took_ms[i]; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = m->took_ms[i];
    }
    return sorted[m->count / 2];
}

/* ---- what the command that runs says ---- */

void daemon_measure_progress(struct daemon *d, const char *run, int64_t left_ms)
{
    COPY_TO(d->progress.run, run);
    d->progress.left_ms = left_ms;
    d->progress.at_ms = daemon_now(d);
}

static int64_t said_of_end(const struct daemon *d, const struct incident *incident)
{
    const struct frame *frame = incident->depth ? &incident->frames[incident->depth - 1] : NULL;
    if (!frame || frame->phase != STEP_RUNNING || !same(d->progress.run, frame->run) || d->progress.left_ms < 0)
        return -1;
    return MAX_OF(0, d->progress.left_ms - (daemon_now(d) - d->progress.at_ms));
}

/* ---- who could not be told ---- */

static void forget_failing(struct daemon *d, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->failing.n; i++)
        if (!same(d->failing.p[i].key, key))
            d->failing.p[kept++] = d->failing.p[i];
    d->failing.n = kept;
}

/* "7/alert/ops/slack.1a2b3c4d" */
static void channel_of_key(const char *key, char channel[MODEL_ID_SIZE])
{
    const char *slash = strrchr(key, '/');
    str_copy(channel, MODEL_ID_SIZE, slash ? slash + 1 : "");
    channel[strcspn(channel, ".")] = 0;
}

void daemon_measure_event(struct daemon *d, const struct event *event)
{
    if (event->kind != EVENT_DELIVERED && event->kind != EVENT_UNDELIVERED)
        return;
    forget_failing(d, event->subject);
    if (event->kind == EVENT_DELIVERED)
        return;
    if (d->failing.n == FAILING_KEPT)
        memmove(d->failing.p, d->failing.p + 1, --d->failing.n * sizeof(*d->failing.p));
    struct failing *f = vec_add(d->arena, &d->failing);
    *f = (struct failing){.incident = event->incident};
    COPY_TO(f->key, event->subject);
    COPY_TO(f->contact, event->who);
    COPY_TO(f->why, event->text);
    channel_of_key(event->subject, f->channel);
}

static bool is_told(const struct message_facts *facts, const struct failing *f)
{
    for (size_t i = 0; i < facts->failure_count; i++)
        if (same(facts->failures[i].contact, f->contact) && same(facts->failures[i].channel, f->channel))
            return true;
    return false;
}

static void add_failures(const struct daemon *d, struct arena *arena, int64_t incident, struct message_facts *facts)
{
    facts->failures = arena_array(arena, struct message_failure, FAILURES_TOLD);
    for (size_t i = d->failing.n; i-- > 0 && facts->failure_count < FAILURES_TOLD;) {
        const struct failing *f = &d->failing.p[i];
        if (f->incident == incident && !is_told(facts, f))
            facts->failures[facts->failure_count++] = (struct message_failure){
                .contact = arena_strdup(arena, f->contact), .channel = arena_strdup(arena, f->channel), .why = arena_strdup(arena, f->why)};
    }
}

void daemon_add_measures(const struct daemon *d, struct arena *arena, const struct incident *incident, struct message_facts *facts)
{
    const struct took took = {.before = took_before, .arg = d, .left_ms = said_of_end(d, incident)};
    struct remaining left = decide_remaining(d->decide, incident, &took);
    const struct site *from = incident->from >= 0 ? &d->config->services.p[incident->service].sites.p[incident->from] : NULL;
    facts->eta_ms = left.likely_ms;
    facts->eta_most_ms = left.most_ms;
    facts->moved = facts->loss_ms >= 0 || (from && facts->active_site && !same(facts->active_site, from->name));
    add_failures(d, arena, incident->id, facts);
}
