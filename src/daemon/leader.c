/* daemon/leader.c -- A round every second: the lease is renewed, the key is put when there is none, else it is looked at. Beside it,
   PREFIX/SERVICE/active says where the users are, by the word of who leads, and PREFIX/SERVICE/pause what a person said last, to whomever. */
#include "daemon/leader.h"

#include <inttypes.h>
#include <unistd.h>

#include "io/etcd.h"
#include "model/names.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

enum { TTL_S = 8, EVERY_MS = 1000, CALL_MS = 2000, NAME_SIZE = 96 };

struct leader {
    const struct config *config;
    const char *service;
    struct etcd *etcd;
    struct loop_timer *timer, *end_timer;
    struct leader_callbacks callbacks;
    struct candidate candidate;
    const char *key, *active_key, *pause_key;
    const char *path;              /* where our lease is kept, for the next life */
    char who[NAME_SIZE], other[NAME_SIZE];
    struct shared_users users;     /* as it is in etcd */
    struct shared_pause pause;     /* as it is in etcd */
    int64_t pause_revision;        /* of that; 0: there is none */
    int64_t led;                   /* lease with which we led: nobody else has since, as long as it is the same */
    bool failing;                  /* said already */
    int64_t answered_ms;           /* when etcd last did; at first when it was first asked */
};

/* ---- what is written and read ---- */

static void read_shared(struct leader *l, const struct etcd_value *users, const struct etcd_value *pause)
{
    shared_users_read(users ? users->value : (struct str){0}, &l->users);
    shared_pause_read(pause ? pause->value : (struct str){0}, &l->pause);
    l->pause_revision = pause ? pause->mod_revision : 0;
}

/* The lease of the last life is ours as long as etcd says that it lasts: a controller that was killed and started again goes on. Not in
   another boot, nor where the folder was copied to. */
static int64_t lease_of_last_life(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str text, first;
    int64_t lease = 0;
    char boot[64];
    clock_boot_id(boot, sizeof(boot));
    bool good = file_read(arena, l->path, 256, &text, NULL) && str_next(&text, ' ', &first) && str_int(first, &lease) && str_is(str_trim(text), boot);
    return good && boot[0] ? lease : 0;
}

static void keep_lease(struct leader *l)
{
    char text[128], boot[64];
    struct err err = {0};
    clock_boot_id(boot, sizeof(boot));
    int n = snprintf(text, sizeof(text), "%" PRId64 " %s\n", l->candidate.lease, boot);
    if (!file_write(l->path, text, (size_t)n, 0600, &err))
        log_err(LOG_WARNING, &err);
}

/* ---- a round ---- */

static void end_round(struct leader *l)
{
    int64_t now = clock_boot_ms();
    loop_timer_set(l->timer, now + EVERY_MS);
    if (l->candidate.lease && l->candidate.until_ms > now)
        loop_timer_set(l->end_timer, l->candidate.until_ms);
    l->callbacks.look(l->callbacks.arg);
}

static void failed(struct leader *l, const struct err *err)
{
    if (!l->failing)
        log_err(LOG_WARNING, err);
    l->failing = true;
    if (clock_boot_ms() - l->answered_ms > TTL_S * MS_SECOND) /* who led then need not lead, or live, any more */
        candidate_saw(&l->candidate, 0);
    end_round(l);
}

static void ask(struct leader *l, const struct etcd_request *request, etcd_done_fn *done)
{
    struct err err = {0};
    struct etcd_request r = *request;
    r.timeout_ms = MAX_OF(l->config->etcd.timeout_ms, CALL_MS);
    r.repeatable = true;
    if (!etcd_start(l->etcd, &r, done, l, NULL, &err))
        failed(l, &err);
}

static void on_published(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer UNUSED, const struct err *err)
{
    if (outcome == ETCD_ANSWERED)
        end_round(arg);
    else
        failed(arg, err);
}

/* Who leads tells the next leader where the users are. False: that is known already. */
static bool publish_users(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct shared_users ours = {0};
    l->callbacks.users(l->callbacks.arg, &ours);
    if (!*ours.site || (same(ours.site, l->users.site) && !shared_users_moved_since(&ours, &l->users)))
        return false;
    ours.moved_ms = MAX_OF(ours.moved_ms, l->users.moved_ms);
    struct etcd_compare mine = {.key = l->key, .what = ETCD_LEASE, .number = l->candidate.lease};
    struct etcd_op put = {.kind = ETCD_PUT, .key = l->active_key, .value = shared_users_text(arena, &ours, l->who, clock_wall_ms())};
    ask(l, &(struct etcd_request){.compares = &mine, .compare_count = 1, .ops = &put, .op_count = 1}, on_published);
    return true;
}

/* Whoever was told tells the others, once: what is there by then may be newer, and is looked at first. */
static bool publish_pause(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct shared_pause *ours = l->callbacks.pause(l->callbacks.arg);
    if (ours->said_ms <= l->pause.said_ms)
        return false;
    struct etcd_compare seen = {.key = l->pause_key, .what = ETCD_MOD_REVISION, .number = l->pause_revision};
    struct etcd_op put = {.kind = ETCD_PUT, .key = l->pause_key, .value = shared_pause_text(arena, ours)};
    ask(l, &(struct etcd_request){.compares = &seen, .compare_count = 1, .ops = &put, .op_count = 1}, on_published);
    return true;
}

static void on_looked(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct leader *l = arg;
    if (outcome != ETCD_ANSWERED) {
        failed(l, err);
        return;
    }
    /* Where the key was not there, it is ours now. */
    const struct etcd_value *key = answer->succeeded ? NULL : etcd_answer_value(answer, 0);
    int64_t holder = answer->succeeded ? l->candidate.lease : key ? key->lease : 0;
    shared_leader_read(key && holder != l->candidate.lease ? key->value : (struct str){0}, l->other, sizeof(l->other));
    read_shared(l, etcd_answer_value(answer, 1), etcd_answer_value(answer, 2));
    if (l->failing)
        log_line(LOG_INFO, "etcd answers again service=%s", l->service);
    l->failing = false;
    l->answered_ms = clock_boot_ms();
    candidate_saw(&l->candidate, holder);
    bool leads = leader_standing(l) == STANDING_LEADS, again = leads && l->led == l->candidate.lease;
    if (leads)
        l->led = l->candidate.lease;
    if (!(again && publish_users(l)) && !publish_pause(l)) /* at first, what the last leader wrote is listened to */
        end_round(l);
}

static void look(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct etcd_op take[] = {{.kind = ETCD_PUT, .key = l->key, .value = shared_leader_text(arena, l->who, clock_wall_ms()), .lease = l->candidate.lease}, {.key = l->active_key}, {.key = l->pause_key}};
    struct etcd_op get[] = {{.key = l->key}, {.key = l->active_key}, {.key = l->pause_key}};
    struct etcd_compare absent = {.key = l->key, .what = ETCD_CREATE_REVISION};
    ask(l, &(struct etcd_request){.compares = &absent, .compare_count = 1, .ops = take, .op_count = COUNT_OF(take), .otherwise = get, .otherwise_count = COUNT_OF(get)}, on_looked);
}

static void on_leased(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct leader *l = arg;
    int64_t before = l->candidate.lease;
    if (outcome != ETCD_ANSWERED) {
        failed(l, err);
        return;
    }
    candidate_lease(&l->candidate, answer->lease, answer->sent_ms, answer->ttl_s);
    if (!l->candidate.lease) { /* it is over: a new one, at once */
        ask(l, &(struct etcd_request){.kind = ETCD_LEASE_GRANT, .ttl_s = TTL_S}, on_leased);
        return;
    }
    if (l->candidate.lease != before)
        keep_lease(l);
    look(l);
}

static void begin_round(void *arg)
{
    struct leader *l = arg;
    int64_t lease = l->candidate.lease ? l->candidate.lease : lease_of_last_life(l);
    ask(l, &(struct etcd_request){.kind = lease ? ETCD_LEASE_KEEPALIVE : ETCD_LEASE_GRANT, .lease = lease, .ttl_s = TTL_S}, on_leased);
}

static void on_end(void *arg)
{
    struct leader *l = arg;
    l->callbacks.look(l->callbacks.arg);
}

/* ---- opening ---- */

bool leader_open(struct arena *arena, const struct config *config, const struct service *service, struct loop *loop, struct http *http,
                 const struct leader_callbacks *callbacks, struct leader **ret, struct err *err)
{
    const struct etcd_conf *conf = &config->etcd;
    struct etcd_spec spec = {
        .endpoints = conf->endpoints.p,
        .endpoint_count = conf->endpoints.n,
        .ca_file = conf->ca_file,
        .cert_file = conf->cert_file,
        .key_file = conf->key_file,
        .user = conf->user,
        .password = conf->password,
        .timeout_ms = conf->timeout_ms,
    };
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    struct leader *l = arena_new(arena, struct leader);
    *l = (struct leader){.config = config, .service = service->name, .callbacks = *callbacks, .answered_ms = clock_boot_ms()};
    l->key = arena_printf(arena, "%s/%s/leader", conf->prefix, service->name);
    l->active_key = arena_printf(arena, "%s/%s/active", conf->prefix, service->name);
    l->pause_key = arena_printf(arena, "%s/%s/pause", conf->prefix, service->name);
    l->path = file_join(arena, config->state_dir, arena_printf(arena, "%s.leader", service->name));
    snprintf(l->who, sizeof(l->who), "process %d on %s", (int)getpid(), host);
    if (!etcd_open(&spec, http, &l->etcd, err))
        return false;
    l->timer = loop_timer_new(loop, begin_round, l);
    l->end_timer = loop_timer_new(loop, on_end, l);
    loop_timer_set(l->timer, clock_boot_ms());
    *ret = l;
    return true;
}

void leader_close(struct leader **leader)
{
    if (!*leader)
        return;
    etcd_close(&(*leader)->etcd);
    loop_timer_free(&(*leader)->timer);
    loop_timer_free(&(*leader)->end_timer);
    *leader = NULL;
}

/* ---- asking ---- */

enum standing leader_standing(const struct leader *l)
{
    return candidate_standing(&l->candidate, clock_boot_ms());
}

const char *leader_who(const struct leader *l)
{
    return l->who;
}

const char *leader_other(const struct leader *l)
{
    return l->other;
}

const struct shared_users *leader_users(const struct leader *l)
{
    return &l->users;
}

const struct shared_pause *leader_pause(const struct leader *l)
{
    return &l->pause;
}
