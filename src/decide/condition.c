/* decide/condition.c -- Conditions over verdicts, and over the best way to recover: comparisons joined by `and` and `or`. Evaluated as they are read, in three
   values, because a check that nobody can see must neither open an incident nor end one. */
#include "decide/decide_internal.h"

enum joint { JOINT_END, JOINT_AND, JOINT_OR };
struct comparison {
    char name[MODEL_ID_SIZE];
    bool negated;
    bool of_ways;             /* "best is promote" */
    enum verdict_state state; /* else */
    enum way_kind way;        /* of_ways; WAY_MAX: none */
    enum joint joint;         /* what stands after it */
};

static bool next_word(const char **p, char word[MODEL_ID_SIZE])
{
    *p += strspn(*p, " \t\n");
    size_t n = strcspn(*p, " \t\n");
    if (n == 0 || n >= MODEL_ID_SIZE)
        return false;
    memcpy(word, *p, n);
    word[n] = 0;
    *p += n;
    return true;
}

static bool read_joint(const char **p, enum joint *ret, struct err *err)
{
    char word[MODEL_ID_SIZE];
    *p += strspn(*p, " \t\n");
    if (!**p) {
        *ret = JOINT_END;
        return true;
    }
    if (!next_word(p, word) || (!same(word, "and") && !same(word, "or")))
        return err_set(err, ERR_CONFIG, "\"and\" or \"or\" is expected between comparisons");
    *ret = same(word, "and") ? JOINT_AND : JOINT_OR;
    return true;
}

static bool read_way(const char *word, const char *not, enum way_kind *ret, struct err *err)
{
    *ret = WAY_MAX;
    if (same(word, WAY_NONE) || way_of(word, ret))
        return true;
    err_set(err, ERR_CONFIG, "a way to recover is expected after \"best is%s\"", not);
    return err_hint(err, "ways are restart, promote, warm, restore and none");
}

/* One comparison and the joint behind it; moves *p past both. */
static bool read_comparison(const char **p, struct comparison *ret, struct err *err)
{
    char word[MODEL_ID_SIZE];
    if (!next_word(p, ret->name))
        return err_set(err, ERR_CONFIG, "the name of a check is expected");
    if (!next_word(p, word) || !same(word, "is"))
        return err_set(err, ERR_CONFIG, "\"is\" is expected after \"%s\"", ret->name);
    bool more = next_word(p, word);
    ret->negated = more && same(word, "not");
    if (ret->negated)
        more = next_word(p, word);
    ret->of_ways = same(ret->name, "best");
    if (ret->of_ways) {
        if (!read_way(more ? word : "", ret->negated ? " not" : "", &ret->way, err))
            return false;
    } else if (!more || !verdict_of(word, &ret->state)) {
        err_set(err, ERR_CONFIG, "a state is expected after \"%s is%s\"", ret->name, ret->negated ? " not" : "");
        return err_hint(err, "states are up, warning, down and unknown");
    }
    return read_joint(p, &ret->joint, err);
}

/* "active.database" is "production.database". False when it speaks of a site that does not exist. */
static bool resolve(const char *name, const struct condition_world *world, char check[MODEL_ID_SIZE])
{
    static const char active[] = "active.", standby[] = "standby.";
    const char *site = NULL, *rest = name;
    if (str_starts(str_of(name), active))
        site = world->active, rest = name + strlen(active);
    else if (str_starts(str_of(name), standby))
        site = world->standby, rest = name + strlen(standby);
    if (rest != name && !site)
        return false;
    say(check, MODEL_ID_SIZE, "%s%s%s", site ? site : "", site ? "." : "", rest);
    return true;
}

/* A check in warning does its work, so it is up: restarting a database that is merely slow would be an outage of our making. */
static bool is_in(enum verdict_state actual, enum verdict_state wanted)
{
    return actual == wanted || (wanted == VERDICT_UP && actual == VERDICT_WARNING);
}

static enum truth compare(const struct comparison *c, const struct condition_world *world)
{
    char check[MODEL_ID_SIZE];
    if (c->of_ways)
        return !world->best ? TRUTH_MAYBE : (*world->best == c->way) != c->negated ? TRUTH_YES : TRUTH_NO;
    if (!resolve(c->name, world, check))
        return TRUTH_MAYBE;
    if (world->seen && !world->seen(world->arg, check))
        return TRUTH_MAYBE;
    enum verdict_state actual = world->verdict(world->arg, check);
    if (actual == VERDICT_UNKNOWN && c->state != VERDICT_UNKNOWN)
        return TRUTH_MAYBE;
    return is_in(actual, c->state) != c->negated ? TRUTH_YES : TRUTH_NO;
}

enum truth condition_truth(const char *text, const struct condition_world *world)
{
    if (!text)
        return TRUTH_YES;
    enum truth any = TRUTH_NO, all = TRUTH_YES;
    struct comparison c = {.joint = JOINT_AND};
    for (const char *p = text; c.joint != JOINT_END;) {
        if (!read_comparison(&p, &c, NULL))
            return TRUTH_NO; /* refused when it was loaded; a defect must not act */
        enum truth one = compare(&c, world);
        all = MIN_OF(all, one);
        if (c.joint != JOINT_AND) {
            any = MAX_OF(any, all);
            all = TRUTH_YES;
        }
    }
    return any;
}

bool condition_holds(const char *text, const struct condition_world *world)
{
    return condition_truth(text, world) == TRUTH_YES;
}

bool condition_cause(const char *text, const struct condition_world *world, char check[MODEL_ID_SIZE])
{
    struct comparison c = {.joint = text ? JOINT_AND : JOINT_END};
    for (const char *p = text; c.joint != JOINT_END;) {
        if (!read_comparison(&p, &c, NULL))
            return false;
        if (!c.of_ways && compare(&c, world) == TRUTH_YES)
            return resolve(c.name, world, check);
    }
    return false;
}

static bool check_exists(const char *name, const char *check, const struct service *service, struct err *err)
{
    if (service_check(service, check))
        return true;
    if (same(name, check))
        err_set(err, ERR_CONFIG, "there is no check \"%s\"", check);
    else
        err_set(err, ERR_CONFIG, "\"%s\" means the check \"%s\", which does not exist", name, check);
    const char *nearest = NULL;
    size_t best = 0;
    for (size_t i = 0; i < service->checks.n; i++) { /* names share long prefixes, so the one with the longest common start wins */
        size_t n = 0;
        while (check[n] && check[n] == service->checks.p[i].id[n])
            n++;
        if (n > best)
            best = n, nearest = service->checks.p[i].id;
    }
    return nearest ? err_hint(err, "did you mean \"%s\"?", nearest) : false;
}

bool condition_valid(const char *text, const struct service *service, struct err *err)
{
    /* Judged for the direction in which the machine may go alone: production is active, DR stands by. */
    const struct site *production = service_site_of(service, SITE_PRODUCTION), *dr = service_site_of(service, SITE_DR);
    struct condition_world world = {.active = production ? production->name : NULL, .standby = dr ? dr->name : NULL};
    struct comparison c = {.joint = JOINT_AND};
    for (const char *p = text; c.joint != JOINT_END;) {
        char check[MODEL_ID_SIZE];
        if (!read_comparison(&p, &c, err))
            return err_prefix(err, "condition \"%s\"", text);
        if (c.of_ways)
            continue;
        if (!resolve(c.name, &world, check))
            return err_set(err, ERR_CONFIG, "condition \"%s\": \"%s\" needs a site that this service does not have", text, c.name);
        if (!check_exists(c.name, check, service, err))
            return err_prefix(err, "condition \"%s\"", text);
    }
    return true;
}
