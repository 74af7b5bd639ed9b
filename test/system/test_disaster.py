"""The main job, end to end, on real servers: production's database dies; the service is recovered, users are moved, people are told."""
from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import client
import faults
import procs
import pytest
import web
from drive import Bascule, miscounted
from lab import PROGRAMS
from procs import wait_until

ROOT = Path(__file__).resolve().parents[2]
RESOLVED_S = 90
ENDPOINTS = ("/api/health", "/api/auth/test", "/api/contracts?limit=1")


def runs(bascule: Bascule, action: str) -> list[dict]:
    return [r for r in bascule.rows("run") if r["text"].startswith(action)]


def start(bascule: Bascule) -> client.Client:
    """Backup, controller, and a client that has been promised something."""
    bascule.ok("backup")
    bascule.serve_and_settle()
    log = bascule.lab.folder / "client.jsonl"
    user = client.Client(bascule.lab.edge, log).start()
    wait_until("promises", 15, lambda: sum(r["ok"] for r in client.load(log) if r["kind"] == "write") >= 20)
    return user


def finish(bascule: Bascule, user: client.Client, serving: str) -> client.Count:
    """The end of the incident: everyone told, promises counted against the database that serves."""
    bascule.resolved(RESOLVED_S)
    wait_until("a promise from " + serving, 15, lambda: client.load(bascule.lab.folder / "client.jsonl")[-1]["ok"])
    user.stop()
    wait_until("all messages", 20, lambda: len(bascule.rows("delivered")) >= len(bascule.rows("notice")))
    stored = set(bascule.lab.psql(serving, "SELECT reference FROM payments").split())
    return client.count(client.load(bascule.lab.folder / "client.jsonl"), stored)


def test_a_database_that_cannot_restart_is_failed_over(make_bascule) -> None:
    bascule = make_bascule(rows=20_000)
    lab = bascule.lab
    user = start(bascule)
    faults.cannot_restart(lab)
    counted = finish(bascule, user, "dr")

    # Users are on DR, every endpoint answers, and what they pay is kept there.
    for path in ENDPOINTS:
        answer = web.get(lab.edge + path)
        assert (answer.status, answer.headers["x-served-by"]) == (200, "dr"), path
    assert counted.by_site.get("dr", 0) > 0 and counted.lost_by_site.get("dr", 0) == 0
    # What is missing was acknowledged after the backup, and the first payments before it are all there.
    assert set(counted.lost_by_site) <= {"production"} and counted.lost
    assert lab.psql("dr", "SELECT count(*) FROM payments WHERE reference LIKE 'SEED-%'") == "9000"

    # The restart was tried first, then each step of the failover once, in the runbook's order.
    steps = [r["subject"].split(".")[1] for r in bascule.rows("step.started")]
    assert steps == ["diagnose", "restart", "failover", "check-dr", "fence", "promote", "restore", "application", "test-apis", "redirect",
                     "verify-traffic", "report"]
    ended = {r["subject"].split(".")[1]: r for r in bascule.rows("step.ended")}
    assert ended["promote"]["number"] == 4 and not runs(bascule, "promote "), "skipped: there is no standby to promote"
    assert len(runs(bascule, "restore ")) == 1 and len(runs(bascule, "traffic switch ")) == 1
    assert [r["subject"] for r in bascule.rows("site.active")][-1] == "dr"

    # One writer: the old primary is down, and what would start it is refused.
    assert not lab.postmaster("production") and lab.unit("production", "db").mask_file.exists()
    assert any(r["subject"] == "fence.certificate" for r in bascule.rows("fact"))

    # People: exactly the messages that were ordered, each once, and the first within the stage's time.
    assert miscounted(bascule) == []
    opened = bascule.rows("incident.opened")[0]["wall_ms"] / 1000
    assert min(r["time"] for r in lab.requests()) - opened < 5
    assert any("RESOLVED" in m["subject"].upper() + m["body"].upper() for m in lab.mails())

    # The journal proves it, and the report states measured figures.
    bascule.verify()
    report = bascule.ok("incident", "report", "1")
    assert "RTO" in report and "RPO" in report and "restore" in report.lower()
    assert bascule.stop() == 0


def test_a_database_that_can_restart_is_restarted(bascule: Bascule) -> None:
    lab = bascule.lab
    user = start(bascule)
    faults.restartable(lab)
    counted = finish(bascule, user, "production")
    assert counted.lost == [] and set(counted.by_site) == {"production"}
    assert {r["site"] for r in lab.access_log() if r["status"] == 200} == {"production"}
    assert len(runs(bascule, "service restart ")) == 1
    assert not runs(bascule, "restore ") and not runs(bascule, "traffic switch ") and not runs(bascule, "fence ")
    assert [r["subject"] for r in bascule.rows("site.active")] in ([], ["production"])
    assert lab.served_by() == "production"
    assert miscounted(bascule) == []
    bascule.verify()


def test_the_incident_opens_soon_and_only_once(bascule: Bascule) -> None:
    bascule.ok("backup")
    bascule.serve_and_settle()
    hit = time.time()
    faults.restartable(bascule.lab)
    opened = bascule.await_row(10, "incident.opened")
    assert opened["wall_ms"] / 1000 - hit < 3, "interval 0.5 s, fall 2"
    bascule.resolved(RESOLVED_S)
    assert len(bascule.rows("incident.opened")) == 1


def test_a_well_lab_stays_quiet(bascule: Bascule) -> None:
    """No incident, no message, and a controller that ends when asked."""
    bascule.ok("backup")
    bascule.serve_and_settle()
    seen = len(bascule.lab.access_log())
    wait_until("twenty more looks at the public path", 30, lambda: len(bascule.lab.access_log()) >= seen + 20)
    assert bascule.rows("incident.opened") == [] and bascule.lab.requests() == [] and bascule.lab.mails() == []
    assert bascule.stop() == 0
    bascule.verify()


def test_status_of_a_well_and_an_ill_lab(bascule: Bascule) -> None:
    bascule.ok("backup")
    well = bascule.run("status")
    assert well.returncode == 0, well.stdout + well.stderr
    assert "✓ All checks passed" in well.stdout
    states = json.loads(bascule.run("status", "--json").stdout)
    assert states["status"] == "ok" and {c["state"] for c in states["checks"]} == {"up"}
    faults.kill_database(bascule.lab)
    ill = bascule.run("status")
    assert ill.returncode == 1
    assert "[✗] Database connectivity failed" in ill.stdout and "All checks passed" not in ill.stdout


def test_a_backup_is_a_plain_dump(bascule: Bascule) -> None:
    """Valid for `gunzip -c | psql`, with a manifest that counts rightly."""
    lab = bascule.lab
    bascule.ok("backup")
    path = faults.newest_backup(lab)
    assert re.fullmatch(r"akig_backup_full_\d{8}_\d{6}\.sql\.gz", path.name)
    assert b"-- PostgreSQL database dump complete" in gzip.decompress(path.read_bytes())[-200:]
    lab.psql("dr", "CREATE DATABASE by_hand", dbname="postgres")
    at = lab.state["sites"]["dr"]
    pipe = f"gunzip -c {path} | {lab.state['pgbin']}/psql -Xq -v ON_ERROR_STOP=1 'host={at['address']} port={at['pg_port']} user=bascule dbname=by_hand'"
    subprocess.run(["/bin/sh", "-c", pipe], check=True, capture_output=True)
    for table in ("users", "payments", "invoices"):
        query = f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM {table} t"
        assert lab.psql("dr", query, dbname="by_hand") == lab.psql("production", query)


def test_a_rehearsal_changes_nothing(bascule: Bascule) -> None:
    bascule.ok("backup")
    before = (bascule.lab.folder / "edge" / "upstream.conf").read_text()
    plan = bascule.ok("failover", "--dry-run")
    for word in ("fence", "restore", "traffic switch", "verify"):
        assert word in plan, plan
    assert (bascule.lab.folder / "edge" / "upstream.conf").read_text() == before
    assert bascule.lab.served_by() == "production" and bascule.lab.postmaster("production")
    assert "akig_before" not in bascule.lab.psql("dr", "SELECT string_agg(datname, ' ') FROM pg_database")


def test_the_runbook_in_french(bascule: Bascule) -> None:
    text = bascule.ok("--lang", "fr", "runbook")
    assert "Basculement" in text and bascule.lab.net in text and "bascule" in text


def test_first_looks_at_the_same_time_agree(bascule: Bascule) -> None:
    """Whoever looks first creates the heartbeat table; that several do it at once is no failure of the database."""
    for _ in range(4):
        bascule.lab.psql("dr", "DROP TABLE IF EXISTS bascule_heartbeat")
        looks = [subprocess.Popen(bascule.argv("status", "--json", "dr"), stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL) for _ in range(8)]
        said = [look.communicate()[0] for look in looks]
        assert not any("write failed" in text for text in said), said


def test_a_person_fails_over_by_hand(bascule: Bascule) -> None:
    """Without a controller the command carries the playbook out itself, from a healthy production: it is fenced first."""
    bascule.ok("backup")
    bascule.ok("failover", timeout=120)
    lab = bascule.lab
    assert lab.served_by() == "dr" and not lab.postmaster("production")
    assert lab.unit("production", "db").mask_file.exists()
    bascule.verify()


@pytest.mark.parametrize("fault", ["cannot-restart", "no-standby", "restartable"])
def test_the_demo_ends_well(build: Path, tmp_path: Path, fault: str) -> None:
    """The command that `make demo` runs, output not on a terminal; its own checks decide its exit status."""
    argv = [sys.executable, str(ROOT / "lab" / "demo"), "--build", str(build), "--fault", fault, "--rows", "20000"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\033[" not in done.stdout and "✗" not in done.stdout.split("What was checked")[1]
    assert len(list(tmp_path.glob("demo-report-*.md"))) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing(build: Path, tmp_path: Path, number: int) -> None:
    argv = [sys.executable, "-u", str(ROOT / "lab" / "demo"), "--build", str(build), "--rows", "2000"]
    demo = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell has its background ignore it, and so would its children
    assert demo.stdout
    folder = ""
    for line in demo.stdout:
        if " ready in " in line:
            folder = line.split()[-1]
        if "The controller watches" in line:
            break
    assert folder
    wait_until("the controller", 20, lambda: (Path(folder) / "serve.log").exists())
    os.killpg(demo.pid, number)  # as Ctrl-C does: to all of the foreground
    demo.communicate(timeout=60)
    assert demo.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    wait_until("everything to be gone", 30, lambda: not Path(folder).exists() and not procs.mentions(folder, PROGRAMS))
