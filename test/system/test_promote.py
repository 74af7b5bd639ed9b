"""Failover by promotion of a streaming standby, on real servers: what is lost is counted by who was promised it, and never do two take writes."""
from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import client
import faults
import pytest
import unit
from drive import Bascule, Follower, miscounted
from lab import Lab
from procs import wait_until
from test_disaster import finish, runs, start

RESOLVED_S = 90
PACE_S = 0.004  # as fast as it is answered would take the machine from those who are looked at
STEPS = ["diagnose", "restart", "failover", "check-dr", "fence", "promote", "application", "test-apis", "redirect", "verify-traffic", "report"]


class Session:
    """A session with one server that was open before the fault and writes a row every few milliseconds."""

    def __init__(self, lab: Lab, site: str = "production") -> None:
        at = lab.state["sites"][site]
        lab.psql(site, "CREATE TABLE IF NOT EXISTS by_session (n int PRIMARY KEY)")
        where = f"host={at['address']} port={at['pg_port']} user=postgres dbname=akig"
        self.psql = subprocess.Popen([f"{lab.state['pgbin']}/psql", "-XAtq", "-d", where], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.promised: list[tuple[int, float]] = []  # numbers that were committed, and when that was known
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()
        wait_until("promises to a session", 10, lambda: len(self.promised) > 20)

    def _write(self) -> None:
        assert self.psql.stdin and self.psql.stdout
        n = 0
        try:
            while True:
                n += 1
                self.psql.stdin.write(f"INSERT INTO by_session VALUES ({n}) RETURNING n;\n")
                line = self.psql.stdout.readline()
                if not line:
                    return
                self.promised.append((int(line), time.time()))
                time.sleep(PACE_S)
        except OSError:
            return

    def over(self) -> float:
        """Waits for its end, and gives the moment of its last promise."""
        self.thread.join(30)
        assert not self.thread.is_alive(), "a session with the old primary still writes"
        self.psql.wait(10)
        return self.promised[-1][1]

    def lost(self, lab: Lab, site: str = "dr") -> list[int]:
        stored = {int(n) for n in lab.psql(site, "SELECT n FROM by_session").split()}
        return [n for n, _ in self.promised if n not in stored]


def facts(bascule: Bascule) -> dict[str, str]:
    return {r["subject"]: r["text"] or str(r["number"]) for r in bascule.rows("fact")}


def one_writer(bascule: Bascule, session: Session) -> None:
    """The old primary is off and stays so, the standby was promoted once, and nothing was promised over there once it was ordered."""
    lab = bascule.lab
    ordered = runs(bascule, "promote ")
    assert len(ordered) == 1 and not runs(bascule, "restore ") and len(runs(bascule, "traffic switch ")) == 1
    assert session.over() < ordered[0]["wall_ms"] / 1000
    assert not lab.postmaster("production") and lab.unit("production", "db").mask_file.exists()
    assert lab.psql("dr", "SELECT pg_is_in_recovery(), (SELECT timeline_id FROM pg_control_checkpoint())").split("|")[0] == "f"
    assert lab.psql("dr", "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == "00000002", "one promotion makes one new timeline"
    assert lab.served_by() == "dr"


def test_a_synchronous_standby_takes_over_and_nothing_is_lost(make_bascule) -> None:
    bascule = make_bascule(rows=5_000, sync=True)
    session = Session(bascule.lab)
    user = start(bascule)
    faults.cannot_restart(bascule.lab)
    counted = finish(bascule, user, "dr")
    one_writer(bascule, session)
    assert counted.acknowledged and counted.lost == [] and session.lost(bascule.lab) == []
    assert counted.by_site.get("dr", 0) > 0
    assert [r["subject"].split(".")[1] for r in bascule.rows("step.started")] == STEPS
    told = facts(bascule)
    assert told["options.best"] == "promote" and told["options.restore"].startswith("not possible: ") and told["options.warm"].startswith("not possible: ")
    assert told["promote.loss_bytes"] == "0" and told["promote.timeline"] == "2, before 1"
    assert told["promote.loss"].startswith("nothing is lost: the commits of \"production\" waited for this standby")
    assert int(told["restore.recovery_point_ms"]) > 0 and told["promote.archiving"] == "off"
    assert miscounted(bascule) == []
    bascule.verify()
    report = bascule.ok("incident", "report", "1")
    assert "promote" in report
    assert bascule.stop() == 0


def test_an_asynchronous_standby_takes_over_within_the_loss_on_record(make_bascule) -> None:
    """What a client lost was promised after the newest commit that the new primary has: the recovery point on record bounds it."""
    bascule = make_bascule(rows=5_000, standby=True)
    session = Session(bascule.lab)
    user = start(bascule)
    faults.cannot_restart(bascule.lab)
    counted = finish(bascule, user, "dr")
    one_writer(bascule, session)
    told = facts(bascule)
    missing = set(session.lost(bascule.lab))
    point = int(told["restore.recovery_point_ms"]) / 1000
    assert all(at > point for n, at in session.promised if n in missing), "lost, and promised before the recovery point"
    assert all(row["wall"] > point for row in counted.lost) and counted.lost_by_site.get("dr", 0) == 0
    assert int(told["promote.loss_bytes"]) <= 16_777_216
    assert "not known" in told["promote.loss"] or "would be lost" in told["promote.loss"]
    assert bascule.stop() == 0
    bascule.verify()


def test_a_person_moves_a_healthy_service(make_bascule) -> None:
    """The primary lives and sends until it is fenced; with a synchronous standby nothing is lost."""
    bascule = make_bascule(rows=2_000, sync=True)
    lab = bascule.lab
    bascule.ok("backup")
    bascule.ok("status")  # looks once, and keeps where the primary stands
    session = Session(lab)
    refused = bascule.run("promote", "dr")
    assert refused.returncode == 1 and "two primaries must never be" in refused.stderr and "bascule" in refused.stderr
    plan = bascule.ok("failover", "--dry-run")
    assert "bascule promote dr" in plan and "bascule restore dr" not in plan and "left out as things stand" in plan
    ways = json.loads(bascule.ok("options", "--json"))
    assert ways["best"] == ways["best_move"] == "promote" and not next(w for w in ways["ways"] if w["way"] == "restart")["possible"]
    bascule.ok("failover", timeout=120)
    one_writer(bascule, session)
    assert session.lost(lab) == []
    again = bascule.ok("promote", "dr")
    assert "already done" in again
    after = json.loads(bascule.run("status", "--json", "dr").stdout)["checks"]
    replication = next(c for c in after if c["check"] == "dr.replication")
    assert replication["state"] == "warning" and "it is a primary, timeline 2" in replication["text"]
    bascule.verify()


def test_what_is_not_known_or_too_much_needs_a_name(make_bascule) -> None:
    bascule = make_bascule(rows=2_000, standby=True)
    lab = bascule.lab
    faults.cannot_restart(lab)  # before anybody looked: where the primary stood is not known
    unknown = bascule.run("promote", "dr")
    assert unknown.returncode == 2 and "is not known" in unknown.stderr and "--allow-data-loss" in unknown.stderr
    assert lab.psql("dr", "SELECT pg_is_in_recovery()") == "t"
    assert bascule.run("options", "--moves").returncode == 1
    bascule.ok("promote", "dr", "--allow-data-loss", "anna")
    assert lab.psql("dr", "SELECT pg_is_in_recovery()") == "f"
    twice = bascule.run("promote", "dr")
    assert twice.returncode == 1 and "it is a primary already, on timeline 2" in twice.stderr


def test_more_than_may_be_lost_blocks(make_bascule) -> None:
    bascule = make_bascule(rows=2_000, standby=True)
    lab = bascule.lab
    bascule.lab.config.write_text(lab.config.read_text().replace("    automatic: true\n", "    automatic: true\n    replication: {user: postgres, max_loss: 0}\n"))
    faults.stop_receiving(lab)
    lab.psql("production", "CREATE TABLE more AS SELECT generate_series(1, 10000) AS n")
    bascule.run("status", "dr")
    faults.cannot_restart(lab)
    done = bascule.run("promote", "dr")
    assert done.returncode == 2 and "would be lost" in done.stderr and "the limit is 0 MiB" in done.stderr
    assert lab.psql("dr", "SELECT pg_is_in_recovery()") == "t"
    ways = json.loads(bascule.run("options", "--json").stdout)
    promote = next(w for w in ways["ways"] if w["way"] == "promote")
    assert not promote["possible"] and "0 are allowed" in promote["why"]
    accepted = bascule.ok("promote", "dr", "--allow-data-loss", "anna")
    assert "promote.loss_accepted_by: anna" in accepted
    lost = int(next(line for line in accepted.splitlines() if line.startswith("promote.loss_bytes: ")).split()[1])
    assert lost > 10_000 * 20, "ten thousand rows take more than that"


def test_a_paused_replay_is_resumed_and_a_delayed_one_is_refused(make_bascule) -> None:
    bascule = make_bascule(rows=2_000, standby=True)
    lab = bascule.lab
    lab.psql("dr", "SELECT pg_wal_replay_pause()")
    lab.psql("production", "CREATE TABLE late AS SELECT 7 AS n")
    wait_until("the change to be received", 10, lambda: lab.psql("dr", "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()") == "t")
    assert "replay is paused" in bascule.run("status", "dr", "--json").stdout
    wait_until("all to be received", 10, lambda: lab.psql("dr", "SELECT pg_last_wal_receive_lsn()") == lab.psql("production", "SELECT pg_current_wal_flush_lsn()"))
    faults.cannot_restart(lab)
    lab.psql("dr", "ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    lab.psql("dr", "SELECT pg_reload_conf()")
    delayed = bascule.run("promote", "dr", "--dry-run")
    assert delayed.returncode == 1 and "replays 1 h" in delayed.stdout + delayed.stderr and "recovery_min_apply_delay" in delayed.stderr
    lab.psql("dr", "ALTER SYSTEM RESET recovery_min_apply_delay")
    lab.psql("dr", "SELECT pg_reload_conf()")
    bascule.ok("promote", "dr")
    assert lab.psql("dr", "SELECT n FROM late") == "7"


# ---- a controller that is killed ----

POINTS = 200 if os.environ.get("BASCULE_SWEEP") else 12


def records_of_a_failover() -> int:
    """About so many follow the fault; a moment beyond the last one is the end of the incident."""
    return 130


@pytest.mark.parametrize("nth", sorted({1 + i * records_of_a_failover() // POINTS for i in range(POINTS)}))
def test_a_killed_controller_promotes_once(make_bascule, nth: int) -> None:
    bascule = make_bascule(rows=1_000, sync=True)
    lab = bascule.lab
    session = Session(lab)
    bascule.ok("backup")
    bascule.serve_and_settle()
    settled = bascule.journal()[-1]["seq"]
    follower = Follower(bascule)
    try:
        faults.cannot_restart(lab)
        seen = 0

        def reached() -> bool:
            nonlocal seen
            fresh = [r for r in follower.take() if r["seq"] > settled]
            seen += len(fresh)
            return seen >= nth or any(r["kind"] == "incident.state" and r["number"] == 4 for r in fresh)

        wait_until(f"record {nth} after the fault", 90, reached)
        bascule.kill()
    finally:
        follower.close()
    bascule.verify()
    bascule.serve()
    bascule.resolved(RESOLVED_S)
    one_writer(bascule, session)
    assert session.lost(lab) == []
    assert len(bascule.rows("incident.opened")) == 1
    bascule.verify()


def test_where_a_lease_rules_nothing_is_promoted_behind_its_back(make_bascule) -> None:
    """Its agent would end the new primary, which the epoch does not name: so who cannot move the epoch promotes nobody."""
    bascule = make_bascule(standby=True)
    lab = bascule.lab
    token = lab.folder / "secrets" / "agent.token"
    token.write_text("t" * 40 + "\n")
    token.chmod(0o600)
    text = lab.config.read_text()
    for site in ("production", "dr"):
        agent = f"        agent: {{listen: \"{lab.state['sites'][site]['address']}:9346\", token: {{file: {token}}}}}\n"
        text = text.replace(f"        role: {site}\n", f"        role: {site}\n{agent}", 1)
    lab.config.write_text(text + "etcd: {endpoints: [\"http://127.0.0.1:1\"]}\n")
    bascule.ok("config", "check")
    for words in (("promote", "dr", "--dry-run"), ("promote", "dr", "--fenced-by", "ana", "--allow-data-loss", "ana")):
        done = bascule.run(*words)
        assert done.returncode != 0 and "which site may write is not known" in done.stderr + done.stdout, (words, done)
    assert lab.psql("dr", "SELECT pg_is_in_recovery()") == "t"


# ---- what a promotion owes the replication around it ----

def archiving(bascule: Bascule, more: str = "") -> Path:
    """Both servers archive into one folder that takes no file twice, as PostgreSQL's manual wants it; `closed.SITE` in it keeps a site out."""
    lab = bascule.lab
    folder = lab.folder / "archive"
    folder.mkdir()
    folder.chmod(0o777)
    for site in ("production", "dr"):
        with open(lab.folder / site / "data" / "postgresql.conf", "a") as f:
            f.write(f"archive_mode = on\nwal_level = logical\nwal_keep_size = 512MB\n"
                    f"archive_command = 'test ! -e {folder}/closed.{site} && test ! -e {folder}/%f && cp %p {folder}/%f.part && mv {folder}/%f.part {folder}/%f'\n")
        lab.unit(site, "db").restart()
    text, count = re.subn(r"(?m)^    automatic: true$", f"    automatic: true\n    replication: {{user: bascule{more.replace('ARCHIVE', str(folder))}}}", lab.config.read_text(), count=1)
    assert count == 1
    lab.config.write_text(text)
    wait_until("the standby to stream again", 30, lambda: lab.psql("production", "SELECT state FROM pg_stat_replication WHERE application_name = 'dr'") == "streaming")
    first = full_segment(lab)
    wait_until("the first segment to be archived", 60, lambda: lab.psql("production", "SELECT last_archived_wal FROM pg_stat_archiver") == first)
    return folder


def full_segment(lab: Lab) -> str:
    return lab.psql("production", "SELECT pg_walfile_name(pg_switch_wal()) FROM pg_logical_emit_message(false, 'test', 'x')")


def not_archived(lab: Lab, archive: Path, count: int) -> list[str]:
    """Written by production and received by its standby, while production's archive was closed."""
    (archive / "closed.production").touch()
    names = [full_segment(lab) for _ in range(count)]
    end = lab.psql("production", "SELECT pg_current_wal_flush_lsn()")
    wait_until("all to be replayed", 60, lambda: lab.psql("dr", f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t")
    return names


def promoted(bascule: Bascule) -> dict[str, str]:
    lab = bascule.lab
    bascule.run("status")  # looks once, and keeps what it saw of the pair
    lab.psql("production", "SELECT pg_logical_emit_message(true, 'test', 'x')")  # so that the timelines part amid a segment
    end = lab.psql("production", "SELECT pg_current_wal_flush_lsn()")
    wait_until("the last of it to be replayed", 60, lambda: lab.psql("dr", f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == "t")
    faults.cannot_restart(lab)
    said = bascule.ok("promote", "dr")
    return dict(line.split(": ", 1) for line in said.splitlines() if line.startswith("promote.") and ": " in line)


def arrived(lab: Lab, archive: Path, names: list[str]) -> None:
    """In the archive as production wrote them, nothing before the new timeline is missing, and no file was offered twice."""
    wait_until("the missing segments to be archived", 90, lambda: all((archive / name).exists() for name in names))
    wait_until("all to be archived", 90, lambda: not list((lab.folder / "dr" / "data" / "pg_wal" / "archive_status").glob("*.ready")))
    for name in names:
        assert filecmp.cmp(archive / name, lab.folder / "production" / "data" / "pg_wal" / name, shallow=False)
    numbers = sorted(int(p.name[16:], 16) for p in archive.iterdir() if re.fullmatch("00000001[0-9A-F]{16}", p.name))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    partial = [p.name for p in archive.glob("*.partial")]
    assert [int(name[16:24], 16) for name in partial] == [numbers[-1] + 1] and (archive / "00000002.history").exists(), "the new timeline begins where the old one ends"
    assert lab.psql("dr", "SELECT failed_count FROM pg_stat_archiver") == "0"


def test_what_further_standbys_readers_and_the_archive_are_owed(make_bascule) -> None:
    """A slot of a further standby is carried, that of a reader is said to be lost, and the hole in the archive is named and filled."""
    bascule = make_bascule(rows=1_000, standby=True)
    lab = bascule.lab
    archive = archiving(bascule, ', carry_slots: true, archive_has: [test, -f, "ARCHIVE/%f"]')
    lab.psql("production", "SELECT pg_create_physical_replication_slot('third'), pg_create_logical_replication_slot('feed', 'pgoutput')")
    names = not_archived(lab, archive, 4)
    bascule.run("status")
    ways = json.loads(bascule.run("options", "--json").stdout)
    slots = {s["slot"]: s for s in ways["slots"]}
    assert ways["slots_known"] and {name: (s["type"], s["state"]) for name, s in slots.items()} == {"third": ("physical", "safe"), "feed": ("logical", "lost")}
    assert "logical" in bascule.run("options").stdout.split("Replication slots of production", 1)[1]
    assert 'logical slot "feed" of "production" is lost: ' in bascule.ok("promote", "dr", "--dry-run")
    assert lab.psql("dr", "SELECT count(*) FROM pg_replication_slots") == "0", "looking makes none"
    # Somebody archived one after the primary was last seen: it is not offered again.
    shutil.copy(lab.folder / "production" / "data" / "pg_wal" / names[1], archive / names[1])
    told = promoted(bascule)
    missing = [names[0], names[2], names[3]]
    assert told["promote.archive_missing"] == ", ".join(missing) and "left to the archiver of \"dr\"" in told["promote.archive"], told
    assert "promote.archive_command" not in told
    assert told["promote.slots_made"] == "third" and told["promote.slots_lost"] == "logical: feed; physical: none"
    assert told["promote.slot.feed"] == f"lost: {slots['feed']['why']}"
    assert lab.psql("dr", "SELECT slot_name, restart_lsn IS NOT NULL FROM pg_replication_slots") == "third|t"
    arrived(lab, archive, missing)


def test_an_archive_that_cannot_be_asked_is_mended_by_the_command_it_gives(make_bascule) -> None:
    bascule = make_bascule(rows=1_000, standby=True)
    lab = bascule.lab
    archive = archiving(bascule)
    lab.psql("production", "SELECT pg_create_physical_replication_slot('third')")
    names = not_archived(lab, archive, 2)
    told = promoted(bascule)
    assert told["promote.archive_missing"].startswith("not known; of these: ") and told["promote.archive_missing"].endswith(", ".join(names)) and "archive_has is not set" in told["promote.archive"], told
    assert told["promote.slots_lost"] == "logical: none; physical: third" and "promote.slots_made" not in told
    assert not any((archive / name).exists() for name in names)
    subprocess.run(["/bin/sh", "-c", told["promote.archive_command"]], check=True)
    lab.psql("dr", "SELECT pg_reload_conf()")
    arrived(lab, archive, names)


def test_15_a_standby_that_is_fed_from_an_archive_only_is_said_to_be(make_bascule) -> None:
    """It takes over like any other, but for what it lacks: all that was not archived yet, which is more than may be lost here. The reason is named."""
    bascule = make_bascule(rows=1_000, standby=True)
    lab = bascule.lab
    archive = archiving(bascule, ", max_loss: 0")
    lab.psql("dr", f"ALTER SYSTEM SET restore_command = 'cp {archive}/%f %p'")
    lab.psql("dr", "ALTER SYSTEM SET primary_conninfo = ''")
    lab.psql("dr", "SELECT pg_reload_conf()")
    wait_until("the stream to end", 30, lambda: not lab.psql("production", "SELECT 1 FROM pg_stat_replication"))
    lab.psql("production", "CREATE TABLE fed AS SELECT 1 AS n")
    full_segment(lab)
    wait_until("the segment to be replayed", 60, lambda: lab.psql("dr", "SELECT to_regclass('fed') IS NOT NULL") == "t")
    lab.psql("production", "INSERT INTO fed VALUES (2)")
    bascule.run("status")
    faults.cannot_restart(lab)
    reason = "fed from an archive only (its primary_conninfo is empty)"
    assert reason in bascule.run("promote", "dr", "--dry-run").stdout
    refused = bascule.run("promote", "dr")
    assert refused.returncode == 2 and reason in refused.stderr and "the limit is 0 MiB" in refused.stderr, refused
    assert lab.psql("dr", "SELECT pg_is_in_recovery()") == "t"
    assert reason in bascule.ok("promote", "dr", "--allow-data-loss", "anna")
    assert lab.psql("dr", "SELECT n FROM fed") == "1"


def restored(lab: Lab, archive: Path, base: Path, target: str) -> list[int]:
    """The rows of a server that was made of the base backup and the archive only, up to the target."""
    made = base.with_name("restored")
    own = unit.run_as(lab.state["user"])

    def control(*words: object) -> None:
        subprocess.run([f"{lab.state['pgbin']}/pg_ctl", "-D", made, "-s", "-w", *map(str, words)], check=True, cwd="/", stdin=subprocess.DEVNULL, **own)

    shutil.rmtree(made, ignore_errors=True)
    subprocess.run(["cp", "-a", base, made], check=True)
    (made / "recovery.signal").touch()
    (made / "pg_hba.conf").write_text("local all all trust\n")
    with open(made / "postgresql.conf", "a") as f:
        f.write(f"archive_mode = off\nlisten_addresses = ''\nunix_socket_directories = '{made}'\nlogging_collector = off\n"
                f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_timeline = latest\nrecovery_target_action = promote\n{target}\n")
    try:
        control("-l", made / "log", "start")
        sql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", made, "-p", str(lab.state["sites"]["production"]["pg_port"]), "-U", "postgres", "-d", "akig", "-c"]

        def ask(question: str) -> str:
            return subprocess.run([f"{lab.state['pgbin']}/{sql[0]}", *sql[1:], question], check=True, capture_output=True, text=True, timeout=60).stdout.strip()

        wait_until("the target", 60, lambda: ask("SELECT pg_is_in_recovery()") == "f")
        return [int(n) for n in ask("SELECT n FROM moments ORDER BY n").split()]
    finally:
        print((made / "log").read_text() if (made / "log").exists() else "no log")
        control("-m", "immediate", "stop")


def test_17_both_sides_of_a_promotion_are_restored_from_the_archive(make_bascule) -> None:
    """The old primary died with a part of its log unarchived: to a moment before that and to one after it, by a base backup of before and the archive alone."""
    bascule = make_bascule(rows=1_000, standby=True)
    lab = bascule.lab
    archive = archiving(bascule, ', archive_has: [test, -f, "ARCHIVE/%f"]')
    at, own = lab.state["sites"]["production"], unit.run_as(lab.state["user"])
    base = lab.folder / "production" / "base"
    subprocess.run([f"{lab.state['pgbin']}/pg_basebackup", "-D", base, "-h", at["address"], "-p", str(at["pg_port"]), "-U", "postgres", "-X", "none", "-c", "fast", "--no-sync"],
                   check=True, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, **own)
    lab.psql("production", "CREATE TABLE moments (n int)")
    names = not_archived(lab, archive, 2)
    lab.psql("production", "INSERT INTO moments VALUES (1)")
    before = lab.psql("production", "SELECT pg_current_wal_insert_lsn()")
    lab.psql("production", "INSERT INTO moments VALUES (2)")
    told = promoted(bascule)
    assert set(names) <= set(told["promote.archive_missing"].split(", ")), told
    lab.psql("dr", "INSERT INTO moments VALUES (3)")
    after = lab.psql("dr", "SELECT clock_timestamp()")
    lab.psql("dr", "INSERT INTO moments VALUES (4)")
    last = lab.psql("dr", "SELECT pg_walfile_name(pg_switch_wal())")
    wait_until("the archive to have it", 90, lambda: all((archive / name).exists() for name in (*names, last)))
    assert restored(lab, archive, base, f"recovery_target_lsn = '{before}'") == [1]
    assert restored(lab, archive, base, f"recovery_target_time = '{after}'") == [1, 2, 3]
