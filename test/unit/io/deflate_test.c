/* Members in one piece: what goes in comes out, at each level and size, and what is altered does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/deflate.h"

enum { MOST = 3 * 1024 * 1024 };

static void fill(char *data, size_t size, unsigned kind)
{
    uint32_t x = 12345 + kind;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = kind == 0 ? (char)(x >> 24) : kind == 1 ? "0123456789\t\n"[(x >> 24) % 12] : 'a';
    }
}

static void what_was_packed_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 1000, 65535, 65536, 100000, 1500000, MOST};
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *data = arena_alloc(arena, MOST);
    SCOPED(buf_done) struct buf packed = {.max = 2 * MOST}, plain = {.max = MOST};
    for (unsigned kind = 0; kind < 3; kind++) {
        fill(data, MOST, kind); /* noise, digits, one letter */
        for (int level = DEFLATE_FAST; level <= DEFLATE_SMALL; level++) {
            SCOPED(deflater_close) struct deflater *d = deflater_open((enum deflate_level)level);
            for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                struct err err = {0};
                buf_clear(&packed);
                buf_clear(&plain);
                if (!deflater_pack(d, data, sizes[i], &packed, &err) || !inflate_whole(packed.p, packed.n, sizes[i], &plain, &err))
                    fail_msg("kind %u level %d size %zu: %s", kind, level, sizes[i], err.message);
                assert_int_equal(plain.n, sizes[i]);
                assert_memory_equal(buf_text(&plain), data, sizes[i]);
                if (kind == 1 && sizes[i] > 65536)
                    assert_true(packed.n < sizes[i] * 6 / 10);
            }
        }
    }
}

static void nothing_altered_passes(void **state)
{
    (void)state;
    SCOPED(deflater_close) struct deflater *d = deflater_open(DEFLATE_FAST);
    SCOPED(buf_done) struct buf packed = {.max = 10000}, plain = {.max = 10000};
    char data[300];
    struct err err = {0};
    fill(data, sizeof(data), 1);
    assert_true(deflater_pack(d, data, sizeof(data), &packed, &err));
    for (size_t bit = 0; bit < packed.n * 8; bit++) {
        packed.p[bit / 8] = (char)(packed.p[bit / 8] ^ (1 << (bit % 8)));
        buf_clear(&plain);
        if (inflate_whole(packed.p, packed.n, sizeof(data), &plain, &err))
            assert_memory_equal(plain.p, data, sizeof(data)); /* unused bits of the last byte */
        packed.p[bit / 8] = (char)(packed.p[bit / 8] ^ (1 << (bit % 8)));
    }
    for (size_t n = 0; n < packed.n; n++)
        assert_false(inflate_whole(packed.p, n, sizeof(data), &plain, &err));
    assert_false(inflate_whole(packed.p, packed.n, sizeof(data) - 1, &plain, &err));
    assert_false(inflate_whole(packed.p, packed.n, sizeof(data) + 1, &plain, &err));
}

static void a_limit_holds(void **state)
{
    (void)state;
    SCOPED(deflater_close) struct deflater *d = deflater_open(DEFLATE_FAST);
    SCOPED(buf_done) struct buf packed = {.max = 100}, roomy = {.max = 10000}, plain = {.max = 100};
    char data[300];
    struct err err = {0};
    fill(data, sizeof(data), 0);
    assert_false(deflater_pack(d, data, sizeof(data), &packed, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(deflater_pack(d, data, sizeof(data), &roomy, &err));
    assert_false(inflate_whole(roomy.p, roomy.n, sizeof(data), &plain, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(nothing_altered_passes),
        cmocka_unit_test(a_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
