/* io/hash.c -- OpenSSL's digest interface. */
#include "io/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <unistd.h>

struct hash {
    EVP_MD_CTX *context;
};

/* These fail only when memory is out or the library has no SHA-256; a hash that nobody can trust is worse than a restart. */
static void must(int ok)
{
    if (!ok) {
        fputs("bascule: SHA-256 is not available\n", stderr);
        abort();
    }
}

struct hash *hash_open(void)
{
    struct hash *hash = calloc(1, sizeof(*hash));
    must(hash != NULL);
    hash->context = EVP_MD_CTX_new();
    must(hash->context != NULL);
    must(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL));
    return hash;
}

void hash_close(struct hash **hash)
{
    if (!hash || !*hash)
        return;
    EVP_MD_CTX_free((*hash)->context);
    free(*hash);
    *hash = NULL;
}

void hash_add(struct hash *hash, const void *data, size_t size)
{
    must(EVP_DigestUpdate(hash->context, data, size));
}

void hash_end(struct hash *hash, char hex[HASH_HEX_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    must(EVP_DigestFinal_ex(hash->context, digest, &size));
    for (unsigned i = 0; i < size; i++)
        snprintf(hex + i * 2, 3, "%02x", digest[i]);
    must(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL));
}

static bool add_file(struct hash *hash, int fd, const char *path, struct err *err)
{
    static const size_t chunk_size = 64 * 1024;
    SCOPED(arena_close) struct arena *a = arena_open();
    char *chunk = arena_alloc(a, chunk_size);
    for (;;) {
        ssize_t got = read(fd, chunk, chunk_size);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR) {
            err_os(err, errno, "could not read \"%s\"", path);
            return false;
        }
        hash_add(hash, chunk, (size_t)MAX_OF(got, 0));
    }
}

bool hash_file(const char *path, char hex[HASH_HEX_SIZE], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        bool missing = errno == ENOENT;
        err_os(err, errno, "could not open \"%s\"", path);
        if (err && missing)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    struct hash *hash SCOPED(hash_close) = hash_open();
    bool ok = add_file(hash, fd, path, err);
    close(fd);
    if (ok)
        hash_end(hash, hex);
    return ok;
}

void hash_hmac(struct str key, struct str text, unsigned char ret[HMAC_SIZE])
{
    unsigned size = 0;
    must(key.n <= INT32_MAX);
    must(HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, (const unsigned char *)(text.n ? text.p : ""), text.n, ret, &size) != NULL);
    must(size == HMAC_SIZE);
}
