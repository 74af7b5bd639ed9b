"""The lab itself: the ground that every other system test stands on."""
from __future__ import annotations

import collections
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import client
import faults
import lab as lab_module
import procs
import pytest
import web
from lab import Lab
from procs import wait_until

ROOT = Path(__file__).resolve().parents[2]


def pay(lab: Lab, reference: str, **more: object) -> web.Answer:
    return web.post(lab.edge + "/api/payments", {"contract_id": 1, "amount": 12.5, "reference": reference, **more})


# ---- the API ----

def test_api_answers_through_the_edge(lab: Lab) -> None:
    health = web.get(lab.edge + "/api/health")
    assert (health.status, health.headers["x-served-by"]) == (200, "production")
    assert health.json() == {"status": "ok", "site": "production", "database": "up"}
    assert web.get(lab.edge + "/api/auth/test").status == 200
    rows = web.get(lab.edge + "/api/contracts?limit=3").json()
    assert len(rows) == 3 and {"id", "user_id", "property_id", "status", "rent"} <= rows[0].keys()
    assert len(web.get(lab.edge + "/api/payments?limit=1").json()) == 1
    assert web.get(lab.edge + "/api/contracts?limit=0").status == 400
    assert web.get(lab.edge + "/api/nothing").status == 404
    assert web.get(lab.api_url("dr") + "/api/health").json()["site"] == "dr"


def test_payment_is_stored_when_it_is_acknowledged(lab: Lab) -> None:
    answer = pay(lab, "once")
    assert answer.status == 201
    assert lab.psql("production", "SELECT id, amount FROM payments WHERE reference = 'once'") == f"{answer.json()['id']}|12.50"
    assert pay(lab, "once").status == 409
    assert pay(lab, "orphan", contract_id=10**9).status == 422
    assert pay(lab, "negative", amount=-1).status == 422
    assert pay(lab, "", amount=None).status == 400
    assert web.post(lab.edge + "/api/payments", "{").status == 400
    assert web.post(lab.edge + "/api/payments", "x" * 20000).status == 413
    assert lab.psql("production", "SELECT count(*) FROM payments WHERE reference IN ('orphan', 'negative', '')") == "0"


def test_a_commit_that_fails_is_not_acknowledged(lab: Lab) -> None:
    """A deferred constraint speaks up at the commit, after the row's id was returned."""
    lab.psql("production", "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE check_violation; END$$;"
             "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()")
    assert pay(lab, "late").status == 422
    assert lab.psql("production", "SELECT count(*) FROM payments WHERE reference = 'late'") == "0"


def test_health_tells_of_a_dead_database_within_a_second(lab: Lab) -> None:
    faults.kill_database(lab)
    started = time.monotonic()
    answer = web.get(lab.edge + "/api/health")
    assert time.monotonic() - started < 1
    assert answer.status == 503 and answer.json()["database"] == "down" and answer.json()["error"].startswith("ECONNREFUSED 127.")
    lab.unit("production", "db").start()
    wait_until("the API to come back by itself", 5, lambda: lab.served_by() == "production")
    assert pay(lab, "after").status == 201


def test_health_tells_of_a_hanging_database_within_a_second(lab: Lab) -> None:
    faults.sigstop(lab)
    lab.unit("production", "api").restart()  # its old sessions would go on
    started = time.monotonic()
    answer = web.get(lab.edge + "/api/health")
    assert time.monotonic() - started < 1
    assert answer.status == 503 and answer.json()["error"].startswith("ETIMEDOUT")
    faults.sigcont(lab)
    wait_until("the API to come back by itself", 5, lambda: lab.served_by() == "production")


def test_data_is_as_large_as_asked_for_and_whole(make_lab) -> None:
    lab = make_lab(rows=20_000)
    tables = ("users", "properties", "contracts", "payments", "invoices")
    counts = [int(lab.psql("production", f"SELECT count(*) FROM {table}")) for table in tables]
    assert sum(counts) == 20_000 and min(counts) > 1000
    assert lab.psql("production", "SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == "6"
    assert int(lab.psql("dr", "SELECT count(*) FROM users")) < counts[0]


# ---- receivers ----

def test_webhook_keeps_what_it_got_and_answers_as_told(lab: Lab) -> None:
    url = (lab.folder / "secrets" / "slack.url").read_text().strip()
    assert web.post(url, {"text": "é"}).body == "ok"
    lab.receiver_mode("webhook", "429", retry_after=7)
    answer = web.post(url, {"text": "two"})
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    lab.receiver_mode("webhook", "500")
    assert web.post(url, {"text": "three"}).status == 500
    for mode in ("reset", "silent"):
        lab.receiver_mode("webhook", mode)
        with pytest.raises(OSError):
            web.post(url, {"text": mode}, timeout=0.5)
    with pytest.raises(ValueError):
        lab.receiver_mode("webhook", "nonsense")
    kept = lab.requests()
    assert [json.loads(r["body"])["text"] for r in kept] == ["é", "two", "three", "reset", "silent"]
    assert [r["taken"] for r in kept] == [True, False, False, False, False]
    assert all(abs(r["time"] - time.time()) < 30 and r["headers"] for r in kept)


def send_mail(lab: Lab, subject: str, password: str, timeout: float = 5) -> None:
    with smtplib.SMTP(f"{lab.net}.20", lab.state["ports"]["smtp"], timeout=timeout) as smtp:
        smtp.login("alerts", password)
        smtp.sendmail("a@akig.example", ["ops@akig.example"], f"Subject: {subject}\r\nMessage-ID: <1@x>\r\n\r\nbody".encode())


def test_mail_is_kept_and_refused_as_told(lab: Lab) -> None:
    password = (lab.folder / "secrets" / "smtp.password").read_text().strip()
    send_mail(lab, "one", password)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        send_mail(lab, "intruder", "wrong")
    for mode in ("451", "550"):
        lab.receiver_mode("smtp", mode)
        with pytest.raises(smtplib.SMTPSenderRefused):
            send_mail(lab, mode, password)
    lab.receiver_mode("smtp", "silent")
    with pytest.raises(OSError):
        send_mail(lab, "silent", password, timeout=0.5)
    assert [(m["subject"], m["to"], m["body"].strip()) for m in lab.mails() if m["taken"]] == [("one", ["ops@akig.example"], "body")]


def test_tarpit_accepts_and_never_answers(lab: Lab) -> None:
    with socket.create_connection((f"{lab.net}.20", lab.state["ports"]["tarpit"]), timeout=2) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        s.settimeout(0.5)
        with pytest.raises(socket.timeout):
            s.recv(1)


# ---- production as a remote host, and its units ----

def test_production_is_reached_over_ssh(lab: Lab) -> None:
    words = ("/usr/bin/python3", str(ROOT / "lab" / "unit.py"), str(lab.folder), "production", "db")
    status = lab.ssh(*words, "status")
    assert status.returncode == 0 and "active (running)" in status.stdout
    assert lab.ssh(*words, "kill").returncode == 0
    assert lab.ssh(*words, "status").returncode == 3
    assert lab.ssh(*words, "start").returncode == 0
    assert lab.served_by() == "production"


def test_a_masked_unit_does_not_start(lab: Lab) -> None:
    db = lab.unit("production", "db")
    db.mask()
    db.kill()
    db.kill()
    with pytest.raises(Exception, match="masked"):
        db.start()
    db.unmask()
    db.start()
    assert db.status() == 0


def test_units_restart_with_other_processes(lab: Lab) -> None:
    for kind in ("db", "api"):
        one = lab.unit("production", kind)
        before = one.main()
        one.restart()
        assert before and one.main() and one.main() != before
    wait_until("the service", 5, lambda: lab.served_by() == "production")


# ---- faults ----

def test_restartable_loses_nothing_and_starts_again(lab: Lab) -> None:
    assert pay(lab, "kept").status == 201
    faults.restartable(lab)
    assert lab.unit("production", "db").status() == 3 and lab.served_by() is None
    lab.unit("production", "db").restart()
    wait_until("the service", 5, lambda: lab.served_by() == "production")
    assert lab.psql("production", "SELECT count(*) FROM payments WHERE reference = 'kept'") == "1"


def test_cannot_restart_means_it(lab: Lab) -> None:
    faults.cannot_restart(lab)
    for _ in range(2):
        with pytest.raises(Exception, match="pg_control"):
            lab.unit("production", "db").restart()
    assert lab.unit("production", "db").status() == 3 and lab.served_by() is None


def test_a_stopped_postmaster_accepts_and_does_not_answer(lab: Lab) -> None:
    faults.sigstop(lab)
    with pytest.raises(OSError, match="timeout"):
        lab.psql("production", "SELECT 1")
    lab.unit("production", "db").restart()
    assert lab.psql("production", "SELECT 1") == "1"


def test_dr_stays_down(lab: Lab) -> None:
    faults.dr_down(lab)
    with pytest.raises(Exception, match="masked"):
        lab.unit("dr", "db").restart()
    faults.dr_up(lab)
    assert lab.psql("dr", "SELECT 1") == "1"


def test_backup_and_edge_faults(lab: Lab) -> None:
    old, new = (lab.backups / f"akig_backup_full_20251024_{hour}0000.sql.gz" for hour in ("08", "10"))
    new.write_bytes(b"x" * 1000)
    old.write_bytes(b"y" * 1000)
    faults.truncate_backup(lab)
    assert (new.stat().st_size, old.stat().st_size) == (500, 1000)
    faults.empty_backup(lab)
    assert new.stat().st_size == 0
    test = ["/usr/sbin/nginx", "-e", f"{lab.folder}/edge/error.log", "-c", f"{lab.folder}/edge/nginx.conf", "-t"]
    assert subprocess.run(test, capture_output=True).returncode == 0
    faults.break_edge(lab)
    assert subprocess.run(test, capture_output=True).returncode == 1
    assert lab.served_by() == "production"
    faults.repair_edge(lab)
    assert subprocess.run(test, capture_output=True).returncode == 0


# ---- the client ----

def test_client_counts_what_it_was_promised(lab: Lab) -> None:
    log = lab.folder / "client.jsonl"
    one = client.Client(lab.edge, log).start()
    wait_until("ten promises", 10, lambda: sum(r["ok"] for r in client.load(log) if r["kind"] == "write") >= 10)
    faults.restartable(lab)
    wait_until("a failure", 10, lambda: any(not r["ok"] for r in client.load(log)))
    lab.unit("production", "db").start()
    wait_until("promises after the outage", 10, lambda: [r["ok"] for r in client.load(log) if r["kind"] == "write"][-3:] == [True] * 3)
    one.stop()
    stored = set(lab.psql("production", "SELECT reference FROM payments").split())
    result = client.count(client.load(log), stored)
    assert result.acknowledged >= 13 and result.by_site == {"production": result.acknowledged} and result.lost == []
    assert result.unanswered > 0 and result.outage and 0 < result.outage.seconds < 20
    # Had two promised rows been lost, it would say so.
    gone = sorted(r for r in stored if r.startswith(one.prefix))[:2]
    assert len(client.count(client.load(log), stored - set(gone)).lost) == 2


# ---- labs beside each other, and their end ----

def left_of(folder: Path, lock: str) -> list[str]:
    """What is still there of a lab."""
    found = [f"{p.pid}: {procs.command_line(p.pid)}" for p in procs.mentions(str(folder), lab_module.PROGRAMS)]
    return found + [path for path in (str(folder), lock) if os.path.exists(path)]


def segments() -> set[str]:
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def segment_of(lab: Lab, site: str) -> str:
    """The System V segment of a postmaster, which a kill leaves behind."""
    return (lab.folder / site / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]


def test_two_labs_at_once(make_lab) -> None:
    made: list[Lab] = []
    threads = [threading.Thread(target=lambda: made.append(make_lab())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, two = made
    assert one.net != two.net and one.folder != two.folder
    assert pay(one, "mine").status == 201 and pay(two, "mine").status == 201
    faults.cannot_restart(one)
    assert one.served_by() is None and two.served_by() == "production"
    one.down()
    assert left_of(one.folder, one.state["lock"]) == []
    assert two.served_by() == "production"


def test_down_leaves_nothing_and_may_be_repeated(make_lab) -> None:
    lab = make_lab()
    mine = {segment_of(lab, site) for site in ("production", "dr")}
    assert mine <= segments()
    stuck = lab.postmaster("dr")
    faults.cannot_restart(lab)
    assert stuck
    os.kill(stuck.pid, signal.SIGSTOP)
    lab.down()
    assert left_of(lab.folder, lab.state["lock"]) == []
    assert not mine & segments()
    lab.down()


def test_down_ends_a_lab_whose_notes_are_damaged(make_lab) -> None:
    lab = make_lab()
    (lab.folder / "lab.json").write_text((lab.folder / "lab.json").read_text() + "}")
    lab.down()
    assert left_of(lab.folder, lab.state["lock"]) == []


ORPHAN = """
import os, sys
sys.path.insert(0, {lab!r})
from pathlib import Path
from lab import Lab
lab = Lab.create(Path({build!r}), rows=500)
print(lab.folder, lab.state["lock"], flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_lab_ends_when_its_maker_is_killed(build: Path) -> None:
    maker = subprocess.run([sys.executable, "-c", ORPHAN.format(lab=str(ROOT / "lab"), build=str(build))], capture_output=True, text=True, timeout=60)
    assert maker.returncode == -signal.SIGKILL
    folder, lock = maker.stdout.split()
    wait_until("the keeper to clear away", 20, lambda: not left_of(Path(folder), lock))


def test_command_line(build: Path, tmp_path_factory) -> None:
    """up, env, fault, unit and down from a shell; the lab outlives the shell that made it."""
    tool = str(ROOT / "lab" / "lab")

    def call(*words: str) -> str:
        return subprocess.run([tool, *words], check=True, capture_output=True, text=True).stdout

    folder = Path(call("up", "--build", str(build), "--rows", "500").strip())
    try:
        lab = Lab.open(folder)
        values = dict(line.removeprefix("export ").split("=", 1) for line in call("env", str(folder)).splitlines())
        assert values["BASCULE_CONFIG"] == str(lab.config) and values["AKIG_EDGE"] == lab.edge
        call("fault", str(folder), "restartable")
        assert lab.served_by() is None
        call("unit", str(folder), "production", "db", "start")
        wait_until("the service", 5, lambda: lab.served_by() == "production")
        assert subprocess.run([tool, "fault", str(folder), "nonsense"], capture_output=True).returncode == 2
    finally:
        call("down", str(folder))
    assert left_of(folder, lab.state["lock"]) == []
    call("down", str(folder))


def test_down_leaves_alone_what_is_not_a_lab(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(lab_module.LabError, match="not a lab"):
        lab_module.down(tmp_path)
    assert (tmp_path / "precious").exists()


def test_a_lab_that_cannot_be_made_leaves_nothing(build: Path, monkeypatch) -> None:
    made: list[Path] = []

    def fail(builder: lab_module.Builder, site: str) -> None:
        made.append(builder.folder)
        raise RuntimeError("no site today")

    monkeypatch.setattr(lab_module.Builder, "start_site", fail)
    with pytest.raises(RuntimeError, match="no site today"):
        Lab.create(build)
    assert made and not any(folder.exists() for folder in made)  # others make labs meanwhile


def test_every_stage_table_tells_the_same_stages() -> None:
    import settings

    names = {name: list(stages) for name, stages in settings.STAGES.items()}
    assert len(set(map(tuple, names.values()))) == 1, names
    assert collections.Counter(settings.STAGES["runbook"].values()) == collections.Counter(["5s", "2m", "3m", "5m", "10m"])
