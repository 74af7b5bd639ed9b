/* leases.c -- Two or three sites, an etcd and two controllers in virtual time, on a network that loses, delays, repeats and cuts one way,
   with clocks that differ in speed and jump, and with processes that freeze, die and come back. The lease under test is the real one.
     leases [--seed N] [--count N]   random schedules; exit status 1 when two sites could write, one overstayed, or nobody wrote in the end
     leases --trace N                one schedule, and what happens in it
     leases --broken                 each term of the rules taken away in turn: every loss must be found */
#include <inttypes.h>

#include "agent/lease.h"

enum { SITES_MAX = 3, ETCD = SITES_MAX, CONTROLLER, NODES = CONTROLLER + 2, MESSAGES_MAX = 256, EPOCHS_MAX = 256, STEP_MS = 4, FAULTS_MS = 14000, CALM_MS = 18000 };

enum broken {
    SOUND, NO_DRIFT, NO_GUARD, NO_STOP_BUDGET, FROM_THE_ANSWER, NO_SELF_STOP, NO_SENTINEL, NO_PROMISE, START_FORGETS, REVISION_UNSEEN, RENEWED_LATER,
    UNARMED_COUNTS, CLOCK_BACK, GAP_COUNTS, OLD_CERTIFICATE, UNWRITTEN_CERTIFICATE, NUMBERS_AGAIN, LEASE_KEPT, SLEEP_COUNTS, BROKEN_MAX
};
static const char *const broken_names[BROKEN_MAX] = {
    [SOUND] = "sound", [NO_DRIFT] = "no-drift", [NO_GUARD] = "no-guard", [NO_STOP_BUDGET] = "no-stop-budget", [FROM_THE_ANSWER] = "from-the-answer",
    [NO_SELF_STOP] = "no-self-stop", [NO_SENTINEL] = "no-sentinel", [NO_PROMISE] = "no-promise", [START_FORGETS] = "start-forgets",
    [REVISION_UNSEEN] = "revision-unseen", [RENEWED_LATER] = "renewed-later", [UNARMED_COUNTS] = "unarmed-counts", [CLOCK_BACK] = "clock-back",
    [GAP_COUNTS] = "gap-counts", [OLD_CERTIFICATE] = "old-certificate", [UNWRITTEN_CERTIFICATE] = "unwritten-certificate",
    [NUMBERS_AGAIN] = "numbers-again", [LEASE_KEPT] = "lease-kept", [SLEEP_COUNTS] = "sleep-counts",
};

enum armed { ARMED_NONE, ARMED_SENTINEL, ARMED_WATCHDOG };

/* Real time is w->now; `rate` (millionths) and `offset` make a machine's own of it. */
struct site {
    int64_t offset, rate;
    enum armed armed;
    int64_t frozen_until, sentinel_frozen_until, pg_frozen_until, dead_until, back_at; /* of the agent, the sentinel, PostgreSQL; the agent is killed, and comes back */
    int64_t next_tick, next_look;
    /* PostgreSQL, and what outlives an agent: the deadline of the sentinel, and the file of the epoch in which this site wrote. */
    bool writing;
    int64_t stop_at;          /* real; 0: not being stopped */
    int64_t deadline, sentinel_last; /* by its own clock; 0: none */
    int64_t unarmed;          /* 1 more than the newest renewal seen when a grant went to one whose agent nothing outlives; 0: the newest did not */
    int64_t wrote_epoch, stopped_epoch; /* that it may not write in any more, since it said that it was stopped */
    int64_t last_ok_real;     /* when the newest round that succeeded was sent */
    int64_t reset_at;         /* real: when the watchdog bites, if nobody feeds it until then */
    /* The agent. */
    int64_t epoch, named;     /* newest it knows of */
    int64_t intent;           /* epoch in which it is to take over; 0: none */
    struct lease_terms terms;
    struct lease_holder holder;
    bool holding, seen_writing;
    int64_t holding_epoch, clock_seen, answered, sent_real[LEASE_ROUNDS_MAX];
    struct lease_waiter waiter;
};

enum kind { RENEW, RENEWED, ASK, ASKED, SAW, REVOKE, REVOKED, PROMOTE, STOP, STOPPED, READ, IS };
struct message {
    int64_t at;
    int from, to;
    enum kind kind;
    int64_t epoch, serial, revision, site;
    bool armed, fenced, told;
    int answer;
};

struct controller {
    int64_t next_whim, next_send;
    int64_t epoch, site, revision; /* of the promotion that it carries out; epoch 0: none */
    bool armed, fenced;
    int64_t proof_epoch;      /* the site of that epoch was stopped, and proven */
};

struct world {
    enum broken broken;
    bool trace;
    uint64_t random;
    int64_t now;
    int sites;
    struct lease_terms terms;
    struct site site[SITES_MAX];
    struct controller controller[2];
    int64_t cut_until[NODES][NODES];
    int64_t loss, delay;      /* per mille; ms at most */
    struct {
        int64_t down_until, epoch, site, revision, lease_revision[SITES_MAX], named[EPOCHS_MAX];
        bool lease_armed[SITES_MAX], told; /* the epoch itself tells the site that it names */
    } etcd;
    struct message mail[MESSAGES_MAX];
    size_t mail_count;
    int64_t numbers, promotions, by_epoch, stops, grants_used, messages, lost;
    char why[160];
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

static void note(const struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(const struct world *w, const char *fmt, ...)
{
    va_list args;
    if (!w->trace)
        return;
    printf("%6" PRId64 " ", w->now);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

static int64_t pick(struct world *w, int64_t below)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((w->random >> 33) % (uint64_t)below);
}

static bool chance(struct world *w, int64_t per_mille)
{
    return pick(w, 1000) < per_mille;
}

static int64_t own(const struct world *w, const struct site *s)
{
    return s->offset + w->now * s->rate / 1000000;
}

/* ---- the network ---- */

static void post(struct world *w, struct message m)
{
    bool calm = w->now >= FAULTS_MS;
    w->messages++;
    if (w->mail_count == MESSAGES_MAX || (!calm && (chance(w, w->loss) || w->cut_until[m.from][m.to] > w->now))) {
        w->lost++;
        return;
    }
    m.at = w->now + 1 + pick(w, calm ? 5 : w->delay);
    if (!calm && chance(w, 20))
        m.at += pick(w, 3000); /* much later */
    w->mail[w->mail_count++] = m;
    if (!calm && chance(w, 30) && w->mail_count < MESSAGES_MAX) { /* twice */
        m.at += pick(w, 2000);
        w->mail[w->mail_count++] = m;
    }
}

/* ---- PostgreSQL, its sentinel and its watchdog ---- */

static bool may_write(const struct world *w, const struct site *s)
{
    return s->writing && w->now >= s->pg_frozen_until;
}

/* As slowly as the budget allows. */
static void stop_postgres(struct world *w, struct site *s)
{
    if (!s->writing || s->stop_at)
        return;
    int64_t budget = w->terms.stop_budget_ms * 1000000 / s->rate;
    s->stop_at = w->now + (chance(w, 500) ? budget : pick(w, budget + 1));
    w->stops++;
    note(w, "site %d begins to stop, until %" PRId64, (int)(s - w->site), s->stop_at);
}

static void stopped(struct site *s)
{
    s->writing = false;
    s->stop_at = s->deadline = 0;
}

static void sentinel(struct world *w, struct site *s)
{
    int64_t now = own(w, s);
    bool back = now < s->sentinel_last;
    if (w->now < s->sentinel_frozen_until || w->now < s->next_look)
        return;
    s->sentinel_last = now;
    s->next_look = w->now + 1 + pick(w, w->terms.guard_ms / 2);
    if (s->writing && s->deadline && (now >= s->deadline || back))
        stop_postgres(w, s);
}

static void machine(struct world *w, struct site *s)
{
    if (s->stop_at && w->now >= s->stop_at)
        stopped(s);
    if (s->armed != ARMED_NONE && w->broken != NO_SENTINEL)
        sentinel(w, s);
    if (s->armed == ARMED_WATCHDOG && w->broken != NO_SENTINEL && s->writing && w->now >= s->reset_at)
        stopped(s); /* the machine is reset */
}

/* ---- etcd ---- */

/* The epoch and the newest renewal of all but the site that it names, as one transaction reads them. */
static struct message etcd_says(const struct world *w, enum kind kind, int to)
{
    struct message m = {.kind = kind, .from = ETCD, .to = to, .epoch = w->etcd.epoch, .site = w->etcd.site, .told = w->etcd.told};
    for (int i = 0; i < w->sites; i++)
        if (i != w->etcd.site && w->etcd.lease_revision[i] > m.revision) {
            m.revision = w->etcd.lease_revision[i];
            m.armed = w->etcd.lease_armed[i];
        }
    return m;
}

static void etcd_takes(struct world *w, const struct message *m)
{
    struct message reply = {.from = ETCD, .to = m->from, .epoch = w->etcd.epoch, .site = w->etcd.site, .serial = m->serial};
    if (m->kind == READ) {
        post(w, etcd_says(w, IS, m->from));
    } else if (m->kind == RENEW) {
        bool current = m->epoch == w->etcd.epoch && m->from == w->etcd.site;
        reply.kind = RENEWED;
        reply.answer = current || (w->broken == RENEWED_LATER && m->epoch + 1 == w->etcd.epoch) ? LEASE_OK : LEASE_REFUSED;
        post(w, reply);
        if (reply.answer != LEASE_OK)
            return;
        w->etcd.lease_revision[m->from] = ++w->etcd.revision;
        w->etcd.lease_armed[m->from] = m->armed;
        for (int i = 0; i < w->sites; i++)
            if (i != m->from)
                post(w, (struct message){.kind = SAW, .from = ETCD, .to = i, .revision = w->etcd.revision, .armed = m->armed, .epoch = w->etcd.epoch, .site = w->etcd.site});
    } else if (m->kind == REVOKE && m->epoch == w->etcd.epoch && m->site != w->etcd.site) {
        w->etcd.revision++;
        w->etcd.epoch++;
        w->etcd.told = m->told;
        note(w, "etcd: epoch %" PRId64 " names %" PRId64 "%s", w->etcd.epoch, m->site, m->told ? " and tells it" : "");
        w->etcd.site = w->etcd.named[w->etcd.epoch % EPOCHS_MAX] = m->site;
        post(w, etcd_says(w, REVOKED, m->from));
        for (int i = 0; i < w->sites; i++)
            post(w, etcd_says(w, IS, i));
    }
}

/* ---- agents ---- */

static struct lease_terms waiting_terms(const struct world *w)
{
    struct lease_terms t = w->terms;
    if (w->broken == NO_DRIFT)
        t.drift = 0;
    if (w->broken == NO_GUARD)
        t.ttl_ms -= t.guard_ms; /* the guard itself stays: ticks are measured by it */
    return t;
}

static void begin_waiting(struct world *w, struct site *s)
{
    struct lease_terms t = waiting_terms(w);
    lease_wait(&s->waiter, &t, own(w, s));
    if (s->unarmed)
        lease_distrust(&s->waiter, s->unarmed - 1);
    s->intent = 0;
}

static void agent_starts(struct world *w, struct site *s)
{
    note(w, "agent %d starts", (int)(s - w->site));
    begin_waiting(w, s);
    if (w->broken == START_FORGETS) {
        s->waiter.promise_left_ms = s->waiter.lapse_left_ms = 0;
        s->waiter.revision = w->etcd.revision;
    }
    s->holding = false;
    s->epoch = s->wrote_epoch; /* all that is on disk */
    s->named = s->wrote_epoch ? s - w->site : -1;
    s->clock_seen = 0;
    s->next_tick = w->now;
}

/* An epoch was heard of. */
static void agent_learns(struct world *w, struct site *s, int64_t epoch, int64_t named)
{
    if (epoch <= s->epoch)
        return;
    note(w, "site %d learns of epoch %" PRId64 ", which names %" PRId64, (int)(s - w->site), epoch, named);
    s->epoch = epoch;
    s->named = named;
    s->holding = false;
    if (s->intent && s->intent != epoch)
        begin_waiting(w, s);
    if (s->writing) /* of an older epoch, whoever the new one names */
        stop_postgres(w, s);
}

static int64_t holder_clock(struct world *w, struct site *s)
{
    int64_t now = own(w, s);
    s->clock_seen = MAX_OF(s->clock_seen, now);
    return w->broken == CLOCK_BACK ? s->clock_seen : now;
}

static void note_deadline(struct world *w, struct site *s, int64_t serial, int64_t before)
{
    if (s->holder.until_ms > before) {
        s->deadline = s->holder.until_ms;
        s->last_ok_real = MAX_OF(s->last_ok_real, s->sent_real[serial % LEASE_ROUNDS_MAX]);
        s->reset_at = s->last_ok_real + w->terms.ttl_ms * 1000000 / s->rate;
        w->grants_used += s->holder.by == LEASE_BY_GRANTS;
    }
}

static void agent_answered(struct world *w, struct site *s, const struct message *m)
{
    int64_t before = s->holder.until_ms, now = holder_clock(w, s), serial = m->serial;
    if (!s->holding || (m->kind == ASKED && m->epoch != s->holding_epoch))
        return;
    if (w->broken == FROM_THE_ANSWER && m->answer == LEASE_OK)
        s->holder.rounds[serial % LEASE_ROUNDS_MAX].sent_ms = now;
    if (m->kind == RENEWED) {
        s->answered = MAX_OF(s->answered, serial);
        lease_renewed(&s->holder, now, serial, m->answer);
    } else {
        lease_granted(&s->holder, now, serial, m->from < s - w->site ? m->from : m->from - 1, m->answer);
    }
    note_deadline(w, s, serial, before);
    if (s->holder.until_ms > before)
        note(w, "site %d: lease by %s until own %" PRId64 " (now %" PRId64 ")", (int)(s - w->site), m->kind == RENEWED ? "etcd" : "grants", s->holder.until_ms, now);
}

static void agent_asked(struct world *w, struct site *s, const struct message *m)
{
    struct message reply = {.kind = ASKED, .from = m->to, .to = m->from, .epoch = m->epoch, .serial = m->serial, .answer = LEASE_UNKNOWN};
    agent_learns(w, s, m->epoch, m->from);
    if (m->epoch >= s->epoch)
        s->unarmed = m->armed ? 0 : s->waiter.revision + 1; /* on disk, before it is given */
    if (m->epoch < s->epoch)
        reply.answer = LEASE_REFUSED;
    else if (w->broken == NO_PROMISE ? !s->waiter.refusing : lease_grant(&s->waiter, own(w, s), m->armed))
        reply.answer = LEASE_OK;
    post(w, reply);
}

static void agent_told_to_promote(struct world *w, struct site *s, const struct message *m)
{
    agent_learns(w, s, m->epoch, m->site);
    if (m->epoch != s->epoch || s->wrote_epoch == m->epoch)
        return;
    if (s->intent != m->epoch) {
        if (s->waiter.revoked)
            begin_waiting(w, s);
        s->intent = m->epoch;
        lease_revoked(&s->waiter, own(w, s), w->broken == REVISION_UNSEEN ? 0 : m->revision, m->armed);
        if (w->broken == UNARMED_COUNTS)
            s->waiter.armed = true;
    }
    if (m->fenced)
        lease_fenced(&s->waiter);
}

static void agent_takes(struct world *w, struct site *s, const struct message *m)
{
    if (m->kind == IS) {
        agent_learns(w, s, m->epoch, m->site);
        if (m->told && m->to == m->site) {
            w->by_epoch += m->epoch == s->epoch && s->intent != m->epoch && s->wrote_epoch != m->epoch;
            agent_told_to_promote(w, s, m);
        }
    } else if (m->kind == SAW) {
        lease_saw(&s->waiter, own(w, s), m->revision, m->armed || w->broken == UNARMED_COUNTS);
        agent_learns(w, s, m->epoch, m->site);
    } else if (m->kind == RENEWED || m->kind == ASKED) {
        agent_answered(w, s, m);
    } else if (m->kind == ASK) {
        agent_asked(w, s, m);
    } else if (m->kind == PROMOTE) {
        agent_told_to_promote(w, s, m);
    } else if (m->kind == STOP && m->epoch >= s->epoch) {
        agent_learns(w, s, m->epoch, m->to);
        stopped(s); /* and proven; it does not start again in this epoch */
        s->holding = false;
        s->stopped_epoch = m->epoch;
        /* Only who has written in this epoch has waited for all who wrote before. */
        post(w, (struct message){.kind = STOPPED, .from = m->to, .to = m->from, .epoch = m->epoch, .fenced = s->wrote_epoch == m->epoch || w->broken == UNWRITTEN_CERTIFICATE});
    }
}

static void send_round(struct world *w, struct site *s, int me)
{
    bool silent = s->answered < s->holder.serial; /* etcd did not answer the last one: the others are asked, too */
    int64_t serial = lease_sent(&s->holder, holder_clock(w, s));
    s->sent_real[serial % LEASE_ROUNDS_MAX] = w->now;
    post(w, (struct message){.kind = RENEW, .from = me, .to = ETCD, .epoch = s->holding_epoch, .serial = serial, .armed = s->armed != ARMED_NONE});
    for (int i = 0; silent && i < w->sites; i++)
        if (i != me)
            post(w, (struct message){.kind = ASK, .from = me, .to = i, .epoch = s->holding_epoch, .serial = serial, .armed = s->armed != ARMED_NONE});
}

static void hold(struct world *w, struct site *s, int me)
{
    if (s->seen_writing && !s->writing && w->broken != LEASE_KEPT)
        s->holding = false; /* ended by another hand, which may have known better */
    if (!s->holding) {
        struct lease_terms t = w->terms;
        if (w->broken == NO_STOP_BUDGET)
            t.stop_budget_ms = 0;
        if (w->broken != NUMBERS_AGAIN)
            w->numbers += 1000;
        lease_hold(&s->holder, &t, w->sites - 1, 1 + w->numbers, holder_clock(w, s));
        s->holding = true;
        s->seen_writing = s->writing;
        s->holding_epoch = s->epoch;
        s->answered = s->holder.serial;
    }
    struct lease_say say = lease_ask(&s->holder, holder_clock(w, s));
    if (say.renew)
        send_round(w, s, me);
    if (say.stop && w->broken != NO_SELF_STOP)
        stop_postgres(w, s);
    if (say.stop && !s->writing)
        s->holding = false; /* begins anew at the next tick */
    bool waited = s->wrote_epoch == s->epoch || (s->intent == s->epoch && lease_promote_in_ms(&s->waiter) == 0);
    if ((w->broken == SLEEP_COUNTS ? say.may_write : say.may_begin) && !s->writing && waited) {
        s->writing = s->seen_writing = true;
        s->stop_at = 0;
        w->promotions += s->wrote_epoch != s->epoch;
        note(w, "site %d writes, epoch %" PRId64 ", lease until own %" PRId64 " (now %" PRId64 "), fenced %d", me, s->epoch, s->holder.until_ms, own(w, s), s->waiter.fenced);
        s->wrote_epoch = s->epoch;
        s->deadline = s->holder.until_ms;
    }
}

static void agent_ticks(struct world *w, struct site *s, int me)
{
    s->next_tick = w->now + 1 + pick(w, w->terms.guard_ms / 2);
    int64_t now = own(w, s);
    for (; w->broken == GAP_COUNTS && now - s->waiter.last_ms > w->terms.guard_ms; )
        lease_tick(&s->waiter, s->waiter.last_ms + w->terms.guard_ms);
    lease_tick(&s->waiter, now);
    if (chance(w, 50))
        post(w, (struct message){.kind = READ, .from = me, .to = ETCD});
    if (s->named == me && s->stopped_epoch != s->epoch)
        hold(w, s, me);
}

/* ---- controllers ---- */

static void controller_takes(struct world *w, struct controller *c, const struct message *m)
{
    if (m->kind == REVOKED && m->told && chance(w, 500)) {
        c->epoch = 0; /* it is killed before it tells anybody */
    } else if (m->kind == REVOKED) {
        c->fenced = c->proof_epoch == m->epoch - 1 || (w->broken == OLD_CERTIFICATE && c->proof_epoch);
        c->epoch = m->epoch;
        c->site = m->site;
        c->revision = m->revision;
        c->armed = m->armed;
        c->next_send = w->now;
    } else if (m->kind == STOPPED && m->fenced) {
        c->proof_epoch = m->epoch;
    }
}

static void controller_acts(struct world *w, struct controller *c, int me)
{
    bool nobody = true;
    for (int i = 0; i < w->sites; i++)
        nobody = nobody && !w->site[i].writing;
    if (c->epoch && w->now >= c->next_send) {
        c->next_send = w->now + 200;
        post(w, (struct message){.kind = PROMOTE, .from = me, .to = (int)c->site, .site = c->site, .epoch = c->epoch, .revision = c->revision, .armed = c->armed, .fenced = c->fenced});
    }
    if (w->now < c->next_whim || (w->now >= FAULTS_MS && (!nobody || me != CONTROLLER)))
        return;
    /* What it believes of the epoch may be old; etcd compares. */
    c->next_whim = w->now + (w->now < FAULTS_MS ? 500 + pick(w, 6000) : 6500);
    int64_t guess = w->etcd.epoch - (w->etcd.epoch > 1 && w->now < FAULTS_MS && chance(w, 100));
    if (chance(w, 400))
        post(w, (struct message){.kind = STOP, .from = me, .to = (int)w->etcd.named[guess % EPOCHS_MAX], .epoch = guess});
    post(w, (struct message){.kind = REVOKE, .from = me, .to = ETCD, .epoch = guess, .site = (w->etcd.site + 1 + pick(w, w->sites - 1)) % w->sites, .told = chance(w, 600)});
}

/* ---- what may happen ---- */

/* The agent and what outlives it never fail together but where a watchdog stands behind both. */
static void freeze(struct world *w, struct site *s)
{
    int64_t until = w->now + pick(w, chance(w, 300) ? 8000 : 1500), margin = w->now - w->terms.ttl_ms;
    bool both = s->armed == ARMED_WATCHDOG;
    int64_t what = pick(w, 4);
    note(w, "freeze of site %d (%s), until %" PRId64, (int)(s - w->site), (const char *const[]){"agent", "sentinel", "postgres", "agent killed"}[what], until);
    switch (what) {
    case 0:
        if (both || s->armed == ARMED_NONE || s->sentinel_frozen_until < margin)
            s->frozen_until = until;
        break;
    case 1:
        if (both || (s->frozen_until < margin && s->back_at < margin))
            s->sentinel_frozen_until = until;
        break;
    case 2:
        s->pg_frozen_until = until;
        break;
    default:
        if (both || s->armed == ARMED_NONE || s->sentinel_frozen_until < margin)
            s->dead_until = s->back_at = until;
        break;
    }
}

static void fault(struct world *w)
{
    int a = (int)pick(w, NODES), b = (int)pick(w, NODES);
    int64_t until = w->now + pick(w, 6000);
    struct site *s = &w->site[pick(w, w->sites)];
    switch (pick(w, 6)) {
    case 0: /* one way */
        w->cut_until[a][b] = until;
        break;
    case 1: /* a node alone */
        a = chance(w, 500) ? (int)w->etcd.site : a;
        note(w, "node %d is alone until %" PRId64, a, until);
        for (int i = 0; i < NODES; i++)
            w->cut_until[a][i] = w->cut_until[i][a] = until;
        w->controller[0].next_whim = w->now + pick(w, 2000); /* who acts on it */
        break;
    case 2:
        w->etcd.down_until = until;
        break;
    case 3:
        note(w, "clock of site %d", (int)(s - w->site));
        if (chance(w, 300) && w->now > 1000)
            s->offset += (chance(w, 500) ? 1 : -1) * (w->terms.guard_ms + pick(w, chance(w, 500) ? 3600000 : 3000));
        break;
    default:
        freeze(w, s);
    }
}

static void deliver(struct world *w)
{
    for (size_t i = 0; i < w->mail_count; i++) {
        struct message m = w->mail[i];
        if (m.at > w->now)
            continue;
        bool site = m.to < w->sites;
        if (site && w->now < w->site[m.to].frozen_until && w->now >= w->site[m.to].dead_until)
            continue; /* it waits in the socket */
        if (m.to == ETCD && w->now < w->etcd.down_until && m.serial % 2)
            continue; /* frozen for some, gone for others */
        w->mail[i--] = w->mail[--w->mail_count];
        if (site && w->now >= w->site[m.to].dead_until)
            agent_takes(w, &w->site[m.to], &m);
        else if (m.to == ETCD && w->now >= w->etcd.down_until)
            etcd_takes(w, &m);
        else if (m.to >= CONTROLLER)
            controller_takes(w, &w->controller[m.to - CONTROLLER], &m);
    }
}

static void check(struct world *w)
{
    int writers = 0;
    for (int i = 0; i < w->sites; i++) {
        const struct site *s = &w->site[i];
        int64_t bound = w->terms.ttl_ms * (100 + w->terms.drift) / 100 + w->terms.guard_ms;
        writers += may_write(w, s);
        if ((w->broken == SOUND || w->broken == LEASE_KEPT || w->broken == SLEEP_COUNTS) && may_write(w, s) && s->armed != ARMED_NONE && w->now - s->last_ok_real > bound)
            broke(w, "at %" PRId64 " site %d writes %" PRId64 " ms after its last renewal", w->now, i, w->now - s->last_ok_real);
    }
    if (writers > 1)
        broke(w, "at %" PRId64 " %d sites may write", w->now, writers);
    if (*w->why && w->trace)
        note(w, "VIOLATION %s", w->why);
}

static void step(struct world *w)
{
    bool calm = w->now >= FAULTS_MS;
    if (!calm && chance(w, 8))
        fault(w);
    if (calm)
        for (int i = 0; i < w->sites; i++)
            w->site[i].frozen_until = w->site[i].sentinel_frozen_until = w->site[i].pg_frozen_until = 0;
    deliver(w);
    for (int i = 0; i < w->sites; i++) {
        struct site *s = &w->site[i];
        machine(w, s);
        if (s->dead_until && (w->now >= s->dead_until || calm)) {
            s->dead_until = 0;
            agent_starts(w, s);
        }
        if (!s->dead_until && w->now >= s->frozen_until && w->now >= s->next_tick)
            agent_ticks(w, s, i);
    }
    for (int i = 0; i < 2; i++)
        controller_acts(w, &w->controller[i], CONTROLLER + i);
    check(w);
}

static struct world *world_open(uint64_t seed, enum broken broken)
{
    struct world *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    w->broken = broken;
    w->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    int64_t ttl = 1000 + pick(w, 3) * 1000;
    w->terms = (struct lease_terms){.ttl_ms = ttl, .renew_ms = ttl / 6, .stop_budget_ms = ttl / 6, .guard_ms = 100 + pick(w, 3) * 100, .drift = chance(w, 500) ? 10 : 1};
    w->sites = 2 + (int)pick(w, 2);
    w->loss = chance(w, 500) ? 0 : pick(w, 200);
    w->delay = 1 + pick(w, chance(w, 700) ? 10 : 400);
    bool unarmed = chance(w, 100);
    for (int i = 0; i < w->sites; i++) {
        struct site *s = &w->site[i];
        s->offset = 1000000 + pick(w, 1000000000);
        s->rate = 1000000 + (chance(w, 700) ? chance(w, 500) * 10000 * (int64_t)w->terms.drift : pick(w, 10000 * w->terms.drift + 1));
        s->armed = unarmed ? ARMED_NONE : chance(w, 500) ? ARMED_WATCHDOG : ARMED_SENTINEL;
        agent_starts(w, s);
    }
    w->etcd.epoch = w->etcd.revision = 1;
    for (int i = 0; i < 2; i++)
        w->controller[i].next_whim = 1500 + pick(w, 8000);
    w->site[0].wrote_epoch = w->site[0].epoch = 1;
    w->site[0].named = 0;
    return w;
}

static void run(struct world *w)
{
    for (; w->now < FAULTS_MS + CALM_MS && !*w->why; w->now += STEP_MS)
        step(w);
    int writers = 0;
    bool armed = w->site[0].armed != ARMED_NONE;
    for (int i = 0; i < w->sites; i++)
        writers += w->site[i].writing;
    if (!*w->why && writers == 0 && armed)
        broke(w, "nobody writes in the end");
}

static int play(uint64_t seed, int64_t count)
{
    int64_t bad = 0, promotions = 0, by_epoch = 0, stops = 0, grants = 0, messages = 0, lost = 0;
    for (int64_t i = 0; i < count; i++) {
        struct world *w = world_open(seed + (uint64_t)i, SOUND);
        run(w);
        promotions += w->promotions, by_epoch += w->by_epoch, stops += w->stops, grants += w->grants_used, messages += w->messages, lost += w->lost;
        if (*w->why && ++bad <= 10)
            printf("seed %" PRIu64 ": %s\n", seed + (uint64_t)i, w->why);
        free(w);
    }
    printf("%" PRId64 " schedules: %" PRId64 " promotions, %" PRId64 " sites told by the epoch alone, %" PRId64 " stops, %" PRId64 " leases by grants, %" PRId64 " messages, %" PRId64 " of them lost; %" PRId64 " violations\n",
           count, promotions, by_epoch, stops, grants, messages, lost, bad);
    return bad ? 1 : 0;
}

static bool finds(enum broken broken)
{
    enum { TRIES = 20000, RARE = 187000 };
    uint64_t from = broken == SLEEP_COUNTS ? RARE : 1; /* it takes a clock that goes back while an agent sleeps that was just about to begin */
    for (uint64_t seed = from; seed < from + TRIES; seed++) {
        struct world *w = world_open(seed, broken);
        run(w);
        bool found = *w->why && !strstr(w->why, "nobody");
        if (found)
            printf("%-18s found (seed %" PRIu64 ") %s\n", broken_names[broken], seed, w->why);
        free(w);
        if (found)
            return true;
    }
    printf("%-18s NOT FOUND\n", broken_names[broken]);
    return false;
}

int main(int argc, char **argv)
{
    int64_t seed = 1, count = 3000;
    int missed = 0;
    if (argc == 2 && same(argv[1], "--broken")) {
        for (enum broken b = SOUND + 1; b < BROKEN_MAX; b++)
            missed += !finds(b);
        return missed ? 1 : 0;
    }
    if (argc == 3 && same(argv[1], "--trace") && str_int(str_of(argv[2]), &seed)) {
        struct world *w = world_open((uint64_t)seed, SOUND);
        w->trace = true;
        run(w);
        puts(w->why);
        free(w);
        return 0;
    }
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!(same(argv[i], "--seed") && str_int(str_of(value), &seed)) && !(same(argv[i], "--count") && str_int(str_of(value), &count)))
            return fprintf(stderr, "usage: leases [--seed N] [--count N] | --trace N | --broken\n"), 64;
    }
    return play((uint64_t)seed, count);
}
