/* tell/notice_json.h -- A notice as JSON, for programs: what webhooks and commands get. Documented in docs/channels.md. */
#pragma once
#include "base/jsonout.h"
#include "model/record.h"

/* The members of the notice, inside an object that the caller opened. The body is cut at `body_max` characters, what
   should be a line at 1024: together at most 6 bytes for each character and a few kilobytes. */
void notice_put_json(struct jsonout *j, const struct notice *notice, size_t body_max);
/* "alert", "update", ... of a message to a person, "public.monitoring" of one to the public. */
char *notice_type(struct arena *arena, const struct notice *notice);
