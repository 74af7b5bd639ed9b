/* act/traffic/records.h -- Names that lead to a site by their DNS records: what the drivers share whose world is a zone. How a zone is read
   and changed is the driver's own. */
#pragma once
#include "act/traffic/traffic.h"
#include "base/option.h"
#include "io/nsupdate.h"

struct site_records {
    struct mark mark;
    const char *site;
    struct strs a, aaaa;
    const char *cname;
};
extern const struct option record_options[]; /* of a struct site_records */

/* Stands in the options of each such driver. */
struct records_conf {
    struct strs names, resolvers;
    int64_t ttl_ms;
    struct { struct site_records *p; size_t n, cap; } sites;
};
/* Rows of the driver's table for them, `at` being the offset of its struct records_conf; the TTL's row is the driver's own, as its bounds are. */
#define RECORDS_OPTIONS(at) \
    {.key = "name", .type = OPTION_STRINGS, .offset = (at) + offsetof(struct records_conf, names), .required = true, .help = "names that are moved, whole", \
     .sample = "[akig.com, www.akig.com]"}, \
    {.key = "resolvers", .type = OPTION_STRINGS, .offset = (at) + offsetof(struct records_conf, resolvers), \
     .help = "resolvers that users ask, ADDRESS:PORT; what they still answer is told", .sample = "[\"9.9.9.9:53\", \"1.1.1.1:53\"]"}, \
    {.key = "records", .type = OPTION_LIST, .offset = (at) + offsetof(struct records_conf, sites), .sub = record_options, .size = sizeof(struct site_records), \
     .help = "what the names lead to at each site"}

/* A zone as its driver reaches it. */
struct records_zone {
    const struct records_conf *conf;
    const char *who;        /* of whom is spoken: "DNS server \"192.0.2.53:53\"" */
    uint32_t ttl;           /* of what is written */
    uint32_t (*held)(uint32_t ttl); /* how many seconds resolvers may hold a record with this TTL; NULL: that many */
    bool (*look)(const struct action_ctx *ctx, struct ns_records *ret, struct err *err);
    /* All or nothing, and only when `was` is what stands there. Its answer may be lost: what stands there then decides. */
    bool (*change)(const struct action_ctx *ctx, const struct ns_records *was, const struct ns_records *will, struct err *err);
};

/* Is what the sites have usable? Also that each has its own. `apex`: the zone itself, which can have no alias; NULL: not known. */
MUST_USE bool records_valid(const struct records_conf *conf, const struct service *service, const char *apex, struct err *err);
/* Every name with every type that it may have. Both types of address are always ours: a site without one of them leaves none behind. */
void records_sets(struct arena *arena, const struct records_conf *conf, const struct ns_set **ret, size_t *ret_count);
struct ns_records records_wanted(struct arena *arena, const struct records_conf *conf, const char *site, uint32_t ttl);
bool records_has(const struct ns_records *in, const struct ns_record *r); /* TTL aside, as in the next */
bool records_equal(const struct ns_records *a, const struct ns_records *b);
bool records_alike(const struct ns_records *a, const struct ns_records *b); /* their TTLs too */
char *records_print(struct arena *arena, const struct ns_records *records);
/* After a change: does `will` stand there? A change that was not taken and stands there all the same was carried out. */
MUST_USE bool records_seen(const struct action_ctx *ctx, bool taken, const struct ns_records *will, struct err *err);

/* For the tables of drivers; the zone is what `zone` of the service's driver says. */
MUST_USE bool records_read_back(const struct action_ctx *ctx, const struct site **ret, struct err *err);
MUST_USE bool records_describe(const struct action_ctx *ctx, const struct site *site, struct buf *out, struct err *err);
MUST_USE bool records_point(const struct action_ctx *ctx, const struct site *site, struct err *err);
MUST_USE bool records_put_back(const struct action_ctx *ctx, struct err *err);
int64_t records_arrive_within(const struct action_ctx *ctx);
MUST_USE bool records_prepare(const struct action_ctx *ctx, char *ret_text, struct err *err);
