/* act/patroni.c -- Any member answers GET /cluster for all; POST /switchover and /failover are answered when it is over, or after 20 s. */
#include "act/patroni.h"

#include <inttypes.h>

#include "act/proof.h"
#include "base/base64.h"
#include "base/jsonout.h"
#include "io/http.h"
#include "io/json.h"
#include "io/pg.h"
#include "sys/clock.h"
#include "sys/secret.h"

#include "base/banned.h"

enum { LOOK_MS = 5 * MS_SECOND, MOVE_MS = 45 * MS_SECOND, LEADS_MS = 3 * MS_MINUTE, SETTLE_MS = 10 * MS_SECOND, LOOK_EVERY_MS = 250, CONNECT_MS = 3 * MS_SECOND,
       WRITE_MS = 5 * MS_SECOND, HEADER_MAX = 16 * 1024, SAID_MAX = 300 };

/* Commits, wherever the role may log in, and leaves nothing behind. */
static const char a_write[] = "create temporary table bascule_patroni (written timestamptz) on commit drop";

bool patroni_manages(const struct service *service)
{
    return service->patroni.members.n > 0;
}

/* ---- requests ---- */

static const char *in_one_line(struct arena *arena, struct str text)
{
    char *said = arena_strndup(arena, text.n ? text.p : "", MIN_OF(text.n, (size_t)SAID_MAX));
    for (char *p = said; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = ' ';
    return said;
}

static bool add_login(const struct patroni_conf *conf, struct buf *to, struct err *err)
{
    SCOPED(arena_close) struct arena *own = arena_open();
    SCOPED(buf_done) struct buf plain = {.max = HEADER_MAX / 2};
    char *password = NULL;
    if (!secret_read(own, &conf->password, &password, err))
        return false;
    bool fits = buf_printf(&plain, "%s:%s", conf->user, password ? password : "");
    buf_puts(to, "Authorization: Basic ");
    base64_add(to, plain.p, plain.n);
    if (plain.p)
        explicit_bzero(plain.p, plain.n);
    secret_wipe(password);
    return (fits && !to->over) || err_set(err, ERR_LIMIT, "the password of Patroni is too long");
}

/* A change is sent with the login, a question without. */
static bool ask(const struct action_ctx *ctx, const struct patroni_member *member, const char *path, struct str body, int64_t timeout_ms, struct http_response *ret,
                struct err *err)
{
    const struct patroni_conf *conf = &ctx->service->patroni;
    SCOPED(buf_done) struct buf login = {.max = HEADER_MAX};
    bool changes = body.n > 0;
    if (changes && conf->user && !add_login(conf, &login, err))
        return false;
    const char *headers[] = {"Content-Type: application/json", login.n ? buf_text(&login) : NULL, NULL};
    size_t n = strlen(member->url);
    while (n && member->url[n - 1] == '/')
        n--;
    const struct http_spec spec = {
        .method = changes ? "POST" : "GET",
        .url = arena_printf(ctx->arena, "%.*s%s", (int)n, member->url, path),
        .headers = changes ? headers : NULL,
        .body = changes ? body.p : NULL,
        .body_size = body.n,
        .timeout_ms = action_time(ctx, timeout_ms),
        .connect_ms = action_time(ctx, LOOK_MS),
        .ca_file = conf->ca_file,
        .cert_file = conf->cert_file,
        .key_file = conf->key_file,
    };
    bool ok = http_fetch(ctx->arena, &spec, ret, err);
    if (login.p)
        explicit_bzero(login.p, login.n);
    return ok || err_prefix(err, "Patroni's member \"%s\"", member->name);
}

/* ---- who leads ---- */

struct seen {
    const char *name, *role, *state;
    int64_t lag;    /* bytes behind the leader as Patroni last knew it; -1: not known */
};

struct cluster {
    struct { struct seen *p; size_t n, cap; } members;
    bool paused;
};

static bool read_cluster(struct arena *arena, struct str body, struct cluster *ret, struct err *err)
{
    const struct json *root, *members;
    if (!json_parse(arena, body, &root, err))
        return false;
    *ret = (struct cluster){0};
    (void)json_truth(json_get(root, "pause"), &ret->paused);
    members = json_get(root, "members");
    for (size_t i = 0; i < json_count(members); i++) {
        const struct json *one = json_at(members, i);
        struct seen s = {.name = json_string(json_get(one, "name")), .role = json_string(json_get(one, "role")), .state = json_string(json_get(one, "state")), .lag = -1};
        if (!s.name || !s.role)
            return err_set(err, ERR_PROTOCOL, "it describes a member without its name and role");
        if (!json_integer(json_get(one, "lag"), &s.lag))
            s.lag = -1;
        s.state = s.state ? s.state : "";
        *vec_add(arena, &ret->members) = s;
    }
    return ret->members.n || err_set(err, ERR_PROTOCOL, "it knows of no members");
}

/* From the first of its members that answers. */
static bool look(const struct action_ctx *ctx, struct cluster *ret, struct err *err)
{
    const struct patroni_conf *conf = &ctx->service->patroni;
    struct err first = {0};
    for (size_t i = 0; i < conf->members.n; i++) {
        const struct patroni_member *m = &conf->members.p[i];
        struct http_response r;
        struct err own = {0};
        if (ask(ctx, m, "/cluster", (struct str){0}, LOOK_MS, &r, &own)) {
            if (r.status == 200 && read_cluster(ctx->arena, r.body, ret, &own))
                return true;
            if (r.status != 200)
                err_set(&own, ERR_UNAVAILABLE, "it answered %ld: %s", r.status, in_one_line(ctx->arena, r.body));
            err_prefix(&own, "Patroni's member \"%s\"", m->name);
        }
        if (!first.code || (first.code == ERR_UNAVAILABLE && own.code != ERR_UNAVAILABLE)) /* what one says tells more than that another is gone */
            first = own;
    }
    *err = first;
    return false;
}

static const struct seen *find(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->members.n; i++)
        if (same(cluster->members.p[i].name, name))
            return &cluster->members.p[i];
    return NULL;
}

static const struct seen *leader_of(const struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->members.n; i++)
        if (same(cluster->members.p[i].role, "leader") || same(cluster->members.p[i].role, "master") || same(cluster->members.p[i].role, "primary"))
            return &cluster->members.p[i];
    return NULL;
}

static bool runs(const struct seen *s)
{
    return same(s->state, "running") || same(s->state, "streaming") || same(s->state, "in archive recovery");
}

static bool member_of(const struct action_ctx *ctx, const struct site *site, const struct patroni_member **ret, struct err *err)
{
    *ret = service_patroni(ctx->service, site->name);
    return *ret || err_set(err, ERR_CONFIG, "site \"%s\" is no member of Patroni", site->name);
}

bool patroni_leads(const struct action_ctx *ctx, const struct site *site, bool *ret, char *why, size_t why_size, struct err *err)
{
    const struct patroni_member *m;
    struct cluster cluster;
    *ret = false;
    if (!member_of(ctx, site, &m, err) || !look(ctx, &cluster, err))
        return false;
    const struct seen *leader = leader_of(&cluster);
    *ret = leader && same(leader->name, m->name) && runs(leader);
    if (*ret)
        action_say(why, why_size, "Patroni's member \"%s\" of site \"%s\" is the leader", m->name, site->name);
    return true;
}

/* ---- letting another lead ---- */

static bool can_lead(const struct cluster *cluster, const struct patroni_member *m, enum patroni_how how, struct err *err)
{
    const struct seen *wanted = find(cluster, m->name), *leader = leader_of(cluster);
    if (!wanted)
        return err_set(err, ERR_REFUSED, "Patroni knows of no member \"%s\" now", m->name);
    if (!runs(wanted))
        return err_set(err, ERR_REFUSED, "Patroni says that member \"%s\" is \"%s\"", m->name, wanted->state);
    if (how == PATRONI_SWITCHOVER && !leader) {
        err_set(err, ERR_REFUSED, "Patroni has no leader now, so that none could hand over");
        return err_hint(err, "Patroni chooses one by itself; or let it fail over: bascule promote");
    }
    return true;
}

bool patroni_describe(const struct action_ctx *ctx, const struct site *to, enum patroni_how how, struct buf *out, struct err *err)
{
    const struct patroni_member *m;
    struct cluster cluster;
    if (!member_of(ctx, to, &m, err) || !look(ctx, &cluster, err))
        return false;
    const struct seen *leader = leader_of(&cluster), *wanted = find(&cluster, m->name);
    buf_printf(out, "Patroni manages this PostgreSQL, and alone decides who leads: %s%s%s%s\n", leader ? "\"" : "", leader ? leader->name : "nobody does now", leader ? "\" does now" : "",
               cluster.paused ? "; it is paused" : "");
    if (leader && same(leader->name, m->name))
        return buf_printf(out, "that is the member of site \"%s\": there is nothing to do\n", to->name);
    if (!can_lead(&cluster, m, how, err))
        return false;
    if (wanted->lag >= 0)
        buf_printf(out, "member \"%s\" lacks %" PRId64 " bytes of what Patroni last knew of its leader\n", m->name, wanted->lag);
    return buf_printf(out, "asks it to let \"%s\" lead (POST %s/%s), which it may refuse, and waits until it leads and commits a write\n", m->name, m->url,
                      how == PATRONI_SWITCHOVER ? "switchover" : "failover");
}

struct moving {
    const struct action_ctx *ctx;
    const struct site *to;
    const struct patroni_member *member;
    const char *before; /* who led; NULL: nobody */
    struct pg *pg;
};

static void moving_done(struct moving *m)
{
    pg_close(&m->pg);
}

static bool leads_now(void *arg, struct err *err)
{
    const struct moving *m = arg;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct action_ctx once = *m->ctx; /* the answers of many questions are not kept */
    struct cluster cluster;
    once.arena = arena;
    if (!look(&once, &cluster, err))
        return false;
    const struct seen *leader = leader_of(&cluster);
    if (leader && same(leader->name, m->member->name))
        return runs(leader) || err_set(err, ERR_TIMEOUT, "member \"%s\" leads and is \"%s\"", leader->name, leader->state);
    if (leader && !same(leader->name, m->before)) /* waiting changes nothing then */
        return err_set(err, ERR_CANCELLED, "Patroni made \"%s\" the leader instead of \"%s\"", leader->name, m->member->name);
    return leader ? err_set(err, ERR_TIMEOUT, "Patroni's leader is \"%s\" still", leader->name) : err_set(err, ERR_TIMEOUT, "Patroni has no leader yet");
}

static bool takes_writes(void *arg, struct err *err)
{
    struct moving *m = arg;
    if (!m->pg && !pg_open(&m->to->database.at, NULL, action_time(m->ctx, CONNECT_MS), &m->pg, err))
        return false;
    if (pg_exec(m->pg, m->ctx->arena, a_write, NULL, 0, action_time(m->ctx, WRITE_MS), NULL, err))
        return true;
    pg_close(&m->pg);
    return false;
}

/* What Patroni has said no to is not waited for. An answer that is lost, or "status unknown" after 20 s, is: it goes on trying. */
static bool order(struct moving *m, enum patroni_how how, int64_t *ret_wait_ms, struct err *err)
{
    const char *verb = how == PATRONI_SWITCHOVER ? "switchover" : "failover";
    SCOPED(buf_done) struct buf body = {.max = HEADER_MAX};
    struct jsonout j = jsonout(&body);
    struct http_response r;
    struct err lost = {0};
    json_object(&j);
    if (how == PATRONI_SWITCHOVER)
        json_put_text(&j, "leader", m->before);
    json_put_text(&j, "candidate", m->member->name);
    json_object_end(&j);
    report_progress(m->ctx->report, 0, 0, "asking Patroni for a %s to %s", verb, m->member->name);
    *ret_wait_ms = LEADS_MS;
    if (!ask(m->ctx, m->member, arena_printf(m->ctx->arena, "/%s", verb), buf_str(&body), MOVE_MS, &r, &lost)) {
        report_progress(m->ctx->report, 0, 0, "%s; looking who leads", lost.message);
        if (lost.code == ERR_TIMEOUT || lost.code == ERR_UNAVAILABLE || lost.code == ERR_PROTOCOL)
            return true;
        *err = lost;
        return false;
    }
    const char *said = in_one_line(m->ctx->arena, r.body);
    report_fact(m->ctx->report, "patroni.answer", "%ld %s", r.status, said);
    if (r.status >= 200 && r.status <= 299)
        return true;
    if (r.status == 503 && strstr(said, "failed"))
        *ret_wait_ms = SETTLE_MS;
    if (r.status >= 500)
        return true;
    return err_set(err, r.status == 401 || r.status == 403 ? ERR_PERMISSION : ERR_REFUSED, "Patroni refuses the %s to \"%s\": it answered %ld: %s", verb, m->member->name,
                   r.status, said);
}

bool patroni_move(const struct action_ctx *ctx, const struct site *to, enum patroni_how how, char *ret_text, struct err *err)
{
    struct moving m SCOPED(moving_done) = {.ctx = ctx, .to = to};
    struct cluster cluster;
    int64_t began_ms = clock_boot_ms(), wait_ms = LEADS_MS;
    if (!member_of(ctx, to, &m.member, err) || !look(ctx, &cluster, err))
        return false;
    const struct seen *leader = leader_of(&cluster);
    m.before = leader ? leader->name : NULL;
    bool moves = !leader || !same(leader->name, m.member->name);
    if (moves && (!can_lead(&cluster, m.member, how, err) || !order(&m, how, &wait_ms, err)))
        return false;
    *err = (struct err){0};
    if (!action_wait(ctx, wait_ms, LOOK_EVERY_MS, leads_now, &m, err)) {
        if (err->code == ERR_CANCELLED)
            err->code = ERR_FAILED;
        return err_prefix(err, "member \"%s\" does not lead", m.member->name);
    }
    *err = (struct err){0};
    if (!action_wait(ctx, LEADS_MS, LOOK_EVERY_MS, takes_writes, &m, err))
        return err_prefix(err, "Patroni's member \"%s\" leads, yet commits no write", m.member->name);
    int64_t took_ms = clock_boot_ms() - began_ms;
    report_fact(ctx->report, "patroni.leader", "%s, before %s", m.member->name, m.before ? m.before : "nobody");
    if (moves) {
        const struct proof proof = {.kind = "promote", .service = ctx->service->name, .site = to->name, .file = arena_printf(ctx->arena, "Patroni: %s", m.member->name),
                                    .ok = true, .at_ms = clock_wall_ms(), .took_ms = took_ms};
        report_fact(ctx->report, "promote.took_ms", "%" PRId64, took_ms);
        proof_add(ctx, &proof);
    }
    action_say(ret_text, MODEL_TEXT_SIZE, "Patroni's member \"%s\" of site \"%s\" leads%s, and commits writes", m.member->name, to->name,
               moves ? arena_printf(ctx->arena, " after %s", duration_say(ctx->arena, took_ms)) : "");
    return true;
}

/* ---- measuring ---- */

#define SAY_WHY(array, ...) action_say((array), sizeof(array), __VA_ARGS__)

void patroni_measure(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    const struct patroni_member *m = service_patroni(ctx->service, to->name);
    struct cluster cluster;
    struct err err = {0};
    f->by_patroni = true;
    f->restart.startable = TOLD_NO;
    SAY_WHY(f->restart.why, "Patroni starts its members by itself");
    if (!m || !look(ctx, &cluster, &err)) {
        f->promote.standby = NOT_TOLD;
        SAY_WHY(f->promote.why, "%s", m ? err.message : "it is no member of Patroni");
        return;
    }
    const struct seen *wanted = find(&cluster, m->name), *leader = leader_of(&cluster);
    if (leader && wanted == leader)
        SAY_WHY(f->promote.why, "Patroni's member \"%s\" leads already", m->name);
    else if (!can_lead(&cluster, m, PATRONI_FAILOVER, &err))
        SAY_WHY(f->promote.why, "%s", err.message);
    else {
        f->promote.standby = TOLD_YES;
        f->promote.lag_known = wanted->lag >= 0;
        f->promote.lag_bytes = (uint64_t)MAX_OF(wanted->lag, 0);
        f->promote.in_sync = same(wanted->role, "sync_standby") || same(wanted->role, "quorum_standby");
        SAY_WHY(f->promote.why, "%s", m->name);
    }
}
