/* base/buf.c -- Growth by doubling up to the limit. */
#include "base/buf.h"

#include "base/banned.h"

static bool make_room(struct buf *b, size_t more)
{
    if (more > b->max || b->n > b->max - more) {
        b->over = true;
        return false;
    }
    size_t need = b->n + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 128;
    if (cap < need)
        cap = need;
    char *p = realloc(b->p, cap);
    if (!p) {
        fputs("bascule: out of memory\n", stderr);
        abort();
    }
    b->p = p;
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t size)
{
    return make_room(b, size) ? b->p + b->n : NULL;
}

bool buf_add(struct buf *b, const void *data, size_t size)
{
    if (!make_room(b, size))
        return false;
    if (size)
        memcpy(b->p + b->n, data, size);
    b->n += size;
    b->p[b->n] = 0;
    return true;
}

bool buf_puts(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_putc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    bool ok = size >= 0 && make_room(b, (size_t)size);
    if (ok) {
        vsnprintf(b->p + b->n, (size_t)size + 1, fmt, again);
        b->n += (size_t)size;
    }
    va_end(again);
    return ok;
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    bool ok = buf_vprintf(b, fmt, args);
    va_end(args);
    return ok;
}

char *buf_room(struct buf *b, size_t size)
{
    return make_room(b, size) ? b->p + b->n : NULL;
}

void buf_took(struct buf *b, size_t size)
{
    b->n += size;
    b->p[b->n] = 0;
}

void buf_consume(struct buf *b, size_t size)
{
    if (size >= b->n) {
        buf_clear(b);
        return;
    }
    memmove(b->p, b->p + size, b->n - size + 1);
    b->n -= size;
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->over = false;
    if (b->p)
        b->p[0] = 0;
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

const char *buf_text(const struct buf *b)
{
    return b->p ? b->p : "";
}

struct str buf_str(const struct buf *b)
{
    return (struct str){.p = buf_text(b), .n = b->n};
}
