"""What goes wrong beside the disaster: each fault of the surroundings, with the rule that must hold all the same."""
from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from pathlib import Path

import faults
import pytest
from drive import Bascule, deliveries, miscounted
from procs import wait_until

RESOLVED_S = 90


def runs(bascule: Bascule, action: str) -> list[dict]:
    return [r for r in bascule.rows("run") if r["text"].startswith(action)]


def upstream(bascule: Bascule) -> str:
    text = (bascule.lab.folder / "edge" / "upstream.conf").read_text()
    return re.search(r"server\s+([\d.]+):", text).group(1)


def not_moved(bascule: Bascule) -> None:
    lab = bascule.lab
    assert upstream(bascule) == lab.state["sites"]["production"]["address"]
    assert not [r for r in lab.access_log() if r["site"] == "dr"]
    assert "dr" not in [r["subject"] for r in bascule.rows("site.active")]


def ended(bascule: Bascule, step: str) -> list[dict]:
    return [r for r in bascule.rows("step.ended") if r["subject"].split(".")[1] == step]


# ---- backups ----

@pytest.mark.parametrize("damage", ["truncate-backup", "empty-backup"])
def test_a_damaged_newest_backup_is_passed_over(bascule: Bascule, damage: str) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    good = faults.newest_backup(lab)
    lab.psql("production", "INSERT INTO payments (contract_id, amount, reference) VALUES (1, 1, 'between')")
    wait_until("another second for the next name", 5, lambda: bascule.ok("backup") and faults.newest_backup(lab) != good)
    bad = faults.newest_backup(lab)
    faults.FAULTS[damage](lab)
    bascule.serve_and_settle()
    faults.cannot_restart(lab)
    bascule.resolved(RESOLVED_S)
    facts = {r["subject"]: r["text"] for r in bascule.rows("fact")}
    assert facts["restore.file"] == good.name
    assert bad.name in facts["restore.skipped"]
    assert bad.name in bascule.ok("incident", "report", "1")
    assert lab.served_by() == "dr"
    assert lab.psql("dr", "SELECT count(*) FROM payments WHERE reference = 'between'") == "0"


def test_without_any_good_backup_nothing_is_moved(bascule: Bascule) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    faults.empty_backup(lab)
    rows = lab.psql("dr", "SELECT count(*) FROM payments")
    bascule.serve_and_settle()
    faults.cannot_restart(lab)
    wait_until("the restore to fail", 60, lambda: ended(bascule, "restore"))
    assert ended(bascule, "restore")[0]["number"] == 1
    wait_until("people to be told that it is blocked", 30, lambda: bascule.rows("blocked"))
    not_moved(bascule)
    assert lab.psql("dr", "SELECT count(*) FROM payments") == rows, "what DR had is still there"


# ---- the other site ----

def test_a_failover_to_a_dead_dr_is_not_begun(bascule: Bascule) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    faults.dr_down(lab)
    bascule.await_row(30, "verdict", subject="dr.database", number=3)
    faults.cannot_restart(lab)
    wait_until("the failover to stop", 150, lambda: bascule.rows("blocked"))
    assert not runs(bascule, "restore ") and not runs(bascule, "traffic switch ")
    not_moved(bascule)
    wait_until("people to hear of it", 20, lambda: [k for k in deliveries(lab)["slack"] if "/blocked" in k])


# ---- the edge ----

def test_an_edge_that_does_not_validate_is_left_as_it_was(bascule: Bascule) -> None:
    lab = bascule.lab
    before = (lab.folder / "edge" / "upstream.conf").read_text()
    bascule.ok("backup")
    bascule.serve_and_settle()
    faults.break_edge(lab)
    faults.cannot_restart(lab)
    wait_until("the redirect to fail", 90, lambda: ended(bascule, "redirect"))
    assert ended(bascule, "redirect")[0]["number"] == 1
    assert (lab.folder / "edge" / "upstream.conf").read_text() == before
    not_moved(bascule)
    wait_until("people to be told", 20, lambda: bascule.rows("blocked"))
    # A person repairs it and fails over again; what DR has now would be replaced a second time, so that is asked first.
    faults.repair_edge(lab)
    by_hand = bascule.begin("failover")
    bascule.await_row(30, "approval.asked", incident=1)
    assert len(runs(bascule, "restore ")) == 1
    bascule.ok("incident", "approve", "1")
    bascule.resolved(RESOLVED_S)
    assert lab.served_by() == "dr"
    assert by_hand.wait(30) == 0


# ---- messages ----

def hold_up_and_free(bascule: Bascule, fault: str, receiver: str) -> None:
    """With one receiver broken the recovery is not delayed; once it is mended every message arrives, once."""
    lab = bascule.lab
    bascule.ok("backup")
    faults.FAULTS[fault](lab)
    bascule.serve_and_settle()
    faults.restartable(lab)
    bascule.resolved(RESOLVED_S)
    took = (bascule.rows("incident.state", number=4)[0]["wall_ms"] - bascule.rows("incident.opened")[0]["wall_ms"]) / 1000
    assert took < 30, "a broken receiver must not delay the recovery"
    broken, other = ("slack", "mail") if receiver == "webhook" else ("mail", "slack")
    ordered = {channel: {r["subject"] for r in bascule.rows("notice", channel=channel)} for channel in (broken, other)}
    wait_until(f"all of {other} meanwhile", 20, lambda: deliveries(lab)[other].keys() == ordered[other])
    assert not deliveries(lab)[broken]
    wait_until("what was not delivered on record", 20, lambda: bascule.rows("undelivered"))
    faults.FAULTS[f"{receiver}-ok"](lab)
    # Pages that nobody needs any more when the incident is resolved are withdrawn; one on its way at that moment may still arrive.
    withdrawn = {r["subject"] for r in bascule.rows("withdrawn")}
    wait_until(f"all of {broken}", 120, lambda: ordered[broken] - withdrawn <= deliveries(lab)[broken].keys() <= ordered[broken])
    assert miscounted(bascule) == []


@pytest.mark.parametrize("fault", ["webhook-500", "webhook-429", "webhook-reset", "webhook-silent"])
def test_a_broken_webhook(bascule: Bascule, fault: str) -> None:
    hold_up_and_free(bascule, fault, "webhook")


@pytest.mark.parametrize("fault", ["smtp-451", "smtp-silent"])
def test_a_broken_mail_server(bascule: Bascule, fault: str) -> None:
    hold_up_and_free(bascule, fault, "smtp")


def test_retry_after_is_honoured(bascule: Bascule) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    lab.receiver_mode("webhook", "429", retry_after=3)
    bascule.serve_and_settle()
    faults.restartable(lab)
    first = wait_until("the first request", 30, lab.requests)[0]
    second = wait_until("the second request", 30, lambda: [r for r in lab.requests() if r["headers"]["Idempotency-Key"]
                                                         == first["headers"]["Idempotency-Key"]][1:])[0]
    assert 2.9 < second["time"] - first["time"] < 6
    lab.receiver_mode("webhook", "ok")


def test_a_refused_mail_is_given_up_and_said(bascule: Bascule) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    lab.receiver_mode("smtp", "550")
    bascule.serve_and_settle()
    faults.restartable(lab)
    bascule.resolved(RESOLVED_S)
    ordered = {r["subject"] for r in bascule.rows("notice", channel="mail")}
    wait_until("every refusal on record", 20, lambda: {r["subject"] for r in bascule.rows("undelivered", ref=-1)} == ordered)
    assert not deliveries(lab)["mail"]


# ---- databases and targets that hang ----

def test_a_stopped_postmaster_is_restarted(bascule: Bascule) -> None:
    """It accepts connections and answers none; old sessions go on, so the users hardly notice."""
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    faults.sigstop(lab)
    bascule.resolved(RESOLVED_S)
    assert len(runs(bascule, "service restart ")) == 1
    assert lab.psql("production", "SELECT 1") == "1"
    not_moved(bascule)


def test_a_target_that_never_answers_delays_nobody(make_bascule) -> None:
    hang = ("\n      - {id: hang, type: http, url: \"http://%NET%.20:7000/\", interval: 1s, timeout: 2s}"
            "\n      - {id: hang2, type: http, url: \"http://%NET%.20:7000/\", interval: 1s, timeout: 2s}")
    bascule = make_bascule(extra_checks=hang)
    lab = bascule.lab
    lab.config.write_text(lab.config.read_text().replace("%NET%", lab.net).replace(":7000/", f":{lab.state['ports']['tarpit']}/"))
    bascule.ok("backup")
    bascule.serve_and_settle()
    down = bascule.await_row(15, "verdict", subject="hang", number=3)
    assert down["text"]
    asked = [r["time"] for r in lab.access_log() if r["uri"] == "/api/health"][-20:]
    wait_until("more looks", 20, lambda: len([r for r in lab.access_log() if r["uri"] == "/api/health" and r["time"] > asked[-1]]) >= 10)
    times = [r["time"] for r in lab.access_log() if r["uri"] == "/api/health" and r["time"] > asked[-1]]
    assert max(b - a for a, b in zip(times, times[1:])) < 1.5, "the public check has an interval of 0.5 s"
    faults.restartable(lab)
    bascule.resolved(RESOLVED_S)


# ---- the journal ----

def refused(bascule: Bascule) -> str:
    """The controller does not start on this journal and leaves it as it is; what it says."""
    path = bascule.lab.folder / "state" / "journal.db"
    before = path.read_bytes()
    done = bascule.run("serve", timeout=20)
    assert done.returncode == 65, done.stderr
    assert path.read_bytes() == before, "nothing is overwritten"
    return done.stderr


def quiet_journal(bascule: Bascule) -> None:
    """A journal of some rows, all in its one file."""
    bascule.serve_and_settle()
    assert bascule.stop() == 0
    with sqlite3.connect(bascule.lab.folder / "state" / "journal.db") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_an_altered_journal_is_named(bascule: Bascule) -> None:
    quiet_journal(bascule)
    path = bascule.lab.folder / "state" / "journal.db"
    data = path.read_bytes()
    word = b"connected in"
    assert data.count(word) >= 2
    path.write_bytes(data.replace(word, b"connected on", 1))
    done = bascule.run("journal", "verify")
    assert done.returncode == 65 and re.search(r"\b\d+\b", done.stderr), done.stderr


def test_a_journal_whose_end_was_altered_is_refused(bascule: Bascule) -> None:
    quiet_journal(bascule)
    path = bascule.lab.folder / "state" / "journal.db"
    data = path.read_bytes()
    assert data.count(b"stopped by SIGTERM") == 1
    path.write_bytes(data.replace(b"stopped by SIGTERM", b"stopped by SIGKILL"))
    assert re.search(r"\b\d+\b", refused(bascule))


def test_a_cut_journal_is_refused(bascule: Bascule) -> None:
    quiet_journal(bascule)
    path = bascule.lab.folder / "state" / "journal.db"
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert "journal" in refused(bascule)
    assert bascule.run("journal", "verify").returncode != 0


def test_a_full_disk_under_the_journal_is_said(bascule: Bascule) -> None:
    """A limit on the size of files stands for the disk: writing fails in the same place. Nothing is done that could not be recorded."""
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    assert bascule.stop() == 0
    limited = ["/usr/bin/prlimit", f"--fsize={96 * 1024}", "/bin/sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *bascule.argv("serve")]
    faults.cannot_restart(lab)
    done = subprocess.run(limited, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=bascule.environment)
    assert done.returncode == 74 and "no room" in done.stderr, (done.returncode, done.stderr)
    assert bascule.rows("incident.opened") and not runs(bascule, "traffic switch "), "it began, and could not go on"
    not_moved(bascule)
    # With room again it takes up where the journal ends.
    bascule.verify()
    bascule.serve()
    bascule.resolved(RESOLVED_S)
    assert lab.served_by() == "dr" and len(runs(bascule, "restore ")) == 1


# ---- a clock that jumps ----

def set_clock(bascule: Bascule, seconds: int) -> None:
    """Moves the wall clock of the controller and its actions at once; the monotonic ones go on."""
    path = bascule.lab.folder / "clock"
    path.with_suffix(".new").write_text(f"{seconds}\n")
    path.with_suffix(".new").rename(path)


def settable_clock(bascule: Bascule, build: Path) -> None:
    set_clock(bascule, 0)
    sanitizer = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
    bascule.environment.update(LD_PRELOAD=str(next((build / "lab").glob("*wallclock.so"))), LAB_WALL_CLOCK=str(bascule.lab.folder / "clock"),
                               ASAN_OPTIONS=sanitizer)


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forth"])
def test_a_clock_that_is_set_an_hour_otherwise(bascule: Bascule, build: Path, hours: int) -> None:
    """Within an incident: no stage, budget or message comes early, late or twice by it, and no duration on record holds the hour."""
    lab = bascule.lab
    bascule.ok("backup")
    settable_clock(bascule, build)
    bascule.serve_and_settle()
    faults.cannot_restart(lab)
    bascule.await_row(30, "incident.opened")
    set_clock(bascule, hours * 3600)
    bascule.resolved(RESOLVED_S)
    assert lab.served_by() == "dr" and len(runs(bascule, "restore ")) == 1 and len(runs(bascule, "traffic switch ")) == 1
    rows = bascule.journal()
    assert any(abs((b["wall_ms"] - a["wall_ms"]) - hours * 3_600_000) < 60_000 for a, b in zip(rows, rows[1:])), "the clock did jump"
    assert all(0 <= b["at_ms"] - a["at_ms"] < 60_000 for a, b in zip(rows, rows[1:])), "core time goes on as if nothing were"
    wait_until("all messages", 30, lambda: {r["subject"] for r in bascule.rows("delivered")} >= {r["subject"] for r in bascule.rows("notice")})
    for channel, counts in deliveries(lab).items():
        assert counts and set(counts.values()) == {1}, (channel, counts)
    report = bascule.ok("incident", "report", "1")
    timeline = report.partition("\n## Timeline\n")[2].partition("\n## ")[0]
    offsets = [60 * int(m) + float(sec) for m, sec in re.findall(r"(?m)^\| [\d:.]+ \| T\+(\d+):([\d.]+) \|", timeline)]
    assert offsets and offsets == sorted(offsets) and offsets[-1] < RESOLVED_S, offsets
    durations = re.sub(r"\| 1 h 00 min \||against 1 h 00 min|is 1 h 00 min old", "", report)  # the target, and a backup's age by the wall clock
    assert not re.search(r"(?<![\w.:])-\d+(\.\d+)? (ms|s|min|h)\b|59 min|1 h 0|60 min", durations), report
    assert bascule.stop() == 0
    bascule.verify()
    bascule.serve_and_settle()  # and the journal is taken up again under the new clock


# ---- a controller that is killed ----

# Kinds of rows of the journal, and which of them in a failover: the controller is killed as soon as the row is seen.
MOMENTS = [("incident.opened", 1), ("notice", 1), ("run", 1), ("running", 2), ("outcome", 2), ("delivered", 3), ("run", 5), ("fact", 3),
           ("site.active", 1), ("incident.state", 2)]


def undelivered(bascule: Bascule) -> set[str]:
    return {r["subject"] for r in bascule.rows("notice")} - {r["subject"] for r in bascule.rows("delivered")}


@pytest.mark.parametrize("kind, nth", MOMENTS, ids=[f"{kind}-{nth}" for kind, nth in MOMENTS])
def test_a_killed_controller_goes_on_where_it_was(bascule: Bascule, kind: str, nth: int) -> None:
    lab = bascule.lab
    bascule.ok("backup")
    bascule.serve_and_settle()
    settled = bascule.journal()[-1]["seq"]
    faults.cannot_restart(lab)
    wait_until(f"{kind} number {nth}", 90, lambda: len([r for r in bascule.journal(after=settled) if r["kind"] == kind]) >= nth)
    bascule.kill()
    bascule.verify()
    in_flight = undelivered(bascule)
    bascule.serve()
    bascule.resolved(RESOLVED_S)
    assert lab.served_by() == "dr" and not lab.postmaster("production")
    assert len(runs(bascule, "restore ")) == 1 and len(runs(bascule, "traffic switch ")) == 1
    databases = lab.psql("dr", "SELECT datname FROM pg_database WHERE datname LIKE 'akig%'", dbname="postgres").split()
    assert len(databases) == 2, f"one restore leaves the database and the one before: {databases}"
    assert len(bascule.rows("incident.opened")) == 1
    wait_until("all messages", 30, lambda: {r["subject"] for r in bascule.rows("delivered")} >= {r["subject"] for r in bascule.rows("notice")})
    # A message may have been taken by its receiver in the very moment of the kill, before that could be written down. It is then sent
    # again, as the same message: same identity, same text. No other arrives twice, and none is missing.
    for channel, counts in deliveries(lab).items():
        ordered = {r["subject"] for r in bascule.rows("notice", channel=channel)}
        assert counts.keys() == ordered
        assert {key for key, n in counts.items() if n > 1} <= in_flight and max(counts.values()) <= 2
    copies: dict[str, set[str]] = {}
    for mail in lab.mails():
        copies.setdefault(mail["headers"]["Message-ID"], set()).add(mail["body"])
    assert all(len(bodies) == 1 for bodies in copies.values()) and len(copies) == len(deliveries(lab)["mail"])
    bascule.verify()
