/* io/seal.c -- BLAKE2b with a key for seals, XChaCha20-Poly1305 in libsodium's secretstream for files. */
#include "io/seal.h"

#include <sodium.h>

enum { KEY_SIZE = 32, MAC_SIZE = 32, ID_BYTES = 8, MAGIC_SIZE = 8 };
enum { SUBKEY_SEAL = 1, SUBKEY_FILE = 2, SUBKEY_ID = 3 };

static const char magic[] = "BASCENC1";

_Static_assert(CRYPT_HEAD_SIZE == MAGIC_SIZE + ID_BYTES + crypto_secretstream_xchacha20poly1305_HEADERBYTES, "as io/seal.h says");
_Static_assert(CRYPT_MORE == crypto_secretstream_xchacha20poly1305_ABYTES, "as io/seal.h says");
_Static_assert(KEY_SIZE == crypto_kdf_KEYBYTES && KEY_SIZE == crypto_secretstream_xchacha20poly1305_KEYBYTES, "one size of key");

/* Without a source of randomness or memory, a seal would be a lie; a restart is better. */
static void must(bool ok)
{
    if (!ok) {
        fputs("bascule: libsodium cannot be used\n", stderr);
        abort();
    }
}

static void *must_have(void *memory)
{
    must(memory != NULL);
    return memory;
}

static void subkey(const struct seal_key *key, uint64_t use, unsigned char ret[KEY_SIZE])
{
    must(sodium_init() >= 0);
    must(crypto_kdf_derive_from_key(ret, KEY_SIZE, use, "bascule1", key->bytes) == 0);
}

bool seal_key_parse(struct str hex, struct seal_key *ret)
{
    size_t n;
    return hex.n == (size_t)2 * KEY_SIZE && sodium_hex2bin(ret->bytes, KEY_SIZE, hex.p, hex.n, NULL, &n, NULL) == 0 && n == KEY_SIZE;
}

void seal_key_new(char hex[SEAL_HEX_SIZE])
{
    unsigned char bytes[KEY_SIZE];
    must(sodium_init() >= 0);
    randombytes_buf(bytes, sizeof(bytes));
    sodium_bin2hex(hex, SEAL_HEX_SIZE, bytes, sizeof(bytes));
    sodium_memzero(bytes, sizeof(bytes));
}

static void id_bytes(const struct seal_key *key, unsigned char id[ID_BYTES])
{
    unsigned char sub[KEY_SIZE];
    subkey(key, SUBKEY_ID, sub);
    memcpy(id, sub, ID_BYTES);
    sodium_memzero(sub, sizeof(sub));
}

void seal_key_id(const struct seal_key *key, char id[SEAL_ID_SIZE])
{
    unsigned char bytes[ID_BYTES];
    id_bytes(key, bytes);
    sodium_bin2hex(id, SEAL_ID_SIZE, bytes, sizeof(bytes));
}

void seal_key_wipe(struct seal_key *key)
{
    sodium_memzero(key->bytes, sizeof(key->bytes));
}

static void mac(const struct seal_key *key, struct str text, unsigned char ret[MAC_SIZE])
{
    unsigned char sub[KEY_SIZE];
    subkey(key, SUBKEY_SEAL, sub);
    must(crypto_generichash(ret, MAC_SIZE, (const unsigned char *)text.p, text.n, sub, sizeof(sub)) == 0);
    sodium_memzero(sub, sizeof(sub));
}

void seal_of(const struct seal_key *key, struct str text, char hex[SEAL_HEX_SIZE])
{
    unsigned char bytes[MAC_SIZE];
    mac(key, text, bytes);
    sodium_bin2hex(hex, SEAL_HEX_SIZE, bytes, sizeof(bytes));
}

bool seal_fits(const struct seal_key *key, struct str text, struct str hex)
{
    unsigned char right[MAC_SIZE], said[MAC_SIZE];
    size_t n;
    if (hex.n != (size_t)2 * MAC_SIZE || sodium_hex2bin(said, MAC_SIZE, hex.p, hex.n, NULL, &n, NULL) != 0 || n != MAC_SIZE)
        return false;
    mac(key, text, right);
    return sodium_memcmp(right, said, MAC_SIZE) == 0;
}

/* ---- writing ---- */

struct crypt_writer {
    crypto_secretstream_xchacha20poly1305_state state;
    crypt_sink_fn *sink;
    void *arg;
    bool begun;
    unsigned char head[CRYPT_HEAD_SIZE];
    size_t n; /* in `plain` */
    unsigned char plain[CRYPT_CHUNK], out[CRYPT_CHUNK + CRYPT_MORE];
};

struct crypt_writer *crypt_writer_open(const struct seal_key *key, crypt_sink_fn *sink, void *arg)
{
    struct crypt_writer *w = must_have(calloc(1, sizeof(*w)));
    unsigned char sub[KEY_SIZE];
    subkey(key, SUBKEY_FILE, sub);
    w->sink = sink;
    w->arg = arg;
    memcpy(w->head, magic, MAGIC_SIZE);
    id_bytes(key, w->head + MAGIC_SIZE);
    must(crypto_secretstream_xchacha20poly1305_init_push(&w->state, w->head + MAGIC_SIZE + ID_BYTES, sub) == 0);
    sodium_memzero(sub, sizeof(sub));
    return w;
}

void crypt_writer_close(struct crypt_writer **writer)
{
    if (!writer || !*writer)
        return;
    sodium_memzero(*writer, sizeof(**writer));
    free(*writer);
    *writer = NULL;
}

/* The head is authenticated with the first chunk, so that a key's id cannot be put in the place of another. */
static bool push(struct crypt_writer *w, unsigned char tag, struct err *err)
{
    unsigned long long made = 0;
    bool first = !w->begun;
    w->begun = true;
    must(crypto_secretstream_xchacha20poly1305_push(&w->state, w->out, &made, w->plain, w->n, first ? w->head : NULL, first ? CRYPT_HEAD_SIZE : 0,
                                                    tag) == 0);
    w->n = 0;
    return (!first || w->sink(w->arg, w->head, CRYPT_HEAD_SIZE, err)) && w->sink(w->arg, w->out, (size_t)made, err);
}

bool crypt_writer_add(struct crypt_writer *writer, const void *data, size_t size, struct err *err)
{
    const unsigned char *p = data;
    while (size) {
        size_t n = MIN_OF(size, CRYPT_CHUNK - writer->n);
        memcpy(writer->plain + writer->n, p, n);
        writer->n += n;
        p += n;
        size -= n;
        if (writer->n == CRYPT_CHUNK && !push(writer, 0, err))
            return false;
    }
    return true;
}

bool crypt_writer_end(struct crypt_writer *writer, struct err *err)
{
    return push(writer, crypto_secretstream_xchacha20poly1305_TAG_FINAL, err);
}

/* ---- reading ---- */

struct crypt_reader {
    crypto_secretstream_xchacha20poly1305_state state;
    const struct seal_key *keys;
    size_t key_count;
    crypt_sink_fn *sink;
    void *arg;
    bool headed, begun, ended;
    size_t n; /* in `in` */
    unsigned char head[CRYPT_HEAD_SIZE];
    unsigned char in[CRYPT_CHUNK + CRYPT_MORE], out[CRYPT_CHUNK];
};

struct crypt_reader *crypt_reader_open(const struct seal_key *keys, size_t key_count, crypt_sink_fn *sink, void *arg)
{
    struct crypt_reader *r = must_have(calloc(1, sizeof(*r)));
    r->keys = keys;
    r->key_count = key_count;
    r->sink = sink;
    r->arg = arg;
    return r;
}

void crypt_reader_close(struct crypt_reader **reader)
{
    if (!reader || !*reader)
        return;
    sodium_memzero(*reader, sizeof(**reader));
    free(*reader);
    *reader = NULL;
}

static bool take_head(struct crypt_reader *r, struct err *err)
{
    if (memcmp(r->head, magic, MAGIC_SIZE) != 0)
        return err_set(err, ERR_DATA, "it is not a file that bascule encrypted");
    for (size_t i = 0; i < r->key_count; i++) {
        unsigned char id[ID_BYTES], sub[KEY_SIZE];
        id_bytes(&r->keys[i], id);
        if (memcmp(id, r->head + MAGIC_SIZE, ID_BYTES) != 0)
            continue;
        subkey(&r->keys[i], SUBKEY_FILE, sub);
        bool ok = crypto_secretstream_xchacha20poly1305_init_pull(&r->state, r->head + MAGIC_SIZE + ID_BYTES, sub) == 0;
        sodium_memzero(sub, sizeof(sub));
        return ok || err_set(err, ERR_DATA, "its encryption header is damaged");
    }
    char id[SEAL_ID_SIZE];
    sodium_bin2hex(id, sizeof(id), r->head + MAGIC_SIZE, ID_BYTES);
    err_set(err, ERR_PERMISSION, r->key_count ? "it was encrypted with another key (%s)" : "it is encrypted (key %s) and no key is configured", id);
    return err_hint(err, "set \"backup: {key: {file: PATH}}\", or the key it had before as \"old_key\"");
}

static bool pull(struct crypt_reader *r, struct err *err)
{
    unsigned long long made = 0;
    unsigned char tag = 0;
    bool first = !r->begun;
    r->begun = true;
    if (r->n < CRYPT_MORE || crypto_secretstream_xchacha20poly1305_pull(&r->state, r->out, &made, &tag, r->in, r->n, first ? r->head : NULL,
                                                                        first ? CRYPT_HEAD_SIZE : 0) != 0)
        return err_set(err, ERR_DATA, "the encrypted file was altered or damaged");
    r->n = 0;
    r->ended = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
    return made == 0 || r->sink(r->arg, r->out, (size_t)made, err);
}

bool crypt_reader_add(struct crypt_reader *reader, const void *data, size_t size, struct err *err)
{
    const unsigned char *p = data;
    while (size) {
        size_t full = reader->headed ? sizeof(reader->in) : CRYPT_HEAD_SIZE;
        size_t n = MIN_OF(size, full - reader->n);
        if (reader->ended)
            return err_set(err, ERR_DATA, "bytes follow the end of the encrypted file");
        memcpy((reader->headed ? reader->in : reader->head) + reader->n, p, n);
        reader->n += n;
        p += n;
        size -= n;
        if (reader->n < full)
            continue;
        if (reader->headed ? !pull(reader, err) : !take_head(reader, err))
            return false;
        reader->headed = true;
        reader->n = 0;
    }
    return true;
}

bool crypt_reader_end(struct crypt_reader *reader, struct err *err)
{
    if (reader->headed && !reader->ended && reader->n && !pull(reader, err))
        return false;
    return reader->ended || err_set(err, ERR_DATA, "the encrypted file is cut off");
}
