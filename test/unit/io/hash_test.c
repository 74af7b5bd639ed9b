/* Known digests, and reuse after the end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <unistd.h>

#include "io/hash.h"
#include "sys/file.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void known_digests(void **state)
{
    (void)state;
    char hex[HASH_HEX_SIZE];
    struct hash *hash SCOPED(hash_close) = hash_open();
    hash_end(hash, hex);
    assert_string_equal(hex, EMPTY);
    hash_add(hash, "a", 1);
    hash_add(hash, "", 0);
    hash_add(hash, "bc", 2);
    hash_end(hash, hex);
    assert_string_equal(hex, ABC);
    hash_end(hash, hex); /* nothing is left of the text before */
    assert_string_equal(hex, EMPTY);
    hash_close(NULL);
}

static void files(void **state)
{
    (void)state;
    SCOPED(arena_close) struct arena *a = arena_open();
    struct err err = {0};
    char hex[HASH_HEX_SIZE], path[] = "/tmp/bascule-hash-XXXXXX";
    close(mkstemp(path));
    assert_true(hash_file(path, hex, &err));
    assert_string_equal(hex, EMPTY);
    static const size_t million = 1000000;
    char *data = arena_alloc(a, million);
    memset(data, 'a', million);
    assert_true(file_write(path, data, million, 0600, &err));
    assert_true(hash_file(path, hex, &err));
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    unlink(path);
    assert_false(hash_file(path, hex, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(hash_file("/tmp", hex, &err));
    assert_int_equal(err.code, ERR_OS);
}

/* RFC 4231, cases 1, 2 and 6. */
static void known_signatures(void **state)
{
    (void)state;
    char key1[21], key6[132];
    memset(key1, 0x0b, 20);
    memset(key6, 0xaa, 131);
    key1[20] = key6[131] = 0;
    const struct {
        const char *key, *text, *hex;
    } known[] = {
        {key1, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {key6, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        unsigned char mac[HMAC_SIZE];
        char hex[2 * HMAC_SIZE + 1];
        hash_hmac(str_of(known[i].key), str_of(known[i].text), mac);
        for (size_t k = 0; k < HMAC_SIZE; k++)
            snprintf(hex + 2 * k, 3, "%02x", mac[k]);
        assert_string_equal(hex, known[i].hex);
    }
    unsigned char mac[HMAC_SIZE];
    hash_hmac((struct str){0}, (struct str){0}, mac);
    assert_int_equal(mac[0], 0xb6); /* b613679a..., of nothing with an empty key */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_digests), cmocka_unit_test(files), cmocka_unit_test(known_signatures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
