/* fuzz_http.c -- Any lines as the headers of an answer: what is kept of them is the value of the last answer, and a time to wait is
   none, or between now and a year. */
#include "io/http.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct transfer t = {.base.arena = arena, .want_header = "X-Site", .retry_after_ms = -1};
    struct str rest = {(const char *)data, size}, line;
    while (rest.p && str_next(&rest, '\n', &line)) {
        char *own = arena_strndup(arena, line.p, line.n); /* as curl: not terminated where it ends, and not ours for long */
        if (on_header(own, 1, line.n, &t) != line.n)
            abort();
        memset(own, 'x', line.n);
        if (t.retry_after_ms < -1 || t.retry_after_ms > 366 * MS_DAY)
            abort();
        if (t.header && (strlen(t.header) > 4096 || strchr(t.header, '\n')))
            abort();
    }
    return 0;
}
