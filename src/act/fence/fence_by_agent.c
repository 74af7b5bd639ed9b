/* act/fence/fence_by_agent.c -- The agent beside the database ends it, proves that, and gives its word that it never writes again in the
   epoch in which it did. */
#include "act/agentlink.h"
#include "act/fence/fence.h"

#include "base/banned.h"

/* Long enough for the end of every process there, short enough for a host that is cut off. */
enum { STOP_MS = 3 * MS_SECOND, STATE_MS = MS_SECOND };

static bool usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    (void)ctx;
    if (!site->agent.listen)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no agent", site->name);
    return site->agent.token.source != SECRET_NONE || err_set(err, ERR_CONFIG, "the agent of site \"%s\" has no token, so it takes no orders", site->name);
}

static bool ask(const struct site *site, struct agentlink *link, struct agent_said *ret, struct err *err)
{
    const struct agent_answer *answer = agentlink_ask(link, site, "/v1/state", STATE_MS);
    return agentlink_finish(link, answer, site, err) && agent_said(answer, ret, err);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    struct agent_said said;
    (void)ctx;
    return ask(site, link, &said, err) && buf_printf(out, "tells the agent of site \"%s\" to end the database at once, and to keep it ended; now it is %s\n", site->name, said.pg);
}

/* Only what keeps it from starting is asked of it here: "stopped" alone may be over in a moment. */
static bool stopped(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    struct agent_said said;
    (void)ctx;
    *ret = false;
    if (!ask(site, link, &said, err))
        return false;
    *ret = said.wrote > 0 && said.certified >= said.wrote && (same(said.pg, "stopped") || same(said.pg, "quarantined"));
    if (*ret)
        action_say(evidence, size, "its agent says that it is %s and writes no more in epoch %lld", said.pg, (long long)said.certified);
    return true;
}

static bool stop(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err)
{
    SCOPED(agentlink_close) struct agentlink *link = agentlink_open();
    const struct agent_answer *answer = agentlink_stop(link, site, -1, "immediate", true, action_time(ctx, STOP_MS));
    int64_t epoch;
    if (!agentlink_finish(link, answer, site, err)) {
        if (err->code == ERR_TIMEOUT)
            err->code = ERR_UNAVAILABLE; /* a host that does not answer */
        return false;
    }
    return agentlink_stopped(answer, &epoch, evidence, size, err);
}

extern const struct fence_ops fence_by_agent;
const struct fence_ops fence_by_agent = {
    .name = "agent",
    .summary = "the agent beside the database: ends it at once, proves it, and keeps it ended",
    .by_lease = true,
    .usable = usable,
    .describe = describe,
    .stopped = stopped,
    .stop = stop,
};
