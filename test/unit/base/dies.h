/* dies.h -- Does this abort? Asked in a child, whose core is not kept. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sanitizers: what the child loses when it dies is no leak, and memory that cannot be had is NULL, as without them. */
void __lsan_disable(void) __attribute__((weak));
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Through exit, so that the child's coverage is written. */
static inline void on_abort(int number)
{
    exit(number);
}

static inline bool dies(void (*what)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, on_abort);
        close(STDERR_FILENO);
        if (__lsan_disable)
            __lsan_disable();
        what();
        _exit(0);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == SIGABRT;
}
