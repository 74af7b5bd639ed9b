/* decide/guard.c -- What no playbook can talk its way around: one writer, certificates, limits, approvals. */
#include "decide/decide_internal.h"

bool guard_certified(const struct inc *inc, int site)
{
    return (site == inc->pub.from && inc->pub.fenced) || (site == inc->pub.to && inc->fenced_to);
}

static enum safety refuse_without_certificate(const struct svc *svc, const struct inc *inc, int writer, const char *what, char *why)
{
    const char *site = site_name(svc, writer);
    say(why, MODEL_TEXT_SIZE,
        "%s needs a fence certificate for \"%s\", which may still accept writes; a person who has made sure that it does not: "
        "bascule incident certify %lld %s --accept-loss \"WHAT IS LOST\"",
        what, site, (long long)inc->pub.id, site);
    return REFUSED;
}

static enum safety refuse_without_approval(const struct svc *svc, const struct inc *inc, int site, const char *what, char *why)
{
    say(why, MODEL_TEXT_SIZE,
        "\"%s\" was fenced, so %s would void its certificate; to do it all the same: bascule incident approve %lld; "
        "to go on with the failover: bascule failover",
        site_name(svc, site), what, (long long)inc->pub.id);
    return REFUSED_UNLESS_APPROVED;
}

/* A site besides `site` that has served users and may write for them still: NOTHING when there is none. Where the users are, or may
   be, this incident must have proved the contrary; elsewhere a fence that has stood since an earlier one is enough. */
static int writer_besides(const struct svc *svc, const struct inc *inc, int site)
{
    for (int i = 0; i < (int)svc->conf->sites.n; i++) {
        bool users = i == svc->active || i == svc->moving;
        if (i != site && svc->served[i] && !guard_certified(inc, i) && (users || !svc->fenced[i]))
            return i;
    }
    return NOTHING;
}

bool guard_proves_itself(const struct decide *d, const struct svc *svc, int site, int writer)
{
    const struct site *sites = svc->conf->sites.p;
    return site != NOTHING && writer != NOTHING && site_lives_by_lease(d->config, svc->conf, &sites[site]) && site_lives_by_lease(d->config, svc->conf, &sites[writer]);
}

/* A promoted standby accepts writes, whoever is sent there: so it needs what a redirection needs. Where agents live by a lease, the
   promotion waits itself until the old one has ended, or its lease has. */
static enum safety guard_promote(const struct decide *d, const struct svc *svc, const struct inc *inc, int site, char *why)
{
    if (site == NOTHING)
        return say(why, MODEL_TEXT_SIZE, "the site to promote is not known"), REFUSED;
    int writer = writer_besides(svc, inc, site);
    if (writer == NOTHING || guard_proves_itself(d, svc, site, writer))
        return SAFE;
    return refuse_without_certificate(svc, inc, writer, "promoting the standby", why);
}

static enum safety guard_switch(const struct svc *svc, const struct inc *inc, int site, bool approved, char *why)
{
    if (site == NOTHING)
        return say(why, MODEL_TEXT_SIZE, "the site to redirect to is not known"), REFUSED;
    int writer = writer_besides(svc, inc, site);
    if (writer != NOTHING)
        return refuse_without_certificate(svc, inc, writer, "redirecting the traffic", why);
    if (site == inc->pub.from && svc->fenced[site] && !approved)
        return refuse_without_approval(svc, inc, site, "sending the users back there", why);
    return SAFE;
}

/* A fenced server that comes back is the second writer, unless the one that took over is fenced in its turn. */
static enum safety guard_start(const struct svc *svc, const struct inc *inc, int site, bool approved, char *why)
{
    if (site == NOTHING || !svc->fenced[site])
        return SAFE;
    int writer = writer_besides(svc, inc, site);
    if (writer != NOTHING)
        return refuse_without_certificate(svc, inc, writer, "starting a fenced site again", why);
    return approved ? SAFE : refuse_without_approval(svc, inc, site, "starting it again", why);
}

enum safety guard_safety(const struct decide *d, const struct svc *svc, const struct inc *inc, const struct deed *deed, bool approved, char why[MODEL_TEXT_SIZE])
{
    switch (deed->kind) {
    case DEED_SWITCH:
        return guard_switch(svc, inc, deed->site, approved, why);
    case DEED_PROMOTE:
        return guard_promote(d, svc, inc, deed->site, why);
    case DEED_START:
        return guard_start(svc, inc, deed->site, approved, why);
    case DEED_SWITCHOVER:
        return deed->site != NOTHING ? SAFE : (say(why, MODEL_TEXT_SIZE, "the site to switch over to is not known"), REFUSED);
    case DEED_UNDO:
        say(why, MODEL_TEXT_SIZE, "where \"traffic undo\" leads is not known here; name the site, or run it by hand");
        return REFUSED;
    default:
        return SAFE;
    }
}

/* ---- limits ---- */

bool window_full(const struct window *w, int64_t now_ms, int64_t within_ms)
{
    /* The slot that would be written next holds the oldest moment. */
    return w->size && w->at_ms[w->next] != TIME_NEVER && now_ms - w->at_ms[w->next] < within_ms;
}

void window_add(struct window *w, int64_t now_ms)
{
    if (!w->size)
        return;
    w->at_ms[w->next] = now_ms;
    w->next = (w->next + 1) % w->size;
}

static const struct playbook *top_playbook(const struct decide *d, const struct inc *inc)
{
    return &svc_of(d, inc)->conf->playbooks.p[inc->pub.frames[inc->pub.depth - 1].playbook];
}

bool guard_limited(const struct decide *d, const struct inc *inc, char why[MODEL_TEXT_SIZE])
{
    const struct frame *frame = &inc->pub.frames[inc->pub.depth - 1];
    const struct step *step = &top_playbook(d, inc)->steps.p[frame->step];
    if (inc->by_person || !window_full(&svc_of(d, inc)->books[frame->playbook].steps[frame->step], d->now_ms, step->window_ms))
        return false;
    SCOPED(arena_close) struct arena *scratch = arena_open();
    say(why, MODEL_TEXT_SIZE, "limit of %d run%s in %s reached", step->limit, step->limit == 1 ? "" : "s", duration_print(scratch, step->window_ms));
    return true;
}

bool guard_exhausted(const struct decide *d, const struct svc *svc, int playbook)
{
    return window_full(&svc->books[playbook].automatic, d->now_ms, svc->conf->playbooks.p[playbook].automatic_window_ms);
}

/* A failover begins with a fence and ends with a redirection; each of these is a part of one. */
static bool moves_users(const struct svc *svc, const struct inc *inc, const struct deed *deed)
{
    return deed->kind == DEED_PROMOTE || (deed->kind == DEED_FENCE && deed->site == inc->pub.from) ||
           (deed->kind == DEED_RESTORE && deed->site != svc->active) || (deed->kind == DEED_SWITCH && deed->site != svc->active);
}

void guard_count(struct decide *d, struct inc *inc, const struct deed *deed)
{
    struct frame *frame = top(inc);
    struct frame_more *more = top_more(inc);
    struct book *book = &svc_of(d, inc)->books[frame->playbook];
    window_add(&book->steps[frame->step], d->now_ms);
    if (moves_users(svc_of(d, inc), inc, deed) && !inc->by_person && !more->playbook_approved) {
        svc_of(d, inc)->failover_ms = d->now_ms;
        more->moved = true;
    }
    /* A playbook has run when it has changed something: one that found the service well again costs no failover. */
    if (!deed_changes(deed->kind) || more->counted || more->playbook_approved || inc->by_person)
        return;
    window_add(&book->automatic, d->now_ms);
    more->counted = true;
}

/* ---- approvals ---- */

/* Moving the users back to the site that is production by its role is never the machine's own idea. */
static bool is_failback(const struct svc *svc, const struct inc *inc, const struct deed *deed)
{
    const struct site *sites = svc->conf->sites.p;
    if (deed->kind == DEED_SWITCH || deed->kind == DEED_SWITCHOVER)
        return deed->site != svc->active && sites[deed->site].role == SITE_PRODUCTION;
    return (deed->kind == DEED_RESTORE || deed->kind == DEED_PROMOTE || deed->kind == DEED_FENCE) && inc->pub.to != NOTHING &&
           sites[inc->pub.to].role == SITE_PRODUCTION && sites[inc->pub.from].role != SITE_PRODUCTION;
}

const char *const ask_reasons[] = {
    [ASK_NOT] = "",
    [ASK_STEP] = "the playbook leaves this step to a person",
    [ASK_MANUAL] = "automatic action is switched off for this service",
    [ASK_FAILBACK] = "a failback is never automatic",
    [ASK_SERVING] = "it replaces a database that serves the users, or may serve them",
    [ASK_LIMIT] = "the playbook has reached its limit of automatic runs",
    [ASK_PAUSED] = "automatic action is paused",
    [ASK_PROMOTE] = "failover.automatic is false, so a person decides to move the users",
    [ASK_COOL] = "an automatic failover was less than failover.cool_down ago",
};

bool guard_paused(const struct decide *d, const struct svc *svc)
{
    return svc->paused_until_ms && d->now_ms < svc->paused_until_ms + PAUSE_LOOK_MS;
}

/* Why the users are not moved without a person. */
static enum ask ask_to_move(const struct decide *d, const struct svc *svc, const struct inc *inc, const struct deed *deed)
{
    bool approved = inc->unattended || inc->retried || inc->more[inc->pub.depth - 1].playbook_approved, ours = false;
    for (int i = 0; i < inc->pub.depth; i++) /* a playbook that another one called goes on with the same failover */
        ours = ours || inc->more[i].moved;
    const struct failover_conf *f = &svc->conf->failover;
    if (!moves_users(svc, inc, deed) || approved)
        return ASK_NOT;
    if (!f->automatic)
        return ASK_PROMOTE;
    bool cool = svc->failover_ms == TIME_NEVER || ours || d->now_ms - svc->failover_ms >= f->cool_down_ms;
    return cool ? ASK_NOT : ASK_COOL;
}

enum ask guard_ask(const struct decide *d, const struct inc *inc, const struct deed *deed)
{
    const struct frame *frame = &inc->pub.frames[inc->pub.depth - 1];
    const struct frame_more *more = &inc->more[inc->pub.depth - 1];
    const struct svc *svc = svc_of(d, inc);
    if (more->approved)
        return ASK_NOT;
    if (top_playbook(d, inc)->steps.p[frame->step].approve == APPROVE_PERSON)
        return ASK_STEP;
    if (deed->kind == DEED_RESTORE && deed->site != NOTHING && (deed->site == svc->active || deed->site == svc->moving))
        return ASK_SERVING; /* whoever started it: the users' newest rows would be gone */
    if (inc->by_person || !deed_changes(deed->kind))
        return ASK_NOT;
    if (!svc->conf->enabled_automatic && !inc->unattended)
        return ASK_MANUAL;
    if (is_failback(svc, inc, deed))
        return ASK_FAILBACK;
    if (guard_paused(d, svc) && !inc->unattended && !inc->pub.fenced && !inc->switched) /* a failover that has begun is not left half done */
        return ASK_PAUSED;
    if (!inc->retried && !more->counted && !more->playbook_approved && guard_exhausted(d, svc, frame->playbook))
        return ASK_LIMIT;
    return ask_to_move(d, svc, inc, deed);
}

void guard_approve(struct inc *inc)
{
    struct frame_more *more = top_more(inc);
    more->approved = true;
    if (more->ask == ASK_MANUAL || more->ask == ASK_PAUSED || more->ask == ASK_PROMOTE || more->ask == ASK_COOL)
        inc->unattended = true; /* "go" said once is said for the incident */
    if (more->ask == ASK_LIMIT)
        more->playbook_approved = true;
    more->ask = ASK_NOT;
}

/* The playbook whose cause may vanish by itself; NULL: what was begun is to be finished. */
static const struct playbook *vanishing(const struct decide *d, const struct inc *inc)
{
    if (!inc->pub.automatic || inc->by_person || inc->root == NOTHING || inc->pub.fenced || inc->switched)
        return NULL;
    const struct playbook *root = &svc_of(d, inc)->conf->playbooks.p[inc->root];
    return root->opens_when && root->resolved_when ? root : NULL;
}

bool guard_unseen(const struct decide *d, const struct inc *inc, const struct deed *deed)
{
    const struct playbook *root = vanishing(d, inc);
    if (!root || !deed_changes(deed->kind) || d->started_ms == TIME_NEVER || d->now_ms >= d->started_ms + LOOK_FIRST_MS)
        return false;
    const struct svc *svc = svc_of(d, inc);
    enum truth ill = truth_pinned(svc, inc, root->opens_when, 0), well = truth_now(svc, root->resolved_when);
    return ill != TRUTH_YES && well != TRUTH_NO && (ill == TRUTH_MAYBE || well == TRUTH_MAYBE);
}

bool guard_recovered(const struct decide *d, const struct inc *inc)
{
    const struct playbook *root = vanishing(d, inc);
    if (!root)
        return false;
    const struct svc *svc = svc_of(d, inc);
    return truth_pinned(svc, inc, root->opens_when, 0) == TRUTH_NO && truth_now(svc, root->resolved_when) == TRUTH_YES;
}
