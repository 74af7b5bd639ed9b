/* model/notice.c -- The forms of one message in one text, as the journal keeps it: pages, parted by form feeds. */
#include "model/record.h"

enum { FORM_MAX = 64 * 1024 };
#define PAGE_END '\f'

/* A form that is too long keeps its beginning, up to a whole character; messages are far shorter. */
static void add_form(struct buf *to, const char *form)
{
    size_t n = 0;
    for (const char *p = form ? form : ""; *p; p++, n++) {
        if (n >= FORM_MAX && ((unsigned char)*p & 0xC0) != 0x80)
            return;
        buf_putc(to, *p == PAGE_END ? ' ' : *p);
    }
}

char *notice_pack(struct arena *arena, const char *body, const char *brief, const char *html)
{
    struct buf SCOPED(buf_done) out = {.max = 3 * (FORM_MAX + 4)};
    bool has_html = html && *html, has_brief = brief && *brief;
    add_form(&out, body);
    if (has_brief || has_html) {
        buf_putc(&out, PAGE_END);
        add_form(&out, brief);
    }
    if (has_html) {
        buf_putc(&out, PAGE_END);
        add_form(&out, html);
    }
    return arena_strdup(arena, buf_text(&out));
}

static const char *page(struct arena *arena, struct str *rest)
{
    struct str text;
    return str_next(rest, PAGE_END, &text) && text.n ? str_dup(arena, text) : NULL;
}

void notice_unpack(struct arena *arena, const char *detail, struct notice *notice)
{
    struct str rest = str_of(detail ? detail : "");
    const char *body = page(arena, &rest);
    notice->body = body ? body : "";
    notice->brief = page(arena, &rest);
    notice->html = page(arena, &rest);
}
