"""The controller makes backups by itself, keeps the copy warm, and goes on after a kill."""
from __future__ import annotations

import re
from typing import Callable

import faults
from drive import Bascule
from procs import wait_until


def with_schedule(bascule: Bascule, every: str, follow: str) -> None:
    text = bascule.lab.config.read_text()
    head, mark, tail = text.partition("- name: dr\n")
    there = f"backup: {{folder: {bascule.lab.folder}/backups,"
    assert there in head and there in tail
    bascule.lab.config.write_text(head.replace(there, there + f" every: {every},") + mark
                                  + tail.replace(there, f"backup: {{folder: {bascule.lab.folder}/dr-backups, follow: {follow},", 1))


def outcomes(bascule: Bascule, job: str) -> list[dict]:
    return [r for r in bascule.rows("outcome") if r["subject"].startswith(f"upkeep.{job}-akig.")]


def test_backups_come_by_themselves_and_the_copy_follows(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule()
    with_schedule(bascule, "4s", "1h")
    bascule.serve()
    wait_until("two backups and their copies", 60, lambda: bascule.running() and len(bascule.rows("fact", subject="dr.file")) >= 2)
    for row in outcomes(bascule, "backup") + outcomes(bascule, "follow"):
        early = row["number"] == 1 and "there is no backup" in row["text"]  # the first look may come before the first backup
        assert (row["number"] == 0 or early) and row["service"] == "akig" and row["incident"] == 0, row["text"]
    begun = [r["wall_ms"] for r in bascule.rows("running") if r["subject"].startswith("upkeep.backup")]
    assert all(3500 < b - a < 9000 for a, b in zip(begun, begun[1:])), begun
    assert bascule.rows("fact", subject="backup.took_ms") and bascule.rows("fact", subject="dr.took_ms")
    # An hour between two looks, and yet it followed the second backup: a new backup is a reason to look.
    files = [r["text"] for r in bascule.rows("fact", subject="dr.file")]
    assert len(files) >= 2 and len(set(files)) == len(files)
    assert bascule.stop() == 0
    left = [p.name for p in (bascule.lab.folder / "state" / "run").glob("upkeep.*")]
    assert len(left) <= 4, left  # at most what ran when it stopped
    assert "Traceback" not in bascule.verify()


def test_a_killed_controller_makes_up_for_one_run_and_no_more(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule()
    with_schedule(bascule, "1h", "1h")
    bascule.serve()
    wait_until("a backup and a copy", 60, lambda: bascule.running() and outcomes(bascule, "backup") and len(outcomes(bascule, "follow")) >= 1)
    bascule.kill()
    bascule.serve_and_settle()
    wait_until("every run to end", 30, lambda: len(outcomes(bascule, "follow")) == len([r for r in bascule.rows("running") if r["subject"].startswith("upkeep.follow")]))
    assert len([r for r in bascule.rows("running") if r["subject"].startswith("upkeep.backup")]) == 1  # not due again for an hour


def test_a_run_outlives_the_controller_and_is_followed_again(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule(rows=120_000)
    with_schedule(bascule, "1h", "1h")
    bascule.serve()
    bascule.await_row(30, "running")
    bascule.kill()
    bascule.serve()
    wait_until("the backup's end on record", 60, lambda: bascule.running() and outcomes(bascule, "backup"))
    assert outcomes(bascule, "backup")[0]["number"] == 0, outcomes(bascule, "backup")[0]["text"]
    assert len([r for r in bascule.rows("running") if r["subject"].startswith("upkeep.backup")]) == 1


def test_what_fails_is_said_and_tried_again(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule(playbook_edits={r"(?m)^opens_when: .*": "opens_when: public is up and public is down"})
    with_schedule(bascule, "2s", "1h")
    faults.kill_database(bascule.lab)
    bascule.serve()
    wait_until("two failures", 40, lambda: bascule.running() and len(outcomes(bascule, "backup")) >= 2)
    assert all(r["number"] == 1 and "failed" in r["text"] for r in outcomes(bascule, "backup")[:2])
    assert bascule.rows("fact", subject="backup.failed")
    bascule.lab.unit("production", "db").start()
    wait_until("a backup", 40, lambda: any(r["number"] == 0 for r in outcomes(bascule, "backup")))


def test_after_a_failover_the_site_that_serves_is_backed_up(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule()
    with_schedule(bascule, "3s", "1h")
    bascule.serve_and_settle()
    wait_until("a copy", 60, lambda: any(r["number"] == 0 for r in outcomes(bascule, "follow")))
    faults.FAULTS["cannot-restart"](bascule.lab)
    bascule.resolved(90)
    last = bascule.journal()[-1]["seq"]
    made = wait_until("a backup of dr", 40, lambda: [r for r in outcomes(bascule, "backup") if r["seq"] > last and r["number"] == 0])
    assert 'site "dr" was backed up' in made[0]["text"]
    assert not [r for r in bascule.rows("running") if r["seq"] > last and r["subject"].startswith("upkeep.follow")]
    assert re.search(r"akig_backup_full_\d{8}_\d{6}\.sql\.gz", made[0]["text"])
