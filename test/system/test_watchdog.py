"""The watchdog resets the machine when agent and sentinel are both gone while PostgreSQL may write, and never otherwise. In its place stands a
FIFO (dogshim.c), whose other end counts as softdog does and kills what runs on its machine."""
from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from procs import identify, send, wait_until
from test_agent import Agent
from test_lease import Pair
from test_takeover import sentinel_of

ROOT = Path(__file__).resolve().parents[2]


class Dog(threading.Thread):
    """The kernel's side of it, and the machine that it resets."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(daemon=True)
        self.agent, self.path = agent, agent.folder / "dog0"
        os.mkfifo(self.path, 0o600)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.seconds, self.starts, self.bites = 60, 0, 0
        self.fed, self.bit = 0.0, 0.0
        self.counts = self.over = False
        self.agent.config.write_text(self.agent.config.read_text().replace(f"{agent.folder}/token}}", f"{agent.folder}/token}}, watchdog: {self.path}"))
        self.start()

    def run(self) -> None:
        while not self.over:
            if select.select([self.fd], [], [], 0.02)[0]:
                self.take(os.read(self.fd, 4096).decode())
            elif self.counts and time.monotonic() > self.fed + self.seconds:
                self.reset()

    def take(self, said: str) -> None:
        for word in re.findall(r"T\d+;|.", said, re.S):
            if word == "V":
                self.counts = False
                continue
            if word[0] == "T":
                self.seconds = int(word[1:-1])
            self.starts += not self.counts
            self.counts, self.fed = True, time.monotonic()

    def reset(self) -> None:
        self.bites, self.counts, self.bit = self.bites + 1, False, time.monotonic()
        agent = [self.agent.process.pid] if self.agent.process else []
        send(filter(None, map(identify, [*agent, *sentinels(self.agent), *self.agent.postgres()])), signal.SIGKILL)

    def close(self) -> None:
        self.over = True
        self.join(10)
        os.close(self.fd)


def sentinels(agent: Agent) -> list[int]:
    """All of it, also those whose agent is gone: they were started with its configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(agent.config).encode() in (entry / "cmdline").read_bytes() and int(entry.name) != (agent.process.pid if agent.process else 0):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dogshim") / "dogshim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(ROOT / "test/system/dogshim.c"), "-ldl"], check=True)
    return path


@pytest.fixture
def guarded(program: Path, shim: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[Pair, Dog]]]:
    """Two agents and an etcd; the machine of the first has a watchdog."""
    made: list[tuple[Pair, Dog]] = []

    def make(ttl: str) -> tuple[Pair, Dog]:
        pair = Pair(program)
        for agent in (pair.one, pair.two):
            agent.config.write_text(agent.config.read_text().replace("    title: AKIG\n", f"    title: AKIG\n    failover: {{ttl: {ttl}}}\n"))
        made.append((pair, Dog(pair.one)))
        monkeypatch.setenv("LD_PRELOAD", str(shim))
        monkeypatch.setenv("ASAN_OPTIONS", ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"))))
        return made[-1]

    yield make
    for pair, dog in made:
        pair.close()
        send(filter(None, map(identify, sentinels(pair.one))), signal.SIGKILL)
        dog.close()


def is_armed(pair: Pair) -> bool:
    return pair.one.state()["armed"] == "both" and pair.etcd.get("/bascule/akig/lease/production")["armed"] == "both"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_machine_without_agent_and_sentinel_is_reset_in_time(guarded: Callable[[str], tuple[Pair, Dog]], how: signal.Signals) -> None:
    pair, dog = guarded("6s")
    pair.run()
    wait_until("the watchdog to be armed", 30, lambda: is_armed(pair))
    assert dog.seconds == 5 and pair.one.sql("select 1") == "1" and not dog.bites
    assert pair.one.process
    gone = [found for found in map(identify, (sentinel_of(pair.one), pair.one.process.pid)) if found]
    assert len(gone) == 2
    pair.one.process.send_signal(signal.SIGSTOP)  # it would replace its sentinel
    began = time.monotonic()
    send(gone, how)
    assert pair.one.sql("select 1") == "1", "nobody is left to end it"
    wait_until("the reset", 30, lambda: dog.bites)
    print(f"reset {dog.bit - began:.2f} s after agent and sentinel were gone")
    wait_until("the server to be gone", 10, lambda: not pair.one.postgres())
    assert dog.bit - began < 6 + 10  # the lease, and by how much a busy machine may be late; to the millisecond: watchdog_test.c
    pair.one.process.wait(10)
    pair.one.process = None


def test_whoever_dies_alone_resets_nothing_and_what_does_not_write_is_not_guarded(guarded: Callable[[str], tuple[Pair, Dog]]) -> None:
    pair, dog = guarded("20s")
    pair.run()
    wait_until("the watchdog to be armed", 30, lambda: is_armed(pair))
    pid, starts = pair.one.postmaster, dog.starts
    assert dog.seconds == 19
    for how in (signal.SIGKILL, signal.SIGSTOP):
        old = sentinel_of(pair.one)
        os.kill(old, how)
        wait_until("another sentinel", 30, lambda: sentinel_of_or_none(pair.one) not in (0, old) and is_armed(pair))
    pair.one.end(signal.SIGKILL)
    pair.one.run()  # its sentinel takes over from the one that is there
    wait_until("the watchdog to be armed again", 30, lambda: is_armed(pair))
    assert pair.one.postmaster == pid and dog.counts and dog.starts == starts, "it was never stopped in between"
    assert pair.one.order("/v1/stop", mode="immediate", epoch=1)[0] == 200
    wait_until("the watchdog to be stopped", 30, lambda: not dog.counts)
    wait_until("that to be told", 30, lambda: pair.one.state()["armed"] == "sentinel")
    assert pair.one.order("/v1/start", epoch=1)[0] == 200
    wait_until("the watchdog to be armed by another lease", 30, lambda: is_armed(pair) and dog.counts)
    assert dog.starts == starts + 1 and not dog.bites


def sentinel_of_or_none(agent: Agent) -> int:
    try:
        return sentinel_of(agent)
    except AssertionError:
        return 0


def test_without_its_watchdog_the_agent_goes_on_and_says_so(guarded: Callable[[str], tuple[Pair, Dog]]) -> None:
    pair, dog = guarded("20s")
    dog.path.rename(dog.path.with_name("elsewhere"))
    pair.run()
    told = pair.one.is_("primary")
    assert told["armed"] == "sentinel" and not dog.starts
    said = (pair.one.folder / "agent.err").read_text()
    assert "cannot be used" in said and "modprobe softdog" in said and "goes on without its watchdog" in said


def test_what_the_unit_leaves_to_it_is_enough(guarded: Callable[[str], tuple[Pair, Dog]], build: Path) -> None:
    """With the capabilities of its unit and no others: PostgreSQL is started as another user, watched, ended with proof; the watchdog fed."""
    unit = (build / "etc" / "bascule-agent@.service").read_text()
    capabilities = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", unit)[1].split()  # type: ignore[index]
    bounding = ",".join(["-all", *(f"+{name[len('CAP_'):].lower()}" for name in capabilities)])
    pair, _ = guarded("20s")
    wrapper = pair.one.folder / "bascule"
    lose = f"--inh-caps=-all --bounding-set={bounding}" if os.geteuid() == 0 else ""  # an ordinary user has none to lose
    wrapper.write_text(f'#!/bin/sh\nexec setpriv --no-new-privs {lose} {pair.one.program} "$@"\n')
    wrapper.chmod(0o755)
    pair.one.program = wrapper
    pair.run()
    wait_until("the watchdog to be armed", 30, lambda: is_armed(pair))
    assert pair.one.process
    status = Path(f"/proc/{pair.one.process.pid}/status").read_text()
    assert os.geteuid() != 0 or int(re.search(r"(?m)^CapBnd:\s*(\w+)$", status)[1], 16).bit_count() == len(capabilities)  # type: ignore[index]
    told = pair.one.order("/v1/stop", mode="immediate", epoch=1)
    assert told[0] == 200 and "no process of PostgreSQL stands in" in told[1]["evidence"] and not pair.one.postgres()
