"""The console, looked at and typed at through a terminal of its own."""
from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
from typing import Callable, Iterator

import faults
import pyte
import pytest
from drive import Bascule
from procs import wait_until


class Terminal:
    """A program in a terminal of the given size, and what its screen shows."""

    def __init__(self, argv: list[str], environment: dict[str, str], columns: int = 80, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        self.size(columns, rows)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                return
            with self.lock:
                self.raw += data
                self.stream.feed(data)

    def size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        with self.lock:
            self.screen.resize(rows, columns)
        self.size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def text(self) -> str:
        with self.lock:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, wanted: str, seconds: float = 20) -> str:
        return wait_until(f"{wanted!r} on\n{self.text()}", seconds, lambda: wanted in self.text() and self.text())

    def end(self, seconds: float = 10) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self.reader.join(5)
            os.close(self.master)


@pytest.fixture
def open_terminal(bascule: Bascule) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(*words: str, columns: int = 80, rows: int = 24, **environment: str) -> Terminal:
        made.append(Terminal(bascule.argv("watch", *words), {**bascule.environment, "TERM": "xterm-256color", **environment}, columns, rows))
        return made[-1]

    yield make
    for terminal in made:
        terminal.process.kill()


def open_incident(bascule: Bascule) -> None:
    bascule.serve_and_settle()
    bascule.ok("incident", "open", "payments", "are", "slow", "--severity", "P1", "--by", "ana")
    bascule.await_row(10, "incident.opened")


def test_a_person_takes_an_incident_and_notes_something(bascule: Bascule, open_terminal: Callable[..., Terminal]) -> None:
    open_incident(bascule)
    terminal = open_terminal()
    screen = terminal.until("taken by NOBODY")
    assert "INC-1 P1 payments are slow" in screen and "RTO 15:00 [" in screen and "the controller runs" in screen, screen
    assert "akig served by production" in screen and " OK" in screen
    assert "in 0" in screen and "tells" in screen  # the next stage, and whom it tells
    terminal.type("a")
    terminal.until("taken by " + bascule.await_row(10, "person.ack")["who"])
    terminal.type("ncafé à 3 h\x7f\r")
    terminal.until("note by")
    assert [r["text"] for r in bascule.rows("person.note")] == ["café à 3 "]
    assert "café à 3" in terminal.until("café")
    terminal.type("q")
    assert terminal.end() == 0
    assert terminal.raw.rstrip().endswith(b"\x1b>") or b"\x1b[?1049l" in terminal.raw  # the terminal is as it was


def test_what_cannot_be_taken_back_wants_the_number(bascule: Bascule, open_terminal: Callable[..., Terminal]) -> None:
    config = bascule.lab.config
    assert "automatic: true" in config.read_text()
    config.write_text(config.read_text().replace("automatic: true", "automatic: false", 1))
    bascule.serve_and_settle()
    faults.FAULTS["cannot-restart"](bascule.lab)
    bascule.await_row(30, "approval.asked")
    terminal = open_terminal()
    terminal.until("WAITS FOR APPROVAL")
    terminal.type("d7\r")
    terminal.until("nothing was done")
    terminal.type("d\x1b")
    terminal.until("nothing was done")
    assert not bascule.rows("person.deny")
    terminal.type("d1\r")
    bascule.await_row(10, "person.deny")
    terminal.type("q")
    assert terminal.end() == 0


def test_a_smaller_and_a_larger_terminal(bascule: Bascule, open_terminal: Callable[..., Terminal]) -> None:
    open_incident(bascule)
    terminal = open_terminal()
    terminal.until("taken by NOBODY")
    terminal.resize(40, 10)
    wait_until("the small screen", 10, lambda: "q quit" not in terminal.text() and "INC-1 P1" in terminal.text())
    terminal.resize(120, 40)
    terminal.until("q quit")
    terminal.type("q")
    assert terminal.end() == 0


def test_no_colour_when_none_is_wanted(bascule: Bascule, open_terminal: Callable[..., Terminal]) -> None:
    open_incident(bascule)
    coloured, plain = open_terminal(), open_terminal(NO_COLOR="1")
    for terminal in (coloured, plain):
        terminal.until("taken by NOBODY")
        terminal.type("q")
        assert terminal.end() == 0
    assert b"\x1b[31m" in coloured.raw and b"\x1b[31m" not in plain.raw


def test_lines_without_a_terminal(bascule: Bascule) -> None:
    once = bascule.run("watch", "--once")
    assert once.returncode == 66, once  # nothing has run here yet, so there is no journal
    open_incident(bascule)
    once = bascule.run("watch", "--once")
    assert once.returncode == 1 and "INC-1 P1 payments are slow" in once.stdout and "\x1b" not in once.stdout, once
    state = json.loads(bascule.run("watch", "--once", "--json").stdout)
    assert state["controller"] and state["incidents"][0]["severity"] == "P1" and state["incidents"][0]["deadlines"][0]["what"], state
    follower = subprocess.Popen(bascule.argv("watch"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=bascule.environment)
    try:
        assert follower.stdout
        bascule.ok("incident", "note", "1", "seen", "by", "the", "follower", "--by", "ana")
        for line in follower.stdout:
            if "seen by the follower" in line:
                break
        else:
            raise AssertionError("the follower ended")
    finally:
        follower.kill()
        follower.wait()
    bascule.ok("incident", "resolve", "1", "--by", "ana")
    bascule.await_row(10, "incident.state", number=4)
    assert bascule.run("watch", "--once").returncode == 0


def test_the_outbox_stands_first_and_french_is_french(bascule: Bascule) -> None:
    faults.FAULTS["webhook-500"](bascule.lab)
    open_incident(bascule)
    bascule.await_row(30, "undelivered")
    screen = bascule.run("--lang", "fr", "watch", "--once").stdout
    assert "NON REMIS" in screen and screen.index("NON REMIS") < screen.index("INC-1"), screen
    assert "le contrôleur tourne" in screen
