/* world.c -- Two sites that break: what is true, what the checks make of it, and what commands do to it. */
#include "sim/sim.h"

const char *const check_names[CHECKS] = {
    "production.database", "production.application", "production.backup", "dr.database", "dr.application", "public",
};
const char *const site_names[SITES] = {"production", "dr"};

uint64_t sim_random(struct sim *s) /* splitmix64 */
{
    uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

bool sim_chance(struct sim *s, int percent)
{
    return sim_random(s) % 100 < (uint64_t)percent;
}

int64_t sim_between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)(sim_random(s) % (uint64_t)(high - low + 1));
}

void sim_later(struct sim *s, int64_t delay_ms, enum happening_kind kind, int a, int b, int64_t incident)
{
    if (s->queue_count == QUEUE_MAX)
        abort(); /* the model itself runs away */
    s->queue[s->queue_count++] = (struct happens){.at_ms = s->now_ms + delay_ms, .kind = kind, .a = a, .b = b, .incident = incident};
}

void world_open(struct sim *s)
{
    for (int i = 0; i < SITES; i++)
        s->machines[i] = (struct machine){.reachable = true, .connected = true, .db = DB_RUNNING, .startable = true, .app = i == PRODUCTION};
    s->traffic = PRODUCTION;
    s->machines[PRODUCTION].served = true;
    s->backup_good = s->backup_fresh = true;
    for (int i = 0; i < CHECKS; i++)
        s->truth[i] = s->judged[i] = VERDICT_UNKNOWN;
}

/* ---- what is seen ---- */

static enum verdict_state up_if(bool up)
{
    return up ? VERDICT_UP : VERDICT_DOWN;
}

static enum verdict_state truth_of(const struct sim *s, int check)
{
    const struct machine *production = &s->machines[PRODUCTION], *dr = &s->machines[DR], *serving = &s->machines[s->traffic];
    if (s->blind)
        return VERDICT_UNKNOWN;
    switch (check) {
    case CHECK_PRODUCTION_DATABASE:
        return up_if(production->reachable && production->db == DB_RUNNING);
    case CHECK_PRODUCTION_APPLICATION:
        return up_if(production->reachable && production->db == DB_RUNNING && production->app);
    case CHECK_PRODUCTION_BACKUP:
        return up_if(s->backup_fresh);
    case CHECK_DR_DATABASE:
        return up_if(dr->reachable && dr->db == DB_RUNNING);
    case CHECK_DR_APPLICATION:
        return up_if(dr->reachable && dr->db == DB_RUNNING && dr->app);
    default:
        return up_if(serving->connected && serving->db == DB_RUNNING && serving->app);
    }
}

void world_look(struct sim *s)
{
    for (int i = 0; i < CHECKS; i++) {
        enum verdict_state now = truth_of(s, i);
        if (now == s->truth[i])
            continue;
        s->truth[i] = now;
        /* Most turns are quick; some take long, as when a check hangs until its timeout. */
        int64_t delay = s->calm ? 1000 : sim_chance(s, 90) ? sim_between(s, 200, 4000) : sim_between(s, 4000, 60000);
        sim_later(s, delay, HAPPEN_TURN, i, now, 0);
    }
    watch_world(s);
}

void world_turn(struct sim *s, int check, enum verdict_state state)
{
    if (!s->controller.up)
        return; /* nobody judges */
    bool stale = state != s->truth[check];
    if (stale && (s->calm || sim_chance(s, 90)))
        return; /* it flapped back before the streak was full; a few are told all the same */
    if (state == s->judged[check])
        return;
    s->judged[check] = state;
    struct event event = {.kind = EVENT_VERDICT, .number = state, .service = "akig"};
    COPY_TO(event.subject, check_names[check]);
    event.ref = state == VERDICT_UP ? s->now_ms + s->wall_shift_ms : 0;
    controller_feed(s, &event);
    if (stale)
        sim_later(s, sim_between(s, 500, 5000), HAPPEN_TURN, check, s->truth[check], 0);
}

/* ---- what breaks ---- */

enum { FAULT_DB_DIES, FAULT_DB_BROKEN, FAULT_DB_HANGS, FAULT_PARTITION, FAULT_HOST_DIES, FAULT_APP_DIES, FAULT_DR_DIES, FAULT_DR_HOST, FAULT_BACKUP_BAD,
       FAULT_BACKUP_OLD, FAULT_BLIND, FAULT_FLAP, FAULT_WALL, FAULT_HEAL, FAULT_MAX };

static void heal(struct sim *s)
{
    s->blind = false;
    s->backup_good = s->backup_fresh = true;
    for (int i = 0; i < SITES; i++) {
        struct machine *m = &s->machines[i];
        m->reachable = m->connected = m->startable = true;
        if (!m->masked) { /* a fence outlives a repair, and a reboot */
            m->db = DB_RUNNING;
            m->app = m->app || i == PRODUCTION;
        }
    }
}

void world_fault(struct sim *s, int fault)
{
    struct machine *serving = &s->machines[s->traffic], *other = &s->machines[1 - s->traffic];
    sim_tracef(s, "fault %d at %s", fault, site_names[s->traffic]);
    switch (fault) {
    case FAULT_DB_DIES:
        serving->db = DB_STOPPED;
        break;
    case FAULT_DB_BROKEN:
        serving->db = DB_STOPPED;
        serving->startable = false;
        break;
    case FAULT_DB_HANGS:
        serving->db = serving->db == DB_RUNNING ? DB_HUNG : serving->db;
        break;
    case FAULT_PARTITION: /* it lives and takes writes, and the controller cannot see it */
        serving->reachable = false;
        serving->connected = sim_chance(s, 50);
        break;
    case FAULT_HOST_DIES:
        serving->db = DB_STOPPED;
        serving->reachable = serving->connected = serving->startable = serving->app = false;
        break;
    case FAULT_APP_DIES:
        serving->app = false;
        break;
    case FAULT_DR_DIES:
        other->db = DB_STOPPED;
        break;
    case FAULT_DR_HOST:
        other->reachable = other->connected = false;
        break;
    case FAULT_BACKUP_BAD:
        s->backup_good = false;
        break;
    case FAULT_BACKUP_OLD:
        s->backup_fresh = false;
        break;
    case FAULT_BLIND:
        s->blind = true;
        break;
    case FAULT_FLAP:
        serving->reachable = !serving->reachable;
        for (int i = 1; i <= 6; i++)
            sim_later(s, 5000 * i, HAPPEN_FAULT, FAULT_FLAP + 100, 0, 0);
        break;
    case FAULT_FLAP + 100:
        serving->reachable = !serving->reachable;
        break;
    case FAULT_WALL:
        s->wall_shift_ms += sim_between(s, -MS_HOUR, MS_HOUR);
        break;
    default:
        heal(s);
    }
    world_look(s);
}

void world_plan_faults(struct sim *s)
{
    static const int main_faults[] = {FAULT_DB_DIES, FAULT_DB_BROKEN, FAULT_DB_BROKEN, FAULT_DB_HANGS, FAULT_PARTITION, FAULT_HOST_DIES, FAULT_APP_DIES, FAULT_FLAP};
    int rounds = (int)sim_between(s, 1, 3);
    int64_t at = 0;
    for (int i = 0; i < rounds; i++) {
        at += sim_between(s, 5000, 20 * MS_MINUTE);
        sim_later(s, at, HAPPEN_FAULT, main_faults[sim_random(s) % COUNT_OF(main_faults)], 0, 0);
        for (int k = (int)sim_between(s, 0, 2); k > 0; k--)
            sim_later(s, at + sim_between(s, -5000, 10 * MS_MINUTE), HAPPEN_FAULT, (int)sim_between(s, 0, FAULT_MAX - 1), 0, 0);
        if (sim_chance(s, 60)) /* somebody repairs it, or it repairs itself, sooner or later */
            sim_later(s, at + (sim_chance(s, 30) ? sim_between(s, 100, 30000) : sim_between(s, 30000, 40 * MS_MINUTE)), HAPPEN_FAULT, FAULT_HEAL, 0, 0);
        at += sim_chance(s, 30) ? sim_between(s, 0, 26 * MS_HOUR) : sim_between(s, 0, 30 * MS_MINUTE);
    }
    sim_later(s, at + sim_between(s, MS_MINUTE, 90 * MS_MINUTE), HAPPEN_CLOSE, 0, 0, 0);
}

/* ---- commands ---- */

struct child *child_of(struct sim *s, const char *run)
{
    for (int i = 0; i < s->child_count; i++)
        if (same(s->children[i].run, run))
            return &s->children[i];
    return NULL;
}

static bool begins(const char *words, const char *with)
{
    return str_starts(str_of(words), with);
}

/* The site an action names, PRODUCTION when it names none. */
static int site_in(const char *words)
{
    return strstr(words, " dr") ? DR : PRODUCTION;
}

/* Is the wished state there already? Asked before every run, as actions do. */
static bool done_already(const struct sim *s, const struct child *child)
{
    const struct machine *m = &s->machines[site_in(child->words)];
    if (begins(child->words, "fence"))
        return m->masked && m->db == DB_STOPPED;
    if (begins(child->words, "traffic switch"))
        return s->traffic == site_in(child->words);
    if (begins(child->words, "promote"))
        return m->promoted;
    return begins(child->words, "restore") && child->effects > 0;
}

static enum child_fate draw_fate(struct sim *s)
{
    static const struct {
        int percent;
        enum child_fate fate;
    } fates[] = {{5, FATE_HANGS}, {4, FATE_FAILS}, {3, FATE_DIES_BEFORE}, {3, FATE_DIES_AFTER}, {2, FATE_BLOCKS}};
    int roll = (int)(sim_random(s) % 100);
    for (size_t i = 0; i < COUNT_OF(fates) && !s->calm; i++)
        if ((roll -= fates[i].percent) < 0)
            return fates[i].fate;
    return FATE_HONEST;
}

static int64_t draw_duration(struct sim *s, const char *words)
{
    int64_t high = begins(words, "restore") ? 9 * MS_MINUTE : begins(words, "verify") ? MS_MINUTE : 20 * MS_SECOND;
    return s->calm ? 2000 : sim_between(s, 100, sim_chance(s, 60) ? high / 10 : high);
}

void child_start(struct sim *s, const struct order *order)
{
    struct child *child = child_of(s, order->subject);
    if (!child) {
        if (s->child_count == CHILDREN_MAX)
            abort();
        child = &s->children[s->child_count++];
        *child = (struct child){.incident = order->incident};
        COPY_TO(child->run, order->subject);
        COPY_TO(child->words, order->text);
    }
    for (int i = 0; i < s->child_count; i++)
        if (s->children[i].alive && s->children[i].incident == child->incident)
            violated(s, "one-at-a-time", "%s starts while %s runs", child->run, s->children[i].run);
    s->runs++;
    child->starts++;
    child->alive = true;
    child->has_result = false;
    child->fate = done_already(s, child) ? FATE_HONEST : draw_fate(s);
    int64_t took = draw_duration(s, child->words);
    int64_t budget = MAX_OF(order->number, 1);
    if (child->fate == FATE_HANGS || took > budget)
        took = budget + sim_between(s, 0, 2000); /* stopped at its budget */
    child->outcome = took > budget || child->fate == FATE_HANGS ? OUTCOME_EXPIRY : OUTCOME_SUCCESS;
    child->effect_at_ms = s->now_ms + took / 2;
    child->end_at_ms = s->now_ms + took;
    child->effect_due = child->fate == FATE_HONEST || child->fate == FATE_DIES_AFTER || (child->fate == FATE_HANGS && sim_chance(s, 30));
    sim_later(s, took / 2, HAPPEN_EFFECT, (int)(child - s->children), 0, 0);
    sim_later(s, took, HAPPEN_END, (int)(child - s->children), 0, 0);
}

/* Whether the command works in the world as it is; what it changes, it changes here. */
static bool carry_out(struct sim *s, struct child *child)
{
    int site = site_in(child->words);
    struct machine *m = &s->machines[site];
    const char *words = child->words;
    if (begins(words, "diagnose"))
        return true;
    if (begins(words, "status"))
        return m->reachable && m->db == DB_RUNNING;
    if (begins(words, "verify public"))
        return s->machines[s->traffic].connected && s->machines[s->traffic].db == DB_RUNNING && s->machines[s->traffic].app;
    if (begins(words, "verify"))
        return m->reachable && m->db == DB_RUNNING && m->app;
    if (begins(words, "traffic switch")) {
        if (s->traffic != site)
            s->redirects++, child->effects++;
        s->traffic = site;
        m->served = true;
        m->certified = false;
        return true;
    }
    if (!m->reachable)
        return false; /* everything else needs the host */
    if (begins(words, "fence")) {
        if (s->mutation == MUTATION_FENCE_LIES)
            return true;
        if (!m->masked)
            s->fences++, child->effects++;
        m->masked = m->certified = true;
        m->db = DB_STOPPED;
        return true;
    }
    if (begins(words, "restore")) {
        if (!s->backup_good || m->db != DB_RUNNING)
            return false;
        s->restores++;
        child->effects++;
        return true;
    }
    if (begins(words, "promote")) {
        if (m->db != DB_RUNNING)
            return false;
        m->promoted = m->served = true; /* whoever finds it may write to it */
        m->certified = false;
        child->effects++;
        return true;
    }
    if (strstr(words, ".application"))
        return m->app = true;
    if (!m->startable)
        return false;
    m->masked = m->certified = false; /* a start that was ordered takes the mask away */
    m->db = DB_RUNNING;
    return true;
}

void child_effect(struct sim *s, int index)
{
    struct child *child = &s->children[index];
    if (!child->alive || !child->effect_due)
        return;
    child->effect_due = false;
    int before = child->effects;
    bool works = done_already(s, child) || carry_out(s, child);
    if (works && begins(child->words, "fence") && s->mutation != MUTATION_FENCE_LIES)
        s->machines[site_in(child->words)].certified = true; /* it has looked, whoever stopped it */
    if (!works && child->outcome == OUTCOME_SUCCESS)
        child->outcome = begins(child->words, "fence") ? OUTCOME_BLOCKED : OUTCOME_FAILURE;
    if (child->effects > 1 && child->effects > before)
        violated(s, "once", "\"%s\" took effect twice as %s", child->words, child->run);
    world_look(s);
}

static void tell_outcome(struct sim *s, struct child *child)
{
    struct event event = {.kind = EVENT_OUTCOME, .number = child->outcome, .incident = child->incident};
    COPY_TO(event.subject, child->run);
    controller_feed(s, &event);
}

void child_end(struct sim *s, int index)
{
    struct child *child = &s->children[index];
    if (!child->alive)
        return;
    child->alive = false;
    bool dies = child->fate == FATE_DIES_BEFORE || child->fate == FATE_DIES_AFTER;
    if (child->fate == FATE_FAILS || (dies && child->outcome == OUTCOME_SUCCESS))
        child->outcome = OUTCOME_FAILURE;
    if (child->fate == FATE_BLOCKS && child->outcome == OUTCOME_SUCCESS)
        child->outcome = OUTCOME_BLOCKED;
    child->has_result = !dies; /* who is there to see it die says "failure"; who comes later finds no result */
    if (s->controller.up)
        tell_outcome(s, child);
}

void child_cancel(struct sim *s, struct child *child)
{
    if (!child->alive)
        return;
    int64_t delay = sim_between(s, 0, 2000); /* TERM, then KILL */
    if (child->end_at_ms <= s->now_ms + delay)
        return;
    child->end_at_ms = s->now_ms + delay;
    child->outcome = OUTCOME_EXPIRY;
    sim_later(s, delay, HAPPEN_END, (int)(child - s->children), 0, 0);
}
