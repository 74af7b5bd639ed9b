/* watch.c -- The invariants. They look at orders, events and the world, never at what decide thinks of itself. */
#include "sim/sim.h"

#define PROGRESS_MS (2 * MS_HOUR) /* of a step, an answer or a state; the longest budgets and approvals are well below */

void violated(struct sim *s, const char *name, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sim_tracef(s, "VIOLATION %s: %s", name, text);
    if (s->violations++ == 0) {
        snprintf(s->first, sizeof(s->first), "%s: %s", name, text);
        COPY_TO(s->found, name);
    }
}

static struct watched *watched_of(struct sim *s, int64_t incident)
{
    static struct watched nobody;
    return incident > 0 && incident <= INCIDENTS_MAX ? &s->watched[incident] : &nobody;
}

static bool begins(const char *words, const char *with)
{
    return str_starts(str_of(words), with);
}

/* "7.restart.3" is about "restart". */
static void step_of(const char *run, char step[MODEL_ID_SIZE])
{
    struct str rest = str_of(run), id = {0}, name = {0};
    (void)(str_next(&rest, '.', &id) && str_next(&rest, '.', &name));
    snprintf(step, MODEL_ID_SIZE, STR_FMT, STR_ARG(name));
}

/* False when it was there already. */
static bool remember(struct sim *s, char kind, const char *text)
{
    uint64_t hash = (UINT64_C(14695981039346656037) ^ (unsigned char)kind) * UINT64_C(1099511628211);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    hash += hash == 0;
    for (size_t i = hash % KEYS_MAX;; i = (i + 1) % KEYS_MAX) {
        if (s->keys[i] == hash)
            return false;
        if (s->keys[i])
            continue;
        s->keys[i] = hash;
        return true;
    }
}

static bool is_approved(const struct watched *w, const char *run)
{
    char step[MODEL_ID_SIZE];
    step_of(run, step);
    for (int i = 0; i < w->approved_count; i++)
        if (same(w->approved[i], step))
            return true;
    return false;
}

/* ---- orders ---- */

static void watch_switch(struct sim *s, struct watched *w, const struct order *order)
{
    int site = strstr(order->text, " dr") ? DR : PRODUCTION;
    if (site == s->traffic)
        return;
    if (!s->machines[s->traffic].certified && s->mutation != MUTATION_FENCE_LIES) /* there the world itself must show the harm */
        violated(s, "certificate", "%s leaves \"%s\" without a certificate", order->subject, site_names[s->traffic]);
    if (site == PRODUCTION && !w->by_person && !is_approved(w, order->subject))
        violated(s, "no-failback", "%s sends the users back unasked", order->subject);
}

/* From then on it accepts writes, whether users are sent there or not. */
static void watch_promote(struct sim *s, const struct order *order)
{
    int site = strstr(order->text, " dr") ? DR : PRODUCTION;
    if (site != s->traffic && !s->machines[s->traffic].certified && s->mutation != MUTATION_FENCE_LIES)
        violated(s, "certificate", "%s promotes \"%s\" without a certificate for \"%s\"", order->subject, site_names[site], site_names[s->traffic]);
}

static void watch_restore(struct sim *s, struct watched *w, const struct order *order)
{
    int site = strstr(order->text, " dr") ? DR : PRODUCTION;
    if (site == s->traffic && !is_approved(w, order->subject))
        violated(s, "over-users", "%s replaces the database at \"%s\", where the users are, unasked", order->subject, site_names[site]);
}

/* A failover begins to change things with its fence. */
static void watch_fence(struct sim *s, struct watched *w, const struct order *order)
{
    if (w->by_person || w->person_acted)
        return;
    if (s->failover_ms && s->now_ms - s->failover_ms < MS_DAY)
        violated(s, "one-failover", "%s begins the second automatic failover within a day", order->subject);
    s->failover_ms = s->now_ms;
    if (s->judged[CHECK_PRODUCTION_DATABASE] == VERDICT_UP && s->judged[CHECK_PUBLIC] == VERDICT_UP)
        violated(s, "healthy", "%s would stop a database that is up again", order->subject);
}

static void watch_run(struct sim *s, struct watched *w, const struct order *order)
{
    char once[MODEL_TEXT_SIZE + 32];
    if (!remember(s, 'r', order->subject))
        violated(s, "once", "%s is ordered twice", order->subject);
    snprintf(once, sizeof(once), "%lld/%s", (long long)order->incident, order->text);
    bool singular = begins(order->text, "restore") || begins(order->text, "promote") || begins(order->text, "traffic switch") || begins(order->text, "fence");
    if (singular && !w->person_acted && !w->by_person && !remember(s, 'c', once))
        violated(s, "once", "\"%s\" is ordered twice in incident %lld", order->text, (long long)order->incident);
    if (w->blocked)
        violated(s, "blocked-is-still", "%s runs while a person is awaited", order->subject);
    if (order->number <= 0)
        violated(s, "budget", "%s has a budget of %lld ms", order->subject, (long long)order->number);
    if (begins(order->text, "traffic switch"))
        watch_switch(s, w, order);
    if (begins(order->text, "promote"))
        watch_promote(s, order);
    if (begins(order->text, "restore"))
        watch_restore(s, w, order);
    if (begins(order->text, "fence"))
        watch_fence(s, w, order);
}

static void watch_step(struct sim *s, struct watched *w, const struct order *order)
{
    char *free_place = NULL;
    for (size_t i = 0; i < COUNT_OF(w->steps); i++)
        if (!w->steps[i][0])
            free_place = w->steps[i];
    if (!free_place || !remember(s, 's', order->subject)) {
        violated(s, "steps-end", "%s begins, and %d others have not ended", order->subject, w->open_steps);
        return;
    }
    str_copy(free_place, MODEL_ID_SIZE, order->subject);
    w->open_steps++;
    if (w->blocked)
        violated(s, "blocked-is-still", "%s begins while a person is awaited", order->subject);
}

static void watch_step_end(struct sim *s, struct watched *w, const struct order *order)
{
    for (size_t i = 0; i < COUNT_OF(w->steps); i++)
        if (same(w->steps[i], order->subject)) {
            w->steps[i][0] = 0;
            w->open_steps--;
            return;
        }
    violated(s, "steps-end", "%s ends and had not begun", order->subject);
}

static void watch_state(struct sim *s, struct watched *w, const struct order *order)
{
    if (w->state == INCIDENT_MONITORING)
        w->monitored_until_ms = s->now_ms;
    w->state = (enum incident_state)order->number;
    if (w->state == INCIDENT_MONITORING || w->state == INCIDENT_RESOLVED)
        w->blocked = false;
    if (w->state == INCIDENT_RESOLVED && w->open_steps)
        violated(s, "steps-end", "incident %lld is resolved and %d steps have not ended", (long long)order->incident, w->open_steps);
}

static void watch_stage(struct sim *s, struct watched *w, const struct order *order)
{
    char key[MODEL_TEXT_SIZE + 32];
    snprintf(key, sizeof(key), "%lld/%s", (long long)order->incident, order->subject);
    if (!remember(s, 'g', key))
        violated(s, "stage-once", "stage %s comes twice", key);
    /* Late is only what came due while nobody was there, or while the service was back and watched. */
    if (order->number > 0 && s->now_ms - order->number >= s->controller.up_since_ms && s->now_ms - order->number >= w->monitored_until_ms)
        violated(s, "on-time", "stage %s comes %lld ms late", key, (long long)order->number);
}

/* What the public reads: counted without gaps, never the same again but at the floor, at the floor to the millisecond, and not at all
   where the playbook keeps it out. */
static void watch_public(struct sim *s, struct watched *w, const struct order *order)
{
    int64_t every = s->config->services.p[0].severities.p[0].public_every_ms, due = w->public_at_ms + every;
    bool floor = same(order->text, "floor"), begun = w->public_serial > 0;
    if (order->number != w->public_serial + 1)
        violated(s, "public", "message %lld of incident %lld follows %d", (long long)order->number, (long long)order->incident, w->public_serial);
    if (!floor && same(order->subject, w->public_phase))
        violated(s, "public", "incident %lld is %s again", (long long)order->incident, order->subject);
    if (w->quiet)
        violated(s, "public-quiet", "the public is told of incident %lld", (long long)order->incident);
    if (floor && (!begun || (s->now_ms < due && !w->public_behind)))
        violated(s, "public", "incident %lld: the floor is not reached", (long long)order->incident);
    if (begun && s->now_ms > due && due >= s->controller.up_since_ms)
        violated(s, "public-on-time", "incident %lld: promised %lld ms ago", (long long)order->incident, (long long)(s->now_ms - due));
    w->public_serial = (int)order->number;
    w->public_at_ms = s->now_ms;
    w->public_behind = s->controller.catching_up;
    COPY_TO(w->public_phase, order->subject);
}

static void watch_open(struct sim *s, struct watched *w, const struct order *order)
{
    s->incidents++;
    if (order->incident > INCIDENTS_MAX)
        violated(s, "flood", "more than %d incidents", INCIDENTS_MAX);
    for (int i = 1; i <= INCIDENTS_MAX; i++)
        if (*order->subject && s->watched[i].worked_on && s->watched[i].state < INCIDENT_RESOLVED)
            violated(s, "one-incident", "incident %lld opens while %d is worked on", (long long)order->incident, i);
    bool seen_down = s->judged[CHECK_PRODUCTION_DATABASE] == VERDICT_DOWN || s->judged[CHECK_DR_DATABASE] == VERDICT_DOWN;
    if (!*order->who && same(order->subject, "database-down") && !seen_down)
        violated(s, "unseen", "incident %lld opens, and no database was seen to be down", (long long)order->incident);
    *w = (struct watched){.worked_on = *order->subject != 0, .opened_ms = s->now_ms, .moved_ms = s->now_ms, .by_person = *order->who != 0, .person_acted = *order->who != 0,
                           .quiet = *order->subject && !service_playbook(&s->config->services.p[0], order->subject)->is_public};
}

/* Who is called next, and not a millisecond late; nobody while somebody has it. */
static void watch_page(struct sim *s, struct watched *w, const struct order *order)
{
    bool wanted = str_starts(str_of(order->text), "escalated"), unanswered = same(order->text, "nobody answered in time");
    if (w->acked)
        violated(s, "ack-stops", "page %lld of incident %lld, which somebody has", (long long)order->number, (long long)order->incident);
    if (order->number != w->pages + 1)
        violated(s, "page-on-time", "page %lld of incident %lld follows %d", (long long)order->number, (long long)order->incident, w->pages);
    if (unanswered && !w->page_behind && s->now_ms < w->page_ms + PAGE_ANSWER_MS)
        violated(s, "page-on-time", "page %lld of incident %lld comes too soon", (long long)order->number, (long long)order->incident);
    w->unanswered = unanswered ? w->unanswered + 1 : 0;
    if (w->unanswered > (PAGE_REPEAT + 1) * 3)
        violated(s, "page-bound", "incident %lld: %d pages in a row", (long long)order->incident, w->unanswered);
    if (wanted && w->state >= INCIDENT_RESOLVED)
        violated(s, "page-on-time", "incident %lld is over", (long long)order->incident);
    w->pages = (int)order->number;
    w->page_ms = s->now_ms;
    w->page_behind = s->controller.catching_up;
}

static bool pages_are_over(const struct watched *w)
{
    return !w->page_ms || w->acked || w->state >= INCIDENT_MONITORING;
}

/* All of a stage are told at once, whatever is wrong with the way to one of them. */
void watch_orders(struct sim *s, const struct order *orders, size_t count)
{
    const struct severity_conf *p1 = &s->config->services.p[0].severities.p[0];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; orders[i].kind == ORDER_STAGE && k < p1->stages.n; k++) {
            const struct stage *stage = &p1->stages.p[k];
            for (size_t n = 0; same(stage->name, orders[i].subject) && n < stage->notify.n; n++) {
                const struct contact_group *group = config_group(s->config, stage->notify.p[n]);
                for (size_t m = 0; m < (group ? group->members.n : 1); m++) {
                    const char *name = group ? group->members.p[m] : stage->notify.p[n];
                    bool told = !config_contact(s->config, name);
                    for (size_t o = 0; o < count; o++)
                        told = told || (orders[o].kind == ORDER_NOTIFY && same(orders[o].who, name) && same(orders[o].stage, stage->name));
                    if (!told)
                        violated(s, "all-at-once", "%s was not told of stage %s with the others", name, stage->name);
                }
            }
        }
}

void watch_order(struct sim *s, const struct order *order)
{
    struct watched *w = watched_of(s, order->incident);
    sim_tracef(s, "  %s %s %lld %s", order_name(order->kind), order->subject, (long long)order->number, order->kind == ORDER_NOTIFY ? "" : order->text);
    /* What may still come: the news itself, a review, and a fact that is learnt late. */
    bool allowed = (order->kind == ORDER_NOTIFY && same(order->stage, "resolved")) || (order->kind == ORDER_STATE && order->number == INCIDENT_REVIEWED) ||
                   (order->kind == ORDER_PUBLIC && same(order->subject, "resolved")) || order->kind == ORDER_ACTIVE;
    if (w->opened_ms && w->state >= INCIDENT_RESOLVED && !allowed)
        violated(s, "after-resolved", "%s %s for incident %lld, which is over", order_name(order->kind), order->subject, (long long)order->incident);
    if (order->kind != ORDER_NOTIFY && order->kind != ORDER_STAGE && order->kind != ORDER_PUBLIC)
        w->moved_ms = s->now_ms;
    switch (order->kind) {
    case ORDER_OPEN:
        watch_open(s, w, order);
        break;
    case ORDER_STATE:
        watch_state(s, w, order);
        break;
    case ORDER_STAGE:
        watch_stage(s, w, order);
        break;
    case ORDER_NOTIFY:
        s->notices++;
        if (!remember(s, 'n', order->subject))
            violated(s, "once", "notice %s is ordered twice", order->subject);
        if (same(order->stage, "unanswered") && !same(order->channel, "sms") && w->page_ms) { /* the end of the calling, not before all were called as often as asked */
            if (w->unanswered < PAGE_REPEAT * 3)
                violated(s, "page-bound", "incident %lld: it ends after %d pages in a row", (long long)order->incident, w->unanswered);
            w->page_ms = 0;
        }
        if (order->number && w->acked)
            violated(s, "ack-stops", "%s calls somebody, and incident %lld is taken", order->subject, (long long)order->incident);
        break;
    case ORDER_STEP:
        watch_step(s, w, order);
        break;
    case ORDER_RUN:
        watch_run(s, w, order);
        break;
    case ORDER_STEP_END:
        watch_step_end(s, w, order);
        break;
    case ORDER_PUBLIC:
        watch_public(s, w, order);
        break;
    case ORDER_PAGE:
        watch_page(s, w, order);
        break;
    case ORDER_UNACK:
        if (!w->acked)
            violated(s, "ack-stops", "incident %lld: nobody had it", (long long)order->incident);
        w->acked = false;
        break;
    case ORDER_ASK:
        COPY_TO(w->asked, order->subject);
        break;
    case ORDER_BLOCKED:
        w->blocked = true;
        COPY_TO(w->asked, order->subject);
        break;
    default:
        break;
    }
}

/* ---- events ---- */

static void watch_person(struct sim *s, struct watched *w, const struct event *event)
{
    w->moved_ms = s->now_ms;
    if (event->kind == EVENT_ACK) {
        w->acked = true;
        w->page_ms = w->unanswered = 0;
        return;
    }
    w->person_acted = true;
    w->blocked = false; /* a person may move it on; if it does not move, it is blocked no less for that */
    w->by_person = w->by_person || (event->kind == EVENT_OPEN && *event->subject);
    if (event->kind == EVENT_APPROVE && w->approved_count < (int)COUNT_OF(w->approved))
        step_of(w->asked, w->approved[w->approved_count++]);
}

void watch_event(struct sim *s, const struct event *event)
{
    static const bool people[EVENT_MAX] = {[EVENT_OPEN] = true, [EVENT_ACK] = true,  [EVENT_RESOLVE] = true, [EVENT_APPROVE] = true,
                                           [EVENT_DENY] = true, [EVENT_CERTIFY] = true, [EVENT_RETRY] = true, [EVENT_ESCALATE] = true};
    sim_tracef(s, "%s %s %lld %s", event_name(event->kind), event->subject, (long long)event->number, event->text);
    if (!people[event->kind])
        return;
    if (event->kind == EVENT_OPEN && !*event->subject)
        return; /* an incident of its own, whatever else goes on */
    struct watched *meant = NULL; /* the newest with a playbook, else the newest, unless one is named */
    for (int i = INCIDENTS_MAX; i >= 1; i--) {
        struct watched *w = &s->watched[i];
        if (w->opened_ms && w->state < INCIDENT_RESOLVED && (!event->incident || event->incident == i) && (!meant || (w->worked_on && !meant->worked_on)))
            meant = w;
    }
    if (meant && !(event->kind == EVENT_OPEN && !meant->worked_on))
        watch_person(s, meant, event);
    if (event->kind == EVENT_CERTIFY && meant)
        s->machines[same(event->subject, "dr") ? DR : PRODUCTION].certified = true;
}

/* ---- the world, time, the end ---- */

void watch_world(struct sim *s)
{
    const struct machine *serving = &s->machines[s->traffic], *other = &s->machines[1 - s->traffic];
    /* Where the users were, their connections may still be; a server that never had any takes no writes of theirs. */
    if (other->served && other->db != DB_STOPPED && !other->certified && !serving->certified)
        violated(s, "one-writer", "the users are at \"%s\", and \"%s\" may accept writes", site_names[s->traffic], site_names[1 - s->traffic]);
}

void watch_time(struct sim *s)
{
    if (!s->controller.up)
        return;
    for (int i = 1; i <= INCIDENTS_MAX; i++) {
        struct watched *w = &s->watched[i];
        bool waits = w->blocked || w->person_acted || w->state == INCIDENT_MONITORING; /* a person leads it, or it is watched */
        if (w->opened_ms && w->public_serial && w->state < INCIDENT_RESOLVED &&
            s->now_ms > MAX_OF(w->public_at_ms, s->controller.up_since_ms) + s->config->services.p[0].severities.p[0].public_every_ms)
            violated(s, "public-on-time", "incident %d: the public waits", i);
        const char *key;
        if (w->acked && post_pages(s, i, &key))
            violated(s, "ack-stops", "%s is on its way, and incident %d is taken", key, i);
        if (!pages_are_over(w) && s->now_ms > MAX_OF(MAX_OF(w->page_ms, s->controller.up_since_ms), w->monitored_until_ms) + PAGE_ANSWER_MS)
            violated(s, "page-on-time", "incident %d: nobody answered, and nobody more is called", i);
        if (!w->opened_ms || w->state >= INCIDENT_RESOLVED || waits || s->now_ms - MAX_OF(w->moved_ms, s->controller.up_since_ms) <= PROGRESS_MS)
            continue;
        violated(s, "progress", "nothing has happened to incident %d for two hours", i);
        w->moved_ms = s->now_ms;
    }
}

void watch_end(struct sim *s)
{
    controller_replay(s);
    for (int i = 1; i <= INCIDENTS_MAX; i++)
        if (s->watched[i].opened_ms && s->watched[i].state < INCIDENT_RESOLVED)
            violated(s, "progress", "incident %d is not resolved in the end", i);
    for (int i = 1; i <= INCIDENTS_MAX; i++)
        if (s->watched[i].public_serial && !same(s->watched[i].public_phase, "resolved"))
            violated(s, "public-end", "incident %d is still %s to the public", i, s->watched[i].public_phase);
}
