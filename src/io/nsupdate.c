/* io/nsupdate.c -- Messages by ldns; UDP first, TCP when that stays silent or is too small. */
#include "io/nsupdate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ldns/ldns.h>
#include <strings.h>

#include "base/base64.h"
#include "io/sock.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { UDP_MAX = 512, MESSAGE_MAX = 65535, HEADER_SIZE = 12, FUDGE_S = 300, NAME_MAX_SIZE = 253, RECORDS_MAX = 1000 };

static const struct {
    const char *name;
    ldns_rr_type type;
    ldns_rdf_type rdf;
    size_t value; /* number of the field that counts */
} types[NS_TYPE_MAX] = {
    {"A", LDNS_RR_TYPE_A, LDNS_RDF_TYPE_A, 0},
    {"AAAA", LDNS_RR_TYPE_AAAA, LDNS_RDF_TYPE_AAAA, 0},
    {"CNAME", LDNS_RR_TYPE_CNAME, LDNS_RDF_TYPE_DNAME, 0},
    {"SOA", LDNS_RR_TYPE_SOA, LDNS_RDF_TYPE_NONE, 2},
};

const char *ns_type_name(enum ns_type type)
{
    return types[type].name;
}

char *ns_name(struct arena *arena, const char *text)
{
    size_t n = text ? strlen(text) : 0, label = 0;
    while (n && text[n - 1] == '.')
        n--;
    if (!n || n > NAME_MAX_SIZE)
        return NULL;
    char *name = arena_printf(arena, "%.*s.", (int)n, text);
    for (char *p = name; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
        if (*p == '.' ? !label : !(isalnum((unsigned char)*p) || *p == '-' || *p == '_' || (*p == '*' && p == name)))
            return NULL;
        label = *p == '.' ? 0 : label + 1;
        if (label > 63)
            return NULL;
    }
    return name;
}

char *ns_value(struct arena *arena, enum ns_type type, const char *text)
{
    int family = type == NS_A ? AF_INET : AF_INET6;
    unsigned char address[16];
    char printed[INET6_ADDRSTRLEN];
    if (type == NS_CNAME)
        return ns_name(arena, text);
    if (type == NS_SOA || !text || inet_pton(family, text, address) != 1 || !inet_ntop(family, address, printed, sizeof(printed)))
        return NULL;
    return arena_strdup(arena, printed);
}

/* ---- reading ---- */

static char *text_of(struct arena *arena, const ldns_rdf *rdf)
{
    char *own = rdf ? ldns_rdf2str(rdf) : NULL;
    char *text = arena_strdup(arena, own ? own : "");
    free(own);
    for (char *p = text; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return text;
}

static void take_record(struct arena *arena, const ldns_rr *rr, struct ns_records *to)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (ldns_rr_get_type(rr) == types[i].type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN && ldns_rr_rd_count(rr) > types[i].value)
            *vec_add(arena, to) = (struct ns_record){
                .name = text_of(arena, ldns_rr_owner(rr)),
                .type = (enum ns_type)i,
                .ttl = ldns_rr_ttl(rr),
                .value = text_of(arena, ldns_rr_rdf(rr, types[i].value)),
            };
}

/* Fields of a TSIG record: algorithm, time, fudge, MAC, id, error, other data. */
static void take_signature(const ldns_rr *tsig, struct ns_message *to)
{
    const ldns_rdf *error = ldns_rr_rd_count(tsig) > 5 ? ldns_rr_rdf(tsig, 5) : NULL;
    const ldns_rdf *other = ldns_rr_rd_count(tsig) > 6 ? ldns_rr_rdf(tsig, 6) : NULL;
    to->tsig_error = error && ldns_rdf_size(error) == 2 ? ldns_rdf2native_int16(error) : 0;
    if (!other || ldns_rdf_size(other) != 8) /* two bytes of length, six of time */
        return;
    for (size_t i = 2; i < 8; i++)
        to->tsig_time = to->tsig_time << 8 | ldns_rdf_data(other)[i];
}

static void take(struct arena *arena, const ldns_pkt *pkt, struct ns_message *to)
{
    const ldns_rr_list *answer = ldns_pkt_answer(pkt);
    *to = (struct ns_message){
        .id = ldns_pkt_id(pkt),
        .rcode = (int)ldns_pkt_get_rcode(pkt),
        .tsig_error = -1,
        .truncated = ldns_pkt_tc(pkt),
        .authoritative = ldns_pkt_aa(pkt),
    };
    for (size_t i = 0; answer && i < ldns_rr_list_rr_count(answer) && i < RECORDS_MAX; i++)
        take_record(arena, ldns_rr_list_rr(answer, i), &to->records);
    if (ldns_pkt_tsig(pkt))
        take_signature(ldns_pkt_tsig(pkt), to);
}

static bool to_packet(const void *wire, size_t size, ldns_pkt **ret, struct err *err)
{
    *ret = NULL;
    if (size < HEADER_SIZE || size > MESSAGE_MAX || ldns_wire2pkt(ret, wire, size) != LDNS_STATUS_OK) {
        ldns_pkt_free(*ret);
        *ret = NULL;
        return err_set(err, ERR_PROTOCOL, "the answer is no DNS message");
    }
    return ldns_pkt_qr(*ret) || (ldns_pkt_free(*ret), *ret = NULL, err_set(err, ERR_PROTOCOL, "the answer is a question"));
}

bool ns_parse(struct arena *arena, const void *wire, size_t size, struct ns_message *ret, struct err *err)
{
    ldns_pkt *pkt;
    if (!to_packet(wire, size, &pkt, err))
        return false;
    take(arena, pkt, ret);
    ldns_pkt_free(pkt);
    return true;
}

/* ---- sending ---- */

struct wire {
    uint8_t *p;
    size_t n;
};

static bool has_id(const struct buf *reply, const struct wire *sent)
{
    return reply->n >= HEADER_SIZE && memcmp(reply->p, sent->p, 2) == 0;
}

static bool over_udp(const char *address, const struct wire *sent, int64_t deadline, struct buf *reply, struct err *err)
{
    int fd SCOPED(file_close) = -1;
    bool ended = false;
    if (!sock_open(address, true, deadline, &fd, err) || !sock_send(fd, sent->p, sent->n, deadline, err))
        return false;
    do { /* anybody may send to a port; what does not carry our number is not for us */
        buf_clear(reply);
        if (!sock_receive(fd, reply, deadline, &ended, err))
            return false;
    } while (!has_id(reply, sent));
    return true;
}

static bool over_tcp(const char *address, const struct wire *sent, int64_t deadline, struct buf *reply, struct err *err)
{
    int fd SCOPED(file_close) = -1;
    bool ended = false;
    const unsigned char size[2] = {(unsigned char)(sent->n >> 8), (unsigned char)sent->n};
    buf_clear(reply);
    if (!sock_open(address, false, deadline, &fd, err) || !sock_send(fd, size, sizeof(size), deadline, err) ||
        !sock_send(fd, sent->p, sent->n, deadline, err))
        return false;
    for (;;) {
        const unsigned char *p = (const unsigned char *)reply->p;
        if (reply->n >= 2 && reply->n >= (size_t)2 + (size_t)(p[0] << 8 | p[1]))
            break;
        if (ended)
            return err_set(err, ERR_UNAVAILABLE, "the server closed the connection before its answer was whole");
        if (!sock_receive(fd, reply, deadline, &ended, err))
            return false;
    }
    buf_consume(reply, 2);
    return has_id(reply, sent) || err_set(err, ERR_PROTOCOL, "the answer belongs to another question");
}

static bool exchange(const char *address, const struct wire *sent, int64_t timeout_ms, struct buf *reply, struct err *err)
{
    int64_t now = clock_boot_ms();
    bool there = sent->n <= UDP_MAX && over_udp(address, sent, now + timeout_ms / 2, reply, NULL);
    if (there && !(reply->p[2] & 2)) /* not cut short */
        return true;
    return over_tcp(address, sent, now + timeout_ms, reply, err) || err_prefix(err, "DNS server \"%s\"", address);
}

static bool to_wire(ldns_pkt *pkt, struct wire *ret, struct err *err)
{
    if (ldns_pkt2wire(&ret->p, pkt, &ret->n) != LDNS_STATUS_OK || ret->n < HEADER_SIZE || ret->n > MESSAGE_MAX) {
        LDNS_FREE(ret->p);
        return err_set(err, ERR_INTERNAL, "the DNS message could not be written");
    }
    return true;
}

/* ---- asking ---- */

static bool rcode_error(int rcode, const char *address, const char *name, struct err *err)
{
    static const char *const words[] = {"no error", "it cannot read the question (FORMERR)", "it failed (SERVFAIL)", "there is no such name (NXDOMAIN)",
                                        "it does not know how (NOTIMP)", "it refuses (REFUSED)"};
    enum err_code code = rcode == 5 ? ERR_PERMISSION : rcode == 3 ? ERR_NOT_FOUND : rcode == 2 ? ERR_UNAVAILABLE : ERR_PROTOCOL;
    if (rcode >= 0 && (size_t)rcode < COUNT_OF(words))
        return err_set(err, code, "DNS server \"%s\" does not answer for \"%s\": %s", address, name, words[rcode]);
    return err_set(err, code, "DNS server \"%s\" does not answer for \"%s\": code %d", address, name, rcode);
}

static bool write_question(const char *name, enum ns_type type, bool own, struct wire *ret, struct err *err)
{
    ldns_rdf *dname = ldns_dname_new_frm_str(name);
    ldns_pkt *pkt = dname ? ldns_pkt_query_new(dname, types[type].type, LDNS_RR_CLASS_IN, own ? 0 : LDNS_RD) : NULL;
    if (!pkt)
        return err_set(err, ERR_INTERNAL, "\"%s\" cannot be asked for", name);
    ldns_pkt_set_random_id(pkt);
    bool ok = to_wire(pkt, ret, err);
    ldns_pkt_free(pkt);
    return ok;
}

bool ns_ask(struct arena *arena, const char *address, const char *name, enum ns_type type, bool own, int64_t timeout_ms, struct ns_records *ret,
            struct err *err)
{
    struct wire question = {0};
    SCOPED(buf_done) struct buf reply = {.max = MESSAGE_MAX + 2};
    struct ns_message message;
    if (!write_question(name, type, own, &question, err))
        return false;
    bool ok = exchange(address, &question, timeout_ms, &reply, err);
    LDNS_FREE(question.p);
    if (!ok || !ns_parse(arena, reply.p, reply.n, &message, err))
        return ok ? err_prefix(err, "DNS server \"%s\"", address) : false;
    *ret = (struct ns_records){0};
    if (message.rcode == LDNS_RCODE_NXDOMAIN && message.authoritative)
        return true;
    if (message.rcode != LDNS_RCODE_NOERROR)
        return rcode_error(message.rcode, address, name, err);
    if (own && !message.authoritative)
        return err_set(err, ERR_FAILED, "DNS server \"%s\" has no authority over \"%s\"", address, name);
    for (size_t i = 0; i < message.records.n; i++)
        if (message.records.p[i].type == type && (!own || same(message.records.p[i].name, name)))
            *vec_add(arena, ret) = message.records.p[i];
    return true;
}

/* ---- changing ---- */

/* A record of an update; with `value` NULL one that stands for a whole set. */
static bool push(ldns_pkt *pkt, ldns_pkt_section section, const struct ns_set *set, ldns_rr_class class, uint32_t ttl, const char *value, struct err *err)
{
    ldns_rr *rr = ldns_rr_new();
    ldns_rdf *owner = ldns_dname_new_frm_str(set->name), *data = value ? ldns_rdf_new_frm_str(types[set->type].rdf, value) : NULL;
    bool ok = rr && owner && (data || !value);
    if (rr) {
        ldns_rr_set_owner(rr, owner);
        ldns_rr_set_type(rr, types[set->type].type);
        ldns_rr_set_class(rr, class);
        ldns_rr_set_ttl(rr, ttl);
    }
    if (rr && data)
        ok = ldns_rr_push_rdf(rr, data) && ok;
    ok = ok && ldns_pkt_push_rr(pkt, section, rr);
    if (!ok)
        ldns_rr_free(rr);
    return ok || err_set(err, ERR_INTERNAL, "\"%s %s %s\" cannot stand in an update", set->name, types[set->type].name, value ? value : "");
}

static bool of_set(const struct ns_record *r, const struct ns_set *set)
{
    return r->type == set->type && same(r->name, set->name);
}

/* What must stand there (RFC 2136, 2.4): the whole set with its values, or no such set. */
static bool push_condition(ldns_pkt *pkt, const struct ns_set *set, const struct ns_records *was, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < was->n; i++)
        if (of_set(&was->p[i], set)) {
            any = true;
            if (!push(pkt, LDNS_SECTION_ANSWER, set, LDNS_RR_CLASS_IN, 0, was->p[i].value, err))
                return false;
        }
    return any || push(pkt, LDNS_SECTION_ANSWER, set, LDNS_RR_CLASS_NONE, 0, NULL, err);
}

static bool push_records(ldns_pkt *pkt, const struct ns_set *set, const struct ns_records *will, struct err *err)
{
    if (!push(pkt, LDNS_SECTION_AUTHORITY, set, LDNS_RR_CLASS_ANY, 0, NULL, err))
        return false;
    for (size_t i = 0; i < will->n; i++)
        if (of_set(&will->p[i], set) && !push(pkt, LDNS_SECTION_AUTHORITY, set, LDNS_RR_CLASS_IN, will->p[i].ttl, will->p[i].value, err))
            return false;
    return true;
}

static bool fill(ldns_pkt *pkt, const struct ns_change *change, struct err *err)
{
    const struct ns_set zone = {change->zone, NS_SOA};
    ldns_rr *question = ldns_rr_new();
    if (!question)
        abort(); /* out of memory */
    ldns_rr_set_owner(question, ldns_dname_new_frm_str(zone.name));
    ldns_rr_set_type(question, LDNS_RR_TYPE_SOA);
    ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
    ldns_rr_set_question(question, true);
    if (!ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, question)) {
        ldns_rr_free(question);
        return err_set(err, ERR_INTERNAL, "the zone cannot stand in an update");
    }
    for (size_t i = 0; i < change->count; i++)
        if (!push_condition(pkt, &change->sets[i], change->was, err))
            return false;
    for (size_t i = 0; i < change->count; i++)
        if (!push_records(pkt, &change->sets[i], change->will, err))
            return false;
    return true;
}

static bool signature_error(const struct ns_message *m, const struct ns_key *key, const char *address, struct err *err)
{
    switch (m->tsig_error) {
    case 16:
        err_set(err, ERR_PERMISSION, "DNS server \"%s\" finds the signature wrong (BADSIG): it has another secret for key \"%s\"", address, key->name);
        return err_hint(err, "compare the secret with the one in the server's configuration");
    case 17:
        err_set(err, ERR_PERMISSION, "DNS server \"%s\" does not know key \"%s\" with %s (BADKEY)", address, key->name, key->algorithm);
        return err_hint(err, "name and algorithm must be those of the server's configuration");
    case 18:
        err_set(err, ERR_PERMISSION, "DNS server \"%s\" does not believe the time of the signature (BADTIME)", address);
        if (m->tsig_time)
            err_prefix(err, "the clocks differ by %lld s", (long long)(m->tsig_time - clock_wall_ms() / 1000));
        return err_hint(err, "set the clocks of this machine and of the server right; %d s of difference are allowed", FUDGE_S);
    default:
        return err_set(err, ERR_PERMISSION, "DNS server \"%s\" refuses the signature: TSIG error %d", address, m->tsig_error);
    }
}

static bool update_error(const struct ns_message *m, const struct ns_change *change, const struct ns_key *key, const char *address, struct err *err)
{
    if (m->tsig_error > 0)
        return signature_error(m, key, address, err);
    switch (m->rcode) {
    case LDNS_RCODE_NXDOMAIN:
    case LDNS_RCODE_YXDOMAIN:
    case LDNS_RCODE_YXRRSET:
    case LDNS_RCODE_NXRRSET:
        err_set(err, ERR_REFUSED, "the records of zone \"%s\" are not those that were read a moment ago: somebody else changes them too", change->zone);
        return err_hint(err, "nothing was changed; look who else writes there, then try again");
    case LDNS_RCODE_REFUSED:
        err_set(err, ERR_REFUSED, "DNS server \"%s\" does not allow key \"%s\" to change zone \"%s\" (REFUSED)", address, key->name, change->zone);
        return err_hint(err, "BIND: update-policy or allow-update of the zone; Knot: an acl with action: update");
    case LDNS_RCODE_NOTAUTH:
        err_set(err, ERR_CONFIG, "DNS server \"%s\" is not in charge of zone \"%s\" (NOTAUTH)", address, change->zone);
        return err_hint(err, "updates go to the primary server of the zone");
    case LDNS_RCODE_NOTZONE:
        return err_set(err, ERR_CONFIG, "a name does not belong to zone \"%s\" (NOTZONE)", change->zone);
    default:
        return rcode_error(m->rcode, address, change->zone, err);
    }
}

struct update {
    const char *address;
    const struct ns_key *key;
    const struct ns_change *change;
    int64_t timeout_ms;
};

/* Only an answer that is signed with the key says that something was done. */
static bool send_update(struct arena *arena, const struct update *u, ldns_pkt *pkt, struct wire *wire, struct err *err)
{
    SCOPED(buf_done) struct buf reply = {.max = MESSAGE_MAX + 2};
    struct ns_message message;
    ldns_pkt *answer = NULL;
    if (!to_wire(pkt, wire, err) || !exchange(u->address, wire, u->timeout_ms, &reply, err))
        return false;
    if (!to_packet(reply.p, reply.n, &answer, err))
        return err_prefix(err, "DNS server \"%s\"", u->address);
    take(arena, answer, &message);
    bool ok = message.rcode == LDNS_RCODE_NOERROR && message.tsig_error <= 0;
    const char *name = arena_printf(arena, "%s", u->key->name);
    if (!ok)
        update_error(&message, u->change, u->key, u->address, err);
    else if (!ldns_pkt_tsig_verify(answer, (const uint8_t *)reply.p, reply.n, name, u->key->secret, ldns_rr_rdf(ldns_pkt_tsig(pkt), 3)))
        ok = err_set(err, ERR_PROTOCOL, "the answer of DNS server \"%s\" is not signed with key \"%s\": it is not believed", u->address, name);
    ldns_pkt_free(answer);
    return ok;
}

/* Looked at first, since ldns leaks where it stumbles over it. */
static bool secret_is_good(const struct ns_key *key, struct err *err)
{
    SCOPED(buf_done) struct buf bytes = {.max = 4096};
    bool ok = key->secret && *key->secret && base64_decode(&bytes, str_of(key->secret));
    if (bytes.p)
        explicit_bzero(bytes.p, bytes.n);
    return ok || err_set(err, ERR_CONFIG, "the secret of key \"%s\" is not base64", key->name);
}

bool ns_update(struct arena *arena, const char *address, const struct ns_key *key, const struct ns_change *change, int64_t timeout_ms, struct err *err)
{
    struct wire wire = {0};
    const struct update update = {address, key, change, timeout_ms};
    if (!secret_is_good(key, err))
        return false;
    ldns_pkt *pkt = ldns_pkt_new();
    if (!pkt)
        abort(); /* out of memory */
    ldns_pkt_set_random_id(pkt);
    ldns_pkt_set_opcode(pkt, LDNS_PACKET_UPDATE);
    bool ok = fill(pkt, change, err);
    if (ok && ldns_pkt_tsig_sign(pkt, key->name, key->secret, FUDGE_S, arena_printf(arena, "%s.", key->algorithm), NULL) != LDNS_STATUS_OK)
        ok = err_set(err, ERR_CONFIG, "the update cannot be signed with key \"%s\": %s is not available", key->name, key->algorithm);
    ok = ok && send_update(arena, &update, pkt, &wire, err);
    LDNS_FREE(wire.p);
    ldns_pkt_free(pkt);
    return ok;
}
