/* record/page_texts.h -- Public words out of a row's detail. Private to record/. */
#pragma once
#include "io/json.h"
#include "model/page.h"
#include "model/record.h"

const struct json *page_detail(struct arena *arena, const struct record *record); /* NULL: none, or no JSON */
/* Member `key` of {"en": {...}, "fr": {...}}; a language that has none gets the other's, and `fallback` stands for both. Discreet, without
   control characters, a bounded length; one line unless `lines`. */
struct text2 page_text_of(struct arena *arena, const struct config *config, const struct json *detail, const char *key, const char *fallback, bool lines);
/* A row's text is our own word for what happened and not for the public: only its detail is told, else what its phase always means. */
struct page_update page_update_of(struct arena *arena, const struct config *config, const struct record *record, enum public_phase phase);
/* "akig", "User Dashboard" -> "akig-user-dashboard": an id that programs keep. */
const char *page_slug(struct arena *arena, const char *service, const char *title);
