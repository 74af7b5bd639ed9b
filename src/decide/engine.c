/* decide/engine.c -- Playbooks step by step: walks the table of moves.c, and orders what entering a phase wants. */
#include "decide/decide_internal.h"

/* ---- orders that a step leaves behind ---- */

static struct order *order_of_run(struct decide *d, struct inc *inc, enum order_kind kind, const char *text)
{
    struct order *order = order_add(d, kind, inc);
    COPY_TO(order->subject, top(inc)->run);
    COPY_TO(order->who, d->who);
    COPY_TO(order->text, text);
    return order;
}

/* Every run has an id of its own and exactly one ORDER_STEP, and in the end one ORDER_STEP_END. */
static void begin_run(struct decide *d, struct inc *inc)
{
    const struct step *step = engine_step(d, inc);
    incident_walk(d, inc, ON_BEGIN);
    SAY(top(inc)->run, "%lld.%.60s.%d", (long long)inc->pub.id, step->id, ++inc->pub.serial);
    order_of_run(d, inc, ORDER_STEP, step->title.en ? step->title.en : step->id);
    top_more(inc)->begun = true;
}

static void end_run(struct decide *d, struct inc *inc, enum outcome outcome, const char *why, const char *then)
{
    char text[MODEL_TEXT_SIZE];
    SAY(text, "%s%s%s", why, *then ? "; " : "", then);
    order_of_run(d, inc, ORDER_STEP_END, text)->number = outcome;
    top_more(inc)->begun = false;
    if (outcome != OUTCOME_SUCCESS && outcome != OUTCOME_SKIPPED)
        SAY(inc->why, "step \"%s\": %s", engine_step(d, inc)->id, why);
}

/* ---- from step to step ---- */

static void enter_step(struct decide *d, struct inc *inc, int index)
{
    struct frame *frame = top(inc);
    struct frame_more *more = top_more(inc);
    frame->step = index;
    frame->phase = STEP_READY;
    frame->attempt = 1;
    frame->entered_at_ms = frame->phase_at_ms = d->now_ms;
    more->begun = more->stopping = more->approved = more->approvable = false;
}

static void order_playbook_end(struct decide *d, struct inc *inc, enum outcome outcome)
{
    struct order *order = order_add(d, ORDER_PLAYBOOK_END, inc);
    COPY_TO(order->subject, engine_playbook(d, inc)->name);
    order->number = outcome;
    inc->pub.depth--;
}

static void playbook_ends(struct decide *d, struct inc *inc, enum outcome outcome)
{
    char run[MODEL_ID_SIZE], why[MODEL_TEXT_SIZE], name[MODEL_ID_SIZE];
    COPY_TO(run, top(inc)->run);
    COPY_TO(name, engine_playbook(d, inc)->name);
    COPY_TO(why, outcome == OUTCOME_SUCCESS ? "" : inc->why);
    order_playbook_end(d, inc, outcome);
    if (inc->pub.depth) {
        engine_happens(d, inc, outcome == OUTCOME_SUCCESS ? STEP_SUCCEEDS : STEP_FAILS, why);
        return;
    }
    if (inc->wanted != NOTHING)
        return; /* what a person wants instead begins at once */
    if (outcome == OUTCOME_SUCCESS) {
        incident_walk(d, inc, ON_MENDED);
        return;
    }
    char text[MODEL_TEXT_SIZE];
    SAY(text, "playbook \"%s\" failed: %.300s; to run it again: bascule incident retry %lld; to go on by hand: bascule runbook",
        name, why, (long long)inc->pub.id);
    incident_block(d, inc, run, text);
}

static void follow(struct decide *d, struct inc *inc, const char *target)
{
    const struct playbook *playbook = engine_playbook(d, inc);
    size_t next = (size_t)top(inc)->step + 1;
    if (!same(target, "next")) {
        next = playbook->steps.n; /* "end" */
        for (size_t i = 0; i < playbook->steps.n; i++)
            if (same(playbook->steps.p[i].id, target))
                next = i;
    }
    if (next < playbook->steps.n)
        enter_step(d, inc, (int)next);
    else /* a target that does not exist was refused when it was loaded; here it fails rather than passes for done */
        playbook_ends(d, inc, same(target, "next") || same(target, "end") ? OUTCOME_SUCCESS : OUTCOME_FAILURE);
}

static void step_ends(struct decide *d, struct inc *inc, enum outcome outcome, const char *why)
{
    const char *target = engine_target(engine_step(d, inc), outcome);
    char then[MODEL_TEXT_SIZE] = "";
    if (!top_more(inc)->begun) /* the last try ended, and the pause behind it was the end of the budget */
        begin_run(d, inc);
    if (same(target, "fail"))
        SAY(then, "the playbook has failed");
    else if (same(target, "end"))
        SAY(then, "the playbook ends");
    else if (!same(target, "next"))
        SAY(then, "it goes on with \"%s\"", target);
    end_run(d, inc, outcome, why, then);
    follow(d, inc, target);
}

static void push(struct decide *d, struct inc *inc, int playbook)
{
    int depth = inc->pub.depth++;
    inc->pub.frames[depth] = (struct frame){.playbook = playbook};
    inc->more[depth] = (struct frame_more){0};
    enter_step(d, inc, 0);
}

void engine_start(struct decide *d, struct inc *inc, int playbook)
{
    inc->root = playbook;
    inc->blocked = inc->relapsed = false;
    inc->why[0] = 0;
    push(d, inc, playbook);
    if (engine_playbook(d, inc)->steps.n == 0) {
        SAY(inc->why, "it has no steps");
        playbook_ends(d, inc, OUTCOME_FAILURE);
    }
}

void engine_unwind(struct decide *d, struct inc *inc, enum outcome step, enum outcome playbook, const char *why)
{
    while (inc->pub.depth) {
        if (top(inc)->phase == STEP_RUNNING && !top_more(inc)->stopping)
            order_of_run(d, inc, ORDER_CANCEL, why);
        if (top_more(inc)->begun)
            end_run(d, inc, step, why, "");
        order_playbook_end(d, inc, playbook);
    }
}

/* ---- entering a phase ---- */

/* What waits for the end of a pause is denied by nobody's silence. */
static int64_t asking_ends_ms(const struct decide *d, const struct inc *inc)
{
    const struct step *step = engine_step(d, inc);
    if (inc->more[inc->pub.depth - 1].ask == ASK_PAUSED)
        return svc_of(d, inc)->paused_until_ms + PAUSE_LOOK_MS;
    return inc->pub.frames[inc->pub.depth - 1].phase_at_ms + (step->approve_timeout_ms > 0 ? step->approve_timeout_ms : APPROVAL_FALLBACK_MS);
}

static void enter_asking(struct decide *d, struct inc *inc, const char *why)
{
    char words[MODEL_TEXT_SIZE], text[MODEL_TEXT_SIZE];
    engine_deed(d, inc, words);
    struct order *order = order_of_run(d, inc, ORDER_ASK, words);
    order->number = asking_ends_ms(d, inc) - d->now_ms;
    SAY(text, "\"%.200s\": %.200s; bascule incident approve %lld, or deny %lld", words, why, (long long)inc->pub.id, (long long)inc->pub.id);
    tell(d, inc, NOTICE_APPROVAL, text);
}

static void note_run(struct decide *d, struct inc *inc, const struct deed *deed)
{
    struct svc *svc = svc_of(d, inc);
    struct late_run late = {.site = deed->site};
    COPY_TO(late.run, top(inc)->run);
    if (deed->kind == DEED_FENCE)
        inc->fence = late;
    if (deed->kind == DEED_SWITCH || deed->kind == DEED_SWITCHOVER) {
        inc->redirect = late;
        inc->switched = true;
        svc->moving = deed->site;
        svc->served[deed->site] = true;
    }
    if (deed->kind == DEED_PROMOTE || deed->kind == DEED_SWITCHOVER) { /* from now on it may accept writes, also when nobody hears how it ended */
        svc->served[deed->site] = true;
        void_certificate(d, svc, deed->site);
        inc->promotion = late;
    }
    if (deed->kind == DEED_START) {
        inc->start = late;
        if (deed->site != NOTHING)
            void_certificate(d, svc, deed->site);
    }
}

static void enter_running(struct decide *d, struct inc *inc)
{
    char words[MODEL_TEXT_SIZE];
    struct deed deed = engine_deed(d, inc, words);
    guard_count(d, inc, &deed);
    note_run(d, inc, &deed);
    top_more(inc)->run_seq = d->seq;
    top_more(inc)->stopping = false;
    order_of_run(d, inc, ORDER_RUN, words)->number = MAX_OF(1, engine_budget_ends_ms(d, inc) - d->now_ms);
}

/* A command to be copied: it names the configuration where that is not the one which is found by itself. */
static void command(const struct decide *d, char to[MODEL_TEXT_SIZE], const char *words)
{
    const char *path = d->config->path;
    bool named = path && !same(path, "/etc/bascule/bascule.yaml");
    say(to, MODEL_TEXT_SIZE, "bascule %s%s%s%s", named ? "-c " : "", named ? path : "", named ? " " : "", words);
}

static void enter_blocked(struct decide *d, struct inc *inc, const char *why)
{
    char text[MODEL_TEXT_SIZE], words[MODEL_TEXT_SIZE], certify[MODEL_TEXT_SIZE], retry[MODEL_TEXT_SIZE];
    struct deed deed = engine_deed(d, inc, words);
    const char *site = site_name(svc_of(d, inc), deed.site);
    SAY(words, "incident retry %lld", (long long)inc->pub.id);
    command(d, retry, words);
    if (deed.kind == DEED_FENCE && site) {
        SAY(words, "incident certify %lld %s --accept-loss \"WHAT IS LOST\"", (long long)inc->pub.id, site);
        command(d, certify, words);
        SAY(text, "%.300s; when a person has made sure that \"%s\" accepts no more writes: %s; to try again: %s", why, site, certify, retry);
    } else {
        SAY(text, "%.500s; to try again: %s", why, retry);
    }
    incident_block(d, inc, top(inc)->run, text);
}

static void enter_ready(struct decide *d, struct inc *inc, enum step_phase from, enum happening on, const char *why)
{
    struct frame *frame = top(inc);
    if (from == STEP_PAUSING)
        frame->attempt++;
    if (from == STEP_BLOCKED)
        end_run(d, inc, OUTCOME_BLOCKED, why, "");
    if (on == STEP_RETRIED) { /* a person's try has the whole budget */
        frame->attempt = 1;
        frame->entered_at_ms = d->now_ms;
    }
}

static void enter(struct decide *d, struct inc *inc, const struct move *m, const char *why)
{
    struct frame *frame = top(inc);
    enum step_phase from = frame->phase;
    if (from == STEP_ASKING || from == STEP_BLOCKED) { /* the time that people take is not the step's */
        frame->entered_at_ms += d->now_ms - frame->phase_at_ms;
        inc->blocked = false;
    }
    frame->phase = m->next;
    frame->phase_at_ms = d->now_ms;
    char words[MODEL_TEXT_SIZE];
    if (m->next == STEP_READY)
        enter_ready(d, inc, from, m->on, why);
    else if (m->next == STEP_ASKING)
        enter_asking(d, inc, why);
    else if (m->next == STEP_BLOCKED)
        enter_blocked(d, inc, why);
    else if (m->next == STEP_PAUSING)
        end_run(d, inc, OUTCOME_FAILURE, why, "");
    else if (m->next == STEP_CALLING)
        push(d, inc, (int)(service_playbook(svc_of(d, inc)->conf, engine_deed(d, inc, words).argument) - svc_of(d, inc)->conf->playbooks.p));
    else if (m->next == STEP_RUNNING && from == STEP_RUNNING) {
        top_more(inc)->stopping = true;
        order_of_run(d, inc, ORDER_CANCEL, why);
    } else if (m->next == STEP_RUNNING)
        enter_running(d, inc);
    else if (from == STEP_READY) /* `wait`: only what is seen from now on counts */
        top_more(inc)->run_seq = d->seq;
}

bool engine_happens(struct decide *d, struct inc *inc, enum happening on, const char *detail)
{
    const struct move *m = NULL;
    for (size_t i = 0; i < engine_move_count && !m && inc->pub.depth; i++) {
        const struct move *row = &engine_moves[i];
        if (row->phase == top(inc)->phase && row->on == on && (!row->guard || row->guard(d, inc)))
            m = row;
    }
    if (!m)
        return false;
    if (on == STEP_DUE && top(inc)->phase == STEP_RUNNING && m->next != STEP_RUNNING)
        learn(d, inc, top(inc)->run, false); /* given up: it ended in some way nobody saw */
    char why[MODEL_TEXT_SIZE];
    if (m->phase == STEP_RUNNING && *detail)
        SAY(why, "%s", detail); /* the command says better than we how it went */
    else
        SAY(why, "%s%s%s", m->sentence, *detail ? ": " : "", detail);
    if (on == STEP_RECOVERED) {
        engine_unwind(d, inc, m->outcome, OUTCOME_SUCCESS, why);
        inc->blocked = false;
        incident_walk(d, inc, ON_WELL);
    } else if (m->next == STEP_NONE) {
        if (top(inc)->phase == STEP_BLOCKED)
            inc->blocked = false;
        step_ends(d, inc, m->outcome, why);
    } else {
        enter(d, inc, m, why);
    }
    return true;
}

/* ---- what happens by itself ---- */

static enum happening look_at_call(const struct decide *d, const struct inc *inc, const struct deed *deed, char *why)
{
    const struct service *conf = svc_of(d, inc)->conf;
    const struct playbook *called = service_playbook(conf, deed->argument);
    bool recursive = false;
    for (int i = 0; i < inc->pub.depth; i++)
        recursive = recursive || &conf->playbooks.p[inc->pub.frames[i].playbook] == called;
    if (called && !recursive && called->steps.n && inc->pub.depth < INCIDENT_DEPTH_MAX)
        return STEP_CALLS;
    say(why, MODEL_TEXT_SIZE, "playbook \"%s\" %s", deed->argument,
        !called ? "does not exist" : recursive ? "would call itself" : !called->steps.n ? "has no steps" : "is nested too deeply");
    return STEP_CANNOT;
}

/* What becomes of a step that is about to begin; `why` says more. */
static enum happening look_at(struct decide *d, struct inc *inc, char why[MODEL_TEXT_SIZE])
{
    char words[MODEL_TEXT_SIZE];
    struct svc *svc = svc_of(d, inc);
    const struct step *step = engine_step(d, inc);
    struct deed deed = engine_deed(d, inc, words);
    if (step->when && truth_pinned(svc, inc, step->when, 0) != TRUTH_YES)
        return STEP_SKIPS;
    if (deed.kind != DEED_LOOK && deed.kind != DEED_SAY && guard_recovered(d, inc))
        return STEP_RECOVERED;
    if (deed.kind == DEED_FENCE && guard_certified(inc, deed.site))
        return STEP_CERTIFIED;
    if (inc->pub.to == NOTHING && names_standby(step->action))
        return say(why, MODEL_TEXT_SIZE, "this service has no other site"), STEP_CANNOT;
    if (guard_limited(d, inc, why))
        return STEP_LIMITED;
    enum safety safety = guard_safety(d, svc, inc, &deed, top_more(inc)->approved, why);
    top_more(inc)->approvable = safety == REFUSED_UNLESS_APPROVED;
    if (safety != SAFE)
        return STEP_REFUSED;
    top_more(inc)->ask = guard_ask(d, inc, &deed);
    if (top_more(inc)->ask != ASK_NOT)
        return say(why, MODEL_TEXT_SIZE, "%s", ask_reasons[top_more(inc)->ask]), STEP_ASKS;
    if (deed.kind == DEED_CALL)
        return look_at_call(d, inc, &deed, why);
    if (deed.kind == DEED_SAY)
        stage_say(d, inc, deed.argument);
    return deed.kind == DEED_SAY ? STEP_SAYS : deed.kind == DEED_WAIT ? STEP_AWAITS : STEP_GOES;
}

static int64_t phase_ends_ms(const struct decide *d, const struct inc *inc)
{
    const struct frame *frame = &inc->pub.frames[inc->pub.depth - 1];
    const struct step *step = engine_step(d, inc);
    int64_t budget_ends = engine_budget_ends_ms(d, inc);
    switch (frame->phase) {
    case STEP_READY: /* moves at once, but for the first look after a start */
        return d->started_ms == TIME_NEVER ? TIME_NEVER : d->started_ms + LOOK_FIRST_MS;
    case STEP_ASKING:
        return asking_ends_ms(d, inc);
    case STEP_RUNNING:
        return inc->more[inc->pub.depth - 1].stopping ? frame->phase_at_ms + CANCEL_GRACE_MS : budget_ends;
    case STEP_CHECKING:
        return budget_ends;
    case STEP_PAUSING:
        return MIN_OF(budget_ends, frame->phase_at_ms + step->pause_ms);
    default: /* a called playbook has clocks of its own; a blocked step waits for a person, whom updates remind */
        return TIME_NEVER;
    }
}

int64_t engine_next_ms(const struct decide *d, const struct inc *inc)
{
    return inc->pub.depth ? phase_ends_ms(d, inc) : TIME_NEVER;
}

static void replace(struct decide *d, struct inc *inc)
{
    char why[MODEL_TEXT_SIZE];
    int wanted = inc->wanted;
    SAY(why, "%s started playbook \"%s\" instead", *inc->wanted_by ? inc->wanted_by : "a person", svc_of(d, inc)->conf->playbooks.p[wanted].name);
    engine_unwind(d, inc, OUTCOME_FAILURE, OUTCOME_FAILURE, why);
    inc->wanted = NOTHING;
    inc->by_person = true;
    engine_start(d, inc, wanted);
}

static bool goes_in_circles(struct decide *d, struct inc *inc)
{
    if (inc->moved_seq != d->seq)
        inc->moves = 0;
    inc->moved_seq = d->seq;
    if (++inc->moves <= MOVES_MAX)
        return false;
    static const char why[] = "the playbook goes round in a circle that takes no time";
    engine_unwind(d, inc, OUTCOME_FAILURE, OUTCOME_FAILURE, why);
    incident_block(d, inc, "", why);
    return true;
}

bool engine_move(struct decide *d, struct inc *inc)
{
    struct frame *frame = top(inc);
    if (inc->wanted != NOTHING && (!inc->pub.depth || frame->phase != STEP_RUNNING)) {
        replace(d, inc);
        return true;
    }
    if (!inc->pub.depth)
        return false;
    if (frame->phase == STEP_READY) {
        char words[MODEL_TEXT_SIZE];
        struct deed deed = engine_deed(d, inc, words);
        if (!top_more(inc)->approved && guard_unseen(d, inc, &deed))
            return false;
        if (goes_in_circles(d, inc))
            return true;
        char why[MODEL_TEXT_SIZE] = "";
        if (!top_more(inc)->begun)
            begin_run(d, inc);
        enum happening on = look_at(d, inc, why);
        return engine_happens(d, inc, on, why);
    }
    if (frame->phase == STEP_CHECKING && truth_pinned(svc_of(d, inc), inc, engine_step(d, inc)->until, top_more(inc)->run_seq) == TRUTH_YES)
        return engine_happens(d, inc, STEP_HOLDS, "");
    if ((frame->phase == STEP_ASKING || frame->phase == STEP_BLOCKED) && guard_recovered(d, inc))
        return engine_happens(d, inc, STEP_RECOVERED, "");
    if (frame->phase == STEP_ASKING && top_more(inc)->ask == ASK_PAUSED && !guard_paused(d, svc_of(d, inc)))
        return engine_happens(d, inc, STEP_UNPAUSED, "");
    /* Only a tick gives up on a cancelled command: it comes from a controller that was there to carry the cancel out, while
       events of people may have been written when there was none. */
    if (frame->phase == STEP_RUNNING && top_more(inc)->stopping && !d->ticking)
        return false;
    return d->now_ms >= phase_ends_ms(d, inc) && engine_happens(d, inc, STEP_DUE, "");
}
