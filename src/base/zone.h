/* base/zone.h -- A time zone as a table of offsets. Pure: io/zoneinfo reads it from the system. */
#pragma once
#include <stdint.h>

#include "base/vec.h"

struct zone_span { /* from that moment on, local time is UTC plus offset */
    int64_t from_ms, offset_ms;
};
struct zone {
    const char *name;             /* NULL: UTC */
    VEC(struct zone_span) spans;  /* ascending; before the first, the first counts */
};

int64_t zone_offset_ms(const struct zone *zone, int64_t wall_ms);
/* The moment at which clocks there show `local_ms`: the first of two; for a time that is skipped, as if clocks had not been moved yet. */
int64_t zone_moment_ms(const struct zone *zone, int64_t local_ms);
/* "2026-11-23 09:00 +01:00" */
char *zone_print(struct arena *arena, const struct zone *zone, int64_t wall_ms);
/* "2026-11-23", "2026-11-23 09:00" or with a T, both with seconds or without, and then "Z" or "+01:00": else local time of `zone`. */
bool zone_parse_moment(const struct zone *zone, const char *text, int64_t *ret_wall_ms);
