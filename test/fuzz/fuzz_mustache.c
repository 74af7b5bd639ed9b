/* fuzz_mustache.c -- Any text as a template: it is refused with a place, or it renders within its limit whatever it is given, the same
   twice, and nothing that was to be escaped comes out as markup. */
#include "base/base.h"
#include "base/mustache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

struct self {
    const struct mustache *mustache;
    int names;
};

static const struct mustache *itself(void *arg, struct str name)
{
    const struct self *self = arg;
    check(name.n > 0);
    return self->mustache;
}

static bool count_name(void *arg, struct str name)
{
    struct self *self = arg;
    check(name.n > 0);
    return ++self->names < 100;
}

/* Every name that the templates use, so that their sections are entered. */
static void fill(struct arena *arena, struct mustache_value *root)
{
    static const char *const texts[] = {"service", "severity", "incident", "title", "step", "eta", "rto", "lost", "since", "late"};
    root->kind = MUSTACHE_MAP;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        mustache_put(arena, root, texts[i], "<&'\">\n");
    mustache_put_bool(arena, root, "any_undelivered", true);
    mustache_put_bool(arena, root, "relapse", false);
    struct mustache_value *list = mustache_put_list(arena, root, "undelivered");
    for (int i = 0; i < 3; i++)
        mustache_put(arena, mustache_add_map(arena, list), "contact", "a");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str text = {.p = arena_strndup(arena, (const char *)data, size), .n = size};
    struct self self = {0};
    struct err err = {0};
    if (!mustache_read(arena, "fuzzed", text, &self.mustache, &err)) {
        check((err.code == ERR_CONFIG || err.code == ERR_LIMIT) && strncmp(err.message, "fuzzed:", 7) == 0);
        return 0;
    }
    const struct mustache_names names = {.known = count_name, .partial = count_name, .arg = &self};
    check(mustache_check(self.mustache, &names, &err) || err.code == ERR_CONFIG);
    struct mustache_value root = {0};
    fill(arena, &root);
    struct mustache_env env = {.escape = mustache_escape_html, .partial = itself, .arg = &self};
    SCOPED(buf_done) struct buf once = {.max = 4096}, twice = {.max = 4096};
    mustache_render(self.mustache, &root, &env, &once);
    mustache_render(self.mustache, &root, &env, &twice);
    check(once.n <= 4096 && same(buf_text(&once), buf_text(&twice)));
    if (!memchr(text.p, '<', text.n) && !memmem(text.p, text.n, "{{{", 3) && !memmem(text.p, text.n, "{{&", 3))
        check(!strchr(buf_text(&once), '<'));
    return 0;
}
