#!/usr/bin/python3
"""The lab's systemd: unit.py LAB SITE db|api COMMAND, with systemctl's manners and exit codes.

start, stop, restart, status, mask, unmask, kill, log. `kill` is an immediate stop that waits for nobody. All but start are also done,
and exit with 0, when they were done already. Like systemd it wakes a stopped process when it asks it to end, and kills it when it does not.

Each service runs under a holder, `unit.py ... hold`, which does what init would: it waits for the service and for what is orphaned below
it. Some containers' init does that late, and a dead postmaster that nobody has waited for keeps its number, so that no other one starts.
"""
from __future__ import annotations

import ctypes
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
import procs  # noqa: E402

NOT_RUNNING = 3  # systemctl status
STOP_S = 10.0
START_S = 30.0


class Failed(Exception):
    """Said on stderr; exit 1."""


def run_as(user: Optional[str]) -> dict:
    """Arguments of subprocess that drop root's rights: PostgreSQL refuses to run with them."""
    return {"user": user, "group": user, "extra_groups": []} if user else {}


def on_host(state: dict, site: str) -> list[str]:
    """What a command begins with to run on the host of a site, where that is a network namespace of its own."""
    pid = state.get("hosts", {}).get(site)
    return ["/usr/bin/nsenter", f"--net=/proc/{pid}/ns/net"] if pid else []


class Unit:
    """One service of one site; what is common to both kinds."""

    kind = ""

    def __init__(self, folder: Path, state: dict, site: str) -> None:
        self.folder = folder
        self.site = site
        self.user: Optional[str] = state["user"]
        self.state = state
        self.home = folder / site
        self.log_file = self.home / f"{self.kind}.log"
        self.mask_file = self.home / f"{self.kind}.masked"
        self.name = f"akig-{self.kind}@{site}"
        self.environment = {"PATH": f"{state['pgbin']}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
                            "HOME": str(self.home), "BASCULE_LAB": str(folder)}

    def main(self) -> Optional[procs.Proc]:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    def ask_to_stop(self, at_once: bool) -> int:
        raise NotImplementedError

    def start(self) -> None:
        if self.mask_file.exists():
            raise Failed(f"Failed to start {self.name}: unit is masked.")
        if not self.main():
            self.launch()

    def launch(self) -> None:
        argv = [*on_host(self.state, self.site), sys.executable, __file__, str(self.folder), self.site, self.kind, "hold"]
        holder = subprocess.Popen(argv, cwd="/", env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        procs.wait_until(f"{self.name} to be ready", START_S, lambda: holder.poll() is not None or self.ready())
        if holder.poll() is not None:
            raise Failed(f"Job for {self.name} failed: exit code {holder.returncode}\n{''.join(self.tail(3)).strip()}")

    def hold(self) -> int:
        """Runs the service in the foreground until it and all that it left behind have ended."""
        PR_SET_CHILD_SUBREAPER = 36
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        with open(self.log_file, "a") as log:
            if self.user:
                os.chown(log.fileno(), *_ids(self.user))
            child = subprocess.Popen(self.command(), cwd=self.home, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, **run_as(self.user))
        self.started(child.pid)
        code = child.wait()
        try:
            while True:
                os.wait()
        except ChildProcessError:
            return code & 0xFF

    def started(self, pid: int) -> None:
        """The service exists."""

    def stop(self, at_once: bool = False) -> None:
        main = self.main()
        if not main:
            return
        family = procs.descendants([main])
        procs.send([main], self.ask_to_stop(at_once))
        procs.send([main], signal.SIGCONT)
        if not procs.gone(family, 3.0 if at_once else STOP_S):
            procs.send(family, signal.SIGKILL)
            if not procs.gone(family, 5.0):
                raise Failed(f"{self.name} does not end, not even by SIGKILL")

    def restart(self) -> None:
        self.stop()
        self.start()

    def status(self) -> int:
        main = self.main()
        masked = "; masked" if self.mask_file.exists() else ""
        print(f"{self.name}: active (running), pid {main.pid}{masked}" if main else f"{self.name}: inactive (dead){masked}")
        return 0 if main else NOT_RUNNING

    def mask(self) -> None:
        self.mask_file.touch()

    def unmask(self) -> None:
        self.mask_file.unlink(missing_ok=True)

    def kill(self) -> None:
        self.stop(at_once=True)

    def log(self) -> None:
        sys.stdout.writelines(self.tail(50))

    def tail(self, lines: int) -> list[str]:
        try:
            with open(self.log_file, errors="replace") as f:
                return list(deque(f, lines))
        except OSError:
            return []


class Database(Unit):
    kind = "db"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def main(self) -> Optional[procs.Proc]:
        return postmaster(self.data)

    def ask_to_stop(self, at_once: bool) -> int:
        return signal.SIGQUIT if at_once else signal.SIGINT

    def command(self) -> list[str]:
        return [f"{self.state['pgbin']}/postgres", "-D", str(self.data)]

    def ready(self) -> bool:
        """As pg_ctl -w asks: the eighth line of the pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return self.main() is not None and len(lines) > 7 and lines[7].strip() == "ready"


class Api(Unit):
    kind = "api"

    @property
    def pid_file(self) -> Path:
        return self.home / "api.pid"

    def main(self) -> Optional[procs.Proc]:
        try:
            proc = procs.Proc(*json.loads(self.pid_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return proc if procs.alive(proc) else None

    def ask_to_stop(self, at_once: bool) -> int:
        return signal.SIGKILL if at_once else signal.SIGTERM

    def command(self) -> list[str]:
        at = self.state["sites"][self.site]
        return [str(self.folder / "akig-api"), "--listen", f"{at['address']}:{at['api_port']}", "--site", self.site,
                "--pg", f"host={at['address']} port={at['pg_port']} dbname=akig user=akig"]

    def started(self, pid: int) -> None:
        self.pid_file.write_text(json.dumps(procs.identify(pid)))

    def ready(self) -> bool:
        at = self.state["sites"][self.site]
        with socket.create_connection((at["address"], at["api_port"]), timeout=0.5):
            return self.main() is not None


def postmaster(data: Path) -> Optional[procs.Proc]:
    """The postmaster that owns a data folder: its pid file names it and its command line names the folder."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return procs.identify(pid) if str(data) in procs.command_line(pid) else None


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


KINDS = {"db": Database, "api": Api}
COMMANDS = ("start", "stop", "restart", "status", "mask", "unmask", "kill", "log")


def load(folder: Path, site: str, kind: str) -> Unit:
    return KINDS[kind](folder, json.loads((folder / "lab.json").read_text()), site)


def main(argv: list[str]) -> int:
    if len(argv) != 5 or argv[3] not in KINDS or argv[4] not in (*COMMANDS, "hold"):
        print(f"usage: unit.py LAB SITE db|api {'|'.join(COMMANDS)}", file=sys.stderr)
        return 64
    os.umask(0o022)
    try:
        return getattr(load(Path(argv[1]), argv[2], argv[3]), argv[4])() or 0
    except (Failed, procs.Timeout) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
