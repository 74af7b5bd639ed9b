/* restore/base.c -- pg_basebackup and pg_verifybackup of the server's own version, over its socket: no password, and no other way in. */
#include "restore/base.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/ssh.h"
#include "restore/restore_internal.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/proc.h"

enum { OPEN_FILES = 16, SAID_MAX = 300, MOMENT_LENGTH = 15 };

#define PARTIAL ".partial"

/* ---- the folder ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

void base_remove_folder(const char *path, struct err *err)
{
    if (nftw(path, remove_one, OPEN_FILES, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        (void)err_os(err, errno, "could not remove \"%s\"", path);
}

/* NAME_base_YYYYMMDD_HHMMSS.partial, to the letter: another service's name may begin with ours. */
static bool is_partial(const char *file, const char *name)
{
    static const char form[] = "dddddddd_dddddd";
    size_t n = strlen(name);
    if (strncmp(file, name, n) != 0 || strncmp(file + n, "_base_", 6) != 0)
        return false;
    const char *moment = file + n + 6;
    for (size_t i = 0; i < MOMENT_LENGTH; i++)
        if (form[i] == 'd' ? moment[i] < '0' || moment[i] > '9' : moment[i] != form[i])
            return false;
    return same(moment + MOMENT_LENGTH, PARTIAL);
}

static bool sweep(struct arena *arena, const struct base_place *place, struct err *err)
{
    struct err why = {0};
    struct stat st;
    DIR *dir = opendir(place->folder);
    if (!dir)
        return err_os(err, errno, "could not read \"%s\"", place->folder);
    for (struct dirent *e; why.code == ERR_NONE && (e = readdir(dir));) {
        const char *path = file_join(arena, place->folder, e->d_name);
        if (is_partial(e->d_name, place->name) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            base_remove_folder(path, &why);
    }
    closedir(dir);
    if (why.code == ERR_NONE)
        return true;
    if (err)
        *err = why;
    return err_prefix(err, "clearing away what an interrupted run left");
}

bool base_open(struct arena *arena, const char *folder, const char *name, struct base_place *ret, struct err *err)
{
    struct base_place place = {.folder = folder, .name = name, .lock = -1};
    const char *lock = arena_printf(arena, "%s/.%s_base.lock", folder, name);
    if (folder[0] != '/')
        return err_set(err, ERR_USAGE, "the folder of base backups is an absolute path, not \"%s\"", folder);
    if (!file_mkdirs(folder, 0700, err) || !file_lock(lock, &place.lock, err) || !sweep(arena, &place, err)) {
        base_close(&place);
        return err_prefix(err, "preparing \"%s\" for a base backup", folder);
    }
    *ret = place;
    return true;
}

void base_close(struct base_place *place)
{
    file_close(&place->lock);
}

/* ---- programs ---- */

enum { WORDS_MAX = 24 };

struct line {
    const char *words[WORDS_MAX];
    size_t n;
};

static void taking(struct arena *arena, const struct scratch_result *made, const char *into, struct line *ret)
{
    *ret = (struct line){.words = {file_join(arena, made->bin, "pg_basebackup"), "-h", made->socket, "-p", arena_printf(arena, "%d", made->port), "-U",
                                   made->user, "-w", "-D", into, "-X", "stream", "-c", "fast", "--manifest-checksums=SHA256"}};
}

static void verifying(struct arena *arena, const struct scratch_result *made, const char *into, struct line *ret)
{
    *ret = (struct line){.words = {file_join(arena, made->bin, "pg_verifybackup"), "-q", into}};
}

static bool run(struct arena *arena, const struct base_place *place, const struct line *line, struct err *err)
{
    struct proc_result result;
    struct proc_spec spec = {.argv = line->words, .timeout_ms = RESTORE_LONG_MS, .pass_fd = place->lock};
    if (!proc_run(arena, &spec, &result, err))
        return false;
    if (proc_ok(&result))
        return true;
    struct str said = str_trim(result.err.n ? result.err : result.out);
    return err_set(err, ERR_FAILED, "%s: %s: " STR_FMT, file_name_of(line->words[0]), result.why, (int)MIN_OF(said.n, (size_t)SAID_MAX), said.p);
}

/* Short, since a hint is, and one whose end is cut off would do something else. */
static bool hint(struct arena *arena, const struct scratch_result *made, const char *final, struct err *err)
{
    const char *take = ssh_quote(arena, file_join(arena, made->bin, "pg_basebackup")), *path = ssh_quote(arena, final);
    const char *verify = ssh_quote(arena, file_join(arena, made->bin, "pg_verifybackup"));
    const char *again = arena_printf(arena, "to take it once the cause is gone: %s -h %s -p %d -U %s -D %s -c fast && %s %s", take,
                                     ssh_quote(arena, made->socket), made->port, ssh_quote(arena, made->user), path, verify, path);
    if (!err || strlen(again) < sizeof(err->hint))
        return err_hint(err, "%s", again);
    return err_hint(err, "take it once the cause is gone: pg_basebackup -h SOCKET -p %d -D NEW-FOLDER, then pg_verifybackup NEW-FOLDER", made->port);
}

/* ---- the whole ---- */

bool base_take(struct arena *arena, const struct base_place *place, const struct scratch_result *made, const char **ret_path, struct err *err)
{
    const char *final = arena_printf(arena, "%s/%s_base_%s", place->folder, place->name, moment_file(arena, clock_wall_ms()));
    const char *into = arena_printf(arena, "%s" PARTIAL, final);
    struct line take, verify;
    taking(arena, made, into, &take);
    verifying(arena, made, into, &verify);
    if (file_exists(final))
        return err_set(err, ERR_REFUSED, "there is a \"%s\" already", final);
    /* pg_basebackup ends well only after an fsync of each of its files and folders, so the name is all that is left to write. */
    if (run(arena, place, &take, err) && run(arena, place, &verify, err) && file_rename_durably(into, final, err)) {
        *ret_path = final;
        return true;
    }
    base_remove_folder(into, NULL);
    err_prefix(err, "taking a base backup into \"%s\"", place->folder);
    return hint(arena, made, final, err);
}
