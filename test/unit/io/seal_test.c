/* Seals and encrypted files: what is altered anywhere is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "io/seal.h"

static const char hex_a[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char hex_b[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static struct seal_key key_of(const char *hex)
{
    struct seal_key key;
    assert_true(seal_key_parse(str_of(hex), &key));
    return key;
}

static void a_key_is_64_hex_digits(void **state)
{
    (void)state;
    struct seal_key key;
    char fresh[SEAL_HEX_SIZE], other[SEAL_HEX_SIZE], id[SEAL_ID_SIZE], again[SEAL_ID_SIZE];
    assert_false(seal_key_parse(STR("00"), &key));
    assert_false(seal_key_parse(STR("zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &key));
    assert_false(seal_key_parse(STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0"), &key));
    seal_key_new(fresh);
    seal_key_new(other);
    assert_string_not_equal(fresh, other);
    key = key_of(fresh);
    seal_key_id(&key, id);
    seal_key_id(&key, again);
    assert_string_equal(id, again);
    assert_null(strstr(fresh, id));
    seal_key_wipe(&key);
    for (size_t i = 0; i < sizeof(key.bytes); i++)
        assert_int_equal(key.bytes[i], 0);
}

static void a_seal_fits_its_text_and_key_only(void **state)
{
    (void)state;
    struct seal_key a = key_of(hex_a), b = key_of(hex_b);
    char seal[SEAL_HEX_SIZE];
    seal_of(&a, STR("text"), seal);
    assert_true(seal_fits(&a, STR("text"), str_of(seal)));
    assert_false(seal_fits(&a, STR("texT"), str_of(seal)));
    assert_false(seal_fits(&b, STR("text"), str_of(seal)));
    assert_false(seal_fits(&a, STR("text"), STR("")));
    for (size_t i = 0; i + 1 < sizeof(seal); i++) {
        char wrong[SEAL_HEX_SIZE];
        COPY_TO(wrong, seal);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        assert_false(seal_fits(&a, STR("text"), str_of(wrong)));
    }
}

static bool into_buf(void *arg, const void *data, size_t size, struct err *err)
{
    (void)err;
    return buf_add(arg, data, size);
}

static void encrypt(const struct seal_key *key, const char *plain, size_t n, size_t step, struct buf *out)
{
    struct err err = {0};
    SCOPED(crypt_writer_close) struct crypt_writer *w = crypt_writer_open(key, into_buf, out);
    for (size_t i = 0; i < n; i += step)
        assert_true(crypt_writer_add(w, plain + i, MIN_OF(step, n - i), &err));
    assert_true(crypt_writer_end(w, &err));
}

static bool decrypt(const struct seal_key *keys, size_t key_count, struct str data, size_t step, struct buf *out, struct err *err)
{
    SCOPED(crypt_reader_close) struct crypt_reader *r = crypt_reader_open(keys, key_count, into_buf, out);
    for (size_t i = 0; i < data.n; i += step)
        if (!crypt_reader_add(r, data.p + i, MIN_OF(step, data.n - i), err))
            return false;
    return crypt_reader_end(r, err);
}

static void what_was_encrypted_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, CRYPT_CHUNK - 1, CRYPT_CHUNK, CRYPT_CHUNK + 1, 3 * CRYPT_CHUNK + 77};
    static const size_t steps[] = {1 << 20, 4096, 17};
    struct seal_key keys[] = {key_of(hex_b), key_of(hex_a)};
    SCOPED(arena_close) struct arena *arena = arena_open();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *plain = arena_alloc(arena, sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            plain[k] = (char)(k * 7 + i);
        for (size_t k = 0; k < COUNT_OF(steps); k++) {
            SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, back = {.max = 1 << 20};
            struct err err = {0};
            encrypt(&keys[1], plain, sizes[i], steps[k], &packed);
            assert_true(sizes[i] < 16 || !memmem(packed.p, packed.n, plain, 16));
            assert_true(decrypt(keys, 2, buf_str(&packed), steps[k], &back, &err));
            assert_int_equal(back.n, sizes[i]);
            assert_true(sizes[i] == 0 || memcmp(back.p, plain, sizes[i]) == 0);
        }
    }
}

static void what_was_altered_cut_or_moved_is_refused(void **state)
{
    (void)state;
    struct seal_key key = key_of(hex_a), other = key_of(hex_b);
    SCOPED(arena_close) struct arena *arena = arena_open();
    enum { SIZE = 2 * CRYPT_CHUNK + 1000, WHOLE = CRYPT_CHUNK + CRYPT_MORE };
    SCOPED(buf_done) struct buf packed = {.max = 1 << 20}, back = {.max = 1 << 20};
    struct err err = {0};
    encrypt(&key, arena_alloc(arena, SIZE), SIZE, SIZE, &packed);
    for (size_t at = 0; at < packed.n; at += at < 200 ? 1 : 997) { /* one bit, anywhere */
        packed.p[at] ^= 4;
        buf_clear(&back);
        assert_false(decrypt(&key, 1, buf_str(&packed), 1 << 20, &back, &err));
        packed.p[at] ^= 4;
    }
    for (size_t n = 0; n < packed.n; n += n < 200 ? 1 : 991) { /* a cut, anywhere */
        buf_clear(&back);
        assert_false(decrypt(&key, 1, (struct str){packed.p, n}, 1 << 20, &back, &err));
    }
    assert_false(decrypt(&key, 1, (struct str){packed.p, CRYPT_HEAD_SIZE + 2 * WHOLE}, 1 << 20, &back, &err)); /* at a chunk's border */
    assert_non_null(strstr(err.message, "cut off"));
    char *swapped = arena_dup(arena, packed.p, packed.n);
    memcpy(swapped + CRYPT_HEAD_SIZE, packed.p + CRYPT_HEAD_SIZE + WHOLE, WHOLE);
    memcpy(swapped + CRYPT_HEAD_SIZE + WHOLE, packed.p + CRYPT_HEAD_SIZE, WHOLE);
    assert_false(decrypt(&key, 1, (struct str){swapped, packed.n}, 1 << 20, &back, &err));
    buf_putc(&packed, 'x');
    assert_false(decrypt(&key, 1, buf_str(&packed), 1 << 20, &back, &err));
    packed.n--;
    assert_false(decrypt(&other, 1, buf_str(&packed), 1 << 20, &back, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_false(decrypt(NULL, 0, buf_str(&packed), 1 << 20, &back, &err));
    assert_int_equal(err.code, ERR_PERMISSION);
    assert_false(decrypt(&key, 1, STR("-- PostgreSQL database dump, which is longer than a header"), 100, &back, &err));
    assert_int_equal(err.code, ERR_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_64_hex_digits),
        cmocka_unit_test(a_seal_fits_its_text_and_key_only),
        cmocka_unit_test(what_was_encrypted_comes_back),
        cmocka_unit_test(what_was_altered_cut_or_moved_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
