/* backup/dumper.h -- A child process whose output is a stream of any length: blocking, in a process group of its own, killed when
   anything goes wrong on our side. sys/proc keeps output in memory up to a limit, which a dump has not. */
#pragma once
#include "base/base.h"

struct dumper_spec {
    const char *const *argv; /* ended by NULL; argv[0] is looked up in PATH */
    const char *const *env;  /* additions to PATH, HOME, USER and a C locale, ended by NULL; NULL: none */
    int64_t silence_ms;      /* stopped when it says nothing for so long, nor reads on in `input` */
    int input;               /* descriptor of a file that it reads from where it stands; 0: /dev/null */
    void (*tick)(void *arg, int64_t read_bytes); /* about once a second, where the child stands in `input`; NULL: nobody asks */
    void *tick_arg;
    int *ret_exit;           /* exit code, -1 when it did not exit by itself; NULL: not asked for */
    bool (*stop)(void *arg); /* asked now and then while it says nothing; true stops it (ERR_CANCELLED). NULL: never */
    void *stop_arg;
};

typedef bool dumper_sink_fn(void *arg, const void *data, size_t size, struct err *err); /* false stops the child */

/* False when it cannot be run, ends with anything but exit code 0 (its stderr stands in the message), or the sink said no. */
MUST_USE bool dumper_run(const struct dumper_spec *spec, dumper_sink_fn *sink, void *arg, struct err *err);

struct pgdump {
    const char *path;
    int major;
};
/* The pg_dump nearest to the server's major version and not older, in PATH or where Debian puts each version. */
MUST_USE bool pgdump_find(struct arena *arena, int server_version, struct pgdump *ret, struct err *err);
