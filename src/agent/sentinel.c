/* agent/sentinel.c -- It holds nothing but its number and the name of a directory, waits for no answer, and needs no memory: what could keep it
   from acting is only what keeps every process of the machine from running. */
#include "agent/sentinel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/postmaster.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { LOOK_EVERY_MS = 20, AGAIN_MS = 100 };

/* In the mapped file. */
struct shared {
    _Atomic int64_t deadline_ms;
    _Atomic int64_t agent; /* process whose sentinel is in charge */
};

struct sentinel {
    struct shared *shared;
    pid_t pid;
    int pidfd;
};

static void nap(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / MS_SECOND, .tv_nsec = ms % MS_SECOND * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Until it is relieved, or its agent is gone and there is nothing to end. */
static void watch(struct shared *s, const char *data, int64_t budget_ms, pid_t agent)
{
    int64_t last = clock_boot_ms();
    while (atomic_load(&s->agent) == agent) {
        int64_t now = clock_boot_ms(), deadline = atomic_load(&s->deadline_ms);
        struct err err = {0};
        char evidence[512];
        if (!deadline && getppid() != agent)
            return;
        /* A clock that goes back says nothing any more of how long the lease still holds. */
        bool over = deadline && (now >= deadline + budget_ms / 4 || now < last); /* the agent has the first quarter to itself */
        last = now;
        bool ended = over && postmaster_end_now(data, budget_ms - budget_ms / 4, evidence, sizeof(evidence), &err);
        if (over && !ended && err.os == ENOENT)
            return; /* somebody has removed the data directory */
        if (ended) {
            log_line(LOG_WARNING, "the sentinel ended PostgreSQL, since the lease ran out and the agent did not evidence=\"%s\"", evidence);
            atomic_compare_exchange_strong(&s->deadline_ms, &deadline, 0); /* unless there is a new one */
        }
        nap(over ? AGAIN_MS : LOOK_EVERY_MS);
    }
}

static bool map(const char *path, struct shared **ret, struct err *err)
{
    int fd SCOPED(file_close) = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return err_os(err, errno, "could not open \"%s\"", path);
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_os(err, errno, "could not map \"%s\"", path);
    *ret = p;
    return true;
}

/* Nothing that the agent has open must be held open by it. */
static void become(struct shared *s, const char *data, int64_t budget_ms, pid_t agent)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    setsid();
    sigaction(SIGTERM, &ignore, NULL); /* what stops the agent does not stop it */
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGCHLD, &by_default, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)mlockall(MCL_CURRENT); /* where it is allowed: it must not wait for a disk to wake up */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    close_range(STDERR_FILENO + 1, ~0U, 0);
    watch(s, data, budget_ms, agent);
    _exit(0);
}

bool sentinel_open(const char *path, const char *data, int64_t budget_ms, struct sentinel **ret, struct err *err)
{
    struct shared *shared;
    if (!map(path, &shared, err))
        return false;
    pid_t agent = getpid();
    atomic_store(&shared->agent, agent);
    pid_t pid = fork();
    if (pid == 0)
        become(shared, data, budget_ms, agent);
    int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0) {
        err_os(err, errno, "could not start the sentinel");
        munmap(shared, sizeof(*shared));
        return false;
    }
    struct sentinel *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (struct sentinel){.shared = shared, .pid = pid, .pidfd = pidfd};
    *ret = s;
    return true;
}

void sentinel_close(struct sentinel **sentinel)
{
    if (!sentinel || !*sentinel)
        return;
    struct sentinel *s = TAKE(*sentinel);
    munmap(s->shared, sizeof(*s->shared));
    file_close(&s->pidfd);
    free(s);
}

void sentinel_set(struct sentinel *s, int64_t deadline_ms)
{
    atomic_store(&s->shared->deadline_ms, deadline_ms);
}

int64_t sentinel_deadline(const struct sentinel *s)
{
    return atomic_load(&s->shared->deadline_ms);
}

bool sentinel_alive(const struct sentinel *s)
{
    struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}
