/* storm.c -- Alerts of other programs in virtual time: storms, flapping, a controller that dies, a wall clock that jumps, and receivers
   that are down for an hour. The decide under test is the real one, and so are the pauses between attempts.
     storm                 every scenario, over many seeds; exit status 1 when an invariant broke
     storm --broken        the same with the model broken on purpose in each known way: every break must be found */
#include <inttypes.h>

#include "decide/decide.h"
#include "tell/outbox.h"
#include "unit/fixture_config.h"

enum { ALERTS = 10000, KEYS = 64, CONTACTS = 3, NOTICES_MAX = 20000 };
#define START_MS INT64_C(1000000)
#define WALL_MS  INT64_C(1700000000000)

/* Ways to break it on purpose. */
enum broken { SOUND, NO_GROUPING, GRAVE_WAITS, REPLAY_LOSES, WALL_COUNTS, GIVES_UP, BROKEN_MAX };
static const char *const broken_names[BROKEN_MAX] = {"sound", "no-grouping", "grave-waits", "replay-loses", "wall-counts", "gives-up"};

/* A message, while receivers may be down. */
struct on_its_way {
    struct notice notice;
    char key[MODEL_ID_SIZE];
    int64_t ordered_ms, next_ms, taken_ms; /* taken 0: not yet */
};

struct world {
    enum broken broken;
    uint64_t random;
    struct arena *arena;
    struct config *config;
    struct decide *decide;
    struct orders orders;   /* of the last event */
    int64_t now_ms, wall_shift_ms;
    struct event *events;   /* the journal */
    size_t event_count, event_cap;
    uint64_t orders_hash;   /* of all orders so far */
    int64_t opened, notices, attempts;
    struct on_its_way *sent; /* NULL: not looked at */
    size_t sent_count;
    char why[256];          /* the first invariant that broke; "": none */
};

static void broke(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void broke(struct world *w, const char *fmt, ...)
{
    if (*w->why)
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->why, sizeof(w->why), fmt, args);
    va_end(args);
}

static unsigned pick(struct world *w, unsigned below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(w->random >> 33) % below;
}

static struct world world_open(uint64_t seed, enum broken broken)
{
    struct world w = {.broken = broken, .random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1, .arena = arena_open(), .now_ms = START_MS};
    w.config = fixture_config(w.arena);
    w.config->alerts = (struct alerts_conf){.hold_ms = 2 * MS_MINUTE, .storm_after = broken == NO_GROUPING ? 0 : 5, .storm_window_ms = 10 * MS_MINUTE};
    w.decide = decide_open(w.arena, w.config);
    w.orders.arena = w.arena;
    return w;
}

static void world_close(struct world *w)
{
    free(w->events);
    arena_close(&w->arena);
}

static uint64_t hash_orders(uint64_t hash, const struct orders *orders)
{
    for (size_t i = 0; i < orders->n; i++) {
        const unsigned char *p = (const unsigned char *)&orders->p[i];
        for (size_t k = 0; k < sizeof(orders->p[i]); k++)
            hash = (hash ^ p[k]) * UINT64_C(1099511628211);
    }
    return hash;
}

static void remember(struct world *w, const struct event *event)
{
    if (w->event_count == w->event_cap) {
        w->event_cap = w->event_cap ? 2 * w->event_cap : 1024;
        w->events = realloc(w->events, w->event_cap * sizeof(*w->events));
        if (!w->events)
            abort();
    }
    w->events[w->event_count++] = *event;
}

static void feed(struct world *w, struct event *event)
{
    event->at_ms = w->now_ms;
    event->wall_ms = WALL_MS + w->now_ms + w->wall_shift_ms;
    if (w->broken == WALL_COUNTS)
        event->at_ms += w->wall_shift_ms > 0 ? w->wall_shift_ms : 0;
    w->orders.n = 0;
    decide_event(w->decide, event, &w->orders);
    if (event->kind != EVENT_TICK || w->orders.n)
        remember(w, event);
    w->orders_hash = hash_orders(w->orders_hash, &w->orders);
    for (size_t i = 0; i < w->orders.n; i++) {
        w->opened += w->orders.p[i].kind == ORDER_OPEN;
        w->notices += w->orders.p[i].kind == ORDER_NOTIFY;
        if (!w->sent || w->orders.p[i].kind != ORDER_NOTIFY || w->sent_count == NOTICES_MAX)
            continue;
        struct on_its_way *d = &w->sent[w->sent_count++];
        d->ordered_ms = d->next_ms = w->now_ms;
        COPY_TO(d->key, w->orders.p[i].subject);
    }
}

/* Every tick that decide asks for on the way. */
static void run_to(struct world *w, int64_t until_ms)
{
    for (int64_t next; (next = decide_next_ms(w->decide)) <= until_ms;) {
        w->now_ms = next > w->now_ms ? next : w->now_ms;
        feed(w, &(struct event){.kind = EVENT_TICK});
        if (decide_next_ms(w->decide) == next) {
            broke(w, "a tick that was asked for changed nothing");
            return;
        }
    }
    w->now_ms = until_ms;
}

static void alert(struct world *w, unsigned key, int64_t severity, unsigned group, int64_t started_ms)
{
    struct event event = {.kind = EVENT_ALERT, .number = severity, .ref = started_ms, .service = "akig"};
    snprintf(event.subject, sizeof(event.subject), "am/%08x", key);
    snprintf(event.who, sizeof(event.who), "alertmanager/%u", group);
    snprintf(event.text, sizeof(event.text), "alert %u", key);
    feed(w, &event);
}

/* The controller dies and comes back: the journal gives the same orders, and what fires still does. */
static void kill_and_replay(struct world *w)
{
    struct decide *again = decide_open(w->arena, w->config);
    struct orders orders = {.arena = w->arena};
    uint64_t hash = 0;
    size_t count = w->event_count - (w->broken == REPLAY_LOSES && w->event_count > 50);
    for (size_t i = 0; i < count; i++) {
        orders.n = 0;
        decide_event(again, &w->events[i], &orders);
        hash = hash_orders(hash, &orders);
    }
    if (hash != w->orders_hash || decide_alerts(again) != decide_alerts(w->decide))
        broke(w, "after a kill the journal of %zu events gives other orders, or %zu instead of %zu alerts", w->event_count, decide_alerts(again),
              decide_alerts(w->decide));
    w->decide = again;
    feed(w, &(struct event){.kind = EVENT_STARTED});
}

/* ---- 10,000 alerts in a minute, one of them grave ---- */

static void storm(struct world *w)
{
    unsigned gravest = pick(w, ALERTS), groups = 1 + pick(w, ALERTS);
    int64_t told_ms = -1, begun_ms = 0;
    for (unsigned i = 0; i < ALERTS; i++) {
        bool grave = i == gravest;
        run_to(w, START_MS + (int64_t)i * MS_MINUTE / ALERTS);
        alert(w, i, grave && w->broken != GRAVE_WAITS ? SEVERITY_P1 : SEVERITY_P2, pick(w, groups), 0);
        begun_ms = grave ? w->now_ms : begun_ms;
        bool opened = false;
        for (size_t k = 0; k < w->orders.n; k++)
            opened = opened || (w->orders.p[k].kind == ORDER_OPEN && w->orders.p[k].number == SEVERITY_P1);
        told_ms = opened ? w->now_ms : told_ms;
        if (pick(w, 4000) == 0)
            kill_and_replay(w);
    }
    if (told_ms != begun_ms)
        broke(w, "the grave one was not opened in the moment in which it came");
    if (w->opened > 5 + 1 + 1)
        broke(w, "%" PRId64 " incidents in a storm of one cause", w->opened);
    run_to(w, START_MS + MS_HOUR);
    if (w->notices > 200)
        broke(w, "%" PRId64 " messages in an hour", w->notices);
    if (decide_alerts(w->decide) != ALERTS)
        broke(w, "%zu of %d alerts fire", decide_alerts(w->decide), ALERTS);
    for (unsigned i = 0; i < ALERTS; i++)
        alert(w, i, -1, 0, 0);
    run_to(w, w->now_ms + 10 * MS_MINUTE);
    for (size_t i = 0; i < decide_incidents(w->decide); i++)
        if (decide_incident_at(w->decide, i)->state < INCIDENT_RESOLVED)
            broke(w, "an incident is open although all alerts have ended");
}

/* ---- anything at all, with kills; and the same again with a wall that jumps ---- */

static void anything(struct world *w, bool jumps)
{
    int64_t began[KEYS] = {0};
    for (int i = 0; i < 3000; i++) {
        unsigned key = pick(w, KEYS), what = pick(w, 100);
        int64_t pause = pick(w, 20) ? pick(w, 3000) : pick(w, 20 * 60 * 1000);
        run_to(w, w->now_ms + pause);
        int64_t jump = ((int64_t)pick(w, 4) - 2) * MS_HOUR; /* drawn in both worlds */
        if (jumps)
            w->wall_shift_ms = jump;
        if (what < 60) {
            began[key] = what % 6 ? began[key] : i + 1;
            alert(w, key, pick(w, SEVERITY_MAX), key % 12, began[key]);
        } else if (what < 99) {
            alert(w, key, -1, key % 12, began[key]);
        } else {
            kill_and_replay(w);
        }
        int64_t firing = 0;
        for (size_t k = 0; k < decide_incidents(w->decide); k++)
            firing += decide_incident_at(w->decide, k)->alerts_firing;
        if (firing != (int64_t)decide_alerts(w->decide))
            broke(w, "incidents count %" PRId64 " alerts, and %zu fire", firing, decide_alerts(w->decide));
    }
}

/* Orders of alerts hold no moment of the wall, so they must come out the same, byte for byte. */
static void clock_jumps(struct world *w, uint64_t seed)
{
    struct world still = world_open(seed, w->broken);
    anything(&still, false);
    anything(w, true);
    if (!*w->why && *still.why)
        broke(w, "%s", still.why);
    if (still.orders_hash != w->orders_hash)
        broke(w, "a wall that jumps changes what is decided");
    world_close(&still);
}

/* ---- receivers down for an hour ---- */

/* What was ordered since the last look, and what of all is due. */
static void hand_over(struct world *w, bool down)
{
    for (size_t i = 0; i < w->sent_count; i++) {
        struct on_its_way *d = &w->sent[i];
        if (d->taken_ms || w->now_ms < d->next_ms)
            continue;
        d->notice.key = d->key;
        d->notice.attempts++;
        w->attempts++;
        if (!down)
            d->taken_ms = w->now_ms;
        else
            d->next_ms = w->broken == GIVES_UP && d->notice.attempts > 5 ? TIME_NEVER : w->now_ms + outbox_back_off_ms(&d->notice, -1);
    }
}

static void receivers_down(struct world *w)
{
    int64_t down_until = START_MS + MS_HOUR;
    w->sent = arena_array(w->arena, struct on_its_way, NOTICES_MAX);
    for (int64_t t = START_MS; t < START_MS + 2 * MS_HOUR; t += 250) {
        run_to(w, t);
        if (t < down_until && pick(w, 1200) == 0)
            alert(w, pick(w, 1000), SEVERITY_P1, pick(w, 100), 0);
        hand_over(w, t < down_until);
    }
    for (size_t i = 0; i < w->sent_count; i++) {
        struct on_its_way *d = &w->sent[i];
        if (!d->taken_ms)
            broke(w, "message %s never arrived", d->key);
        else if (d->taken_ms - MAX_OF(down_until, d->ordered_ms) > 75 * MS_SECOND)
            broke(w, "message %s arrived %" PRId64 " s after the receiver was back", d->key, (d->taken_ms - down_until) / 1000);
        for (size_t k = 0; k < i; k++)
            if (same(d->key, w->sent[k].key))
                broke(w, "message %s was ordered twice", d->key);
    }
    if (!w->sent_count || w->sent_count == NOTICES_MAX || w->attempts / (int64_t)w->sent_count > 80)
        broke(w, "%" PRId64 " attempts for %zu messages", w->attempts, w->sent_count);
}

/* ---- all of it ---- */

static void play_storm(struct world *w, uint64_t seed UNUSED)
{
    storm(w);
}

static void play_anything(struct world *w, uint64_t seed UNUSED)
{
    anything(w, false);
}

static void play_receivers(struct world *w, uint64_t seed UNUSED)
{
    receivers_down(w);
}

static const struct {
    const char *name;
    void (*play)(struct world *w, uint64_t seed);
    uint64_t seeds;
} scenarios[] = {
    {"receivers down for an hour", play_receivers, 3}, /* the quick ones first: what is broken is mostly found by them */
    {"a storm of 10,000 in a minute", play_storm, 2},
    {"a wall clock that jumps", clock_jumps, 2},
    {"anything, with kills", play_anything, 6},
};

/* False when an invariant broke; `why` says which. */
static bool plays(size_t scenario, uint64_t seed, enum broken broken, struct world *ret)
{
    struct world w = world_open(seed, broken);
    scenarios[scenario].play(&w, seed);
    *ret = w;
    world_close(&w);
    return !*w.why;
}

static int sound(void)
{
    int bad = 0;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        int64_t opened = 0, notices = 0, events = 0;
        for (uint64_t seed = 1; seed <= scenarios[i].seeds; seed++) {
            struct world w;
            if (!plays(i, seed, SOUND, &w)) {
                printf("%s, seed %" PRIu64 ": %s\n", scenarios[i].name, seed, w.why);
                bad++;
            }
            opened += w.opened, notices += w.notices, events += (int64_t)w.event_count;
        }
        fflush(stdout);
        printf("%-30s %4" PRIu64 " worlds, %8" PRId64 " events, %6" PRId64 " incidents, %6" PRId64 " messages\n", scenarios[i].name, scenarios[i].seeds, events,
               opened, notices);
    }
    return bad ? 1 : 0;
}

static int every_break_is_found(void)
{
    int missed = 0;
    for (enum broken b = SOUND + 1; b < BROKEN_MAX; b++) {
        struct world w = {0};
        bool found = false;
        for (uint64_t seed = 1; seed <= 5 && !found; seed++)
            for (size_t i = 0; i < COUNT_OF(scenarios) && !found; i++)
                found = !plays(i, seed, b, &w);
        printf("%-14s %s %s\n", broken_names[b], found ? "found:" : "NOT FOUND", w.why);
        missed += !found;
    }
    return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
    return argc > 1 && same(argv[1], "--broken") ? every_break_is_found() : sound();
}
