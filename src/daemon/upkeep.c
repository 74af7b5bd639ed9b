/* daemon/upkeep.c -- Three jobs a service: a backup of the site that serves the users, the warm copy of the other site, and the count of what its newest
   promotion lost. They do not wait for each other, and none begins while it still runs. */
#include "daemon/upkeep.h"

#include <inttypes.h>

#include "daemon/daemon_internal.h"
#include "sys/log.h"

enum { BUDGET_MS = 12 * 60 * 60 * 1000, COUNT_AGAIN_MS = 5 * 60 * 1000 }; /* a run that hangs must not be the last one */

enum kind { UPKEEP_BACKUP, UPKEEP_FOLLOW, UPKEEP_LOSS };
static const char *const kind_names[] = {"backup", "follow", "loss"};

struct job {
    struct schedule_job when;
    enum kind kind;
    int service;
    const struct site *site;    /* UPKEEP_FOLLOW: where the copy is kept; UPKEEP_LOSS: the old primary, NULL: nothing is to be counted */
    int64_t incident;           /* UPKEEP_LOSS: of the promotion */
    char parted[MODEL_ID_SIZE]; /* UPKEEP_LOSS: words for the command: site, timeline and position */
    const char *prefix;         /* of its runs: "upkeep.backup-akig." */
    char run[MODEL_ID_SIZE];    /* the newest */
};

struct upkeep {
    struct daemon *d;
    struct arena *arena;
    struct {
        struct job *p;
        size_t n, cap;
    } jobs;
    bool live; /* replayed: things may begin */
};

/* ---- the jobs of a configuration ---- */

static uint64_t seed_of(const char *text)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

static void add(struct upkeep *u, enum kind kind, int service, const struct site *site, int64_t every_ms, int64_t early_ms)
{
    const char *name = u->d->config->services.p[service].name;
    struct job *job = vec_add(u->arena, &u->jobs);
    *job = (struct job){.kind = kind, .service = service, .site = site, .when = {.every_ms = every_ms, .early_ms = early_ms}};
    job->prefix = arena_printf(u->arena, "upkeep.%s-%s.", kind_names[kind], name);
    job->when.seed = seed_of(job->prefix);
}

struct upkeep *upkeep_open(struct daemon *d)
{
    struct upkeep *u = arena_new(d->arena, struct upkeep);
    u->d = d;
    u->arena = d->arena;
    for (size_t i = 0; i < d->config->services.n && !d->spec->only_playbook; i++) {
        const struct service *service = &d->config->services.p[i];
        int64_t every = 0, early = 0;
        for (size_t k = 0; k < service->sites.n; k++) {
            const struct site *site = &service->sites.p[k];
            if (site->backup.every_ms && (!every || site->backup.every_ms < every)) {
                every = site->backup.every_ms;
                early = site->backup.early_ms;
            }
            if (site->backup.follow_ms)
                add(u, UPKEEP_FOLLOW, (int)i, site, site->backup.follow_ms, 0);
        }
        if (every)
            add(u, UPKEEP_BACKUP, (int)i, NULL, every, early);
        add(u, UPKEEP_LOSS, (int)i, NULL, COUNT_AGAIN_MS, 0);
    }
    return u;
}

static struct job *job_of(const struct upkeep *u, const char *run)
{
    for (size_t i = 0; i < u->jobs.n; i++)
        if (str_starts(str_of(run), u->jobs.p[i].prefix))
            return &u->jobs.p[i];
    return NULL;
}

const char *upkeep_service(const struct upkeep *u, const char *run)
{
    const struct job *job = job_of(u, run);
    return job ? u->d->config->services.p[job->service].name : NULL;
}

int64_t upkeep_incident(const struct upkeep *u, const char *run)
{
    const struct job *job = job_of(u, run);
    return job && job->kind == UPKEEP_LOSS ? job->incident : 0;
}

/* ---- what the journal tells ---- */

static void ask_followers(struct upkeep *u, int service)
{
    for (size_t i = 0; i < u->jobs.n; i++)
        if (u->jobs.p[i].kind == UPKEEP_FOLLOW && u->jobs.p[i].service == service)
            u->jobs.p[i].when.asked = true;
}

/* A new primary has a history of its own, and what it writes stands in no backup yet: so one is made, whatever the hour. */
static void ask_backup(struct upkeep *u, const char *service)
{
    for (size_t i = 0; i < u->jobs.n; i++)
        if (u->jobs.p[i].kind == UPKEEP_BACKUP && same(u->d->config->services.p[u->jobs.p[i].service].name, service))
            u->jobs.p[i].when.asked = true;
}

/* A promotion tells where the two parted, and then, or later, somebody what was lost there; until then each news of the old primary is a reason to ask it. */
static void note_loss(struct upkeep *u, struct job *job, const struct event *event)
{
    const struct service *service = &u->d->config->services.p[job->service];
    if (!same(event->service, service->name))
        return;
    if (event->kind == EVENT_FACT && same(event->subject, "promote.parted") && event->incident) {
        char name[MODEL_ID_SIZE];
        COPY_TO(name, event->text);
        name[strcspn(name, " ")] = 0;
        job->site = service_site(service, name);
        job->incident = event->incident;
        job->when.asked = true;
        COPY_TO(job->parted, event->text);
    } else if (event->kind == EVENT_FACT && (same(event->subject, "loss.bytes") || same(event->subject, "loss.unknown")) && event->incident == job->incident) {
        job->site = NULL;
    } else if (event->kind == EVENT_VERDICT && job->site) {
        for (size_t i = 0; i < service->checks.n; i++)
            job->when.asked |= same(service->checks.p[i].id, event->subject) && same(service->checks.p[i].site, job->site->name);
    }
}

void upkeep_event(struct upkeep *u, const struct event *event)
{
    if (event->kind == EVENT_FACT && same(event->subject, "promote.timeline"))
        ask_backup(u, event->service);
    for (size_t i = 0; i < u->jobs.n; i++)
        if (u->jobs.p[i].kind == UPKEEP_LOSS)
            note_loss(u, &u->jobs.p[i], event);
    struct job *job = event->kind == EVENT_RUNNING || event->kind == EVENT_OUTCOME ? job_of(u, event->subject) : NULL;
    if (!job)
        return;
    struct schedule_job *when = &job->when;
    if (event->kind == EVENT_RUNNING) {
        when->began = when->running = true;
        when->asked = when->failed = false;
        when->began_ms = event->at_ms;
        COPY_TO(job->run, event->subject);
        return;
    }
    if (!when->began || !same(job->run, event->subject)) /* it could not even be started */
        when->began_ms = event->at_ms;
    when->began = true;
    when->running = false;
    when->ended_ms = event->at_ms;
    when->failed = event->number != OUTCOME_SUCCESS;
    if (job->kind == UPKEEP_BACKUP && !when->failed)
        ask_followers(u, job->service);
}

/* ---- what may begin ---- */

static bool in_trouble(const struct upkeep *u, int service)
{
    for (size_t i = decide_incidents(u->d->decide); i-- > 0;) {
        const struct incident *incident = decide_incident_at(u->d->decide, i);
        if (incident->service == service && incident->state < INCIDENT_RESOLVED && incident->playbook >= 0)
            return true;
    }
    return false;
}

/* Its agent is not heard: then its machine is not asked, however often its turn comes. */
static bool is_silent(const struct upkeep *u, int service, const struct site *site)
{
    const struct service *s = &u->d->config->services.p[service];
    for (size_t i = 0; i < s->checks.n; i++)
        if (same(s->checks.p[i].type, "agent") && same(s->checks.p[i].site, site->name) && judge_now(u->d->judge, s->name, s->checks.p[i].id).state == VERDICT_UNKNOWN)
            return true;
    return false;
}

/* The site that serves is backed up, wherever that is by now. Nothing is put where the users are, or may be in a moment. */
static bool may_begin(const struct upkeep *u, const struct job *job)
{
    if (!daemon_may_act(u->d, u->d->config->services.p[job->service].name))
        return false;
    if (job->kind == UPKEEP_LOSS)
        return job->site && job->site->database.data_directory && !is_silent(u, job->service, job->site) &&
               (job->when.asked || site_lives_by_lease(u->d->config, &u->d->config->services.p[job->service], job->site));
    if (job->kind == UPKEEP_BACKUP && job->when.asked && in_trouble(u, job->service))
        return false; /* of the new primary, once the users are there */
    const struct site *active = decide_active(u->d->decide, job->service);
    if (job->kind == UPKEEP_BACKUP)
        return active && active->backup.folder;
    return active != job->site && !in_trouble(u, job->service);
}

int64_t upkeep_next_ms(const struct upkeep *u)
{
    int64_t now = daemon_now(u->d), next = TIME_NEVER;
    for (size_t i = 0; i < u->jobs.n && u->live; i++)
        if (may_begin(u, &u->jobs.p[i]))
            next = MIN_OF(next, schedule_due(&u->jobs.p[i].when, now));
    return next;
}

static void start(struct upkeep *u, struct job *job, int64_t now)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const struct service *service = &u->d->config->services.p[job->service];
    const struct site *site = job->kind == UPKEEP_BACKUP ? decide_active(u->d->decide, job->service) : job->site;
    const char *run = arena_printf(arena, "%s%" PRId64, job->prefix, now);
    const char *words = job->kind == UPKEEP_BACKUP   ? arena_printf(arena, "upkeep %s", site->name)
                        : job->kind == UPKEEP_FOLLOW ? arena_printf(arena, "dr follow --once --site %s", site->name)
                                                     : arena_printf(arena, "loss %s", job->parted);
    daemon_start_run(u->d, service->name, 0, run, words, BUDGET_MS);
}

void upkeep_start_due(struct upkeep *u)
{
    int64_t now = daemon_now(u->d);
    for (size_t i = 0; i < u->jobs.n && u->live && !u->d->stopping; i++)
        if (may_begin(u, &u->jobs.p[i]) && schedule_due(&u->jobs.p[i].when, now) <= now)
            start(u, &u->jobs.p[i], now);
}

void upkeep_stop(const struct upkeep *u, int service)
{
    for (size_t i = 0; i < u->jobs.n; i++)
        if (u->jobs.p[i].service == service && u->jobs.p[i].when.running)
            runner_cancel(u->d->runner, u->jobs.p[i].run);
}

/* ---- after a restart ---- */

static void resume(struct upkeep *u, const struct job *job)
{
    struct report_line line = {0};
    char run[MODEL_ID_SIZE];
    COPY_TO(run, job->run);
    int64_t left = MAX_OF(job->when.began_ms + BUDGET_MS - daemon_now(u->d), 1);
    switch (runner_adopt(u->d->runner, run, left, &line)) {
    case RUNNER_RUNNING:
        log_line(LOG_INFO, "run \"%s\" still goes on and is followed again", run);
        if (!daemon_may_act(u->d, u->d->config->services.p[job->service].name))
            runner_cancel(u->d->runner, run);
        break;
    case RUNNER_ENDED:
        daemon_runner_callbacks.ended(u->d, run, line.outcome, line.text);
        break;
    case RUNNER_DIED:
    case RUNNER_NEVER_STARTED:
        daemon_runner_callbacks.ended(u->d, run, OUTCOME_FAILURE, "it died while no controller was running");
        break;
    }
}

void upkeep_resume(struct upkeep *u)
{
    u->live = true;
    for (size_t i = 0; i < u->jobs.n; i++)
        if (u->jobs.p[i].when.running)
            resume(u, &u->jobs.p[i]);
}
