/* io/ssh.h -- Command lines for a host: as they are when it is this machine, else through OpenSSH with a shared connection. */
#pragma once
#include "base/base.h"
#include "base/target.h"

/* The argv (ended by NULL) that runs `words` on `host`. For a remote host: ssh with BatchMode, ControlMaster=auto,
   ControlPersist=60, ServerAliveInterval, ConnectTimeout=5, and every word quoted for the remote POSIX shell.
   Sockets of shared connections live in `control_dir` (made 0700 by ssh_prepare). */
const char *const *ssh_argv(struct arena *arena, const struct host *host, const char *control_dir, const struct strs *words);
MUST_USE bool ssh_prepare(const char *control_dir, struct err *err);
bool host_is_local(const struct host *host);
/* 'it'\''s': safe between blanks of any POSIX shell. */
char *ssh_quote(struct arena *arena, const char *word);
/* Did ssh itself fail (exit code 255), rather than the command? */
bool ssh_transport_failed(const struct host *host, int exit_code);
