/* cli/incident.h -- What the files of the incident command share. */
#pragma once
#include "cli/command.h"
#include "record/story.h"

extern const struct command cmd_incident;

/* Options and words after the subcommand. */
struct incident_args {
    const char *by, *playbook, *severity, *accept_loss; /* NULL: not given */
    const char *file, *owner, *due, *horizon, *ticket, *format;
    const char *say_public, *fr, *inside, *phase;
    bool all, drop, yes, hold, resume;
    struct strs words;
};

MUST_USE bool incident_number(const char *word, int64_t *ret); /* "7", "INC-7" */
int incident_open(struct cli *cli, const struct incident_args *args);
int incident_say(struct cli *cli, const struct incident_args *args);
/* ack, note, resolve, review, approve, deny, retry, escalate, certify. -1: `verb` is none of them. */
int incident_write(struct cli *cli, const struct incident_args *args); /* incident_write.c */
/* May its report be approved? What is missing is said in *err. */
MUST_USE bool incident_reviewable(struct cli *cli, struct journal *journal, const struct story *story, struct err *err);
/* "2026-12-01" (until that day ends), "2026-12-01T15:00Z", "+24h"; *ret_text is what is written down. */
MUST_USE bool incident_due(struct arena *arena, const char *text, const char **ret_text, int64_t *ret_wall_ms, struct err *err);
int incident_speak(struct cli *cli, const char *verb, const struct incident_args *args);
