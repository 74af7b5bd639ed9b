/* sys/log.h -- Lines for the operator of the program itself, on stderr: "level message key=value". The journal is elsewhere. */
#pragma once
#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_setup(enum log_level least); /* INFO until called; the sink is the one global this program has */
/* Control characters are escaped; the line is cut at 4 KiB. Under systemd the priority prefix "<3>" is written. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_err(enum log_level level, const struct err *err); /* message, and the hint on a line of its own */
