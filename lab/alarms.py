"""A world without databases for what other programs tell: the built program with receivers that misbehave, and senders that do not
lose count. For the system tests, the kill sweep and the figures of `make bench`."""
from __future__ import annotations

import collections
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import socketserver
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Optional

from drive import Journal
from procs import wait_until

MODES = ("ok", "500", "429", "slow", "never", "drop")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Receiver(socketserver.ThreadingTCPServer):
    """Takes what is posted to /MODE and misbehaves so for the first `faults` requests of each path; then it takes everything.

    What it took is kept by identity: the Idempotency-Key that a sender gives the same message however often it sends it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, faults: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = faults
        self.lock = threading.Lock()
        self.seen: collections.Counter[str] = collections.Counter()
        self.taken: dict[str, set[str]] = collections.defaultdict(set)  # identity: hashes of the bodies that were taken under it
        self.arrivals: list[tuple[float, str, str]] = []  # when, path, body
        self.headers: list[dict[str, str]] = []  # of the arrivals
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # senders that are killed break off


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        arrived = time.monotonic()
        server, mode = self.server, self.path.split("/")[1] if self.path.count("/") else "ok"
        with server.lock:
            server.seen[self.path] += 1
            misbehaves = mode in MODES and server.seen[self.path] <= server.faults
        if misbehaves and mode == "never":
            server.closing.wait(60)
            self.close_connection = True
            return
        if misbehaves and mode == "slow":
            server.closing.wait(0.5)
        if not misbehaves or mode in ("slow", "drop", "ok"):  # one that drops the connection took the message, and its sender cannot know
            with server.lock:
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                server.arrivals.append((arrived, self.path, body.decode(errors="replace")))
                server.taken[self.headers.get("Idempotency-Key", "")].add(hashlib.sha256(body).hexdigest())
        if misbehaves and mode == "drop":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        status = int(mode) if misbehaves and mode in ("500", "429") else 200
        text = b"ok" if status == 200 else b"not now"
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


class Alarms:
    """The program in a folder of its own, listening for alerts, with one contact for each way in which a receiver can misbehave."""

    def __init__(self, program: Path, folder: Path, receiver: Receiver, modes: tuple[str, ...] = ("ok",), **settings: Any) -> None:
        self.program, self.folder, self.receiver, self.modes = program, folder, receiver, modes
        self.port = free_port()
        self.controller: Optional[subprocess.Popen] = None
        self.log = folder / "serve.log"
        self.config = folder / "bascule.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        self.write(**settings)
        self.shown = Journal(folder / "state", [str(self.program), "-c", str(self.config)])

    def write(self, after: str = "0s", checks: Optional[list[dict]] = None, alerts: Optional[dict] = None, serve: Optional[dict] = None,
              **more: Any) -> None:
        channels, contacts = [], []
        for mode in self.modes:
            secret = self.folder / f"{mode}.url"
            secret.write_text(f"{self.receiver.url}/{mode}\n")
            secret.chmod(0o600)
            channels.append({"name": f"c{mode}", "type": "slack", "url": {"file": str(secret)}, "timeout": "1s"})
            contacts.append({"name": f"p{mode}", "ways": [{"channel": f"c{mode}"}]})
        people = [c["name"] for c in contacts]
        severity = [{"name": name, "rto": rto, "stages": [{"name": "alert", "after": after, "notify": people}]}
                    for name, rto in (("P1", "15m"), ("P2", "1h"), ("P3", "24h"))]
        database = {"host": "127.0.0.1", "port": 1, "dbname": "a", "user": "a"}
        service = {"name": "akig", "title": "AKIG", "sites": [{"name": "production", "role": "production", "database": database}],
                   "checks": checks or [{"id": "quiet", "type": "command", "site": "production", "argv": ["/bin/true"], "interval": "1h"}],
                   "severities": severity}
        self.config.write_text(json.dumps({
            "state_dir": str(self.folder / "state"), "channels": channels, "contacts": contacts, "services": [service],
            "serve": {"listen": f"127.0.0.1:{self.port}", **(serve or {})}, "alerts": alerts or {}, **more}))  # JSON is YAML

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([str(self.program), "-c", str(self.config), *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=120)

    def start(self, wait: bool = True) -> None:
        with open(self.log, "a") as log:
            self.controller = subprocess.Popen([str(self.program), "-c", str(self.config), "serve"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            wait_until("the controller to listen", 30, self.listens)

    def listens(self) -> bool:
        assert self.controller and self.controller.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz")[0] > 0
        except OSError:
            return False

    def kill(self) -> None:
        assert self.controller
        self.controller.send_signal(signal.SIGKILL)
        self.controller.wait()
        self.controller = None

    def stop(self) -> None:
        if self.controller and self.controller.poll() is None:
            self.controller.terminate()
            self.controller.wait(30)
        self.controller = None

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        connection = self.connect()
        try:
            raw = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        return self.request("POST", path, body, **headers)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        return self.request("GET", path, **headers)

    def rows(self, kind: str = "", **fields: Any) -> list[dict]:
        return self.shown.rows(kind, **fields)


def firing(name: str, severity: str = "critical", status: str = "firing", **labels: str) -> dict:
    """One alert as Alertmanager's webhook has it."""
    return {"status": status, "labels": {"alertname": name, "severity": severity, **labels}, "annotations": {"summary": f"{name} is ill"},
            "startsAt": "2025-10-25T15:34:02Z", "endsAt": "0001-01-01T00:00:00Z"}


def webhook(*alerts: dict) -> dict:
    return {"version": "4", "status": "firing", "alerts": list(alerts)}


def event(key: str, severity: str = "critical", action: str = "trigger", source: str = "probe") -> dict:
    """One event as PagerDuty takes it."""
    return {"routing_key": "r" * 32, "event_action": action, "dedup_key": key,
            "payload": {"summary": f"{key} is ill", "source": source, "severity": severity}}


class Sender(threading.Thread):
    """Sends events one after the other on a kept connection, and remembers which were answered 2xx. It does not send again by itself."""

    def __init__(self, alarms: Alarms, events: list[dict], pace_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.alarms, self.events, self.pace_s = alarms, events, pace_s
        self.accepted: list[str] = []
        self.refused: list[tuple[str, int]] = []
        self.left: list[dict] = []

    def run(self) -> None:
        connection: Optional[http.client.HTTPConnection] = None
        for i, one in enumerate(self.events):
            try:
                connection = connection or self.alarms.connect()
                connection.request("POST", "/v2/enqueue", json.dumps(one))
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.left = self.events[i:]
                return
            if answer.status // 100 == 2:
                self.accepted.append(one["dedup_key"])
            else:
                self.refused.append((one["dedup_key"], answer.status))
            if self.pace_s:
                time.sleep(self.pace_s)


class Sweep:
    """One round: alerts arrive, the controller is killed at a random moment, comes back, and is told what it had not answered."""

    def __init__(self, program: Path, folder: Path, seed: int, alerts: int = 1000, senders: int = 8) -> None:
        self.random = random.Random(seed)
        self.receiver = Receiver(faults=2)
        self.alarms = Alarms(program, folder, self.receiver, MODES)
        self.alerts, self.senders = alerts, senders
        self.accepted: set[str] = set()

    def send(self, events: list[dict]) -> list[Sender]:
        senders = [Sender(self.alarms, events[i::self.senders]) for i in range(self.senders)]
        for sender in senders:
            sender.start()
        return senders

    def await_all(self, senders: list[Sender]) -> list[dict]:
        for sender in senders:
            sender.join(60)
            assert not sender.is_alive(), "a sender hangs"
            assert not sender.refused, f"refused: {sender.refused[:3]}"
            self.accepted.update(sender.accepted)
        return [one for sender in senders for one in sender.left]

    def play(self) -> dict[str, int]:
        """Returns what was counted; an AssertionError says what was lost."""
        severities = ["critical", "error", "warning"]
        events = [event(f"k{i}", self.random.choice(severities), source=f"host{self.random.randrange(40)}") for i in range(self.alerts)]
        moment = self.random.randrange(self.alerts + 1)
        try:
            self.alarms.start()
            senders = self.send(events)
            while sum(len(s.accepted) for s in senders) < moment and any(s.is_alive() for s in senders):
                time.sleep(0.0005)
            time.sleep(self.random.uniform(0.0, 0.01))  # anywhere within a turn
            self.alarms.kill()
            left = self.await_all(senders)
            before = len(self.accepted)
            self.alarms.start()
            assert not self.await_all(self.send(left)), "the controller went away without being killed"
            return self.judge(before)
        finally:
            self.alarms.stop()
            self.receiver.close()

    def ordered(self) -> list[dict]:
        return [r for r in self.alarms.rows() if r["kind"] == "notice"]

    def undelivered(self) -> set[str]:
        rows = self.alarms.rows()
        return {r["subject"] for r in rows if r["kind"] == "notice"} - {r["subject"] for r in rows if r["kind"] == "delivered"}

    def judge(self, before: int) -> dict[str, int]:
        wait_until("every message to be handed over", 90, lambda: not self.undelivered())
        rows = self.alarms.rows()
        on_disk = {r["subject"][3:] for r in rows if r["kind"] == "alert"}
        lost = self.accepted - on_disk
        assert not lost, f"{len(lost)} accepted alerts are not in the journal: {sorted(lost)[:5]}"
        assert len(self.accepted) == self.alerts
        health = json.loads(self.alarms.get("/healthz")[1])
        assert health["alerts_firing"] == self.alerts, health
        keys = [r["subject"] for r in rows if r["kind"] == "notice"]
        assert len(keys) == len(set(keys)), "a message was ordered twice"
        taken = self.receiver.taken
        assert set(taken) == set(keys), f"not taken: {sorted(set(keys) - set(taken))[:5]}; never ordered: {sorted(set(taken) - set(keys))[:5]}"
        changed = [key for key, bodies in taken.items() if len(bodies) != 1]
        assert not changed, f"a message was not the same when it was sent again: {changed[:5]}"
        verified = self.alarms.run("journal", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        arrivals = len(self.receiver.arrivals)
        return {"accepted before the kill": before, "incidents": len([r for r in rows if r["kind"] == "incident.opened"]), "messages": len(keys),
                "handed over again": arrivals - len(keys)}
