"""The agent beside a real PostgreSQL: what dies is started again in a moment, what cannot be mended is not, what is told to stop stays stopped."""
from __future__ import annotations

import hashlib
import hmac
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pytest

import clusters
from procs import identify, send, wait_until

BIN = Path("/usr/lib/postgresql/15/bin")
TOKEN = "a secret of the members"

CONFIGURATION = """
state_dir: {folder}/state
channels: [{{name: log, type: log, file: {folder}/notices.log}}]
contacts: [{{name: ops, ways: [{{channel: log}}]}}]
services:
  - name: akig
    title: AKIG
    failover: {{automatic: false}}
    sites:
      - name: production
        role: production
        agent: {{listen: "{address}:9346", token: {{file: {folder}/token}}, restarts: 3, restart_window: 60s}}
        database: {{host: {folder}, port: 5432, dbname: postgres, user: postgres, data_directory: {folder}/data}}
    checks: [{{id: production.database, type: postgres, site: production}}]
    severities: [{{name: P1, rto: 15m, stages: [{{name: alert, after: 0s, notify: ops}}]}}]
"""


class Agent:
    """An agent with a server of its own."""

    def __init__(self, program: Path, like: Agent | None = None) -> None:
        """`like`: with a copy of that one's data."""
        self.program = program
        self.site = "production"
        self.folder = Path(tempfile.mkdtemp(prefix="bascule-agent.", dir="/tmp"))
        self.data = self.folder / "data"
        self.address = "127.{}.{}.{}".format(*(1 + byte % 254 for byte in os.urandom(3)))
        self.process: subprocess.Popen | None = None
        self.environment: dict[str, str] = {}
        user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if user:
            os.chmod(self.folder, 0o755)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        if like:
            clusters.copy(like.data, self.data)
        else:
            clusters.make(BIN, self.data, "--locale=C", "-E", "UTF8")
        self.configure(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nfsync = off\nshared_buffers = 16MB\ndynamic_shared_memory_type = mmap\nautovacuum = off")
        (self.folder / "token").write_text(TOKEN)
        (self.folder / "token").chmod(0o600)
        self.config = self.folder / "bascule.yaml"
        self.config.write_text(CONFIGURATION.format(folder=self.folder, address=self.address))

    def configure(self, line: str) -> None:
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(line + "\n")

    def run(self) -> None:
        self.process = subprocess.Popen([self.program, "-c", self.config, "agent", self.site], stderr=(self.folder / "agent.err").open("ab"), stdin=subprocess.DEVNULL,
                                        env={**os.environ, **self.environment})
        wait_until("the agent to listen", 10, lambda: self.state() is not None)

    def end(self, how: int = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(how)
            assert self.process.wait(10) == (0 if how == signal.SIGTERM else -how), (self.folder / "agent.err").read_text()
            self.process = None

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        send(filter(None, map(identify, self.postgres())), signal.SIGKILL)  # the first one's end may be the others'
        print((self.folder / "agent.err").read_text() if (self.folder / "agent.err").exists() else "")
        wait_until("the server to be gone", 10, lambda: not self.postgres())
        shutil.rmtree(self.folder, ignore_errors=True)

    def postgres(self) -> list[int]:
        """Processes that stand in the data directory, by the kernel's word."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.path.samefile(entry / "cwd", self.data) and os.readlink(entry / "exe").endswith("/postgres"):
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    @property
    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
        request = urllib.request.Request(f"http://{self.address}:9346{path}", method=method, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def state(self, query: str = "") -> Any:
        return json.loads(self.ask("/v1/state" + query)[1])

    def nonce(self) -> str:
        return json.loads(self.ask("/v1/nonce")[1])["nonce"]

    def order(self, path: str, token: str = TOKEN, nonce: str | None = None, signed_path: str | None = None, **words: object) -> tuple[int, Any]:
        body = json.dumps({"epoch": 0, "nonce": self.nonce() if nonce is None else nonce, **words}).encode()
        signature = hmac.new(token.encode(), f"POST {signed_path or path}\n".encode() + body, hashlib.sha256).hexdigest()
        status, text = self.ask(path, "POST", body, **{"X-Bascule-Signature": signature})
        return status, json.loads(text)

    def sql(self, statement: str) -> str:
        return subprocess.run([BIN / "psql", "-XAtq", "-h", self.folder, "-U", "postgres", "-c", statement], check=True, capture_output=True, text=True, timeout=20).stdout.strip()

    def is_(self, state: str, seconds: float = 15) -> Any:
        return wait_until(f"the state {state}", seconds, lambda: (lambda told: told if told["pg"] == state else None)(self.state()))


@pytest.fixture
def agent(program: Path) -> Iterator[Agent]:
    made = Agent(program)
    yield made
    made.close()


def test_a_server_is_started_and_says_what_it_is(agent: Agent) -> None:
    agent.run()
    told = agent.is_("primary")
    assert told["cause"] == "none" and told["timeline"] == 1 and told["probes"]["write"] >= 0 and told["lsn"].count("/") == 1
    assert told["system_identifier"] == agent.sql("select system_identifier from pg_control_system()")
    assert told["lease"] == {"valid_ms": 0, "by": "none"} and told["armed"] == "none", "nobody may take its lapse for a proof"
    assert [agent.ask(path)[0] for path in ("/primary", "/health", "/read-only", "/replica", "/replica?lag=10s", "/nothing")] == [200, 200, 200, 503, 503, 404]
    assert agent.ask("/primary", "HEAD") == (200, "") and agent.ask("/primary", "OPTIONS")[0] == 200 and agent.ask("/primary", "POST", b"x")[0] == 405
    agent.end()
    assert agent.sql("select 1") == "1", "the server outlives its agent"


def test_a_killed_server_is_back_in_a_moment(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    agent.sql("create table kept (n int); insert into kept values (7)")
    old, killed = agent.postmaster, time.monotonic()
    os.kill(old, signal.SIGKILL)
    wait_until("the rows to be back", 10, lambda: agent.postmaster != old and agent.sql("select n from kept") == "7")
    took = time.monotonic() - killed
    told = agent.is_("primary")
    print(f"answered again after {took:.2f} s")
    assert told["restarts"] == 1 and took < 3


def test_one_that_dies_again_and_again_is_given_up(agent: Agent) -> None:
    """Each start succeeds, so only a window that slides sees the loop."""
    agent.run()
    for _ in range(4):
        agent.is_("primary")
        os.kill(agent.postmaster, signal.SIGKILL)
        wait_until("its end to be seen", 10, lambda: agent.state()["pg"] != "primary" or None)
    told = agent.is_("crashed")
    assert told["cause"] == "crash-loop" and told["restarts"] == 3 and "3 starts within 60 s" in told["why"]
    assert not agent.postgres() and agent.ask("/primary")[0] == 503


def test_a_wrong_configuration_is_not_started_again(agent: Agent) -> None:
    agent.configure("no_such_setting = on")
    agent.run()
    told = agent.is_("crashed")
    assert told["cause"] == "configuration" and told["restarts"] == 0 and "no_such_setting" in told["why"]


def test_a_server_that_was_shut_down_in_order_is_left_alone(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    os.kill(agent.postmaster, signal.SIGINT)
    told = agent.is_("stopped")
    assert told["restarts"] == 0 and told["why"] == "somebody else shut it down"


def test_one_that_somebody_else_starts_is_found(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    os.kill(agent.postmaster, signal.SIGINT)
    agent.is_("stopped")
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen([BIN / "postgres", "-D", agent.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **user) as other:
        agent.is_("primary")
        assert agent.postmaster == other.pid
        assert agent.order("/v1/stop", mode="immediate")[0] == 200
    with subprocess.Popen([BIN / "postgres", "-D", agent.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **user) as other:
        other.wait(10)  # it was stopped for good
    agent.is_("stopped")


def test_a_frozen_server_is_hung_and_well_again(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    frozen = agent.postgres()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    told = agent.is_("hung")
    assert "no new connection" in told["why"] and agent.ask("/primary")[0] == 503
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    assert agent.is_("primary")["restarts"] == 0


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_what_is_told_to_stop_stays_stopped(agent: Agent, mode: str) -> None:
    agent.run()
    agent.is_("primary")
    began = time.monotonic()
    status, answer = agent.order("/v1/stop", mode=mode)
    took = time.monotonic() - began
    print(f"{mode}: {took * 1000:.0f} ms, {answer}")
    assert status == 200 and answer["stopped"] is True and "no process of PostgreSQL stands in" in answer["evidence"] and not agent.postgres()
    assert took < (1 if mode == "immediate" else 10)
    agent.is_("stopped")
    agent.end()
    guard = subprocess.run([agent.program, "-c", agent.config, "agent", "guard"], capture_output=True, text=True)
    assert guard.returncode == 1 and "may not start: it was stopped for good" in guard.stderr
    agent.run()  # as after a reboot
    assert agent.is_("quarantined")["cause"] == "guard" and not agent.postgres()
    assert agent.order("/v1/start")[0] == 200
    agent.is_("primary")
    assert subprocess.run([agent.program, "-c", agent.config, "agent", "guard"]).returncode == 0


def test_a_frozen_server_is_ended_with_proof(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    for pid in agent.postgres():
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    status, answer = agent.order("/v1/stop", mode="immediate")
    assert status == 200 and "SIGKILL" in answer["evidence"] and not agent.postgres() and time.monotonic() - began < 1


def test_orders_are_carried_out_once_and_for_members_only(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    assert agent.ask("/v1/stop", "POST", b'{"mode":"immediate"}')[0] == 403
    assert agent.order("/v1/stop", token="another")[0] == 403
    assert agent.order("/v1/stop", nonce="0" * 32)[0] == 403
    assert agent.order("/v1/stop", signed_path="/v1/start")[0] == 403
    assert agent.order("/v1/stop", mode="smart")[0] == 400
    used = agent.nonce()
    assert agent.order("/v1/start", nonce=used)[0] == 200
    assert agent.order("/v1/stop", nonce=used)[0] == 403, "a nonce counts once"
    assert agent.order("/v1/start", epoch=7)[0] == 200 and agent.state()["epoch"] == 7
    assert agent.order("/v1/stop", epoch=6)[0] == 409, "an epoch that is over"
    assert agent.ask("/v1/stop")[0] == 405 and agent.state()["pg"] == "primary" and agent.sql("select 1") == "1"


def test_who_waits_is_told_of_a_change_at_once(agent: Agent) -> None:
    agent.run()
    serial = agent.is_("primary")["serial"]
    began = time.monotonic()
    assert agent.state(f"?after={serial}&wait=300")["serial"] == serial and 0.25 < time.monotonic() - began < 3
    with socket.create_connection((agent.address, 9346)) as waiting:
        waiting.sendall(f"GET /v1/state?after={serial}&wait=30000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        agent.state()  # it waits there by now: requests are taken in their order
        began = time.monotonic()
        os.kill(agent.postmaster, signal.SIGKILL)
        text = b""
        while piece := waiting.recv(4096):
            text += piece
        took = time.monotonic() - began
    print(f"told {took * 1000:.0f} ms after the end of the postmaster")
    assert b'"cause":"killed"' in text and took < 0.5


def test_a_killed_agent_takes_the_server_over_again(agent: Agent) -> None:
    agent.run()
    agent.is_("primary")
    pid = agent.postmaster
    agent.end(signal.SIGKILL)
    agent.run()
    assert agent.is_("primary")["restarts"] == 0 and agent.postmaster == pid
    os.kill(pid, signal.SIGKILL)  # an orphan since its agent was killed: it stays as a zombie where pid 1 reaps nothing
    wait_until("another postmaster", 10, lambda: agent.postgres() and agent.postmaster != pid)
    assert agent.is_("primary")["restarts"] >= 1


def test_a_second_agent_is_refused(agent: Agent) -> None:
    agent.run()
    second = subprocess.run([agent.program, "-c", agent.config, "agent"], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1 and "production" in second.stderr


def test_a_pause_leaves_it_alone_and_ends_by_itself(agent: Agent) -> None:
    def bascule(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([agent.program, "-c", agent.config, *words], capture_output=True, text=True, timeout=30)

    agent.run()
    agent.is_("primary")
    assert bascule("pause", "akig", "--why", "new disks").returncode == 64, "it wants an end"
    assert bascule("pause", "akig", "--for", "30m").returncode == 64, "and a reason"
    assert "at most 7 days" in bascule("pause", "akig", "--for", "8d", "--why", "x").stderr
    paused = bascule("pause", "akig", "--for", "1h", "--why", "new disks", "--by", "anna")
    assert paused.returncode == 0, paused.stderr
    os.kill(agent.postmaster, signal.SIGKILL)
    told = agent.is_("crashed")
    assert told["cause"] == "killed" and "not started before the pause ends" in told["why"] and 0 < told["paused_ms"] <= 3_600_000
    agent.end(signal.SIGKILL)
    agent.run()
    assert "not started before the pause ends" in agent.is_("stopped")["why"] and not agent.postgres(), "a new agent knows of it"
    seen = json.loads(bascule("status", "--json").stdout)["paused"]
    assert seen["who"] == "anna" and seen["why"] == "new disks" and "paused until" in bascule("status").stdout
    assert bascule("watch", "--once", "--json").stdout.count('"paused_ms":0') == 0
    assert bascule("resume", "akig").returncode == 0
    agent.is_("primary")
    assert "is not paused" in bascule("resume", "akig").stderr and json.loads(bascule("status", "--json").stdout)["paused"] is None
    assert bascule("pause", "akig", "--for", "2s", "--why", "a moment").returncode == 0
    os.kill(agent.postmaster, signal.SIGKILL)
    agent.is_("crashed")
    agent.is_("primary", 30)
    agent.end()
    alone = bascule("pause", "akig", "--for", "1m", "--why", "nobody hears")
    assert alone.returncode == 2 and "not told" in alone.stderr and "production" in alone.stderr
