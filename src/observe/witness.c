/* observe/witness.c -- Short questions to the other agents, all of them at once, until one of them has seen the lease lapse or nobody asks any more. */
#include "observe/witness.h"

#include "io/json.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { BODY_MOST = 64 * 1024, OK = 200, ASK_MS = 500, ASK_EVERY_MS = 200 };

struct other {
    struct witness *witness;
    const struct site *site;
    struct http_request *request; /* NULL: it is not being asked */
};

struct witness {
    struct check *check;
    struct loop_timer *timer;
    struct other *others;
    size_t count;
    witness_fn *done;
    void *arg;
};

/* What it says counts while the epoch names the silent site, and while it reads etcd itself: who reads nothing sees no renewal either. */
static bool has_seen_it_lapse(const struct witness *w, const struct json *root, int64_t *ret_unseen_ms)
{
    const struct failover_conf *failover = &w->check->env->service->failover;
    const struct json *lease = json_get(root, "lease");
    int64_t looked_ms;
    return same(json_string(json_get(root, "named")), w->check->site->name) && json_integer(json_get(lease, "other_seen_ms_ago"), ret_unseen_ms) &&
           json_integer(json_get(lease, "looked_ms_ago"), &looked_ms) && looked_ms >= 0 && looked_ms < failover->renew_ms &&
           *ret_unseen_ms > failover_missed_ms(failover);
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err UNUSED)
{
    struct other *other = arg;
    struct witness *w = other->witness;
    const struct json *root = NULL;
    struct err why = {0};
    int64_t unseen_ms;
    other->request = NULL;
    if (response && response->status == OK && json_parse(w->check->arena, response->body, &root, &why) && has_seen_it_lapse(w, root, &unseen_ms))
        w->done(w->arg, other->site, unseen_ms);
}

static void ask(void *arg)
{
    struct witness *w = arg;
    loop_timer_set(w->timer, clock_boot_ms() + ASK_EVERY_MS);
    for (size_t i = 0; i < w->count; i++) {
        struct other *other = &w->others[i];
        struct err err = {0};
        struct http_spec spec = {.url = arena_printf(w->check->arena, "%s/v1/state", other->site->agent.url), .timeout_ms = ASK_MS, .max_body = BODY_MOST};
        if (!other->request && !http_start(w->check->env->http, &spec, on_answer, other, &other->request, &err))
            other->request = NULL; /* its own check says why */
    }
}

struct witness *witness_call(struct check *check, int64_t after_ms, witness_fn *done, void *arg)
{
    const struct service *service = check->env->service;
    struct witness *w = arena_new(check->arena, struct witness);
    *w = (struct witness){.check = check, .done = done, .arg = arg, .others = arena_array(check->arena, struct other, MAX_OF(service->sites.n, 1))};
    for (size_t i = 0; i < service->sites.n; i++)
        if (&service->sites.p[i] != check->site && service->sites.p[i].agent.url)
            w->others[w->count++] = (struct other){.witness = w, .site = &service->sites.p[i]};
    w->timer = loop_timer_new(check->env->loop, ask, w);
    loop_timer_set(w->timer, clock_boot_ms() + after_ms);
    return w;
}

void witness_stop(struct witness **witness)
{
    struct witness *w = *witness;
    *witness = NULL;
    if (!w)
        return;
    loop_timer_free(&w->timer);
    for (size_t i = 0; i < w->count; i++)
        http_cancel(&w->others[i].request);
}
