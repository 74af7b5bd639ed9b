/* io/dns.c -- c-ares joined to the loop: its sockets become watchers, its timeouts one timer, and every query has a deadline of ours. */
#include "io/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <strings.h>

#include "sys/clock.h"

enum {
    NAMES_KEPT = 512, /* more names than a configuration has */
    NAME_MAX_SIZE = 256,
    TRIES = 2,
    FRESH_LEAST_S = 1, /* names of /etc/hosts come with a TTL of 0 */
    FRESH_MOST_S = 60,
};

struct watched {
    struct watched *next;
    int fd;
    struct loop_fd *watch;
    struct dns *dns;
};

/* The last good answer for a name. */
struct known {
    char name[NAME_MAX_SIZE];
    char address[INET6_ADDRSTRLEN];
    int64_t fresh_until;
};

struct dns_query {
    struct dns *dns;
    struct dns_query *next, **link;
    char *name;
    dns_done_fn *done; /* NULL: told already, or cancelled; c-ares still holds it */
    void *arg;
    bool *answered; /* where dns_resolve, still at work, learns that it was answered and may be gone */
    struct loop_timer *deadline;
};

struct dns {
    struct loop *loop;
    ares_channel channel;
    bool has_channel;
    bool doubtful; /* the resolver failed: read its configuration again before the next query */
    char *servers;
    int64_t timeout_ms;
    struct loop_timer *timer;
    struct watched *sockets;
    struct dns_query *queries;
    struct known known[NAMES_KEPT];
    size_t known_count;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ---- joining c-ares to the loop ---- */

static void set_timer(struct dns *dns)
{
    struct timeval tv, *next = ares_timeout(dns->channel, NULL, &tv);
    if (next) /* rounded up, or the timer would fire before c-ares thinks it is time, and spin */
        loop_timer_set(dns->timer, clock_boot_ms() + next->tv_sec * 1000 + (next->tv_usec + 999) / 1000);
    else
        loop_timer_cancel(dns->timer);
}

static void on_socket(void *arg, int ready)
{
    struct watched *w = arg;
    struct dns *dns = w->dns;
    int fd = w->fd; /* w may be gone after the call */
    ares_process_fd(dns->channel, ready & LOOP_READ ? fd : ARES_SOCKET_BAD, ready & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
    set_timer(dns);
}

static void on_timer(void *arg)
{
    struct dns *dns = arg;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(dns);
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = arg;
    struct watched **at = &dns->sockets;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    int wanted = (readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0);
    if (*at && !wanted) {
        struct watched *gone = *at;
        *at = gone->next;
        loop_fd_free(&gone->watch);
        free(gone);
    } else if (*at) {
        loop_fd_want((*at)->watch, wanted);
    } else if (wanted) {
        struct watched *w = must(calloc(1, sizeof(*w)));
        *w = (struct watched){.next = dns->sockets, .fd = fd, .dns = dns};
        w->watch = loop_fd_new(dns->loop, fd, wanted, on_socket, w);
        dns->sockets = w;
    }
}

static void close_channel(struct dns *dns)
{
    if (dns->has_channel)
        ares_destroy(dns->channel);
    dns->has_channel = false;
}

static bool open_channel(struct dns *dns, struct err *err)
{
    char lookups[] = "fb"; /* /etc/hosts, then the name servers */
    struct ares_options options = {
        /* c-ares doubles the timeout of every further try, so that two tries take three times the first. */
        .timeout = (int)MAX_OF(dns->timeout_ms / 3, 50),
        .tries = TRIES,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
    };
    int status = ares_init_options(&dns->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && dns->servers && (status = ares_set_servers_ports_csv(dns->channel, dns->servers)) != ARES_SUCCESS)
        ares_destroy(dns->channel);
    dns->has_channel = status == ARES_SUCCESS;
    dns->doubtful = !dns->has_channel;
    return dns->has_channel || err_set(err, ERR_UNAVAILABLE, "could not set the resolver up: %s", ares_strerror(status));
}

struct dns *dns_open(struct loop *loop, int64_t timeout_ms)
{
    struct dns *dns = must(calloc(1, sizeof(*dns)));
    ares_library_init(ARES_LIB_INIT_ALL);
    dns->loop = loop;
    dns->timeout_ms = timeout_ms;
    dns->timer = loop_timer_new(loop, on_timer, dns);
    open_channel(dns, NULL); /* a failure is told to the query that meets it */
    return dns;
}

bool dns_use_servers(struct dns *dns, const char *servers, struct err *err)
{
    free(dns->servers);
    dns->servers = must(strdup(servers));
    close_channel(dns);
    return open_channel(dns, err);
}

void dns_close(struct dns **dns)
{
    if (!dns || !*dns)
        return;
    struct dns *d = *dns;
    for (struct dns_query *q = d->queries; q; q = q->next)
        q->done = NULL;
    close_channel(d); /* ends and so frees every query */
    loop_timer_free(&d->timer);
    free(d->servers);
    free(d);
    ares_library_cleanup();
    *dns = NULL;
}

/* ---- answers ---- */

const char *dns_literal(const char *name)
{
    unsigned char binary[16];
    if (!strcasecmp(name, "localhost"))
        return "127.0.0.1";
    return inet_pton(AF_INET, name, binary) == 1 || inet_pton(AF_INET6, name, binary) == 1 ? name : NULL;
}

static struct known *find_known(struct dns *dns, const char *name)
{
    for (size_t i = 0; i < dns->known_count; i++)
        if (same(dns->known[i].name, name))
            return &dns->known[i];
    return NULL;
}

static void remember(struct dns *dns, const char *name, const char *address, int ttl_s)
{
    struct known *k = find_known(dns, name);
    if (!k && (dns->known_count == NAMES_KEPT || strlen(name) >= NAME_MAX_SIZE))
        return;
    if (!k) {
        k = &dns->known[dns->known_count++];
        COPY_TO(k->name, name);
    }
    COPY_TO(k->address, address);
    k->fresh_until = clock_boot_ms() + MAX_OF(MIN_OF(ttl_s, FRESH_MOST_S), FRESH_LEAST_S) * MS_SECOND;
}

static void tell(struct dns_query *query, const char *address, const struct err *err)
{
    dns_done_fn *done = query->done;
    query->done = NULL;
    loop_timer_free(&query->deadline);
    if (query->answered)
        *query->answered = true;
    if (done)
        done(query->arg, address, err);
}

/* The resolver could not say. What it said before is better than nothing. */
static void tell_failure(struct dns_query *query, const struct err *err)
{
    const struct known *k = find_known(query->dns, query->name);
    if (k && query->done) {
        char address[INET6_ADDRSTRLEN];
        COPY_TO(address, k->address);
        tell(query, address, NULL);
    } else {
        tell(query, NULL, err);
    }
}

static void on_deadline(void *arg)
{
    struct dns_query *query = arg;
    struct err err = {0};
    query->dns->doubtful = true;
    err_set(&err, ERR_TIMEOUT, "the name \"%s\" was not resolved within %.1f s", query->name, (double)query->dns->timeout_ms / 1000.0);
    err_hint(&err, "check the servers named in /etc/resolv.conf, or write an address instead of the name");
    tell_failure(query, &err);
}

static void fail(struct dns_query *query, int status)
{
    struct err err = {0};
    bool no_such_name = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
    query->dns->doubtful = !no_such_name;
    err_set(&err, no_such_name ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "could not resolve the name \"%s\": %s", query->name, ares_strerror(status));
    err_hint(&err, no_such_name ? "check the spelling of the name, or write an address instead"
                                : "check the servers named in /etc/resolv.conf, or write an address instead of the name");
    if (no_such_name) /* the resolver works and says that it is gone: an old answer would be wrong */
        tell(query, NULL, &err);
    else
        tell_failure(query, &err);
}

static bool first_address(const struct ares_addrinfo *info, char address[INET6_ADDRSTRLEN], int *ttl)
{
    for (const struct ares_addrinfo_node *n = info ? info->nodes : NULL; n; n = n->ai_next) {
        if (n->ai_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)n->ai_addr)->sin_addr, address, INET6_ADDRSTRLEN);
        else if (n->ai_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)n->ai_addr)->sin6_addr, address, INET6_ADDRSTRLEN);
        else
            continue;
        *ttl = n->ai_ttl;
        return true;
    }
    return false;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct dns_query *query = arg;
    char address[INET6_ADDRSTRLEN];
    int ttl = 0;
    if (status == ARES_SUCCESS && first_address(info, address, &ttl)) {
        remember(query->dns, query->name, address, ttl);
        tell(query, address, NULL);
    } else if (query->done) {
        fail(query, status == ARES_SUCCESS ? ARES_ENODATA : status);
    }
    ares_freeaddrinfo(info);
    *query->link = query->next;
    if (query->next)
        query->next->link = query->link;
    loop_timer_free(&query->deadline);
    free(query->name);
    free(query);
}

/* ---- questions ---- */

static bool answer_at_once(struct dns *dns, const char *name, dns_done_fn *done, void *arg)
{
    const char *address = dns_literal(name);
    const struct known *k = address ? NULL : find_known(dns, name);
    char copy[INET6_ADDRSTRLEN];
    if (!address && (!k || k->fresh_until <= clock_boot_ms()))
        return false;
    COPY_TO(copy, address ? address : k->address);
    done(arg, copy, NULL);
    return true;
}

struct dns_query *dns_resolve(struct dns *dns, const char *name, dns_done_fn *done, void *arg)
{
    struct err err = {0};
    if (answer_at_once(dns, name, done, arg))
        return NULL;
    if (dns->doubtful && !dns->queries)
        close_channel(dns);
    if (!dns->has_channel && !open_channel(dns, &err)) {
        done(arg, NULL, &err);
        return NULL;
    }
    struct dns_query *query = must(calloc(1, sizeof(*query)));
    *query = (struct dns_query){.dns = dns, .next = dns->queries, .link = &dns->queries, .done = done, .arg = arg};
    if (query->next)
        query->next->link = &query->next;
    dns->queries = query;
    query->name = must(strdup(name));
    query->deadline = loop_timer_new(dns->loop, on_deadline, query);
    loop_timer_set(query->deadline, clock_boot_ms() + dns->timeout_ms);
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    bool answered = false; /* at once, from /etc/hosts */
    query->answered = &answered;
    ares_getaddrinfo(dns->channel, name, NULL, &hints, on_answer, query);
    set_timer(dns);
    if (answered)
        return NULL;
    query->answered = NULL;
    return query;
}

void dns_cancel(struct dns_query *query)
{
    if (!query)
        return;
    query->done = NULL; /* c-ares can only cancel all of its queries; this one ends unheard */
    loop_timer_free(&query->deadline);
}
