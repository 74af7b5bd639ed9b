"""Planned moves and the way back, on real pairs of servers with a client that counts what it was promised: nothing is lost, a move that cannot
be proven is taken back, a killed one is ended by whoever comes next, and an old primary follows again whatever became of its data."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import client
import faults
import pytest
from drive import Bascule
from lab import Lab, agent_state
from procs import wait_until

SWITCH_S = 180.0


def add_playbook(lab: Lab) -> None:
    text, count = re.subn(r"(?m)^(    playbooks: \[.*)\]$", r"\1, switchover.yaml]", lab.config.read_text())
    assert count == 1
    lab.config.write_text(text)


@pytest.fixture
def pair(make_bascule) -> Bascule:
    bascule = make_bascule(rows=1_000, standby=True)
    add_playbook(bascule.lab)
    return bascule


def paying(lab: Lab) -> client.Client:
    user = client.Client(lab.edge, lab.folder / "client.jsonl").start()
    wait_until("promises", 30, lambda: promises(lab) >= 20)
    return user


def promises(lab: Lab, site: str = "") -> int:
    return sum(r["ok"] and (not site or r["site"] == site) for r in client.load(lab.folder / "client.jsonl") if r["kind"] == "write")


def counted(lab: Lab, user: client.Client, site: str) -> client.Count:
    before = promises(lab, site)
    wait_until(f"promises of {site}", 30, lambda: promises(lab, site) > before + 5)
    user.stop()
    return client.count(client.load(lab.folder / "client.jsonl"), set(lab.psql(site, "SELECT reference FROM payments").split()))


def is_primary(lab: Lab, site: str) -> bool:
    try:
        return lab.psql(site, "SELECT pg_is_in_recovery()") == "f"
    except OSError:
        return False


def streams_from(lab: Lab, primary: str, standby: str) -> bool:
    try:
        return lab.psql(primary, f"SELECT state FROM pg_stat_replication WHERE application_name = '{standby}'") == "streaming"
    except OSError:
        return False


def timeline(lab: Lab, site: str) -> int:
    return int(lab.psql(site, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"), 16)


def facts(bascule: Bascule) -> dict[str, str]:
    return {r["subject"]: r["text"] or str(r["number"]) for r in bascule.rows("fact")}


def plan_of(lab: Lab) -> dict:
    try:
        return json.loads((lab.folder / "state" / "switchover" / "akig.json").read_text())
    except FileNotFoundError:
        return {"phase": "none"}


def backups(bascule: Bascule) -> int:
    return len([r for r in bascule.rows("outcome") if r["subject"].startswith("upkeep.backup") and r["number"] == 0])


def moved(lab: Lab, old: str, new: str) -> None:
    assert is_primary(lab, new) and not is_primary(lab, old) and streams_from(lab, new, old) and lab.served_by() == new
    assert plan_of(lab)["phase"] == "done"


def test_a_service_is_moved_and_brought_home(pair: Bascule) -> None:
    lab = pair.lab
    lab.config.write_text(lab.config.read_text().replace("    automatic: true\n", "    automatic: true\n    replication: {user: bascule, carry_slots: true}\n", 1))
    lab.psql("production", "SELECT pg_create_physical_replication_slot('third')")
    user = paying(lab)
    before = lab.config.read_text(), lab.psql("production", "SELECT count(*) FROM pg_replication_slots")
    plan = pair.ok("switchover", "akig", "--to", "dr", "--dry-run")
    assert "record of that shutdown" in plan and "promotes \"dr\"" in plan
    assert before == (lab.config.read_text(), lab.psql("production", "SELECT count(*) FROM pg_replication_slots")) and plan_of(lab)["phase"] == "none"
    there = pair.ok("switchover", "akig", timeout=SWITCH_S)
    moved(lab, "production", "dr")
    told = facts(pair)
    assert told["switchover.ended"] == "done" and told["switchover.follows"] == "yes" and told["promote.loss"].startswith("nothing is lost")
    assert timeline(lab, "dr") == 2 and lab.psql("production", "SELECT slot_name FROM pg_replication_slots") == "third", "nobody reads the slot of before"
    assert sorted(lab.psql("dr", "SELECT slot_name FROM pg_replication_slots").split()) == ["production", "third"]
    assert [r["subject"] for r in pair.rows("site.active")] == ["dr"], there
    phases = [r["text"] for r in pair.rows("fact", subject="switchover.phase")]
    assert phases == ["stopping", "proven", "promoted", "done"]
    pair.ok("switchover", "--to", "production", timeout=SWITCH_S)
    moved(lab, "dr", "production")
    assert timeline(lab, "production") == 3
    result = counted(lab, user, "production")
    outages = [int(r["text"]) for r in pair.rows("fact", subject="switchover.outage_ms")]
    print(f"{result.acknowledged} promises, {len(result.lost)} lost; longest time without one {result.outage.seconds if result.outage else 0:.2f} s; told: {outages} ms")
    assert result.lost == [] and result.by_site["dr"] > 0 and result.by_site["production"] > 0
    assert "serves the users already" in pair.ok("switchover", "--to", "production")
    pair.verify()


def test_a_controller_knows_that_it_is_planned(pair: Bascule) -> None:
    """The shutdown is no fault to it: no other incident, no fence, no failover."""
    lab = pair.lab
    lab.config.write_text(lab.config.read_text().replace("retention: 30d}", "retention: 30d, every: 12h}"))
    pair.serve_and_settle()
    wait_until("the first backup", 60, lambda: backups(pair) == 1)
    user = paying(lab)
    said = pair.ok("switchover", "--to", "dr", timeout=SWITCH_S)
    assert "follows it" in said
    moved(lab, "production", "dr")
    assert [r["subject"] for r in pair.rows("incident.opened")] == ["switchover"] and not [r for r in pair.rows("run") if r["text"].startswith(("fence", "promote", "service"))]
    assert counted(lab, user, "dr").lost == []
    wait_until("a backup of the new primary", 60, lambda: backups(pair) == 2)
    # What it watches now is the new primary: when that dies, it is mended there.
    faults.kill_database(lab, "dr")
    pair.await_row(60, "incident.opened", subject="database-down")
    wait_until("the new primary to be back", 60, lambda: is_primary(lab, "dr"))
    assert pair.stop() == 0


CUT_AND_STOP = """import sys
from pathlib import Path
sys.path.insert(0, {lab!r})
import faults
from lab import Lab, agent_state
lab = Lab.open(Path({folder!r}))
faults.stop_receiving(lab)
lab.unit("production", "db").stop()
"""


def test_a_shutdown_that_does_not_arrive_is_taken_back(pair: Bascule) -> None:
    """The standby is cut off at the last moment, after all that can be asked was asked: nobody is promoted, and the old primary writes again."""
    lab = pair.lab
    script = lab.folder / "cut-and-stop.py"
    script.write_text(CUT_AND_STOP.format(lab=str(Path(faults.__file__).parent), folder=str(lab.folder)))
    text = lab.config.read_text()
    plain = f"{Path(faults.__file__).parent / 'unit.py'}, {lab.folder}, production, db, stop]"
    assert plain in text
    lab.config.write_text(text.replace(plain, f"{script}]"))
    user = paying(lab)
    done = pair.run("switchover", timeout=SWITCH_S)
    assert done.returncode == 1 and "cancelled: " in done.stdout and "was written at" in done.stdout, done.stdout + done.stderr
    assert is_primary(lab, "production") and lab.psql("dr", "SELECT pg_is_in_recovery()") == "t" and lab.served_by() == "production"
    assert not (lab.folder / "production" / "data" / "standby.signal").exists() and timeline(lab, "production") == 1
    assert plan_of(lab)["phase"] == "cancelled" and facts(pair)["switchover.ended"] == "cancelled"
    assert len(pair.rows("fact", subject="switchover.cancelled")) == 1, "the second attempt is for those that were killed"
    result = counted(lab, user, "production")
    assert result.lost == [] and set(result.by_site) == {"production"}
    assert not pair.rows("site.active")
    # As long as it is cut off, it is not even begun.
    refused = pair.run("switchover", "--dry-run")
    assert refused.returncode == 1 and "does not receive" in refused.stderr


def kill_all(bascule: Bascule, command: subprocess.Popen) -> None:
    """The command, and what it started: both by kill -9, as a power cut of the controller's host would."""
    command.send_signal(signal.SIGKILL)
    command.wait(10)
    for path in (bascule.lab.folder / "state" / "run").glob("*.switchover.*.jsonl"):
        begun = json.loads(path.read_text().splitlines()[0])
        try:
            if Path(f"/proc/{begun['pid']}/stat").read_text().rsplit(")", 1)[1].split()[19] == str(begun["start"]):
                os.kill(begun["pid"], signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass


@pytest.mark.parametrize("phase", ["stopping", "proven", "promoted"])
def test_a_killed_switchover_is_ended_by_the_next(pair: Bascule, phase: str) -> None:
    lab = pair.lab
    user = paying(lab)
    command = pair.begin("switchover")
    order = ["none", "stopping", "proven", "promoted", "done"]
    end = time.monotonic() + 60
    while order.index(plan_of(lab)["phase"]) < order.index(phase) and time.monotonic() < end:
        time.sleep(0.002)
    kill_all(pair, command)
    assert sum(is_primary(lab, site) for site in ("production", "dr")) <= 1
    again = pair.run("switchover", "--to", "dr", timeout=SWITCH_S)
    assert again.returncode == 0, again.stdout + again.stderr
    moved(lab, "production", "dr")
    assert timeline(lab, "dr") == 2, "one promotion makes one new timeline"
    result = counted(lab, user, "dr")
    assert result.lost == [] and len([s for s in pair.rows("site.active") if s["subject"] == "dr"]) == 1
    pair.verify()


# ---- the way back ----

def part(bascule: Bascule) -> None:
    """Production writes what never arrives, dies, and DR takes over: the two have parted."""
    lab = bascule.lab
    faults.stop_receiving(lab)
    lab.psql("production", "CREATE TABLE never_arrived AS SELECT generate_series(1, 1000) AS n")
    faults.kill_database(lab)
    bascule.ok("fence", "production")
    bascule.ok("promote", "dr", "--allow-data-loss", "anna")
    lab.psql("dr", "CREATE TABLE since AS SELECT 1 AS n")


def follows_again(bascule: Bascule, how: str) -> dict[str, str]:
    lab = bascule.lab
    assert streams_from(lab, "dr", "production") and is_primary(lab, "dr") and not is_primary(lab, "production")
    wait_until("what was written since", 30, lambda: lab.psql("production", "SELECT count(*) FROM since") == "1")
    assert lab.psql("production", "SELECT to_regclass('never_arrived') IS NULL") == "t"
    told = facts(bascule)
    assert told["failback.how"] == how
    data = lab.folder / "production" / "data"
    assert lab.psql("production", "SHOW listen_addresses") == lab.state["sites"]["production"]["address"], "its settings are its own"
    assert not [p.name for p in data.parent.glob("data.bascule*")]
    again = bascule.ok("failback", "production")
    assert "already done" in again and "switchover --to production" in again
    bascule.verify()
    return told


def test_an_old_primary_that_parted_is_rewound(pair: Bascule) -> None:
    lab = pair.lab
    lab.psql("production", "ALTER SYSTEM SET wal_log_hints = on")
    lab.unit("production", "db").restart()
    wait_until("the standby to stream", 30, lambda: streams_from(lab, "production", "dr"))
    refused = pair.run("failback", "dr")
    assert refused.returncode == 0 and "already done" in refused.stdout, "a standby that streams is one"
    part(pair)
    assert "pg_rewind takes back" in pair.ok("failback", "production", "--dry-run")
    said = pair.ok("failback", "akig", "production", timeout=SWITCH_S)
    assert "by pg_rewind" in said and "switchover --to production" in said
    told = follows_again(pair, "pg_rewind")
    kept = Path(told["failback.old_log"])
    assert int(told["loss.transactions"]) >= 1 and f"{told['loss.transactions']} transaction" in said and str(kept) in said
    fork = re.search(r"from (0/[0-9A-F]+), where they parted", told["loss.measured"])
    assert fork
    log = subprocess.run([f"{lab.state['pgbin']}/pg_waldump", "-p", kept, "-s", fork[1]], capture_output=True, text=True).stdout
    assert len(re.findall(r"desc: COMMIT", log)) == int(told["loss.transactions"]) + int(told["loss.probes"]), "the log that a rewind throws away is kept"


def test_where_a_rewind_is_impossible_a_new_copy_is_made(pair: Bascule) -> None:
    """Hints are not logged, and the control file is lost; and the first try is killed while it copies."""
    lab = pair.lab
    part(pair)
    control = lab.folder / "production" / "data" / "global" / "pg_control"
    control.rename(control.with_name("pg_control.lost"))
    first = pair.begin("failback", "production")
    wait_until("a copy to begin", 60, lambda: first.poll() is not None or (lab.folder / "production" / "data.bascule-new").exists())
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    said = pair.ok("failback", "production", timeout=SWITCH_S)
    told = follows_again(pair, "a new copy") if "already done" not in said else facts(pair)
    kept = [p for p in (lab.folder / "production").glob("data.before-*")]
    assert "pg_control" in told["loss.unknown"] and "loss.bytes" not in told, "what cannot be counted is not 0"
    assert len(kept) == 1 and (kept[0] / "global" / "pg_control.lost").exists() and str(kept[0]) == told["failback.old_data"]


def test_what_takes_writes_is_not_overwritten(pair: Bascule) -> None:
    lab = pair.lab
    faults.stop_receiving(lab)
    lab.psql("dr", "SELECT pg_promote()")
    refused = pair.run("failback", "production")
    assert refused.returncode == 1 and "takes writes itself" in refused.stderr and "fence production" in refused.stderr
    refused = pair.run("switchover", "--to", "dr", "--dry-run")
    assert refused.returncode == 1 and "two primaries must never be" in refused.stderr
    assert is_primary(lab, "production")


# ---- drills ----

def test_a_drill_is_the_real_thing_and_is_kept(make_bascule) -> None:
    """A failover on purpose, with what it took; then home again, by the commands that its report names; then a planned one, and both in the list."""
    bascule = make_bascule(rows=1_000, sync=True)
    lab = bascule.lab
    add_playbook(lab)
    assert "no drill is on record" in bascule.ok("drill", "list")
    refused = bascule.run("drill", "failover")
    assert refused.returncode == 1 and "no way" in refused.stderr, "where the primary stands was never looked at, so what would be lost is not known"
    bascule.ok("status", "dr")
    refused = bascule.run("drill", "failover", "akig")
    assert refused.returncode == 1 and "--yes" in refused.stderr and is_primary(lab, "production")
    user = paying(lab)
    said = bascule.ok("drill", "failover", "--yes", timeout=SWITCH_S)
    assert is_primary(lab, "dr") and not lab.postmaster("production") and lab.served_by() == "dr"
    first = json.loads(bascule.ok("drill", "list", "--json"))
    assert len(first) == 1 and first[0]["ok"] and first[0]["way"] == "promote" and first[0]["rto_met"] and first[0]["rpo_met"]
    assert 0 < first[0]["outage_ms"] <= first[0]["rto_ms"] < first[0]["rto_target_ms"] and first[0]["rpo_ms"] == 0
    report = next((lab.folder / "state" / "drills" / "akig").glob("*.md")).read_text()
    assert "bascule failback production" in report and report in said and "| promote | success |" in report
    assert facts(bascule)["drill.rto_ms"] == str(first[0]["rto_ms"])
    bascule.ok("failback", "production", timeout=SWITCH_S)
    done = bascule.run("drill", "switchover", "--yes", timeout=SWITCH_S)
    assert done.returncode == 0, done.stdout + done.stderr
    moved(lab, "dr", "production")
    assert lab.psql("production", "SELECT sync_state FROM pg_stat_replication") == "async", "nobody waited for the new copy, so nobody does now"
    listed = bascule.ok("drill", "list")
    assert len(listed.splitlines()) == 2 and listed.count("█") > 2 and "dr -> production  met" in listed
    assert counted(lab, user, "production").lost == []
    bascule.verify()


def test_commits_wait_again_where_they_waited_before(make_bascule) -> None:
    bascule = make_bascule(rows=1_000, sync=True)
    lab = bascule.lab
    add_playbook(lab)
    bascule.ok("switchover", "--to", "dr", timeout=SWITCH_S)
    moved(lab, "production", "dr")
    wait_until("a synchronous standby", 30, lambda: lab.psql("dr", "SELECT sync_state FROM pg_stat_replication") == "sync")
    assert facts(bascule)["switchover.synchronous"] == "commits wait for site \"production\""


# ---- where agents live by a lease ----

def test_the_epoch_is_moved_where_agents_live_by_a_lease(make_bascule) -> None:
    """The agents stop and start, the promotion moves the epoch and waits for no lease, since the old agent gives its word; there and back."""
    bascule = make_bascule(rows=1_000, standby=True, agents=True)
    lab = bascule.lab
    add_playbook(lab)
    user = paying(lab)
    for old, new in (("production", "dr"), ("dr", "production")):
        bascule.ok("switchover", "--to", new, timeout=SWITCH_S)
        moved(lab, old, new)
        # No lease of the old one is waited for: that would take ttl, drift and guard, 3.23 s.
        outage = int(bascule.rows("fact", subject="switchover.outage_ms")[-1]["text"])
        print(f"{old} to {new}: {outage} ms")
        wait_until("the agents to agree", 30, lambda old=old, new=new: (agent_state(lab.state, old)["pg"], agent_state(lab.state, new)["pg"]) == ("standby", "primary"))
        # Beyond the time of the lease that the old one had: what was armed against a writer does not end the standby.
        wait_until("a steady standby", 60, lambda old=old: agent_state(lab.state, old)["since_ms_ago"] > 4000)
        assert agent_state(lab.state, old)["restarts"] == 0
    assert counted(lab, user, "production").lost == []
    bascule.verify()
