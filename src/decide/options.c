/* decide/options.c -- The ways to bring a service back, from what was measured: which are possible, how long each takes, what each loses,
   and which is the best. What a rule of safety forbids is not possible here, either; what needs a person says so. */
#include "decide/decide_internal.h"

static void weigh_restart(const struct ways_facts *f, struct way *w)
{
    w->possible = f->restart.answers == TOLD_NO && f->restart.startable == TOLD_YES;
    w->rpo_ms = 0;
    if (w->possible)
        SAY(w->why, "its host answers and its start is not masked; what it had committed is there");
    else if (f->restart.answers == TOLD_YES)
        SAY(w->why, "the database answers, so that there is nothing to restart");
    else
        SAY(w->why, "%s", *f->restart.why ? f->restart.why : "it was not asked");
}

/* What may be lost is Patroni's to weigh (maximum_lag_on_failover); what it says is told. */
static void weigh_patroni(const struct ways_facts *f, struct way *w)
{
    w->rto_ms = f->promote.took_ms;
    w->rpo_ms = f->promote.in_sync || (f->promote.lag_known && !f->promote.lag_bytes) ? 0 : -1;
    w->possible = f->promote.standby == TOLD_YES;
    if (!w->possible)
        SAY(w->why, "%s", f->promote.why);
    else if (f->promote.lag_known)
        SAY(w->why, "by Patroni, which alone decides: its member \"%s\" lacks %llu bytes of what it last knew of its leader%s", f->promote.why,
            (unsigned long long)f->promote.lag_bytes, f->promote.in_sync ? ", and commits waited for it" : "");
    else
        SAY(w->why, "by Patroni, which alone decides: what its member \"%s\" lacks is not known", f->promote.why);
}

static void weigh_promote(const struct ways_facts *f, struct way *w)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    w->rto_ms = f->promote.took_ms;
    w->rpo_ms = f->promote.lag_known ? f->promote.lag_ms : -1;
    if (f->promote.standby != TOLD_YES)
        SAY(w->why, "%s", *f->promote.why ? f->promote.why : "there is no standby");
    else if (f->promote.delayed)
        SAY(w->why, "the standby replays late on purpose");
    else if (f->promote.unproven)
        SAY(w->why, "%s; a person must accept that", f->promote.why);
    else if (!f->promote.lag_known)
        SAY(w->why, "what the primary had written is not known: %s; a person must accept that", f->promote.why);
    else if (f->promote.lag_bytes > f->promote.limit_bytes)
        SAY(w->why, "%llu bytes would be lost, and %llu are allowed; a person must accept that", (unsigned long long)f->promote.lag_bytes,
            (unsigned long long)f->promote.limit_bytes);
    else
        w->possible = true;
    if (w->possible)
        SAY(w->why, "the standby has all but %llu bytes, or %s, of what the primary was last seen to have written%s%s",
            (unsigned long long)f->promote.lag_bytes, duration_say(a, f->promote.lag_ms), f->promote.in_sync ? ", and commits waited for it" : "",
            f->promote.receives == TOLD_YES ? "; its primary still sends and must be fenced first" : "");
}

static void weigh_copy(enum told usable, int64_t snapshot_ms, int64_t took_ms, const char *why, const char *what, const struct ways_facts *f,
                       struct way *w)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    int64_t until_ms = f->good_ms ? f->good_ms : f->now_ms;
    w->possible = usable == TOLD_YES;
    w->rto_ms = took_ms;
    w->rpo_ms = snapshot_ms ? MAX_OF(until_ms - snapshot_ms, 0) : -1;
    if (w->possible && snapshot_ms)
        SAY(w->why, "%s of %s; what was written since is lost", what, moment_minute(a, snapshot_ms));
    else
        SAY(w->why, "%s", *why ? why : w->possible ? "its moment is not known" : "there is none");
}

void ways_weigh(const struct ways_facts *f, struct ways *ret)
{
    struct way all[WAY_MAX];
    for (int i = 0; i < WAY_MAX; i++)
        all[i] = (struct way){.kind = (enum way_kind)i, .rto_ms = -1, .rpo_ms = -1};
    weigh_restart(f, &all[WAY_RESTART]);
    (f->by_patroni ? weigh_patroni : weigh_promote)(f, &all[WAY_PROMOTE]);
    weigh_copy(f->warm.usable, f->warm.snapshot_ms, f->warm.took_ms, f->warm.why, "a copy that waits, restored from the backup", f, &all[WAY_WARM]);
    weigh_copy(f->restore.usable, f->restore.snapshot_ms, f->restore.took_ms, f->restore.why, "the newest good backup is", f, &all[WAY_RESTORE]);
    /* The kinds stand in the order of what they lose, and a restart moves nobody: so the first that is possible is the best. */
    size_t n = 0;
    *ret = (struct ways){.best = WAY_MAX, .best_move = WAY_MAX};
    for (int possible = 1; possible >= 0; possible--)
        for (int i = 0; i < WAY_MAX; i++)
            if (all[i].possible == (possible != 0))
                ret->p[n++] = all[i];
    for (size_t i = WAY_MAX; i-- > 0;)
        if (ret->p[i].possible) {
            ret->best = ret->p[i].kind;
            ret->best_move = ret->p[i].kind == WAY_RESTART ? ret->best_move : ret->p[i].kind;
        }
}
