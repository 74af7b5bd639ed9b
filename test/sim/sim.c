/* sim.c -- Plays disasters by the thousand and prints what broke.
     sim --seed N --count N [--trace]     random worlds from a seed on; a violation is printed with the seed that makes it again
     sim --sweep                          the standard disasters, the controller killed after every single record
     sim --mutations                      the model broken on purpose in each known way: every one must be found */
#include "sim/sim.h"


static int play(uint64_t seed, int64_t count, enum mutation mutation, bool trace)
{
    int64_t worlds = 0, bad = 0, incidents = 0, runs = 0, notices = 0, crashes = 0, restores = 0, redirects = 0, events = 0;
    for (; incidents < count; worlds++) {
        struct sim *s = sim_open(seed + (uint64_t)worlds, mutation, trace);
        sim_run(s);
        incidents += s->incidents;
        runs += s->runs, notices += s->notices, crashes += s->crashes, restores += s->restores, redirects += s->redirects, events += s->events;
        if (s->violations && ++bad <= 10)
            printf("seed %llu: %s\n", (unsigned long long)s->seed, s->first);
        sim_close(&s);
        if (trace)
            break;
    }
    printf("%lld incidents in %lld worlds: %lld events, %lld commands, %lld notices, %lld restores, %lld redirections, %lld kills of the controller; "
           "%lld worlds with violations\n",
           (long long)incidents, (long long)worlds, (long long)events, (long long)runs, (long long)notices, (long long)restores, (long long)redirects,
           (long long)crashes, (long long)bad);
    return bad ? 1 : 0;
}

/* What the standard disaster must have come to, killed or not. */
static bool ended_well(const struct sim *s, bool restartable)
{
    bool moved = s->traffic == DR && s->restores == 1 && s->redirects == 1 && s->fences == 1;
    bool stayed = s->traffic == PRODUCTION && s->restores == 0 && s->redirects == 0 && s->fences == 0;
    return s->violations == 0 && s->incidents == 1 && s->watched[1].state == INCIDENT_RESOLVED && (restartable ? stayed : moved);
}

static int sweep(void)
{
    int bad = 0;
    for (int restartable = 0; restartable < 2; restartable++) {
        struct sim *whole = sim_open(1, MUTATION_NONE, false);
        sim_run_standard(whole, restartable, 0);
        int64_t records = whole->controller.records, notices = whole->notices;
        bool well = ended_well(whole, restartable);
        sim_close(&whole);
        if (!well)
            return printf("the standard disaster itself does not end well\n"), 1;
        for (int64_t k = 1; k <= records; k++) {
            struct sim *s = sim_open(1, MUTATION_NONE, false);
            sim_run_standard(s, restartable, k);
            if (!ended_well(s, restartable) || s->crashes != 1) {
                printf("killed after record %lld: %s\n", (long long)k, s->violations ? s->first : "it ended otherwise");
                bad++;
            }
            sim_close(&s);
        }
        printf("%s disaster: killed after each of %lld records (%lld notices), %d ended badly\n", restartable ? "small" : "standard", (long long)records,
               (long long)notices, bad);
    }
    return bad ? 1 : 0;
}

static bool finds(enum mutation mutation, uint64_t *ret_seed, char what[256])
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct sim *s = sim_open(seed, mutation, false);
        sim_run(s);
        bool found = s->violations && same(s->found, mutation_found(mutation));
        if (found) {
            *ret_seed = seed;
            str_copy(what, 256, s->first);
        }
        sim_close(&s);
        if (found)
            return true;
    }
    return false;
}

static int self_test(void)
{
    int missed = 0;
    for (enum mutation m = MUTATION_NONE + 1; m < MUTATION_MAX; m++) {
        uint64_t seed = 0;
        char what[256] = "";
        bool found = finds(m, &seed, what);
        printf("%-16s %s (seed %llu) %s\n", mutation_name(m), found ? "found" : "NOT FOUND", (unsigned long long)seed, what);
        missed += !found;
    }
    return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
    int64_t seed = 1, count = 1000;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (same(argv[i], "--sweep"))
            return sweep();
        if (same(argv[i], "--mutations"))
            return self_test();
        if (same(argv[i], "--trace"))
            trace = true;
        else if ((same(argv[i], "--seed") && str_int(str_of(value), &seed)) || (same(argv[i], "--count") && str_int(str_of(value), &count)))
            i++;
        else
            return fprintf(stderr, "usage: sim [--seed N] [--count N] [--trace] | --sweep | --mutations\n"), 64;
    }
    return play((uint64_t)seed, count, MUTATION_NONE, trace);
}
