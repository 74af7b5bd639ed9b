/* io/ical.h -- Calendars (RFC 5545) as plain spans of time, through libical. */
#pragma once
#include "base/base.h"
#include "base/zone.h"

enum { ICAL_FILE_MAX = 1024 * 1024, ICAL_EVENTS_MAX = 50000 };

struct ical_event {
    const char *uid, *summary;
    struct strs attendees;   /* mail addresses, without "mailto:" */
    int64_t from_ms, to_ms;  /* wall */
};
struct ical_events {
    struct ical_event *p;
    size_t n, cap;
};

/* Every event, and every recurrence of one (RRULE, RDATE, EXDATE, changed instances), that touches [from, to), in the order of their
   beginnings. Cancelled ones and those without a duration are left out. Times without a zone, and whole days, are of `zone`. ERR_DATA when
   it is no calendar, ERR_LIMIT when there are more than ICAL_EVENTS_MAX, or a rule takes too long to reach `from`. */
MUST_USE bool ical_read(struct arena *arena, struct str text, const struct zone *zone, int64_t from_ms, int64_t to_ms, struct ical_events *ret,
                        struct err *err);
/* A calendar of those events, in UTC; `stamp_ms` is when it was made. */
void ical_write(struct buf *out, const char *name, const struct ical_events *events, int64_t stamp_ms);
