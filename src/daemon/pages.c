/* daemon/pages.c -- One child at a time runs `page write`, which reads the journal by itself: on every row that the public may notice, and at
   least every `refresh`. What it cannot write is said once, and tried again at the next turn. */
#include "daemon/pages.h"

#include "daemon/daemon_internal.h"
#include "sys/log.h"
#include "sys/proc.h"

enum { WRITE_LIMIT_MS = 60 * 1000, SETTLE_MS = 20, /* rows of one turn are told together */ CALM_MS = 1000 /* a check may turn to and fro */ };

struct pages {
    struct daemon *d;
    struct loop_timer *timer;
    struct proc *writing;
    int64_t refresh_ms;
    bool begun, failed;
    bool changed, soon;        /* not written yet; and must be at once */
    bool follows_checks;       /* some component is affected by checks */
};

static void on_written(void *arg, const struct proc_result *result)
{
    struct pages *p = arg;
    bool ok = proc_ok(result);
    p->writing = NULL;
    if (!ok && !p->failed)
        log_line(LOG_WARNING, "a status page could not be written (%s): " STR_FMT, result->why, STR_ARG(str_trim(result->err)));
    else if (ok && p->failed)
        log_line(LOG_INFO, "the status pages are written again");
    p->failed = !ok;
    loop_timer_set(p->timer, clock_boot_ms() + (p->changed && ok ? (p->soon ? SETTLE_MS : CALM_MS) : p->refresh_ms));
}

static void on_timer(void *arg)
{
    struct pages *p = arg;
    if (p->writing)
        return; /* its end sets the timer again */
    const char *argv[] = {p->d->spec->self, "-c", p->d->config->path, "page", "write", NULL};
    struct proc_spec spec = {.argv = argv, .inherit_env = true, .timeout_ms = WRITE_LIMIT_MS};
    struct err err = {0};
    p->changed = p->soon = false;
    if (proc_start(p->d->loop, &spec, on_written, p, &p->writing, &err))
        return;
    log_err(LOG_WARNING, &err);
    loop_timer_set(p->timer, clock_boot_ms() + p->refresh_ms);
}

struct pages *pages_open(struct daemon *d)
{
    if (!d->config->status_pages.n)
        return NULL;
    struct pages *p = arena_new(d->arena, struct pages);
    p->d = d;
    p->refresh_ms = MS_HOUR;
    for (size_t i = 0; i < d->config->status_pages.n; i++) {
        const struct status_page *page = &d->config->status_pages.p[i];
        p->refresh_ms = MIN_OF(p->refresh_ms, page->refresh_ms);
        for (size_t k = 0; k < page->components.n; k++)
            p->follows_checks |= page->components.p[k].checks.n > 0;
    }
    p->timer = loop_timer_new(d->loop, on_timer, p);
    return p;
}

void pages_begin(struct pages *p)
{
    if (!p)
        return;
    p->begun = p->changed = true;
    loop_timer_set(p->timer, clock_boot_ms());
}

static bool public_sees(const struct pages *p, const struct record *record)
{
    if (!record->is_order)
        return record->kind == EVENT_MAINTENANCE || (p->follows_checks && record->kind == EVENT_VERDICT);
    return record->kind == ORDER_PUBLIC || record->kind == ORDER_STATE || record->kind == ORDER_SEVERITY;
}

void pages_row(struct pages *p, const struct record *record)
{
    bool soon = record->is_order || record->kind == EVENT_MAINTENANCE;
    if (!p || !p->begun || (p->changed && (p->soon || !soon)) || !public_sees(p, record))
        return;
    p->changed = true;
    p->soon |= soon;
    if (!p->writing && !p->failed)
        loop_timer_set(p->timer, clock_boot_ms() + (soon ? SETTLE_MS : CALM_MS));
}

bool pages_busy(const struct pages *p)
{
    return p && !p->failed && (p->writing || p->changed);
}

void pages_close(struct pages **p)
{
    if (!*p)
        return;
    proc_abandon(&(*p)->writing);
    loop_timer_free(&(*p)->timer);
    *p = NULL;
}
