#!/usr/bin/python3
"""From an alert that is sent to the message that its receiver gets: bascule and Debian's Alertmanager in turn, over the same sockets, with
the same alerts. And how many a second are taken, each on disk before its answer.

    test/bench/alerts.py [--build build] [--seconds 30]

Alertmanager is unpacked from its Debian package into the build folder; nothing is installed or started as a service."""
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Optional

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "lab"))
from alarms import Alarms, free_port  # noqa: E402
from drive import find_program  # noqa: E402
from procs import wait_until  # noqa: E402

NAME = re.compile(rb"bench-[a-z]+-\d+")
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
PACE_S = 0.02


# ---- the receiver: a process of its own, so that it costs the sender nothing ----

def receive(port: int, pipe: Any) -> None:
    """Answers every POST with 200 "ok" and notes when the whole of it was there; told to by the pipe, hands over what it noted."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(pipe, select.EPOLLIN)
    connections: dict[int, tuple[socket.socket, bytearray]] = {}
    noted: dict[str, list[int]] = {}
    pipe.send("ready")
    while True:
        for fd, _ in poll.poll():
            if fd == pipe.fileno():
                if pipe.recv() == "end":
                    return
                pipe.send(noted)
                noted = {}
            elif fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = (connection, bytearray())
                poll.register(connection, select.EPOLLIN)
            else:
                connection, got = connections[fd]
                try:
                    data = connection.recv(65536)
                except OSError:
                    data = b""
                got += data
                head = got.find(b"\r\n\r\n")
                length = LENGTH.search(got[:head]) if head >= 0 else None
                if length and len(got) >= head + 4 + int(length[1]):
                    now = time.monotonic_ns()
                    for name in set(NAME.findall(got)):
                        noted.setdefault(name.decode(), []).append(now)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    got.clear()
                if not data:
                    poll.unregister(fd)
                    connection.close()
                    del connections[fd]


class Receiver:
    def __init__(self) -> None:
        self.port = free_port()
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=receive, args=(self.port, other), daemon=True)
        self.process.start()
        self.pipe.recv()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def noted(self) -> dict[str, list[int]]:
        self.pipe.send("give")
        return self.pipe.recv()

    def close(self) -> None:
        self.pipe.send("end")
        self.process.join(10)


# ---- the sender ----

class Connection:
    """One kept connection, and no more Python between the clock and the socket than must be."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, raw: bytes) -> int:
        self.socket.sendall(raw)
        got = b""
        while b"\r\n\r\n" not in got:
            part = self.socket.recv(65536)
            if not part:
                raise OSError("the connection was closed")
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        while length and len(body) < int(length[1]):
            body += self.socket.recv(65536)
        return int(head.split(b" ", 2)[1])


def prometheus_alert(name: str, **labels: str) -> bytes:
    body = json.dumps([{"labels": {"alertname": name, "severity": "critical", **labels}, "annotations": {"summary": f"{name} is ill"}}]).encode()
    return b"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def send_paced(port: int, names: list[str], pace_s: float = PACE_S) -> dict[str, int]:
    """Returns when each was sent, of those that were answered 200."""
    connection, sent, begun = Connection(port), {}, time.monotonic()
    for i, name in enumerate(names):
        time.sleep(max(0.0, begun + i * pace_s - time.monotonic()))
        raw = prometheus_alert(name)
        at = time.monotonic_ns()
        if connection.post(raw) == 200:
            sent[name] = at
    return sent


def percentile(values: list[float], p: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


# ---- the two ----

class Alertmanager:
    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, receiver: Receiver, group_wait: Optional[str]) -> None:
        self.binary, self.folder, self.port = binary, folder, free_port()
        folder.mkdir(parents=True)
        wait = f"  group_wait: {group_wait}\n" if group_wait else ""
        (folder / "am.yml").write_text(
            f"route:\n  receiver: r\n  group_by: [alertname]\n{wait}"
            f"receivers: [{{name: r, webhook_configs: [{{url: \"{receiver.url}/am\", send_resolved: false}}]}}]\n")
        self.start()

    def start(self) -> None:
        # It looks for its templates where the package would have put them.
        inside = ["unshare", "-rm", "sh", "-c", 'mount -t overlay overlay -o "lowerdir=$0:/usr/share" /usr/share && exec "$@"',
                  str(self.binary.parents[1] / "share")]
        self.process = subprocess.Popen(
            [*inside, self.binary, f"--config.file={self.folder}/am.yml", f"--storage.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
             "--cluster.listen-address="], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "a"))
        wait_until("Alertmanager to listen", 30, lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    pid = property(lambda self: self.process.pid)


class Ours(Alarms):
    def __init__(self, program: pathlib.Path, folder: pathlib.Path, receiver: Receiver, after: str = "0s", **alerts: Any) -> None:
        super().__init__(program, folder, receiver, after=after, alerts=alerts)
        self.start()

    pid = property(lambda self: self.controller.pid)


def rss_mb(pid: int) -> float:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def cpu_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alertmanager_binary(build: pathlib.Path) -> pathlib.Path:
    folder = build / "alertmanager"
    binary = folder / "usr" / "bin" / "prometheus-alertmanager"
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", "prometheus-alertmanager"], cwd=folder, check=True, capture_output=True)
        subprocess.run(["dpkg", "-x", str(next(folder.glob("*.deb"))), str(folder)], check=True)
    return binary


# ---- the figures ----

def latencies(targets: dict[str, Any], receiver: Receiver, rounds: int, count: int) -> dict[str, list[float]]:
    """In turn, so that a machine that slows down slows both; ms from before the request to the whole message at the receiver."""
    figures: dict[str, list[float]] = {name: [] for name in targets}
    for r in range(rounds):
        for name, target in targets.items():
            names = [f"bench-{name}-{r * count + i}" for i in range(count)]
            sent = send_paced(target.port, names)
            seen: dict[str, list[int]] = {}

            def all_there() -> bool:
                for key, times in receiver.noted().items():
                    seen.setdefault(key, []).extend(times)
                return all(n in seen for n in names)

            wait_until(f"the messages of {name}", 60, all_there)
            figures[name] += [(seen[n][0] - sent[n]) / 1e6 for n in names]
    return figures


def survivors(target: Any, receiver: Receiver, name: str, count: int = 50) -> int:
    """Of `count` alerts that were answered 200, how many lead to a message when the program is killed right after the last answer."""
    names = [f"bench-{name}-{i}" for i in range(count)]
    assert len(send_paced(target.port, names, 0.0)) == count
    target.kill()
    assert not receiver.noted(), "the messages were to be due later"
    target.start()
    deadline, seen = time.monotonic() + 15, set()
    while time.monotonic() < deadline and len(seen) < count:
        seen |= set(receiver.noted())
        time.sleep(0.2)
    return len(seen)


def pour(port: int, worker: int, rate: float, seconds: float, results: Any) -> None:
    connection, took, refused = Connection(port), [], 0
    begun = time.monotonic()
    for i in range(int(rate * seconds)):
        due = begun + i / rate
        time.sleep(max(0.0, due - time.monotonic()))
        raw = prometheus_alert(f"bench-pour-{i % 10}", instance=f"{worker}.{i}")
        at = time.monotonic()
        refused += connection.post(raw) != 200
        took.append((time.monotonic() - at) * 1e3)
    results.put((took, refused, time.monotonic() - begun))


def sustained(target: Any, rate: int, seconds: float, workers: int = 4) -> tuple[float, list[float], int]:
    results: Any = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=pour, args=(target.port, w, rate / workers, seconds, results)) for w in range(workers)]
    for p in processes:
        p.start()
    parts = [results.get(timeout=seconds * 4 + 60) for _ in processes]
    for p in processes:
        p.join()
    took = [t for part in parts for t in part[0]]
    return len(took) / max(part[2] for part in parts), took, sum(part[1] for part in parts)


def measure(build: pathlib.Path, say: Callable[[str, str, str, bool], None], seconds: float = 30.0, count: int = 100) -> None:
    """`say(what, figure, target, met)` is called for each figure."""
    program, binary = find_program(build), alertmanager_binary(build)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bascule-bench-alerts-"))
    receiver = Receiver()
    made: list[Any] = []
    try:
        ours = Ours(program, folder / "ours", receiver, storm_after=1000)
        quick = Alertmanager(binary, folder / "quick", receiver, "0s")
        made += [ours, quick]
        figures = latencies({"ours": ours, "theirs": quick}, receiver, 3, count)
        for name, title in (("ours", "bascule"), ("theirs", "Alertmanager, group_wait 0s")):
            f = figures[name]
            met = name != "ours" or percentile(f, 99) < 10
            say(f"alert to receiver, {title}", f"p50 {percentile(f, 50):.1f} ms, p99 {percentile(f, 99):.1f} ms, max {max(f):.1f} ms of {len(f)}",
                "p99 < 10 ms" if name == "ours" else "-", met)
        say("memory", f"bascule {rss_mb(ours.pid):.0f} MB, Alertmanager {rss_mb(quick.pid):.0f} MB", "-", True)
        before, begun = cpu_s(ours.pid), time.monotonic()
        rate, took, refused = sustained(ours, 1000, seconds)
        spent = (cpu_s(ours.pid) - before) / (time.monotonic() - begun)
        wait_until("the last alert", 30, lambda: json.loads(ours.get("/healthz")[1])["alerts_firing"] == len(took) + 3 * count)
        written = sum(r["subject"].startswith("pm/") for r in ours.rows("alert"))
        whole = written == len(took) + 3 * count and not refused
        say(f"1,000 alerts a second for {seconds:.0f} s, each on disk before its answer",
            f"{rate:.0f}/s, answered after p50 {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f} ms; {written} of {len(took) + 3 * count} on disk; "
            f"{100 * spent:.0f} % of a processor", "990/s, none lost", whole and rate >= 990)
        theirs_rate, theirs_took, _ = sustained(quick, 1000, min(seconds, 10.0))
        say("the same, Alertmanager (in memory)", f"{theirs_rate:.0f}/s, answered after p50 {percentile(theirs_took, 50):.1f} ms, "
            f"p99 {percentile(theirs_took, 99):.1f} ms", "-", True)
        ours.stop()
        quick.kill()
        ours_late = Ours(program, folder / "late", receiver, after="3s", storm_after=1000)
        quick_late = Alertmanager(binary, folder / "quick-late", receiver, "3s")
        made += [ours_late, quick_late]
        receiver.noted()
        mine, theirs = survivors(ours_late, receiver, "kept"), survivors(quick_late, receiver, "lost")
        say("of 50 accepted alerts, told after kill -9", f"bascule {mine}, Alertmanager {theirs}", "50", mine == 50)
        default = Alertmanager(binary, folder / "default", receiver, None)
        made.append(default)
        sent = send_paced(default.port, [f"bench-default-{i}" for i in range(5)])
        seen: dict[str, int] = {}
        wait_until("Alertmanager's default wait", 60, lambda: seen.update({k: v[0] for k, v in receiver.noted().items()}) or len(seen) == 5)
        say("alert to receiver, Alertmanager as it comes", f"p50 {statistics.median((seen[n] - sent[n]) / 1e9 for n in sent):.1f} s of 5", "-", True)
    finally:
        for one in made:
            one.stop() if isinstance(one, Ours) else one.kill()
        receiver.close()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(ROOT / "build"))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--count", type=int, default=100, help="alerts of each of three rounds")
    options = parser.parse_args()
    bad = 0

    def say(what: str, figure: str, target: str, met: bool) -> None:
        nonlocal bad
        bad += not met
        print(f"{'  ' if met else '! '}{what}: {figure}   (target {target})", flush=True)

    measure(pathlib.Path(options.build).absolute(), say, options.seconds, options.count)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
