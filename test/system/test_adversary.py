"""What people and programs do to a controller at the worst moment: each test was written for a way in which it once failed."""
from __future__ import annotations

import os
import re
import signal
import subprocess

import faults
import procs
from drive import Bascule
from procs import wait_until

RESOLVED_S = 90


def at_once(bascule: Bascule, commands: list[tuple[str, ...]]) -> list[int]:
    """The commands started together, as by several people; their exit statuses."""
    started = [subprocess.Popen(bascule.argv(*words), env=bascule.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL) for words in commands]
    return [process.wait(60) for process in started]


def test_many_people_speak_at_once(bascule: Bascule) -> None:
    """A row that comes while the controller acts upon another one is in nobody's way."""
    bascule.serve_and_settle()
    for turn in range(8):
        said = at_once(bascule, [("incident", "open", "P3", f"turn {turn}, person {i}") for i in range(4)] + [("incident", "ack")] * 2)
        assert said[:4] == [0] * 4
        assert bascule.running()
        assert bascule.run("incident", "resolve", str(turn + 1)).returncode == 0
    bascule.verify()
    assert bascule.stop() == 0


def ssh_dies(bascule: Bascule) -> None:
    """The host of production answers no more: its sshd is gone, and with it the connections that were kept open."""
    folder = bascule.lab.folder
    main = procs.identify(int((folder / "ssh" / "sshd.pid").read_text()))
    masters = [procs.identify(int(p)) for p in os.listdir("/proc")
               if p.isdigit() and str(folder) in procs.command_line(int(p)) and "[mux]" in procs.command_line(int(p))]
    procs.send([p for p in [*procs.descendants([main]), *masters] if p], signal.SIGKILL)


def test_what_is_blocked_names_the_very_command_that_unblocks(bascule: Bascule) -> None:
    """Typed as it stands in the message, it lets the failover go on; nothing was moved before."""
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    ssh_dies(bascule)
    faults.cannot_restart(lab)
    text = bascule.await_row(60, "blocked")["text"]
    assert not [r for r in bascule.rows("run") if r["text"].startswith(("restore ", "traffic "))]
    command = re.search(r"more writes: (bascule [^;]*);", text)
    assert command, text
    path = {**bascule.environment, "PATH": f"{bascule.program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command[1], shell=True, env=path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    bascule.resolved(RESOLVED_S)
    wait_until("the users on dr", 10, lambda: lab.served_by() == "dr")
    assert bascule.rows("note") or "WHAT IS LOST" in bascule.ok("incident", "timeline", "1")
