/* daemon/feed.c -- Events in: each is on disk before decide sees it, and decide sees the rows in the order of the journal, whoever
   wrote them; so a replay of the journal meets the same events in the same order and comes to the same orders. */
#include "daemon/daemon_internal.h"
#include "record/story.h"
#include "sys/log.h"

enum { ROWS_AT_ONCE = 256 };

int64_t daemon_now(const struct daemon *d)
{
    return core_now_ms(&d->clock);
}

void daemon_fail(struct daemon *d, const struct err *err)
{
    log_err(LOG_ERROR, err);
    d->exit_status = err_exit_status(err->code);
    d->stopping = true;
    loop_stop(d->loop);
}

static void decide_and_carry(struct daemon *d, const struct record *record, const struct event *event)
{
    d->orders.n = 0;
    decide_event(d->decide, event, &d->orders);
    daemon_keep_words(d, record, d->orders.p, d->orders.n);
    if (d->orders.n)
        daemon_carry_out(d, d->orders.p, d->orders.n);
}

/* A playbook asked for while the service has an incident with one takes that incident over, and no new one opens. */
static int64_t taken_over(const struct daemon *d, const struct event *event)
{
    for (size_t i = decide_incidents(d->decide); i-- > 0;) {
        const struct incident *incident = decide_incident_at(d->decide, i);
        bool ours = same(d->config->services.p[incident->service].name, event->service);
        if (ours && incident->state < INCIDENT_RESOLVED && incident->playbook >= 0)
            return incident->id;
    }
    return -1;
}

static void take_row(struct daemon *d, const struct record *record)
{
    d->last_seq = record->seq;
    pages_row(d->pages, record);
    if (record->is_order)
        return; /* our own: carried out when it was made */
    struct event event = event_of_record(record);
    upkeep_event(d->upkeep, &event);
    daemon_lead_event(d, &event);
    daemon_measure_event(d, &event);
    if (event.kind == EVENT_OPEN && d->spec->only_playbook && !d->mine)
        d->mine = -1; /* the next incident that opens is ours */
    decide_and_carry(d, record, &event);
    if (d->mine == -1)
        d->mine = taken_over(d, &event);
}

struct batch {
    struct arena *arena;
    VEC(struct record) rows;
};

static bool keep_row(void *arg, const struct record *record)
{
    struct batch *b = arg;
    *vec_add(b->arena, &b->rows) = record_dup(b->arena, record);
    return b->rows.n < ROWS_AT_ONCE;
}

/* No row is acted upon while the reading goes on: what it leads to is appended, and SQLite refuses that to a reader as soon as somebody
   else has appended since the reading began. */
void daemon_take_in(struct daemon *d)
{
    struct err err = {0};
    while (!d->stopping && journal_last(d->journal) > d->last_seq) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct batch batch = {.arena = arena};
        if (!journal_read(d->journal, d->last_seq, 0, keep_row, &batch, &err)) {
            daemon_fail(d, &err);
            return;
        }
        for (size_t i = 0; i < batch.rows.n && !d->stopping; i++)
            take_row(d, &batch.rows.p[i]);
    }
}

/* The last megabyte of the state folder's disk was kept for this: to tell people that it is full while that can still be written down. */
static void tell_of_reserve(struct daemon *d)
{
    bool full = journal_on_reserve(d->journal);
    if (full == d->on_reserve)
        return;
    d->on_reserve = full;
    log_line(full ? LOG_ERROR : LOG_INFO, full ? "the disk of \"%s\" is full; the journal lives on its reserve of 1 MiB"
                                               : "there is room again on the disk of \"%s\"", d->config->state_dir);
    if (!full)
        return;
    struct event event = {.kind = EVENT_OPEN, .number = SEVERITY_P2};
    COPY_TO(event.service, d->config->services.p[0].name);
    COPY_TO(event.who, "bascule");
    snprintf(event.text, sizeof(event.text), "the disk of %.300s is full: the journal lives on its reserve, and bascule stops when that is used up",
             d->config->state_dir);
    daemon_feed(d, &event, NULL);
}

void daemon_feed(struct daemon *d, struct event *event, const char *detail)
{
    if (d->stopping)
        return;
    event->at_ms = daemon_now(d);
    event->wall_ms = clock_wall_ms();
    struct record record = record_of_event(event, detail);
    struct err err = {0};
    int64_t seq = 0;
    /* A delivery that a power cut takes back is made again under the same identity, so it need not wait for the disk. */
    bool later = event->kind == EVENT_DELIVERED;
    if (!(later ? journal_write : journal_append)(d->journal, &record, 1, &seq, &err)) {
        daemon_fail(d, &err);
        return;
    }
    if (d->carrying)
        return; /* its turn comes when all orders of the event before it are carried out, be it a cancel of one of them */
    if (seq == d->last_seq + 1) { /* nobody wrote in between: the row need not be read back */
        record.seq = seq;
        take_row(d, &record);
    }
    daemon_take_in(d);
    tell_of_reserve(d);
    daemon_wake(d);
}

/* Like daemon_feed for many at once, whose sender is told no when they cannot be written: that ends nothing here. */
bool daemon_feed_rows(struct daemon *d, struct record *rows, size_t count, struct err *err)
{
    int64_t at_ms = daemon_now(d), wall_ms = clock_wall_ms(), first;
    if (d->stopping)
        return err_set(err, ERR_UNAVAILABLE, "the controller is stopping");
    for (size_t i = 0; i < count; i++) {
        rows[i].at_ms = at_ms;
        rows[i].wall_ms = wall_ms;
    }
    d->busy_boot_ms = clock_boot_ms();
    /* What the rows lead to is appended after them, and brings them to the disk too; so it costs one sync, and not two. */
    if (!journal_write(d->journal, rows, count, &first, err))
        return false;
    bool alone = first == d->last_seq + 1 && !d->carrying; /* nobody wrote in between */
    for (size_t i = 0; alone && i < count && !d->stopping; i++) {
        rows[i].seq = first + (int64_t)i;
        take_row(d, &rows[i]);
    }
    if (!d->carrying)
        daemon_take_in(d);
    tell_of_reserve(d);
    daemon_wake(d);
    return !d->stopping ? journal_sync(d->journal, err) : err_set(err, ERR_IO, "the journal takes no more records");
}

/* The core clock and the loop's differ by a constant. */
static void wake_at(struct daemon *d, struct loop_timer *timer, int64_t core_ms)
{
    if (core_ms == TIME_NEVER)
        loop_timer_cancel(timer);
    else
        loop_timer_set(timer, clock_boot_ms() + MAX_OF(core_ms - daemon_now(d), 0));
}

void daemon_wake(struct daemon *d)
{
    if (d->stopping)
        return;
    wake_at(d, d->decide_timer, decide_next_ms(d->decide));
    wake_at(d, d->judge_timer, judge_next_ms(d->judge));
    wake_at(d, d->upkeep_timer, upkeep_next_ms(d->upkeep));
}
