/* daemon/upkeep.h -- What the controller does on quiet days: backups every so often, the warm copy after them, and counting what a promotion lost once
   the old primary answers again. Each is a run like those of a playbook, of an incident with the number 0; the journal knows when it began, so a restart
   goes on where the last life was. */
#pragma once
#include "daemon/schedule.h"
#include "model/record.h"

struct daemon;
struct upkeep;

struct upkeep *upkeep_open(struct daemon *d); /* from the configuration; nothing is due yet */
/* Every row of the journal, also while it is replayed. */
void upkeep_event(struct upkeep *u, const struct event *event);
/* After the replay: what became of the runs that the last life left. */
void upkeep_resume(struct upkeep *u);
int64_t upkeep_next_ms(const struct upkeep *u); /* core time; TIME_NEVER */
void upkeep_start_due(struct upkeep *u);
void upkeep_stop(const struct upkeep *u, int service); /* what runs of it */
/* The service of a run of ours; NULL: it is none. */
const char *upkeep_service(const struct upkeep *u, const char *run);
/* The incident that what such a run measures belongs to, also long after its end; 0: none. */
int64_t upkeep_incident(const struct upkeep *u, const char *run);
