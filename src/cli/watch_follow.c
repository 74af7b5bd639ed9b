/* cli/watch_follow.c -- Reads what the journal gained and feeds it to decide, so that clocks, deadlines and the standing of a playbook
   are the controller's own and no second opinion. */
#include "cli/watch.h"

static void remember(struct watch *w, const struct record *record)
{
    struct watch_line *line = &w->lines[w->count++ % WATCH_LINES];
    SCOPED(arena_close) struct arena *a = arena_open();
    line->wall_ms = record->wall_ms;
    COPY_TO(line->text, story_sentence(a, record, w->cli->language));
}

static void order_notice(struct watch *w, const struct record *r)
{
    struct watch_notice *n = vec_add(w->arena, &w->notices);
    *n = (struct watch_notice){.incident = r->incident};
    COPY_TO(n->key, r->subject);
    COPY_TO(n->contact, r->who);
    COPY_TO(n->channel, r->channel);
    COPY_TO(n->stage, r->stage);
}

static void settle_notice(struct watch *w, const struct record *r)
{
    for (size_t i = 0; i < w->notices.n; i++) {
        struct watch_notice *n = &w->notices.p[i];
        if (!same(n->key, r->subject))
            continue;
        n->attempts = r->number;
        n->next_try_ms = r->ref;
        COPY_TO(n->why, r->text);
        if (r->kind == EVENT_DELIVERED) {
            memmove(n, n + 1, (w->notices.n - i - 1) * sizeof(*n));
            w->notices.n--;
        }
        return;
    }
}

/* What is not worth a line: the steady noise that the sections above it show better. */
static bool is_news(const struct record *r)
{
    if (r->is_order)
        return r->kind != ORDER_NOTIFY;
    return r->kind != EVENT_DELIVERED && r->kind != EVENT_TICK && r->kind != EVENT_RUNNING;
}

static bool take_row(void *arg, const struct record *record)
{
    struct watch *w = arg;
    w->seq = record->seq;
    if (record->is_order && record->kind == ORDER_NOTIFY)
        order_notice(w, record);
    if (!record->is_order && (record->kind == EVENT_DELIVERED || record->kind == EVENT_UNDELIVERED))
        settle_notice(w, record);
    if (!record->is_order) {
        struct event event = event_of_record(record);
        w->orders.n = 0;
        decide_event(w->decide, &event, &w->orders);
    }
    if (is_news(record))
        remember(w, record);
    if (w->said)
        w->said(w->arg, record);
    return true;
}

/* Core time goes on from the newest row by the boot clock of this machine, or by the wall after a reboot. */
static bool set_clock(struct watch *w, struct err *err)
{
    struct journal_clock last;
    char boot_id[64];
    clock_boot_id(boot_id, sizeof(boot_id));
    if (!journal_clock(w->journal, &last, err))
        return false;
    if (last.any)
        w->clock = core_clock_resume(same(last.boot_id, boot_id), last.offset_ms, last.core_ms, last.wall_ms, clock_boot_ms(), clock_wall_ms());
    return true;
}

bool watch_follow(struct watch *w, struct err *err)
{
    return journal_read(w->journal, w->seq, 0, take_row, w, err) && set_clock(w, err);
}

bool watch_open(const struct cli *cli, struct watch **ret, struct err *err)
{
    struct arena *arena = arena_open();
    struct watch *w = arena_alloc(arena, sizeof(*w));
    *w = (struct watch){.cli = cli, .arena = arena, .orders = {.arena = arena}};
    w->decide = decide_open(arena, cli->config);
    if (!journal_open(cli->config->state_dir, JOURNAL_READ, true, &w->journal, err) || !watch_follow(w, err)) {
        watch_close(&w);
        return false;
    }
    *ret = w;
    return true;
}

void watch_close(struct watch **watch)
{
    if (!watch || !*watch)
        return;
    struct arena *arena = (*watch)->arena;
    journal_close(&(*watch)->journal);
    arena_close(&arena);
    *watch = NULL;
}

bool watch_changed(struct watch *w)
{
    return journal_changed(w->journal);
}

int64_t watch_now(const struct watch *w)
{
    return core_now_ms(&w->clock);
}

static bool is_worse(const struct incident *a, const struct incident *b)
{
    bool works = a->playbook >= 0, other = b->playbook >= 0;
    return a->severity != b->severity ? a->severity < b->severity : works && !other;
}

const struct incident *watch_worst(const struct watch *w)
{
    const struct incident *worst = NULL;
    for (size_t i = 0; i < decide_incidents(w->decide); i++) {
        const struct incident *incident = decide_incident_at(w->decide, i);
        if (incident->state < INCIDENT_RESOLVED && (!worst || is_worse(incident, worst)))
            worst = incident;
    }
    return worst;
}
