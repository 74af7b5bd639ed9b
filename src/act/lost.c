/* act/lost.c -- The fork is read from the new primary, since it alone knows how much it had received when it parted. */
#include "act/lost.h"

#include <inttypes.h>

#include "act/agentlink.h"
#include "act/archive.h"
#include "act/cluster.h"
#include "io/standing.h"

#include "base/banned.h"

enum { QUESTION_MS = 5 * MS_SECOND };

bool lost_fork(const struct action_ctx *ctx, struct pg *pg, int64_t now, int64_t *timeline, uint64_t *ret, struct err *err)
{
    struct pg_rows *rows;
    const char *params[] = {arena_printf(ctx->arena, "pg_wal/%08" PRIX64 ".history", now)};
    if (now <= 1)
        return err_set(err, ERR_NOT_FOUND, "it is on timeline %" PRId64 ", and parted from nobody", now);
    if (!pg_exec(pg, ctx->arena, "select pg_catalog.convert_from(pg_catalog.pg_read_binary_file($1), 'SQL_ASCII')", params, 1, action_time(ctx, QUESTION_MS), &rows, err))
        return err_prefix(err, "reading where the new primary left timeline %" PRId64, *timeline);
    for (int64_t n = *timeline ? *timeline : now - 1, to = *timeline ? n : 1; n >= to; n--)
        if (pg_count(rows) && history_fork(str_of(pg_text(rows, 0, 0)), n, ret)) {
            *timeline = n;
            return true;
        }
    return err_set(err, ERR_NOT_FOUND, "the history of timeline %" PRId64 " does not say where %" PRId64 " was left", now, *timeline);
}

static bool by_agent(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t time_ms, struct parted *ret, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    const struct agent_answer *answer = agentlink_lost(link, site, timeline, fork, action_time(ctx, time_ms));
    return agentlink_finish(link, answer, site, err) && agentlink_lost_said(answer, ret, err);
}

bool lost_count(const struct action_ctx *ctx, const struct site *site, int64_t timeline, uint64_t fork, int64_t time_ms, struct parted *ret, struct err *err)
{
    return site_lives_by_lease(ctx->config, ctx->service, site) ? by_agent(ctx, site, timeline, fork, time_ms, ret, err)
                                                                : cluster_lost(ctx, site, timeline, fork, time_ms, ret, err);
}

char *lost_say(const struct action_ctx *ctx, const struct site *site, const struct parted *lost)
{
    const char *fork = lsn_print(ctx->arena, lost->fork), *end = lsn_print(ctx->arena, lost->end);
    if (lost->end == lost->fork)
        return arena_printf(ctx->arena, "nothing is lost: the log of \"%s\" ends at %s, and all of it had arrived", site->name, end);
    const char *probes = lost->probes ? arena_printf(ctx->arena, ", besides %" PRId64 " probe%s of bascule", lost->probes, lost->probes == 1 ? "" : "s") : "";
    return arena_printf(ctx->arena, "%" PRId64 " transaction%s that \"%s\" had committed %s lost%s: its log goes on from %s, where they parted, to %s, %" PRIu64 " bytes", lost->transactions,
                        lost->transactions == 1 ? "" : "s", site->name, lost->transactions == 1 ? "is" : "are", probes, fork, end, lost->end - lost->fork);
}

void lost_tell(const struct action_ctx *ctx, const struct site *site, const struct parted *lost)
{
    report_fact(ctx->report, "loss.measured", "%s", lost_say(ctx, site, lost));
    report_fact(ctx->report, "loss.probes", "%" PRId64, lost->probes);
    report_fact(ctx->report, "loss.transactions", "%" PRId64, lost->transactions);
    report_fact(ctx->report, "loss.bytes", "%" PRIu64, lost->end - lost->fork);
}
