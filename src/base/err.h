/* base/err.h -- Why something failed: code, cause, and a hint that helps at 3 am. Lives on the caller's stack, allocates nothing. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>

#include "base/util.h"

/* X(enum, name, exit status, HTTP status). Exit statuses of 64 and up are those of sysexits(3). */
#define ERR_CODES(X)                                                                                                   \
    X(ERR_NONE, "none", 0, 200)                                                                                        \
    X(ERR_FAILED, "failed", 1, 500)           /* the thing asked for was tried and did not work */                    \
    X(ERR_REFUSED, "refused", 1, 409)         /* a rule of safety forbids it; nothing was changed */                  \
    X(ERR_USAGE, "usage", 64, 400)            /* the command line is wrong */                                         \
    X(ERR_DATA, "bad-data", 65, 422)          /* a file or an answer is not what it must be */                        \
    X(ERR_NOT_FOUND, "not-found", 66, 404)    /* something named does not exist */                                    \
    X(ERR_UNAVAILABLE, "unavailable", 69, 503) /* a server or host does not answer */                                 \
    X(ERR_INTERNAL, "internal", 70, 500)      /* a defect of ours */                                                  \
    X(ERR_OS, "os", 71, 500)                  /* the kernel refused */                                                \
    X(ERR_IO, "io", 74, 500)                  /* reading or writing failed */                                         \
    X(ERR_TIMEOUT, "timeout", 75, 504)        /* a deadline passed */                                                 \
    X(ERR_PROTOCOL, "protocol", 76, 502)      /* the other side broke its protocol */                                 \
    X(ERR_PERMISSION, "permission", 77, 403)  /* not allowed to */                                                    \
    X(ERR_CONFIG, "config", 78, 500)          /* the configuration is wrong */                                        \
    X(ERR_LIMIT, "limit", 65, 413)            /* an input is larger than its limit */                                 \
    X(ERR_CANCELLED, "cancelled", 75, 499)    /* somebody stopped it */

enum err_code {
#define X(code, name, exit, http) code,
    ERR_CODES(X)
#undef X
    ERR_CODE_MAX
};

struct err {
    enum err_code code;
    int os;         /* errno where the kernel said why, else 0 */
    bool retryable; /* trying again later may work: timeouts and unavailable servers */
    char message[768];
    char hint[384];
};

/* All return false, so that a failing function can `return err_set(...)`. err may be NULL where the caller wants no reason. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool err_os(struct err *err, int os, const char *fmt, ...) PRINTF_LIKE(3, 4); /* appends ": strerror" */
bool err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);     /* "prefix: message" */
bool err_hint(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The false is said here once more, where compilers and analyzers see it: whoever was told true got what was asked for. */
#define err_set(...) __extension__({ (err_set)(__VA_ARGS__); false; })
#define err_os(...) __extension__({ (err_os)(__VA_ARGS__); false; })
#define err_prefix(...) __extension__({ (err_prefix)(__VA_ARGS__); false; })
#define err_hint(...) __extension__({ (err_hint)(__VA_ARGS__); false; })

const char *err_code_name(enum err_code code);
int err_exit_status(enum err_code code);
int err_http_status(enum err_code code);
