"""A primary lives by its lease: two agents beside real servers, a real etcd, and everything that may leave the first of them alone."""
from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Iterator

import pytest

from procs import wait_until
from test_agent import BIN, Agent

TTL_S = 3.0
CONFIGURATION = """
state_dir: {state}
etcd: {{endpoints: ["http://{etcd}:2379"]}}
channels: [{{name: log, type: log, file: {state}/notices.log}}]
contacts: [{{name: ops, ways: [{{channel: log}}]}}]
services:
  - name: akig
    title: AKIG
    sites:
      - name: production
        role: production
        agent: {{listen: "{one.address}:9346", token: {{file: {one.folder}/token}}}}
        database: {{host: {one.folder}, port: 5432, dbname: postgres, user: postgres, data_directory: {one.folder}/data}}
      - name: dr
        role: dr
        agent: {{listen: "{two.address}:9346", token: {{file: {two.folder}/token}}}}
        database: {{host: {two.folder}, port: 5432, dbname: postgres, user: postgres, data_directory: {two.folder}/data}}
    checks: [{{id: production.database, type: postgres, site: production}}]
    severities: [{{name: P1, rto: 15m, stages: [{{name: alert, after: 0s, notify: ops}}]}}]
"""


class Etcd:
    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.process: subprocess.Popen | None = None

    def run(self) -> None:
        peer, client = f"http://{self.address}:2380", f"http://{self.address}:2379"
        self.process = subprocess.Popen(["etcd", "--name", "one", "--data-dir", self.folder / "etcd", "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                                         "--initial-cluster", f"one={peer}", "--listen-client-urls", client, "--advertise-client-urls", client, "--unsafe-no-fsync"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        wait_until("etcd to answer", 20, lambda: self.ask("kv/range", key="x") is not None)

    def ask(self, what: str, **words: str) -> dict:
        body = {name: base64.b64encode(text.encode()).decode() for name, text in words.items()}
        request = urllib.request.Request(f"http://{self.address}:2379/v3/{what}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def get(self, key: str) -> dict:
        return json.loads(base64.b64decode(self.ask("kv/range", key=key)["kvs"][0]["value"]))

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None


class Pair:
    """A primary and a standby, each with its agent, and an etcd."""

    def __init__(self, program: Path) -> None:
        self.one = Agent(program)
        self.two = Agent(program, like=self.one)
        self.etcd = Etcd(self.one.folder, "127.{}.{}.{}".format(*(1 + byte % 254 for byte in os.urandom(3))))
        for agent, name in ((self.one, "production"), (self.two, "dr")):
            agent.site = name
            agent.config.write_text(CONFIGURATION.format(state=agent.folder / "state", etcd=self.etcd.address, one=self.one, two=self.two))
        standby = self.two.data / "standby.signal"  # it follows nobody, but it would never write either
        standby.touch()
        os.chown(standby, self.two.data.stat().st_uid, self.two.data.stat().st_gid)

    def run(self) -> None:
        self.etcd.run()
        self.one.run()
        self.two.run()
        self.one.is_("primary")

    def close(self) -> None:
        for agent in (self.one, self.two):
            if agent.process:
                agent.process.send_signal(signal.SIGCONT)
        self.etcd.end()
        for agent in (self.one, self.two):
            agent.close()


@pytest.fixture
def pair(program: Path) -> Iterator[Pair]:
    made = Pair(program)
    yield made
    made.close()


def ended_after(agent: Agent, began: float, seconds: float = 10) -> float:
    wait_until("PostgreSQL to be ended", seconds, lambda: not agent.postgres())
    return time.monotonic() - began


def lease_by(agent: Agent, by: str) -> bool:
    return agent.state()["lease"]["by"] == by


def test_the_first_epoch_names_production_which_holds_a_lease(pair: Pair) -> None:
    pair.run()
    told = pair.one.state()
    assert told["lease"]["by"] == "etcd" and 0 < told["lease"]["valid_ms"] <= 2500 and told["epoch"] == 1 and told["armed"] == "sentinel"
    assert pair.etcd.get("/bascule/akig/epoch")["site"] == "production"
    lease = pair.etcd.get("/bascule/akig/lease/production")
    assert lease["epoch"] == 1 and lease["armed"] == "sentinel"


def test_without_etcd_nothing_is_started(pair: Pair) -> None:
    pair.one.run()
    told = pair.one.is_("quarantined")
    assert "etcd did not answer yet" in told["why"] and not pair.one.postgres()
    pair.etcd.run()
    pair.one.is_("primary")


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_losing_etcd_changes_nothing_while_the_other_agent_answers(pair: Pair, how: str) -> None:
    pair.run()
    pid = pair.one.postmaster
    if how == "killed":
        pair.etcd.end()
    else:
        pair.etcd.signal(signal.SIGSTOP)
    wait_until("grants", 5, lambda: lease_by(pair.one, "grants"))
    until = time.monotonic() + 3 * TTL_S
    wait_until("three lives of a lease to pass", 30, lambda: pair.one.sql("select 1") == "1" and pair.one.postmaster == pid and time.monotonic() > until)
    assert lease_by(pair.one, "grants") and pair.one.state()["pg"] == "primary"
    if how == "frozen":
        pair.etcd.signal(signal.SIGCONT)
        wait_until("etcd again", 10, lambda: lease_by(pair.one, "etcd"))
        assert pair.one.postmaster == pid


def test_an_etcd_that_lost_its_data_is_as_one_that_is_gone(pair: Pair) -> None:
    pair.run()
    pid = pair.one.postmaster
    pair.etcd.ask("kv/deleterange", key="/bascule/akig/epoch")
    wait_until("grants", 5, lambda: lease_by(pair.one, "grants"))
    until = time.monotonic() + 2 * TTL_S
    wait_until("two lives of a lease to pass", 30, lambda: pair.one.sql("select 1") == "1" and pair.one.postmaster == pid and time.monotonic() > until)
    assert lease_by(pair.one, "grants")
    pair.etcd.ask("kv/put", key="/bascule/akig/epoch", value=json.dumps({"epoch": 1, "site": "production"}))
    wait_until("etcd again", 10, lambda: lease_by(pair.one, "etcd"))
    assert pair.one.postmaster == pid


def test_a_primary_that_is_alone_is_ended_in_time_and_comes_back(pair: Pair) -> None:
    pair.run()
    pair.two.end()
    began = time.monotonic()
    pair.etcd.end()
    took = ended_after(pair.one, began)
    print(f"ended {took:.2f} s after it was alone")
    assert took < TTL_S
    assert pair.one.is_("quarantined")["cause"] == "lease-lost" and pair.one.ask("/primary")[0] == 503
    pair.etcd.run()
    pair.one.is_("primary")
    assert pair.one.state()["epoch"] == 1


def move_epoch(pair: Pair) -> None:
    """As a controller does it; the sites' own agents do not ask for more than the key."""
    pair.etcd.ask("kv/put", key="/bascule/akig/epoch", value=json.dumps({"epoch": 2, "site": "dr", "by": "a test"}))


def test_an_epoch_that_names_another_ends_it_at_once_and_for_good(pair: Pair) -> None:
    pair.run()
    began = time.monotonic()
    move_epoch(pair)
    took = ended_after(pair.one, began)
    print(f"ended {took:.2f} s after the epoch had moved")
    assert took < 1.5
    told = pair.one.is_("quarantined")
    assert told["cause"] == "epoch" and told["epoch"] == 2
    pair.one.end()
    pair.one.run()  # as after a reboot
    assert "epoch 2 names site \"dr\"" in wait_until("the reason", 10, lambda: (lambda told: told["why"] if "names" in told["why"] else None)(pair.one.state()))
    assert not pair.one.postgres()


def test_an_old_primary_that_slept_over_it_never_writes(pair: Pair) -> None:
    """Etcd is gone with the epoch, and it remembers the old one; but the other agent knows better, and grants nothing."""
    pair.run()
    pair.one.end(signal.SIGKILL)
    ended_after(pair.one, time.monotonic())
    move_epoch(pair)
    wait_until("the other agent to know", 10, lambda: pair.two.state()["epoch"] == 2)
    pair.etcd.signal(signal.SIGSTOP)
    pair.one.run()
    assert pair.one.state()["epoch"] == 1 and "no lease yet" in pair.one.state()["why"]
    until = time.monotonic() + 2 * TTL_S
    while time.monotonic() < until:
        assert not pair.one.postgres() and pair.one.state()["pg"] == "quarantined"
    pair.etcd.signal(signal.SIGCONT)
    wait_until("the reason", 10, lambda: "epoch 2 names" in pair.one.state()["why"])
    assert not pair.one.postgres()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_the_sentinel_outlives_the_agent(pair: Pair, how: int) -> None:
    pair.run()
    assert pair.one.process
    began = time.monotonic()
    pair.one.process.send_signal(how)
    took = ended_after(pair.one, began)
    print(f"ended {took:.2f} s after the agent's {signal.Signals(how).name}")
    assert took < TTL_S
    pair.one.process.send_signal(signal.SIGCONT)
    if how != signal.SIGSTOP:
        pair.one.process.wait(10)
        pair.one.run()
    pair.one.is_("primary")


def test_who_starts_it_without_asking_does_not_get_far(pair: Pair) -> None:
    pair.run()
    move_epoch(pair)
    pair.one.is_("quarantined")
    guard = subprocess.run([pair.one.program, "-c", pair.one.config, "agent", "guard", "production"], capture_output=True, text=True)
    assert guard.returncode == 1 and "only its agent starts it" in guard.stderr
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen([BIN / "postgres", "-D", pair.one.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **user) as started:
        began = time.monotonic()
        started.wait(10)
        print(f"ended {time.monotonic() - began:.2f} s after its start")
    assert pair.one.is_("quarantined")["cause"] == "epoch" and not pair.one.postgres()
    assert subprocess.run([pair.two.program, "-c", pair.two.config, "agent", "guard", "dr"]).returncode == 0, "a standby may start"


def test_an_agent_that_is_back_at_once_keeps_it_running(pair: Pair) -> None:
    pair.run()
    pid = pair.one.postmaster
    pair.one.end(signal.SIGKILL)
    pair.one.run()
    until = time.monotonic() + 2 * TTL_S
    wait_until("two lives of a lease to pass", 30, lambda: pair.one.postmaster == pid and pair.one.sql("select 1") == "1" and time.monotonic() > until)
    assert lease_by(pair.one, "etcd")


def test_a_server_that_died_is_back_in_a_moment_by_a_new_lease(pair: Pair) -> None:
    pair.run()
    old, began = pair.one.postmaster, time.monotonic()
    os.kill(old, signal.SIGKILL)
    wait_until("the next one", 10, lambda: pair.one.postmaster != old and pair.one.sql("select 1") == "1")
    print(f"answered again after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 3 and lease_by(pair.one, "etcd")
