/* agent/cause.c -- Words that PostgreSQL has used for these for many years (English: the messages of the log, lc_messages = C or en). */
#include "agent/cause.h"

#include <signal.h>
#include <string.h>

struct sign {
    const char *words;
    enum agent_cause cause;
};

/* The first that is found in the newest line that holds any counts. What no restart mends stands first. */
static const struct sign signs[] = {
    {"No space left on device", CAUSE_DISK_FULL},
    {"Disk quota exceeded", CAUSE_DISK_FULL},
    {"invalid page in block", CAUSE_CORRUPTION},
    {"could not locate a valid checkpoint record", CAUSE_CORRUPTION},
    {"invalid primary checkpoint record", CAUSE_CORRUPTION},
    {"incorrect checksum in control file", CAUSE_CORRUPTION},
    {"page verification failed", CAUSE_CORRUPTION},
    {"is not a valid data directory", CAUSE_CORRUPTION},
    {"could not find the database system", CAUSE_CORRUPTION},
    {"database files are incompatible with server", CAUSE_CORRUPTION},
    {"PANIC:  could not read", CAUSE_CORRUPTION},
    {"Input/output error", CAUSE_CORRUPTION},
    {"unrecognized configuration parameter", CAUSE_CONFIGURATION},
    {"invalid value for parameter", CAUSE_CONFIGURATION},
    {"contains errors", CAUSE_CONFIGURATION},
    {"syntax error in file", CAUSE_CONFIGURATION},
    {"is outside the valid range for parameter", CAUSE_CONFIGURATION},
    {"could not load ", CAUSE_CONFIGURATION},
    {"could not access the server configuration file", CAUSE_CONFIGURATION},
    {"could not access file", CAUSE_CONFIGURATION},
    {"has invalid permissions", CAUSE_CONFIGURATION},
    {"has wrong ownership", CAUSE_CONFIGURATION},
    {"Cannot allocate memory", CAUSE_OOM},
    {"out of memory", CAUSE_OOM},
    {"could not bind", CAUSE_CANNOT_START},
    {"could not create any TCP/IP sockets", CAUSE_CANNOT_START},
    {"could not create shared memory", CAUSE_CANNOT_START},
    {"could not map anonymous shared memory", CAUSE_CANNOT_START},
    {"pre-existing shared memory block", CAUSE_CANNOT_START},
    {"lock file \"", CAUSE_CANNOT_START},
};

#define NAME(cause, name, mends) [cause] = name,   /* NOLINT(bugprone-macro-parentheses): a literal */
#define MENDS(cause, name, mends) [cause] = mends, /* NOLINT(bugprone-macro-parentheses): a literal */

const char *cause_name(enum agent_cause cause)
{
    static const char *const names[CAUSE_MAX] = {AGENT_CAUSES(NAME)};
    return names[cause];
}

bool cause_mends(enum agent_cause cause)
{
    static const bool mends[CAUSE_MAX] = {AGENT_CAUSES(MENDS)};
    return mends[cause];
}

/* Only what ends a server is looked at: an application's own "out of memory" does not. */
static bool is_grave(struct str line)
{
    if (str_starts(line, "postgres: ")) /* what it says before it can log */
        return true;
    static const char *const levels[] = {"FATAL:", "PANIC:", "LOG:", "DETAIL:", "HINT:", "CONTEXT:"};
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (memmem(line.p, line.n, levels[i], strlen(levels[i])))
            return true;
    return false;
}

static const struct sign *sign_in(struct str line)
{
    for (size_t i = 0; i < COUNT_OF(signs) && is_grave(line); i++)
        if (memmem(line.p, line.n, signs[i].words, strlen(signs[i].words)))
            return &signs[i];
    return NULL;
}

/* A worse sign outranks a later one: a full disk is followed by lines that tell of other things. */
static const struct sign *worst_sign(struct str log, struct str *ret_line)
{
    const struct sign *worst = NULL;
    struct str line;
    while (str_next(&log, '\n', &line)) {
        const struct sign *s = sign_in(line);
        if (!s || (worst && s > worst))
            continue;
        worst = s;
        *ret_line = line;
    }
    return worst;
}

enum agent_cause cause_of(const struct postmaster_end *end, struct str log, bool oom, bool came_up, char *why, size_t size)
{
    enum { LINE_MAX_SHOWN = 300 };
    struct str line = {0};
    const struct sign *s = worst_sign(log, &line);
    if (oom && end->signal == SIGKILL) {
        snprintf(why, size, "the kernel ended it, since the machine was out of memory");
        return CAUSE_OOM;
    }
    if (end->signal) {
        snprintf(why, size, "it was ended by signal %d (%s)", end->signal, sigdescr_np(end->signal) ? sigdescr_np(end->signal) : "unknown");
        if (!s || end->signal == SIGKILL)
            return CAUSE_KILLED;
    }
    if (s) {
        snprintf(why, size, "its log says: %.*s", (int)MIN_OF(line.n, LINE_MAX_SHOWN), line.p);
        return s->cause;
    }
    if (!end->known)
        snprintf(why, size, "it ended; how is not known, since this agent did not start it");
    else if (!end->signal)
        snprintf(why, size, "it ended with exit code %d", end->exit_code);
    return end->known && !came_up ? CAUSE_CANNOT_START : CAUSE_KILLED;
}
