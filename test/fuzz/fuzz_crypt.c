/* An encrypted file from anywhere: refused, or exactly what was encrypted. */
#include "io/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

/* The first byte says where the encrypted text is altered and cut; nothing that was touched may come through. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seal_key key = {{1, 2, 3}};
    struct err err = {0};
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, back = {.max = 1 << 20};
    SCOPED(crypt_reader_close) struct crypt_reader *raw = crypt_reader_open(&key, 1, into_buf, &back);
    if (crypt_reader_add(raw, data, size, &err) && crypt_reader_end(raw, &err))
        abort(); /* without the key nobody writes one */
    if (size < 2)
        return 0;
    SCOPED(crypt_writer_close) struct crypt_writer *w = crypt_writer_open(&key, into_buf, &packed);
    if (!crypt_writer_add(w, data, size, &err) || !crypt_writer_end(w, &err))
        abort();
    size_t at = (data[0] * (size_t)256 + data[1]) % packed.n, step = data[1] + (size_t)1;
    bool touched = data[0] & 1;
    if (touched)
        packed.p[at] ^= (char)(data[1] | 1);
    buf_clear(&back);
    SCOPED(crypt_reader_close) struct crypt_reader *r = crypt_reader_open(&key, 1, into_buf, &back);
    bool good = true;
    for (size_t i = 0; good && i < packed.n; i += step)
        good = crypt_reader_add(r, packed.p + i, MIN_OF(step, packed.n - i), &err);
    good = good && crypt_reader_end(r, &err);
    if (good == touched || (good && (back.n != size || memcmp(back.p, data, size) != 0)))
        abort();
    return 0;
}
