/* act/report.h -- How a child process tells its parent what it does: JSON lines on the descriptor named by $BASCULE_REPORT_FD.
     {"t":"begin","pid":4711,"start":880123}
     {"t":"progress","done":1200,"total":5000,"eta_ms":130000,"spent_ms":300000,"rto_ms":900000,"text":"payments"}
     {"t":"fact","name":"restored-rows","value":"120456"}
     {"t":"result","outcome":"success","text":"nginx sends requests to dr"}
   The last line is the result; it is synced to disk before the process ends. Without the variable, progress is shown on a terminal. */
#pragma once
#include "model/record.h"

enum { REPORT_LINE_MAX = 64 * 1024 }; /* bytes of one line; a longer one is not ours */

struct report;
struct report *report_open(void);  /* from the environment, which it then forgets: children of ours do not report for us */
struct report *report_quiet(void); /* tells nobody; keeps facts and the result */
void report_close(struct report **report);
void report_progress(struct report *report, int64_t done, int64_t total, const char *fmt, ...) PRINTF_LIKE(4, 5); /* total 0: unknown */
/* What follows is set against it: the progress says whether it will be met. `spent_ms` has gone by of it already. */
void report_objective(struct report *report, int64_t rto_ms, int64_t spent_ms);
void report_fact(struct report *report, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Each fact is told there too, NULL: no more. */
void report_tell(struct report *report, void (*told)(void *arg, const char *name, const char *value), void *arg);
void report_result(struct report *report, enum outcome outcome, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* What was reported so far, the newest value of each name, for the answer a person gets. */
struct report_fact {
    const char *name, *value;
};
size_t report_facts(const struct report *report, const struct report_fact **ret);
const char *report_fact_value(const struct report *report, const char *name); /* NULL: none of that name */

struct report_line {
    enum { REPORT_PROGRESS, REPORT_FACT, REPORT_RESULT, REPORT_BEGIN } kind;
    int64_t done, total;
    int64_t eta_ms, spent_ms, rto_ms; /* -1, 0, 0 when not known, as eta_say takes them */
    enum outcome outcome;
    int64_t pid, start;           /* REPORT_BEGIN: the process, and its start time in clock ticks since boot (0: unknown) */
    char name[MODEL_ID_SIZE];
    char text[MODEL_TEXT_SIZE];
};
MUST_USE bool report_parse(struct str line, struct report_line *ret, struct err *err);
/* The line with its newline, as report_open's process would write it. */
void report_begin_line(struct buf *out, int64_t pid, int64_t start);
