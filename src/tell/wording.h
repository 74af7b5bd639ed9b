/* tell/wording.h -- Numbers, money and durations as people of a language write them. Pure. */
#pragma once
#include "base/base.h"
#include "model/config.h"

char *say_count(struct arena *arena, enum language language, int64_t count);                            /* "15,000", "15 000" */
char *say_money(struct arena *arena, enum language language, int64_t amount, const char *currency);     /* "$50k", "50 k$", "$4,167" */
/* "850 ms", "4.2 s", "15 min", "1 min 05 s"; "4,2 s", "3 j 4 h" in French. */
char *say_duration(struct arena *arena, enum language language, int64_t ms);
/* One line of text from outside: control characters and breaks become blanks, and what turns the direction of writing around, or is not
   UTF-8, is left out. NULL gives "". */
char *say_line(struct arena *arena, const char *text);
/* The same with its line breaks kept. */
char *say_text(struct arena *arena, const char *text);
