/* observe/hostrun.h -- A command on the host of a check's site, for the checks that judge what a program says. */
#pragma once
#include "observe/check.h"
#include "sys/proc.h"

struct hostrun {
    struct check check; /* first in the driver's struct */
    struct proc *proc;
    void (*done)(struct hostrun *run, const struct proc_result *result);
};

/* `done` gets a result whose program ran to an end of its own: exited or killed by a signal. When it could not be run, because it is
   not there or ssh could not reach the host, the check is reported UNKNOWN here: unreachable is not dead. */
void hostrun_start(struct hostrun *run, const struct strs *words, void (*done)(struct hostrun *run, const struct proc_result *result));
void hostrun_cancel(struct check *check);
bool hostrun_way_may_be_lost(const struct check *check); /* for check_ops */
/* The first line that is not blank, without control characters; "" when there is none. */
char *first_line(struct arena *arena, struct str text);
