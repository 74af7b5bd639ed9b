#!/usr/bin/python3
"""Random faults for so many minutes, several at a time; whatever was promised to a client must be there, and never may two servers take writes.

    soak.py [--minutes N] [--seed N] [--async] [--tuned] [--build DIR] [--keep]

An episode is one to four faults that begin and end at random moments of some seconds; then all is taken away, and the pair must take writes, follow and
wait for its standby again before the next episode. Exit status 1 when a promise was broken (with synchronous replication), or two servers took writes.
"""
from __future__ import annotations

import argparse
import collections
import heapq
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cluster import DATA, ETCD, MEMBERS, ROOT, Cluster  # noqa: E402
from measure import Watched  # noqa: E402
from network import be_alone  # noqa: E402
from pair import TUNED  # noqa: E402
from procs import Timeout, send, wait_until  # noqa: E402

HEALED_S, FOLLOWS_S, LONGEST_FAULT_S = 60.0, 8.0, 8.0
OF_POSTGRES = ("postmaster", "postgres", "walreceiver", "walsender", "checkpointer", "walwriter", "backends")


class Fault(NamedTuple):
    kind: str
    say: str
    heal: Callable[[], None]
    guards: Optional[str] = None  # a machine whose agent or sentinel it takes: both at once is what docs/failover.md does not promise to outlive


class Soak:
    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster, self.random = cluster, random.Random(seed)
        self.watched = Watched(cluster)
        self.kinds: collections.Counter[str] = collections.Counter()
        self.guarded: set[str] = set()
        self.down: set[str] = set()
        self.moves = self.rebuilt = self.episodes = 0
        self.moved, self.primary = False, "n1"
        self.silences: list[float] = []
        self.findings: list[str] = []

    # -- the faults; each says what it did --

    def kill(self) -> Fault:
        name = self.random.choice(DATA)
        what = self.random.choice(OF_POSTGRES)
        found = self.cluster.signal(name, what, signal.SIGKILL)
        return Fault(f"kill {what}", f"{len(found)} of {name}", lambda: None)

    def freeze(self) -> Fault:
        name = self.random.choice(DATA)
        what = self.random.choice(OF_POSTGRES)
        found = self.cluster.signal(name, what, signal.SIGSTOP)
        return Fault(f"freeze {what}", f"{len(found)} of {name}", lambda: send(found, signal.SIGCONT))

    def guard(self) -> Optional[Fault]:
        """Agent or sentinel, killed or frozen."""
        name = self.random.choice(DATA)
        if name in self.guarded or name in self.down:
            return None
        what = self.random.choice(("agent", "sentinel"))
        number = self.random.choice((signal.SIGKILL, signal.SIGSTOP))
        found = self.cluster.signal(name, what, number)
        verb = "kill" if number == signal.SIGKILL else "freeze"

        def heal() -> None:
            if number == signal.SIGSTOP:
                send(found, signal.SIGCONT)
            elif what == "agent":
                self.again(name)
            else:  # a sentinel comes back with its agent only
                self.cluster.signal(name, "agent", signal.SIGTERM)
                self.again(name)

        return Fault(f"{verb} {what}", f"of {name}", heal, name)

    def again(self, name: str) -> None:
        if name in self.cluster.running:
            self.cluster.running[name].wait(20)
        self.cluster.start(name)

    def other(self) -> Optional[Fault]:
        """An etcd or the controller, killed or frozen."""
        name = self.random.choice((*ETCD, "c1"))
        if name in self.down:
            return None
        what = "controller" if name == "c1" else "etcd"
        number = self.random.choice((signal.SIGKILL, signal.SIGSTOP))
        found = self.cluster.signal(name, what, number)
        if number == signal.SIGSTOP:
            return Fault(f"freeze {what}", name, lambda: send(found, signal.SIGCONT))
        self.down.add(name)

        def heal() -> None:
            self.again(name)
            self.down.discard(name)

        return Fault(f"kill {what}", name, heal)

    def etcd_gone(self) -> Fault:
        found = [p for name in ETCD for p in self.cluster.signal(name, "etcd", signal.SIGSTOP)]
        return Fault("freeze all etcd", "", lambda: send(found, signal.SIGCONT))

    def reboot(self) -> Optional[Fault]:
        """Power loss: everything on it ends at once; it comes back later."""
        name = self.random.choice(DATA)
        if name in self.guarded or name in self.down:
            return None
        self.down.add(name)
        self.cluster.net.pull(name)
        self.cluster.end(name)

        def heal() -> None:
            self.cluster.net.plug(name)
            self.cluster.start(name)
            self.down.discard(name)

        return Fault("power loss", name, heal)

    def pulled(self) -> Fault:
        name = self.random.choice(MEMBERS)
        self.cluster.net.pull(name)
        return Fault("link pulled", name, lambda: self.cluster.net.plug(name))

    def one_way(self) -> Fault:
        pairs = self.random.sample(list(itertools.permutations(MEMBERS, 2)), self.random.randint(1, 12))
        for pair in pairs:
            self.cluster.net.cut(*pair)
        return Fault("one-way cuts", " ".join(f"{a}>{b}" for a, b in pairs), lambda: [self.cluster.net.mend(*pair) for pair in pairs] and None)

    def isolated(self) -> Fault:
        """One machine from all other members, one way or both; the client still reaches it."""
        name = self.random.choice((*DATA, "c1"))
        out, into = self.random.choice(((True, True), (True, False), (False, True)))
        self.cluster.net.isolate(name, MEMBERS, out, into)
        say = {(True, True): "from the other members", (True, False): "out only", (False, True): "in only"}[out, into]
        return Fault("isolated", f"{name} {say}", lambda: self.cluster.net.rejoin(name, MEMBERS, out, into))

    def between(self) -> Fault:
        """The two sites cannot see one another; all else is well."""
        for pair in (DATA, DATA[::-1]):
            self.cluster.net.cut(*pair)
        return Fault("sites parted", "", lambda: [self.cluster.net.mend(*pair) for pair in (DATA, DATA[::-1])] and None)

    def slow(self) -> Fault:
        name, rate = self.random.choice(MEMBERS), self.random.choice(("64kbit", "256kbit", "1mbit"))
        self.cluster.net.slow(name, rate)
        return Fault("slow link", f"{name} {rate}", lambda: self.cluster.net.fast(name))

    def clock(self) -> Fault:
        name, seconds = self.random.choice((*DATA, "c1")), self.random.choice((-3600, -5, 5, 3600))
        self.cluster.set_clock(name, seconds)
        return Fault("wall clock set", f"{name} {seconds:+} s", lambda: self.cluster.set_clock(name, 0))

    def move(self) -> Optional[Fault]:
        """The other site is told to take over, whatever is broken meanwhile. Once an episode: until all is well again it alone has what was promised."""
        if self.moved:
            return None
        self.moved = True
        to = "n2" if self.primary == "n1" else "n1"
        try:
            said = self.cluster.move(to)
        except OSError as error:
            said = str(error)
        return Fault("told to take over", f"{to}: {said}", lambda: None)

    def strike(self) -> Optional[Fault]:
        kinds = (self.kill, self.kill, self.freeze, self.guard, self.guard, self.other, self.etcd_gone, self.reboot, self.pulled, self.one_way, self.one_way, self.isolated,
                 self.isolated, self.between, self.slow, self.clock, self.move)
        fault = self.random.choice(kinds)()
        if fault:
            self.kinds[fault.kind] += 1
            if fault.guards:
                self.guarded.add(fault.guards)
            print(f"  {time.strftime('%T')} {fault.kind} {fault.say}", flush=True)
        return fault

    # -- an episode --

    def episode(self) -> None:
        self.episodes += 1
        began = time.monotonic()
        before = self.cluster.epoch()["epoch"]
        todo: list[tuple[float, int, Callable[[], None]]] = []
        for number in range(self.random.randint(1, 4)):
            at = self.random.uniform(0, 3)
            heapq.heappush(todo, (at, number, lambda number=number, at=at: self.begin(todo, number, at)))
        while todo:
            at, _, act = heapq.heappop(todo)
            time.sleep(max(0.0, began + at - time.monotonic()))  # the moment that the schedule has for it
            act()
        self.guarded.clear()
        if self.moved and self.cluster.epoch()["epoch"] != before and self.cluster.writer() is None:
            wait_until("the site that is named to be told", HEALED_S, self.cluster.tell_again)
        self.moved = False
        healed = time.monotonic()
        try:
            wait_until("a promise after all was taken away", HEALED_S, lambda: (self.watched.client.newest or ("", 0, "", 0, 0.0, 0.0))[4] > healed)
        except Timeout as error:
            self.find(f"{error}; agents: {self.agents()}")
            raise
        self.converge()
        self.moves += self.cluster.epoch()["epoch"] != before
        promises = [p.given for p in self.watched.client.promises if p.given > began - 1]
        self.silences.append(max((b - a for a, b in zip(promises, promises[1:])), default=0.0))
        self.look()

    def begin(self, todo: list, number: int, at: float) -> None:
        fault = self.strike()
        if fault:
            heapq.heappush(todo, (at + self.random.uniform(0.1, LONGEST_FAULT_S), number, fault.heal))

    def agents(self) -> str:
        said = []
        for name in DATA:
            try:
                told = self.cluster.agent(name)
                said.append(f"{name} {told['pg']}, epoch {told['epoch']}, {told['why']}")
            except (OSError, KeyError) as error:
                said.append(f"{name}: {error}")
        ended = [f"{name} has ended: {process.returncode}" for name, process in self.cluster.running.items() if process.poll() is not None]
        return "; ".join(said + ended)

    def converge(self) -> None:
        cluster = self.cluster
        primary = self.primary = wait_until("a primary", HEALED_S, cluster.writer)
        standby = DATA[primary == "n1"]
        try:
            wait_until("the standby to follow", FOLLOWS_S, lambda: cluster.follows(standby, primary))
        except Timeout:
            print(f"  {time.strftime('%T')} {standby} is built anew by hand: {self.agents()}", flush=True)
            self.rebuilt += 1
            cluster.rebuild(standby, primary)
            wait_until("the standby that was built anew", HEALED_S, lambda: cluster.follows(standby, primary))
        if cluster.sync:
            cluster.synchronous(primary, standby)

    def look(self) -> None:
        _, self.verdict = self.watched.judge()
        verdict = self.verdict
        if verdict.doubled and not any("two servers" in f for f in self.findings):
            self.find(f"two servers took writes: {verdict.doubled[:3]}")
        if verdict.lost and self.cluster.sync and not any("lost" in f for f in self.findings):
            self.find(f"{len(verdict.lost)} promised rows are lost, first {verdict.lost[0]}, last {verdict.lost[-1]}")

    def find(self, what: str) -> None:
        self.findings.append(what)
        print(f"! {time.strftime('%T')} {what}", flush=True)
        fd, path = tempfile.mkstemp(prefix="bascule-soak-", suffix=".txt")
        with open(fd, "w") as file:
            file.write(what + "\n\n" + self.cluster.story())
        print(f"! the logs of then: {path}", flush=True)

    def report(self, minutes: float) -> dict:
        verdict = self.verdict
        silent = sorted(self.silences)
        return {"minutes": round(minutes, 1), "episodes": self.episodes, "faults": sum(self.kinds.values()), "kinds": dict(self.kinds.most_common()),
                "acknowledged": verdict.promised, "lost": len(verdict.lost), "two_writers": len(verdict.doubled), "late": verdict.late, "promotions": self.moves,
                "rebuilt_by_hand": self.rebuilt, "not_known": sum(len(c.unknown) for c in self.watched.all),
                "longest_without_a_write_s": {"median": round(silent[len(silent) // 2], 2), "worst": round(silent[-1], 2)} if silent else {},
                "findings": self.findings, "load": os.getloadavg()[0]}


def soak(build: Path, minutes: float, seed: int, *, sync: bool, tuned: bool, keep: bool = False) -> dict:
    folder = Path(tempfile.mkdtemp(prefix="bascule-soak."))
    cluster = Cluster(build, folder, sync=sync, failover=TUNED if tuned else None, restarts=1000, clocks=True)
    run: Optional[Soak] = None
    began = time.monotonic()
    try:
        cluster.up()
        run = Soak(cluster, seed)
        wait_until("promises", 10, lambda: len(run.watched.client.promises) > 50)
        while time.monotonic() - began < minutes * 60:
            print(f"{time.strftime('%T')} episode {run.episodes + 1} of seed {seed}", flush=True)
            run.episode()
        run.watched.stop()
        run.look()
        return run.report((time.monotonic() - began) / 60)
    finally:
        if run:
            run.watched.stop()
        if not keep:
            cluster.down()
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--async", action="store_true", dest="asynchronous", help="what is lost is counted, and no failure")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    told = soak(options.build.resolve(), options.minutes, options.seed, sync=not options.asynchronous, tuned=options.tuned, keep=options.keep)
    print(json.dumps(told, indent=1))
    return 1 if told["two_writers"] or (told["lost"] and not options.asynchronous) or told["findings"] else 0


if __name__ == "__main__":
    be_alone()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell before us had it ignored
    sys.exit(main())
