"""What people and programs do to a controller at the worst moment: each test was written for a way in which it once failed."""
from __future__ import annotations

import os
import re
import resource
import signal
import subprocess

import faults
import procs
from drive import Bascule, miscounted
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


def test_a_person_does_not_make_two_writers(bascule: Bascule) -> None:
    """`traffic switch` by hand while production lives is refused, and says what to do instead."""
    lab = bascule.lab
    done = bascule.run("traffic", "switch", "dr")
    assert done.returncode == 1 and "may still take writes" in done.stderr and "failover" in done.stderr and "--force" in done.stderr
    assert lab.served_by() == "production"
    bascule.ok("traffic", "switch", "dr", "--force")
    assert lab.served_by() == "dr"
    assert bascule.run("traffic", "undo").returncode == 1, "dr takes writes now"
    bascule.ok("traffic", "undo", "--force")
    wait_until("the users on production again", 10, lambda: lab.served_by() == "production")


def test_an_undo_does_not_lead_to_a_dead_site(bascule: Bascule) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    bascule.ok("failover", timeout=120)
    assert bascule.rows("notice") and miscounted(bascule) == [], "the last messages are out before the command ends"
    done = bascule.run("traffic", "undo", "--force")
    assert done.returncode == 1 and "cannot be taken back" in done.stderr, done.stderr
    wait_until("the users on dr", 5, lambda: lab.served_by() == "dr")
    assert bascule.run("service", "start", "production.database").returncode == 1 and not lab.postmaster("production")


def test_a_journal_that_takes_nothing_more_ends_the_controller_with_a_reason(bascule: Bascule) -> None:
    """Its next life finishes the work: nothing was done that is not on record."""
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    room = (lab.folder / "state" / "journal.db-wal").stat().st_size + 40_000
    resource.prlimit(bascule.controller.pid, resource.RLIMIT_FSIZE, (room, room))
    faults.cannot_restart(lab)
    assert bascule.controller.wait(60) > 0, "an exit status of its own, and no signal"
    assert "the journal took no record" in bascule.log.read_text()
    bascule.controller = None
    bascule.serve()
    bascule.resolved(RESOLVED_S)
    assert lab.served_by() == "dr"
    assert len([r for r in bascule.rows("run") if r["text"].startswith("restore ")]) == 1
    bascule.verify()
