"""A service with two standbys: three real servers with their agents, an etcd, and a controller that nobody helps. Whichever standby has most takes over,
the other one follows it, and where a commit waited for one of the two, nothing that was promised is lost, or nobody takes over."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

from drive import row_of
from procs import wait_until
from test_agent import BIN, Agent
from test_lease import Etcd
from test_takeover import Session, sentinel_of

SOON_S = 60
SITES = {"production": "production", "a": "dr", "b": "dr"}
PLAYBOOK = """
playbook: lost
title: The primary is lost
severity: P1
rto: 15m
opens_when: active.agent is unknown and active.database is down or active.agent is down and active.database is down
resolved_when: standby.agent is up
hold: 1s
steps:
  - {id: promote, do: promote standby, budget: 2m, until: standby.agent is up}
"""


class Trio:
    """A primary and two standbys that stream from it, none of them through a slot."""

    def __init__(self, program: Path) -> None:
        self.members = {name: Agent(program) for name in SITES}
        self.one, self.a, self.b = self.members.values()
        self.etcd = Etcd(self.one.folder, "127.{}.{}.{}".format(*(1 + byte % 254 for byte in os.urandom(3))))
        self.controller: Optional[subprocess.Popen] = None
        self.folder = self.one.folder / "person"
        (self.folder / "state").mkdir(parents=True)
        for standby in (self.a, self.b):
            self._copy(standby)
        for name, agent in self.members.items():
            agent.site = name
            agent.config.write_text(self._configuration(agent.folder / "state"))
        self.config = self.folder / "bascule.yaml"
        (self.folder / "lost.yaml").write_text(PLAYBOOK)
        self.config.write_text(self._configuration(self.folder / "state", playbooks=["lost.yaml"]))

    def _copy(self, standby: Agent) -> None:
        subprocess.run(["rm", "-rf", standby.data], check=True)
        subprocess.run(["cp", "-a", self.one.data, standby.data], check=True)
        standby.configure(f"unix_socket_directories = '{standby.folder}'\nwal_retrieve_retry_interval = 200ms\n"
                          f"primary_conninfo = 'host={self.one.folder} user=postgres application_name={next(n for n, m in self.members.items() if m is standby)}'")
        signal_file = standby.data / "standby.signal"
        signal_file.touch()
        owner = standby.data.stat()
        os.chown(signal_file, owner.st_uid, owner.st_gid)

    def _configuration(self, state: Path, **more: Any) -> str:
        sites = [{"name": name, "role": role, "agent": {"listen": f"{m.address}:9346", "token": {"file": f"{m.folder}/token"}},
                  "database": {"host": str(m.folder), "port": 5432, "dbname": "postgres", "user": "postgres", "data_directory": str(m.data)}}
                 for (name, role), m in zip(SITES.items(), self.members.values())]
        checks: list[dict] = [{"id": f"{name}.agent", "type": "agent", "site": name, "interval": "500ms", "timeout": "5s", "fall": 2} for name in SITES]
        checks.append({"id": "production.database", "type": "postgres", "site": "production", "interval": "500ms", "timeout": "8s", "fall": 2, "connect_timeout": "5s"})
        checks += [{"id": f"{name}.replication", "type": "replication", "site": name, "interval": "1s"} for name in ("a", "b")]
        return json.dumps({"state_dir": str(state), "etcd": {"endpoints": [f"http://{self.etcd.address}:2379"]},
                           "channels": [{"name": "log", "type": "log", "file": str(state.parent / "notices.log")}], "contacts": [{"name": "ops", "ways": [{"channel": "log"}]}],
                           "services": [{"name": "akig", "title": "AKIG", "replication": {"user": "postgres", "max_loss": 16}, "sites": sites, "checks": checks,
                                         "severities": [{"name": "P1", "rto": "15m", "stages": [{"name": "alert", "after": "0s", "notify": ["ops"]}]}], **more}]})

    def run(self, sync: str) -> None:
        self.etcd.run()
        self.one.run()
        self.one.is_("primary")
        for standby in (self.a, self.b):
            standby.run()
        for name in ("a", "b"):
            wait_until(f"\"{name}\" to stream", SOON_S, lambda: self.streams(self.one, name))
        for agent in self.members.values():  # a standby has the settings of its primary
            agent.configure(f"synchronous_standby_names = '{sync}'")
            agent.sql("select pg_reload_conf()")
        wait_until("the primary to say for whom it waits", SOON_S, lambda: self.etcd.get("/bascule/akig/lease/production").get("sync") == sync)

    @staticmethod
    def streams(primary: Agent, name: str) -> bool:
        return primary.sql(f"select state from pg_stat_replication where application_name = '{name}'") == "streaming"

    def serve(self) -> None:
        with open(self.folder / "serve.log", "ab") as log:
            self.controller = subprocess.Popen([self.one.program, "-c", self.config, "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for check in [f"{name}.agent" for name in SITES] + ["production.database"]:
            wait_until(f"{check} to be up", SOON_S, lambda: any(r["subject"] == check and r.get("number", 0) in (1, 2) for r in self.rows("verdict")))

    def rows(self, kind: str) -> list[dict]:
        done = self.bascule("journal", "show", "--json", quiet=True)
        return [r for r in map(row_of, done.stdout.splitlines()) if r["kind"] == kind] if done.returncode == 0 else []

    def facts(self) -> dict[str, str]:
        return {r["subject"]: r.get("text") or str(r.get("number", "")) for r in self.rows("fact")}

    def bascule(self, *words: str, quiet: bool = False) -> subprocess.CompletedProcess:
        done = subprocess.run([self.one.program, "-c", self.config, *words], capture_output=True, text=True, timeout=120)
        if not quiet:
            print(words, done.returncode, done.stdout, done.stderr)
        return done

    def epoch(self) -> dict:
        return self.etcd.get("/bascule/akig/epoch")

    def close(self) -> None:
        if self.controller:
            self.controller.kill()
            self.controller.wait(10)
            print((self.folder / "serve.log").read_text())
        for agent in self.members.values():
            if agent.process:
                agent.process.send_signal(signal.SIGCONT)
        self.etcd.end()
        for agent in self.members.values():
            agent.close()


@pytest.fixture
def trio(program: Path) -> Iterator[Trio]:
    made = Trio(program)
    yield made
    made.close()


def receives_no_more(standby: Agent) -> None:
    standby.sql("alter system set primary_conninfo = 'host=/nowhere'")
    standby.sql("select pg_reload_conf()")
    wait_until("it to receive nothing", SOON_S, lambda: standby.sql("select count(*) from pg_stat_wal_receiver") == "0")


def machine_is_gone(agent: Agent) -> None:
    assert agent.process
    sentinel = sentinel_of(agent)
    agent.process.send_signal(signal.SIGSTOP)
    os.kill(sentinel, signal.SIGKILL)
    agent.end(signal.SIGKILL)
    for pid in agent.postgres():
        os.kill(pid, signal.SIGKILL)
    wait_until("its server to be gone", SOON_S, lambda: not agent.postgres())


def stored(agent: Agent) -> set[int]:
    return {int(n) for n in agent.sql("select n from by_session").split()}


def test_the_standby_that_has_most_takes_over_by_itself_and_the_other_follows(trio: Trio) -> None:
    """"a" stands first in the file and fell behind; what was promised since only "b" has. Both are compared, which is what the quorum asks."""
    assert trio.bascule("config", "check").returncode == 0
    trio.run("ANY 1 (a, b)")
    session = Session(trio.one)
    receives_no_more(trio.a)
    seen = len(session.promised)
    wait_until("promises that only one of them has", SOON_S, lambda: len(session.promised) > seen + 20)
    trio.serve()
    for name in ("a", "b"):
        promote = next(w for w in json.loads(trio.bascule("options", "--to", name, "--json").stdout)["ways"] if w["way"] == "promote")
        assert "had to be compared" not in promote["why"], promote["why"]
    machine_is_gone(trio.one)
    session.over()
    wait_until("the more advanced one to write", SOON_S, lambda: trio.b.state()["pg"] == "primary")
    assert trio.epoch()["site"] == "b" and trio.a.sql("select pg_is_in_recovery()") == "t"
    wait_until("the other one to follow it", SOON_S, lambda: trio.streams(trio.b, "a"))
    have = stored(trio.b)
    assert [n for n, _ in session.promised if n not in have] == []
    wait_until("the incident to be over", SOON_S, lambda: any(r.get("number") == 4 for r in trio.rows("incident.state")))
    users = wait_until("it to be told to the next leader", SOON_S, lambda: "moved_ms" in (active := trio.etcd.get("/bascule/akig/active")) and active)
    assert 0 <= users["wall_ms"] - users["moved_ms"] < 60_000
    told = trio.facts()
    assert told["promote.site"] == "b" and "waited for 1 of 2 standbys (ANY 1 (a, b))" in told["promote.votes"] and '"a", "b"' in told["promote.votes"]
    assert trio.b.sql("show synchronous_standby_names") == "ANY 1 (a, b)", "its commits wait as before"
    trio.b.sql("create table after_it (n int)")
    wait_until("the change to arrive", SOON_S, lambda: trio.a.sql("select count(*) from pg_class where relname = 'after_it'") == "1")
    wait_until("the check to find whom it follows now", SOON_S, lambda: any(r["subject"] == "a.replication" and 'behind "b"' in r["text"] for r in trio.rows("verdict")))


def test_without_one_of_the_voters_a_person_decides(trio: Trio) -> None:
    """Only "a" has what was promised last, and its machine is gone with the primary's: that it has nothing more than "b" cannot be known."""
    trio.run("ANY 1 (a, b)")
    session = Session(trio.one)
    receives_no_more(trio.b)
    seen = len(session.promised)
    wait_until("promises that only one of them has", SOON_S, lambda: len(session.promised) > seen + 20)
    machine_is_gone(trio.one)
    machine_is_gone(trio.a)
    session.over()
    said = trio.bascule("promote", "b", "--dry-run")
    assert said.returncode == 0 and 'as the standbys answer now, commits of "production" waited for 1 of 2' in said.stdout and "--allow-data-loss YOUR-NAME" in said.stdout
    promote = next(w for w in json.loads(trio.bascule("options", "--to", "b", "--json").stdout)["ways"] if w["way"] == "promote")
    assert not promote["possible"] and "2 of these had to be compared" in promote["why"] and "a person must accept that" in promote["why"]
    blocked = trio.bascule("promote", "b")
    assert blocked.returncode == 2 and "waited for 1 of 2 standbys (ANY 1 (a, b)), and 2 of these had to be compared: \"b\"" in blocked.stderr
    assert "promote b --allow-data-loss YOUR-NAME" in blocked.stderr and trio.epoch()["epoch"] == 1 and trio.b.sql("select pg_is_in_recovery()") == "t"
    done = trio.bascule("promote", "b", "--allow-data-loss", "ana")
    assert done.returncode == 0 and "promote.loss_accepted_by: ana" in done.stdout and 'promote.left: site "a" was not compared' in done.stdout
    trio.b.sql("create table after_it (n int)")
    have = stored(trio.b)
    assert [n for n, _ in session.promised if n not in have] != [], "what was accepted is what was lost"
    trio.a.run()  # its machine is back: it has more than the new primary, and stays a standby that says so
    log = trio.a.folder / "state" / "agent" / "akig.a.log"
    wait_until("it to find that it cannot follow", SOON_S, lambda: "forked off current database system timeline 1 before current recovery point" in log.read_text())
    assert stored(trio.a) >= {n for n, _ in session.promised}, "what only it has is kept"
    check = next(c for c in json.loads(trio.bascule("status", "--json", "a").stdout)["checks"] if c["check"] == "a.replication")
    assert check["state"] == "down" and 'it is on timeline 1 and "b" on 2' in check["text"]


def state_of(standby: Agent, helper: str) -> str:
    """Of the process of that title, as /proc tells it: "S" sleeps, "T" is stopped; "" when there is none."""
    for child in Path(f"/proc/{standby.postmaster}/task/{standby.postmaster}/children").read_text().split():
        try:
            if f": {helper}" in Path(f"/proc/{child}/cmdline").read_text():
                return Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            pass
    return ""


def test_one_that_is_compared_begins_to_receive_nothing(trio: Trio) -> None:
    """Else an old primary that is cut off from the others could have its commits acknowledged there after the comparison."""
    trio.run("")
    receives_no_more(trio.a)

    def freeze(**what: Any) -> tuple[int, dict]:
        return trio.a.order("/v1/freeze", epoch=1, **what)

    def arrives(table: str) -> None:
        trio.one.sql(f"create table {table} (n int)")
        wait_until(f"{table} to arrive", SOON_S, lambda: trio.a.sql(f"select count(*) from pg_class where relname = '{table}'") == "1")

    status, told = freeze(for_ms=60000, none_new=True)
    assert status == 200 and told["frozen"]
    # It tries to receive from nowhere all the time: a receiver that had just begun is stopped as well.
    assert state_of(trio.a, "startup") == "T" and state_of(trio.a, "walreceiver") in ("", "T")
    trio.a.sql("alter system reset primary_conninfo")
    trio.a.sql("select pg_reload_conf()")
    trio.one.sql("create table after_it (n int)")
    assert state_of(trio.a, "startup") == "T" and state_of(trio.a, "walreceiver") in ("", "T")
    assert trio.a.sql("select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())") == told["received"]
    assert freeze(for_ms=0) == (200, {"frozen": False})
    wait_until("it to stream", SOON_S, lambda: trio.streams(trio.one, "a"))
    arrives("first")
    assert freeze(for_ms=60000, none_new=True)[0] == 200
    assert state_of(trio.a, "startup") != "T" and state_of(trio.a, "walreceiver") == "T", "who receives is stopped, and what came is replayed"
    freeze(for_ms=0)
    receives_no_more(trio.a)
    assert freeze(for_ms=60000, none_new=True)[0] == 200
    trio.a.end(signal.SIGKILL)
    assert state_of(trio.a, "startup") == "T"
    trio.a.sql("alter system reset primary_conninfo")
    trio.a.sql("select pg_reload_conf()")
    trio.a.run()  # the next agent lets it go
    arrives("second")
    receives_no_more(trio.a)
    assert freeze(for_ms=300, none_new=True)[0] == 200
    trio.a.sql("alter system reset primary_conninfo")
    trio.a.sql("select pg_reload_conf()")
    arrives("third")  # after its time
