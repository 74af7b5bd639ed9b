/* tell/gsm.h -- Text for telephones: only characters of the GSM 7-bit alphabet (3GPP TS 23.038), since a single other one halves what
   fits into a message. Pure. */
#pragma once
#include "base/base.h"

enum { GSM_ONE = 160, GSM_PART = 153 }; /* septets of a message that is alone, and of each part of a longer one */

/* The text in that alphabet: "é" stays, "ê" becomes "e", a dash "-", an emoji nothing, what has no likeness "?". Line breaks stay, other
   control characters become blanks, rows of blanks one. UTF-8 both ways; malformed bytes become "?". */
char *gsm_text(struct arena *arena, const char *text);
/* Of a gsm_text: septets, where a few characters ([ ] { } \ ^ ~ | and the euro) take two. */
size_t gsm_septets(const char *text);
/* Of a gsm_text: messages it takes; 0 for an empty one. */
int gsm_segments(const char *text);
/* Of a gsm_text: as much as fits into so many messages, with "..." at the end when something was cut. */
char *gsm_cut(struct arena *arena, const char *text, int segments);
