/* How many incidents a second of one core's time the simulation plays: decide, its replays and all invariants included. The time is
   the processor's, so that what else runs on the machine does not show; `seconds` is the wall's.
   usage: bench_sim [COUNT [SEED]]   Prints one line of JSON; exit status 1 when an invariant was violated. */
#include <inttypes.h>

#include "sim/sim.h"

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    int64_t count = 20000, seed = 1;
    if ((argc > 1 && !str_int(str_of(argv[1]), &count)) || (argc > 2 && !str_int(str_of(argv[2]), &seed)))
        return fprintf(stderr, "usage: bench_sim [COUNT [SEED]]\n"), 64;
    int64_t incidents = 0, violations = 0, worlds = 0, events = 0, crashes = 0;
    double wall = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (; incidents < count; worlds++) {
        struct sim *s = sim_open((uint64_t)(seed + worlds), MUTATION_NONE, false);
        sim_run(s);
        incidents += s->incidents;
        events += s->events;
        crashes += s->crashes;
        violations += s->violations;
        if (s->violations)
            fprintf(stderr, "seed %" PRIu64 ": %s\n", s->seed, s->first);
        sim_close(&s);
    }
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"bench\": \"simulation\", \"incidents\": %" PRId64 ", \"worlds\": %" PRId64 ", \"events\": %" PRId64 ", \"kills\": %" PRId64
           ", \"violations\": %" PRId64 ", \"seconds\": %.3f, \"cpu_seconds\": %.3f, \"incidents_per_second\": %.0f}\n",
           incidents, worlds, events, crashes, violations, wall, cpu, (double)incidents / cpu);
    return violations ? 1 : 0;
}
