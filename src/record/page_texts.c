/* record/page_texts.c -- What the public reads is taken from the row's detail and made harmless here, once for all forms of the page. */
#include "record/page_texts.h"

#include <ctype.h>

#include "model/discreet.h"

enum { LINE_MAX_BYTES = 255, BODY_MAX_BYTES = 8 * 1024 };

const struct json *page_detail(struct arena *arena, const struct record *record)
{
    const struct json *detail = NULL;
    if (*record->detail != '{' || !json_parse(arena, str_of(record->detail), &detail, NULL))
        return NULL;
    return detail;
}

/* Length of the character at p; 0: no well-formed one. */
static size_t character(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xE0) == 0xC0 ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : (p[0] & 0xF8) == 0xF0 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* Characters that turn the direction of what stands around them could make a page say what nobody wrote. */
static bool steers(const unsigned char *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xC2 && p[1] < 0xA0; /* C1 controls */
    if (n != 3 || p[0] != 0xE2)
        return false;
    return (p[1] == 0x80 && ((p[2] >= 0xAA && p[2] <= 0xAE) || p[2] == 0xA8 || p[2] == 0xA9)) || (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);
}

static const char *harmless(struct arena *arena, const char *text, bool lines)
{
    SCOPED(buf_done) struct buf out = {.max = lines ? BODY_MAX_BYTES : LINE_MAX_BYTES};
    for (const unsigned char *p = (const unsigned char *)text; *p && !out.over;) {
        size_t n = character(p);
        bool control = n == 1 && (*p < 0x20 || *p == 0x7F) && !(lines && *p == '\n');
        if (n && !control && !steers(p, n))
            buf_add(&out, p, n);
        else if (control && *p != '\r')
            buf_putc(&out, ' ');
        p += MAX_OF(n, 1);
    }
    return str_dup(arena, str_trim(buf_str(&out)));
}

static const char *text_for(struct arena *arena, const struct config *config, const struct json *detail, const char *language, const char *key, bool lines)
{
    const char *text = json_string(json_get(json_get(detail, language), key));
    return text ? harmless(arena, discreet(arena, config, text), lines) : "";
}

struct text2 page_text_of(struct arena *arena, const struct config *config, const struct json *detail, const char *key, const char *fallback, bool lines)
{
    const char *en = text_for(arena, config, detail, "en", key, lines), *fr = text_for(arena, config, detail, "fr", key, lines);
    const char *other = *en ? en : *fr ? fr : harmless(arena, discreet(arena, config, fallback), lines);
    return (struct text2){*en ? en : other, *fr ? fr : other};
}

static const struct text2 always[PUBLIC_MAX] = {
    [PUBLIC_INVESTIGATING] = {"We are investigating a problem", "Nous étudions un problème"},
    [PUBLIC_IDENTIFIED] = {"The cause is known and we are restoring the service", "La cause est connue et nous rétablissons le service"},
    [PUBLIC_MONITORING] = {"The service is back and we are watching it", "Le service est rétabli et nous le surveillons"},
    [PUBLIC_RESOLVED] = {"The incident is resolved", "L'incident est résolu"},
};

struct page_update page_update_of(struct arena *arena, const struct config *config, const struct record *record, enum public_phase phase)
{
    const struct json *detail = page_detail(arena, record);
    struct page_update update = {.serial = record->number, .wall_ms = record->wall_ms, .phase = phase};
    update.headline = page_text_of(arena, config, detail, "headline", "", false);
    if (!*update.headline.en)
        update.headline = always[phase];
    update.body = page_text_of(arena, config, detail, "body", "", true);
    return update;
}

const char *page_slug(struct arena *arena, const char *service, const char *title)
{
    SCOPED(buf_done) struct buf out = {.max = 80};
    buf_puts(&out, service);
    bool gap = true;
    for (const char *p = title; *p; p++) {
        bool plain = isalnum((unsigned char)*p);
        if (plain && gap)
            buf_putc(&out, '-');
        if (plain)
            buf_putc(&out, (char)tolower((unsigned char)*p));
        gap = !plain;
    }
    return arena_strdup(arena, buf_text(&out));
}
