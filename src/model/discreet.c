/* model/discreet.c -- A guard and no censor: it looks word by word for what an attacker would like to know, and leaves the rest alone. The
   texts are written to be public; this catches the day on which one was not. */
#include "model/discreet.h"

#include <ctype.h>

enum { NAME_LEAST = 3, TEXT_MAX = 256 * 1024 };

struct names {
    struct arena *arena;
    struct strs secret, known; /* hosts and units of ours; hosts that the public knows */
};

/* ---- what the configuration knows ---- */

static struct str host_of_url(const char *url)
{
    struct str host = str_of(url);
    const char *scheme = url ? strstr(url, "://") : NULL;
    if (scheme)
        host = str_of(scheme + 3);
    size_t n = 0;
    while (n < host.n && !strchr("/:?#", host.p[n]))
        n++;
    return (struct str){host.p, n};
}

static void add_name(struct names *names, struct strs *to, struct str name)
{
    if (name.n >= NAME_LEAST && name.p[0] != '/' && !str_is(name, "local") && !str_is(name, "localhost"))
        *vec_add(names->arena, to) = str_dup(names->arena, name);
}

/* "pgmain7" of "pgmain7.example.net" is how people call it; "production" of "production.example.net" is a word. */
static void add_host(struct names *names, struct str host)
{
    size_t n = 0;
    bool telling = false;
    add_name(names, &names->secret, host);
    for (; n < host.n && host.p[n] != '.'; n++)
        telling |= isdigit((unsigned char)host.p[n]) || host.p[n] == '-';
    if (telling && n < host.n && !isdigit((unsigned char)host.p[0]))
        add_name(names, &names->secret, (struct str){host.p, n});
}

static void add_unit(struct names *names, const struct unit *unit)
{
    /* A unit called as people call the service ("akig") is no secret; "postgresql@15-main" is. */
    if (unit->name && strpbrk(unit->name, "@-.0123456789"))
        add_name(names, &names->secret, str_of(unit->name));
}

static void add_site(struct names *names, const struct site *site)
{
    add_host(names, str_of(site->host.address));
    add_host(names, host_of_url(site->database.at.host));
    add_host(names, host_of_url(site->application.url));
    add_host(names, host_of_url(site->application.upstream));
    add_unit(names, &site->database.unit);
    add_unit(names, &site->application.unit);
}

static struct names names_of(struct arena *arena, const struct config *config)
{
    struct names names = {.arena = arena};
    for (size_t i = 0; config && i < config->services.n; i++) {
        const struct service *service = &config->services.p[i];
        add_name(&names, &names.known, host_of_url(service->public_url));
        add_name(&names, &names.known, host_of_url(service->status_page));
        for (size_t k = 0; k < service->sites.n; k++)
            add_site(&names, &service->sites.p[k]);
    }
    for (size_t i = 0; config && i < config->status_pages.n; i++)
        add_name(&names, &names.known, host_of_url(config->status_pages.p[i].url));
    return names;
}

static bool same_name(struct str a, const char *b)
{
    return strlen(b) == a.n && strncasecmp(a.p, b, a.n) == 0;
}

static bool listed(const struct strs *names, struct str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (same_name(name, names->p[i]))
            return true;
    return false;
}

/* ---- words ---- */

static bool is_ipv4(struct str s)
{
    struct str rest = s, part;
    int64_t number;
    int parts = 0;
    while (str_next(&rest, '.', &part)) {
        if (part.n == 0 || part.n > 3 || !isdigit((unsigned char)part.p[0]) || !str_int(part, &number) || number > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

/* A clock has colons too ("15:34:02"): an address has eight groups, or leaves some out by "::". */
static bool is_ipv6(struct str s)
{
    size_t colons = 0, digits = 0;
    bool gap = false;
    for (size_t i = 0; i < s.n; i++) {
        bool colon = s.p[i] == ':';
        if (!colon && !isxdigit((unsigned char)s.p[i]) && s.p[i] != '.')
            return false;
        digits = colon ? 0 : digits + 1;
        if (digits > 4 && !memchr(s.p + i - digits + 1, '.', digits))
            return false;
        colons += colon;
        gap |= colon && i && s.p[i - 1] == ':';
    }
    return s.n > 2 && (gap || colons == 7);
}

/* The last label of a name is what tells a host from two sentences without a blank between them. */
static bool is_domain(struct str label)
{
    static const char *const domains[] = {"local", "internal", "intern", "lan", "corp", "intra", "home", "private", "localdomain", "example", "test",
                                          "invalid", "com", "net", "org", "info", "io", "fr", "eu", "de", "uk", "be", "ch", "gn", "sn", "ci", "cm",
                                          "us", "ca", "cloud", "dev", "app", "tech", "site", "online", "host", "arpa", "compute", "amazonaws"};
    for (size_t i = 0; i < COUNT_OF(domains); i++)
        if (same_name(label, domains[i]))
            return true;
    return false;
}

static bool is_host(struct str s)
{
    struct str rest = s, label = {0};
    int labels = 0;
    while (str_next(&rest, '.', &label)) {
        if (label.n == 0)
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!isalnum((unsigned char)label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
                return false;
        labels++;
    }
    return labels >= 2 && is_domain(label);
}

static bool is_path(struct str s)
{
    size_t slashes = 0;
    for (size_t i = 0; i < s.n; i++)
        slashes += s.p[i] == '/';
    return s.n > 3 && s.p[0] == '/' && slashes >= 2 && s.p[1] != '/';
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || strchr("._:/-@%~+=&?#", c);
}

/* Punctuation that ends a sentence or stands around a word is not of it. */
static struct str core_of(struct str word)
{
    while (word.n && strchr(".:,;?!/=", word.p[word.n - 1]))
        word.n--;
    while (word.n && strchr("=,;.", word.p[0])) {
        word.p++;
        word.n--;
    }
    return word;
}

static struct str cut_at(struct str s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (struct str){s.p, (size_t)(at - s.p)} : s;
}

/* The host of a word that may be an address: after "://" and "user@", before a port and a path. */
static struct str host_in(struct str word)
{
    const char *scheme = word.n > 3 ? memmem(word.p, word.n, "://", 3) : NULL;
    if (scheme)
        word = (struct str){scheme + 3, word.n - (size_t)(scheme + 3 - word.p)};
    word = cut_at(cut_at(cut_at(word, '/'), '?'), '#');
    const char *at = word.n ? memrchr(word.p, '@', word.n) : NULL;
    if (at)
        word = (struct str){at + 1, word.n - (size_t)(at + 1 - word.p)};
    return word;
}

/* One of our names may stand anywhere in a longer word: "db1:5432", "ssh://ops@db1/". */
static bool holds_secret(const struct names *names, struct str word)
{
    for (size_t i = 0; i < names->secret.n; i++) {
        size_t n = strlen(names->secret.p[i]);
        for (size_t k = 0; n <= word.n && k <= word.n - n; k++) {
            bool begins = k == 0 || !isalnum((unsigned char)word.p[k - 1]);
            bool ends = k + n == word.n || !isalnum((unsigned char)word.p[k + n]);
            if (begins && ends && strncasecmp(word.p + k, names->secret.p[i], n) == 0)
                return true;
        }
    }
    return false;
}

static bool is_public_word(const struct names *names, struct str word)
{
    struct str host = host_in(word);
    return listed(&names->known, host) || listed(&names->known, cut_at(host, ':'));
}

/* "addr=10.0.0.9", "db:10.0.0.9:5432": an address may be any part of a word. */
static bool part_tells(struct str word)
{
    for (size_t i = 0, n; i < word.n; i += n + 1) {
        for (n = 0; i + n < word.n && !strchr("/:=@?&#+~%", word.p[i + n]);)
            n++;
        struct str part = core_of((struct str){word.p + i, n});
        if (is_ipv4(part) || is_host(part))
            return true;
    }
    return false;
}

static bool tells(const struct names *names, struct str word)
{
    struct str host = core_of(host_in(word));
    if (is_public_word(names, word))
        return false;
    return part_tells(word) || is_ipv6(cut_at(host, '%')) || is_path(word) || holds_secret(names, word) ||
           (word.n > 7 && strncasecmp(word.p, "file://", 7) == 0);
}

/* ---- SQL ---- */

/* Each begins a statement; `second` must follow as a later word, in capitals where the words are also plain English. */
static const struct {
    const char *first, *second;
    bool capitals;
} statements[] = {
    {"select", "from", true},   {"select", "(", true},     {"insert", "into", false},    {"update", "set", true},       {"delete", "from", true},
    {"drop", "table", false},   {"drop", "database", false}, {"alter", "table", false},  {"alter", "database", false},  {"alter", "role", false},
    {"truncate", "", true},     {"truncate", "table", false}, {"create", "table", false}, {"copy", "from", true},       {"copy", "to", true},
    {"grant", "to", true},      {"create", "extension", false},
};

static bool word_at(struct str s, const char *word, bool capitals)
{
    size_t n = strlen(word);
    if (s.n < n || strncasecmp(s.p, word, n) != 0 || (s.n > n && isalnum((unsigned char)s.p[n]) && isalpha((unsigned char)*word)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (capitals && islower((unsigned char)s.p[i]))
            return false;
    return true;
}

static bool follows(struct str s, const char *word, bool capitals, bool directly)
{
    for (size_t i = 0; i < s.n && s.p[i] != ';' && s.p[i] != '\n'; i++) {
        bool begins = i == 0 || !isalpha((unsigned char)*word) || !isalnum((unsigned char)s.p[i - 1]);
        if (begins && word_at((struct str){s.p + i, s.n - i}, word, capitals))
            return true;
        if (directly && s.p[i] != ' ')
            return false;
    }
    return false;
}

/* How long the statement is that begins here; 0: none does. */
static size_t statement_at(struct str s)
{
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        size_t n = strlen(statements[i].first), end = 0;
        if (!word_at(s, statements[i].first, statements[i].capitals) ||
            !follows((struct str){s.p + n, s.n - n}, statements[i].second, statements[i].capitals, !statements[i].capitals))
            continue;
        while (end < s.n && s.p[end] != ';' && s.p[end] != '\n')
            end++;
        return end;
    }
    return 0;
}

/* ---- the text ---- */

static size_t word_length(struct str s)
{
    size_t n = 0;
    while (n < s.n && in_word(s.p[n]))
        n++;
    return n;
}

static size_t add_word(const struct names *names, struct buf *out, struct str rest)
{
    struct str word = {rest.p, word_length(rest)}, core = core_of(word);
    if (core.n == 0 || !tells(names, core)) {
        buf_add(out, word.p, word.n);
        return word.n;
    }
    buf_add(out, word.p, (size_t)(core.p - word.p));
    buf_puts(out, DISCREET_MARK);
    buf_add(out, core.p + core.n, (size_t)(word.p + word.n - core.p - core.n));
    return word.n;
}

const char *discreet(struct arena *arena, const struct config *config, const char *text)
{
    struct names names = names_of(arena, config);
    SCOPED(buf_done) struct buf out = {.max = TEXT_MAX};
    struct str rest = str_of(text);
    while (rest.n && !out.over) {
        size_t used = statement_at(rest);
        if (used)
            buf_puts(&out, DISCREET_MARK);
        else if (str_starts(rest, DISCREET_MARK))
            used = buf_puts(&out, DISCREET_MARK) ? sizeof(DISCREET_MARK) - 1 : rest.n;
        else if (in_word(rest.p[0]))
            used = add_word(&names, &out, rest);
        else
            buf_putc(&out, rest.p[used++]);
        rest = (struct str){rest.p + used, rest.n - used};
    }
    return arena_strdup(arena, buf_text(&out));
}

bool is_discreet(struct arena *arena, const struct config *config, const char *text)
{
    return same(discreet(arena, config, text), text);
}
