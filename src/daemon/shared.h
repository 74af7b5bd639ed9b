/* daemon/shared.h -- What the controllers of one service tell each other through etcd: who leads, where the users are, when the machine moved them
   last, and a person's pause. Pure: values to JSON and back. */
#pragma once
#include "base/base.h"
#include "model/record.h"

struct shared_users {
    char site[MODEL_ID_SIZE];   /* that serves them; "": nobody wrote it */
    int64_t moved_ms;           /* wall; when the newest automatic failover began; 0: none is known */
};

/* What was said last counts, on whichever controller. */
struct shared_pause {
    int64_t said_ms;            /* wall; 0: nobody ever said anything */
    int64_t until_ms;           /* wall; 0: `resume` was said */
    char who[MODEL_ID_SIZE], why[MODEL_TEXT_SIZE];
};

/* `by` is the controller that writes it. */
struct str shared_leader_text(struct arena *arena, const char *by, int64_t wall_ms);
struct str shared_users_text(struct arena *arena, const struct shared_users *users, const char *by, int64_t wall_ms);
struct str shared_pause_text(struct arena *arena, const struct shared_pause *pause);
/* What is missing, or nothing that we would write, is as if it had never been said. */
void shared_leader_read(struct str text, char *by, size_t size);
void shared_users_read(struct str text, struct shared_users *ret);
void shared_pause_read(struct str text, struct shared_pause *ret);
/* Another automatic failover than the newest that `known` has; less than a second is the same one, told by two clocks. */
bool shared_users_moved_since(const struct shared_users *users, const struct shared_users *known);
/* When a person here says something at `wall_ms`: later than all that is known, whatever the clock of another controller was. */
int64_t shared_pause_said(const struct shared_pause *known, int64_t wall_ms);
