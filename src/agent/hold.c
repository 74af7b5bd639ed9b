/* agent/hold.c -- The rules of lease.c, carried: rounds go to etcd, and to every other agent too when etcd did not answer the one before;
   what they say goes back into the rules, and what the rules say is done to PostgreSQL. */
#include "agent/hold_internal.h"

#include <inttypes.h>

#include "agent/watchdog.h"
#include "io/json.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { MARK_MAX = 64, WATCHES = 5 };

bool hold_names_us(const struct hold *h)
{
    return same(h->named, h->agent->spec->site->name);
}

void hold_give_up(struct hold *h)
{
    h->holding = false;
    for (int i = 0; i < FLIGHTS; i++) {
        if (h->flights[i].call)
            etcd_cancel(&h->flights[i].call);
        h->flights[i].serial = 0;
    }
    for (int i = 0; i < h->member_count; i++)
        if (h->members[i].request)
            http_cancel(&h->members[i].request);
}

/* ---- PostgreSQL ---- */

/* From the moment before it is told to become a primary on, it counts as one. */
static bool follows(const struct hold *h)
{
    return agent_is_standby(h->agent) && !h->agent->promoting;
}

static bool writes(const struct hold *h)
{
    return postmaster_pid(h->agent->postmaster) && !follows(h);
}

/* What outlives a killed agent, as it is at this moment. */
const char *hold_armed(const struct hold *h)
{
    if (!h->sentinel || !sentinel_alive(h->sentinel))
        return "none";
    return sentinel_guards(h->sentinel) ? "both" : "sentinel";
}

/* The end of the lease, for the sentinel: as long as PostgreSQL writes, or is about to. */
void hold_arm(struct hold *h)
{
    if (h->holder.until_ms && h->holding && !follows(h))
        sentinel_set(h->sentinel, h->holder.until_ms);
    if (writes(h))
        sentinel_writes(h->sentinel);
}

void hold_begins(struct hold *h)
{
    sentinel_writes(h->sentinel); /* it has its deadline since the lease was given */
}

void hold_began_not(struct hold *h)
{
    sentinel_set(h->sentinel, 0);
}

static void stop_postgres(struct hold *h, enum agent_cause cause, const char *why)
{
    if (!postmaster_pid(h->agent->postmaster))
        return;
    log_line(LOG_WARNING, "PostgreSQL is ended at once why=\"%s\"", why);
    agent_hold_back(h->agent, cause, why);
}

void hold_begin_waiting(struct hold *h)
{
    lease_wait(&h->waiter, &h->terms, clock_boot_ms());
    if (h->unarmed)
        lease_distrust(&h->waiter, h->unarmed - 1);
    h->intent = 0;
}

/* A number in a file of its own. */
static int64_t read_mark(const char *path)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text;
    int64_t n = 0;
    return file_exists(path) && file_read(arena, path, MARK_MAX, &text, &err) && str_int(str_trim(text), &n) ? n : 0;
}

static bool write_mark(const char *path, int64_t n, int64_t *mark, struct err *err)
{
    char text[MARK_MAX];
    if (*mark == n)
        return true;
    snprintf(text, sizeof(text), "%" PRId64 "\n", n);
    if (!file_write(path, text, strlen(text), 0600, err))
        return false;
    *mark = n;
    return true;
}

/* Who has written in this epoch, or was the first of all, has waited for all who wrote before; so has who was told to, and did. One that
   has given its word that it is stopped never writes in that epoch again. */
static bool has_waited(const struct hold *h)
{
    if (h->certified >= h->epoch)
        return false;
    return h->epoch == 1 || h->wrote == h->epoch || (h->intent == h->epoch && h->confirmed == h->epoch && lease_promote_in_ms(&h->waiter) == 0);
}

/* Before it writes in an epoch, that is on its disk. */
static bool note_wrote(struct hold *h, struct err *err)
{
    return write_mark(h->wrote_path, h->epoch, &h->wrote, err);
}

/* Kept, so that an agent that is started while etcd is away knows whom it may ask, and for what. */
static bool write_named(struct hold *h, struct err *err)
{
    char text[MARK_MAX + sizeof(h->named)];
    snprintf(text, sizeof(text), "%" PRId64 " %s\n", h->epoch, h->named);
    return file_write(h->named_path, text, strlen(text), 0600, err);
}

static void read_named(struct hold *h)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text, number;
    if (!file_exists(h->named_path) || !file_read(arena, h->named_path, MARK_MAX + sizeof(h->named), &text, &err))
        return;
    text = str_trim(text);
    if (!str_next(&text, ' ', &number) || !text.p || !str_int(number, &h->epoch))
        return;
    COPY_TO(h->named, str_dup(arena, text));
}

static void learn(struct hold *h, int64_t epoch, const char *named, int64_t revision)
{
    struct err err = {0};
    h->epoch_revision = MAX_OF(h->epoch_revision, revision);
    if (epoch < h->epoch || (epoch == h->epoch && same(named, h->named)))
        return;
    log_line(LOG_INFO, "epoch %" PRId64 " names site \"%s\"", epoch, named);
    bool another = *h->named && !same(named, h->named);
    h->epoch = epoch;
    h->tells = h->alone = false;
    COPY_TO(h->named, named);
    if (!write_named(h, &err))
        log_err(LOG_WARNING, &err);
    if (!agent_note_epoch(h->agent, epoch, &err))
        log_err(LOG_WARNING, &err);
    hold_give_up(h);
    if (h->sentinel && !writes(h)) /* what follows here, or starts next, is a standby, whose end nobody wants */
        sentinel_set(h->sentinel, 0);
    if (h->intent && h->intent != epoch)
        hold_begin_waiting(h);
    if (another)
        follow_named(h->agent, named);
}

/* ---- what etcd knows ---- */

void hold_take_epoch(struct hold *h, const struct etcd_value *v)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    const struct json *body;
    int64_t epoch;
    const char *site;
    if (!json_parse(arena, v->value, &body, &err) || !json_integer(json_get(body, "epoch"), &epoch) || !(site = json_string(json_get(body, "site")))) {
        log_line(LOG_WARNING, "the epoch in etcd cannot be read key=%s", h->epoch_key);
        return;
    }
    learn(h, epoch, site, v->mod_revision);
    if (epoch != h->epoch || v->mod_revision != h->epoch_revision)
        return; /* a newer one is known */
    COPY_TO(h->from, json_string(json_get(body, "from")) ? json_string(json_get(body, "from")) : "");
    h->tells = lsn_parse(str_of(json_string(json_get(body, "told"))), &h->told_lsn);
}

static void take_leases(struct hold *h, const struct etcd_result *leases)
{
    for (size_t i = 0; i < leases->count; i++) {
        SCOPED(arena_close) struct arena *arena = arena_open();
        struct err err = {0};
        const struct json *body;
        const struct etcd_value *v = &leases->values[i];
        if (str_is(v->key, h->lease_key))
            continue;
        bool armed = json_parse(arena, v->value, &body, &err) && json_string(json_get(body, "armed")) && !same(json_string(json_get(body, "armed")), "none");
        lease_saw(&h->waiter, clock_boot_ms(), v->mod_revision, armed);
    }
}

static void on_looked(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err UNUSED)
{
    struct hold *h = arg;
    h->look = NULL;
    if (outcome != ETCD_ANSWERED || answer->result_count == 0)
        return;
    h->read_ms = clock_boot_ms();
    const struct etcd_value *epoch = etcd_answer_value(answer, 0);
    if (epoch)
        hold_take_epoch(h, epoch);
    if (answer->result_count > 1)
        take_leases(h, &answer->results[1]);
    if (answer->result_count > 1 && epoch && epoch->mod_revision == h->epoch_revision)
        hold_take_over_as_named(h, &answer->results[1]);
    hold_consider(h);
}

/* Where there is no epoch yet, the production site makes the first one, and nobody else. */
static void look(struct hold *h)
{
    const struct agent *a = h->agent;
    bool first = a->spec->site->role == SITE_PRODUCTION && !agent_is_standby(a) && h->epoch_revision == 0 && h->epoch == 0;
    char text[256];
    struct err err = {0};
    snprintf(text, sizeof(text), "{\"epoch\":1,\"site\":\"%s\",\"by\":\"agent of site %s\",\"wall_ms\":%" PRId64 "}", a->spec->site->name, a->spec->site->name, clock_wall_ms());
    struct etcd_compare absent = {.key = h->epoch_key, .what = ETCD_CREATE_REVISION, .number = 0};
    struct etcd_op put = {.kind = ETCD_PUT, .key = h->epoch_key, .value = str_of(text)};
    struct etcd_op get[] = {{.kind = ETCD_GET, .key = h->epoch_key}, {.kind = ETCD_GET, .key = h->lease_prefix, .prefix = true, .limit = LEASE_MEMBERS_MAX}};
    struct etcd_request request = {.kind = ETCD_TXN, .ops = get, .op_count = 2};
    if (first)
        request = (struct etcd_request){.kind = ETCD_TXN, .compares = &absent, .compare_count = 1, .ops = &put, .op_count = 1, .otherwise = get, .otherwise_count = 2, .repeatable = true};
    if (!etcd_start(h->etcd, &request, on_looked, h, &h->look, &err))
        h->look = NULL;
}

/* ---- what follows from it ---- */

static void begin_holding(struct hold *h)
{
    int64_t now = clock_boot_ms();
    h->first = MAX_OF(h->first + FLIGHTS, clock_wall_ms()); /* no number of another life comes again */
    lease_hold(&h->holder, &h->terms, h->member_count, h->first, now);
    h->first += MS_DAY; /* more rounds than this lease will have */
    h->holding = true;
    h->held_epoch = h->epoch;
    h->answered = h->holder.serial;
    h->adopted = writes(h);
    h->adopted_ms = now;
}

/* It may write now, or goes on: what is not running is started, and a standby that was told to is promoted. */
static void begin(struct hold *h)
{
    struct agent *a = h->agent;
    struct err err = {0};
    if (!agent_is_standby(a)) {
        if (writes(h) && !note_wrote(h, &err))
            log_err(LOG_WARNING, &err);
        agent_may_begin(a);
        return;
    }
    if (h->intent != h->epoch) /* a recovery that a person began is theirs to end */
        return;
    if (!note_wrote(h, &err) || !promotion_mark(a, h->epoch, &err)) {
        log_err(LOG_ERROR, &err);
        return;
    }
    hold_arm(h); /* before it is told, since the end of this process must be the end of it from then on */
    promotion_go(a);
}

static void keep(struct hold *h)
{
    if (writes(h) && !has_waited(h)) {
        stop_postgres(h, CAUSE_EPOCH, "it did not begin to write in this epoch, and was not told to");
        return;
    }
    if (h->certified >= h->epoch) {
        hold_give_up(h);
        agent_still_waits(h->agent);
        return;
    }
    if (!h->holding)
        begin_holding(h);
    int64_t now = clock_boot_ms(); /* after that: one from before would be a clock that goes back */
    struct lease_say say = lease_ask(&h->holder, now);
    if (say.renew) {
        bool silent = h->answered < h->holder.serial || h->epoch_revision == 0;
        int64_t serial = lease_sent(&h->holder, clock_boot_ms());
        hold_send_to_etcd(h, serial);
        if (silent)
            hold_send_to_members(h, serial);
    }
    /* One that was found running has no lease of which we know the end: it has the time of one to get another. */
    bool late = !say.may_write && (!h->adopted || now - h->adopted_ms > h->terms.ttl_ms - h->terms.stop_budget_ms);
    h->adopted = h->adopted && !say.may_write;
    if ((say.stop || late) && writes(h))
        stop_postgres(h, h->holder.end == LEASE_EPOCH_MOVED ? CAUSE_EPOCH : CAUSE_LEASE_LOST, say.stop ? lease_end_say(h->holder.end) : "it runs without a lease, and got none");
    if (say.stop)
        hold_give_up(h);
    else if (say.may_begin && has_waited(h))
        begin(h);
    else
        agent_still_waits(h->agent);
}

void hold_consider(struct hold *h)
{
    char why[AGENT_WHY_SIZE];
    if (hold_names_us(h) && h->epoch) {
        keep(h);
    } else if (!h->epoch && writes(h) && clock_boot_ms() - h->opened_ms > h->terms.ttl_ms) {
        stop_postgres(h, CAUSE_LEASE_LOST, "it is not known which site may write: etcd does not answer");
    } else if (h->epoch && writes(h)) {
        snprintf(why, sizeof(why), "epoch %" PRId64 " names site \"%s\"", h->epoch, h->named);
        stop_postgres(h, CAUSE_EPOCH, why);
    } else {
        agent_still_waits(h->agent);
    }
}

static void on_tick(void *arg)
{
    struct hold *h = arg;
    int64_t now = clock_boot_ms();
    loop_timer_set(h->timer, now + MAX_OF(h->terms.guard_ms / 4, 1));
    lease_tick(&h->waiter, now);
    sentinel_tend(h->sentinel, now);
    /* Who may have to wait for a lease to run out counts from when it first saw its newest renewal, so it looks more often than that is renewed. */
    if (!h->look && now - h->looked_ms >= (hold_names_us(h) ? h->terms.renew_ms : h->terms.renew_ms / WATCHES)) {
        h->looked_ms = now;
        look(h);
    }
    hold_consider(h);
}

/* ---- what the agent asks ---- */

void hold_position(struct hold *h)
{
    const struct gauge *g = &h->agent->gauge;
    if (g->recovery || !*g->lsn || !g->timeline)
        return;
    COPY_TO(h->lsn, g->lsn);
    COPY_TO(h->sync, g->sync);
    h->timeline = g->timeline;
}

bool hold_last(const struct hold *h, const char **ret_lsn, int64_t *ret_timeline)
{
    *ret_lsn = h->lsn;
    *ret_timeline = h->timeline;
    return *h->lsn && h->timeline;
}

void hold_came_to(struct hold *h, uint64_t lsn)
{
    snprintf(h->lsn, sizeof(h->lsn), "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

bool hold_may_begin(struct hold *h, char *why, size_t size)
{
    struct err err = {0};
    if (h->epoch == 0)
        snprintf(why, size, "it is not known which site may write: etcd did not answer yet");
    else if (!hold_names_us(h))
        snprintf(why, size, "epoch %" PRId64 " names site \"%s\"", h->epoch, h->named);
    else if (h->certified >= h->epoch)
        snprintf(why, size, "this site was stopped in epoch %" PRId64 " and has given its word that it does not write in it again; bascule promote %s begins another", h->epoch, h->named);
    else if (h->epoch != 1 && h->wrote != h->epoch && h->intent != h->epoch)
        snprintf(why, size, "epoch %" PRId64 " names this site, but nobody has told it to take over: bascule promote %s", h->epoch, h->named);
    else if (!h->holding || !lease_ask(&h->holder, clock_boot_ms()).may_begin)
        snprintf(why, size, "it has no lease yet");
    else if (!has_waited(h))
        snprintf(why, size, "it is to take over, and waits until the lease of site \"%s\" has run out", h->from);
    else if (!note_wrote(h, &err))
        snprintf(why, size, "%s", err.message);
    else
        return true;
    return false;
}

void hold_ended(struct hold *h)
{
    hold_give_up(h);
    sentinel_set(h->sentinel, 0);
    hold_consider(h); /* and asks for the next at once */
}

bool hold_grant(struct hold *h, int64_t epoch, const char *site, bool armed, struct err *err)
{
    learn(h, epoch, site, 0);
    if (epoch < h->epoch || !same(site, h->named))
        return err_set(err, ERR_REFUSED, "epoch %" PRId64 " names site \"%s\"", h->epoch, h->named);
    /* On disk before it is given: a later process would take the holder for one whose end needs no certificate. */
    if (!write_mark(h->unarmed_path, armed ? 0 : h->waiter.revision + 1, &h->unarmed, err))
        return false;
    if (!lease_grant(&h->waiter, clock_boot_ms(), armed))
        return err_set(err, ERR_UNAVAILABLE, "this site is to take over");
    hold_consider(h);
    return true;
}

int64_t hold_valid_ms(const struct hold *h)
{
    return h->holding && h->holder.end == LEASE_NOT_ENDED ? MAX_OF(h->holder.until_ms - clock_boot_ms(), 0) : 0;
}

const char *hold_by(const struct hold *h)
{
    static const char *const names[] = {[LEASE_BY_NONE] = "none", [LEASE_BY_ETCD] = "etcd", [LEASE_BY_GRANTS] = "grants"};
    return hold_valid_ms(h) ? names[h->holder.by] : "none";
}

int64_t hold_epoch(const struct hold *h)
{
    return h->epoch;
}

const char *hold_named(const struct hold *h)
{
    return h->named;
}

int64_t hold_wrote(const struct hold *h)
{
    return h->wrote;
}

int64_t hold_certified(const struct hold *h)
{
    return h->certified;
}

int64_t hold_other_seen_ms(const struct hold *h)
{
    return lease_seen_ms(&h->waiter);
}

int64_t hold_looked_ms(const struct hold *h)
{
    return h->read_ms ? clock_boot_ms() - h->read_ms : -1;
}

bool hold_certify(struct hold *h, int64_t *ret_epoch, struct err *err)
{
    *ret_epoch = h->wrote;
    if (h->wrote == 0)
        return true;
    hold_give_up(h);
    return write_mark(h->certified_path, h->wrote, &h->certified, err);
}

/* One that cannot do what is wanted is told of at once, and not first when PostgreSQL writes. */
static void look_at_watchdog(const struct sentinel_spec *spec)
{
    struct watchdog dog;
    struct err err = {0};
    watchdog_init(&dog, &watchdog_kernel, spec->watchdog, spec->watchdog_s);
    if (!spec->watchdog || watchdog_look(&dog, &err))
        return;
    log_err(LOG_ERROR, &err);
    log_line(LOG_WARNING, "the agent goes on without its watchdog: only the sentinel outlives it");
}

/* A server that runs already has at most the time of one lease to be given one, whatever becomes of this process meanwhile. */
static bool open_sentinel(struct hold *h, const char *path, struct err *err)
{
    const struct agent *a = h->agent;
    const struct sentinel_spec spec = {.path = path, .data = a->spec->site->database.data_directory, .budget_ms = h->terms.stop_budget_ms,
                                       .watchdog = a->spec->site->agent.watchdog,
                                       .watchdog_s = failover_watchdog_s(&a->spec->service->failover, a->spec->config->etcd.timeout_ms)};
    look_at_watchdog(&spec);
    if (!sentinel_open(&spec, &h->sentinel, err))
        return false;
    int64_t now = clock_boot_ms(), left = sentinel_deadline(h->sentinel) - now;
    if (!postmaster_of(spec.data) || follows(h)) {
        sentinel_set(h->sentinel, 0);
        return true;
    }
    if (left <= 0 || left > h->terms.ttl_ms)
        sentinel_set(h->sentinel, now + h->terms.ttl_ms);
    sentinel_writes(h->sentinel);
    return true;
}

static bool open_members(struct hold *h, struct err *err)
{
    const struct service *service = h->agent->spec->service;
    h->members = arena_array(h->arena, struct member, MAX_OF(service->sites.n, 1));
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *s = &service->sites.p[i];
        if (s == h->agent->spec->site)
            continue;
        struct member *m = &h->members[h->member_count++]; /* one without an agent never grants, so grants never suffice */
        *m = (struct member){.hold = h, .site = s};
        if (s->agent.listen && !secret_read(h->arena, &s->agent.token, &m->token, err))
            return false;
    }
    return true;
}

bool hold_open(struct agent *a, struct hold **ret, struct err *err)
{
    struct arena *arena = arena_open();
    struct hold *h = arena_new(arena, struct hold);
    const struct etcd_conf *e = &a->spec->config->etcd;
    const struct failover_conf *f = &a->spec->service->failover;
    *h = (struct hold){.agent = a, .arena = arena};
    h->terms = (struct lease_terms){.ttl_ms = f->ttl_ms, .renew_ms = f->renew_ms, .stop_budget_ms = f->stop_budget_ms, .guard_ms = f->guard_ms, .drift = f->drift};
    const char *prefix = arena_printf(arena, "%s/%s", e->prefix, a->spec->service->name);
    h->epoch_key = arena_printf(arena, "%s/epoch", prefix);
    h->lease_prefix = arena_printf(arena, "%s/lease/", prefix);
    h->lease_key = arena_printf(arena, "%s%s", h->lease_prefix, a->spec->site->name);
    h->http = http_open(a->loop, a->dns);
    struct etcd_spec spec = {.endpoints = (const char *const *)e->endpoints.p, .endpoint_count = e->endpoints.n, .ca_file = e->ca_file, .cert_file = e->cert_file,
                             .key_file = e->key_file, .user = e->user, .password = e->password, .timeout_ms = e->timeout_ms};
    h->named_path = arena_printf(arena, "%s.named", a->stem);
    h->wrote_path = arena_printf(arena, "%s.wrote", a->stem);
    h->certified_path = arena_printf(arena, "%s.certified", a->stem);
    h->unarmed_path = arena_printf(arena, "%s.unarmed", a->stem);
    h->wrote = read_mark(h->wrote_path);
    h->certified = read_mark(h->certified_path);
    h->unarmed = read_mark(h->unarmed_path);
    h->opened_ms = clock_boot_ms();
    read_named(h);
    if (!open_members(h, err) || !open_sentinel(h, arena_printf(arena, "%s.deadline", a->stem), err) || !etcd_open(&spec, h->http, &h->etcd, err)) {
        hold_close(&h);
        return false;
    }
    hold_begin_waiting(h);
    h->timer = loop_timer_new(a->loop, on_tick, h);
    loop_timer_set(h->timer, clock_boot_ms());
    *ret = h;
    return true;
}

void hold_close(struct hold **hold)
{
    if (!hold || !*hold)
        return;
    struct hold *h = TAKE(*hold);
    hold_give_up(h);
    if (h->look)
        etcd_cancel(&h->look);
    if (h->told.call)
        etcd_cancel(&h->told.call);
    loop_timer_free(&h->timer);
    etcd_close(&h->etcd);
    http_close(&h->http);
    sentinel_close(&h->sentinel);
    for (int i = 0; i < h->member_count; i++) {
        secret_wipe(h->members[i].token);
        free(h->members[i].body);
    }
    struct arena *arena = h->arena; /* h lives in it */
    arena_close(&arena);
}
