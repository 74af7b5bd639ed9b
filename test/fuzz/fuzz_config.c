/* fuzz_config.c -- Any bytes as a configuration and as a playbook: no crash, no hang, no error without a message, and
   what loads can be shown and loads again. Built with libFuzzer, or with any program that calls LLVMFuzzerTestOneInput.
 */
#include <assert.h>

#include "config/load.h"
#include "test/unit/config/fakes.c" /* a target is one file: drivers that only carry option tables */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_config(struct arena *arena, struct str text)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024}, shown = {.max = 8 * 1024 * 1024};
    struct config *config = NULL;
    struct err err = {0};
    if (config_load_text(arena, "/nowhere/fuzz.yaml", text, &fake_hooks, &config, &problems, &err)) {
        config_show(&shown, config, &fake_hooks);
        assert(shown.n > 0);
    } else {
        assert(err.code == ERR_CONFIG && problems.n > 0 && !config);
    }
}

static void as_playbook(struct arena *arena, struct str text)
{
    SCOPED(buf_done) struct buf problems = {.max = 1024 * 1024};
    struct playbook playbook = {0};
    struct err err = {0};
    if (config_load_playbook_text(arena, "/nowhere/fuzz.yaml", text, &playbook, &problems, &err))
        assert(playbook.name && playbook.steps.n > 0);
    else
        assert(err.code == ERR_CONFIG && problems.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct str text = {.p = arena_strndup(arena, (const char *)data, size), .n = size};
    as_config(arena, text);
    as_playbook(arena, text);
    return 0;
}
