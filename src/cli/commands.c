/* cli/commands.c -- All commands, in the order in which help lists them. A new one adds one line here and one above. */
#include "cli/command.h"

extern const struct command cmd_checklist, cmd_report, cmd_status, cmd_watch, cmd_serve, cmd_incident, cmd_failover, cmd_playbook, cmd_runbook, cmd_backup, cmd_restore, cmd_traffic,
    cmd_fence, cmd_promote, cmd_loss, cmd_options, cmd_dr, cmd_upkeep, cmd_service, cmd_diagnose, cmd_verify, cmd_config, cmd_journal, cmd_version, cmd_help,
    cmd_switchover, cmd_failback, cmd_drill, cmd_agent, cmd_page, cmd_maintenance, cmd_pause, cmd_resume, cmd_notify, cmd_escalation, cmd_oncall;

const struct command *const commands[] = {
    &cmd_status,  &cmd_watch, &cmd_serve, &cmd_agent, &cmd_incident, &cmd_escalation, &cmd_oncall, &cmd_notify, &cmd_checklist, &cmd_report, &cmd_failover, &cmd_playbook, &cmd_runbook, &cmd_backup,  &cmd_restore, &cmd_traffic, &cmd_fence, &cmd_promote, &cmd_loss, &cmd_switchover, &cmd_failback, &cmd_drill, &cmd_options, &cmd_dr, &cmd_upkeep,
    &cmd_service, &cmd_diagnose, &cmd_verify, &cmd_page, &cmd_maintenance, &cmd_pause, &cmd_resume, &cmd_config,   &cmd_journal, &cmd_version, &cmd_help,    NULL,
};
