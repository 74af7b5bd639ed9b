/* act/report.h -- How a child process tells its parent what it does: JSON lines on the descriptor named by $BASCULE_REPORT_FD.
     {"t":"progress","done":1200,"total":5000,"text":"payments"}      {"t":"fact","name":"restored-rows","value":"120456"}
     {"t":"result","outcome":"success","text":"nginx sends requests to dr"}
   The last line is the result; it is synced to disk before the process ends. Without the variable, progress is shown on a terminal. */
#pragma once
#include "model/record.h"

struct report;
struct report *report_open(void);  /* from the environment */
void report_close(struct report **report);
void report_progress(struct report *report, int64_t done, int64_t total, const char *fmt, ...) PRINTF_LIKE(4, 5); /* total 0: unknown */
void report_fact(struct report *report, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void report_result(struct report *report, enum outcome outcome, const char *fmt, ...) PRINTF_LIKE(3, 4);

struct report_line {
    enum { REPORT_PROGRESS, REPORT_FACT, REPORT_RESULT } kind;
    int64_t done, total;
    enum outcome outcome;
    char name[MODEL_ID_SIZE];
    char text[MODEL_TEXT_SIZE];
};
MUST_USE bool report_parse(struct str line, struct report_line *ret, struct err *err);
