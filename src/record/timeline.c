/* record/timeline.c -- One line a record. */
#include "record/timeline.h"

#include <inttypes.h>

#include "record/sentence.h"
#include "record/words.h"

bool timeline_shows(const struct record *record)
{
    return record->is_order || record->kind != EVENT_TICK || *record->text;
}

const char *timeline_time(struct arena *a, int64_t wall_ms)
{
    char *iso = moment_iso(a, wall_ms), *clock = strchr(iso, 'T');
    return clock ? arena_strndup(a, clock + 1, strlen(clock) - 2) : iso;
}

const char *timeline_day(struct arena *a, int64_t wall_ms)
{
    char *iso = moment_iso(a, wall_ms);
    return arena_strndup(a, iso, strcspn(iso, "T"));
}

const char *timeline_since(struct arena *a, int64_t ms)
{
    int64_t size = ms < 0 ? -ms : ms;
    return arena_printf(a, "T%c%s.%" PRId64, ms < 0 ? '-' : '+', duration_clock(a, size), size % MS_SECOND / 100);
}

const char *timeline_person(const struct record *record)
{
    if (record->is_order)
        return "";
    switch (record->kind) {
    case EVENT_OPEN:
    case EVENT_ACK:
    case EVENT_NOTE:
    case EVENT_RESOLVE:
    case EVENT_REVIEW:
    case EVENT_APPROVE:
    case EVENT_DENY:
    case EVENT_CERTIFY:
    case EVENT_RETRY:
    case EVENT_SAY:
    case EVENT_ESCALATE:
    case EVENT_OVERRIDE:
    case EVENT_TICK_ITEM:
    case EVENT_WRITE:
    case EVENT_MAINTENANCE:
    case EVENT_PAUSE:
        return record->who;
    default:
        return "";
    }
}

bool story_timeline(struct journal *journal, const struct config *config UNUSED, int64_t incident, enum language language, struct buf *out,
                    struct err *err)
{
    SCOPED(arena_close) struct arena *a = arena_open();
    struct history history;
    const char *day = "";
    if (!history_read(a, journal, incident, &history, err))
        return false;
    int64_t opened = history.p[history.opening].at_ms;
    for (size_t i = 0; i < history.n; i++) {
        const struct record *r = &history.p[i];
        if (!timeline_shows(r))
            continue;
        const char *today = timeline_day(a, r->wall_ms);
        if (!same(day, today))
            buf_printf(out, "%s (UTC)\n", today);
        day = today;
        buf_printf(out, "%s  %s  %s\n", timeline_time(a, r->wall_ms), timeline_since(a, r->at_ms - opened),
                   sentence_with(a, r, language, history_took(&history, i)));
    }
    return !out->over || err_set(err, ERR_LIMIT, "the timeline is longer than %zu bytes", out->max);
}
