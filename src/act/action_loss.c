/* act/action_loss.c -- What an old primary had committed and the new one never received. It only looks: the controller asks as soon as the old primary's
   machine answers again, and a person whenever they want to know. */
#include <inttypes.h>

#include "act/cluster.h"
#include "act/lost.h"
#include "act/patroni.h"
#include "io/standing.h"

#include "base/banned.h"

enum { CONNECT_MS = 3 * MS_SECOND, QUESTION_MS = 3 * MS_SECOND, READ_MS = MS_MINUTE };

struct question {
    const struct site *site;
    int64_t timeline; /* that both were on; 0: not given */
    uint64_t fork;
};

static bool read_question(const struct action_ctx *ctx, struct question *ret, struct err *err)
{
    const struct strs *args = &ctx->args;
    *ret = (struct question){0};
    if (!action_site(ctx, args->p[0], &ret->site, err))
        return false;
    if (args->n == 1)
        return true;
    return (args->n == 3 && str_int(str_of(args->p[1]), &ret->timeline) && ret->timeline > 0 && ret->timeline <= UINT32_MAX && lsn_parse(str_of(args->p[2]), &ret->fork) && ret->fork) ||
           err_set(err, ERR_USAGE, "it is written: loss SITE [TIMELINE POSITION], as in promote.parted");
}

static bool valid(const struct action_ctx *ctx, struct err *err)
{
    struct question q;
    if (patroni_manages(ctx->service))
        return err_set(err, ERR_REFUSED, "Patroni rewinds an old leader by itself, and what that had written is gone then");
    return read_question(ctx, &q, err) && cluster_known(q.site, err);
}

/* The newest parting of the one site that takes writes. */
static bool find_fork(const struct action_ctx *ctx, struct question *q, struct err *err)
{
    struct err why = {0};
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const struct site *site = &ctx->service->sites.p[i];
        struct pg *pg SCOPED(pg_close) = NULL;
        struct pg_rows *rows;
        struct standing s;
        if (site == q->site || !site->database.at.host || !pg_open(&site->database.at, NULL, action_time(ctx, CONNECT_MS), &pg, &why) ||
            !pg_exec(pg, ctx->arena, standing_sql, NULL, 0, action_time(ctx, QUESTION_MS), &rows, &why) || !standing_parse(pg_count(rows) ? pg_text(rows, 0, 0) : NULL, &s, &why) || s.recovery)
            continue;
        return lost_fork(ctx, pg, s.timeline, &q->timeline, &q->fork, err);
    }
    return err_set(err, ERR_UNAVAILABLE, "no other site takes writes, which alone knows where they parted%s%s", why.code ? ": " : "", why.message);
}

static bool describe(const struct action_ctx *ctx, struct buf *out, struct err *err)
{
    struct question q;
    if (!read_question(ctx, &q, err) || (!q.timeline && !find_fork(ctx, &q, err)))
        return false;
    return buf_printf(out, "counts what the log of site \"%s\" holds of timeline %" PRId64 " behind %s, by pg_waldump; it changes nothing\n", q.site->name, q.timeline, lsn_print(ctx->arena, q.fork));
}

static bool run(const struct action_ctx *ctx, enum outcome *ret_outcome, char *ret_text, struct err *err)
{
    struct question q;
    struct parted lost;
    if (!read_question(ctx, &q, err) || (!q.timeline && !find_fork(ctx, &q, err)))
        return false;
    report_progress(ctx->report, 0, 0, "counting what %s wrote after they had parted", q.site->name);
    if (!lost_count(ctx, q.site, q.timeline, q.fork, READ_MS, &lost, err)) {
        if (err->code == ERR_DATA)
            report_fact(ctx->report, "loss.unknown", "%s", err->message);
        return false;
    }
    lost_tell(ctx, q.site, &lost);
    *ret_outcome = OUTCOME_SUCCESS;
    action_say(ret_text, MODEL_TEXT_SIZE, "%s", lost_say(ctx, q.site, &lost));
    return true;
}

extern const struct action_ops action_loss;
const struct action_ops action_loss = {
    .name = "loss",
    .usage = "loss SITE [TIMELINE POSITION]",
    .summary = "counts what an old primary had committed and the new one never received",
    .args_min = 1,
    .args_max = 3,
    .valid = valid,
    .describe = describe,
    .run = run,
};
