/* fuzz_condition.c -- Any text as a condition and as an action: what the loader accepts can be judged in every world, says nothing of
   checks that nobody can see, and an action has the sites put in wherever they are named. */
#include "decide/decide_internal.h"
#include "test/unit/fixture_config.c" /* a target is one file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static enum verdict_state same_everywhere(void *arg, const char *name)
{
    check(strlen(name) < MODEL_ID_SIZE);
    return *(const enum verdict_state *)arg;
}

static void as_condition(struct arena *arena, const struct service *service, const char *text)
{
    struct err err = {0};
    bool valid = condition_valid(text, service, &err);
    check(valid || (err.code == ERR_CONFIG && *err.message));
    for (enum verdict_state state = 0; state < VERDICT_MAX; state++) {
        struct condition_world world = {.verdict = same_everywhere, .arg = &state, .active = "production", .standby = "dr"};
        char cause[MODEL_ID_SIZE];
        bool holds = condition_holds(text, &world), has_cause = condition_cause(text, &world, cause);
        check(!holds || has_cause); /* what holds holds because of a check */
        if (valid && state == VERDICT_UNKNOWN && !strstr(text, "unknown"))
            check(!holds && condition_truth(text, &world) == TRUTH_MAYBE);
        check(!valid || !has_cause || service_check(service, cause));
    }
    (void)arena;
}

static void as_action(struct arena *arena, const struct service *service, const char *text)
{
    char words[MODEL_TEXT_SIZE];
    char *whole = action_words(arena, text, "production", "dr");
    words_fill(words, text, "production", "dr");
    check(strncmp(whole, words, strlen(words)) == 0);
    check(strlen(whole) > 4000 || (!strstr(whole, "{active}") && !strstr(whole, "{standby}") && !names_standby(whole)));
    struct deed deed = deed_of(service, words);
    check(deed.site >= NOTHING && deed.site < (int)service->sites.n);
    names_standby(text);
    action_words(arena, text, NULL, NULL);
}

/* The same text wherever a playbook may say something: the lint must answer, whatever it says. */
static void as_playbook(struct arena *arena, struct config *config, char *text)
{
    struct lints lints = {0};
    struct playbook *playbook = fixture_add_playbook(arena, config, "fuzzed");
    struct step *step = fixture_add_step(arena, playbook, "one", text);
    step->until = text;
    step->on_failure = text;
    step->on_expiry = text;
    playbook->opens_when = playbook->resolved_when = text;
    playbook_lint(arena, &config->services.p[0], NULL, &lints);
    for (size_t i = 0; i < lints.n; i++)
        check(*lints.p[i].text && memchr(lints.p[i].text, 0, sizeof(lints.p[i].text)));
    playbook_longest_ms(&config->services.p[0], playbook);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SCOPED(arena_close) struct arena *arena = arena_open();
    struct config *config = fixture_config(arena);
    char *text = arena_strndup(arena, (const char *)data, size);
    as_condition(arena, &config->services.p[0], text);
    as_action(arena, &config->services.p[0], text);
    as_playbook(arena, config, text);
    return 0;
}
