/* observe/observe.h -- The scheduler: every check at its own pace with its own deadline; one that hangs delays no other. */
#pragma once
#include "observe/check.h"

struct observe;
typedef void observe_result_fn(void *arg, const struct result *result);

/* `core_now` turns into result.at_ms. Checks of all services begin spread over their first interval, at most 10 s. A run begins at a
   multiple of the interval after the first, however long runs take; it is left out while the one before is still at work. */
struct observe *observe_open(struct loop *loop, const struct config *config, const char *control_dir, observe_result_fn *on_result, void *arg);
void observe_close(struct observe **observe);
void observe_set_clock(struct observe *observe, int64_t (*core_now)(void *arg), void *arg);
void observe_begin(struct observe *observe);  /* schedules everything */
/* Runs the named service's checks once each (all services when NULL); calls `done` when the last has reported. For `bascule status`. */
void observe_once(struct observe *observe, const char *service, const char *site, void (*done)(void *arg), void *arg);
size_t observe_count(const struct observe *observe);
