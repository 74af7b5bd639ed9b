/* agent/cause.h -- Why a PostgreSQL ended, told from how it ended and the last lines of its log; and whether starting it again can help.
   Pure. */
#pragma once
#include "agent/postmaster.h"

/* X(enum, name, may a restart mend it?) */
#define AGENT_CAUSES(X)                                                                                                \
    X(CAUSE_NONE, "none", true)                                                                                        \
    X(CAUSE_KILLED, "killed", true)             /* a signal, or a crash that the log does not explain */               \
    X(CAUSE_OOM, "oom", true)                   /* the kernel or the server was out of memory */                       \
    X(CAUSE_CANNOT_START, "cannot-start", true) /* it came to its end while it started: a port in use, memory */       \
    X(CAUSE_DISK_FULL, "disk-full", false)                                                                             \
    X(CAUSE_CORRUPTION, "corruption", false)                                                                           \
    X(CAUSE_CONFIGURATION, "configuration", false)                                                                     \
    X(CAUSE_CRASH_LOOP, "crash-loop", false)    /* restarted as often as it may be */                                  \
    X(CAUSE_LEASE_LOST, "lease-lost", false)                                                                           \
    X(CAUSE_GUARD, "guard", false)              /* the start guard forbids it */                                       \
    X(CAUSE_EPOCH, "epoch", false)              /* another site writes now */

enum agent_cause {
#define X(cause, name, mends) cause,
    AGENT_CAUSES(X)
#undef X
    CAUSE_MAX
};

const char *cause_name(enum agent_cause cause);
bool cause_mends(enum agent_cause cause);
/* `log` is what it wrote since it was started, the end of it where that is long; `oom`: the kernel ended a process for want of memory
   meanwhile; `came_up`: it had taken connections. `why` receives one sentence, with the line of the log that says so. */
enum agent_cause cause_of(const struct postmaster_end *end, struct str log, bool oom, bool came_up, char *why, size_t size);
