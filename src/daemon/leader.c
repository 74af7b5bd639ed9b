/* daemon/leader.c -- A round every two seconds: the lease is renewed, our keys are put when they are not there, and the oldest of all are
   looked at. Under PREFIX/SERVICE: controller/LEASE goes with its lease; active names the site that serves the users. */
#include "daemon/leader.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "io/etcd.h"
#include "io/json.h"
#include "model/names.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

enum { TTL_S = 10, EVERY_MS = 2000, PATIENCE_MS = 5000, CALL_MS = 2000, NAME_SIZE = 96, DNS_MS = 1200, SERVICES_MAX = ETCD_OPS_MAX / 3 };

struct leader {
    const struct config *config;
    struct arena *arena;
    struct etcd *etcd;
    struct loop *loop;
    struct loop_timer *timer, *end_timer;
    struct leader_callbacks callbacks;
    struct candidate candidate;
    const char *path;              /* where our lease is kept, for the next life */
    char who[NAME_SIZE], other[NAME_SIZE];
    char (*active)[MODEL_ID_SIZE]; /* of each service, as it is in etcd */
    bool failing;                  /* said already */
    int64_t answered_ms;           /* when etcd last did; at first when it was first asked */
};

/* ---- what is written and read ---- */

static const char *key_of(const struct leader *l, struct arena *arena, size_t service, const char *rest)
{
    return arena_printf(arena, "%s/%s/%s", l->config->etcd.prefix, l->config->services.p[service].name, rest);
}

static const char *own_key(const struct leader *l, struct arena *arena, size_t service)
{
    return key_of(l, arena, service, arena_printf(arena, "controller/%016" PRIx64, (uint64_t)l->candidate.lease));
}

static struct str said_by(const struct leader *l, struct arena *arena, const char *site)
{
    SCOPED(buf_done) struct buf text = {.max = 1024};
    struct jsonout j = jsonout(&text);
    json_object(&j);
    if (site)
        json_put_text(&j, "site", site);
    json_put_text(&j, "by", l->who);
    json_put_int(&j, "wall_ms", clock_wall_ms());
    json_object_end(&j);
    return str_of(arena_strdup(arena, buf_text(&text)));
}

static void read_text(const struct etcd_value *value, const char *member, char *to, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct json *root = NULL;
    const char *text = value && json_parse(arena, value->value, &root, NULL) ? json_string(json_get(root, member)) : NULL;
    str_copy(to, size, text && str_is_clean(str_of(text)) ? text : "");
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
    if (l->callbacks.look)
        l->callbacks.look(l->callbacks.arg);
}

static void failed(struct leader *l, const struct err *err)
{
    if (!l->failing)
        log_err(LOG_WARNING, err);
    l->failing = true;
    if (clock_boot_ms() - l->answered_ms > TTL_S * MS_SECOND) /* who led then need not lead, or live, any more */
        candidate_saw(&l->candidate, NULL, 0);
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
static bool publish(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct etcd_op *ops = arena_array(arena, struct etcd_op, l->config->services.n);
    size_t n = 0;
    for (size_t i = 0; i < l->config->services.n && l->callbacks.active; i++) {
        const char *site = l->callbacks.active(l->callbacks.arg, i);
        if (!site || same(site, l->active[i]))
            continue;
        COPY_TO(l->active[i], site);
        ops[n++] = (struct etcd_op){.kind = ETCD_PUT, .key = key_of(l, arena, i, "active"), .value = said_by(l, arena, site)};
    }
    struct etcd_compare mine = {.key = own_key(l, arena, 0), .what = ETCD_CREATE_REVISION, .relation = '>'};
    if (n)
        ask(l, &(struct etcd_request){.compares = &mine, .compare_count = 1, .ops = ops, .op_count = n}, on_published);
    return n > 0;
}

static void on_looked(void *arg, enum etcd_outcome outcome, const struct etcd_answer *answer, const struct err *err)
{
    struct leader *l = arg;
    if (outcome != ETCD_ANSWERED) {
        failed(l, err);
        return;
    }
    size_t count = l->config->services.n, first = answer->succeeded ? count : 0; /* the puts come before */
    SCOPED(arena_close) struct arena *arena = arena_open();
    int64_t *oldest = arena_array(arena, int64_t, count);
    l->other[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct etcd_value *key = etcd_answer_value(answer, first + 2 * i), *active = etcd_answer_value(answer, first + 2 * i + 1);
        oldest[i] = key ? key->lease : 0;
        if (key && key->lease != l->candidate.lease)
            read_text(key, "by", l->other, sizeof(l->other));
        read_text(active, "site", l->active[i], sizeof(l->active[i]));
    }
    if (l->failing)
        log_line(LOG_INFO, "etcd answers again");
    l->failing = false;
    l->answered_ms = clock_boot_ms();
    enum standing before = leader_standing(l);
    candidate_saw(&l->candidate, oldest, count);
    bool leads = leader_standing(l) == STANDING_LEADS && before == STANDING_LEADS; /* at first, what the last leader wrote is listened to */
    if (!leads || !publish(l))
        end_round(l);
}

static void look(struct leader *l)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    size_t count = l->config->services.n;
    struct etcd_op *ops = arena_array(arena, struct etcd_op, 3 * count), *gets = ops + count;
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct etcd_op){.kind = ETCD_PUT, .key = own_key(l, arena, i), .value = said_by(l, arena, NULL), .lease = l->candidate.lease};
        gets[2 * i] = (struct etcd_op){.kind = ETCD_GET, .key = key_of(l, arena, i, "controller/"), .prefix = true, .oldest_first = true, .limit = 1};
        gets[2 * i + 1] = (struct etcd_op){.kind = ETCD_GET, .key = key_of(l, arena, i, "active")};
    }
    struct etcd_compare absent = {.key = own_key(l, arena, 0), .what = ETCD_CREATE_REVISION};
    ask(l, &(struct etcd_request){.compares = &absent, .compare_count = 1, .ops = ops, .op_count = 3 * count, .otherwise = gets, .otherwise_count = 2 * count}, on_looked);
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
    if (l->callbacks.look)
        l->callbacks.look(l->callbacks.arg);
}

/* ---- opening ---- */

static bool attach(struct leader *l, struct loop *loop, struct http *http, struct err *err)
{
    const struct etcd_conf *conf = &l->config->etcd;
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
    if (!etcd_open(&spec, http, &l->etcd, err))
        return false;
    l->loop = loop;
    l->timer = loop_timer_new(loop, begin_round, l);
    l->end_timer = loop_timer_new(loop, on_end, l);
    loop_timer_set(l->timer, clock_boot_ms());
    return true;
}

static void detach(struct leader *l)
{
    etcd_close(&l->etcd);
    loop_timer_free(&l->timer);
    loop_timer_free(&l->end_timer);
}

/* False: another leads, and has to be waited for. */
static bool may_start(const struct leader *l)
{
    enum standing standing = leader_standing(l);
    return standing == STANDING_LEADS || (standing == STANDING_UNKNOWN && clock_boot_ms() - l->answered_ms > PATIENCE_MS);
}

static void wait_for_turn(struct leader *l)
{
    char said[NAME_SIZE] = "";
    for (bool waited = false; !may_start(l);) {
        loop_once(l->loop, true);
        if (leader_standing(l) != STANDING_BEHIND || (waited && same(said, l->other)))
            continue;
        COPY_TO(said, l->other);
        log_line(LOG_INFO, "another controller leads, %s; this one waits", *l->other ? l->other : "of which nothing more is known");
        waited = true;
    }
}

bool leader_wait(struct arena *arena, const struct config *config, struct leader **ret, struct err *err)
{
    *ret = NULL;
    if (!config->etcd.endpoints.n)
        return true;
    if (config->services.n > SERVICES_MAX)
        return err_set(err, ERR_CONFIG, "%zu services are more than the %d that etcd takes in one transaction", config->services.n, SERVICES_MAX);
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    struct leader *l = arena_new(arena, struct leader);
    *l = (struct leader){.config = config, .arena = arena, .answered_ms = clock_boot_ms()};
    l->path = file_join(arena, config->state_dir, "etcd.lease");
    l->active = arena_alloc(arena, sizeof(*l->active) * MAX_OF(config->services.n, 1));
    snprintf(l->who, sizeof(l->who), "process %d on %s", (int)getpid(), host);
    SCOPED(loop_close) struct loop *loop = loop_open();
    SCOPED(dns_close) struct dns *dns = dns_open(loop, DNS_MS);
    SCOPED(http_close) struct http *http = http_open(loop, dns);
    if (!file_mkdirs(config->state_dir, 0700, err) || !attach(l, loop, http, err))
        return false;
    wait_for_turn(l);
    detach(l);
    *ret = l;
    return true;
}

bool leader_begin(struct leader *l, struct loop *loop, struct http *http, const struct leader_callbacks *callbacks, struct err *err)
{
    if (!l)
        return true;
    l->callbacks = *callbacks;
    return attach(l, loop, http, err);
}

void leader_close(struct leader **leader)
{
    if (leader && *leader)
        detach(*leader);
    if (leader)
        *leader = NULL;
}

/* ---- asking ---- */

enum standing leader_standing(const struct leader *l)
{
    return l ? candidate_standing(&l->candidate, clock_boot_ms()) : STANDING_LEADS;
}

const char *leader_who(const struct leader *l)
{
    return l->who;
}

const char *leader_other(const struct leader *l)
{
    return l->other;
}

const char *leader_active(const struct leader *l, size_t service)
{
    return l && l->active[service][0] ? l->active[service] : NULL;
}
