/* restore/binary_net.c -- Addresses: inet, cidr and macaddr. */
#include <arpa/inet.h>

#include "restore/binary_types.h"

enum { FAMILY_4 = 2, FAMILY_6 = 3, TEXT_MAX = 64 }; /* families as the server numbers them, whatever the system's AF_INET6 is */

static bool parse_bits(const char *s, size_t n, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    if (n == 0 || n > 3 || (*s == '0' && n > 1))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
        value = value * 10 + (unsigned)(s[i] - '0');
    }
    *ret = value;
    return value <= max;
}

/* Are the bits behind the mask all zero? The server refuses a cidr where they are not. */
static bool is_network(const unsigned char *address, size_t size, unsigned bits)
{
    for (unsigned i = bits; i < size * 8; i++)
        if (address[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

static char *put_address(const char *s, size_t n, bool cidr, char *to)
{
    char text[TEXT_MAX];
    unsigned char address[16];
    const char *slash = memchr(s, '/', n);
    size_t length = slash ? (size_t)(slash - s) : n;
    if (length == 0 || length >= sizeof(text) || (cidr && !slash))
        return NULL;
    memcpy(text, s, length);
    text[length] = 0;
    if (strspn(text, "0123456789abcdef:.") != length)
        return NULL;
    bool six = strchr(text, ':') != NULL;
    size_t size = six ? 16 : 4;
    unsigned bits = (unsigned)size * 8;
    if (inet_pton(six ? AF_INET6 : AF_INET, text, address) != 1)
        return NULL;
    if (slash && !parse_bits(slash + 1, n - length - 1, bits, &bits))
        return NULL;
    if (cidr && !is_network(address, size, bits))
        return NULL;
    const char head[] = {six ? FAMILY_6 : FAMILY_4, (char)bits, cidr, (char)size};
    memcpy(to, head, sizeof(head));
    memcpy(to + sizeof(head), address, size);
    return to + sizeof(head) + size;
}

char *binary_inet(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    return put_address(s, n, false, to);
}

char *binary_cidr(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    return put_address(s, n, true, to);
}

/* 08:00:2b:01:02:03 */
char *binary_macaddr(const struct binary_column *c, const char *s, size_t n, char *to)
{
    (void)c;
    static const char digits[16] = "0123456789abcdef";
    if (n != 17)
        return NULL;
    for (size_t i = 0; i < 6; i++) {
        const char *high = memchr(digits, s[3 * i], sizeof(digits)), *low = memchr(digits, s[3 * i + 1], sizeof(digits));
        if (!high || !low || (i < 5 && s[3 * i + 2] != ':'))
            return NULL;
        to[i] = (char)((high - digits) << 4 | (low - digits));
    }
    return to + 6;
}
