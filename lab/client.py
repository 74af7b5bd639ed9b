#!/usr/bin/python3
"""A user of AKIG: pays and reads through the edge all the time, remembers every promise it was given, and counts at the end.

    client.py --edge URL --log FILE       until SIGTERM or SIGINT

The log is JSON lines: {"wall", "mono", "kind": "write"|"read", "reference", "ok", "status", "site", "why"}.
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Optional, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent))
import web  # noqa: E402

PAUSE_S = 0.05
TIMEOUT_S = 2.0


class Client:
    """Writes and reads in two threads until stop(). Usable in a program, and as one."""

    def __init__(self, edge: str, log: Path) -> None:
        self.edge = edge
        self.prefix = f"C{os.getpid()}-{time.time_ns():x}"
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.file: TextIO = open(log, "a", buffering=1)
        self.threads = [threading.Thread(target=self.loop, args=(work,), daemon=True) for work in (self.write, self.read)]

    def start(self) -> "Client":
        for thread in self.threads:
            thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.file.close()

    def loop(self, work: Any) -> None:
        count = 0
        while not self.stopping.is_set():
            count += 1
            work(count)
            self.stopping.wait(PAUSE_S)

    def write(self, count: int) -> None:
        # A new reference each time, also after a failure: whether that one was stored is unknown, and asking again would hide it.
        reference = f"{self.prefix}-{count:07d}"
        self.note("write", reference, 201, lambda: web.post(self.edge + "/api/payments", {"contract_id": 1 + count % 100, "amount": "10.00",
                                                                                        "reference": reference}, TIMEOUT_S))

    def read(self, count: int) -> None:
        self.note("read", "", 200, lambda: web.get(self.edge + "/api/contracts?limit=1", TIMEOUT_S))

    def note(self, kind: str, reference: str, wanted: int, ask: Any) -> None:
        row: dict[str, Any] = {"sent": time.time(), "kind": kind, "reference": reference}
        try:
            answer = ask()
            row.update(ok=answer.status == wanted, status=answer.status, site=answer.headers.get("x-served-by"))
            if answer.status != wanted:
                row["why"] = answer.body[:200]
        except OSError as error:
            row.update(ok=False, status=0, site=None, why=str(error))
        row.update(wall=time.time(), mono=time.monotonic())
        with self.lock:
            self.file.write(json.dumps(row) + "\n")


@dataclass
class Outage:
    """From the last answer before it to the first after it. `end` None: it lasts."""

    start: float
    end: Optional[float]

    @property
    def seconds(self) -> float:
        return (self.end if self.end is not None else time.time()) - self.start


@dataclass
class Count:
    """What the client was promised, and what of it is there."""

    acknowledged: int = 0
    unanswered: int = 0            # sent, and nobody said whether they were stored
    reads: int = 0
    failed_reads: int = 0
    by_site: dict[str, int] = field(default_factory=dict)
    lost: list[dict] = field(default_factory=list)  # acknowledged, and missing in the database that serves now
    lost_by_site: dict[str, int] = field(default_factory=dict)
    outage: Optional[Outage] = None  # the longest time without a write

    @property
    def lost_seconds(self) -> float:
        """From the first lost promise to the last one."""
        return self.lost[-1]["wall"] - self.lost[0]["wall"] if self.lost else 0.0


def load(log: Path) -> list[dict]:
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def longest_outage(writes: Iterable[dict]) -> Optional[Outage]:
    """Only a time in which a write failed is an outage; a client that was slow itself is not."""
    longest: Optional[Outage] = None
    last_good: Optional[float] = None
    failed = False
    for row in writes:
        if not row["ok"]:
            failed = True
            continue
        if failed and last_good is not None:
            outage = Outage(last_good, row["wall"])
            if longest is None or outage.seconds > longest.seconds:
                longest = outage
        last_good, failed = row["wall"], False
    return Outage(last_good, None) if failed and last_good is not None else longest


def count(rows: list[dict], stored: set[str]) -> Count:
    """`stored`: the references in the database that serves now."""
    result = Count()
    writes = [row for row in rows if row["kind"] == "write"]
    for row in writes:
        if not row["ok"]:
            result.unanswered += 1
            continue
        result.acknowledged += 1
        result.by_site[row["site"]] = result.by_site.get(row["site"], 0) + 1
        if row["reference"] not in stored:
            result.lost.append(row)
            result.lost_by_site[row["site"]] = result.lost_by_site.get(row["site"], 0) + 1
    reads = [row for row in rows if row["kind"] == "read"]
    result.reads = sum(row["ok"] for row in reads)
    result.failed_reads = len(reads) - result.reads
    result.outage = longest_outage(writes)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", required=True)
    parser.add_argument("--log", required=True, type=Path)
    args = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    client = Client(args.edge, args.log).start()
    signal.sigwait(ends)
    client.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
