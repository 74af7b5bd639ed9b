/* daemon/replay.c -- From the journal to where the last run ended: the events are fed to decide again, the orders it makes are held
   against those on record, and what was ordered but not carried out is looked at in the world before anything is repeated. */
#include <inttypes.h>
#include <unistd.h>

#include "daemon/daemon_internal.h"
#include "sys/log.h"

struct pending_notice {
    struct notice notice;
    int64_t not_before_ms;
    bool over; /* delivered, or given up */
};

struct replay {
    struct daemon *d;
    struct arena *arena;        /* of the replay alone */
    VEC(struct order) expected; /* made by decide, not yet met in the journal */
    size_t met;                 /* how many of the first were met or passed over */
    VEC(struct pending_notice) notices;
    VEC(struct incident) running; /* as they stood when the last run ended, with a command under way */
    size_t strangers;           /* orders on record that this configuration would not have given */
};

static bool same_order(const struct order *order, const struct record *record)
{
    return (int)order->kind == record->kind && order->incident == record->incident && same(order->subject, record->subject);
}

/* A changed configuration decides an old story differently. What is on record is what happened: an order that was expected before one
   that is on record was not given at its time and is not given now. */
static void meet_order(struct replay *r, const struct record *record)
{
    for (size_t i = r->met; i < r->expected.n; i++)
        if (same_order(&r->expected.p[i], record)) {
            r->met = i + 1;
            return;
        }
    r->strangers++;
}

static void remember_notices(struct replay *r, const struct record *record)
{
    if (record->kind != ORDER_NOTIFY && record->kind != ORDER_PUBLIC)
        return;
    struct record kept = record_dup(r->arena, record);
    struct notices notices = {0};
    daemon_notices(r->d, r->arena, &kept, &notices);
    for (size_t i = 0; i < notices.n; i++)
        vec_add(r->arena, &r->notices)->notice = notices.p[i];
}

static void settle_notice(struct replay *r, const struct event *event)
{
    for (size_t i = r->notices.n; i-- > 0;) {
        struct pending_notice *p = &r->notices.p[i];
        if (!same(p->notice.key, event->subject))
            continue;
        p->notice.attempts = (int)event->number;
        p->over = event->kind == EVENT_DELIVERED || event->ref < 0;
        p->not_before_ms = event->ref;
        return;
    }
}

static void withdraw_notice(struct replay *r, const char *key)
{
    for (size_t i = r->notices.n; i-- > 0;)
        if (same(r->notices.p[i].notice.key, key)) {
            r->notices.p[i].over = true;
            return;
        }
}

/* Of what the last life judged only the proof of life is kept; the state is judged anew. */
static void restore_judgement(struct daemon *d, const struct event *event)
{
    struct verdict verdict = {.state = VERDICT_UNKNOWN, .since_ms = event->at_ms, .good_wall_ms = event->ref};
    COPY_TO(verdict.service, event->service);
    COPY_TO(verdict.check, event->subject);
    judge_restore(d->judge, &verdict);
}

static void replay_event(struct replay *r, const struct record *record, const struct event *event)
{
    struct daemon *d = r->d;
    if (event->kind == EVENT_VERDICT)
        restore_judgement(d, event);
    else if (event->kind == EVENT_FACT)
        daemon_keep_fact(d, event->incident, event->who, event->subject, event->text);
    else if (event->kind == EVENT_DELIVERED || event->kind == EVENT_UNDELIVERED)
        settle_notice(r, event);
    upkeep_event(d->upkeep, event);
    daemon_lead_event(d, event);
    daemon_measure_event(d, event);
    if (event->kind == EVENT_OUTCOME && !event->incident)
        daemon_forget_facts(d, event->subject);
    d->orders.n = 0;
    decide_event(d->decide, event, &d->orders);
    daemon_keep_words(d, record, d->orders.p, d->orders.n);
    for (size_t i = 0; i < d->orders.n; i++)
        *vec_add(r->arena, &r->expected) = d->orders.p[i];
}

static bool replay_row(void *arg, const struct record *record)
{
    struct replay *r = arg;
    r->d->last_seq = record->seq;
    if (record->is_order) {
        meet_order(r, record);
        daemon_measure_order(r->d, record);
        remember_notices(r, record);
        if (record->kind == ORDER_WITHDRAW)
            withdraw_notice(r, record->subject);
    } else {
        struct event event = event_of_record(record);
        replay_event(r, record, &event);
    }
    return true;
}

/* What became of the command that was running, or about to, when the last controller ended. */
static void resume_run(struct daemon *d, const struct incident *incident, const struct frame *frame, bool stopping)
{
    const struct service *service = &d->config->services.p[incident->service];
    const struct playbook *playbook = &service->playbooks.p[frame->playbook];
    const struct step *step = &playbook->steps.p[frame->step];
    int64_t left = MAX_OF(frame->entered_at_ms + step->budget_ms - daemon_now(d), 0);
    struct report_line line = {0};
    char run[MODEL_ID_SIZE];
    COPY_TO(run, frame->run);
    struct err err = {0};
    switch (runner_adopt(d->runner, run, left, &line)) {
    case RUNNER_RUNNING:
        log_line(LOG_INFO, "run \"%s\" still goes on and is followed again", run);
        if (stopping || !daemon_may_act(d, service->name))
            runner_cancel(d->runner, run);
        return;
    case RUNNER_ENDED:
        daemon_runner_callbacks.ended(d, run, line.outcome, line.text);
        return;
    case RUNNER_DIED:
        /* The command asks first whether its work is done already, so starting it again repeats nothing that was finished. */
        if (!runner_put_aside(d->runner, run, &err)) {
            daemon_runner_callbacks.ended(d, run, OUTCOME_FAILURE, err.message);
            return;
        }
        break;
    case RUNNER_NEVER_STARTED:
        break;
    }
    if (stopping || left == 0) {
        daemon_runner_callbacks.ended(d, run, OUTCOME_EXPIRY, "it did not end by itself, and its time ran out while no controller was running");
        return;
    }
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *from = service->sites.p[incident->from].name;
    const char *to = incident->to >= 0 ? service->sites.p[incident->to].name : NULL;
    daemon_start_run(d, service->name, incident->id, run, action_words(arena, step->action, from, to), left);
}

static bool is_ordered(const struct replay *r, const char *run)
{
    for (size_t i = r->met; i < r->expected.n; i++)
        if (r->expected.p[i].kind == ORDER_RUN && same(r->expected.p[i].subject, run))
            return true;
    return false;
}

/* Ids of the incidents whose command was running; taken before anything is fed, since feeding changes what is iterated. */
static void find_runs(struct replay *r)
{
    const struct decide *decide = r->d->decide;
    for (size_t i = 0; i < decide_incidents(decide); i++) {
        const struct incident *incident = decide_incident_at(decide, i);
        const struct frame *top = incident->depth ? &incident->frames[incident->depth - 1] : NULL;
        if (top && top->phase == STEP_RUNNING && !is_ordered(r, top->run))
            *vec_add(r->arena, &r->running) = *incident;
    }
}

static void resume_runs(struct replay *r)
{
    for (size_t i = 0; i < r->running.n; i++) {
        const struct incident *then = &r->running.p[i], *now = decide_incident(r->d->decide, then->id);
        const struct frame *frame = &then->frames[then->depth - 1];
        struct report_line line;
        if (now && now->depth == then->depth && same(now->frames[now->depth - 1].run, frame->run))
            resume_run(r->d, then, frame, decide_stopping(r->d->decide, now));
        else if (runner_adopt(r->d->runner, frame->run, 0, &line) == RUNNER_RUNNING) /* another controller leads by now */
            runner_cancel(r->d->runner, frame->run);
    }
}

static void resume_notices(struct replay *r)
{
    for (size_t i = 0; i < r->notices.n; i++) {
        struct pending_notice *p = &r->notices.p[i];
        p->notice.unsure = true; /* the last life may have sent it, and ended before it could write that down */
        if (!p->over)
            outbox_add(r->d->outbox, &p->notice, p->not_before_ms);
    }
}

/* Before the first outcome is fed: from here on, what the last life saw of the world does not count. */
static void tell_start(struct daemon *d)
{
    struct event started = {.kind = EVENT_STARTED, .number = getpid()};
    COPY_TO(started.text, "bascule " BASCULE_VERSION);
    daemon_feed(d, &started, NULL);
}

bool daemon_replay(struct daemon *d, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct replay r = {.d = d, .arena = arena};
    if (!journal_read(d->journal, 0, 0, replay_row, &r, err))
        return err_prefix(err, "replaying the journal");
    if (r.strangers)
        log_line(LOG_WARNING,
                 "%zu orders on record would not be given under the configuration of today; what is on record stands", r.strangers);
    find_runs(&r);
    resume_notices(&r);
    if (r.met < r.expected.n)
        daemon_carry_out(d, r.expected.p + r.met, r.expected.n - r.met);
    tell_start(d);
    d->replayed = true;
    daemon_lead_say(d);
    resume_runs(&r);
    upkeep_resume(d->upkeep);
    return !d->stopping || err_set(err, ERR_IO, "the journal could not be written while it was replayed");
}
