"""Processes of the lab: known by pid and start time, so that a number that was used again is never taken for one of ours."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterable, NamedTuple, Optional, Sequence, TypeVar

T = TypeVar("T")
POLL_S, POLL_MOST_S = 0.02, 0.25


class Proc(NamedTuple):
    """A process that cannot be mistaken for another one."""

    pid: int
    start: int  # clock ticks since boot


class Timeout(AssertionError):
    """What was awaited did not come in time."""


def wait_until(what: str, seconds: float, question: Callable[[], T]) -> T:
    """The first truthy answer; Timeout, naming `what`, when there is none within `seconds`. An OSError counts as no answer. A question
    that is dear to ask is asked less often: whoever waits leaves the machine to those who are waited for."""
    end = time.monotonic() + seconds
    last: object = None
    while True:
        began = time.monotonic()
        try:
            answer = question()
            if answer:
                return answer
            last = answer
        except (OSError, subprocess.SubprocessError) as error:
            last = error
        now = time.monotonic()
        if now > end:
            raise Timeout(f"waited {seconds:g} s for {what}; last: {last!r}")
        time.sleep(min(max(POLL_S, 2 * (now - began)), POLL_MOST_S))


def stat_fields(pid: int) -> Optional[list[str]]:
    """Fields of /proc/PID/stat from the state on; None when there is no such process. The name, which may hold blanks, is left out."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


def identify(pid: int) -> Optional[Proc]:
    fields = stat_fields(pid)
    return Proc(pid, int(fields[19])) if fields and fields[0] not in "ZX" else None


def alive(proc: Proc) -> bool:
    return identify(proc.pid) == proc


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(roots: Iterable[Proc]) -> list[Proc]:
    """The roots that live, and their children, children's children and so on."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        fields = stat_fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[Proc] = []
    queue = [p.pid for p in roots if alive(p)]
    while queue:
        proc = identify(queue.pop())
        if proc and proc not in found:
            found.append(proc)
            queue += children.get(proc.pid, [])
    return found


def send(procs: Iterable[Proc], number: int) -> None:
    for proc in procs:
        if alive(proc):
            try:
                os.kill(proc.pid, number)
            except ProcessLookupError:
                pass


def reap(procs: Iterable[Proc]) -> None:
    """Our own dead children stay zombies until they are waited for; others' are no business of ours."""
    for proc in procs:
        try:
            os.waitpid(proc.pid, os.WNOHANG)
        except ChildProcessError:
            pass


def gone(procs: Iterable[Proc], seconds: float) -> bool:
    procs = list(procs)
    end = time.monotonic() + seconds
    while any(alive(p) for p in procs):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    reap(procs)
    return True


def end(procs: Iterable[Proc], patience: float = 3.0, first: int = signal.SIGTERM) -> None:
    """Ends the processes and all that they started: asks, then kills. SIGCONT lets a stopped one hear the question."""
    family = descendants(procs)
    send(family, first)
    send(family, signal.SIGCONT)
    if not gone(family, patience):
        send(family, signal.SIGKILL)
        gone(family, patience)


def mentions(folder: str, programs: Sequence[str]) -> list[Proc]:
    """Processes of `programs` that were started for a folder: it stands in their command line, or in BASCULE_LAB of their environment.
    Never this one or its parents."""
    spared = set()
    pid = os.getpid()
    while pid > 1 and (fields := stat_fields(pid)):
        spared.add(pid)
        pid = int(fields[1])
    found = [identify(pid) for pid in all_pids() if pid not in spared and _mentions(pid, folder, programs)]
    return [proc for proc in found if proc]


def _mentions(pid: int, folder: str, programs: Sequence[str]) -> bool:
    try:
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    if not any(program.startswith(p) for p in programs):
        return False
    return folder in command_line(pid) or f"BASCULE_LAB={folder}".encode() in environment
