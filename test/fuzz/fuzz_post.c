/* fuzz_post.c -- Any bytes as a statement that follows the data: no crash; what is recognised names its table, and the statements that
   are made of it hold no byte that was not in it or is not ours, so that nothing can be smuggled in. */
#include <assert.h>

#include "restore/post.h"
#include "restore/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    const char *name, *text = arena_strndup(arena, (const char *)data, size);
    struct str sql = str_of(text);
    struct post p = post_read(arena, sql);
    if (p.kind != POST_OTHER) {
        assert(p.table && *p.table && p.name && *p.name && p.columns > 0 && (p.build || p.attach));
        assert(strstr(text, p.table) && strstr(text, p.name));
        assert((p.kind == POST_FOREIGN) == (p.refers != NULL));
    }
    if (p.kind == POST_KEY)
        assert(strlen(p.build) < size + 100 && strlen(p.attach) < 2 * size + 100);
    if (settings_is(arena, sql, &name)) {
        const struct settings *set = settings_with(arena, NULL, name, sql);
        assert(settings_with(arena, set, name, sql) == set);
    }
    return 0;
}
