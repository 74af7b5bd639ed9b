/* cli/incident.h -- What the two files of the incident command share. */
#pragma once
#include "cli/command.h"
#include "record/story.h"

extern const struct command cmd_incident;

/* Options and words after the subcommand. */
struct incident_args {
    const char *by, *playbook, *severity, *accept_loss; /* NULL: not given */
    bool all;
    struct strs words;
};

MUST_USE bool incident_number(const char *word, int64_t *ret); /* "7", "INC-7" */
int incident_open(struct cli *cli, const struct incident_args *args);
/* ack, note, resolve, review, approve, deny, retry, certify. -1: `verb` is none of them. */
int incident_speak(struct cli *cli, const char *verb, const struct incident_args *args);
