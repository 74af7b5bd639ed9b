/* tell/markup.h -- A message as a page of HTML, made of its text: what one says the other says. */
#pragma once
#include "model/config.h"

enum markup_tone { MARKUP_BAD, MARKUP_CALM, MARKUP_GOOD };
/* The first block of the body is the headline; "Key: value" lines become rows, "- item" lines under a "Heading:" a list. NULL: too large. */
char *markup_render(struct arena *arena, const struct config *config, enum language language, enum markup_tone tone, const char *subject, const char *body);
