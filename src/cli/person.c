/* cli/person.c -- Persons' events into the journal. */
#include "cli/person.h"

#include <inttypes.h>
#include <pwd.h>
#include <unistd.h>

#include "base/jsonout.h"
#include "sys/clock.h"
#include "sys/file.h"

const char *person_name(struct arena *arena)
{
    const char *sudo = getenv("SUDO_USER");
    struct passwd entry, *found = NULL;
    char room[4096];
    if (sudo && *sudo && str_is_clean(str_of(sudo)))
        return arena_strdup(arena, sudo);
    if (getpwuid_r(getuid(), &entry, room, sizeof(room), &found) == 0 && found)
        return arena_strdup(arena, found->pw_name);
    return arena_printf(arena, "uid %u", (unsigned)getuid());
}

bool person_moment(const char *text, int64_t now_ms, int64_t *ret, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    int64_t ms;
    if (*text == '+') {
        if (!duration_parse(text + 1, &ms, err))
            return false;
        *ret = now_ms + ms;
        return true;
    }
    struct str s = str_of(text);
    if (s.n && s.p[s.n - 1] == 'Z')
        s.n--;
    char *iso = arena_printf(arena, STR_FMT "%sZ", STR_ARG(s), s.n == 16 ? ":00" : "");
    if (s.n > 10 && iso[10] == ' ')
        iso[10] = 'T';
    if (moment_parse_iso(iso, ret))
        return true;
    err_set(err, ERR_USAGE, _("\"%s\" is no moment"), text);
    return err_hint(err, "%s", _("write it in UTC as 2026-12-01T22:00Z, or as +2h from now"));
}

bool controller_runs(const struct cli *cli)
{
    const char *path = file_join(cli->arena, cli->config->state_dir, "controller.lock");
    struct err err = {0};
    int fd;
    if (!file_exists(path)) /* asking would make the file */
        return false;
    if (!file_lock(path, &fd, &err))
        return err.code == ERR_REFUSED;
    close(fd);
    return false;
}

static bool clock_now(struct journal *journal, int64_t wall_ms, struct core_clock *ret, struct err *err)
{
    struct journal_clock last;
    char boot_id[64];
    clock_boot_id(boot_id, sizeof(boot_id));
    if (!journal_clock(journal, &last, err))
        return false;
    *ret = last.any ? core_clock_resume(same(last.boot_id, boot_id), last.offset_ms, last.core_ms, last.wall_ms, clock_boot_ms(), wall_ms)
                    : (struct core_clock){0};
    return true;
}

bool person_clock(struct journal *journal, int64_t *ret_at_ms, struct err *err)
{
    struct core_clock clock;
    if (!clock_now(journal, clock_wall_ms(), &clock, err))
        return false;
    *ret_at_ms = core_now_ms(&clock);
    return true;
}

bool person_says(struct journal *journal, struct event *event, const char *detail, int64_t *ret_seq, struct err *err)
{
    struct core_clock clock;
    char boot_id[64];
    clock_boot_id(boot_id, sizeof(boot_id));
    if (!journal_hold(journal, err))
        return false;
    event->wall_ms = clock_wall_ms();
    if (!clock_now(journal, event->wall_ms, &clock, err)) {
        journal_let_go(journal);
        return false;
    }
    event->at_ms = core_now_ms(&clock);
    journal_set_clock(journal, boot_id, clock.offset_ms);
    struct record record = record_of_event(event, detail);
    return journal_append(journal, &record, 1, ret_seq, err);
}

int person_was_heard(const struct cli *cli, int64_t seq)
{
    bool runs = controller_runs(cli);
    SCOPED(buf_done) struct buf out = {.max = 4096};
    if (cli->json) {
        struct jsonout j = jsonout(&out);
        json_object(&j);
        json_put_int(&j, "seq", seq);
        json_put_bool(&j, "controller", runs);
        json_object_end(&j);
        buf_putc(&out, '\n');
    } else {
        buf_printf(&out, "#%" PRId64 ": %s\n", seq,
                   runs ? _("recorded; the controller acts on it")
                        : _("recorded; no controller is running: it acts on it when `bascule serve` starts"));
    }
    return cli_print(&out);
}
