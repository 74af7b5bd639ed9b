/* record/sentence.h -- A sentence for each kind of record. Private to record/; others call story_sentence. */
#pragma once
#include "record/story.h"

/* `took_ms`: how long the run that this record ends went on; -1: not known, and then not said. */
const char *sentence_with(struct arena *a, const struct record *record, enum language language, int64_t took_ms);
