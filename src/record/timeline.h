/* record/timeline.h -- What a line of the timeline is made of; the report's table is made of the same. Private to record/. */
#pragma once
#include "record/history.h"
#include "record/story.h"

bool timeline_shows(const struct record *record);                 /* bare ticks say nothing */
const char *timeline_time(struct arena *a, int64_t wall_ms);      /* "15:34:02.120" */
const char *timeline_day(struct arena *a, int64_t wall_ms);       /* "2025-10-25" */
const char *timeline_since(struct arena *a, int64_t ms);          /* "T+00:05.2", "T-00:00.3", "T+1:02:03.0" */
const char *timeline_person(const struct record *record);         /* whose doing it was, when it was a person's; else "" */
