/* act/takeover.c -- First what all say, then the epoch, then whichever is first: a certificate that the old primary has ended, or the end of
   its lease. The agent that takes over counts that time; here certificates are looked for meanwhile. */
#include "act/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/fence/fence.h"
#include "act/quorum.h"
#include "io/json.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { ASK_MS = 2000, GRACE_MS = 500, LAPSED_GRACE_MS = 200, FREEZE_MS = 15000, ORDER_MS = 2000, STOP_MS = 3000, OTHERS_AFTER_MS = 300, TURN_MS = 10,
       TELL_EVERY_MS = 200, LOOK_MS = 250, WATCH_MS = 10 * 1000, LOST_MS = 500, PROMOTED_MS = 2 * MS_MINUTE, PROOF_MAX = 600 };

/* ---- what all of them say ---- */

static bool has_agent(const struct takeover *t, const struct site *site)
{
    return site_lives_by_lease(t->ctx->config, t->ctx->service, site);
}

static struct takeover_member *member_of(struct takeover *t, const struct site *site)
{
    for (size_t i = 0; i < t->member_count; i++)
        if (t->members[i].site == site)
            return &t->members[i];
    return NULL;
}

static void hear(struct takeover_member *m)
{
    if (m->asked && m->asked->over && !m->answers)
        m->answers = agent_said(m->asked, &m->said, NULL);
}

/* The candidate sees in etcd that the lease is renewed no more. */
static bool has_lapsed(const struct takeover *t)
{
    return t->me->said.other_seen_ms > failover_missed_ms(&t->ctx->service->failover);
}

/* Whoever may take over is waited for; the old one, which may be cut off, for a moment only. */
static bool is_waited_for(struct takeover *t, int64_t waited_ms)
{
    for (size_t i = 0; i < t->member_count; i++)
        if (!t->members[i].asked->over && &t->members[i] != t->old)
            return true;
    hear(t->me);
    return t->old && !t->old->asked->over && waited_ms < (t->me->answers && has_lapsed(t) ? LAPSED_GRACE_MS : GRACE_MS);
}

static void ask_all(struct takeover *t)
{
    int64_t began = clock_boot_ms();
    for (size_t i = 0; i < t->member_count; i++)
        t->members[i].asked = agentlink_ask(t->link, t->members[i].site, "/v1/state", action_time(t->ctx, ASK_MS));
    while (is_waited_for(t, clock_boot_ms() - began) && agentlink_turn(t->link, TURN_MS))
        ;
    for (size_t i = 0; i < t->member_count; i++)
        hear(&t->members[i]);
}

static bool is_standby(const struct takeover_member *m)
{
    return m->answers && m->said.follows && same(m->said.pg, "standby");
}

/* It is the one that takes over, and from it follows from whom. */
static void take(struct takeover *t, struct takeover_member *m)
{
    bool named = same(t->epoch.site, m->site->name);
    t->me = m;
    t->to = m->site;
    t->from = service_site(t->ctx->service, named ? t->epoch.from : t->epoch.site);
    if (t->from == t->to)
        t->from = NULL; /* it began again in an epoch of its own */
    t->old = t->from ? member_of(t, t->from) : NULL;
    t->moved = named && m->said.certified < t->epoch.number;
}

/* The one that was meant is silent: another speaks for the standbys, until they are compared. */
static void take_one_that_answers(struct takeover *t)
{
    for (size_t i = 0; i < t->member_count && !t->me->answers; i++)
        if (is_standby(&t->members[i]))
            take(t, &t->members[i]);
}

bool takeover_open(const struct action_ctx *ctx, const struct site *to, const char *fenced_by, bool choose, struct takeover *ret, struct err *err)
{
    *ret = (struct takeover){.ctx = ctx, .to = to, .meant = to, .fenced_by = fenced_by};
    if (!epoch_read(ctx, &ret->epoch, err)) {
        err_hint(err, "nobody takes over while etcd does not answer; a primary goes on as long as all other agents do");
        return false;
    }
    if (!ret->epoch.number) {
        err_set(err, ERR_REFUSED, "there is no epoch in etcd yet, so which site may write is not known");
        return err_hint(err, "the agent of the production site makes the first one: start it");
    }
    ret->link = agentlink_open();
    for (size_t i = 0; i < ctx->service->sites.n && ret->member_count < TAKEOVER_MEMBERS_MAX; i++)
        if (has_agent(ret, &ctx->service->sites.p[i]))
            ret->members[ret->member_count++].site = &ctx->service->sites.p[i];
    ret->me = member_of(ret, to);
    if (!ret->me) {
        takeover_close(ret);
        return err_set(err, ERR_CONFIG, "site \"%s\" has no agent", to->name);
    }
    ret->chooses = choose && !same(ret->epoch.site, to->name);
    take(ret, ret->me);
    ask_all(ret);
    take(ret, ret->me); /* with what it says */
    if (ret->chooses)
        take_one_that_answers(ret);
    if (!ret->me->answers) {
        bool ok = agentlink_finish(ret->link, ret->me->asked, to, err);
        takeover_close(ret);
        return ok ? err_set(err, ERR_PROTOCOL, "the agent of site \"%s\" is not understood", to->name) : false;
    }
    return true;
}

void takeover_close(struct takeover *t)
{
    agentlink_close(&t->link);
}

static bool writes_in(const struct takeover *t, const struct agent_said *said, int64_t epoch)
{
    return said->wrote == epoch && same(said->named, t->to->name) && (same(said->pg, "primary") || same(said->takeover_phase, "done"));
}

bool takeover_is_done(const struct takeover *t)
{
    return t->moved && writes_in(t, &t->me->said, t->epoch.number);
}

bool takeover_is_return(const struct takeover *t)
{
    const struct agent_said *me = &t->me->said;
    for (size_t i = 0; i < t->epoch.lease_count; i++)
        if (!same(t->epoch.leases[i].site, t->to->name) && t->epoch.leases[i].epoch > me->wrote)
            return false;
    return !me->follows && me->wrote > 0;
}

/* Its agent is silent here, yet the candidate's saw it renew its lease a moment ago, and in that it said that its PostgreSQL writes. */
static bool is_alive_in_etcd(struct takeover *t)
{
    struct err err = {0};
    const struct epoch_lease *lease;
    if (t->me->said.other_seen_ms < 0 || has_lapsed(t) || !epoch_read(t->ctx, &t->epoch, &err))
        return false;
    lease = epoch_lease(&t->epoch, t->from->name);
    return same(t->epoch.site, t->from->name) && lease && lease->epoch == t->epoch.number && same(lease->pg, "primary");
}

static void ask_again(struct takeover *t)
{
    struct agent_said said;
    const struct agent_answer *me = agentlink_ask(t->link, t->me->site, "/v1/state", GRACE_MS), *old = agentlink_ask(t->link, t->from, "/v1/state", GRACE_MS);
    while ((!me->over || !old->over) && agentlink_turn(t->link, TURN_MS))
        ;
    if (agent_said(me, &said, NULL))
        t->me->said = said;
    t->old->answers = agent_said(old, &said, NULL);
    if (t->old->answers)
        t->old->said = said;
}

static bool is_only_silent_here(struct takeover *t, struct err *err)
{
    int64_t until = clock_boot_ms() + action_time(t->ctx, WATCH_MS);
    for (bool told = false; !t->old->answers && is_alive_in_etcd(t); told = true) {
        if (!told)
            report_fact(t->ctx->report, "promote.silent", "the agent of site \"%s\" is silent here and renews its lease in etcd, which is watched for a moment", t->from->name);
        if (clock_boot_ms() >= until) {
            err_set(err, ERR_REFUSED, "the agent of site \"%s\" is silent here, yet it renews its lease in etcd, and its PostgreSQL writes: it is this machine that does not reach it",
                    t->from->name);
            err_hint(err, "mend the network between here and there; or, to take over all the same: %s", action_command(t->ctx, "fence %s", t->from->name));
            return true;
        }
        ask_again(t);
    }
    return false;
}

bool takeover_is_wanted(struct takeover *t, struct err *err)
{
    if (t->moved || !t->old)
        return true;
    if (!t->fenced_by && is_only_silent_here(t, err))
        return false;
    if (!t->old->answers || !same(t->old->said.pg, "primary"))
        return true;
    err_set(err, ERR_REFUSED, "site \"%s\" writes and does well: two primaries must never be", t->from->name);
    return err_hint(err, "first: %s", action_command(t->ctx, "fence %s", t->from->name));
}

/* ---- standing still ---- */

static bool is_compared(const struct takeover_member *m)
{
    return m->frozen && m->frozen->ok;
}

static uint64_t received_of(const struct takeover_member *m)
{
    uint64_t lsn;
    const struct json *body = is_compared(m) ? m->frozen->body : NULL;
    return lsn_parse(str_of(json_string(json_get(body, "received"))), &lsn) ? lsn : m->said.received;
}

static int64_t timeline_of(const struct takeover_member *m)
{
    int64_t timeline;
    const struct json *body = is_compared(m) ? m->frozen->body : NULL;
    return json_integer(json_get(body, "timeline"), &timeline) ? timeline : m->said.timeline;
}

static bool is_ahead(const struct takeover_member *a, const struct takeover_member *b)
{
    return timeline_of(a) != timeline_of(b) ? timeline_of(a) > timeline_of(b) : received_of(a) > received_of(b);
}

/* The one that was meant unless another has more; then the first of the file. */
static struct takeover_member *most_advanced(struct takeover *t)
{
    struct takeover_member *best = is_compared(t->me) ? t->me : NULL;
    for (size_t i = 0; i < t->member_count; i++) {
        struct takeover_member *m = &t->members[i];
        if (is_compared(m) && same(m->said.cluster, t->me->said.cluster) && (!best || is_ahead(m, best)))
            best = m;
    }
    return best;
}

/* Whoever goes on with this by its fact goes on with that site, so it comes before anything is changed. */
static void choose(struct takeover *t)
{
    struct takeover_member *best = t->chooses ? most_advanced(t) : NULL;
    if (best)
        take(t, best);
    if (t->to != t->meant)
        report_fact(t->ctx->report, PROMOTE_SITE_FACT, "%s", t->to->name);
}

bool takeover_freeze(struct takeover *t, bool any, struct err *err)
{
    size_t others = 0;
    int64_t until = clock_boot_ms() + ORDER_MS;
    for (size_t i = 0; i < t->member_count; i++) {
        struct takeover_member *m = &t->members[i];
        if (!is_standby(m))
            continue;
        others += m != t->me;
        m->frozen = agentlink_freeze(t->link, m->site, t->epoch.number, FREEZE_MS, m != t->me, action_time(t->ctx, ORDER_MS)); /* who takes over goes on replaying */
    }
    for (size_t i = 0; i < t->member_count; i++)
        while (t->members[i].frozen && !t->members[i].frozen->over && clock_boot_ms() < until && agentlink_turn(t->link, TURN_MS))
            ;
    choose(t);
    if (t->me->frozen && !t->me->frozen->ok) {
        report_fact(t->ctx->report, "promote.freeze", "what \"%s\" receives could not be stopped: %s", t->to->name, t->me->frozen->err.message);
        if (others && !any)
            return err_set(err, ERR_FAILED, "which standby has received most is not known: %s", t->me->frozen->err.message);
    }
    for (size_t i = 0; i < t->member_count && !any; i++) {
        const struct takeover_member *m = &t->members[i];
        if (!is_compared(m) || !same(m->said.cluster, t->me->said.cluster) || !is_ahead(m, t->me))
            continue;
        err_set(err, ERR_REFUSED, "site \"%s\" has received more than \"%s\": %s on timeline %" PRId64 ", and not %s on %" PRId64, m->site->name, t->to->name,
                lsn_print(t->ctx->arena, received_of(m)), timeline_of(m), lsn_print(t->ctx->arena, received_of(t->me)), timeline_of(t->me));
        return err_hint(err, "%s", action_command(t->ctx, "promote %s", m->site->name));
    }
    return true;
}

void takeover_thaw(struct takeover *t)
{
    for (size_t i = 0; t->link && i < t->member_count; i++) {
        struct takeover_member *m = &t->members[i];
        if (m->frozen)
            m->frozen = agentlink_freeze(t->link, m->site, -1, 0, false, ORDER_MS);
    }
    for (size_t i = 0; t->link && i < t->member_count; i++)
        while (t->members[i].frozen && !t->members[i].frozen->over && agentlink_turn(t->link, TURN_MS))
            ;
}

/* ---- what was promised ---- */

/* Whoever wrote last, as far as etcd knows: for whom its commits waited stands beside it. */
static const struct epoch_lease *last_writer(const struct takeover *t)
{
    const struct epoch_lease *last = NULL;
    for (size_t i = 0; i < t->epoch.lease_count; i++)
        if (!last || t->epoch.leases[i].wrote > last->wrote)
            last = &t->epoch.leases[i];
    return last;
}

/* The standbys whose answers may have counted: with "*" those of all other sites. */
static size_t count_voters(const struct takeover *t, const struct quorum *q, const char *writer)
{
    size_t n = 0;
    if (q->all)
        return t->ctx->service->sites.n - 1;
    for (size_t i = 0; i < q->n; i++)
        n += strcasecmp(q->names[i], writer) != 0;
    return n;
}

/* Where nobody was asked to stand still, as when all this is only described: one that could be. */
static bool counts(const struct takeover *t, const struct takeover_member *m)
{
    bool there = m->frozen ? m->frozen->ok : is_standby(m);
    return m == t->me || (there && same(m->said.cluster, t->me->said.cluster));
}

static char *names_compared(const struct takeover *t, const struct quorum *q, const char *writer, size_t *ret_count)
{
    char *names = arena_strdup(t->ctx->arena, "");
    *ret_count = 0;
    for (size_t i = 0; i < t->member_count; i++) {
        const struct takeover_member *m = &t->members[i];
        if (!counts(t, m) || strcasecmp(m->site->name, writer) == 0 || !quorum_names(q, m->site->name))
            continue;
        names = arena_printf(t->ctx->arena, "%s%s\"%s\"", names, *names ? ", " : "", m->site->name);
        ++*ret_count;
    }
    return names;
}

enum takeover_votes takeover_votes(const struct takeover *t, bool in_sync, char *say, size_t size)
{
    const struct epoch_lease *writer = last_writer(t);
    const struct service *service = t->ctx->service;
    struct quorum q;
    struct err why = {0};
    size_t compared;
    if (!writer || !writer->sync_known) {
        if (service->sites.n <= 2 || !(in_sync || service->replication.mode == REPLICATION_SYNC))
            return VOTES_NONE;
        action_say(say, size, "its commits waited for standbys, and for how many of which is not known, so that what was promised may be at another one alone");
        return VOTES_MISSING;
    }
    if (!quorum_parse(writer->sync, &q, &why)) {
        action_say(say, size, "what was promised may be at another standby alone: %s", why.message);
        return VOTES_MISSING;
    }
    if (!q.acks)
        return VOTES_NONE;
    size_t voters = count_voters(t, &q, writer->site), needed = quorum_needed(&q, voters);
    const char *names = names_compared(t, &q, writer->site, &compared);
    if (voters == 1 && service->sites.n == 2) /* the only one there is, by whatever name it calls itself */
        compared = 1, names = arena_printf(t->ctx->arena, "\"%s\"", t->to->name);
    action_say(say, size, "commits of \"%s\" waited for %d of %zu standbys (%.200s), and %zu of these had to be compared: %s", writer->site, q.acks, voters, writer->sync, needed,
               compared ? names : "none was");
    return compared >= needed ? VOTES_ENOUGH : VOTES_MISSING;
}

bool takeover_will_be_followed(const struct takeover *t, const char *sync_names)
{
    struct quorum q;
    struct err err = {0};
    int n = 0;
    if (!quorum_parse(sync_names, &q, &err))
        return false;
    for (size_t i = 0; i < t->member_count; i++)
        n += &t->members[i] != t->me && is_compared(&t->members[i]) && quorum_names(&q, t->members[i].site->name);
    return q.acks > 0 && n >= q.acks;
}

void takeover_tell_others(const struct takeover *t)
{
    for (size_t i = 0; i < t->member_count; i++) {
        const struct takeover_member *m = &t->members[i];
        const char *name = m->site->name;
        if (m == t->me || m == t->old)
            continue;
        if (!is_compared(m))
            report_fact(t->ctx->report, "promote.left", "site \"%s\" was not compared; its agent makes it follow when it is back, or else: %s", name, action_command(t->ctx, "failback %s", name));
        else if (is_ahead(m, t->me))
            report_fact(t->ctx->report, "promote.cannot_follow", "site \"%s\" has received more than \"%s\" and cannot follow it: %s", name, t->to->name,
                        action_command(t->ctx, "failback %s", name));
    }
}

/* ---- what was written ---- */

uint64_t takeover_known_lsn(const struct takeover *t, int64_t *ret_timeline)
{
    const struct epoch_lease *lease = t->from ? epoch_lease(&t->epoch, t->from->name) : NULL;
    uint64_t lsn = lease ? lease->lsn : 0;
    *ret_timeline = lease ? lease->timeline : 0;
    if (t->old && t->old->answers && t->old->said.lsn > lsn && t->old->said.timeline) {
        lsn = t->old->said.lsn;
        *ret_timeline = t->old->said.timeline;
    }
    return *ret_timeline ? lsn : 0;
}

bool takeover_lost(struct takeover *t, int64_t timeline, uint64_t fork, struct parted *ret)
{
    if (!t->old || !t->old->answers)
        return false;
    const struct agent_answer *answer = agentlink_lost(t->link, t->from, timeline, fork, LOST_MS);
    while (!answer->over && agentlink_turn(t->link, TURN_MS))
        ;
    return answer->ok && agentlink_lost_said(answer, ret, NULL);
}

/* ---- the epoch ---- */

/* All that may speak against it was looked at before. From here on the candidate's agent goes on by itself, should we end: the epoch tells it.
   A fence moved it without telling anybody. */
static bool move(struct takeover *t, struct err *err)
{
    struct epoch seen = t->epoch;
    uint64_t told = is_standby(t->me) ? received_of(t->me) : 0;
    bool mine = false;
    if (t->moved && seen.told)
        return true;
    if (!t->moved)
        report_fact(t->ctx->report, "promote.revoking", "epoch %" PRId64 " of site \"%s\"", seen.number, seen.site);
    if (!(t->moved ? epoch_tell(t->ctx, &seen, told, &t->epoch, &mine, err) : epoch_move(t->ctx, &seen, t->to->name, &told, &t->epoch, &mine, err)))
        return false;
    if (!same(t->epoch.site, t->to->name))
        return err_set(err, ERR_REFUSED, "epoch %" PRId64 " names site \"%s\" by now, by %s", t->epoch.number, t->epoch.site, t->epoch.by);
    if (!mine)
        report_fact(t->ctx->report, "promote.epoch_by", "%s", t->epoch.by);
    t->moved = true;
    report_fact(t->ctx->report, "promote.epoch", "%" PRId64 " names site \"%s\"", t->epoch.number, t->to->name);
    return true;
}

/* ---- certificates ---- */

/* Other fences, in a process of their own, since they block for as long as their host does. */
struct others {
    pid_t pid;      /* 0: not begun, or over */
    int fd;
    char text[PROOF_MAX + 1];
    size_t n;
    bool begun, proven;
};

static void others_end(struct others *o)
{
    if (o->pid > 0) {
        (void)kill(o->pid, SIGKILL);
        (void)waitpid(o->pid, NULL, 0);
    }
    o->pid = 0;
    file_close(&o->fd);
}

static void fence_here(const struct takeover *t, int fd)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct action_ctx ctx = *t->ctx;
    char evidence[PROOF_MAX] = "";
    struct err err = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    ctx.arena = arena;
    ctx.report = report_quiet();
    bool ok = fence_by_others(&ctx, t->from, t->old && !t->old->answers, evidence, sizeof(evidence), &err);
    const char *text = ok ? evidence : err.message;
    (void)!write(fd, ok ? "+" : "-", 1);
    (void)!write(fd, text, MIN_OF(strlen(text), (size_t)PROOF_MAX - 1));
}

static void others_begin(const struct takeover *t, struct others *o)
{
    int ends[2];
    o->begun = true;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return;
    fflush(NULL); /* nothing is said twice */
    o->pid = fork();
    if (o->pid == 0) {
        close(ends[0]);
        fence_here(t, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    o->fd = ends[0];
    if (o->pid < 0)
        others_end(o);
}

/* True when it is over. */
static bool others_over(struct others *o)
{
    if (!o->begun || o->pid <= 0)
        return o->begun;
    for (;;) {
        ssize_t n = read(o->fd, o->text + o->n, PROOF_MAX - o->n);
        if (n > 0) {
            o->n += (size_t)n;
            continue;
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        o->proven = o->n > 1 && o->text[0] == '+';
        others_end(o);
        return true;
    }
}

/* ---- the wait ---- */

struct wait {
    struct takeover *t;
    const struct agent_answer *state, *stop, *order;
    struct others others;
    bool stop_heard, others_heard, has_others;
    bool counts;                /* would a certificate from outside count? */
    struct agent_certificate certificate;
    bool certified, told_certified; /* there is one; the agent knows it */
    int64_t began_ms, told_ms, serial;
};

static void found(struct wait *w, const char *by, const char *evidence)
{
    struct takeover *t = w->t;
    if (w->certified)
        return;
    w->certified = true;
    action_say(t->how, sizeof(t->how), "%s: %s", by, evidence);
    w->certificate = (struct agent_certificate){t->from->name, t->epoch.number - 1, t->how};
    report_fact(t->ctx->report, "promote.certificate", "%s", t->how);
}

static void hear_stop(struct wait *w)
{
    char evidence[PROOF_MAX] = "";
    struct err why = {0};
    int64_t epoch = 0;
    if (!w->stop || !w->stop->over || w->stop_heard)
        return;
    w->stop_heard = true;
    if (!w->stop->ok) {
        report_fact(w->t->ctx->report, "promote.stop", "the agent of \"%s\" did not end it: %s", w->t->from->name, w->stop->err.message);
        return;
    }
    if (!agentlink_stopped(w->stop, &epoch, evidence, sizeof(evidence), &why))
        report_fact(w->t->ctx->report, "promote.stop", "%s", why.message);
    else if (epoch == w->t->epoch.number - 1)
        found(w, "its agent", evidence);
    else /* it never began in the epoch that was revoked: somebody else may still write in an older one */
        report_fact(w->t->ctx->report, "promote.stop", "\"%s\" is stopped, and last wrote in epoch %" PRId64, w->t->from->name, epoch);
}

static void hear_others(struct wait *w)
{
    if (w->others_heard || !others_over(&w->others))
        return;
    w->others_heard = true;
    const char *text = w->others.n > 1 ? w->others.text + 1 : "it ended without a word";
    if (w->others.proven)
        found(w, "a fence", text);
    else
        report_fact(w->t->ctx->report, "promote.fence", "failed: %s", text);
}

static void seek(struct wait *w)
{
    struct takeover *t = w->t;
    hear_stop(w);
    hear_others(w);
    bool hopeless = w->stop_heard || !w->stop || !t->old->answers; /* it will say nothing, or nothing more */
    bool late = clock_boot_ms() - w->began_ms >= OTHERS_AFTER_MS;
    if (w->has_others && !w->others.begun && !w->certified && (hopeless || late))
        others_begin(t, &w->others);
}

/* Told again when there is a certificate that it does not know, and when its agent was started anew. */
static void tell(struct wait *w, const struct agent_said *said)
{
    struct takeover *t = w->t;
    int64_t now = clock_boot_ms();
    if (w->order && !w->order->over)
        return;
    bool forgot = !w->order || !w->order->ok || (said->takeover_epoch != t->epoch.number && !same(said->takeover_phase, "promoting"));
    bool news = w->certified && !w->told_certified;
    if (!(news && (!w->order || w->order->ok)) && !(forgot && now - w->told_ms >= TELL_EVERY_MS))
        return;
    w->told_ms = now;
    w->told_certified = w->certified;
    w->order = agentlink_promote(t->link, t->to, t->epoch.number, &w->certificate, w->certified ? 1 : 0, ORDER_MS);
}

static void look(struct wait *w)
{
    struct takeover_member *me = w->t->me;
    struct agent_said said;
    if (w->state && w->state->over && agent_said(w->state, &said, NULL)) {
        me->said = said;
        w->serial = said.serial;
    }
    if (!w->state || w->state->over)
        w->state = agentlink_ask(w->t->link, w->t->to,
                                 arena_printf(w->t->ctx->arena, "/v1/state?after=%" PRId64 "&wait=%d", w->serial, LOOK_MS), LOOK_MS + ASK_MS);
}

static bool is_over_otherwise(struct wait *w, struct err *err)
{
    struct takeover *t = w->t;
    const struct agent_said *me = &t->me->said;
    if (me->epoch > t->epoch.number) {
        err_set(err, ERR_REFUSED, "another epoch came meanwhile: %" PRId64 " names site \"%s\"", me->epoch, me->named);
        return true;
    }
    bool no_more = (!w->stop || w->stop_heard) && (!w->has_others || w->others_heard);
    if (me->takeover_epoch == t->epoch.number && me->takeover_in_ms < 0 && no_more && !w->certified) {
        t->needs_certificate = true;
        err_set(err, ERR_REFUSED, "nothing outlives the agent of site \"%s\", so that it has ended is not certain however long one waits", t->from ? t->from->name : "");
        return true;
    }
    if (w->order && w->order->over && !w->order->ok && w->order->err.code == ERR_REFUSED) {
        *err = w->order->err;
        err_prefix(err, "the agent of site \"%s\"", t->to->name);
        return true;
    }
    return false;
}

static void say_progress(const struct wait *w)
{
    const struct agent_said *me = &w->t->me->said;
    if (same(me->takeover_phase, "waiting") && me->takeover_in_ms > 0)
        report_progress(w->t->ctx->report, 0, 0, "waiting until the lease of %s has run out: %" PRId64 " ms", w->t->from ? w->t->from->name : "the old site", me->takeover_in_ms);
    else
        report_progress(w->t->ctx->report, 0, 0, "%s: %s", w->t->to->name, me->takeover_phase);
}

static bool until_primary(struct wait *w, struct err *err)
{
    struct takeover *t = w->t;
    int64_t until = clock_boot_ms() + action_time(t->ctx, PROMOTED_MS);
    const struct agent_answer *seen = NULL;
    while (clock_boot_ms() < until) {
        seek(w);
        look(w);
        tell(w, &t->me->said);
        if (w->state != seen)
            say_progress(w);
        seen = w->state;
        if (writes_in(t, &t->me->said, t->epoch.number))
            return true;
        if (is_over_otherwise(w, err))
            return false;
        agentlink_turn(t->link, TURN_MS);
    }
    return err_set(err, ERR_TIMEOUT, "site \"%s\" was told to become the primary and is %s: %s%s%s", t->to->name, t->me->said.pg, t->me->said.why,
                   *t->me->said.takeover_why ? "; " : "", t->me->said.takeover_why);
}

bool takeover_carry_out(struct takeover *t, struct err *err)
{
    struct wait w = {.t = t, .others = {.fd = -1}};
    if (!move(t, err))
        return false;
    w.began_ms = clock_boot_ms();
    w.counts = t->from && epoch_certifies(&t->epoch, t->epoch.number - 1, t->from->name, t->ctx->service);
    if (t->from && w.counts && t->fenced_by)
        found(&w, "a person", arena_printf(t->ctx->arena, "%s says that site \"%s\" is off", t->fenced_by, t->from->name));
    if (t->old && !is_standby(t->old)) /* one that the epoch named and that never began has nothing to end */
        w.stop = agentlink_stop(t->link, t->from, t->epoch.number, "immediate", true, STOP_MS);
    w.has_others = t->from && w.counts && fence_has_others(t->ctx, t->from);
    bool ok = until_primary(&w, err);
    others_end(&w.others);
    if (ok && !w.certified)
        action_say(t->how, sizeof(t->how), "the lease of site \"%s\" had run out", t->from ? t->from->name : "before");
    return ok;
}
