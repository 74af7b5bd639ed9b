/* daemon/feed.c -- Events in: each is on disk before decide sees it, and decide sees the rows in the order of the journal, whoever
   wrote them; so a replay of the journal meets the same events in the same order and comes to the same orders. */
#include "daemon/daemon_internal.h"
#include "record/story.h"
#include "sys/log.h"

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

static void decide_and_carry(struct daemon *d, const struct event *event)
{
    d->orders.n = 0;
    decide_event(d->decide, event, &d->orders);
    if (d->orders.n)
        daemon_carry_out(d, d->orders.p, d->orders.n);
}

/* Rows of others that came before `seq`; our own rows are below last_seq and never come back here. */
static bool take_row(void *arg, const struct record *record)
{
    struct daemon *d = arg;
    if (record->seq <= d->last_seq)
        return true; /* fed already, by what an earlier row of this very reading led to */
    d->last_seq = record->seq;
    if (!record->is_order) {
        struct event event = event_of_record(record);
        if (event.kind == EVENT_OPEN && d->spec->only_playbook && !d->mine)
            d->mine = -1; /* the next incident that opens is ours */
        decide_and_carry(d, &event);
    }
    return !d->stopping;
}

/* decide may journal orders while rows are read, so rows are read one batch after another until none is left. */
void daemon_take_in(struct daemon *d)
{
    struct err err = {0};
    while (!d->stopping && journal_last(d->journal) > d->last_seq)
        if (!journal_read(d->journal, d->last_seq, 0, take_row, d, &err)) {
            daemon_fail(d, &err);
            return;
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
    int64_t seq;
    if (!journal_append(d->journal, &record, 1, &seq, &err)) {
        daemon_fail(d, &err);
        return;
    }
    if (seq == d->last_seq + 1) { /* nobody wrote in between: the row need not be read back */
        record.seq = seq;
        take_row(d, &record);
    } else {
        daemon_take_in(d);
    }
    tell_of_reserve(d);
    daemon_wake(d);
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
}
