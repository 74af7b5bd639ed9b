/* fuzz_nginx.c -- Any text as the file that nginx includes: read without harm. And what the driver writes for a site reads back as that
   site, also when the same upstream block stands behind something else that is closed. The input's first line is an address. */
#include "act/traffic/traffic_nginx.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str rest = {(const char *)data, size}, line = {0};
    servers_in(arena, rest, "akig");
    str_next(&rest, '\n', &line);
    struct site sites[] = {{.name = "production", .application.upstream = str_dup(arena, line)}, {.name = "dr"}};
    struct nginx_options options_here = {.include = "/etc/nginx/x.conf", .upstream = "akig"};
    struct service service = {.name = "akig", .traffic.options = &options_here};
    service.sites.p = sites;
    service.sites.n = COUNT_OF(sites);
    struct action_ctx ctx = {.arena = arena, .service = &service};
    const struct site *found = NULL;
    struct err err = {0};
    if (!site_in(&ctx, rest, &found, &err) && (found || !*err.message))
        abort();
    if (!upstream_is_good(sites[0].application.upstream))
        return 0;
    const char *written = text_for(arena, &options_here, &sites[0]);
    if (!site_in(&ctx, str_of(written), &found, &err) || found != &sites[0])
        abort();
    return 0;
}
