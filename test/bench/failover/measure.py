#!/usr/bin/python3
"""How long a client cannot write when the primary is lost, what it loses, and whether two servers ever took writes.

    measure.py [FAULT ...] [--rounds N] [--tuned] [--sync] [--fenced] [--asleep SECONDS] [--build DIR] [--keep]      one line of JSON a run
"""
from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
from clients import Client, Promise, Verdict, judge, outage, promised_to, stored_rows  # noqa: E402
from cluster import DATA, ROOT, SITES, Cluster  # noqa: E402
from network import be_alone  # noqa: E402
from procs import send, wait_until  # noqa: E402
from pair import TUNED  # noqa: E402

SETTLE_S, AFTER_S, LONGEST_S, PATIENT_S = 3.0, 8.0, 60.0, 1200.0
ORDINARY = ("restart", "crash", "cut", "switchover")
FAULTS = (*ORDINARY, "sleep")
SLEEP_S = 20.0  # of everything on the primary's machine, unless --asleep says otherwise
COUNTED, COUNTED_S = ("crash", "cut"), 60.0  # faults that move the service without asking


class Watched:
    """A cluster with those who write to it: the client, a probe inside each server's own machine, through a session that it keeps, and one that waits
    for an answer of the first primary however long it takes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        machines = [cluster[name] for name in DATA]
        self.client = Client("client", cluster["cl"], machines)
        self.probes = [Client(f"on-{name}", cluster[name], [cluster[name]], 0.05) for name in DATA]
        self.patient = Client("patient", cluster["cl"], [cluster["n1"]], 0.05, PATIENT_S)
        self.in_doubt = 0  # rows that were asked for, not answered, and are not there: they may have been committed where they are lost

    @property
    def all(self) -> list[Client]:
        return [self.client, *self.probes, self.patient]

    def stop(self) -> None:
        for client in self.all:
            client.stop()

    def judge(self) -> tuple[str, Verdict]:
        """By the rows of the one that takes writes now: what was promised until now, and what is there."""
        cluster, promises = self.cluster, promised_to(self.all)
        primary = wait_until("a primary", LONGEST_S, cluster.writer)
        stored = cluster.inside(primary, lambda: stored_rows(cluster[primary].address), 90)
        self.in_doubt = sum((client.who, n) not in stored for client in self.all for n in client.unknown)
        return primary, judge(promises, stored)


def reported(cluster: Cluster) -> Optional[int]:
    """What the program says in the end that the failover lost, in transactions; a row of a client is one. None: it does not say."""
    told = [row for row in cluster.journal() if row["kind"] == "fact" and row["subject"] == "loss.transactions"]
    return int(told[-1]["text"] or told[-1]["number"]) if told else None


def strike(cluster: Cluster, fault: str, asleep_s: float) -> tuple[float, Callable[[], None]]:
    """The moment of it, and what takes it away again."""
    if fault == "restart":
        return cluster.kill_postgres("n1", for_good=False), lambda: None
    if fault == "crash":
        return cluster.kill_postgres("n1", for_good=True), lambda: cluster.make_startable("n1")
    if fault == "cut":
        moment = time.monotonic()
        cluster.net.pull("n1")
        return moment, lambda: cluster.net.plug("n1")
    if fault == "sleep":
        asleep = cluster.everything("n1")
        moment = time.monotonic()
        send(asleep, signal.SIGSTOP)

        def wake() -> None:
            time.sleep(max(0.0, moment + asleep_s - time.monotonic()))  # how long it sleeps
            send(reversed(asleep), signal.SIGCONT)  # the youngest first: sessions have a start before whoever would end them

        return moment, wake
    moment = time.monotonic()
    done = cluster.command("switchover", "--to", "dr")
    if done.returncode:
        raise RuntimeError(f"bascule switchover: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return moment, lambda: None


def silence_of(watched: Watched, fault: str, moment: float) -> Optional[tuple[float, Promise, Promise]]:
    """What was ordered asks a lot before it begins; what is broken is broken at once."""
    return outage(watched.client.promises, moment, LONGEST_S if fault == "switchover" else 1.0)


def settled(watched: Watched, fault: str, moment: float) -> bool:
    """Promises again, for a while, after the silence; or none was."""
    newest, silence = watched.client.newest, silence_of(watched, fault, moment)
    return bool(newest and silence and newest.given - max(silence[2].given, moment) > AFTER_S)


def one(build: Path, fault: str, *, sync: bool, tuned: bool, fenced: bool = False, told: bool = False, asleep_s: float = SLEEP_S, keep: bool = False) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="bascule-failover."))
    cluster = Cluster(build, folder, sync=sync, failover=TUNED if tuned else None, fenced=fenced)
    watched: Optional[Watched] = None
    try:
        cluster.up()
        watched = Watched(cluster)
        time.sleep(SETTLE_S + random.uniform(0, 1))  # the fault comes at any moment of the members' cycles
        before = len(watched.client.promises)
        assert before > SETTLE_S * 20, f"the client was promised {before} rows in {SETTLE_S} s: {watched.client.errors[-3:]}"
        moment, heal = strike(cluster, fault, asleep_s)
        if told:
            cluster.move("n2")
        came_back = True
        try:
            wait_until("promises after the fault", LONGEST_S, lambda: settled(watched, fault, moment))
        except AssertionError:
            came_back = False
        heal()
        if cluster.running["n1"].poll() is not None:
            cluster.start("n1")  # its power is back
        time.sleep(AFTER_S)  # what does the old primary do when it may again?
        watched.stop()
        if fault in COUNTED:
            try:
                wait_until("the loss to be counted", COUNTED_S, lambda: reported(cluster) is not None)
            except AssertionError:
                pass
        silence = silence_of(watched, fault, moment)
        primary, verdict = watched.judge()
        old = [p.given - moment for c in watched.all for p in c.promises if p.node == "n1" and p.timeline == 1]
        return {"fault": fault, "settings": ("tuned" if tuned else "default") + ", fenced" * fenced, "repl": "sync" if sync else "async",
                "outage": round(silence[0], 3) if came_back and silence else None, "from": silence[1].node if silence else "n1", "to": primary,
                "promised": verdict.promised, "lost": len(verdict.lost), "in_doubt": watched.in_doubt, "reported": reported(cluster), "lost_by": verdict.lost_by_node, "two_writers": len(verdict.doubled),
                "late": verdict.late, "two_writers_say": verdict.doubled[:2], "old_last": round(max(old), 2), "load": os.getloadavg()[0]}
    finally:
        if watched:
            watched.stop()
        if keep:
            (folder / "story.txt").write_text(cluster.story())
            print(f"kept: {folder}", file=sys.stderr)
        cluster.down()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def is_wrong(row: dict) -> bool:
    """What is lost is told, and all of it."""
    return row["fault"] in COUNTED and (row["reported"] is None or row["reported"] < row["lost"])


def table(rows: list[dict]) -> str:
    out = ["| fault | settings | repl | runs | outage s, min / median / max | lost | reported | two writers | went to |", "| --- | --- | --- | --: | --- | --: | --: | --: | --- |"]
    for key in dict.fromkeys((r["fault"], r["settings"], r["repl"]) for r in rows):
        mine = [r for r in rows if (r["fault"], r["settings"], r["repl"]) == key]
        back = sorted(r["outage"] for r in mine if r["outage"] is not None)
        figure = f"{back[0]:.2f} / {statistics.median(back):.2f} / {back[-1]:.2f}" if back else "never"
        never = f" ({len(mine) - len(back)} never)" if back and len(back) < len(mine) else ""
        out.append(f"| {' | '.join(key)} | {len(mine)} | {figure}{never} | {', '.join(str(r['lost']) for r in mine)} | {', '.join('–' if r['reported'] is None else str(r['reported']) for r in mine)} | "
                   f"{sum(r['two_writers'] > 0 for r in mine)} of {len(mine)} | {', '.join(sorted({SITES[r['to']] for r in mine}))} |")
    return "\n".join(out)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--sync", action="store_true")
    parser.add_argument("--fenced", action="store_true", help="each machine has a power supply that can be told to switch it off")
    parser.add_argument("--told", action="store_true", help="the other site is told to take over at once, as a person would")
    parser.add_argument("--asleep", type=float, default=SLEEP_S, metavar="SECONDS", help="for how long, where the fault is sleep (%(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave folder and logs")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    if unknown := set(options.faults) - set(FAULTS):
        parser.error(f"no fault {', '.join(sorted(unknown))}; there are: {', '.join(FAULTS)}")
    rows = []
    for fault in options.faults or ORDINARY:
        for _ in range(options.rounds):
            rows.append(one(options.build.resolve(), fault, sync=options.sync, tuned=options.tuned, fenced=options.fenced, told=options.told,
                            asleep_s=options.asleep, keep=options.keep))
            print(json.dumps(rows[-1]), flush=True)
    print("\n" + table(rows), file=sys.stderr)
    return 1 if any(r["two_writers"] or (r["lost"] and r["repl"] == "sync") or is_wrong(r) for r in rows) else 0


if __name__ == "__main__":
    be_alone()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell before us had it ignored
    sys.exit(main())
