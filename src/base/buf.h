/* base/buf.h -- Text being built, with a limit: what grows from outside input can never take the machine's memory. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"
#include "base/util.h"

/* struct buf b = {.max = 4096}; ... SCOPED(buf_done). `p` is NULL while empty, else terminated by a 0 that `n` does not count. */
struct buf {
    char *p;
    size_t n, cap;
    size_t max; /* bytes it may ever hold */
    bool over;  /* something did not fit and was left out; stays set until buf_clear */
};

/* The adders return false, set `over` and add nothing when the limit would be passed. */
bool buf_add(struct buf *b, const void *data, size_t size);
bool buf_puts(struct buf *b, const char *text);
bool buf_putc(struct buf *b, char c);
/* Room for `size` more bytes and the 0 after them, for whoever writes in place and then moves `n`. NULL, and `over` set, when the limit
   would be passed. */
char *buf_reserve(struct buf *b, size_t size);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
/* For those who write into the memory themselves: at least `size` bytes behind the text, NULL (and over) when the limit would be passed;
   buf_took says how many of them were filled. */
char *buf_room(struct buf *b, size_t size);
void buf_took(struct buf *b, size_t size);
void buf_consume(struct buf *b, size_t size); /* drops bytes from the front */
void buf_clear(struct buf *b);                /* empty again, memory kept */
void buf_done(struct buf *b);                 /* frees; usable again afterwards */
const char *buf_text(const struct buf *b);    /* "" when empty, never NULL */
struct str buf_str(const struct buf *b);
