/* sys/log.c -- One line, one write(2), so that lines of several processes do not mix. */
#include "sys/log.h"

#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static enum log_level log_least = LOG_INFO; /* with the sink (stderr) the one global */

static const struct {
    const char *name, *priority; /* as sd-daemon(3) reads it */
} levels[] = {
    [LOG_ERROR] = {"error", "<3>"},
    [LOG_WARNING] = {"warning", "<4>"},
    [LOG_INFO] = {"info", "<6>"},
    [LOG_DEBUG] = {"debug", "<7>"},
};

void log_setup(enum log_level least)
{
    log_least = least;
}

/* $JOURNAL_STREAM names the device and inode of systemd's socket: it counts only when stderr is still that socket. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    if (!stream || fstat(STDERR_FILENO, &st) != 0)
        return false;
    char mine[64];
    snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return same(stream, mine);
}

static void add_escaped(struct buf *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n')
            buf_puts(line, "\\n");
        else if (c < 0x20 || c == 0x7F)
            buf_printf(line, "\\x%02x", c);
        else
            buf_putc(line, *p);
    }
}

static void write_line(enum log_level level, const char *text)
{
    struct buf line SCOPED(buf_done) = {.max = LINE_MAX_BYTES - 1};
    if (stderr_is_journal())
        buf_puts(&line, levels[level].priority);
    buf_printf(&line, "%s ", levels[level].name);
    add_escaped(&line, text);
    line.max = LINE_MAX_BYTES;
    buf_putc(&line, '\n');
    /* There is nobody left to tell when stderr itself cannot be written. */
    ssize_t written = write(STDERR_FILENO, line.p, line.n);
    (void)written;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > log_least)
        return;
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    write_line(level, text);
}

void log_err(enum log_level level, const struct err *err)
{
    if (level > log_least)
        return;
    write_line(level, err->message);
    if (err->hint[0]) {
        char text[sizeof(err->hint) + 8];
        snprintf(text, sizeof(text), "hint: %s", err->hint);
        write_line(level, text);
    }
}
