/* observe/check_replication.c -- Does the standby of a site receive and replay what its primary writes, and how far is it behind? Both are
   asked at once. While the primary answers, the answers are kept in a file: when it does not any more, that file says how much it had
   written, and so what a promotion loses. */
#include <inttypes.h>

#include "io/pgprobe.h"
#include "io/standing.h"
#include "observe/drivers.h"
#include "observe/pgwords.h"
#include "sys/clock.h"

struct replication_options {
    const char *primary;
    int64_t connect_timeout_ms, read_timeout_ms, max_lag_ms;
    int max_lag;
};

/* One of the two servers, and what it said. */
struct side {
    struct replication_check *check;
    const struct site *site;
    struct pgprobe *probe;
    bool answered;          /* standing is filled */
    struct pgwords words;   /* else why not */
    struct standing standing;
};

enum { PRIMARIES_MAX = SERVICE_SITES_MAX - 1 };

struct replication_check {
    struct check check; /* first */
    struct pgprobe_step step;
    struct side standby;
    struct side primaries[PRIMARIES_MAX]; /* those that it may receive from: after a failover it is another one */
    size_t primary_count;
    const struct side *primary;           /* the one that counts */
};

static const struct site *primary_of(const struct check_conf *conf, const struct service *service, const struct site *standby)
{
    const struct replication_options *o = conf->options;
    if (o && o->primary)
        return service_site(service, o->primary);
    const struct site *found = NULL;
    for (size_t i = 0; i < service->sites.n; i++) {
        const struct site *site = &service->sites.p[i];
        if (site != standby && (!found || (found->role != SITE_PRODUCTION && site->role == SITE_PRODUCTION)))
            found = site;
    }
    return found;
}

/* ---- what is said ---- */

static const char *keep(const struct replication_check *self)
{
    const struct standing *p = &self->primary->standing, *s = &self->standby.standing;
    struct standing_pair pair = {
        .timeline = p->timeline,
        .lsn = p->lsn,
        .received = s->lsn,
        .primary_clock_ms = p->clock_ms,
        .at_ms = clock_wall_ms(),
        .in_sync = p->in_sync > 0,
        .archives = !same(p->archiving, "off"),
    };
    struct err err = {0};
    COPY_TO(pair.primary, self->primary->site->name);
    COPY_TO(pair.standby, self->standby.site->name);
    COPY_TO(pair.cluster, p->cluster);
    COPY_TO(pair.slots, p->slots);
    COPY_TO(pair.archived, p->archived);
    if (standing_keep(self->check.env->config->state_dir, self->check.env->service->name, &pair, &err))
        return "";
    return arena_printf(self->check.arena, "; the position was not kept: %s", err.message);
}

static void report_pair(struct replication_check *self)
{
    struct check *check = &self->check;
    const struct replication_options *o = check->conf->options;
    const struct standing *p = &self->primary->standing, *s = &self->standby.standing;
    const char *from = self->primary->site->name, *not_kept = keep(self);
    uint64_t behind = p->lsn > s->replayed ? p->lsn - s->replayed : 0;
    int64_t late = behind && s->commit_ms ? MAX_OF(p->clock_ms - s->commit_ms, 0) : 0;
    const char *how = arena_printf(check->arena, "%" PRIu64 " bytes and %s behind \"%s\", received %s, replayed %s, timeline %lld%s", behind,
                                   duration_say(check->arena, late), from, lsn_print(check->arena, s->lsn), lsn_print(check->arena, s->replayed),
                                   (long long)s->timeline, p->in_sync ? ", synchronous" : "");
    if (!same(s->receiver, "streaming") && !s->sees)
        check_report(check, VERDICT_UNKNOWN, "whether it streams cannot be seen without the role pg_monitor; %s", how);
    else if (!same(s->receiver, "streaming"))
        check_report(check, VERDICT_DOWN, "it does not receive from \"%s\", which answers; %s", from, how);
    else if (s->paused)
        check_report(check, VERDICT_WARNING, "replay is paused; %s%s", how, not_kept);
    else if (behind > (uint64_t)o->max_lag || late > o->max_lag_ms)
        check_report(check, VERDICT_WARNING, "it lags; %s%s", how, not_kept);
    else
        check_report(check, VERDICT_UP, "streaming, %s%s", how, not_kept);
}

/* Whoever takes writes, on the newest timeline where there are two; else the one that is primary by its role. */
static const struct side *primary_among(const struct replication_check *self)
{
    const struct side *found = NULL;
    for (size_t i = 0; i < self->primary_count; i++) {
        const struct side *side = &self->primaries[i];
        if (side->answered && !side->standing.recovery && (!found || side->standing.timeline > found->standing.timeline))
            found = side;
    }
    return found ? found : &self->primaries[0];
}

static void report(struct replication_check *self)
{
    struct check *check = &self->check;
    const struct side *standby = &self->standby, *primary = self->primary = primary_among(self);
    const struct standing *p = &primary->standing, *s = &standby->standing;
    if (!standby->answered)
        check_report(check, standby->words.state, "%s", standby->words.text);
    else if (!s->recovery) /* after a failover: nothing is wrong with it, and nobody stands by */
        check_report(check, VERDICT_WARNING, "it is a primary, timeline %lld, and receives from nobody", (long long)s->timeline);
    else if (!primary->answered)
        check_report(check, VERDICT_WARNING, "a standby without its primary \"%s\"; received %s, replayed %s, timeline %lld (%s)", primary->site->name,
                     lsn_print(check->arena, s->lsn), lsn_print(check->arena, s->replayed), (long long)s->timeline, primary->words.text);
    else if (!same(p->cluster, s->cluster))
        check_report(check, VERDICT_DOWN, "it is a standby of another cluster: system identifier %s, and that of \"%s\" is %s", s->cluster,
                     primary->site->name, p->cluster);
    else if (p->recovery)
        check_report(check, VERDICT_DOWN, "\"%s\" is in recovery, too, so that nobody is the primary", primary->site->name);
    else if (p->timeline < s->timeline)
        check_report(check, VERDICT_DOWN, "it is on timeline %lld and \"%s\" on %lld: they have diverged", (long long)s->timeline, primary->site->name,
                     (long long)p->timeline);
    else if (p->timeline > s->timeline) /* for a moment after a promotion, or for good */
        check_report(check, VERDICT_DOWN, "it is on timeline %lld and \"%s\" on %lld; when it stays there it has more than that began with, and only a failback makes it follow",
                     (long long)s->timeline, primary->site->name, (long long)p->timeline);
    else
        report_pair(self);
}

/* ---- asking ---- */

static void on_probed(void *arg, const struct pgprobe_outcome *o, size_t count)
{
    struct side *side = arg;
    struct replication_check *self = side->check;
    const struct replication_options *options = self->check.conf->options;
    struct err err = {0};
    (void)count;
    side->probe = NULL;
    if (!o[0].ok) {
        side->words = pgwords_connection(&o[0], &side->site->database.at, options->connect_timeout_ms);
    } else if (!o[1].ok) {
        side->words.state = same(o[1].sqlstate, "42501") ? VERDICT_UNKNOWN : VERDICT_DOWN;
        snprintf(side->words.text, sizeof(side->words.text), "could not ask for its position: %s", pgwords_failure(self->check.arena, &o[1]));
    } else if (!standing_parse(o[1].value, &side->standing, &err)) {
        side->words.state = VERDICT_UNKNOWN;
        COPY_TO(side->words.text, err.message);
    } else {
        side->answered = true;
    }
    bool asked = self->standby.probe;
    for (size_t i = 0; i < self->primary_count; i++)
        asked = asked || self->primaries[i].probe;
    if (!asked)
        report(self);
}

static void ask(struct replication_check *self, struct side *side, const struct site *site)
{
    const struct replication_options *o = self->check.conf->options;
    struct pgprobe_spec spec = {.target = &site->database.at, .connect_timeout_ms = o->connect_timeout_ms, .steps = &self->step, .step_count = 1};
    *side = (struct side){.check = self, .site = site};
    pgprobe_start(self->check.env->loop, self->check.env->dns, &spec, on_probed, side, &side->probe);
}

static void start(struct check *check)
{
    struct replication_check *self = CONTAINER_OF(check, struct replication_check, check);
    const struct replication_options *o = check->conf->options;
    const struct service *service = check->env->service;
    const struct site *likely = primary_of(check->conf, service, check->site);
    self->step = (struct pgprobe_step){.name = "read", .sql = standing_sql, .timeout_ms = o->read_timeout_ms};
    self->primary_count = 0;
    ask(self, &self->standby, check->site);
    ask(self, &self->primaries[self->primary_count++], likely);
    for (size_t i = 0; !o->primary && i < service->sites.n && self->primary_count < PRIMARIES_MAX; i++)
        if (&service->sites.p[i] != likely && &service->sites.p[i] != check->site && service->sites.p[i].database.at.host)
            ask(self, &self->primaries[self->primary_count++], &service->sites.p[i]);
}

static void cancel(struct check *check)
{
    struct replication_check *self = CONTAINER_OF(check, struct replication_check, check);
    pgprobe_cancel(&self->standby.probe);
    for (size_t i = 0; i < self->primary_count; i++)
        pgprobe_cancel(&self->primaries[i].probe);
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    const struct site *primary = primary_of(conf, service, site);
    if (!site->database.at.host)
        return err_set(err, ERR_CONFIG, "site \"%s\" has no database host", site->name);
    if (!primary || primary == site)
        return err_set(err, ERR_CONFIG, "there is no other site that \"%s\" could receive from", site->name);
    return primary->database.at.host || err_set(err, ERR_CONFIG, "site \"%s\" has no database host", primary->name);
}

#define AT(member) .offset = offsetof(struct replication_options, member)
static const struct option options[] = {
    {"primary", OPTION_STRING, AT(primary), .help = "site that it receives from; else whichever other one takes writes", .sample = "production"},
    {"max_lag", OPTION_INT, AT(max_lag), .fallback = "16777216", .max = INT32_MAX, .help = "bytes it may be behind before that is a warning"},
    {"max_lag_time", OPTION_DURATION, AT(max_lag_ms), .fallback = "30s", .max = 7 * MS_DAY, .help = "likewise, from the newest commit that was replayed"},
    {"connect_timeout", OPTION_DURATION, AT(connect_timeout_ms), .fallback = "1s", .min = 10, .max = MS_MINUTE, .help = "for a new connection to each of the two, its name and login included"},
    {"read_timeout", OPTION_DURATION, AT(read_timeout_ms), .fallback = "1s", .min = 10, .max = MS_MINUTE, .help = "for the question itself"},
    OPTION_END,
};

const struct check_ops check_replication = {
    .name = "replication",
    .summary = "the standby of a site receives and replays what the primary of another writes",
    .options = options,
    .options_size = sizeof(struct replication_options),
    .check_size = sizeof(struct replication_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
};
