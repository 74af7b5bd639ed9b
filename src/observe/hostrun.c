/* observe/hostrun.c -- Local commands as they are, remote ones through a shared ssh connection. */
#include "observe/hostrun.h"

#include "io/ssh.h"

char *first_line(struct arena *arena, struct str text)
{
    struct str line;
    while (str_next(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n)
            return str_dup(arena, line);
    }
    return arena_strdup(arena, "");
}

static const struct host *host_of(const struct check *check)
{
    return check->site ? &check->site->host : NULL;
}

static void on_end(void *arg, const struct proc_result *result)
{
    struct hostrun *run = arg;
    struct check *check = &run->check;
    run->proc = NULL;
    if (result->end == PROC_NOT_STARTED) {
        check_report(check, VERDICT_UNKNOWN, "%s", result->why);
    } else if (result->end == PROC_EXITED && ssh_transport_failed(host_of(check), result->exit_code)) {
        check_report(check, VERDICT_UNKNOWN, "host \"%s\" was not reached by ssh: %s", check->site->host.address, first_line(check->arena, result->err));
    } else {
        run->done(run, result);
    }
}

void hostrun_start(struct hostrun *run, const struct strs *words, void (*done)(struct hostrun *run, const struct proc_result *result))
{
    struct check *check = &run->check;
    struct err err = {0};
    struct host here = {0};
    const struct host *host = host_of(check);
    struct proc_spec spec = {.argv = ssh_argv(check->arena, host ? host : &here, check->env->control_dir, words)};
    run->done = done;
    if (!proc_start(check->env->loop, &spec, on_end, run, &run->proc, &err))
        check_report(check, VERDICT_UNKNOWN, "%s", err.message);
}

void hostrun_cancel(struct check *check)
{
    proc_abandon(&CONTAINER_OF(check, struct hostrun, check)->proc);
}

bool hostrun_way_may_be_lost(const struct check *check)
{
    const struct host *host = host_of(check);
    return host && !host_is_local(host);
}
