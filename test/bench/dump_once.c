/* test/bench/dump_once.c -- One backup by the engine, without configuration: dump_once HOST PORT DATABASE FOLDER [LEVEL [JOBS [MAX_RATE]]]
   prints what it took as one line of JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "backup/backup.h"
#include "sys/clock.h"

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double cpu_of(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return seconds(&used.ru_utime) + seconds(&used.ru_stime);
}

int main(int argc, char **argv)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct backup b;
    int64_t port, jobs = 0, rate = 0;
    enum backup_level level = BACKUP_DEFAULT;
    if (argc < 5 || !str_int(str_of(argv[2]), &port) || (argc > 5 && !backup_level_parse(argv[5], &level)) ||
        (argc > 6 && !str_int(str_of(argv[6]), &jobs)) || (argc > 7 && !str_int(str_of(argv[7]), &rate))) {
        fputs("dump_once HOST PORT DATABASE FOLDER [fast|default|small [JOBS [BYTES_A_SECOND]]]\n", stderr);
        return 64;
    }
    struct pgtarget target = {.host = argv[1], .port = (int)port, .dbname = argv[3], .user = "postgres"};
    struct backup_spec spec = {.target = &target, .service = "bench", .folder = argv[4], .scratch_dir = argv[4], .level = level,
                               .jobs = (int)jobs, .max_rate = rate};
    int64_t began = clock_boot_ms();
    if (!backup_make(arena, &spec, &b, &err)) {
        fprintf(stderr, "%s\n%s\n", err.message, err.hint);
        return 1;
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"file\": \"%s\", \"ms\": %" PRId64 ", \"cpu_s\": %.2f, \"pg_dump_cpu_s\": %.2f, \"bytes\": %" PRId64 ", \"sql_bytes\": %" PRId64
           ", \"rows\": %" PRId64 ", \"rss_kib\": %ld}\n",
           b.path, clock_boot_ms() - began, cpu_of(RUSAGE_SELF), cpu_of(RUSAGE_CHILDREN), b.bytes, b.sql_bytes, b.rows, used.ru_maxrss);
    return 0;
}
