/* act/unit.h -- A service on a host: the systemd unit or the commands of the configuration, asked and told the same way. */
#pragma once
#include "act/host.h"

#define UNIT_VERBS(X)                                                                                                  \
    X(UNIT_START, "start")                                                                                             \
    X(UNIT_STOP, "stop")                                                                                               \
    X(UNIT_RESTART, "restart")                                                                                         \
    X(UNIT_STATUS, "status")                                                                                           \
    X(UNIT_MASK, "mask")                                                                                               \
    X(UNIT_UNMASK, "unmask")                                                                                           \
    X(UNIT_KILL, "kill")                                                                                               \
    X(UNIT_LOG, "log")
#define UNIT_ENUM(id, name) id,
enum unit_verb { UNIT_VERBS(UNIT_ENUM) UNIT_VERB_MAX };
#undef UNIT_ENUM

const char *unit_verb_name(enum unit_verb verb);
/* The words that carry the verb out: the command configured, else systemctl or journalctl for the named unit (through sudo -n where
   the host's user is not root). A missing `kill` is the stop command, a missing `restart` of commands is not made up. n == 0: none. */
struct strs unit_words(struct arena *arena, const struct host *host, const struct unit *unit, enum unit_verb verb);
/* ERR_CONFIG, naming the missing key, when unit_words has nothing. `what` is "production.database". */
MUST_USE bool unit_can(struct arena *arena, const struct host *host, const struct unit *unit, enum unit_verb verb, const char *what,
                       struct err *err);
/* False only when it could not be carried out there; a command that failed stands in *ret. */
MUST_USE bool unit_do(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, enum unit_verb verb, int64_t timeout_ms,
                      struct proc_result *ret, struct err *err);

enum unit_state { UNIT_IS_RUNNING, UNIT_IS_NOT_RUNNING, UNIT_IS_UNCLEAR };
/* UNCLEAR: neither ("activating", or a status command that hung); `say` receives one phrase about it. */
MUST_USE bool unit_state(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, int64_t timeout_ms, enum unit_state *ret,
                         char *say, size_t say_size, struct err *err);
enum unit_masked { UNIT_IS_MASKED, UNIT_IS_NOT_MASKED, UNIT_MASK_UNKNOWN }; /* unknown: of commands nobody can ask it */
MUST_USE bool unit_masked(const struct action_ctx *ctx, const struct host *host, const struct unit *unit, int64_t timeout_ms,
                          enum unit_masked *ret, struct err *err);
