"""Several controllers and one etcd: of each service one acts, the others watch, the next one takes over, and who cannot know whether it leads only watches and tells."""
from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest
from drive import Journal
from procs import wait_until

LEADS, BEHIND, UNKNOWN = 2, 1, 0
DOWN = 3

PLAYBOOK = """
playbook: gone
title: The flag is gone
severity: P1
rto: 15m
opens_when: production.flag is down
resolved_when: production.flag is up
hold: 1s
steps:
  - {id: diagnose, do: diagnose active, budget: 30s, then: {failure: next, expiry: next}}
"""


def two_ports(address: str) -> tuple[int, int]:
    with socket.socket() as a, socket.socket() as b:
        a.bind((address, 0))
        b.bind((address, 0))
        return a.getsockname()[1], b.getsockname()[1]


class Etcd:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        client, peer = two_ports("127.0.0.1")
        self.url, self.peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self.process: Optional[subprocess.Popen] = None

    def start(self) -> None:
        with open(self.folder / "etcd.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/bin/etcd", "--name", "one", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                 "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer, "--initial-cluster", f"one={self.peer}",
                 "--logger", "zap", "--log-level", "error"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("etcd to answer", 30, lambda: self.ask("range", {"key": "YQ=="}))

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, what: str, body: dict) -> dict:
        request = urllib.request.Request(f"{self.url}/v3/kv/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=2) as answer:
            return json.load(answer)

    def put(self, key: str, value: str) -> None:
        self.ask("put", {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value.encode()).decode()})

    def get(self, key: str) -> str:
        found = self.ask("range", {"key": base64.b64encode(key.encode()).decode()}).get("kvs", [])
        return base64.b64decode(found[0]["value"]).decode() if found else ""


class Controller:
    def __init__(self, program: Path, folder: Path, etcd: Etcd, flag: Path, services: tuple[str, ...]) -> None:
        self.program, self.folder = program, folder
        self.process: Optional[subprocess.Popen] = None
        self.notices, self.log, self.config = folder / "notices.log", folder / "serve.log", folder / "bascule.yaml"
        self.shown = Journal(folder / "state", [str(program), "-c", str(self.config)])
        folder.mkdir()
        (folder / "gone.yaml").write_text(PLAYBOOK)
        database = {"host": "127.0.0.1", "port": 1, "dbname": "a", "user": "a"}
        sites = [{"name": n, "role": n, "database": database} for n in ("production", "dr")]
        check = {"id": "production.flag", "type": "command", "argv": ["/bin/sh", "-c", f"test -e {flag} || exit 2"], "interval": "200ms", "timeout": "2s"}
        self.port, _ = two_ports("127.0.0.1")
        self.config.write_text(json.dumps({
            "state_dir": str(folder / "state"), "etcd": {"endpoints": [etcd.url]},
            "serve": {"listen": f"127.0.0.1:{self.port}"},
            "channels": [{"name": "log", "type": "log", "file": str(self.notices)}], "contacts": [{"name": "ops", "ways": [{"channel": "log"}]}],
            "services": [{"name": name, "title": name.upper(), "sites": sites, "checks": [check], "playbooks": [str(folder / "gone.yaml")],
                          "severities": [{"name": "P1", "rto": "15m", "stages": [{"name": "alert", "after": "0s", "notify": ["ops"]}]}]} for name in services]}))

    def serve(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(self.program), "-c", str(self.config), "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def rows(self, kind: str) -> list[dict]:
        return self.shown.rows(kind)

    def standing(self, service: str = "akig") -> Optional[int]:
        rows = [r for r in self.rows("controller.leads") if r["service"] == service]
        return rows[-1].get("number", 0) if rows else None

    def ask(self, *words: str) -> str:
        return subprocess.run([str(self.program), "-c", str(self.config), *words], capture_output=True, text=True, timeout=30).stdout

    def alert(self) -> int:
        body = json.dumps([{"labels": {"alertname": "DiskFull", "severity": "critical"}, "annotations": {"summary": "disk full"}}]).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v2/alerts", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def told(self) -> str:
        return self.notices.read_text() if self.notices.exists() else ""

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    made = Etcd(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    path = tmp_path / "flag"
    path.touch()
    return path


@pytest.fixture
def make(program: Path, tmp_path: Path, etcd: Etcd, flag: Path) -> Iterator[Callable[..., Controller]]:
    made: list[Controller] = []

    def one(name: str, *services: str) -> Controller:
        made.append(Controller(program, tmp_path / name, etcd, flag, services or ("akig",)))
        return made[-1]

    yield one
    for controller in made:
        controller.kill()
        print(controller.folder.name, controller.said(), controller.told())


def two(make: Callable[..., Controller]) -> tuple[Controller, Controller]:
    a, b = make("a"), make("b")
    a.serve()
    wait_until("a to lead", 20, lambda: a.alive() and a.standing() == LEADS)
    b.serve()
    wait_until("b to wait", 20, lambda: b.standing() == BEHIND)
    return a, b


def test_one_acts_and_the_next_takes_over_when_it_is_gone(make: Callable[..., Controller], etcd: Etcd, flag: Path) -> None:
    a, b = two(make)
    assert a.process and json.loads(etcd.get("/bascule/akig/leader"))["by"].startswith(f"process {a.process.pid} on ")
    flag.unlink()
    wait_until("a's command and message", 20, lambda: a.rows("running") and "AKIG" in a.told())
    wait_until("where the users are in etcd", 10, lambda: '"site":"production"' in etcd.get("/bascule/akig/active"))
    wait_until("b to know it too", 20, lambda: b.rows("verdict") and b.rows("verdict")[-1]["number"] == DOWN)
    assert not b.rows("incident.opened") and not b.told()
    gone = time.time()
    a.kill()
    ordered = wait_until("b's first order", 60, lambda: b.rows("run"))[0]
    leads = next(r for r in b.rows("controller.leads") if r.get("number", 0) == LEADS)
    print(f"b led {leads['wall_ms'] / 1000 - gone:.2f} s after a was killed, and gave its first order {ordered['wall_ms'] - leads['wall_ms']} ms later")
    wait_until("b's command and message", 20, lambda: b.rows("running") and "AKIG" in b.told())


def test_who_waits_says_who_leads_and_takes_no_alert(make: Callable[..., Controller], flag: Path) -> None:
    a, b = two(make)
    assert a.process
    leader = f"process {a.process.pid} on {socket.gethostname()}"
    assert b.rows("controller.leads")[-1]["text"] == leader and leader in b.said()
    assert f"another controller leads, {leader}" in b.ask("status") and "another controller" not in a.ask("status")
    assert json.loads(b.ask("status", "--json"))["leader"] == {"here": False, "who": leader} and json.loads(a.ask("status", "--json"))["leader"]["here"]
    assert b.alert() == 503 and a.alert() == 200
    wait_until("a's message", 20, lambda: "disk full" in a.told())
    assert not b.rows("alert") and not b.told()


def test_each_service_is_led_by_itself(make: Callable[..., Controller], etcd: Etcd, flag: Path) -> None:
    """Two controllers share one service of the two that each has; both act where they lead, at the same time."""
    a, b = make("a", "one", "shared"), make("b", "shared", "two")
    a.serve()
    wait_until("a to lead both of its own", 20, lambda: a.standing("one") == a.standing("shared") == LEADS)
    b.serve()
    wait_until("b to lead its other one", 20, lambda: b.standing("shared") == BEHIND and b.standing("two") == LEADS)
    flag.unlink()
    wait_until("a's commands", 20, lambda: {r["service"] for r in a.rows("running")} == {"one", "shared"})
    wait_until("b's command", 20, lambda: {r["service"] for r in b.rows("running")} == {"two"})
    assert "SHARED" not in b.told()
    a.kill()
    wait_until("b to act for both", 60, lambda: {r["service"] for r in b.rows("running")} == {"shared", "two"})
    assert json.loads(etcd.get("/bascule/shared/leader"))["by"] == json.loads(etcd.get("/bascule/two/leader"))["by"]
    assert [r["service"] for r in b.rows("incident.opened")] == ["two", "shared"], "what b had under way was not touched"


def test_a_frozen_one_steps_back_when_it_wakes(make: Callable[..., Controller], flag: Path) -> None:
    a, b = two(make)
    a.process.send_signal(signal.SIGSTOP)
    wait_until("b to lead", 25, lambda: b.alive() and b.standing() == LEADS)
    flag.unlink()
    wait_until("b's message", 20, lambda: "AKIG" in b.told())
    a.process.send_signal(signal.SIGCONT)
    wait_until("a to see it", 30, lambda: a.standing() == BEHIND)
    assert a.alive() and not a.rows("incident.opened") and not a.rows("running") and not a.told()


def test_one_that_comes_back_at_once_goes_on(make: Callable[..., Controller], flag: Path) -> None:
    a, b = two(make)
    flag.unlink()
    wait_until("a's incident", 20, lambda: a.rows("incident.opened"))
    a.kill()
    a.serve()
    wait_until("a to lead again", 8, lambda: len(a.rows("controller.started")) == 2 and len([r for r in a.rows("controller.leads") if r["number"] == LEADS]) == 2)
    assert len(a.rows("incident.opened")) == 1
    flag.touch()
    wait_until("the incident to end", 20, lambda: any(r["number"] == 4 for r in a.rows("incident.state")))
    assert b.standing() == BEHIND and not b.rows("incident.opened") and b.alive()


def test_without_etcd_it_watches_and_tells_and_begins_nothing(make: Callable[..., Controller], etcd: Etcd, flag: Path) -> None:
    a = make("a")
    a.serve()
    wait_until("a to lead", 20, lambda: a.alive() and a.standing() == LEADS)
    etcd.kill()
    wait_until("a not to know", 20, lambda: a.standing() == UNKNOWN)
    flag.unlink()
    wait_until("the message", 20, lambda: "AKIG" in a.told())
    blocked = wait_until("the step not to be begun", 10, lambda: [r for r in a.rows("outcome") if "not begun: etcd does not answer" in r["text"]])
    assert blocked[0]["incident"] == 1 and not a.rows("running")
    assert a.rows("blocked")
    etcd.start()
    wait_until("a to lead again", 20, lambda: a.alive() and a.standing() == LEADS)
    assert subprocess.run([str(a.program), "-c", str(a.config), "incident", "retry", "1"], timeout=30).returncode == 0
    wait_until("the command", 20, lambda: a.rows("running"))


def test_one_that_waits_begins_to_watch_when_etcd_is_gone(make: Callable[..., Controller], etcd: Etcd, flag: Path) -> None:
    a, b = two(make)
    etcd.kill()
    a.kill()  # now nobody would watch
    wait_until("b to watch", 25, lambda: b.alive() and b.standing() == UNKNOWN)
    flag.unlink()
    wait_until("the message", 20, lambda: "AKIG" in b.told())
    assert not b.rows("running")
    etcd.start()
    wait_until("b to lead", 30, lambda: b.alive() and b.standing() == LEADS)


def test_a_start_without_etcd_is_a_start(make: Callable[..., Controller], etcd: Etcd, flag: Path) -> None:
    etcd.kill()
    a = make("a")
    a.serve()
    wait_until("a to watch", 20, lambda: a.alive() and a.standing() == UNKNOWN)
    flag.unlink()
    wait_until("the message", 20, lambda: "AKIG" in a.told())
    assert not a.rows("running")


def test_where_the_last_leader_left_the_users_is_known(make: Callable[..., Controller], etcd: Etcd) -> None:
    etcd.put("/bascule/akig/active", '{"site":"dr","by":"another"}')
    a = make("a")
    a.serve()
    wait_until("a to lead", 20, lambda: a.alive() and a.standing() == LEADS)
    assert a.rows("controller.leads")[0]["subject"] == "dr"
    wait_until("two rounds", 15, lambda: '"by":"another"' in etcd.get("/bascule/akig/active"))  # what is known already is not written again
    a.kill()
    a.serve()
    wait_until("a to lead again", 20, lambda: len(a.rows("controller.leads")) == 2)
    assert a.rows("controller.leads")[1]["subject"] == ""  # and its journal knows it


def paused(controller: Controller) -> Optional[dict]:
    return json.loads(controller.ask("status", "--json"))["paused"]


def test_a_pause_that_one_was_told_holds_for_all(make: Callable[..., Controller], etcd: Etcd) -> None:
    a, b = two(make)
    assert "recorded" in a.ask("pause", "--for", "30m", "--why", "new disks", "--by", "ana")
    heard = wait_until("b to hear it", 20, lambda: paused(b))
    assert heard == paused(a) and heard["who"] == "ana" and heard["why"] == "new disks"
    b.ask("resume", "--by", "ben")  # whoever is asked: the one that waits
    wait_until("a to hear that it is over", 20, lambda: paused(a) is None)
    b.ask("pause", "--for", "20m", "--why", "new cables", "--by", "ben")
    a.kill()
    wait_until("b to lead", 60, lambda: b.standing() == LEADS)
    assert paused(b)["why"] == "new cables"
    c = make("c")
    c.serve()
    wait_until("one that is new to hear it", 30, lambda: (paused(c) or {}).get("why") == "new cables")
    said = [r["text"] for r in c.rows("person.pause")]
    c.kill()
    c.serve()
    wait_until("c to watch again", 20, lambda: len(c.rows("controller.leads")) == 2)
    a.serve()
    wait_until("a to hear what was said while it was away", 20, lambda: (paused(a) or {}).get("why") == "new cables")
    assert [r["text"] for r in c.rows("person.pause")] == said == ["new cables"], "what is known is not written again"


def test_what_was_said_while_etcd_was_away_is_told_later(make: Callable[..., Controller], etcd: Etcd) -> None:
    a, b = two(make)
    etcd.kill()
    wait_until("a not to know who leads", 20, lambda: a.standing() == UNKNOWN)
    a.ask("pause", "--for", "30m", "--why", "new disks", "--by", "ana")
    a.kill()
    etcd.start()
    wait_until("b to lead", 60, lambda: b.standing() == LEADS)
    assert paused(b) is None
    a.serve()  # its journal knows
    wait_until("b to hear it", 20, lambda: paused(b))


def test_when_the_last_leader_moved_the_users_is_known(make: Callable[..., Controller], etcd: Etcd) -> None:
    moved_ms = int(time.time() * 1000) - 3600_000
    etcd.put("/bascule/akig/active", json.dumps({"site": "production", "by": "another", "moved_ms": moved_ms}))
    a = make("a")
    a.serve()
    wait_until("a to lead", 20, lambda: a.alive() and a.standing() == LEADS)
    assert a.rows("controller.leads")[0]["ref"] == moved_ms
    a.kill()
    a.serve()
    wait_until("a to lead again", 20, lambda: len(a.rows("controller.leads")) == 2)
    assert a.rows("controller.leads")[1].get("ref", 0) == 0, "its journal knows it"
    assert '"by": "another"' in etcd.get("/bascule/akig/active"), "what is known is not written again"
