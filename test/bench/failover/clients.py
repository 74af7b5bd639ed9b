"""Those who write while things break, and the checker over what was promised to them.

A row's promise knows when it was asked for, when it was given, by whom, and on which timeline: a promotion makes the next timeline, so whoever is
promised a row on an older one, asked for after the first promise on a newer one, has found two servers that take writes."""
from __future__ import annotations

import queue
import threading
import time
from typing import NamedTuple, Optional, Sequence

from network import Machine
from wire import Lost, NotPromised, Refused, Session

PERIOD_S, BOUND_S, PAUSE_S = 0.010, 1.0, 0.020
TABLE = "create table if not exists bench_rows (who text, n bigint, at timestamptz default clock_timestamp(), primary key (who, n))"


class Promise(NamedTuple):
    who: str
    n: int
    node: str
    timeline: int
    asked: float
    given: float


class Client:
    """Commits a numbered row every `period`, on whichever of its servers takes writes. It asks all at once; what hangs is given up after `bound`."""

    def __init__(self, who: str, machine: Machine, servers: Sequence[Machine], period: float = PERIOD_S, bound: float = BOUND_S) -> None:
        self.who, self.machine, self.servers, self.period, self.bound = who, machine, servers, period, bound
        self.promises: list[Promise] = []
        self.unknown: set[int] = set()
        self.errors: list[tuple[float, str, str]] = []
        self.running = True
        self.seeking = threading.Event()
        self.found: queue.Queue[tuple[str, Session]] = queue.Queue()
        self.n = 0
        self.threads = [machine.thread(self._seek, server) for server in servers] + [machine.thread(self._write)]

    def stop(self) -> None:
        self.running = False
        self.seeking.set()
        for thread in self.threads:
            thread.join(5)

    @property
    def newest(self) -> Optional[Promise]:
        return self.promises[-1] if self.promises else None

    def _seek(self, server: Machine) -> None:
        while self.running:
            self.seeking.wait()
            if not self.running:
                return
            try:
                session = Session(server.address, BOUND_S)
            except (Refused, Lost):
                time.sleep(PAUSE_S)  # between attempts; the outage that is measured holds it
                continue
            if self.seeking.is_set():
                self.seeking.clear()
                self.found.put((server.name, session))
            else:
                session.close()

    def _write(self) -> None:
        due = time.monotonic()
        session: Optional[Session] = None
        node = ""
        while self.running:
            if session is None:
                self.seeking.set()
                try:
                    node, session = self.found.get(timeout=0.2)
                except queue.Empty:
                    continue
                due = time.monotonic()
            self.n += 1
            asked = time.monotonic()
            try:
                answer = session.query(f"insert into bench_rows (who, n) values ('{self.who}', {self.n}) returning pg_walfile_name(pg_current_wal_insert_lsn())", self.bound)
                self.promises.append(Promise(self.who, self.n, node, int(answer[0][0][:8], 16), asked, time.monotonic()))
            except (Refused, Lost, NotPromised) as error:
                if not isinstance(error, Refused):
                    self.unknown.add(self.n)
                self.errors.append((time.monotonic(), node, f"{type(error).__name__}: {error}"))
                session.close()
                session = None
                continue
            due = max(due + self.period, time.monotonic() - self.period)
            time.sleep(max(0.0, due - time.monotonic()))


def outage(promises: Sequence[Promise], fault: float, within: float = 1.0) -> Optional[tuple[float, Promise, Promise]]:
    """The longest silence that begins before the fault, or within a second of it, and ends after it; None when nothing came after it."""
    silences = [(b.given - a.given, a, b) for a, b in zip(promises, promises[1:]) if b.given > fault and a.given <= fault + within]
    return max(silences, key=lambda s: s[0]) if silences else None


class Verdict(NamedTuple):
    promised: int
    lost: list[Promise]
    lost_by_node: dict[str, int]
    doubled: list[str]
    late: int  # promises on an older timeline that were given after the first on a newer one, though asked for before: it may have been the answer that was late


def promised_to(clients: Sequence[Client]) -> list[Promise]:
    return sorted((p for c in clients for p in list(c.promises)), key=lambda p: p.given)


def judge(promises: Sequence[Promise], stored: set[tuple[str, int]]) -> Verdict:
    """Every row that was promised must be there, and the timelines must follow one another without overlap."""
    lost = [p for p in promises if (p.who, p.n) not in stored]
    by_node: dict[str, int] = {}
    for p in lost:
        by_node[p.node] = by_node.get(p.node, 0) + 1
    doubled, late = [], 0
    first: dict[int, Promise] = {}
    for p in promises:
        first.setdefault(p.timeline, p)
    for p in promises:
        if p.node != first[p.timeline].node:
            doubled.append(f"timeline {p.timeline} is that of {first[p.timeline].node} and of {p.node}")
        late += any(t > p.timeline and p.asked <= q.given < p.given for t, q in first.items())
        for newer in (q for t, q in first.items() if t > p.timeline and p.asked > q.given):
            doubled.append(f"{p.who} was promised row {p.n} by {p.node} on timeline {p.timeline}, asked for {p.asked - newer.given:.3f} s after "
                           f"{newer.node} had promised one on timeline {newer.timeline}")
            break
    return Verdict(len(promises), lost, by_node, doubled, late)


def stored_rows(address: str) -> set[tuple[str, int]]:
    """All rows of a server, from within a machine that reaches it."""
    session = Session(address, 5, writable=False)
    try:
        return {(who, int(n)) for who, n in session.query("select who, n from bench_rows", 60)}
    finally:
        session.close()
