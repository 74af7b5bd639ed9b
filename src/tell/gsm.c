/* tell/gsm.c -- The alphabet, likenesses for what is not of it, and the counting. */
#include "tell/gsm.h"

enum { BAD = 0xFFFD };

/* What is of the alphabet beyond ASCII. */
static const uint32_t basic[] = {0xA1, 0xA3, 0xA4, 0xA5, 0xA7, 0xBF, 0xC4, 0xC5, 0xC6, 0xC7, 0xC9, 0xD1, 0xD6, 0xD8, 0xDC, 0xDF, 0xE0, 0xE4, 0xE5, 0xE6,
                                 0xE8, 0xE9, 0xEC, 0xF1, 0xF2, 0xF6, 0xF8, 0xF9, 0xFC, 0x393, 0x394, 0x398, 0x39B, 0x39E, 0x3A0, 0x3A3, 0x3A6,
                                 0x3A8, 0x3A9};

/* U+00C0 to U+017F; "?" where it takes two letters, "." for those of the alphabet itself. */
static const char latin[] = "AAAA....E.EEIIIID.OOOO.x.UUU.Y?..aaa...c..ee.iiid..ooo./..uu.y?yAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKkk"
                            "LlLlLlLlLlNnNnNnnNnOoOoOo??RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
enum { LATIN_FIRST = 0xC0, LATIN_LAST = 0x17F };

static const struct {
    uint32_t c;
    const char *like;
} likes[] = {
    {0x60, "'"},    {0xA0, " "},    {0xA2, "c"},    {0xA6, "|"},    {0xA9, "(c)"},   {0xAA, "a"},    {0xAB, "\""},   {0xAC, "-"},   {0xAD, ""},
    {0xAE, "(r)"},  {0xB0, "o"},    {0xB1, "+/-"},  {0xB2, "2"},    {0xB3, "3"},     {0xB4, "'"},    {0xB5, "u"},    {0xB7, "."},   {0xB9, "1"},
    {0xBA, "o"},    {0xBB, "\""},   {0xBC, "1/4"},  {0xBD, "1/2"},  {0xBE, "3/4"},   {0xDE, "Th"},   {0xFE, "th"},   {0x132, "IJ"}, {0x133, "ij"},
    {0x152, "OE"},  {0x153, "oe"},  {0x192, "f"},   {0x218, "S"},   {0x219, "s"},    {0x21A, "T"},   {0x21B, "t"},   {0x1E9E, "SS"}, {0x2010, "-"},
    {0x2011, "-"},  {0x2012, "-"},  {0x2013, "-"},  {0x2014, "-"},  {0x2015, "-"},   {0x2018, "'"},  {0x2019, "'"},  {0x201A, "'"}, {0x201B, "'"},
    {0x201C, "\""}, {0x201D, "\""}, {0x201E, "\""}, {0x2022, "-"},  {0x2026, "..."}, {0x2032, "'"},  {0x2033, "\""}, {0x2039, "'"}, {0x203A, "'"},
    {0x2044, "/"},  {0x20AC, "€"},  {0x2116, "No"}, {0x2122, "TM"}, {0x2190, "<-"},  {0x2192, "->"}, {0x21D2, "=>"}, {0x2212, "-"}, {0x2248, "~"},
    {0x2260, "!="}, {0x2264, "<="}, {0x2265, ">="}, {0x3000, " "},
};

/* Takes a character off *p; BAD for bytes that are none. */
static uint32_t next_character(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t more = s[0] < 0x80 ? 0 : s[0] >= 0xC2 && s[0] < 0xE0 ? 1 : s[0] >= 0xE0 && s[0] < 0xF0 ? 2 : s[0] >= 0xF0 && s[0] < 0xF5 ? 3 : 4;
    uint32_t c = more == 0 ? s[0] : more < 4 ? s[0] & (0x3Fu >> more) : BAD;
    size_t n = 1;
    for (; more < 4 && n <= more; n++) {
        if ((s[n] & 0xC0) != 0x80) { /* the 0 at the end is not one either */
            *p += n;
            return BAD;
        }
        c = c << 6 | (s[n] & 0x3F);
    }
    *p += n;
    bool overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
    return overlong || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? BAD : c;
}

static bool is_basic(uint32_t c)
{
    if (c < 0x80)
        return c >= 0x20 && c != 0x60 && c != 0x7F;
    for (size_t i = 0; i < COUNT_OF(basic); i++)
        if (basic[i] == c)
            return true;
    return false;
}

/* Accents on their own, joiners, marks of direction, variants: they change how another character looks, or nothing at all. Pictures:
   they say again what the words beside them say. */
static bool is_nothing(uint32_t c)
{
    return (c >= 0x300 && c < 0x370) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0x20D0 && c <= 0x20FF) || (c >= 0x2300 && c <= 0x23FF) || (c >= 0x25A0 && c <= 0x27BF) ||
           (c >= 0x2B00 && c <= 0x2BFF) || (c >= 0x1F000 && c <= 0x1FAFF) || (c >= 0xE0000 && c <= 0xE0FFF);
}

static const char *likeness(uint32_t c)
{
    if (c < 0x20 || c == 0x7F || (c >= 0x80 && c < 0xA0) || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F)
        return " ";
    for (size_t i = 0; i < COUNT_OF(likes); i++)
        if (likes[i].c == c)
            return likes[i].like;
    return is_nothing(c) ? "" : "?";
}

static void add_blank(struct buf *to)
{
    if (to->n && to->p[to->n - 1] != ' ' && to->p[to->n - 1] != '\n')
        buf_putc(to, ' ');
}

static void add_break(struct buf *to)
{
    while (to->n && to->p[to->n - 1] == ' ')
        to->p[--to->n] = 0;
    buf_putc(to, '\n');
}

static void add_character(struct buf *to, uint32_t c, const char *as_written, size_t size)
{
    if (c == '\n')
        add_break(to);
    else if (c == ' ')
        add_blank(to);
    else if (is_basic(c))
        buf_add(to, as_written, size);
    else if (c >= LATIN_FIRST && c <= LATIN_LAST && latin[c - LATIN_FIRST] != '?')
        buf_putc(to, latin[c - LATIN_FIRST]);
    else if (same(likeness(c), " "))
        add_blank(to);
    else
        buf_puts(to, likeness(c));
}

char *gsm_text(struct arena *arena, const char *text)
{
    struct buf SCOPED(buf_done) out = {.max = 3 * strlen(text) + 1}; /* a character has at most three for it, as bytes too */
    for (const char *p = text; *p;) {
        const char *from = p;
        uint32_t c = next_character(&p);
        add_character(&out, c, from, (size_t)(p - from));
    }
    struct str trimmed = str_trim(buf_str(&out));
    return arena_strndup(arena, trimmed.n ? trimmed.p : "", trimmed.n);
}

/* ---- counting ---- */

static size_t width_of(uint32_t c)
{
    return (c < 0x80 && c && strchr("[]{}\\^~|", (int)c)) || c == 0x20AC ? 2 : 1;
}

size_t gsm_septets(const char *text)
{
    size_t n = 0;
    while (*text)
        n += width_of(next_character(&text));
    return n;
}

/* A character of two septets is never parted between two messages. */
int gsm_segments(const char *text)
{
    if (gsm_septets(text) <= GSM_ONE)
        return *text != 0;
    int segments = 1;
    for (size_t used = 0; *text;) {
        size_t width = width_of(next_character(&text));
        if (used + width > GSM_PART) {
            segments++;
            used = 0;
        }
        used += width;
    }
    return segments;
}

char *gsm_cut(struct arena *arena, const char *text, int segments)
{
    if (gsm_segments(text) <= segments)
        return arena_strdup(arena, text);
    const char *end = text; /* more than so many characters cannot fit, however long the text is */
    for (int left = segments * GSM_ONE; *end && left > 0; left--)
        (void)next_character(&end);
    for (size_t n = (size_t)(end - text); n > 0;) {
        for (n--; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
            ;
        char *cut = arena_printf(arena, "%.*s...", (int)n, text);
        if (gsm_segments(cut) <= segments)
            return cut;
    }
    return arena_strdup(arena, "");
}
