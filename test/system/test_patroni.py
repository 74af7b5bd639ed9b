"""Where Patroni keeps PostgreSQL, it alone moves the leader: Debian's Patroni with etcd and two members; then answers that are none, played."""
from __future__ import annotations

import http.server
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Iterator, Optional

import pytest
from procs import wait_until
from test_leader import Etcd, two_ports

ROOT = Path(__file__).resolve().parents[2]
BIN = "/usr/lib/postgresql/15/bin"
LOGIN = {"username": "bascule", "password": "secret of Patroni"}
ENVIRONMENT = {"BASCULE_PLAYBOOKS": str(ROOT / "etc" / "playbooks"), "BASCULE_CHECKLISTS": str(ROOT / "etc" / "checklists")}
SITES = {"pg1": "production", "pg2": "dr"}


class Member:
    """Patroni and its PostgreSQL, in a session of their own."""

    def __init__(self, name: str, folder: Path, etcd: Etcd) -> None:
        self.name, self.folder = name, folder
        self.port, self.api = two_ports("127.0.0.1")
        self.url = f"http://127.0.0.1:{self.api}"
        self.process: Optional[subprocess.Popen] = None
        role = {"username": "postgres", "password": "postgres"}
        (folder / f"{name}.json").write_text(json.dumps({  # JSON is YAML
            "scope": "akig", "name": name, "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}", "authentication": LOGIN},
            "etcd3": {"host": etcd.url.removeprefix("http://")},
            "bootstrap": {"dcs": {"ttl": 20, "loop_wait": 1, "retry_timeout": 5, "postgresql": {"use_pg_rewind": True, "parameters": {
                "fsync": "off", "wal_log_hints": "on", "shared_buffers": "16MB", "max_connections": 20}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "no-sync"],
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust"]},
            "postgresql": {"listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}", "data_dir": str(folder / name), "bin_dir": BIN,
                           "pgpass": str(folder / f"{name}.pgpass"), "authentication": {"superuser": role, "replication": role, "rewind": role},
                           "parameters": {"unix_socket_directories": str(folder)}},
            "tags": {}}))

    def start(self) -> None:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(["/usr/bin/patroni", str(self.folder / f"{self.name}.json")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, cwd=self.folder, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)}, **user)

    def kill(self) -> None:
        """With its PostgreSQL, as a machine that loses its power."""
        if not self.process:
            return
        self.process.kill()
        self.process.wait()
        self.process = None
        try:
            postmaster = int((self.folder / self.name / "postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
        except (OSError, ValueError):
            return
        wait_until("the end of its PostgreSQL", 30, lambda: not Path(f"/proc/{postmaster}/stat").exists() or ") Z" in Path(f"/proc/{postmaster}/stat").read_text())

    def said(self) -> str:
        path = self.folder / f"{self.name}.log"
        return path.read_text()[-6000:] if path.exists() else ""


class Edge:
    """What stands in front, moved by commands of its own: it answers with the site that it was told."""

    def __init__(self, folder: Path) -> None:
        self.where = folder / "where"
        self.where.write_text("production\n")
        where = self.where

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"site": where.read_text().strip()}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        script = folder / "edge"
        script.write_text(f"#!/bin/sh\ncase $1 in\nshow) cat {where} ;;\nswitch) echo \"$2\" >{where}.new; mv {where}.new {where} ;;\nesac\n")
        script.chmod(0o755)
        self.traffic = {"driver": "command", "identify": {"path": "/", "json": "site"}, "show": [str(script), "show"], "switch": [str(script), "switch"]}


class World:
    def __init__(self, program: Path, folder: Path, urls: dict[str, str], ports: dict[str, int], password: str = LOGIN["password"]) -> None:
        self.program, self.folder = program, folder
        secret = folder / "password"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        self.edge = Edge(folder)
        sites = [{"name": site, "role": site, "database": {"host": "127.0.0.1", "port": ports[name], "dbname": "postgres", "user": "postgres"}} for name, site in SITES.items()]
        self.service = {"name": "akig", "title": "AKIG", "public_url": self.edge.url, "sites": sites, "traffic": self.edge.traffic,
                        "patroni": {"user": "bascule", "password": {"file": str(secret)}, "members": [{"site": site, "name": name, "url": urls[name]} for name, site in SITES.items()]},
                        "checks": [{"id": "dr.here", "type": "command", "argv": ["/bin/true"], "interval": "10s", "timeout": "2s"}],
                        "severities": [{"name": severity, "rto": "15m", "stages": [{"name": "alert", "after": "0s", "notify": ["ops"]}]} for severity in ("P1", "P2", "P3")],
                        "endpoints": [{"path": "/"}],
                        "playbooks": ["switchover.yaml"]}
        self.write()

    def write(self) -> None:
        (self.folder / "bascule.yaml").write_text(json.dumps({
            "state_dir": str(self.folder / "state"), "channels": [{"name": "log", "type": "log", "file": str(self.folder / "notices.log")}],
            "contacts": [{"name": "ops", "ways": [{"channel": "log"}]}], "services": [self.service]}))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(self.program), "-c", str(self.folder / "bascule.yaml"), *words], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
                              env={**os.environ, **ENVIRONMENT, "LC_ALL": "C.UTF-8"})
        print("$ bascule", *words, done.returncode, done.stdout, done.stderr, sep="\n")
        return done


def cluster(url: str) -> dict[str, tuple[str, str]]:
    with urllib.request.urlopen(f"{url}/cluster", timeout=5) as answer:
        return {m["name"]: (m["role"], m["state"]) for m in json.load(answer)["members"]}


def ready(url: str, leader: str) -> bool:
    seen = cluster(url)
    return len(seen) == 2 and all((role == "leader") == (name == leader) and state in ("running", "streaming") for name, (role, state) in seen.items())


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's owner may use."""
    made = Path(tempfile.mkdtemp(prefix="bascule-patroni."))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(made, owner.pw_uid, owner.pw_gid)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def members(folder: Path, tmp_path: Path) -> Iterator[dict[str, Member]]:
    etcd = Etcd(tmp_path)
    etcd.start()
    made = {name: Member(name, folder, etcd) for name in SITES}
    try:
        made["pg1"].start()
        wait_until("a leader", 120, lambda: cluster(made["pg1"].url).get("pg1") == ("leader", "running"))
        made["pg2"].start()
        wait_until("a replica", 120, lambda: ready(made["pg2"].url, "pg1"))
        yield made
    finally:
        for member in made.values():
            member.kill()
            print(member.name, member.said())
        etcd.kill()


def in_recovery(member: Member) -> str:
    return subprocess.run([f"{BIN}/psql", "-XAtq", "-h", "127.0.0.1", "-p", str(member.port), "-U", "postgres", "-c", "SELECT pg_is_in_recovery()"],
                          capture_output=True, text=True, timeout=30).stdout.strip()


def test_patroni_moves_the_leader_and_bascule_the_users(program: Path, tmp_path: Path, members: dict[str, Member]) -> None:
    pg1, pg2 = members["pg1"], members["pg2"]
    (tmp_path / "w").mkdir()
    world = World(program, tmp_path / "w", {name: m.url for name, m in members.items()}, {name: m.port for name, m in members.items()})
    told = world.run("options", "--to", "dr")
    assert "promote" in told.stdout and "by Patroni, which alone decides: its member \"pg2\" lacks " in told.stdout
    assert "Patroni starts its members by itself" in told.stdout
    ways = {w["way"]: w for w in json.loads(world.run("options", "--to", "dr", "--json").stdout)["ways"]}
    assert ways["promote"]["possible"] and not ways["restart"]["possible"]
    dry = world.run("promote", "dr", "--dry-run")
    assert dry.returncode == 0 and f"POST {pg2.url}/failover" in dry.stdout and ready(pg1.url, "pg1")
    assert world.run("promote", "dr", "--fenced-by", "nobody").returncode == 64
    assert "Patroni brings an old primary back by itself" in world.run("failback", "production").stderr

    moved = world.run("switchover", "--to", "dr")
    assert moved.returncode == 0
    wait_until("the old leader as a replica", 120, lambda: ready(pg1.url, "pg2"))
    assert in_recovery(pg2) == "f" and world.edge.where.read_text() == "dr\n"
    assert world.run("promote", "dr").returncode == 0 and ready(pg1.url, "pg2"), "nothing to do"

    back = world.run("promote", "production")
    assert back.returncode == 0 and "leads after" in back.stdout + back.stderr
    wait_until("the first leader again", 120, lambda: ready(pg2.url, "pg1"))
    assert in_recovery(pg1) == "f" and world.edge.where.read_text() == "dr\n", "promote moves no users"

    (tmp_path / "guest").mkdir()
    guest = World(program, tmp_path / "guest", {name: m.url for name, m in members.items()}, {name: m.port for name, m in members.items()}, "wrong")
    refused = guest.run("promote", "dr")
    assert refused.returncode == 1 and "answered 401" in refused.stderr + refused.stdout and "wrong" not in refused.stderr + refused.stdout
    assert ready(pg1.url, "pg1")

    if os.environ.get("BASCULE_SWEEP"):  # Patroni's ttl cannot be shorter than 20 s
        pg1.kill()
        assert world.run("promote", "dr").returncode == 0
        assert cluster(pg2.url)["pg2"] == ("leader", "running") and in_recovery(pg2) == "f"


# ---- answers that are none ----

class Played:
    """A member that answers what it is told to."""

    def __init__(self) -> None:
        self.members: object = [{"name": "pg1", "role": "leader", "state": "running"}, {"name": "pg2", "role": "replica", "state": "streaming", "lag": 4096}]
        self.answer: tuple[int, str] = (200, "")
        self.after: object = None
        self.asked: list[tuple[str, dict]] = []
        played = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def send(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self) -> None:
                self.send(200, played.members if isinstance(played.members, str) else json.dumps({"members": played.members, "scope": "akig"}))

            def do_POST(self) -> None:
                played.asked.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                assert self.headers["Authorization"] == "Basic YmFzY3VsZTpzZWNyZXQgb2YgUGF0cm9uaQ=="
                played.members = played.after or played.members
                self.send(*played.answer)

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_what_patroni_refuses_is_refused_with_its_reason(program: Path, tmp_path: Path) -> None:
    played = Played()
    gone, port = two_ports("127.0.0.1")
    world = World(program, tmp_path, {"pg1": f"http://127.0.0.1:{gone}", "pg2": played.url}, {"pg1": port, "pg2": port})

    def said(*words: str) -> str:
        done = world.run(*words)
        assert done.returncode == 1
        return done.stdout + done.stderr

    assert "lacks 4096 bytes of what it last knew of its leader" in world.run("options", "--to", "dr").stdout
    played.answer = (412, "failover is not possible: no good candidates have been found")
    assert "Patroni refuses the failover to \"pg2\": it answered 412: failover is not possible: no good candidates" in said("promote", "dr")
    assert played.asked == [("/failover", {"candidate": "pg2"})]
    played.answer = (412, "leader name does not match")
    assert "Patroni refuses the switchover" in said("switchover", "--to", "dr")
    assert played.asked[-1] == ("/switchover", {"leader": "pg1", "candidate": "pg2"}) and world.edge.where.read_text() == "production\n", "nobody was moved"
    played.answer, played.after = (200, "Failed over to \"pg3\" instead of \"pg2\""), [{"name": "pg3", "role": "leader", "state": "running"}, {"name": "pg2", "role": "replica", "state": "running"}]
    assert "Patroni made \"pg3\" the leader instead of \"pg2\"" in said("promote", "dr")
    asked = len(played.asked)
    for members, reason in ((json.dumps({"members": []}), "it knows of no members"), ("<html>", "1"), ([{"name": "pg1", "role": "leader", "state": "running"}], "knows of no member \"pg2\""),
                            ([{"name": "pg2", "role": "replica", "state": "start failed"}], "member \"pg2\" is \"start failed\"")):
        played.members = members
        assert reason in said("promote", "dr")
        assert "✗ promote" in world.run("options", "--to", "dr").stdout
    assert len(played.asked) == asked, "nothing is asked for that cannot be"
    played.server.shutdown()
    played.server.server_close()
    assert "Patroni's member \"pg1\"" in said("promote", "dr")


def test_two_that_decide_are_refused(program: Path, tmp_path: Path) -> None:
    world = World(program, tmp_path, {"pg1": "http://127.0.0.1:1", "pg2": "http://127.0.0.1:2"}, {"pg1": 1, "pg2": 1})
    assert world.run("config", "check").returncode == 0
    world.service["sites"][0]["agent"] = {"listen": "127.0.0.1:9346"}
    world.service["sites"][0]["database"]["data_directory"] = "/nowhere"
    world.write()
    assert "Patroni decides who writes, and so would this agent" in world.run("config", "check").stderr
    del world.service["sites"][0]["agent"]
    world.service["patroni"]["members"].pop()
    world.write()
    assert "says nothing of site \"dr\"" in world.run("config", "check").stderr
