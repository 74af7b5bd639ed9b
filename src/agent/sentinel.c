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
#include "agent/watchdog.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#include "base/banned.h"

enum { LOOK_EVERY_MS = 20, AGAIN_MS = 100, FROZEN_MS = 1000, TEND_MS = 100 };

/* In the mapped file. The sentinel only reads it, but for the one number that it puts back in the end: to write there may be to wait for a disk. */
struct shared {
    _Atomic int64_t deadline_ms;
    _Atomic int64_t agent;  /* process whose sentinel is in charge */
    _Atomic int64_t writes; /* 0: PostgreSQL does not, so no machine is reset */
    _Atomic int64_t device; /* mark of the watchdog of the agent in charge; 0: none */
};

/* Memory that an agent shares with its own sentinel, which tells there what it does. */
struct told {
    _Atomic int64_t looks;    /* one that is frozen makes none */
    _Atomic int64_t guard;    /* sentinel whose watchdog counts; 0: none does */
    _Atomic int64_t troubles; /* of the watchdog; the newest one: */
    struct err trouble;
};

struct sentinel {
    struct shared *shared;
    struct told *told;
    struct sentinel_spec spec;
    bool adopts;            /* a watchdog may have been left counting */
    pid_t pid;
    int pidfd;              /* -1: there is none */
    int64_t looks, seen_ms; /* newest count of looks, and when the agent looked at it */
    int64_t still_ms;       /* so long it did not change, of time in which the agent was awake */
    bool killed;            /* since it was frozen */
    int64_t troubles;       /* that are in the log */
};

/* What the sentinel itself goes by. */
struct duty {
    struct shared *shared;
    struct told *told;
    const struct sentinel_spec *spec;
    pid_t agent;
    int64_t deadline_ms, last_ms;
    bool back;              /* the clock went back under this deadline: what it still holds is not known */
    struct watchdog dog;
};

static void nap(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / MS_SECOND, .tv_nsec = ms % MS_SECOND * 1000000};
    (void)nanosleep(&t, NULL);
}

/* So that it is known again, never to be undone. */
static int64_t mark_of(const char *device)
{
    uint64_t mark = UINT64_C(14695981039346656037);
    for (const char *p = device; p && *p; p++)
        mark = (mark ^ (unsigned char)*p) * UINT64_C(1099511628211);
    return device ? (int64_t)(mark | 1) : 0;
}

/* The watchdog bites at the end of the budget, when PostgreSQL could not be ended, or nobody was there to do it. */
static void guard(struct duty *d, int64_t now)
{
    struct shared *s = d->shared;
    struct err err = {0};
    int64_t deadline = atomic_load(&s->deadline_ms);
    int64_t by = d->back || !atomic_load(&s->writes) || !deadline ? 0 : deadline + d->spec->budget_ms;
    if (d->back && deadline && d->dog.fd >= 0)
        return; /* it is not fed any more, and not stopped either */
    bool counts = watchdog_turn(&d->dog, now, by, LOOK_EVERY_MS, &err);
    atomic_store(&d->told->guard, counts ? getpid() : 0);
    /* The agent logs it: whoever reads the log may be slow, and is not waited for here. */
    if (err.code == ERR_NONE || d->dog.adopt_until_ms || same(err.message, d->told->trouble.message))
        return;
    d->told->trouble = err;
    atomic_fetch_add(&d->told->troubles, 1);
}

/* Does the lease run out without the agent's doing anything? Then PostgreSQL is ended here. False: there is no data directory any more. */
static bool look(struct duty *d, int64_t now, bool *ret_over)
{
    struct shared *s = d->shared;
    int64_t deadline = atomic_load(&s->deadline_ms), budget_ms = d->spec->budget_ms;
    struct err err = {0};
    char evidence[512];
    d->back = (d->back && deadline == d->deadline_ms) || now < d->last_ms;
    d->deadline_ms = deadline;
    d->last_ms = now;
    *ret_over = deadline && (now >= deadline + budget_ms / 4 || d->back); /* the agent has the first quarter to itself */
    if (!*ret_over)
        return true;
    if (!postmaster_end_now(d->spec->data, budget_ms - budget_ms / 4, evidence, sizeof(evidence), &err))
        return err.os != ENOENT; /* somebody has removed it */
    watchdog_stop(&d->dog);
    log_line(LOG_WARNING, "the sentinel ended PostgreSQL, since the lease ran out and the agent did not evidence=\"%s\"", evidence);
    atomic_compare_exchange_strong(&s->deadline_ms, &deadline, 0); /* unless there is a new one */
    return true;
}

/* Until it is relieved, or its agent is gone and there is nothing to end. */
static void watch(struct duty *d)
{
    struct shared *s = d->shared;
    bool over = false, there = true;
    while (there && atomic_load(&s->agent) == d->agent && (atomic_load(&s->deadline_ms) || getppid() == d->agent)) {
        there = look(d, clock_boot_ms(), &over);
        guard(d, clock_boot_ms());
        atomic_fetch_add(&d->told->looks, 1);
        nap(over ? AGAIN_MS : LOOK_EVERY_MS);
    }
    /* Who relieves it feeds the same one, and must not find it stopped in between. */
    if (there && atomic_load(&s->deadline_ms) && atomic_load(&s->writes) && atomic_load(&s->device) == mark_of(d->spec->watchdog))
        watchdog_leave(&d->dog);
    else
        watchdog_stop(&d->dog);
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
static void become(const struct sentinel *s, pid_t agent)
{
    struct duty duty = {.shared = s->shared, .told = s->told, .spec = &s->spec, .agent = agent, .last_ms = clock_boot_ms()};
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
    watchdog_init(&duty.dog, &watchdog_kernel, s->spec.watchdog, s->spec.watchdog_s);
    if (s->spec.watchdog && s->adopts)
        duty.dog.adopt_until_ms = duty.last_ms + s->spec.watchdog_s * MS_SECOND;
    watch(&duty);
    _exit(0);
}

static bool start(struct sentinel *s, struct err *err)
{
    pid_t agent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(s, agent);
    if (pid < 0)
        return err_os(err, errno, "could not start the sentinel");
    s->pid = pid;
    s->pidfd = pidfd_open(pid, 0);
    s->looks = atomic_load(&s->told->looks);
    s->still_ms = 0;
    s->killed = false;
    s->seen_ms = clock_boot_ms();
    if (s->pidfd >= 0)
        return true;
    err_os(err, errno, "could not watch the sentinel");
    (void)kill(pid, SIGKILL); /* ours, and not waited for yet: the number is its own */
    (void)waitpid(pid, NULL, 0);
    return false;
}

bool sentinel_open(const struct sentinel_spec *spec, struct sentinel **ret, struct err *err)
{
    struct sentinel *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (struct sentinel){.spec = *spec, .pidfd = -1};
    if (!map(spec->path, &s->shared, err)) {
        free(s);
        return false;
    }
    s->told = mmap(NULL, sizeof(*s->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->told == MAP_FAILED) {
        s->told = NULL;
        err_os(err, errno, "could not map memory");
        sentinel_close(&s);
        return false;
    }
    s->adopts = atomic_load(&s->shared->writes) != 0;
    atomic_store(&s->shared->device, mark_of(spec->watchdog)); /* before the one there is relieved, which asks for it */
    atomic_store(&s->shared->agent, getpid());
    if (!start(s, err)) {
        sentinel_close(&s);
        return false;
    }
    *ret = s;
    return true;
}

void sentinel_close(struct sentinel **sentinel)
{
    if (!sentinel || !*sentinel)
        return;
    struct sentinel *s = TAKE(*sentinel);
    munmap(s->shared, sizeof(*s->shared));
    if (s->told)
        munmap(s->told, sizeof(*s->told));
    file_close(&s->pidfd);
    free(s);
}

void sentinel_set(struct sentinel *s, int64_t deadline_ms)
{
    if (!deadline_ms)
        atomic_store(&s->shared->writes, 0);
    atomic_store(&s->shared->deadline_ms, deadline_ms);
}

void sentinel_writes(struct sentinel *s)
{
    atomic_store(&s->shared->writes, 1);
}

int64_t sentinel_deadline(const struct sentinel *s)
{
    return atomic_load(&s->shared->deadline_ms);
}

static bool is_there(const struct sentinel *s)
{
    struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
    return s->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* Before its watchdog bites, which would be for nothing while the agent is awake. */
static int64_t patience_ms(const struct sentinel *s)
{
    return s->spec.watchdog ? MIN_OF(FROZEN_MS, s->spec.watchdog_s * MS_SECOND / 2) : FROZEN_MS;
}

bool sentinel_alive(const struct sentinel *s)
{
    return is_there(s) && s->still_ms < patience_ms(s);
}

bool sentinel_guards(const struct sentinel *s)
{
    return sentinel_alive(s) && atomic_load(&s->told->guard) == s->pid;
}

void sentinel_tend(struct sentinel *s, int64_t now_ms)
{
    struct err err = {0};
    int64_t looks = atomic_load(&s->told->looks), passed = MAX_OF(now_ms - s->seen_ms, 0);
    s->still_ms = looks == s->looks ? s->still_ms + MIN_OF(passed, TEND_MS) : 0; /* when all the machine stood still, so did it */
    s->looks = looks;
    s->seen_ms = now_ms;
    int64_t troubles = atomic_load(&s->told->troubles);
    if (troubles != s->troubles)
        log_err(LOG_ERROR, &s->told->trouble);
    s->troubles = troubles;
    if (sentinel_alive(s))
        return;
    if (is_there(s)) {
        if (!s->killed)
            log_line(LOG_WARNING, "the sentinel is frozen, and is replaced pid=%d", (int)s->pid);
        s->killed = true;
        (void)pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
        return; /* it is gone at the next look */
    }
    if (s->pidfd >= 0) {
        log_line(LOG_WARNING, "the sentinel has ended, and another is started pid=%d", (int)s->pid);
        (void)waitpid(s->pid, NULL, WNOHANG);
        file_close(&s->pidfd);
    }
    s->adopts = true;
    if (!start(s, &err))
        log_err(LOG_ERROR, &err);
}
