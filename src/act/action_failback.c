/* act/action_failback.c -- An old primary becomes a standby again: by pg_rewind, else by a new copy beside its data, which is kept. It moves
   nobody: that is a switchover, when a person wants it. */
#include <inttypes.h>

#include "act/agentlink.h"
#include "act/cluster.h"
#include "act/lost.h"
#include "act/patroni.h"
#include "act/unit.h"
#include "act/warmsite.h"
#include "io/pg.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { CONNECT_MS = 3 * MS_SECOND, QUESTION_MS = 5 * MS_SECOND, STOP_MS = MS_MINUTE, KILL_MS = 20 * MS_SECOND, START_MS = 2 * MS_MINUTE, STREAMS_MS = 2 * MS_MINUTE, COUNT_MS = 10 * MS_MINUTE,
       CAUGHT_UP_MS = 2 * MS_HOUR, COMMAND_MS = 20 * MS_SECOND, LOOK_EVERY_MS = 200 };

struct way_back {
    const struct action_ctx *ctx;
    const struct site *site, *primary;
    struct following follow;
    struct pg *to, *own;      /* sessions with the primary, and with the site */
    struct standing now;      /* of the primary */
    struct control control;   /* of the site, while it is stopped */
    const char *how;          /* "it had not diverged", "pg_rewind", "a new copy" */
    const char *kept;         /* where its old data is; NULL: in use */
    bool parted;              /* it wrote on a timeline that the primary has left: */
    uint64_t fork;            /* there; 0: that is not known, and why not: */
    struct err why_not;
    bool counted;             /* what it has for itself: */
    struct parted lost;
    const char *log;          /* where that part of its log is kept, which a rewind throws away; NULL: nowhere */
};

static void way_done(struct way_back *w)
{
    pg_close(&w->to);
    pg_close(&w->own);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *site;
    if (patroni_manages(ctx->service))
        return err_set(err, ERR_REFUSED, "Patroni brings an old primary back by itself: start Patroni there");
    return action_site(ctx, ctx->args.p[0], &site, err) && cluster_known(site, err);
}

static bool look(const struct way_back *w, const struct site *site, struct pg **pg, struct standing *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!*pg && !pg_open(&site->database.at, NULL, action_time(w->ctx, CONNECT_MS), pg, err))
        return err_prefix(err, "the database of site \"%s\"", site->name);
    if (pg_exec(*pg, w->ctx->arena, standing_sql, NULL, 0, action_time(w->ctx, QUESTION_MS), &rows, err) &&
        standing_parse(pg_count(rows) ? pg_text(rows, 0, 0) : NULL, ret, err))
        return true;
    pg_close(pg);
    return err_prefix(err, "the database of site \"%s\"", site->name);
}

/* The one other site that takes writes. */
static bool find_primary(struct way_back *w, struct err *err)
{
    const struct service *service = w->ctx->service;
    struct err why = {0};
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *site = &service->sites.p[i];
        struct pg *pg SCOPED(pg_close) = NULL;
        struct standing s;
        if (site == w->site || !site->database.at.host || !look(w, site, &pg, &s, &why) || s.recovery)
            continue;
        if (w->primary)
            return err_set(err, ERR_REFUSED, "sites \"%s\" and \"%s\" both take writes", w->primary->name, site->name);
        w->primary = site;
    }
    return w->primary || err_set(err, ERR_UNAVAILABLE, "no other site takes writes, so there is nobody to follow%s%s", why.code ? ": " : "", why.message);
}

static bool open_way(struct way_back *w, struct err *err)
{
    return action_site(w->ctx, w->ctx->args.p[0], &w->site, err) && cluster_known(w->site, err) && find_primary(w, err) &&
           look(w, w->primary, &w->to, &w->now, err) && cluster_following(w->ctx, w->site, w->primary, &w->follow, err);
}

/* What takes writes is nobody's to overwrite: it is fenced first, by whoever decided which of the two is right. */
static bool is_no_writer(struct way_back *w, struct standing *ret, bool *ret_runs, struct err *err)
{
    struct err why = {0};
    *ret_runs = look(w, w->site, &w->own, ret, &why);
    if (!*ret_runs || ret->recovery)
        return true;
    err_set(err, ERR_REFUSED, "site \"%s\" takes writes itself, on timeline %lld, and would lose them", w->site->name, (long long)ret->timeline);
    return err_hint(err, "when site \"%s\" is the right one, first: %s", w->primary->name, action_command(w->ctx, "fence %s", w->site->name));
}

static bool ask_number(struct way_back *w, const char *sql, const char *const *params, size_t n, int64_t *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!w->to && !pg_open(&w->primary->database.at, NULL, action_time(w->ctx, CONNECT_MS), &w->to, err))
        return false;
    if (!pg_exec(w->to, w->ctx->arena, sql, params, n, action_time(w->ctx, QUESTION_MS), &rows, err)) {
        pg_close(&w->to);
        return false;
    }
    *ret = pg_count(rows) ? pg_int(rows, 0, 0) : -1;
    return true;
}

/* Bytes that it has not replayed; -1: it does not stream. */
static bool lag_of(struct way_back *w, int64_t *ret, struct err *err)
{
    static const char sql[] = "select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), coalesce(replay_lsn, '0/0'))::bigint"
                              " from pg_catalog.pg_stat_replication where application_name = $1 and state = 'streaming' order by 1 limit 1";
    const char *params[] = {w->site->name};
    return ask_number(w, sql, params, 1, ret, err);
}

static int64_t limit_of(const struct way_back *w)
{
    return (int64_t)MAX_OF(w->ctx->service->replication.max_loss_mib, 1) << 20;
}

static bool streams(void *arg, struct err *err)
{
    struct way_back *w = arg;
    int64_t lag;
    return lag_of(w, &lag, err) && (lag >= 0 || err_set(err, ERR_TIMEOUT, "site \"%s\" runs and does not stream from site \"%s\"", w->site->name, w->primary->name));
}

static bool has_caught_up(void *arg, struct err *err)
{
    struct way_back *w = arg;
    int64_t lag;
    if (!lag_of(w, &lag, err))
        return false;
    if (lag >= 0 && lag <= limit_of(w))
        return true;
    report_progress(w->ctx->report, 0, 0, "%s catches up: %" PRId64 " bytes left", w->site->name, lag);
    return err_set(err, ERR_TIMEOUT, "site \"%s\" is still %" PRId64 " bytes behind site \"%s\"", w->site->name, lag, w->primary->name);
}

/* ---- the steps ---- */

/* Where agents live by a lease they alone start and stop, and keep stopped what they were told to stop. */
static bool by_agent(const struct way_back *w)
{
    return site_lives_by_lease(w->ctx->config, w->ctx->service, w->site);
}

static bool stop_by_agent(const struct way_back *w, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    const struct agent_answer *answer = agentlink_stop(link, w->site, -1, "fast", false, action_time(w->ctx, STOP_MS));
    char evidence[512];
    int64_t epoch;
    return agentlink_finish(link, answer, w->site, err) && agentlink_stopped(answer, &epoch, evidence, sizeof(evidence), err);
}

static bool start_by_agent(const struct way_back *w, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    return agentlink_finish(link, agentlink_start(link, w->site, -1, action_time(w->ctx, START_MS)), w->site, err);
}

/* Stopped, and kept from starting until it can do so as a standby only. */
static bool stop_it(struct way_back *w, struct err *err)
{
    const struct unit *unit = &w->site->database.unit;
    struct proc_result result;
    pg_close(&w->own);
    report_progress(w->ctx->report, 0, 0, "making sure that %s is stopped", w->site->name);
    if (by_agent(w))
        return stop_by_agent(w, err);
    if (unit_words(w->ctx->arena, &w->site->host, unit, UNIT_MASK).n && unit_words(w->ctx->arena, &w->site->host, unit, UNIT_UNMASK).n) {
        if (!unit_do(w->ctx, &w->site->host, unit, UNIT_MASK, action_time(w->ctx, COMMAND_MS), &result, err))
            return false;
        if (!proc_ok(&result))
            return err_set(err, ERR_FAILED, "could not keep the database of site \"%s\" from starting: %s", w->site->name, host_complaint(w->ctx->arena, &result));
    }
    return unit_do(w->ctx, &w->site->host, unit, UNIT_STOP, action_time(w->ctx, STOP_MS), &result, err);
}

static bool start_by_unit(const struct way_back *w, struct err *err)
{
    const struct unit *unit = &w->site->database.unit;
    struct proc_result result;
    if (unit_words(w->ctx->arena, &w->site->host, unit, UNIT_UNMASK).n &&
        (!unit_do(w->ctx, &w->site->host, unit, UNIT_UNMASK, action_time(w->ctx, COMMAND_MS), &result, err) || !proc_ok(&result)))
        return err->code ? false : err_set(err, ERR_FAILED, "could not allow the start of site \"%s\": %s", w->site->name, host_complaint(w->ctx->arena, &result));
    if (!unit_do(w->ctx, &w->site->host, unit, UNIT_START, action_time(w->ctx, START_MS), &result, err))
        return false;
    return proc_ok(&result) || err_set(err, ERR_FAILED, "could not start the database of site \"%s\": %s", w->site->name, host_complaint(w->ctx->arena, &result));
}

static bool start_it(struct way_back *w, struct err *err)
{
    report_progress(w->ctx->report, 0, 0, "starting %s as a standby of %s", w->site->name, w->primary->name);
    return (by_agent(w) ? start_by_agent(w, err) : start_by_unit(w, err)) && action_wait(w->ctx, STREAMS_MS, LOOK_EVERY_MS, streams, w, err);
}

static bool make_slot(struct way_back *w, struct err *err)
{
    const char *params[] = {w->follow.slot};
    int64_t n;
    if (!ask_number(w, "select count(*) from pg_catalog.pg_replication_slots where slot_name = $1", params, 1, &n, err))
        return false;
    return n || pg_exec(w->to, w->ctx->arena, "select pg_catalog.pg_create_physical_replication_slot($1, true)", params, 1, action_time(w->ctx, QUESTION_MS), NULL, err) ||
           err_prefix(err, "making the slot \"%s\" on site \"%s\"", w->follow.slot, w->primary->name);
}

/* Before anything is rewound or replaced: what it had committed and nobody else has, is in its log only. */
static void count_lost(struct way_back *w)
{
    struct err *why = &w->why_not;
    struct control c;
    if (!cluster_control(w->ctx, w->site, &c, why)) {
        report_fact(w->ctx->report, "loss.unknown", "%s", why->message);
        return;
    }
    w->parted = c.timeline != w->now.timeline && !strstr(c.state, "recovery"); /* a standby wrote nothing of its own */
    if (!w->parted)
        return;
    report_progress(w->ctx->report, 0, 0, "counting what %s wrote after they had parted", w->site->name);
    w->counted = lost_fork(w->ctx, w->to, w->now.timeline, &c.timeline, &w->fork, why) && lost_count(w->ctx, w->site, c.timeline, w->fork, COUNT_MS, &w->lost, why);
    if (w->counted)
        lost_tell(w->ctx, w->site, &w->lost);
    else
        report_fact(w->ctx->report, "loss.unknown", "%s", why->message);
}

static bool keep_log(struct way_back *w, struct err *err)
{
    if (!w->parted || (w->counted && w->lost.end == w->lost.fork))
        return true;
    if (!w->fork)
        return err_set(err, ERR_REFUSED, "what it wrote after they had parted would be gone, and where that begins is not known: %.300s", w->why_not.message);
    if (!cluster_keep_log(w->ctx, w->site, w->control.timeline, w->fork, w->now.segment_bytes, &w->log, err))
        return false;
    report_fact(w->ctx->report, "failback.old_log", "%s", w->log);
    return true;
}

/* pg_rewind refuses by itself what it cannot do; what would only fail after it began is asked before. */
static bool rewind_it(struct way_back *w, struct err *err)
{
    struct control c;
    if (!cluster_control(w->ctx, w->site, &c, err))
        return false;
    w->control = c;
    if (!same(c.cluster, w->now.cluster))
        return err_set(err, ERR_REFUSED, "it holds another cluster: system identifier %s instead of %s", c.cluster, w->now.cluster);
    if (!c.rewindable)
        return err_set(err, ERR_REFUSED, "neither wal_log_hints nor data checksums are on there, so that pg_rewind could miss changes");
    if (!keep_log(w, err))
        return false;
    report_progress(w->ctx->report, 0, 0, "rewinding %s to where it parted from %s", w->site->name, w->primary->name);
    report_fact(w->ctx->report, "failback.step", "pg_rewind begins");
    return cluster_put_aside(w->ctx, w->site, err) && cluster_rewind(w->ctx, w->site, w->primary, err) && cluster_reinstate(w->ctx, w->site, err) &&
           cluster_follow(w->ctx, w->site, &w->follow, true, err) && start_it(w, err);
}

static bool copy_it(struct way_back *w, const char *why, struct err *err)
{
    report_fact(w->ctx->report, "failback.rewind", "not possible: %s", why);
    report_fact(w->ctx->report, "failback.step", "a new copy begins");
    report_progress(w->ctx->report, 0, 0, "copying %s to %s, beside its old data", w->primary->name, w->site->name);
    if (!stop_it(w, err) || !cluster_put_aside(w->ctx, w->site, err) || !cluster_copy(w->ctx, w->site, w->primary, &w->follow, err) ||
        !cluster_swap(w->ctx, w->site, &w->kept, err))
        return false;
    return cluster_follow(w->ctx, w->site, &w->follow, true, err) && start_it(w, err);
}

/* A copy that was verified by a run that was killed takes its place first. */
static bool finish_swap(struct way_back *w, bool *ret_swapped, struct err *err)
{
    if (!cluster_swap(w->ctx, w->site, &w->kept, err))
        return false;
    *ret_swapped = w->kept != NULL;
    return true;
}

static bool bring_back(struct way_back *w, struct err *err)
{
    struct err why = {0};
    bool swapped = false;
    if (!stop_it(w, err) || !finish_swap(w, &swapped, err) || !make_slot(w, err))
        return false;
    if (swapped) {
        w->how = "a new copy";
        return cluster_follow(w->ctx, w->site, &w->follow, true, err) && start_it(w, err);
    }
    count_lost(w);
    w->how = "pg_rewind";
    if (rewind_it(w, &why))
        return true;
    if (why.code == ERR_UNAVAILABLE || why.code == ERR_CANCELLED) { /* its host, or the new primary, is gone: a copy could not be made either */
        *err = why;
        return false;
    }
    w->how = "a new copy";
    return copy_it(w, arena_strdup(w->ctx->arena, why.message), err);
}

/* ---- the action ---- */

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct way_back w SCOPED(way_done) = {.ctx = ctx};
    struct standing own;
    struct control c;
    bool runs;
    if (!open_way(&w, err) || !is_no_writer(&w, &own, &runs, err) || !cluster_usable(ctx, w.site, err) || !cluster_control(ctx, w.site, &c, err))
        return false;
    buf_printf(out, "site \"%s\" takes writes, on timeline %lld; site \"%s\" is \"%s\", on timeline %lld\n", w.primary->name, (long long)w.now.timeline, w.site->name, c.state,
               (long long)c.timeline);
    buf_printf(out, "makes slot \"%s\" on \"%s\", and stops \"%s\"\n", w.follow.slot, w.primary->name, w.site->name);
    if (same(c.cluster, w.now.cluster) && c.rewindable)
        buf_printf(out, "pg_rewind takes back what \"%s\" wrote after they parted, which is counted and whose log is kept before; when that fails, a new copy is made as follows\n", w.site->name);
    else
        buf_printf(out, "pg_rewind is not possible (%s)\n", c.rewindable ? "another cluster" : "neither wal_log_hints nor data checksums are on");
    buf_printf(out, "a new copy: pg_basebackup into \"%s.bascule-new\", pg_verifybackup, then it takes the place of the old data, which stays beside it\n",
               w.site->database.data_directory);
    return buf_printf(out, "then \"%s\" is started as a standby, and must stream and have caught up; the users stay where they are\n", w.site->name);
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    struct way_back w SCOPED(way_done) = {.ctx = ctx};
    int64_t lag = -1;
    *ret = false;
    if (!open_way(&w, err) || !lag_of(&w, &lag, err))
        return false;
    *ret = lag >= 0 && lag <= limit_of(&w);
    action_say(why, why_size, "site \"%s\" streams from site \"%s\" and lacks %" PRId64 " bytes; to move the service there: %s", w.site->name, w.primary->name, lag,
               action_command(ctx, "switchover --to %s", w.site->name));
    return true;
}

static bool lock(const struct action_ctx *ctx, int *ret_fd, struct err *err)
{
    return action_lock(ctx, "switchover", arena_printf(ctx->arena, "a switchover or failback of service \"%s\" is under way", ctx->service->name), ret_fd, err);
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct way_back w SCOPED(way_done) = {.ctx = ctx};
    int fd SCOPED(file_close) = -1;
    struct standing own;
    struct err untidy = {0};
    bool runs;
    int64_t began_ms = clock_boot_ms(), lag = -1;
    if (!lock(ctx, &fd, err) || !open_way(&w, err) || !is_no_writer(&w, &own, &runs, err) || !cluster_usable(ctx, w.site, err))
        return false;
    report_fact(ctx->report, "failback.step", "site \"%s\" is to follow site \"%s\"", w.site->name, w.primary->name);
    if (!bring_back(&w, err) || !action_wait(ctx, CAUGHT_UP_MS, LOOK_EVERY_MS, has_caught_up, &w, err) || !lag_of(&w, &lag, err)) {
        report_fact(ctx->report, "failback.failed", "%s", err->message);
        return err_prefix(err, "site \"%s\" is no standby yet", w.site->name);
    }
    if (!cluster_forget_aside(ctx, w.site, &untidy))
        report_fact(ctx->report, "failback.untidy", "%s", untidy.message);
    report_fact(ctx->report, "failback.how", "%s", w.how);
    report_fact(ctx->report, "failback.took_ms", "%lld", (long long)(clock_boot_ms() - began_ms));
    if (w.kept)
        report_fact(ctx->report, "failback.old_data", "%s", w.kept);
    *ret_outcome = OUTCOME_SUCCESS;
    const char *lost = w.counted ? arena_printf(ctx->arena, "; %s", lost_say(ctx, w.site, &w.lost)) : "", *old = w.kept ? w.kept : w.log;
    action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" follows site \"%s\" again, by %s, and lacks %" PRId64 " bytes%s%s%s; to move the service there: %s", w.site->name,
               w.primary->name, w.how, lag, lost, !old ? "" : w.kept ? "; its old data is kept in " : "; that log is kept in ", old ? old : "",
               action_command(ctx, "switchover --to %s", w.site->name));
    return true;
}

extern const struct action_ops action_failback;
const struct action_ops action_failback = {
    .name = "failback",
    .usage = "failback SITE",
    .summary = "makes an old primary a standby again, by pg_rewind or else by a new copy, and keeps its old data until that is verified",
    .changes = true,
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
