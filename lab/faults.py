"""What may happen to a lab, each a function of the lab. FAULTS is the list that the command line and the tests use."""
from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Callable

import procs
import unit
from lab import Lab, cable


def kill_database(lab: Lab, site: str = "production") -> None:
    """kill -9 of the postmaster and all its children, as the kernel's out-of-memory killer or a power cut would."""
    main = lab.postmaster(site)
    if not main:
        raise RuntimeError(f"the database of {site} does not run")
    procs.send([main], signal.SIGSTOP)  # so that no child is born while they are counted
    family = procs.descendants([main])
    procs.send(family, signal.SIGKILL)
    if not procs.gone(family, 10):
        raise RuntimeError("the postmaster outlived SIGKILL")


def restartable(lab: Lab) -> None:
    """Production's database dies; started again, it recovers."""
    kill_database(lab)


def cannot_restart(lab: Lab) -> None:
    """Production's database dies and its control file is lost: no start will ever succeed."""
    control = lab.folder / "production" / "data" / "global" / "pg_control"
    main = lab.postmaster("production")
    if not main:
        raise RuntimeError("the database of production does not run")
    # Before the kill, so that nobody can restart it in between; a running server does not read it.
    control.rename(control.with_name("pg_control.lost"))
    kill_database(lab)


def _cable(lab: Lab, state: str) -> None:
    if not lab.state.get("hosts"):
        raise RuntimeError("production has no host of its own in this lab, so it cannot be cut off")
    inside = unit.on_host(lab.state, "production")
    subprocess.run([*inside, "ip", "link", "set", cable(lab.net)[1], state], check=True, capture_output=True)


def cut(lab: Lab) -> None:
    """The cable of production's host is pulled: everything on it goes on, and nobody reaches it any more."""
    _cable(lab, "down")


def uncut(lab: Lab) -> None:
    _cable(lab, "up")


def sigstop(lab: Lab) -> None:
    """Production's postmaster stands still: sessions go on, new ones are accepted by the kernel and never answered."""
    procs.send([_main(lab, "production")], signal.SIGSTOP)


def sigcont(lab: Lab) -> None:
    procs.send([_main(lab, "production")], signal.SIGCONT)


def _main(lab: Lab, site: str) -> procs.Proc:
    main = lab.postmaster(site)
    if not main:
        raise RuntimeError(f"the database of {site} does not run")
    return main


def dr_down(lab: Lab) -> None:
    """DR's database stops and stays so."""
    lab.unit("dr", "db").mask()
    lab.unit("dr", "db").stop()


def dr_up(lab: Lab) -> None:
    lab.unit("dr", "db").unmask()
    lab.unit("dr", "db").start()


def stop_receiving(lab: Lab) -> None:
    """The standby's stream breaks and does not come back; what production writes from then on stays there."""
    lab.psql("dr", "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
    lab.psql("dr", "SELECT pg_reload_conf()")
    procs.wait_until("the stream to end", 10, lambda: not lab.psql("production", "SELECT 1 FROM pg_stat_replication"))


def newest_backup(lab: Lab) -> Path:
    """By the moment in its name, which is what counts: a touched old file is not new."""
    return max(lab.backups.glob("*_backup_full_*.sql.gz"), key=lambda p: p.name)


def truncate_backup(lab: Lab) -> None:
    """The newest backup loses its second half."""
    path = newest_backup(lab)
    os.truncate(path, path.stat().st_size // 2)


def empty_backup(lab: Lab) -> None:
    """The newest backup holds nothing at all."""
    os.truncate(newest_backup(lab), 0)


def break_edge(lab: Lab) -> None:
    """Somebody leaves nginx's configuration in a state that does not validate; the nginx that runs goes on."""
    path = lab.folder / "edge" / "nginx.conf"
    path.write_text(path.read_text() + "half_a_directive\n")


def repair_edge(lab: Lab) -> None:
    path = lab.folder / "edge" / "nginx.conf"
    path.write_text(path.read_text().replace("half_a_directive\n", ""))


def _receiver(receiver: str, mode: str) -> Callable[[Lab], None]:
    def set_mode(lab: Lab) -> None:
        lab.receiver_mode(receiver, mode, **({"retry_after": 3} if mode == "429" else {}))

    return set_mode


FAULTS: dict[str, Callable[[Lab], None]] = {
    "cannot-restart": cannot_restart,
    "no-standby": cannot_restart,  # in a lab that has none
    "restartable": restartable,
    "cut": cut,
    "uncut": uncut,
    "sigstop": sigstop,
    "sigcont": sigcont,
    "dr-down": dr_down,
    "dr-up": dr_up,
    "stop-receiving": stop_receiving,
    "truncate-backup": truncate_backup,
    "empty-backup": empty_backup,
    "break-edge": break_edge,
    "repair-edge": repair_edge,
    **{f"webhook-{mode}": _receiver("webhook", mode) for mode in ("ok", "500", "404", "429", "silent", "reset")},
    **{f"smtp-{mode}": _receiver("smtp", mode) for mode in ("ok", "451", "550", "silent")},
}
