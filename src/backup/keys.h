/* backup/keys.h -- The keys that seal and encrypt the backups of a site: the one in use, and the one before it. */
#pragma once
#include "base/base.h"
#include "base/target.h"
#include "io/seal.h"

enum { KEYRING_MAX = 2 };

struct keyring {
    struct seal_key keys[KEYRING_MAX]; /* the first seals and encrypts; all of them open */
    size_t n;                          /* 0: nothing is sealed, and nothing can be */
};

/* Reads the secrets. SECRET_NONE for the first gives an empty ring. ERR_CONFIG when one is not 64 hex digits. */
MUST_USE bool keyring_read(const struct secret *key, const struct secret *old_key, struct keyring *ret, struct err *err);
void keyring_wipe(struct keyring *ring);
