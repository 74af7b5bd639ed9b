/* agent/still.c -- A process of PostgreSQL that was stopped, by a signal or a debugger, while the others go on: no probe of ours is kept waiting by
   a checkpointer that stands still, or by somebody else's session. It is told, for a person to look at; nothing is done about it. */
#include "agent/agent_internal.h"

#include <string.h>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { LOOK_MS = 2000, CHILDREN_MAX = 64 * 1024, STAT_MAX = 1024, TITLE_MAX = 64 * 1024, KEPT = 64, SHOWN = 3 };

struct still {
    struct agent *agent;
    struct loop_timer *timer;
    int seen[KEPT], count; /* stopped at the look before */
};

/* One look: who is stopped now, and how many were at the look before as well. */
struct look {
    struct arena *arena;
    int seen[KEPT], count;
    int found;
    struct buf text;
};

static struct str proc_file(struct arena *arena, int pid, const char *name, size_t max)
{
    struct err err = {0};
    struct str text = {0};
    if (!file_read(arena, arena_printf(arena, "/proc/%d/%s", pid, name), max, &text, &err))
        return (struct str){0}; /* it has ended */
    return text;
}

static bool is_stopped(struct arena *arena, int pid)
{
    struct str stat = proc_file(arena, pid, "stat", STAT_MAX);
    const char *name_end = stat.n ? memrchr(stat.p, ')', stat.n) : NULL; /* the name may hold anything */
    return name_end && name_end + 2 < stat.p + stat.n && (name_end[2] == 'T' || name_end[2] == 't');
}

/* By the title that it gave itself: "postgres: checkpointer", or "postgres: CLUSTER_NAME: checkpointer". Whose session it is, and with which
   database, is nobody's business who asks an agent how it does. */
static const char *name_of(struct arena *arena, int pid)
{
    static const char *const helpers[] = {"checkpointer", "walwriter", "background writer", "startup", "walreceiver", "walsender", "archiver", "logger",
                                          "autovacuum launcher", "autovacuum worker", "logical replication launcher", "logical replication worker"};
    struct str title = proc_file(arena, pid, "cmdline", TITLE_MAX), part;
    while (str_next(&title, ':', &part))
        for (size_t i = 0; i < COUNT_OF(helpers); i++)
            if (str_starts(str_trim(part), helpers[i]))
                return helpers[i];
    return "session";
}

/* One that is stopped at two looks: what a debugger looks at for a moment is no news. */
static void take(const struct still *s, struct look *l, int pid)
{
    bool before = false;
    int postmaster = postmaster_pid(s->agent->postmaster);
    if (freeze_holds(s->agent, pid) || !is_stopped(l->arena, pid))
        return;
    if (l->count < KEPT)
        l->seen[l->count++] = pid;
    for (int i = 0; i < s->count; i++)
        before = before || s->seen[i] == pid;
    if (before && ++l->found <= SHOWN)
        buf_printf(&l->text, "%s%s (pid %d)", l->found == 1 ? "; stopped: " : ", ", pid == postmaster ? "postmaster" : name_of(l->arena, pid), pid);
}

/* The next child in the list, 0 at its end. */
static int next_child(struct str *children)
{
    struct str word;
    int64_t pid;
    while (str_next(children, ' ', &word))
        if (str_int(word, &pid) && pid > 1 && pid <= INT32_MAX)
            return (int)pid;
    return 0;
}

static struct str children_of(struct arena *arena, int postmaster)
{
    return proc_file(arena, postmaster, arena_printf(arena, "task/%d/children", postmaster), CHILDREN_MAX);
}

int still_find(const struct agent *a, const char *helper)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    int postmaster = postmaster_pid(a->postmaster), pid;
    struct str children = postmaster ? children_of(arena, postmaster) : (struct str){0};
    while ((pid = next_child(&children)))
        if (same(name_of(arena, pid), helper))
            return pid;
    return 0;
}

static void take_all(const struct still *s, struct look *l)
{
    int postmaster = postmaster_pid(s->agent->postmaster), pid;
    if (!postmaster)
        return;
    take(s, l, postmaster);
    struct str children = children_of(l->arena, postmaster);
    while ((pid = next_child(&children)))
        take(s, l, pid);
    if (l->found > SHOWN)
        buf_printf(&l->text, " and %d more", l->found - SHOWN);
}

static void told(struct agent *a, int found, const char *text)
{
    if (found)
        log_line(LOG_WARNING, "processes of PostgreSQL stand still, by a signal or a debugger, and go on by SIGCONT count=%d who=\"%s\"", found, text + strlen("; "));
    else
        log_line(LOG_INFO, "no process of PostgreSQL stands still any more");
    a->stopped = found;
    COPY_TO(a->stopped_say, text);
    if (a->state == AGENT_PRIMARY || a->state == AGENT_STANDBY)
        gauge_say(a);
    else
        agent_told(a);
}

static void on_timer(void *arg)
{
    struct still *s = arg;
    struct agent *a = s->agent;
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct look l = {.arena = arena, .text = {.max = sizeof(a->stopped_say) - 1}};
    loop_timer_set(s->timer, clock_boot_ms() + LOOK_MS);
    take_all(s, &l);
    memcpy(s->seen, l.seen, sizeof(s->seen));
    s->count = l.count;
    if (l.found != a->stopped || !same(buf_text(&l.text), a->stopped_say))
        told(a, l.found, buf_text(&l.text));
    buf_done(&l.text);
}

void still_begin(struct agent *a)
{
    struct still *s = a->still = arena_new(a->arena, struct still);
    *s = (struct still){.agent = a};
    s->timer = loop_timer_new(a->loop, on_timer, s);
    loop_timer_set(s->timer, clock_boot_ms() + LOOK_MS);
}

void still_end(struct agent *a)
{
    if (a->still)
        loop_timer_free(&a->still->timer);
}
