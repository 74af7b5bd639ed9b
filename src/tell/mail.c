/* tell/mail.c -- Headers, encoded words and quoted-printable. */
#include "tell/mail.h"

#include <inttypes.h>

#include "base/base64.h"
#include "io/hash.h"
#include "tell/handover.h"

enum {
    ADDRESS_MAX = 254,
    SUBJECT_MAX = 900,
    MESSAGE_MAX = 1024 * 1024,
    QP_LINE_MAX = 76,   /* RFC 2045 */
    WORD_TEXT_MAX = 36, /* bytes of text in an encoded word: 48 of base64, 12 around it and the longest header name stay under 76 (RFC 2047) */
};

bool mail_address_valid(const char *address, struct err *err)
{
    size_t n = strlen(address), at = strcspn(address, "@");
    bool ok = n <= ADDRESS_MAX && at > 0 && at + 1 < n && address[0] != '-' && !strchr(address + at + 1, '@');
    for (const char *p = address; *p; p++)
        ok = ok && *p > 0x20 && *p < 0x7F && !strchr("<>()[]\\,;:\"", *p);
    if (ok)
        return true;
    err_set(err, ERR_DATA, "the mail address is malformed"); /* not quoted: it may hold anything */
    return err_hint(err, "write it as name@domain");
}

/* What stands in a header must not end it. */
static bool check_line(const char *name, const char *text, struct err *err)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return err_set(err, ERR_DATA, "the %s of the notice holds a line break or another control character", name);
    return true;
}

static bool is_plain(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p < 0x20 || *p > 0x7E)
            return false;
    return strlen(text) <= 60 && !strstr(text, "=?");
}

/* Encoded words never split a character (RFC 2047, 5). */
static void add_text_header(struct buf *to, const char *name, const char *text)
{
    buf_printf(to, "%s:", name);
    if (is_plain(text)) {
        buf_printf(to, " %s\r\n", text);
        return;
    }
    for (const char *p = text; *p;) {
        size_t n = MIN_OF(strlen(p), (size_t)WORD_TEXT_MAX);
        while (p[n] && n > 1 && ((unsigned char)p[n] & 0xC0) == 0x80)
            n--;
        buf_puts(to, p == text ? " =?UTF-8?B?" : "\r\n =?UTF-8?B?");
        (void)base64_add(to, p, n);
        buf_puts(to, "?=");
        p += n;
    }
    buf_puts(to, "\r\n");
}

/* "Sat, 25 Oct 2025 15:34:02 +0000": English whatever the locale is. */
static void add_date(struct buf *to, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    buf_printf(to, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3,
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Derived, so that a message sent twice is the same message for every mail program. */
static const char *message_id(struct arena *arena, const char *from, const char *identity)
{
    char hex[HASH_HEX_SIZE];
    struct hash *hash SCOPED(hash_close) = hash_open();
    hash_add(hash, identity, strlen(identity));
    hash_end(hash, hex);
    return arena_printf(arena, "<%.32s.bascule@%s>", hex, strchr(from, '@') + 1);
}

/* Bytes of line break at p: "\n", "\r\n" and a lone "\r" all end a line. */
static size_t line_break(const char *p)
{
    if (p[0] == '\r')
        return p[1] == '\n' ? 2 : 1;
    return p[0] == '\n';
}

static bool must_encode(const char *p, bool at_start)
{
    unsigned char c = (unsigned char)*p;
    if (c == ' ' || c == '\t')
        return p[1] == 0 || line_break(p + 1); /* blanks at a line's end get lost on the way */
    if (at_start && (c == '.' || c == 'F'))
        return true; /* "." ends a message in SMTP, "From " begins one in a mailbox; both are protected by others, but not by all */
    return c < 0x21 || c > 0x7E || c == '=';
}

static void add_body(struct buf *to, const char *text)
{
    size_t column = 0;
    for (const char *p = text; *p;) {
        size_t end = line_break(p);
        if (end) {
            buf_puts(to, "\r\n");
            column = 0;
            p += end;
            continue;
        }
        bool encode = must_encode(p, column == 0);
        size_t width = encode ? 3 : 1;
        if (column + width > QP_LINE_MAX - 1) {
            buf_puts(to, "=\r\n");
            column = 0;
            continue; /* at the start of a line other rules hold */
        }
        if (encode)
            buf_printf(to, "=%02X", (unsigned char)*p);
        else
            buf_putc(to, *p);
        column += width;
        p++;
    }
    if (column)
        buf_puts(to, "\r\n");
}

static bool check(const char *from, const struct notice *notice, struct err *err)
{
    if (!mail_address_valid(from, err))
        return err_prefix(err, "sender");
    if (!notice->address || !mail_address_valid(notice->address, err))
        return err_set(err, ERR_DATA, "contact \"%s\" has no usable mail address", notice->contact);
    if (strlen(notice->subject) > SUBJECT_MAX)
        return err_set(err, ERR_DATA, "the subject of the notice is longer than %d bytes", SUBJECT_MAX);
    return check_line("subject", notice->subject, err) && check_line("key", notice->key, err);
}

/* What a mail program that shows HTML is given when there is nothing better: the body, as it stands. */
static const char *html_of(struct arena *arena, const char *body)
{
    struct buf out SCOPED(buf_done) = {.max = MESSAGE_MAX};
    buf_puts(&out, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n"
                   "<div style=\"white-space: pre-wrap; font-family: sans-serif\">");
    for (const char *p = body; *p; p++)
        if (strchr("&<>\"", *p))
            buf_puts(&out, *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : "&quot;");
        else
            buf_putc(&out, *p);
    buf_puts(&out, "</div>\n</body></html>\n");
    return out.over ? NULL : arena_strdup(arena, buf_text(&out));
}

static void add_part(struct buf *to, const char *boundary, const char *type, const char *text)
{
    buf_printf(to, "--%s\r\nContent-Type: %s; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", boundary, type);
    add_body(to, text);
    buf_puts(to, "\r\n");
}

/* The plainest first: programs show the last one that they understand. */
static void add_parts(struct buf *to, struct arena *arena, const char *id, const struct notice *notice)
{
    const char *html = notice->html && *notice->html ? notice->html : html_of(arena, notice->body);
    const char *boundary = arena_printf(arena, "=_%.32s", id + 1); /* quoted-printable never writes "=_" */
    buf_printf(to, "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n", boundary);
    add_part(to, boundary, "text/plain", notice->body);
    if (html)
        add_part(to, boundary, "text/html", html);
    buf_printf(to, "--%s--\r\n", boundary);
}

/* The first message of an incident to somebody is the root on which all later ones hang, in every mail program. Should it be lost, the
   others still hang together by its name. */
static void add_thread(struct buf *to, struct arena *arena, const char *from, const struct notice *notice, const char *id)
{
    const char *thread = notice->thread ? notice->thread : arena_printf(arena, "%s/%" PRId64, notice->service, notice->incident);
    const char *root = message_id(arena, from, arena_printf(arena, "root\n%s\n%s\n%s", thread, notice->contact, notice->address));
    if (notice->first)
        buf_printf(to, "Message-ID: %s\r\n", root);
    else
        buf_printf(to, "Message-ID: %s\r\nIn-Reply-To: %s\r\nReferences: %s\r\n", id, root, root);
}

bool mail_build(struct arena *arena, const char *from, const struct notice *notice, struct str *ret, struct err *err)
{
    if (!check(from, notice, err))
        return false;
    const char *id = message_id(arena, from, notice_identity(arena, notice));
    struct buf m SCOPED(buf_done) = {.max = MESSAGE_MAX};
    add_date(&m, notice->wall_ms);
    buf_printf(&m, "From: bascule <%s>\r\nTo: <%s>\r\n", from, notice->address);
    add_text_header(&m, "Subject", notice->subject);
    add_thread(&m, arena, from, notice, id);
    add_text_header(&m, "X-Bascule-Key", notice->key);
    buf_puts(&m, "Auto-Submitted: auto-generated\r\n");
    add_parts(&m, arena, id, notice);
    if (m.over)
        return err_set(err, ERR_DATA, "the message is larger than %d bytes", MESSAGE_MAX);
    *ret = (struct str){.p = arena_strndup(arena, m.p, m.n), .n = m.n};
    return true;
}
