/* tell/wording.c -- How numbers are written. */
#include "tell/wording.h"

#include <inttypes.h>

#define NARROW_BLANK "\u202F" /* French separates thousands by it, and no line is broken there */

char *say_count(struct arena *arena, enum language language, int64_t count)
{
    uint64_t rest = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    char *text = arena_strdup(arena, "");
    for (; rest >= 1000; rest /= 1000)
        text = arena_printf(arena, "%s%03u%s", language == LANGUAGE_FR ? NARROW_BLANK : ",", (unsigned)(rest % 1000), text);
    return arena_printf(arena, "%s%" PRIu64 "%s", count < 0 ? "-" : "", rest, text);
}

char *say_money(struct arena *arena, enum language language, int64_t amount, const char *currency)
{
    bool thousands = amount != 0 && amount % 1000 == 0;
    const char *number = say_count(arena, language, thousands ? amount / 1000 : amount);
    const char *unit = currency ? currency : "";
    const char *k = thousands ? "k" : "";
    bool word = str_is_name(str_of(unit)); /* "EUR", not a sign */
    if (language == LANGUAGE_FR)
        return arena_printf(arena, "%s %s%s%s", number, k, thousands && word ? " " : "", unit);
    return arena_printf(arena, "%s%s%s%s", unit, word ? " " : "", number, k);
}

/* " 00 s" and " 00 min" say nothing. */
static char *without_zeros(struct arena *arena, char *text)
{
    static const char *const tails[] = {" 00 s", " 00 min", " 0 h"};
    size_t n = strlen(text);
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        size_t tail = strlen(tails[i]);
        if (n > tail && same(text + n - tail, tails[i]))
            return arena_strndup(arena, text, n - tail);
    }
    return text;
}

char *say_duration(struct arena *arena, enum language language, int64_t ms)
{
    char *text = without_zeros(arena, duration_say(arena, ms));
    if (language != LANGUAGE_FR)
        return text;
    for (char *p = text; *p; p++) {
        if (*p == '.')
            *p = ',';
        else if (*p == 'd')
            *p = 'j';
    }
    return text;
}

char *say_line(struct arena *arena, const char *text)
{
    char *line = arena_strdup(arena, text ? text : "");
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
    return line;
}
