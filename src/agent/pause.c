/* agent/pause.c -- A person has paused the machine: until then PostgreSQL is not started by this agent when it ends. The lease, and what
   ends PostgreSQL for want of it, know no pause. */
#include "agent/agent_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { MARK_MAX = 4096, BOOT_ID_SIZE = 64 };

static void forget(struct agent *a)
{
    struct err err = {0};
    a->paused_until_ms = 0;
    loop_timer_cancel(a->pause_timer);
    if (unlink(a->paused_path) != 0 && errno != ENOENT)
        log_line(LOG_WARNING, "could not remove a file path=%s", a->paused_path);
    if (!a->left_alone)
        return;
    a->left_alone = false;
    a->wanted = true;
    log_line(LOG_INFO, "the pause is over, and PostgreSQL is started");
    if (!postmaster_pid(a->postmaster) && !agent_start_postgres(a, &err) && !a->waits)
        log_err(LOG_ERROR, &err);
}

static void on_pause_over(void *arg)
{
    struct agent *a = arg;
    if (a->paused_until_ms && !pause_left_ms(a))
        forget(a);
}

int64_t pause_left_ms(const struct agent *a)
{
    return a->paused_until_ms ? MAX_OF(a->paused_until_ms - clock_boot_ms(), 0) : 0;
}

/* By the clock that counts suspend, of this boot: a machine that was started anew starts its PostgreSQL too. */
bool pause_set(struct agent *a, int64_t for_ms, struct err *err)
{
    char boot_id[BOOT_ID_SIZE], text[BOOT_ID_SIZE + 32];
    if (for_ms <= 0) {
        forget(a);
        return true;
    }
    clock_boot_id(boot_id, sizeof(boot_id));
    int64_t until = clock_boot_ms() + MIN_OF(for_ms, (int64_t)AGENT_PAUSE_MOST_MS);
    snprintf(text, sizeof(text), "%" PRId64 " %s\n", until, boot_id);
    if (!file_write(a->paused_path, text, strlen(text), 0600, err))
        return false;
    a->paused_until_ms = until;
    loop_timer_set(a->pause_timer, until);
    log_line(LOG_INFO, "paused: PostgreSQL is not started when it ends for_ms=%" PRId64, pause_left_ms(a));
    return true;
}

static bool read_mark(const struct agent *a, int64_t *ret)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct err err = {0};
    struct str text, until;
    char boot_id[BOOT_ID_SIZE];
    clock_boot_id(boot_id, sizeof(boot_id));
    return file_exists(a->paused_path) && file_read(arena, a->paused_path, MARK_MAX, &text, &err) && str_next(&text, ' ', &until) && text.p &&
           str_is(str_trim(text), boot_id) && str_int(until, ret);
}

void pause_begin(struct agent *a)
{
    int64_t until = 0;
    a->pause_timer = loop_timer_new(a->loop, on_pause_over, a);
    if (!read_mark(a, &until) || until <= clock_boot_ms() || until > clock_boot_ms() + AGENT_PAUSE_MOST_MS)
        return;
    a->paused_until_ms = until;
    loop_timer_set(a->pause_timer, until);
}

void pause_end(struct agent *a)
{
    loop_timer_free(&a->pause_timer);
}

bool pause_leaves(struct agent *a, enum agent_state state, enum agent_cause cause, const char *why)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    if (!pause_left_ms(a))
        return false;
    a->left_alone = true;
    a->wanted = false;
    agent_is(a, state, cause, "not started before the pause ends, in %s: %s", duration_say(arena, pause_left_ms(a)), why);
    return true;
}
