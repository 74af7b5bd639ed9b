/* judge/judge.c -- Every check has a steady state, made by streaks, and a reported one, which differs while the observer is blind.
   Each call settles the steady states first and then tells where the reported ones have to follow. */
#include "judge/judge.h"

struct opinion {
    const struct service *service;
    const struct check_conf *check;
    enum verdict_state steady;
    enum verdict_state reported;
    int up_row, well_row, down_row, not_up_row, unknown_row; /* results in a row; well: up or warning */
    bool base_known;       /* false after a restore: freshness counts from the next call */
    int64_t heard_ms;      /* last result that said something */
    int64_t since_ms;      /* of the reported state */
    int64_t good_wall_ms;
    char text[MODEL_TEXT_SIZE];     /* why it is `steady` */
    char reported_text[MODEL_TEXT_SIZE];
};

struct watched {
    const struct service *service;
    struct opinion *opinions;
    size_t count;
    bool blind;
};

struct judge {
    struct watched *services;
    size_t count;
};

struct judge *judge_open(struct arena *arena, const struct config *config)
{
    struct judge *judge = arena_new(arena, struct judge);
    judge->count = config->services.n;
    judge->services = arena_array(arena, struct watched, judge->count);
    for (size_t i = 0; i < judge->count; i++) {
        const struct service *service = &config->services.p[i];
        struct watched *w = &judge->services[i];
        w->service = service;
        w->count = service->checks.n;
        w->opinions = arena_array(arena, struct opinion, w->count);
        for (size_t k = 0; k < w->count; k++) {
            w->opinions[k].service = service;
            w->opinions[k].check = &service->checks.p[k];
        }
    }
    return judge;
}

static struct watched *find_service(const struct judge *judge, const char *service)
{
    for (size_t i = 0; i < judge->count; i++)
        if (same(judge->services[i].service->name, service))
            return &judge->services[i];
    return NULL;
}

static struct opinion *find_in(const struct watched *w, const char *check)
{
    for (size_t i = 0; w && i < w->count; i++)
        if (same(w->opinions[i].check->id, check))
            return &w->opinions[i];
    return NULL;
}

static struct opinion *find(const struct judge *judge, const char *service, const char *check)
{
    return find_in(find_service(judge, service), check);
}

/* ---- streaks ---- */

static void count(struct opinion *o, enum verdict_state state)
{
    bool up = state == VERDICT_UP, down = state == VERDICT_DOWN, unknown = state == VERDICT_UNKNOWN;
    /* A run that could not be carried out is evidence of nothing: it breaks every row, since a failover must follow an unbroken one. */
    o->up_row = up ? o->up_row + 1 : 0;
    o->well_row = up || state == VERDICT_WARNING ? o->well_row + 1 : 0;
    o->down_row = down ? o->down_row + 1 : 0;
    o->not_up_row = up || unknown ? 0 : o->not_up_row + 1;
    o->unknown_row = unknown ? o->unknown_row + 1 : 0;
}

/* The steady state that follows this result. */
static enum verdict_state next_state(const struct opinion *o, enum verdict_state result, bool certain)
{
    if (certain && result == VERDICT_DOWN)
        return VERDICT_DOWN;
    int fall = MAX_OF(o->check->fall, 1), rise = MAX_OF(o->check->rise, 1);
    bool well = result == VERDICT_UP || result == VERDICT_WARNING;
    if (o->unknown_row >= fall)
        return VERDICT_UNKNOWN;
    if (o->down_row >= fall)
        return VERDICT_DOWN;
    if (o->steady == VERDICT_UNKNOWN && well)
        return result;
    if (o->steady == VERDICT_DOWN && o->well_row >= rise)
        return result;
    if (o->steady == VERDICT_UP && result == VERDICT_WARNING && o->not_up_row >= fall)
        return VERDICT_WARNING;
    if (o->steady == VERDICT_WARNING && o->up_row >= rise)
        return VERDICT_UP;
    return o->steady;
}

/* ---- blindness ---- */

static bool sees_nothing(const struct watched *w)
{
    size_t down = 0;
    const char *first_site = NULL;
    bool two_sites = false;
    for (size_t i = 0; i < w->count; i++) {
        const struct opinion *o = &w->opinions[i];
        if (o->steady == VERDICT_UNKNOWN)
            continue;
        if (o->steady != VERDICT_DOWN)
            return false;
        down++;
        if (!first_site)
            first_site = o->check->site;
        else if (o->check->site && !same(o->check->site, first_site))
            two_sites = true;
    }
    return down >= 3 && two_sites;
}

/* ---- telling ---- */

static struct verdict verdict_of_opinion(const struct opinion *o)
{
    struct verdict v = {.state = o->reported, .since_ms = o->since_ms, .good_wall_ms = o->good_wall_ms};
    COPY_TO(v.service, o->service->name);
    COPY_TO(v.check, o->check->id);
    COPY_TO(v.text, o->reported_text);
    return v;
}

/* Tells where the reported state has to follow. What does not fit into `turned` is told by the next call. */
static size_t settle(struct watched *w, int64_t now_ms, struct verdict *turned, size_t n)
{
    w->blind = sees_nothing(w);
    for (size_t i = 0; i < w->count && n < JUDGE_TURNS; i++) {
        struct opinion *o = &w->opinions[i];
        enum verdict_state due = w->blind ? VERDICT_UNKNOWN : o->steady;
        if (due == o->reported)
            continue;
        o->reported = due;
        o->since_ms = now_ms;
        COPY_TO(o->reported_text, w->blind ? "every check of the service fails at once, at all sites: the fault is more likely the observer's"
                                           : o->text);
        turned[n++] = verdict_of_opinion(o);
    }
    return n;
}

size_t judge_feed(struct judge *judge, const struct result *result, struct verdict turned[JUDGE_TURNS])
{
    struct watched *w = find_service(judge, result->service);
    struct opinion *o = find_in(w, result->check);
    if (!w || !o)
        return 0; /* of a check that the configuration no longer has */
    count(o, result->state);
    enum verdict_state next = next_state(o, result->state, result->certain);
    if (next != o->steady)
        COPY_TO(o->text, result->text);
    o->steady = next;
    if (result->state != VERDICT_UNKNOWN || !o->base_known) {
        o->heard_ms = result->at_ms;
        o->base_known = true;
    }
    o->good_wall_ms = MAX_OF(o->good_wall_ms, result->good_wall_ms);
    return settle(w, result->at_ms, turned, 0);
}

/* ---- freshness ---- */

static int64_t stale_at(const struct opinion *o)
{
    int64_t fresh = o->check->fresh_ms ? o->check->fresh_ms : 3 * o->check->interval_ms + o->check->timeout_ms;
    return o->heard_ms + fresh;
}

static void age(struct opinion *o, int64_t now_ms)
{
    if (o->steady == VERDICT_UNKNOWN)
        return;
    if (!o->base_known) { /* what the controller did not hear while it was not running is not silence of the check */
        o->heard_ms = now_ms;
        o->base_known = true;
    }
    if (now_ms < stale_at(o))
        return;
    o->steady = VERDICT_UNKNOWN;
    o->up_row = o->well_row = o->down_row = o->not_up_row = o->unknown_row = 0;
    snprintf(o->text, sizeof(o->text), "no result for %.1f s", (double)(now_ms - o->heard_ms) / 1000.0);
}

size_t judge_age(struct judge *judge, int64_t now_ms, struct verdict turned[JUDGE_TURNS])
{
    size_t n = 0;
    for (size_t i = 0; i < judge->count; i++) {
        struct watched *w = &judge->services[i];
        for (size_t k = 0; k < w->count; k++)
            age(&w->opinions[k], now_ms);
        n = settle(w, now_ms, turned, n);
    }
    return n;
}

int64_t judge_next_ms(const struct judge *judge)
{
    int64_t next = TIME_NEVER;
    for (size_t i = 0; i < judge->count; i++) {
        const struct watched *w = &judge->services[i];
        for (size_t k = 0; k < w->count; k++) {
            const struct opinion *o = &w->opinions[k];
            bool told = o->reported == (w->blind ? VERDICT_UNKNOWN : o->steady);
            if (!told || (o->steady != VERDICT_UNKNOWN && !o->base_known))
                return 0; /* at once */
            if (o->steady != VERDICT_UNKNOWN)
                next = MIN_OF(next, stale_at(o));
        }
    }
    return next;
}

/* ---- questions ---- */

struct verdict judge_now(const struct judge *judge, const char *service, const char *check)
{
    const struct opinion *o = find(judge, service, check);
    if (o)
        return verdict_of_opinion(o);
    struct verdict none = {.state = VERDICT_UNKNOWN};
    COPY_TO(none.service, service);
    COPY_TO(none.check, check);
    COPY_TO(none.text, "there is no such check");
    return none;
}

bool judge_blind(const struct judge *judge, const char *service)
{
    const struct watched *w = find_service(judge, service);
    return w && w->blind;
}

void judge_restore(struct judge *judge, const struct verdict *verdict)
{
    struct opinion *o = find(judge, verdict->service, verdict->check);
    if (!o)
        return;
    o->steady = o->reported = verdict->state;
    o->since_ms = verdict->since_ms;
    o->good_wall_ms = verdict->good_wall_ms;
    o->base_known = false;
    COPY_TO(o->text, verdict->text);
    COPY_TO(o->reported_text, verdict->text);
}
