#!/usr/bin/python3
"""Every combination of one-way cuts between the two sites and the rest (etcd and controller), each for longer than a takeover takes: whoever cannot see whom,
never may two servers take writes, and nothing that was promised may be lost.

    partitions.py [--first N] [--count N] [--seconds N] [--async] [--tuned] [--build DIR]

One line for each of the 63 combinations: what became of the service. Exit status 1 when a promise was broken (with synchronous replication), or two servers
took writes, or writes did not come back after all was mended.
"""
from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Sequence

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cluster import ETCD, ROOT, SITES, Cluster  # noqa: E402
from network import be_alone  # noqa: E402
from pair import TUNED  # noqa: E402
from procs import Timeout, wait_until  # noqa: E402
from soak import HEALED_S, Soak  # noqa: E402

GROUPS = {"n1": ("n1",), "n2": ("n2",), "rest": (*ETCD, "c1")}
WAYS = tuple(itertools.permutations(GROUPS, 2))


def combinations() -> list[tuple[tuple[str, str], ...]]:
    return [tuple(way for bit, way in enumerate(WAYS) if number >> bit & 1) for number in range(1, 1 << len(WAYS))]


def links(ways: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(a, b) for sender, receiver in ways for a in GROUPS[sender] for b in GROUPS[receiver]]


def one(run: Soak, ways: Sequence[tuple[str, str]], seconds: float) -> str:
    cluster = run.cluster
    before, writer = cluster.epoch()["epoch"], wait_until("a primary", HEALED_S, cluster.writer)
    for link in links(ways):
        cluster.net.cut(*link)
    began = time.monotonic()
    time.sleep(seconds)  # as long as the cut lasts
    promised = [p.given for p in run.watched.client.promises if p.given > began]
    for link in links(ways):
        cluster.net.mend(*link)
    healed = time.monotonic()
    wait_until("a promise after all was mended", HEALED_S, lambda: (newest := run.watched.client.newest) and newest.asked > healed)
    run.converge()
    run.look()
    times = [began, *promised, began + seconds]
    silence = max(b - a for a, b in zip(times, times[1:]))
    after = cluster.epoch()
    moved = f"moved to {after['site']}" if after["epoch"] != before else f"stayed with {SITES[writer]}"
    return f"{moved}, no write for {silence:.1f} s of {seconds:g}" if silence > 0.5 else moved


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=63)
    parser.add_argument("--seconds", type=float, default=7)
    parser.add_argument("--async", action="store_true", dest="asynchronous")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bascule-partitions."))
    cluster = Cluster(options.build.resolve(), folder, sync=not options.asynchronous, failover=TUNED if options.tuned else None, restarts=1000)
    run = None
    try:
        cluster.up()
        run = Soak(cluster, 0)
        wait_until("promises", 10, lambda: len(run.watched.client.promises) > 50)
        for number, ways in list(enumerate(combinations(), 1))[options.first - 1:options.first - 1 + options.count]:
            cut = " ".join(f"{a}>{b}" for a, b in ways)
            try:
                print(f"{number:2} {cut}: {one(run, ways, options.seconds)}", flush=True)
            except Timeout as error:
                run.find(f"{cut}: {error}; {run.agents()}")
                break
        run.watched.stop()
        run.look()
        print(f"{len(run.findings)} findings; {run.verdict.promised} promised, {len(run.verdict.lost)} lost, two writers {len(run.verdict.doubled)}; "
              f"built anew by hand {run.rebuilt}; load {os.getloadavg()[0]:.1f}")
        return 1 if run.findings else 0
    finally:
        if run:
            run.watched.stop()
        cluster.down()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    be_alone()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell before us had it ignored
    sys.exit(main())
