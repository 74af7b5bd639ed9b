/* act/host.c -- Nothing here builds a shell line from data: scripts are constant, what varies travels as quoted words or on stdin. */
#include "act/host.h"

#include <errno.h>
#include <unistd.h>

#include "io/ssh.h"
#include "sys/file.h"

#include "base/banned.h"

enum { ABSENT = 44, COMPLAINT_LINES = 3, COMPLAINT_MAX = 360 };

const char *host_say(const struct host *host)
{
    return host_is_local(host) ? "this machine" : host->address;
}

struct strs host_argv(struct arena *arena, const char *const *words)
{
    struct strs ret = {0};
    for (; *words; words++)
        *vec_add(arena, &ret) = *words;
    return ret;
}

char *host_words(struct arena *arena, const struct strs *words)
{
    char *line = arena_strdup(arena, "");
    for (size_t i = 0; i < words->n; i++) {
        const char *w = words->p[i];
        bool plain = *w && strspn(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@=+,%") == strlen(w);
        line = arena_printf(arena, "%s%s%s", line, i ? " " : "", plain ? w : ssh_quote(arena, w));
    }
    return line;
}

bool host_unreachable(const struct action_ctx *ctx, const struct host *host, const struct proc_result *result, struct err *err)
{
    if (host_is_local(host) || result->end != PROC_EXITED || !ssh_transport_failed(host, result->exit_code))
        return false;
    char *why = host_last_lines(ctx->arena, result->err, 1);
    err_set(err, ERR_UNAVAILABLE, "host \"%s\" cannot be reached over ssh: %s", host->address, *why ? why : "no reason given");
    err_hint(err, "try: ssh -p %d %s%s%s true", host->port ? host->port : 22, host->user ? host->user : "", host->user ? "@" : "", host->address);
    return true;
}

bool host_run(const struct action_ctx *ctx, const struct host *host, const struct strs *words, const char *input, int64_t timeout_ms,
              struct proc_result *ret, struct err *err)
{
    struct proc_spec spec = {
        .argv = ssh_argv(ctx->arena, host, ctx->control_dir, words),
        .inherit_env = true,
        .input = input,
        .timeout_ms = timeout_ms,
        .output_max = HOST_OUTPUT_MAX,
    };
    if (!proc_run(ctx->arena, &spec, ret, err))
        return false;
    if (ret->end == PROC_NOT_STARTED)
        return err_set(err, ERR_FAILED, "%s", ret->why);
    /* ssh connects within 5 s or says so; a command that hangs on a host that answers is the command's failure, and looks the same
       from here, so it is left to the caller, who sees PROC_TIMED_OUT. */
    return !host_unreachable(ctx, host, ret, err);
}

/* ---- files ---- */

static bool run_script(const struct action_ctx *ctx, const struct host *host, const char *script, const char *path, const char *input,
                       int64_t timeout_ms, struct proc_result *ret, struct err *err)
{
    const char *words[] = {"sh", "-c", script, "sh", path, NULL};
    struct strs argv = host_argv(ctx->arena, words);
    return host_run(ctx, host, &argv, input, timeout_ms, ret, err);
}

static bool script_failed(const struct action_ctx *ctx, const struct host *host, const char *what, const char *path,
                          const struct proc_result *result, struct err *err)
{
    return err_set(err, ERR_IO, "could not %s \"%s\" on %s: %s", what, path, host_say(host), host_complaint(ctx->arena, result));
}

bool host_read(const struct action_ctx *ctx, const struct host *host, const char *path, int64_t timeout_ms, struct str *ret, struct err *err)
{
    if (host_is_local(host))
        return file_read(ctx->arena, path, HOST_OUTPUT_MAX, ret, err);
    struct proc_result result;
    if (!run_script(ctx, host, "test -e \"$1\" || exit 44; exec cat -- \"$1\"", path, NULL, timeout_ms, &result, err))
        return false;
    if (result.end == PROC_EXITED && result.exit_code == ABSENT)
        return err_set(err, ERR_NOT_FOUND, "there is no file \"%s\" on %s", path, host_say(host));
    if (!proc_ok(&result))
        return script_failed(ctx, host, "read", path, &result, err);
    if (result.out_cut)
        return err_set(err, ERR_LIMIT, "\"%s\" on %s is larger than %d bytes", path, host_say(host), HOST_OUTPUT_MAX);
    *ret = result.out;
    return true;
}

bool host_write(const struct action_ctx *ctx, const struct host *host, const char *path, const char *text, int64_t timeout_ms, struct err *err)
{
    if (host_is_local(host))
        return file_write(path, text, strlen(text), 0644, err);
    static const char script[] = "umask 022; new=$1.bascule-new; cat >\"$new\" && sync \"$new\" && mv -f -- \"$new\" \"$1\"";
    struct proc_result result;
    if (!run_script(ctx, host, script, path, text, timeout_ms, &result, err))
        return false;
    return proc_ok(&result) || script_failed(ctx, host, "write", path, &result, err);
}

bool host_remove(const struct action_ctx *ctx, const struct host *host, const char *path, int64_t timeout_ms, struct err *err)
{
    if (host_is_local(host))
        return unlink(path) == 0 || errno == ENOENT || err_os(err, errno, "could not remove \"%s\"", path);
    struct proc_result result;
    if (!run_script(ctx, host, "rm -f -- \"$1\"", path, NULL, timeout_ms, &result, err))
        return false;
    return proc_ok(&result) || script_failed(ctx, host, "remove", path, &result, err);
}

/* ---- what commands said ---- */

char *host_last_lines(struct arena *arena, struct str text, size_t count)
{
    VEC(struct str) lines = {0};
    struct str rest = text, line;
    while (str_next(&rest, '\n', &line))
        if (str_trim(line).n)
            *vec_add(arena, &lines) = str_trim(line);
    char *joined = arena_strdup(arena, "");
    for (size_t i = lines.n > count ? lines.n - count : 0; i < lines.n; i++)
        joined = arena_printf(arena, "%s%s%.*s", joined, *joined ? " | " : "", (int)MIN_OF(lines.p[i].n, 240u), lines.p[i].p);
    return joined;
}

char *host_complaint(struct arena *arena, const struct proc_result *result)
{
    char *said = host_last_lines(arena, str_trim(result->err).n ? result->err : result->out, COMPLAINT_LINES);
    size_t n = strlen(said);
    if (n > COMPLAINT_MAX)
        said += n - COMPLAINT_MAX; /* the end of it is what says why */
    return arena_printf(arena, "%s%s%s", result->why, *said ? ": " : "", said);
}
