/* observe/pgwords.h -- How checks of PostgreSQL speak of a probe that failed. */
#pragma once
#include "io/pgprobe.h"
#include "observe/check.h"

/* Could no connection be made? Then a state and a sentence: not every refusal means that the server is dead. */
struct pgwords {
    enum verdict_state state;
    char text[MODEL_TEXT_SIZE];
};
struct pgwords pgwords_connection(const struct pgprobe_outcome *connection, const struct pgtarget *target, int64_t limit_ms);
/* "after 12 ms: permission denied (42501)". */
char *pgwords_failure(struct arena *arena, const struct pgprobe_outcome *outcome);
