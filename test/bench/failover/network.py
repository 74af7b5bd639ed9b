"""Machines of a network of their own: each is a network namespace behind one bridge, in which any direction between any two can be cut, a link
be slow, or pulled. Root only; everything vanishes with the program, whatever ends it."""
from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Sequence

SUBNET = "10.99.0"
NOBODY = "02:00:00:00:00:01"  # a link address that no machine has: what is sent there is lost without a word
CLONE_NEWNET = 0x40000000
ALONE = "BASCULE_BENCH_ALONE"


def be_alone() -> None:
    """Begins anew with processes, mounts, shared memory and /run of its own, so that nothing is left of it afterwards. The shell is the first process: it
    waits for orphans, as init does."""
    if os.environ.get(ALONE):
        return
    if os.geteuid() != 0:
        sys.exit("this makes network namespaces, which needs root")
    shell = 'mount -t tmpfs -o mode=1777 none /dev/shm && mount -t tmpfs -o mode=755 none /run && mkdir /run/netns && "$@" & wait $!'
    os.environ[ALONE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", shell, "sh", sys.executable,
                          str(Path(sys.argv[0]).resolve()), *sys.argv[1:]])


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Machine:
    """A namespace with one link, a folder, and the processes started in it."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.address, self.folder = name, f"{SUBNET}.{number}", folder / name
        self.path = f"/run/netns/{name}"
        self.folder.mkdir()
        shutil.chown(self.folder, "postgres", "postgres")

    def argv(self, *words: object) -> list[str]:
        return ["nsenter", f"--net={self.path}", *map(str, words)]

    def start(self, what: str, *words: object, user: str | None = None, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """Left running; what it says is in WHAT.log of the folder. nsenter becomes the program, so its number is the program's."""
        with open(self.folder / f"{what}.log", "ab") as log:
            return subprocess.Popen(self.argv(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, group=user, extra_groups=[] if user else None,
                                    cwd="/", start_new_session=True, env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})})

    def run(self, *words: object, user: str | None = None, seconds: float = 120, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(self.argv(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, cwd="/")
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def run_as(self, user: str, *words: object) -> subprocess.CompletedProcess:
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *words)

    def thread(self, what: Callable[..., Any], *arguments: Any) -> threading.Thread:
        """A thread that lives in this machine's network: Linux gives each one its own."""

        def inside() -> None:
            fd = os.open(self.path, os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            os.close(fd)
            what(*arguments)

        made = threading.Thread(target=inside, daemon=True)
        made.start()
        return made


class Network:
    """Machines behind one bridge. Cuts are kept count of, so that overlapping faults do not heal one another."""

    def __init__(self, folder: Path, names: dict[str, int]) -> None:
        ip("netns", "add", "switch")
        ip("-n", "switch", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        ip("-n", "switch", "link", "set", "br0", "up")
        self.machines: dict[str, Machine] = {}
        self.cuts: dict[tuple[str, str], int] = {}
        self.down: dict[str, int] = {}
        for name, number in names.items():
            ip("netns", "add", name)
            ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", f"to-{name}", "netns", "switch")
            ip("-n", "switch", "link", "set", f"to-{name}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{SUBNET}.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")
            self.machines[name] = Machine(name, number, folder)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    def remove(self) -> None:
        for name in (*self.machines, "switch"):
            ip("netns", "del", name)

    # -- faults of the network --

    def cut(self, sender: str, receiver: str) -> None:
        """What the one sends does not arrive at the other; the way back is open."""
        self.cuts[sender, receiver] = self.cuts.get((sender, receiver), 0) + 1
        ip("-n", sender, "neigh", "replace", self[receiver].address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def mend(self, sender: str, receiver: str) -> None:
        self.cuts[sender, receiver] -= 1
        if self.cuts[sender, receiver] == 0:
            ip("-n", sender, "neigh", "del", self[receiver].address, "dev", "eth0")

    def pull(self, name: str) -> None:
        """The switch's side of its link goes down: no packet passes, and no connection is reset."""
        self.down[name] = self.down.get(name, 0) + 1
        ip("-n", "switch", "link", "set", f"to-{name}", "down")

    def plug(self, name: str) -> None:
        self.down[name] -= 1
        if self.down[name] == 0:
            ip("-n", "switch", "link", "set", f"to-{name}", "up")

    def slow(self, name: str, rate: str) -> None:
        """All that it sends and gets goes at this rate, through a queue of up to a second."""
        for space, device in (("switch", f"to-{name}"), (name, "eth0")):
            subprocess.run(["ip", "netns", "exec", space, "tc", "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate, "burst", "3000", "latency", "1s"],
                           check=True, capture_output=True)

    def fast(self, name: str) -> None:
        for space, device in (("switch", f"to-{name}"), (name, "eth0")):
            subprocess.run(["ip", "netns", "exec", space, "tc", "qdisc", "del", "dev", device, "root"], capture_output=True)

    def isolate(self, name: str, others: Sequence[str], out: bool = True, into: bool = True) -> None:
        for other in others:
            if other != name and out:
                self.cut(name, other)
            if other != name and into:
                self.cut(other, name)

    def rejoin(self, name: str, others: Sequence[str], out: bool = True, into: bool = True) -> None:
        for other in others:
            if other != name and out:
                self.mend(name, other)
            if other != name and into:
                self.mend(other, name)
