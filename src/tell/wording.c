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

/* Length of the character at `p`, which is 0 when it is not well formed; surrogates and what is longer than need be are not looked for. */
static size_t character(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1 : *p >= 0xC2 && *p < 0xE0 ? 2 : *p >= 0xE0 && *p < 0xF0 ? 3 : *p >= 0xF0 && *p < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* U+202A to U+202E, U+2066 to U+2069, U+200E, U+200F, U+061C: with them a text reads otherwise than it is. */
static bool turns_around(const unsigned char *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xD8 && p[1] == 0x9C;
    if (n != 3 || p[0] != 0xE2)
        return false;
    return (p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xAA && p[2] <= 0xAE))) || (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);
}

/* C0, DEL, C1, and the line and paragraph separators. */
static bool is_control(const unsigned char *p, size_t n)
{
    if (n == 1)
        return *p < 0x20 || *p == 0x7F;
    return (n == 2 && p[0] == 0xC2 && p[1] < 0xA0) || (n == 3 && p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0xA8 || p[2] == 0xA9));
}

static char *cleaned(struct arena *arena, const char *text, bool breaks)
{
    const unsigned char *p = (const unsigned char *)(text ? text : "");
    char *out = arena_alloc(arena, strlen((const char *)p) + 1), *to = out;
    while (*p) {
        size_t n = character(p);
        if (n == 0) {
            p++;
            continue;
        }
        if (is_control(p, n)) {
            *to++ = breaks && *p == '\n' ? '\n' : ' ';
        } else if (!turns_around(p, n)) {
            memcpy(to, p, n);
            to += n;
        }
        p += n;
    }
    return out;
}

char *say_line(struct arena *arena, const char *text)
{
    return cleaned(arena, text, false);
}

char *say_text(struct arena *arena, const char *text)
{
    return cleaned(arena, text, true);
}
