"""The warm copy: brought over, restored, sealed, and taken in a failover; or left alone, and why."""
from __future__ import annotations

import json
import time
from typing import Callable

import faults
import pytest
from drive import Bascule
from lab import Lab
from procs import wait_until

COLD = "was restored from"
TAKEN = "the warm copy of"


def keep_apart(lab: Lab, more: str = "") -> None:
    """Each site gets a folder of its own, as on two machines; production's is reached over ssh."""
    head, mark, tail = lab.config.read_text().partition("- name: dr\n")
    there = f"backup: {{folder: {lab.folder}/backups,"
    assert there in tail
    lab.config.write_text(head + mark + tail.replace(there, f"backup: {{{more}folder: {lab.folder}/dr-backups,", 1))


@pytest.fixture
def warm(make_bascule: Callable[..., Bascule]) -> Bascule:
    """A copy waits at the DR site."""
    bascule = make_bascule()
    keep_apart(bascule.lab)
    bascule.ok("backup")
    assert "the warm copy of site \"dr\" is now" in bascule.ok("dr", "follow", "--once")
    return bascule


def standing(bascule: Bascule) -> dict:
    return json.loads(bascule.run("dr", "status", "--json").stdout)


def databases(bascule: Bascule) -> set[str]:
    return set(bascule.lab.psql("dr", "SELECT datname FROM pg_database WHERE datname LIKE 'akig%'", "postgres").split())


def rows(bascule: Bascule, site: str) -> int:
    return int(bascule.lab.psql(site, "SELECT count(*) FROM payments"))


def test_the_copy_is_that_of_the_backup_and_takes_no_writes(warm: Bascule) -> None:
    assert rows(warm, "dr") == rows(warm, "production")
    with pytest.raises(OSError, match="read-only"):
        warm.lab.psql("dr", "DELETE FROM payments")
    now = standing(warm)
    assert now["copy"]["usable"] and now["last"]["ok"] and not now["serves"]
    assert "restored 2" in warm.ok("backup", "list", "--site", "dr")  # that it could be restored stands beside the backup
    again = warm.ok("dr", "follow", "--once")
    assert "is the newest good backup" in again and "dr.fetched" not in again


def test_old_copies_go_and_what_was_there_before_stays(warm: Bascule) -> None:
    first = databases(warm) - {"akig"}
    assert len(first) == 1  # what the site had before it followed
    for _ in range(3):
        warm.ok("backup")
        warm.ok("dr", "follow", "--once")
    left = databases(warm)
    assert first < left and len(left) == 3, left  # it, the copy, and one copy before it


def test_a_copy_is_taken_within_two_seconds_and_not_followed_any_more(warm: Bascule) -> None:
    assert "takes the warm copy of" in warm.ok("restore", "dr", "--dry-run")
    began = time.monotonic()
    said = warm.ok("restore", "dr")
    took = time.monotonic() - began
    assert TAKEN in said and "restore.warm: restored" in said and took < 2, (said, took)
    warm.lab.psql("dr", "DELETE FROM payments WHERE id = 1")
    warm.ok("backup")
    refused = warm.run("dr", "follow", "--once")
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert warm.run("dr", "status").returncode == 2
    warm.ok("dr", "follow", "--once", "--force")
    assert standing(warm)["copy"]["usable"]
    assert "akig" in databases(warm) and rows(warm, "dr") == rows(warm, "production")


@pytest.mark.parametrize("touch", ["DELETE FROM invoices WHERE id = 1", "TRUNCATE invoices", "CREATE TABLE mine (x int)", "ALTER TABLE invoices ADD mine int"])
def test_a_copy_that_was_written_to_is_not_taken(warm: Bascule, touch: str) -> None:
    warm.lab.psql("dr", f"BEGIN READ WRITE; {touch}; COMMIT")
    now = standing(warm)
    assert not now["copy"]["usable"] and "since" in now["copy"]["why_not"]
    said = warm.ok("restore", "dr")
    assert COLD in said and "restore.warm_unusable" in said
    assert rows(warm, "dr") == rows(warm, "production")
    warm.lab.psql("dr", "DELETE FROM invoices WHERE id = 2")  # a database restored to be used takes writes


def test_a_copy_on_a_server_that_crashed_is_made_anew(warm: Bascule) -> None:
    """A server that crashed has lost what it counted, so it cannot say that nobody wrote."""
    unit = warm.lab.unit("dr", "db")
    unit.kill()
    unit.unmask()
    unit.start()
    assert not standing(warm)["copy"]["usable"]
    assert "is now" in warm.ok("dr", "follow", "--once")
    assert standing(warm)["copy"]["usable"]


def test_a_damaged_newer_backup_does_not_replace_the_copy(warm: Bascule) -> None:
    good = standing(warm)["copy"]["file"]
    warm.ok("backup")
    newest = sorted(p for p in warm.lab.backups.glob("*.sql.gz"))[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    said = warm.ok("dr", "follow", "--once")
    assert "dr.trouble" in said and "checksum" in said and standing(warm)["copy"]["file"] == good
    # Without a manifest nobody knows on the way; it is found out here.
    newest.with_name(newest.name + ".manifest.json").unlink()
    said = warm.ok("dr", "follow", "--once")
    assert f"dr.fetched: {newest.name}" in said and "dr.skipped" in said and standing(warm)["copy"]["file"] == good
    assert TAKEN in warm.ok("restore", "dr")


def test_a_backup_that_cannot_be_restored_is_known_before_it_is_needed(warm: Bascule) -> None:
    """Sound to its last byte, and yet no server takes it: only a restore tells."""
    import gzip
    name = time.strftime("akig_backup_full_%Y%m%d_%H%M%S.sql.gz", time.gmtime(time.time() + 1))
    text = "--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE a (x no_such_type);\n\n--\n-- PostgreSQL database dump complete\n--\n\n"
    (warm.lab.backups / name).write_bytes(gzip.compress(text.encode()))
    failed = warm.run("dr", "follow", "--once")
    assert failed.returncode == 1 and "no_such_type" in failed.stderr
    now = standing(warm)
    assert not now["last"]["ok"] and "no_such_type" in now["last"]["error"] and now["copy"]["usable"]
    assert warm.run("dr", "status").returncode == 1
    again = warm.ok("dr", "follow", "--once")  # it is not tried again at once; what waits is still the newest good one
    assert "its restore failed less than" in again


def test_production_that_cannot_be_reached_leaves_what_is_here(warm: Bascule) -> None:
    text = warm.lab.config.read_text()
    port = warm.lab.state["ports"]["ssh"]
    warm.lab.config.write_text(text.replace(f"port: {port}", "port: 1"))
    said = warm.ok("dr", "follow", "--once")
    assert "dr.trouble" in said and "cannot be reached" in said and "is the newest good backup" in said


def test_a_failover_takes_the_copy(warm: Bascule) -> None:
    warm.serve_and_settle()
    lookup = warm.rows("verdict", subject="dr.database")[0]
    assert lookup["number"] == 1 and "a warm copy" in lookup["text"]
    faults.FAULTS["cannot-restart"](warm.lab)
    warm.resolved(90)
    begun, ended = [next(r for r in warm.journal() if r["kind"] == kind and ".restore." in r["subject"]) for kind in ("step.started", "step.ended")]
    assert TAKEN in ended["text"] and ended["wall_ms"] - begun["wall_ms"] < 2000
    assert warm.rows("fact", subject="restore.warm")
    refused = warm.run("dr", "follow", "--once")
    assert refused.returncode == 2 and "the users are served by site" in refused.stderr
    # The heartbeat is written again where the users are.
    def beat() -> int:
        return int(warm.lab.psql("dr", "SELECT beat_ms FROM bascule_heartbeat"))
    last = beat()
    wait_until("another beat", 10, lambda: beat() > last)


def test_a_restore_test_that_failed_is_an_alert(make_bascule: Callable[..., Bascule]) -> None:
    bascule = make_bascule(extra_checks="\n      - {id: dr.restore-test, type: restore_test, site: dr, interval: 1s, timeout: 5s, warning: 1h}"
                                        "\n      - {id: dr.slow-backup, type: backup, site: dr, interval: 1s, timeout: 5s, slow: 1ms, too_slow: 1h}")
    keep_apart(bascule.lab)
    bascule.ok("backup")
    first = bascule.run("status", "--site", "dr", "--json")
    assert "no backup was ever restored" in first.stdout
    bascule.ok("dr", "follow", "--once")
    well = bascule.run("status", "--site", "dr", "--json").stdout
    assert "the last restore test is" in well and "; it took " in well
    unit = bascule.lab.unit("dr", "db")
    bascule.ok("backup")
    unit.stop()
    assert bascule.run("dr", "follow", "--once").returncode == 1
    assert bascule.run("dr", "status").returncode == 1
