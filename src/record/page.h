/* record/page.h -- What a status page says, computed from the journal and nothing else, so that it can be written anew at any time. */
#pragma once
#include "model/page.h"
#include "record/journal.h"

enum { PAGE_LOOK_BACK_DAYS = 184 }; /* rows that are older are not read; maintenance is announced at most half of it ahead */

/* The public hears of an incident by ORDER_PUBLIC, and the page of its words, its states and its updates by nothing else. An incident that
   it was never told of counts in the history when it made the service unreachable, once it is over. `watched`: somebody watches now, so the
   time since the newest row counts as known. Texts go through discreet(). */
MUST_USE bool page_read(struct arena *arena, struct journal *journal, const struct config *config, const struct status_page *conf,
                        int64_t now_wall_ms, bool watched, struct page *ret, struct err *err);
/* Only the title and the components, which need no journal; the other fields are empty. */
void page_parts(struct arena *arena, const struct config *config, const struct status_page *conf, struct page *ret);
