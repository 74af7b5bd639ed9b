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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_digests), cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
