/* io/sigv4.c -- The canonical request, the string that is signed, the key made for one day, one region and one service. */
#include "io/sigv4.h"

#include <time.h>

#include "io/hash.h"

enum { REQUEST_MAX = 64 * 1024, KEY_MAX = 4096, HEADERS_MAX = 6 };

static void add_hex_hash(struct buf *to, struct str text)
{
    char hex[HASH_HEX_SIZE];
    SCOPED(hash_close) struct hash *hash = hash_open();
    hash_add(hash, text.n ? text.p : "", text.n);
    hash_end(hash, hex);
    buf_puts(to, hex);
}

static struct str mac_of(const unsigned char mac[HMAC_SIZE])
{
    return (struct str){(const char *)mac, HMAC_SIZE};
}

/* Made anew for every request: what is cached may be stolen. */
static bool signing_key(const struct sigv4 *who, const char *day, unsigned char ret[HMAC_SIZE])
{
    SCOPED(buf_done) struct buf secret = {.max = KEY_MAX};
    const char *const steps[] = {day, who->region, who->service, "aws4_request"};
    bool fits = buf_puts(&secret, "AWS4") && buf_puts(&secret, who->secret_key);
    if (fits) {
        hash_hmac(buf_str(&secret), str_of(steps[0]), ret);
        for (size_t i = 1; i < COUNT_OF(steps); i++) {
            unsigned char key[HMAC_SIZE];
            memcpy(key, ret, sizeof(key));
            hash_hmac(mac_of(key), str_of(steps[i]), ret);
            explicit_bzero(key, sizeof(key));
        }
    }
    if (secret.p)
        explicit_bzero(secret.p, secret.n);
    return fits;
}

bool sigv4_headers(struct arena *arena, const struct sigv4 *who, const struct sigv4_request *r, const char *const **ret, struct err *err)
{
    SCOPED(buf_done) struct buf canonical = {.max = REQUEST_MAX};
    SCOPED(buf_done) struct buf text = {.max = REQUEST_MAX};
    unsigned char key[HMAC_SIZE], mac[HMAC_SIZE];
    char stamp[32], day[16], hex[2 * HMAC_SIZE + 1];
    time_t wall = (time_t)who->wall_s;
    struct tm tm;
    if (!gmtime_r(&wall, &tm) || !strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) || !strftime(day, sizeof(day), "%Y%m%d", &tm))
        return err_set(err, ERR_FAILED, "the time is no time that can be signed");
    /* In the order of their names, as they are signed. */
    const struct {
        const char *name, *value;
    } all[] = {{"content-type", r->content_type}, {"host", r->host}, {"x-amz-date", stamp}, {"x-amz-security-token", who->session_token}};
    const char **headers = arena_alloc(arena, sizeof(*headers) * HEADERS_MAX), *names = "";
    size_t n = 0;
    buf_printf(&canonical, "%s\n%s\n%s\n", r->method, r->path, r->query);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i].value)
            continue;
        buf_printf(&canonical, "%s:%s\n", all[i].name, all[i].value);
        names = arena_printf(arena, "%s%s%s", names, *names ? ";" : "", all[i].name);
        headers[n++] = arena_printf(arena, "%s: %s", all[i].name, all[i].value);
    }
    buf_printf(&canonical, "\n%s\n", names);
    add_hex_hash(&canonical, r->body);
    const char *scope = arena_printf(arena, "%s/%s/%s/aws4_request", day, who->region, who->service);
    buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n", stamp, scope);
    add_hex_hash(&text, buf_str(&canonical));
    if (canonical.over || text.over || !signing_key(who, day, key))
        return err_set(err, ERR_LIMIT, "what is to be signed is too long");
    hash_hmac(mac_of(key), buf_str(&text), mac);
    explicit_bzero(key, sizeof(key));
    for (size_t i = 0; i < HMAC_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    headers[n++] = arena_printf(arena, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", who->access_key, scope, names, hex);
    headers[n] = NULL;
    *ret = headers;
    return true;
}
