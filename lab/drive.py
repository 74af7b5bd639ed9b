"""Drives the built program on a lab: commands, the controller, and what its journal says. For the demo and the tests."""
from __future__ import annotations

import collections
import datetime
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Optional

from lab import Lab, LabError
from procs import wait_until

RESOLVED = 4  # INCIDENT_RESOLVED, the number of incident.state


def find_program(build: Path) -> Path:
    for path in (build / "src" / "cli" / "bascule", build / "src" / "bascule", build / "bascule"):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise LabError(f'no program "bascule" in "{build}"; build it first: ninja -C {build}')


TEXTS = ("service", "subject", "who", "text", "sentence", "stage", "channel", "address", "detail")


def row_of(line: str) -> dict:
    """A row of the journal; what the program leaves out because it is empty is there as "", and the moment as wall_ms too."""
    row = {**dict.fromkeys(TEXTS, ""), **json.loads(line)}
    row.setdefault("wall_ms", int(datetime.datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp() * 1000 + 0.5))
    return row


class Journal:
    """The rows of a journal as the program shows them; it is asked only when the files have changed since, for a test that waits for a row
    looks many times a second."""

    STILL_NS = 100_000_000  # a file that changed later than that before it was looked at may change again under the same time

    def __init__(self, state: Path, argv: list[str], environment: Optional[dict[str, str]] = None) -> None:
        self.files, self.argv, self.environment = (state / "journal.db", state / "journal.db-wal"), argv, environment
        self.stamp: object = None
        self.known: list[dict] = []

    def _look(self) -> object:
        """What changes with the files; None when they have just changed."""
        found = [path.stat() for path in self.files if path.exists()]
        if not found or time.time_ns() - max(at.st_mtime_ns for at in found) < self.STILL_NS:
            return None
        return [(at.st_ino, at.st_size, at.st_mtime_ns) for at in found]

    def rows(self, kind: str = "", **fields: Any) -> list[dict]:
        """All of them, or those of a kind and with such fields; none when there is no journal yet."""
        try:
            stamp = self._look()
        except FileNotFoundError:  # the -wal goes with its last user
            stamp = None
        if stamp is None or stamp != self.stamp:
            done = subprocess.run([*self.argv, "journal", "show", "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, env=self.environment)
            self.known = [row_of(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
            self.stamp = stamp if done.returncode == 0 else None
        return [r for r in self.known if kind in ("", r["kind"]) and all(r.get(k) == v for k, v in fields.items())]


class Bascule:
    """The program with a lab's configuration."""

    def __init__(self, program: Path, lab: Lab) -> None:
        self.program = program
        self.lab = lab
        self.log = lab.folder / "serve.log"
        self.controller: Optional[subprocess.Popen] = None
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "BASCULE_LAB": str(lab.folder)}
        self.shown = Journal(lab.folder / "state", self.argv(), {**self.environment})

    def argv(self, *words: str) -> list[str]:
        return [str(self.program), "-c", str(self.lab.config), *words]

    def run(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess:
        return subprocess.run(self.argv(*words), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, env=self.environment)

    def ok(self, *words: str, timeout: float = 60.0) -> str:
        done = self.run(*words, timeout=timeout)
        if done.returncode != 0:
            raise AssertionError(f"bascule {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen:
        """A command that waits for something; what it says is in NAME.log of the lab."""
        with open(self.lab.folder / f"{words[0]}.log", "ab") as log:
            return subprocess.Popen(self.argv(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, start_new_session=True)

    # -- the controller --

    def serve(self) -> None:
        with open(self.log, "ab") as log:
            self.controller = subprocess.Popen(self.argv("serve"), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                                               start_new_session=True)

    def serve_and_settle(self, seconds: float = 30.0) -> None:
        """Starts the controller and waits until every check was judged."""
        self.serve()
        wanted = set(re.findall(r"- \{id: ([\w.-]+)", self.lab.config.read_text()))
        wait_until("a verdict on every check", seconds, lambda: self.running() and wanted <= {r["subject"] for r in self.rows("verdict")})

    def running(self) -> bool:
        """True, or AssertionError when the controller has ended by itself."""
        if self.controller and self.controller.poll() is not None:
            raise AssertionError(f"the controller ended with {self.controller.returncode}:\n{self.log.read_text()[-4000:]}")
        return self.controller is not None

    def kill(self) -> None:
        """kill -9 of the controller alone; its actions go on."""
        assert self.controller
        self.controller.send_signal(signal.SIGKILL)
        self.controller.wait()
        self.controller = None

    def stop(self) -> int:
        """SIGTERM, as systemd; the exit status."""
        if not self.controller:
            return 0
        if self.controller.poll() is None:
            self.controller.terminate()
        try:
            return self.controller.wait(15)
        except subprocess.TimeoutExpired:
            self.controller.kill()
            self.controller.wait()
            raise AssertionError("the controller did not end within 15 s of SIGTERM") from None
        finally:
            self.controller = None

    # -- its journal --

    def journal(self, after: int = 0) -> list[dict]:
        """All rows; none when there is no journal yet."""
        return [r for r in self.shown.rows() if r["seq"] > after]

    def rows(self, kind: str, **fields: Any) -> list[dict]:
        return self.shown.rows(kind, **fields)

    def await_row(self, seconds: float, kind: str, **fields: Any) -> dict:
        return wait_until(f"{kind} {fields} in the journal", seconds, lambda: self.running() and self.rows(kind, **fields))[0]

    def resolved(self, seconds: float, incident: int = 1) -> dict:
        return self.await_row(seconds, "incident.state", incident=incident, number=RESOLVED)

    def verify(self) -> str:
        return self.ok("journal", "verify")

    def story(self) -> str:
        """For a failed test: the timeline and the controller's own log."""
        lines = [f"{r['seq']:4} {r['wall_ms'] % 10**7 / 1000:9.3f} {r['kind']:18} {r['subject']} {r['number']} {r['text']}" for r in self.journal()]
        log = self.log.read_text(errors="replace")[-8000:] if self.log.exists() else ""
        return "\n".join([*lines, "-- controller's log --", log])


# ---- what the receivers got ----

def slack_key(request: dict) -> str:
    """The notice's identity, which the message carries."""
    return request["headers"]["Idempotency-Key"]


def mail_key(mail: dict) -> str:
    return mail["headers"]["X-Bascule-Key"]


def deliveries(lab: Lab) -> dict[str, collections.Counter]:
    """How often each notice was taken by each receiver."""
    return {
        "slack": collections.Counter(slack_key(r) for r in lab.requests() if r["taken"]),
        "mail": collections.Counter(mail_key(m) for m in lab.mails() if m["taken"]),
    }


def miscounted(bascule: Bascule) -> list[str]:
    """What is wrong with the messages: each notice ordered for a receiver must have been taken by it exactly once, and nothing else.
    One that was withdrawn may have been on its way."""
    taken = deliveries(bascule.lab)
    withdrawn = {r["subject"] for r in bascule.rows("withdrawn")}
    wrong = []
    for channel, counts in taken.items():
        ordered = {r["subject"] for r in bascule.rows("notice", channel=channel)}
        wrong += [f"{key} arrived {counts[key]} times over {channel}" for key in sorted(ordered)
                  if counts[key] != 1 and not (key in withdrawn and counts[key] == 0)]
        wrong += [f"{key} arrived over {channel} and was never ordered" for key in sorted(counts.keys() - ordered)]
        if not ordered:
            wrong.append(f"nothing was sent over {channel}")
    return wrong


class Follower:
    """Rows of the journal as they are written, read by a thread from `journal show --follow`."""

    def __init__(self, bascule: Bascule) -> None:
        self.rows: list[dict] = []
        self.fresh: "queue.SimpleQueue[dict]" = queue.SimpleQueue()
        self.process = subprocess.Popen(bascule.argv("journal", "show", "--follow", "--json"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=bascule.environment, start_new_session=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.fresh.put(row_of(line))

    def take(self) -> list[dict]:
        """The rows that came since the last call."""
        new = []
        while not self.fresh.empty():
            new.append(self.fresh.get())
        self.rows += new
        return new

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
