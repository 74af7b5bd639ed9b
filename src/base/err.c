/* base/err.c -- Filling, prefixing and naming errors. */
#include "base/err.h"

#include "base/banned.h"

static const struct {
    const char *name;
    int exit, http;
} codes[] = {
#define X(code, name, exit, http) [code] = {name, exit, http},
    ERR_CODES(X)
#undef X
};

PRINTF_LIKE(3, 0) static void fill(struct err *err, enum err_code code, const char *fmt, va_list args)
{
    err->code = code;
    err->os = 0;
    err->retryable = code == ERR_TIMEOUT || code == ERR_UNAVAILABLE;
    err->hint[0] = 0;
    vsnprintf(err->message, sizeof(err->message), fmt, args);
}

bool (err_set)(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    fill(err, code, fmt, args);
    va_end(args);
    return false;
}

bool (err_os)(struct err *err, int os, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    fill(err, ERR_OS, fmt, args);
    va_end(args);
    err->os = os;
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof(err->message) - used, ": %s", strerror(os));
    return false;
}

bool (err_prefix)(struct err *err, const char *fmt, ...)
{
    if (!err)
        return false;
    char old[sizeof(err->message)];
    memcpy(old, err->message, sizeof(old));
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof(err->message), fmt, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof(err->message) - used, ": %s", old);
    return false;
}

bool (err_hint)(struct err *err, const char *fmt, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->hint, sizeof(err->hint), fmt, args);
    va_end(args);
    return false;
}

const char *err_code_name(enum err_code code)
{
    return code < ERR_CODE_MAX ? codes[code].name : "unknown";
}

int err_exit_status(enum err_code code)
{
    return code < ERR_CODE_MAX ? codes[code].exit : 70;
}

int err_http_status(enum err_code code)
{
    return code < ERR_CODE_MAX ? codes[code].http : 500;
}
