/* trafficworld_address.c -- Two hosts and a client on one bridge, each in a network namespace: the client's own table of neighbours shows
   whether it was told. */
#include "trafficworld.h"

#include <unistd.h>

#include "sys/file.h"

#define MOVING "10.77.0.100"

static void run(struct world *w, const char *line)
{
    struct strs words;
    assert_true(str_words(w->arena, line, &words));
    *vec_add(w->arena, &words) = NULL; /* NOLINT(bugprone-sizeof-expression): a list of pointers */
    world_output(w, words.p);
}

static void address_open(struct world *w)
{
    static bool made; /* of this program's own network, which stays */
    const struct option *table;
    size_t size;
    char *places = world_list(w, "places", 2, &table, &size);
    world_own_network(w, NULL);
    if (!made) {
        run(w, "ip link add br0 type bridge");
        run(w, "ip address add 10.77.0.1/24 dev br0");
        run(w, "ip link set br0 up");
        for (int i = 0; i < 2; i++) {
            const char *site = w->sites[i].name;
            run(w, arena_printf(w->arena, "ip netns add %s", site));
            run(w, arena_printf(w->arena, "ip link add to-%s type veth peer name eth0 netns %s", site, site));
            run(w, arena_printf(w->arena, "ip link set to-%s master br0 up", site));
            run(w, arena_printf(w->arena, "ip -n %s link set eth0 up", site));
            run(w, arena_printf(w->arena, "ip -n %s link set lo up", site));
            run(w, arena_printf(w->arena, "ip -n %s address add 10.77.0.%d/24 dev eth0", site, 2 + i));
        }
    }
    made = true;
    run(w, "ip -n production address flush dev eth0 to " MOVING);
    run(w, "ip -n dr address flush dev eth0 to " MOVING);
    run(w, "ip -n production address add " MOVING "/24 dev eth0");
    run(w, "ip neigh flush dev br0");
    for (int i = 0; i < 2; i++) {
        char *p = places + (size_t)i * size;
        const char *site = w->sites[i].name;
        *(const char **)world_field(table, p, "site") = site;
        *(const char **)world_field(table, p, "device") = "eth0";
        *(struct strs *)world_field(table, p, "ip") = world_words(w, "ip", "-n", site, NULL);
        *(struct strs *)world_field(table, p, "announce") = world_words(w, "ip", "netns", "exec", site, "arping", "-q", "-U", "-c", "1", NULL);
        *(struct strs *)world_field(table, p, "probe") = world_words(w, "ip", "netns", "exec", site, "arping", "-q", "-D", "-c", "2", "-w", "2", NULL);
        world_serve_name(w, "0.0.0.0", 8080, site, site);
    }
    *(const char **)world_option(w, "address") = MOVING "/24";
    w->service.public_url = "http://" MOVING ":8080";
}

static char *address_state(struct world *w)
{
    char *state = arena_strdup(w->arena, "");
    for (int i = 0; i < 2; i++) {
        const char *const show[] = {"ip", "-n", w->sites[i].name, "-o", "address", "show", "dev", "eth0", "to", MOVING, NULL};
        state = arena_printf(w->arena, "%s%s:%s ", state, w->sites[i].name, *world_output(w, show) ? "yes" : "no");
    }
    return state;
}

const struct world_kind world_address = {"address", "address", address_open, NULL, address_state};

static char *neighbour(struct world *w)
{
    const char *const show[] = {"ip", "neigh", "show", MOVING, "dev", "br0", NULL};
    const char *text = strstr(world_output(w, show), "lladdr ");
    return text ? arena_strndup(w->arena, text + 7, 17) : arena_strdup(w->arena, "none");
}

static char *card_of(struct world *w, const char *site)
{
    const char *const show[] = {"ip", "-n", site, "-o", "link", "show", "dev", "eth0", NULL};
    const char *text = strstr(world_output(w, show), "link/ether ");
    return text ? arena_strndup(w->arena, text + 11, 17) : arena_strdup(w->arena, "no card");
}

/* The driver alone, so that nothing but its announcement tells the client: a request would find out by itself, after a while. */
static void the_neighbours_are_told(struct world *w)
{
    struct err err = {0};
    world_served_by(w, "production");
    assert_string_equal(neighbour(w), card_of(w, "production"));
    if (!traffic_driver("address")->point(&w->ctx, &w->sites[1], &err))
        fail_msg("%s", err.message);
    assert_string_equal(neighbour(w), card_of(w, "dr"));
    assert_true(traffic_driver("address")->put_back(&w->ctx, &err));
    assert_string_equal(neighbour(w), card_of(w, "production"));
}

static void two_hosts_with_the_address_are_no_site_and_are_mended(struct world *w)
{
    const struct site *site;
    struct err err = {0};
    run(w, "ip -n dr address add " MOVING "/24 dev eth0");
    assert_false(traffic_driver("address")->read_back(&w->ctx, &site, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "2 sites"));
    world_must(w, "switch", "dr");
    assert_string_equal(address_state(w), "production:no dr:yes ");
    world_served_by(w, "dr");
}

static void what_fails_on_a_host_is_taken_back(struct world *w)
{
    struct err err;
    const struct option *table;
    size_t size;
    struct strs kept = *(struct strs *)world_option(w, "places");
    char *first = (char *)(void *)kept.p;
    world_list(w, "places", 1, &table, &size);
    *(struct strs *)world_option(w, "places") = kept;
    struct strs *announce = world_field(table, first + size, "announce"), right = *announce;
    *announce = world_words(w, "false", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "the state before it is back"));
    assert_string_equal(address_state(w), "production:yes dr:no ");
    world_served_by(w, "production");
    *announce = right;
    struct strs *ip = world_field(table, first, "ip");
    *ip = world_words(w, "ip", "-n", "atlantis", NULL);
    assert_false(world_act(w, "switch", "dr", &err));
    assert_non_null(strstr(err.message, "atlantis"));
    assert_string_equal(address_state(w), "production:yes dr:no ");
}

/* The host of the old site does not answer: when it is off the switch goes on; when it still answers for the address, it does not. */
static void a_host_that_cannot_be_reached_is_asked_for_on_the_network(struct world *w)
{
    struct err err;
    w->ctx.run = "run-1";
    w->sites[0].host = (struct host){.address = "10.77.0.250", .port = 22, .user = "nobody"}; /* nobody is there */
    assert_false(world_act(w, "switch", "dr", &err));
    if (err.code != ERR_REFUSED || !strstr(err.message, "may still be answered for"))
        fail_msg("%s: %s", err_code_name(err.code), err.message);
    assert_string_equal(address_state(w), "production:yes dr:no ");
    run(w, "ip -n production link set eth0 down"); /* now it is off */
    bool ok = world_act(w, "switch", "dr", &err);
    run(w, "ip -n production address del " MOVING "/24 dev eth0");
    run(w, "ip -n production link set eth0 up");
    if (!ok)
        fail_msg("%s", err.message);
    world_served_by(w, "dr");
}

static void unusable_configurations_are_refused(struct world *w)
{
    const struct traffic_ops *d = traffic_driver("address");
    static const char *const addresses[] = {"", "10.77.0.100", "10.77.0.100/0", "10.77.0.100/33", "10.77.0/24", "::1/64", "x/24", "10.77.0.100/24 dev lo"};
    struct err err = {0};
    const char **address = world_option(w, "address");
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        *address = addresses[i];
        if (d->valid(&w->service.traffic, &w->service, &err))
            fail_msg("accepted \"%s\"", addresses[i]);
        assert_int_equal(err.code, ERR_CONFIG);
    }
    *address = MOVING "/24";
    assert_true(d->valid(&w->service.traffic, &w->service, &err));
    ((struct strs *)world_option(w, "places"))->n = 1;
    assert_false(d->valid(&w->service.traffic, &w->service, &err));
    assert_non_null(strstr(err.message, "says nothing of site \"dr\""));
}

const struct world_test address_tests[] = {
#define T(name) {#name, name}
    T(the_neighbours_are_told),
    T(two_hosts_with_the_address_are_no_site_and_are_mended),
    T(what_fails_on_a_host_is_taken_back),
    T(a_host_that_cannot_be_reached_is_asked_for_on_the_network),
    T(unusable_configurations_are_refused),
#undef T
    {NULL, NULL},
};
