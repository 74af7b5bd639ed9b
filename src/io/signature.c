/* io/signature.c -- Standard Webhooks. */
#include "io/signature.h"

#include <inttypes.h>

#include "base/base64.h"
#include "io/hash.h"

#define PREFIX "whsec_"
enum { KEY_MAX = 4096, SIGNATURE_MAX = 128 };

bool signature_webhook(struct arena *arena, const char *secret, const char *id, int64_t timestamp_s, struct str body, const char **ret, struct err *err)
{
    SCOPED(buf_done) struct buf key = {.max = KEY_MAX};
    SCOPED(buf_done) struct buf out = {.max = SIGNATURE_MAX};
    SCOPED(buf_done) struct buf text = {.max = body.n + KEY_MAX};
    unsigned char mac[HMAC_SIZE];
    bool encoded = str_starts(str_of(secret), PREFIX);
    if (encoded ? !base64_decode(&key, str_of(secret + strlen(PREFIX))) : !buf_puts(&key, secret))
        return err_set(err, ERR_CONFIG, encoded ? "the secret begins with " PREFIX " and is not base64" : "the secret is too long");
    if (!buf_printf(&text, "%s.%" PRId64 ".", id, timestamp_s) || !buf_add(&text, body.p, body.n))
        return err_set(err, ERR_LIMIT, "the id of the webhook is too long");
    hash_hmac(buf_str(&key), buf_str(&text), mac);
    explicit_bzero(key.p, key.n);
    buf_puts(&out, "v1,");
    base64_add(&out, mac, sizeof(mac));
    *ret = arena_strdup(arena, buf_text(&out));
    return true;
}

void signature_command(const char *secret, const char *method, const char *path, struct str body, char ret[SIGNATURE_COMMAND_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    SCOPED(buf_done) struct buf text = {.max = strlen(method) + strlen(path) + body.n + 2};
    unsigned char mac[HMAC_SIZE];
    buf_printf(&text, "%s %s\n", method, path);
    buf_add(&text, body.p, body.n);
    hash_hmac(str_of(secret), buf_str(&text), mac);
    for (size_t i = 0; i < HMAC_SIZE; i++) {
        ret[2 * i] = digits[mac[i] >> 4];
        ret[2 * i + 1] = digits[mac[i] & 15];
    }
    ret[2 * HMAC_SIZE] = 0;
}

bool signature_same(const char *a, const char *b)
{
    size_t n = a ? strlen(a) : 0;
    if (!a || !b || strlen(b) != n)
        return false; /* the length is no secret */
    unsigned differs = 0;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned)(unsigned char)a[i] ^ (unsigned char)b[i];
    return differs == 0;
}
