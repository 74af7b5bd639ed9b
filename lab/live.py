"""What a person sees of an incident while it lasts: a line for each thing that happens, and on a terminal one line that stands below."""
from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Optional, TextIO

VERDICT_DOWN = 3
OUTCOMES = ("success", "failure", "expiry", "blocked", "skipped")


def clock(seconds: float) -> str:
    seconds = max(0, int(seconds))
    return f"{seconds // 60:02}:{seconds % 60:02}"


def moment(wall: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(wall)) + f".{int(wall * 10) % 10}"


class Paint:
    """Colours on a terminal that wants them, else nothing."""

    def __init__(self, out: TextIO) -> None:
        on = out.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.red, self.green, self.yellow, self.bold, self.dim, self.plain = (
            (f"\033[{n}m" if on else "") for n in (31, 32, 33, 1, 2, 0))


class Live:
    """Prints rows of the journal, and keeps the standing line."""

    def __init__(self, rto_s: float, out: TextIO = sys.stdout) -> None:
        self.out = out
        self.paint = Paint(out)
        self.rto_s = rto_s
        self.tty = out.isatty()
        self.started: Optional[float] = None  # when the incident opened
        self.ended: Optional[float] = None
        self.step = "watching"
        self.sent = self.delivered = 0
        self.standing = False

    def line(self, text: str) -> None:
        self.wipe()
        print(text, file=self.out, flush=True)

    def wipe(self) -> None:
        if self.standing:
            self.out.write("\r\033[K")
            self.standing = False

    def cut(self, text: str) -> str:
        """One line of the terminal; anything else takes it whole."""
        text = " ".join(text.split())
        room = self.columns() - 34
        return text if not self.tty or len(text) <= room else text[:max(20, room - 1)] + "…"

    def columns(self) -> int:
        return shutil.get_terminal_size().columns

    def row(self, row: dict) -> None:
        kind, wall = row["kind"], row["wall_ms"] / 1000
        self.count(row)
        shown = self.sentence(kind, row, self.cut(row["text"]))
        if shown:
            since = f"T+{clock(wall - self.started)}" if self.started else "       "
            self.line(f"  {self.paint.dim}{moment(wall)}{self.paint.plain} {since}  {shown}")

    def count(self, row: dict) -> None:
        kind = row["kind"]
        if kind == "incident.opened":
            self.started = row["wall_ms"] / 1000
        elif kind == "incident.state" and row["number"] == 4:
            self.ended = row["wall_ms"] / 1000
        elif kind == "step.started":
            self.step = row["text"]
        elif kind == "notice":
            self.sent += 1
        elif kind == "delivered":
            self.delivered += 1

    def sentence(self, kind: str, row: dict, text: str) -> str:
        p = self.paint
        if kind == "verdict":
            mark = p.red if row["number"] == VERDICT_DOWN else p.dim
            return f"{mark}{self.cut(row['sentence'])}{p.plain}"
        if kind == "incident.opened":
            return f"{p.bold}{p.red}incident {row['incident']} opened: {text}{p.plain}"
        if kind == "incident.state":
            return f"{p.bold}{p.green if row['number'] >= 3 else p.yellow}{text}{p.plain}"
        if kind == "step.started":
            return f"{p.bold}> {text}{p.plain}"
        if kind == "step.ended":
            good = row["number"] in (0, 4)
            return f"  {p.green if good else p.red}{OUTCOMES[row['number']]}{p.plain}: {text}"
        if kind == "site.active":
            return f"{p.bold}{p.green}users are served by {row['subject']}{p.plain}"
        if kind == "delivered":
            return f"{p.dim}told {row['subject']}{p.plain}"
        if kind in ("undelivered", "blocked", "approval.asked", "playbook.ended"):
            return f"{p.yellow}{kind}: {row['subject']} {text}{p.plain}"
        return ""

    def stand(self, service: str) -> None:
        """The one line that changes; on anything but a terminal there is none."""
        if not self.tty:
            return
        elapsed = (self.ended or time.time()) - self.started if self.started else 0
        text = f"  {clock(elapsed)} of {clock(self.rto_s)} RTO | {self.step} | told {self.delivered} of {self.sent} | {service}"
        self.wipe()
        self.out.write(text[:max(20, self.columns() - 1)])
        self.out.flush()
        self.standing = True
