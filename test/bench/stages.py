"""The stages of a P1 on a compressed clock against real receivers: when each was due, when it was ordered, when the last of its messages was
accepted, and beside it when the runbook's own clock has it due, as `escalation plan` works it out in virtual time."""
from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from typing import Any, Callable, Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "lab"))
from drive import Bascule, find_program  # noqa: E402
from lab import Lab  # noqa: E402
from procs import wait_until  # noqa: E402

LONGEST_S = 120


def clock(ms: float) -> str:
    return f"{int(ms) // 60000:02}:{int(ms) // 1000 % 60:02}.{int(ms) % 1000:03}"


def stages_of(plan: str) -> dict[str, int]:
    """Milliseconds after the incident opened. What depends on who answers is no stage: pages of the next tiers, and the word of their end."""
    return {m["stage"]: m["after_ms"] for m in reversed(json.loads(plan)["messages"]) if not m["stage"].startswith(("tier-", "unanswered"))}


def planned(program: pathlib.Path) -> dict[str, int]:
    """The runbook as it ships."""
    argv = [str(program), "-c", str(ROOT / "etc/bascule.sample.yaml"), "escalation", "plan", "P1", "--json"]
    return stages_of(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


@contextlib.contextmanager
def controlled(build: pathlib.Path) -> Iterator[Bascule]:
    with Lab.create(build, rows=2000, stages="demo") as lab:
        bascule = Bascule(find_program(build), lab)
        bascule.serve_and_settle()
        try:
            yield bascule
        finally:
            bascule.stop()


def measure(build: pathlib.Path, say: Callable[[str, str, str, bool], None]) -> None:
    with controlled(build) as bascule:
        due = stages_of(bascule.ok("escalation", "plan", "P1", "--json"))
        bascule.ok("incident", "open", "--severity", "P1", "measured", "--by", "bench")
        fired = lambda: [r for r in bascule.rows("stage", incident=1)]
        wait_until("the last stage", LONGEST_S, lambda: len(fired()) == len(due))
        notices = lambda: [r for r in bascule.rows("notice", incident=1) if r["stage"] in due]
        accepted = lambda: {r["subject"]: r["at_ms"] for r in bascule.rows("delivered")}
        wait_until("all messages", LONGEST_S, lambda: {r["subject"] for r in notices()} <= accepted().keys())
        opened, sent, told, when = bascule.rows("person.open")[0]["at_ms"], fired(), notices(), accepted()
    virtual, worst, rows = planned(find_program(build)), 0.0, []
    for row in sent:
        error = row["at_ms"] - opened - due[row["subject"]]
        keys = [n["subject"] for n in told if n["stage"] == row["subject"]]
        last = max((when[key] - row["at_ms"] for key in keys), default=0)
        worst = max(worst, abs(error))
        rows.append((row["subject"], clock(virtual[row["subject"]]), clock(due[row["subject"]]), clock(row["at_ms"] - opened), f"{error} ms",
                     str(len(keys)), f"{last} ms"))
    titles = ("stage", "runbook", "due here", "sent", "error", "messages", "all accepted after")
    widths = [max(len(line[i]) for line in [titles, *rows]) for i in range(len(titles))]
    for line in [titles, *rows]:
        print("    " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)), flush=True)
    say("stages of a P1, error", f"largest {worst} ms of {len(rows)}", "under 50 ms", worst < 50 and len(rows) == len(due))


def main() -> int:
    met: list[Any] = []
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    measure(build, lambda what, figure, target, ok: (met.append(ok), print(f"{what}: {figure}   (target {target})")))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
