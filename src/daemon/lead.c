/* daemon/lead.c -- What the lead of a service, and what other controllers were told, means to this one. Who leads acts. While nobody can say who does, it watches, decides and
   tells, but begins no command and stops those that run. While another leads, it watches, and no more. */
#include <inttypes.h>

#include "daemon/daemon_internal.h"
#include "sys/log.h"

enum { PATIENCE_MS = 5000 }; /* with etcd, at the start: then somebody has to watch */

struct lead {
    struct daemon *d;
    size_t service;
    struct leader *leader;
    /* As it was written down last. */
    enum standing standing;
    char other[MODEL_ID_SIZE];
    struct shared_users users;
    struct shared_pause pause; /* what a person said last, as far as it was heard here */
};

static enum standing standing_of(const struct daemon *d, size_t service)
{
    return d->leads && service < d->config->services.n ? leader_standing(d->leads[service].leader) : STANDING_LEADS;
}

/* "": the only one, as everywhere; past the last: no such service, which nobody leads. */
static size_t index_of(const struct daemon *d, const char *name)
{
    const struct service *service = config_service(d->config, *name ? name : NULL);
    return service ? (size_t)(service - d->config->services.p) : d->config->services.n;
}

bool daemon_may_act(const struct daemon *d, const char *service)
{
    return standing_of(d, index_of(d, service)) == STANDING_LEADS;
}

const char *daemon_led_by(const struct daemon *d, const char *service)
{
    size_t i = index_of(d, service);
    return standing_of(d, i) == STANDING_BEHIND ? leader_other(d->leads[i].leader) : NULL;
}

bool daemon_only_waits(const struct daemon *d)
{
    size_t waits = 0;
    for (size_t i = 0; i < d->config->services.n; i++)
        waits += standing_of(d, i) == STANDING_BEHIND;
    return waits && waits == d->config->services.n;
}

/* ---- what changes ---- */

static void stop_commands(const struct daemon *d, size_t service)
{
    for (size_t i = 0; i < decide_incidents(d->decide); i++) {
        const struct incident *incident = decide_incident_at(d->decide, i);
        const struct frame *top = incident->depth ? &incident->frames[incident->depth - 1] : NULL;
        if ((size_t)incident->service == service && top && top->phase == STEP_RUNNING)
            runner_cancel(d->runner, top->run);
    }
    upkeep_stop(d->upkeep, (int)service);
}

/* As this controller knows them. */
static void users(void *arg, struct shared_users *ret)
{
    const struct lead *lead = arg;
    const struct daemon *d = lead->d;
    *ret = (struct shared_users){0};
    if (!d->replayed)
        return;
    const struct site *site = decide_active(d->decide, (int)lead->service);
    int64_t moved = decide_moved(d->decide, (int)lead->service);
    COPY_TO(ret->site, site ? site->name : "");
    if (moved != TIME_NEVER)
        ret->moved_ms = clock_wall_ms() - (daemon_now(d) - moved);
}

static const struct shared_pause *pause(void *arg)
{
    return &((const struct lead *)arg)->pause;
}

static void write_down(struct lead *lead)
{
    struct daemon *d = lead->d;
    struct shared_users ours;
    users(lead, &ours);
    struct event event = {.kind = EVENT_LEADER, .number = lead->standing};
    COPY_TO(event.service, d->config->services.p[lead->service].name);
    COPY_TO(event.who, "bascule");
    COPY_TO(event.text, lead->standing == STANDING_BEHIND ? lead->other : leader_who(lead->leader));
    if (!same(lead->users.site, ours.site))
        COPY_TO(event.subject, lead->users.site);
    if (shared_users_moved_since(&lead->users, &ours))
        event.ref = lead->users.moved_ms;
    daemon_feed(d, &event, NULL);
}

static void log_it(const struct lead *lead)
{
    const char *service = lead->d->config->services.p[lead->service].name;
    if (lead->standing == STANDING_LEADS)
        log_line(LOG_INFO, "this controller leads service=%s", service);
    else if (lead->standing == STANDING_BEHIND)
        log_line(LOG_INFO, "another controller leads, %s: this one watches and waits service=%s", *lead->other ? lead->other : "of which nothing more is known", service);
    else
        log_line(LOG_WARNING, "it is not known which controller leads: this one watches and tells, and begins nothing service=%s", service);
}

/* What another leader wrote of the users is listened to as long as it leads, and once more when the lead comes to us. */
static void say(struct lead *lead)
{
    struct daemon *d = lead->d;
    enum standing standing = leader_standing(lead->leader), before = lead->standing;
    bool behind = standing == STANDING_BEHIND;
    const char *other = behind ? leader_other(lead->leader) : "";
    const struct shared_users nothing = {0}, *told = standing == STANDING_UNKNOWN ? &nothing : leader_users(lead->leader);
    bool same_users = same(told->site, lead->users.site) && told->moved_ms == lead->users.moved_ms;
    if (d->stopping || (standing == before && !(behind && !(same(other, lead->other) && same_users))))
        return;
    bool news = standing != before || !same(other, lead->other);
    lead->standing = standing;
    COPY_TO(lead->other, other);
    lead->users = *told;
    if (standing != STANDING_LEADS)
        stop_commands(d, lead->service);
    write_down(lead);
    if (news)
        log_it(lead);
}

/* Another controller was told. A pause that is over already is no news. */
static void hear_pause(struct lead *lead)
{
    const struct shared_pause *told = leader_pause(lead->leader);
    int64_t now = clock_wall_ms();
    if (lead->d->stopping || told->said_ms <= lead->pause.said_ms)
        return;
    bool news = told->until_ms > now || lead->pause.until_ms > now;
    lead->pause = *told;
    struct event event = {.kind = EVENT_PAUSE, .number = told->until_ms > now, .ref = told->until_ms};
    COPY_TO(event.service, lead->d->config->services.p[lead->service].name);
    COPY_TO(event.who, told->who);
    COPY_TO(event.text, told->why);
    snprintf(event.subject, sizeof(event.subject), "%" PRId64, told->said_ms);
    if (news)
        daemon_feed(lead->d, &event, NULL);
}

void daemon_lead_event(struct daemon *d, const struct event *event)
{
    size_t service = index_of(d, event->service);
    if (!d->leads || event->kind != EVENT_PAUSE || service >= d->config->services.n)
        return;
    struct shared_pause *known = &d->leads[service].pause, said = {.until_ms = event->number ? event->ref : 0};
    if (!str_int(str_of(event->subject), &said.said_ms))
        said.said_ms = shared_pause_said(known, event->wall_ms);
    COPY_TO(said.who, event->who);
    COPY_TO(said.why, event->text);
    *known = said;
}

void daemon_lead_say(struct daemon *d)
{
    for (size_t i = 0; d->leads && i < d->config->services.n; i++) {
        say(&d->leads[i]);
        hear_pause(&d->leads[i]);
    }
}

/* ---- beginning ---- */

static void on_look(void *arg)
{
    struct lead *lead = arg;
    if (!lead->d->replayed)
        return;
    say(lead);
    hear_pause(lead);
    daemon_wake(lead->d);
}

/* A controller that comes back at once goes on where it was, so it is to know whether it leads before it looks at what it left. */
static void wait_for_etcd(struct daemon *d)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;
    for (size_t i = 0; i < d->config->services.n; i++)
        while (standing_of(d, i) == STANDING_UNKNOWN && clock_boot_ms() < until)
            loop_once(d->loop, true);
}

bool daemon_lead_begin(struct daemon *d, struct err *err)
{
    size_t n = d->config->services.n;
    if (!d->config->etcd.endpoints.n || d->spec->only_playbook) /* what a person starts by hand waits for nobody */
        return true;
    d->leads = arena_array(d->arena, struct lead, n);
    for (size_t i = 0; i < n; i++) {
        struct lead *lead = &d->leads[i];
        struct leader_callbacks callbacks = {.look = on_look, .users = users, .pause = pause, .arg = lead};
        *lead = (struct lead){.d = d, .service = i, .standing = STANDING_MAX};
        if (!leader_open(d->arena, d->config, &d->config->services.p[i], d->loop, d->http, &callbacks, &lead->leader, err))
            return false;
    }
    wait_for_etcd(d);
    return true;
}

void daemon_lead_end(struct daemon *d)
{
    for (size_t i = 0; d->leads && i < d->config->services.n; i++)
        leader_close(&d->leads[i].leader);
}
