/* act/fence/fence_by_lease.c -- A site that lives by a lease ends by itself when that runs out. So the epoch is moved to the site that is to
   take over, from when no renewal can succeed, and the time is waited in which what the site holds has surely run out. */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "act/epoch.h"
#include "act/fence/fence.h"
#include "sys/clock.h"

#include "base/banned.h"

enum { STEP_MS = 20 };

/* The one that follows it; where there are several, a promotion says which. */
static const struct site *successor_of(const struct action_ctx *ctx, const struct site *site)
{
    const struct site *found = NULL;
    size_t n = 0;
    for (size_t i = 0; i < ctx->service->sites.n; i++) {
        const struct site *s = &ctx->service->sites.p[i];
        if (s == site || !site_lives_by_lease(ctx->config, ctx->service, s))
            continue;
        found = s;
        n++;
    }
    return n == 1 ? found : NULL;
}

static bool usable(const struct action_ctx *ctx, const struct site *site, struct err *err)
{
    if (!site_lives_by_lease(ctx->config, ctx->service, site))
        return err_set(err, ERR_CONFIG, "site \"%s\" does not live by a lease", site->name);
    return successor_of(ctx, site) || err_set(err, ERR_CONFIG, "which site is to write instead of \"%s\" is not known: a promotion says it", site->name);
}

static bool describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err)
{
    struct epoch e;
    const struct site *to = successor_of(ctx, site);
    if (!to || !epoch_read(ctx, &e, err))
        return to ? false : usable(ctx, site, err);
    if (same(e.site, site->name))
        buf_printf(out, "moves epoch %" PRId64 " of site \"%s\" to \"%s\" in etcd, so that its lease cannot be renewed\n", e.number, site->name, to->name);
    return buf_printf(out, "waits until its lease has surely run out: %s\n", duration_say(ctx->arena, failover_waits_ms(&ctx->service->failover)));
}

static bool stopped(const struct action_ctx *ctx, const struct site *site, bool *ret, char *evidence, size_t size, struct err *err)
{
    (void)ctx, (void)site, (void)evidence, (void)size, (void)err;
    *ret = false; /* how long ago its lease was revoked, nobody here knows */
    return true;
}

/* In small steps: of one that took longer than `guard` nobody knows how long it really was, so it counts for nothing. */
static bool wait_out(const struct action_ctx *ctx, int64_t guard_ms, struct err *err)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    int64_t left = failover_waits_ms(&ctx->service->failover), last = clock_boot_ms();
    while (left > 0) {
        if (action_over(ctx))
            return err_set(err, ERR_TIMEOUT, "there was no time to wait until the lease has run out");
        if (nanosleep(&step, NULL) != 0 && errno != EINTR)
            return err_os(err, errno, "could not wait");
        int64_t now = clock_boot_ms(), passed = now - last;
        last = now;
        if (passed > 0 && passed <= guard_ms)
            left -= passed;
    }
    return true;
}

static bool stop(const struct action_ctx *ctx, const struct site *site, char *evidence, size_t size, struct err *err)
{
    struct epoch e;
    bool moved = false;
    const struct site *to = successor_of(ctx, site);
    if (!to || !epoch_read(ctx, &e, err))
        return to ? false : usable(ctx, site, err);
    const struct epoch_lease *lease = epoch_lease(&e, site->name);
    if (!e.number || !lease || same(lease->armed, "none"))
        return err_set(err, ERR_UNAVAILABLE, "site \"%s\" has no lease after which it surely ends", site->name);
    if (same(e.site, site->name)) {
        report_fact(ctx->report, "fence.epoch", "moving epoch %" PRId64 " from \"%s\" to \"%s\"", e.number, site->name, to->name);
        if (!epoch_move(ctx, &e, to->name, NULL, &e, &moved, err))
            return false;
    }
    if (same(e.site, site->name))
        return err_set(err, ERR_REFUSED, "epoch %" PRId64 " names site \"%s\" again, by %s", e.number, site->name, e.by);
    report_progress(ctx->report, 0, 0, "waiting until the lease of %s has run out", site->name);
    if (!wait_out(ctx, ctx->service->failover.guard_ms, err))
        return false;
    action_say(evidence, size, "epoch %" PRId64 " names site \"%s\", so its lease could not be renewed for %" PRId64 " ms, and its %s has ended it", e.number, e.site,
               failover_waits_ms(&ctx->service->failover), lease->armed);
    return true;
}

extern const struct fence_ops fence_by_lease;
const struct fence_ops fence_by_lease = {
    .name = "lease",
    .summary = "time: the epoch is moved, and what the site holds has run out after ttl, drift and guard",
    .by_lease = true,
    .powers_off = true, /* a host that is cut off answers nobody */
    .usable = usable,
    .describe = describe,
    .stopped = stopped,
    .stop = stop,
};
