/* backup/keys.c -- From secrets to keys. */
#include "backup/keys.h"

#include "sys/secret.h"

static bool add(const struct secret *secret, const char *what, struct keyring *ring, struct err *err)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    char *text = NULL;
    if (!secret_read(arena, secret, &text, err))
        return err_prefix(err, "reading the %s of the backups", what);
    if (!text)
        return true;
    bool good = seal_key_parse(str_trim(str_of(text)), &ring->keys[ring->n]);
    secret_wipe(text);
    if (!good) {
        err_set(err, ERR_CONFIG, "the %s of the backups is not 64 hex digits", what);
        return err_hint(err, "make one with: (umask 077; bascule backup key > FILE)");
    }
    ring->n++;
    return true;
}

bool keyring_read(const struct secret *key, const struct secret *old_key, struct keyring *ret, struct err *err)
{
    struct keyring ring = {0};
    bool ok = add(key, "key", &ring, err) && (ring.n == 0 || add(old_key, "old key", &ring, err));
    if (ok)
        *ret = ring;
    keyring_wipe(&ring);
    return ok;
}

void keyring_wipe(struct keyring *ring)
{
    for (size_t i = 0; i < KEYRING_MAX; i++)
        seal_key_wipe(&ring->keys[i]);
    ring->n = 0;
}
