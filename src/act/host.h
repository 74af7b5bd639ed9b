/* act/host.h -- Commands and small files on the host of a site: this machine, or another over OpenSSH. */
#pragma once
#include "act/action.h"
#include "sys/proc.h"

enum { HOST_OUTPUT_MAX = 256 * 1024 };

const char *host_say(const struct host *host); /* "this machine", or its address */
/* Runs to the end. False when the command was not carried out there: it could not be executed here, or ssh failed (ERR_UNAVAILABLE).
   How a command that was carried out ended stands in *ret. `input` NULL: none. */
MUST_USE bool host_run(const struct action_ctx *ctx, const struct host *host, const struct strs *words, const char *input, int64_t timeout_ms,
                       struct proc_result *ret, struct err *err);
/* Did ssh fail, rather than the command? Then err says why. */
bool host_unreachable(const struct action_ctx *ctx, const struct host *host, const struct proc_result *result, struct err *err);
/* A file of at most HOST_OUTPUT_MAX bytes; ERR_NOT_FOUND when there is none. */
MUST_USE bool host_read(const struct action_ctx *ctx, const struct host *host, const char *path, int64_t timeout_ms, struct str *ret, struct err *err);
/* Whole or not at all: a temporary name, sync, rename. */
MUST_USE bool host_write(const struct action_ctx *ctx, const struct host *host, const char *path, const char *text, int64_t timeout_ms,
                         struct err *err);
MUST_USE bool host_remove(const struct action_ctx *ctx, const struct host *host, const char *path, int64_t timeout_ms, struct err *err);

/* "how it ended: its last lines of stderr, else of stdout" in one line, for a sentence. */
char *host_complaint(struct arena *arena, const struct proc_result *result);
/* The last `count` lines that are not empty, joined by " | ". */
char *host_last_lines(struct arena *arena, struct str text, size_t count);
/* Words as a person types them. */
char *host_words(struct arena *arena, const struct strs *words);
struct strs host_argv(struct arena *arena, const char *const *words); /* from a list ended by NULL */
