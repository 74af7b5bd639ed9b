/* observe/check_agent.c -- What the agent beside a PostgreSQL says of it. Its answer is awaited all the time, so that what it saw is known
   here a moment later; and what it saw is no guess: a process that ended, and that no start brings back, needs no second look. */
#include <inttypes.h>

#include "io/http.h"
#include "io/json.h"
#include "observe/drivers.h"
#include "observe/witness.h"
#include "sys/clock.h"

enum { BODY_MOST = 64 * 1024, OK = 200, OVERDUE_MS = 250 };

struct agent_check {
    struct check check; /* first */
    struct http_request *request;
    struct witness *witness; /* while its answer is awaited */
    bool known;         /* serial is that of the newest answer; else the next is asked for at once */
    int64_t serial;
};

/* What a state of the agent means for the site, and whether it is seen rather than concluded from silence. */
enum meaning { MEANS_WELL, MEANS_SOON, MEANS_ILL, MEANS_DEAD };

static const struct {
    const char *pg, *cause; /* cause NULL: any */
    enum meaning meaning;
} meanings[] = {
    {"primary", NULL, MEANS_WELL},
    {"standby", NULL, MEANS_WELL},
    {"starting", NULL, MEANS_SOON},
    {"stopping", NULL, MEANS_SOON},
    {"crashed", NULL, MEANS_DEAD},           /* it died, and the agent does not start it again */
    {"quarantined", "lease-lost", MEANS_DEAD},
    {"quarantined", "epoch", MEANS_DEAD},
    {"quarantined", NULL, MEANS_ILL},        /* not started yet: what it waits for may come */
    {"stopped", NULL, MEANS_ILL},            /* in order, by somebody who may start it again */
    {"hung", NULL, MEANS_ILL},
    {"stalled", NULL, MEANS_ILL},
};

static bool meaning_of(const char *pg, const char *cause, enum meaning *ret)
{
    for (size_t i = 0; pg && i < COUNT_OF(meanings); i++)
        if (same(pg, meanings[i].pg) && (!meanings[i].cause || same(cause, meanings[i].cause))) {
            *ret = meanings[i].meaning;
            return true;
        }
    return false;
}

static const char *text_of(const struct json *root, const char *key)
{
    const char *text = json_string(json_get(root, key));
    return text ? text : "";
}

static int64_t number_of(const struct json *root, const char *key)
{
    int64_t n = 0;
    return json_integer(json_get(root, key), &n) ? n : 0;
}

static const char *lease_of(struct arena *arena, const struct json *root)
{
    const struct json *lease = json_get(root, "lease");
    const char *by = text_of(lease, "by");
    if (!*by || same(by, "none"))
        return "";
    return arena_printf(arena, "; its lease of epoch %" PRId64 " holds for another %s, by %s", number_of(root, "epoch"),
                        duration_say(arena, MAX_OF(number_of(lease, "valid_ms"), 0)), by);
}

static void report_state(struct agent_check *self, const struct json *root, const char *pg, enum meaning meaning)
{
    struct check *check = &self->check;
    const char *why = text_of(root, "why"), *cause = text_of(root, "cause");
    int64_t since_ms = number_of(root, "since_ms_ago"), budget_ms = check->env->service->failover.restart_budget_ms;
    const char *because = *cause && !same(cause, "none") ? arena_printf(check->arena, " (%s)", cause) : "";
    int64_t alive_ms = same(pg, "primary") ? clock_wall_ms() : 0; /* it commits, as the agent sees */
    check->certain = meaning == MEANS_DEAD;
    if (meaning == MEANS_WELL)
        check_report_alive(check, number_of(root, "stopped") > 0 ? VERDICT_WARNING : VERDICT_UP, alive_ms, "%s: %s%s", pg, why, lease_of(check->arena, root));
    else if (meaning == MEANS_SOON && since_ms < budget_ms)
        check_report(check, VERDICT_WARNING, "%s%s since %s: %s", pg, because, duration_say(check->arena, since_ms), why);
    else if (meaning == MEANS_SOON)
        check_report(check, VERDICT_DOWN, "%s%s since %s, and failover.restart_budget is %s: %s", pg, because, duration_say(check->arena, since_ms),
                     duration_say(check->arena, budget_ms), why);
    else
        check_report(check, VERDICT_DOWN, "%s%s: %s", pg, because, why);
}

static void unreached(struct agent_check *self, const char *why)
{
    self->known = false;
    check_report(&self->check, VERDICT_UNKNOWN, "the agent of site \"%s\" does not answer: %s; unreachable is not dead", self->check.site->name, why);
}

static void forget_run(struct agent_check *self)
{
    http_cancel(&self->request);
    witness_stop(&self->witness);
    self->known = false;
}

/* Seen from two sides, so it is more than silence. */
static void on_lapse(void *arg, const struct site *by, int64_t unseen_ms)
{
    struct agent_check *self = arg;
    forget_run(self);
    check_report(&self->check, VERDICT_DOWN, "the agent of site \"%s\" does not answer, and the agent of site \"%s\" has seen no renewal of its lease for %s: its host is off, frozen or cut off",
                 self->check.site->name, by->name, duration_say(self->check.arena, unseen_ms));
}

static void on_answer(void *arg, const struct http_response *response, const struct err *err)
{
    struct agent_check *self = arg;
    struct check *check = &self->check;
    const struct json *root = NULL;
    struct err why = {0};
    enum meaning meaning;
    int64_t serial;
    self->request = NULL;
    witness_stop(&self->witness);
    if (!response) {
        unreached(self, err->message);
        return;
    }
    if (response->status != OK) {
        unreached(self, arena_printf(check->arena, "it says %ld where its state is asked for", response->status));
        return;
    }
    if (!json_parse(check->arena, response->body, &root, &why)) {
        unreached(self, why.message);
        return;
    }
    const char *site = text_of(root, "site"), *pg = text_of(root, "pg");
    if (!same(site, check->site->name) || !meaning_of(pg, text_of(root, "cause"), &meaning) || !json_integer(json_get(root, "serial"), &serial)) {
        self->known = false;
        check_report(check, VERDICT_UNKNOWN, "what answers at \"%s\" is no agent of site \"%s\" (site \"%.60s\", state \"%.30s\")", check->site->agent.url,
                     check->site->name, site, pg);
        return;
    }
    /* Answered because something changed, or at the end of the wait: then the next question is due. An agent that lets nobody wait any
       more answers at once, and is not asked all the time. */
    check->again = !self->known || self->serial != serial || response->took_ms >= check->conf->interval_ms / 2;
    self->known = true;
    self->serial = serial;
    report_state(self, root, pg, meaning);
}

static int64_t waits_ms(const struct check *check)
{
    const struct agent_check *self = CONTAINER_OF(check, const struct agent_check, check);
    return self->known ? check->conf->interval_ms : 0;
}

static void start(struct check *check)
{
    struct agent_check *self = CONTAINER_OF(check, struct agent_check, check);
    struct err err = {0};
    int64_t wait_ms = waits_ms(check);
    const char *query = wait_ms ? arena_printf(check->arena, "?after=%" PRId64 "&wait=%" PRId64, self->serial, wait_ms) : "";
    struct http_spec spec = {
        .url = arena_printf(check->arena, "%s/v1/state%s", check->site->agent.url, query),
        .timeout_ms = wait_ms + check->conf->timeout_ms + MS_SECOND, /* the scheduler's deadline comes first */
        .connect_ms = check->conf->timeout_ms + MS_SECOND,
        .max_body = BODY_MOST,
    };
    if (http_start(check->env->http, &spec, on_answer, self, &self->request, &err))
        self->witness = witness_call(check, wait_ms + OVERDUE_MS, on_lapse, self);
    else
        check_report(check, VERDICT_UNKNOWN, "%s", err.message);
}

static void cancel(struct check *check)
{
    forget_run(CONTAINER_OF(check, struct agent_check, check));
}

static bool way_may_be_lost(const struct check *check UNUSED)
{
    return true;
}

static bool valid(const struct check_conf *conf, const struct service *service, struct err *err)
{
    const struct site *site;
    if (!check_needs_site(conf, service, &site, err))
        return false;
    if (site->agent.listen || site->agent.url)
        return true;
    err_set(err, ERR_CONFIG, "site \"%s\" has no agent", site->name);
    return err_hint(err, "add \"agent: {listen: ADDRESS:PORT, ...}\" to the site");
}

static const struct option options[] = {OPTION_END};

struct agent_options {
    char none;
};

const struct check_ops check_agent = {
    .name = "agent",
    .summary = "the agent beside a PostgreSQL says that it runs; what it sees is known here a moment later",
    .options = options,
    .options_size = sizeof(struct agent_options),
    .check_size = sizeof(struct agent_check),
    .valid = valid,
    .start = start,
    .cancel = cancel,
    .way_may_be_lost = way_may_be_lost,
    .waits_ms = waits_ms,
};
