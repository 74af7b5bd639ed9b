/* daemon/lead.c -- What the lead means to this controller. Who leads acts. While nobody can say who does, it watches, decides and tells,
   but begins no command and stops those that run; when another leads, this life ends and the next one waits. */
#include "daemon/daemon_internal.h"
#include "sys/log.h"

bool daemon_may_act(const struct daemon *d)
{
    return leader_standing(d->leader) == STANDING_LEADS;
}

static void write_down(struct daemon *d, enum standing standing, size_t service)
{
    const struct site *ours = decide_active(d->decide, (int)service);
    const char *theirs = standing == STANDING_LEADS ? leader_active(d->leader, service) : NULL;
    struct event event = {.kind = EVENT_LEADER, .number = standing};
    COPY_TO(event.service, d->config->services.p[service].name);
    COPY_TO(event.who, "bascule");
    COPY_TO(event.text, standing == STANDING_BEHIND ? leader_other(d->leader) : leader_who(d->leader));
    if (theirs && !same(theirs, ours ? ours->name : NULL))
        COPY_TO(event.subject, theirs);
    daemon_feed(d, &event, NULL);
}

void daemon_lead_say(struct daemon *d)
{
    enum standing standing = leader_standing(d->leader);
    if (!d->leader || standing == d->said_standing || d->stopping)
        return;
    d->said_standing = standing;
    if (standing != STANDING_LEADS)
        runner_cancel_all(d->runner);
    for (size_t i = 0; i < d->config->services.n; i++)
        write_down(d, standing, i);
    if (standing == STANDING_UNKNOWN)
        log_line(LOG_WARNING, "it is not known which controller leads: this one watches and tells, and begins nothing");
    else
        log_line(LOG_INFO, standing == STANDING_LEADS ? "this controller leads" : "another controller leads: this one steps back");
    if (standing == STANDING_BEHIND) {
        d->behind = d->stopping = true;
        loop_stop(d->loop);
    }
}

static void on_look(void *arg)
{
    daemon_lead_say(arg);
    daemon_wake(arg);
}

static const char *active_site(void *arg, size_t service)
{
    const struct daemon *d = arg;
    const struct site *site = decide_active(d->decide, (int)service);
    return site ? site->name : NULL;
}

bool daemon_lead_begin(struct daemon *d, struct err *err)
{
    struct leader_callbacks callbacks = {.look = on_look, .active = active_site, .arg = d};
    return leader_begin(d->leader, d->loop, d->http, &callbacks, err);
}
