/* restore_once.c -- One restore, timed: restore_once HOST PORT DBNAME FILE [JOBS]. HOST may be the folder of a socket, or
   "scratch:FOLDER" for a server made there. One line of
   JSON: seconds in all, of them loading and verifying, processor seconds of this program, its largest memory, rows. */
#include <sys/resource.h>

#include "restore/scratch.h"
#include "sys/clock.h"

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    int64_t port, jobs = 0;
    if (argc < 5 || !str_int(str_of(argv[2]), &port) || (argc > 5 && !str_int(str_of(argv[5]), &jobs))) {
        fputs("usage: restore_once HOST PORT DBNAME FILE [JOBS]\n", stderr);
        return 64;
    }
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct pgtarget target = {.host = argv[1], .port = (int)port, .user = "postgres", .dbname = argv[3], .sslmode = "prefer"};
    struct restore_spec spec = {.target = &target, .admin_dbname = "postgres", .file = argv[4], .jobs = (int)jobs, .keep_old = true,
                                .tag = arena_printf(arena, "bench-%lld", (long long)(clock_wall_ms() % 100000000))};
    struct restore_result result;
    struct err err = {0};
    struct scratch_result made;
    struct str host = str_of(argv[1]);
    bool scratch = str_starts(host, "scratch:");
    bool ok = scratch ? restore_scratch(arena, &spec, &(struct scratch_spec){.folder = argv[1] + strlen("scratch:")}, &made, &err)
                      : restore_run(arena, &spec, &result, &err);
    if (ok && scratch)
        result = made.restored;
    if (!ok) {
        fprintf(stderr, "%s\n%s\n", err.message, err.hint);
        return 1;
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"seconds\": %.2f, \"load\": %.2f, \"verify\": %.2f, \"cpu\": %.2f, \"peak_mb\": %ld, \"rows\": %lld, \"foreign_keys\": %lld}\n",
           (double)result.took_ms / 1000, (double)result.load_ms / 1000, (double)result.verify_ms / 1000, seconds(&use.ru_utime) + seconds(&use.ru_stime),
           use.ru_maxrss / 1024, (long long)result.rows, (long long)result.foreign_keys);
    for (size_t i = 0; i < result.note_count; i++)
        fprintf(stderr, "%s\n", result.notes[i]);
    return 0;
}
