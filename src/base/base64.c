/* base/base64.c -- Three bytes, four digits. */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool base64_add(struct buf *to, const void *data, size_t size)
{
    const unsigned char *p = data;
    size_t width = (size + 2) / 3 * 4;
    char *out = size ? buf_reserve(to, width) : NULL;
    if (!out)
        return size == 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? (unsigned)p[i + 2] : 0);
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[v & 63] : '=';
    }
    *out = 0;
    to->n += width;
    return true;
}

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool base64_decode(struct buf *to, struct str text)
{
    size_t pad = text.n && text.p[text.n - 1] == '=' ? (text.n > 1 && text.p[text.n - 2] == '=' ? 2 : 1) : 0, before = to->n;
    bool good = text.n % 4 == 0;
    unsigned v = 0;
    for (size_t i = 0; good && i < text.n; i++) {
        int value = i >= text.n - pad ? 0 : value_of(text.p[i]);
        good = value >= 0;
        v = v << 6 | ((unsigned)value & 63);
        if (i % 4 != 3)
            continue;
        const unsigned char bytes[] = {(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v};
        size_t wanted = i + 1 == text.n ? 3 - pad : 3;
        for (size_t k = wanted; k < 3; k++)
            good = good && bytes[k] == 0; /* bits that stand for nothing must not be there */
        good = good && buf_add(to, bytes, wanted);
        v = 0;
    }
    if (good)
        return true;
    to->n = before;
    if (to->p)
        to->p[to->n] = 0;
    return false;
}
