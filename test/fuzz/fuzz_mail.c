/* Any subject, key, address and body: a message is refused, or its lines are short, end in CRLF, and its headers are ours alone. */
#include "tell/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS = 11 }; /* that mail_build writes */

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_message(struct str message, bool first)
{
    size_t headers = 0;
    bool in_body = false;
    const char *line = message.p, *end = message.p + message.n;
    while (line < end) {
        const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
        check(stop != NULL);
        size_t n = (size_t)(stop - line);
        size_t longest = headers == 2 && !in_body ? 260 : 78; /* the address of the recipient cannot be broken */
        check(n <= longest && !memchr(line, '\n', n) && !memchr(line, '\r', n) && !memchr(line, 0, n));
        if (n == 0)
            in_body = true;
        headers += !in_body && line[0] != ' ';
        line = stop + 2;
    }
    check(headers == (first ? HEADERS - 2 : HEADERS));
}

/* The next piece of the input, up to a zero byte. */
static const char *piece(struct arena *arena, struct str *rest)
{
    struct str part = {0};
    return str_next(rest, 0, &part) ? str_dup(arena, part) : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str rest = {(const char *)data, size}, message;
    struct err err = {0};
    struct notice notice = {.incident = 7, .service = "akig", .contact = "ops", .wall_ms = INT64_C(1761406442120)};
    notice.subject = piece(arena, &rest);
    notice.key = piece(arena, &rest);
    notice.address = piece(arena, &rest);
    if (!*notice.address)
        notice.address = "ops@akig.com";
    notice.body = piece(arena, &rest);
    notice.html = piece(arena, &rest);
    notice.thread = piece(arena, &rest);
    notice.first = rest.p != NULL;
    if (mail_build(arena, "bascule@akig.com", &notice, &message, &err))
        check_message(message, notice.first);
    else
        check(err.code == ERR_DATA);
    return 0;
}
