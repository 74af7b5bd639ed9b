/* base/timeval.h -- Durations and moments as whole milliseconds. Pure: nothing here reads a clock. */
#pragma once
#include <stdint.h>

#include "base/util.h"

struct arena;
struct err;

#define MS_SECOND INT64_C(1000)
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR (60 * MS_MINUTE)
#define MS_DAY (24 * MS_HOUR)
#define TIME_NEVER INT64_MAX /* a deadline that does not come */

/* "500ms", "90s", "5m", "1h30m", "2d"; a bare number is refused, since its unit would be guessed. Result in ms, 0 or more. */
MUST_USE bool duration_parse(const char *text, int64_t *ret_ms, struct err *err);
/* Shortest exact form that duration_parse reads back: "1h30m", "90s" is "1m30s", "0s". */
char *duration_print(struct arena *arena, int64_t ms);
/* For people: "850 ms", "4.2 s", "1 min 05 s", "2 h 03 min", "3 d 4 h". */
char *duration_say(struct arena *arena, int64_t ms);
/* "01:05", "1:02:03": elapsed time in a clock's form; negative gets a minus. */
char *duration_clock(struct arena *arena, int64_t ms);

/* Moments are milliseconds since 1970-01-01 UTC. */
char *moment_iso(struct arena *arena, int64_t wall_ms);      /* "2025-10-25T15:34:02.120Z" */
char *moment_minute(struct arena *arena, int64_t wall_ms);   /* "2025-10-25 15:34 UTC", the runbook's form */
char *moment_file(struct arena *arena, int64_t wall_ms);     /* "20251025_153402", as in backup file names */
MUST_USE bool moment_parse_iso(const char *text, int64_t *ret_wall_ms);  /* what moment_iso prints; fraction optional */
MUST_USE bool moment_parse_rfc3339(const char *text, int64_t *ret_wall_ms); /* any zone, any fraction: what other programs write */
MUST_USE bool moment_parse_file(const char *text, int64_t *ret_wall_ms); /* the first 15 characters */
