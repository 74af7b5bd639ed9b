/* io/seal.h -- Keyed seals over records, and files encrypted as a stream (libsodium inside). One key of 256 bits serves both, through
   keys derived from it, so that neither use weakens the other. */
#pragma once
#include "base/base.h"

enum {
    SEAL_HEX_SIZE = 65, /* a key or a seal in hex digits, and the 0 */
    SEAL_ID_SIZE = 17,  /* which key it was: tells keys apart, says nothing about them */
};

struct seal_key {
    unsigned char bytes[32];
};

bool seal_key_parse(struct str hex, struct seal_key *ret); /* 64 hex digits */
void seal_key_new(char hex[SEAL_HEX_SIZE]);                /* at random, for people to keep */
void seal_key_id(const struct seal_key *key, char id[SEAL_ID_SIZE]);
void seal_key_wipe(struct seal_key *key);

void seal_of(const struct seal_key *key, struct str text, char hex[SEAL_HEX_SIZE]);
bool seal_fits(const struct seal_key *key, struct str text, struct str hex); /* takes the same time for every wrong one */

/* ---- encrypted files: "BASCENC1", the key's id, a header, then chunks that authenticate themselves and their order ---- */

enum { CRYPT_HEAD_SIZE = 8 + 8 + 24, CRYPT_CHUNK = 64 * 1024, CRYPT_MORE = 17 };

typedef bool crypt_sink_fn(void *arg, const void *data, size_t size, struct err *err);

struct crypt_writer;
struct crypt_writer *crypt_writer_open(const struct seal_key *key, crypt_sink_fn *sink, void *arg);
void crypt_writer_close(struct crypt_writer **writer);
MUST_USE bool crypt_writer_add(struct crypt_writer *writer, const void *data, size_t size, struct err *err);
MUST_USE bool crypt_writer_end(struct crypt_writer *writer, struct err *err); /* without this the file is refused as cut */

/* Takes the encrypted bytes in pieces of any size and gives the plain ones to `sink`, each only after it proved to be genuine. */
struct crypt_reader;
struct crypt_reader *crypt_reader_open(const struct seal_key *keys, size_t key_count, crypt_sink_fn *sink, void *arg);
void crypt_reader_close(struct crypt_reader **reader);
/* ERR_DATA: altered, cut, not encrypted by us; ERR_PERMISSION: none of the keys is the one it was encrypted with. */
MUST_USE bool crypt_reader_add(struct crypt_reader *reader, const void *data, size_t size, struct err *err);
MUST_USE bool crypt_reader_end(struct crypt_reader *reader, struct err *err); /* was that the end that the writer put? */
