/* decide/opening.c -- When an incident opens, and what it knows from the first moment. */
#include "decide/decide_internal.h"

struct inc *worked_on(const struct decide *d, const struct svc *svc)
{
    for (size_t i = 0; i < d->incidents.n; i++) {
        struct inc *inc = d->incidents.p[i];
        if (is_unresolved(inc) && inc->pub.service == svc->index && inc->pub.playbook != NOTHING)
            return inc;
    }
    return NULL;
}

static struct inc *inc_new(struct decide *d)
{
    struct inc *inc = d->spare.n ? d->spare.p[--d->spare.n] : arena_new(d->arena, struct inc);
    struct inc empty = {.letters = {.p = inc->letters.p, .cap = inc->letters.cap}, .people = {.p = inc->people.p, .cap = inc->people.cap}};
    *inc = empty;
    *vec_add(d->arena, &d->incidents) = inc;
    return inc;
}

/* When a check of the site that serves last saw its database alive, as far as its newest verdict tells; 0: it never did, -1: there is no such check. */
static int64_t seen_alive_ms(const struct svc *svc, int site, const char *check)
{
    char id[MODEL_ID_SIZE];
    SAY(id, "%s.%s", site == NOTHING ? "" : site_name(svc, site), check);
    const struct known *known = known_of(svc, id);
    return known ? known->good_wall_ms : -1;
}

/* The verdict that opened it, in its own words, and when the database was last seen to commit: by its own check, or by its agent, whichever has turned last. */
static void set_cause(struct inc *inc, const struct svc *svc, const struct playbook *playbook)
{
    struct view view = {.svc = svc};
    struct condition_world world = world_of(&view, inc->pub.from, inc->pub.to);
    char check[MODEL_ID_SIZE];
    const struct known *cause = condition_cause(playbook->opens_when, &world, check) ? known_of(svc, check) : NULL;
    if (cause)
        COPY_TO(inc->pub.cause, cause->text);
    int64_t database = seen_alive_ms(svc, inc->pub.from, "database"), agent = seen_alive_ms(svc, inc->pub.from, "agent");
    int64_t otherwise = database < 0 && cause ? cause->good_wall_ms : 0;
    inc->pub.good_wall_ms = MAX_OF(MAX_OF(database, agent), otherwise);
}

/* A person may have said where to; else it is the fittest. */
static int lead_to(const struct svc *svc, const struct event *person)
{
    bool said = person && person->kind == EVENT_OPEN && person->ref > 0 && person->ref <= (int64_t)svc->conf->sites.n && person->ref - 1 != svc->active;
    return said ? (int)person->ref - 1 : standby_of(svc, svc->active);
}

struct inc *open_incident(struct decide *d, struct svc *svc, int playbook, enum severity severity, const struct event *person)
{
    const struct playbook *book = playbook == NOTHING ? NULL : &svc->conf->playbooks.p[playbook];
    struct inc *inc = inc_new(d);
    inc->root = inc->wanted = NOTHING;
    inc->pub.id = d->next_id++;
    inc->pub.service = svc->index;
    inc->pub.playbook = playbook;
    inc->pub.severity = severity;
    inc->pub.opened_at_ms = inc->pub.state_at_ms = d->now_ms;
    inc->pub.opened_wall_ms = d->wall_ms;
    inc->pub.progress_ms = d->now_ms;
    inc->pub.page_at_ms = TIME_NEVER;
    inc->pub.from = svc->active;
    inc->pub.to = lead_to(svc, person);
    inc->pub.automatic = !person;
    inc->by_person = person && book;
    if (book)
        set_cause(inc, svc, book);
    if (person)
        COPY_TO(inc->pub.cause, person->text);
    COPY_TO(inc->pub.title, book && book->title.en ? book->title.en : book ? book->name : *inc->pub.cause ? inc->pub.cause : "Incident");
    inc->pub.next_update_at_ms = update_after(d, inc);
    checklists_open(d, inc);
    struct order *order = order_add(d, ORDER_OPEN, inc);
    COPY_TO(order->subject, book ? book->name : "");
    COPY_TO(order->who, d->who);
    COPY_TO(order->text, inc->pub.title);
    order->number = severity;
    order->ref = inc->pub.good_wall_ms;
    if (book)
        engine_start(d, inc, playbook);
    return inc;
}

/* Opens what has come to hold, also while another controller led. One incident with a playbook at a time: two must not work on the same databases. What people opened
   without one runs nothing, and must not keep a recovery from beginning. */
bool openings(struct decide *d, struct svc *svc)
{
    bool opened = false;
    for (size_t i = 0; i < svc->conf->playbooks.n; i++) {
        if (svc->behind) {
            svc->books[i].held = false;
            continue;
        }
        const struct playbook *playbook = &svc->conf->playbooks.p[i];
        struct book *book = &svc->books[i];
        bool holds = playbook->opens_when && truth_now(svc, playbook->opens_when) == TRUTH_YES;
        bool turned = holds && !book->held;
        book->held = holds;
        book->waiting = holds && (book->waiting || turned);
        if (!holds || !book->waiting || worked_on(d, svc))
            continue;
        book->waiting = false;
        open_incident(d, svc, (int)i, (enum severity)playbook->severity, NULL);
        opened = true;
    }
    return opened;
}
