"""`bascule restore --scratch --base`: a server of its own and its first base backup, also when what takes it is killed."""
from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from drive import Bascule
from procs import wait_until


class Scratch:
    """Servers that the program made in folders of a lab, and ended with the test."""

    def __init__(self, bascule: Bascule) -> None:
        self.lab, self.made = bascule.lab, []

    def folder(self) -> str:
        self.made.append(self.lab.folder / f"scratch-{len(self.made)}")
        return str(self.made[-1])

    def rows(self, folder: str) -> int:
        (socket,) = Path(folder).glob(".s.PGSQL.*[0-9]")
        done = subprocess.run(["/usr/bin/psql", "-XAtq", "-d", f"host={folder} port={socket.suffix[1:]} user=bascule dbname=akig", "-c",
                               "SELECT count(*) FROM payments"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def end(self) -> None:
        for folder in self.made:
            lines = folder / "data" / "postmaster.pid"
            if lines.exists():
                os.kill(int(lines.read_text().split("\n")[0]), signal.SIGQUIT)
                wait_until(f"the end of the server of {folder}", 30, lambda: not lines.exists())


@pytest.fixture
def scratch(bascule: Bascule) -> Iterator[Scratch]:
    scratch = Scratch(bascule)
    yield scratch
    scratch.end()


def running_as(title: bytes, word: bytes) -> list[int]:
    """Processes by their command line; not what waits to be reaped."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes()
        except OSError:
            continue
        if title in words.split(b"\0")[0] and word in words:
            found.append(int(line.parent.name))
    return found


def takers(base: Path) -> list[int]:
    """pg_basebackup, and the process of it that receives the log."""
    return running_as(b"/pg_basebackup", bytes(base))


def children(folder: str) -> list[int]:
    """Those of the server in `folder` that send its base backup."""
    postmaster = (Path(folder) / "data" / "postmaster.pid").read_text().split("\n")[0]
    return [pid for pid in running_as(b"postgres: walsender", b"") if f"\nPPid:\t{postmaster}\n" in Path(f"/proc/{pid}/status").read_text()]


def hold(base: Path, folder: str) -> list[int]:
    """Stops the senders in the midst of a base backup, so that pg_basebackup waits; what was stopped. (Were it pg_basebackup that stands still,
    the kernel would end it when its parent goes.)"""
    def held() -> list[int]:
        if not any(base.glob("*.partial")):
            return []
        for pid in children(folder):
            os.kill(pid, signal.SIGSTOP)
        return takers(base) and children(folder)
    return wait_until("a base backup that is under way", 60, held)


def signalled(pids: list[int], number: int) -> None:
    """Who has ended meanwhile needs no signal."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_server_of_its_own_has_a_base_backup(bascule: Bascule, scratch: Scratch) -> None:
    bascule.ok("backup")
    base, folder = bascule.lab.folder / "bases", scratch.folder()
    inside = bascule.run("restore", "dr", "--scratch", folder, "--base", f"{folder}/bases")
    alone = bascule.run("restore", "dr", "--base", str(base))
    assert inside.returncode == alone.returncode == 64 and "outside that of --scratch" in inside.stderr + alone.stderr, inside
    words = ("restore", "dr", "--file", str(next(bascule.lab.backups.glob("*.sql.gz"))), "--jobs", "2", "--into", "akig", "--scratch", folder, "--base", str(base))
    planned = bascule.ok(*words, "--dry-run")
    assert f'"{base}/akig_base_YYYYMMDD_HHMMSS"' in planned and not base.exists(), planned
    said = bascule.ok(*words)
    (taken,) = base.glob("akig_*")
    assert re.fullmatch(r"akig_base_\d{8}_\d{6}", taken.name) and f'its base backup, verified, is "{taken}"' in said, said
    assert (taken / "backup_manifest").exists() and list((taken / "pg_wal").glob("0*"))
    assert scratch.rows(folder) == int(bascule.lab.psql("production", "SELECT count(*) FROM payments"))


def test_a_base_backup_that_fails_is_said_and_the_server_stays(bascule: Bascule, scratch: Scratch) -> None:
    bascule.ok("backup")
    base, folder = bascule.lab.folder / "bases", scratch.folder()
    running = subprocess.Popen(bascule.argv("restore", "dr", "--scratch", folder, "--base", str(base)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=bascule.environment)
    senders = hold(base, folder)
    signalled(takers(base), signal.SIGKILL)
    signalled(senders, signal.SIGCONT)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 1, said
    assert "is restored, its server runs" in said and "it has no base backup" in said and "signal 9" in said, said
    again = re.search(r"hint: to take it once the cause is gone: (.*)", said)
    assert again and not list(base.glob("akig_*")), said
    subprocess.run(["/bin/sh", "-c", again[1]], check=True, capture_output=True, timeout=60)
    assert len(list(base.glob("akig_base_*"))) == 1
    assert scratch.rows(folder) == int(bascule.lab.psql("production", "SELECT count(*) FROM payments"))


def test_what_a_killed_run_left_is_removed_by_the_next(bascule: Bascule, scratch: Scratch) -> None:
    bascule.ok("backup")
    base, folder = bascule.lab.folder / "bases", scratch.folder()
    running = bascule.begin("restore", "dr", "--scratch", folder, "--base", str(base))
    senders = hold(base, folder)
    running.kill()
    running.wait()
    (partial,) = base.glob("akig_*")
    assert partial.suffix == ".partial"
    refused = bascule.run("restore", "dr", "--scratch", scratch.folder(), "--base", str(base))
    assert refused.returncode == 1 and "is locked by another process" in refused.stderr, refused
    assert partial.exists() and not scratch.made[-1].exists()  # it was said before anything was restored
    signalled(takers(base), signal.SIGKILL)
    signalled(senders, signal.SIGCONT)
    wait_until("the end of what took the base backup", 30, lambda: not takers(base))
    bascule.ok("restore", "dr", "--scratch", str(scratch.made[-1]), "--base", str(base))
    (taken,) = base.glob("akig_*")
    assert taken != partial and taken.suffix == ""
    assert scratch.rows(folder) == scratch.rows(str(scratch.made[-1]))
