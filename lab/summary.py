"""What the demo ends with: times from the journal, promises counted by the client, and what was checked about both."""
from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

import client
import faults
import procs
import web
from drive import Bascule, miscounted
from lab import Lab, agent_state
from live import OUTCOMES, Live, moment

RTO_S, RPO_S = 15 * 60.0, 3600.0


@dataclass
class Story:
    """One disaster from outside and inside. Moments in wall seconds; None: did not happen."""

    bascule: Bascule
    fault: str
    standby: bool
    hit: float
    rows: list[dict]
    promises: client.Count
    written: list[dict]

    @classmethod
    def read(cls, bascule: Bascule, fault: str, standby: bool, hit: float, log: Path) -> "Story":
        rows = client.load(log)
        serving = bascule.lab.served_by() or "dr"
        try:
            stored = set(bascule.lab.psql(serving, "SELECT reference FROM payments WHERE reference LIKE 'C%'").split())
        except OSError:
            stored = set()  # nothing serves: every promise is broken
        return cls(bascule, fault, standby, hit, bascule.journal(), client.count(rows, stored), [r for r in rows if r["kind"] == "write"])

    def first(self, kind: str, **fields: object) -> Optional[dict]:
        return next((r for r in self.rows if r["kind"] == kind and r["wall_ms"] / 1000 >= self.hit - 0.001
                     and all(r.get(k) == v for k, v in fields.items())), None)

    def time_of(self, kind: str, **fields: object) -> Optional[float]:
        row = self.first(kind, **fields)
        return row["wall_ms"] / 1000 if row else None

    @property
    def back(self) -> Optional[float]:
        """The client's first acknowledged payment after the outage."""
        return self.promises.outage.end if self.promises.outage else None

    @property
    def outage_s(self) -> Optional[float]:
        outage = self.promises.outage
        return outage.seconds if outage and outage.end else None

    def loss_s(self) -> float:
        """Seconds of acknowledged payments that are gone."""
        return self.promises.lost_seconds

    def loss_on_record_s(self) -> Optional[float]:
        """As the journal measures it: from the recovery point to the last proof of life."""
        opened, point = self.first("incident.opened"), self.first("fact", subject="restore.recovery_point_ms")
        return (opened["ref"] - int(point["text"])) / 1000 if opened and point and opened["ref"] else None

    def runs(self, action: str) -> list[dict]:
        return [r for r in self.rows if r["kind"] == "run" and r["text"].startswith(action)]

    def heard(self) -> dict[str, Optional[float]]:
        """When each receiver got its first message, by its own clock."""
        lab = self.bascule.lab
        return {"chat": min((r["time"] for r in lab.requests() if r["taken"]), default=None),
                "mail": min((m["time"] for m in lab.mails() if m["taken"]), default=None)}


@dataclass
class Checks:
    rows: list[tuple[bool, str]] = field(default_factory=list)

    def add(self, holds: object, text: str) -> None:
        self.rows.append((bool(holds), text))

    @property
    def all_hold(self) -> bool:
        return all(holds for holds, _ in self.rows)


def answers_everywhere(bascule: Bascule, site: str) -> bool:
    """The runbook's endpoints, and a payment that is then in that site's database."""
    lab = bascule.lab
    reference = f"DEMO-{time.time_ns():x}"
    try:
        for path in ("/api/health", "/api/auth/test", "/api/contracts?limit=1"):
            answer = web.get(lab.edge + path)
            if answer.status != 200 or answer.headers.get("x-served-by") != site:
                return False
        paid = web.post(lab.edge + "/api/payments", {"contract_id": 1, "amount": "1.00", "reference": reference})
        return paid.status == 201 and lab.psql(site, f"SELECT count(*) FROM payments WHERE reference = '{reference}'") == "1"
    except OSError:
        return False


def checks(story: Story) -> Checks:
    result = Checks()
    moved = story.fault != "restartable"
    bascule, promises = story.bascule, story.promises
    result.add(story.time_of("incident.state", number=4), "the incident was resolved")
    result.add(answers_everywhere(bascule, "dr" if moved else "production"),
               f"health, login, contracts and a committed payment through the edge, from {'dr' if moved else 'production'}")
    (check_moved if moved else check_stayed)(story, result)
    wrong = miscounted(bascule)
    result.add(not wrong, "each notice arrived exactly once, by mail and by chat" + "".join(f"; {w}" for w in wrong))
    verified = bascule.run("journal", "verify")
    result.add(verified.returncode == 0, f"journal: {(verified.stdout + verified.stderr).strip()}")
    result.add(story.outage_s is not None and story.outage_s <= RTO_S, "RTO of 15 min met")
    result.add(story.loss_s() <= RPO_S, "RPO of 1 h met")
    result.add(promises.acknowledged > 0 and promises.lost_by_site.get("dr", 0) == 0, "nothing acknowledged after the recovery is missing")
    return result


def stays_out(lab: Lab) -> bool:
    faults.uncut(lab)
    try:
        procs.wait_until("its agent to hear of the epoch", 30, lambda: agent_state(lab.state, "production")["epoch"] >= 2)
    except procs.Timeout:
        return False
    return agent_state(lab.state, "production")["pg"] == "quarantined" and not lab.postmaster("production")


def check_moved(story: Story, result: Checks) -> None:
    lab = story.bascule.lab
    db = lab.unit("production", "db")
    if story.fault == "cut":
        result.add(not db.main(), "the old primary was alone, and ended itself when its lease was over")
        result.add(stays_out(lab), "plugged in again it stays out: the epoch names dr")
    else:
        result.add(not db.main() and db.mask_file.exists(), "the old primary is stopped and masked: no second writer can start")
    ways = {"promote ": 1, "restore ": 0} if story.standby else {"promote ": 0, "restore ": 1}
    result.add(all(len(story.runs(way)) == n for way, n in ways.items()) and len(story.runs("traffic switch ")) == 1,
               f"one {'promotion of the standby and no restore' if story.standby else 'restore'}, and one redirect were run")
    if story.standby:
        result.add(lab.psql("dr", "SELECT NOT pg_is_in_recovery()") == "t", "the standby is a primary")
    result.add(story.time_of("site.active", subject="dr"), "the journal says that dr serves")
    recorded = story.loss_on_record_s()
    # The last proof of life is at most a check's interval older than the last payment.
    result.add(recorded is not None and recorded >= story.loss_s() - 1.0, "the loss on record is not less than what the client lost")


def check_stayed(story: Story, result: Checks) -> None:
    since = [r for r in story.bascule.lab.access_log() if r["time"] >= story.hit]
    production = story.bascule.lab.state["sites"]["production"]
    upstream = f"{production['address']}:{production['api_port']}"
    result.add(since and {r["upstream"] for r in since} == {upstream}, "the edge sent every request to production: traffic never moved")
    result.add(not story.runs("restore ") and not story.runs("traffic switch "), "no restore and no redirect were run")
    result.add(len(story.runs("service restart ")) == 1, "the database was restarted once")
    result.add(not story.promises.lost, "no acknowledged payment was lost")


def write_report(bascule: Bascule) -> Optional[Path]:
    """Where the report may stay after the lab is gone: here, else in the temporary folder."""
    done = bascule.run("incident", "report", "1")
    if done.returncode != 0 or not done.stdout.strip():
        return None
    name = time.strftime("demo-report-%Y%m%d_%H%M%S.md", time.gmtime())
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        if os.access(folder, os.W_OK):
            (folder / name).write_text(done.stdout)
            return folder / name
    return None


def table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def when(story: Story, wall: Optional[float]) -> tuple[str, str]:
    return (moment(wall), f"{wall - story.hit:+.1f} s") if wall else ("-", "did not happen")


def times(story: Story) -> list[tuple[str, str, str]]:
    heard = story.heard()
    rows = [("last payment acknowledged before", *when(story, story.promises.outage.start if story.promises.outage else None)),
            ("host cut off" if story.fault == "cut" else "database killed", *when(story, story.hit)),
            ("detected", *when(story, story.time_of("verdict", subject="production.database", number=3))),
            ("incident opened", *when(story, story.time_of("incident.opened"))),
            ("first alert in the chat", *when(story, heard["chat"])),
            ("first alert by mail", *when(story, heard["mail"]))]
    for row in story.rows:
        if row["kind"] == "step.ended":
            begun = story.first("step.started", subject=row["subject"])
            took = f" in {(row['wall_ms'] - begun['wall_ms']) / 1000:.1f} s" if begun else ""
            step = row["subject"].split(".")[1] if "." in row["subject"] else row["subject"]
            rows.append((f"  step {step}: {OUTCOMES[row['number']]}{took}", *when(story, row["wall_ms"] / 1000)))
    if story.fault != "restartable":
        rows.append(("traffic moved to dr", *when(story, story.time_of("site.active", subject="dr"))))
    rows += [("service back: first payment acknowledged", *when(story, story.back)),
             ("incident resolved", *when(story, story.time_of("incident.state", number=4)))]
    return rows


def figures(story: Story) -> list[tuple[str, str, str]]:
    promises = story.promises
    outage = f"{story.outage_s:.1f} s without a payment" if story.outage_s is not None else "the service did not come back"
    lost = f"{len(promises.lost)} of {promises.acknowledged} acknowledged payments"
    if promises.lost:
        lost += f", made within {story.loss_s():.1f} s {'before the kill' if story.standby else 'after the backup'}"
    recorded = story.loss_on_record_s()
    measured = f"; {recorded:.1f} s of writes by the journal" if recorded is not None else ""
    return [("RTO: 15 min", outage, ""), ("RPO: 1 h", f"{story.loss_s():.1f} s of payments lost{measured}", ""),
            ("lost, counted by the client", lost, ""),
            ("by site", ", ".join(f"{n} acknowledged by {site}" for site, n in sorted(promises.by_site.items())), ""),
            ("without an answer", f"{promises.unanswered} payments during the outage, promised to nobody", "")]


def show(story: Story, made: Checks, report: Optional[Path], live: Live) -> None:
    p = live.paint
    for title, rows in (("What happened (UTC, and since the disaster)", times(story)), ("What it cost", figures(story))):
        live.line(f"\n{p.bold}{title}{p.plain}")
        for line in table(rows):
            live.line(line)
    live.line(f"\n{p.bold}What was checked{p.plain}")
    for holds, text in made.rows:
        live.line(f"  {p.green}✓{p.plain} {text}" if holds else f"  {p.red}✗ {text}{p.plain}")
    failed = sum(not holds for holds, _ in made.rows)
    live.line(f"\nreport: {report or 'none'}")
    live.line(f"{p.bold}{p.red}{failed} of {len(made.rows)} checks failed{p.plain}" if failed
              else f"{p.bold}{p.green}all {len(made.rows)} checks hold{p.plain}")
