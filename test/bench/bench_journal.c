/* How many rows a second the journal takes, with and without synchronisation, alone and in groups, and how fast it is verified.
   usage: bench_journal [FOLDER [ROWS-TO-VERIFY]]   Prints one line of JSON; works in a new folder inside FOLDER (default: /tmp). */
#include <inttypes.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "record/journal.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { FOR_MS = 2000, GROUP = 50, ROWS_TO_VERIFY = 200000 };

static int failed(const struct err *err)
{
    fprintf(stderr, "bench_journal: %s\n", err->message);
    return 1;
}

static struct record typical(int64_t at_ms)
{
    return (struct record){.at_ms = at_ms, .wall_ms = clock_wall_ms(), .kind = EVENT_VERDICT, .number = VERDICT_DOWN, .service = "akig",
                           .subject = "production.database",
                           .text = "connection refused: could not connect to 10.0.0.5 port 5432 (no process listens there)"};
}

static bool append_group(struct journal *journal, size_t group, int64_t at_ms, struct err *err)
{
    struct record rows[GROUP];
    int64_t first;
    for (size_t i = 0; i < group; i++)
        rows[i] = typical(at_ms);
    return journal_append(journal, rows, group, &first, err);
}

/* Each run has a folder of its own, which goes with it. */
static bool in_new_journal(const char *folder, bool durable, char dir[256], struct journal **ret, struct err *err)
{
    snprintf(dir, 256, "%s/bascule-bench-XXXXXX", folder);
    if (!mkdtemp(dir))
        return err_set(err, ERR_IO, "could not make a folder in \"%s\"", folder);
    return journal_open(dir, JOURNAL_APPEND, durable, ret, err);
}

static void remove_journal(struct journal **journal, const char *dir)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm", "journal.head", "journal.reserve"};
    SCOPED(arena_close) struct arena *a = arena_open();
    journal_close(journal);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(file_join(a, dir, names[i]));
    rmdir(dir);
}

static bool measure(const char *folder, bool durable, size_t group, double *ret_rows_per_s, struct err *err)
{
    char dir[256];
    struct journal *journal = NULL;
    if (!in_new_journal(folder, durable, dir, &journal, err))
        return false;
    int64_t begin = clock_boot_ms(), now = begin, rows = 0;
    bool ok = true;
    for (; ok && now - begin < FOR_MS; now = clock_boot_ms(), rows += (int64_t)group)
        ok = append_group(journal, group, now, err);
    *ret_rows_per_s = (double)rows * 1000 / (double)MAX_OF(now - begin, 1);
    remove_journal(&journal, dir);
    return ok;
}

static bool measure_verify(const char *folder, int64_t rows, double *ret_rows_per_s, struct err *err)
{
    char dir[256], head[65];
    struct journal *journal = NULL;
    int64_t checked = 0;
    if (!in_new_journal(folder, false, dir, &journal, err))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < rows; i += GROUP)
        ok = append_group(journal, GROUP, i, err);
    int64_t begin = clock_boot_ms();
    ok = ok && journal_verify(journal, &checked, head, err);
    *ret_rows_per_s = (double)checked * 1000 / (double)MAX_OF(clock_boot_ms() - begin, 1);
    remove_journal(&journal, dir);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool durable;
        size_t group;
    } runs[] = {{"sync_1_per_commit", true, 1}, {"sync_50_per_commit", true, GROUP}, {"nosync_1_per_commit", false, 1}, {"nosync_50_per_commit", false, GROUP}};
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    int64_t rows = ROWS_TO_VERIFY;
    struct err err = {0};
    if (argc > 2 && !str_int(str_of(argv[2]), &rows))
        return 64;
    SCOPED(buf_done) struct buf out = {.max = 4096};
    struct jsonout j = jsonout(&out);
    double speed;
    json_object(&j);
    json_put_text(&j, "bench", "journal");
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        if (!measure(folder, runs[i].durable, runs[i].group, &speed, &err))
            return failed(&err);
        json_put_int(&j, runs[i].name, (int64_t)speed);
    }
    if (!measure_verify(folder, rows, &speed, &err))
        return failed(&err);
    json_put_int(&j, "rows_verified", rows);
    json_put_int(&j, "verify_per_s", (int64_t)speed);
    json_object_end(&j);
    puts(buf_text(&out));
    return 0;
}
