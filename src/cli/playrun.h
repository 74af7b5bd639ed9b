/* cli/playrun.h -- A playbook that a person starts: by the controller when one runs, else here; followed to its end. */
#pragma once
#include "cli/command.h"
#include "model/record.h"

struct playrun {
    int64_t incident;  /* 0: none was opened */
    bool resolved;     /* else it is blocked, or could not be begun */
};

typedef void playrun_row_fn(void *arg, const struct record *record);
/* `to`: where it is to lead. `why`: what stands in the journal as the cause. `each`, which may be NULL, sees every row of the incident. ERR_NOT_FOUND when the service has
   no such playbook. */
MUST_USE bool playrun_carry_out(struct cli *cli, const struct service *service, const char *playbook, const struct site *to, const char *why, playrun_row_fn *each,
                                void *arg, struct playrun *ret, struct err *err);
