/* act/pids.h -- Processes told apart from later ones that got the same number. */
#pragma once
#include "base/base.h"

/* Start time in clock ticks since boot, which with the number names a process for ever; 0 when there is none (or it is a zombie). */
int64_t pids_start(int pid);

struct pid_name {
    int pid;
    int64_t start;
};
struct pids {
    struct pid_name *p;
    size_t n, cap;
};
/* A process, its children, and what descends from those within their sessions. What made a session of its own deeper down is a
   daemon that was started on purpose (a postmaster below pg_ctl) and is left alone. */
void pids_tree(struct arena *arena, int root, struct pids *ret);
/* Sends a signal to each that is still the same process. */
void pids_kill(const struct pids *pids, int signal_number);
bool pids_alive(const struct pids *pids); /* is any of them? */
