/* io/hash.h -- SHA-256, and what is signed with it (OpenSSL inside). */
#pragma once
#include "base/base.h"

enum { HASH_HEX_SIZE = 65 };
struct hash;
struct hash *hash_open(void);
void hash_close(struct hash **hash);
void hash_add(struct hash *hash, const void *data, size_t size);
void hash_end(struct hash *hash, char hex[HASH_HEX_SIZE]); /* and ready for the next */
MUST_USE bool hash_file(const char *path, char hex[HASH_HEX_SIZE], struct err *err);

enum { HMAC_SIZE = 32 };
void hash_hmac(struct str key, struct str text, unsigned char ret[HMAC_SIZE]); /* HMAC-SHA256 */
