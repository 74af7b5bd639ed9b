"""Failovers against their targets: each in a world of its own (failover/README.md), the medians, and never two writers."""
from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
from typing import Callable

MEASURE = pathlib.Path(__file__).resolve().parent / "failover" / "measure.py"
# fault, settings, replication, target of the median in seconds
WANTED = (("restart", "default", "async", 0.7), ("restart", "default", "sync", 0.7), ("crash", "default", "async", 1.0), ("crash", "default", "sync", 1.0), ("cut", "default", "sync", 5.0),
          ("cut", "default", "async", 5.0), ("cut", "fenced", "sync", 3.0), ("cut", "tuned", "sync", 3.0), ("switchover", "default", "async", 1.0))


def failover(build: pathlib.Path, say: Callable[[str, str, str, bool], None], rounds: int) -> None:
    for fault, settings, repl, target in WANTED:
        words = ["--rounds", str(rounds), "--build", str(build)] + ["--" + settings] * (settings != "default") + ["--sync"] * (repl == "sync")
        done = subprocess.run([sys.executable, str(MEASURE), fault, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        what = f"{fault}, {settings} settings, {repl}"
        if len(runs) < rounds:
            say(what, f"{len(runs)} of {rounds} runs; {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}", f"median {target:g} s", False)
            continue
        outages = [r["outage"] if r["outage"] is not None else float("inf") for r in runs]
        median, worst, lost, two = statistics.median(outages), max(outages), sum(r["lost"] for r in runs), sum(r["two_writers"] > 0 for r in runs)
        told = [r["reported"] for r in runs if r["reported"] is not None]
        reported = f", {sum(told)} transactions reported" if len(told) == len(runs) else ""
        say(what, f"no write for {median:.2f} s, worst {worst:.2f} s of {rounds}; {lost} promised rows lost{reported}; two writers {two} times; load {os.getloadavg()[0]:.1f}",
            f"median {target:g} s, worst {2 * target:g} s" + (", 0 lost" if repl == "sync" or fault == "switchover" else "") + ", never two",
            median <= target and worst <= 2 * target and two == 0 and (lost == 0 or (repl == "async" and fault != "switchover")))
