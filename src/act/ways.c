/* act/ways.c -- Asks the old site's host, the standby, the warm copy and the backups, each with a deadline of its own. */
#include "act/ways.h"

#include "act/backups.h"
#include "act/patroni.h"
#include "act/proof.h"
#include "act/slots.h"
#include "act/takeover.h"
#include "act/unit.h"
#include "act/warmsite.h"
#include "io/pg.h"
#include "io/standing.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { CONNECT_MS = 2 * MS_SECOND, QUESTION_MS = 2 * MS_SECOND, STATUS_MS = 5 * MS_SECOND };

#define SAY_WHY(array, ...) action_say((array), sizeof(array), __VA_ARGS__)

/* ---- restart ---- */

static void measure_restart(const struct action_ctx *ctx, const struct site *from, struct ways_facts *f)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct err err = {0};
    enum unit_masked masked;
    enum unit_state state;
    char say[200];
    const char *what = arena_printf(ctx->arena, "%s.database", from->name);
    f->restart.asked = true;
    f->restart.answers = pg_open(&from->database.at, NULL, action_time(ctx, CONNECT_MS), &pg, &err) ? TOLD_YES : TOLD_NO;
    if (f->restart.answers == TOLD_YES)
        return;
    if (!unit_can(ctx->arena, &from->host, &from->database.unit, UNIT_START, what, &err))
        SAY_WHY(f->restart.why, "%s", err.message);
    else if (!unit_state(ctx, &from->host, &from->database.unit, action_time(ctx, STATUS_MS), &state, say, sizeof(say), &err))
        f->restart.startable = NOT_TOLD, SAY_WHY(f->restart.why, "%s", err.message);
    else if (unit_masked(ctx, &from->host, &from->database.unit, action_time(ctx, STATUS_MS), &masked, &err) && masked == UNIT_IS_MASKED)
        SAY_WHY(f->restart.why, "its start is masked, as a fence leaves it");
    else
        f->restart.startable = TOLD_YES;
}

/* ---- promote ---- */

/* How far the standby is behind what was last known of its primary. */
static void measure_lag(const struct action_ctx *ctx, const struct site *to, const struct standing *s, struct ways_facts *f)
{
    struct standing_pair pair;
    struct err err = {0};
    if (!standing_recall(ctx->arena, ctx->state_dir, ctx->service->name, to->name, &pair, &err)) {
        SAY_WHY(f->promote.why, "%s", err.message);
        return;
    }
    if (!same(pair.cluster, s->cluster) || pair.timeline != s->timeline) {
        SAY_WHY(f->promote.why, "what was kept of site \"%s\" is about another cluster or timeline", to->name);
        return;
    }
    f->promote.lag_known = true;
    f->promote.in_sync = pair.in_sync;
    f->promote.slots_known = true;
    f->promote.slot_count = slots_judge(
        &(struct slots_asked){.there = pair.slots, .here = s->slots, .own = s->own_slot, .version = s->version, .received = s->lsn, .carried = ctx->service->replication.carry_slots},
        f->promote.slots, COUNT_OF(f->promote.slots));
    f->promote.lag_bytes = pair.lsn > s->lsn ? pair.lsn - s->lsn : 0;
    if (f->promote.lag_bytes)
        f->promote.lag_ms = MAX_OF(pair.primary_clock_ms - s->commit_ms, 0);
    f->good_ms = pair.at_ms;
}

/* What takes over by a lease asks etcd first; and of several standbys enough have to be compared. */
static void measure_votes(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    struct takeover t SCOPED(takeover_close) = {0};
    struct err err = {0};
    char say[sizeof(f->promote.why)];
    if (!takeover_open(ctx, to, NULL, false, &t, &err)) {
        f->promote.standby = NOT_TOLD;
        SAY_WHY(f->promote.why, "%s", err.message);
    } else if (takeover_votes(&t, f->promote.in_sync, say, sizeof(say)) == VOTES_MISSING) {
        f->promote.unproven = true;
        SAY_WHY(f->promote.why, "%s", say);
    }
}

static void measure_promote(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    struct pg *pg SCOPED(pg_close) = NULL;
    struct pg_rows *rows;
    struct standing s;
    struct err err = {0};
    f->promote.limit_bytes = (uint64_t)ctx->service->replication.max_loss_mib << 20;
    if (!pg_open(&to->database.at, NULL, action_time(ctx, CONNECT_MS), &pg, &err) ||
        !pg_exec(pg, ctx->arena, standing_sql, NULL, 0, action_time(ctx, QUESTION_MS), &rows, &err) ||
        !standing_parse(pg_count(rows) ? pg_text(rows, 0, 0) : NULL, &s, &err)) {
        f->promote.standby = NOT_TOLD;
        SAY_WHY(f->promote.why, "%s", err.message);
        return;
    }
    if (!s.recovery) {
        SAY_WHY(f->promote.why, "the database of site \"%s\" is no standby", to->name);
        return;
    }
    f->promote.standby = TOLD_YES;
    f->promote.receives = same(s.receiver, "streaming") ? TOLD_YES : s.sees ? TOLD_NO : NOT_TOLD;
    f->promote.delayed = s.delay_ms > 0 && !ctx->service->replication.apply_delay;
    measure_lag(ctx, to, &s, f);
    if (site_lives_by_lease(ctx->config, ctx->service, to))
        measure_votes(ctx, to, f);
}

/* ---- copies ---- */

static void measure_warm(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    struct warm_copy copy = {0};
    struct err err = {0};
    if (f->promote.standby == TOLD_YES)
        SAY_WHY(f->warm.why, "the database of site \"%s\" is a standby, which holds no other copy", to->name);
    else if (!warm_look(ctx->arena, &to->database.at, warmsite_admin(to), &copy, &err))
        f->warm.usable = NOT_TOLD, SAY_WHY(f->warm.why, "%s", err.message);
    else if (!copy.waits)
        SAY_WHY(f->warm.why, "no copy waits at site \"%s\"", to->name);
    else if (copy.touched)
        SAY_WHY(f->warm.why, "the copy cannot be used: %s", copy.touched);
    else
        f->warm.usable = TOLD_YES;
    if (f->warm.usable == TOLD_YES)
        f->warm.snapshot_ms = copy.snapshot_wall_ms;
}

/* By its record alone: reading them whole is the restore's own work. */
static void measure_restore(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    struct backup_place place;
    struct backup *list;
    size_t n;
    struct err err = {0};
    if (f->promote.standby == TOLD_YES) {
        SAY_WHY(f->restore.why, "the database of site \"%s\" is a standby: nothing can be restored into it before it is promoted", to->name);
        return;
    }
    if (!warmsite_restorable(to, true, &err) || !site_backups(ctx->arena, ctx->service, to, NULL, &place, &err) ||
        !backup_list(ctx->arena, &place, &list, &n, &err)) {
        f->restore.usable = NOT_TOLD;
        SAY_WHY(f->restore.why, "%s", err.message);
        return;
    }
    for (size_t i = 0; i < n && f->restore.usable != TOLD_YES; i++)
        if (!list[i].damage) {
            f->restore.usable = TOLD_YES;
            f->restore.snapshot_ms = list[i].snapshot_wall_ms;
        }
    if (f->restore.usable != TOLD_YES)
        SAY_WHY(f->restore.why, n ? "none of the backups in \"%s\" is good" : "there is no backup in \"%s\"", to->backup.folder);
}

static void measure_durations(const struct action_ctx *ctx, const struct site *to, struct ways_facts *f)
{
    struct proof *list;
    size_t n;
    f->promote.took_ms = f->warm.took_ms = f->restore.took_ms = -1;
    if (!proof_list(ctx->arena, ctx->state_dir, ctx->service->name, &list, &n, NULL))
        return;
    const struct {
        const char *kind;
        int64_t *to;
    } kinds[] = {{"promote", &f->promote.took_ms}, {"take", &f->warm.took_ms}, {"restore", &f->restore.took_ms}, {"follow", &f->restore.took_ms}};
    for (size_t k = 0; k < COUNT_OF(kinds); k++)
        for (size_t i = 0; i < n && *kinds[k].to < 0; i++)
            if (list[i].ok && same(list[i].kind, kinds[k].kind) && same(list[i].site, to->name))
                *kinds[k].to = list[i].took_ms;
}

void ways_measure(const struct action_ctx *ctx, const struct site *from, const struct site *to, bool restart, struct ways_facts *ret)
{
    *ret = (struct ways_facts){.now_ms = clock_wall_ms()};
    measure_durations(ctx, to, ret);
    if (patroni_manages(ctx->service)) {
        patroni_measure(ctx, to, ret);
    } else {
        if (restart)
            measure_restart(ctx, from, ret);
        measure_promote(ctx, to, ret);
    }
    measure_warm(ctx, to, ret);
    measure_restore(ctx, to, ret);
}
