"""The agent's unit under a real systemd, which is process 1 of namespaces of its own: what outlives a killed agent, and what a stop ends."""
from __future__ import annotations

import os
import re
import subprocess
import warnings
from pathlib import Path
from typing import Iterator, Optional

import pytest

from procs import Proc, command_line, identify, wait_until
from test_lease import Pair, lease_by

SYSTEMD = "/lib/systemd/systemd"
SOON_S = 60
# Whatever the unit wants to be there first.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user", "default")
# Nothing outside is changed: what it would write of the machine's own is read-only, and it is ended by a kill, which unmounts nothing.
BOOT = """
mount --make-rprivate /
mount -t cgroup2 cgroup "$1"
mkdir "$1/$2"
echo $$ > "$1/$2/cgroup.procs"
umount "$1"
exec unshare --fork --kill-child --pid --mount --cgroup --uts --mount-proc sh -euc '
    umount -R /sys/fs/cgroup || :
    mount -t cgroup2 cgroup /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /run
    for path in /etc /proc/sys; do mount --bind "$path" "$path"; mount -o remount,bind,ro "$path"; done
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH="$1" SYSTEMD_LOG_TARGET=null "$2" --system --unit=default.target' sh "$3" "$4"
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Systemd:
    def __init__(self, folder: Path) -> None:
        self.folder, self.units, self.group = folder, folder / "units", f"bascule-test-{os.getpid()}"
        for path in (self.units, folder / "cgroup"):
            path.mkdir(parents=True)
        for name in TARGETS:
            (self.units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
        self.process: Optional[subprocess.Popen] = None

    def boot(self) -> None:
        with open(self.folder / "boot.log", "wb") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-euc", BOOT, "sh", self.folder / "cgroup", self.group, self.units, SYSTEMD],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process = self.process
        wait_until("systemd", SOON_S, lambda: process.poll() is not None or self.ask("is-system-running").stdout.strip() in ("running", "degraded"))

    def one(self) -> int:
        """Its number here; there it is 1."""
        assert self.process
        for pid in children(self.process.pid):
            if os.readlink(f"/proc/{pid}/exe") == os.path.realpath(SYSTEMD):
                return pid
        raise ProcessLookupError("systemd does not run yet")

    def ask(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["nsenter", "-t", str(self.one()), "--mount", "--pid", "--cgroup", "systemctl", *words], capture_output=True, text=True, timeout=SOON_S)

    def ok(self, *words: str) -> str:
        done = self.ask(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def show(self, unit: str, what: str) -> str:
        return self.ok("show", "--value", "-p", what, unit)

    def close(self) -> None:
        if self.process:
            self.process.kill()  # and with it process 1, and all that it holds
            self.process.wait(30)
        clean = 'mount -t cgroup2 cgroup "$1"; [ ! -d "$1/$2" ] || find "$1/$2" -depth -type d -exec rmdir {} +'
        wait_until("its groups to be gone", SOON_S, lambda: subprocess.run(["unshare", "--mount", "sh", "-euc", clean, "sh", self.folder / "cgroup", self.group],
                                                                          capture_output=True).returncode == 0)


@pytest.fixture
def pair(program: Path) -> Iterator[Pair]:
    made = Pair(program)
    yield made
    made.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def unit_of(build: Path, program: Path, pair: Pair, systemd: Systemd) -> str:
    """The unit as it is installed, but for the program and its configuration."""
    text, count = re.subn(r"(?m)^ExecStart=\S+ -c \S+ ", f"ExecStart={program} -c {pair.one.config} ", (build / "etc" / "bascule-agent@.service").read_text())
    assert count == 1
    (systemd.units / "bascule-agent@.service").write_text(text)
    more = systemd.units / "bascule-agent@.service.d"
    more.mkdir()
    asan = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))
    (more / "test.conf").write_text(f"[Service]\nStandardError=append:{pair.one.folder}/agent.err\nEnvironment=ASAN_OPTIONS={asan}\n")
    return "bascule-agent@production.service"


def server_of(pair: Pair) -> Proc:
    """By its number here: its pid file holds the one that it has there."""
    return next(proc for proc in map(identify, pair.one.postgres()) if proc and " -D " in command_line(proc.pid))


def test_the_unit_keeps_the_agent_and_the_agent_the_server(build: Path, program: Path, pair: Pair, systemd: Systemd) -> None:
    for agent in (pair.one, pair.two):
        agent.config.write_text(agent.config.read_text().replace("    title: AKIG\n", "    title: AKIG\n    failover: {ttl: 8s}\n"))
    unit = unit_of(build, program, pair, systemd)
    systemd.boot()
    if systemd.process and systemd.process.poll() is not None:
        warnings.warn("NOT RUN: systemd cannot be process 1 of namespaces here: " + (systemd.folder / "boot.log").read_text())
        return
    pair.etcd.run()
    pair.two.run()
    systemd.ok("start", unit)
    pair.one.is_("primary", SOON_S)
    server, agent = server_of(pair), systemd.show(unit, "MainPID")

    # Killed, it is back before its lease is over, and PostgreSQL went on.
    systemd.ok("kill", "--kill-whom=main", "--signal=KILL", unit)
    wait_until("another agent", SOON_S, lambda: systemd.show(unit, "NRestarts") == "1" and systemd.show(unit, "MainPID") not in ("0", agent))
    wait_until("its lease", SOON_S, lambda: lease_by(pair.one, "etcd"))
    assert pair.one.is_("primary", SOON_S) and server_of(pair) == server
    systemd.ok("restart", unit)
    wait_until("its lease", SOON_S, lambda: lease_by(pair.one, "etcd"))
    assert pair.one.is_("primary", SOON_S) and server_of(pair) == server and systemd.show(unit, "ActiveState") == "active"

    # Stopped, it is done in order, and its lease with it: the sentinel ends PostgreSQL, and nothing is left.
    systemd.ok("stop", unit)
    assert systemd.show(unit, "ActiveState") == "inactive" and systemd.show(unit, "Result") == "success"
    wait_until("PostgreSQL to be ended by the sentinel", SOON_S, lambda: "the sentinel ended PostgreSQL" in (pair.one.folder / "agent.err").read_text())
    assert not pair.one.postgres()
    wait_until("the sentinel to be gone", SOON_S, lambda: not children(systemd.one()))
    systemd.ok("start", unit)
    pair.one.is_("primary", SOON_S)
    assert pair.one.sql("select 1") == "1"
