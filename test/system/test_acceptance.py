"""The twenty checks of docs/failover.md that no other test shows, and that each of its rows names tests that are there."""
from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from conftest import ROOT
from procs import command_line, identify, send, wait_until
from test_agent import BIN, Agent
from test_lease import TTL_S, Pair, lease_by
from test_takeover import First, Session, Streaming

SOON_S = 30


@pytest.fixture
def agent(program: Path) -> Iterator[Agent]:
    made = Agent(program)
    yield made
    send(filter(None, map(identify, made.postgres())), signal.SIGCONT)
    made.close()


@pytest.fixture
def pair(program: Path) -> Iterator[Pair]:
    made = Pair(program)
    yield made
    made.close()


@pytest.fixture
def streaming(program: Path) -> Iterator[Streaming]:
    made = Streaming(program)
    yield made
    made.close()


def one_of(agent: Agent, what: str) -> int:
    """The process of a server that says in its title what it is."""
    return wait_until(f"the {what}", SOON_S, lambda: next((pid for pid in agent.postgres() if what in command_line(pid)), None))


# ---- 5: every process frozen ----


def test_05_a_frozen_postmaster_is_hung_though_open_sessions_go_on(agent: Agent) -> None:
    """Who is served already notices nothing; nobody new gets in. Only a probe that connects anew sees it."""
    agent.run()
    agent.is_("primary")
    with subprocess.Popen([BIN / "psql", "-XAtq", "-h", agent.folder, "-U", "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin and session.stdout
        session.stdin.write("select 1;\n")
        session.stdin.flush()
        assert session.stdout.readline() == "1\n"
        began = time.monotonic()
        os.kill(agent.postmaster, signal.SIGSTOP)
        told = agent.is_("hung", SOON_S)
        print(f"hung {time.monotonic() - began:.1f} s after it was frozen")
        assert "no new connection" in told["why"] and agent.ask("/primary")[0] == 503
        session.stdin.write("select 2;\n")
        session.stdin.flush()
        assert session.stdout.readline() == "2\n"
        os.kill(agent.postmaster, signal.SIGCONT)
        assert agent.is_("primary", SOON_S)["restarts"] == 0


def test_05_what_is_frozen_and_keeps_nobody_from_writing_is_told_by_name(agent: Agent) -> None:
    """No probe sees it, since no client does: the service goes on, and the state says who stands still."""
    agent.run()
    agent.is_("primary")
    assert agent.state()["stopped"] == 0
    agent.sql("create table kept (n int)")
    with subprocess.Popen([BIN / "psql", "-XAtq", "-h", agent.folder, "-U", "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdin and session.stdout
        session.stdin.write("select pg_backend_pid();\n")
        session.stdin.flush()
        frozen = {"checkpointer": one_of(agent, "checkpointer"), "walwriter": one_of(agent, "walwriter"), "session": int(session.stdout.readline())}
        began = time.monotonic()
        for pid in frozen.values():
            os.kill(pid, signal.SIGSTOP)
        told = wait_until("all of them to be told", SOON_S, lambda: (lambda told: told if told["stopped"] == len(frozen) else None)(agent.state()))
        print(f"told {time.monotonic() - began:.1f} s after they were frozen: {told['why']}")
        assert all(f"{name} (pid {pid})" in told["why"] for name, pid in frozen.items()), told
        assert told["pg"] == "primary" and told["restarts"] == 0 and agent.ask("/primary")[0] == 200
        agent.sql("insert into kept values (1)")
        for pid in frozen.values():
            os.kill(pid, signal.SIGCONT)
        told = wait_until("none to be told", SOON_S, lambda: (lambda told: told if told["stopped"] == 0 else None)(agent.state()))
        assert told["pg"] == "primary" and "stopped" not in told["why"] and agent.sql("select n from kept") == "1"
        session.stdin.close()


# ---- 6 and 7: the disk ----


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diskshim")
    folder.chmod(0o755)
    for parent in list(folder.parents)[:3]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o055)  # the server runs as another user
    path = folder / "diskshim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(path), str(ROOT / "test/system/diskshim.c"), "-ldl"], check=True)
    return path


class Disk:
    """An agent whose PostgreSQL has a disk that can stall, and be full."""

    def __init__(self, agent: Agent, shim: Path) -> None:
        self.agent, self.folder = agent, agent.folder / "disk"
        self.folder.mkdir(mode=0o755)
        programs = agent.folder / "bin"
        programs.mkdir(mode=0o755)
        (programs / "postgres").write_text(f'#!/bin/sh\nexec env LD_PRELOAD={shim} DISK_FAULT={self.folder} {BIN}/postgres "$@"\n')
        (programs / "postgres").chmod(0o755)
        agent.config.write_text(agent.config.read_text().replace("agent: {", f"agent: {{pg_bindir: {programs}, ", 1))
        agent.configure("fsync = on\nwal_recycle = off\nwal_init_zero = on")

    def becomes(self, what: str) -> None:
        (self.folder / what).touch()

    def is_well(self, what: str) -> None:
        (self.folder / what).unlink()


@pytest.fixture
def disk(agent: Agent, shim: Path) -> Disk:
    return Disk(agent, shim)


def test_06_a_stalled_disk_is_seen_by_the_write_and_the_agent_never_waits_for_it(agent: Agent, disk: Disk) -> None:
    agent.run()
    agent.is_("primary")
    began = time.monotonic()
    disk.becomes("stalled")
    told = agent.is_("stalled", SOON_S)
    print(f"stalled {time.monotonic() - began:.1f} s after the disk did")
    assert "commits nothing" in told["why"] and told["restarts"] == 0 and agent.ask("/primary")[0] == 503
    began = time.monotonic()
    assert agent.ask("/health")[0] == 503 and time.monotonic() - began < 2, "who asks is answered at once"
    disk.is_well("stalled")
    assert agent.is_("primary", SOON_S)["restarts"] == 0


def test_06_one_whose_disk_stalls_is_ended_with_proof(agent: Agent, disk: Disk) -> None:
    agent.run()
    agent.is_("primary")
    disk.becomes("stalled")
    agent.is_("stalled", SOON_S)
    status, answer = agent.order("/v1/stop", mode="immediate")
    assert status == 200 and answer["stopped"] is True and not agent.postgres()


def test_07_a_full_disk_under_the_wal_is_named_and_left_to_people(agent: Agent, disk: Disk) -> None:
    agent.run()
    agent.is_("primary")
    agent.sql("create table kept (n int); insert into kept values (7)")
    disk.becomes("full")
    subprocess.run([BIN / "psql", "-XAtq", "-h", agent.folder, "-U", "postgres", "-c", "select pg_switch_wal(); insert into kept select generate_series(1, 1000)"],
                   capture_output=True, timeout=60)
    told = agent.is_("crashed", SOON_S)
    assert told["cause"] == "disk-full" and "No space left" in told["why"], told
    disk.is_well("full")
    assert agent.order("/v1/start")[0] == 200
    agent.is_("primary", SOON_S)
    assert agent.sql("select n from kept where n = 7 limit 1") == "7"


# ---- 8: cut off ----


def test_08_no_playbook_waits_for_an_agent_that_fell_silent() -> None:
    """The database of a host that is cut off may be seen to be down a moment before its agent is not heard of any more: whoever waits for the agent to be
    down then waits for ever, since unreachable is not dead."""
    waits = [line for path in (ROOT / "etc/playbooks").glob("*.yaml") for line in path.read_text().splitlines() if "until:" in line and ".agent is down" in line]
    assert waits and all(".agent is unknown" in line for line in waits), waits


# ---- 13 and 14: what must not matter ----


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forth"])
def test_14_a_wall_clock_that_is_set_changes_no_lease(pair: Pair, build: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    clock = pair.one.folder / "clock"
    clock.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(next((build / "lab").glob("*wallclock.so"))))
    monkeypatch.setenv("LAB_WALL_CLOCK", str(clock))
    monkeypatch.setenv("ASAN_OPTIONS", ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"))))
    pair.run()
    monkeypatch.undo()
    pid = pair.one.postmaster
    clock.write_text(str(hours * 3600))
    until = time.monotonic() + 2 * TTL_S
    wait_until("two lives of a lease to pass", SOON_S, lambda: pair.one.postmaster == pid and pair.one.sql("select 1") == "1" and time.monotonic() > until)
    assert lease_by(pair.one, "etcd") and pair.one.state()["pg"] == "primary"


class BootClock:
    """The clock that counts suspend, as one agent and its sentinel read it."""

    def __init__(self, agent: Agent, build: Path) -> None:
        self.file = agent.folder / "boot-clock"
        self.file.write_bytes(struct.pack("q", 0))
        asan = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        agent.environment = {"LD_PRELOAD": str(next((build / "test").glob("*bootclock.so"))), "BOOT_CLOCK": str(self.file), "ASAN_OPTIONS": asan}

    def jump(self, seconds: float) -> None:
        with open(self.file, "r+b") as file:  # in one piece, and never shorter: it is mapped
            file.write(struct.pack("q", int(seconds * 1000)))


JUMPS = pytest.mark.parametrize("seconds", [-5, 600], ids=["back", "forth"])  # what is set by a clock that goes back waits as long


@JUMPS
def test_14_a_jump_of_the_clock_that_counts_suspend_ends_a_primary(pair: Pair, build: Path, seconds: float) -> None:
    """By that clock its lease is over, or cannot be told any more; it is back with a new one."""
    clock = BootClock(pair.one, build)
    pair.run()
    old = pair.one.postmaster
    began = time.monotonic()
    clock.jump(seconds)
    wait_until("PostgreSQL to be ended", SOON_S, lambda: identify(old) is None)
    print(f"ended {time.monotonic() - began:.2f} s after the jump")
    told = pair.one.is_("primary", SOON_S)
    assert pair.one.postmaster != old and lease_by(pair.one, "etcd") and 0 < told["lease"]["valid_ms"] <= 2500


@JUMPS
def test_14_such_a_jump_shortens_no_wait_of_a_takeover(streaming: Streaming, build: Path, seconds: float) -> None:
    """What is left of the wait is never less than what was left before, but for the time that really passed."""
    clock = BootClock(streaming.two, build)
    streaming.run()
    session, first = Session(streaming.one), First(streaming.two)
    assert streaming.one.process
    streaming.one.process.send_signal(signal.SIGSTOP)
    with subprocess.Popen(streaming.command("promote", "dr"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as command:
        left: list[tuple[float, float, int]] = []  # asked, answered, and what was left in ms

        def waits() -> bool:
            asked, told = time.monotonic(), streaming.two.state()["takeover"]
            if told["phase"] == "waiting" and told["in_ms"] > 0:
                left.append((asked, time.monotonic(), told["in_ms"]))
            return told["phase"] not in ("none", "waiting")

        wait_until("it to wait", SOON_S, lambda: waits() or left)
        clock.jump(seconds)
        wait_until("the wait to be over", 2 * SOON_S, waits)
        over = time.monotonic()
        out, _ = command.communicate(timeout=120)
    assert command.returncode == 0, out
    asked, _, before = left[0]
    print(f"{before} ms were left before the jump, and it took {(over - asked) * 1000:.0f} ms; seen {len(left)} times")
    assert all(before - ms <= (answered - asked) * 1000 + 10 for _, answered, ms in left), left
    assert (over - asked) * 1000 + 10 >= before
    assert session.over() < first.commit(), "two wrote at the same time"
    streaming.took_over()


# ---- the table ----


def test_each_of_the_twenty_names_tests_that_are_there() -> None:
    text = (ROOT / "docs/failover.md").read_text().partition("## The twenty checks")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 21))
    for row in rows:
        named = re.findall(r"`(test/[\w./-]+)(?:::(\w+))?`", row)
        assert named or "not shown" in row, row
        for path, what in named:
            assert (ROOT / path).exists(), f"{path} is not there: {row}"
            assert not what or re.search(rf"\b{what}\b", (ROOT / path).read_text()), f"{path} has no {what}: {row}"
