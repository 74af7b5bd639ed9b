/* tell/outbox.c -- A lane for each channel and address; the first notice of a lane is on its way or waits for its next try. */
#include "tell/outbox.h"

#include <inttypes.h>

#include "sys/clock.h"

enum {
    GIVE_UP_MS = 24 * 60 * 60 * 1000,
    BACK_OFF_FIRST_MS = 1000,
    BACK_OFF_MAX_MS = 60 * 1000,
    RETRY_AFTER_JITTER_MS = 250,
    ATTEMPT_MAX_MS = 10 * 60 * 1000, /* above every channel's own limit: for a driver that forgets to answer */
};

struct item {
    struct item *next;
    struct arena *arena; /* it lives in it, with the texts of the notice */
    struct notice notice;
    int64_t not_before_ms; /* core */
    bool withdrawn;        /* while it was on its way */
};

struct lane {
    struct outbox *outbox;
    struct lane *next;
    struct item *first, **end;
    const char *channel, *address; /* own copies; address "" when there is none */
    const struct channel_conf *conf; /* NULL: no longer configured */
    const struct channel_ops *ops;
    struct loop_timer *timer;
    void *handle;
    bool on_its_way;
    int64_t due_since_ms; /* core: since when the first one is waited for */
};

struct outbox {
    struct channel_env env;
    struct outbox_callbacks callbacks;
    struct lane *lanes;
};

static void must(const void *memory)
{
    if (!memory) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
}

static int64_t now_ms(const struct outbox *box)
{
    return box->callbacks.core_now(box->callbacks.arg);
}

/* ---- notices of a lane ---- */

static struct item *item_new(const struct notice *n, int64_t not_before_ms)
{
    struct arena *a = arena_open();
    struct item *item = arena_new(a, struct item);
    *item = (struct item){.arena = a, .notice = *n, .not_before_ms = not_before_ms};
    item->notice.key = arena_strdup(a, n->key);
    item->notice.service = arena_strdup(a, n->service);
    item->notice.stage = arena_strdup(a, n->stage);
    item->notice.contact = arena_strdup(a, n->contact);
    item->notice.channel = arena_strdup(a, n->channel);
    item->notice.address = arena_strdup(a, n->address);
    item->notice.subject = arena_strdup(a, n->subject);
    item->notice.body = arena_strdup(a, n->body);
    item->notice.html = arena_strdup(a, n->html);
    item->notice.brief = arena_strdup(a, n->brief);
    item->notice.thread = arena_strdup(a, n->thread);
    item->notice.phase = arena_strdup(a, n->phase);
    item->notice.by_language = arena_strdup(a, n->by_language);
    return item;
}

static void item_free(struct item *item)
{
    struct arena *a = item->arena;
    arena_close(&a);
}

static struct item *lane_shift(struct lane *lane)
{
    struct item *item = lane->first;
    lane->first = item->next;
    if (!lane->first)
        lane->end = &lane->first;
    return item;
}

/* Due by the core clock, but waited for on the loop's. */
static void lane_wait(struct lane *lane)
{
    if (!lane->first)
        return;
    lane->due_since_ms = now_ms(lane->outbox);
    int64_t wait = lane->first->not_before_ms - lane->due_since_ms;
    loop_timer_set(lane->timer, clock_boot_ms() + MAX_OF(wait, 0));
}

/* ---- what became of an attempt ---- */

/* A number in 0..below-1 that depends on the notice and the attempt alone: a hundred notices that failed together do not come back
   together, and a test can tell when they will. */
static int64_t scatter(const struct notice *notice, int64_t below)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *p = notice->key; *p; p++)
        hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
    hash = (hash ^ (uint64_t)notice->attempts) * UINT64_C(1099511628211);
    hash ^= hash >> 32;
    return (int64_t)(hash % (uint64_t)below);
}

int64_t outbox_back_off_ms(const struct notice *notice, int64_t retry_after_ms)
{
    if (retry_after_ms > 0)
        return retry_after_ms + scatter(notice, RETRY_AFTER_JITTER_MS);
    int doublings = MIN_OF(MAX_OF(notice->attempts - 1, 0), 6);
    int64_t base = MIN_OF((int64_t)BACK_OFF_FIRST_MS << doublings, (int64_t)BACK_OFF_MAX_MS);
    return base * 3 / 4 + scatter(notice, base / 2); /* a quarter less to a quarter more */
}

static void told(struct lane *lane, const char *text)
{
    struct item *item = lane_shift(lane);
    struct outbox *box = lane->outbox;
    lane_wait(lane);
    box->callbacks.delivered(box->callbacks.arg, &item->notice, now_ms(box) - item->notice.ordered_at_ms, text);
    item_free(item);
}

static void given_up(struct lane *lane, const char *text)
{
    struct item *item = lane_shift(lane);
    struct outbox *box = lane->outbox;
    lane_wait(lane);
    box->callbacks.undelivered(box->callbacks.arg, &item->notice, -1, text);
    item_free(item);
}

static void try_again(struct lane *lane, int64_t retry_after_ms, const char *text)
{
    struct outbox *box = lane->outbox;
    struct item *item = lane->first;
    int64_t now = now_ms(box), end = item->notice.ordered_at_ms + GIVE_UP_MS;
    if (item->withdrawn) {
        SCOPED(arena_close) struct arena *a = arena_open();
        given_up(lane, arena_printf(a, "withdrawn: %s", text));
        return;
    }
    if (now >= end) {
        SCOPED(arena_close) struct arena *a = arena_open();
        given_up(lane, arena_printf(a, "given up after %d attempts in 24 hours: %s", item->notice.attempts, text));
        return;
    }
    /* However long we were told to wait, there is a last attempt before the end. */
    item->not_before_ms = MIN_OF(now + outbox_back_off_ms(&item->notice, retry_after_ms), end);
    lane_wait(lane);
    box->callbacks.undelivered(box->callbacks.arg, &item->notice, item->not_before_ms, text);
}

static void settle(struct lane *lane, enum delivery delivery, int64_t retry_after_ms, const char *text)
{
    switch (delivery) {
    case DELIVERY_SENT:
        told(lane, text);
        break;
    case DELIVERY_RETRY:
        try_again(lane, retry_after_ms, text);
        break;
    case DELIVERY_REFUSED:
        given_up(lane, text);
        break;
    }
}

/* ---- attempts ---- */

static void on_done(void *arg, enum delivery delivery, int64_t retry_after_ms, const char *text)
{
    struct lane *lane = arg;
    lane->handle = NULL;
    lane->on_its_way = false;
    loop_timer_cancel(lane->timer);
    settle(lane, delivery, retry_after_ms, text);
}

static void attempt(struct lane *lane)
{
    struct outbox *box = lane->outbox;
    struct notice *notice = &lane->first->notice;
    struct err err = {0};
    notice->unsure = notice->unsure || notice->attempts > 0;
    notice->attempts++;
    if (!lane->ops) {
        SCOPED(arena_close) struct arena *a = arena_open();
        given_up(lane, arena_printf(a, "channel \"%s\" is not configured", lane->channel));
        return;
    }
    lane->on_its_way = true;
    loop_timer_set(lane->timer, clock_boot_ms() + ATTEMPT_MAX_MS);
    if (lane->ops->start(&box->env, lane->conf, notice, on_done, lane, &lane->handle, &err))
        return;
    lane->on_its_way = false;
    settle(lane, err.code == ERR_DATA ? DELIVERY_REFUSED : DELIVERY_RETRY, -1, err.message);
}

static void on_timer(void *arg)
{
    struct lane *lane = arg;
    if (lane->on_its_way) {
        lane->ops->cancel(&lane->handle);
        on_done(lane, DELIVERY_RETRY, -1, "the channel gave no answer");
    } else if (lane->first) {
        if (lane->first->not_before_ms > now_ms(lane->outbox))
            lane_wait(lane); /* the core clock was behind */
        else
            attempt(lane);
    }
}

/* ---- the outbox ---- */

/* Lanes stay for the life of the outbox: there are as many as ways in the configuration. */
static struct lane *lane_of(struct outbox *box, const char *channel, const char *address)
{
    struct lane **link = &box->lanes;
    for (; *link; link = &(*link)->next)
        if (same((*link)->channel, channel) && same((*link)->address, address))
            return *link;
    struct lane *lane = calloc(1, sizeof(*lane));
    must(lane);
    *lane = (struct lane){.outbox = box, .end = &lane->first, .channel = strdup(channel), .address = strdup(address)};
    must(lane->channel);
    must(lane->address);
    lane->conf = config_channel(box->env.config, channel);
    lane->ops = lane->conf ? channel_driver(lane->conf->type) : NULL;
    lane->timer = loop_timer_new(box->env.loop, on_timer, lane);
    *link = lane;
    return lane;
}

static bool has_key(const struct lane *lane, const char *key)
{
    for (const struct item *item = lane->first; item; item = item->next)
        if (same(item->notice.key, key))
            return true;
    return false;
}

void outbox_add(struct outbox *box, const struct notice *notice, int64_t not_before_ms)
{
    for (const struct lane *lane = box->lanes; lane; lane = lane->next)
        if (has_key(lane, notice->key))
            return;
    struct lane *lane = lane_of(box, notice->channel, notice->address ? notice->address : "");
    struct item *item = item_new(notice, not_before_ms);
    bool idle = !lane->first;
    *lane->end = item;
    lane->end = &item->next;
    if (idle && !lane->on_its_way)
        lane_wait(lane);
}

static void withdraw_from(struct lane *lane, const char *key)
{
    bool first = true;
    for (struct item **link = &lane->first; *link; link = &(*link)->next, first = false) {
        struct item *item = *link;
        if (!same(item->notice.key, key))
            continue;
        if (first && lane->on_its_way) {
            item->withdrawn = true;
            return;
        }
        *link = item->next;
        if (lane->end == &item->next)
            lane->end = link;
        item_free(item);
        if (first && lane->first)
            lane_wait(lane); /* the next one need not wait for the try of this one */
        else if (first)
            loop_timer_cancel(lane->timer);
        return;
    }
}

void outbox_withdraw(struct outbox *box, const char *key)
{
    for (struct lane *lane = box->lanes; lane; lane = lane->next)
        withdraw_from(lane, key);
}

size_t outbox_pending(const struct outbox *box)
{
    size_t n = 0;
    for (const struct lane *lane = box->lanes; lane; lane = lane->next)
        for (const struct item *item = lane->first; item; item = item->next)
            n++;
    return n;
}

int64_t outbox_overdue_ms(const struct outbox *box)
{
    int64_t now = now_ms(box), longest = 0;
    for (const struct lane *lane = box->lanes; lane; lane = lane->next)
        if (lane->first && !lane->on_its_way)
            longest = MAX_OF(longest, now - MAX_OF(lane->first->not_before_ms, lane->due_since_ms));
    return longest;
}

struct outbox *outbox_open(struct loop *loop, struct http *http, const struct config *config, const struct outbox_callbacks *callbacks)
{
    struct outbox *box = calloc(1, sizeof(*box));
    must(box);
    *box = (struct outbox){.env = {.loop = loop, .http = http, .config = config}, .callbacks = *callbacks};
    return box;
}

static void lane_free(struct lane *lane)
{
    if (lane->on_its_way)
        lane->ops->cancel(&lane->handle);
    while (lane->first)
        item_free(lane_shift(lane));
    loop_timer_free(&lane->timer);
    free((char *)(uintptr_t)lane->channel);
    free((char *)(uintptr_t)lane->address);
    free(lane);
}

void outbox_close(struct outbox **outbox)
{
    if (!outbox || !*outbox)
        return;
    struct outbox *box = TAKE(*outbox);
    for (struct lane *lane = box->lanes, *next; lane; lane = next) {
        next = lane->next;
        lane_free(lane);
    }
    free(box);
}
