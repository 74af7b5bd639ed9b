/* fuzz_haproxy.c -- Any text as an answer of HAProxy's runtime API, and as the state that was kept of it: read without harm; what is kept
   of an answer reads back as it was. */
#include "act/traffic/traffic_haproxy.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    static const char *address[] = {"/run/haproxy/admin.sock"}, *backend[] = {"akig"};
    struct site sites[] = {{.name = "production"}, {.name = "dr"}};
    struct haproxy_options o = {.addresses = {address, 1, 1}, .backends = {backend, 1, 1}};
    struct service service = {.name = "akig", .traffic.options = &o};
    service.sites.p = sites;
    service.sites.n = COUNT_OF(sites);
    struct str text = {(const char *)data, size};
    struct view view = {0}, again;
    struct err err = {0};
    if (parse_view(arena, &o, text, &again, &err) == (*err.message != 0))
        abort();
    if (!read_state(arena, &service, &o, text, address[0], "akig", &view) || !view.n)
        return 0;
    if (!parse_view(arena, &o, str_of(print_view(arena, &o, &view)), &again, &err) || again.n != view.n)
        abort();
    for (size_t i = 0; i < view.n; i++)
        if (again.p[i].state != view.p[i].state || !same(again.p[i].name, view.p[i].name))
            abort();
    return 0;
}
