/* act/action_promote.c -- A standby becomes the primary: only when nobody sends to it any more, and only when what it lacks is known and
   small, or a named person takes it upon them. Where agents live by a lease, the epoch is moved and the standby's agent promotes it;
   elsewhere nothing here fences: the caller has a certificate, and what can be seen from here must agree with it. */
#include <inttypes.h>

#include "act/archive.h"
#include "act/fence/fence.h"
#include "act/lost.h"
#include "act/patroni.h"
#include "act/proof.h"
#include "act/quorum.h"
#include "act/slots.h"
#include "act/takeover.h"
#include "io/pg.h"
#include "io/standing.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { CONNECT_MS = 3 * MS_SECOND, QUESTION_MS = 3 * MS_SECOND, PORT_MS = 2 * MS_SECOND, SENDER_GONE_MS = 10 * MS_SECOND, REPLAY_MS = 30 * MS_MINUTE,
       PROMOTED_MS = 2 * MS_MINUTE, WRITE_MS = 5 * MS_SECOND, FOLLOWED_MS = 5 * MS_SECOND, LOOK_EVERY_MS = 50 };

/* Commits, wherever the role may log in, and leaves nothing behind. */
static const char a_write[] = "create temporary table bascule_promote (written timestamptz) on commit drop";

struct wanted {
    const struct site *site;
    const char *loss_by;   /* who takes the loss upon them; NULL: nobody */
    const char *fenced_by; /* who has made sure that the old primary is off; NULL: nobody said so */
};

static bool find_wanted(const struct action_ctx *ctx, struct wanted *ret, struct err *err)
{
    *ret = (struct wanted){0};
    if (!action_site(ctx, ctx->args.p[0], &ret->site, err))
        return false;
    for (size_t i = 1; i < ctx->args.n; i += 2) {
        const char *word = ctx->args.p[i], *value = i + 1 < ctx->args.n ? ctx->args.p[i + 1] : NULL;
        const char **to = same(word, "--allow-data-loss") ? &ret->loss_by : same(word, "--fenced-by") ? &ret->fenced_by : NULL;
        if (!to)
            return err_set(err, ERR_USAGE, "\"%s\" is not understood; it is written: promote SITE [--allow-data-loss WHO] [--fenced-by WHO]", word);
        if (!value || !*value || str_starts(str_of(value), "--"))
            return err_set(err, ERR_USAGE, "\"%s\" wants the name of a person", word);
        *to = value;
    }
    return ret->site->database.at.host || err_set(err, ERR_CONFIG, "site \"%s\" has no database to promote", ret->site->name);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct wanted w;
    if (!find_wanted(ctx, &w, err))
        return false;
    return !patroni_manages(ctx->service) || !(w.loss_by || w.fenced_by) ||
           err_set(err, ERR_USAGE, "Patroni decides who leads, and what may be lost by it (maximum_lag_on_failover): nobody's word changes that");
}

/* ---- what is known ---- */

struct promotion {
    const struct action_ctx *ctx;
    struct wanted w;
    struct pg *pg;
    struct standing now;
    bool remembered;            /* the pair was seen while its primary answered: */
    struct standing_pair pair;
    char why_not[300];          /* else why not */
    bool archive_only;          /* it has nobody to stream from, and gets what is archived; false also where we may not see that */
    int64_t point_ms;           /* recovery point: the newest heartbeat in the data, before anybody could write a newer one; 0: none */
    uint64_t wal_end;           /* the old primary has ended, and this is all it ever wrote; 0: not known */
    uint64_t fork;              /* where it was promoted: the first position that the old one has for itself; 0: not known */
    bool counted;               /* what it has there: */
    struct parted lost;
    const char *carried;        /* slots that were made for this promotion; NULL or "": none */
};

static void promotion_done(struct promotion *p)
{
    pg_close(&p->pg);
}

static bool look(struct promotion *p, struct err *err)
{
    struct pg_rows *rows;
    return pg_exec(p->pg, p->ctx->arena, standing_sql, NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, err) &&
           standing_parse(pg_count(rows) ? pg_text(rows, 0, 0) : NULL, &p->now, err);
}

static void remember(struct promotion *p)
{
    struct err why = {0};
    p->remembered = standing_recall(p->ctx->arena, p->ctx->state_dir, p->ctx->service->name, p->w.site->name, &p->pair, &why);
    if (!p->remembered) {
        COPY_TO(p->why_not, why.message);
    } else if (p->now.recovery && p->now.timeline > p->pair.timeline) { /* it is older than the last promotion */
        p->remembered = false;
        action_say(p->why_not, sizeof(p->why_not), "what was kept is about timeline %lld, and it follows %lld", (long long)p->pair.timeline, (long long)p->now.timeline);
    }
}

static bool by_lease(const struct promotion *p)
{
    return site_lives_by_lease(p->ctx->config, p->ctx->service, p->w.site);
}

static bool is_fed_by_archive_only(const struct promotion *p)
{
    struct pg_rows *rows;
    return pg_exec(p->pg, p->ctx->arena, "select (setting = '')::int from pg_catalog.pg_settings where name = 'primary_conninfo'", NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, NULL) &&
           pg_count(rows) && pg_int(rows, 0, 0) && p->now.recovery;
}

static bool open_promotion(struct promotion *p, struct err *err)
{
    if (!pg_open(&p->w.site->database.at, NULL, action_time(p->ctx, CONNECT_MS), &p->pg, err) || !look(p, err))
        return err_prefix(err, "the standby of site \"%s\"", p->w.site->name);
    remember(p);
    p->archive_only = is_fed_by_archive_only(p);
    return true;
}

struct loss {
    bool known, exact; /* exact: nothing was written beyond what it is about */
    uint64_t bytes;   /* written by the primary when it was last asked, and not received */
    int64_t ms;       /* between the newest commit here and that moment; 0 when nothing of then is missing */
    int64_t age_ms;   /* of that moment */
    char say[400];
};

static struct loss weigh_bytes(const struct promotion *p)
{
    struct loss loss = {.known = p->remembered};
    const struct standing_pair *pair = &p->pair;
    if (!p->remembered) {
        action_say(loss.say, sizeof(loss.say), "what the old primary had written is not known, and so not what would be lost: %s", p->why_not);
        return loss;
    }
    loss.age_ms = MAX_OF(clock_wall_ms() - pair->at_ms, 0);
    loss.bytes = pair->lsn > p->now.lsn ? pair->lsn - p->now.lsn : 0;
    if (loss.bytes)
        loss.ms = p->now.commit_ms ? MAX_OF(pair->primary_clock_ms - p->now.commit_ms, 0) : loss.age_ms;
    const char *when = duration_say(p->ctx->arena, loss.age_ms), *from = pair->primary;
    loss.exact = p->wal_end != 0;
    if (loss.exact && loss.bytes)
        action_say(loss.say, sizeof(loss.say), "%" PRIu64 " bytes are lost, which \"%s\" wrote last: its log ends at %s", loss.bytes, from, lsn_print(p->ctx->arena, p->wal_end));
    else if (loss.exact)
        action_say(loss.say, sizeof(loss.say), "nothing is lost: the log of \"%s\" ends at %s, and all of it is here", from, lsn_print(p->ctx->arena, p->wal_end));
    else if (loss.bytes)
        action_say(loss.say, sizeof(loss.say), "%" PRIu64 " bytes, or %s, of what \"%s\" had written %s ago would be lost, and what it wrote since",
                   loss.bytes, duration_say(p->ctx->arena, loss.ms), from, when);
    else if (pair->in_sync)
        action_say(loss.say, sizeof(loss.say), "nothing is lost: the commits of \"%s\" waited for this standby %s ago, and all of then is here", from, when);
    else
        action_say(loss.say, sizeof(loss.say), "0 bytes are lost of what \"%s\" had written %s ago; what it wrote since and did not send is not known", from, when);
    return loss;
}

static struct loss weigh(const struct promotion *p)
{
    struct loss loss = weigh_bytes(p);
    char said[sizeof(loss.say)];
    COPY_TO(said, loss.say);
    if (p->archive_only)
        action_say(loss.say, sizeof(loss.say), "it is fed from an archive only (its primary_conninfo is empty), and lacks what is not archived yet; %s", said);
    return loss;
}

/* ---- read-only checks ---- */

static bool is_of_that_primary(const struct promotion *p, struct err *err)
{
    const struct standing *s = &p->now;
    const char *name = p->w.site->name;
    if (p->remembered && !same(p->pair.cluster, s->cluster))
        return err_set(err, ERR_REFUSED, "site \"%s\" holds another cluster than \"%s\" did: system identifier %s instead of %s", name, p->pair.primary,
                       s->cluster, p->pair.cluster);
    if (p->remembered && s->timeline != p->pair.timeline)
        return err_set(err, ERR_REFUSED, "site \"%s\" is on timeline %lld and \"%s\" was on %lld: it did not follow it", name, (long long)s->timeline,
                       p->pair.primary, (long long)p->pair.timeline);
    return true;
}

static bool can_be_promoted(const struct promotion *p, struct err *err)
{
    const struct standing *s = &p->now;
    const char *name = p->w.site->name;
    if (!s->recovery)
        return err_set(err, ERR_REFUSED, "site \"%s\" is not in recovery: it is a primary already, on timeline %lld", name, (long long)s->timeline);
    if (!s->sees) {
        err_set(err, ERR_PERMISSION, "whether somebody still sends to site \"%s\" cannot be seen", name);
        return err_hint(err, "there: grant pg_monitor to \"%s\", and execute on function pg_promote", p->w.site->database.at.user);
    }
    if (s->delay_ms > 0 && !p->ctx->service->replication.apply_delay) {
        err_set(err, ERR_REFUSED, "site \"%s\" replays %s late on purpose (recovery_min_apply_delay)", name, duration_say(p->ctx->arena, s->delay_ms));
        return err_hint(err, "to promote it all the same, set recovery_min_apply_delay to 0 there and reload, or replication.apply_delay to true");
    }
    return is_of_that_primary(p, err);
}

/* One writer: whoever else answers as a primary lives. Silence is told from a refusal, since an unreachable host may serve others. */
static bool nobody_else_writes(const struct promotion *p, struct err *err)
{
    const struct service *service = p->ctx->service;
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *site = &service->sites.p[i];
        struct pg *other SCOPED(pg_close) = NULL;
        struct pg_rows *rows;
        struct err why = {0};
        bool refuses = false;
        char say[256];
        if (site == p->w.site || !site->database.at.host || site_lives_by_lease(p->ctx->config, service, site))
            continue; /* who lives by a lease is ended with it, whatever it answers until then */
        if (pg_open(&site->database.at, NULL, action_time(p->ctx, CONNECT_MS), &other, &why)) {
            if (pg_exec(other, p->ctx->arena, "select pg_catalog.pg_is_in_recovery()::int", NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, &why) &&
                pg_count(rows) && pg_int(rows, 0, 0))
                continue;
            err_set(err, ERR_REFUSED, "site \"%s\" answers and may accept writes: two primaries must never be", site->name);
            return err_hint(err, "first: %s", action_command(p->ctx, "fence %s", site->name));
        }
        if (fence_port_refuses(&site->database.at, action_time(p->ctx, PORT_MS), &refuses, say, sizeof(say), &why) && refuses)
            continue;
        if (p->ctx->incident || p->w.fenced_by) /* its certificate stands in the journal, or a person gives their word */
            continue;
        err_set(err, ERR_REFUSED, "whether site \"%s\" accepts writes is not known: %s", site->name, why.message);
        return err_hint(err, "first: %s; or, when you have made sure that it is off: --fenced-by YOUR-NAME", action_command(p->ctx, "fence %s", site->name));
    }
    return true;
}

static uint64_t limit_of(const struct action_ctx *ctx)
{
    return (uint64_t)ctx->service->replication.max_loss_mib << 20;
}

static bool loss_is_accepted(const struct promotion *p, const struct loss *loss)
{
    return p->w.loss_by || (loss->known && loss->bytes <= limit_of(p->ctx));
}

static char *accepting(const struct promotion *p)
{
    return action_command(p->ctx, "promote %s --allow-data-loss YOUR-NAME", p->w.site->name);
}

/* ---- the steps ---- */

/* Somebody who still sends is a primary that lives, whatever a certificate says. */
static bool nobody_sends(void *arg, struct err *err)
{
    struct promotion *p = arg;
    if (!look(p, err))
        return false;
    return !same(p->now.receiver, "streaming") ||
           err_set(err, ERR_REFUSED, "site \"%s\" still receives changes, so that its primary lives; it is not promoted", p->w.site->name);
}

static bool is_replayed(void *arg, struct err *err)
{
    struct promotion *p = arg;
    if (!look(p, err))
        return false;
    if (!p->now.recovery || p->now.replayed >= p->now.lsn)
        return true;
    report_progress(p->ctx->report, 0, 0, "replaying: %" PRIu64 " bytes left", p->now.lsn - p->now.replayed);
    return err_set(err, ERR_TIMEOUT, "site \"%s\" has not replayed all that it has received: %" PRIu64 " bytes are left", p->w.site->name,
                   p->now.lsn - p->now.replayed);
}

static bool is_primary(void *arg, struct err *err)
{
    struct promotion *p = arg;
    if (!look(p, err))
        return false;
    return !p->now.recovery || err_set(err, ERR_TIMEOUT, "site \"%s\" was told to become the primary and is still in recovery", p->w.site->name);
}

static bool takes_writes(void *arg, struct err *err)
{
    struct promotion *p = arg;
    return pg_exec(p->pg, p->ctx->arena, a_write, NULL, 0, action_time(p->ctx, WRITE_MS), NULL, err);
}

/* Are there as many standbys as its commits wait for? */
static bool has_its_standbys(const struct promotion *p)
{
    struct quorum q;
    struct err err = {0};
    return quorum_parse(p->now.sync_names, &q, &err) ? p->now.in_sync >= q.acks : p->now.in_sync > 0;
}

/* Commits would wait for a standby that is the old primary, or nobody. */
static bool wait_for_nobody(struct promotion *p, struct err *err)
{
    if (has_its_standbys(p))
        return true;
    if (!pg_exec(p->pg, p->ctx->arena, "alter system set synchronous_standby_names = ''", NULL, 0, action_time(p->ctx, QUESTION_MS), NULL, err) ||
        !pg_exec(p->pg, p->ctx->arena, "select pg_catalog.pg_reload_conf()", NULL, 0, action_time(p->ctx, QUESTION_MS), NULL, err))
        return err_prefix(err, "its commits wait for \"%s\", and synchronous_standby_names could not be emptied", p->now.sync_names);
    report_fact(p->ctx->report, "promote.synchronous", "synchronous_standby_names was \"%s\" and is empty now: too few are there to answer",
                p->now.sync_names);
    return true;
}

/* Waits until the position can change no more, and takes it. */
static bool freeze(struct promotion *p, struct err *err)
{
    struct pg_rows *rows;
    report_progress(p->ctx->report, 0, 0, "making sure that nobody sends to %s any more", p->w.site->name);
    if (!action_wait(p->ctx, SENDER_GONE_MS, LOOK_EVERY_MS, nobody_sends, p, err))
        return false;
    if (p->now.paused && !pg_exec(p->pg, p->ctx->arena, "select pg_catalog.pg_wal_replay_resume()", NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, err))
        return err_prefix(err, "could not resume the replay of site \"%s\"", p->w.site->name);
    if (p->now.delay_ms > 0) /* on purpose: the promotion itself replays what was received, and waits no longer */
        return true;
    return action_wait(p->ctx, REPLAY_MS, LOOK_EVERY_MS, is_replayed, p, err);
}

static bool make_primary(struct promotion *p, struct err *err)
{
    report_progress(p->ctx->report, 0, 0, "promoting %s", p->w.site->name);
    if (!pg_exec(p->pg, p->ctx->arena, "select pg_catalog.pg_promote(false)", NULL, 0, action_time(p->ctx, QUESTION_MS), NULL, err)) {
        err_prefix(err, "could not promote site \"%s\"", p->w.site->name);
        return err_hint(err, "there: grant execute on function pg_promote to \"%s\"", p->w.site->database.at.user);
    }
    return action_wait(p->ctx, PROMOTED_MS, LOOK_EVERY_MS, is_primary, p, err) && wait_for_nobody(p, err) &&
           action_wait(p->ctx, PROMOTED_MS, LOOK_EVERY_MS, takes_writes, p, err);
}

/* ---- slots of the old primary ---- */

/* Before it is the primary: its first checkpoint throws away what nobody keeps. In a session of its own, and what fails is told, since nothing here may
   hold a promotion up. */
static void carry_slots(struct promotion *p)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct err why = {0};
    if (!p->ctx->service->replication.carry_slots || !p->remembered || !*p->pair.slots)
        return;
    bool ok = pg_open(&p->w.site->database.at, NULL, action_time(p->ctx, CONNECT_MS), &pg, &why) &&
              slots_carry(p->ctx, pg, p->pair.slots, p->now.own_slot, &p->carried, &why);
    if (p->carried && *p->carried)
        report_fact(p->ctx->report, "promote.slots_made", "%s", p->carried);
    if (!ok)
        report_fact(p->ctx->report, "promote.slots_failed", "%s", why.message);
}

/* It was not promoted, and stays a standby whose slots nobody reads. One that is a primary by now keeps them. */
static void uncarry_slots(struct promotion *p)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows = NULL;
    struct err why = {0};
    if (!p->carried || !*p->carried)
        return;
    bool asked = pg_open(&p->w.site->database.at, NULL, action_time(p->ctx, CONNECT_MS), &pg, &why) &&
                 pg_exec(pg, p->ctx->arena, "select pg_catalog.pg_is_in_recovery()::int", NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, &why);
    if (asked && !(pg_count(rows) && pg_int(rows, 0, 0)))
        return;
    bool ok = asked && slots_drop(p->ctx, pg, p->carried, &why);
    report_fact(p->ctx->report, "promote.slots_made", "%s", ok ? "taken back" : arena_printf(p->ctx->arena, "%s; not taken back (%.200s): they keep changes until the disk is full", p->carried, why.message));
}

/* ---- facts ---- */

static size_t judge_slots(const struct promotion *p, uint64_t received, bool carried, struct slot_fate *ret)
{
    struct slots_asked asked = {.there = p->pair.slots, .here = p->now.slots, .own = p->now.own_slot, .version = p->now.version, .received = received, .carried = carried};
    return p->remembered ? slots_judge(&asked, ret, SLOT_FATES_MAX) : 0;
}

static const char *slots_lost(const struct promotion *p, const struct slot_fate *fates, size_t n, bool logical)
{
    const char *list = "";
    for (size_t i = 0; i < n; i++)
        if (fates[i].end == SLOT_LOST && fates[i].logical == logical)
            list = arena_printf(p->ctx->arena, "%s%s%s", list, *list ? ", " : "", fates[i].name);
    return *list ? list : "none";
}

static void tell_slots(const struct promotion *p, const struct standing *before)
{
    struct report *report = p->ctx->report;
    struct slot_fate fates[SLOT_FATES_MAX];
    size_t n = judge_slots(p, before->lsn, false, fates);
    report_fact(report, "promote.slots", "%s", slots_say(p->ctx->arena, p->now.slots));
    if (!p->remembered) {
        report_fact(report, "promote.slots_lost", "not known");
        return;
    }
    report_fact(report, "promote.slots_lost", "logical: %s; physical: %s", slots_lost(p, fates, n, true), slots_lost(p, fates, n, false));
    for (size_t i = 0; i < n; i++)
        if (fates[i].logical)
            report_fact(report, arena_printf(p->ctx->arena, "promote.slot.%s", fates[i].name), "%s: %s", slot_end_name(fates[i].end), fates[i].why);
}

/* As its history says, where we may read that. Else what was replayed last, which stays as it was when recovery ended until the server is started again. */
static void find_fork(struct promotion *p, const struct standing *before)
{
    static const char sql[] = "select pg_catalog.pg_last_wal_replay_lsn()::text where pg_catalog.pg_postmaster_start_time() <= pg_catalog.to_timestamp($1::bigint / 1000.0)";
    const char *params[] = {arena_printf(p->ctx->arena, "%" PRId64, before->clock_ms)};
    struct pg_rows *rows;
    int64_t timeline = before->timeline;
    if (lost_fork(p->ctx, p->pg, p->now.timeline, &timeline, &p->fork, NULL))
        return;
    if (!pg_exec(p->pg, p->ctx->arena, sql, params, 1, action_time(p->ctx, QUESTION_MS), &rows, NULL) || !pg_count(rows) || !lsn_parse(str_of(pg_text(rows, 0, 0)), &p->fork))
        p->fork = 0;
}

/* The heartbeat in the data is of the clock that last found the old primary alive, so the two can be compared. */
static int64_t recovery_point(const struct promotion *p, int64_t commit_ms)
{
    struct pg_rows *rows;
    if (pg_exec(p->pg, p->ctx->arena, "select beat_ms from public.bascule_heartbeat where id = 1", NULL, 0, action_time(p->ctx, QUESTION_MS), &rows, NULL) &&
        pg_count(rows))
        return pg_int(rows, 0, 0);
    return commit_ms;
}

static void tell_facts(const struct promotion *p, const struct standing *before, const struct loss *loss, int64_t took_ms)
{
    struct report *report = p->ctx->report;
    report_fact(report, "promote.timeline", "%lld, before %lld", (long long)p->now.timeline, (long long)before->timeline);
    report_fact(report, "promote.lsn", "%s", lsn_print(p->ctx->arena, before->lsn));
    if (p->fork && p->remembered && !p->counted) /* in the words of `bascule loss` */
        report_fact(report, "promote.parted", "%s %lld %s", p->pair.primary, (long long)before->timeline, lsn_print(p->ctx->arena, p->fork));
    report_fact(report, "promote.loss", "%s", loss->say);
    if (loss->known) {
        report_fact(report, "promote.loss_bytes", "%" PRIu64, loss->bytes);
        report_fact(report, "promote.loss_exact", "%s", loss->exact ? "yes" : "no");
        report_fact(report, "promote.loss_ms", "%lld", (long long)loss->ms);
    }
    if (p->w.loss_by)
        report_fact(report, "promote.loss_accepted_by", "%s", p->w.loss_by);
    if (p->w.fenced_by)
        report_fact(report, "promote.fenced_by", "%s", p->w.fenced_by);
    if (p->point_ms) /* under the name that all reports know */
        report_fact(report, "restore.recovery_point_ms", "%lld", (long long)p->point_ms);
    report_fact(report, "promote.archiving", "%s", p->now.archiving);
    report_fact(report, "promote.took_ms", "%lld", (long long)took_ms);
    tell_slots(p, before);
}

/* Last, since the writes that users wait for go on without it. */
static void look_at_archive(const struct promotion *p, const struct standing *before)
{
    if (p->remembered)
        archive_look(p->ctx, &(struct archive_asked){.site = p->w.site, .pg = p->pg, .now = &p->now, .before = before, .pair = &p->pair, .fork = p->fork});
}

static void keep_proof(const struct promotion *p, int64_t took_ms)
{
    struct proof proof = {
        .kind = "promote",
        .service = p->ctx->service->name,
        .site = p->w.site->name,
        .file = arena_printf(p->ctx->arena, "timeline %lld", (long long)p->now.timeline),
        .ok = true,
        .at_ms = clock_wall_ms(),
        .took_ms = took_ms,
    };
    proof_add(p->ctx, &proof);
}

/* ---- the ends ---- */

static bool blocked(const struct promotion *p, const struct loss *loss, enum outcome *ret_outcome, char *ret_text)
{
    *ret_outcome = OUTCOME_BLOCKED;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is not promoted: %s; the limit is %d MiB. To accept that: %s", p->w.site->name, loss->say,
               p->ctx->service->replication.max_loss_mib, accepting(p));
    return true;
}

/* What is told of the loss is an estimate until the old primary's own log is read. */
static const char *to_be_counted(const struct promotion *p)
{
    if (p->counted || !p->fork || !p->remembered)
        return "";
    return arena_printf(p->ctx->arena, "; what is lost can be counted once \"%s\" is reached: %s", p->pair.primary, action_command(p->ctx, "loss %s", p->pair.primary));
}

/* ---- where agents live by a lease ---- */

static void note_written(struct promotion *p, const struct takeover *t, uint64_t lsn)
{
    if (p->remembered) {
        p->pair.lsn = MAX_OF(p->pair.lsn, lsn);
        return;
    }
    p->pair = (struct standing_pair){.timeline = p->now.timeline, .lsn = lsn, .received = p->now.lsn, .at_ms = clock_wall_ms(), .primary_clock_ms = clock_wall_ms()};
    COPY_TO(p->pair.primary, t->from->name);
    COPY_TO(p->pair.standby, p->w.site->name);
    COPY_TO(p->pair.cluster, p->now.cluster);
    p->remembered = true;
}

/* What the old primary last said of itself to etcd is often newer than what was kept here; and when it has ended, its agent knows where. */
static void learn_more(struct promotion *p, const struct takeover *t)
{
    int64_t timeline;
    uint64_t lsn = takeover_known_lsn(t, &timeline);
    if (lsn && timeline == p->now.timeline)
        note_written(p, t, lsn);
    if (t->old && t->old->answers && t->old->said.wal_end && t->old->said.wal_timeline == p->now.timeline) {
        p->wal_end = t->old->said.wal_end;
        note_written(p, t, p->wal_end);
        p->pair.lsn = p->wal_end; /* whatever else was believed of it */
    }
}

/* It was ended for this, or ended itself a moment ago: what it wrote until then can be counted, where somebody there answers. */
static struct loss weigh_again(struct promotion *p, struct takeover *t, const struct standing *before, const struct loss *loss)
{
    struct standing now = p->now;
    if (!p->fork || !p->remembered || !takeover_lost(t, before->timeline, p->fork, &p->lost))
        return *loss;
    p->counted = true;
    p->wal_end = p->pair.lsn = p->lost.end;
    p->now = *before;
    struct loss exact = weigh(p);
    p->now = now;
    exact.bytes = p->lost.end - p->lost.fork;
    action_say(exact.say, sizeof(exact.say), "%s", lost_say(p->ctx, t->from, &p->lost));
    return exact;
}

static char *certifying(const struct promotion *p)
{
    return action_command(p->ctx, "promote %s --fenced-by YOUR-NAME", p->w.site->name);
}

/* A site whose epoch ended and whose data is still the newest begins again: there is nothing to compare, and nothing to lose. */
static bool begin_again(struct promotion *p, struct takeover *t, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    report_progress(p->ctx->report, 0, 0, "letting %s begin again", p->w.site->name);
    if (!takeover_carry_out(t, err) || !pg_open(&p->w.site->database.at, NULL, action_time(p->ctx, CONNECT_MS), &p->pg, err) ||
        !action_wait(p->ctx, PROMOTED_MS, LOOK_EVERY_MS, takes_writes, p, err))
        return false;
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" writes again, in epoch %" PRId64 "; nobody else did since", p->w.site->name, t->epoch.number);
    return true;
}

static bool is_followed(void *arg, struct err *err)
{
    struct promotion *p = arg;
    return look(p, err) && (has_its_standbys(p) || err_set(err, ERR_TIMEOUT, "too few standbys follow"));
}

/* The other standbys follow by themselves: they are waited for, for a moment, where commits shall go on waiting for them. */
static bool commits_again(struct promotion *p, const struct takeover *t, struct err *err)
{
    struct err few = {0};
    if (!look(p, err))
        return false;
    if (takeover_will_be_followed(t, p->now.sync_names) && !action_wait(p->ctx, FOLLOWED_MS, LOOK_EVERY_MS, is_followed, p, &few))
        report_progress(p->ctx->report, 0, 0, "%s", few.message);
    return wait_for_nobody(p, err) && action_wait(p->ctx, PROMOTED_MS, LOOK_EVERY_MS, takes_writes, p, err);
}

/* A commit may have been promised that none of those has which could be compared. */
static bool blocked_by_votes(const struct promotion *p, const char *votes, enum outcome *ret_outcome, char *ret_text)
{
    *ret_outcome = OUTCOME_BLOCKED;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is not promoted: %s. To accept that something promised may be lost: %s", p->w.site->name, votes, accepting(p));
    return true;
}

static bool take_over(struct promotion *p, struct takeover *t, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    int64_t began_ms = clock_boot_ms();
    char votes[600] = "";
    if (!can_be_promoted(p, err) || !nobody_else_writes(p, err))
        return false;
    learn_more(p, t);
    struct standing before = p->now;
    struct loss loss = weigh(p);
    enum takeover_votes counted = takeover_votes(t, p->remembered && p->pair.in_sync, votes, sizeof(votes));
    if (counted == VOTES_MISSING && !p->w.loss_by && !(loss.exact && !loss.bytes))
        return blocked_by_votes(p, votes, ret_outcome, ret_text);
    if (!loss_is_accepted(p, &loss))
        return blocked(p, &loss, ret_outcome, ret_text);
    p->point_ms = recovery_point(p, before.commit_ms);
    carry_slots(p);
    if (!takeover_carry_out(t, err)) {
        uncarry_slots(p);
        if (!t->needs_certificate)
            return false;
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is not promoted: %s. Make sure that it is off, then: %s", p->w.site->name, err->message, certifying(p));
        return true;
    }
    if (!commits_again(p, t, err))
        return false;
    int64_t took_ms = clock_boot_ms() - began_ms;
    if (counted != VOTES_NONE)
        report_fact(p->ctx->report, "promote.votes", "%s", votes);
    takeover_tell_others(t);
    find_fork(p, &before);
    loss = weigh_again(p, t, &before, &loss);
    report_fact(p->ctx->report, "promote.certain", "%s", t->how);
    tell_facts(p, &before, &loss, took_ms);
    if (p->counted)
        lost_tell(p->ctx, t->from, &p->lost);
    look_at_archive(p, &before);
    keep_proof(p, took_ms);
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is the primary on timeline %lld since %s, in epoch %" PRId64 ", and commits writes; %s%s", p->w.site->name,
               (long long)p->now.timeline, lsn_print(p->ctx->arena, before.lsn), t->epoch.number, loss.say, to_be_counted(p));
    return true;
}

/* No failure, after which a playbook would go on and fence a primary that is well: a person must look. */
static bool left_alone(const struct promotion *p, const struct err *why, enum outcome *ret_outcome, char *ret_text)
{
    *ret_outcome = OUTCOME_BLOCKED;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is not promoted: %s; %s", p->w.site->name, why->message, why->hint);
    return true;
}

static bool is_there(struct promotion *p, struct takeover *t, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is the primary of epoch %" PRId64 " already, and commits writes", p->w.site->name, t->epoch.number);
    return commits_again(p, t, err);
}

/* A primary that no epoch has named is nobody's work that could be finished. */
static bool finish(struct promotion *p, struct takeover *t, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    if (!t->moved)
        return can_be_promoted(p, err);
    return takeover_carry_out(t, err) && is_there(p, t, ret_outcome, ret_text, err);
}

static bool run_by_lease(struct promotion *p, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct takeover t SCOPED(takeover_close) = {0};
    bool choose = p->ctx->incident && !p->w.loss_by && p->ctx->service->sites.n > 2; /* a person who names a site means it; a playbook means the best */
    if (!takeover_open(p->ctx, p->w.site, p->w.fenced_by, choose, &t, err))
        return false;
    if (!takeover_is_wanted(&t, err))
        return left_alone(p, err, ret_outcome, ret_text);
    if (takeover_is_return(&t) && !takeover_is_done(&t))
        return begin_again(p, &t, ret_outcome, ret_text, err);
    if (takeover_is_done(&t)) /* somebody was stopped after the promotion and before its first write */
        return open_promotion(p, err) && is_there(p, &t, ret_outcome, ret_text, err);
    report_progress(p->ctx->report, 0, 0, "making what is received stand still");
    bool ok = takeover_freeze(&t, p->w.loss_by != NULL, err);
    p->w.site = t.to;
    ok = ok && open_promotion(p, err);
    if (ok && !p->now.recovery) { /* since it was asked, another run or its own agent was faster */
        takeover_close(&t);
        return takeover_open(p->ctx, p->w.site, p->w.fenced_by, false, &t, err) && finish(p, &t, ret_outcome, ret_text, err);
    }
    ok = ok && take_over(p, &t, ret_outcome, ret_text, err);
    if (!ok || *ret_outcome == OUTCOME_BLOCKED)
        takeover_thaw(&t);
    return ok;
}

/* ---- the action ---- */

static bool describe_by_lease(struct promotion *p, struct buf *out, struct err *err)
{
    struct takeover t SCOPED(takeover_close) = {0};
    if (!takeover_open(p->ctx, p->w.site, p->w.fenced_by, false, &t, err) || !takeover_is_wanted(&t, err))
        return false;
    learn_more(p, &t);
    char votes[600];
    enum takeover_votes counted = takeover_votes(&t, p->remembered && p->pair.in_sync, votes, sizeof(votes));
    if (counted != VOTES_NONE)
        buf_printf(out, "as the standbys answer now, %s\n", votes);
    if (counted == VOTES_MISSING)
        buf_printf(out, "what was promised may be at another one alone, so a person must accept that:\n$ %s\n", accepting(p));
    if (t.moved)
        buf_printf(out, "epoch %" PRId64 " names site \"%s\" already\n", t.epoch.number, p->w.site->name);
    else
        buf_printf(out, "moves epoch %" PRId64 " of site \"%s\" to \"%s\" in etcd, so that no lease of the old one can be renewed\n", t.epoch.number, t.epoch.site, p->w.site->name);
    return buf_printf(out, "asks for a certificate that \"%s\" has ended, from its agent and its fences, and waits at most %s after its last renewal\n", t.from ? t.from->name : t.epoch.site,
                      duration_say(p->ctx->arena, failover_waits_ms(&p->ctx->service->failover)));
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct promotion p SCOPED(promotion_done) = {.ctx = ctx};
    if (!find_wanted(ctx, &p.w, err))
        return false;
    if (patroni_manages(ctx->service))
        return patroni_describe(ctx, p.w.site, PATRONI_FAILOVER, out, err);
    if (!open_promotion(&p, err) || !can_be_promoted(&p, err))
        return false;
    if (by_lease(&p) && !describe_by_lease(&p, out, err))
        return false;
    struct loss loss = weigh(&p);
    buf_printf(out, "the standby of site \"%s\" has received %s and replayed %s, on timeline %lld\n", p.w.site->name, lsn_print(ctx->arena, p.now.lsn),
               lsn_print(ctx->arena, p.now.replayed), (long long)p.now.timeline);
    if (same(p.now.receiver, "streaming") && !by_lease(&p))
        buf_printf(out, "somebody still sends to it: it is promoted only once that one is fenced\n");
    buf_printf(out, "as things stand, %s\n", loss.say);
    if (!loss_is_accepted(&p, &loss))
        buf_printf(out, "that is more than replication.max_loss (%d MiB), or not known, so a person must accept it:\n$ %s\n",
                   ctx->service->replication.max_loss_mib, accepting(&p));
    struct slot_fate fates[SLOT_FATES_MAX];
    size_t n = judge_slots(&p, p.now.lsn, ctx->service->replication.carry_slots, fates);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s slot \"%s\" of \"%s\" is %s: %s\n", fates[i].logical ? "logical" : "physical", fates[i].name, p.pair.primary, slot_end_name(fates[i].end), fates[i].why);
    return buf_printf(out, "then waits until all that was received is replayed, promotes, and waits until it commits a write\n");
}

/* A later life of the pair that was remembered: promoted before, by us or by a person. */
static bool is_successor(const struct promotion *p)
{
    return !p->now.recovery && p->remembered && same(p->pair.cluster, p->now.cluster) && p->now.timeline > p->pair.timeline;
}

static void say_promoted(const struct promotion *p, char *to, size_t size)
{
    action_say(to, size, "site \"%s\" is a primary on timeline %lld, newer than %lld of \"%s\", and commits writes", p->w.site->name,
               (long long)p->now.timeline, (long long)p->pair.timeline, p->pair.primary);
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    struct promotion p SCOPED(promotion_done) = {.ctx = ctx};
    *ret = false;
    if (patroni_manages(ctx->service))
        return find_wanted(ctx, &p.w, err) && patroni_leads(ctx, p.w.site, ret, why, why_size, err);
    if (!find_wanted(ctx, &p.w, err))
        return false;
    if (by_lease(&p)) {
        struct takeover t SCOPED(takeover_close) = {0};
        struct epoch epoch;
        if (!epoch_read(ctx, &epoch, err))
            return false;
        if (!same(epoch.site, p.w.site->name)) /* the common answer, which asks no agent that may be silent */
            return true;
        if (!takeover_open(ctx, p.w.site, NULL, false, &t, err))
            return false;
        if (!takeover_is_done(&t))
            return true;
        if (!open_promotion(&p, err) || p.now.recovery || !takes_writes(&p, err))
            return true;
        *ret = true;
        action_say(why, why_size, "site \"%s\" is the primary of epoch %" PRId64 ", on timeline %lld, and commits writes", p.w.site->name, t.epoch.number, (long long)p.now.timeline);
        return true;
    }
    if (!open_promotion(&p, err))
        return false;
    if (!is_successor(&p) || !takes_writes(&p, err))
        return true;
    *ret = true;
    say_promoted(&p, why, why_size);
    return true;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct promotion p SCOPED(promotion_done) = {.ctx = ctx};
    int64_t began_ms = clock_boot_ms();
    if (patroni_manages(ctx->service)) {
        *ret_outcome = OUTCOME_SUCCESS;
        return find_wanted(ctx, &p.w, err) && patroni_move(ctx, p.w.site, PATRONI_FAILOVER, ret_text, err);
    }
    if (!find_wanted(ctx, &p.w, err))
        return false;
    if (by_lease(&p))
        return run_by_lease(&p, ret_outcome, ret_text, err);
    if (!open_promotion(&p, err))
        return false;
    if (is_successor(&p)) { /* somebody was stopped after the promotion and before its first write */
        *ret_outcome = OUTCOME_SUCCESS;
        say_promoted(&p, ret_text, MODEL_TEXT_SIZE);
        return wait_for_nobody(&p, err) && action_wait(ctx, PROMOTED_MS, LOOK_EVERY_MS, takes_writes, &p, err);
    }
    if (!can_be_promoted(&p, err) || !nobody_else_writes(&p, err) || !freeze(&p, err) || !is_of_that_primary(&p, err))
        return false;
    struct standing before = p.now;
    struct loss loss = weigh(&p);
    if (!loss_is_accepted(&p, &loss))
        return blocked(&p, &loss, ret_outcome, ret_text);
    p.point_ms = recovery_point(&p, before.commit_ms);
    carry_slots(&p);
    if (!make_primary(&p, err)) {
        uncarry_slots(&p);
        return false;
    }
    int64_t took_ms = clock_boot_ms() - began_ms;
    find_fork(&p, &before);
    tell_facts(&p, &before, &loss, took_ms);
    look_at_archive(&p, &before);
    keep_proof(&p, took_ms);
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" is the primary on timeline %lld since %s, and commits writes; %s%s", p.w.site->name,
               (long long)p.now.timeline, lsn_print(ctx->arena, before.lsn), loss.say, to_be_counted(&p));
    return true;
}

extern const struct action_ops action_promote;
const struct action_ops action_promote = {
    .name = "promote",
    .usage = "promote SITE [--allow-data-loss WHO] [--fenced-by WHO]",
    .summary = "makes the standby of a site the primary, once nobody sends to it any more and the loss is known and small, or accepted",
    .changes = true,
    .args_min = 1,
    .args_max = 3, /* the site, and the names behind both options */
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
