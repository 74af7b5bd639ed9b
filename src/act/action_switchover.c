/* act/action_switchover.c -- A planned move without loss: the primary is shut down in order, the standby is promoted only when it has the
   record of that shutdown, which is the last there is, and the old primary follows the new one. Until the promotion all of it can be taken
   back, and is; afterwards it only goes forward. */
#include <inttypes.h>

#include "act/agentlink.h"
#include "act/cluster.h"
#include "act/patroni.h"
#include "act/plan.h"
#include "act/slots.h"
#include "act/traffic/traffic.h"
#include "act/unit.h"
#include "act/warmsite.h"
#include "io/pg.h"
#include "io/standing.h"
#include "sys/clock.h"
#include "sys/file.h"

#include "base/banned.h"

enum { CONNECT_MS = 3 * MS_SECOND, QUESTION_MS = 5 * MS_SECOND, CHECKPOINT_MS = 5 * MS_MINUTE, STOP_MS = 30 * MS_SECOND, KILL_MS = 20 * MS_SECOND,
       ARRIVES_MS = 3 * MS_SECOND, START_MS = 2 * MS_MINUTE, WRITES_MS = 2 * MS_MINUTE, SETTLES_MS = 10 * MS_SECOND, FOLLOWS_MS = MS_MINUTE, ARCHIVES_MS = 15 * MS_SECOND, LOOK_EVERY_MS = 20, LOOK_SLOWLY_MS = 100 };

/* Commits, wherever the role may log in, and leaves nothing behind. */
static const char a_write[] = "create temporary table bascule_switchover (written timestamptz) on commit drop";

struct move {
    const struct action_ctx *ctx;
    const struct site *from, *to;
    struct plan plan;
    struct pg *old, *new;      /* sessions; NULL: none is open */
    struct standing primary, standby;
    struct control control;    /* of the old primary, once it is stopped */
    bool resumed;              /* begun by a process that was killed */
    int64_t stopped_ms;        /* boot time of the order to stop; 0: not by this process */
};

static void move_done(struct move *m)
{
    pg_close(&m->old);
    pg_close(&m->new);
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    const struct site *to;
    if (!action_site(ctx, ctx->args.p[0], &to, err))
        return false;
    if (!to->database.at.host)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database to move to", to->name);
    return ctx->service->sites.n > 1 || err_set(err, ERR_CONFIG, "service \"%s\" has one site only", ctx->service->name);
}

/* ---- asking ---- */

static bool look(struct move *m, const struct site *site, struct pg **pg, struct standing *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!*pg && !pg_open(&site->database.at, NULL, action_time(m->ctx, CONNECT_MS), pg, err))
        return err_prefix(err, "the database of site \"%s\"", site->name);
    if (pg_exec(*pg, m->ctx->arena, standing_sql, NULL, 0, action_time(m->ctx, QUESTION_MS), &rows, err) &&
        standing_parse(pg_count(rows) ? pg_text(rows, 0, 0) : NULL, ret, err))
        return true;
    pg_close(pg);
    return err_prefix(err, "the database of site \"%s\"", site->name);
}

static bool ask_number(struct move *m, struct pg *pg, const char *sql, const char *const *params, size_t n, int64_t *ret, struct err *err)
{
    struct pg_rows *rows;
    if (!pg_exec(pg, m->ctx->arena, sql, params, n, action_time(m->ctx, QUESTION_MS), &rows, err))
        return false;
    *ret = pg_count(rows) ? pg_int(rows, 0, 0) : 0;
    return true;
}

/* With two sites it is the other one; among more, the one whose database takes writes. */
static bool find_from(struct move *m, struct err *err)
{
    const struct service *service = m->ctx->service;
    for (size_t i = 0; i < service->sites.n && !m->from; i++) {
        const struct site *site = &service->sites.p[i];
        struct standing s;
        struct pg *pg SCOPED(pg_close) = NULL;
        if (site == m->to || !site->database.at.host)
            continue;
        if (service->sites.n == 2 || (look(m, site, &pg, &s, err) && !s.recovery))
            m->from = site;
    }
    return m->from || err_set(err, ERR_NOT_FOUND, "no other site of service \"%s\" has a database that takes writes", service->name);
}

/* What an open plan says counts: it was begun, and is ended first. */
static bool find_move(struct move *m, struct err *err)
{
    if (!action_site(m->ctx, m->ctx->args.p[0], &m->to, err) || !plan_load(m->ctx, &m->plan, err))
        return false;
    if (!plan_open(m->plan.phase))
        return find_from(m, err);
    if (!same(m->plan.to, m->to->name)) {
        err_set(err, ERR_REFUSED, "a switchover to site \"%s\" is half done: it is at \"%s\"", m->plan.to, plan_phase_name(m->plan.phase));
        return err_hint(err, "first: %s", action_command(m->ctx, "switchover --to %s", m->plan.to));
    }
    m->from = service_site(m->ctx->service, m->plan.from);
    return m->from || err_set(err, ERR_CONFIG, "site \"%s\", from which a switchover was begun, is not in the configuration", m->plan.from);
}

/* ---- may it be begun? ---- */

static const char *what_of(const struct move *m, const struct site *site)
{
    return arena_printf(m->ctx->arena, "%s.database", site->name);
}

/* Where agents live by a lease they alone start and stop; elsewhere the site's own commands do. */
static bool by_agent(const struct move *m)
{
    return site_lives_by_lease(m->ctx->config, m->ctx->service, m->from);
}

static bool hosts_are_ready(const struct move *m, struct err *err)
{
    static const enum unit_verb needed[] = {UNIT_STOP, UNIT_START, UNIT_STATUS};
    for (size_t i = 0; i < COUNT_OF(needed) && !by_agent(m); i++)
        if (!unit_can(m->ctx->arena, &m->from->host, &m->from->database.unit, needed[i], what_of(m, m->from), err))
            return false;
    if (by_agent(m) != site_lives_by_lease(m->ctx->config, m->ctx->service, m->to))
        return err_set(err, ERR_CONFIG, "one of sites \"%s\" and \"%s\" lives by a lease and the other does not", m->from->name, m->to->name);
    return cluster_known(m->from, err) && cluster_reachable(m->to, err) && cluster_usable(m->ctx, m->from, err);
}

static uint64_t limit_of(const struct move *m)
{
    return (uint64_t)MAX_OF(m->ctx->service->replication.max_loss_mib, 1) << 20;
}

static bool pair_is_ready(const struct move *m, struct err *err)
{
    const struct standing *p = &m->primary, *s = &m->standby;
    const char *from = m->from->name, *to = m->to->name;
    if (p->recovery)
        return err_set(err, ERR_REFUSED, "site \"%s\" is no primary: there is nothing to move away from it", from);
    if (!s->recovery)
        return err_set(err, ERR_REFUSED, "site \"%s\" takes writes, as site \"%s\" does: two primaries must never be", to, from);
    if (!same(p->cluster, s->cluster) || p->timeline != s->timeline)
        return err_set(err, ERR_REFUSED, "site \"%s\" (cluster %s, timeline %lld) does not follow site \"%s\" (cluster %s, timeline %lld)", to, s->cluster,
                       (long long)s->timeline, from, p->cluster, (long long)p->timeline);
    if (!s->sees)
        return err_set(err, ERR_PERMISSION, "whether site \"%s\" receives changes cannot be seen: grant pg_monitor to \"%s\" there", to, m->to->database.at.user);
    if (!same(s->receiver, "streaming"))
        return err_set(err, ERR_REFUSED, "site \"%s\" does not receive the changes of site \"%s\" (%s)", to, from, *s->receiver ? s->receiver : "nobody sends");
    if (s->paused || s->delay_ms > 0)
        return err_set(err, ERR_REFUSED, "site \"%s\" %s, so that it would take writes late", to, s->paused ? "has its replay paused" : "replays late on purpose");
    uint64_t received = p->lsn > s->lsn ? p->lsn - s->lsn : 0, replayed = p->lsn > s->replayed ? p->lsn - s->replayed : 0;
    if (received > limit_of(m) || replayed > limit_of(m)) {
        err_set(err, ERR_REFUSED, "site \"%s\" lacks %" PRIu64 " bytes and has not replayed %" PRIu64 "; more than %" PRIu64 " would make the outage long", to, received,
                replayed, limit_of(m));
        return err_hint(err, "wait until it has caught up; the limit is replication.max_loss");
    }
    return true;
}

/* A shutdown would break it, or it would find the database changed under it. */
static bool nothing_is_copied(struct move *m, struct err *err)
{
    static const char copies[] = "select (select count(*) from pg_catalog.pg_stat_progress_basebackup) + (select count(*) from pg_catalog.pg_stat_activity"
                                 " where pid <> pg_catalog.pg_backend_pid() and backend_type = 'client backend' and"
                                 " (application_name like 'pg_dump%' or (application_name like 'bascule%' and state = 'active' and query ilike 'copy %')))";
    const char *folder = m->from->backup.folder;
    int64_t n;
    int fd SCOPED(file_close) = -1;
    if (!ask_number(m, m->old, copies, NULL, 0, &n, err))
        return err_prefix(err, "looking for backups that are being made");
    char *lock = folder ? arena_printf(m->ctx->arena, "%s/.%s.backup.lock", folder, m->ctx->service->name) : NULL;
    struct err why = {0};
    if (n || (lock && file_exists(lock) && !file_lock(lock, &fd, &why) && why.code == ERR_REFUSED))
        return err_set(err, ERR_REFUSED, "a backup of site \"%s\" is being made, which a shutdown would break; wait for its end", m->from->name);
    return true;
}

/* A primary that is shut down waits for its archive, for ever if need be. */
static bool archive_works(struct move *m, struct err *err)
{
    int64_t fails;
    static const char sql[] = "select (pg_catalog.current_setting('archive_mode') <> 'off' and last_failed_time is not null and"
                              " (last_archived_time is null or last_failed_time > last_archived_time))::int from pg_catalog.pg_stat_archiver";
    if (!ask_number(m, m->old, sql, NULL, 0, &fails, err))
        return false;
    return !fails || err_set(err, ERR_REFUSED, "the archive of site \"%s\" does not take its changes, and a shutdown would wait for it; see pg_stat_archiver", m->from->name);
}

static bool may_promote(struct move *m, struct err *err)
{
    int64_t may;
    if (!ask_number(m, m->new, "select pg_catalog.has_function_privilege('pg_catalog.pg_promote(boolean,integer)', 'execute')::int", NULL, 0, &may, err))
        return false;
    return may || err_set(err, ERR_PERMISSION, "on site \"%s\" execute on function pg_promote is not granted to \"%s\"", m->to->name, m->to->database.at.user);
}

static bool application_is_ready(const struct move *m, struct err *err)
{
    const char *who;
    if (!m->ctx->service->traffic.driver || !m->to->application.url)
        return true;
    if (!traffic_ask(m->ctx, m->to->application.url, &who, err))
        return err_prefix(err, "the application of site \"%s\" does not answer, so that users could not be sent there", m->to->name);
    return same(who, m->to->name) || err_set(err, ERR_FAILED, "the application of site \"%s\" calls itself \"%s\"", m->to->name, who);
}

static bool may_begin(struct move *m, struct err *err)
{
    return hosts_are_ready(m, err) && look(m, m->from, &m->old, &m->primary, err) && look(m, m->to, &m->new, &m->standby, err) && pair_is_ready(m, err) &&
           may_promote(m, err) && archive_works(m, err) && nothing_is_copied(m, err) && application_is_ready(m, err);
}

/* ---- before anything stops ---- */

static bool make_slot(struct move *m, const char *name, struct err *err)
{
    const char *params[] = {name};
    int64_t n;
    if (!ask_number(m, m->new, "select count(*) from pg_catalog.pg_replication_slots where slot_name = $1", params, 1, &n, err))
        return false;
    return n || pg_exec(m->new, m->ctx->arena, "select pg_catalog.pg_create_physical_replication_slot($1, true)", params, 1, action_time(m->ctx, QUESTION_MS), NULL, err) ||
           err_prefix(err, "making the slot \"%s\" on site \"%s\"", name, m->to->name);
}

/* All that takes time and stops nobody. What is written is of no effect on a primary. */
static bool prepare(struct move *m, struct err *err)
{
    struct following f;
    struct err why = {0};
    const char *made;
    report_progress(m->ctx->report, 0, 0, "preparing %s to follow %s", m->from->name, m->to->name);
    if (!cluster_following(m->ctx, m->from, m->to, &f, err) || !make_slot(m, f.slot, err) || !slots_carry(m->ctx, m->new, m->primary.slots, m->standby.own_slot, &made, err) ||
        !cluster_follow(m->ctx, m->from, &f, false, err))
        return false;
    if (*made)
        report_fact(m->ctx->report, "switchover.slots", "made on site \"%s\": %s", m->to->name, made);
    report_progress(m->ctx->report, 0, 0, "a checkpoint on %s, so that its shutdown is short", m->from->name);
    if (!pg_exec(m->old, m->ctx->arena, "checkpoint", NULL, 0, action_time(m->ctx, CHECKPOINT_MS), NULL, &why))
        report_fact(m->ctx->report, "switchover.checkpoint", "not made: %s", why.message);
    return true;
}

/* ---- the shutdown ---- */

static bool keep_phase(struct move *m, enum plan_phase phase, struct err *err)
{
    m->plan.phase = phase;
    return plan_keep(m->ctx, &m->plan, err);
}

static bool begin(struct move *m, struct err *err)
{
    int64_t now = clock_wall_ms();
    m->plan = (struct plan){.timeline = m->primary.timeline, .began_ms = now, .stopped_ms = now, .in_sync = m->primary.in_sync > 0, .incident = m->ctx->incident};
    COPY_TO(m->plan.from, m->from->name);
    COPY_TO(m->plan.to, m->to->name);
    COPY_TO(m->plan.slot, m->standby.own_slot);
    return keep_phase(m, PLAN_STOPPING, err);
}

static bool stop_by_agent(const struct move *m, const char *mode, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    const struct agent_answer *answer = agentlink_stop(link, m->from, -1, mode, false, action_time(m->ctx, STOP_MS));
    char evidence[512];
    int64_t epoch;
    return agentlink_finish(link, answer, m->from, err) && agentlink_stopped(answer, &epoch, evidence, sizeof(evidence), err);
}

static bool start_by_agent(const struct move *m, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    return agentlink_finish(link, agentlink_start(link, m->from, -1, action_time(m->ctx, START_MS)), m->from, err);
}

/* False when it was not done, or not well. */
static bool tell_unit(const struct move *m, enum unit_verb verb, int64_t time_ms, struct err *err)
{
    struct proc_result result;
    if (!unit_do(m->ctx, &m->from->host, &m->from->database.unit, verb, action_time(m->ctx, time_ms), &result, err))
        return false;
    return proc_ok(&result) || err_set(err, ERR_FAILED, "could not %s the database of site \"%s\": %s", unit_verb_name(verb), m->from->name, host_complaint(m->ctx->arena, &result));
}

static bool start_it(const struct move *m, struct err *err)
{
    return by_agent(m) ? start_by_agent(m, err) : tell_unit(m, UNIT_START, START_MS, err);
}

/* In order, so that it writes a shutdown checkpoint and waits until its standbys have it. */
static bool stop_old(struct move *m, struct err *err)
{
    pg_close(&m->old);
    if (!m->resumed)
        m->stopped_ms = clock_boot_ms();
    report_progress(m->ctx->report, 0, 0, "shutting %s down", m->from->name);
    return by_agent(m) ? stop_by_agent(m, "fast", err) : tell_unit(m, UNIT_STOP, STOP_MS, err);
}

static bool has_arrived(void *arg, struct err *err)
{
    struct move *m = arg;
    if (!look(m, m->to, &m->new, &m->standby, err))
        return false;
    if (m->standby.timeline == m->control.timeline && m->standby.lsn > m->control.checkpoint && m->standby.replayed > m->control.checkpoint)
        return true;
    return err_set(err, ERR_FAILED, "site \"%s\" has received %s and replayed %s, and the shutdown of site \"%s\" was written at %s", m->to->name,
                   lsn_print(m->ctx->arena, m->standby.lsn), lsn_print(m->ctx->arena, m->standby.replayed), m->from->name,
                   lsn_print(m->ctx->arena, m->control.checkpoint));
}

/* The shutdown's checkpoint is the last record of a primary that ended in order. Who has it has all. */
static bool prove(struct move *m, struct err *err)
{
    report_progress(m->ctx->report, 0, 0, "making sure that %s has all of %s", m->to->name, m->from->name);
    /* An agent keeps it stopped, over a reboot too; with the mark it would take itself for a standby that its epoch wants to be promoted. */
    if (!(by_agent(m) ? cluster_control(m->ctx, m->from, &m->control, err) : cluster_mark_standby(m->ctx, m->from, true, &m->control, err)))
        return false;
    if (!m->control.was_primary)
        return err_set(err, ERR_FAILED, "the database of site \"%s\" did not end in order: it is \"%s\"", m->from->name, m->control.state);
    if (!action_wait(m->ctx, ARRIVES_MS, LOOK_EVERY_MS, has_arrived, m, err))
        return false;
    m->plan.checkpoint = m->control.checkpoint;
    m->plan.timeline = m->control.timeline;
    return keep_phase(m, PLAN_PROVEN, err);
}

/* ---- back ---- */

static bool old_writes(void *arg, struct err *err)
{
    struct move *m = arg;
    if (!m->old && !pg_open(&m->from->database.at, NULL, action_time(m->ctx, CONNECT_MS), &m->old, err))
        return false;
    if (pg_exec(m->old, m->ctx->arena, a_write, NULL, 0, action_time(m->ctx, QUESTION_MS), NULL, err))
        return true;
    pg_close(&m->old);
    return false;
}

static bool kill_old(const struct move *m, struct err *err)
{
    return by_agent(m) ? stop_by_agent(m, "immediate", err) : tell_unit(m, UNIT_KILL, KILL_MS, err);
}

/* Started again as what it was. What still runs, because its shutdown did not end, is ended first. */
static bool start_old(struct move *m, struct err *err)
{
    struct control control;
    struct err unwell = {0};
    if (old_writes(m, err))
        return true;
    if (!cluster_mark_standby(m->ctx, m->from, false, &control, err) && (!kill_old(m, err) || !cluster_mark_standby(m->ctx, m->from, false, &control, err)))
        return false;
    report_progress(m->ctx->report, 0, 0, "starting %s again", m->from->name);
    bool begun = start_it(m, &unwell); /* only whether it writes counts */
    if (action_wait(m->ctx, begun ? WRITES_MS : SETTLES_MS, LOOK_SLOWLY_MS, old_writes, m, err))
        return true;
    return begun ? false : err_prefix(err, "%.200s; besides", unwell.message);
}

/* Only before anybody was promoted. A site that takes writes meanwhile, by whose hand ever, ends the way back. */
static bool go_back(struct move *m, const char *why, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct standing other;
    struct err unread = {0};
    COPY_TO(m->plan.why, why);
    report_fact(m->ctx->report, "switchover.cancelled", "%s", why);
    if (look(m, m->to, &m->new, &other, &unread) && !other.recovery) {
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(ret_text, MODEL_TEXT_SIZE, "%.200s; and site \"%s\" takes writes, so that site \"%s\" is not started as a primary again: `%s` makes it follow", why,
                   m->to->name, m->from->name, action_command(m->ctx, "failback %s", m->from->name));
        return true;
    }
    if (!keep_phase(m, PLAN_CANCELLING, err) || !start_old(m, err)) {
        *ret_outcome = OUTCOME_BLOCKED;
        action_say(ret_text, MODEL_TEXT_SIZE, "%.200s; site \"%s\" was to be started again, and does not take writes: %.200s; try again: %s", why, m->from->name, err->message,
                   action_command(m->ctx, "switchover --to %s", m->to->name));
        return true;
    }
    int64_t took_ms = m->stopped_ms ? clock_boot_ms() - m->stopped_ms : clock_wall_ms() - m->plan.stopped_ms;
    report_fact(m->ctx->report, "switchover.outage_ms", "%lld", (long long)took_ms);
    if (!keep_phase(m, PLAN_CANCELLED, err))
        return false;
    report_fact(m->ctx->report, "switchover.ended", "cancelled");
    return err_set(err, ERR_FAILED, "cancelled: %.300s; site \"%s\" takes writes again after %s, and its users were not moved", why, m->from->name,
                   duration_say(m->ctx->arena, took_ms));
}

/* The way back is not cut short by a budget that the way there has used up. */
static bool cancel(struct move *m, const char *why, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    const struct action_ctx *hurried = m->ctx;
    struct action_ctx unhurried = *hurried;
    unhurried.budget_ms = 0;
    m->ctx = &unhurried;
    bool ok = go_back(m, why, ret_outcome, ret_text, err);
    m->ctx = hurried;
    return ok;
}

/* ---- forward ---- */

static bool sub_action(const struct move *m, const char *name, const char *const *words, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct action_ctx ctx = *m->ctx;
    ctx.args = host_argv(ctx.arena, words);
    ctx.run = "switchover"; /* its steps were weighed here */
    const struct action_ops *ops = action_find(name);
    return ops ? ops->run(&ctx, ret_outcome, ret_text, err) : err_set(err, ERR_INTERNAL, "there is no action \"%s\"", name);
}

/* It was seen before the shutdown, by a process that may be gone: that kept what it saw. What it archived on its way down is looked for only where the
   archive can be asked. */
static void note_primary(const struct move *m, struct standing_pair *pair)
{
    struct standing_pair kept;
    struct err why = {0};
    bool seen = *m->primary.cluster;
    if (!seen && standing_recall(m->ctx->arena, m->ctx->state_dir, m->ctx->service->name, m->to->name, &kept, &why) && same(kept.primary, m->from->name)) {
        COPY_TO(pair->slots, kept.slots);
        COPY_TO(pair->archived, kept.archived);
        pair->archives = kept.archives;
    } else if (seen) {
        COPY_TO(pair->slots, m->primary.slots);
        COPY_TO(pair->archived, m->primary.archived);
        pair->archives = !same(m->primary.archiving, "off");
    }
    pair->archives = pair->archives && m->ctx->service->replication.archive_has.n;
}

/* Its figures are exact for once: the old one wrote nothing after what is here. */
static bool promote_new(struct move *m, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    int64_t now = clock_wall_ms();
    struct standing_pair pair = {.timeline = m->plan.timeline, .primary_clock_ms = now, .at_ms = now};
    if (!look(m, m->to, &m->new, &m->standby, err))
        return false;
    pair.lsn = pair.received = m->standby.lsn;
    COPY_TO(pair.primary, m->from->name);
    COPY_TO(pair.standby, m->to->name);
    COPY_TO(pair.cluster, m->standby.cluster);
    note_primary(m, &pair);
    if (m->standby.recovery && !standing_keep(m->ctx->state_dir, m->ctx->service->name, &pair, err))
        return false;
    const char *words[] = {m->to->name, NULL};
    if (!sub_action(m, "promote", words, ret_outcome, ret_text, err))
        return false;
    if (*ret_outcome != OUTCOME_SUCCESS)
        return true;
    report_fact(m->ctx->report, "promote.loss", "nothing is lost: site \"%s\" has the record of the shutdown of site \"%s\", at %s", m->to->name, m->from->name,
                lsn_print(m->ctx->arena, m->plan.checkpoint));
    return keep_phase(m, PLAN_PROMOTED, err);
}

static bool send_users(struct move *m, struct err *err)
{
    enum outcome outcome = OUTCOME_FAILURE;
    char text[MODEL_TEXT_SIZE] = "";
    const char *words[] = {"switch", m->to->name, NULL};
    if (!m->ctx->service->traffic.driver) {
        report_fact(m->ctx->report, "switchover.traffic", "the service has no `traffic:`, so whoever directs the users must do so now");
        return true;
    }
    return sub_action(m, "traffic", words, &outcome, text, err);
}

static bool old_follows(void *arg, struct err *err)
{
    struct move *m = arg;
    const char *params[] = {m->from->name};
    int64_t n;
    if (!m->new && !pg_open(&m->to->database.at, NULL, action_time(m->ctx, CONNECT_MS), &m->new, err))
        return false;
    if (!ask_number(m, m->new, "select count(*) from pg_catalog.pg_stat_replication where application_name = $1 and state = 'streaming'", params, 1, &n, err)) {
        pg_close(&m->new);
        return false;
    }
    return n || err_set(err, ERR_TIMEOUT, "site \"%s\" does not stream from site \"%s\"", m->from->name, m->to->name);
}

/* Of the slot through which the new primary streamed nobody will read again: it would keep changes until the disk is full. */
static void drop_slot(struct move *m)
{
    const char *params[] = {m->plan.slot};
    struct err why = {0};
    struct standing s;
    pg_close(&m->old);
    if (*m->plan.slot && (!look(m, m->from, &m->old, &s, &why) || !s.recovery ||
                          !pg_exec(m->old, m->ctx->arena, "select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1 and not active",
                                   params, 1, action_time(m->ctx, QUESTION_MS), NULL, &why)))
        report_fact(m->ctx->report, "switchover.slot", "slot \"%s\" of site \"%s\" was not dropped and keeps changes: %s", m->plan.slot, m->from->name, why.message);
}

static bool set_wait(struct move *m, struct err *err)
{
    const char *name = pg_identifier(m->new, m->ctx->arena, m->from->name), *value = name ? pg_literal(m->new, m->ctx->arena, name) : NULL;
    if (!value)
        return err_set(err, ERR_DATA, "the name of site \"%s\" is no text", m->from->name);
    return pg_exec(m->new, m->ctx->arena, arena_printf(m->ctx->arena, "alter system set synchronous_standby_names = %s", value), NULL, 0, action_time(m->ctx, QUESTION_MS), NULL, err) &&
           pg_exec(m->new, m->ctx->arena, "select pg_catalog.pg_reload_conf()", NULL, 0, action_time(m->ctx, QUESTION_MS), NULL, err);
}

/* Commits waited for the standby before, so they do again, now that there is one. */
static void wait_again(struct move *m)
{
    static const char kept_sql[] = "select (pg_catalog.current_setting('synchronous_standby_names') <> '')::int";
    struct err why = {0};
    int64_t kept;
    if (!m->plan.in_sync || (ask_number(m, m->new, kept_sql, NULL, 0, &kept, &why) && kept)) /* kept: there are further standbys to wait for */
        return;
    bool ok = set_wait(m, &why);
    report_fact(m->ctx->report, "switchover.synchronous", "%s", ok ? arena_printf(m->ctx->arena, "commits wait for site \"%s\"", m->from->name) : why.message);
}

/* The users are served already: what fails here is said, and mended by a failback. */
static const char *let_old_follow(struct move *m)
{
    struct err err = {0};
    struct control control;
    report_progress(m->ctx->report, 0, 0, "%s begins to follow %s", m->from->name, m->to->name);
    bool ok = old_follows(m, &err) ||
              (cluster_mark_standby(m->ctx, m->from, true, &control, &err) &&
               start_it(m, &err) && action_wait(m->ctx, FOLLOWS_MS, LOOK_SLOWLY_MS, old_follows, m, &err));
    report_fact(m->ctx->report, "switchover.follows", "%s", ok ? "yes" : err.message);
    if (ok) {
        drop_slot(m);
        wait_again(m);
    }
    return ok ? NULL : arena_printf(m->ctx->arena, "%s", err.message);
}

static bool has_archived(void *arg, struct err *err)
{
    struct move *m = arg;
    int64_t newer;
    const char *params[] = {arena_printf(m->ctx->arena, "%08X", (unsigned)m->plan.timeline)};
    if (!ask_number(m, m->new, "select (substr(coalesce(last_archived_wal, ''), 1, 8) > $1)::int from pg_catalog.pg_stat_archiver", params, 1, &newer, err))
        return false;
    return newer || err_set(err, ERR_TIMEOUT, "nothing of its new timeline was archived within %s", duration_say(m->ctx->arena, ARCHIVES_MS));
}

/* The history of the new timeline is the first that it archives, at once, where it archives at all. */
static void look_at_archive(struct move *m)
{
    struct err why = {0};
    if (str_starts(str_of(m->standby.archiving), "off"))
        return;
    bool ok = action_wait(m->ctx, ARCHIVES_MS, LOOK_SLOWLY_MS, has_archived, m, &why);
    report_fact(m->ctx->report, "switchover.archiving", "%s", ok ? "the new timeline arrives in the archive" : why.message);
}

static bool go_forward(struct move *m, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    if (m->plan.phase == PLAN_PROVEN) {
        if (!promote_new(m, ret_outcome, ret_text, err))
            return err_prefix(err, "site \"%s\" is stopped, and site \"%s\" has all of it", m->from->name, m->to->name);
        if (*ret_outcome != OUTCOME_SUCCESS)
            return true;
    }
    if (!send_users(m, err))
        return err_prefix(err, "site \"%s\" takes writes, and the users are not there yet", m->to->name);
    int64_t outage_ms = m->stopped_ms ? clock_boot_ms() - m->stopped_ms : clock_wall_ms() - m->plan.stopped_ms;
    report_fact(m->ctx->report, "switchover.outage_ms", "%lld", (long long)outage_ms);
    const char *why_not = let_old_follow(m);
    look_at_archive(m);
    if (!keep_phase(m, PLAN_DONE, err))
        return false;
    report_fact(m->ctx->report, "switchover.ended", "done");
    *ret_outcome = OUTCOME_SUCCESS;
    const char *outage = duration_say(m->ctx->arena, outage_ms);
    if (why_not)
        action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" serves the users after %s without writes, and nothing was lost; site \"%s\" does not follow it (%.200s): %s",
                   m->to->name, outage, m->from->name, why_not, action_command(m->ctx, "failback %s", m->from->name));
    else
        action_say(ret_text, MODEL_TEXT_SIZE, "site \"%s\" serves the users after %s without writes, nothing was lost, and site \"%s\" follows it; back: %s", m->to->name,
                   outage, m->from->name, action_command(m->ctx, "switchover --to %s", m->from->name));
    return true;
}

/* ---- where Patroni manages it ---- */

static bool sent_there(const struct move *m, bool *ret, struct err *err)
{
    const struct traffic_ops *ops;
    const struct site *now = NULL;
    *ret = !m->ctx->service->traffic.driver;
    if (*ret)
        return true;
    if (!traffic_of(m->ctx, &ops, err) || !ops->read_back(m->ctx, &now, err))
        return false;
    *ret = now == m->to;
    return true;
}

static bool move_by_patroni(struct move *m, char *ret_text, struct err *err)
{
    int64_t began_ms = clock_boot_ms();
    char led[MODEL_TEXT_SIZE] = "";
    if (!action_site(m->ctx, m->ctx->args.p[0], &m->to, err) || !patroni_move(m->ctx, m->to, PATRONI_SWITCHOVER, led, err))
        return false;
    if (!send_users(m, err))
        return err_prefix(err, "site \"%s\" takes writes, and the users are not there yet", m->to->name);
    report_fact(m->ctx->report, "switchover.outage_ms", "%lld", (long long)(clock_boot_ms() - began_ms));
    report_fact(m->ctx->report, "switchover.ended", "done");
    action_say(ret_text, MODEL_TEXT_SIZE, "%s%s", led, m->ctx->service->traffic.driver ? "; the users are there" : "");
    return true;
}

/* ---- the action ---- */

static const char *command_of(const struct move *m, enum unit_verb verb)
{
    struct strs words = unit_words(m->ctx->arena, &m->from->host, &m->from->database.unit, verb);
    return by_agent(m) ? arena_printf(m->ctx->arena, "POST /v1/%s to its agent", unit_verb_name(verb)) : host_words(m->ctx->arena, &words);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct move m SCOPED(move_done) = {.ctx = ctx};
    struct following f;
    if (patroni_manages(ctx->service))
        return action_site(ctx, ctx->args.p[0], &m.to, err) && patroni_describe(ctx, m.to, PATRONI_SWITCHOVER, out, err) &&
               (!ctx->service->traffic.driver || buf_puts(out, "then sends the users there\n"));
    if (!find_move(&m, err))
        return false;
    if (plan_open(m.plan.phase))
        return buf_printf(out, "a switchover from \"%s\" to \"%s\" is half done, at \"%s\": it would be %s\n", m.plan.from, m.plan.to, plan_phase_name(m.plan.phase),
                          m.plan.phase == PLAN_CANCELLING ? "taken back" : "gone on with, or taken back where it cannot be proven that nothing is lost");
    if (!may_begin(&m, err) || !cluster_following(ctx, m.from, m.to, &f, err))
        return false;
    const char *stop = command_of(&m, UNIT_STOP), *start = command_of(&m, UNIT_START);
    buf_printf(out, "site \"%s\" writes at %s; site \"%s\" has received %s and replayed %s, and receives\n", m.from->name, lsn_print(ctx->arena, m.primary.lsn), m.to->name,
               lsn_print(ctx->arena, m.standby.lsn), lsn_print(ctx->arena, m.standby.replayed));
    buf_printf(out, "makes slot \"%s\" on \"%s\", writes into the settings of \"%s\" whom it will follow, and makes a checkpoint; nobody notices\n", f.slot, m.to->name,
               m.from->name);
    buf_printf(out, "then shuts \"%s\" down in order; from here on nobody writes\n$ %s\n", m.from->name, stop);
    buf_printf(out, "\"%s\" must have the record of that shutdown within %s, else \"%s\" is started again and all is as before\n", m.to->name,
               duration_say(ctx->arena, ARRIVES_MS), m.from->name);
    buf_printf(out, "then promotes \"%s\"%s; from here on it writes\n", m.to->name, ctx->service->traffic.driver ? " and sends the users there" : "");
    return buf_printf(out, "then starts \"%s\" as its standby\n$ %s\n", m.from->name, start);
}

static bool done_already(const struct action_ctx *ctx, bool *ret, char *why, size_t why_size, struct err *err)
{
    struct move m SCOPED(move_done) = {.ctx = ctx};
    const struct traffic_ops *ops;
    const struct site *now = NULL;
    *ret = false;
    if (patroni_manages(ctx->service)) {
        bool there = false;
        if (!action_site(ctx, ctx->args.p[0], &m.to, err) || !patroni_leads(ctx, m.to, ret, why, why_size, err) || (*ret && !sent_there(&m, &there, err)))
            return false;
        *ret = *ret && there;
        if (*ret)
            report_fact(ctx->report, "switchover.ended", "done");
        return true;
    }
    if (!find_move(&m, err))
        return false;
    if (plan_open(m.plan.phase))
        return true;
    if (!look(&m, m.to, &m.new, &m.standby, err) || m.standby.recovery || !old_follows(&m, err))
        return true;
    if (ctx->service->traffic.driver && (!traffic_of(ctx, &ops, err) || !ops->read_back(ctx, &now, err) || now != m.to))
        return true;
    *ret = true;
    report_fact(ctx->report, "switchover.ended", "done");
    action_say(why, why_size, "site \"%s\" takes writes, and site \"%s\" follows it", m.to->name, m.from->name);
    return true;
}

static bool lock(const struct action_ctx *ctx, int *ret_fd, struct err *err)
{
    return action_lock(ctx, "switchover", arena_printf(ctx->arena, "a switchover of service \"%s\" is under way", ctx->service->name), ret_fd, err);
}

/* Killed before the old primary was stopped: nothing has happened yet, and nothing is to happen when it may not be begun any more. */
static bool goes_on(struct move *m, struct err *err)
{
    struct err down = {0}, unkept = {0};
    if (m->plan.phase != PLAN_STOPPING || !look(m, m->from, &m->old, &m->primary, &down) || m->primary.recovery)
        return true;
    m->resumed = false;
    if (may_begin(m, err))
        return true;
    COPY_TO(m->plan.why, err->message);
    if (!keep_phase(m, PLAN_CANCELLED, &unkept))
        return err_prefix(err, "%.200s; besides", unkept.message);
    report_fact(m->ctx->report, "switchover.ended", "cancelled");
    return false;
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct move m SCOPED(move_done) = {.ctx = ctx};
    int fd SCOPED(file_close) = -1, restores SCOPED(file_close) = -1;
    if (patroni_manages(ctx->service)) {
        *ret_outcome = OUTCOME_SUCCESS;
        return lock(ctx, &fd, err) && move_by_patroni(&m, ret_text, err);
    }
    if (!lock(ctx, &fd, err) || !warmsite_lock(ctx, 0, &restores, err) || !find_move(&m, err))
        return false;
    if (m.plan.phase == PLAN_CANCELLED && ctx->incident && m.plan.incident == ctx->incident) /* tried again by the playbook, for those that were killed */
        return err_set(err, ERR_FAILED, "cancelled: %s", m.plan.why);
    if (m.plan.phase == PLAN_CANCELLING)
        return cancel(&m, m.plan.why, ret_outcome, ret_text, err);
    m.resumed = plan_open(m.plan.phase);
    if (m.resumed ? !goes_on(&m, err) : !may_begin(&m, err) || !prepare(&m, err) || !begin(&m, err))
        return false;
    if (m.plan.phase == PLAN_STOPPING && (!stop_old(&m, err) || !prove(&m, err)))
        return err->code == ERR_CANCELLED ? false /* somebody stopped this process: whoever comes next goes on */ : cancel(&m, arena_strdup(ctx->arena, err->message), ret_outcome, ret_text, err);
    *err = (struct err){0};
    bool ok = go_forward(&m, ret_outcome, ret_text, err);
    if (ok || err->code == ERR_CANCELLED)
        return ok;
    *ret_outcome = OUTCOME_BLOCKED; /* there is no way back from here, so that it is no failure that leaves things as they were */
    action_say(ret_text, MODEL_TEXT_SIZE, "%.400s; it goes on from there: %s", err->message, action_command(ctx, "switchover --to %s", m.to->name));
    return true;
}

extern const struct action_ops action_switchover;
const struct action_ops action_switchover = {
    .name = "switchover",
    .usage = "switchover SITE",
    .summary = "moves the service to its standby without losing anything: the old primary is shut down, the standby must have all of it, and the old one follows",
    .changes = true,
    .args_min = 1,
    .args_max = 1,
    .valid = valid,
    .describe = describe,
    .done_already = done_already,
    .run = run,
};
