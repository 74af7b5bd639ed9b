/* judge/judge.h -- Results to verdicts: streaks, freshness, and the doubt about an observer that sees nothing at all. Pure. */
#pragma once
#include "model/config.h"
#include "model/record.h"

struct judge;

struct judge *judge_open(struct arena *arena, const struct config *config);
/* One result. Returns the number of verdicts that turned, at most JUDGE_TURNS, written to `turned` (the fed check; or several when the
   observer's blindness begins or ends). A first result counts alone: unknown turns at once to up or warning; to down only after `fall`, or by one that is certain. */
enum { JUDGE_TURNS = 64 };
size_t judge_feed(struct judge *judge, const struct result *result, struct verdict turned[JUDGE_TURNS]);
/* Verdicts that have gone stale by `now` turn unknown. */
size_t judge_age(struct judge *judge, int64_t now_ms, struct verdict turned[JUDGE_TURNS]);
int64_t judge_next_ms(const struct judge *judge); /* core time at which judge_age may next find something; TIME_NEVER */
/* The verdict about a check now; state UNKNOWN when nothing is known. */
struct verdict judge_now(const struct judge *judge, const char *service, const char *check);
/* Are all checks with a known verdict of this service down at once, across at least two sites and three checks? Then the fault is more
   likely ours: verdicts are reported as unknown, and nothing is opened on their account. */
bool judge_blind(const struct judge *judge, const char *service);
/* Takes a verdict up from outside; with state UNKNOWN, only the proof of life that must outlive a restart. */
void judge_restore(struct judge *judge, const struct verdict *verdict);
