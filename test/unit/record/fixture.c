/* Shared by the tests of record/. The only place besides io/db.c that calls SQLite, because tampering goes behind the journal's back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <sqlite3.h>
#include <unistd.h>

#include "fixture.h"
#include "sys/file.h"

int fixture_open(void **state)
{
    struct arena *a = arena_open();
    struct fixture *f = arena_new(a, struct fixture);
    f->arena = a;
    COPY_TO(f->dir, "/tmp/bascule-record-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    *state = f;
    return 0;
}

int fixture_close(void **state)
{
    struct fixture *f = *state;
    journal_close(&f->journal);
    DIR *dir = opendir(f->dir);
    for (struct dirent *e; dir && (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    int failed = rmdir(f->dir);
    struct arena *a = f->arena;
    arena_close(&a);
    return failed;
}

void fixture_journal(struct fixture *f)
{
    struct err err = {0};
    if (!journal_open(f->dir, JOURNAL_APPEND, true, &f->journal, &err))
        fail_msg("%s", err.message);
}

void fixture_close_journal(struct fixture *f)
{
    journal_close(&f->journal);
}

struct record fixture_note(int64_t at_ms, const char *text)
{
    return (struct record){.at_ms = at_ms, .wall_ms = 1700000000000 + at_ms, .kind = EVENT_NOTE, .incident = 1, .service = "akig", .who = "ana", .text = text};
}

void fixture_append(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        struct err err = {0};
        int64_t first;
        struct record r = fixture_note(i, arena_printf(f->arena, "note %d", i));
        if (!journal_append(f->journal, &r, 1, &first, &err))
            fail_msg("%s", err.message);
    }
}

const char *fixture_path(struct fixture *f, const char *name)
{
    return file_join(f->arena, f->dir, name);
}

const char *fixture_try_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    char *said = NULL;
    assert_int_equal(sqlite3_open(fixture_path(f, "journal.db"), &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &said);
    const char *ret = rc == SQLITE_OK ? NULL : arena_strdup(f->arena, said ? said : "unknown");
    sqlite3_free(said);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return ret;
}

void fixture_sql(struct fixture *f, const char *sql)
{
    const char *said = fixture_try_sql(f, sql);
    if (said)
        fail_msg("%s: %s", sql, said);
}
