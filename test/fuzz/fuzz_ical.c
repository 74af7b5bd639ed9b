/* A calendar: whatever it says, its events are in order, have a length, touch the time that was asked for, and their texts are clean. */
#include "io/ical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t from = INT64_C(1767225600000), to = from + 90 * MS_DAY; /* 2026-01-01 */
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct zone utc = {0};
    struct ical_events events;
    struct err err = {0};
    if (!ical_read(arena, (struct str){(const char *)data, size}, &utc, from, to, &events, &err))
        return 0;
    for (size_t i = 0; i < events.n; i++) {
        const struct ical_event *e = &events.p[i];
        if (e->to_ms <= e->from_ms || e->from_ms >= to || e->to_ms <= from || (i && e->from_ms < e[-1].from_ms) || !str_is_clean(str_of(e->summary)))
            abort();
    }
    return 0;
}
