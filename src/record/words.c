/* record/words.c -- Words, and making outside text harmless. */
#include "record/words.h"

#include <ctype.h>
#include <inttypes.h>

#define MOMENTS_FROM_MS INT64_C(1000000000000) /* 2001; a measured duration of 30 years is none */

static const char *pick(const struct text2 *words, size_t count, int64_t index, enum language language)
{
    return index >= 0 && (uint64_t)index < count ? text_in(words[index], language) : "?";
}

const char *word_verdict(int64_t verdict, enum language language)
{
    static const struct text2 words[VERDICT_MAX] = {
        [VERDICT_UNKNOWN] = {"unknown", "inconnu"},
        [VERDICT_UP] = {"up", "en service"},
        [VERDICT_WARNING] = {"in warning", "en alerte"},
        [VERDICT_DOWN] = {"down", "en panne"},
    };
    return pick(words, COUNT_OF(words), verdict, language);
}

const char *word_outcome(int64_t outcome, enum language language)
{
    static const struct text2 words[OUTCOME_MAX] = {
        [OUTCOME_SUCCESS] = {"succeeded", "a réussi"},
        [OUTCOME_FAILURE] = {"failed", "a échoué"},
        [OUTCOME_EXPIRY] = {"ran out of time", "a dépassé son délai"},
        [OUTCOME_BLOCKED] = {"is blocked", "est bloquée"},
        [OUTCOME_SKIPPED] = {"was skipped", "a été sautée"},
    };
    return pick(words, COUNT_OF(words), outcome, language);
}

const char *word_ending(int64_t outcome, enum language language)
{
    static const struct text2 words[OUTCOME_MAX] = {
        [OUTCOME_SUCCESS] = {"success", "réussite"},
        [OUTCOME_FAILURE] = {"failure", "échec"},
        [OUTCOME_EXPIRY] = {"out of time", "délai dépassé"},
        [OUTCOME_BLOCKED] = {"blocked", "bloqué"},
        [OUTCOME_SKIPPED] = {"skipped", "sauté"},
    };
    return pick(words, COUNT_OF(words), outcome, language);
}

const char *word_ending_of(const char *name, enum language language)
{
    enum outcome outcome;
    if (name && outcome_of(name, &outcome))
        return word_ending(outcome, language);
    return language == LANGUAGE_FR ? "en cours" : "under way";
}

const char *word_state(int64_t state, enum language language)
{
    static const struct text2 words[INCIDENT_MAX] = {
        [INCIDENT_OPEN] = {"open", "ouvert"},
        [INCIDENT_ACKNOWLEDGED] = {"acknowledged", "pris en charge"},
        [INCIDENT_MITIGATING] = {"mitigating", "en cours de rétablissement"},
        [INCIDENT_MONITORING] = {"monitoring", "sous surveillance"},
        [INCIDENT_RESOLVED] = {"resolved", "résolu"},
        [INCIDENT_REVIEWED] = {"reviewed", "revu"},
    };
    return pick(words, COUNT_OF(words), state, language);
}

const char *word_duration(struct arena *a, int64_t ms, enum language language)
{
    if (ms < 0)
        return language == LANGUAGE_FR ? "inconnu" : "unknown";
    char *text = duration_say(a, ms);
    for (char *p = text; *p && language == LANGUAGE_FR; p++)
        *p = *p == '.' ? ',' : *p == 'd' ? 'j' : *p; /* "4,2 s", "3 j 4 h" */
    return text;
}

const char *word_value(struct arena *a, const char *name, const char *value)
{
    size_t n = strlen(name);
    int64_t wall_ms;
    bool is_moment = n > 3 && same(name + n - 3, "_ms") && str_int(str_of(value), &wall_ms) && wall_ms > MOMENTS_FROM_MS;
    return is_moment ? arena_printf(a, "%s (%s)", value, moment_iso(a, wall_ms)) : value;
}

/* Bytes of the clean character at the start of `rest`, 0 when there is none. */
static size_t clean_length(struct str rest)
{
    for (size_t n = 1; n <= 4 && n <= rest.n; n++)
        if (str_is_clean((struct str){rest.p, n}))
            return n;
    return 0;
}

const char *one_line(struct arena *a, const char *text)
{
    struct str rest = str_of(text);
    char *line = arena_alloc(a, rest.n + 1), *to = line;
    while (rest.n) {
        size_t n = clean_length(rest);
        if (n == 0 || rest.p[0] == '\n' || rest.p[0] == '\t') {
            *to++ = ' ';
            n = 1;
        } else {
            memcpy(to, rest.p, n);
            to += n;
        }
        rest.p += n;
        rest.n -= n;
    }
    *to = 0;
    return line;
}

const char *markdown(struct arena *a, const char *text)
{
    const char *line = one_line(a, text);
    char *escaped = arena_alloc(a, 2 * strlen(line) + 1), *to = escaped;
    for (const char *p = line; *p; p++) {
        bool inside_word = *p == '_' && p > line && isalnum((unsigned char)p[-1]) && isalnum((unsigned char)p[1]);
        if (strchr("\\`*_<>[|", *p) && !inside_word)
            *to++ = '\\';
        *to++ = *p;
    }
    *to = 0;
    return escaped;
}

const char *run_step(struct arena *a, const char *run)
{
    const char *first = strchr(run, '.'), *last = strrchr(run, '.');
    return first && last > first ? arena_strndup(a, first + 1, (size_t)(last - first - 1)) : run;
}

bool belongs_to(const char *key, char separator, int64_t incident)
{
    struct str rest = str_of(key), number;
    int64_t value;
    return str_next(&rest, separator, &number) && rest.p && str_int(number, &value) && value == incident;
}

struct notice_key notice_key(struct arena *a, const char *key)
{
    struct str rest = str_of(key), part[4] = {{0}};
    for (size_t i = 0; i < COUNT_OF(part); i++)
        if (!str_next(&rest, '/', &part[i]))
            break;
    return (struct notice_key){.stage = str_dup(a, part[1]), .contact = str_dup(a, part[2]), .channel = str_dup(a, part[3])};
}
