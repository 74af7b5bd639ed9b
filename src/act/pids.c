/* act/pids.c -- Read from /proc. */
#include "act/pids.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/banned.h"

struct seen {
    int pid, parent, session;
    int64_t start;
    char state;
};

/* Fields 3, 4, 6 and 22. The name before them may hold blanks and brackets. */
static bool read_stat(int pid, struct seen *ret)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *p = strrchr(text, ')');
    long long start;
    struct seen s = {.pid = pid};
    if (!p || sscanf(p + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &s.state, &s.parent, &s.session,
                     &start) != 4)
        return false;
    s.start = start;
    *ret = s;
    return true;
}

int64_t pids_start(int pid)
{
    struct seen s;
    return pid > 0 && read_stat(pid, &s) && s.state != 'Z' ? s.start : 0;
}

void pids_tree(struct arena *arena, int root, struct pids *ret)
{
    VEC(struct seen) all = {0};
    VEC(struct seen) found = {0};
    DIR *dir = opendir("/proc");
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        struct seen s;
        if (isdigit((unsigned char)e->d_name[0]) && read_stat((int)strtol(e->d_name, NULL, 10), &s) && s.state != 'Z')
            *vec_add(arena, &all) = s;
    }
    closedir(dir);
    for (size_t i = 0; i < all.n; i++)
        if (all.p[i].pid == root)
            *vec_add(arena, &found) = all.p[i];
    /* Breadth first: what was added is looked for as a parent in turn. A process has one parent, so each is added once. */
    for (size_t k = 0; k < found.n; k++) {
        struct seen parent = found.p[k];
        for (size_t i = 0; i < all.n; i++)
            if (all.p[i].parent == parent.pid && (parent.pid == root || all.p[i].session == parent.session))
                *vec_add(arena, &found) = all.p[i];
    }
    for (size_t k = 0; k < found.n; k++)
        *vec_add(arena, ret) = (struct pid_name){found.p[k].pid, found.p[k].start};
}

static bool still_there(const struct pid_name *p)
{
    return p->start && pids_start(p->pid) == p->start;
}

void pids_kill(const struct pids *pids, int signal_number)
{
    for (size_t i = 0; i < pids->n; i++)
        if (still_there(&pids->p[i]))
            kill(pids->p[i].pid, signal_number);
}

bool pids_alive(const struct pids *pids)
{
    for (size_t i = 0; i < pids->n; i++)
        if (still_there(&pids->p[i]))
            return true;
    return false;
}
