/* fakes.h -- Drivers that only carry option tables, by the names of the real ones, so that whole configurations can be
   loaded here. Conditions and playbooks are judged by decide's own functions: their messages are part of what people
   read. */
#pragma once
#include "config/load.h"

extern const struct config_hooks fake_hooks;

/* Options of the fake `http` check, for looking at what was read. */
struct fake_http {
    const char *url, *path, *json;
    struct ints accept;
    int64_t slow_ms;
    int errors;
};
struct fake_smtp {
    const char *server, *user, *from;
    struct secret password;
    bool starttls;
};
